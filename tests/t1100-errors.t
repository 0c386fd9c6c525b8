#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1100-errors.t - every kind of refusal says what, where, which limit and what to do."""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402


def refused(r, status, name, field=None, **words):
    """words: a regular expression for each of detail, limit, remedy."""
    wrong = []
    if r.status != status:
        wrong.append(f"status {r.status}, expected {status}")
    try:
        problem = r.json
    except ValueError as e:
        vdi.ok(False, name, f"not JSON ({e}): {r[2][:300]!r}")
        return
    if r.headers.get("Content-Type") != "application/problem+json":
        wrong.append("Content-Type " + str(r.headers.get("Content-Type")))
    for member in ("type", "title", "detail"):
        if not problem.get(member):
            wrong.append("no " + member)
    if problem.get("status") != r.status:
        wrong.append("another status in the document")
    if field is not None and problem.get("field") != field:
        wrong.append(f"field {problem.get('field')!r}, expected {field!r}")
    for member, word in words.items():
        if not re.search(word, problem.get(member, "")):
            wrong.append(f"{member} {problem.get(member)!r} does not match {word!r}")
    vdi.ok(not wrong, name, "\n".join(wrong), r.text[:500])


def names(c):
    post = lambda **spec: c.request("POST", "/v1/jobs", spec)
    refused(post(template="nope"), 422, "an unknown template", "template",
            detail="nope", remedy="desk.*batch")
    refused(post(template="desk", partition="nope"), 422, "an unknown partition", "partition",
            remedy="main")
    refused(post(template="desk", qos="nope"), 422, "an unknown QOS", "qos", detail="nope")
    refused(post(template="desk", profile="nope"), 422, "an unknown GPU profile", "profile",
            detail="desk.*nope")
    refused(post(), 400, "no template", "template", remedy="--template")
    refused(post(template="desk", nodelist="n["), 400, "no hostlist", "nodelist", remedy=r"gpu\[")
    refused(post(template="desk", nodelist="x" * 59 + "\u00e4" * 8 + "["), 400,
            "no hostlist, cut in the middle of a letter", "nodelist")
    refused(c.request("GET", "/v1/nodes/nope"), 404, "no such node", "name", detail="nope")
    refused(c.request("GET", "/v1/jobs/12"), 404, "no such job", "id")
    refused(c.request("GET", "/v1/jobs/-1"), 404, "no job id", "id")
    refused(c.request("GET", "/v1/jobs/99999999999999999999"), 404, "no number at all", "id")
    refused(c.request("GET", "/v1/jobs/" + "9" * 200), 404, "an endless id")


def limits(c):
    user = vdi.bearer(c.issue_token("daemon")["token"])
    post = lambda **spec: c.request("POST", "/v1/jobs", dict({"template": "desk"}, **spec), user)
    refused(post(time_limit_sec=7201), 422, "over the partition's time limit", "time_limit_sec",
            limit="2h|2:00|120|7200", remedy="less")
    refused(post(time_limit_sec=0), 422, "no time at all", "time_limit_sec", limit="1 to")
    refused(post(time_limit_sec=10 ** 18), 422, "a time limit of ages", "time_limit_sec")
    refused(post(nice=-1), 403, "a priority raised by a user", "nice")
    refused(post(deadline_time="2001-01-01T00:00:00Z"), 422, "a deadline that passed",
            "deadline_time")
    refused(post(begin_time="2998-01-01T00:00:00Z", deadline_time="2997-01-01T00:00:00Z"), 422,
            "a deadline before the begin", "deadline_time")
    refused(post(begin_time="1960-01-01T00:00:00Z"), 400, "a time before time", "begin_time",
            remedy="2026-")
    refused(post(cpus=5000), 422, "more cpus than a field holds", "cpus", limit="4096")
    refused(post(cpus=-1), 422, "negative cpus", "cpus")
    refused(post(cpus=1.5), 400, "half a cpu", "cpus", detail="whole number")
    refused(post(name="x" * 129), 400, "a long name", "name", limit="128", remedy="short")
    refused(post(name="a\nb"), 400, "a name with a line break", "name")
    jobs = [c.submit(user, hold=True) for _ in range(3)]
    refused(post(hold=True), 422, "one job more than one may have", "max_jobs_user", limit="3",
            remedy="cancel")
    vdi.is_(c.request("DELETE", f"/v1/jobs/{jobs[0]}", headers=user).status, 200, "one ends")
    vdi.is_(post(hold=True).status, 201, "and there is room again")


def bodies(c):
    raw = lambda body, path="/v1/jobs": c.request("POST", path, body)
    refused(raw(b"{"), 400, "malformed JSON", "body", detail="line 1")
    refused(raw(b""), 400, "no body", "body")
    refused(raw(b"[]"), 400, "a list", "body", detail="object")
    refused(raw(b'{"template":"desk","template":"desk"}'), 400, "a name twice", "body")
    refused(raw(b'{"template":"de\xffsk"}'), 400, "no UTF-8", "body")
    refused(raw(b'{"template":"de\\u0000sk"}'), 400, "a NUL")
    refused(raw(b"[" * 10000), 400, "nested for ever", "body")
    refused(raw(b'{"template":"desk","nope":1}'), 400, "an unknown field", "nope",
            remedy="openapi")
    refused(raw(b'{"template":"desk","owner":"unix:root"}'), 400, "the owner said by the client",
            "owner")
    refused(raw(b'{"template":"desk","uid":0}'), 400, "the uid said by the client", "uid")
    refused(raw(b'{"template":"desk","script":"echo"}'), 400, "a script without #!", "script",
            remedy="#!/bin/sh")
    refused(raw(b'{"kind":"batch"}'), 400, "a batch job without a script", "script")
    refused(raw(b'{"template":7}'), 400, "a number for a string", "template")
    big = json.dumps({"template": "desk", "comment": "x" * (17 << 10)}).encode()
    refused(raw(big), 413, "a body over the limit", limit="16384")
    refused(c.request("GET", "/v1/jobs?nope=1"), 400, "an unknown query parameter", "nope")
    refused(c.request("GET", "/v1/jobs?limit=-1"), 400, "no number", "limit", limit="to")
    refused(c.request("GET", "/v1/jobs?state=NOPE"), 400, "an unknown state", "state",
            remedy="PENDING")
    refused(c.request("GET", "/v1/jobs?fields=nope"), 400, "an unknown column", "fields",
            remedy="openapi")
    refused(c.request("GET", "/v1/jobs?after=x"), 400, "no cursor", "after")
    refused(c.request("GET", "/v1/ping", b"x"), 400, "a body that nobody reads", "body")
    refused(c.request("GET", "/v1/nope"), 404, "no such path", "path", detail="openapi")
    r = c.request("DELETE", "/v1/jobs")
    refused(r, 405, "a wrong method", "method")
    vdi.is_(r.headers.get("Allow"), "GET, POST", "Allow says which")
    r = c.request("POST", "/v1/jobs/1")
    vdi.is_(r.headers.get("Allow"), "GET, PATCH, DELETE", "of a path with a job too")
    for key in ("a b", "x" * 65, "", "\u00e4".encode().decode("latin-1")):
        refused(c.request("POST", "/v1/jobs", {"template": "desk"}, {"Idempotency-Key": key}), 400,
                f"the retry key {key[:8]!r}", "Idempotency-Key")


def tokens(c):
    post = lambda **ask: c.request("POST", "/v1/tokens", ask)
    refused(post(lifetime_sec=3601), 422, "a token for more than an hour", "lifetime_sec",
            limit="3600")
    refused(post(scope="all"), 400, "an unknown scope", "scope")
    refused(post(user="no-such-user-here"), 422, "a token for nobody", "user")
    user = vdi.bearer(c.issue_token("daemon")["token"])
    refused(c.request("POST", "/v1/tokens", {"user": "root"}, user), 403,
            "a token for another", "user")
    short = c.issue_token("daemon", lifetime_sec=600)
    more = c.request("POST", "/v1/tokens", {"lifetime_sec": 3600}, vdi.bearer(short["token"]))
    vdi.ok(more.status == 201 and more.json["expire_time"] <= short["expire_time"],
           "a token that a token asked for does not outlive it", more.text, short["expire_time"])
    streams = {}
    for name in ("kept", "revoked"):
        token = c.issue_token("bin")
        connection = c.connect()
        connection.request("GET", "/v1/events", headers=vdi.bearer(token["token"]))
        streams[name] = (token["id"], connection.getresponse(), connection)
    brief = c.issue_token("bin", lifetime_sec=5)
    connection = c.connect()
    connection.request("GET", "/v1/events", headers=vdi.bearer(brief["token"]))
    streams["expired"] = (brief["id"], connection.getresponse(), connection)
    vdi.is_([s[1].status for s in streams.values()], [200] * 3, "tokens open event streams")
    c.request("DELETE", f"/v1/tokens/{streams['revoked'][0]}")
    for name in ("revoked", "expired"):
        vdi.ok(streams[name][1].read().startswith(b":"), f"a stream ends with its {name} token")
    job = c.submit(vdi.bearer(c.issue_token("bin")["token"]))
    lines = iter(streams["kept"][1].readline, b"")
    vdi.ok(any(line.startswith(b"id:") for line in lines),
           f"one whose token is good goes on (job {job})")
    for _, _, connection in streams.values():
        connection.close()
    mine, n = vdi.bearer(c.issue_token("games", lifetime_sec=3600)["token"]), 1
    connection = c.connect()
    while (r := vdi.exchange(connection, "POST", "/v1/tokens", {}, mine)).status == 201:
        n += 1
    connection.close()
    refused(r, 422, "more tokens than one principal may have", limit="200")
    vdi.is_((n, post(user="bin").status), (200, 201), "which is nobody else's loss")


def budget():
    lines = ["requests_per_sec = 1", "requests_burst = 5"]
    with vdi.Controller(lines=lines) as c:
        user = vdi.bearer(c.issue_token("daemon")["token"])
        for _ in range(100):
            r = c.request("GET", "/v1/qos", headers=user)
            if r.status != 200:
                break
        refused(r, 429, "who asks too often", detail="daemon", remedy="/v1/events")
        vdi.ok(int(r.headers.get("Retry-After", "0")) >= 1, "with Retry-After")
        vdi.is_(c.request("GET", "/v1/qos").status, 200, "others go on")
        vdi.wait_for("the budget to come back",
                     lambda: c.request("GET", "/v1/qos", headers=user).status == 200, 0.2)
        vdi.ok(True, "and so does the one, later")


def reconfigure(c):
    before = c.request("GET", "/v1/partitions").json
    with open(c.path("vdi.conf"), encoding="utf-8") as f:
        good = f.read()
    with open(c.path("vdi.conf"), "a", encoding="utf-8") as f:
        f.write('partition "second" { nodes = "nowhere" }\n')
    r = c.request("POST", "/v1/reconfigure", {})
    refused(r, 400, "a bad file is not taken", "vdi.conf", detail=r"vdi\.conf:\d+", remedy="check")
    c.process.send_signal(signal.SIGHUP)
    vdi.wait_for("the log to say so", lambda: c.log_text().count("old one stays in force") >= 2)
    vdi.is_(c.request("GET", "/v1/partitions").json, before, "the old one stays in force")
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(good.replace("vdi.db", "other.db"))
    refused(c.request("POST", "/v1/reconfigure", {}), 409, "another store needs a restart",
            "vdi.conf", remedy="restart")
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(good + 'qos "new" { priority = 5 }\n')
    dry = c.request("POST", "/v1/reconfigure", {"dry_run": True})
    vdi.ok(dry.status == 200 and dry.json["applied"] is False and dry.json["changes"],
           "a dry run says what would change", dry.text)
    vdi.is_(c.request("GET", "/v1/qos").json["qos"], [], "and changes nothing")
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "a good one is taken")
    vdi.is_([q["name"] for q in c.request("GET", "/v1/qos").json["qos"]], ["new"], "and in force")
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(good)
    c.request("POST", "/v1/reconfigure", {})


class Shell:
    """The commands, as a user types them."""

    def __init__(self, c):
        self.c = c
        self.unix, self.tcp = "unix:" + c.unix, f"http://127.0.0.1:{c.port}"

    def run(self, line, token=None, url=None, stdin=None):
        env = dict(os.environ, VDI_URL=url or (self.tcp if token else self.unix),
                   PATH=vdi.BUILD + ":" + os.environ["PATH"], VDI_MUNGE_SOCKET=self.c.munge.socket)
        if token:
            file = self.c.path("token")
            with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w",
                      encoding="ascii") as f:
                f.write(token)
            env["VDI_TOKEN_FILE"] = file
        return vdi.subprocess.run(line.split(), env=env, input=stdin or "", capture_output=True,
                                  text=True, check=False)

    def says(self, name, line, code, sentence, **how):
        """The whole of stderr, behind the command's name."""
        r = self.run(line, **how)
        vdi.is_((r.returncode, r.stderr), (code, f"{line.split()[0]}: {sentence}\n"), name)


def sentences(c):
    """What the user reads, whole: what is wrong, which limit, what to do. And the exit code."""
    sh = Shell(c)
    user, other = c.issue_token("sys")["token"], c.issue_token("bin")["token"]
    sh.says("an unknown template", "vdisubmit --desktop nope", 1,
            "there is no template 'nope'; there are: desk, batch")
    sh.says("no such partition", "vdisubmit --desktop desk -p nope", 1,
            "there is no partition 'nope'; there are: main")
    sh.says("no such QOS", "vdisubmit --desktop desk -q nope", 1,
            "there is no qos 'nope'; this cluster has none; leave it out")
    sh.says("no such profile", "vdisubmit --desktop desk --gpu nope", 1,
            "template 'desk' has no GPU profile 'nope'; it has none; name another template, or no GPU")
    sh.says("time over the limit", "vdisubmit --desktop desk --time 3h", 1,
            "the time limit 3:00:00 is over that of partition 'main' (limit: 2:00:00); ask for less, "
            "or use another partition", token=user)
    sh.says("a script over the limit", "vdisubmit", 1,
            "the script has 5010 bytes (limit: 4096 bytes); keep data in files and the script small",
            stdin="#!/bin/sh\n" + "x" * 5000)
    sh.says("a body over the limit", "vdisubmit", 1,
            "The request's body is larger than this server takes (limit: 16384 bytes); send less in "
            "one request", stdin="#!/bin/sh\n" + "x" * 30000)
    sh.says("no script", "vdisubmit", 2,
            "stdin does not begin with #!; begin it with #!/bin/sh, or use --wrap", stdin="echo\n")
    job = c.submit(vdi.bearer(user), hold=True)
    for line in (f"vdictl show job {job}", f"vdicancel {job}", f"vdictl hold {job}"):
        sh.says(f"another's job: {line}", line, 3, f"there is no job {job}", token=other)
    sh.says("no job at all", "vdictl show job 99", 3, "there is no job 99", token=other)
    sh.says("not permitted", "vdictl drain n1 --reason x", 4, "node.update needs the role "
            "'operator'; ask who administers this cluster; vdi.conf says who has which role",
            token=user)
    for _ in range(2):
        c.submit(vdi.bearer(user), hold=True)
    sh.says("more jobs than one may have", "vdisubmit --desktop desk", 1,
            "you have 3 jobs pending or running (limit: 3 jobs); wait for some to end, or cancel some",
            token=user)


def credentials(c):
    sh = Shell(c)
    good = c.issue_token("daemon")["token"]
    at = len(good) // 2
    expired, revoked = c.issue_token("daemon", lifetime_sec=1)["token"], c.issue_token("daemon")
    c.request("DELETE", "/v1/tokens/" + revoked["id"])
    vdi.time.sleep(1.1)  # the expired one
    new = "Get a new one: vdictl token."
    for name, token, sentence in (
            ("no token", "x", f"This is not a token of ours; {new}"),
            ("a token that was changed", good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:],
             f"The token's signature is wrong; {new}"),
            ("an expired token", expired, f"The token has expired; {new}"),
            ("a revoked token", revoked["token"],
             "the token was revoked, or was never issued here; get a new one: vdictl token"),
            ("a token of another cluster", c.forge_token(cluster="other"),
             'The token is for another cluster than "scratch"; Get a token of this cluster.')):
        sh.says(name, "vdiqueue", 4, sentence, token=token)
    r = sh.run("vdiqueue", url=sh.tcp)
    vdi.is_((r.returncode, r.stderr), (0, ""), "munge: a credential for each request is made and taken")
    signed = c.munge.sign("GET", "/v1/jobs")
    ask = lambda: vdi.exchange(c.connect_tcp(), "GET", "/v1/jobs", headers=signed)
    vdi.is_(ask().status, 200, "a MUNGE credential is good")
    refused(ask(), 401, "... once", detail="^The credential has been used before.$", remedy=".")
    for name, wrong, detail in (
            ("for another path", {"path": "/v1/nodes"}, "path|request"),
            ("for another body", {"body": b"x"}, "body"),
            ("for another cluster", {"cluster": "other"}, "cluster"),
            ("that lives too long", {"ttl": 3600}, "lives 3600 s; 60 s is the limit")):
        signed = c.munge.sign(**dict({"method": "GET", "path": "/v1/jobs"}, **wrong))
        refused(ask(), 401, f"a credential {name}", detail=detail)
    c.munge.stop()
    sh.says("munged stopped", "vdiqueue", 4, "munge: Socket communication error; is munged running "
            "here? Or set VDI_TOKEN_FILE", url=sh.tcp)
    c.munge.start()
    sh.says("no controller", "vdiqueue", 5, "No connection to the controller at 127.0.0.1:1: "
            "Connection refused; is vdictld running? VDI_URL says where it listens",
            url="http://127.0.0.1:1")


def main():
    vdi.need("munge", "munged")
    lines = ["max_body_kib = 16", "max_script_kib = 4", "max_jobs_user = 3"]
    c = vdi.Controller(lines=lines, start=False, http=True, munge=True)
    c.write_conf(partition='max_time = "2h"')
    with c:
        c.start()
        for part in (names, limits, bodies, tokens, credentials, reconfigure, sentences):
            part(c)
    budget()
    vdi.done()


main()
