#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6000-golden.t - every request, by everybody, with every kind of credential.

The rows are those of /v1/openapi.json; a row without an entry in TARGETS fails. What came out
is compared with tests/data/golden.tsv (VDI_GOLDEN_UPDATE=1 writes it anew) and with the rule
behind it: who is not known gets 401, who lacks the role 403, and what is not one's own is
answered byte for byte as what does not exist.
"""
import hashlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

vdi.need("openssl", "munge", "munged")
ROOT = os.geteuid() == 0
GOLDEN = os.path.join(vdi.SRC, "tests", "data", "golden.tsv")
NO_SUCH = "999999999"
USERS = {"owner": ("daemon", 1), "other": ("bin", 2), "operator": ("sys", 3), "admin": ("games", 5),
         "helpdesk": ("man", 6)}
ROLES = ["nobody", "user", "operator", "admin"]
MAY = ["job.show", "job.cancel", "job.connection", "node.update", "audit.list"]  # the helpdesk's

# A version whose disk is elsewhere: nothing has to be uploaded for it.
MANIFEST = '{"disk":"d","sha256":"' + "a" * 64 + '","disk_bytes":5}'
DIGEST = hashlib.sha256(MANIFEST.encode()).hexdigest()
VERSION = {"name": "cad", "manifest": MANIFEST, "source": "/images/d"}

# Two dates of one seat, from tomorrow on.
DAY = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
CLASS = {"template": "desk", "seats": 1, "users": "daemon", "starts": DAY + "T10:15",
         "duration_sec": 3600, "repeat": "FREQ=DAILY;COUNT=2"}

RESERVATION = {"nodes": "n2", "users": "daemon", "starts": DAY + "T20:15", "duration_sec": 3600,
               "repeat": "FREQ=DAILY;COUNT=2"}

# name of the request -> (path with ids filled in, body). JOB, TOKEN: a fresh one of the owner's.
TARGETS = {
    "ping": ("/v1/ping", None),
    "openapi": ("/v1/openapi.json", None),
    "metrics": ("/metrics", None),
    "job.list": ("/v1/jobs?limit=1", None),
    "job.submit": ("/v1/jobs", {"template": "desk", "hold": True}),
    "job.show": ("/v1/jobs/JOB", None),
    "job.update": ("/v1/jobs/JOB", {"comment": "new"}),
    "job.cancel": ("/v1/jobs/JOB", None),
    "job.hold": ("/v1/jobs/JOB/hold", None),
    "job.release": ("/v1/jobs/HELD/release", None),
    "job.suspend": ("/v1/jobs/JOB/suspend", None),
    "job.resume": ("/v1/jobs/JOB/resume", None),
    "job.extend": ("/v1/jobs/JOB/extend", {"seconds": 60}),
    "job.requeue": ("/v1/jobs/JOB/requeue", None),
    "job.message": ("/v1/jobs/JOB/message", {"text": "hello"}),
    "job.connection": ("/v1/jobs/JOB/connection", None),
    "job.output": ("/v1/jobs/JOB/output", None),
    "job.log": ("/v1/jobs/JOB/log", None),
    "job.events": ("/v1/jobs/JOB/events", None),
    "job.why": ("/v1/jobs/JOB/why", None),
    "instance.list": ("/v1/instances", None),
    "instance.show": ("/v1/instances/INSTANCE", None),
    "node.list": ("/v1/nodes", None),
    "node.show": ("/v1/nodes/n1", None),
    "node.update": ("/v1/nodes/n2", {"state": "drain", "reason": "test"}),
    "node.forecast": ("/v1/nodes/n1/forecast", None),
    "node.enroll": ("/v1/nodes/n1/enroll", None),
    "gpu.list": ("/v1/gpus", None),
    "partition.list": ("/v1/partitions", None),
    "qos.list": ("/v1/qos", None),
    "template.list": ("/v1/templates", None),
    "image.list": ("/v1/images", None),
    "image.publish": ("/v1/images", VERSION),
    "image.show": ("/v1/images/cad", None),
    "image.retire": ("/v1/images/FRESH", None),
    "image.rollback": ("/v1/images/cad/rollback", {"sha256": DIGEST}),
    "image.prefetch": ("/v1/images/cad/prefetch", {}),
    "blob.show": ("/v1/blobs/" + "a" * 64, None),
    "blob.write": ("/v1/blobs/" + "a" * 64 + "?from=5", b"bytes"),
    "disk.list": ("/v1/disks", None),
    "disk.show": ("/v1/disks/DISK", None),
    "disk.delete": ("/v1/disks/DISK", None),
    "disk.release": ("/v1/disks/DISK/release", None),
    "class.list": ("/v1/classes", None),
    "class.create": ("/v1/classes", dict(CLASS, name="new")),
    "class.show": ("/v1/classes/CLASS", None),
    "class.update": ("/v1/classes/CLASS", {"seats": 2}),
    "class.delete": ("/v1/classes/CLASS", None),
    "class.occurrences": ("/v1/classes/CLASS/occurrences", None),
    "class.override": (f"/v1/classes/CLASS/occurrences/{DAY}", {"skip": True}),
    "reservation.list": ("/v1/reservations", None),
    "reservation.create": ("/v1/reservations", dict(RESERVATION, name="made")),
    "reservation.show": ("/v1/reservations/RESERVED", None),
    "reservation.update": ("/v1/reservations/RESERVED", {"duration_sec": 600}),
    "reservation.delete": ("/v1/reservations/RESERVED", None),
    "reservation.occurrences": ("/v1/reservations/RESERVED/occurrences", None),
    "reservation.override": (f"/v1/reservations/RESERVED/occurrences/{DAY}", {"skip": True}),
    "token.issue": ("/v1/tokens", {}),
    "token.list": ("/v1/tokens", None),
    "token.revoke": ("/v1/tokens/TOKEN", None),
    "audit.list": ("/v1/audit?limit=1", None),
    "backup": ("/v1/backup", None),
    "events": ("/v1/events", None),
    "diag": ("/v1/diag", None),
    "job.history": ("/v1/history?limit=1", None),
    "job.usage": ("/v1/usage", None),
    "me": ("/v1/me", None),
    "reconfigure": ("/v1/reconfigure", {"dry_run": True}),
}
OWNED = ("JOB", "HELD", "INSTANCE", "DISK", "CLASS", "RESERVED", "TOKEN")


class World:
    """What requests are sent to, and the credentials they are sent with."""

    def __init__(self, c):
        self.c = c
        self.tokens = {who: c.issue_token(name)["token"] for who, (name, _) in USERS.items()}
        self.as_owner = vdi.bearer(self.tokens["owner"])
        self.tokens["jobs:read"] = c.issue_token("daemon", scope="jobs:read")["token"]
        self.tokens["jobs:write"] = c.issue_token("daemon", scope="jobs:write")["token"]
        for scope in ("jobs:read", "jobs:write"):
            self.tokens["admin " + scope] = c.issue_token(USERS["admin"][0], scope=scope)["token"]
        self.tokens["expired"] = c.issue_token("daemon", lifetime_sec=1)["token"]
        revoked = c.issue_token("daemon")
        c.request("DELETE", "/v1/tokens/" + revoked["id"])
        self.tokens["revoked"] = revoked["token"]
        whole = self.tokens["owner"]
        at = len(whole) // 2
        self.tokens["tampered"] = whole[:at] + ("A" if whole[at] != "A" else "B") + whole[at + 1:]
        self.tokens["cluster"] = c.forge_token(cluster="other")
        self.tokens["forged"] = c.forge_token()
        self.tokens["root without root"] = c.forge_token(name="root", uid=0)
        running = c.submit(self.as_owner, template="kept")
        self.instance = str(c.wait_state(running, "RUNNING")["instance"])
        disk = c.request("GET", "/v1/disks", headers=self.as_owner).json["disks"][0]
        self.disk = str(disk["id"])  # in use: nobody can delete or release it
        c.request("POST", "/v1/images", VERSION)
        self.tcp = c.connect_tcp()
        self.tls = c.connect_tls()
        self.peers = {}
        self.classes = 0
        self.reserved = 0
        time.sleep(1.1)  # the expired one

    def target(self, path):
        """Fills in an id that nobody used yet, and says which."""
        if "JOB" in path:
            new = str(self.c.submit(self.as_owner, begin_time="2999-01-01T00:00:00Z",
                                    time_limit_sec=600))
            return path.replace("JOB", new), new
        if "HELD" in path:
            new = str(self.c.submit(self.as_owner, begin_time="2999-01-01T00:00:00Z", hold=True))
            return path.replace("HELD", new), new
        if "FRESH" in path:
            self.c.request("POST", "/v1/images", dict(VERSION, name="fresh"))
            return path.replace("FRESH", "fresh"), "fresh"
        if "CLASS" in path:  # the owner takes part in it; the last one makes room
            self.classes += 1
            self.c.request("DELETE", f"/v1/classes/c{self.classes - 1}")
            self.c.request("POST", "/v1/classes", dict(CLASS, name=f"c{self.classes}"))
            return path.replace("CLASS", f"c{self.classes}"), f"c{self.classes}"
        if "RESERVED" in path or path == "/v1/reservations":
            self.reserved += 1
            for name in ("made", f"r{self.reserved - 1}"):
                self.c.request("DELETE", f"/v1/reservations/{name}")
            new = f"r{self.reserved}"
            if "RESERVED" in path:
                self.c.request("POST", "/v1/reservations", dict(RESERVATION, name=new))
            return path.replace("RESERVED", new), new
        if "TOKEN" in path:
            new = self.c.issue_token("daemon")["id"]
            return path.replace("TOKEN", new), new
        if "DISK" in path:
            return path.replace("DISK", self.disk), self.disk
        return path.replace("INSTANCE", self.instance), self.instance

    def over(self, name, verb, path, body, headers):
        """On a kept connection; a stream is left after its head."""
        connection = self.peers[name] if name in self.peers else getattr(self, name)
        connection.request(verb, path, vdi._encode(body), headers)
        r = connection.getresponse()
        if r.status == 200 and path == "/v1/events":
            connection.close()
            return vdi.Response((r.status, r.headers, b""))
        data = r.read()
        if r.will_close:
            connection.close()
        return vdi.Response((r.status, r.headers, data))


def token_state(which, over="tcp"):
    return lambda w, verb, path, body: w.over(over, verb, path, body, vdi.bearer(w.tokens[which]))


def peer_state(uid):
    def send(w, verb, path, body):
        w.peers.setdefault(uid, w.c.connect(uid))
        return w.over(uid, verb, path, body, {})
    return send


def munge_state(how):
    def send(w, verb, path, body):
        data = vdi._encode(body) or b""
        sign = lambda **k: w.c.munge.sign(**dict(
            {"method": verb, "path": path, "body": data, "uid": 1 if ROOT else None}, **k))
        headers = sign(**how) if how != "replayed" else sign()
        if how == "replayed":
            w.over("tcp", "GET", "/v1/ping", None, {})
            w.c.munge_seen(headers)
        return w.over("tcp", verb, path, body, headers)
    return send


# state -> (role it stands for, or None when it is refused as unknown; owner or not; how)
STATES = {
    "none": (None, False, lambda w, v, p, b: w.over("tcp", v, p, b, {})),
    "none over TLS": (None, False, lambda w, v, p, b: w.over("tls", v, p, b, {})),
    "scheme unknown": (None, False, lambda w, v, p, b: w.over(
        "tcp", v, p, b, {"Authorization": "Basic cm9vdDpyb290"})),
    "token owner": ("user", True, token_state("owner")),
    "token owner over TLS": ("user", True, token_state("owner", "tls")),
    "token other": ("user", False, token_state("other")),
    "token operator": ("operator", False, token_state("operator")),
    "token admin": ("admin", False, token_state("admin")),
    "token helpdesk": ("helpdesk", False, token_state("helpdesk")),
    "token jobs:read": ("jobs:read", True, token_state("jobs:read")),
    "token jobs:write": ("jobs:write", True, token_state("jobs:write")),
    "token admin, jobs:read": ("admin jobs:read", False, token_state("admin jobs:read")),
    "token admin, jobs:write": ("admin jobs:write", False, token_state("admin jobs:write")),
    "token expired": (None, False, token_state("expired")),
    "token revoked": (None, False, token_state("revoked")),
    "token tampered": (None, False, token_state("tampered")),
    "token of another cluster": (None, False, token_state("cluster")),
    "token never issued": (None, False, token_state("forged")),
    "token of root never issued": (None, False, token_state("root without root")),
}
MUNGE = {
    "munge owner": ("user", True, munge_state({})),
    "munge replayed": (None, False, munge_state("replayed")),
    "munge of another body": (None, False, munge_state({"body": b'{"template":"x"}'})),
    "munge of another path": (None, False, munge_state({"path": "/v1/ping?x=1"})),
    "munge of another method": (None, False, munge_state({"method": "PUT"})),
    "munge of another cluster": (None, False, munge_state({"cluster": "other"})),
    "munge for an hour": (None, False, munge_state({"ttl": 3600})),
}
PEERS = {
    "peer nobody": ("user", False, peer_state(65534)),
    "peer without a name": ("user", False, peer_state(54321)),
    "peer owner": ("user", True, peer_state(1)),
    "peer other": ("user", False, peer_state(2)),
    "peer operator": ("operator", False, peer_state(3)),
    "peer admin": ("admin", False, peer_state(5)),
    "peer root": ("admin", False, peer_state(0)),
}


def expected(row, role, owner):
    """The rule: 'ok' is anything but 401, 403 and 404."""
    if row["role"] == "nobody":
        return "ok"
    if role is None:
        return 401
    if role == "helpdesk":  # for the named requests alone, and those for everybody's jobs
        role = max("operator", row["role"], key=ROLES.index) if row["name"] in MAY else "user"
    if "jobs:" in role:
        holder, _, scope = role.rpartition(" ")
        may = row["name"].startswith("job.") and (scope == "jobs:write" or not row["changes"])
        role = (holder or "user") if may else "nobody"
    if ROLES.index(role) < ROLES.index(row["role"]):
        return 403
    if row["name"] in ("job.connection", "job.output") and role in ("operator", "admin") \
            and not owner:
        return 403  # a screen is its owner's, and so is what a script wrote
    if row["name"] == "token.revoke" and role == "operator":
        return 404
    if any(word in row["path"] for word in OWNED) and not owner and role == "user":
        return 404
    return "ok"


def follows(status, rule):
    return status not in (401, 403, 404) if rule == "ok" else status == rule


def rows_of(c):
    spec = c.request("GET", "/v1/openapi.json").json
    for verbs in spec["paths"].values():
        for verb, op in verbs.items():
            name = op["operationId"]
            path, body = TARGETS.get(name, (None, None))
            yield {"name": name, "verb": verb.upper(), "role": op["x-role"], "path": path,
                   "body": body, "changes": verb != "get"}


def one(w, row, state, how, got, wrong):
    role, owner, send = how
    path, new = w.target(row["path"])
    answer = send(w, row["verb"], path, row["body"])
    got[(row["name"], state)] = answer.status
    if not follows(answer.status, expected(row, role, owner)):
        wrong.append(f"{row['name']} by {state}: {answer.status}, the rule says "
                     f"{expected(row, role, owner)}: {answer.text[:200]}")
    if answer.status >= 400 and answer.json.get("status") != answer.status:
        wrong.append(f"{row['name']} by {state}: not a problem document: {answer.text[:200]}")
    if answer.status == 401 and "WWW-Authenticate" not in answer.headers:
        wrong.append(f"{row['name']} by {state}: 401 without WWW-Authenticate")
    if answer.status == 404:
        none = send(w, row["verb"], path.replace("/" + new, "/" + NO_SUCH), row["body"])
        if none.status != 404 or none.text.replace(NO_SUCH, new) != answer.text:
            wrong.append(f"{row['name']} by {state}: 'not yours' and 'no such' differ: "
                         f"{answer.text} / {none.text}")


def read_golden():
    with open(GOLDEN, encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    return {(name, state): int(status) for name, state, status in lines}


def write_golden(got):
    os.makedirs(os.path.dirname(GOLDEN), exist_ok=True)
    with open(GOLDEN, "w", encoding="utf-8") as f:
        f.write("# SPDX-License-Identifier: Apache-2.0\n")
        f.write("# request, who and with what, status: written by tests/t6000-golden.t\n")
        for (name, state), status in got.items():
            f.write(f"{name}\t{state}\t{status}\n")


def main():
    lines = ["requests_per_sec = 100000", "requests_burst = 100000", "max_connections_client = 1000",
             'role "ops" { users = {"sys"}  may = {"operator"} }',
             'role "chiefs" { users = {"games"}  may = {"admin"} }',
             'role "helpdesk" { users = {"man"}  may = {' + ", ".join(f'"{m}"' for m in MAY) + "} }"]
    scratch = vdi.tempfile.TemporaryDirectory(prefix="vdi.")
    pki = os.path.join(scratch.name, "pki")
    vdi.subprocess.run([os.path.join(vdi.BUILD, "vdictl"), "pki", "init", pki, "scratch"],
                       check=True, capture_output=True)
    lines += [f'pki_dir = "{pki}"', f'image_store = "{scratch.name}/store"',
              'template "kept" { image = "none"  vcpus = 1  memory = "1G"',
              '  disk "d" { size = "1G"  target = "/d"  persistence = personal } }']
    states = dict(STATES)
    if ROOT:
        states.update(MUNGE)
        states.update(PEERS)
    with vdi.Controller(http=True, https=True, munge=True, lines=lines) as c:
        def munge_seen(headers):  # munged itself refuses what it has decoded once
            vdi.subprocess.run(["unmunge", "-S", c.munge.socket], check=True,
                               input=headers["Authorization"][6:].encode(), capture_output=True)
        c.munge_seen = munge_seen
        w = World(c)
        rows = list(rows_of(c))
        unknown = [r["name"] for r in rows if not r["path"]]
        vdi.ok(not unknown, "every row of the request table is tried here", unknown)
        vdi.is_(sorted(TARGETS), sorted(r["name"] for r in rows), "and none that is not there")
        got, wrong = {}, []
        for row in rows:
            if row["path"]:
                for state, how in states.items():
                    one(w, row, state, how, got, wrong)
        vdi.ok(not wrong, f"{len(got)} answers follow the rule", "\n".join(wrong))
    if os.environ.get("VDI_GOLDEN_UPDATE") == "1":
        write_golden(got)
    golden = read_golden()
    for state in states:
        differ = [f"{name}: {status}, golden: {golden.get((name, state))}"
                  for (name, s), status in got.items()
                  if s == state and golden.get((name, state)) != status]
        vdi.ok(not differ, f"as in the golden table: {state}", "\n".join(differ))
    for state in list(MUNGE) + list(PEERS):
        if state not in states:
            vdi.skip("needs root to be other users", f"as in the golden table: {state}")
    missing = [f"{n} by {s}" for n, s in golden if s in states and (n, s) not in got]
    vdi.ok(not missing, "nothing in the golden table that was not tried", "\n".join(missing))
    vdi.done()


main()
