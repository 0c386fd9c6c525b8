#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1104-idle.t - a desktop that nobody touches: its user is told, it goes, and when it doesn't."""
import datetime
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

SHAPE = 'image = "none"  vcpus = 1  memory = "1G"'
TEMPLATES = [
    f'template "save" {{ {SHAPE}  idle = "3s"  idle_warn = "2s" }}',
    f'template "shut" {{ {SHAPE}  idle = "3s"  idle_warn = "2s"  idle_action = shutdown }}',
    f'template "kill" {{ {SHAPE}  idle = "3s"  idle_warn = "0"  idle_action = kill }}',
    f'template "slow" {{ {SHAPE}  idle = "6s"  idle_warn = "5s" }}',
]


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Site(vdi.Controller):
    def __init__(self, fake="", **more):
        super().__init__(start=False, lines=TEMPLATES, **more)
        os.mkdir(self.path("input"))
        self.site = (f'site "fake" {{ state_dir = "{self.path("vms")}"  '
                     f'input_dir = "{self.path("input")}"  {fake} }}')
        self.write_conf()
        self.start()

    def desk(self, template):
        job = self.submit(template=template)
        self.wait_state(job, "RUNNING")
        return job

    def _file(self, job):
        return self.path(f"input/{self.job(job)['instance']}")

    def touch(self, job, ago):
        """Somebody touched it so long ago; ago < 0: he goes on for so long."""
        then = time.time() - ago
        with open(self._file(job) + ".new", "w", encoding="utf-8"):
            pass
        os.utime(self._file(job) + ".new", (then, then))
        os.rename(self._file(job) + ".new", self._file(job))

    def forget(self, job):
        os.unlink(self._file(job))

    def events(self, job):
        return self.request("GET", f"/v1/jobs/{job}/events").json["events"]

    def notes(self, job, word):
        return [e for e in self.events(job) if e["type"] == "note" and e.get("idle") == word]

    def wait_note(self, job, word, n=1):
        vdi.wait_for(f"{n} notes '{word}'", lambda: len(self.notes(job, word)) >= n)
        return self.notes(job, word)[-1]


def actions(c):
    save, shut, kill, plain, blind = (c.desk(t) for t in ("save", "shut", "kill", "desk", "save"))
    for job in (save, shut, kill, plain):
        c.touch(job, 1000)
    told = c.wait_note(save, "told")
    vdi.ok("idle since" in told["reason"] and "saved in 2 seconds" in told["reason"],
           "it is in its history that its user was told", told)
    vdi.ok("Nobody has used this session" in c.log_text() and "resume it later" in c.log_text(),
           "and he was")
    j = c.wait_state(save, "SUSPENDED")
    vdi.ok(j["reason"].startswith("saved: idle since 2") and
           j["reason"].endswith(f"vdictl resume {save}"), "saved, with how to come back", j)
    vdi.is_([e["type"] for e in c.events(save)], ["submit", "alloc", "start", "note", "suspend"],
            "told once, then saved")
    lasted = seconds(j["suspended_time"]) - seconds(j["start_time"])
    vdi.ok(lasted >= 2.9, "what was before it was its user's is not his idleness", lasted, j)
    for job, name in ((shut, "shutdown"), (kill, "kill")):
        j = c.wait_state(job, "TIMEOUT")
        vdi.ok(j["reason"].startswith("idle since 2"), "idle_action = " + name, j)
        vdi.ok(seconds(j["end_time"]) - seconds(j["start_time"]) >= 2.9, "not before its time", j)
    j = c.job(plain)
    vdi.ok(j["state"] == "RUNNING" and j["idle_since_time"], "without idle it only shows", j)
    vdi.ok(seconds(j["idle_since_time"]) >= seconds(j["start_time"]) - 1, "since it is its user's")
    j = c.job(blind)
    vdi.ok(j["state"] == "RUNNING" and j["idle_since_time"] is None,
           "what nobody knows changes nothing", j)
    text = c.run("vdiqueue", "-h", "-O", "jobid,idlesince", "-t", "RUNNING")[1]
    shown = dict(line.split() for line in text.splitlines())
    vdi.ok("T" in shown[str(plain)] and shown[str(blind)] == "N/A", "vdiqueue shows it", text)
    return save, plain


def comes_back(c, save):
    c.request("POST", f"/v1/jobs/{save}/resume", {"seconds": 3600})
    j = c.wait_state(save, "RUNNING")
    c.touch(save, 1000)
    vdi.wait_for("idle", lambda: c.job(save)["idle_since_time"])
    j = c.job(save)
    vdi.ok(seconds(j["idle_since_time"]) > seconds(j["start_time"]) + 2.9,
           "read back, its clock starts anew", j)
    c.wait_note(save, "told", 2)
    c.touch(save, -1000)
    note = c.wait_note(save, "over")
    vdi.ok("in use again" in note["reason"] and "stays as it is" in c.log_text(),
           "a touch takes the warning back", note)
    time.sleep(2.5)
    j = c.job(save)
    vdi.ok(j["state"] == "RUNNING" and "idle_told_time" not in j and j["idle_since_time"] is None,
           "and it stays", j)
    c.touch(save, 1000)
    c.wait_note(save, "told", 3)
    c.wait_state(save, "SUSPENDED")
    vdi.ok(True, "until nobody touches it again: it is told again, and goes")


def over_restarts(c):
    known, unknown = c.desk("slow"), c.desk("slow")
    for job in (known, unknown):
        c.touch(job, 1000)
        c.wait_note(job, "told")
    c.forget(unknown)
    c.restart()
    c.wait_state(known, "SUSPENDED")
    vdi.is_(len(c.notes(known, "told")), 1, "a controller that was killed tells nobody twice",
            c.events(known))
    j = c.job(known)
    told, gone = seconds(j["suspended_time"]), seconds(c.notes(known, "told")[0]["time"])
    vdi.ok(told - gone >= 4.9, "and gives the whole warning", told - gone)
    j = c.job(unknown)
    vdi.ok(j["state"] == "RUNNING" and j["idle_told_time"],
           "what it does not hear again it does not act on", j)
    c.touch(unknown, 1000)
    c.wait_state(unknown, "SUSPENDED")
    vdi.is_(len(c.notes(unknown, "told")), 1, "until it does", c.events(unknown))


def by_the_file(c, plain):
    """The file decides, also of who is idle by now."""
    c.lines[-1] = c.lines[-1].replace("6s", "1h")
    slow = c.desk("slow")
    c.touch(slow, 1000)
    c.wait_note(slow, "told")
    c.write_conf()
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "another idle comes into force")
    time.sleep(1)
    vdi.is_(c.job(slow)["state"], "RUNNING", "and is what counts")
    c.lines[-1] = c.lines[-1].replace('idle = "1h"', "")
    c.write_conf()
    c.request("POST", "/v1/reconfigure", {})
    note = c.wait_note(slow, "over")
    vdi.ok("template" in note["reason"], "none takes the warning back", note)
    vdi.is_(c.job(plain)["state"], "RUNNING", "who has none is where he was")


def no_room(c):
    first, second = c.desk("save"), c.desk("save")
    c.touch(first, 1000)
    c.wait_state(first, "SUSPENDED")
    c.touch(second, 1000)
    j = c.wait_state(second, "TIMEOUT")
    vdi.ok(j["reason"].startswith("idle since 2") and "; not saved: " in j["reason"],
           "where there is no room to save it, it ends, as at its limit", j)


with Site() as c:
    saved, idle = actions(c)
    comes_back(c, saved)
    over_restarts(c)
    by_the_file(c, idle)
with Site("saves = 1") as c:
    no_room(c)
vdi.done()
