#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1200-dependencies.t - jobs that wait for jobs: met, never met, said, and kept by a kill -9."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402


def script(*words):
    return {"script": "#!/bin/sh\n#FAKE " + " ".join(words) + "\n", "kind": "batch",
            "template": "batch"}


def ends(c, how="exit=0", **more):
    job = c.submit(**script(how), **more)
    c.wait_state(job, "COMPLETED", "FAILED")
    return job


def runs(c, **more):
    job = c.submit(**script("runs"), **more)
    c.wait_state(job, "RUNNING")
    return job


def cancel(c, *jobs):
    for job in jobs:
        c.request("DELETE", f"/v1/jobs/{job}")
        c.wait_state(job, "CANCELLED")


def why(c, job, headers=None):
    return c.request("GET", f"/v1/jobs/{job}/why", headers=headers).json["blockers"]


def waits(c, text, headers=None, **more):
    """One that pends, and is seen to do so by its reason."""
    job = c.submit(headers, dependency=text, **script("exit=0"), **more)
    vdi.is_(c.job(job)["blocker"], "Dependency", f"{text}: it waits")
    return job


def reason(c, job, word):
    return vdi.wait_for(f"job {job} to say {word}",
                        lambda: c.job(job).get("blocker") == word)


def each_type(c):
    good, bad = ends(c), ends(c, "exit=3")
    for text in (f"afterok:{good}", f"afternotok:{bad}", f"afterany:{good}:{bad}",
                 f"after:{good}:{bad}", f"afterok:{good},afternotok:{bad}",
                 f"afterok:{bad}?afterok:{good}"):
        job = c.submit(dependency=text, **script("exit=0"))
        c.wait_state(job, "COMPLETED")
        vdi.is_(c.job(job)["dependency"], text, f"{text}: it ran, and its document has the words")
    for text in (f"afterok:{bad}", f"afternotok:{good}", f"afterok:{good}:{bad}",
                 f"afterok:{bad}?afternotok:{good}"):
        job = c.submit(dependency=text, **script("exit=0"))
        reason(c, job, "DependencyNeverSatisfied")
        b = why(c, job)
        vdi.ok("cancel it" in b[0]["text"], f"{text}: it pends for ever, and why", b)
        cancel(c, job)


def events(c):
    target = runs(c)
    any_, ok, notok, after, later = (waits(c, f"{t}:{target}{more}") for t, more in (
        ("afterany", ""), ("afterok", ""), ("afternotok", ""), ("after", "+9999"),
        ("after", "+99999")))
    started = c.submit(dependency=f"after:{target}", **script("exit=0"))
    c.wait_state(started, "COMPLETED")
    vdi.ok(True, "after: the start is enough")
    b = why(c, any_)[0]
    vdi.is_((b["reason"], b["job"]), ("Dependency", target), "--why names the job", b)
    b = why(c, after)[0]
    vdi.ok(b["until"], "and when it is met, if that is known", b)
    code, out, _ = c.run("vdiqueue", "-h", "-o", "%E|%r", str(any_))
    vdi.is_((code, out.strip()), (0, f"afterany:{target}|Dependency"), "vdiqueue %E and %r")
    cancel(c, target)
    c.wait_state(any_, "COMPLETED")
    c.wait_state(notok, "COMPLETED")
    reason(c, ok, "DependencyNeverSatisfied")
    vdi.is_(c.job(later)["blocker"], "Dependency", "minutes that have not passed hold it")
    cancel(c, ok, after, later)
    pending = c.submit(hold=True, **script("exit=0"))
    never = waits(c, f"after:{pending}")
    cancel(c, pending)
    c.wait_state(never, "COMPLETED")
    vdi.ok(True, "after: so is an end without a start")


def kills(c):
    bad = ends(c, "exit=1")
    job = c.submit(dependency=f"afterok:{bad}", kill_on_invalid_dep=True, **script("exit=0"))
    j = c.wait_state(job, "CANCELLED")
    vdi.ok("can't be met" in j["reason"], "kill_on_invalid_dep: it is cancelled, and why", j)
    chain = [c.submit(hold=True, **script("exit=0"))]
    for _ in range(20):
        chain.append(c.submit(dependency=f"afterok:{chain[-1]}", kill_on_invalid_dep=True,
                              **script("exit=0")))
    c.request("DELETE", f"/v1/jobs/{chain[0]}")
    for job in chain:
        c.wait_state(job, "CANCELLED")
    vdi.ok(True, "along a chain of 20")


def singles(c, user):
    first = runs(c, name="desk")
    second, third = (waits(c, "singleton", name="desk") for _ in range(2))
    other = c.submit(user, dependency="singleton", name="desk", **script("exit=0"))
    c.wait_state(other, "COMPLETED")
    vdi.ok(True, "singleton: another's job of that name is no matter")
    b = why(c, second)[0]
    vdi.is_((b["reason"], b["job"]), ("Dependency", first), "it says which comes first", b)
    b = why(c, third)[0]
    vdi.ok(b["job"] in (first, second), "so does the third", b)
    r = c.request("PATCH", f"/v1/jobs/{third}", {"name": "own"})
    c.wait_state(third, "COMPLETED")
    vdi.is_(r.status, 200, "with another name it waits no more", r.text)
    cancel(c, first)
    c.wait_state(second, "COMPLETED")
    vdi.ok(True, "when the first is gone the second runs")
    row = [c.submit(hold=True, name="row", **script("exit=0"))]
    row += [waits(c, "singleton", name="row") for _ in range(3)]
    c.request("POST", f"/v1/jobs/{row[0]}/release")
    ended = [c.wait_state(job, "COMPLETED") for job in row]
    vdi.ok(all(a["end_time"] <= b["start_time"] for a, b in zip(ended, ended[1:])),
           "a row of them runs one by one", ended)


def refusals(c, user):
    mine, theirs = ends(c), c.submit(user, hold=True, **script("exit=0"))
    long = "afterok" + ":1" * 257
    for text, word in ((long, "256 conditions"), ("afterok:999999", "no job 999999"), ("afterok", "names no job"),
                       (f"afterok:{mine},after:{mine}?singleton", "do not go together"),
                       ("aftercorr:1", "afterok"), (f"afterok:{mine}+5", "MINUTES")):
        r = c.request("POST", "/v1/jobs", dict(script("exit=0"), dependency=text))
        vdi.ok(r.status in (400, 422) and r.json["field"] == "dependency" and word in r.text,
               f"{text[:60]}: refused", r.status, r.text)
    said = [c.request("POST", "/v1/jobs", dict(script("exit=0"), dependency=f"afterok:{job}"), user)
            for job in (mine, 999999)]
    vdi.is_((said[0].status, said[0].text.replace(str(mine), "999999")),
            (said[1].status, said[1].text), "another's job is answered as none")
    r = c.request("POST", "/v1/jobs", dict(script("exit=0"), dependency=f"afterok:{theirs}"))
    vdi.is_(r.status, 201, "an operator may wait for anybody's", r.text)
    r = c.request("POST", "/v1/jobs", dict(script("exit=0"), kill_on_invalid_dep=True))
    vdi.is_((r.status, r.json["field"]), (400, "kill_on_invalid_dep"),
            "kill_on_invalid_dep without a dependency", r.text)
    r = c.request("PATCH", f"/v1/jobs/{theirs}", {"dependency": "singleton"})
    vdi.is_(r.status, 400, "it is not changed afterwards", r.text)
    cancel(c, r.json.get("id", theirs))
    r = c.request("POST", "/v1/jobs?test_only=true",
                  dict(script("exit=0"), dependency=f"afterok:{mine}"))
    vdi.ok(r.status == 200 and "dependency is met" in " ".join(r.json["notes"]),
           "a test says that it is left out", r.text)


def commands(c):
    path = c.path("job.sh")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n#FAKE exit=0\n")
    first = c.run("vdisubmit", "--parsable", "--hold", path)[1].strip()
    code, second, err = c.run("vdisubmit", "--parsable", "-d", f"afterok:{first}",
                              "--kill-on-invalid-dep=yes", path)
    j = c.job(second.strip())
    vdi.is_((code, j["dependency"], j["kill_on_invalid_dep"]), (0, f"afterok:{first}", True),
            "vdisubmit -d and --kill-on-invalid-dep", err)
    c.run("vdicancel", first)
    c.wait_state(second.strip(), "CANCELLED")
    vdi.ok(True, "and they mean it")


def killed():
    """Neither who waits nor what came of it is lost; nobody starts early afterwards."""
    with vdi.Controller(nodes=1, lines=['keep_done = "0s"']) as c:
        good, bad = ends(c), ends(c, "exit=1")
        vdi.wait_for("both to leave memory",  # what only memory knows is asked for
                     lambda: all(c.request("GET", f"/v1/jobs/{j}/why").status == 404
                                 for j in (good, bad)))
        held = c.submit(hold=True, **script("exit=0"))
        ok = c.submit(dependency=f"afterok:{good}", hold=True, **script("exit=0"))
        never = c.submit(dependency=f"afterok:{bad}", **script("exit=0"))
        kill = c.submit(dependency=f"afterok:{held}", kill_on_invalid_dep=True, **script("exit=0"))
        both = c.submit(dependency=f"afterok:{good},afterok:{held}", **script("exit=0"))
        single = [c.submit(dependency="singleton", name="s", **script("exit=0", "after_ms=50"))
                  for _ in range(3)]
        c.restart(signal.SIGTERM)  # the snapshot has no ended job, nor has the log from there on
        c.restart()
        reason(c, never, "DependencyNeverSatisfied")
        vdi.is_([c.job(j)["state"] for j in (kill, both)], ["PENDING"] * 2,
                "after a kill -9 they wait as before")
        c.request("POST", f"/v1/jobs/{ok}/release")
        c.wait_state(ok, "COMPLETED")
        vdi.ok(True, "what was met is met, of jobs that only the store knows")
        for job in single:
            c.wait_state(job, "COMPLETED")
        vdi.ok(True, "singletons go on one by one")
        c.request("POST", f"/v1/jobs/{held}/release")
        c.wait_state(held, "COMPLETED")
        c.restart()
        c.wait_state(both, "COMPLETED")
        c.wait_state(kill, "COMPLETED")
        vdi.ok(True, "and so is what was met while nobody looked")


def in_line(c):
    """Who waits for a job stands in nobody's way and is in no line."""
    first = c.submit(hold=True, **script("exit=0"))
    big = waits(c, f"afterok:{first}", cpus=4)
    small = c.submit(cpus=4, **script("exit=0"))
    c.wait_state(small, "COMPLETED")
    j = c.job(big)
    vdi.is_((j["place"], j["estimated_start_time"]), (0, None), "no place and no estimate", j)
    cancel(c, first, big)


with vdi.Controller(nodes=2) as c:
    user = vdi.bearer(c.issue_token("daemon")["token"])
    each_type(c)
    events(c)
    kills(c)
    singles(c, user)
    in_line(c)
    refusals(c, user)
    commands(c)
killed()
vdi.done()
