#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1111-log.t - the log of a job with its node's part, messages, limits, nodes taken down."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

PICTURE = b"P6 2 2 255\n" + b"~" * 12


def batch(c, fake, **spec):
    return c.submit(script=f"#!/bin/sh\n#FAKE {fake}\n", **dict({"template": "batch"}, **spec))


def log(c, job, query="", headers=None):
    return c.request("GET", f"/v1/jobs/{job}/log{query}", headers=headers)


def refused(r, status, detail, name):
    vdi.is_((r.status, r.json.get("detail")), (status, detail), name, r.text)


def run(c, *words):
    return subprocess.run([os.path.join(vdi.BUILD, "vdictl"), *words], capture_output=True,
                          env=dict(c.env, VDI_URL="unix:" + c.unix), stdin=subprocess.DEVNULL,
                          timeout=vdi.DEADLINE, check=False)


def notes(c, job):
    events = c.request("GET", f"/v1/jobs/{job}/events").json["events"]
    return [(e["by"], e["reason"]) for e in events if e["type"] == "note"]


def logs(c):
    job = c.submit()
    j = c.wait_state(job, "RUNNING")
    text = log(c, job).text
    lines = text.splitlines()
    vdi.ok(re.match(r"20\d\d-\S+Z +\+0\.000 s  submit +by ", lines[0]), "a line for each event", text)
    vdi.ok(f"instance {j['instance']}.1 on {j['node']}, since the order to start:" in lines and
           "       0.000 s  begin" in lines and "       0.000 s  ready" in lines and
           f"| fake console of instance {j['instance']}.1" in lines,
           "the stages of its instance and the console", text)
    r = run(c, "show", "job", str(job), "--log")
    vdi.ok(r.returncode == 0 and "| fake console of instance" in r.stdout.decode(),
           "vdictl show job --log", r.stdout, r.stderr)
    r = log(c, job, "?screenshot=true")
    vdi.is_((r.status, r.headers["Content-Type"], r[2]), (200, "image/x-portable-pixmap", PICTURE),
            "its screen")
    path = c.path("picture.ppm")
    r = run(c, "show", "job", str(job), "--log", "--screenshot", path)
    with open(path, "rb") as f:
        vdi.is_((r.returncode, f.read()), (0, PICTURE), "vdictl writes it to a file", r.stderr)
    audit = c.request("GET", "/v1/audit").json["audit"]
    vdi.ok(any(e["request"] == "job.log" and e["detail"] == "picture" for e in audit),
           "and that it was looked at is in the audit", audit)
    r = run(c, "show", "job", str(job), "--screenshot", path)
    vdi.is_((r.returncode, r.stderr), (2, b"vdictl: --screenshot goes with --log and one job\n"),
            "--screenshot alone is a mistake")
    refused(log(c, job, "?screenshot=maybe"), 400, "'screenshot' is true or false, not 'maybe'",
            "another word than true")
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")
    vdi.ok("| fake console" in log(c, job).text, "an ended job has all that, too")
    held = c.submit(hold=True)
    vdi.ok("instance" not in log(c, held).text, "a pending one has no instance")
    refused(log(c, held, "?screenshot=true"), 409, f"job {held} is PENDING: nothing of it ran yet",
            "and no screen")
    c.request("DELETE", f"/v1/jobs/{held}")
    job = batch(c, "noboot", requeue=False, template="slow")
    j = c.wait_state(job, "BOOT_FAIL")
    vdi.ok("                boot  <-- failed here: it was told not to boot" in log(c, job).text,
           "the stage that failed is marked, with the reason", log(c, job).text)
    user = vdi.bearer(c.issue_token("daemon")["token"])
    refused(log(c, job, headers=user), 404, f"there is no job {job}", "another's log")
    c.restart()
    vdi.ok(f"its node's part is not here: node {j['node']} does not keep the log of instance "
           f"{j['instance']}.1" in log(c, job).text, "what its node has forgotten costs a line",
           log(c, job).text)
    refused(log(c, job, "?screenshot=true"), 404, f"no picture of job {job} is kept",
            "a picture that is gone")


def messages(c):
    user = vdi.bearer(c.issue_token("daemon")["token"])
    job = c.submit(user)
    c.wait_state(job, "RUNNING")
    post = lambda body, headers=None, j=job: c.request("POST", f"/v1/jobs/{j}/message", body,
                                                       headers)
    vdi.is_(post({"text": "mine"}, user).status, 200, "an owner shows a message")
    vdi.is_(post({"text": "the lab closes at six"}).status, 200, "and so does an operator")
    vdi.ok("shows: the lab closes at six" in c.log_text(), "in the guest")
    vdi.is_([text for _, text in notes(c, job)],
            ["the user was shown: mine", "the user was shown: the lab closes at six"],
            "it is in the job's events")
    vdi.ok("note        by unix:daemon: the user was shown: mine" in log(c, job).text,
           "and in its log", log(c, job).text)
    audit = c.request("GET", "/v1/audit").json["audit"]
    vdi.is_(len([e for e in audit if e["request"] == "job.message"]), 1,
            "what the operator did is in the audit", audit)
    other = vdi.bearer(c.issue_token("bin")["token"])
    refused(post({"text": "x"}, other), 404, f"there is no job {job}", "to another's job")
    refused(post({}, user), 400, "'text' is missing", "no text")
    refused(post({"text": ""}, user), 400, "there is nothing to show", "an empty text")
    refused(post({"text": "a\nb"}, user), 400,
            "'text' holds a control character or is not valid UTF-8", "two lines")
    vdi.is_(post({"text": "x" * 1024}, user).status, 400, "too long a text")
    vdi.is_(run(c, "message", str(job), "by vdictl").returncode, 0, "vdictl message")
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")
    refused(post({"text": "x"}), 409, f"job {job} is CANCELLED: nobody would see it",
            "to a job that has ended")


def limits(c):
    job = batch(c, "runs", time_limit_sec=61, signal=10, signal_sec=57)
    start = c.wait_state(job, "RUNNING")["start_time"]
    vdi.ok(start, "a job with a limit runs")
    j = c.wait_state(job, "FAILED", "TIMEOUT")
    vdi.is_((j["state"], j["exit_signal"]), ("FAILED", 10), "the signal before the limit came", j)
    vdi.is_(notes(c, job), [("vdictld", "the warning '1 minute left'"),
                            ("vdictld", "signal 10 before the limit")],
            "the warning and the signal are in its events")
    vdi.ok("shows: This session ends in 1 minute. Save your work." in c.log_text(),
           "and its user was told")
    job = batch(c, "runs", time_limit_sec=1)
    j = c.wait_state(job, "TIMEOUT")
    vdi.is_(j["reason"], "time limit reached", "at the limit: TIMEOUT")


def nodes(c):
    patch = lambda **ask: c.request("PATCH", "/v1/nodes/n1", ask)
    refused(patch(state="down"), 400, "a node is not taken out without a reason",
            "a node is taken down with a reason alone")
    refused(patch(state="resume"), 409, "node 'n1' is not drained", "one that is up is not resumed")
    vdi.is_(patch(state="down", reason="fire").json["state"], "DOWN", "taken down")
    waits = c.submit(nodelist="n1")
    c.restart()
    c.request("POST", "/v1/reconfigure", {})
    j, n = c.job(waits), c.request("GET", "/v1/nodes/n1").json
    vdi.is_((j["state"], n["state"], n["reason"]), ("PENDING", "DOWN", "fire"),
            "it stays so over a restart and a reconfigure")
    vdi.is_(patch(state="drain", reason="and smoke").status, 200, "drained, too")
    vdi.is_(patch(state="resume").json["state"], "IDLE", "resumed: both are over")
    c.wait_state(waits, "RUNNING")
    vdi.ok(True, "and what waited runs")


def main():
    lines = ["requests_per_sec = 100000", "requests_burst = 100000", "kill_wait = \"1s\"",
             'template "slow" { image = "none"  vcpus = 1  memory = "1G"  boot_timeout = "1s" }']
    with vdi.Controller(lines=lines) as c:
        for part in (logs, messages, limits, nodes):
            part(c)
    vdi.done()


main()
