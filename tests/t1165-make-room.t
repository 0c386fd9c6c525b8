#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1165-make-room.t - jobs make room for a class that preempts theirs, and come back by themselves.

The site is the fake one. Saving is given a minute, so the class is a minute and some seconds ahead, and
what is looked at is who goes by then: nobody waits for its begin.
"""
import datetime
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = [
    'node "g1" { cpus = 4  memory = "8G"  gpu "X" { count = 1  law = whole  profiles = {"x-16q"} } }',
    'partition "gpu" { nodes = "g1" }',
    'template "train" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1 }',
    'template "home" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1  '
    'mount "h" { source = "/tmp"  target = "/h"  type = virtiofs } }',
    'qos "night" { preempt_exempt_time = "0" }',
    'qos "spare" { preempt_exempt_time = "0" }',
    'qos "own" { }',
    'qos "teaching" { preempts = {"night"}  preempt_modes = {save, requeue} }',
    'qos "strict" { preempts = {"night"}  preempt_modes = {save} }',
    'qos "exam" { preempts = {"spare"}  preempt_modes = {requeue} }',
]


def train(c, qos, template="train"):
    job = c.submit(template=template, partition="gpu", qos=qos, time_limit_sec=7200,
                   requeue=True)
    c.wait_state(job, "RUNNING")
    return job


def book(c, qos, name="lab"):
    starts = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=63)
    return c.request("POST", "/v1/classes", {
        "name": name, "template": "train", "partition": "gpu", "seats": 1, "users": "daemon", "qos": qos,
        "starts": starts.strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": 3600, "lead_sec": 0,
        "zone": "UTC"})


def main():
    with tempfile.TemporaryDirectory() as state, vdi.Controller(
            nodes=1, lines=LINES, fake=f'boot_ms = 50  state_dir = "{state}/fake"') as c:
        job = train(c, "night")
        r = book(c, "teaching")
        vdi.is_(r.status, 201, "a class is booked over a job that makes room")
        saved = c.wait_state(job, "SUSPENDED")
        vdi.ok("a class needs its place" in saved["reason"], "which is saved for it", saved["reason"])
        vdi.ok(saved.get("wake_time"), "... and wants back at once", saved)
        c.request("DELETE", "/v1/classes/lab")
        c.wait_state(job, "RUNNING")
        vdi.is_(c.job(job).get("restarts", 0), 0, "... runs on when there is room, and does not start over")
        vdi.is_(book(c, "exam").status, 409, "a class that does not preempt it has no room")
        c.request("DELETE", f"/v1/jobs/{job}")
        c.wait_state(job, "CANCELLED")
        job = train(c, "spare")
        vdi.is_(book(c, "exam").status, 201, "one that is not saved makes room, too")
        vdi.wait_for("it to start over", lambda: c.job(job).get("restarts") == 1)
        vdi.ok(c.job(job)["state"] in ("PENDING", "COMPLETING"), "... and waits to start over", c.job(job))
        c.request("DELETE", "/v1/classes/lab")
        c.wait_state(job, "RUNNING")
        vdi.ok(True, "... which it does when there is room")
        c.cancel(job)
        job = train(c, "night", "home")
        r = book(c, "strict")
        vdi.is_(r.status, 409, "one whose mounts forbid saving makes no room for a class that only saves",
                r.text)
        vdi.is_(book(c, "teaching").status, 201, "... and does for one that also starts over")
        vdi.wait_for("it to start over", lambda: c.job(job).get("restarts") == 1)
        vdi.ok(True, "... and is not saved, but starts over")
    vdi.done()


main()
