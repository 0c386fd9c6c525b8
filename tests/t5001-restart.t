#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t5001-restart.t - the controller is killed and comes back: nobody notices but by asking.

Also what outlives memory: ended jobs in the archive, retry keys, cursors of lists, events.
"""
import collections
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

KEEP_DONE = "keep_done = \"1s\""


def journal(c):
    with open(c.path("site/journal"), encoding="utf-8") as f:
        return [line.split() for line in f]


def keep(c, key, **spec):
    r = c.request("POST", "/v1/jobs", dict({"template": "desk", "hold": True}, **spec),
                  {"Idempotency-Key": key})
    return r.status, r.json.get("id")


def killed_under_jobs(c):
    script = "#!/bin/sh\n#FAKE exit=0 after_ms=%d\n"
    batch = {"kind": "batch", "template": "batch"}
    desk = c.submit()
    limited = c.submit(script=script % 3600000, time_limit_sec=3, **batch)
    lasts = c.submit(script=script % 3600000, **batch)
    ends = c.submit(script=script % 1500, **batch)
    saved = c.submit()
    for job in (desk, limited, lasts, ends, saved):
        c.wait_state(job, "RUNNING")
    c.request("POST", f"/v1/jobs/{saved}/suspend")
    waits = [c.submit(cpus=4) for _ in range(3)]
    before = {job: c.job(job) for job in (desk, lasts, saved)}
    for _ in range(3):
        c.restart(signal.SIGKILL)
        c.submit()
    c.restart(signal.SIGTERM)
    for job, was in before.items():
        now = c.job(job)
        same = ("state", "instance", "node", "start_time", "owner", "restarts")
        vdi.is_({k: now[k] for k in same}, {k: was[k] for k in same},
                f"a job that was {was['state']} goes on")
    vdi.is_(c.wait_state(limited, "TIMEOUT")["state"], "TIMEOUT", "a time limit holds")
    j = c.wait_state(ends, "COMPLETED")
    vdi.is_((j["state"], j["restarts"]), ("COMPLETED", 0), "an end meanwhile is known", j)
    vdi.is_(c.request("POST", f"/v1/jobs/{saved}/resume").status, 200, "what slept wakes up")
    for job in [desk, lasts, saved]:
        c.request("DELETE", f"/v1/jobs/{job}")
    for job in waits:
        c.wait_state(job, "RUNNING")
        c.request("DELETE", f"/v1/jobs/{job}")
    vdi.ok(True, "what waited starts when there is room")
    for job in [desk, lasts, saved] + waits:
        c.wait_state(job, "CANCELLED")
    starts = collections.Counter((i, g) for i, g, _, what in journal(c) if what == "start")
    vdi.is_([k for k, n in starts.items() if n > 1], [], "nothing was started twice")
    jobs = c.request("GET", "/v1/jobs?state=all&fields=id,restarts").json["jobs"]
    vdi.is_([j for j in jobs if j["restarts"]], [], "and no job ran again")


def killed_under_load(c):
    acked, stop = {}, threading.Event()

    def client(n):
        i = 0
        while not stop.is_set():
            try:
                status, job = keep(c, f"load-{n}-{i}")
            except OSError:
                continue  # the same key again, as a careful client does
            except ValueError:
                continue
            if status in (200, 201):
                acked[(n, i)] = job
                i += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for signo in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        have = len(acked)
        vdi.wait_for("some answers", lambda have=have: len(acked) > have + 50)
        c.restart(signo)
    stop.set()
    for thread in threads:
        thread.join()
    ids = [j["id"] for j in c.request("GET", "/v1/jobs?state=all&fields=id").json["jobs"]]
    lost = [job for job in acked.values() if job not in set(ids)]
    vdi.is_(lost, [], f"of {len(acked)} acknowledged under kills and stops, none is lost")
    vdi.is_(len(set(acked.values())), len(acked), "and no key made two, no two keys one")
    job = next(iter(acked))
    again = [key for key, job in list(acked.items())[::37]
             if keep(c, "load-%d-%d" % key) != (200, job)]
    vdi.is_(again, [], "each key still finds its job")
    for job in ids:
        c.request("DELETE", f"/v1/jobs/{job}")


def out_of_memory(c):
    status, job = keep(c, "early", name="first")
    vdi.is_(status, 201, "a job with a retry key")
    c.request("DELETE", f"/v1/jobs/{job}")
    was = c.job(job)
    c.restart()
    vdi.is_(keep(c, "early", name="first"), (200, job), "the key is known after a kill")
    listed = lambda: any(j["id"] == job for j in c.request(
        "GET", "/v1/jobs?state=CANCELLED&fields=id,end_time").json["jobs"])
    vdi.wait_for("the job to leave memory", lambda: c.request(
        "GET", "/v1/diag").json["events_seq"] > 0 and not in_memory(c, job), 0.1)
    now = c.job(job)
    vdi.is_({k: now.get(k) for k in ("id", "state", "name", "end_time", "reason")},
            {k: was.get(k) for k in ("id", "state", "name", "end_time", "reason")},
            "an ended job is answered from the archive")
    vdi.ok(listed(), "and listed from there")
    events = c.request("GET", f"/v1/jobs/{job}/events").json["events"]
    vdi.is_([e["type"] for e in events], ["submit", "end"], "with its events")
    vdi.is_(keep(c, "early", name="first"), (200, job), "its key still finds it")
    r = c.request("POST", "/v1/jobs", {"template": "desk"}, {"Idempotency-Key": "early"})
    vdi.is_(r.status, 422, "and no other request", r.text)
    c.restart(signal.SIGTERM)
    vdi.is_(keep(c, "early", name="first"), (200, job), "also after a snapshot")
    user = vdi.bearer(c.issue_token("daemon")["token"])
    vdi.is_(c.request("GET", f"/v1/jobs/{job}", headers=user).status, 404,
            "the archive answers its owner alone")
    instances = lambda: [i for i in c.request("GET", "/v1/instances").json["instances"]
                         if i["state"] == "GONE"]
    vdi.wait_for("instances that are gone to leave memory", lambda: not instances(), 0.2)
    vdi.ok(True, "nothing that is gone stays in memory over a restart")


def in_memory(c, job):
    """PATCH acts on what is in memory: 404 is 'not there', 409 'ended'."""
    return c.request("PATCH", f"/v1/jobs/{job}", {"comment": "x"}).status != 404


def pages(c, query, each=None):
    after, seen = "", []
    while True:
        r = c.request("GET", f"/v1/jobs?{query}" + (f"&after={after}" if after else ""))
        seen += [j["id"] for j in r.json["jobs"]]
        if not r.json["next"]:
            return seen
        after = r.json["next"]
        if each:
            each()


def cursors(c):
    ended = [c.submit(hold=True) for _ in range(30)]
    for job in ended:
        c.request("DELETE", f"/v1/jobs/{job}")
    vdi.wait_for("them to leave memory", lambda: not in_memory(c, ended[-1]), 0.1)
    stay = [c.submit(hold=True) for _ in range(30)]
    moving = [c.submit(hold=True) for _ in range(30)]

    def churn():
        if moving:
            c.request("DELETE", f"/v1/jobs/{moving.pop()}")
        c.submit(hold=True)

    seen = pages(c, "fields=id&limit=7", churn)
    vdi.ok(len(seen) == len(set(seen)) and set(stay) <= set(seen),
           "pages while jobs come and go: none twice, none that stayed is missed")
    n = [0]
    early = [c.submit(hold=True) for _ in range(3)]  # listed first, gone from memory meanwhile
    stay, first = stay + early, min(stay)
    c.request("DELETE", f"/v1/jobs/{first}")
    stay.remove(first)

    def some():
        n[0] += 1
        if n[0] < 25:
            churn()
        if n[0] == 4:
            vdi.wait_for("the first to leave memory", lambda: not in_memory(c, first), 0.1)

    seen = pages(c, "fields=id&state=all&limit=7", some)
    twice = [job for job, k in collections.Counter(seen).items() if k > 1]
    vdi.is_(twice, [], "also with those in the archive: none twice")
    vdi.is_(sorted((set(stay) | set(ended) | set(moving)) - set(seen)), [], "and none missed")
    live = len(c.request("GET", "/v1/jobs?fields=id").json["jobs"])
    missed = {limit for limit in range(live - 2, live + 40)
              if set(ended) - set(pages(c, f"fields=id&state=all&limit={limit}"))}
    vdi.is_(missed, set(), "also when a page ends where memory does")
    for job in c.request("GET", "/v1/jobs?fields=id").json["jobs"]:
        c.request("DELETE", f"/v1/jobs/{job['id']}")


class Events:
    """A client of /v1/events."""

    def __init__(self, c, last=None):
        self.connection = c.connect(timeout=vdi.DEADLINE)
        self.connection.request("GET", "/v1/events",
                                headers={"Last-Event-ID": str(last)} if last is not None else {})
        self.response = self.connection.getresponse()

    def read(self, until):
        """Events up to the first for which until(event) is true; an event is a dict."""
        events, event = [], {}
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if line.startswith(":"):
                continue
            if line:
                name, value = line.split(": ", 1)
                event[name] = value
            elif event:
                events.append(event)
                if until(event):
                    self.connection.close()
                    return events
                event = {}


def follows(c):
    stream = Events(c)
    first = [c.submit(hold=True) for _ in range(5)]
    of = lambda job: lambda e: e["event"] == "reset" or f'"id":{job},' in e.get("data", "")
    events = stream.read(of(first[-1]))
    ids = [int(e["id"]) for e in events]
    vdi.ok(ids == sorted(set(ids)) and len(ids) >= 5, "events come in order", ids)
    last = ids[1]
    again = Events(c, last).read(of(first[-1]))
    vdi.is_([int(e["id"]) for e in again], [i for i in ids if i > last],
            "Last-Event-ID: exactly what came after it")
    c.restart()
    new = c.submit(hold=True)
    events = Events(c, ids[-1]).read(of(new))
    vdi.ok(events[0]["event"] == "reset" or f'"id":{new},' in events[-1]["data"],
           "over a restart: all that came after, or 'reset'", events)
    events = Events(c, 1).read(lambda e: True)
    vdi.is_(events[0]["event"], "reset", "too far back: 'reset'")
    events = Events(c, 10 ** 12).read(lambda e: True)
    vdi.is_(events[0]["event"], "reset", "an id of the future: 'reset'")
    r = c.request("GET", "/v1/events", headers={"Last-Event-ID": "x"})
    vdi.is_((r.status, r.json["field"]), (400, "Last-Event-ID"), "no id at all is refused")


def extended_for_ages(c):
    job = c.submit(hold=True, time_limit_sec=600)
    for _ in range(12):
        c.request("POST", f"/v1/jobs/{job}/extend", {"seconds": 366 * 24 * 3600})
    c.restart()
    vdi.ok(c.request("GET", "/v1/diag").json["store_damaged"] == 0 and not c.job(job)["unknown"],
           "what was accepted can be read again")
    c.request("DELETE", f"/v1/jobs/{job}")


def main():
    c = vdi.Controller(nodes=2, start=False)
    c.site = f'site "fake" {{ boot_ms = 0  state_dir = "{c.path("site")}" }}'
    c.lines = [KEEP_DONE, "kill_wait = \"1s\"", "requests_per_sec = 100000",
               "requests_burst = 100000"]
    c.write_conf()
    with c:
        c.start()
        for part in (killed_under_jobs, killed_under_load, out_of_memory, cursors, follows,
                     extended_for_ages):
            part(c)
    vdi.done()


main()
