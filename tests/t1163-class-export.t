#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1163-class-export.t - vdictl export: from the API into vdi.conf, and nothing is lost on the way.

The proof is the way itself: what it prints goes into the file of a controller that knows nothing of
the classes, which then has the same ones on the same dates.
"""
import datetime
import os
import sys
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
FIRST = (datetime.datetime.now(BERLIN) + datetime.timedelta(days=7)).replace(
    hour=10, minute=15, second=0, microsecond=0, tzinfo=None)
WEEK = datetime.timedelta(days=7)
LINES = ['template "cad" { image = "none"  vcpus = 1  memory = "1G" }',
         'qos "teaching" { priority = 1000 }', 'account "cs" { }',
         'partition "lab" { nodes = "n[1-2]"  batch_template = "batch" }']
FIXED = ('class "fixed" { template = "cad"  seats = 1  users = {"root"}  starts = "%s"  duration = "1h"'
         '  zone = "UTC"  repeat = "FREQ=DAILY;COUNT=5" }' % FIRST.replace(hour=20).isoformat())
CLASSES = [
    {"name": "plain", "users": "root"},
    {"name": "all-of-it", "groups": 'a"b\\c,domain users,Übung,{x},#no,\'q\',$v', "users": "keystone:bob,,ada,ada",
     "partition": "lab", "qos": "teaching", "account": "cs", "zone": "America/New_York",
     "repeat": "FREQ=WEEKLY;COUNT=10", "lead_sec": 0, "grace_sec": 61, "no_show_sec": 1200,
     "cleaning_sec": 3600, "duration_sec": 5401, "seats": 2,
     "except": f"{(FIRST + 2 * WEEK).date()}/{(FIRST + 2.5 * WEEK).date()}"},
    {"name": "twice-a-day", "users": "root", "zone": "UTC", "duration_sec": 600,
     "repeat": "FREQ=DAILY;COUNT=14;BYHOUR=10,14;BYMINUTE=15"},
    {"name": "many", "groups": ",".join(f"g{i:02x}" for i in range(127)), "users": "root"},
    {"name": "imported", "users": "root", "uid": "lab@x \"1\"", "calendar": "term"},
]
RESERVATIONS = [
    {"name": "power", "nodes": "n1,n2", "flags": "maint,ignore_jobs", "duration_sec": 5400,
     "repeat": "FREQ=DAILY;COUNT=4"},
    {"name": "exam-nodes", "nodes": "n2", "users": "root", "groups": "cs,,cs", "zone": "UTC"},
]
RESERVED = FIRST + 30 * WEEK
SAME = ["template", "seats", "partition", "qos", "account", "zone", "starts", "repeat", "duration_sec",
        "lead_sec", "grace_sec", "no_show_sec", "cleaning_sec"]


def day(weeks):
    return str((FIRST + weeks * WEEK).date())


def names(text):
    """Of a list: what is there twice or empty says nothing."""
    return sorted({n for n in text.split(",") if n})


def hosts(text):
    """However the nodes are written."""
    return ["n1", "n2"] if text in ("n[1-2]", "n1,n2") else [text]


def state(c):
    """All that a class is and when it takes place, whoever made it."""
    out = {}
    for d in c.request("GET", "/v1/classes").json["classes"]:
        dates = c.request("GET", f"/v1/classes/{d['name']}/occurrences").json["occurrences"]
        out[d["name"]] = ({k: d[k] for k in SAME}, names(d["groups"]), names(d["users"]),
                          sorted((o["date"], o["begin_time"], o["end_time"]) for o in dates))
    for d in c.request("GET", "/v1/reservations").json["reservations"]:
        dates = c.request("GET", f"/v1/reservations/{d['name']}/occurrences").json["occurrences"]
        out[d["name"]] = ({k: d[k] for k in ("flags", "zone", "starts", "repeat", "duration_sec")},
                          hosts(d["nodes"]), names(d["groups"]), names(d["users"]),
                          sorted((o["date"], o["begin_time"], o["end_time"]) for o in dates))
    return out


def make(c):
    for i, spec in enumerate(CLASSES):
        body = dict({"template": "cad", "seats": 1, "starts": (FIRST + i * WEEK / 7).isoformat(),
                     "duration_sec": 3600, "zone": "Europe/Berlin"}, **spec)
        r = c.request("POST", "/v1/classes", body)
        vdi.ok(r.status == 201, f"class {spec['name']} is made", r.text)
    for i, spec in enumerate(RESERVATIONS):
        r = c.request("POST", "/v1/reservations", dict(
            {"starts": (RESERVED + i * WEEK).isoformat(), "duration_sec": 3600, "zone": "Europe/Berlin"}, **spec))
        vdi.ok(r.status == 201, f"reservation {spec['name']} is made", r.text)
    for d, change in ((1, {"skip": True}), (2, {"starts": (RESERVED + 3 * WEEK / 7 + WEEK / 84).isoformat()})):
        path = f"/v1/reservations/power/occurrences/{(RESERVED + d * WEEK / 7).date()}"
        r = c.request("PATCH", path, change)
        vdi.ok(r.status == 200, "a date of a reservation is changed", r.text)
    for name, date, change in (
            ("all-of-it", str((FIRST + WEEK + datetime.timedelta(days=1)).date()), {"skip": True}),
            ("all-of-it", str((FIRST + 3 * WEEK + datetime.timedelta(days=1)).date()),
             {"starts": (FIRST + 3 * WEEK + datetime.timedelta(days=2, hours=4)).isoformat()}),
            ("all-of-it", str((FIRST + 4 * WEEK + datetime.timedelta(days=1)).date()), {"duration_sec": 7200}),
            ("twice-a-day", f"{(FIRST + datetime.timedelta(days=2)).date()}T14:15", {"skip": True}),
            ("twice-a-day", f"{(FIRST + datetime.timedelta(days=3)).date()}T10:15", {"duration_sec": 900}),
            ("fixed", str((FIRST + datetime.timedelta(days=1)).date()), {"skip": True}),
            ("fixed", str((FIRST + datetime.timedelta(days=2)).date()), {"duration_sec": 1800})):
        r = c.request("PATCH", f"/v1/classes/{name}/occurrences/{date}", change)
        vdi.ok(r.status == 200, f"a date of {name} is changed", r.text)


def export(c, want=0):
    code, out, err = c.run("vdictl", "export")
    vdi.is_(code, want, "vdictl export", err)
    return out, err


def clash(c, block):
    """A file with the block of a class that is there is refused, by a dry run as well."""
    lines = list(c.lines)
    c.lines = lines + block.splitlines()
    c.write_conf()
    for dry in (True, False):
        r = c.request("POST", "/v1/reconfigure", {"dry_run": dry})
        vdi.ok(r.status == 409 and "there is a class 'plain' of" in r.json["detail"] and
               "vdictl class delete" in r.json["remedy"], f"names that clash are refused, dry_run {dry}", r.text)
    vdi.is_(c.request("GET", "/v1/classes/plain").json["from_config"], False, "and nothing changes")
    c.lines = lines
    c.write_conf()


def what_has_no_form(c):
    vdi.is_(c.request("POST", "/v1/classes", {
        "name": "odd", "template": "cad", "seats": 1, "groups": "a|b", "duration_sec": 60, "zone": "UTC",
        "starts": (FIRST + 20 * WEEK).isoformat()}).status, 201, "a class that no file can hold")
    c.request("PATCH", "/v1/nodes/n1", {"state": "drain", "reason": "fan class \"x\" { }"})
    out, err = export(c, 1)
    vdi.ok('"odd", made by' in out and "It is left out: " in out and "'odd' is not exported" in err and
           "a|b" in err, "is named in the file and on stderr, with why", out, err)
    vdi.ok("# node n1 is " in out and ': fan class "x" { }' in out, "a drained node is a comment", out)
    c.request("PATCH", "/v1/nodes/n1", {"state": "resume"})
    c.request("DELETE", "/v1/classes/odd")


def roles(c):
    file = c.path("token")
    with open(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
        f.write(c.issue_token("daemon")["token"])
    code, out, err = c.run("env", f"VDI_URL=http://127.0.0.1:{c.port}", f"VDI_TOKEN_FILE={file}",
                           "vdictl", "export")
    vdi.ok(code == 4 and "operator" in err and not out, "it is for operators", code, out, err)


def main():
    with vdi.Controller(nodes=2, lines=LINES + [FIXED], http=True) as c:
        make(c)
        want, (text, err) = state(c), export(c)
        vdi.is_(export(c)[0], text, "twice the same")
        vdi.ok('# Imported from calendar "term" as event "lab@x "1"".' in text, "its event is a comment", text)
        tomorrow, later = (str((FIRST + datetime.timedelta(days=d)).date()) for d in (1, 2))
        comments = [f'# class "fixed": except = {{"{tomorrow}"}}',
                    f'# class "fixed": moved = {{"{later} {later}T20:15:00 1800s"}}']
        vdi.is_([line for line in text.splitlines() if line.startswith('# class "fixed"')], comments,
                "what is changed of a class of vdi.conf is said", text)
        clash(c, text)
        what_has_no_form(c)
        roles(c)

    changes = "  ".join(line.split(": ", 1)[1] for line in comments)
    merged = FIXED.replace(" }", f"  {changes} }}")
    with vdi.Controller(nodes=2, lines=LINES + [merged] + text.splitlines()) as c:
        code, out, err = c.run("vdictl", "check", c.path("vdi.conf"))
        vdi.is_((code, out.splitlines()[-1].endswith(": good")), (0, True), "vdictl check takes it", out, err)
        got = state(c)
        vdi.is_(sorted(got), sorted(want), "the file makes the same classes")
        for name in want:
            vdi.is_(got.get(name), want[name], f"{name}: all that it is, and its dates")
        vdi.ok(all(d["from_config"] for d in c.request("GET", "/v1/classes").json["classes"]),
               "which are the file's now")
        code, out, err = c.run("vdictl", "export")
        vdi.ok(code == 0 and "\nclass " not in out, "and there is nothing left to export", out, err)
        # The API's word on a date counts more than the file's, and is taken back.
        path = f"/v1/classes/fixed/occurrences/{later}"
        r = c.request("PATCH", path, {"skip": True})
        vdi.ok(r.status == 200 and later not in [o[0] for o in state(c)["fixed"][3]],
               "a date that the file moves can be skipped", r.text)
        c.request("PATCH", path, {"reset": True})
        vdi.is_(state(c)["fixed"], want["fixed"], "and is as the file says again")
        code, out, err = c.run("vdictl", "class", "export", "fixed")
        vdi.ok(code == 0 and out.count("UID:vdi-class-fixed") == 2, "a calendar has moved dates, too", out, err)
    vdi.done()


if __name__ == "__main__":
    if os.geteuid() != 0:
        vdi.skip_all("users are told apart by their uid: needs root")
    main()
