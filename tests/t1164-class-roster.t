#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1164-class-roster.t - members by a roster file: read again when it changes, the last list in force
while it is away or broken, and no way to have the controller read a file by a request."""
import datetime
import os
import signal
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

CAD = 'template "cad" { image = "none"  vcpus = 1  memory = "1G" }'


def soon(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%S")


def block(path, name="lab", starts=5):
    return (f'class "{name}" {{ template = "cad"  seats = 3  roster = "{path}"  starts = "{soon(starts)}"  '
            'duration = "1h"  zone = "UTC" }')


def put(path, text):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)


def show(c, **who):
    return c.request("GET", "/v1/classes/lab", **who)


def members(c, n):
    vdi.wait_for(f"{n} members", lambda: show(c).json.get("roster_members") == n)


def alarm(c, words):
    return vdi.wait_for(f"an alarm: {words}", lambda: words in show(c).json["alarm"] and show(c).json["alarm"])


def no_alarm(c):
    vdi.wait_for("the alarm to end", lambda: not show(c).json["alarm"])


def claim(c, uid):
    return c.request("POST", "/v1/jobs", {"template": "cad", "reservation": "lab"}, uid=uid)


def members_come_and_go(c, path):
    members(c, 2)
    vdi.wait_for("seats", lambda: len([i for i in c.request("GET", "/v1/instances").json["instances"]
                                       if i["state"] == "READY"]) == 3)
    r = claim(c, 4)
    vdi.ok(r.status == 403 and "no member" in r.json["detail"], "who is not in the file gets no seat", r.text)
    vdi.is_(show(c, uid=4).status, 404, "nor sees the class")
    job = claim(c, 1)
    vdi.is_(job.status, 201, "who is gets one", job.text)
    vdi.ok("roster" not in show(c, uid=1).json and show(c).json["roster"] == path,
           "where the file is, operators alone see", show(c).text)
    put(path, "# without daemon\nbin\nsync\nsync\n")
    vdi.wait_for("the new list", lambda: show(c, uid=4).status == 200)
    vdi.is_((show(c, uid=1).status, claim(c, 4).status), (404, 201), "the file changes, and so do the members")
    vdi.is_(c.wait_state(job.json["id"], "RUNNING")["reservation"], "lab", "who has a seat keeps it")
    c.request("DELETE", f"/v1/jobs/{job.json['id']}")
    r = claim(c, 1)
    vdi.ok(r.status == 403 and "no member" in r.json["detail"], "and takes no other", r.text)


def trouble(c, path):
    os.rename(path, path + ".away")
    said = alarm(c, "No such file")
    vdi.ok("goes on, with 2 names" in said and show(c, uid=2).status == 200,
           "a file that is away leaves the last list in force, and it is said", said)
    _, out, err = c.run("vdiinfo", "--classes")
    vdi.ok("ALARM: roster: " in out, "vdiinfo --classes shows it", out, err)
    os.rename(path + ".away", path)
    no_alarm(c)
    put(path, "bin\nsync\nsecret word of the file\n")
    said = alarm(c, "line 3: there is more than one name")
    vdi.ok("secret" not in show(c).text and show(c, uid=4).status == 200,
           "one that is broken does, too: the line is named, not what is in it", said)
    code, out, err = c.run("vdictl", "check", c.path("vdi.conf"))
    vdi.ok(code == 1 and f'{path}:3: class "lab" roster: there is more than one name; ' in out and
           ": good" not in out, "vdictl check names file and line", code, out, err)
    os.chmod(path, 0o666)
    put(path, "")
    alarm(c, "it is empty")
    os.unlink(path)
    os.mkfifo(path)
    alarm(c, "not a regular file")
    vdi.is_(c.request("GET", "/v1/ping").status, 200, "nobody waits for a FIFO")
    os.unlink(path)
    put(path, "# nobody any more\n")
    members(c, 0)
    no_alarm(c)
    vdi.is_(show(c, uid=4).status, 404, "a file of comments is a list of nobody")
    put(path, "bin\n" * 300000)
    alarm(c, "it is too large")
    put(path, "bin\ndaemon\n")
    members(c, 2)
    no_alarm(c)


def restart(c, path):
    c.restart(signal.SIGKILL)
    members(c, 2)
    vdi.is_(show(c, uid=1).status, 200, "a controller that was killed reads it again")
    os.rename(path, path + ".away")
    c.restart(signal.SIGKILL)
    alarm(c, "nobody is a member by it")
    r = claim(c, 1)
    vdi.ok(r.status != 201 and "roster of class 'lab' can't be read" in r.json["detail"] and r.json["remedy"],
           "without the file at the start who comes is told so, and not that they are no member", r.text)
    os.rename(path + ".away", path)
    members(c, 2)
    vdi.is_(claim(c, 1).status, 201, "when it is there they get a seat")


def no_file_by_request(c):
    body = {"name": "mine", "template": "cad", "seats": 1, "users": "root", "starts": soon(86400),
            "duration_sec": 3600, "roster": "/etc/shadow"}
    for verb, path in (("POST", "/v1/classes"), ("PATCH", "/v1/classes/lab")):
        r = c.request(verb, path, body if verb == "POST" else {"roster": "/etc/shadow"})
        vdi.ok(400 <= r.status < 500, f"{verb}: no request names a file", r.text)
    r = c.request("POST", "/v1/classes", body)
    vdi.ok(r.status == 400 and "roster" in r.text, "which it says by name", r.text)


def another_file(c, lines, path):
    """A new path counts from when its file was read; without one there are no members by it."""
    other = path + "-2"
    c.lines = lines + [block(other, starts=3600)]
    c.write_conf()
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "the file names another roster")
    alarm(c, "goes on, with 2 names")
    put(other, "man\n")
    members(c, 1)
    no_alarm(c)
    vdi.is_((show(c, uid=6).status, show(c, uid=1).status), (200, 404), "it counts when it is there")
    c.lines = lines + [block(other, starts=3600).replace(f'roster = "{other}"', 'users = {"root"}')]
    c.write_conf()
    c.request("POST", "/v1/reconfigure", {})
    vdi.wait_for("the list to go", lambda: show(c, uid=6).status == 404)
    vdi.ok("roster_members" not in show(c).json, "and goes with the key")


def main():
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        path = os.path.join(d, "lab")
        put(path, "\ufeff# the lab\r\n\r\ndaemon\t# uid 1\r\nunix:bin\r\n")
        with vdi.Controller(nodes=2, lines=[CAD, block(path)],
                            fake=f'boot_ms = 50  bind_ms = 10  state_dir = "{d}/fake"') as c:
            lines = c.lines[:1] if len(c.lines) == 2 else [line for line in c.lines if "class " not in line]
            members_come_and_go(c, path)
            trouble(c, path)
            restart(c, path)
            no_file_by_request(c)
            another_file(c, lines, path)
    vdi.done()


if __name__ == "__main__":
    if os.geteuid() != 0:
        vdi.skip_all("members are told apart by their uid: needs root")
    main()
