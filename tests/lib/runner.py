# SPDX-License-Identifier: Apache-2.0
"""runner.py - the guest runner and its host's half against each other, with a port between them.

Port stands for QEMU's virtio port: it holds a socket for each side and carries bytes in pieces
of any size. It can drop what is under way, cut either side off in the middle of a frame, and let
one side come back without the other noticing, which is what a real port does.
"""
import json
import os
import queue
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import vdi

ROOT = os.geteuid() == 0
UID, GID = (64123, 64123) if ROOT else (os.getuid(), os.getgid())
# Memory that was freed and is kept to be watched is not what a test of memory is about.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") +
                   ":quarantine_size_mb=4")
PIECES = (1, 3, 100, 4096, 65536, 65536, 65536)


class Port(threading.Thread):
    """port.cut("host"), port.cut("guest"): that side's connection is closed, and what is under
    way is lost from a random place on. The other side sees nothing. `chaos`: seconds between
    random cuts, on average."""

    def __init__(self, folder, chaos=0, seed=0, pieces=PIECES):
        super().__init__(daemon=True)
        self.paths = {side: os.path.join(folder, side + ".sock") for side in ("guest", "host")}
        self.listeners, self.ends = {}, {"guest": None, "host": None}
        self.held = {"guest": b"", "host": b""}  # on the way to that side
        self.carried = {"guest": 0, "host": 0}
        self.random, self.chaos, self.pieces = random.Random(seed), chaos, pieces
        self.cuts = 0
        self.orders, self.ended = queue.SimpleQueue(), threading.Event()
        for side, path in self.paths.items():
            self.listeners[side] = socket.socket(socket.AF_UNIX)
            self.listeners[side].bind(path)
            os.chmod(path, 0o666)
            self.listeners[side].listen(8)
        self.start()

    def cut(self, side):
        self.orders.put(side)

    def stop(self):
        self.ended.set()
        self.join()

    def _cut(self, side):
        self.cuts += 1
        if self.ends[side]:
            self.ends[side].close()
        self.ends[side] = None
        # As in QEMU: what was on its way to a side that is gone is thrown away, and of what came
        # from it, the other side gets what was handed over already, whole frames or not.
        self.held[side] = b""
        other = "host" if side == "guest" else "guest"
        self.held[other] = self.held[other][:self.random.randint(0, len(self.held[other]))]

    def _read(self, side):
        other = "host" if side == "guest" else "guest"
        try:
            data = self.ends[side].recv(self.random.choice(self.pieces))
        except OSError:
            data = b""
        if data:
            self.held[other] += data
            self.carried[other] += len(data)
        else:
            self._cut(side)

    def _write(self, side):
        try:
            n = self.ends[side].send(self.held[side][:self.random.choice(self.pieces)])
            self.held[side] = self.held[side][n:]
        except OSError:
            self._cut(side)

    def run(self):
        next_cut = time.monotonic() + self.chaos
        while not self.ended.is_set():
            while not self.orders.empty():
                self._cut(self.orders.get())
            if self.chaos and time.monotonic() > next_cut:
                self._cut(self.random.choice(("host", "guest")))
                next_cut = time.monotonic() + self.random.uniform(0, 2 * self.chaos)
            reads, writes = {}, {}
            for side, other in (("guest", "host"), ("host", "guest")):
                if self.ends[side] is None:
                    reads[self.listeners[side]] = side
                    continue
                # Nobody at the other end: the virtio port takes nothing.
                if self.ends[other] and len(self.held[other]) < 262144:
                    reads[self.ends[side]] = side
                if self.held[side]:
                    writes[self.ends[side]] = side
            can_read, can_write, _ = select.select(list(reads), list(writes), [], 0.05)
            for s in can_write:
                if self.ends[writes[s]] is s:
                    self._write(writes[s])
            for s in can_read:
                side = reads[s]
                if s is self.listeners[side]:
                    self.ends[side] = s.accept()[0]
                elif self.ends[side] is s:
                    self._read(side)
        for s in list(self.listeners.values()) + [e for e in self.ends.values() if e]:
            s.close()


class Rig:
    """One guest, one host, a port, and the folders of both."""

    def __init__(self, script=None, args=None, payload=None, owner_name="runner-test", environment=None, output_max=1 << 30, uid=None,
                 gid=None, work_dir="", merge=True, guest_args=(), mounts=(), guest_under=(), **port):
        self.dir = tempfile.mkdtemp(prefix="vdi-runner.")
        os.chmod(self.dir, 0o711)
        self.node = os.path.join(self.dir, "node")
        os.mkdir(self.node, 0o700)
        self.home = os.path.join(self.dir, "home")
        os.mkdir(self.home, 0o700)
        self.state = os.path.join(self.dir, "state")
        if ROOT:
            os.chown(self.home, UID, GID)
        self.port = Port(self.dir, **port) if port.pop("with_port", True) else None
        self.payload, self.owner_name = "-", owner_name
        if script is not None:
            payload = {"script": script, "args": args or [], "environment": environment or {}}
        if payload is not None:
            self.payload = os.path.join(self.dir, "payload")
            with open(self.payload, "w", encoding="utf-8") as f:
                json.dump(payload, f)
        self.owner = (UID if uid is None else uid, GID if gid is None else gid)
        self.work_dir, self.merge, self.max = work_dir, merge, output_max
        self.mounts, self.guest_under = list(mounts), list(guest_under)
        self.guest_args, self.nonce, self.job = list(guest_args), "n1", 7
        self.guest = self.host = None
        self.guest_log = open(os.path.join(self.dir, "guest.log"), "ab")
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for p in (self.guest, self.host):
            if p and p.poll() is None:
                p.kill()
                p.wait()
        if self.port:
            self.port.stop()
        self.guest_log.close()
        if "Sanitizer" in self.log() or "runtime error" in self.log():
            vdi.ok(False, "a sanitizer has a complaint", self.log())
        if exc[0]:
            vdi.diag(self.log())
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(os.path.join(self.dir, "guest.log"), errors="replace") as f:
            return f.read()[-4000:]

    def start_guest(self, port=None):
        self.guest = subprocess.Popen(
            self.guest_under + [os.path.join(vdi.BUILD, "vdi-runner"), "--port", port or self.port.paths["guest"],
             "--state-dir", self.state] + self.guest_args,
            stdin=subprocess.DEVNULL, stdout=self.guest_log, stderr=self.guest_log,
            env=ENVIRONMENT)

    def start_host(self, socket_path=None):
        argv = [os.path.join(vdi.BUILD, "tests", "runner_host"),
                socket_path or self.port.paths["host"], self.node, str(self.max),
                str(self.owner[0]), str(self.owner[1]), self.home, self.work_dir, self.payload,
                self.nonce, "merge" if self.merge else "apart", self.owner_name, str(self.job),
                *self.mounts]
        self.host = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=self.guest_log, text=True, env=ENVIRONMENT)
        threading.Thread(target=self._collect, args=(self.host,), daemon=True).start()

    def start(self):
        self.start_host()
        self.start_guest()
        return self

    def _collect(self, host):
        for line in host.stdout:
            self.lines.append(line.rstrip("\n"))

    def tell(self, line):
        self.host.stdin.write(line + "\n")
        self.host.stdin.flush()

    def kill_host(self):
        self.host.kill()
        self.host.wait()

    def kill_guest(self, signo=signal.SIGKILL):
        self.guest.send_signal(signo)
        self.guest.wait()

    def said(self, word):
        return [x for x in self.lines if x.startswith(word)]

    def wait(self, word):
        vdi.wait_for(word, lambda: self.said(word))
        return self.said(word)[-1]

    def wait_exit(self):
        """[started, code, signal, bytes out, bytes err, detail]"""
        return self.wait("exited").split(" ", 6)[1:]

    def output(self, name="output"):
        try:
            with open(os.path.join(self.node, name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def exit_file(self):
        with open(os.path.join(self.node, "exit.json"), encoding="utf-8") as f:
            return json.load(f)

    def rss_kib(self, process):
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as f:
            for line in f:
                if line.startswith("VmHWM"):
                    return int(line.split()[1])
        return 0
