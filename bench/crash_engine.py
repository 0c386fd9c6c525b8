# SPDX-License-Identifier: Apache-2.0
"""crash_engine.py - many clients on one thread: each a generator that yields its requests.

A generator yields (verb, path, body, key) and is sent (status, document), or None when the
connection broke: then nobody knows whether the request was done. It may yield a number to
sleep so many seconds. A lost connection is made again when the next request is yielded.
"""
import heapq
import json
import select
import socket
import time

RETRY_SEC = 0.01


class Client:
    def __init__(self, engine, script):
        self.engine, self.script = engine, script
        self.sock = None
        self.asked = None  # the request that is under way
        self.reply = b""

    def step(self, value=None):
        """Runs the script up to its next request; False at its end."""
        try:
            want = self.script.send(value)
        except StopIteration:
            self.drop()
            self.engine.running -= 1
            return
        if isinstance(want, (int, float)):
            self.engine.later(want, self.step)
        else:
            self.asked = self.encode(*want)
            self.ask()

    @staticmethod
    def encode(verb, path, body=None, key=None):
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        if text:
            head += "Content-Type: application/json\r\n"
        return head.encode() + b"\r\n" + text

    def ask(self):
        """Connects if need be; nothing was sent until then, so nothing is in doubt."""
        try:
            if not self.sock:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                sock.setblocking(False)
                sock.connect(self.engine.path)
                self.sock = sock
                self.engine.watch(self)
        except OSError:
            sock.close()
            self.engine.later(RETRY_SEC, self.ask)
            return
        self.reply = b""
        try:
            if self.sock.send(self.asked) == len(self.asked):
                return
        except OSError:
            pass
        self.broken()

    def broken(self):
        self.drop()
        if self.asked:
            self.asked = None
            self.engine.later(RETRY_SEC, self.step)

    def drop(self):
        if self.sock:
            self.engine.forget(self)
            self.sock.close()
            self.sock = None

    def readable(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.broken()
            return
        self.reply += data
        head, mark, body = self.reply.partition(b"\r\n\r\n")
        if not mark:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at < 0:
            raise RuntimeError("an answer without a length: " + head.decode(errors="replace"))
        length = int(lower[at + 15:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        closes = b"connection: close" in lower
        if closes:
            self.drop()
        self.engine.answers += 1
        self.asked = None
        self.step((int(head[9:12]), json.loads(body) if body else None))


class Engine:
    def __init__(self, path, alive):
        self.path, self.alive = path, alive
        self.epoll = select.epoll()
        self.clients = {}
        self.timers, self.n_timers = [], 0
        self.running = self.answers = 0

    def add(self, script):
        self.running += 1
        self.later(0, Client(self, script).step)

    def later(self, seconds, fn):
        self.n_timers += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.n_timers, fn))

    def watch(self, client):
        self.clients[client.sock.fileno()] = client
        self.epoll.register(client.sock.fileno(), select.EPOLLIN)

    def forget(self, client):
        self.epoll.unregister(client.sock.fileno())
        del self.clients[client.sock.fileno()]

    def run(self):
        """Until every script has ended; alive() raises when there is no more to wait for."""
        while self.running:
            self.alive()
            wait = self.timers[0][0] - time.monotonic() if self.timers else 1
            for fd, _ in self.epoll.poll(max(0, min(wait, 1))):
                if fd in self.clients:
                    self.clients[fd].readable()
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()
