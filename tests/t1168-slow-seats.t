#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1168-slow-seats.t - a seat that boots slowly gets a second one, and the first that is READY is the
seat: the class is on time, nobody is called a failure, and what is not needed goes.
"""
import datetime
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['template "cad" { image = "none"  vcpus = 1  memory = "1G" }',
         'partition "lab" { nodes = "n[1-4]"  batch_template = "batch" }']
SEATS = 6


def at(seconds):
    t = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return t.strftime("%Y-%m-%dT%H:%M:%S")


def instances(c, *states):
    return [i for i in c.request("GET", "/v1/instances").json["instances"]
            if i["class_id"] and i["state"] in states]


def occurrence(c):
    return c.request("GET", "/v1/classes/lab/occurrences").json["occurrences"][0]


def slow(c, kill):
    r = c.request("POST", "/v1/classes", {
        "name": "lab", "template": "cad", "partition": "lab", "seats": SEATS, "users": "root",
        "starts": at(26), "zone": "UTC", "duration_sec": 600, "lead_sec": 20})
    vdi.is_(r.status, 201, "a class whose third and sixth seat boot for 30 seconds", r.text)
    vdi.wait_for("second seats", lambda: len(instances(c, "REQUESTED", "BUILDING", "READY")) > SEATS)
    vdi.ok(len(instances(c, "REQUESTED", "BUILDING", "READY")) <= SEATS + 2,
           "each that is slow gets one more", instances(c, "BUILDING"))
    if kill:
        c.restart(9)
    vdi.wait_for("all seats", lambda: len(instances(c, "READY")) >= SEATS)
    vdi.wait_for("what is spare to go",
                 lambda: len(instances(c, "REQUESTED", "BUILDING", "READY")) == SEATS)
    vdi.is_(len(instances(c, "READY")), SEATS, "all are READY, and those beside them go")
    o = vdi.wait_for("its time", lambda: occurrence(c) if occurrence(c)["counted"] >= 3 else None)
    vdi.is_((o["ready_on_time"], o["failed"]), (SEATS, 0), "at its time all are READY; none failed",
            o)
    vdi.is_(len(instances(c, "READY")), SEATS, "and no more are kept")
    c.request("DELETE", "/v1/classes/lab")
    vdi.wait_for("the end", lambda: not instances(c, "READY", "BUILDING", "REQUESTED"))


def main():
    fake = "boot_ms = 300  slow_every = 3"
    with vdi.Controller(nodes=4, lines=LINES, fake=fake) as c:
        slow(c, kill=False)
    with tempfile.TemporaryDirectory() as state, vdi.Controller(
            nodes=4, lines=LINES, fake=fake + f'  state_dir = "{state}/fake"') as c:
        slow(c, kill=True)
    vdi.done()


if __name__ == "__main__":
    main()
