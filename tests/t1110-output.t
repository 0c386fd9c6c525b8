#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1110-output.t - what a script writes, over REST and the commands, on a site that fakes it."""
import hashlib
import http.client
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

ROOT = os.geteuid() == 0
FILLER = b"0123456789abcdef" * 3 + b"0123456789abcde\n"
BIG = 16 << 20


def script(fake, *lines):
    return "#!/bin/sh\n" + (f"#FAKE {fake}\n" if fake is not None else "") + "\n".join(lines) + "\n"


def batch(c, fake, *lines, **spec):
    return c.submit(script=script(fake, *lines), **dict({"template": "batch", "kind": "batch"},
                                                        **spec))


def output(c, job, query="", headers=None, uid=None):
    return c.request("GET", f"/v1/jobs/{job}/output{query}", headers=headers, uid=uid)


def refused(r, status, detail, name):
    vdi.is_((r.status, r.json.get("detail")), (status, detail), name, r.text)


def run(c, *command, **more):
    return subprocess.run([os.path.join(vdi.BUILD, command[0]), *command[1:]],
                          env=dict(c.env, VDI_URL="unix:" + c.unix), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=vdi.DEADLINE, check=False, **more)


def running(c, job):
    return c.wait_state(job, "RUNNING")


def streams(c):
    job = batch(c, "exit=3", 'echo "job $VDI_JOB_ID of $VDI_USER in ${VDI_PARTITION}"',
                "echo '$HOME is as it is'", "echo to the errors >&2", "echo $MINE", "ls",
                environment={"MINE": "given"}, name="voice")
    j = c.wait_state(job, "FAILED")
    vdi.is_((j["exit_code"], j["reason"]), (3, "ended with exit code 3"), "a script that fails")
    me = c.job(job)["owner"].split(":")[1]
    want = f"job {job} of {me} in main\n$HOME is as it is\ngiven\n"
    r = output(c, job)
    vdi.is_((r.status, r.text), (200, want), "its output, with the job's environment")
    vdi.is_((r.headers["Content-Type"], r.headers["VDI-Output-Size"],
             r.headers["VDI-Output-Truncated"]),
            ("application/octet-stream", str(len(want)), "false"), "with its size")
    vdi.is_(output(c, job, "?stream=err").text, "to the errors\n", "its errors")
    vdi.is_(output(c, job, "?from=4").text, want[4:], "from a place on")
    vdi.is_(output(c, job, "?from=100000").text, "", "from behind its end: nothing")
    vdi.is_(output(c, job, "?follow=true").text, want, "followed: the same, and an end")
    r = run(c, "vdictl", "output", str(job))
    vdi.is_((r.returncode, r.stdout.decode()), (0, want), "vdictl output", r.stderr)
    r = run(c, "vdictl", "output", str(job), "--stream", "err", "--follow")
    vdi.is_((r.returncode, r.stdout.decode()), (0, "to the errors\n"), "its --stream and --follow",
            r.stderr)
    job = batch(c, "exit=0")
    c.wait_state(job, "COMPLETED")
    r = output(c, job)
    vdi.is_((r.status, r.text), (200, ""), "a script that wrote nothing")


def errors(c):
    job = c.submit(hold=True)
    refused(output(c, job), 409, f"job {job} is PENDING: nothing of it ran yet", "a pending job")
    c.request("DELETE", f"/v1/jobs/{job}")
    refused(output(c, job), 409, f"job {job} is CANCELLED: nothing of it ran yet",
            "one that ended before it ran")
    refused(output(c, 999999), 404, "there is no job 999999", "no such job")
    refused(output(c, job, "?stream=both"), 409, f"job {job} is CANCELLED: nothing of it ran yet",
            "what is asked of it does not matter then")
    job = batch(c, "runs", "echo a")
    running(c, job)
    refused(output(c, job, "?stream=both"), 400, "'stream' is out or err, not 'both'",
            "no such stream")
    refused(output(c, job, "?follow=yes"), 400, "'follow' is true or false, not 'yes'",
            "no such way to follow")
    refused(output(c, job, "?from=-1"), 400, "'from' cannot be '-1'", "no such place")
    refused(output(c, job, "?bytes=1"), 400, "job.output takes no parameter 'bytes'",
            "no such parameter")
    vdi.is_(output(c, job).text, "a\n", "of a running job: what is there now")
    user = vdi.bearer(c.issue_token("daemon")["token"])
    refused(output(c, job, headers=user), 404, f"there is no job {job}", "another's job")
    hers = c.submit(user, script=script("runs", "echo a"), template="batch", kind="batch")
    running(c, hers)
    refused(output(c, hers), 403, f"only its owner reads the output of job {hers}",
            "an administrator reads no output of others")
    vdi.is_(output(c, hers, headers=user).text, "a\n", "its owner does")
    for job in (job, hers):
        c.request("DELETE", f"/v1/jobs/{job}")
    r = run(c, "vdictl", "output", "1", "--stream", "both")
    vdi.is_((r.returncode, r.stderr), (2, b"vdictl: --stream=both: it is out or err\n"),
            "vdictl: no such stream")
    r = run(c, "vdictl", "output", "999999")
    vdi.is_((r.returncode, r.stderr), (3, b"vdictl: there is no job 999999\n"), "vdictl: no such job")
    r = c.request("POST", "/v1/jobs", {"script": "#!/bin/sh\n", "template": "batch",
                                       "output": "%q.out"})
    refused(r, 400, "'%q' in '%q.out' is no symbol of a file name here", "-o with an unknown symbol")
    r = c.request("POST", "/v1/jobs", {"script": "#!/bin/sh\n", "template": "batch",
                                       "error": "%a"})
    refused(r, 400, "'%a' in '%a' is the index of an array's task", "-e with an array's symbol")


class Follower:
    """Reads a stream piece by piece."""

    def __init__(self, c, job, query="?follow=true", headers=None, tcp=False):
        self.connection = c.connect_tcp() if tcp else c.connect()
        self.connection.request("GET", f"/v1/jobs/{job}/output{query}", headers=headers or {})
        self.response = self.connection.getresponse()
        self.data, self.cut = b"", False
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        try:
            while True:
                piece = self.response.read1(65536)
                if not piece:
                    return
                self.data += piece
        except (http.client.IncompleteRead, ConnectionError, OSError):
            self.cut = True

    def has(self, data):
        return vdi.wait_for(f"{data!r} to come", lambda: data in self.data)

    def end(self):
        self.thread.join(vdi.DEADLINE)
        self.connection.close()
        return self.data


def follows(c):
    lines = [f"echo line {i}" for i in range(20)]
    want = "".join(f"line {i}\n" for i in range(20)).encode()
    job = batch(c, "every_ms=40 after_ms=900", *lines)
    running(c, job)
    early = Follower(c, job)
    early.has(b"line 3\n")
    vdi.ok(c.job(job)["state"] == "RUNNING" or early.data != want,
           "output comes while the script runs")
    late = Follower(c, job, "?follow=true&from=7")
    vdi.is_(early.end(), want, "the follower gets every byte, and an end")
    vdi.is_(late.end(), want[7:], "one who comes in the middle gets the rest")
    vdi.is_((early.cut, late.cut), (False, False), "neither is cut")
    job = batch(c, "runs every_ms=20", *lines, requeue=True)
    running(c, job)
    one = Follower(c, job)
    one.has(b"line 2\n")
    c.request("DELETE", f"/v1/jobs/{job}")
    vdi.ok(want.startswith(one.end()) and not one.cut, "a cancelled job ends its followers")
    job = batch(c, "runs", "echo a")
    running(c, job)
    gone = Follower(c, job)
    gone.has(b"a\n")
    gone.connection.sock.shutdown(2)
    gone.thread.join(vdi.DEADLINE)
    vdi.is_(c.request("GET", "/v1/ping").status, 200, "a follower may leave")


def boots(c):
    job = batch(c, "exit=0", "echo a")
    c.wait_state(job, "CONFIGURING")
    early = Follower(c, job)
    r = output(c, job)
    # The site may not know of it yet; what was read after a boot's end says nothing of a boot.
    none = f"job {job} is CONFIGURING: it has written nothing yet"
    vdi.ok((r.status, r.text) == (200, "") or c.job(job)["state"] != "CONFIGURING" or
           (r.status == 409 and r.json["detail"] == none),
           "a guest that boots has written nothing", r.text)
    c.wait_state(job, "COMPLETED")
    vdi.is_((early.end(), early.cut), (b"a\n", False), "who follows it gets what comes")


def commands_follow(c):
    job = batch(c, "every_ms=30 after_ms=700 exit=7", *[f"echo {i}" for i in range(20)], hold=True)
    env = dict(c.env, VDI_URL="unix:" + c.unix)
    reader = subprocess.Popen([os.path.join(vdi.BUILD, "vdictl"), "output", "--follow", str(job)],
                              env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    c.request("POST", f"/v1/jobs/{job}/release")
    running(c, job)
    c.restart()  # a SIGKILL in the middle of it
    out = reader.communicate(timeout=vdi.DEADLINE)[0].decode()
    vdi.is_((reader.returncode, out), (0, "".join(f"{i}\n" for i in range(20))),
            "vdictl output --follow waits for the start and outlives a killed controller")
    vdi.is_(c.wait_state(job, "FAILED")["exit_code"], 7,
            "the script ended while nobody looked, and its status is known")


def waits(c):
    for words, code in (("exit=0", 0), ("exit=3", 3), ("signal=9 after_ms=20", 137),
                        ("exit=255 after_ms=20", 255)):
        path = c.path("job.sh")
        with open(path, "w", encoding="utf-8") as f:
            f.write(script(words, "echo x"))
        r = run(c, "vdisubmit", "--wait", "--template", "batch", path)
        vdi.is_(r.returncode, code, f"vdisubmit --wait: {words} is exit code {code}", r.stderr)
    r = run(c, "vdisubmit", "--wait", "--parsable", "--template", "batch", "-o", "%x-%j.out", "-e",
            "/tmp/%u.err", path)
    j = c.job(int(r.stdout.decode().split()[0]))
    vdi.is_((j["output"], j["error"]), ("%x-%j.out", "/tmp/%u.err"), "-o and -e are taken")
    for option in ("--open-mode=append", "--input=x"):
        r = run(c, "vdisubmit", option, "--template", "batch", path)
        vdi.ok(r.returncode == 2 and option.split("=")[0] in r.stderr.decode(),
               f"{option} is refused by name", r.stderr)


def rss_kib(c):
    with open(f"/proc/{c.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def back_pressure(c):
    job = batch(c, f"bytes={BIG}")
    c.wait_state(job, "COMPLETED")
    digest = hashlib.sha256((FILLER * (BIG // len(FILLER) + 1))[:BIG]).hexdigest()
    before = rss_kib(c)
    slow = []
    for _ in range(13):
        connection = c.connect()
        connection.request("GET", f"/v1/jobs/{job}/output")
        slow.append((connection, connection.getresponse()))
    vdi.is_([r.read(1000) for _, r in slow], [(FILLER * 16)[:1000]] * 13,
            "thirteen readers that take a little")
    grown = rss_kib(c) - before
    vdi.ok(grown < 96 << 10, "cost the controller a few pieces each, not 16 MiB", f"{grown} KiB")
    r = output(c, job)
    vdi.is_((hashlib.sha256(r[2]).hexdigest(), len(r[2])), (digest, BIG),
            "one that takes all gets it meanwhile, byte for byte")
    sha = hashlib.sha256((FILLER * 16)[:1000])
    sha.update(slow[0][1].read())
    vdi.is_(sha.hexdigest(), digest, "and so does a slow one")
    more = []
    for _ in range(20):
        more.append(c.connect())
        more[-1].request("GET", f"/v1/jobs/{job}/output")
        more[-1].getresponse()
    r = output(c, job)
    vdi.is_((r.status, r.json.get("detail")), (503, "32 clients read output already, 32 of them for "
                                               + c.job(job)["owner"]),
            "one user reads 32 at a time", r.text[:200])
    for connection in more + [connection for connection, _ in slow]:
        connection.close()
    vdi.wait_for("readers that left to be forgotten", lambda: output(c, job).status == 200)


def archived(c, state):
    job = batch(c, None, "echo kept", requeue=False)
    running(c, job)
    c.request("DELETE", f"/v1/jobs/{job}?signal=15")
    c.wait_state(job, "FAILED")
    vdi.wait_for("the job to leave memory", lambda: job not in
                 [j["id"] for j in c.request("GET", f"/v1/jobs?id={job}").json["jobs"]])
    vdi.is_(output(c, job).text, "kept\n", "the output of a job that is in the archive alone")
    vdi.ok("kept" not in c.request("GET", f"/v1/jobs/{job}/log").text and
           "fake console" in c.request("GET", f"/v1/jobs/{job}/log").text, "its log, too")
    user = vdi.bearer(c.issue_token("daemon")["token"])
    refused(output(c, job, headers=user), 404, f"there is no job {job}", "which is still another's")
    for name in os.listdir(state):
        if name.endswith((".out", ".err")):
            os.unlink(os.path.join(state, name))
    c.restart()
    refused(output(c, job), 410, f"the output of job {job} is no longer kept",
            "when its node has thrown it away")
    r = run(c, "vdictl", "output", str(job))
    vdi.ok(r.returncode == 3 and b"is no longer kept (limit: output_keep_sec" in r.stderr,
           "vdictl says so, and how long it is kept", r.stderr)


def tokens_end(c):
    job = c.submit(vdi.bearer(c.issue_token("daemon")["token"]), template="batch", kind="batch",
                   script=script("runs", "echo a"))
    running(c, job)
    for how in ("revoked", "expired"):
        token = c.issue_token("daemon", lifetime_sec=3 if how == "expired" else 600)
        reader = Follower(c, job, headers=vdi.bearer(token["token"]), tcp=True)
        reader.has(b"a\n")
        events = c.connect_tcp()
        events.request("GET", "/v1/events", headers=vdi.bearer(token["token"]))
        stream = events.getresponse()
        stream.readline()
        if how == "revoked":
            c.request("DELETE", "/v1/tokens/" + token["id"])
        rest = stream.read()  # blocks until the stream ends
        vdi.ok(rest is not None, f"an event stream ends when its token is {how}")
        reader.end()
        vdi.ok(reader.cut, f"and output is cut short when it is {how}")
        events.close()
    c.request("DELETE", f"/v1/jobs/{job}")


def main():
    lines = ["requests_per_sec = 100000", "requests_burst = 100000",
             "max_connections_client = 1000"]
    with vdi.tempfile.TemporaryDirectory(prefix="vdi.") as state:
        fake = f'boot_ms = 0  state_dir = "{state}"'
        with vdi.Controller(fake=fake, lines=lines, http=True) as c:
            for part in (streams, errors, follows, commands_follow, waits, back_pressure,
                         tokens_end):
                part(c)
    with vdi.tempfile.TemporaryDirectory(prefix="vdi.") as state:
        fake = f'boot_ms = 0  state_dir = "{state}"'
        with vdi.Controller(fake=fake, lines=lines + ['keep_done = "1s"']) as c:
            archived(c, state)
    with vdi.Controller(fake="boot_ms = 3000", lines=lines) as c:
        boots(c)
    vdi.done()


main()
