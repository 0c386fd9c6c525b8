#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1101-services.t - what is away or full: munged, the name service, the disk, a newer store.

Whoever does not need it notices nothing, who does is told what to do, and when it is back all
goes on. "Notices nothing" is shown by order: answered while the others still wait.
"""
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

ROOT = os.geteuid() == 0
HUNG_UID = 9  # news: somebody whom NSS knows


class Waiting:
    """Requests that are on their way at once, each on a connection of its own."""

    def __init__(self, connections, method="GET", path="/v1/jobs", headers=lambda: {}):
        self.answers, self.failures, self.threads = [], [], []
        for connection in connections:
            connection.connect()
            connection.request(method, path, headers=headers())
            thread = threading.Thread(target=self._wait, args=(connection,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def _wait(self, connection):
        try:
            r = connection.getresponse()
            self.answers.append(vdi.Response((r.status, r.headers, r.read())))
        except OSError as e:
            self.failures.append(repr(e))

    def join(self):
        for thread in self.threads:
            thread.join(vdi.DEADLINE)
        return self.answers


def munge_away(c):
    token = vdi.bearer(c.issue_token("daemon")["token"])
    sign = lambda: c.munge.sign("GET", "/v1/jobs")
    by_munge = lambda: vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs", headers=sign())
    vdi.is_(by_munge().status, 200, "a MUNGE credential is good")
    signed = [sign() for _ in range(20)]
    c.munge.process.send_signal(signal.SIGSTOP)
    waiting = Waiting([c.connect_tcp() for _ in signed], headers=signed.pop)
    r = vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs", headers=token)
    pending = 20 - len(waiting.answers)
    vdi.is_((r.status, pending), (200, 20), "munged hangs: a token is taken meanwhile")
    vdi.is_(c.request("GET", "/v1/jobs").status, 200, "and the peer of a unix socket is known")
    c.munge.process.send_signal(signal.SIGCONT)
    vdi.is_({a.status for a in waiting.join()} - {200, 503}, set(), "then all are answered")
    signed = sign()
    c.munge.stop()
    r = vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs", headers=signed)
    vdi.ok(r.status == 503 and "munged" in r.json.get("remedy", ""), "munged is away", r.text)
    vdi.ok(int(r.headers.get("Retry-After", 0)) >= 1, "with Retry-After")
    vdi.is_(vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs", headers=token).status, 200,
            "tokens are taken")
    c.munge.start()
    vdi.is_(by_munge().status, 200, "munged is back")


def slowest_ms(c, token):
    """Of 200 requests one after the other; told, not judged: the machine may be busy."""
    connection, slowest = c.connect_tcp(), 0.0
    for _ in range(200):
        begin = time.monotonic()
        vdi.exchange(connection, "GET", "/v1/jobs?limit=1", headers=token)
        slowest = max(slowest, time.monotonic() - begin)
    connection.close()
    return f"{slowest * 1000:.1f} ms"


def nss_hangs(directory):
    if not ROOT:
        vdi.skip("needs root to be another user", "NSS hangs for one user")
        return
    shim = os.path.join(directory, "hang_nss.so")
    subprocess.run([*os.environ.get("CC", "cc").split(), "-D_GNU_SOURCE", "-shared", "-fPIC", "-o",
                    shim, os.path.join(vdi.SRC, "tests/lib/hang_nss.c"), "-ldl"], check=True)
    file = os.path.join(directory, "hang")
    with open(file, "w", encoding="utf-8"):
        pass
    env = {"LD_PRELOAD": shim, "VDI_HANG_UID": str(HUNG_UID), "VDI_HANG_FILE": file,
           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    lines = ['template "brief" { image = "none"  vcpus = 1  memory = "1G"  boot_timeout = "1s" }']
    with vdi.Controller(munge=True, http=True, env=env, lines=lines) as c:
        token = vdi.bearer(c.issue_token("daemon")["token"])
        idle = slowest_ms(c, token)
        hung = Waiting([c.connect(HUNG_UID) for _ in range(20)])
        signed = [c.munge.sign("GET", "/v1/jobs", uid=HUNG_UID) for _ in range(20)]
        hung_munge = Waiting([c.connect_tcp() for _ in signed], headers=signed.pop)
        others = [
            ("a peer", c.request("GET", "/v1/jobs")),
            ("a peer not asked about before", c.request("GET", "/v1/jobs", uid=6)),
            ("a token", vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs", headers=token)),
            ("a MUNGE credential", vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs",
                                                headers=c.munge.sign("GET", "/v1/jobs", uid=7))),
            ("a submit", c.request("POST", "/v1/jobs", {"template": "desk"})),
        ]
        for name, r in others:
            vdi.ok(r.status in (200, 201), f"NSS hangs for one user: {name} is answered", r.text)
        vdi.diag(f"slowest of 200 others: {slowest_ms(c, token)}; when nothing hangs: {idle}")
        done = [a.status for a in hung.answers + hung_munge.answers]
        vdi.ok(200 not in done, "while that one waits", done)
        os.unlink(file)
        answers = hung.join() + hung_munge.join()
        vdi.is_(len(answers), 40, "and is answered in the end", hung.failures, hung_munge.failures)
        vdi.is_({a.status for a in answers} - {200, 503}, set(), "with jobs or 'try again'")
        said = {f"{a.json['detail']}; {a.json.get('remedy')}" for a in answers if a.status == 503}
        vdi.ok(all("; try again" in text for text in said), "... in a sentence", *said)
        vdi.wait_for("the user to be known again",
                     lambda: c.request("GET", "/v1/jobs", uid=HUNG_UID).status == 200, 0.2)
        starts_while_nss_hangs(c, file)
        with open(file, "w", encoding="utf-8"):
            pass
        c.submit(uid=HUNG_UID, template="desk")
        hung = Waiting([c.connect(4242)])
        code = c.end()  # the look-ups hang on: the file is there
        vdi.is_(code, 0, "a hung NSS does not hold up the end of the controller")
        hung.join()


def starts_while_nss_hangs(c, file):
    """The account of a job's owner is looked up when it starts."""
    with open(file, "w", encoding="utf-8"):
        pass
    waits = c.submit(uid=HUNG_UID)  # who it is, is still known
    c.wait_state(waits, "CONFIGURING")
    fails = c.submit(uid=HUNG_UID, template="brief")
    other = c.submit()
    c.wait_state(other, "RUNNING")
    vdi.ok(True, "NSS hangs for the owner of a job: others start")
    j = c.wait_state(fails, "BOOT_FAIL")
    vdi.is_(j["reason"],
            f"the account of uid {HUNG_UID} cannot be looked up (NSS): no answer in time",
            "one whose boot timeout is over is given up, with the reason")
    vdi.is_(c.job(waits)["state"], "CONFIGURING", "the other waits")
    os.unlink(file)
    c.wait_state(waits, "RUNNING")
    vdi.ok(True, "and starts when NSS answers again")
    nobody = c.submit(uid=54321)
    j = c.wait_state(nobody, "BOOT_FAIL")
    vdi.is_(j["reason"], "uid 54321 is not known here (NSS): it gets no account",
            "a user whom NSS does not know gets no instance")
    for job in (waits, other):
        c.request("DELETE", f"/v1/jobs/{job}")


def submit_until_refused(c, acked):
    """The status that ended it. Every acknowledged id goes to `acked`."""
    for _ in range(5000):
        r = c.request("POST", "/v1/jobs", {"template": "desk", "comment": "x" * 500, "hold": True})
        if r.status != 201:
            return r
        acked.append(r.json["id"])
    raise AssertionError("the disk does not get full")


def disk_full(c, disk):
    acked = [c.submit()]
    c.wait_state(acked[0], "RUNNING")
    disk.fill()
    r = submit_until_refused(c, acked)
    vdi.ok(r.status == 507 and r.json["detail"], "disk full: new work is refused", r.text)
    full = f"Nothing was written to {disk.at}/vdi.db: database or disk is full"
    remedy = "Free space on its file system; nothing was lost."
    vdi.is_((r.json["field"], r.json["detail"], r.json["remedy"]), ("store", full + ".", remedy),
            "with a sentence")
    vdi.is_(c.run("vdisubmit", "--desktop", "desk"), (1, "", f"vdisubmit: {full}; {remedy}\n"),
            "which vdisubmit prints")
    vdi.is_(c.request("GET", f"/v1/jobs/{acked[0]}").status, 200, "reading goes on")
    vdi.is_(c.job(acked[0])["state"], "RUNNING", "what runs, runs")
    r = c.request("DELETE", f"/v1/jobs/{acked[0]}")
    vdi.ok(r.status == 507 and c.job(acked[0])["state"] == "RUNNING",
           "a refused cancel changed nothing", r.text)
    before = c.request("GET", "/v1/jobs?fields=id").json["jobs"]
    vdi.is_(sorted(j["id"] for j in before), sorted(acked), "all that was acknowledged is there")
    disk.clear()
    new = vdi.wait_for("service to resume", lambda: c.request(
        "POST", "/v1/jobs", {"template": "desk", "hold": True}).json.get("id"), 0.1)
    vdi.ok(new > max(acked), "there is room: service resumes, with an id nobody had", new)
    vdi.is_(c.request("DELETE", f"/v1/jobs/{acked[0]}").status, 200, "the cancel is taken")
    c.wait_state(acked[0], "CANCELLED")
    c.restart()
    after = {j["id"] for j in c.request("GET", "/v1/jobs?fields=id").json["jobs"]}
    vdi.is_(after, set(acked[1:]) | {new}, "nothing acknowledged is lost in a crash")
    vdi.is_(c.job(acked[0])["state"], "CANCELLED", "the end is kept too")


def read_only(c, disk):
    c.end()
    disk.remount("ro")
    c.start(wait=False)
    code = c.process.wait(timeout=vdi.DEADLINE)
    c.process = None
    last = c.log_text().strip().splitlines()[-1]
    vdi.ok(code > 0 and "vdi.db" in last, "a read-only store: one sentence and no start", code, last)
    disk.remount("rw")
    c.start()
    vdi.is_(c.request("POST", "/v1/jobs", {"template": "desk"}).status, 201, "writable again")


def digests(directory):
    ret = {}
    for name in sorted(os.listdir(directory)):
        if name.startswith("vdi.db") and not name.endswith((".lock", "-shm")):
            with open(os.path.join(directory, name), "rb") as f:
                ret[name] = hashlib.sha256(f.read()).hexdigest()
    return ret


def newer_store():
    try:
        import sqlite3  # pylint: disable=import-outside-toplevel
    except ImportError:
        vdi.skip("python3 has no sqlite3", "a newer store is refused untouched")
        return
    with vdi.Controller() as c:
        c.submit(hold=True)
        c.end()
        db = sqlite3.connect(c.path("vdi.db"))
        db.execute("DELETE FROM meta")
        db.execute("PRAGMA user_version = 99")
        db.commit()
        db.close()
        before = digests(c.dir)
        c.start(wait=False)
        code = c.process.wait(timeout=vdi.DEADLINE)
        c.process = None
        vdi.ok(code not in (0, None) and code > 0, "a newer store is refused", code)
        last = c.log_text().strip().splitlines()[-1]
        vdi.ok("newer" in last or "release" in last, "with a sentence that says so", last)
        vdi.is_(digests(c.dir), before, "and untouched")


def damaged_store():
    with vdi.Controller() as c:
        for _ in range(50):
            c.submit(hold=True)
        c.kill()
        os.truncate(c.path("vdi.db"), 8192)
        os.unlink(c.path("vdi.db-wal"))
        c.start()
        vdi.ok("a new one holds what was good, the old is kept" in c.log_text(),
               "what a store plugin has to tell is in the log", c.log_text()[-2000:])


def main():
    vdi.need("munge", "munged")
    with vdi.Controller(munge=True, http=True) as c:
        munge_away(c)
        directory = c.path("more")
        os.mkdir(directory, 0o755)
        nss_hangs(directory)
        with vdi.Disk(directory) as disk:
            if not disk.mounted:
                vdi.skip("no small file system can be mounted here", "a full disk")
            else:
                with vdi.Controller(store=f"sqlite:{disk.at}/vdi.db") as on_disk:
                    disk_full(on_disk, disk)
                    read_only(on_disk, disk)
    newer_store()
    damaged_store()
    vdi.done()


main()
