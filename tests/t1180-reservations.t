#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1180-reservations.t - reservations of nodes: jobs end before a maintenance or start after it,
members run inside, classes and reservations keep out of each other's way, and what can't be is
refused with words and nothing changed.

The site is the fake one. Times are those of the clock.
"""
import datetime
import os
import signal
import sys
import tempfile
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
LINES = ['template "cad" { image = "none"  vcpus = 1  memory = "1G" }',
         'template "whole" { image = "none"  vcpus = 4  memory = "1G" }']


def at(seconds):
    t = datetime.datetime.now(ZONE) + datetime.timedelta(seconds=seconds)
    return t.strftime("%Y-%m-%dT%H:%M:%S")


def ask(c, name, uid=None, **spec):
    body = dict({"name": name, "nodes": "n1", "starts": at(3600), "duration_sec": 3600,
                 "zone": "Europe/Berlin"}, **spec)
    return c.request("POST", "/v1/reservations", body, uid=uid)


def make(c, name, **spec):
    r = ask(c, name, **spec)
    if r.status != 201:
        raise AssertionError(f"reservation {name}: {r.status} {r.text}")
    return r.json


def names(c, uid=None):
    return {r["name"] for r in c.request("GET", "/v1/reservations", uid=uid).json["reservations"]}


def delete(c, name):
    return c.request("DELETE", f"/v1/reservations/{name}")


def state(c, node):
    return {n["name"]: n["state"] for n in c.request("GET", "/v1/nodes").json["nodes"]}[node]


def why(c, job):
    return c.request("GET", f"/v1/jobs/{job}/why").json


def end(c, *jobs):
    for j in jobs:
        c.request("DELETE", f"/v1/jobs/{j}")
    for j in jobs:
        c.wait_state(j, "CANCELLED", "COMPLETED")


def refused(c, what, words, status=400, **spec):
    before = names(c)
    r = ask(c, "bad", **spec)
    text = r.json.get("detail", "") + "; " + (r.json.get("remedy") or "")
    vdi.ok(r.status == status and words in text and names(c) == before, what, r.status, r.text)


def around(c):
    """Both nodes are closed from in an hour on."""
    made = make(c, "maint", nodes="n[1-2]", flags="maint", repeat="FREQ=WEEKLY;COUNT=3")
    vdi.is_((made["occurrences"], made["nodes"], made["flags"], made["creator"].split(":")[0]),
            (3, "n[1-2]", "maint", "unix"), "a maintenance has all its dates")
    short = c.submit(template="cad", time_limit_sec=1800, uid=1)
    c.wait_state(short, "RUNNING")
    vdi.ok(True, "a job that ends before it starts at once")
    long = c.submit(template="cad", time_limit_sec=7200, uid=1)
    got = vdi.wait_for("an estimate", lambda: (lambda w: w if w["estimated_start_time"] else None)(
        why(c, long)))
    texts = [b["text"] for b in got["blockers"]]
    vdi.ok(c.job(long)["state"] == "PENDING" and any("maintenance 'maint' on n1" in t
                                                     for t in texts),
           "a longer one waits, and is told for what", got)
    vdi.is_(got["estimated_start_time"][:16], made["next_end_time"][:16], "until it is over")
    r = c.request("POST", f"/v1/jobs/{short}/extend", {"seconds": 7200})
    vdi.ok(r.status != 200 and "maint" in r.text, "nor is one extended into it", r.text)
    r = c.request("PATCH", "/v1/reservations/maint/occurrences/" + made["next"], {"skip": True})
    vdi.ok(r.status == 200 and r.json["occurrences"] == 2, "a date is skipped", r.text)
    c.wait_state(long, "RUNNING")
    vdi.ok(True, "and who waited for it starts")
    r = c.request("PATCH", "/v1/reservations/maint/occurrences/" + made["next"], {"reset": True})
    vdi.ok(r.status == 409 and f"job {long}" in r.json["detail"] and
           "ignore_jobs" in r.json["remedy"], "it can't come back over a job that runs by then",
           r.text)
    end(c, short, long)
    vdi.is_(delete(c, "maint").status, 200, "it is deleted")


def on(c):
    make(c, "now", flags="maint", starts=at(-53), duration_sec=60)
    vdi.is_((state(c, "n1"), state(c, "n2")), ("MAINT", "IDLE"), "a node is MAINT while it is on")
    job = c.submit(template="cad", nodelist="n1", time_limit_sec=600, uid=1)
    c.restart(signal.SIGKILL)
    vdi.ok("now" in names(c), "a controller that is killed keeps it")
    seen = c.job(job)["state"]
    c.wait_state(job, "RUNNING")
    vdi.ok(seen == "PENDING" and state(c, "n1") != "MAINT", "jobs start when it is over", seen)
    end(c, job)
    delete(c, "now")
    make(c, "soon", flags="maint", starts=at(4), duration_sec=60)
    c.restart(signal.SIGKILL)
    vdi.wait_for("its beginning", lambda: state(c, "n1") == "MAINT")
    vdi.ok(True, "killed before it begins, it begins")
    delete(c, "soon")
    vdi.is_(state(c, "n1"), "IDLE", "deleted, the node is as before")


def inside(c):
    make(c, "lab", users="daemon", starts=at(3), duration_sec=3600)
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "lab"}, uid=2)
    vdi.ok(r.status == 403 and "may not use" in r.json["detail"], "others may not name it", r.text)
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "lab",
                                       "time_limit_sec": 3600}, uid=1)
    vdi.ok(r.status == 422 and r.json["limit"] == "57:00" and "--reservation" in r.json["remedy"],
           "a job that it has no time for is told how long", r.text)
    job = c.submit(template="cad", reservation="lab", time_limit_sec=600, uid=1)
    free = c.submit(template="cad", reservation="lab", uid=1)
    other = c.submit(template="whole", nodelist="n1", uid=2, time_limit_sec=600)
    got, more = c.wait_state(job, "RUNNING"), c.wait_state(free, "RUNNING")
    vdi.is_((got["node"], more["node"]), ("n1", "n1"), "members' jobs run on its nodes")
    vdi.ok(600 < more["time_limit_sec"] < 3600, "without a limit, until its end at most",
           more["time_limit_sec"])
    vdi.is_(c.job(other)["state"], "PENDING", "others wait")
    texts = [b["text"] for b in why(c, other)["blockers"]]
    vdi.ok(any("reservation 'lab'" in t for t in texts), "and see for what", texts)
    vdi.is_((names(c, uid=1), names(c, uid=2)), ({"lab"}, set()), "who may use it sees it")
    r = delete(c, "lab")
    vdi.ok(r.status == 409 and "vdicancel" in r.json["remedy"], "it is not deleted under its jobs",
           r.text)
    c.restart(signal.SIGKILL)
    vdi.is_((c.job(job)["state"], c.job(other)["state"]), ("RUNNING", "PENDING"),
            "after a kill all is as before")
    end(c, job, free)
    vdi.is_(delete(c, "lab").status, 200, "when they are gone it is")
    c.wait_state(other, "RUNNING")
    end(c, other)


def drawn(c):
    """Both nodes could take a small job, n1 comes first by name and n2 is reserved."""
    waits = [c.submit(template="whole", nodelist="n2", uid=u, time_limit_sec=600) for u in (1, 2)]
    c.wait_state(waits[0], "RUNNING")
    make(c, "lab", nodes="n2", users="daemon", groups="bin", flags="magnetic,ignore_jobs",
         starts=at(-10), duration_sec=3600)
    end(c, waits[0])
    c.wait_state(waits[1], "RUNNING")
    vdi.ok(True, "who waited before it was made is drawn by it: a member by group")
    end(c, waits[1])
    jobs = [c.submit(template="cad", uid=u, time_limit_sec=7200) for u in (1, 2, 7)]
    vdi.is_([c.wait_state(j, "RUNNING")["node"] for j in jobs], ["n2", "n2", "n1"],
            "members' jobs start inside without naming it, longer ones too; others' elsewhere")
    other = c.submit(template="cad", nodelist="n2", uid=7, time_limit_sec=600)
    c.restart(signal.SIGKILL)
    mine = c.submit(template="cad", uid=2, time_limit_sec=600)
    vdi.is_((c.wait_state(mine, "RUNNING")["node"], c.job(other)["state"]), ("n2", "PENDING"),
            "so it is after a kill")
    named = c.submit(template="cad", uid=1, time_limit_sec=600, reservation="lab")
    vdi.is_(c.wait_state(named, "RUNNING")["node"], "n2", "it can be named")
    end(c, named)
    vdi.is_(c.request("PATCH", "/v1/reservations/lab", {"users": "bin", "groups": ""}).status, 200,
            "its members are changed")
    late = c.submit(template="cad", uid=1, time_limit_sec=600)
    vdi.is_(c.wait_state(late, "RUNNING")["node"], "n1", "who is none any more is as others")
    vdi.is_(delete(c, "lab").status, 200, "it is deleted while jobs are in it that do not name it")
    c.wait_state(other, "RUNNING")
    end(c, other, mine, late, *jobs)


def classes(c):
    seats = {"name": "course", "template": "cad", "seats": 5, "users": "daemon",
             "starts": at(86400), "duration_sec": 3600, "zone": "Europe/Berlin"}
    make(c, "fix", flags="maint", starts=at(86400), duration_sec=600)
    r = c.request("POST", "/v1/classes", seats)
    vdi.ok(r.status == 409 and "4 of 5 seats" in r.json["detail"] and
           "reservation 'fix' of" in r.json["detail"] and
           "; processors are short" in r.json["detail"] and "can be had at" in r.json["remedy"],
           "a class finds no seats in a maintenance, which is named", r.text)
    delete(c, "fix")
    r = c.request("POST", "/v1/classes", seats)
    vdi.is_(r.status, 201, "without it, it does")
    refused(c, "a maintenance over seats names the class and its date", "class 'course' on " +
            seats["starts"][:10], 409, nodes="n[1-2]", flags="maint", starts=at(86400))
    c.request("DELETE", "/v1/classes/course")
    r = c.request("POST", "/v1/classes", dict(seats, name="lab"))
    refused_name = ask(c, "lab", users="daemon")
    vdi.ok(r.status == 201 and refused_name.status == 409 and
           "there is a class 'lab'" in refused_name.json["detail"], "they share their names",
           refused_name.text)
    vdi.is_((c.request("GET", "/v1/reservations/lab").status, c.request(
        "PATCH", "/v1/reservations/lab", {"nodes": "n1"}).status), (404, 404),
        "and a class is no reservation")
    c.request("DELETE", "/v1/classes/lab")


def refusals(c):
    make(c, "there", users="daemon")
    refused(c, "an unknown node", "no node 'n9'", 422, nodes="n[1,9]", flags="maint")
    refused(c, "a node named twice", "twice", nodes="n1,n1", flags="maint")
    refused(c, "no hostlist", "hostlist", nodes="n[1", flags="maint")
    refused(c, "nobody and no maintenance", "name groups or users")
    refused(c, "a maintenance with members", "nobody's jobs", flags="maint", users="daemon")
    refused(c, "an unknown flag", "maint, magnetic, ignore_jobs", flags="flex", users="daemon")
    refused(c, "a maintenance that draws", "leave out maint or magnetic", flags="maint,magnetic")
    refused(c, "one that is over", "within the next year", 422, starts=at(-7200), users="bin")
    refused(c, "one without an end", "duration", duration_sec=0, users="bin")
    refused(c, "one that overlaps itself", "make it shorter", users="bin",
            nodes="n2", duration_sec=2 * 86400, repeat="FREQ=DAILY;COUNT=3")
    refused(c, "a contradictory rule", "", repeat="FREQ=WEEKLY;COUNT=2;UNTIL=20300101",
            users="bin")
    refused(c, "an unknown zone", "zone", zone="Europe/Nowhere", users="bin")
    refused(c, "one over another", "reservation 'there' has n1", 409, users="bin")
    r = c.request("POST", "/v1/reservations", {"name": "bad", "seats": 3})
    vdi.is_(r.status, 400, "a field that it has not")
    vdi.is_(ask(c, "upkeep", flags="maint").status, 201, "a maintenance may be over another")
    r = c.request("PATCH", "/v1/reservations/there", {"nodes": "n7"})
    vdi.ok(r.status == 422 and c.request("GET", "/v1/reservations/there").json["nodes"] == "n1",
           "a change that can't be changes nothing", r.text)
    r = c.request("PATCH", "/v1/reservations/there", {"nodes": "n2"})
    vdi.is_((r.status, r.json["nodes"]), (200, "n2"), "one that can is made")
    r = ask(c, "mine", uid=1, flags="maint")
    vdi.is_(r.status, 403, "users make none")
    job = c.submit(template="cad", nodelist="n1", time_limit_sec=2400, uid=1)
    c.wait_state(job, "RUNNING")
    refused(c, "one over a job that runs", f"job {job} has n1 until", 409, users="bin",
            starts=at(1200))
    r = ask(c, "busy", users="bin", flags="ignore_jobs", starts=at(1200), duration_sec=600)
    vdi.ok(r.status == 201 and c.job(job)["state"] == "RUNNING",
           "but for ignore_jobs, which leaves it alone", r.text)
    end(c, job)
    for name in ("there", "upkeep", "busy"):
        delete(c, name)


def config(c):
    lines = list(c.lines)
    block = ('reservation "conf" { nodes = "%s"  flags = {"maint"}  starts = "%s"  '
             'duration = "1h"  zone = "Europe/Berlin"  repeat = "FREQ=WEEKLY;COUNT=3" }')
    start = at(86400)
    c.lines = lines + [block % ("n[1-2]", start)]
    c.write_conf()
    r = c.request("POST", "/v1/reconfigure", {"dry_run": True})
    vdi.ok(r.status == 200 and "reservation conf: added" in r.json["changes"] and not names(c),
           "a dry run says what would come", r.text)
    r = c.request("POST", "/v1/reconfigure", {})
    conf = c.request("GET", "/v1/reservations/conf").json
    vdi.is_((r.status, conf["from_config"], conf["nodes"], conf["occurrences"]),
            (200, True, "n[1-2]", 3), "a reservation of vdi.conf")
    r = c.request("PATCH", "/v1/reservations/conf", {"nodes": "n1"})
    vdi.is_(r.status, 403, "it is not changed through the API", r.text)
    r = c.request("PATCH", f"/v1/reservations/conf/occurrences/{start[:10]}", {"skip": True})
    vdi.is_((r.status, r.json.get("occurrences")), (200, 2), "but a date of it can be skipped")
    c.lines = lines + [block % ("n[1-3]", start)]
    c.write_conf()
    r = c.request("POST", "/v1/reconfigure", {})
    vdi.ok(r.status == 400 and "n3" in r.text and
           c.request("GET", "/v1/reservations/conf").json["nodes"] == "n[1-2]",
           "a file with an unknown node is not taken", r.text)
    c.lines = lines
    c.write_conf()
    r = c.request("POST", "/v1/reconfigure", {})
    vdi.is_((r.status, names(c)), (200, set()), "what is no longer in the file goes")
    made = c.request("POST", "/v1/classes", {
        "name": "course", "template": "cad", "seats": 5, "users": "daemon", "starts": start,
        "duration_sec": 3600, "zone": "Europe/Berlin"})
    c.lines = lines + [block % ("n1", start)]
    c.write_conf()
    r = c.request("POST", "/v1/reconfigure", {})
    words = f"class 'course' on {start[:10]}: 4 of 5 seats can be had then; reservation 'conf' of " \
        f"{start[:10]} has n1 then"
    vdi.ok(r.status == 409 and r.json["field"] == "reservation" and
           r.json["detail"].endswith(words + "; processors are short") and
           "skip that date" in r.json["remedy"] and not names(c), "one that displaces seats is named, with its date", made.text, r.text)
    c.request("DELETE", "/v1/classes/course")
    c.lines = lines
    c.write_conf()


def touched(c, node, seconds):
    by = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    r = c.request("GET", f"/v1/nodes/{node}/forecast?by={by.strftime('%Y-%m-%dT%H:%M:%SZ')}")
    return {(t["what"], t.get("job") or t["name"]): t for t in r.json["touched"]}


def forecast(c):
    job = c.submit(template="cad", nodelist="n1", time_limit_sec=7200, uid=1)
    c.wait_state(job, "RUNNING")
    waits = c.submit(template="whole", nodelist="n1", time_limit_sec=600, uid=1)
    r = c.request("POST", "/v1/classes", {
        "name": "course", "template": "cad", "seats": 5, "users": "daemon", "starts": at(86400),
        "duration_sec": 3600, "zone": "Europe/Berlin"})
    made = make(c, "later", users="daemon", starts=at(2 * 86400))
    vdi.wait_for("a plan", lambda: why(c, waits)["estimated_start_time"])
    got, other = touched(c, "n1", 3600), touched(c, "n2", 3600)
    vdi.is_(set(got), {("job", job), ("waiting", waits), ("class", "course"),
                       ("reservation", "later")}, "what a drain would touch is named")
    vdi.is_((got["reservation", "later"]["from_time"], got["reservation", "later"]["until_time"]),
            (made["next_begin_time"], made["next_end_time"]), "a reservation with its time")
    vdi.is_(got["waiting", waits]["from_time"][:16], why(c, waits)["estimated_start_time"][:16],
            "a job that waits with when it was to start")
    seats = [t["class", "course"] for t in (got, other)]
    vdi.is_((sum(s["seats"] for s in seats), seats[0]["date"], seats[0]["from_time"]),
            (5, at(86400)[:10], r.json["next_begin_time"]), "seats with class, date and number")
    vdi.is_(set(other), {("class", "course")}, "and nothing of another node")
    vdi.ok(("job", job) not in touched(c, "n1", 3 * 3600), "a job that has ended by then is not")
    code, out = run(c, "vdictl", "drain", "n[1-2]", "--by", "now+1hour")
    lines = {tuple(line.split()[:3]) for line in out.splitlines()}
    vdi.ok(code == 0 and {("n1", "job", str(job)), ("n1", "waiting", str(waits)),
                          ("n1", "class", "course"), ("n1", "reservation", "later"),
                          ("n2", "class", "course")} <= lines, "vdictl lists it", code, out)
    drained = [n for n in ("n1", "n2") if "DRAIN" in state(c, n)]
    vdi.is_(drained, [], "and drains nothing without a reason")
    code, out = run(c, "vdictl", "drain", "n2", "--by", "tomorrow", "--reason", "fans")
    vdi.ok(code == 0 and "course" in out and state(c, "n2") == "DRAINED", "with one it does", out)
    run(c, "vdictl", "node", "resume", "n2")
    r = c.request("GET", "/v1/nodes/n1/forecast?by=2020-01-01T00:00:00Z")
    vdi.ok(r.status == 422 and "within a year" in r.json["remedy"], "not of the past", r.text)
    vdi.is_([c.request("GET", "/v1/nodes/n9/forecast").status,
             c.request("GET", "/v1/nodes/n1/forecast", uid=1).status,
             run(c, "vdictl", "drain", "n1", "--by", "soon")[0]], [404, 403, 2], "nor of no node, "
            "for users, or without a time")
    end(c, job, waits)
    c.request("DELETE", "/v1/classes/course")
    delete(c, "later")
    code, out = run(c, "vdictl", "drain", "n1", "--by", "now+1hour")
    vdi.is_((code, out), (0, "nothing is touched\n"), "an empty node says so")


def many(c):
    """Of more than 1000 rows the first by time are told, and how many more there are."""
    holds = c.submit(template="whole", nodelist="n1", time_limit_sec=7200, uid=1)
    c.wait_state(holds, "RUNNING")
    arrays = [c.submit(kind="batch", template="batch", cpus=4, nodelist="n1", array="0-599",
                       time_limit_sec=3600, script="#!/bin/sh\n#FAKE exit=0\n") for _ in range(2)]
    by = (datetime.datetime.now(datetime.timezone.utc) +
          datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ask_it = lambda: c.request("GET", f"/v1/nodes/n1/forecast?by={by}").json
    r = vdi.wait_for("all to be planned", lambda: (
        lambda f: f if len(f["touched"]) + f["more"] == 1201 else None)(ask_it()))
    rows = r["touched"]
    vdi.is_((len(rows), r["more"], rows[0]["what"], rows[0]["job"], {x["what"] for x in rows[1:]}),
            (1000, 201, "job", holds, {"waiting"}), "1000 rows of 1201, and 201 more")
    times = [x["from_time"] for x in rows[1:]]
    planned = {j["id"]: j["estimated_start_time"] for j in c.request(
        "GET", "/v1/jobs?state=PENDING&fields=id,estimated_start_time&limit=5000").json["jobs"]}
    left = set(planned) - {x["job"] for x in rows}
    vdi.ok(times == sorted(times) and all(times), "in the order of their starts", times[:5])
    vdi.ok(len(planned) == 1200 and len(left) == 201 and
           min(planned[j] for j in left)[:16] >= times[-1][:16], "the first by time are there",
           len(planned), len(left), times[-1])
    code, out = run(c, "vdictl", "drain", "n1", "--by", "now+1hour")
    vdi.is_((code, len(out.splitlines()), out.splitlines()[-1].split()),
            (0, 1002, ["n1", "and", "201", "more"]), "vdictl says how many more", out[-300:])
    for array in arrays:
        vdi.is_(c.request("DELETE", f"/v1/jobs/{array}").status, 200, "an array is cancelled")
    end(c, holds)


def run(c, *words):
    r = c.run(*words)
    return r[0], str(r[1]) + str(r[2])


def command(c):
    code, out = run(c, "vdictl", "reservation", "create", "maint", "--nodes", "n[1-2]", "--flags",
                    "maint", "--starts", at(3600)[:16], "--duration", "2h", "--repeat", "WEEKLY",
                    "--zone", "Europe/Berlin")
    vdi.ok(code == 0 and "maint: n[1-2], 53 occurrences" in out, "vdictl makes one", code, out)
    code, out = run(c, "vdictl", "reservation", "list")
    vdi.ok("maint" in out and "n[1-2]" in out, "and lists it", code, out)
    code, out = run(c, "vdictl", "reservation", "update", "maint", "--nodes", "n2")
    vdi.ok(code == 0 and "maint: n2" in out, "and changes it", code, out)
    code, out = run(c, "vdictl", "class", "list")
    vdi.ok("maint" not in out, "it is no class", code, out)
    code, out = run(c, "vdictl", "reservation", "delete", "maint")
    vdi.ok(code == 0 and not names(c), "and deletes it", code, out)


def main():
    vdi.need("python3")
    with tempfile.TemporaryDirectory() as kept, vdi.Controller(
            nodes=2, lines=LINES,
            fake=f'boot_ms = 50  bind_ms = 10  state_dir = "{kept}/fake"') as c:
        around(c)
        on(c)
        inside(c)
        drawn(c)
        classes(c)
        refusals(c)
        config(c)
        forecast(c)
        many(c)
        command(c)
    vdi.done()


if __name__ == "__main__":
    if os.geteuid() != 0:
        vdi.skip_all("members are told apart by their uid: needs root")
    main()
