#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1230-priority.t - who comes first: Slurm's factors, and what was used lately."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

QOS = 'qos "high" { priority = 100 }'


def rule(**settings):
    words = dict({"calc_period": '"1s"', "weight_fairshare": 10000000}, **settings)
    return 'priority "multifactor" { ' + "  ".join(f"{k} = {v}" for k, v in words.items()) + " }"


def submit(c, headers=None, **more):
    return c.submit(headers, cpus=4, kind="batch", template="batch",
                    script="#!/bin/sh\n#FAKE runs\n", **more)


def end(c, *jobs):
    for job in jobs:
        c.request("DELETE", f"/v1/jobs/{job}")
    for job in jobs:
        c.wait_state(job, "CANCELLED")


def why(c, job):
    return c.request("GET", f"/v1/jobs/{job}/why").json


def factors(c, job):
    return {f["name"]: f for f in why(c, job)["factors"]}


def wait_order(c, *jobs):
    """They are the first in line, in this order, and some round has said so."""
    places = list(range(1, len(jobs) + 1))
    vdi.wait_for(f"{jobs} to be in this order",
                 lambda: [why(c, j).get("place") for j in jobs] == places)


def reconfigure(c, line):
    c.lines = [line, QOS]
    c.write_conf()
    return c.run("vdictl", "reconfigure")


def sums(c, job):
    answer = why(c, job)
    rows = answer["factors"]
    vdi.is_([r["name"] for r in rows],
            ["age", "fairshare", "jobsize", "partition", "qos", "nice"], "all of Slurm's factors")
    vdi.ok(all(abs(r["factor"] * r["weight"] - r["product"]) < 10.1 for r in rows),
           "factor times weight is the product, but for the digits that are shown", rows)
    vdi.is_(answer["priority"], int(sum(r["product"] for r in rows)), "their sum is the priority")
    size = {r["name"]: r["factor"] for r in rows}["jobsize"]
    vdi.is_(size, 1.0, "it asks for the whole cluster")
    vdi.is_(vdi.wait_for("a list of the same round", lambda: (lambda a, b: a == b)(
        c.job(job)["priority"], why(c, job)["priority"])), True, "the job's document has it, too")
    _, out, _ = c.run("vdiqueue", "--why", str(job))
    vdi.ok(all(word in out for word in ("FACTOR", "WEIGHT", "PRODUCT", "fairshare", "10000000")),
           "vdiqueue --why shows the table", out)


def fair_share(c, users):
    """Returns a job of the first user that waits, and what it waits for."""
    used = submit(c, users[0])
    c.wait_state(used, "RUNNING")
    end(c, used)
    blocker = submit(c)
    c.wait_state(blocker, "RUNNING")
    a, b = submit(c, users[0]), submit(c, users[1])
    wait_order(c, b, a)
    vdi.ok(factors(c, b)["fairshare"]["factor"] > factors(c, a)["fairshare"]["factor"],
           "who has used nothing comes before who came first and has")
    sums(c, a)
    events = [e["type"] for e in c.request("GET", f"/v1/jobs/{a}/events").json["events"]]
    vdi.is_(events, ["submit"], "however often it is ranked, nothing is written down")
    c.restart()
    wait_order(c, b, a)
    vdi.ok(factors(c, b)["fairshare"]["factor"] > factors(c, a)["fairshare"]["factor"],
           "also after a kill -9: what was used is known")
    end(c, blocker)
    c.wait_state(b, "RUNNING")
    vdi.is_(c.job(a)["state"], "PENDING", "they start in that order")
    return a, b


def decays(c, users, a):
    late = submit(c, users[2], nice=5)  # a rest of what was used is never nothing
    wait_order(c, late, a)
    code, out, err = reconfigure(c, rule(half_life='"1s"', weight_fairshare=1000))
    vdi.is_(code, 0, "a half life of a second", out + err)
    wait_order(c, a, late)
    vdi.ok(True, "what was used is forgotten: soon it weighs less than a nice of 5")
    return late


def weights(c, a, late):
    urgent = submit(c, qos="high")
    wait_order(c, a, late, urgent)
    code, out, err = reconfigure(c, rule(half_life='"1s"', weight_fairshare=0, weight_qos=1000))
    vdi.ok(code == 0 and "weight_qos" in out, "other weights are taken without a restart",
           out + err)
    wait_order(c, urgent, a, late)
    vdi.is_(why(c, urgent)["priority"], 1000, "a QOS of the highest priority has the whole weight")
    code, out, err = reconfigure(c, rule(weight_qos=-4))
    vdi.ok(code != 0 and "weight_qos" in out + err and "0 to" in out + err,
           "a weight that is none is refused by name", out + err)
    vdi.is_(why(c, urgent)["priority"], 1000, "and the former ones stay")
    reconfigure(c, rule(half_life='"1s"', weight_fairshare=0, weight_qos=1000))
    r = c.request("PATCH", f"/v1/jobs/{late}", {"nice": -5000})
    vdi.is_(r.status, 200, "an operator raises one", r.text)
    wait_order(c, late, urgent, a)
    c.restart()
    wait_order(c, late, urgent, a)
    vdi.is_(factors(c, late)["nice"]["product"], 5000, "which stays")
    return urgent


def refusals(c):
    for line, word in (('account "x" { parent = "y" }', 'no account "y"'),
                       ('account "x" { parent = "z" } account "z" { parent = "x" }',
                        "below itself"),
                       ('account "x" { shares = 0 }', "shares"),
                       ('priority "fifo" { } priority "multifactor" { }', "already")):
        c.lines = [line]
        c.write_conf()
        code, out, err = c.run("vdictl", "check", c.path("vdi.conf"))
        vdi.ok(code != 0 and word in out + err, f"refused: {line}", out + err)
    code, out, err = reconfigure(c, 'priority "fifo" { }')
    vdi.ok(code != 0 and "restart" in out + err, "another plugin needs a restart", out + err)


def fifo():
    with vdi.Controller(nodes=1, lines=[QOS]) as c:
        c.wait_state(submit(c), "RUNNING")
        job = submit(c, qos="high", nice=3)
        vdi.is_([(r["name"], r["product"]) for r in why(c, job)["factors"]],
                [("qos", 100), ("nice", -3)], "without a block it is QOS less nice, as ever")
        vdi.is_(why(c, job)["priority"], 97, "and so is their sum")


with tempfile.TemporaryDirectory() as state, \
        vdi.Controller(nodes=1, lines=[rule(), QOS], fake=f'state_dir = "{state}/site"') as c:
    users = [vdi.bearer(c.issue_token(name)["token"]) for name in ("daemon", "bin", "sys")]
    a, b = fair_share(c, users)
    late = decays(c, users, a)
    urgent = weights(c, a, late)
    end(c, b)
    c.wait_state(late, "RUNNING")
    vdi.is_([c.job(j)["state"] for j in (urgent, a)], ["PENDING"] * 2, "and it starts first")
    refusals(c)
fifo()
vdi.done()
