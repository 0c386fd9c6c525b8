#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1241-nodes-lost.t - a job on two nodes, of which one boots late, is silent, boots anew or is given
up. The nodes are of Python (lib/link.py), so each thing happens when the test wants it.
"""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402
import link  # noqa: E402

LINES = ['node_down_after = "3s"', 'node_fail_after = "10s"',
         'node "g[1-2]" { cpus = 4  memory = "8G"  gpu "T4" { count = 4  law = whole } }',
         'partition "gpu" { nodes = "g[1-2]"  batch_template = "batch" }',
         'qos "all" { max_gpu_minutes = 1000 }']
OTHER_BOOT = "00000000-1b2a-4b52-9f3d-1c2d3e4f5a6b"


def joined(trust, name, instances=(), **hello):
    n = link.Node(trust, name)
    n.instances = list(instances)
    n.join(**hello)
    n.keep_alive()
    return n


def submit(c, **more):
    return c.submit(**dict({"kind": "batch", "template": "batch", "nodes": 2,
                            "script": "#!/bin/sh\nsleep 1\n"}, **more))


def types(c, job):
    return [e["type"] for e in c.request("GET", f"/v1/jobs/{job}/events").json["events"]]


def ready(n):
    """Takes its order to start, and reports that the guest has booted."""
    at = n.order("start")
    n.orders.remove(at)
    n.instances = [(at["instance"], at["generation"], "ready")]
    n.report("state", at["instance"], at["generation"], body={"state": "ready"})
    return at


def bound(n, at):
    order = n.order("bind", at["instance"])
    n.orders.remove(order)
    return order


def stopped(n, at):
    n.order("stop", at["instance"])
    n.instances = []
    n.orders.clear()


def run(c, nodes, **more):
    job = submit(c, **more)
    ats = [ready(n) for n in nodes]
    for n, at in zip(nodes, ats):
        bound(n, at)
    c.wait_state(job, "RUNNING")
    return job, ats


def nodeid(order):
    return [x for x in order["body"]["details"]["env"] if x.startswith("VDI_NODEID=")]


def together(c, n1, n2):
    n2.answers["bind"] = None
    job = submit(c)
    a = ready(n1)
    at = n2.order("start")
    vdi.ok(all("seat" in o["body"]["details"] and "payload" not in o["body"]["details"]
               for o in (a, at)), "both are started as nobody's", a, at)
    time.sleep(0.5)
    vdi.is_((c.job(job)["state"], [o["verb"] for o in n1.orders if o["verb"] == "bind"]),
            ("CONFIGURING", []), "one has booted: the script waits for the other")
    b = ready(n2)
    orders = bound(n1, a), bound(n2, b)
    vdi.is_([nodeid(o) for o in orders], [["VDI_NODEID=0"], ["VDI_NODEID=1"]],
            "then it is started on both")
    vdi.is_([o["body"]["details"]["payload"]["script"] for o in orders],
            ["#!/bin/sh\nsleep 1\n"] * 2, "the same one")
    time.sleep(0.3)
    vdi.is_(c.job(job)["state"], "CONFIGURING", "it runs when it does on both")
    n2.answers.pop("bind")
    n2.answer(orders[1])
    c.wait_state(job, "RUNNING")
    n1.report("state", a["instance"], a["generation"],
              body={"state": "ready", "exited": True, "exit_code": 0})
    n1.answers["stop"] = None
    time.sleep(0.3)
    vdi.is_(c.job(job)["state"], "RUNNING", "the end on one is not that of the job")
    c.request("DELETE", f"/v1/jobs/{job}")
    stop = n1.order("stop", a["instance"])
    stopped(n2, b)
    time.sleep(0.3)
    vdi.is_(c.job(job)["state"], "COMPLETING", "cancelled, it ends when both are gone")
    n1.answers.pop("stop")
    n1.instances = []
    n1.answer(stop)
    n1.orders.clear()
    c.wait_state(job, "CANCELLED")
    vdi.is_(types(c, job).count("end"), 1, "and once")


def no_boot(c, n1, n2):
    n2.answers["start"] = 5
    job = submit(c, requeue=False)
    a = n1.order("start")
    stopped(n1, a)
    j = c.wait_state(job, "BOOT_FAIL")
    vdi.ok("start" not in types(c, job), "what one node refuses is stopped on the other", j)
    n2.answers.pop("start")
    n2.orders.clear()


def silent(c, trust, n1, n2):
    job, (a, b) = run(c, (n1, n2))
    n2.close()
    vdi.wait_for("it to be unreachable", lambda: c.job(job)["unreachable"])
    vdi.is_(c.job(job)["state"], "RUNNING", "one node is silent: the job is unreachable, and runs on")
    n1.close()
    vdi.wait_for("n1 to be down", lambda: c.request("GET", "/v1/nodes/n1").json["state"].startswith(
        "DOWN"))
    n1 = joined(trust, "n1", [(a["instance"], a["generation"], "ready")])
    vdi.wait_for("n1 to be up", lambda: not c.request("GET", "/v1/nodes/n1").json["state"].startswith(
        "DOWN"))
    vdi.is_(c.job(job)["unreachable"], True, "one of two silent nodes is back: it is so still")
    n2 = joined(trust, "n2", [(b["instance"], b["generation"], "ready")])
    vdi.wait_for("it to be reachable", lambda: not c.job(job)["unreachable"])
    vdi.is_((c.job(job)["state"], c.job(job)["restarts"]), ("RUNNING", 0), "until the other is, too")
    return n1, n2, job, (a, b)


def booted(c, trust, n1, n2, job, at):
    n1.answers["stop"] = None
    n2.close()
    n2 = joined(trust, "n2", boot_id=OTHER_BOOT)
    stop = n1.order("stop", at[0]["instance"])
    time.sleep(0.3)
    j = c.job(job)
    vdi.is_((j["state"], j["final"]), ("COMPLETING", "PENDING"),
            "one node booted anew: the other is asked to stop, and the job waits for that", j)
    n1.answers.pop("stop")
    n1.instances = []
    n1.answer(stop)
    ats = [ready(n) for n in (n1, n2)]
    for n, new in zip((n1, n2), ats):
        bound(n, new)
    j = c.wait_state(job, "RUNNING")
    vdi.is_((j["restarts"], j["instance"]), (1, ats[0]["instance"]), "then it starts over on both", j)
    return n2, ats


def given_up(c, trust, n1, n2, job, at):
    n1.orders.clear()
    n2.close()
    c.restart()
    n1 = joined(trust, "n1", [(at[0]["instance"], at[0]["generation"], "ready")])
    n1.order("stop", at[0]["instance"])
    n1.instances = []
    j = vdi.wait_for("it to be requeued", lambda: (lambda j: j if j["restarts"] == 2 else None)(
        c.job(job)))
    vdi.is_(j["state"], "PENDING", "a node that stays silent is given up: it starts over", j)
    n2 = joined(trust, "n2", [(at[1]["instance"], at[1]["generation"], "ready")],
                boot_id=OTHER_BOOT)
    n2.order("stop", at[1]["instance"])
    vdi.ok(True, "and what that node still has is stopped when it is back")
    n2.instances = []
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")


def minutes(c):
    return next(l["used"] for l in c.request("GET", "/v1/me").json["limits"]
                if l["name"] == "max_gpu_minutes of qos 'all'")


def left(c, trust):
    """GPU minutes are kept for a node that is still there, and for no other."""
    g1, g2 = (joined(trust, name) for name in ("g1", "g2"))
    job, (a, _) = run(c, (g1, g2), partition="gpu", gpus=4, qos="all", time_limit_sec=3600)
    vdi.is_(minutes(c), 480, "a job that runs may use the GPUs of both nodes")
    g1.answers["stop"] = None
    c.request("DELETE", f"/v1/jobs/{job}")
    stop = g1.order("stop", a["instance"])
    vdi.wait_for("one node to be left", lambda: [i for i in c.request(
        "GET", "/v1/instances").json["instances"] if i["job"] == job and i["state"] == "GONE"])
    j = c.job(job)
    vdi.ok(j["state"] == "COMPLETING" and 240 <= minutes(c) < 300,
           "it has left one: what it may use on the other is kept", j, minutes(c))
    c.restart()
    g1 = joined(trust, "g1", [(a["instance"], a["generation"], "ready")])
    g1.answers["stop"] = None
    stop = g1.order("stop", a["instance"])
    vdi.wait_for("the archive to be read", lambda: 240 <= minutes(c) < 300)
    vdi.is_(c.job(job)["state"], "COMPLETING", "the same after a kill -9")
    g1.answers.pop("stop")
    g1.instances = []
    g1.answer(stop)
    c.wait_state(job, "CANCELLED")
    vdi.ok(minutes(c) < 60, "and nothing when that is left, too", minutes(c))


with tempfile.TemporaryDirectory(prefix="vdi.") as d:
    os.chmod(d, 0o755)
    trust = link.Trust(d)
    with link.controller(trust, lines=LINES, nodes=2) as c:
        for name in ("n1", "n2", "g1", "g2"):
            trust.enroll(c, name)
        nodes = [joined(trust, name) for name in ("n1", "n2")]
        together(c, *nodes)
        no_boot(c, *nodes)
        n1, n2, job, at = silent(c, trust, *nodes)
        n2, at = booted(c, trust, n1, n2, job, at)
        given_up(c, trust, n1, n2, job, at)
        left(c, trust)
vdi.done()
