#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1102-life.t - what can become of a job, on a site that does as its script says."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

BATCH = {"template": "batch", "kind": "batch"}


def script(words):
    return "#!/bin/sh\n#FAKE " + words + "\n"


def batch(c, words, **spec):
    return c.submit(script=script(words), **dict(BATCH, **spec))


def act(c, job, what, status=200, body=None, verb="POST"):
    r = c.request(verb, f"/v1/jobs/{job}" + (f"/{what}" if what else ""), body)
    return vdi.is_(r.status, status, f"{verb} {what or body or ''} of a job: {status}", r.text)


def types(c, job):
    return [e["type"] for e in c.request("GET", f"/v1/jobs/{job}/events").json["events"]]


def ends(c):
    for words, state, code, signo in (("exit=0", "COMPLETED", 0, 0), ("exit=3", "FAILED", 3, 0),
                                      ("exit=0 after_ms=50", "COMPLETED", 0, 0),
                                      ("signal=9 after_ms=50", "FAILED", 0, 9)):
        j = c.wait_state(batch(c, words), "COMPLETED", "FAILED")
        vdi.is_((j["state"], j["exit_code"], j["exit_signal"]), (state, code, signo),
                f"a script that ends with {words}")
    job = c.submit(time_limit_sec=1, template="shut")
    j = c.wait_state(job, "TIMEOUT")
    vdi.ok("limit" in j["reason"], "a desktop at its time limit: TIMEOUT", j)
    vdi.is_(types(c, job), ["submit", "alloc", "start", "finish", "end"], "by these events")
    j = c.wait_state(batch(c, "noboot", requeue=False, template="slow"), "BOOT_FAIL")
    vdi.ok(j["reason"], "a guest that never gets ready: BOOT_FAIL", j)
    j = c.wait_state(batch(c, "crash", requeue=False), "NODE_FAIL", "BOOT_FAIL")
    vdi.is_(j["restarts"], 0, "a guest that dies under a script that may not come back")
    job = batch(c, "crash")
    j = vdi.wait_for("it to be held", lambda: (lambda j: j if j["held_by_admin"] and
                                               j["state"] == "PENDING" else None)(c.job(job)))
    vdi.is_(j["reason"], "held after 2 restarts (max_requeue): the fake VM crashed",
            "one that may comes back max_requeue times, and is then held", j)
    vdi.is_(types(c, job).count("alloc"), 3, "it had three runs")
    why = c.request("GET", f"/v1/jobs/{job}/why").json
    vdi.is_(why["blockers"][0]["reason"], "JobHeldAdmin", "why: held by an administrator", why)
    act(c, job, "release")
    j = vdi.wait_for("it to be held again", lambda: (lambda j: j if j["held_by_admin"] and
                                                     j["restarts"] == 4 else None)(c.job(job)))
    vdi.is_(j["state"], "PENDING", "an operator's release gives it one more run", j)
    act(c, job, "", verb="DELETE")


def cancels(c):
    held = c.submit(hold=True)
    act(c, held, "", verb="DELETE")
    vdi.is_(c.job(held)["state"], "CANCELLED", "cancelled while PENDING")
    act(c, held, "", 409, verb="DELETE")
    job = c.submit()
    c.wait_state(job, "RUNNING")
    act(c, job, "", verb="DELETE")
    c.wait_state(job, "CANCELLED")
    vdi.ok(True, "cancelled while RUNNING")
    job = c.submit()
    c.wait_state(job, "RUNNING")
    act(c, job, "suspend")
    act(c, job, "", verb="DELETE")
    c.wait_state(job, "CANCELLED")
    vdi.ok(True, "cancelled while SUSPENDED")
    job = batch(c, "noboot")
    c.wait_state(job, "CONFIGURING")
    act(c, job, "", verb="DELETE")
    c.wait_state(job, "CANCELLED")
    vdi.ok("start" not in types(c, job), "cancelled while CONFIGURING")
    job = c.submit()
    c.wait_state(job, "RUNNING")
    act(c, job, "requeue", 409)
    act(c, job, "", verb="DELETE")
    job = batch(c, "after_ms=3600000")
    c.wait_state(job, "RUNNING")
    r = c.request("DELETE", f"/v1/jobs/{job}?signal=15")
    vdi.is_(r.status, 200, "a signal is sent", r.text)
    j = c.wait_state(job, "FAILED", "COMPLETED", "CANCELLED")
    vdi.is_((j["state"], j["exit_signal"]), ("FAILED", 15), "and ends the script")
    racing = [c.submit() for _ in range(20)]
    for job in racing:
        c.request("DELETE", f"/v1/jobs/{job}")  # wherever it is on its way
    for job in racing:
        c.wait_state(job, "CANCELLED")
    vdi.ok(True, "20 cancelled wherever they were")
    live = [i for i in c.request("GET", "/v1/instances").json["instances"]
            if i["job"] in racing and i["state"] != "GONE"]
    vdi.is_(live, [], "and nothing of them is left")


def holds(c):
    job = c.submit(hold=True)
    vdi.is_(c.job(job)["state"], "PENDING", "submitted held")
    why = c.request("GET", f"/v1/jobs/{job}/why").json
    vdi.is_(why["blockers"][0]["reason"], "JobHeldUser", "why: held by its user")
    act(c, job, "release")
    c.wait_state(job, "RUNNING")
    act(c, job, "hold", 409)
    act(c, job, "release", 409)
    act(c, job, "", verb="DELETE")
    user = vdi.bearer(c.issue_token("daemon")["token"])
    job = c.submit(user, begin_time="2999-01-01T00:00:00Z")
    act(c, job, "hold")  # by root
    r = c.request("POST", f"/v1/jobs/{job}/release", headers=user)
    vdi.is_(r.status, 403, "what an operator holds its owner does not release", r.text)
    act(c, job, "release")
    act(c, job, "", verb="DELETE")


def suspends(c):
    job = batch(c, "exit=0 after_ms=4000")
    c.wait_state(job, "RUNNING")
    act(c, job, "resume", 409)
    act(c, job, "suspend")
    vdi.is_(c.job(job)["state"], "SUSPENDED", "suspended")
    act(c, job, "suspend", 409)
    act(c, job, "resume")
    j = c.wait_state(job, "COMPLETED")
    vdi.is_(types(c, job), ["submit", "alloc", "start", "suspend", "wake", "restore", "resume", "finish", "end"],
            "resumed, and ended by itself", j)
    job = c.submit(time_limit_sec=30, template="shut")
    c.wait_state(job, "RUNNING")
    act(c, job, "extend", body={"seconds": 3600})
    vdi.is_(c.job(job)["time_limit_sec"], 3630, "extended")
    act(c, job, "extend", 422, {"seconds": 0})
    act(c, job, "extend", 400, {})
    act(c, job, "", body={"comment": "words"}, verb="PATCH")
    act(c, job, "", 409, {"cpus": 2}, "PATCH")
    act(c, job, "", 409, {"begin_time": "2999-01-01T00:00:00Z"}, "PATCH")
    act(c, job, "", 400, {"owner": "unix:root"}, "PATCH")
    act(c, job, "", 400, {"template": "batch"}, "PATCH")
    act(c, job, "", 400, {"id": 1}, "PATCH")
    act(c, job, "", body={"time_limit_sec": 1}, verb="PATCH")
    c.wait_state(job, "TIMEOUT")
    vdi.ok(True, "a limit that was shortened holds")
    job = c.submit(hold=True)
    act(c, job, "", body={"cpus": 2, "name": "new", "nice": 5}, verb="PATCH")
    j = c.job(job)
    vdi.is_((j["cpus"], j["name"], j["priority"]), (2, "new", -5), "a pending job takes them")
    act(c, job, "", verb="DELETE")
    job = c.submit(hold=True, time_limit_sec=600)
    for _ in range(12):
        r = c.request("POST", f"/v1/jobs/{job}/extend", {"seconds": 366 * 24 * 3600})
    vdi.is_(r.status, 422, "nothing is extended for ever", r.text)
    act(c, job, "", verb="DELETE")


def requeues(c):
    job = batch(c, "after_ms=3600000")
    first = c.wait_state(job, "RUNNING")
    act(c, job, "requeue")
    j = vdi.wait_for("its second run", lambda: (lambda j: j if j["state"] == "RUNNING" and
                                                j["restarts"] == 1 else None)(c.job(job)))
    vdi.ok(j["instance"] > first["instance"], "requeued: the same job, another instance", j)
    act(c, job, "requeue")
    act(c, job, "", verb="DELETE")
    c.wait_state(job, "CANCELLED")
    vdi.ok(True, "a requeue on its way is turned into an end by cancel")
    job = batch(c, "after_ms=3600000", requeue=False)
    c.wait_state(job, "RUNNING")
    act(c, job, "requeue", 409)
    act(c, job, "", verb="DELETE")


def dates(c):
    r = c.request("GET", "/v1/ping").json["time"]
    later = r[:4] + "-12-31T23:59:59Z" if r[5:7] != "12" else "2999-01-01T00:00:00Z"
    job = c.submit(begin_time=later)
    why = c.request("GET", f"/v1/jobs/{job}/why").json
    vdi.ok(any(b["reason"] == "BeginTime" for b in why["blockers"]), "begins later", why)
    act(c, job, "", body={"begin_time": None}, verb="PATCH")
    c.wait_state(job, "RUNNING")
    act(c, job, "", verb="DELETE")
    soon = vdi.time.strftime("%Y-%m-%dT%H:%M:%SZ", vdi.time.gmtime(vdi.time.time() + 3))
    job = c.submit(hold=True, deadline_time=soon)
    c.wait_state(job, "DEADLINE")
    vdi.ok(True, "what did not start by its deadline is given up")
    at = lambda sec: vdi.time.strftime("%Y-%m-%dT%H:%M:%SZ", vdi.time.gmtime(vdi.time.time() + sec))
    j = c.wait_state(c.submit(hold=True, deadline_time=at(3603), time_limit_sec=3600), "DEADLINE")
    vdi.ok("can't end by its deadline" in j["reason"] and j["end_time"] < at(60),
           "what can't end by it any more is given up then", j)
    r = c.request("POST", "/v1/jobs", {"template": "desk", "deadline_time": at(3600),
                                       "time_limit_sec": 7200})
    vdi.ok(r.status == 422 and r.json["field"] == "deadline_time" and "s at most" in r.text,
           "what never could is refused", r.text)
    job = c.submit(deadline_time=at(3700), time_limit_sec=3600)
    c.wait_state(job, "RUNNING")
    act(c, job, "", body={"comment": "late"}, verb="PATCH")
    vdi.is_(c.job(job)["comment"], "late", "of what runs it is no matter any more")
    act(c, job, "", verb="DELETE")


def drains(c):
    job = c.submit(nodelist="n1")
    c.wait_state(job, "RUNNING")
    r = c.request("PATCH", "/v1/nodes/n1", {"state": "drain"})
    vdi.is_((r.status, r.json.get("field")), (400, "reason"), "a drain needs a reason", r.text)
    r = c.request("PATCH", "/v1/nodes/n1", {"state": "drain", "reason": "fan"})
    vdi.is_((r.status, r.json.get("state")), (200, "DRAINING"), "drained", r.text)
    vdi.is_(c.job(job)["state"], "RUNNING", "what runs there, runs on")
    waits = c.submit(nodelist="n1")
    elsewhere = c.submit()
    vdi.is_(c.wait_state(elsewhere, "RUNNING")["node"], "n2", "what is new goes elsewhere")
    why = c.request("GET", f"/v1/jobs/{waits}/why").json
    vdi.ok(c.job(waits)["state"] == "PENDING" and why["blockers"], "or waits", why)
    act(c, job, "", verb="DELETE")
    vdi.wait_for("the node to be empty",
                 lambda: c.request("GET", "/v1/nodes/n1").json["state"] == "DRAINED")
    r = c.request("PATCH", "/v1/nodes/n1", {"state": "resume"})
    vdi.is_(r.status, 200, "resumed", r.text)
    c.wait_state(waits, "RUNNING")
    vdi.ok(True, "and what waited starts")
    for job in (waits, elsewhere):
        act(c, job, "", verb="DELETE")
        c.wait_state(job, "CANCELLED")


def keys(c):
    ids, failures = [], []
    body = {"template": "desk", "hold": True}
    lock = threading.Lock()

    def client():
        connection = c.connect()
        for _ in range(50):
            try:
                r = vdi.exchange(connection, "POST", "/v1/jobs", body, {"Idempotency-Key": "once"})
            except OSError as e:
                failures.append(repr(e))
                return
            with lock:
                ids.append((r.status, r.json["id"]))

    threads = [threading.Thread(target=client) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vdi.is_((len(ids), len({i for _, i in ids}), failures), (1000, 1, []),
            "a key used 1,000 times at once makes one job")
    vdi.is_([s for s, _ in ids].count(201), 1, "and one answer says 'created'")
    job = ids[0][1]
    r = c.request("POST", "/v1/jobs", dict(body, name="x"), {"Idempotency-Key": "once"})
    vdi.ok(r.status == 422 and r.json["field"] == "Idempotency-Key",
           "the key with another request is refused", r.text)
    user = vdi.bearer(c.issue_token("daemon")["token"])
    vdi.ok(c.request("POST", "/v1/jobs", body, dict(user, **{"Idempotency-Key": "once"})).json["id"]
           != job, "another's key is another key")
    c.request("DELETE", f"/v1/jobs/{job}")


def main():
    lines = ["max_requeue = 2", "boot_timeout = \"1h\"", "kill_wait = \"1s\"",
             'template "shut" { image = "none"  vcpus = 1  memory = "1G"  at_limit = "shutdown" }',
             'template "slow" { image = "none"  vcpus = 1  memory = "1G"  boot_timeout = "1s" }']
    with vdi.Controller(nodes=2, lines=lines) as c:
        for part in (ends, cancels, holds, suspends, requeues, dates, drains, keys):
            part(c)
    vdi.done()


main()
