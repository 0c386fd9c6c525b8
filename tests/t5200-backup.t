#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t5200-backup.t - a backup taken under load restores, into either kind of store, to a controller
that knows every job acknowledged before it, and gives out no id again. What is damaged, newer or
another cluster's is refused before the store is there; a restore that was not finished is, too.
"""
import hashlib
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import store  # noqa: E402
import vdi  # noqa: E402

# Jobs end (a fake batch job runs for no time) and leave memory, so that the archive has most.
LINES = ['keep_done = "1s"', "requests_per_sec = 100000", "requests_burst = 100000"]


class Load:
    """Submits from some connections, and notes what was acknowledged, in order."""

    def __init__(self, c, n=4):
        self.c, self.ids, self.stop = c, [], False
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(n)]
        for t in self.threads:
            t.start()

    def _run(self, n):
        connection = self.c.connect()
        i = 0
        while not self.stop:
            i += 1
            try:
                r = vdi.exchange(connection, "POST", "/v1/jobs",
                                 {"template": "desk", "name": f"l{n}-{i}", "hold": i % 3 == 0},
                                 {"Idempotency-Key": f"key-{n}-{i}"})
            except (OSError, vdi.http.client.HTTPException):
                return
            if r.status in (200, 201):
                self.ids.append(r.json["id"])
                if i % 4 == 1:
                    vdi.exchange(connection, "DELETE", f"/v1/jobs/{r.json['id']}")

    def end(self):
        self.stop = True
        for t in self.threads:
            t.join()


def restore(c, path, *more):
    r = subprocess.run([os.path.join(vdi.BUILD, "vdictld"), "--config", c.path("vdi.conf"),
                        "--restore", path, *more], capture_output=True, text=True, check=False)
    return r.returncode, r.stdout, r.stderr


def reseal(data):
    """With the right sum: 53 bytes are the end (kind, length, two counts, SHA-256)."""
    return data[:-32] + hashlib.sha256(data[:-53]).digest()


def facts(c, ids):
    """What is known of the jobs; states of live ones move on."""
    keep = ("id", "name", "owner", "template", "submit_time")
    out = {}
    for i in ids:
        r = c.request("GET", f"/v1/jobs/{i}")
        out[i] = {k: r.json.get(k) for k in keep} if r.status == 200 else r.status
    return out


def take(c):
    """(file, acknowledged before it, all that were ever)."""
    load = Load(c)
    vdi.wait_for("some load", lambda: len(load.ids) >= 300)
    vdi.wait_for("jobs in the archive",
                 lambda: "jobs" in c.request("GET", "/v1/jobs?limit=1").text and
                 c.request("GET", f"/v1/jobs/{load.ids[0]}").status == 200)
    before = list(load.ids)
    path = c.path("backup")
    code, out, err = c.run("vdictl", "backup", path)
    vdi.is_(code, 0, "a backup is taken under load", out, err)
    vdi.wait_for("more load", lambda: len(load.ids) >= len(before) + 200)
    load.end()
    vdi.is_(os.stat(path).st_mode & 0o777, 0o600, "its owner alone reads it")
    vdi.is_([f for f in os.listdir(c.dir) if f.startswith("backup.")], [], "nothing is left beside")
    return path, before, load.ids


def check(c, name, known, ids, path, epoch_before):
    code, out, err = restore(c, path)
    vdi.is_(code, 0, f"{name}: it is restored", out, err)
    epoch = int(re.search(r"epochs at (\d+)", out).group(1))
    vdi.ok(epoch > epoch_before, f"{name}: the epoch is higher than any before", out)
    c.start()
    got = facts(c, known)
    lost = [i for i in known if got[i] != known[i]]
    vdi.ok(not lost, f"{name}: every job acknowledged before is known, {len(known)} of them",
           [(i, got[i], known[i]) for i in lost[:3]])
    new = c.submit(name="new")
    vdi.ok(new > max(ids), f"{name}: no id is given out again: {new} is above {max(ids)}")
    again = c.request("POST", "/v1/jobs", {"template": "desk", "name": "l0-1", "hold": False},
                      {"Idempotency-Key": "key-0-1"})
    vdi.ok(again.json.get("id") in known, f"{name}: a retry key finds its job", again.text)
    code, out, err = c.run("vdictl", "audit", "--verify")
    vdi.is_(code, 0, f"{name}: the audit trail is whole", out, err)
    vdi.is_([e["request"] for e in c.request("GET", "/v1/audit").json["audit"]][:2],
            ["restore", "backup"], f"{name}: and has backup and restore")
    c.restart()
    vdi.is_(c.job(new)["name"], "new", f"{name}: what is acknowledged afterwards outlives a SIGKILL")


def refusals(c, path):
    with open(path, "rb") as f:
        good = f.read()
    bad = c.path("bad")
    cut = {"cut short": good[:-1], "one bit": good[:len(good) // 2] +
           bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1:],
           "more behind its end": good + b"x", "empty": b"", "no backup": b"hello\n",
           "a bit of the head": good.replace(b'"seq":', b'"sep":', 1)}
    for name, data in cut.items():
        with open(bad, "wb") as f:
            f.write(data)
        code, _, err = restore(c, bad)
        vdi.ok(code == 1 and "bad" in err, f"refused: {name}", err)
    with open(bad, "wb") as f:
        f.write(good.replace(b"OSVDI-BACKUP 1\n", b"OSVDI-BACKUP 2\n", 1))
    code, _, err = restore(c, bad)
    vdi.ok(code == 1 and "install osvdi" in err, "refused: a newer format, naming the release", err)
    with open(bad, "wb") as f:
        f.write(reseal(good.replace(b'"cluster":"scratch"', b'"cluster":"another"', 1)))
    code, _, err = restore(c, bad)
    vdi.ok(code == 1 and "another" in err, "refused: another cluster's", err)
    vdi.is_([f for f in os.listdir(c.dir) if f.startswith("vdi.db")], [],
            "the store was not touched by any of them")


def unfinished(c, path):
    """The snapshot comes last: without it nothing may start."""
    vdi.is_(restore(c, path, "--ids-after", "123456789")[0], 0, "restored once more")
    vdi.is_(restore(c, path)[0], 1, "a store that is not empty is refused")
    c.start()
    vdi.is_(c.submit(), 123456790, "ids begin above those that somebody knows of")
    c.end()
    for name in os.listdir(c.dir):
        if name.startswith("vdi.db"):
            os.unlink(c.path(name))
    restore(c, path)
    os.unlink(c.path("vdi.db.snapshot"))
    c.start(wait=False)
    code = c.process.wait(timeout=vdi.DEADLINE)
    c.process = None
    vdi.ok(code == 1 and "was begun and not finished" in c.log_text(),
           "a restore that was not finished is no cluster", c.log_text()[-500:])


def main():
    with vdi.Controller(nodes=8, lines=LINES) as c:
        path, before, ids = take(c)
        known = facts(c, before)
        epoch = 1
        vdi.is_(c.run("vdictl", "backup", "/nonexistent/x")[0], 1, "no place for it: refused")
        backup_of_backup = open(path, "rb").read()
        gone = subprocess.run([os.path.join(vdi.BUILD, "vdictl"), "backup", path],
                              env=dict(os.environ, VDI_URL="unix:/nonexistent"),
                              capture_output=True, check=False)
        vdi.is_(gone.returncode, 5, "no controller: told")
        vdi.ok(open(path, "rb").read() == backup_of_backup, "and the file that was there stays")
        with vdi.Controller(nodes=8, lines=LINES, start=False) as other:
            refusals(other, path)
            check(other, "sqlite", known, ids, path, epoch)
        with vdi.Controller(nodes=8, lines=LINES, start=False) as other:
            unfinished(other, path)
        with store.Postgres() as pg:
            if pg.why:
                vdi.skip(pg.why, "from sqlite to pgsql")
            else:
                with vdi.Controller(nodes=8, lines=LINES, start=False,
                                    store=pg.store("moved")) as other:
                    check(other, "pgsql", known, ids, path, epoch)
                    again = other.path("again")
                    vdi.is_(other.run("vdictl", "backup", again)[0], 0, "pgsql: backed up")
                    vdi.ok(os.path.getsize(again) > os.path.getsize(path) // 2,
                           "pgsql: with all of it")
    vdi.done()


main()
