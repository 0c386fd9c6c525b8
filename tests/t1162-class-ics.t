#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1162-class-ics.t - vdictl class import and export: calendars of other programs, again and again.

What a file says is looked up in the class and its dates afterwards.
"""
import datetime
import os
import pty
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = ['template "cad" { image = "none"  vcpus = 1  memory = "1G" }',
         'template "gis" { image = "none"  vcpus = 1  memory = "1G" }',
         'qos "teaching" { priority = 1000 }',
         'partition "lab" { nodes = "n[1-2]"  batch_template = "batch" }',
         'class "fixed" { template = "cad"  seats = 1  users = {"root"}  duration = "1h"  '
         'starts = "2099-01-01T10:00"  zone = "Europe/Berlin" }']
FIRST = (datetime.datetime.now() + datetime.timedelta(days=7)).replace(
    hour=10, minute=15, second=0, microsecond=0)
WEEK = datetime.timedelta(days=7)
os.environ.pop("TZ", None)


def stamp(t):
    return t.strftime("%Y%m%dT%H%M%S")


def when(t, name="DTSTART"):
    return f"{name};TZID=Europe/Berlin:{stamp(t)}"


def event(uid, *lines, starts=FIRST, summary=None):
    return ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260901T081200Z", when(starts), "DURATION:PT90M",
            *([f"SUMMARY:{summary}"] if summary else []), *lines, "END:VEVENT"]


def moved(uid, of, to, *lines):
    return event(uid, when(of, "RECURRENCE-ID"), *lines, starts=to)


def calendar(c, *events, name="term.ics"):
    path = c.path(name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x",
                             *(line for e in events for line in e), "END:VCALENDAR", ""]))
    return path


LAB = event("lab@x", "RRULE:FREQ=WEEKLY;COUNT=10", when(FIRST + 2 * WEEK, "EXDATE"),
            summary="CAD\\, Übung 1")
PLOT = event("plot@x", "X-VDI-TEMPLATE:gis", "X-VDI-SEATS:2", "X-VDI-USERS:root,daemon",
             "X-VDI-NAME:plots", "X-VDI-LEAD:10m", starts=FIRST + WEEK / 2)
COMMON = ["--template", "cad", "--seats", "4", "--groups", "cad1", "--qos", "teaching"]


def run(c, *words):
    return c.run("vdictl", "class", *words)


def document(c, name):
    return c.request("GET", f"/v1/classes/{name}").json


def names(c):
    return [x["name"] for x in c.request("GET", "/v1/classes").json["classes"]]


def dates(c, name):
    r = c.request("GET", f"/v1/classes/{name}/occurrences").json
    return {o["date"]: (o["begin_time"], o["end_time"]) for o in r["occurrences"]}


def day(weeks):
    return str((FIRST + weeks * WEEK).date())


def counts(text):
    return text.splitlines()[-1] if text else ""


def importing(c):
    path = calendar(c, LAB, PLOT)
    code, out, err = run(c, "import", path, *COMMON, "--dry-run")
    vdi.is_((code, counts(out), names(c)),
            (0, "2 added, 0 changed, 0 same, 0 gone, 0 refused", ["fixed"]),
            "--dry-run shows and changes nothing", out, err)
    vdi.ok("added    CAD-bung-1 (CAD, Übung 1)\n" in out and '    seats: 4\n' in out and
           '    except: "' + day(2) + '"\n' in out, "it is shown what they are to be", out)
    code, out, err = run(c, "import", path, *COMMON)
    vdi.ok(code == 2 and "--yes" in err and names(c) == ["fixed"],
           "without a terminal and --yes nothing is changed", code, out, err)
    code, out, err = run(c, "import", path, *COMMON, "--yes")
    vdi.is_((code, names(c)), (0, ["fixed", "CAD-bung-1", "plots"]), "both are booked", out, err)
    lab, plots = document(c, "CAD-bung-1"), document(c, "plots")
    want = {"template": "cad", "seats": 4, "groups": "cad1", "users": "", "qos": "teaching",
            "starts": FIRST.isoformat(timespec="minutes"), "duration_sec": 5400,
            "zone": "Europe/Berlin", "except": day(2), "uid": "lab@x", "calendar": "term",
            "lead_sec": 300}
    vdi.is_({k: lab[k] for k in want}, want, "what the file does not say the options do")
    want = {"template": "gis", "seats": 2, "groups": "cad1", "users": "root,daemon", "repeat": "",
            "lead_sec": 600}
    vdi.is_({k: plots[k] for k in want}, want, "what it says counts more than they do")
    vdi.is_(sorted(dates(c, "CAD-bung-1")), [day(k) for k in range(10) if k != 2],
            "its dates are those of the rule")
    changes = [document(c, n)["change_time"] for n in names(c)]
    code, out, err = run(c, "import", path, *COMMON)
    vdi.is_((code, counts(out)), (0, "0 added, 0 changed, 2 same, 0 gone, 0 refused"),
            "a second import has nothing to do", out, err)
    code, out, err = run(c, "import", path, "--yes")
    vdi.is_((code, counts(out)), (0, "0 added, 0 changed, 2 same, 0 gone, 0 refused"),
            "without the options as well: what is not said stays", out, err)
    vdi.is_([document(c, n)["change_time"] for n in names(c)], changes, "and nothing was sent")


def changing(c):
    begins = dates(c, "CAD-bung-1")
    late = FIRST + WEEK + datetime.timedelta(hours=4)
    path = calendar(c, moved("lab@x", FIRST + WEEK, late), LAB[:-1] + ["X-VDI-SEATS:5", "END:VEVENT"],
                    moved("lab@x", FIRST + 3 * WEEK, FIRST + 3 * WEEK, "STATUS:CANCELLED"), PLOT)
    code, out, err = run(c, "import", path, "--yes")
    vdi.ok(code == 0 and "changed  CAD-bung-1 (CAD, Übung 1)\n    seats: 5, was 4\n" in out and
           f"    {day(1)}: moved to {late.isoformat(timespec='minutes')}, for 90m\n" in out,
           "the difference is shown", out, err)
    now = dates(c, "CAD-bung-1")
    t = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    vdi.is_((day(3) in now, sorted(now), t(now[day(1)][0]) - t(begins[day(1)][0]),
             t(now[day(1)][1]) - t(now[day(1)][0]), document(c, "CAD-bung-1")["seats"]),
            (False, [day(k) for k in range(10) if k not in (2, 3)], datetime.timedelta(hours=4),
             datetime.timedelta(minutes=90), 5), "one date is moved, one is not, and there are more seats")
    code, out, err = run(c, "import", path, "--yes")
    vdi.is_(counts(out), "0 added, 0 changed, 2 same, 0 gone, 0 refused", "and again: the same", out, err)
    text = open(path, encoding="utf-8").read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("PT90M", "PT2H", 1))  # of the one that is moved
    run(c, "import", path, "--yes")
    longer = dates(c, "CAD-bung-1")
    vdi.is_(([d for d in now if longer[d] != now[d]], t(longer[day(1)][1]) - t(longer[day(1)][0])),
            ([day(1)], datetime.timedelta(hours=2)), "a moved date becomes longer")
    # The same by hand, in other words
    run(c, "update", "CAD-bung-1", f"--except={day(2)}/{str((FIRST + 2.5 * WEEK).date())}")
    run(c, "skip", "CAD-bung-1", day(3))
    code, out, err = run(c, "import", path, "--yes")
    vdi.is_(counts(out), "0 added, 0 changed, 2 same, 0 gone, 0 refused",
            "a skipped date and one that is cancelled are the same", out, err)
    code, out, err = run(c, "import", calendar(c, LAB, PLOT), "--seats=4", "--yes")
    now = dates(c, "CAD-bung-1")
    vdi.ok(code == 0 and now == begins and document(c, "CAD-bung-1")["overrides"] == "",
           "all is as the rule says again", out, err)
    vdi.ok(document(c, "plots")["seats"] == 2, "an option does not overrule the file")


def round_trip(c):
    run(c, "create", "byhand", "--template", "cad", "--seats", "1", "--users", "root", "--starts",
        FIRST.isoformat(), "--duration", "1h", "--zone", "America/New_York", "--repeat", "WEEKLY",
        "--except", f"{day(2)}/{day(4)}", "--lead", "0", "--grace", "90s", "--cleaning", "5m",
        "--partition", "lab", "--account", "cs")
    run(c, "create", "rule", "--template", "cad", "--seats", "1", "--groups", "a,b", "--starts",
        FIRST.isoformat(), "--duration", "100s", "--zone", "UTC", "--repeat",
        f"FREQ=DAILY;UNTIL={stamp(FIRST + 2 * WEEK)};BYHOUR=10,14;BYMINUTE=15")
    run(c, "move", "byhand", day(1), "--duration", "2h")
    run(c, "move", "rule", (FIRST + WEEK).isoformat(timespec="minutes"), "--starts",
        (FIRST + WEEK).replace(hour=12).isoformat())
    run(c, "skip", "rule", (FIRST + WEEK).replace(hour=14).isoformat(timespec="minutes"))
    path = c.path("all.ics")
    code, out, err = run(c, "export", "-o", path)
    vdi.is_((code, out, err), (0, "", ""), "classes are exported")
    code, out, err = run(c, "import", path)
    vdi.is_((code, counts(out)), (0, "0 added, 0 changed, 5 same, 0 gone, 0 refused"),
            "and imported without a difference", out, err)
    code, out, err = run(c, "export", "byhand", "rule")
    vdi.ok(code == 0 and out.count("UID:vdi-class-byhand") == 2 and "UID:lab@x" not in out,
           "those that are named alone, to stdout", out, err)
    vdi.is_(run(c, "export", "nosuch")[0], 3, "one that is not there is told")
    what = {n: ({k: v for k, v in document(c, n).items() if not k.endswith("_time")}, dates(c, n))
            for n in names(c) if n != "fixed"}
    for name in what:
        run(c, "delete", name)
    code, out, err = run(c, "import", path, "--yes")
    vdi.is_((code, sorted(names(c))), (0, sorted(["fixed", *what])), "they come back", out, err)
    vdi.is_({n: dates(c, n) for n in what}, {n: d for n, (_, d) in what.items()},
            "with the same dates")
    keys = ["template", "seats", "groups", "users", "partition", "qos", "account", "zone",
            "duration_sec", "lead_sec", "grace_sec", "no_show_sec", "cleaning_sec"]
    vdi.is_([{k: document(c, n)[k] for k in keys} for n in what],
            [{k: d[k] for k in keys} for d, _ in what.values()], "and all that they had")
    code, out, err = run(c, "import", path)
    vdi.is_(counts(out), "0 added, 0 changed, 5 same, 0 gone, 0 refused", "no difference", out, err)
    for name in ("byhand", "rule", "CAD-bung-1", "plots"):
        run(c, "delete", name)
    run(c, "import", calendar(c, LAB, PLOT), *COMMON, "--yes")


def vanishing(c):
    other = calendar(c, event("other@x", summary="other"), name="other.ics")
    vdi.is_(run(c, "import", other, *COMMON[:6], "--seats=1", "--yes")[0], 0, "another calendar")
    path = calendar(c, LAB)
    code, out, err = run(c, "import", path, "--yes")
    vdi.ok(code == 0 and "gone     plots: stays" in out and "other" not in out and
           "plots" in names(c), "an event that vanished is told, if it was of this calendar", out, err)
    code, out, err = run(c, "import", path, "--delete")
    vdi.ok(code == 2 and "plots" in names(c), "--delete asks, too", out, err)
    code, out, err = run(c, "import", path, "--delete", "--yes")
    vdi.is_((code, sorted(names(c))), (0, ["CAD-bung-1", "fixed", "other"]),
            "--delete deletes its class alone", out, err)


def asking(c):
    for answer, want in ((b"n\n", False), (b"y\n", True)):
        master, slave = pty.openpty()
        env = dict(os.environ, VDI_URL="unix:" + c.unix, PATH=vdi.BUILD + ":" + os.environ["PATH"])
        with subprocess.Popen(["vdictl", "class", "import", calendar(c, LAB, PLOT), *COMMON], env=env,
                              stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            os.write(master, answer)
            out, err = p.communicate(timeout=vdi.DEADLINE)
        os.close(slave)
        os.close(master)
        vdi.is_((p.returncode, "plots" in names(c), b"[y/n]" in err), (0, want, True),
                f"asked at a terminal, {answer!r} is heard", out, err)


def refusing(c):
    before = names(c)
    bad = calendar(c, event("a@x", summary="no template"), event("b@x", "X-VDI-TEMPLATE:cad"),
                   event("c@x", "X-VDI-TEMPLATE:cad", "X-VDI-SEATS:1", summary="nobody"),
                   event("d@x", "X-VDI-TEMPLATE:cad", "X-VDI-SEATS:1", "X-VDI-USERS:root",
                         "X-VDI-NAME:other"),
                   event("u" * 300, "X-VDI-TEMPLATE:cad", "X-VDI-SEATS:1", "X-VDI-USERS:root"),
                   event("e@x", "X-VDI-TEMPLATE:cad", "X-VDI-SEATS:1", "X-VDI-USERS:root",
                         "RRULE:FREQ=WEEKLY;COUNT=3", summary="moved what"),
                   moved("e@x", FIRST + datetime.timedelta(hours=1), FIRST + WEEK),
                   event("f@x", "X-VDI-TEMPLATE:nosuch", "X-VDI-SEATS:1", "X-VDI-USERS:root",
                         summary="ghost"),
                   event("g@x", "X-VDI-TEMPLATE:cad", "X-VDI-SEATS:99", "X-VDI-USERS:root",
                         summary="crowd"),
                   event("h@x", "X-VDI-TEMPLATE:cad", "X-VDI-SEATS:1", "X-VDI-USERS:root",
                         summary="other"), name="bad.ics")
    code, out, err = run(c, "import", bad, "--yes")
    lines = err.splitlines()
    for k, said in enumerate(("event 'a@x' (no template): template:", "event 'b@x' (without a summary): seats:",
                              "event 'c@x' (nobody): groups:", "another class 'other'", "UID: it is too long",
                              "event 'e@x' (moved what): RECURRENCE-ID:", "event 'f@x' (ghost): template",
                              f"event 'g@x' (crowd): ")):
        vdi.ok(k < len(lines) and said in lines[k], f"refused: {said}", err)
    vdi.ok(" of 99 seats" in lines[-1] and day(0) in lines[-1] and ";" in lines[-1],
           "the controller's refusal has occurrence, shortage and remedy", err)
    vdi.is_((code, counts("\n".join(l for l in out.splitlines() if "added," in l)), len(lines),
             sorted(set(names(c)) - set(before))),
            (1, "3 added, 0 changed, 0 same, 0 gone, 6 refused", 8, ["other-2"]),
            "the others go on, a name that there is gets a number, and the exit code is 1", out, err)
    run(c, "delete", "other-2")

    code, out, err = run(c, "import", calendar(c, event("vdi-class-fixed", starts=FIRST)), "--yes")
    vdi.ok(code == 1 and "vdi.conf" in err, "a class of vdi.conf is changed there", out, err)
    for name, text, said in (
            ("big.ics", "BEGIN:VCALENDAR\r\n" + "X-A:b\r\n" * 150000, "1 MiB"),
            ("none.ics", "", "no text"), ("bytes.ics", "\x00\x01", "no text"),
            ("half.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\n", "in the middle"),
            ("x" * 70 + ".ics", "", "63 bytes")):
        with open(c.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        code, out, err = run(c, "import", c.path(name), *COMMON, "--yes")
        vdi.ok(code == 2 and said in err and not out,
               f"{name[:9]}: refused", code, out, err)
    zone = calendar(c, [line.replace("Europe/Berlin", "Mars/Olympus") for line in LAB])
    code, out, err = run(c, "import", zone, *COMMON, "--yes")
    vdi.ok(code == 2 and "lab@x" in err and "Mars/Olympus" in err and not out, "a zone that there is not", err)
    for words in ([c.path("nosuch.ics")], [], ["--starts", "x", c.path("term.ics")]):
        vdi.is_(run(c, "import", *words)[0], 2, f"import {' '.join(words)[-20:]}: refused")
    vdi.is_(c.request("POST", "/v1/classes", {
        "name": "twice", "template": "cad", "seats": 1, "users": "root", "duration_sec": 60,
        "starts": FIRST.isoformat(), "uid": "lab@x"}).status, 409, "one event is one class")
    vdi.is_(names(c), before, "and nothing was made")


def full_date(c):
    """The class is booked; the one date that has no room where it was moved to stays."""
    hours = lambda n: datetime.timedelta(hours=n)
    run(c, "create", "block", "--template", "cad", "--seats", "8", "--users", "root", "--starts",
        (FIRST + WEEK + hours(3)).isoformat(), "--duration", "90m", "--zone", "Europe/Berlin")
    path = calendar(c, event("k@x", "RRULE:FREQ=WEEKLY;COUNT=2", starts=FIRST + hours(8), summary="k"),
                    moved("k@x", FIRST + WEEK + hours(8), FIRST + WEEK + hours(3)), name="k.ics")
    code, out, err = run(c, "import", path, "--template=cad", "--seats=1", "--users=root", "--yes")
    vdi.ok(code == 1 and "k: booked" in out and "0 of 1 seats" in err and day(1) in err,
           "a date that has no room is told", code, out, err)
    was = dates(c, "k")
    run(c, "delete", "block")
    code, out, err = run(c, "import", path, "--yes")
    now = dates(c, "k")
    vdi.ok(code == 0 and list(was) == list(now) == [day(0), day(1)] and was[day(0)] == now[day(0)] and
           was[day(1)] != now[day(1)], "the next import moves it when there is", out, err, was, now)


def main():
    with vdi.Controller(nodes=2, lines=LINES) as c:
        importing(c)
        changing(c)
        round_trip(c)
        vanishing(c)
        asking(c)
        refusing(c)
        full_date(c)
    vdi.done()


if __name__ == "__main__":
    main()
