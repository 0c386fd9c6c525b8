#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1103-time.t - a job's time: its limit, saving, resuming, extending; what is saved counts, expires."""
import datetime
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402


def post(c, job, what, body=None, headers=None):
    return c.request("POST", f"/v1/jobs/{job}/{what}", body, headers)


def patch(c, job, body, headers=None):
    return c.request("PATCH", f"/v1/jobs/{job}", body, headers)


def end(c, *jobs):
    for job in jobs:
        c.request("DELETE", f"/v1/jobs/{job}")
    for job in jobs:
        c.wait_state(job, "CANCELLED", "TIMEOUT", "COMPLETED")


def running(c, headers=None, **spec):
    job = c.submit(headers, **spec)
    c.wait_state(job, "RUNNING")
    return job


def types(c, job):
    return [e["type"] for e in c.request("GET", f"/v1/jobs/{job}/events").json["events"]]


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def limits(c):
    job = c.submit(time_limit_sec=1)
    j = c.wait_state(job, "SUSPENDED")
    vdi.is_(j["reason"], "saved at its time limit", "at_limit = save: its state is kept", j)
    vdi.is_(types(c, job), ["submit", "alloc", "start", "suspend"], "by these events")
    big = running(c, cpus=4, time_limit_sec=600)
    vdi.ok(True, "its node is free for another meanwhile")
    r = post(c, job, "resume", {"seconds": 3600})
    j = r.json
    vdi.is_((r.status, j["state"], j["place"], j["estimated_node"]), (200, "SUSPENDED", 1, "n1"),
            "a resume is queued for the job's own node", r.text)
    planned = seconds(j["estimated_start_time"]) - seconds(c.job(big)["start_time"])
    vdi.ok(595 < planned < 730, "with an estimate: when the other one ends", planned, r.text)
    why = c.request("GET", f"/v1/jobs/{job}/why")
    vdi.is_((why.status, why.json["blockers"][0]["resource"]), (200, "cpus"), "and a why",
            why.text)
    vdi.is_(post(c, job, "resume").status, 409, "it is queued once")
    end(c, big)
    j = c.wait_state(job, "RUNNING")
    vdi.ok(j["time_limit_sec"] >= 3601 and j["spent_sec"] == j["time_limit_sec"] - 3600,
           "then it runs on, with the time it was given", j)
    vdi.is_(types(c, job)[-3:], ["wake", "restore", "resume"], "by these events")
    end(c, job)
    job = c.submit(time_limit_sec=1)
    c.wait_state(job, "SUSPENDED")
    code, out, err = c.run("vdictl", "resume", str(job))
    vdi.ok(code == 0 and f"job {job} is resumed about" in out and "on n1" in out,
           "vdictl resume says when and where", out, err)
    j = c.wait_state(job, "RUNNING")
    vdi.is_(j["time_limit_sec"] - j["spent_sec"], 1800, "who asks for no time gets default_time")
    end(c, job)
    for name in ("shut", "kill"):
        j = c.wait_state(c.submit(time_limit_sec=1, template=name), "TIMEOUT")
        vdi.is_(j["reason"], "time limit reached", f"template {name}: TIMEOUT")
    j = c.wait_state(c.submit(script="#!/bin/sh\n#FAKE runs\n", kind="batch", template="batch",
                              time_limit_sec=1), "TIMEOUT")
    vdi.is_(j["reason"], "time limit reached", "a batch job: TIMEOUT, whatever its template says")


def clocks(c):
    job = running(c, time_limit_sec=3)
    post(c, job, "suspend")
    j = c.job(job)
    ran = seconds(j["suspended_time"]) - seconds(j["start_time"])
    other = running(c, cpus=4, time_limit_sec=3, template="shut")
    c.wait_state(other, "TIMEOUT")
    vdi.is_(c.job(job)["state"], "SUSPENDED", "the clock of a saved job stands still")
    code, out, err = c.run("vdictl", "resume", "--time", "+2h", str(job))
    vdi.is_(code, 0, "resumed with --time", err)
    j = c.wait_state(job, "RUNNING")
    vdi.is_((j["time_limit_sec"], j["spent_sec"]), (7203, 0), "what was left counts, and more", ran)
    vdi.is_(c.run("vdictl", "resume", "--time", "soon", str(job))[0], 2, "a time that is none")
    end(c, job)


def extensions(c, user):
    small = running(c, user, cpus=1, time_limit_sec=600)
    wide = running(c, cpus=3, time_limit_sec=1200)
    waits = c.submit(cpus=4, time_limit_sec=600)
    r = post(c, small, "extend", {"seconds": 300}, user)
    vdi.is_((r.status, r.json.get("time_limit_sec")), (200, 900),
            "more time that delays nobody is given", r.text)
    r = post(c, small, "extend", {"seconds": 7200}, user)
    detail = r.json["detail"]
    vdi.ok(r.status == 422 and "4 CPUs of n1 are planned for another job from" in detail
           and "until" in detail, "what would delay another is refused, with what is planned",
           r.text)
    vdi.ok("unix:" not in r.text and f"job {waits}" not in r.text, "and not for whom", r.text)
    longest = int(r.json["remedy"].split()[2])
    vdi.ok(200 < longest <= 300 + 130, "and how much would be granted", r.text)
    before = c.job(waits)["estimated_start_time"]
    code, _, err = c.run("vdictl", "extend", str(small), "+2h")
    vdi.ok(code == 1 and "planned for another job" in err, "vdictl says so", err)
    vdi.is_(post(c, small, "extend", {"seconds": longest}, user).status, 200, "that much is")
    after = c.job(waits)["estimated_start_time"]
    vdi.ok(abs(seconds(after) - seconds(before)) < 2, "and nobody starts later", before, after)
    vdi.is_(post(c, small, "extend", {"seconds": 60}, user).status, 422, "no more")
    vdi.is_(patch(c, small, {"time_limit_sec": 7200}, user).status, 403,
            "an update is no way round it")
    vdi.is_(patch(c, small, {"time_limit_sec": 60}, user).status, 200, "less time is always given")
    vdi.is_(patch(c, small, {"time_limit_sec": 86400}).status, 200, "an operator decides himself")
    end(c, waits)
    vdi.is_(post(c, wide, "extend", {"seconds": 86400}).status, 200, "nobody waits: all is given")
    end(c, small, wide)


def full_spool(c):
    first, second = running(c), running(c)
    third = running(c, time_limit_sec=2)
    vdi.is_(post(c, first, "suspend").status, 200, "the first is saved")
    r = post(c, second, "suspend")
    vdi.ok(r.status == 507 and "no room" in r.text, "a full spool refuses", r.text)
    vdi.is_(c.job(second)["state"], "RUNNING", "and the job runs on")
    j = c.wait_state(third, "TIMEOUT")
    vdi.ok("not saved: " in j["reason"], "at its limit it is ended, and the reason says why", j)
    end(c, first, second)


def keeps(c):
    jobs = [running(c, qos="brief")]
    vdi.is_(post(c, jobs[0], "suspend", headers=c.user).status, 404, "another's job is none")
    mine = [running(c, c.user, qos="brief") for _ in range(4)]
    done = [post(c, job, "suspend", headers=c.user) for job in mine]
    vdi.is_([r.status for r in done], [200, 200, 200, 422], "saved_max counts what is saved",
            done[3].text)
    vdi.is_((done[3].json["field"], done[3].json["limit"]), ("saved_max", "3072 MiB"),
            "the refusal says so", done[3].text)
    j = c.job(mine[0])
    kept = seconds(j["saved_until_time"]) - seconds(j["suspended_time"])
    vdi.ok(abs(kept - 4) < 0.1, "how long it is kept is said", j)
    limited = c.submit(c.user, time_limit_sec=1, qos="brief")
    j = c.wait_state(limited, "TIMEOUT")
    vdi.ok("saved_max" in j["reason"], "at its limit it ends, and the reason says why", j)
    post(c, mine[1], "resume", headers=c.user)
    c.wait_state(mine[1], "RUNNING")
    c.wait_state(mine[0], "TIMEOUT")
    j = c.job(mine[0])
    vdi.is_(j["reason"], "its saved state has expired (saved_keep)", "it ends when it expires", j)
    vdi.is_(types(c, mine[0]), ["submit", "alloc", "start", "suspend", "notice", "finish", "end"],
            "after a notice")
    events = c.request("GET", f"/v1/jobs/{mine[0]}/events").json["events"]
    at = {e["type"]: seconds(e["time"]) for e in events}
    vdi.ok(at["finish"] - at["notice"] > 1.9, "in time", at)
    vdi.ok("is removed at" in [e for e in events if e["type"] == "notice"][0]["reason"],
           "which says when", events)
    vdi.is_(c.job(mine[1])["state"], "RUNNING", "what was resumed stays")
    end(c, mine[1], mine[3], *jobs)


def expires_without_controller():
    with tempfile.TemporaryDirectory(prefix="vdi.") as directory:
        with vdi.Controller(nodes=1, lines=['saved_keep = "2s"'],
                            fake=f'state_dir = "{directory}/site"') as c:
            job = running(c)
            post(c, job, "suspend")
            c.end(signal.SIGKILL)
            stopped = time.time()
            vdi.wait_for("its time to be over", lambda: time.time() > stopped + 2.2)
            c.start()
            vdi.is_(c.job(job)["state"], "SUSPENDED", "nothing is removed that nobody was told of")
            c.wait_state(job, "TIMEOUT")
            events = c.request("GET", f"/v1/jobs/{job}/events").json["events"]
            at = {e["type"]: seconds(e["time"]) for e in events}
            vdi.ok(at["notice"] > stopped + 2 and at["finish"] - at["notice"] > 0.9,
                   "who was down tells first, and removes then", at)


def fill(c, disk, job):
    """A small change may still find room in the store's log: until none does."""
    disk.fill()
    failed = 0
    while failed < 3:
        done = [post(c, job, what).status for what in ("hold", "release")]
        failed = 0 if 200 in done else failed + 1


def not_written_down(c, disk):
    job, other = running(c), c.submit(hold=True, begin_time="2999-01-01T00:00:00Z")
    fill(c, disk, other)
    r = post(c, job, "suspend")
    vdi.ok(r.status >= 500, "a save that can't be written down is not acknowledged", r.text)
    disk.clear()
    j = c.wait_state(job, "SUSPENDED")
    vdi.is_(j["reason"], "found saved on its node", "and is found as soon as it can be", j)
    vdi.is_(post(c, job, "resume").status, 200, "it can be resumed")
    c.wait_state(job, "RUNNING")
    fill(c, disk, other)
    r = post(c, job, "suspend")
    c.end(signal.SIGKILL)
    disk.clear()
    c.start()
    c.wait_state(job, "SUSPENDED")
    vdi.ok(r.status >= 500, "also by the next controller", r.text)


def full_store():
    with tempfile.TemporaryDirectory(prefix="vdi.") as directory, vdi.Disk(directory) as disk:
        if not disk.mounted:
            vdi.skip("no file system can be mounted here", "a save that can't be written down")
            return
        with vdi.Controller(nodes=1, store=f"sqlite:{disk.at}/vdi.db",
                            fake=f'state_dir = "{directory}/site"') as c:
            not_written_down(c, disk)


def main():
    lines = ['kill_wait = "1s"',
             'template "shut" { image = "none"  vcpus = 1  memory = "1G"  at_limit = "shutdown" }',
             'template "kill" { image = "none"  vcpus = 1  memory = "1G"  at_limit = "kill" }']
    with vdi.Controller(nodes=1, fake="boot_ms = 0  saves = 1", lines=lines, start=False) as c:
        c.write_conf(partition='default_time = "30m"')
        c.start()
        user = vdi.bearer(c.issue_token("daemon")["token"])
        limits(c)
        clocks(c)
        extensions(c, user)
        full_spool(c)
    lines += ['saved_max = "1G"', 'qos "brief" { saved_max = "3G"  saved_keep = "4s" }']
    with vdi.Controller(nodes=2, lines=lines) as c:
        c.user = vdi.bearer(c.issue_token("daemon")["token"])
        keeps(c)
    expires_without_controller()
    full_store()
    vdi.done()


main()
