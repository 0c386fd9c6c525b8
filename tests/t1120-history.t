#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1120-history.t - jobs of any time and what was used: /v1/history, /v1/usage, vdiacct.

Half of the jobs have left memory when they are asked for (keep_done = 0), half have not ended.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

ROOT = os.geteuid() == 0
GPUS = ['node "g1" { cpus = 16  memory = "32G"  gpu "A40" { count = 4  law = homogeneous  '
        'profiles = {"nvidia-a40-4q"} } }',
        'partition "gpu" { nodes = "g1"  batch_template = "batch" }',
        'template "cad" { image = "none"  vcpus = 2  memory = "2G"  profile = {"nvidia-a40-4q"} }']


def script(words):
    return "#!/bin/sh\n#FAKE " + words + "\n"


def ended(c, words="exit=0", **spec):
    job = c.submit(script=script(words), template="batch", kind="batch", **spec)
    c.wait_state(job, "COMPLETED", "FAILED")
    return job


def ids(c, query="", headers=None, uid=None):
    r = c.request("GET", "/v1/history?fields=id" + query, None, headers, uid)
    return [j["id"] for j in r.json["jobs"]]


def paged(c, query, limit):
    """All pages, one after the other."""
    found, after = [], ""
    while True:
        r = c.request("GET", f"/v1/history?fields=id&limit={limit}{query}{after}").json
        assert len(r["jobs"]) <= limit, r
        found += [j["id"] for j in r["jobs"]]
        if not r["next"]:
            return found
        after = "&after=" + r["next"]


def lists(c):
    first = ended(c, name="first", account="physics")
    second = ended(c, "exit=3", name="second", account="chemistry")
    third = ended(c, name="third", account="physics")
    held = c.submit(hold=True, name="waits")
    live = c.submit(template="desk", name="runs")
    c.wait_state(live, "RUNNING")
    every = [first, second, third, held, live]
    vdi.is_(ids(c), every, "all jobs, in the order of their ends, the live ones last")
    for limit in (1, 2, 3, 5, 100):
        vdi.is_(paged(c, "", limit), every, f"in pages of {limit}: the same, none twice")
    vdi.is_(ids(c, "&state=FAILED"), [second], "by a state that is an end")
    vdi.is_(ids(c, "&state=FAILED,RUNNING"), [second, live], "by an end and one that is none")
    vdi.is_(ids(c, "&state=PENDING"), [held], "by one that is no end")
    vdi.is_(ids(c, "&account=physics"), [first, third], "by account")
    vdi.is_(ids(c, "&name=second"), [second], "by name")
    vdi.is_(ids(c, f"&id={third},{first},{live},999999"), [first, third, live], "by id")
    vdi.is_(paged(c, f"&id={first},{second},{live}", 1), [first, second, live],
            "by id, in pages of one")
    job = c.job(second)
    vdi.is_(ids(c, "&since=" + job["end_time"]), [third, held, live],
            "what had not ended at a time")
    vdi.is_(ids(c, "&until=" + job["submit_time"]), [first], "what was submitted before one")
    vdi.is_(ids(c, f"&since={job['submit_time']}&until={job['end_time']}"), [second],
            "what lies between two")
    for query, field in (("&after=x", "after"), ("&after=a1", "after"), ("&after=i5", "after"),
                         ("&since=noon", "since"), ("&state=DEAD", "state"), ("&x=1", "x"),
                         ("&fields=none", "fields")):
        r = c.request("GET", "/v1/history?limit=1" + query)
        vdi.is_((r.status, r.json.get("field")), (400, field), f"{query[1:]} is refused by name",
                r.text)
    return every


def visible(c, every):
    bearer = lambda user: {"Authorization": "Bearer " + c.issue_token(user)["token"]}
    vdi.is_(ids(c, "", bearer("daemon"), 1 if ROOT else None) if ROOT else [], [],
            "others' jobs are not there")
    vdi.is_(ids(c, f"&id={every[0]}", bearer("daemon"), 1 if ROOT else None) if ROOT else [], [],
            "nor by their ids")
    if not ROOT:
        vdi.skip("one user alone", "and an operator asks for one's")
        return
    mine = c.submit(template="desk", uid=1)
    c.wait_state(mine, "RUNNING")
    c.request("DELETE", f"/v1/jobs/{mine}")
    c.wait_state(mine, "CANCELLED")
    vdi.is_(ids(c, "", None, 1), [mine], "but one's own are")
    vdi.is_(ids(c, "&user=daemon"), [mine], "and an operator asks for one's")
    vdi.is_(ids(c, "&user=root", None, 1), [], "who is none may ask, and finds nothing")
    r = c.request("GET", "/v1/usage?user=root", None, None, 1)
    vdi.is_((r.status, r.json["field"]), (403, "user"), "nor what they used")
    r = c.request("GET", "/v1/usage?by=owner", None, None, 1).json["usage"]
    vdi.is_([u["owner"] for u in r], ["unix:daemon"], "one's own usage is one's own", r)


def usage(c):
    job = c.submit(template="cad", partition="gpu", account="design", gpus=2)
    c.wait_state(job, "RUNNING")
    at = lambda text: c.request("GET", "/v1/usage?by=account,profile&account=design" + text).json
    live = vdi.wait_for("a second of use", lambda: (
        lambda u: u[0] if u and u[0]["held_seconds"] >= 1 else None)(at("")["usage"]))
    vdi.is_((live["account"], live["profile"], live["instances"]), ("design", "nvidia-a40-4q", 1),
            "a job that runs is in the sums", live)
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")
    u = at("")["usage"][0]
    held = u["held_seconds"]
    vdi.ok(live["held_seconds"] <= held, "so it is when it has ended", u)
    near = lambda member, factor: abs(u[member] - held * factor) <= factor
    vdi.ok(near("gpu_seconds", 2) and near("cpu_seconds", 2) and
           near("memory_mib_seconds", 2048) and near("framebuffer_mib_seconds", 2 * 4096),
           "GPUs, CPUs, memory and framebuffer times the time it was held", u)
    vdi.is_(u["gpu_seconds_unsized"], 0, "the size of its framebuffer is known", u)
    again = at("")["usage"][0]
    vdi.is_(again, dict(u, until=again["until"]), "and it does not grow any more")
    c.restart()
    again = at("")["usage"][0]
    vdi.is_(again, dict(u, until=again["until"]), "nor change with a restart")
    now = int(time.time())
    cut = at(f"&cuts={now - 7200},{now - 3600},{now + 1}")["usage"]
    vdi.is_([x["held_seconds"] for x in cut], [held], "cut into hours, it is in the last", cut)
    for query, field in (("by=x", "by"), ("cuts=5", "cuts"), ("cuts=5,4", "cuts"),
                         ("cuts=1,2&since=2026-01-01", "cuts"), ("since=x", "since"),
                         ("since=2026-01-02&until=2026-01-01", "until")):
        r = c.request("GET", "/v1/usage?" + query)
        vdi.is_((r.status, r.json.get("field")), (400, field), f"usage: {query} is refused", r.text)


def requeued(c):
    """Each run counts, though the job remembers the last alone."""
    job = c.submit(template="desk", account="twice", requeue=True)
    c.wait_state(job, "RUNNING")
    vdi.is_(c.request("POST", f"/v1/jobs/{job}/requeue").status, 200, "a job is queued again")
    vdi.wait_for("its second run", lambda: (
        lambda j: j["restarts"] == 1 and j["state"] == "RUNNING")(c.job(job)))
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")
    u = c.request("GET", "/v1/usage?by=account&account=twice").json["usage"][0]
    vdi.is_(u["instances"], 2, "both of its runs are in the sums", u)


def command(c, every):
    code, out, err = c.run("vdiacct", "-a", "-P", "-n", "-o", "JobID,JobName,State,ExitCode")
    rows = [line.split("|") for line in out.splitlines()]
    vdi.is_((code, rows[:3]), (0, [[str(every[0]), "first", "COMPLETED", "0:0"],
                                   [str(every[1]), "second", "FAILED", "3:0"],
                                   [str(every[2]), "third", "COMPLETED", "0:0"]]),
            "vdiacct -P: columns by name", out, err)
    code, out, err = c.run("vdiacct", "-j", f"{every[1]}")
    vdi.is_((code, len(out.splitlines()), out.splitlines()[1][:5]), (0, 3, "-----"),
            "one job: a header, a rule, a line", out, err)
    code, out, err = c.run("vdiacct", "-a", "-s", "F", "-o", "%i %T", "-n")
    vdi.is_((code, out), (0, f"{every[1]} FAILED\n"), "vdiqueue's letters do as well", out, err)
    code, out, err = c.run("vdiacct", "-a", "-o", "JobID%-8,User", "--name", "first", "-n")
    vdi.is_((code, out.split()[0], out[:8]), (0, str(every[0]), f"{every[0]:<8}"),
            "a width, to the left", out, err)
    code, out, err = c.run("vdiacct", "-a", "--json", "--limit", "2")
    vdi.is_((code, [j["id"] for j in json.loads(out)["jobs"]]), (0, every[:2]),
            "--json: the documents of the API; --limit", err)
    code, out, err = c.run("vdiacct", "-a", "-S", "now+1day", "-n", "-b")
    vdi.is_((code, len(out.splitlines())), (0, 2), "-S in the future: what has not ended", out)
    code, out, err = c.run("vdiacct", "-a", "-E", "2020-01-01", "-S", "2019-01-01", "-n")
    vdi.is_((code, out), (0, ""), "of a year without jobs: nothing", out, err)
    for words in (("-S", "never"), ("-E", "2019-01-01"), ("-o", "nothing"), ("-b", "-l"),
                  ("--period", "day"), ("report", "--period", "hour"), ("report", "--by", "age"),
                  ("report", "-u", "a,b"), ("report", "-j", "1"), ("something",)):
        code, out, err = c.run("vdiacct", *words)
        vdi.is_((code, out, err.count("\n")), (2, "", 1), f"vdiacct {' '.join(words)}: refused",
                out, err)


def report(c):
    code, out, err = c.run("vdiacct", "report", "-a", "-P", "--by", "account", "-o",
                           "Account,Instances,GPUSeconds")
    rows = dict((line.split("|")[0], line.split("|")[1:]) for line in out.splitlines()[1:])
    vdi.is_((code, rows["physics"][0], rows["chemistry"][0], rows["twice"][0]),
            (0, "2", "1", "2"), "report: runs of each account", out, err)
    vdi.ok(int(rows["design"][1]) >= 2, "and its GPU seconds", out)
    code, out, err = c.run("vdiacct", "report", "-a", "--period", "day", "-S", "now-2days",
                           "--by", "profile", "-n")
    vdi.ok(code == 0 and "nvidia-a40-4q" in out and out.startswith("20"),
           "by day and profile: the day stands before", out, err)
    code, out, err = c.run("vdiacct", "report", "-a", "--period", "week", "--json")
    vdi.ok(code == 0 and all("owner" in u and "account" in u for u in json.loads(out)["usage"]),
           "--json: the document of the API", out, err)


def limits(c):
    me = c.request("GET", "/v1/me").json
    vdi.is_((me["role"], me["limits"][0]["name"]), ("admin", "max_jobs"),
            "an administrator's limit is everybody's", me)
    code, out, err = c.run("vdiinfo", "--me", "-h")
    vdi.is_((code, out.split()[0]), (0, "max_jobs"), "vdiinfo --me", out, err)
    if not ROOT:
        vdi.skip("one user alone", "a user's own limit")
        return
    held = c.submit(hold=True, uid=1)
    job = c.submit(time_limit_sec=3600, uid=1)
    running = c.wait_state(job, "RUNNING")
    me = c.request("GET", "/v1/me", None, None, 1).json
    limit = me["limits"][0]
    vdi.is_((me["principal"], me["pending"], me["running"], limit["name"], limit["used"],
             limit["allowed"]), ("unix:daemon", 1, 1, "max_jobs_user", 2, 20000),
            "a user's own limit: used and allowed", me)
    vdi.ok(limit["eases_by"] > running["start_time"], "and when it eases", limit)
    for j in (held, job):
        c.request("DELETE", f"/v1/jobs/{j}")


with vdi.Controller(nodes=2, lines=GPUS + ['keep_done = "0"']) as c:
    every = lists(c)
    command(c, every)
    usage(c)
    requeued(c)
    report(c)
    visible(c, every)
    limits(c)
vdi.done()
