#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6101-hostile-node.t - nodes that lie, flood, fall silent or come twice; frames that are none.

The nodes are of Python (lib/link.py). What one of them says touches what is on it and nothing
else, what cannot be meant ends its link, and what it left running is stopped before it is used.
"""
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402

OTHER_BOOT = "00000000-1b2a-4b52-9f3d-1c2d3e4f5a6b"


def state(c, node):
    return c.request("GET", f"/v1/nodes/{node}").json["state"]


def wait_node(c, node, *states):
    return vdi.wait_for(f"{node} to be {' or '.join(states)}",
                        lambda: state(c, node) in states)


def refused(trust, words, name, **hello):
    n = link.Node(trust, "n1")
    first = n.join(**hello)
    vdi.ok(first and first["type"] == "bye" and words in first["reason"], name, first)
    vdi.is_(n.recv(), None, "... and the link is closed")
    n.close()


def hellos(c, trust):
    refused(trust, "another node than the certificate", "a hello in another's name", node="n2")
    refused(trust, "newer controller", "a node that has seen a newer controller", epoch_seen=1 << 40)
    refused(trust, "no common version", "a node of another age", protocol={"min": 7, "max": 9})
    n = link.Node(trust, "n1")
    n.beat()
    vdi.is_((n.recv() or {}).get("reason"), "the first message must be a hello", "no hello at first")
    vdi.is_([state(c, x) for x in ("n1", "n2")], ["UNKNOWN", "UNKNOWN"], "none of them is a node yet")


def cut_off(trust, what, name):
    """what(n) is sent to by a node that has joined; the link must end."""
    n = link.Node(trust, "n1")
    n.join()
    try:
        what(n)
    except OSError:
        pass  # closed while we still write
    vdi.ok(vdi.wait_for(name, lambda: n.closed), name, n.bye)
    n.close()


def frames(c, trust):
    n = link.Node(trust, "n1")
    n.send_raw(struct.pack(">I", 0xffffffff))
    vdi.is_(n.recv(), None, "a frame of 4 GiB before the hello ends the link")
    n = link.Node(trust, "n1")
    try:
        n.send(b'{"type":"hello","x":"' + b"x" * (128 << 10) + b'"}')
    except OSError:
        pass
    vdi.is_(n.recv(), None, "so does one of 128 KiB before the hello")
    cut_off(trust, lambda n: n.send_raw(struct.pack(">I", (1 << 20) + 1) + b"x" * 4096),
            "a frame over 1 MiB")
    cut_off(trust, lambda n: n.send(b"{"), "no JSON")
    cut_off(trust, lambda n: n.send(b"[" * 100000), "JSON nested for ever")
    cut_off(trust, lambda n: n.send({"type": "order", "seq": 1, "body": {}}), "half a message")
    cut_off(trust, lambda n: n.send({"type": "welcome", "protocol": 1, "epoch": 9,
                                     "heartbeat_sec": 1, "silence_sec": 9, "time": link.now(),
                                     "stream": "0" * 32, "first": 1, "received": 0}),
            "what only a controller says")
    cut_off(trust, lambda n: n.report("state", 1, 1, seq=n.seq + 7), "a report with none before it")
    cut_off(trust, lambda n: n.send({"type": "ack", "seq": 1 << 60}) or n.beat() or
            n.report("state", 1, 1, seq=99), "an ack of what was never sent, and more")
    vdi.is_(c.request("GET", "/v1/ping").status, 200, "the controller goes on")


def running(c, n):
    job = c.submit(nodelist=n.name)
    at = n.order("start", None)
    n.orders.remove(at)
    n.instances.append((at["instance"], at["generation"], "ready"))
    n.report("state", at["instance"], at["generation"], body={"state": "ready"})
    c.wait_state(job, "RUNNING")
    return job, at["instance"], at["generation"]


def lies(c, n1, n2):
    job, instance, generation = running(c, n1)
    gone = {"state": "gone", "failed": True, "reason": "a lie"}
    n2.report("state", instance, generation, body=gone)
    n2.report("state", instance, generation, body={"state": "ready", "exited": True})
    for op in range(1, 40):
        n2.report("done", instance, generation, op, 5)
    n2.report("inventory", body={"instances": [
        {"id": instance, "generation": generation, "report": gone}]})
    n2.report("inventory", body={"instances": [
        {"id": instance, "generation": generation, "report": {"state": "ready"}}]})
    stop = n2.order("stop", instance)
    vdi.is_(stop["generation"], generation, "who claims another's instance is told to stop it")
    j = c.job(job)
    vdi.is_((j["state"], j["node"], j["instance"]), ("RUNNING", "n1", instance),
            "what a node says of another's instance changes nothing", j)
    n1.report("state", instance, generation + 1, body=gone)
    n1.report("state", instance + 1000, 1, body=gone)
    n1.report("done", instance, generation, 1 << 50, 5)
    n1.report("state", instance, generation, body={"state": "ready", "exit_code": "no number"})
    n1.report("state", instance, generation, body={"unheard": ["of", {"it": None}]})
    r = c.request("POST", f"/v1/jobs/{job}/suspend")
    vdi.is_((r.status, c.job(job)["state"]), (200, "SUSPENDED"), "its own node is still believed",
            r.text)
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")
    n1.instances.clear()


def strangers(c, n1):
    """What no longer counts is stopped before the node takes work."""
    n1.close()
    wait_node(c, "n1", "DOWN")
    job = c.submit(nodelist="n1")
    n1 = link.Node(c.trust, "n1")
    n1.instances = [(777, 1, "ready"), (778, 3, "building"), (779, 1, "gone")]
    n1.answers["stop"] = None
    n1.join()
    n1.keep_alive()
    stops = [n1.order("stop", i) for i in (777, 778)]
    vdi.is_({s["body"]["grace_sec"] for s in stops}, {0}, "strangers are stopped at once")
    vdi.is_((state(c, "n1"), c.job(job)["state"]), ("DOWN", "PENDING"),
            "a node is not used while they run")
    n1.instances = n1.instances[1:]
    n1.answer(stops[0])
    vdi.wait_for("another look", lambda: len([o for o in n1.orders if o["verb"] == "inventory"]) > 1)
    again = vdi.wait_for("a second stop of what still runs", lambda: next(
        (o for o in n1.orders if o.get("instance") == 778 and o is not stops[1]), None))
    vdi.is_((state(c, "n1"), c.job(job)["state"]), ("DOWN", "PENDING"), "... nor while one still does")
    n1.instances = []
    n1.answers["stop"] = 0
    n1.answer(again)
    n1.answer(stops[1])
    c.wait_state(job, "CONFIGURING")
    vdi.ok(not [o for o in n1.orders if o.get("instance") == 779], "then it is, without a word of what is gone")
    c.request("DELETE", f"/v1/jobs/{job}")
    c.wait_state(job, "CANCELLED")
    return n1


def twice(c, trust, n1):
    again = link.Node(trust, "n1")
    again.join()
    vdi.wait_for("the first to be closed", lambda: n1.closed)
    vdi.ok(n1.bye and "newer connection" in n1.bye, "the second connection counts", n1.bye)
    vdi.ok("connects a second time" in c.log_text(), "... with an alarm")
    again.close()
    booted = link.Node(trust, "n1")
    booted.join(boot_id=OTHER_BOOT)
    vdi.ok("has booted anew" in c.log_text(), "another boot id is another boot")
    return booted


def floods(c, n2):
    vdi.wait_for("the node in service", lambda: state(c, "n2") == "IDLE")
    before = len(c.log_text())
    for i in range(20000):
        n2.report("state", 100000 + i, 1, body={"state": "gone", "reason": "x" * 90})
    r = c.request("POST", "/v1/jobs", {"template": "desk", "hold": True})
    vdi.is_(r.status, 201, "a flood of reports: others are served", r.text)
    c.request("DELETE", f"/v1/jobs/{r.json['id']}")
    n2.report("inventory", body={"instances": [
        {"id": i, "generation": 1, "report": {}} for i in range(1, 5001)]})
    vdi.wait_for("the list to be refused", lambda: "5000 instances are too many" in c.log_text())
    vdi.ok(not [o for o in n2.orders if o["verb"] == "stop" and o.get("instance") > 1000],
           "a list over the limit is not taken at all")
    vdi.ok(not n2.closed and state(c, "n2") == "IDLE", "it was only noise", n2.bye)
    vdi.ok(len(c.log_text()) - before < 100000, "and does not fill the log",
           len(c.log_text()) - before)


def deaf(c, trust):
    """A node that reads nothing: what waits for it has an end, and it becomes DOWN."""
    n = link.Node(trust, "n3", rcvbuf=4096)
    n.hello()
    n.welcome = n.recv()
    n.seq = 0
    n.inventory()
    wait_node(c, "n3", "IDLE")
    wait_node(c, "n3", "DOWN")
    vdi.ok(True, "a node that only listens, and not even that, is DOWN after node_down_after")
    n.close()


def silences(c, trust, n):
    """Another node_down_after is in force at once: the nodes are asked to come again."""
    with open(c.path("vdi.conf"), encoding="utf-8") as f:
        text = f.read()
    with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
        f.write(text.replace("node_down_after = 6", "node_down_after = 40"))
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "another node_down_after")
    vdi.wait_for("the link to end", lambda: n.closed)
    vdi.ok(n.bye and "node_down_after" in n.bye, "... its nodes are told to come again", n.bye)
    again = link.Node(trust, n.name)
    w = again.join()
    vdi.is_((w["silence_sec"], w["heartbeat_sec"]), (40, 13), "... and are welcomed with it")
    again.close()


def clocks(c, trust):
    n = link.Node(trust, "n3")
    n.join(time=link.now(3600))
    vdi.wait_for("a drain", lambda: state(c, "n3") in ("DRAINED", "DRAINING"))
    reason = c.request("GET", "/v1/nodes/n3").json["reason"]
    vdi.ok("clock" in reason, "a node whose clock is off by an hour is drained", reason)
    n.close()


def main():
    vdi.need("openssl")
    if not os.path.exists(os.path.join(vdi.BUILD, "vdid")):
        vdi.skip_all("vdid is not built")
    with tempfile.TemporaryDirectory(prefix="vdi.") as scratch:
        trust = link.Trust(scratch)
        with link.controller(trust, ["node_down_after = 6", "kill_wait = 1"], nodes=3) as c:
            c.trust = trust
            for node in ("n1", "n2", "n3"):
                trust.enroll(c, node)
            hellos(c, trust)
            frames(c, trust)
            n1, n2 = link.Node(trust, "n1"), link.Node(trust, "n2")
            for n in (n1, n2):
                n.join()
                n.keep_alive()
                wait_node(c, n.name, "IDLE")
            lies(c, n1, n2)
            n1 = strangers(c, n1)
            n1 = twice(c, trust, n1)
            n1.keep_alive()
            floods(c, n2)
            deaf(c, trust)
            clocks(c, trust)
            silences(c, trust, n1)
            for n in (n1, n2):
                n.close()
    vdi.done()


main()
