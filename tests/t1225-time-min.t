#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1225-time-min.t - who accepts less time starts in a gap, delays nobody, and knows what he got."""
import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

RUNS = {"script": "#!/bin/sh\n#FAKE runs\n", "kind": "batch", "template": "batch"}


def submit(c, cpus, hours, **more):
    return c.submit(None, **dict(RUNS, cpus=cpus, time_limit_sec=hours * 3600, **more))


def estimate(c, job):
    return vdi.wait_for(f"an estimate of job {job}",
                        lambda: c.request("GET", f"/v1/jobs/{job}").json["estimated_start_time"])


def vdi_time(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def refused(c):
    for body, field in (({"time_min_sec": 7201}, "time_min_sec"),
                        ({"time_min_sec": -1}, "time_min_sec")):
        r = c.request("POST", "/v1/jobs", dict(RUNS, time_limit_sec=7200, **body))
        vdi.is_((r.status, r.json["field"]), (422, field), f"{body}: refused", r.text)
    r = c.request("POST", "/v1/jobs", dict(RUNS, time_limit_sec=7200, deadline_time=vdi_time(1800)))
    vdi.is_(r.json.get("field"), "deadline_time", "it can't end by its deadline", r.text)


def shortened(c, job, least, most):
    c.wait_state(job, "RUNNING")
    j = c.job(job)
    vdi.ok(least <= j["time_limit_sec"] < most and j["time_limit_sec"] % 60 == 0
           and j["time_asked_sec"] == 7200, "it runs with what fits, in whole minutes", j)
    return j["time_limit_sec"]


with vdi.Controller(nodes=1) as c:
    refused(c)
    half = submit(c, 2, 1)
    c.wait_state(half, "RUNNING")
    whole = submit(c, 4, 1)
    before = estimate(c, whole)
    never = submit(c, 1, 2)
    brief = submit(c, 1, 2, time_min_sec=600)
    limit = shortened(c, brief, 600, 3600)
    vdi.is_((c.job(never)["state"], estimate(c, whole)), ("PENDING", before),
            "who accepts no less waits, and who comes before it is not delayed")
    out = c.run("vdiqueue", "-h", "-j", str(brief), "-o", "%l")[1].strip()
    vdi.ok(out not in ("", "2:00:00"), "vdiqueue shows the limit that it was given", out)
    r = c.request("POST", f"/v1/jobs/{brief}/extend", {"seconds": 3600})
    vdi.is_(r.status, 422, "more time would delay the next", r.text)
    r = c.request("PATCH", f"/v1/jobs/{brief}", {"time_min_sec": 60})
    vdi.ok(r.status >= 400 and r.json["field"] == "time_min_sec", "it is too late to accept less",
           r.text)
    c.request("DELETE", f"/v1/jobs/{brief}")
    c.wait_state(brief, "CANCELLED")
    c.restart()
    vdi.is_((c.job(brief)["time_limit_sec"], c.job(brief)["time_asked_sec"]), (limit, 7200),
            "its record says so after a kill -9")
    c.wait_state(half, "RUNNING")
    brief = submit(c, 1, 2, time_min_sec=600)
    shortened(c, brief, 600, 3600)
    c.request("PATCH", f"/v1/jobs/{never}", {"time_min_sec": 7201})
    r = c.request("PATCH", f"/v1/jobs/{never}", {"time_min_sec": 900})
    shortened(c, never, 900, 3600)
    vdi.is_(r.status, 200, "accepting less later helps, too", r.text)
    c.request("POST", f"/v1/jobs/{brief}/hold")
    c.request("POST", f"/v1/jobs/{brief}/requeue")
    c.wait_state(brief, "PENDING", "RUNNING")
    c.wait_state(brief, "RUNNING")
    shortened(c, brief, 600, 3600)
    events = [e for e in c.request("GET", f"/v1/jobs/{brief}/events").json["events"]
              if e["type"] in ("alloc", "requeue")]
    vdi.ok([e["type"] for e in events][-3:] == ["alloc", "requeue", "alloc"],
           "a requeue takes it back, and it is shortened anew", events)
    c.request("DELETE", f"/v1/jobs/{brief}")
    due = submit(c, 1, 2, time_min_sec=600, deadline_time=vdi_time(1800))
    c.wait_state(due, "RUNNING")
    vdi.ok(c.job(due)["time_limit_sec"] <= 1800, "it is over by its deadline", c.job(due))
vdi.done()
