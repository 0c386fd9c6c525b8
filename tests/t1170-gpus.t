#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1170-gpus.t - what GPUs hold at a time, when they change profile, and what is free then.

Through GET /v1/gpus and vdiinfo --gpus, over the fake site: cards of four laws, jobs that run and
that wait, and classes to come. Nobody sees a stranger's job, nor the name of a class that is not his.
"""
import datetime
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

CARD = 'framebuffer = "48G"  profiles = {"x-4q", "x-8q", "x-48q"}'
LINES = [
    'node "g[1-2]" { cpus = 64  memory = "256G"  gpu "Card X" { count = 2  law = homogeneous  '
    + CARD + ' } }',
    'node "m1" { cpus = 64  memory = "256G"  gpu "Card X" { count = 1  law = mixed  ' + CARD + ' } }',
    'node "p1" { cpus = 64  memory = "256G"  gpu "Card X" { count = 1  law = pool  ' + CARD + ' } }',
    'node "w1" { cpus = 4  memory = "8G"  gpu "Card W" { count = 1  law = whole } }',
    'partition "gpu" { nodes = "g[1-2]" }',
    'partition "mixed" { nodes = "m1" }',
    'partition "pool" { nodes = "p1" }',
    'partition "whole" { nodes = "w1" }',
    'template "q4" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1  profile = {"x-4q"} }',
    'template "q8" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1  profile = {"x-8q"} }',
    'template "q48" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1  profile = {"x-48q"} }',
    'template "all" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1 }',
    'role "ops" { users = {"sys"}  may = {"operator"} }',
]
os.environ["TZ"] = "Europe/Berlin"
time.tzset()
# Half an hour past an hour that is a while ahead: nothing in here gets there.
BASE = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=30)).replace(
    minute=30, second=0, microsecond=0)


def text(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def minutes(n):
    return BASE + datetime.timedelta(minutes=n)


def book(c, name, template, seats, begin, length, partition="gpu", users="daemon"):
    r = c.request("POST", "/v1/classes", {
        "name": name, "template": template, "partition": partition, "seats": seats, "users": users,
        "starts": minutes(begin).strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": length * 60,
        "lead_sec": 300, "zone": "UTC"})
    if r.status != 201:
        raise AssertionError(f"class {name}: {r.status} {r.text}")


def gpus(c, headers=None, **query):
    path = "/v1/gpus?" + "&".join(f"{k}={v}" for k, v in query.items())
    rows, after = [], ""
    while True:
        r = c.request("GET", path + after, headers=headers)
        if r.status != 200:
            raise AssertionError(f"{path}: {r.status} {r.text}")
        rows += r.json["gpus"]
        if r.json["next"] is None:
            return rows
        after = "&after=" + r.json["next"]


def free(row):
    return {p["profile"]: p["free"] for p in row["profiles"]}


def used(row):
    return {p["profile"]: p["used"] for p in row["profiles"] if p["used"]}


def changes(row):
    return [(c["at"], c["profile"], c["by"], c["class"]) for c in row["changes"]]


def empty(c):
    rows = vdi.wait_for("the nodes", lambda: (lambda r: r if len(r) == 7 else None)(gpus(c)))
    vdi.is_([(r["node"], r["gpu"], r["law"], r["model"]) for r in rows],
            [("g1", 0, "homogeneous", "Card X"), ("g1", 1, "homogeneous", "Card X"),
             ("g2", 0, "homogeneous", "Card X"), ("g2", 1, "homogeneous", "Card X"),
             ("m1", 0, "mixed", "Card X"), ("p1", 0, "pool", "Card X"), ("w1", 0, "whole", "Card W")],
            "every GPU is a row, node after node")
    vdi.ok(all(r["profile"] == "" and not r["used"] and r["state"] == "IDLE" and not r["changes"] and
               r["by"] == r["class"] == "" for r in rows), "nothing is on any", rows)
    vdi.is_([free(r) for r in rows], [{"x-4q": 12, "x-8q": 6, "x-48q": 1}] * 6 + [{"whole": 1}],
            "all that they offer is free")


def pages(c):
    rows = gpus(c)
    vdi.is_([(r["node"], r["gpu"]) for r in gpus(c, limit=1)], [(r["node"], r["gpu"]) for r in rows],
            "pages of one node each are the same rows")
    first = c.request("GET", "/v1/gpus?limit=2").json
    vdi.is_((len(first["gpus"]), first["next"]), (4, "g2"), "a page ends after its nodes")
    vdi.is_([r["node"] for r in gpus(c, node="w1,g[1-2],w1", limit=1)], ["g1"] * 2 + ["g2"] * 2 + ["w1"],
            "nodes are named as a hostlist")
    vdi.is_(gpus(c, node="w1", fields="gpu,profile,node"), [{"node": "w1", "gpu": 0, "profile": ""}],
            "fields are chosen")
    vdi.is_(gpus(c, node="n1"), [], "a node without GPUs has no rows")


def running(c):
    """What is on a GPU now, and until when."""
    job = c.submit(template="q8", partition="gpu", nodelist="g2", time_limit_sec=7200)
    c.wait_state(job, "RUNNING")
    row = next(r for r in gpus(c, node="g2") if r["used"])
    vdi.is_((row["profile"], row["used"], row["by"], row["class"]), ("x-8q", 1, "job", ""),
            "a job has a profile of it")
    vdi.is_((free(row), used(row)), ({"x-4q": 0, "x-8q": 5, "x-48q": 0}, {"x-8q": 1}),
            "and by its law no other is free there")
    end = vdi.wait_for("its end", lambda: changes(next(r for r in gpus(c, node="g2") if r["used"])))
    vdi.ok(len(end) == 1 and end[0][1:] == ("", "", "") and abs(
        datetime.datetime.fromisoformat(end[0][0].replace("Z", "+00:00")) -
        datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)).total_seconds() < 60,
           "it is empty when the job's limit is over", end)
    vdi.is_((sorted(row), sorted(row["changes"][0])), (
        ["at", "by", "changes", "class", "gpu", "law", "model", "more_changes", "node", "profile",
         "profiles", "reason", "state", "used"], ["at", "by", "class", "profile"]),
            "no member names a job")
    return job


def waiting(c):
    """What is planned for those who wait, on a card of each kind."""
    first = c.submit(template="all", partition="whole", time_limit_sec=3600)
    c.wait_state(first, "RUNNING")
    second = c.submit(template="all", partition="whole", time_limit_sec=3600)
    rows = vdi.wait_for("the plan", lambda: (lambda r: r if len(r[0]["changes"]) == 0 and
                                             r[0]["by"] == "pending" else None)(
        gpus(c, node="w1", at=text(datetime.datetime.now(datetime.timezone.utc) +
                                   datetime.timedelta(minutes=90)), fields="by,changes,profile",
             changes=0)))
    vdi.is_(rows[0]["profile"], "whole", "a pending job will have the device as a whole")
    c.request("DELETE", f"/v1/jobs/{second}")
    c.request("DELETE", f"/v1/jobs/{first}")
    c.wait_state(first, "CANCELLED")
    vdi.wait_for("it to be empty", lambda: not gpus(c, node="w1")[0]["used"])
    jobs = [c.submit(template=t, partition="pool", time_limit_sec=3600) for t in ("q4", "q8")]
    for job in jobs:
        c.wait_state(job, "RUNNING")
    row = gpus(c, node="p1")[0]
    vdi.is_((row["profile"], row["used"], free(row)), ("x-4q,x-8q", 2, {"x-4q": 9, "x-8q": 4, "x-48q": 0}),
            "a pool has a mix")
    job = c.submit(template="q48", partition="pool", time_limit_sec=3600)
    row = vdi.wait_for("the plan", lambda: next(
        (r for r in gpus(c, node="p1") if any(x[1] == "reserved" for x in changes(r))), None))
    vdi.is_([x[1:3] for x in changes(row)][-2:], [("reserved", "pending"), ("", "")],
            "what is reserved of it is said to be")
    for each in jobs + [job]:
        c.request("DELETE", f"/v1/jobs/{each}")


def classes(c):
    """The plan of profiles: two classes on the same card, one after the other."""
    book(c, "cad1-lab", "q4", 24, 0, 90, users="daemon")
    book(c, "sim-lab", "q8", 12, 100, 60, users="bin")
    lab = [("class", "cad1-lab"), ("class", "sim-lab")]
    rows = [r for r in gpus(c, node="g[1-2]", at=text(minutes(-10)))]
    vdi.ok(all(free(r) == {"x-4q": 12, "x-8q": 6, "x-48q": 1} for r in rows), "before them all is free", rows)
    busy = [r for r in rows if r["changes"]]
    vdi.is_([changes(r) for r in busy],
            [[(text(minutes(-5)), "x-4q") + lab[0], (text(minutes(90)), "", "", ""),
              (text(minutes(95)), "x-8q") + lab[1], (text(minutes(160)), "", "", "")]] * 2,
            "each of their GPUs changes profile with the lead of each class, and is empty between")
    rows = gpus(c, node="g[1-2]", at=text(minutes(15)))
    on = [r for r in rows if r["used"]]
    vdi.is_([(r["profile"], r["used"], r["by"], r["class"], free(r)) for r in on],
            [("x-4q", 12, "class", "cad1-lab", {"x-4q": 0, "x-8q": 0, "x-48q": 0})] * 2,
            "while one is on its GPUs have its profile and nothing is free on them")
    rows = gpus(c, node="g[1-2]", at=text(minutes(-10)), for_sec=1200)
    vdi.is_([sum(free(r)[p] for r in rows) for p in ("x-4q", "x-8q")], [24, 12],
            "what is free for twenty minutes is not what is free at that moment")
    rows = gpus(c, node="g[1-2]", at=text(minutes(-10)), changes=1)
    vdi.ok(all(len(r["changes"]) == 1 and r["more_changes"] for r in rows if r["changes"]),
           "changes are as many as one asks for", rows)
    book(c, "mix-lab", "q4", 3, 0, 30, partition="mixed")
    book(c, "mix-sim", "q8", 2, 10, 30, partition="mixed")
    row = gpus(c, node="m1", at=text(minutes(15)))[0]
    vdi.is_((row["profile"], used(row), free(row)),
            ("x-4q,x-8q", {"x-4q": 3, "x-8q": 2}, {"x-4q": 5, "x-8q": 2, "x-48q": 0}),
            "a mixed card has both")
    vdi.is_(changes(row), [(text(minutes(30)), "x-8q", "", ""), (text(minutes(40)), "", "", "")],
            "and each goes in its time")


def eyes(c):
    """Who sees what."""
    see = lambda who, at: {(r["by"], r["class"]) for r in gpus(
        c, vdi.bearer(c.issue_token(who)["token"]), node="g[1-2]", at=text(at)) if r["used"]}
    vdi.is_(see("daemon", minutes(15)), {("class", "cad1-lab")}, "a member sees the name of his class")
    vdi.is_(see("daemon", minutes(110)), {("class", "")}, "and of another that there is one")
    vdi.is_(see("bin", minutes(110)), {("class", "sim-lab")}, "whose members see its name")
    vdi.is_(see("nobody", minutes(15)), {("class", "")}, "who is in none sees no name")
    vdi.is_(see("sys", minutes(15)) | see("sys", minutes(110)),
            {("class", "cad1-lab"), ("class", "sim-lab")}, "operators see all")
    rows = gpus(c, vdi.bearer(c.issue_token("nobody")["token"]), at=text(minutes(-10)), changes=64)
    vdi.ok("lab" not in json.dumps(rows), "nor in the changes", rows)


def seats(c):
    """A class that is on has its GPU by its seats, free or taken."""
    starts = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    c.request("POST", "/v1/classes", {
        "name": "now-lab", "template": "q4", "partition": "pool", "seats": 2, "users": "daemon",
        "starts": starts.strftime("%Y-%m-%dT%H:%M:%S"), "duration_sec": 3600, "zone": "UTC"})
    vdi.wait_for("its seats", lambda: len([i for i in c.request("GET", "/v1/instances").json["instances"]
                                           if i["class_id"] and i["state"] == "READY"]) == 2)
    see = lambda: [(r["profile"], r["used"], r["by"], r["class"]) for r in gpus(c, node="p1")]
    vdi.is_(see(), [("x-4q", 2, "class", "now-lab")], "seats that are started are the class's")
    job = c.submit(vdi.bearer(c.issue_token("daemon")["token"]), template="q4")
    c.wait_state(job, "RUNNING")
    vdi.is_(see(), [("x-4q", 2, "class", "now-lab")], "also in the hands of a member")
    c.request("DELETE", "/v1/classes/now-lab")
    c.request("DELETE", f"/v1/jobs/{job}")


def hostile(c):
    def refused(query, status, field, name, **words):
        r = c.request("GET", "/v1/gpus?" + query)
        got = r.json
        wrong = [w for w in words if words[w] not in got.get(w, "")]
        vdi.ok(r.status == status and got.get("field") == field and not wrong, name, r.status, r.text)

    refused("at=yesterday", 400, "at", "no time", remedy="2026-")
    refused("at=2001-01-01T00:00:00Z", 422, "at", "a time that is past", limit="20", remedy="history")
    refused("at=2999-01-01T00:00:00Z", 422, "at", "one beyond all plans", limit="366 days",
            remedy="earlier")
    refused("at=" + "9" * 300, 400, "at", "an endless number")
    refused("node=nope", 404, "node", "a node that is not there", detail="nope", remedy="vdiinfo")
    refused("node=g[1-9]", 404, "node", "some that are not", detail="g3")
    refused("node=g[", 400, "node", "no list of nodes", remedy="gpu[01-16,20]")
    refused("node=g[1-99999]", 400, "node", "too many", limit="10000")
    refused("for_sec=-1", 400, "for_sec", "a negative length", limit="to")
    refused("for_sec=99999999999", 400, "for_sec", "an endless one", limit="31622400")
    refused("changes=65", 400, "changes", "too many changes", limit="64")
    refused("limit=nope", 400, "limit", "no number")
    refused("fields=node,nope", 400, "fields", "an unknown field", detail="nope", remedy="openapi")
    refused("job=1", 400, "job", "an unknown parameter")
    vdi.is_(c.request("GET", "/v1/gpus?after=zzz").json, {"gpus": [], "next": None},
            "a cursor behind all nodes is the end")
    vdi.is_(c.request("GET", "/v1/gpus?limit=0&node=w1").json["gpus"][0]["node"], "w1",
            "a page has one node at least")
    vdi.is_(c.request("POST", "/v1/gpus", {}).status, 405, "GPUs are not made")


def drained(c):
    c.request("PATCH", "/v1/nodes/g1", {"state": "drain", "reason": "fan broken"})
    rows = gpus(c, node="g1")
    vdi.ok(all(r["state"] == "DRAINED" and r["reason"] == "fan broken" and
               not any(free(r).values()) for r in rows),
           "on a node that is out of service nothing is free, and it is said why", rows)
    c.request("PATCH", "/v1/nodes/g1", {"state": "resume"})
    vdi.ok(any(free(r)["x-4q"] for r in gpus(c, node="g1")), "until it is back")


def shown(t):
    return t.astimezone().strftime("%Y-%m-%d %H:%M")


def command(c):
    at = minutes(-10).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    code, out, err = c.run("vdiinfo", "--gpus", "--at", at, "g[1-2]")
    lines = out.splitlines()
    vdi.ok(code == 0 and not err and lines[0].split() ==
           ["NODE", "GPU", "STATE", "PROFILE", "USED", "BY", "FREE", "NEXT"], "a table", out, err)
    vdi.is_([line.split()[:2] for line in lines[1:5]],
            [["g1", "0"], ["g1", "1"], ["g2", "0"], ["g2", "1"]], "with a line for each GPU")
    vdi.is_(len([l for l in lines if f"{shown(minutes(-5))} -> x-4q (class cad1-lab)" in l]), 2,
            "and its next change")
    vdi.ok(lines[5] == "" and lines[6].startswith(f"Free at {at}, each profile") and
           [l.split() for l in lines[7:]] == [["x-4q", "48", "on", "4", "GPUs"],
                                              ["x-8q", "24", "on", "4", "GPUs"],
                                              ["x-48q", "4", "on", "4", "GPUs"]],
           "below it what is free of each profile", out)
    code, out, err = c.run("vdiinfo", "--gpus", "--changes", "--at", at, "-n", "g[1-2]")
    vdi.ok(code == 0 and out.count(f"    {shown(minutes(95))} -> x-8q (class sim-lab)\n") == 2 and
           out.count(f"    {shown(minutes(160))} -> empty\n") == 2, "all changes with --changes", out, err)
    code, out, _ = c.run("vdiinfo", "--gpus", "--at", at, "--for", "20m", "g1", "g2", "-h")
    vdi.ok(code == 0 and " for 20:00, each profile" in out and "x-4q" in out and
           [l.split()[1] for l in out.splitlines()[-3:]] == ["24", "12", "2"], "free for twenty minutes", out)
    code, out, _ = c.run("vdiinfo", "--gpus", "--json", "--at", at)
    asked = gpus(c, at=text(minutes(-10)), changes=64)
    vdi.ok(code == 0 and json.loads(out)["gpus"] == asked, "the documents with --json", out)
    code, out, _ = c.run("vdiinfo", "--gpus", "--at", "now+2hours", "w1")
    vdi.ok(code == 0 and "whole" in out, "a time as vdisubmit takes it", out)
    for words, status, said in [
            (["--gpus", "--at", "soon"], 2, "not a point in time"),
            (["--gpus", "--at", "2001-01-01"], 1, "is past"),
            (["--gpus", "nope"], 3, "no node 'nope'"),
            (["--gpus", "g["], 1, "no list of nodes"),
            (["--gpus", "--for", "long"], 2, "not a length"),
            (["--at", "noon"], 2, "go with --gpus"),
            (["--gpus", "--me"], 2, "alone"),
            (["--gpus", "-p", "main"], 2, "alone"),
            (["n1"], 2, "not an option")]:
        code, out, err = c.run("vdiinfo", *words)
        vdi.ok(code == status and said in err and not out, f"vdiinfo {' '.join(words)} is refused",
               code, out, err)


def main():
    with tempfile.TemporaryDirectory() as state, vdi.Controller(
            nodes=1, lines=LINES, fake=f'boot_ms = 50  state_dir = "{state}/fake"') as c:
        empty(c)
        pages(c)
        job = running(c)
        waiting(c)
        c.request("DELETE", f"/v1/jobs/{job}")
        c.wait_state(job, "CANCELLED")
        vdi.wait_for("all to be empty", lambda: not any(r["used"] for r in gpus(c)))
        classes(c)
        eyes(c)
        seats(c)
        hostile(c)
        command(c)
        drained(c)
    vdi.done()


main()
