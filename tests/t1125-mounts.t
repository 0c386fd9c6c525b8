#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1125-mounts.t - directories of users: what a submit says of them, and what vdi.conf may say."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

LINES = [
    'mount "home" { source = "/home/%u"  target = "/home/%u" }',
    'template "saved" { image = "none"  vcpus = 1  memory = "1G"  mounts = {"home"} }',
    'template "own" { image = "none"  vcpus = 1  memory = "1G"  at_limit = kill',
    '  mount "scratch" { source = "/scratch/%g"  target = "/scratch"  mode = ro } }',
    'mount "files" { source = "//files.example.org/%u"  target = "/files"  type = smb }',
    'template "served" { image = "none"  vcpus = 1  memory = "1G"  mounts = {"files"} }',
]


def templates(c):
    listed = {t["name"]: t for t in c.request("GET", "/v1/templates").json["templates"]}
    vdi.is_(listed["saved"]["mounts"], [{"name": "home", "target": "/home/%u", "type": "virtiofs",
                                         "mode": "rw"}], "a template shows a mount of the file")
    vdi.is_(listed["own"]["mounts"][0]["mode"], "ro", "... and one of its own")
    vdi.is_([listed[n]["can_save"] for n in ("desk", "saved", "own", "served")],
            [True, False, False, False],
            "which can be saved is shown")
    vdi.ok("source" not in listed["own"]["mounts"][0], "where they are on the nodes is not")


def notes(c):
    r = c.request("POST", "/v1/jobs", {"template": "saved"})
    vdi.ok("forbid saving" in r.json["notes"][0], "at_limit = save with virtiofs is told", r.text)
    vdi.ok("notes" not in c.job(r.json["id"]), "... in the answer, not in the job")
    r = c.request("POST", "/v1/jobs", {"template": "served"})
    vdi.ok("(smb) forbid saving" in r.json["notes"][0], "... and so does one with a ticket", r.text)
    r = c.request("POST", "/v1/jobs", {"template": "own"})
    vdi.ok("notes" not in r.json, "at_limit = kill needs no word", r.text)
    for more in ([], ["--test-only"]):
        code, out, err = c.run("vdisubmit", "--desktop", "saved", *more)
        vdi.ok("note: the mounts of template 'saved'" in err and "note" not in out,
               f"vdisubmit {' '.join(more)}: on stderr", code, out, err)
    code, out, err = c.run("vdisubmit", "--desktop", "saved", "--quiet")
    vdi.is_(err, "", "... not with --quiet")


def limit(c):
    job = c.submit(template="saved")
    c.wait_state(job, "RUNNING")
    r = c.request("POST", f"/v1/jobs/{job}/suspend")
    vdi.is_((r.status, r.json.get("field")), (409, "template"),
            "a suspend is refused by what forbids it", r.text)
    vdi.ok("without mounts" in r.json.get("remedy", ""), "... with a remedy", r.text)
    c.request("DELETE", f"/v1/jobs/{job}")
    j = c.wait_state(c.submit(template="saved", time_limit_sec=1), "TIMEOUT", "SUSPENDED")
    vdi.is_((j["state"], j["reason"]), ("TIMEOUT", "time limit reached"),
            "at its limit the desktop is shut down and not saved", j)


def checked(c):
    conf = c.path("bad.conf")
    with open(c.path("vdi.conf"), encoding="utf-8") as f:
        good = f.read()
    for line, said in (('mount "a" { source = "/a/../%u" target = "/a" }', "absolute path without"),
                       ('mount "a" { source = "/a/%h" target = "/a" }', "has a % that means nothing"),
                       ('mount "a" { source = "/a" target = "/a" type = 9p }', "root in the guest"),
                       ('mount "a" { source = "/a" target = "/dev" }', "would hide /dev"),
                       ('mount "a" { source = "nas:/a,sec=sys" target = "/a" type = nfs-krb5 }',
                        "a character that a mount's path may not have"),
                       ('mount "a" { source = "nas:/a" target = "/a" type = nfs-krb5 '
                        'ticket = "KCM:" }', "type FILE"),
                       ('template "t" { image = "i" mounts = {"nosuch"} }', "no mount \"nosuch\"")):
        with open(conf, "w", encoding="utf-8") as f:
            f.write(good + line + "\n")
        code, out, err = c.run("vdictl", "check", conf)
        vdi.ok(code == 1 and said in out + err, f"vdictl check: {line}", code, out, err)
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(good.replace("/scratch/%g", "/data/%g"))
    code, out, err = c.run("vdictl", "reconfigure")
    vdi.ok("mount scratch: source /scratch/%g -> /data/%g" in out + err,
           "reconfigure says which mount changed", code, out, err)


with vdi.Controller(lines=LINES) as controller:
    templates(controller)
    notes(controller)
    limit(controller)
    checked(controller)
vdi.done()
