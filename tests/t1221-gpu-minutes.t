#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1221-gpu-minutes.t - GPU minutes: of one job, and used or kept in all, decaying."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

RULE = 'priority "multifactor" { half_life = "7d" }'
LINES = [RULE,
         'node "g1" { cpus = 128  memory = "128G" gpu "X" { count = 64  law = whole } }',
         'partition "gpus" { nodes = "g1" }',
         'qos "hours" { max_gpu_minutes = 130  max_gpu_minutes_job = 100 }',
         'qos "strict" { max_gpu_minutes_user = 10  deny_on_limit = yes }',
         'account "all" { }',
         'limit "guests" { users = {"daemon"}  max_gpu_minutes_user = 66 }']
RUNS = {"script": "#!/bin/sh\n#FAKE runs\n", "kind": "batch", "template": "batch",
        "partition": "gpus", "memory_mib": 64}


def submit(c, gpus, minutes, headers=None, **more):
    return c.submit(headers, **dict(RUNS, gpus=gpus, time_limit_sec=minutes * 60, **more))


def refusal(c, gpus, minutes, **more):
    r = c.request("POST", "/v1/jobs", dict(RUNS, gpus=gpus, time_limit_sec=minutes * 60, **more))
    return r.status, r.json.get("field"), r.json.get("limit")


def blocker(c, job):
    found = vdi.wait_for(f"job {job} to wait for minutes", lambda: [
        b for b in c.request("GET", f"/v1/jobs/{job}/why").json["blockers"]
        if "GRESMinutes" in b["reason"] and b["free"]])
    return found[0]


def limit_of(c, name, headers=None):
    return next(l for l in c.request("GET", "/v1/me", headers=headers).json["limits"]
                if l["name"] == name)


def kept(c):
    """What running jobs may still use counts, and is given back when they end before."""
    vdi.is_(refusal(c, 2, 60, qos="hours"), (422, "max_gpu_minutes_job", "100 GPU minutes"),
            "a job of too many: refused, with field and limit")
    vdi.is_(refusal(c, 2, 10, qos="strict"), (422, "max_gpu_minutes_user", "10 GPU minutes"),
            "deny_on_limit: what could never run is refused")
    a, b = (submit(c, 1, 60, qos="hours") for _ in range(2))
    for job in (a, b):
        c.wait_state(job, "RUNNING")
    waits = submit(c, 1, 60, qos="hours")
    why = blocker(c, waits)
    vdi.ok((why["reason"], why["need"], why["free"]) == ("QOSGrpGRESMinutes", 130, 120)
           and "max_gpu_minutes of qos 'hours'" in why["text"] and "may use 60" in why["text"]
           and why["until"], "the next waits: limit, used, what it needs, and when it eases", why)
    me = limit_of(c, "max_gpu_minutes of qos 'hours'")
    vdi.is_((me["used"], me["allowed"]), (120, 130), "/v1/me has used and allowed", me)
    small = submit(c, 1, 5, qos="hours")
    c.wait_state(small, "RUNNING")
    vdi.ok(True, "what fits beside it may go before it")
    c.cancel(small)
    r = c.request("PATCH", f"/v1/jobs/{waits}", {"gpus": 2})
    vdi.ok(r.status == 200, "operators may", r.text)
    c.restart()
    for job in (a, b):
        c.wait_state(job, "RUNNING")
    vdi.is_(blocker(c, waits)["free"], 120, "after a kill -9 it is the same")
    c.request("PATCH", f"/v1/jobs/{waits}", {"gpus": 1})
    c.cancel(a)
    c.wait_state(waits, "RUNNING")
    vdi.ok(True, "what was not used is given back")
    c.cancel(b, waits)


def more(c, user):
    """An owner gets no more of it by an update or an extension."""
    a = submit(c, 1, 60, user, account="all")
    c.wait_state(a, "RUNNING")
    r = c.request("POST", f"/v1/jobs/{a}/extend", {"seconds": 600}, user)
    vdi.is_((r.status, r.json.get("field"), r.json.get("limit")),
            (422, "max_gpu_minutes_user", "66 GPU minutes"), "more time: refused", r.text)
    r = c.request("POST", f"/v1/jobs/{a}/extend", {"seconds": 300}, user)
    vdi.is_(r.status, 200, "as much as there is: given", r.text)
    r = c.request("POST", f"/v1/jobs/{a}/requeue", headers=user)
    vdi.is_(r.status, 200, "a requeue", r.text)
    vdi.wait_for("it to come back", lambda: c.job(a)["restarts"] == 1)
    c.wait_state(a, "RUNNING")
    vdi.is_(limit_of(c, "max_gpu_minutes_user of limit 'guests'", user)["used"], 65,
            "counts a job once")
    c.cancel(a)


def used(c, user):
    """64 GPUs for seconds are minutes."""
    a = submit(c, 64, 1, user, account="all")
    c.wait_state(a, "RUNNING")
    time.sleep(3)
    c.cancel(a)
    b = submit(c, 64, 1, user, account="all")
    why = blocker(c, b)
    name = "max_gpu_minutes_user of limit 'guests'"
    vdi.ok(why["reason"] == "AssocGrpGRESMinutes" and why["free"] >= 3 and name in why["text"],
           "what was used counts for who used it", why)
    mine = limit_of(c, name, user)["used"]
    vdi.is_(mine, why["free"], "and is his in /v1/me")
    c.restart()
    vdi.is_((blocker(c, b)["free"], limit_of(c, name, user)["used"]), (mine, mine),
            "it is the same after a kill -9")
    c.lines = [line.replace('"7d"', '"1s"') for line in c.lines]
    c.write_conf()
    code, _, err = c.run("vdictl", "reconfigure")
    c.wait_state(b, "RUNNING")
    vdi.is_(code, 0, "with a shorter half life it eases by itself", err)
    c.cancel(b)


with vdi.Controller(nodes=1, lines=LINES) as c:
    user = vdi.bearer(c.issue_token("daemon")["token"])
    kept(c)
    more(c, user)
    used(c, user)
vdi.done()
