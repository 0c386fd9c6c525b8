#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1210-arrays.t - job arrays: all tasks or none, their names, their limit, kept by a kill -9."""
import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402


def script(*words):
    return {"script": "#!/bin/sh\n#FAKE " + " ".join(words) + "\n", "kind": "batch",
            "template": "batch"}


def submit(c, array, *words, headers=None, **more):
    return c.submit(headers, array=array, **dict(script(*words), **more))


def tasks(c, array, **query):
    more = "".join(f"&{k}={v}" for k, v in query.items())
    return c.request("GET", f"/v1/jobs?array={array}&state=all{more}").json["jobs"]


def states(c, array):
    return {j.get("array_task", 0): j["state"] for j in tasks(c, array)}


def wait_all(c, array, *want):
    return vdi.wait_for(f"all tasks of {array} to be {want}",
                        lambda: (lambda s: s if set(s.values()) <= set(want) else None)(
                            states(c, array)))


def cancel(c, job):
    return c.request("DELETE", f"/v1/jobs/{job}")


def names(c):
    a = submit(c, "8,1-5:2", "exit=0", hold=True, output="/tmp/%A_%a")
    docs = tasks(c, a)
    vdi.is_([(j["id"], j["array_id"], j.get("array_task", 0)) for j in docs],
            [(a + i, a, t) for i, t in enumerate((1, 3, 5, 8))],
            "each task is a job; ids follow each other in the order of the tasks", docs)
    vdi.is_({j["array"] for j in (c.job(j["id"]) for j in docs)}, {"1-5:2,8"},
            "the indexes are written in the shortest way")
    vdi.is_([c.job(f"{a}_{t}").get("id") for t in (1, 3, 5, 8, 2)], [a, a + 1, a + 2, a + 3, None],
            "ID_TASK names a task")
    vdi.is_([c.request("GET", f"/v1/jobs/{n}").status for n in (f"{a}_", f"{a}_x", f"{a}_-1",
                                                               f"_{a}", "999999_1")],
            [404] * 5, "and nothing else does")
    vdi.is_([j["id"] for j in c.request("GET", f"/v1/jobs?id={a}").json["jobs"]], [a],
            "id= is one job, array= all of its tasks")
    code, out, err = c.run("vdiqueue", "-h", "-o", "%i|%A|%F|%K|%t")
    vdi.is_((code, out), (0, f"{a}_[1-5:2,8]|{a}|{a}|1-5:2,8|PD\n"), "vdiqueue: one line", err)
    code, out, err = c.run("vdiqueue", "-r", "-h", "-o", "%i|%A|%F|%K")
    vdi.is_((code, out), (0, "".join(f"{a}_{t}|{a + i}|{a}|{t}\n" for i, t in
                                     enumerate((1, 3, 5, 8)))), "-r: one for each", err)
    for words, want in (([f"{a}_[3,8]"], f"{a}_[3,8]\n"), ([f"{a}_5"], f"{a}_5\n"),
                        ([str(a)], f"{a}_[1-5:2,8]\n"), (["-j", f"{a}_2"], "")):
        code, out, err = c.run("vdiqueue", "-h", "-o", "%i", *words)
        vdi.is_((code, out), (0, want), f"vdiqueue {' '.join(words)}", err)
    code, out, _ = c.run("vdiqueue", "--json", str(a))
    vdi.is_(len(json.loads(out)["jobs"]), 4, "--json has them all")
    vdi.is_(c.request("PATCH", f"/v1/jobs/{a}_3", {"comment": "third"}).status, 200, "one changes")
    vdi.is_([j["comment"] for j in tasks(c, a, fields="comment")], ["", "third", "", ""], "alone")
    vdi.is_(c.request("PATCH", f"/v1/jobs/{a}", {"comment": "all"}).status, 200, "all change")
    vdi.is_({j["comment"] for j in tasks(c, a, fields="comment")}, {"all"}, "at once")
    r = c.request("POST", f"/v1/jobs/{a}/suspend")
    vdi.ok(r.status == 400 and f"{a}_1" in r.text, "what is of one job names a task", r.text)
    c.run("vdicancel", f"{a}_[3-5]")
    vdi.is_([states(c, a)[t] for t in (1, 3, 5, 8)],
            ["PENDING", "CANCELLED", "CANCELLED", "PENDING"], "vdicancel ID_[3-5]")
    vdi.is_(cancel(c, a).status, 200, "cancelling the array ends the others")
    vdi.is_(set(states(c, a).values()), {"CANCELLED"}, "all of them")
    vdi.is_(cancel(c, a).status, 409, "and once")


def refusals(c, user):
    before = c.submit(hold=True, **script("exit=0"))
    for array, status, word in (("0-1001", 422, "1000 (max_array_size)"), ("5-1", 400, "range"),
                                ("1%0", 400, "at once"), ("x", 400, "index"),
                                (",".join(str(i) for i in range(0, 1001, 3)) + ",1000,1", 201, "")):
        r = c.request("POST", "/v1/jobs", dict(script("exit=0"), array=array, hold=True))
        vdi.ok(r.status == status and word in r.text, f"{array[:30]}: {status}", r.status, r.text)
        if status == 201:
            cancel(c, r.json["id"])
    r = c.request("POST", "/v1/jobs", {"template": "desk", "array": "1-3"})
    vdi.ok(r.status == 400 and "desktop" in r.text, "desktops make no arrays", r.text)
    r = c.request("POST", "/v1/jobs", dict(script("exit=0"), array="0-99"), user)
    vdi.ok(r.status == 422 and r.json["field"] == "max_jobs_user", "each task is a job of its owner",
           r.text)
    vdi.is_(len(c.request("GET", "/v1/jobs", headers=user).json["jobs"]), 0, "no part of it is there")
    r = c.request("POST", "/v1/jobs", dict(script("exit=0"), output="/tmp/%a"))
    vdi.ok(r.status == 400 and "--array" in r.text, "%a is of arrays alone", r.text)
    a = submit(c, "0-3", "exit=0", hold=True)
    said = [c.request("GET", f"/v1/jobs/{n}", headers=user) for n in (f"{a}_1", "999999_1")]
    vdi.is_((said[0].status, said[0].text.replace(str(a), "999999")),
            (said[1].status, said[1].text), "another's task is answered as none")
    vdi.is_(c.request("DELETE", f"/v1/jobs/{a}", headers=user).status, 404, "so is their array")
    cancel(c, a)
    cancel(c, before)


def limit(c):
    a = submit(c, "0-9%3", "runs")
    vdi.wait_for("three to run", lambda: list(states(c, a).values()).count("RUNNING") == 3)
    s = states(c, a)
    vdi.is_([t for t in s if s[t] == "RUNNING"], [0, 1, 2], "%3: the first three run", s)
    j = c.job(f"{a}_3")
    vdi.is_((j["state"], j["blocker"], j["place"]), ("PENDING", "JobArrayTaskLimit", 0),
            "the fourth pends for that reason", j)
    b = c.request("GET", f"/v1/jobs/{a}_5/why").json["blockers"][0]
    vdi.is_((b["need"], b["free"], b["count"]), (3, 3, 2), "--why has the numbers", b)
    code, out, _ = c.run("vdiqueue", "-h", "-o", "%i %r", str(a))
    vdi.is_(out.splitlines()[-1], f"{a}_[3-9%3] JobArrayTaskLimit", "vdiqueue shows the limit", out)
    c.request("POST", f"/v1/jobs/{a}_3/hold")
    cancel(c, f"{a}_1")
    c.wait_state(f"{a}_4", "RUNNING")
    vdi.is_(c.job(f"{a}_3")["state"], "PENDING", "who is held takes no place of another's")
    c.request("POST", f"/v1/jobs/{a}_3/release")
    c.wait_state(c.submit(**script("exit=0")), "COMPLETED")  # the plan has been made anew
    s = states(c, a)
    vdi.is_([t for t in s if s[t] == "RUNNING"], [0, 2, 4], "and none when it is released", s)
    c.request("POST", f"/v1/jobs/{a}_3/hold")
    c.restart()
    vdi.wait_for("as many to run", lambda: list(states(c, a).values()).count("RUNNING") == 3)
    c.request("POST", f"/v1/jobs/{a}_3/release")
    cancel(c, f"{a}_0")
    c.wait_state(f"{a}_3", "RUNNING")
    vdi.is_(list(states(c, a).values()).count("RUNNING"), 3, "after a kill -9 the limit holds")
    cancel(c, a)
    wait_all(c, a, "CANCELLED")
    most = 0
    a = submit(c, "0-29%2", "exit=0", "after_ms=20")
    while set(states(c, a).values()) != {"COMPLETED"}:
        s = list(states(c, a).values())
        most = max(most, len(s) - s.count("PENDING") - s.count("COMPLETED"))
    vdi.ok(0 < most <= 2, "never more than two of thirty at once", most)


def waits(c):
    a = submit(c, "0-4", "exit=0")
    wait_all(c, a, "COMPLETED")
    for text, state in ((f"afterok:{a}", "COMPLETED"), (f"afterok:{a}_3", "COMPLETED"),
                        (f"after:{a}_0", "COMPLETED")):
        c.wait_state(c.submit(dependency=text, **script("exit=0")), state)
        vdi.ok(True, f"{text} is met")
    a = submit(c, "0-4", "exit=0", hold=True)
    all_, one, first, any_ = (c.submit(dependency=t, **script("exit=0")) for t in (
        f"afterok:{a}", f"afterok:{a}_2", f"afterok:{a}_0", f"afterany:{a}"))
    own = submit(c, "0-2", "exit=0", dependency=f"afterok:{a}")
    c.request("POST", f"/v1/jobs/{a}_2/release")
    c.wait_state(one, "COMPLETED")
    vdi.is_([c.job(j)["blocker"] for j in (all_, first, any_, own)], ["Dependency"] * 4,
            "a task is one, the array is all of them")
    b = c.request("GET", f"/v1/jobs/{first}/why").json["blockers"][0]
    vdi.ok(f"job {a}_0 " in b["text"], "--why names the task", b)
    c.request("POST", f"/v1/jobs/{a}/release")
    for job in (all_, first, any_):
        c.wait_state(job, "COMPLETED")
    wait_all(c, own, "COMPLETED")
    vdi.ok(True, "all are: so do those that wait for all, and an array that does")
    a = submit(c, "0-4", "exit=0", hold=True)
    ok, notok = (c.submit(dependency=f"{t}:{a}", **script("exit=0")) for t in ("afterok",
                                                                             "afternotok"))
    cancel(c, f"{a}_4")
    vdi.wait_for("the one to say never",
                 lambda: c.job(ok)["blocker"] == "DependencyNeverSatisfied")
    vdi.is_(c.job(notok)["blocker"], "Dependency", "one that failed is enough for never, not for met")
    c.request("POST", f"/v1/jobs/{a}/release")
    c.wait_state(notok, "COMPLETED")
    cancel(c, ok)
    for text in (f"afterok:{a}_5", f"afterok:{a}_"):
        r = c.request("POST", "/v1/jobs", dict(script("exit=0"), dependency=text))
        vdi.ok(r.status in (400, 422), f"{text}: there is none", r.text)


def commands(c):
    path = c.path("job.sh")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n#FAKE exit=0\n#VDI --array=0-2\n")
    code, out, err = c.run("vdisubmit", "--parsable", "--wait", path)
    a = int(out)
    vdi.is_((code, set(states(c, a).values())), (0, {"COMPLETED"}), "--wait waits for all", err)
    code, out, err = c.run("vdiacct", "-n", "-P", "-o", "jobid,jobidraw,state", "-j", str(a))
    vdi.is_(sorted(out.split()), [f"{a}_{i}|{a + i}|COMPLETED" for i in range(3)], "vdiacct -j", err)
    code, out, err = c.run("vdiacct", "-n", "-P", "-o", "jobid", "-j", f"{a}_1")
    vdi.is_(out.split(), [f"{a}_1"], "of one task", err)
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n#FAKE exit=3\n")
    code, _, err = c.run("vdisubmit", "-Q", "--wait", "-a", "1,5", path)
    vdi.is_(code, 3, "--wait: the highest code", err)
    a = submit(c, "0-2", "runs", begin_time="2999-01-01T00:00:00Z")
    for verb, word, want in (("hold", f"{a}", [True] * 3), ("release", f"{a}_[1-2]",
                                                          [True, False, False])):
        code, _, err = c.run("vdictl", verb, word)
        held = [j["held_by_user"] for j in tasks(c, a, fields="held_by_user")]
        vdi.is_((code, held), (0, want), f"vdictl {verb} {word.replace(str(a), 'ID')}", err)
    cancel(c, a)
    code, out, err = c.run("vdisubmit", "--test-only", "-a", "0-9", path)
    vdi.ok(code == 0 and "would start" in out, "--test-only: when the first would start", out, err)


def scripts(c):
    """Every task has the one script, and knows which it is."""
    a = c.submit(script="#!/bin/sh\n#FAKE exit=0\necho \"$VDI_ARRAY_JOB_ID $VDI_ARRAY_TASK_ID "
                 "$VDI_JOB_ID $VDI_ARRAY_TASK_COUNT $VDI_ARRAY_TASK_MIN $VDI_ARRAY_TASK_MAX "
                 "$VDI_ARRAY_TASK_STEP\"\n", kind="batch", template="batch", array="4-10:3%2")
    wait_all(c, a, "COMPLETED")
    vdi.is_([c.request("GET", f"/v1/jobs/{a}_{t}/output").text for t in (4, 7, 10)],
            [f"{a} {t} {a + i} 3 4 10 3\n" for i, t in enumerate((4, 7, 10))],
            "VDI_ARRAY_* of each task")


def once(c):
    """A retry gives the same array; two at once do, too."""
    body, key = dict(script("exit=0"), array="0-49", hold=True), {"Idempotency-Key": "once"}
    got = []
    threads = [threading.Thread(target=lambda: got.append(
        c.request("POST", "/v1/jobs", body, key))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    vdi.is_(len({r.json["id"] for r in got}), 1, "one key, one array")
    c.restart()
    r = c.request("POST", "/v1/jobs", body, key)
    vdi.is_((r.status, r.json["id"]), (200, got[0].json["id"]), "also after a kill -9", r.text)
    a = r.json["id"]
    vdi.is_(len(tasks(c, a)), 50, "with all its tasks")
    cancel(c, f"{a}_0")
    c.restart(signal.SIGTERM)
    r = c.request("POST", "/v1/jobs", body, key)
    vdi.is_((r.status, r.json["id"]), (200, a), "and when its first task has ended", r.text)
    cancel(c, a)


def killed(c):
    """Killed while arrays are submitted: each is there as a whole, or not at all."""
    acked, stop = [], threading.Event()

    def run():
        while not stop.is_set():
            try:
                r = c.request("POST", "/v1/jobs", dict(script("exit=0"), array="0-199", hold=True))
                acked.append(r.json["id"])
            except (OSError, ValueError, vdi.http.client.HTTPException):
                return

    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    vdi.wait_for("a few arrays", lambda: len(acked) > 8)
    c.end(signal.SIGKILL)
    stop.set()
    for t in threads:
        t.join()
    c.start()
    arrays = {}
    for j in c.request("GET", "/v1/jobs?limit=100000&fields=id,array_id").json["jobs"]:
        arrays.setdefault(j["array_id"], []).append(j["id"])
    vdi.ok(all(a in arrays for a in acked), "every array that was acknowledged is there",
           sorted(set(acked) - set(arrays)))
    vdi.is_({a: n for a, n in ((a, len(ids)) for a, ids in arrays.items()) if n != 200}, {},
            "no array is half there")
    vdi.ok(all(ids == list(range(a, a + 200)) for a, ids in arrays.items()), "ids are theirs")
    for a in arrays:
        cancel(c, a)


def forgotten():
    """Of an array whose tasks have left memory, and of one whose first has."""
    with vdi.Controller(nodes=1, lines=['keep_done = "0s"']) as c:
        a = submit(c, "0-2,7", "exit=0")
        gone = lambda job: vdi.wait_for("it to leave memory", lambda: c.request(
            "GET", f"/v1/jobs/{job}/why").status == 404)
        for t in (0, 1, 2, 7):
            gone(f"{a}_{t}")
        vdi.is_([c.job(f"{a}_{t}").get("id") for t in (0, 2, 7, 6)], [a, a + 2, a + 3, None],
                "its tasks have their names")
        code, out, err = c.run("vdiacct", "-n", "-P", "-o", "jobid", "-j", str(a))
        vdi.is_(sorted(out.split()), [f"{a}_{t}" for t in (0, 1, 2, 7)], "vdiacct finds them", err)
        job = c.submit(dependency=f"afterok:{a},afterok:{a}_7", **script("exit=0"))
        c.wait_state(job, "COMPLETED")
        vdi.ok(True, "who waits for them need not")
        b = submit(c, "0-3%1", "exit=0", hold=True)
        c.request("POST", f"/v1/jobs/{b}_0/release")
        gone(f"{b}_0")
        c.restart(signal.SIGTERM)
        job = c.submit(dependency=f"afterok:{b}", **script("exit=0"))
        c.request("POST", f"/v1/jobs/{b}/release")
        c.wait_state(job, "COMPLETED")
        vdi.ok(True, "an array without its first task runs on, with the script of that task")


with vdi.Controller(nodes=2, lines=["max_jobs_user = 50"]) as c:
    user = vdi.bearer(c.issue_token("daemon")["token"])
    names(c)
    refusals(c, user)
    limit(c)
    waits(c)
    commands(c)
    scripts(c)
    once(c)
    killed(c)
forgotten()
vdi.done()
