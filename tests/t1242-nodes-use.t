#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1242-nodes-use.t - what a job on several nodes counts: each of them, in the sums, in vdiacct,
for its owner's share, and under each limit, when it is submitted and when it is to start.
"""
import datetime
import json
import math
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['priority "multifactor" { half_life = "7d"  calc_period = "1s"  weight_fairshare = 1000 }',
         'node "a[1-4]" { cpus = 8  memory = "16G"  gpu "A40" { count = 1  law = homogeneous  '
         'profiles = {"nvidia-a40-4q"} } }',
         'node "g[1-3]" { cpus = 128  memory = "256G"  gpu "X" { count = 64  law = whole } }',
         'partition "vgpu" { nodes = "a[1-4]"  batch_template = "train" }',
         'partition "gpu" { nodes = "g[1-3]"  batch_template = "batch" }',
         'template "train" { image = "none"  vcpus = 2  memory = "1G"  '
         'profile = {"nvidia-a40-4q"} }',
         'qos "minutes" { max_gpu_minutes = 100  max_gpu_minutes_job = 80 }',
         'qos "spent" { max_gpu_minutes = 10000 }',
         'qos "few" { max_gpus_user = 5 }',
         'qos "strict" { max_gpus_user = 5  max_gpu_minutes_user = 30  deny_on_limit = yes }']


def ask(nodes, **more):
    return dict({"kind": "batch", "template": "batch", "partition": "gpu", "nodes": nodes,
                 "gpus": 1, "memory_mib": 64, "script": "#!/bin/sh\n#FAKE runs\n",
                 "time_limit_sec": 3600}, **more)


def submit(c, nodes, headers=None, **more):
    return c.submit(headers, **ask(nodes, **more))


def refusal(c, nodes, **more):
    r = c.request("POST", "/v1/jobs", ask(nodes, **more))
    return r.status, r.json.get("field"), r.json.get("limit"), r.json.get("detail", "")


def waits_for(c, job, reason):
    return vdi.wait_for(f"job {job} to wait for {reason}", lambda: next((
        b for b in c.request("GET", f"/v1/jobs/{job}/why").json["blockers"]
        if b["reason"] == reason), None))


def limit_of(c, name, headers=None):
    return next(l for l in c.request("GET", "/v1/me", headers=headers).json["limits"]
                if l["name"] == name)["used"]


def sec(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def held_sec(c, job):
    """The time that each of its instances was there for."""
    return [sec(i["gone_time"]) - sec(i["request_time"])
            for i in c.request("GET", "/v1/instances?limit=1000").json["instances"]
            if i["job"] == job and i["state"] == "GONE"]


def charged(c, users):
    """Beside each other: a job on one node and one on three, of the same request."""
    jobs = {n: submit(c, n, user, partition="vgpu", template="train", memory_mib=1024)
            for n, user in users.items()}
    for job in jobs.values():
        c.wait_state(job, "RUNNING")
    time.sleep(4)
    c.cancel(*jobs.values())
    held = {n: held_sec(c, job) for n, job in jobs.items()}
    docs = {n: c.job(job) for n, job in jobs.items()}
    ran = {n: sec(j["end_time"]) - sec(j["start_time"]) for n, j in docs.items()}
    vdi.ok([len(held[n]) for n in (1, 3)] == [1, 3] and all(4 <= s for h in held.values()
                                                           for s in h),
           "each of its instances was held for its whole run", held, ran)

    used = {u["owner"]: u for u in c.request("GET", "/v1/usage?by=owner").json["usage"]}
    one, three = used["unix:daemon"], used["unix:bin"]
    for u, n in ((one, 1), (three, 3)):
        all_of_it = sum(held[n])
        vdi.ok(u["instances"] == n and
               all(abs(u[member] - all_of_it * factor) <= factor for member, factor in (
                   ("held_seconds", 1), ("gpu_seconds", 1), ("cpu_seconds", 2),
                   ("memory_mib_seconds", 1024), ("framebuffer_mib_seconds", 4096))),
               f"/v1/usage has GPUs, CPUs, memory and framebuffer of {n}, for its run",
               u, all_of_it)
    vdi.ok(three["gpu_seconds"] >= 3 * min(held[3]) - 1 and three["gpu_seconds_unsized"] == 0,
           "which is three times what one had", one, three)

    code, out, err = c.run("vdiacct", "-a", "-n", "-P", "-j", f"{jobs[1]},{jobs[3]}", "-o",
                           "jobid,elapsedraw,nnodes,gpus,ncpus,gputimeraw,cputimeraw,alloctres")
    rows = {int(row[0]): row[1:] for row in (line.split("|") for line in out.splitlines())}
    for n, job in jobs.items():
        elapsed = int(rows[job][0])
        vdi.is_(rows[job][1:],
                [str(n), str(n), str(2 * n), str(n * elapsed), str(2 * n * elapsed),
                 f"cpu={2 * n},gres/gpu={n},gres/gpu:nvidia-a40-4q={n},mem={n}G,node={n}"],
                f"vdiacct has what {n} had, together", out, err)
        vdi.ok(elapsed == int(ran[n]) and elapsed >= 4, "for its run", rows[job], ran[n])
    code, out, err = c.run("vdiacct", "-a", "--json", "-j", str(jobs[3]))
    found = json.loads(out)["jobs"][0]
    vdi.is_((found["nodes"], found["gpus"], found["cpus"], found["node_list"].count("a")),
            (3, 1, 2, 1), "its JSON has the nodes, and what each has", out, err)

    code, out, err = c.run("vdiacct", "report", "-a", "-n", "-P", "--by", "user", "-o",
                           "User,Instances,GPUSeconds,CPUSeconds,FramebufferHours")
    rows = {row[0]: row[1:] for row in (line.split("|") for line in out.splitlines())}
    for name, u in (("daemon", one), ("bin", three)):
        vdi.is_(rows[name],
                [str(u["instances"]), str(u["gpu_seconds"]), str(u["cpu_seconds"]),
                 f'{u["framebuffer_mib_seconds"] / 3600 / 1024:.2f}'],
                f"vdiacct report has the same of {name}", out, err)
    code, out, err = c.run("vdiacct", "report", "-a", "--by", "user", "--json")
    same = {u["owner"]: u["gpu_seconds"] for u in json.loads(out)["usage"]}
    vdi.is_(same, {"unix:daemon": one["gpu_seconds"], "unix:bin": three["gpu_seconds"]},
            "and its JSON", out, err)
    return held


def share(c, users, held):
    """A factor of fair share is 2 to the power of minus what was used, of equal shares."""
    blocker = submit(c, 3, cpus=128)
    c.wait_state(blocker, "RUNNING")
    jobs = {n: submit(c, 1, user) for n, user in users.items()}

    def used():
        rows = [{f["name"]: f for f in c.request("GET", f"/v1/jobs/{jobs[n]}/why").json["factors"]}
                for n in (1, 3)]
        factors = [row["fairshare"]["factor"] for row in rows]
        return [-math.log2(f) for f in factors] if all(0 < f < 1 for f in factors) else None
    want = sum(held[3]) / sum(held[1])
    got = vdi.wait_for("both to be ranked by what they used", used)
    vdi.ok(abs(got[1] / got[0] - want) < 0.05 * want,
           "its owner's share has shrunk by three times as much", got, want)
    c.restart()
    again = vdi.wait_for("the same after a kill -9", used)
    vdi.ok(abs(again[1] / again[0] - want) < 0.05 * want, "and is read so from the archive",
           again, want)
    c.cancel(*jobs.values(), blocker)


def minutes(c, user):
    status, field, limit, detail = refusal(c, 3, qos="minutes", time_limit_sec=27 * 60)
    vdi.ok((status, field, limit) == (422, "max_gpu_minutes_job", "80 GPU minutes") and
           "3 GPUs" in detail and "81 minutes" in detail,
           "GPU minutes of one job are those of all its nodes", detail)
    status, field, limit, detail = refusal(c, 3, qos="strict", time_limit_sec=11 * 60)
    vdi.is_((status, field, limit), (422, "max_gpu_minutes_user", "30 GPU minutes"),
            "deny_on_limit refuses what could never run", detail)
    three = submit(c, 3, user, qos="minutes", time_limit_sec=26 * 60)
    c.wait_state(three, "RUNNING")
    vdi.is_(limit_of(c, "max_gpu_minutes of qos 'minutes'", user), 78,
            "one that runs keeps as many")
    second = submit(c, 3, user, qos="minutes", time_limit_sec=8 * 60)
    b = waits_for(c, second, "QOSGrpGRESMinutes")
    vdi.ok((b["need"], b["free"]) == (100, 78) and "this job may use 24" in b["text"],
           "the next waits, for what all its nodes may use", b)
    one = submit(c, 1, user, qos="minutes", time_limit_sec=22 * 60)
    c.wait_state(one, "RUNNING")
    vdi.is_((c.job(second)["state"], limit_of(c, "max_gpu_minutes of qos 'minutes'", user)),
            ("PENDING", 100), "one node of it goes before")
    r = c.request("POST", f"/v1/jobs/{three}/extend", {"seconds": 40}, user)
    vdi.is_((r.status, r.json.get("field"), r.json.get("limit")),
            (422, "max_gpu_minutes", "100 GPU minutes"), "more time is refused by that, too",
            r.text)
    c.cancel(one)
    vdi.is_(c.request("POST", f"/v1/jobs/{three}/extend", {"seconds": 40}, user).status, 200,
            "and given when there is some")
    c.cancel(three)
    c.wait_state(second, "RUNNING")
    vdi.ok(True, "and what was kept is given back")
    c.cancel(second)


def spent(c, user):
    """192 GPUs for some seconds are minutes."""
    name = "max_gpu_minutes of qos 'spent'"
    job = submit(c, 3, user, gpus=64, qos="spent", time_limit_sec=120)
    c.wait_state(job, "RUNNING")
    vdi.is_(limit_of(c, name, user), 384, "all that it may use is kept")
    time.sleep(2)
    c.cancel(job)
    want = sum(held_sec(c, job)) * 64 / 60
    got = limit_of(c, name, user)
    vdi.ok(abs(got - want) <= 1 and got >= 6, "then what all of its nodes used", got, want)
    c.restart()
    again = vdi.wait_for("the minutes to be read", lambda: limit_of(c, name, user))
    vdi.is_(again, got, "the same after a kill -9")
    out = c.run("vdiinfo", "--me")[1]
    vdi.ok(any(name in line and str(got) in line.replace(name, "").split()
               for line in out.splitlines()), "vdiinfo --me has them", out)


def gpus(c, user):
    status, field, limit, detail = refusal(c, 3, gpus=2, qos="strict", time_limit_sec=60)
    vdi.ok((status, field, limit) == (422, "max_gpus_user", "5") and "6 more" in detail,
           "a limit on GPUs is on those of all nodes, at submit", detail)
    name = "max_gpus_user of qos 'few'"
    three = submit(c, 3, user, qos="few")
    c.wait_state(three, "RUNNING")
    second = submit(c, 3, user, qos="few")
    b = waits_for(c, second, "QOSMaxGRESPerUser")
    vdi.is_((b["need"], b["free"]), (5, 3), "and at the start: three are had, of five", b)
    two = submit(c, 2, user, qos="few")
    c.wait_state(two, "RUNNING")
    vdi.is_((c.job(second)["state"], limit_of(c, name, user)), ("PENDING", 5),
            "what fits beside goes before it")
    c.restart()
    for job in (three, two):
        c.wait_state(job, "RUNNING")
    vdi.is_((waits_for(c, second, "QOSMaxGRESPerUser")["free"], limit_of(c, name, user)), (5, 5),
            "the same after a kill -9")
    c.cancel(three)
    c.wait_state(second, "RUNNING")
    vdi.is_(limit_of(c, name, user), 5, "it starts when all of its GPUs may be had")
    c.cancel(two, second)


c = vdi.Controller(nodes=1, lines=LINES, start=False)
os.mkdir(c.path("site"))
c.site = f'site "fake" {{ boot_ms = 0  state_dir = "{c.path("site")}" }}'
c.write_conf()
with c:
    c.start()
    owners = {n: vdi.bearer(c.issue_token(name)["token"])
              for n, name in ((1, "daemon"), (3, "bin"))}
    times = charged(c, owners)
    share(c, owners, times)
    minutes(c, owners[3])
    spent(c, owners[3])
    gpus(c, owners[3])
vdi.done()
