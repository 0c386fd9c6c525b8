#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1240-nodes.t - jobs on several nodes: all of their instances begin together, each knows which
one it is, and they end together, whatever ends one of them; also when the controller is killed.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['node "g[1-3]" { cpus = 8  memory = "16G"  gpu "T4" { count = 2  law = whole } }',
         'partition "gpu" { nodes = "g[1-3]"  batch_template = "train" }',
         'template "train" { image = "none"  vcpus = 1  memory = "1G"  gpus = 1 }',
         'template "data" { image = "none"  disk "d" { size = "1G"  target = "/d"  persistence = job } }',
         'template "hasty" { image = "none"  vcpus = 1  memory = "1G"  boot_timeout = "1s" }',
         'account "cs" { max_gpus = 4 }', 'max_requeue = 2']


def script(words, *lines):
    return "\n".join(["#!/bin/sh", "#FAKE " + words, *lines, ""])


def batch(c, words, *lines, **more):
    return c.submit(script=script(words, *lines),
                    **dict({"kind": "batch", "template": "batch", "nodes": 2}, **more))


def instances(c, job):
    found = [i for i in c.request("GET", "/v1/instances?limit=1000").json["instances"]
             if i["job"] == job]
    return sorted(found, key=lambda i: i["id"])


def live(c, job):
    return [i for i in instances(c, job) if i["state"] != "GONE"]


def types(c, job):
    return [e["type"] for e in c.request("GET", f"/v1/jobs/{job}/events").json["events"]]


def refused(c, status, field, name, **spec):
    r = c.request("POST", "/v1/jobs", dict({"script": script("exit=0"), "kind": "batch",
                                            "template": "batch"}, **spec))
    return vdi.ok((r.status, r.json.get("field")) == (status, field) and r.json.get("limit"),
                  name, r.text)


def output(c, job, node):
    return c.request("GET", f"/v1/jobs/{job}/output?nodeid={node}").text


def starts(c):
    path = c.path("script.sh")
    with open(path, "w", encoding="utf-8") as f:
        f.write(script("runs", "#SBATCH --nodes=2 --ntasks 2",
                       "echo $VDI_NODEID of $VDI_JOB_NUM_NODES: $VDI_NODE in $VDI_JOB_NODELIST"))
    code, out, err = c.run("vdisubmit", "--read-sbatch", path)
    job = int(out.split()[-1])
    vdi.ok(code == 0 and "runs on each of the 2 nodes" in out + err,
           "vdisubmit with #SBATCH -N 2, and a word on what the script does there", out, err)
    j = c.wait_state(job, "RUNNING")
    i = instances(c, job)
    vdi.is_((j["nodes"], j["node"], j["node_list"], j["instance"]),
            (2, "n1", "n[1-2]", i[0]["id"]), "it runs on two nodes", j)
    vdi.is_([(x["id"] - i[0]["id"], x["node"], x["state"]) for x in i],
            [(0, "n1", "BOUND"), (1, "n2", "BOUND")], "by an instance on each", i)
    vdi.is_([output(c, job, n) for n in (0, 1)],
            ["0 of 2: n1 in n[1-2]\n", "1 of 2: n2 in n[1-2]\n"],
            "the script runs on each, and knows where it is")
    vdi.is_(c.run("vdictl", "output", str(job), "--nodeid", "1")[1], "1 of 2: n2 in n[1-2]\n",
            "vdictl output --nodeid")
    r = c.request("GET", f"/v1/jobs/{job}/output?nodeid=2")
    vdi.is_((r.status, r.json["field"]), (422, "nodeid"), "there is no third", r.text)
    code, out, _ = c.run("vdiqueue", "-h", "-o", "%i %D %C %N %R", "-j", str(job))
    vdi.is_(out.split(), [str(job), "2", "2", "n[1-2]", "n[1-2]"], "vdiqueue has NODES and NODELIST")
    vdi.is_([c.run("vdiqueue", "-h", "-o", "%i", "-w", w)[1].split() for w in ("n2", "n[2,4]", "n3")],
            [[str(job)], [str(job)], []], "and finds it by each of its nodes")
    vdi.is_(c.request("PATCH", f"/v1/jobs/{job}", {"nodes": 1}).status, 400,
            "nor given another number of nodes")
    vdi.is_(c.request("DELETE", f"/v1/jobs/{job}").status, 200, "cancelled")
    c.wait_state(job, "CANCELLED")
    vdi.is_(types(c, job), ["submit", "alloc", "start", "finish", "end"], "by these events")
    vdi.is_([x["state"] for x in instances(c, job)], ["GONE", "GONE"], "nothing is left")
    vdi.is_((c.job(job)["node_list"], c.run("vdiacct", "-n", "-P", "-o", "nnodes,nodelist,alloctres",
                                            "-j", str(job))[1].strip()),
            ("n[1-2]", "2|n[1-2]|cpu=2,mem=2G,node=2"), "where it was stays known")


def files(c):
    directory = c.path("out")
    os.mkdir(directory)
    names = {}
    for pattern in ("plain", "by-%n", "on-%N"):
        job = batch(c, "exit=0", "echo x", output=f"{directory}/{pattern}")
        c.wait_state(job, "COMPLETED")
        names[pattern] = [output(c, job, n) for n in (0, 1)]
    vdi.is_(set(map(tuple, names.values())), {("x\n", "x\n")}, "output on both, whatever -o says")


def ends(c):
    job = batch(c, "exit=0 on=1 after_ms=1500")
    c.wait_state(job, "RUNNING")
    time.sleep(0.3)
    vdi.is_((c.job(job)["state"], len(live(c, job))), ("RUNNING", 2),
            "the script has ended on one node: the job runs on")
    j = c.wait_state(job, "COMPLETED")
    vdi.is_((j["exit_code"], live(c, job)), (0, []), "until it has on the other, too", j)
    job = batch(c, "on=0 runs on=1 exit=3 after_ms=50")
    j = c.wait_state(job, "FAILED")
    vdi.is_((j["exit_code"], j["reason"], live(c, job)), (3, "on n2: ended with exit code 3", []),
            "a script that fails on one node ends the job on both", j)
    job = batch(c, "exit=0 on=1 exit=4")
    vdi.is_(c.wait_state(job, "FAILED")["exit_code"], 4, "so when it is done on the other")
    job = batch(c, "on=0 runs on=1 crash after_ms=50", requeue=False)
    j = c.wait_state(job, "NODE_FAIL")
    vdi.is_((j["restarts"], live(c, job)), (0, []), "a guest that dies ends it", j)
    job = batch(c, "on=0 runs on=1 crash after_ms=50")
    j = vdi.wait_for("it to be held", lambda: (lambda j: j if j["held_by_admin"] and
                                               j["state"] == "PENDING" else None)(c.job(job)))
    vdi.is_((j["restarts"], j.get("node_list", ""), j["node"], j["instance"], live(c, job)),
            (3, "", "", 0, []), "or has it start over on both, max_requeue times", j)
    vdi.is_(len(instances(c, job)), 6, "which were three runs of two")
    c.request("DELETE", f"/v1/jobs/{job}")
    job = batch(c, "runs", time_limit_sec=1)
    c.wait_state(job, "TIMEOUT")
    vdi.is_(live(c, job), [], "the time limit ends both")
    job = batch(c, "runs")
    c.wait_state(job, "RUNNING")
    r = c.request("DELETE", f"/v1/jobs/{job}?signal=15")
    j = c.wait_state(job, "FAILED")
    vdi.is_((r.status, j["exit_signal"]), (200, 15), "a signal is for all", r.text)
    job = batch(c, "runs")
    first = c.wait_state(job, "RUNNING")["instance"]
    vdi.is_(c.request("POST", f"/v1/jobs/{job}/requeue").status, 200, "requeued")
    j = vdi.wait_for("its second run", lambda: (lambda j: j if j["state"] == "RUNNING" and
                                                j["restarts"] else None)(c.job(job)))
    vdi.ok(j["instance"] > first + 1 and len(live(c, job)) == 2, "it runs again, on two", j)
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")


def waits(c):
    blocker = batch(c, "runs", nodes=1, cpus=4, nodelist="n2")
    c.wait_state(blocker, "RUNNING")
    job = batch(c, "exit=0")
    why = vdi.wait_for("its blockers", lambda: (lambda w: w if w["blockers"] else None)(
        c.request("GET", f"/v1/jobs/{job}/why").json))
    time.sleep(0.2)
    vdi.is_((c.job(job)["state"], instances(c, job), why["blockers"][0]["reason"]),
            ("PENDING", [], "Resources"), "one node is free: it waits for two, and holds none", why)
    r = c.request("POST", "/v1/jobs?test_only=true", {"script": script("exit=0"), "kind": "batch",
                                                      "template": "batch", "nodes": 2})
    vdi.ok(r.status == 200 and "2 nodes" in r.text, "--test-only takes it, too", r.text)
    c.request("DELETE", f"/v1/jobs/{blocker}")
    c.wait_state(job, "COMPLETED")
    vdi.ok(True, "when the other is free it starts")
    code, out, err = c.run("vdisubmit", "-N", "2", "--test-only", "--wrap", "true")
    vdi.ok(code == 0 and "would start at" in out, "vdisubmit --test-only -N 2", out, err)


def refusals(c):
    r = c.request("POST", "/v1/jobs", {"template": "desk", "nodes": 2})
    vdi.ok((r.status, r.json["field"], r.json["limit"]) == (400, "nodes", "1 node") and
           r.json["remedy"], "a desktop has one node", r.text)
    refused(c, 422, "nodes", "more nodes than there can be", nodes=65)
    refused(c, 422, "nodes", "more nodes than the partition has", nodes=3)
    refused(c, 400, "nodes", "a template with a disk", nodes=2, template="data")
    for words, say in ((["-N", "0"], "1 to 64"), (["-N", "1-2"], "one number"),
                       (["-N", "2", "-n", "4"], "each node has one task"),
                       (["-N", "2", "--ntasks-per-node=2"], "each node has one task"),
                       (["-N", "2", "--gpus", "3"], "--gpus-per-node")):
        code, out, err = c.run("vdisubmit", *words, "--wrap", "true")
        vdi.ok(code == 2 and say in err, "vdisubmit " + " ".join(words), code, out, err)


def counts(c):
    more = {"partition": "gpu", "template": "train", "account": "cs", "time_limit_sec": 3600}
    code, out, err = c.run("vdisubmit", "-p", "gpu", "-A", "cs", "-N", "2-2", "-G", "4", "--hold",
                           "--wrap", "true")
    job = int(out.split()[-1])
    vdi.is_((c.job(job)["gpus"], c.job(job)["nodes"]), (2, 2), "--gpus is of all nodes together", err)
    c.request("DELETE", f"/v1/jobs/{job}")
    job = batch(c, "runs", nodes=3, **more)
    j = c.wait_state(job, "RUNNING")
    i = instances(c, job)
    vdi.ok(j["node_list"] == "g[1-3]" and all(x["gpus_held"] for x in i), "each has its GPU", j, i)
    out = c.run("vdiqueue", "-h", "-O", "jobid,gpus,numcpus", "-j", str(job))[1].split()
    vdi.is_(out, [str(job), "3", "3"], "vdiqueue has the GPUs of all of them, as the CPUs")
    second = batch(c, "runs", nodes=2, **more)
    j = vdi.wait_for("it to wait for the limit", lambda: (
        lambda j: j if j.get("blocker") == "AssocGrpGRES" else None)(c.job(second)))
    vdi.is_(j["state"], "PENDING", "a limit on GPUs counts those of all nodes", j)
    one = batch(c, "runs", nodes=1, **more)
    c.wait_state(one, "RUNNING")
    vdi.ok(True, "and no more")
    gpus = [g for node in ("g1", "g2", "g3")
            for g in c.request("GET", f"/v1/gpus?node={node}").json["gpus"]]
    vdi.is_(sorted(g["node"] for g in gpus if any(p["used"] for p in g["profiles"])),
            ["g1", "g1", "g2", "g3"], "the planner counts them where they are", gpus)
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(second, "RUNNING")
    for job in (one, second):
        c.request("DELETE", f"/v1/jobs/{job}")
        c.wait_state(job, "CANCELLED")


def boots(c):
    """Each second start takes 100 times as long as its template lets it."""
    job = batch(c, "exit=0", "echo x", template="hasty", requeue=False)
    j = c.wait_state(job, "BOOT_FAIL")
    vdi.is_((live(c, job), "start" in types(c, job)), ([], False),
            "one that does not boot: the script began on neither", j)
    vdi.is_([output(c, job, n) for n in (0, 1)], ["", ""], "nobody wrote anything")


def binds(c):
    """No seat can be bound."""
    j = c.wait_state(batch(c, "runs", requeue=False), "BOOT_FAIL")
    vdi.is_((live(c, j["id"]), "bind" in j["reason"]), ([], True), "nor where it can't be bound", j)


def journal(c, job):
    with open(c.path("fake/journal"), encoding="utf-8") as f:
        return sorted(f.read().splitlines())


def kills(c):
    at = {}
    at["boot"] = batch(c, "exit=0 after_ms=500")
    c.wait_state(at["boot"], "CONFIGURING")
    c.restart(signal.SIGKILL)
    j = c.wait_state(at["boot"], "COMPLETED")
    vdi.is_((j["restarts"], len(instances(c, j["id"]))), (0, 2), "killed while they boot", j)

    job = batch(c, "exit=0 after_ms=100 on=1 after_ms=6000")
    c.wait_state(job, "RUNNING")
    time.sleep(0.5)
    c.restart(signal.SIGKILL)
    time.sleep(0.3)
    vdi.is_(c.job(job)["state"], "RUNNING", "killed when the script has ended on one node")
    j = c.wait_state(job, "COMPLETED")
    vdi.is_((j["restarts"], live(c, job)), (0, []), "it goes on, and ends on the other", j)

    job = batch(c, "on=0 runs on=1 exit=5 after_ms=1500")
    c.wait_state(job, "RUNNING")
    c.kill()
    time.sleep(2)
    c.start()
    j = c.wait_state(job, "FAILED")
    vdi.is_((j["exit_code"], live(c, job)), (5, []), "what failed meanwhile is found", j)

    job = batch(c, "runs")
    c.wait_state(job, "RUNNING")
    c.request("DELETE", f"/v1/jobs/{job}")
    c.restart(signal.SIGKILL)
    c.wait_state(job, "CANCELLED")
    vdi.is_(live(c, job), [], "killed right after a cancel")

    jobs = [batch(c, "exit=0 after_ms=200") for _ in range(6)]
    for n in range(8):
        time.sleep(0.1 + n * 0.05)
        c.restart(signal.SIGKILL)
    for job in jobs:
        c.wait_state(job, "COMPLETED")
    vdi.is_([len(instances(c, job)) for job in jobs], [2] * 6, "killed 8 times under six of them")
    lines = journal(c, job)
    vdi.is_((len(lines), len(lines)), (len(set(lines)), 2 * len([x for x in lines if "start" in x])),
            "each instance was started once and stopped once", lines)


def preempts(c):
    job = batch(c, "runs", partition="gpu", template="train", qos="batch", gpus=2, nodes=3,
                time_limit_sec=36000)
    c.wait_state(job, "RUNNING")
    urgent = batch(c, "exit=0 after_ms=500", partition="gpu", template="train", qos="urgent",
                   gpus=2, nodes=1, time_limit_sec=600)
    vdi.wait_for("it to make room", lambda: c.job(job)["restarts"] == 1)
    vdi.is_(live(c, job), [], "preempted: it starts over, and leaves all its nodes")
    c.wait_state(urgent, "COMPLETED")
    c.wait_state(job, "RUNNING")
    vdi.is_(len(live(c, job)), 3, "and comes back by itself, on all of them")
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")


QOS = ['qos "batch" { preempt_exempt_time = "1s" }',
       'qos "urgent" { priority = 1000  preempts = {"batch"}  preempt_modes = {requeue} }']

with vdi.Controller(nodes=2, lines=LINES + QOS) as c:
    starts(c)
    files(c)
    ends(c)
    waits(c)
    refusals(c)
    counts(c)
    preempts(c)
with vdi.Controller(nodes=2, fake="boot_ms = 100  slow_every = 2", lines=LINES) as c:
    boots(c)
with vdi.Controller(nodes=2, fake="boot_ms = 0  fail_bind = 100", lines=LINES) as c:
    binds(c)
with tempfile.TemporaryDirectory(prefix="vdi.") as state:
    c = vdi.Controller(nodes=2, lines=LINES, start=False)
    os.mkdir(c.path("fake"))
    c.site = f'site "fake" {{ boot_ms = 300  bind_ms = 50  state_dir = "{c.path("fake")}" }}'
    c.write_conf()
    with c:
        c.start()
        kills(c)
vdi.done()
