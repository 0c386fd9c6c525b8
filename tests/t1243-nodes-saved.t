#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1243-nodes-saved.t - a job on several nodes is saved on all of them or on none, and runs on
together: by a wish, for a class, for a job, and whatever fails or is killed in the middle.
"""
import datetime
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['node "g[1-2]" { cpus = 8  memory = "16G"  gpu "T4" { count = 2  law = whole } }',
         'partition "gpu" { nodes = "g[1-2]"  batch_template = "train" }',
         'template "train" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1 }',
         'template "home" { image = "none"  vcpus = 1  memory = "1G"  '
         'mount "h" { source = "/tmp"  target = "/h"  type = virtiofs } }',
         'qos "night" { preempt_exempt_time = "0" }',
         'qos "teaching" { preempts = {"night"}  preempt_modes = {save, requeue} }',
         'qos "urgent" { priority = 1000  preempts = {"night"}  preempt_modes = {save} }']


def script(words):
    return f"#!/bin/sh\n#FAKE {words}\n"


def batch(c, words, **more):
    return c.submit(script=script(words), **dict({"kind": "batch", "template": "batch", "nodes": 2},
                                                 **more))


def train(c, words="runs", **more):
    job = batch(c, words, **dict({"partition": "gpu", "template": "train", "qos": "night",
                                  "time_limit_sec": 36000}, **more))
    c.wait_state(job, "RUNNING")
    return job


def instances(c, job):
    found = [i for i in c.request("GET", "/v1/instances?limit=1000").json["instances"]
             if i["job"] == job]
    return sorted(found, key=lambda i: i["id"])


def states(c, job):
    return [i["state"] for i in instances(c, job)]


def types(c, job):
    return [e["type"] for e in c.request("GET", f"/v1/jobs/{job}/events").json["events"]]


def post(c, job, what):
    return c.request("POST", f"/v1/jobs/{job}/{what}", {} if what == "resume" else None)


def wishes(c):
    job = batch(c, "exit=0 after_ms=1500")
    c.wait_state(job, "RUNNING")
    r = post(c, job, "suspend")
    vdi.is_((r.status, r.json["state"], states(c, job)), (200, "SUSPENDED", ["SAVED", "SAVED"]),
            "suspended: on both nodes", r.text)
    time.sleep(2)
    vdi.is_(c.job(job)["state"], "SUSPENDED", "and nothing runs there")
    r = post(c, job, "suspend")
    vdi.is_((r.status, r.json["field"]), (409, "state"), "once is enough", r.text)
    vdi.is_(post(c, job, "resume").status, 200, "resumed")
    c.wait_state(job, "RUNNING")
    vdi.is_(states(c, job), ["BOUND", "BOUND"], "it runs on both again")
    j = c.wait_state(job, "COMPLETED")
    vdi.is_((j["restarts"], types(c, job)),
            (0, ["submit", "alloc", "start", "suspend", "wake", "restore", "resume", "finish", "end"]),
            "and goes on where it was")
    job = batch(c, "runs")
    c.wait_state(job, "RUNNING")
    post(c, job, "suspend")
    c.cancel(job)
    vdi.is_(states(c, job), ["GONE", "GONE"], "one that is suspended can be cancelled")
    job = batch(c, "runs", template="home")
    c.wait_state(job, "RUNNING")
    r = post(c, job, "suspend")
    vdi.is_((r.status, r.json["field"], states(c, job)), (409, "template", ["BOUND", "BOUND"]),
            "its template may forbid it", r.text)
    c.cancel(job)


def gpus(c):
    """Who holds which GPU, by the records, and how many by the planner."""
    held = {i["node"]: i["gpus_held"] for i in c.request("GET", "/v1/instances?limit=1000")
            .json["instances"] if i["state"] == "BOUND"}
    used = {node: sum(any(p["used"] for p in g["profiles"])
                      for g in c.request("GET", f"/v1/gpus?node={node}").json["gpus"])
            for node in ("g1", "g2")}
    return held, used


def for_a_job(c):
    """Its GPU on one node is another one when it comes back, and the planner knows it."""
    other = train(c, nodes=1, nodelist="g1")
    job = train(c)
    before = instances(c, job)
    vdi.is_([i["gpus_held"][-1] for i in before], ["1", "0"], "a job on two nodes has a GPU on each",
            before)
    urgent = train(c, "exit=0 after_ms=1500", qos="urgent", gpus=2, time_limit_sec=600,
                   nodes=1, nodelist="g2")
    j = c.job(job)
    vdi.is_((j["state"], bool(j.get("wake_time")), states(c, job)),
            ("SUSPENDED", True, ["SAVED", "SAVED"]),
            "one that comes first needs one of its nodes: it is saved on both, and wants back", j)
    second = train(c, nodes=1, nodelist="g1", gpus=1, qos="urgent")
    c.cancel(other)
    c.wait_state(urgent, "COMPLETED")
    c.wait_state(job, "RUNNING")
    after = instances(c, job)
    vdi.is_(([i["id"] for i in after], [i["node"] for i in after], c.job(job)["restarts"]),
            ([i["id"] for i in before], ["g1", "g2"], 0), "it runs on, on the same nodes")
    vdi.is_(([i["gpus_held"][-1] for i in after], gpus(c)[1]), (["0", "0"], {"g1": 2, "g2": 1}),
            "on the GPU that is free now, and the planner counts that", after, gpus(c))
    c.cancel(job, second)
    vdi.is_(gpus(c)[1], {"g1": 0, "g2": 0}, "nothing is left of it in the plan", gpus(c))


def for_a_class(c):
    job = train(c)
    starts = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=63)
    r = c.request("POST", "/v1/classes", {
        "name": "lab", "template": "train", "partition": "gpu", "seats": 4, "users": "daemon",
        "qos": "teaching", "starts": starts.strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": 3600,
        "lead_sec": 0, "zone": "UTC"})
    vdi.is_(r.status, 201, "a class is booked over it", r.text)
    j = c.wait_state(job, "SUSPENDED")
    vdi.ok("a class needs its place" in j["reason"] and j.get("wake_time") and
           states(c, job) == ["SAVED", "SAVED"], "it is saved for it on both nodes", j)
    c.request("DELETE", "/v1/classes/lab")
    c.wait_state(job, "RUNNING")
    vdi.is_((c.job(job)["restarts"], states(c, job)), (0, ["BOUND", "BOUND"]), "and comes back")
    c.cancel(job)


def is_planned_across(c):
    """Longer than until the class begins, it begins all the same."""
    starts = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
    c.request("POST", "/v1/classes", {
        "name": "late", "template": "train", "partition": "gpu", "seats": 4, "users": "daemon",
        "qos": "teaching", "starts": starts.strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": 3600,
        "lead_sec": 0, "zone": "UTC"})
    job = train(c, gpus=2)
    vdi.ok(True, "a job longer than until the next class begins before it: it is saved for it")
    c.cancel(job)
    c.request("DELETE", "/v1/classes/late")


def quota(c):
    mine = c.submit(uid=2, script=script("runs"), kind="batch", template="batch", nodes=2)
    c.wait_state(mine, "RUNNING")
    r = c.request("POST", f"/v1/jobs/{mine}/suspend", uid=2)
    vdi.ok(r.status == 422 and r.json["field"] == "saved_max" and "2048 MiB" in r.text and
           states(c, mine) == ["BOUND", "BOUND"], "the memory of all nodes counts to saved_max", r.text)
    c.cancel(mine)


def one_too_many(c):
    """One instance alone can be saved, and the other not."""
    job = batch(c, "exit=0 after_ms=2500")
    c.wait_state(job, "RUNNING")
    r = post(c, job, "suspend")
    vdi.is_((r.status, c.job(job)["state"], states(c, job)), (507, "RUNNING", ["BOUND", "BOUND"]),
            "can't be saved on one node: it is refused", r.text)
    vdi.ok("no room" in r.text, "... with that node's words", r.text)
    j = c.wait_state(job, "COMPLETED")
    vdi.is_((j["restarts"], "suspend" in types(c, job)), (0, False), "and it runs on, on both")
    job = train(c)
    urgent = train(c, "exit=0 after_ms=100", qos="urgent", gpus=2, nodes=1, time_limit_sec=600)
    c.wait_state(urgent, "COMPLETED")
    c.wait_state(job, "RUNNING")
    vdi.is_((c.job(job)["restarts"], states(c, job)), (1, ["GONE", "GONE", "BOUND", "BOUND"]),
            "asked to make room it starts over")
    c.cancel(job)


def no_way_back(c):
    """One instance is resumed, and the other can't be."""
    job = batch(c, "exit=0 after_ms=1000")
    c.wait_state(job, "RUNNING")
    post(c, job, "suspend")
    post(c, job, "resume")
    j = vdi.wait_for("it to stay", lambda: (lambda j: j if "not resumed" in j["reason"] else None)(
        c.job(job)))
    time.sleep(1.5)
    vdi.is_((c.job(job)["state"], states(c, job), j.get("wake_time")),
            ("SUSPENDED", ["SAVED", "SAVED"], None),
            "what can't be resumed on one node stays saved on both", j)
    c.end(signal.SIGKILL)
    c.site = c.site.replace("resumes = 1", "")
    c.write_conf()
    c.start()
    time.sleep(0.5)
    vdi.is_((c.job(job)["state"], states(c, job)), ("SUSPENDED", ["SAVED", "SAVED"]),
            "also after a restart")
    vdi.is_(post(c, job, "resume").status, 200, "its owner may ask again")
    j = c.wait_state(job, "COMPLETED")
    vdi.is_((j["restarts"], types(c, job)[-6:]),
            (0, ["stay", "wake", "restore", "resume", "finish", "end"]), "and it goes on")


def change(c, instance, **more):
    path = c.path(f"fake/{instance}.json")
    with open(path, encoding="utf-8") as f:
        kept = json.load(f)
    kept.update(more)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(kept, f)


def kills(c):
    job = batch(c, "runs")
    first = c.wait_state(job, "RUNNING")["instance"]
    for which in (0, 1):
        c.kill()
        change(c, first + which, saved=True)
        c.start()
        vdi.wait_for("it to be saved and back", lambda: types(c, job).count("resume") > which)
        vdi.is_((c.job(job)["restarts"], states(c, job)), (0, ["BOUND", "BOUND"]),
                f"killed when {('the first', 'the second')[which]} was saved: both are, and come back")
    post(c, job, "suspend")
    c.wait_state(job, "SUSPENDED")
    c.kill()
    change(c, first + 1, saved=False)
    c.start()
    time.sleep(1)
    with open(c.path(f"fake/{first + 1}.json"), encoding="utf-8") as f:
        kept = json.load(f)
    vdi.is_((c.job(job)["state"], kept["saved"]), ("SUSPENDED", True),
            "what runs on one node alone is saved again")
    post(c, job, "resume")
    c.wait_state(job, "RUNNING")
    c.kill()
    os.unlink(c.path(f"fake/{first + 1}.json"))
    change(c, first, saved=True)
    c.start()
    vdi.wait_for("its second run", lambda: c.job(job)["restarts"] == 1)
    c.wait_state(job, "RUNNING")
    vdi.is_(states(c, job), ["GONE", "GONE", "BOUND", "BOUND"],
            "saved on one node and lost on the other: it starts over")
    second = c.job(job)["instance"]
    post(c, job, "suspend")
    c.kill()
    os.unlink(c.path(f"fake/{second}.json"))
    c.start()
    post(c, job, "resume")
    vdi.wait_for("its third run", lambda: c.job(job)["restarts"] == 2)
    c.wait_state(job, "RUNNING")
    vdi.is_(states(c, job), ["GONE"] * 4 + ["BOUND"] * 2, "so when it is lost while saved")
    for n in range(8):
        post(c, job, ("suspend", "resume")[n % 2])
        time.sleep(0.01 * n)
        c.restart(signal.SIGKILL)
        time.sleep(0.2)
        pair = set(states(c, job)[-2:])
        if len(pair) != 1:
            vdi.wait_for("both to agree", lambda: len(set(states(c, job)[-2:])) == 1)
    if c.job(job)["state"] == "SUSPENDED" and not c.job(job).get("wake_time"):
        post(c, job, "resume")
    c.wait_state(job, "RUNNING")
    vdi.is_((c.job(job)["restarts"], states(c, job)[-2:]), (2, ["BOUND"] * 2),
            "killed 8 times while it is saved and resumed: it runs on")
    c.cancel(job)


def with_disk(run, site):
    c = vdi.Controller(nodes=2, lines=LINES, start=False)
    os.mkdir(c.path("fake"))
    c.site = f'site "fake" {{ {site}  state_dir = "{c.path("fake")}" }}'
    c.write_conf()
    with c:
        c.start()
        run(c)


with vdi.Controller(nodes=2, lines=LINES) as c:
    wishes(c)
    for_a_job(c)
    for_a_class(c)
    is_planned_across(c)
with vdi.Controller(nodes=2, lines=LINES + ["saved_max = \"1G\""]) as c:
    quota(c)
with vdi.Controller(nodes=2, fake="boot_ms = 0  saves = 1", lines=LINES) as c:
    one_too_many(c)
with_disk(no_way_back, "boot_ms = 0  resumes = 1")
with_disk(kills, "boot_ms = 50")
vdi.done()
