#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6102-hostile-controller.t - vdid and a controller that is old, talks nonsense, or is none.

The controller is of Python (lib/link.py). The highest epoch that was seen is kept over restarts;
orders of an older one are refused, on a link that is still open as well as on a new one.
"""
import errno
import os
import secrets
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402


class Controller(link.Peer):
    """One connection of vdid, taken on a listening socket."""

    def __init__(self, trust, listener):
        raw, _ = listener.accept()
        super().__init__(trust.as_controller().wrap_socket(raw, server_side=True))
        self.hello = self.recv()
        self.stream, self.seq, self.op = secrets.token_hex(16), 0, 0

    def welcome(self, epoch, **more):
        self.send(dict({"type": "welcome", "protocol": 1, "epoch": epoch, "heartbeat_sec": 1,
                        "silence_sec": 15, "time": link.now(), "stream": self.stream, "first": 1,
                        "received": 0}, **more))

    def order(self, verb, epoch, instance=1, generation=1, seq=None, body=None):
        """The report that answers it; None: the link was closed instead."""
        self.seq = seq or self.seq + 1
        self.op += 1
        self.send({"type": "order", "seq": self.seq, "op": self.op, "epoch": epoch,
                   "instance": instance, "generation": generation, "verb": verb,
                   "body": body or {}})
        while True:
            m = self.recv()
            if m is None:
                return None
            if m["type"] == "report":
                self.send({"type": "ack", "seq": m["seq"]})
                if m.get("op") == self.op:
                    return dict({"code": 0, "reason": ""}, **m)

    def is_closed(self):
        while self.recv() is not None:
            pass
        return True


class Vdid:
    def __init__(self, conf, log):
        self.conf, self.log, self.process = conf, log, None

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([os.path.join(vdi.BUILD, "vdid"), "--config", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


def epochs(trust, listener, node):
    c = Controller(trust, listener)
    vdi.is_((c.hello["type"], c.hello["node"], c.hello["epoch_seen"]), ("hello", "n1", 0),
            "a node says who it is, and that it has seen nobody")
    c.welcome(5)
    r = c.order("poll", 5)
    vdi.ok(r and r["code"] == errno.ENOENT, "an order is answered", r)
    r = c.order("stop", 4)
    vdi.ok(r and r["code"] == errno.ESTALE and "older controller" in r["reason"],
           "an order of an older epoch is refused on an open link", r)
    r = c.order("start", 5, body={"image": "x", "vcpus": 1, "memory_mib": 64})
    vdi.ok(r and r["code"] in (errno.EAGAIN, errno.ENODEV), "a node out of service starts nothing", r)
    r = c.order("poll", 9)
    vdi.ok(r and r["code"] == errno.ENOENT, "an order of a newer one is taken", r)
    node.kill()
    node.start()
    c = Controller(trust, listener)
    vdi.is_(c.hello["epoch_seen"], 9, "it is remembered over a SIGKILL")
    c.welcome(8)
    vdi.ok(c.is_closed(), "a controller of an older epoch is left")
    vdi.ok("older than 9" in node.log_text(), "... and the log says why")


def nonsense(trust, listener, node):
    def left(what, name, admitted=True):
        c = Controller(trust, listener)
        if admitted:
            c.welcome(9)
        try:
            what(c)
        except OSError:
            pass
        vdi.ok(c.is_closed() and node.process.poll() is None, name)

    left(lambda c: c.send_raw(struct.pack(">I", 0xffffffff)), "a frame of 4 GiB at first", False)
    left(lambda c: c.order("poll", 9), "an order before the welcome", False)
    left(lambda c: c.send(b'{"type":"bye","reason":"' + b"x" * (100 << 10) + b'"}'),
         "a frame of 100 KiB before the welcome", False)
    left(lambda c: c.send_raw(struct.pack(">I", (1 << 20) + 1) + b"x" * 4096), "a frame over 1 MiB")
    left(lambda c: c.send(b"[]"), "no object")
    left(lambda c: c.send(b"{" * 5000), "JSON nested for ever")
    left(lambda c: c.send({"type": "order", "seq": 1, "op": 1, "epoch": 9, "verb": "conquer",
                              "body": {}}),
         "an order nobody knows")
    left(lambda c: c.send({"type": "report", "seq": 1, "op": 1, "epoch": 9, "kind": "done",
                              "body": {}}),
         "what only a node says")
    left(lambda c: c.order("poll", 9, seq=100), "an order with some missing before it")
    c = Controller(trust, listener)
    c.welcome(9)
    for body in ({"vcpus": -1}, {"image": "x" * 5000, "vcpus": 1, "memory_mib": 1},
                 {"image": "../../etc", "vcpus": 1, "memory_mib": 64, "details": [1, 2]},
                 {"details": {"template": {"os": "plan9"}}}):
        r = c.order("start", 9, instance=7, body=body)
        vdi.ok(r and r["code"] > 0 and r["reason"], f"a start that can't be: {str(body)[:40]}", r)
    for verb in ("signal", "message", "bind", "suspend", "resume", "reboot", "connection", "log",
                 "output"):
        r = c.order(verb, 9, instance=1 << 60, body={"signal": -1, "text": 5, "from": "x"})
        vdi.ok(r and r["code"] > 0, f"{verb} of what is not there", r)
    vdi.is_(c.order("stop", 9, instance=1 << 60)["code"], 0, "a stop of what is not there succeeds")
    c.close()


def silence(trust, listener, node):
    """How long a controller may be silent is its own word; heartbeats go on as long."""
    c = Controller(trust, listener)
    c.welcome(9, silence_sec=2)
    beats = 0
    while (m := c.recv()) is not None:
        beats += m["type"] == "heartbeat"
    vdi.ok("silent for 2000 ms" in node.log_text(), "a controller that says nothing is left, in the "
           "time it named itself", beats)


def impostors(trust, listener, node):
    """Another cluster's controller, and no TLS at all: never a hello."""
    with tempfile.TemporaryDirectory(prefix="vdi.") as other:
        stranger = link.Trust(other)
        raw, _ = listener.accept()
        try:
            context = stranger.as_controller()
            context.verify_mode = link.ssl.CERT_NONE
            sock = context.wrap_socket(raw, server_side=True)
            got = sock.recv(1)
        except OSError:
            got = b""
        vdi.is_(got, b"", "a controller of another authority hears nothing")
        raw.close()
    raw, _ = listener.accept()
    raw.settimeout(vdi.DEADLINE)
    first = raw.recv(1)
    raw.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)
    vdi.is_(first, b"\x16", "one without TLS is sent a TLS greeting")
    raw.close()
    c = Controller(trust, listener)
    vdi.is_(c.hello["epoch_seen"], 9, "and then the true one is met again")
    c.close()


def main():
    vdi.need("openssl")
    if not os.path.exists(os.path.join(vdi.BUILD, "vdid")):
        vdi.skip_all("vdid is not built")
    with tempfile.TemporaryDirectory(prefix="vdi.") as scratch:
        trust = link.Trust(scratch)
        more = [f'{what} = "{os.path.join(scratch, what)}"'
                for what in ("state_dir", "image_dir", "run_dir")]
        for what in ("state_dir", "image_dir", "run_dir"):
            os.mkdir(os.path.join(scratch, what), 0o700)
        more += ['accel = "tcg"', f'uri = "qemu+unix:///system?socket={scratch}/none"']
        with link.controller(trust, nodes=1) as c:
            trust.enroll(c, "n1", *more)
        node = Vdid(trust.path("n1", "vdid.conf"), os.path.join(scratch, "vdid.log"))
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", trust.port))
            listener.listen()
            listener.settimeout(vdi.DEADLINE)
            node.start()
            try:
                for part in (epochs, nonsense, silence, impostors):
                    part(trust, listener, node)
                node.process.terminate()
                vdi.is_(node.process.wait(vdi.DEADLINE), 0, "vdid stops in order")
            except BaseException:
                vdi.diag(node.log_text()[-4000:])
                raise
            finally:
                node.kill()
        vdi.ok("Sanitizer" not in node.log_text(), "and nothing was found in it",
               node.log_text()[-3000:])
    vdi.done()


main()
