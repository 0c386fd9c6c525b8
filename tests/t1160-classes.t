#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1160-classes.t - classes at the controller: booked whole or refused with the shortage and the
nearest time, seats READY at the time, taken by members without naming the class, given back, over.

The site is the fake one. Times are those of the clock: a class begins seconds after it is made.
"""
import datetime
import os
import signal
import sys
import tempfile
import time
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
MEMBERS = "daemon,bin,sync,games,man"  # uids 1, 2, 4, 5, 6
LINES = [
    'template "cad" { image = "none"  vcpus = 1  memory = "1G" }',
    'template "big" { image = "none"  vcpus = 4  memory = "8G" }',
    'template "fat" { image = "none"  vcpus = 1  memory = "6G" }',
    'template "huge" { image = "none"  vcpus = 5  memory = "1G" }',
    'qos "teaching" { priority = 1000 }',
    'role "lecturer" { users = {"sys"}  may = {"class.create", "class.update", "class.delete"}',
    '  templates = {"cad"}  max_seats = 4  max_hours_week = 5  horizon = "30d" }',
]


def at(seconds, day=0):
    t = datetime.datetime.now(ZONE) + datetime.timedelta(seconds=seconds, days=day)
    return t.strftime("%Y-%m-%dT%H:%M:%S")


def book(c, name, status=201, **spec):
    body = dict({"name": name, "template": "cad", "seats": 2, "users": MEMBERS,
                 "starts": at(3600), "duration_sec": 3600, "zone": "Europe/Berlin"}, **spec)
    r = c.request("POST", "/v1/classes", body)
    if r.status != status:
        raise AssertionError(f"class {name}: {r.status} {r.text}")
    return r.json


def show(c, name):
    return c.request("GET", f"/v1/classes/{name}")


def occurrences(c, name):
    return c.request("GET", f"/v1/classes/{name}/occurrences").json["occurrences"]


def seats(c, **where):
    return [i for i in c.request("GET", "/v1/instances").json["instances"]
            if i["class_id"] and all(i[k] == v for k, v in where.items())]


def ready(c, n, **where):
    return vdi.wait_for(f"{n} seats READY {where}", lambda: (
        lambda all: all if len(all) == n else None)(seats(c, state="READY", job=0, **where)))


def why_refused(r):
    return f'{r["detail"]}; {r.get("remedy", "")}'


def short(c, template, starts, words, remedy, name):
    r = book(c, "other", 409, template=template, seats=3, starts=starts.isoformat(),
             duration_sec=600)
    vdi.ok(r["field"] == "seats" and r["detail"].endswith(words) and r["remedy"].endswith(remedy),
           f"a refusal names {name}", r)


def booking(c):
    """All or nothing, and it is said what is short."""
    made = book(c, "weekly", repeat="FREQ=WEEKLY;COUNT=10", seats=8, groups="cad1")
    vdi.is_((made["occurrences"], made["seats"], made["creator"].split(":")[0], made["alarm"]),
            (10, 8, "unix", ""), "a class is booked with all its occurrences")
    vdi.is_([o["state"] for o in occurrences(c, "weekly")], ["BOOKED"] * 10, "each of them is")
    r = book(c, "weekly", 409)
    vdi.ok("already" in r["detail"], "its name is taken", r)
    third = datetime.datetime.fromisoformat(made["starts"]) + datetime.timedelta(days=14)
    r = book(c, "other", 409, seats=1, starts=third.isoformat(), duration_sec=600)
    vdi.ok(f"on {third.date()}" in r["detail"] and
           "0 of 1 seats can be had then; processors are short" in r["detail"] and
           "can be had at" in r["remedy"], "what is short is named, and the nearest time", r)
    free = third + datetime.timedelta(hours=5)
    short(c, "fat", free, "2 of 3 seats can be had then; memory is short",
          "a template with less memory", "memory")
    short(c, "big", third, "0 of 3 seats can be had then; memory and processors are short together",
          "another time, template or partition", "both that are needed")
    short(c, "huge", third, "0 of 3 seats can be had then; no node of the partition could hold one",
          "ask for another template or partition", "what no node has, and no other time")
    nearest = r["remedy"].split(" at ")[1].strip().replace(" ", "T")
    book(c, "other", seats=8, starts=nearest, duration_sec=600)
    vdi.ok(True, "there is room at that time")
    r = c.request("PATCH", "/v1/classes/other", {"starts": third.isoformat()})
    vdi.ok(r.status == 409 and show(c, "other").json["starts"] == nearest,
           "a change that does not fit changes nothing", r.text)
    vdi.is_(len(occurrences(c, "other")), 1, "what it had is still booked")
    r = c.request("PATCH", "/v1/classes/other", {"seats": 7})
    vdi.is_((r.status, r.json["seats"]), (200, 7), "one that fits is taken")
    r = c.request("DELETE", "/v1/classes/other")
    vdi.is_((r.status, show(c, "other").status), (200, 404), "it can be deleted")
    date = occurrences(c, "weekly")[2]["date"]
    vdi.is_(date, str(third.date()), "an occurrence is named by its date")
    return date, third


def overrides(c, date, third):
    path = f"/v1/classes/weekly/occurrences/{date}"
    r = c.request("PATCH", path, {"skip": True})
    left = [o["date"] for o in occurrences(c, "weekly")]
    vdi.ok(r.status == 200 and date not in left and len(left) == 9, "a date is skipped", r.text)
    book(c, "instead", seats=8, starts=third.isoformat(), duration_sec=600)
    r = c.request("PATCH", path, {"reset": True})
    vdi.ok(r.status == 409 and "0 of 8" in r.json["detail"],
           "it does not come back where another class is now", r.text)
    r = c.request("PATCH", path, {"starts": (third + datetime.timedelta(hours=3)).isoformat(),
                                  "duration_sec": 1200})
    moved = [o for o in occurrences(c, "weekly") if o["date"] == date]
    vdi.ok(r.status == 200 and moved and moved[0]["changed"] and
           moved[0]["begin_time"].startswith(
               (third + datetime.timedelta(hours=3)).replace(tzinfo=ZONE).astimezone(
                   datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M")),
           "it is moved to another time under its name", r.text, moved)
    c.request("DELETE", "/v1/classes/instead")
    r = c.request("PATCH", path, {"reset": True})
    vdi.is_((r.status, [o["changed"] for o in occurrences(c, "weekly") if o["date"] == date]),
            (200, [False]), "and comes back")
    r = c.request("PATCH", "/v1/classes/weekly/occurrences/2031-01-01", {"skip": True})
    vdi.is_(r.status, 404, "a date that is none of it is refused")
    r = c.request("PATCH", path, {"skip": True, "reset": True})
    vdi.is_(r.status, 400, "one change at a time")


def refusals(c):
    for what, words in (
            ({"template": "nosuch"}, "nosuch"), ({"qos": "nosuch"}, "nosuch"),
            ({"partition": "nosuch"}, "nosuch"), ({"zone": "Mars/Olympus"}, "Mars/Olympus"),
            ({"repeat": "FREQ=SOMETIMES"}, ""), ({"starts": "tomorrow"}, "tomorrow"),
            ({"starts": "2001-01-01T10:00"}, "next year"), ({"seats": 0}, "seats"),
            ({"users": "", "groups": ""}, "nobody"), ({"duration_sec": 1}, "minute"),
            ({"repeat": "FREQ=WEEKLY;COUNT=2;UNTIL=20300101T000000Z"}, ""),
            ({"repeat": "FREQ=HOURLY"}, ""), ({"name": "a b"}, "name"), ({"seats": 99}, "8 of 99")):
        body = dict({"name": "bad", "template": "cad", "seats": 2, "users": "daemon",
                     "starts": at(3 * 86400), "duration_sec": 5400, "zone": "Europe/Berlin"}, **what)
        r = c.request("POST", "/v1/classes", body)
        vdi.ok(400 <= r.status < 500 and words in r.json["detail"] and r.json.get("remedy"),
               f"refused with what to do: {what}", r.status, r.text)
    vdi.is_(show(c, "bad").status, 404, "and nothing was made")
    r = c.request("POST", "/v1/classes", {"name": "x"}, uid=1)
    vdi.is_(r.status, 403, "a user books none")


def roles(c):
    """A lecturer books within the role's limits, and changes no other's class."""
    # Three days on end are of one week if the first is no Friday or later.
    day = next(d for d in range(3, 7) if datetime.date.fromisoformat(at(d * 86400)[:10]).weekday() < 4)
    ask = {"name": "mine", "template": "cad", "seats": 2, "users": "daemon", "zone": "UTC",
           "starts": at(day * 86400), "duration_sec": 3600}
    for what, words in (({"template": "big"}, "template 'big'"), ({"seats": 5}, "5 seats"),
                        ({"repeat": "FREQ=WEEKLY"}, "as late as"),
                        ({"repeat": "FREQ=DAILY;COUNT=3", "duration_sec": 7200}, "hours in the week")):
        r = c.request("POST", "/v1/classes", dict(ask, **what), uid=3)
        vdi.ok(r.status == 403 and words in r.json["detail"] and "lecturer" in r.json["detail"],
               f"a role's limit: {what}", r.text)
    vdi.is_(c.request("POST", "/v1/classes", ask, uid=3).status, 201, "within them it is booked")
    book(c, "theirs", seats=1, starts=at(4 * 86400))
    r = c.request("PATCH", "/v1/classes/theirs", {"seats": 2}, uid=3)
    vdi.ok(r.status in (403, 404), "another's class is not changed by it", r.text)
    vdi.is_(c.request("PATCH", "/v1/classes/mine", {"seats": 3}, uid=3).status, 200, "one's own is")
    vdi.is_([x["name"] for x in c.request("GET", "/v1/classes", uid=3).json["classes"]], ["mine"],
            "and one sees one's own")
    vdi.is_(c.request("DELETE", "/v1/classes/mine", uid=3).status, 200, "and deletes it")
    c.request("DELETE", "/v1/classes/theirs")


def jobs_around(c):
    """A job that would run into a class starts elsewhere, or not before it is over."""
    book(c, "whole", template="big", seats=2, starts=at(1800), lead_sec=60)
    long = c.submit(template="big", time_limit_sec=7200)
    why = c.request("GET", f"/v1/jobs/{long}/why").json
    vdi.ok(c.job(long)["state"] == "PENDING" and
           any(b["reason"] == "Class" or "class" in str(b).lower() for b in why["blockers"]),
           "a job that would not end before a class waits, and it is said why", why)
    short = c.submit(template="big", time_limit_sec=600)
    vdi.is_(c.wait_state(short, "RUNNING")["state"], "RUNNING", "one that ends before it starts")
    for job in (long, short):
        c.request("DELETE", f"/v1/jobs/{job}")
        c.wait_state(job, "CANCELLED", "COMPLETED")
    c.request("DELETE", "/v1/classes/whole")


def opening(c):
    """Seats are there at the time; members get them without naming the class."""
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "weekly"}, uid=1)
    vdi.is_(r.status, 403, "who is no member gets no seat", r.text)
    book(c, "soon", starts=at(4000))
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "soon"}, uid=1)
    vdi.ok(r.status in (409, 429, 503) and "not there yet" in r.json["detail"] and
           "from 20" in r.json["remedy"], "who comes too early is told from when", r.text)
    book(c, "now", starts=at(20), seats=3, duration_sec=3600, qos="teaching", account="cs101")
    all_ready = ready(c, 3)
    vdi.is_({(i["owner"], i["account"], i["qos"], i["template"]) for i in all_ready},
            {("class:now", "cs101", "teaching", "cad")}, "three seats are READY, the class's")
    vdi.is_(c.request("GET", "/v1/jobs").json["jobs"], [], "and no job")
    vdi.is_(occurrences(c, "now")[0]["ready"], 3, "the occurrence says so")
    used = c.request("GET", "/v1/usage?by=owner,account").json["usage"]
    vdi.ok(any(u["account"] == "cs101" and u["instances"] == 3 for u in used),
           "seats are charged to the class's account before anybody takes them", used)
    job = c.submit(template="cad", uid=1)
    got = c.wait_state(job, "RUNNING")
    vdi.is_((got["reservation"], got["account"], got["qos"]), ("now", "cs101", "teaching"),
            "a member's desktop is one of them, without a word")
    vdi.ok(got["instance"] in [i["id"] for i in all_ready], "the instance was there before", got)
    left = 3600 + 20
    vdi.ok(0 < got["time_limit_sec"] <= left, "its limit is the end of the class", got)
    named = c.submit(template="cad", reservation="now", uid=2)
    vdi.is_(c.wait_state(named, "RUNNING")["reservation"], "now", "or by its name")
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "now"}, uid=1)
    vdi.ok(r.status == 422 and "have a seat" in r.json["detail"], "one seat each", r.text)
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "now", "hold": True}, uid=4)
    vdi.is_(r.status, 400, "a seat is not held", r.text)
    r = c.request("POST", f"/v1/jobs/{named}/extend", {"seconds": 36000}, uid=2)
    vdi.ok(r.status == 403 and "ends with it" in r.json["detail"], "nor extended", r.text)
    other = c.submit(template="cad", uid=8)
    vdi.is_(c.wait_state(other, "RUNNING").get("reservation", ""), "",
            "who is no member gets a desktop of their own")
    batch = c.request("POST", "/v1/jobs", {"kind": "batch", "reservation": "now",
                                           "script": "#!/bin/sh\n"}, uid=4)
    vdi.is_(batch.status, 400, "a script takes no seat", batch.text)
    return job, named, other


def full_and_failed(c, job, named):
    last = c.submit(template="cad", uid=4)
    vdi.is_(c.wait_state(last, "RUNNING")["reservation"], "now", "the last one")
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "now"}, uid=5)
    vdi.ok(r.status >= 400 and "all seats" in r.json["detail"], "then it is full", r.text)
    over = c.submit(template="cad", uid=5)
    vdi.is_(c.wait_state(over, "RUNNING").get("reservation", ""), "",
            "who names no class gets an ordinary desktop then")
    c.request("DELETE", f"/v1/jobs/{over}")
    c.request("DELETE", f"/v1/jobs/{named}")
    c.wait_state(named, "CANCELLED", "COMPLETED")
    again = ready(c, 1)
    vdi.ok(again[0]["job"] == 0, "a seat whose user left is made anew, not used again", again)
    vdi.wait_for("the claims to be counted",
                 lambda: occurrences(c, "now")[0].get("claimed") == 3)
    vdi.ok(True, "claims are counted")
    c.restart(signal.SIGKILL)
    vdi.is_((c.wait_state(job, "RUNNING")["reservation"], len(ready(c, 1))), ("now", 1),
            "a killed controller starts no seat twice and loses none")
    vdi.is_(len([i for i in seats(c) if i["state"] in ("READY", "BOUND")]), 3, "three in all")
    r = c.request("DELETE", "/v1/classes/now")
    vdi.wait_for("the free seat to go", lambda: not seats(c, state="READY"))
    vdi.is_((r.status, c.job(job)["state"]), (200, "RUNNING"),
            "a class that is deleted ends nobody's desktop")
    for j in (job, last):
        c.request("DELETE", f"/v1/jobs/{j}")


def no_show(c):
    book(c, "lazy", starts=at(6), seats=2, duration_sec=3600, no_show_sec=3)
    ready(c, 2)
    job = c.submit(template="cad", uid=1)
    vdi.is_(c.wait_state(job, "RUNNING")["reservation"], "lazy", "one of two comes")
    record = vdi.wait_for("the other seat to be given back", lambda: next(
        (o for o in occurrences(c, "lazy") if o["state"] == "RELEASED"), None))
    vdi.wait_for("it to go", lambda: not seats(c, state="READY"))
    metrics = c.request("GET", "/metrics").text
    vdi.ok(f'vdi_class_seats_claimed{{class="lazy",date="{record["date"]}"}} 1' in metrics and
           metrics.endswith("# EOF\n"), "metrics tell of a class that is on", metrics[-900:])
    vdi.is_((record["ready_on_time"], record["claimed"], c.job(job)["state"]), (2, 1, "RUNNING"),
            "a seat that nobody took is given back; two were READY at the time")
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "lazy"}, uid=2)
    vdi.ok(r.status >= 400 and "given back" in r.json["detail"], "who comes later is told", r.text)
    c.request("DELETE", "/v1/classes/lazy")
    c.request("DELETE", f"/v1/jobs/{job}")


def the_end(c):
    """A desktop's limit is in whole seconds: it ends with its class, or within the second before."""
    book(c, "short", starts=at(2), seats=2, duration_sec=60, cleaning_sec=3600)
    ready(c, 2)
    job = c.submit(template="cad", uid=1)
    c.wait_state(job, "RUNNING")
    end = datetime.datetime.fromisoformat(
        occurrences(c, "short")[0]["end_time"].replace("Z", "+00:00")).timestamp()
    time.sleep(max(0, end - 30 - time.time()))
    left = end - time.time()
    late = c.submit(template="cad", uid=2)
    got = c.wait_state(late, "RUNNING", "COMPLETING", "TIMEOUT")
    vdi.ok(got["reservation"] == "short" and 0 < got["time_limit_sec"] <= left,
           "who comes in its last minute has what is left of it", got, left)
    for member in (job, late):
        ended = c.wait_state(member, "TIMEOUT", "SUSPENDED", "COMPLETING")
        vdi.ok(ended["reservation"] == "short", "a desktop ends with its class", ended)
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "short"}, uid=4)
    vdi.ok(r.status >= 400 and any(words in r.json["detail"] for words in (
        "is over", "no seat is started for what is left", "all seats of class 'short' are taken")),
           "there is no seat for its last moment", r.text)
    vdi.wait_for("nothing of the class to be left", lambda: not seats(c, state="READY"))
    time.sleep(max(0, end - time.time()))
    r = c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "short"}, uid=1)
    vdi.ok(r.status >= 400 and "is over" in r.json["detail"],
           "then it is over, though its places are being cleaned", r.text)
    c.request("DELETE", "/v1/classes/short")


def config(c):
    lines = list(c.lines)
    block = ('class "conf" { template = "cad"  seats = %d  users = {"daemon"}  starts = "%s"  '
             'duration = "1h"  zone = "Europe/Berlin"  repeat = "FREQ=WEEKLY;COUNT=3" }')
    start = at(86400)
    c.lines = lines + [block % (4, start)]
    c.write_conf()
    r = c.request("POST", "/v1/reconfigure", {"dry_run": True})
    vdi.ok(r.status == 200 and "class conf: added" in r.json["changes"] and
           show(c, "conf").status == 404, "a dry run says what would come", r.text)
    r = c.request("POST", "/v1/reconfigure", {})
    vdi.is_((r.status, show(c, "conf").json["from_config"], len(occurrences(c, "conf"))),
            (200, True, 3), "a class of vdi.conf")
    c.lines = lines + [block % (400, start)]
    c.write_conf()
    r = c.request("POST", "/v1/reconfigure", {})
    vdi.ok(r.status == 409 and "of 400 seats" in r.json["detail"] and
           r.json["detail"].endswith("; processors are short") and "fewer vcpus" in r.json["remedy"] and
           show(c, "conf").json["seats"] == 4, "a file whose classes do not fit is not taken", r.text)
    r = c.request("PATCH", "/v1/classes/conf", {"seats": 1})
    vdi.is_(r.status, 403, "it is not changed through the API", r.text)
    date = occurrences(c, "conf")[1]["date"]
    r = c.request("PATCH", f"/v1/classes/conf/occurrences/{date}", {"skip": True})
    vdi.is_((r.status, len(occurrences(c, "conf"))), (200, 2), "but a date of it can be skipped")
    c.lines = lines
    c.write_conf()
    c.restart(signal.SIGTERM)
    vdi.wait_for("the class to go", lambda: show(c, "conf").status == 404)
    vdi.ok(True, "what is no longer in the file goes")


def live(c, name):
    number = show(c, name).json["id"]
    return [i for i in seats(c, class_id=number) if i["state"] in
            ("REQUESTED", "BUILDING", "READY", "BOUND")]


def faults(state):
    """Starts that fail, binds that fail, nodes that go, and a controller that is killed."""
    with vdi.Controller(nodes=4, lines=LINES, fake='boot_ms = 200  fail_start = 25  fail_bind = 40  '
                        f'state_dir = "{state}/faults"') as c:
        book(c, "flaky", starts=at(30), seats=7)
        for _ in range(6):
            time.sleep(0.4)  # anywhere in the starts of its seats
            c.restart(signal.SIGKILL)
        ready(c, 7)
        vdi.is_((len(live(c, "flaky")), len({i["id"] for i in live(c, "flaky")})), (7, 7),
                "with starts that fail and six kills there are seven seats, each once")
        per_node = {}
        for i in live(c, "flaky"):
            per_node[i["node"]] = per_node.get(i["node"], 0) + 1
        vdi.ok(max(per_node.values()) <= 4, "no node has more than it holds", per_node)
        vdi.ok(occurrences(c, "flaky")[0]["failed"] > 0, "those that failed are counted",
               occurrences(c, "flaky"))
        jobs = [c.submit(template="cad", uid=u) for u in (1, 2, 4, 5, 6)]
        got = [c.wait_state(j, "RUNNING") for j in jobs]
        vdi.ok({j["reservation"] for j in got} == {"flaky"} and
               len({j["instance"] for j in got}) == 5 and any(j["restarts"] for j in got),
               "who got a seat that could not be made theirs gets another", got)
        for j in jobs:
            c.request("DELETE", f"/v1/jobs/{j}")
        c.request("DELETE", "/v1/classes/flaky")
        vdi.wait_for("its seats to go", lambda: not seats(c, state="READY"))
    with vdi.Controller(nodes=4, lines=LINES, fake=f'state_dir = "{state}/nodes"') as c:
        book(c, "moved", template="big", starts=at(5), seats=3, lead_sec=0)
        c.request("PATCH", "/v1/nodes/n1", {"state": "drain", "reason": "test"})
        got = ready(c, 3)
        vdi.ok("n1" not in {i["node"] for i in got}, "seats are not where a node is drained", got)
        c.request("PATCH", "/v1/nodes/n2", {"state": "drain", "reason": "test"})
        vdi.is_(len(live(c, "moved")), 3, "a drain takes no seat that is there")
        book(c, "short", template="big", starts=at(86400), seats=4)
        c.request("DELETE", "/v1/classes/moved")
        vdi.wait_for("its seats to go", lambda: not seats(c, state="READY"))
        r = c.request("PATCH", "/v1/classes/short", {"starts": at(600)})
        alarm = vdi.wait_for("an alarm", lambda: show(c, "short").json["alarm"])
        vdi.ok(r.status == 200 and "2 of 4 seats" in alarm,
               "seats without a node in service are an alarm before the class", r.text, alarm)
        c.request("PATCH", "/v1/nodes/n1", {"state": "resume"})
        c.request("PATCH", "/v1/nodes/n2", {"state": "resume"})
        vdi.wait_for("the alarm to end", lambda: not show(c, "short").json["alarm"])
        vdi.ok(True, "which ends when nodes come back")
        c.request("DELETE", "/v1/classes/short")
        book(c, "begun", template="big", starts=at(5), seats=4, lead_sec=0)
        c.request("PATCH", "/v1/nodes/n1", {"state": "drain", "reason": "test"})
        ready(c, 3)
        alarm = vdi.wait_for("an alarm", lambda: show(c, "begun").json["alarm"])
        vdi.ok("1 of 4 seats" in alarm, "a seat without a place is one while the class is on", alarm)
        c.request("PATCH", "/v1/nodes/n1", {"state": "resume"})
        ready(c, 4)
        vdi.wait_for("the alarm to end", lambda: not show(c, "begun").json["alarm"])
        vdi.ok(True, "which ends when its place is found")


def main():
    vdi.need("python3")
    with tempfile.TemporaryDirectory() as state, vdi.Controller(
            nodes=2, lines=LINES,
            fake=f'boot_ms = 100  bind_ms = 10  state_dir = "{state}/fake"') as c:
        date, third = booking(c)
        overrides(c, date, third)
        refusals(c)
        c.request("DELETE", "/v1/classes/weekly")
        roles(c)
        jobs_around(c)
        book(c, "weekly", starts=at(5 * 86400), groups="cad1", users="")
        job, named, other = opening(c)
        full_and_failed(c, job, named)
        c.request("DELETE", f"/v1/jobs/{other}")
        no_show(c)
        the_end(c)
        config(c)
    with tempfile.TemporaryDirectory() as state:
        faults(state)
    vdi.done()


if __name__ == "__main__":
    if os.geteuid() != 0:
        vdi.skip_all("members are told apart by their uid: needs root")
    main()
