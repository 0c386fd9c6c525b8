#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1220-limits.t - what a QOS, a partition, an account and people may have at once."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['qos "few" { max_running_user = 2  max_submitted_user = 6 }',
         'qos "one" { max_running = 1 }',
         'qos "gpu" { max_gpus_user = 2 }',
         'qos "strict" { max_gpus_user = 2  deny_on_limit = yes }',
         'partition "lab" { nodes = "n[1-2]"  max_desktops_user = 1  deny_on_limit = yes }',
         'partition "pair" { nodes = "n[1-2]"  max_desktops_user = 1 }',
         'account "cs" { users = {"daemon"}  max_running = 2 }', 'account "all" { }',
         'limit "guests" { users = {"daemon"}  max_running_user = 3 }',
         'node "g1" { cpus = 16  memory = "16G" gpu "X" { count = 8  law = whole } }',
         'partition "gpus" { nodes = "g1" }']


def script(*words):
    return {"script": "#!/bin/sh\n#FAKE " + " ".join(words) + "\n", "kind": "batch",
            "template": "batch"}


def submit(c, headers=None, **more):
    return c.submit(headers, **dict(script("runs"), **more))


def end(c, *jobs):
    for job in jobs:
        c.request("DELETE", f"/v1/jobs/{job}")
    for job in jobs:
        c.wait_state(job, "CANCELLED")


def waits(c, job, reason):
    j = vdi.wait_for(f"job {job} to wait for {reason}", lambda: (
        lambda j: j if j.get("blocker") == reason else None)(c.job(job)))
    return vdi.is_(j["state"], "PENDING", f"the next waits: {reason}")


def states(c, jobs):
    return [c.job(j)["state"] for j in jobs]


def running(c, user):
    jobs = [submit(c, user, qos="few") for _ in range(5)]
    for job in jobs[:2]:
        c.wait_state(job, "RUNNING")
    waits(c, jobs[2], "QOSMaxJobsPerUserLimit")
    b = c.request("GET", f"/v1/jobs/{jobs[3]}/why").json["blockers"][0]
    vdi.ok((b["need"], b["free"]) == (2, 2) and "max_running_user of qos 'few'" in b["text"],
           "--why has limit and numbers", b)
    mine = submit(c, qos="few")
    c.wait_state(mine, "RUNNING")
    vdi.ok(True, "another's jobs are not counted")
    end(c, jobs[0])
    c.wait_state(jobs[2], "RUNNING")
    vdi.is_(states(c, jobs), ["CANCELLED", "RUNNING", "RUNNING", "PENDING", "PENDING"],
            "one ends, the first that waits starts, and no other")
    c.request("PATCH", f"/v1/jobs/{jobs[4]}", {"nice": -5})
    end(c, jobs[1])
    c.wait_state(jobs[4], "RUNNING")
    vdi.is_(c.job(jobs[3])["state"], "PENDING", "the place goes to the higher priority")
    c.restart()
    c.wait_state(jobs[4], "RUNNING")
    waits(c, jobs[3], "QOSMaxJobsPerUserLimit")
    held = submit(c, user, qos="few", hold=True, nice=0)
    end(c, jobs[4])
    c.wait_state(jobs[3], "RUNNING")
    vdi.is_(c.job(held)["blocker"], "JobHeldUser", "who is held takes no place")
    end(c, jobs[2], jobs[3], held, mine)


def displaced(c):
    """Who was let in and can't start yet gives way to who comes before it."""
    full = [submit(c, cpus=4) for _ in range(2)]
    for job in full:
        c.wait_state(job, "RUNNING")
    a, b = (submit(c, qos="few") for _ in range(2))
    vdi.is_([c.job(j)["blocker"] for j in (a, b)], ["Resources"] * 2, "two are let in, and wait")
    urgent = submit(c, qos="few", nice=-5)
    waits(c, b, "QOSMaxJobsPerUserLimit")
    vdi.is_([c.job(j)["blocker"] for j in (urgent, a)], ["Resources"] * 2,
            "the last of them gives way to one of a higher priority")
    end(c, full[0])
    c.wait_state(urgent, "RUNNING")
    end(c, full[1], a, b, urgent)


def submitted(c, user):
    jobs = [submit(c, user, qos="few", hold=True) for _ in range(5)]
    r = c.request("POST", "/v1/jobs", dict(script("runs"), qos="few", array="0-1"), user)
    vdi.ok(r.status == 422 and r.json["field"] == "max_submitted_user" and "you have 5" in r.text
           and r.json["limit"] == "6", "an array that is too large: refused with numbers", r.text)
    jobs.append(submit(c, user, qos="few", hold=True))
    r = c.request("POST", "/v1/jobs", dict(script("runs"), qos="few"), user)
    vdi.is_(r.status, 422, "and one more", r.text)
    other = submit(c, user, hold=True)
    r = c.request("PATCH", f"/v1/jobs/{other}", {"qos": "few"}, user)
    vdi.is_((r.status, r.json.get("field")), (422, "max_submitted_user"),
            "an update is no way round it", r.text)
    c.restart()
    r = c.request("POST", "/v1/jobs", dict(script("runs"), qos="few"), user)
    vdi.is_(r.status, 422, "also after a kill -9", r.text)
    end(c, jobs[0])
    jobs[0] = submit(c, user, qos="few", hold=True)
    end(c, *jobs, other)
    vdi.ok(True, "when one has ended there is room")
    r = c.request("POST", "/v1/jobs", dict(script("runs"), hold=True, array="0-7"), user)
    array = r.json["id"]
    r = c.request("PATCH", f"/v1/jobs/{array}", {"qos": "few"}, user)
    vdi.is_((r.status, r.json.get("field"), c.job(array)["qos"]), (422, "max_submitted_user", ""),
            "an array of more tasks than may be is not moved there, and no task of it", r.text)
    c.request("DELETE", f"/v1/jobs/{array}", headers=user)


def groups(c, user):
    a, b = submit(c, qos="one"), submit(c, user, qos="one")
    c.wait_state(a, "RUNNING")
    waits(c, b, "QOSGrpJobsLimit")
    end(c, a)
    c.wait_state(b, "RUNNING")
    vdi.ok(True, "max_running is of all together")
    end(c, b)
    later = submit(c, qos="one", begin_time="2999-01-01T00:00:00Z")
    a = submit(c, qos="one")
    c.wait_state(a, "RUNNING")
    vdi.ok(True, "who begins later takes no place")
    end(c, a, later)


def gpus(c, user):
    one = submit(c, qos="gpu", partition="gpus", gpus=1)
    c.wait_state(one, "RUNNING")
    big, small = (submit(c, qos="gpu", partition="gpus", gpus=n) for n in (2, 1))
    waits(c, big, "QOSMaxGRESPerUser")
    c.wait_state(small, "RUNNING")
    vdi.ok(True, "what fits beside it may go before it")
    never = submit(c, qos="gpu", partition="gpus", gpus=3)
    waits(c, never, "QOSMaxGRESPerUser")
    end(c, one, small)
    c.wait_state(big, "RUNNING")
    r = c.request("POST", "/v1/jobs", dict(script("runs"), qos="strict", partition="gpus", gpus=3))
    vdi.ok(r.status == 422 and r.json["field"] == "max_gpus_user",
           "deny_on_limit: what could never run is refused", r.text)
    end(c, big, never)


def desktops(c, user):
    desk = c.submit(user, partition="lab")
    c.wait_state(desk, "RUNNING")
    r = c.request("POST", "/v1/jobs", {"template": "desk", "partition": "lab"}, user)
    vdi.ok(r.status == 422 and r.json["field"] == "max_desktops_user" and "connect" in r.text,
           "one desktop a user: the second is refused, and what to do", r.text)
    vdi.is_(c.request("POST", "/v1/jobs", dict(script("exit=0"), partition="lab"), user).status, 201,
            "a script is none")
    end(c, desk)
    a, b = (c.submit(user, partition="pair") for _ in range(2))
    c.wait_state(a, "RUNNING")
    waits(c, b, "MaxDesktopsPerUserLimit")
    end(c, a, b)


def people(c, user):
    r = c.request("POST", "/v1/jobs", dict(script("runs"), account="physics"), user)
    vdi.ok(r.status == 422 and "cs, all" in r.text, "an account that is none", r.text)
    jobs = [submit(c, user) for _ in range(3)]
    vdi.is_({c.job(j)["account"] for j in jobs}, {"cs"}, "who names none is charged on his own")
    waits(c, jobs[2], "AssocGrpJobsLimit")
    more = [submit(c, user, account="all") for _ in range(2)]
    c.wait_state(more[0], "RUNNING")
    waits(c, more[1], "AssocMaxJobsLimit")
    reasons = {b["reason"] for b in c.request("GET", f"/v1/jobs/{jobs[2]}/why").json["blockers"]}
    vdi.ok({"AssocGrpJobsLimit", "AssocMaxJobsLimit"} <= reasons, "--why has both limits", reasons)
    limits = {l["name"]: (l["used"], l["allowed"]) for l in
              c.request("GET", "/v1/me", headers=user).json["limits"]}
    vdi.is_((limits["max_running of account 'cs'"], limits["max_running_user of limit 'guests'"],
             limits["max_submitted_user of qos 'few'"]), ((2, 2), (3, 3), (0, 6)),
            "/v1/me: used and allowed", limits)
    limits = [l["name"] for l in c.request("GET", "/v1/me").json["limits"]]
    vdi.ok("max_running_user of limit 'guests'" not in limits, "of others nothing", limits)
    return jobs + more


def reconfigures(c, jobs):
    c.lines = [line.replace("max_running_user = 3", "max_running_user = 5") for line in c.lines]
    c.write_conf()
    code, _, err = c.run("vdictl", "reconfigure")
    c.wait_state(jobs[4], "RUNNING")
    vdi.is_((code, c.job(jobs[2])["blocker"]), (0, "AssocGrpJobsLimit"),
            "a new limit is in force, the others stay", err)
    end(c, *jobs)


with vdi.Controller(nodes=2, lines=LINES) as c:
    user = vdi.bearer(c.issue_token("daemon")["token"])
    running(c, user)
    displaced(c)
    submitted(c, user)
    groups(c, user)
    gpus(c, user)
    desktops(c, user)
    reconfigures(c, people(c, user))
vdi.done()
