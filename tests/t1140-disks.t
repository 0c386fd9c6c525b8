#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1140-disks.t - disks at the controller: what a job gets, who has it, what survives, what goes.

The site is the fake one at first; then nodes of Python (lib/link.py) that fall silent, come back
and are told to remove volumes.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402

LINES = [
    'template "modes" { image = "none"  vcpus = 1  memory = "1G"',
    '  disk "tmp" { size = "1G"  target = "/tmp/x" }',
    '  disk "work" { size = "2G"  target = "/work"  persistence = job }',
    '  disk "home" { size = "3G"  target = "/home/%u/disk"  persistence = personal } }',
    'template "own" { image = "none"  vcpus = 1  memory = "1G"',
    '  disk "home" { size = "3G"  target = "/d"  persistence = personal } }',
    'template "shared" { image = "none"  vcpus = 1  memory = "1G"',
    '  disk "all" { size = "3G"  target = "/d"  persistence = job  where = shared } }',
    'template "large" { image = "none"  vcpus = 1  memory = "1G"',
    '  disk "big" { size = "60G"  target = "/d"  persistence = personal } }',
]


def disks(c, **where):
    return [d for d in c.request("GET", "/v1/disks").json["disks"]
            if all(d[k] == v for k, v in where.items())]


def by_name(c):
    return {d["name"]: d for d in disks(c)}


def wait_disks(c, n, **where):
    return vdi.wait_for(f"{n} disks {where}",
                        lambda: (lambda all: all if len(all) == n else None)(disks(c, **where)) or
                        (n == 0 and not disks(c, **where)))


def why(c, job):
    return c.request("GET", f"/v1/jobs/{job}/why").json["blockers"]


def wait_why(c, job, reason):
    return vdi.wait_for(f"job {job} to wait for {reason}", lambda: next(
        (b for b in why(c, job) if b["reason"] == reason), None))


def end(c, job):
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED", "COMPLETED")


def modes(c):
    r = c.request("POST", "/v1/jobs", {"template": "modes", "requeue": True})
    job = r.json["id"]
    notes = r.json["notes"]
    vdi.ok(len(notes) == 3 and "gone when the instance ends" in notes[0] and
           "until the job has ended" in notes[1] and "until you delete it" in notes[2],
           "a submit says what becomes of each disk", notes)
    listed = {t["name"]: t for t in c.request("GET", "/v1/templates").json["templates"]}
    vdi.is_(listed["modes"]["disks"][2], {"name": "home", "target": "/home/%u/disk", "size_gib": 3,
                                          "persistence": "personal", "where": "node"},
            "a template's disks are listed")
    node = c.wait_state(job, "RUNNING")["node"]
    first = vdi.wait_for("three volumes", lambda: (lambda d: d if len(d) == 3 and all(
        x["made"] for x in d.values()) else None)(by_name(c)))
    vdi.is_({(d["state"], d["node"], d["job"], d["instance"]) for d in first.values()},
            {("LEASED", node, job, c.job(job)["instance"])}, "each is leased to its instance")
    vdi.is_([(d["name"], d["persistence"], d["size_gib"]) for d in disks(c)],
            [("tmp", "discard", 1), ("work", "job", 2), ("home", "personal", 3)], "as vdi.conf says")
    r = c.request("DELETE", f"/v1/disks/{first['home']['id']}")
    vdi.ok(r.status == 409 and f"job {job}" in r.json["detail"] and r.json["remedy"],
           "what is leased is not deleted, and the job is named", r.text)
    r = c.request("POST", f"/v1/disks/{first['home']['id']}/release")
    vdi.is_(r.status, 409, "... nor released while it is in use")
    c.request("POST", f"/v1/jobs/{job}/requeue")
    vdi.wait_for("it to run again", lambda: c.job(job)["restarts"] == 1 and
                 c.job(job)["state"] == "RUNNING")
    again = by_name(c)
    vdi.is_([again[n]["id"] == first[n]["id"] for n in ("tmp", "work", "home")],
            [False, True, True], "a requeue keeps the job's and the user's disk alone")
    vdi.is_((c.job(job)["node"], again["work"]["instance"]), (node, c.job(job)["instance"]),
            "... it runs where they lie, and has them")
    c.request("POST", f"/v1/jobs/{job}/suspend")
    c.wait_state(job, "SUSPENDED")
    vdi.is_({d["state"] for d in disks(c)}, {"LEASED"}, "a saved job has its disks")
    other = c.submit(template="modes")
    b = wait_why(c, other, "DiskBusy")
    vdi.ok(b["job"] == job and f"job {job}" in b["text"], "who waits for a disk is told of whom", b)
    end(c, job)
    vdi.ok(c.wait_state(other, "RUNNING")["node"] == node, "... and starts when it is free")
    now = by_name(c)
    vdi.is_((now["home"]["id"], now["home"]["job"], now["work"]["id"] == first["work"]["id"]),
            (first["home"]["id"], other, False), "the user's disk goes from job to job")
    end(c, other)
    left = wait_disks(c, 1)
    vdi.is_((left[0]["name"], left[0]["state"]), ("home", "FREE"), "at the end it alone is left")
    return left[0]["id"], node


def visibility(c, disk):
    user = 1
    vdi.is_(c.request("GET", "/v1/disks", uid=user).json["disks"], [], "another user sees none")
    none = c.request("GET", "/v1/disks/999999", uid=user)
    theirs = c.request("GET", f"/v1/disks/{disk}", uid=user)
    vdi.is_((theirs.status, theirs.json["title"], theirs.json["detail"].replace(str(disk), "N")),
            (404, none.json["title"], none.json["detail"].replace("999999", "N")),
            "another's disk and none answer alike")
    vdi.is_(c.request("DELETE", f"/v1/disks/{disk}", uid=user).status, 404, "... to a delete, too")
    vdi.is_(c.request("POST", f"/v1/disks/{disk}/release", uid=user).status, 403,
            "only operators release")
    job = c.submit(template="own", uid=user)
    c.wait_state(job, "RUNNING")
    mine = c.request("GET", "/v1/disks", uid=user).json["disks"]
    vdi.ok(len(mine) == 1 and mine[0]["id"] != disk and mine[0]["owner"] == "unix:daemon",
           "a user has a disk of their own", mine)
    vdi.is_("strangers" in c.request("GET", "/v1/disks", uid=user).json, False,
            "... and is not told of volumes that nobody knows")
    end(c, job)
    vdi.wait_for("it to be free", lambda: disks(c, owner="unix:daemon")[0]["state"] == "FREE")
    r = c.request("DELETE", f"/v1/disks/{mine[0]['id']}")
    vdi.is_(r.status, 200, "an operator deletes it", r.text)
    wait_disks(c, 0, owner="unix:daemon")
    audit = c.request("GET", "/v1/audit?request=disk.delete").json
    vdi.ok(any(e["target"] == f"{mine[0]['id']}" and e["status"] == 200
               for e in audit["audit"]), "... which is in the audit trail", audit)


def cli(c, disk):
    code, out, err = c.run("vdictl", "disk", "list")
    vdi.ok(code == 0 and str(disk) in out and "personal" in out and "FREE" in out,
           "vdictl disk list", out, err)
    code, out, err = c.run("vdictl", "disk", "show", str(disk))
    vdi.ok(code == 0 and "home" in out, "vdictl disk show", out, err)
    code, out, err = c.run("vdictl", "disk", "release", str(disk))
    vdi.ok(code == 1 and "nobody has it" in err, "vdictl disk release of a free one", out, err)
    code, out, err = c.run("vdictl", "disk", "delete", str(disk))
    vdi.is_(code, 0, "vdictl disk delete", out, err)
    wait_disks(c, 0)
    code, out, err = c.run("vdictl", "disk", "show", "777777")
    vdi.is_(code, 3, "... no such disk", out, err)


def crashes(c):
    """Whatever the controller was doing when it was killed: a disk is whole, or is not."""
    ended = ("CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "BOOT_FAIL")
    seen = set()

    def is_whole(job):
        j = c.job(job)
        leased = [d["instance"] for d in disks(c, job=job)]
        return j["state"] in ended or (j["state"] == "RUNNING" and leased == 3 * [j["instance"]])

    for n in range(12):
        job = c.submit(template="modes")
        if n % 2:
            c.wait_state(job, "RUNNING")
        c.restart()  # the fake site has forgotten what ran: it may begin once more
        vdi.wait_for("all its disks or none", lambda: is_whole(job))
        c.request("DELETE", f"/v1/jobs/{job}")
        if n % 3 == 0:
            c.restart()
        c.wait_state(job, *ended)
        seen |= {d["id"] for d in disks(c, name="home")}
    left = wait_disks(c, 1)
    vdi.is_((left[0]["name"], left[0]["state"]), ("home", "FREE"),
            "killed 12 times and more: no disk is left over, none is half leased")
    vdi.is_(len(seen), 1, "... and the user's disk is still the same", seen)
    c.request("DELETE", f"/v1/disks/{left[0]['id']}")
    wait_disks(c, 0)


def quota(c):
    text = open(c.path("vdi.conf"), encoding="utf-8").read()
    with open(c.path("vdi.conf"), "a", encoding="utf-8") as f:
        f.write("disks_max = 4\ndisk_space_max = 64G\n")
    c.request("POST", "/v1/reconfigure", {})
    a = c.submit(template="modes")
    c.wait_state(a, "RUNNING")
    b = c.submit(template="shared")
    c.wait_state(b, "RUNNING")
    late = c.submit(template="own")
    blocker = wait_why(c, late, "DiskQuota")
    vdi.ok("disks_max" in blocker["text"], "over the quota a job waits", blocker)
    end(c, b)
    c.wait_state(late, "RUNNING")
    vdi.ok(True, "... until another job ends")
    r = c.request("POST", "/v1/jobs", {"template": "large"})
    vdi.ok(r.status == 422 and r.json["field"] == "disk_space_max" and r.json["limit"] == "64 GiB"
           and "vdictl disk" in r.json["remedy"], "what no end would help is refused", r.text)
    r = c.request("GET", "/v1/me").json
    limits = {x["name"]: (x["used"], x["allowed"]) for x in r["limits"]}
    vdi.is_((limits["disks_max"], limits["disk_space_max"]), ((4, 4), (9, 64)),
            "/v1/me says what is used")
    end(c, late)
    end(c, a)
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(text)
    c.request("POST", "/v1/reconfigure", {})
    for d in wait_disks(c, 2):
        c.request("DELETE", f"/v1/disks/{d['id']}")
    wait_disks(c, 0)


def space(c):
    """60 GiB of 100 on each node: one of them each, and they stay when their jobs have ended."""
    text = open(c.path("vdi.conf"), encoding="utf-8").read()
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(text.replace('memory = "8G" }', 'memory = "8G"  disk = "100G" }'))
    c.request("POST", "/v1/reconfigure", {})
    for user in (1, 2):
        end_job = c.submit(template="large", uid=user)
        c.wait_state(end_job, "RUNNING")
        end(c, end_job)
    vdi.is_({d["node"] for d in disks(c)}, {"n1", "n2"}, "a node that is full of disks takes no more")
    third = c.submit(template="large", uid=3)
    b = wait_why(c, third, "Resources")
    vdi.is_((b["resource"], b["need"], b["free"]), ("disk_gib", 60, 40), "... and the job waits", b)
    c.request("DELETE", f"/v1/disks/{disks(c)[0]['id']}")
    c.wait_state(third, "RUNNING")
    vdi.ok(True, "... for one to be deleted")
    end(c, third)


def joined(trust, name, **hello):
    n = link.Node(trust, name)
    n.join(**hello)
    n.keep_alive()
    return n


def running(c, n, job):
    at = n.order("start")
    n.orders.remove(at)
    n.instances.append((at["instance"], at["generation"], "ready"))
    n.report("state", at["instance"], at["generation"], body={"state": "ready"})
    c.wait_state(job, "RUNNING")
    return at


def ordered(start):
    return start["body"]["details"]["disks"]


def stopped(c, n, instance):
    order = n.order("stop", instance)
    n.instances = [i for i in n.instances if i[0] != instance]
    return order


def volumes(c, trust):
    n1 = joined(trust, "n1")
    job = c.submit(template="modes", requeue=True)
    at = running(c, n1, job)
    said = ordered(at)
    vdi.is_([(d["name"], d["size_gib"], d["new"], d["where"]) for d in said],
            [("tmp", 1, True, "node"), ("work", 2, True, "node"), ("home", 3, True, "node")],
            "the order to start names the volumes")
    vdi.is_(said[2]["target"].startswith("/home/") and "%" not in said[2]["target"], True,
            "... and where they are in the guest", said)
    names = {d["name"]: d["volume"] for d in said}
    vdi.wait_for("them to be made", lambda: all(d["made"] for d in disks(c)))
    n1.answers["discard"] = 16  # EBUSY
    c.request("POST", f"/v1/jobs/{job}/requeue")
    stopped(c, n1, at["instance"])
    order = n1.order("discard")
    vdi.is_(order["body"], {"volume": names["tmp"], "where": "node"}, "what is discarded goes")
    at = running(c, n1, job)
    said = {d["name"]: d for d in ordered(at)}
    vdi.is_((said["work"]["volume"], said["work"]["new"], said["home"]["new"],
             said["tmp"]["volume"] == names["tmp"]), (names["work"], False, False, False),
            "a requeue wants the volumes that are there")
    vdi.ok(disks(c, state="DELETING"), "a node that refuses is asked again")
    n1.close()
    vdi.wait_for("n1 to be gone", lambda: c.request("GET", "/v1/nodes/n1").json["state"] != "IDLE"
                 and c.request("GET", "/v1/nodes/n1").json["state"].startswith("DOWN"))
    c.request("DELETE", f"/v1/jobs/{job}")
    c.restart()
    n1 = joined(trust, "n1", boot_id="00000000-1b2a-4b52-9f3d-1c2d3e4f5a6b")
    c.wait_state(job, "CANCELLED", "NODE_FAIL", "PENDING")
    wait_disks(c, 1)
    gone = {o["body"]["volume"] for o in n1.orders if o["verb"] == "discard"}
    vdi.ok({names["tmp"], names["work"], said["tmp"]["volume"]} <= gone and
           names["home"] not in gone, "one that was away removes them when it is back", gone)
    return n1, disks(c)[0], names["home"]


def away(c, n1, home, volume):
    """Its disk is on n1: n2 is of no use."""
    n1.send({"type": "report", "seq": n1.seq + 1, "op": 0, "epoch": n1.welcome["epoch"],
             "instance": 0, "generation": 0, "kind": "inventory", "code": 0, "reason": "", "body": {
                 "cpus": 4, "memory_mib": 8192, "version": "0.1.0", "instances": [], "volumes": [
                     {"volume": volume, "where": "node", "size_bytes": 3 << 30, "bytes": 4096},
                     {"volume": "99999.00112233445566ff", "where": "node", "bytes": 5},
                     {"volume": volume[:-1] + "x", "where": "node", "bytes": 6}]}})
    n1.seq += 1
    told = vdi.wait_for("strangers", lambda: c.request("GET", "/v1/disks").json["strangers"])
    vdi.is_([(s["node"], s["bytes"]) for s in told], [("n1", 5), ("n1", 6)],
            "volumes that no disk has are shown to operators, as is one of the same number")
    vdi.is_(disks(c)[0]["bytes"], 4096, "what a volume takes is shown")
    vdi.ok("nobody here knows" in c.log_text(), "... and told in the log")
    vdi.is_([o for o in n1.orders if "99999." in str(o.get("body"))], [], "... and left alone")
    c.request("PATCH", "/v1/nodes/n1", {"state": "drain", "reason": "test"})
    job = c.submit(template="modes")
    b = wait_why(c, job, "DiskNode")
    vdi.ok(b["subject"] == "n1" and "vdictl disk delete" in b["text"],
           "a job whose disk's node is out says so, with the remedy", b)
    c.request("DELETE", f"/v1/jobs/{job}")
    c.request("PATCH", "/v1/nodes/n1", {"state": "resume", "reason": ""})
    c.request("DELETE", f"/v1/disks/{home['id']}")
    wait_disks(c, 0)


def shared(c, trust, n1):
    n2 = joined(trust, "n2")
    job = c.submit(template="shared", nodelist="n1", requeue=True)
    at = running(c, n1, job)
    vdi.is_(ordered(at)[0]["where"], "shared", "a shared disk")
    vdi.wait_for("it to be made", lambda: disks(c)[0]["made"])
    n1.close()
    c.wait_state(job, "PENDING")
    b = wait_why(c, job, "DiskBusy")
    vdi.is_((disks(c)[0]["state"], disks(c)[0]["node"]), ("LEASED", "n1"),
            "the disk of a silent node stays leased: nobody knows what runs there", b)
    c.restart()
    wait_why(c, job, "DiskBusy")
    n2 = joined(trust, "n2")
    vdi.ok(True, "... over a restart of the controller, too")
    r = c.request("DELETE", f"/v1/disks/{disks(c)[0]['id']}")
    vdi.ok(r.status == 409 and "vdictl disk release" in r.json["remedy"],
           "... is not deleted, and the remedy is named", r.text)
    c.request("PATCH", f"/v1/jobs/{job}", {"nodelist": "n2"})
    r = c.request("POST", f"/v1/disks/{disks(c)[0]['id']}/release")
    vdi.is_(r.status, 200, "an operator who has fenced it releases it", r.text)
    two = running(c, n2, job)
    vdi.is_((ordered(two)[0]["volume"], ordered(two)[0]["new"]),
            (ordered(at)[0]["volume"], False), "... and it starts elsewhere, with its disk")
    n2.close()
    c.wait_state(job, "PENDING")
    wait_why(c, job, "DiskBusy")
    c.request("PATCH", f"/v1/jobs/{job}", {"nodelist": "n1"})
    n1 = joined(trust, "n1", boot_id="11111111-1b2a-4b52-9f3d-1c2d3e4f5a6b")
    n2 = joined(trust, "n2")  # the same boot; it does not have the instance
    three = running(c, n1, job)
    vdi.is_(ordered(three)[0]["volume"], ordered(at)[0]["volume"],
            "a node that is back without the instance frees it by itself")
    c.request("DELETE", f"/v1/jobs/{job}")
    stopped(c, n1, three["instance"])
    wait_disks(c, 0)
    vdi.ok(any(o["verb"] == "discard" and o["body"]["where"] == "shared"
               for o in n1.orders + n2.orders), "the job's end removes it")


def main():
    with vdi.Controller(nodes=2, lines=LINES) as c:
        disk, _ = modes(c)
        visibility(c, disk)
        cli(c, disk)
        crashes(c)
        quota(c)
        space(c)
    with tempfile.TemporaryDirectory() as d:
        trust = link.Trust(d)
        lines = LINES + ['node_down_after = "3s"', 'node_fail_after = "10s"']
        with link.controller(trust, lines=lines, nodes=2) as c:
            for name in ("n1", "n2"):
                trust.enroll(c, name)
            n1, home, volume = volumes(c, trust)
            away(c, n1, home, volume)
            shared(c, trust, n1)
    vdi.done()


if os.geteuid():
    vdi.skip_all("needs root to be other users")
main()
