#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t5002-store-away.t - PostgreSQL is away while jobs end: nothing is lost, nothing is there twice.

What can't be committed is acknowledged to nobody, and is tried again until it can be.
"""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402
sys.path.insert(0, os.path.join(vdi.SRC, "bench"))
import lab  # noqa: E402


class Server(lab.Postgres):
    """One that dies without a farewell, and comes back with what it had committed."""

    def die(self):
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait()

    def back(self):
        with open(self.home + "/log", "ab") as log:
            self.server = subprocess.Popen(
                [self.bin + "/postgres", "-D", self.home + "/data", "-c",
                 "unix_socket_directories=" + self.home, "-c", "listen_addresses="],
                stdout=log, stderr=log, cwd=self.home, **self.user)
        vdi.wait_for("the database", lambda: not self._try("pg_isready", "-h", self.home))


def script(ms):
    return f"#!/bin/sh\n#FAKE exit=0 after_ms={ms}\n"


def batch(c, ms):
    job = c.submit(script=script(ms), template="batch", kind="batch", account="away")
    c.wait_state(job, "RUNNING", "COMPLETED")
    return job


def failures(c):
    return c.request("GET", "/v1/diag").json["commit_failures"]


def keyed(c):
    return c.request("POST", "/v1/jobs", {"template": "desk", "hold": True},
                     {"Idempotency-Key": "once"})


def runs(c):
    u = c.request("GET", "/v1/usage?by=account&account=away").json["usage"]
    return sum(x["instances"] for x in u)


def history(c):
    return [(j["id"], j["state"]) for j in c.request(
        "GET", "/v1/history?fields=id,state&account=away").json["jobs"]]


def away(c, server):
    ends = [batch(c, 1500) for _ in range(3)]
    desk = c.submit(template="desk")
    c.wait_state(desk, "RUNNING")
    server.die()
    vdi.wait_for("commits to fail", lambda: failures(c) >= 3)
    for job in ends:
        vdi.ok(c.job(job)["state"] in ("RUNNING", "COMPLETING"),
               "an end that is not committed is told to nobody", c.job(job))
    r = keyed(c)
    vdi.ok(r.status >= 500, "a submit is refused, not taken", r.status, r.text)
    r = c.request("DELETE", f"/v1/jobs/{desk}")
    vdi.ok(r.status >= 500, "so is an end", r.status, r.text)
    vdi.is_(c.request("GET", "/v1/jobs").status, 200, "what is in memory is shown")
    r = c.request("GET", "/v1/usage")
    vdi.ok(r.status >= 500, "what is not is refused, not left out", r.status, r.text)
    server.back()
    for job in ends:
        vdi.is_(c.wait_state(job, "COMPLETED")["exit_code"], 0, "with the database comes the end")
    vdi.is_(sorted(history(c)), sorted((job, "COMPLETED") for job in ends),
            "each of them is in the archive once")
    vdi.is_(runs(c), 3, "and counts once")
    vdi.is_(c.job(desk)["state"], "RUNNING", "what nobody ended runs on")
    first, second = keyed(c), keyed(c)
    vdi.is_((first.status, second.status, first.json["id"]), (201, 200, second.json["id"]),
            "the submit that was refused is taken now, once", first.text, second.text)
    return ends


def away_and_killed(c, server, ends):
    job = batch(c, 1500)
    server.die()
    before = failures(c)
    vdi.wait_for("a commit to fail", lambda: failures(c) > before)
    c.kill()
    server.back()
    c.start()
    vdi.is_(c.wait_state(job, "COMPLETED")["exit_code"], 0,
            "an end that only a killed controller knew of is known again")
    vdi.is_(sorted(history(c)), sorted((j, "COMPLETED") for j in [*ends, job]),
            "nothing else has changed")
    vdi.is_(runs(c), 4 + c.job(job)["restarts"], "and nothing counts twice")


try:
    place = vdi.tempfile.mkdtemp(prefix="vdi.")
    os.chmod(place, 0o755)
    server = Server(place + "/pg")
except lab.Skip as reason:
    vdi.skip_all(str(reason))
with vdi.Controller(nodes=4, store="pgsql:" + server.dsn, lines=['keep_done = "0"']) as c:
    away_and_killed(c, server, away(c, server))
server.die()
vdi.shutil.rmtree(place, ignore_errors=True)
vdi.done()
