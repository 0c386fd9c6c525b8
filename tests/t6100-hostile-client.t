#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6100-hostile-client.t - clients that trickle, hoard connections, send no end, or never read.

Each of them meets its own limit. That others notice nothing is shown by order: they are answered
while it goes on.
"""
import os
import re
import select
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

PER_CLIENT = 24


def connect(c, source="127.0.0.1", rcvbuf=None):
    s = socket.socket()
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.settimeout(vdi.DEADLINE)
    s.bind((source, 0))
    s.connect(("127.0.0.1", c.port))
    return s


def is_cut(s):
    """Whatever was answered before, the other side has closed."""
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def first_line(s):
    try:
        return s.recv(65536).split(b"\r\n")[0].decode("latin-1") or "cut"
    except ConnectionError:
        return "cut"


def others_served(c, token, name):
    a = c.request("GET", "/v1/jobs?limit=1")
    s = vdi.http.client.HTTPConnection("127.0.0.1", c.port, timeout=vdi.DEADLINE,
                                       source_address=("127.0.0.2", 0))
    b = vdi.exchange(s, "GET", "/v1/jobs?limit=1", headers=vdi.bearer(token))
    s.close()
    vdi.is_((a.status, b.status), (200, 200), f"{name}: others are served")


def n_refused(c):
    return c.request("GET", "/v1/diag").json["http_connections_refused"]


class Trickle:
    """A byte now and then, never idle, until each connection is cut."""

    def __init__(self, sockets, text):
        self.open, self.text, self.at = list(sockets), text, 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while self.open:
            for s in list(self.open):
                try:
                    s.send(self.text[self.at % len(self.text):][:1])
                    gone = select.select([s], [], [], 0)[0] and not s.recv(4096)
                except OSError:
                    gone = True
                if gone:
                    self.open.remove(s)
            self.at += 1
            time.sleep(0.2)


def trickles(c, token):
    heads = [connect(c) for _ in range(PER_CLIENT // 2)]
    bodies = [connect(c) for _ in range(PER_CLIENT // 2)]
    for s in bodies:
        s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n"
                  b"Authorization: Bearer " + token.encode() + b"\r\n\r\n")
    all_of_them = [Trickle(heads, b"GET /v1/jobs HTTP/1.1\r\nX-" + b"a" * 4000),
                   Trickle(bodies, b"{" + b" " * 4000)]
    others_served(c, token, "slow requests")
    vdi.ok(sum(len(t.open) for t in all_of_them) == PER_CLIENT, "... while they still come")
    before = n_refused(c)
    vdi.ok(is_cut(connect(c)) and n_refused(c) == before + 1, "... one more is not taken")
    for t in all_of_them:
        t.thread.join(vdi.DEADLINE)
    vdi.is_([len(t.open) for t in all_of_them], [0, 0], "a request has to arrive in its time")


def hoards(c, token):
    before = n_refused(c)
    idle = [connect(c) for _ in range(PER_CLIENT)]
    vdi.is_(n_refused(c), before, "so many connections of one address are taken")
    vdi.ok(is_cut(connect(c)) and n_refused(c) == before + 1, "... and not one more")
    others_served(c, token, "idle connections")
    vdi.ok(all(is_cut(s) for s in idle), "... and those that say nothing are closed")
    s = vdi.wait_for("room again", lambda: (lambda s: s.sendall(
        b"GET /v1/ping HTTP/1.0\r\n\r\n") or "200" in first_line(s))(connect(c)))
    vdi.ok(s, "... then there is room")


def sizes(c, token):
    def send(text, name, want):
        s = connect(c)
        try:
            s.sendall(text)
        except ConnectionError:
            pass
        line = first_line(s)
        vdi.ok(any(w in line for w in want), name, line)
        s.close()

    get = b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n"
    send(get + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n", "a header of 1 MiB", ("431", "cut"))
    send(get + b"X: a\r\n" * 20000 + b"\r\n", "20,000 headers", ("431", "cut"))
    send(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n", "a path of 1 MiB", ("414", "431", "cut"))
    send(get + b"Content-Length: 99999999999999999999\r\n\r\n", "a length that is no number",
         ("400", "413"))
    send(get + b"Content-Length: -1\r\n\r\n", "a negative length", ("400",))
    send(get + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "two lengths at once", ("400",))
    post = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
    send(post + b"Content-Length: 1000000000\r\n\r\n", "a body of 1 GB, before it comes", ("413",))
    send(post + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 200,
         "a body without an end", ("413", "cut"))
    send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600, "TLS where there is none",
         ("400", "cut"))


def pipelines(c, token):
    s = connect(c, rcvbuf=4096)
    ask = (b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
    s.setblocking(False)
    sent, enough = 0, 64 << 20  # more than the kernel takes for both ends
    while select.select([], [s], [], 3)[1] and sent < enough:
        try:
            sent += s.send(ask)
        except BlockingIOError:
            continue
        except ConnectionError:
            break
    vdi.ok(sent < enough, "who asks on and on and reads nothing is not read either", sent)
    others_served(c, token, "requests without a reader")
    s.close()


def followers(c, token):
    """SSE clients that do not read: they lose events, and are told so; the daemon loses nothing."""
    stuck = [connect(c, rcvbuf=4096) for _ in range(8)]
    for s in stuck:
        s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token.encode() +
                  b"\r\n\r\n")
        s.recv(1)
    user = vdi.bearer(token)
    connection = c.connect()
    before = resident_kib(c)
    for _ in range(1000):
        r = vdi.exchange(connection, "POST", "/v1/jobs",
                         {"template": "desk", "hold": True, "comment": "x" * 100}, user)
        r = vdi.exchange(connection, "DELETE", f"/v1/jobs/{r.json['id']}", headers=user)
        if r.status != 200:
            break
    last = f'"id":{r.json["id"]},'
    vdi.is_(r.status, 200, "followers that do not read: work goes on", r.text)
    others_served(c, token, "followers that do not read")
    vdi.ok(resident_kib(c) - before < 64 << 10, "... and cost no memory without end",
           before, resident_kib(c))
    text = b""
    while last.encode() not in text and (more := stuck[0].recv(65536)):
        text += more
    ids = [int(i) for i in re.findall(rb"(?m)^id: (\d+)", text)]
    vdi.ok(last.encode() in text and ids == sorted(set(ids)), "one that reads on has missed nothing",
           len(ids), text[-200:])
    for s in stuck:
        s.close()
    vdi.wait_for("them forgotten", lambda: c.request("GET", "/v1/diag").json["event_followers"] == 0)


def resident_kib(c):
    with open(f"/proc/{c.process.pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def main():
    lines = [f"max_connections_client = {PER_CLIENT}", 'idle_timeout = "8s"',
             "requests_per_sec = 100000", "requests_burst = 100000", "max_jobs_user = 100000"]
    with vdi.Controller(http=True, lines=lines) as c:
        token = c.issue_token("daemon")["token"]
        for part in (sizes, hoards, pipelines, followers, trickles):
            part(c, token)
    vdi.done()


main()
