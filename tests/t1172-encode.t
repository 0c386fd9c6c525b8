#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1172-encode.t - what a node can encode (encode in vdi.conf): desktops and seats of classes take
of it, scripts do not; it is kept over restarts, and over a reconfigure with another resolution.
Where processors encode they are charged for it (encoder, encode_per_cpu).
"""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

MEMBERS = "daemon,bin,sync"  # uids 1, 2, 4


def reconfigure(c, *changes):
    text = open(c.path("vdi.conf"), encoding="utf-8").read()
    for was, now in changes:
        if was not in text:
            raise AssertionError(f"no {was} in {text}")
        text = text.replace(was, now)
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(text)
    return c.request("POST", "/v1/reconfigure", {})


def blocked(c, job, by="encode_mpix"):
    return vdi.wait_for(f"job {job} to wait for {by}", lambda: next(
        ((b["reason"], b["need"], b["free"])
         for b in c.request("GET", f"/v1/jobs/{job}/why").json.get("blockers", [])
         if b["resource"] == by), None))


def after(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + seconds))


def book(c, name, n, starts, **more):
    return c.request("POST", "/v1/classes", dict({
        "name": name, "template": "desk", "seats": n, "users": MEMBERS, "starts": starts,
        "duration_sec": 3600, "zone": "UTC"}, **more))


def seats(c):
    return [i for i in c.request("GET", "/v1/instances").json["instances"]
            if i["class_id"] and i["state"] == "READY" and not i["job"]]


def desktops(c):
    """Three run; then the node is said to be good for two of them."""
    jobs = [c.submit() for _ in range(3)]
    got = [c.wait_state(j, "RUNNING") for j in jobs]
    vdi.is_([j["encode_mpix"] for j in got], [63] * 3, "a desktop takes what its template's makes")
    r = reconfigure(c, ('memory = "8G" }', 'memory = "8G"  encode = 130 }'))
    node = c.request("GET", "/v1/nodes/n1").json
    vdi.is_((r.status, node["encode_mpix"]), (200, 130), "a node has what vdi.conf says", r.text)
    late = c.submit()
    vdi.is_(blocked(c, late), ("Resources", 63, 0), "who runs stays, and the next one waits")
    c.cancel(jobs.pop())
    vdi.is_(blocked(c, late), ("Resources", 63, 4), "what one leaves is less than it owed")
    _, out, _ = c.run("vdiqueue", "--why", str(late))
    vdi.ok("needs 63 encode_mpix; at most 4 free on one node" in out, "vdiqueue says so", out)
    r = c.request("POST", "/v1/jobs", {"template": "desk", "encode_mpix": 1})
    vdi.ok(r.status == 400 and "encode_mpix" in r.text, "nobody asks for less", r.text)
    script = c.submit(template="batch", kind="batch", script="#!/bin/sh\n")
    got = c.wait_state(script, "RUNNING", "COMPLETING", "COMPLETED")
    vdi.is_(got.get("encode_mpix", 0), 0, "a script takes none, and starts")
    c.request("DELETE", f"/v1/jobs/{script}")
    c.restart()
    vdi.is_(blocked(c, late), ("Resources", 63, 4), "it is the same after a SIGKILL")
    return jobs, late


def other_resolution(c, jobs, late):
    r = reconfigure(c, ('template "desk" { ', 'template "desk" { resolution = "320x200"  '))
    small = c.submit()
    got = c.wait_state(small, "RUNNING")
    vdi.is_((r.status, got["encode_mpix"], c.job(jobs[0])["encode_mpix"]), (200, 2, 63),
            "with another resolution new desktops take other shares, and old ones theirs", r.text)
    vdi.is_(blocked(c, late), ("Resources", 63, 2), "and none is counted twice")
    c.cancel(small, late, *jobs)


def classes(c):
    vdi.is_(book(c, "small", 4, after(86400)).status, 201, "a class of small desktops")
    r = reconfigure(c, ('resolution = "320x200"', 'resolution = "1920x1080"'))
    vdi.ok(r.status == 409 and "2 of 4 seats can be had then; the encoders are short" in r.text and
           "a lower resolution" in r.text,
           "a resolution at which its seats are too many is refused", r.text)
    vdi.is_(c.request("DELETE", "/v1/classes/small").status, 200, "without it")
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "... the file is taken")
    r = book(c, "three", 3, after(86400))
    vdi.ok(r.status == 409 and
           r.json["detail"].endswith("2 of 3 seats can be had then; the encoders are short") and
           r.json["remedy"].endswith(" or a template with a lower resolution"),
           "a class is refused for which the encoders do not suffice, and hears that", r.text)
    r = book(c, "two", 2, after(86400))
    vdi.is_(r.status, 201, "one for which they do is booked", r.text)
    c.request("DELETE", "/v1/classes/two")


def seats_count(c):
    """Two seats: counted when they are there, after a restart, and once when they are taken."""
    book(c, "now", 2, after(4))
    vdi.wait_for("two seats", lambda: len(seats(c)) == 2)
    late = c.submit()
    vdi.is_(blocked(c, late), ("Resources", 63, 4), "seats take of the encoders")
    c.restart()
    vdi.is_((blocked(c, late), len(seats(c))), (("Resources", 63, 4), 2), "also after a SIGKILL")
    member = c.wait_state(c.submit(uid=1), "RUNNING")
    vdi.is_((member["reservation"], member["encode_mpix"], blocked(c, late)),
            ("now", 63, ("Resources", 63, 4)), "a seat that is taken is counted once")
    c.request("DELETE", f"/v1/jobs/{late}")


def software(c):
    """A node of 4 processors that encode: 63 megapixels are 0.315 of one."""
    c.request("DELETE", "/v1/classes/now")
    c.cancel(*(job["id"] for job in c.request("GET", "/v1/jobs").json["jobs"]))
    vdi.wait_for("an empty node", lambda: c.request("GET", "/v1/nodes/n1").json["cpus_used"] == 0)
    r = reconfigure(c, ('memory = "8G"  encode = 130 }',
                        'memory = "8G"  encode = 130  encoder = software }'))
    vdi.ok(r.status == 400 and "charged as processors" in r.text and "leave it out" in r.text,
           "encoders are not counted where processors encode", r.text)
    r = reconfigure(c, ("encode = 130  ", ""))
    node = c.request("GET", "/v1/nodes/n1").json
    vdi.is_((r.status, node["encode_mpix"], node["software_encoder"]), (200, 0, True),
            "a node whose processors encode", r.text)
    r = book(c, "four", 4, after(86400))
    vdi.ok(r.status == 409 and r.json["detail"].endswith(
        "3 of 4 seats can be had then; processors for encoding are short"),
           "a class is refused for which its processors do not suffice, and hears that", r.text)
    for job in [c.submit() for _ in range(3)]:
        c.wait_state(job, "RUNNING")
    late = c.submit()
    vdi.is_(blocked(c, late, "work_mcpu"), ("Resources", 1315, 55),
            "a fourth desktop of one processor and its video waits")
    vdi.is_(c.request("GET", "/v1/nodes/n1").json["cpus_used"], 4, "the node's processors are used")
    _, out, _ = c.run("vdiqueue", "--why", str(late))
    vdi.ok("needs 1.315 cpus with its encoding; at most 0.055 free on one node" in out,
           "vdiqueue says so", out)
    c.restart()
    vdi.is_(blocked(c, late, "work_mcpu"), ("Resources", 1315, 55), "also after a SIGKILL")
    r = reconfigure(c, ('cluster = "', 'encode_per_cpu = 63\ncluster = "'))
    vdi.ok(r.status == 409 and "encode_per_cpu need a restart" in r.text,
           "another speed needs a restart", r.text)
    c.restart()
    vdi.is_(blocked(c, late, "work_mcpu"), ("Resources", 2000, 0), "... for a restart")


def main():
    vdi.need("python3")
    if os.geteuid() != 0:
        vdi.skip_all("members are told apart by their uid: needs root")
    with tempfile.TemporaryDirectory() as state, vdi.Controller(
            nodes=1, fake=f'boot_ms = 50  bind_ms = 10  state_dir = "{state}/fake"') as c:
        jobs, late = desktops(c)
        other_resolution(c, jobs, late)
        classes(c)
        seats_count(c)
        software(c)
    vdi.done()


main()
