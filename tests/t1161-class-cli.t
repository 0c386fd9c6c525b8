#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1161-class-cli.t - classes at the command line: vdictl class, vdiinfo --classes, --reservation.

What is asked for is looked up in the class afterwards; what is shown is compared with the API.
"""
import datetime
import json
import os
import sys
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
LINES = ['template "cad" { image = "none"  vcpus = 1  memory = "1G" }',
         'qos "teaching" { priority = 1000 }',
         'partition "lab" { nodes = "n[1-2]"  batch_template = "batch" }']
os.environ.pop("TZ", None)

# option, value, member, what it is then
OPTIONS = [
    ("template", "cad", "template", "cad"), ("seats", "3", "seats", 3),
    ("groups", "cad1,cad2", "groups", "cad1,cad2"), ("users", "daemon", "users", "daemon"),
    ("partition", "lab", "partition", "lab"), ("qos", "teaching", "qos", "teaching"),
    ("account", "cs101", "account", "cs101"), ("duration", "90m", "duration_sec", 5400),
    ("zone", "America/New_York", "zone", "America/New_York"),
    ("repeat", "FREQ=WEEKLY;COUNT=3", "repeat", "FREQ=WEEKLY;COUNT=3"),
    ("lead", "10m", "lead_sec", 600), ("grace", "5", "grace_sec", 300),
    ("no-show", "20m", "no_show_sec", 1200), ("cleaning", "30s", "cleaning_sec", 30),
]


def soon(seconds, zone=datetime.timezone.utc):
    return (datetime.datetime.now(zone) + datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%S")


def day(days):
    """A morning on some day to come, as people write it."""
    t = datetime.datetime.now(BERLIN) + datetime.timedelta(days=days)
    return datetime.datetime(t.year, t.month, t.day, 10, 15)


def shown(t):
    return t.strftime("%a %Y-%m-%d %H:%M")


def vdictl(c, *words, **env):
    return c.run("vdictl", "class", *words, **env)


def document(c, name):
    return c.request("GET", f"/v1/classes/{name}").json


def creating(c):
    first = day(7)
    words = [f"--{option}={value}" for option, value, _, _ in OPTIONS]
    code, out, err = vdictl(c, "create", "all", "--starts", first.isoformat(), *words)
    got = document(c, "all")
    vdi.is_((code, {m: got.get(m) for _, _, m, _ in OPTIONS}, got.get("starts")),
            (0, {m: want for _, _, m, want in OPTIONS}, first.isoformat()),
            "every option of a class reaches it", out, err)
    vdi.ok("--zone" not in out, "who names a zone is not told of it", out)
    vdictl(c, "delete", "all")
    vdi.is_(c.request("GET", "/v1/classes/all").status, 404, "a class is deleted")

    first, skip = day(7), day(21)
    code, out, err = vdictl(
        c, "create", "lab", "--template", "cad", "--seats", "4", "--users", "root", "--starts",
        first.isoformat(timespec="minutes"), "--duration", "90m", "--repeat",
        "FREQ=WEEKLY;COUNT=10", "--except", str(skip.date()), TZ=":Europe/Berlin")
    last = first + datetime.timedelta(days=63)
    vdi.is_((code, out), (0, f"lab: 4 seats, 9 occurrences, first {shown(first)}, last "
                             f"{shown(last)} (Europe/Berlin)\nTimes are those of zone "
                             "Europe/Berlin, by TZ; --zone says another.\n"),
            "what was booked is told, in whose time", err)
    return first


def zones(c):
    link = os.readlink("/etc/localtime") if os.path.islink("/etc/localtime") else ""
    here = link.rpartition("zoneinfo/")[2] if "zoneinfo/" in link else "UTC"
    for tz, want, why in (("Nowhere/Atlantis", "UTC", "names no zone"),
                          ("../../etc/passwd", "UTC", "names no zone"),
                          ("CET-1CEST", "UTC", "names no zone"), ("Asia/Tokyo", "Asia/Tokyo", "by TZ"),
                          ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo", "by TZ"),
                          (None, here, "")):
        env = {"TZ": tz} if tz else {}
        code, out, err = vdictl(c, "create", "z", "--template", "cad", "--seats", "1", "--users",
                                "root", "--starts", day(100).isoformat(), "--duration", "1h",
                                **env)
        vdi.ok(code == 0 and document(c, "z")["zone"] == want and f"zone {want}, " in out and
               why in out, f"the zone of a machine with TZ={tz}", out, err)
        vdictl(c, "delete", "z")


def refusals(c):
    good = ["--template", "cad", "--seats", "1", "--users", "root", "--starts", day(3).isoformat(),
            "--duration", "1h", "--zone", "UTC"]
    for words, code, said in (
            (["create", "bad", *good, "--seats", "many"], 2, "--seats=many"),
            (["create", "bad", *good, "--duration", "soon"], 2, "--duration=soon"),
            (["create", "bad", *good, "--reason", "x"], 2, "--reason does not go with"),
            (["create", *good], 2, "usage:"), (["create", "a", "b", *good], 2, "usage:"),
            (["update", "lab"], 2, "nothing to change"), (["move", "lab", "2030-01-01"], 2, "--starts"),
            (["skip", "lab"], 2, "usage:"), (["list", "--seats", "3"], 2, "--seats does not go with"),
            (["cancel", "lab"], 2, "nothing that vdictl does"),
            (["create", "lab", *good], 1, "already"), (["create", "b d", *good], 1, "not a name"),
            (["create", "bad", *good, "--seats", "99"], 1, "8 of 99 seats"),
            (["update", "lab", "--seats", "99"], 1, "8 of 99 seats"),
            (["skip", "lab", "2030-01-01"], 3, ""), (["reset", "nosuch", "2030-01-01"], 3, "nosuch"),
            (["show", "nosuch"], 3, "nosuch"), (["occurrences", "nosuch"], 3, "nosuch"),
            (["delete", "../jobs/1"], 3, "")):
        got, out, err = vdictl(c, *words)
        vdi.ok(got == code and said in err and not out and err.count("\n") == 1,
               f"{' '.join(words[:2])}: refused with {code}, {said}", got, out, err)
    _, _, err = vdictl(c, "create", "bad", *good, "--seats", "99")
    vdi.ok("; ask for" in err or "can be had" in err or "fewer" in err,
           "what can be done is said as well", err)
    vdi.is_(c.request("GET", "/v1/classes/bad").status, 404, "and nothing was made")


def rows(text):
    return [line.split() for line in text.splitlines()]


def showing(c, first):
    code, out, err = vdictl(c, "list")
    vdi.is_((code, rows(out)), (0, [["NAME", "SEATS", "TEMPLATE", "NEXT", "ZONE", "ALARM"],
                                    ["lab", "4", "cad", *shown(first).split(), "Europe/Berlin", "-"]]),
            "class list: in the time of its zone, whatever that of the machine", err)
    code, out, err = c.run("vdictl", "list", "classes", "--json")
    vdi.is_((code, json.loads(out)["classes"]), (0, c.request("GET", "/v1/classes").json["classes"]),
            "class list --json", err)
    code, out, err = vdictl(c, "show", "lab")
    vdi.ok(code == 0 and "repeat: FREQ=WEEKLY;COUNT=10\n" in out, "class show", out, err)
    code, out, err = vdictl(c, "show", "lab", "--json")
    vdi.is_((code, json.loads(out)), (0, document(c, "lab")), "class show --json", err)
    code, out, err = vdictl(c, "occurrences", "lab")
    vdi.is_((code, rows(out)[1]),
            (0, [str(first.date()), *shown(first).split(), "11:45", "BOOKED", "4", "-", "-", "-", "-"]),
            "class occurrences", out, err)
    vdi.is_(len(rows(out)), 10, "each has a line", out)


def dates(c, first):
    second, third = (first + datetime.timedelta(days=d) for d in (7, 21))
    code, out, err = vdictl(c, "skip", "lab", str(first.date()), str(second.date()))
    vdi.ok(code == 0 and rows(out)[-1][3] == "7" and f"first {shown(third)}," in out,
           "dates are skipped", out, err)
    _, out, _ = vdictl(c, "occurrences", "lab")
    vdi.is_(rows(out)[-2:], [[str(d.date()), "skipped"] for d in (first, second)],
            "which is shown", out)
    code, out, err = vdictl(c, "reset", "lab", str(second.date()))
    vdi.ok(code == 0 and f"first {shown(second)}," in out, "and reset", out, err)
    late = second.replace(hour=14, minute=30)
    code, out, err = vdictl(c, "move", "lab", str(second.date()), "--starts", late.isoformat(),
                            "--duration", "2h")
    _, all_of_it, _ = vdictl(c, "occurrences", "lab")
    vdi.is_((code, rows(all_of_it)[1][:5], rows(all_of_it)[1][-1]),
            (0, [str(second.date()), *shown(late).split(), "16:30"], "changed"),
            "a date is moved under its name", out, err)
    code, out, err = vdictl(c, "update", "lab", "--seats", "5", "--json")
    vdi.is_((code, json.loads(out)["seats"]), (0, 5), "update --json", err)
    code, out, err = vdictl(c, "update", "lab", "--repeat=")
    vdi.ok(code != 0 and document(c, "lab")["repeat"], "a change that its dates forbid is refused",
           out, err)


def open_class(c):
    code, out, err = vdictl(c, "create", "now", "--template", "cad", "--seats", "2", "--users", "root",
                            "--starts", soon(5), "--duration", "1h", "--zone", "UTC")
    vdi.ok(code == 0 and "1 occurrence, on " in out, "a class that is at once", out, err)
    line = lambda: next(r for r in rows(c.run("vdiinfo", "-h", "--classes")[1]) if r[0] == "now")
    # Its end has a date only where that is another.
    how = lambda: line()[line().index("UTC"):]
    vdi.wait_for("seats counted READY", lambda: "2/2" in line())
    code, out, err = c.run("vdiinfo", "--classes")
    vdi.is_((code, rows(out)[0], [r[0] for r in rows(out)[1:]], "BOOKED" in rows(out)[1]),
            (0, ["CLASS", "SEATS", "NEXT", "UNTIL", "ZONE", "STATE", "READY", "-5m,0,+2m", "CLAIMED",
              "SLOWEST"],
             ["lab", "now"], True), "vdiinfo --classes", err)
    its = how()  # once: the counts of 5 minutes before and at its begin come while we look
    vdi.is_((its[:3], its[4]), (["UTC", "OPEN", "2/2"], "0"), "the one that is: how it goes", its)
    vdi.is_(c.run("vdiinfo", "-T"), c.run("vdiinfo", "--classes"), "vdiinfo -T is the same")
    for words in (["-p", "lab"], ["--me"], ["-o", "%N"], ["--templates"]):
        code, out, err = c.run("vdiinfo", "--classes", *words)
        vdi.ok(code == 2 and "--classes goes with" in err, f"vdiinfo --classes {words[0]}: refused",
               code, out, err)
    code, out, err = c.run("vdiinfo", "--classes", "--json")
    got = json.loads(out)
    vdi.is_((code, [x["name"] for x in got["classes"]], [o["class"] for o in got["occurrences"]]),
            (0, ["lab", "now"], ["now"]), "vdiinfo --classes --json", err)

    code, job, err = c.run("vdisubmit", "--parsable", "--reservation", "now")
    vdi.ok(code == 0 and job.strip().isdigit(), "vdisubmit --reservation: a desktop", job, err)
    got = c.wait_state(int(job), "RUNNING")
    vdi.is_((got["reservation"], got["template"], got["kind"]), ("now", "cad", "interactive"),
            "which is a seat of the class", got)
    other = c.submit(template="desk")
    c.wait_state(other, "RUNNING")
    code, out, err = c.run("vdiqueue", "-h", "-R", "now", "-o", "%i %v")
    vdi.is_((code, out), (0, f"{job.strip()} now\n"), "vdiqueue -R and %v", err)
    code, out, err = c.run("vdiqueue", "-h", "-R", "lab,now", "-O", "jobid:|,reservation:|")
    vdi.is_((code, out), (0, f"{job.strip()}|now|\n"), "a list of classes", err)
    vdi.is_(how()[4], "1", "vdiinfo counts who came", line())
    code, out, err = c.run("vdisubmit", "--reservation", "lab")
    vdi.ok(code == 1 and "not there yet" in err and "from 20" in err, "too early: from when", err)
    code, out, err = c.run("vdicancel", "-R", "now")
    c.wait_state(int(job), "CANCELLED", "COMPLETED")
    vdi.is_((code, c.job(other)["state"]), (0, "RUNNING"), "vdicancel -R ends these alone", err)
    ended = c.request("GET", "/v1/history?reservation=now").json["jobs"]
    vdi.is_([j["id"] for j in ended], [int(job)], "and history knows them by class")


def starting(c):
    """Two boot at once on a node: the others are to come, and not taken."""
    vdictl(c, "create", "slow", "--template", "cad", "--seats", "3", "--users",
           "root,daemon,bin", "--starts", soon(60), "--duration", "1h")
    for uid in (1, 2):
        vdi.wait_for("a seat", lambda uid=uid: c.request(
            "POST", "/v1/jobs", {"template": "cad", "reservation": "slow"}, uid=uid).status == 201)
    code, out, err = c.run("vdisubmit", "--reservation", "slow")
    vdi.ok(code == 1 and "still being started: 2 of 3 are taken; try again" in err,
           "who comes before a seat is ordered is not told that all are taken", code, out, err)


def pages(c):
    """More than one answer of the controller holds."""
    connection, first = c.connect(), datetime.datetime.now(datetime.timezone.utc)
    for i in range(501):
        starts = first + datetime.timedelta(hours=72 + 2 * (i // 4))
        vdi.exchange(connection, "POST", "/v1/classes", {
            "name": f"c{i}", "template": "cad", "seats": 1, "users": "root", "duration_sec": 60,
            "starts": starts.strftime("%Y-%m-%dT%H:%M:%S")})
    want = [f"c{i}" for i in range(501)]
    for words in (["vdictl", "class", "list"], ["vdiinfo", "--classes"]):
        _, out, err = c.run(*words)
        vdi.is_([r[0] for r in rows(out)[1:] if r[0] != "slow"], want, f"{words[0]}: all pages", err)
        _, out, err = c.run(*words, "--json")
        vdi.is_([x["name"] for x in json.loads(out)["classes"] if x["name"] != "slow"], want,
                f"{words[0]} --json: all pages in one document", err)


def main():
    with vdi.Controller(nodes=2, lines=LINES, fake="boot_ms = 100  bind_ms = 10") as c:
        first = creating(c)
        showing(c, first)
        zones(c)
        refusals(c)
        dates(c, first)
        open_class(c)
    with vdi.Controller(nodes=1, lines=LINES[:1] + ["requests_per_sec = 100000",
                                                    "requests_burst = 100000"],
                        fake="boot_ms = 3600000") as c:
        starting(c)
        pages(c)
    vdi.done()


if __name__ == "__main__":
    if os.geteuid() != 0:
        vdi.skip_all("the classes' member is root")
    main()
