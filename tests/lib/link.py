# SPDX-License-Identifier: Apache-2.0
"""link.py - a node, or a controller, of Python on the node link: as good or as bad as a test likes.

    trust = link.Trust(directory)            # vdictl pki init
    c = link.controller(trust, lines=[...])  # vdi.Controller with site libvirt and a node link
    trust.enroll(c, "n1")                    # by vdid --enroll
    n = link.Node(trust, "n1")
    n.join()                                 # hello, welcome, an empty inventory

Frames are 4 bytes of length and one JSON object (doc/design/node-link.md).
"""
import datetime
import json
import os
import secrets
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

import vdi


def now(offset_sec=0):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_sec)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Trust:
    """The authority of a cluster, and the keys of its nodes."""

    def __init__(self, directory):
        self.dir = directory
        self.pki = os.path.join(directory, "pki")
        self.port = vdi.free_port()
        subprocess.run([os.path.join(vdi.BUILD, "vdictl"), "pki", "init", self.pki, "scratch"],
                       check=True, capture_output=True)

    def path(self, node, name):
        return os.path.join(self.dir, node, name)

    def write_conf(self, node, *lines):
        os.makedirs(os.path.join(self.dir, node), mode=0o700, exist_ok=True)
        with open(self.path(node, "vdid.conf"), "w", encoding="utf-8") as f:
            f.write(f'node = "{node}"\ncluster = "scratch"\ncontroller = "127.0.0.1:{self.port}"\n')
            for what, name in (("ca_file", "ca.crt"), ("cert_file", "node.crt"),
                               ("key_file", "node.key")):
                f.write(f'{what} = "{self.path(node, name)}"\n')
            f.writelines(line + "\n" for line in lines)
        return self.path(node, "vdid.conf")

    def enroll(self, c, node, *lines):
        conf = self.write_conf(node, *lines)
        vdi.wait_for(f"{node} to be known",
                     lambda: c.request("GET", f"/v1/nodes/{node}").status == 200)
        token = c.request("POST", f"/v1/nodes/{node}/enroll").json["token"]
        subprocess.run([os.path.join(vdi.BUILD, "vdid"), "--config", conf, "--enroll"],
                       input=token.encode(), check=True, capture_output=True)

    def as_node(self, node):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.path(node, "ca.crt"))
        context.load_cert_chain(self.path(node, "node.crt"), self.path(node, "node.key"))
        return context

    def as_controller(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(os.path.join(self.pki, "ca.crt"))
        context.load_cert_chain(os.path.join(self.pki, "server.crt"),
                                os.path.join(self.pki, "server.key"))
        return context


def controller(trust, lines=(), **more):
    lines = [f'node_listen = "127.0.0.1:{trust.port}"', f'pki_dir = "{trust.pki}"', *lines]
    return vdi.Controller(lines=lines, site='site "libvirt" { }', **more)


class Peer:
    """Frames over a TLS socket. One thread reads, others may write: never inside it at once."""

    def __init__(self, sock):
        self.sock = sock
        self.turn = threading.Lock()  # inside the library
        self.lock = threading.Lock()  # one message after the other
        sock.setblocking(False)

    def _do(self, call):
        end = time.monotonic() + vdi.DEADLINE
        while time.monotonic() < end:
            try:
                with self.turn:
                    return call()
            except ssl.SSLWantReadError:
                select.select([self.sock], [], [], 1)
            except ssl.SSLWantWriteError:
                select.select([], [self.sock], [], 1)
        raise TimeoutError("the link does not move")

    def send_raw(self, data):
        with self.lock:
            while data:
                data = data[self._do(lambda: self.sock.send(data)):]

    def send(self, message):
        text = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.send_raw(struct.pack(">I", len(text)) + text)

    def _read(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self._do(lambda: self.sock.recv(n - len(data)))
            except (OSError, ssl.SSLError):
                more = b""
            if not more:
                return None
            data += more
        return data

    def recv(self):
        """The next message; None: the peer has closed."""
        head = self._read(4)
        body = head and self._read(struct.unpack(">I", head)[0])
        return json.loads(body) if body else None

    def until(self, kind):
        """The next message of that type; None: the peer has closed."""
        while True:
            m = self.recv()
            if m is None or m["type"] == kind:
                return m

    def close(self):
        self.sock.close()


class Node(Peer):
    """A node: what it is sent is in .orders, .bye. It answers with success, but to a `start` or
    `stop` only what `answers` says: verb -> code, or None for no answer."""

    def __init__(self, trust, name, rcvbuf=None):
        raw = socket.socket()
        if rcvbuf:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        raw.settimeout(vdi.DEADLINE)
        raw.connect(("127.0.0.1", trust.port))
        super().__init__(trust.as_node(name).wrap_socket(raw))
        self.name, self.seq, self.orders, self.answers = name, 0, [], {}
        self.bye, self.closed, self.welcome, self.instances = None, False, None, []
        self.images, self.numbering = [], threading.Lock()
        self.out_of_service = ""
        self.thread = None

    def hello(self, **more):
        self.send(dict({"type": "hello", "protocol": {"min": 1, "max": 1}, "node": self.name,
                        "boot_id": "7c1f7d0e-1b2a-4b52-9f3d-1c2d3e4f5a6b", "version": "0.1.0",
                        "epoch_seen": 0, "time": now(), "stream": secrets.token_hex(16),
                        "first": 1, "peer_stream": "", "received": 0}, **more))

    def report(self, kind, instance=0, generation=0, op=0, code=0, body=None, seq=None):
        with self.numbering:
            self.seq = seq if seq is not None else self.seq + 1
            self.send({"type": "report", "seq": self.seq, "op": op, "epoch": self.welcome["epoch"],
                       "instance": instance, "generation": generation, "kind": kind, "code": code,
                       "reason": "because" if code else "", "body": body or {}})

    def inventory(self, op=0):
        self.report("inventory", op=op, body={
            "cpus": 4, "memory_mib": 8192, "disk_gib": 100, "version": "0.1.0",
            "out_of_service": self.out_of_service, "images": self.images, "instances": [
                {"id": i, "generation": g, "report": {"state": state}}
                for i, g, state in self.instances]})

    def _take(self, m):
        if m["type"] == "bye":
            self.bye = m["reason"]
        elif m["type"] == "order":
            self.send({"type": "ack", "seq": m["seq"]})
            self.orders.append(m)
            if m["verb"] == "inventory":
                self.inventory(m["op"])
            elif self.answers.get(m["verb"], 0) is not None:
                self.answer(m, self.answers.get(m["verb"], 0))

    def answer(self, order, code=0, body=None):
        self.report("done", order.get("instance", 0), order.get("generation", 0), order["op"], code,
                    body)

    def _serve(self):
        while True:
            try:
                m = self.recv()
                if m is None:
                    break
                self._take(m)
            except (OSError, ValueError):
                break
        self.closed = True

    def serve(self):
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def join(self, **hello):
        self.hello(**hello)
        self.welcome = self.recv()
        if self.welcome and self.welcome["type"] == "welcome":
            self.serve()
        return self.welcome

    def beat(self):
        self.send({"type": "heartbeat", "time": now(), "inventory": "", "received": 0})

    def keep_alive(self):
        """A heartbeat each second until the link ends."""
        def run():
            while not self.closed:
                try:
                    self.beat()
                except (OSError, ValueError):
                    return
                time.sleep(1)
        threading.Thread(target=run, daemon=True).start()

    def order(self, verb, instance=None):
        """The first such order; waits for it."""
        find = lambda: next((o for o in self.orders if o["verb"] == verb and
                             instance in (None, o.get("instance"))), None)
        return vdi.wait_for(f"{self.name} to be ordered to {verb}", find)
