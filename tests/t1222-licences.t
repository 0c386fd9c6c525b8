#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1222-licences.t - licences of programs: no more of them in use than there are, by jobs and by
seats of classes together; in the order of the line, said in Slurm's words, also after a restart.
"""
import datetime
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['licence "matlab" { count = 3 }', 'licence "ansys" { count = 10 }',
         'template "math" { image = "none"  vcpus = 1  memory = "1G"  licence = {"matlab"} }']


def submit(c, licences="", **more):
    return c.submit(**dict({"template": "desk", "time_limit_sec": 3600},
                           **({"licences": licences} if licences else {}), **more))


def refused(c, name, status, field, words, **spec):
    r = c.request("POST", "/v1/jobs", dict({"template": "desk"}, **spec))
    vdi.ok((r.status, r.json.get("field")) == (status, field) and words in r.text, name, r.text)


def waits(c, job):
    j = vdi.wait_for(f"job {job} to wait for licences",
                     lambda: (lambda j: j if j["blocker"] == "Licenses" else None)(c.job(job)))
    return j["state"]


def used(c, name="matlab"):
    limits = c.request("GET", "/v1/me").json["limits"]
    return [(x["used"], x["allowed"]) for x in limits if x["name"] == f"count of licence '{name}'"]


def classes(c, seats, in_sec, name="lab", duration=3600, **more):
    starts = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=in_sec)
    return c.request("POST", "/v1/classes", dict({
        "name": name, "template": "math", "seats": seats, "users": "root,unix:root",
        "starts": starts.strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": duration, "zone": "UTC",
        "lead_sec": 0}, **more))


def counted(c):
    code, out, err = c.run("vdisubmit", "--parsable", "-t", "60", "-L", "matlab:2,ansys",
                           "--wrap", "sleep 60")
    first = int(out)
    j = c.wait_state(first, "RUNNING")
    vdi.is_((code, j["licences"], used(c), used(c, "ansys")),
            (0, "ansys:1,matlab:2", [(2, 3)], [(1, 10)]), "vdisubmit -L", err)
    out = c.run("vdiqueue", "-h", "-o", "%i %W", "-j", str(first))[1].split()
    vdi.is_(out, [str(first), "ansys:1,matlab:2"], "vdiqueue has them in LICENSES")
    big = submit(c, "matlab:2")
    vdi.is_(waits(c, big), "PENDING", "what is too much waits")
    why = c.request("GET", f"/v1/jobs/{big}/why").json["blockers"]
    vdi.is_([(b["reason"], b["need"], b["free"]) for b in why], [("Licenses", 3, 2)],
            "with Slurm's word and the numbers", why)
    vdi.ok("count of licence 'matlab'" in why[0]["text"], "and says which", why)
    small = submit(c, "", template="math")
    c.wait_state(small, "RUNNING")
    vdi.is_(used(c), [(3, 3)], "one of a template that uses it fits beside")
    none = submit(c)
    c.wait_state(none, "RUNNING")
    vdi.ok(True, "who wants none is not held up")
    two = submit(c, "", template="math")
    waits(c, two)
    c.cancel(small)
    c.wait_state(two, "RUNNING")
    vdi.is_(c.job(big)["state"], "PENDING", "one that is free goes to who can use it")
    c.restart(signal.SIGKILL)
    vdi.is_((used(c), waits(c, big)), ([(3, 3)], "PENDING"), "all of it is so after a restart")
    c.cancel(first)
    c.wait_state(big, "RUNNING")
    vdi.is_(used(c), [(3, 3)], "freed ones go to who waits")
    c.request("POST", f"/v1/jobs/{big}/suspend")
    vdi.is_((c.job(big)["state"], used(c)), ("SUSPENDED", [(3, 3)]), "what is saved keeps its own")
    c.cancel(big, two, none)
    vdi.is_(used(c), [(0, 3)], "all are given back")


def refusals(c):
    refused(c, "an unknown licence", 422, "licences", "ansys", licences="mathcad")
    refused(c, "more than there are", 422, "licences", "fewer than 4", licences="matlab:4")
    refused(c, "what is no list", 400, "licences", "no list of licences", licences="matlab:x")
    refused(c, "more than there are on all its nodes", 422, "licences", "fewer than 4", kind="batch",
            script="#!/bin/sh\n", nodes=2, template="batch", licences="matlab:2")


def with_classes(c):
    r = classes(c, 4, 7200)
    vdi.ok(r.status == 409 and r.json["field"] == "licence" and "3 of 4 seats" in r.text and
           "licence 'matlab'" in r.text and " short" not in r.text,
           "a class with more seats than licences is refused", r.text)
    r = classes(c, 99, 7200, template="desk")
    vdi.ok(r.status == 409 and r.json["field"] == "seats" and "processors are short" in r.text,
           "one that wants none is not refused for them", r.text)
    vdi.is_(classes(c, 2, 7200).status, 201, "one with fewer is booked")
    r = classes(c, 2, 9000, name="other")
    vdi.ok(r.status == 409 and "1 of 2 seats" in r.text, "another one at that time has the rest", r.text)
    vdi.ok("can be had at" in r.json["remedy"], "and hears when all could be had", r.text)
    vdi.is_(classes(c, 3, 7200 + 3700, name="after").status, 201, "after it all are free")
    long, short = submit(c, "matlab:2", time_limit_sec=36000), submit(c, "matlab:2")
    c.wait_state(short, "RUNNING")
    vdi.is_(waits(c, long), "PENDING",
            "a job that would have them when the class begins waits, and a shorter one behind it runs")
    r = classes(c, 2, 600, name="soon")
    vdi.ok(r.status == 409 and "1 of 2 seats" in r.text,
           "nor can a class have what a job has by then", r.text)
    for name in ("lab", "after"):
        c.request("DELETE", f"/v1/classes/{name}")
    c.cancel(short)
    c.wait_state(long, "RUNNING")
    vdi.ok(True, "without the classes it starts")
    c.cancel(long)


def given_back(c):
    """A class alone has them, and nobody's end tells that it is gone: limits are looked at anew every
    minute otherwise."""
    vdi.is_(classes(c, 3, 600, name="all").status, 201, "a class has all of them")
    job = submit(c, "matlab", time_limit_sec=36000)
    waits(c, job)
    c.request("DELETE", "/v1/classes/all")
    began = time.monotonic()
    c.wait_state(job, "RUNNING")
    vdi.ok(time.monotonic() - began < 20, "one that is deleted gives them back at once",
           f"after {time.monotonic() - began:.0f} s")
    c.cancel(job)


def nobody_is_passed_for_ever(c):
    """Of ten: five run for an hour, then comes one that wants eight. Two of those behind it may run as
    long as they like, more of them only for less than that hour."""
    first = submit(c, "ansys:5")
    c.wait_state(first, "RUNNING")
    big = submit(c, "ansys:8")
    waits(c, big)
    vdi.wait_for("its estimate", lambda: c.job(big)["estimated_start_time"])
    two = submit(c, "ansys:2", time_limit_sec=864000)
    c.wait_state(two, "RUNNING")
    vdi.ok(True, "what the big one does not need is free for any time")
    late, short = submit(c, "ansys", time_limit_sec=864000), submit(c, "ansys", time_limit_sec=600)
    c.wait_state(short, "RUNNING")
    vdi.is_(waits(c, late), "PENDING", "of the rest, one that would put it off has none")
    why = c.request("GET", f"/v1/jobs/{late}/why").json["blockers"]
    vdi.is_([(b["reason"], b["need"], b["free"]) for b in why], [("Licenses", 10, 8)],
            "it hears so", why)
    vdi.ok("the rest is for jobs that come before it" in why[0]["text"], "and for whom they are", why)
    vdi.wait_for("an estimate", lambda: c.job(late)["estimated_start_time"])
    vdi.ok(c.job(late)["estimated_start_time"] >= c.job(big)["estimated_start_time"],
           "it is expected after the big one")
    before = c.run("vdisubmit", "--test-only", "-t", "1", "-L", "ansys", "--wrap", "true")
    after = c.run("vdisubmit", "--test-only", "-t", "6000", "-L", "ansys", "--wrap", "true")
    vdi.ok("Licenses" not in "".join(map(str, before)) and "Licenses" in "".join(map(str, after)),
           "--test-only knows it", f"{before}\n{after}")
    c.restart(signal.SIGKILL)
    vdi.wait_for("its estimate", lambda: c.job(big)["estimated_start_time"])
    vdi.is_((waits(c, big), waits(c, late)), ("PENDING", "PENDING"), "all is so after a restart")
    c.cancel(short)
    short = submit(c, "ansys", time_limit_sec=600)
    c.wait_state(short, "RUNNING")
    vdi.is_(waits(c, late), "PENDING", "nor does it come in when another one ends")
    c.cancel(big)
    began = time.monotonic()
    c.wait_state(late, "RUNNING")
    vdi.ok(time.monotonic() - began < 20, "without the big one they are its own at once",
           f"after {time.monotonic() - began:.0f} s")
    big = submit(c, "ansys:7")
    waits(c, big)
    vdi.wait_for("its estimate", lambda: c.job(big)["estimated_start_time"])
    again = submit(c, "ansys", time_limit_sec=864000)
    vdi.is_(waits(c, again), "PENDING", "nor may one pass that would leave too few")
    c.cancel(first, short)
    c.wait_state(big, "RUNNING")
    vdi.is_((c.job(again)["state"], used(c, "ansys")), ("PENDING", [(10, 10)]),
            "the big one has its own as soon as they are there")
    c.cancel(big, two, late, again)
    vdi.wait_for("none in use", lambda: used(c, "ansys") == [(0, 10)])
    running = [submit(c, "ansys:5"), submit(c, "ansys:4", time_limit_sec=36000)]
    for job in running:
        c.wait_state(job, "RUNNING")
    waiting = [submit(c, "ansys:2", time_limit_sec=36000), submit(c, "ansys:4")]
    for job in waiting:
        waits(c, job)
        vdi.wait_for("its estimate", lambda: c.job(job)["estimated_start_time"])
    late, short = submit(c, "ansys", time_limit_sec=864000), submit(c, "ansys", time_limit_sec=600)
    c.wait_state(short, "RUNNING")
    vdi.is_(waits(c, late), "PENDING", "what would put off the second that waits has none, either")
    c.cancel(late, short, *waiting, *running)


def seats(c):
    vdi.is_(classes(c, 2, 1, name="now").status, 201, "a class of two seats begins now")
    vdi.wait_for("its seats", lambda: sum(i["state"] == "READY" and i["class_id"] > 0 for i in
                                          c.request("GET", "/v1/instances").json["instances"]) == 2)
    job = submit(c, "matlab:2")
    vdi.is_((waits(c, job), used(c)), ("PENDING", [(0, 3)]), "seats that nobody has keep theirs")
    one = submit(c, "matlab")
    c.wait_state(one, "RUNNING")
    vdi.ok(True, "what is besides is free")
    refused(c, "a seat has the licences of its template", 400, "licences", "of its template",
            template="math", reservation="now", licences="matlab")
    seat = c.submit(template="math", reservation="now")
    j = c.wait_state(seat, "RUNNING")
    vdi.is_((j["licences"], used(c)), ("matlab:1", [(2, 3)]), "one that is taken is its job's")
    two = submit(c, "matlab")
    vdi.is_(waits(c, two), "PENDING", "and is not free a second time")
    c.cancel(one)
    c.wait_state(two, "RUNNING")
    vdi.is_(used(c), [(2, 3)], "nor one too few")
    c.cancel(two, job)
    c.request("DELETE", "/v1/classes/now")


with tempfile.TemporaryDirectory(prefix="vdi.") as state, vdi.Controller(
        nodes=4, lines=LINES, fake=f'boot_ms = 0  state_dir = "{state}/fake"') as c:
    counted(c)
    refusals(c)
    with_classes(c)
    given_back(c)
    nobody_is_passed_for_ever(c)
    seats(c)
vdi.done()
