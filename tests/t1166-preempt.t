#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1166-preempt.t - batch jobs make room for a class, or for a job that comes first: told, saved or
started over, and back by themselves; nothing of them is lost, also when the controller is killed in
the middle.
"""
import datetime
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

# Each job of the batch has a GPU for itself, as each seat: so who is saved knows where he comes back.
LINES = [
    'node "g[1-2]" { cpus = 8  memory = "16G"  gpu "T4" { count = 2  law = whole } }',
    'partition "gpu" { nodes = "g[1-2]"  batch_template = "train" }',
    'template "train" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1 }',
    'template "cad" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1 }',
    'qos "batch" { priority = 0  preempt_exempt_time = "1s" }',
    'qos "teaching" { priority = 1000  preempts = {"batch"}  preempt_modes = {MODE}  grace = "1s" }',
]


def lines(mode):
    return [x.replace("MODE", mode) for x in LINES]


def at(seconds):
    t = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return t.strftime("%Y-%m-%dT%H:%M:%S")


def batch(c, **more):
    r = c.request("POST", "/v1/jobs", dict({
        "kind": "batch", "partition": "gpu", "qos": "batch", "time_limit_sec": 36000,
        "script": "#!/bin/sh\n#FAKE runs\n", "requeue": True}, **more))
    assert r.status == 201, r.text
    return r.json["id"]


def book(c, seats, begins, **more):
    r = c.request("POST", "/v1/classes", dict({
        "name": "lab", "template": "cad", "partition": "gpu", "qos": "teaching", "seats": seats,
        "users": "root", "starts": at(begins), "zone": "UTC", "duration_sec": 3600,
        "lead_sec": 5}, **more))
    return r


def ready(c, n):
    return vdi.wait_for(f"{n} READY seats", lambda: n == len(
        [i for i in c.request("GET", "/v1/instances").json["instances"]
         if i["class_id"] and i["state"] == "READY"]))


def events(c, job):
    return [(e["type"], e.get("reason", "")) for e in
            c.request("GET", f"/v1/jobs/{job}/events").json["events"]]


def saved(c, state, kill):
    jobs = [batch(c) for _ in range(4)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    r = book(c, 3, 75)
    vdi.ok(r.status == 201, "a class is booked over batch jobs that fill all GPUs", r.text)
    if kill:
        time.sleep(0.5)
        c.restart(signal.SIGKILL)
    vdi.wait_for("three to make room", lambda: [c.job(j)["state"] for j in jobs].count(
        "SUSPENDED") == 3)
    if kill:
        c.restart(signal.SIGKILL)
    ready(c, 3)
    states = [c.job(j)["state"] for j in jobs]
    vdi.is_(sorted(states), ["RUNNING", "SUSPENDED", "SUSPENDED", "SUSPENDED"],
            "three are saved, and no more; the seats are READY")
    gone = next(j for j in jobs if c.job(j)["state"] == "SUSPENDED")
    told = events(c, gone)
    vdi.ok(any(t == "note" and "makes room for a class" in r for t, r in told) and
           any(t == "suspend" for t, _ in told), "it was told, and then saved", told)
    why = c.request("GET", f"/v1/jobs/{gone}/why").json
    vdi.ok(why["blockers"] and why.get("estimated_start_time"), "it is said until when", why)
    c.request("DELETE", "/v1/classes/lab")
    for j in jobs:
        back = c.wait_state(j, "RUNNING")
        vdi.ok(back["restarts"] == 0, f"job {j} is back by itself, with its memory", back)
    for j in jobs:
        c.request("DELETE", f"/v1/jobs/{j}")
        c.wait_state(j, "CANCELLED")


def started_over(c):
    jobs = [batch(c) for _ in range(4)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    vdi.is_(book(c, 2, 75).status, 201, "a class over jobs that start over")
    ready(c, 2)
    left = [c.job(j) for j in jobs]
    vdi.is_(sorted((j["state"], j["restarts"]) for j in left),
            [("PENDING", 1), ("PENDING", 1), ("RUNNING", 0), ("RUNNING", 0)],
            "two are in line again, and no more")
    c.request("DELETE", "/v1/classes/lab")
    for j in jobs:
        c.wait_state(j, "RUNNING")
    vdi.ok(True, "all run again afterwards")
    for j in jobs:
        c.request("DELETE", f"/v1/jobs/{j}")
        c.wait_state(j, "CANCELLED")


def end_all(c, jobs):
    for j in jobs:
        c.request("DELETE", f"/v1/jobs/{j}")
    for j in jobs:
        c.wait_state(j, "CANCELLED", "PREEMPTED")


def over_jobs(c, kill=False):
    """Two of four make room for two desktops; the others never notice."""
    jobs = [batch(c) for _ in range(4)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    time.sleep(2)  # their minimum time
    desks = [c.submit(template="cad", partition="gpu", qos="teaching", time_limit_sec=600)
             for _ in range(2)]
    if kill:
        time.sleep(0.3)
        c.restart(signal.SIGKILL)
    for d in desks:
        c.wait_state(d, "RUNNING")
    left = [c.job(j) for j in jobs]
    gone = [j for j in left if j["state"] != "RUNNING"]
    vdi.is_(sorted((j["state"], j["restarts"]) for j in left),
            [("RUNNING", 0)] * 2 + [("SUSPENDED", 0)] * 2, "two are saved for two, and no more",
            gone)
    vdi.ok(all("a job that comes first needs its place" in j["reason"] for j in gone),
           "and it is said why", [j["reason"] for j in gone])
    told = events(c, gone[0]["id"])
    vdi.ok(any(t == "note" and "makes room for a job" in r for t, r in told), "it was told", told)
    end_all(c, desks)
    for j in jobs:
        back = c.wait_state(j, "RUNNING")
        vdi.ok(back["restarts"] == 0, f"job {j} is back by itself, with its memory", back)
    end_all(c, jobs)


def over_jobs_that_end(c, state, restarts):
    jobs = []
    for _ in range(4):
        jobs.append(batch(c))
        c.wait_state(jobs[-1], "RUNNING")
        time.sleep(1.1)  # who began last loses least
    desk = c.submit(template="cad", partition="gpu", qos="teaching", time_limit_sec=600)
    c.wait_state(desk, "RUNNING")
    left = [c.job(j) for j in jobs]
    vdi.is_(sorted((j["state"], j["restarts"]) for j in left),
            sorted([("RUNNING", 0)] * 3 + [(state, restarts)]), f"one is {state} for one",
            [j["reason"] for j in left])
    vdi.is_(left[-1]["state"], state, "the one that began last", [j["state"] for j in left])
    end_all(c, [desk])
    if state == "PENDING":
        c.wait_state(jobs[-1], "RUNNING")
        vdi.ok(True, "it runs again afterwards")
    end_all(c, jobs)


def over_jobs_on_two_nodes(c):
    """A job on two nodes, both of which are another's: both make room, or nobody does."""
    jobs = [batch(c, gpus=2, script="#!/bin/sh\n#FAKE runs term_ms=3000\n") for _ in range(2)]
    vdi.is_({c.wait_state(j, "RUNNING")["node"] for j in jobs}, {"g1", "g2"},
            "each of two jobs has a node for itself")
    time.sleep(1.1)
    wide = batch(c, qos="teaching", nodes=2, gpus=2)
    vdi.wait_for("both to be told", lambda: all(c.job(j).get("term_final") == "PENDING"
                                                for j in jobs))
    why = c.request("GET", f"/v1/jobs/{wide}/why").json
    b = why["blockers"][0]
    vdi.ok((len(why["blockers"]), b["reason"], b["resource"], b["free"]) == (
               1, "Resources", "gpus", 0) and b["job"] in jobs and
           b["until"] == why["estimated_start_time"] and why["estimated_node"] == "g[1-2]",
           "--why: where it starts, when they have left", why)
    j = c.wait_state(wide, "RUNNING")
    vdi.is_((j["node_list"], [(x["state"], x["restarts"]) for x in map(c.job, jobs)]),
            ("g[1-2]", [("PENDING", 1)] * 2), "it runs on both, and they wait", j)
    end_all(c, [wide])
    vdi.is_([c.wait_state(j, "RUNNING")["restarts"] for j in jobs], [1, 1], "and run again after it")
    end_all(c, jobs)


def told_before_a_crash(c, state, restarts):
    """Its script is told to end; then nobody needs its place, and the controller is killed."""
    jobs = [batch(c, script="#!/bin/sh\n#FAKE runs term_ms=4000\n") for _ in range(4)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    time.sleep(1.1)
    desk = c.submit(template="cad", partition="gpu", qos="teaching", time_limit_sec=600)
    told = vdi.wait_for("one to be told", lambda: [
        j for j in jobs if c.job(j).get("term_final", "NONE") != "NONE"])
    c.request("DELETE", f"/v1/jobs/{desk}")
    c.restart(signal.SIGKILL)
    vdi.is_(len(told), 1, "one script is told to end")
    left = vdi.wait_for("its end", lambda: [j for j in map(c.job, told) if j["state"] == state or
                                            j["restarts"] or "FAILED" in j["state"]])
    vdi.is_((left[0]["restarts"], "FAILED" in left[0]["state"]), (restarts, False),
            "its end is no failure, though nobody asks any more", left)
    end_all(c, jobs)


def nobody_for_nothing(c):
    """A job that could not start all the same, and one whose QOS preempts nobody."""
    fixed = [batch(c, qos="") for _ in range(2)]
    for j in fixed:
        c.wait_state(j, "RUNNING")
    nodes = {c.job(j)["node"] for j in fixed}
    jobs = [batch(c) for _ in range(2)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    time.sleep(2)
    wide = c.submit(template="cad", partition="gpu", qos="teaching", gpus=2, time_limit_sec=600,
                    nodelist=sorted(nodes)[0])
    plain = c.submit(template="cad", partition="gpu", qos="", time_limit_sec=600)
    why = c.request("GET", f"/v1/jobs/{wide}/why").json
    vdi.ok(why["blockers"], "a job that lacks what nobody gives waits", why)
    vdi.is_([c.job(j)["state"] for j in jobs + [wide, plain]],
            ["RUNNING", "RUNNING", "PENDING", "PENDING"], "and nobody goes for it")
    end_all(c, fixed + jobs + [wide, plain])


# Without GPUs: processors alone are what is contended for.
CPUS = [
    'node "c1" { cpus = 4  memory = "16G" }',
    'partition "cpu" { nodes = "c1"  batch_template = "small" }',
    'template "small" { image = "none"  vcpus = 1  memory = "1G" }',
    *LINES[-2:]]


def processors(c):
    jobs = [batch(c, partition="cpu") for _ in range(4)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    r = book(c, 3, 75, template="small", partition="cpu")
    vdi.ok(r.status == 201, "a class is booked over jobs that have processors alone", r.text)
    ready(c, 3)
    vdi.is_(sorted(c.job(j)["state"] for j in jobs),
            ["RUNNING", "SUSPENDED", "SUSPENDED", "SUSPENDED"],
            "three of four make room; one stays beside the seats")
    c.request("DELETE", "/v1/classes/lab")
    for j in jobs:
        back = c.wait_state(j, "RUNNING")
        vdi.ok(back["restarts"] == 0, f"job {j} is back by itself, with its memory", back)
    end_all(c, jobs)


def not_preempted(c):
    jobs = [batch(c, qos="") for _ in range(4)]
    for j in jobs:
        c.wait_state(j, "RUNNING")
    r = book(c, 1, 80)
    vdi.ok(r.status == 409 and "0 of 1 seats" in r.json["detail"],
           "jobs of another qos are in no class's way: the class is refused", r.text)
    vdi.is_([c.job(j)["state"] for j in jobs], ["RUNNING"] * 4, "and they run on")


def main():
    with tempfile.TemporaryDirectory() as state:
        fake = lambda n: f'boot_ms = 50  state_dir = "{state}/{n}"'
        with vdi.Controller(nodes=1, lines=lines("save, requeue"), fake=fake("a")) as c:
            saved(c, state, kill=False)
            over_jobs(c)
            nobody_for_nothing(c)
            not_preempted(c)
        with vdi.Controller(nodes=1, lines=lines("save"), fake=fake("b")) as c:
            saved(c, state, kill=True)
            over_jobs(c, kill=True)
        with vdi.Controller(nodes=1, lines=lines("requeue"), fake=fake("c")) as c:
            started_over(c)
            over_jobs_that_end(c, "PENDING", 1)
            over_jobs_on_two_nodes(c)
            told_before_a_crash(c, "PENDING", 1)
        with vdi.Controller(nodes=1, lines=lines("cancel"), fake=fake("d")) as c:
            over_jobs_that_end(c, "PREEMPTED", 0)
            told_before_a_crash(c, "PREEMPTED", 0)
        with vdi.Controller(nodes=1, lines=[x.replace("MODE", "save") for x in CPUS],
                            fake=fake("e")) as c:
            processors(c)
    vdi.done()


if __name__ == "__main__":
    main()
