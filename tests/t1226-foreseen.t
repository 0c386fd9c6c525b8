#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1226-foreseen.t - estimates of jobs that are not in line: limits, licences, arrays, jobs that wait
for jobs. Each is when what it waits for ends by its limit, and there is room for it then.
"""
import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

BOOT = 120  # between an order to start and the start, as the planner has it
LINES = ['qos "one" { max_running_user = 1 }', 'qos "wide" { max_running = 3 }',
         'account "cs" { users = {"root", "daemon"}  max_running = 3 }',
         'account "gpu" { users = {"root"}  max_gpus = 2 }',
         'limit "each" { max_running_user = 2  users = {"bin"} }',
         'licence "matlab" { count = 3 }',
         'template "math" { image = "none"  vcpus = 1  memory = "1G"  licence = {"matlab"} }',
         'node "s1" { cpus = 2  memory = "64G" }', 'partition "small" { nodes = "s1" }',
         'node "g1" { cpus = 16  memory = "64G"  gpu "X" { count = 4  law = whole } }',
         'partition "gpus" { nodes = "g1" }']


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def submit(c, hours=1, **more):
    return c.submit(**dict({"template": "batch", "kind": "batch", "time_limit_sec": 3600 * hours,
                            "script": "#!/bin/sh\n#FAKE runs\n", "cpus": 1}, **more))


def limit(c, job):
    j = c.wait_state(job, "RUNNING")
    return seconds(j["start_time"]) + j["time_limit_sec"]


def estimate(c, job):
    """Seconds since the epoch; 0: none yet."""
    text = c.job(job)["estimated_start_time"]
    return seconds(text) if text else 0


def foreseen(c, job, name, at, within=5):
    """Estimates of some moments ago are worked out anew within a second."""
    try:
        vdi.wait_for(name, lambda: at <= estimate(c, job) <= at + within)
    except AssertionError:
        pass  # the next line says what there was
    got = estimate(c, job)
    vdi.ok(at <= got <= at + within, name, f"got {got - at:.1f} s more than expected")


def none(c, job, name):
    vdi.is_(c.job(job)["estimated_start_time"], None, name)


def of_limits(c):
    first, second, third = (submit(c, h, qos="one") for h in (1, 2, 3))
    end = limit(c, first)
    foreseen(c, second, "one that waits for a limit: at the end of who has it", end)
    foreseen(c, third, "the next: when that one ends", end + 7200 + BOOT)
    why = c.request("GET", f"/v1/jobs/{second}/why").json
    vdi.is_([b["reason"] for b in why["blockers"]][:1], ["QOSMaxJobsPerUserLimit"],
            "the reason stays the limit", why)
    vdi.ok(abs(seconds(why["estimated_start_time"]) - end) <= 5, "--why has the estimate", why)
    out = c.run("vdiqueue", "-h", "--start", "-j", str(second), "-o", "%S")[1]
    vdi.ok(len(out.strip()) >= 16, "vdiqueue --start has it", out)
    r = c.request("POST", "/v1/jobs?test_only=true", {
        "template": "batch", "kind": "batch", "time_limit_sec": 3600, "qos": "one",
        "script": "#!/bin/sh\n"})
    got = r.json["estimated_start_time"]
    expected = end + 7200 + 3 * 3600 + 2 * BOOT
    vdi.ok(got and abs(seconds(got) - expected) <= 5 and
           r.json["blockers"][0]["reason"] == "QOSMaxJobsPerUserLimit",
           "one that is only asked about has limit and estimate", r.text)
    vdi.is_((c.job(first)["state"], c.job(second)["state"]), ("RUNNING", "PENDING"),
            "and nobody is touched by that")
    c.cancel(third, second, first)


def of_two_limits(c):
    """Who can't be let in before by a limit on himself lets others go first."""
    mine = [submit(c, 2, account="cs", qos="one") for _ in range(3)]
    end = limit(c, mine[0])
    wide = [submit(c, 1, account="cs", qos="wide") for _ in range(3)]
    ends = sorted(limit(c, j) for j in wide[:2])
    foreseen(c, wide[2], "the account's next place is for who can take it", ends[0])
    foreseen(c, mine[1], "who waits for himself is not in its way", end)
    foreseen(c, mine[2], "and for both of his own", end + 7200 + BOOT)
    c.cancel(*reversed(mine + wide))


def of_gpus(c):
    a, b = submit(c, 1, account="gpu", gpus=1, partition="gpus"), submit(
        c, 3, account="gpu", gpus=1, partition="gpus")
    ends = [limit(c, a), limit(c, b)]
    two = submit(c, 1, account="gpu", gpus=2, partition="gpus")
    foreseen(c, two, "who needs all of a limit waits for the last", ends[1])
    c.cancel(two, a, b)


def of_room(c):
    """A limit is over before there is room."""
    long = submit(c, 5, partition="small", cpus=2)
    end = limit(c, long)
    first = submit(c, 1, qos="one")
    limit(c, first)
    second = submit(c, 1, qos="one", partition="small")
    foreseen(c, second, "not before there is room", end)
    ahead = submit(c, 2, partition="small", cpus=2)
    third = submit(c, 1, qos="one", partition="small")
    vdi.wait_for("its estimate", lambda: estimate(c, ahead))
    foreseen(c, third, "nor before those in line", end + 7200 + BOOT, 60)
    c.cancel(third, ahead, second, first, long)


def of_licences(c):
    a = submit(c, 1, licences="matlab:2")
    end = limit(c, a)
    b = submit(c, 2, licences="matlab:2")
    foreseen(c, b, "a licence is free when who has it ends", end)
    starts = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=7200)
    r = c.request("POST", "/v1/classes", {
        "name": "lab", "template": "math", "seats": 2, "users": "root,unix:root", "zone": "UTC",
        "starts": starts.strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": 3600, "lead_sec": 0})
    vdi.is_(r.status, 201, "a class is to have two", r.text)
    over = seconds(c.request("GET", "/v1/classes/lab").json["next_end_time"])
    foreseen(c, b, "then not before the class is over", over, 700)
    vdi.is_(c.request("DELETE", "/v1/classes/lab").status < 300, True, "it is deleted")
    c.cancel(b, a)


def of_arrays(c):
    first = submit(c, 1, array="0-6%2")
    ends = sorted(limit(c, first + i) for i in range(2))
    for task in (2, 3, 4, 5, 6):
        turn = (task - 2) // 2 * (3600 + BOOT)
        foreseen(c, first + task, f"task {task} of an array with a limit",
                 ends[task % 2] + turn)
    c.cancel(*(first + i for i in range(7)))


def of_jobs(c):
    a = submit(c, 1)
    end = limit(c, a)
    b = submit(c, 2, dependency=f"afterok:{a}")
    d = submit(c, 1, dependency=f"afterany:{b}")
    foreseen(c, b, "afterok: at the end of the other", end)
    foreseen(c, d, "one that waits for that", end + 7200 + BOOT)
    e = submit(c, 1, dependency=f"after:{b}+30")
    foreseen(c, e, "after: at its start, and the delay", end + 1800)
    any_of = submit(c, 1, dependency=f"afterany:{d}?afterany:{a}")
    held = submit(c, 1, dependency=f"afterany:{a}", hold=True)
    behind = submit(c, 1, dependency=f"afterany:{held}")
    last = submit(c, 1, dependency=f"afterany:{a}")
    foreseen(c, any_of, "one of several: the first of them", end)
    foreseen(c, last, "all of them are worked out by now", end)
    none(c, held, "one that is held has none")
    none(c, behind, "nor has one that waits for it")
    c.cancel(last)
    c.cancel(behind, held, any_of, e, d, b, a)
    one = submit(c, 1, name="solo")
    end = limit(c, one)
    two = submit(c, 1, name="solo", dependency="singleton")
    foreseen(c, two, "singleton: when the one before it ends", end)
    c.cancel(two, one)


def chain(c, n=300):
    first = last = submit(c, 1)
    end = limit(c, first)
    jobs = [first]
    for _ in range(n):
        last = submit(c, 1, dependency=f"afterok:{last}")
        jobs.append(last)
    foreseen(c, last, f"the last of a chain of {n}", end + (n - 1) * (3600 + BOOT))
    listed = c.request("GET", "/v1/jobs?estimates=true&state=PENDING&fields=id,estimated_start_time")
    got = [j["estimated_start_time"] for j in listed.json["jobs"]]
    vdi.is_((len(got), [x for x in got if not x]), (n, []), "all that wait have one")
    vdi.is_(got, sorted(got), "each after the one before")
    r = c.request("PATCH", f"/v1/jobs/{jobs[1]}", {"time_limit_sec": 600})
    vdi.is_(r.status, 200, "the second is to take less time", r.text)
    end -= 3000
    foreseen(c, last, "all behind it are nearer", end + (n - 1) * (3600 + BOOT))
    began = c.job(first)["start_time"]
    c.restart()  # the fake site has forgotten the first, so it begins anew
    vdi.wait_for("its new start", lambda: c.job(first)["start_time"] not in (None, began))
    end = limit(c, first) - 3000
    foreseen(c, last, "so has it after a restart", end + (n - 1) * (3600 + BOOT))
    c.cancel(*reversed(jobs))


with vdi.Controller(nodes=4, lines=LINES) as c:
    of_limits(c)
    of_two_limits(c)
    of_gpus(c)
    of_room(c)
    of_licences(c)
    of_arrays(c)
    of_jobs(c)
    chain(c)
vdi.done()
