#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t4130-node-job.t - a batch job between the controller and a node (of Python: lib/link.py).

What the order to start says, every way in which the word of a script's end can come, and what
users are told when the node has no output, no log, or is silent.
"""
import base64
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402

SCRIPT = "#!/bin/sh\nexit 3\n"


class Node(link.Node):
    """Its instances say what `reports` says of them; output and log are `output` and `log`."""

    def __init__(self, trust, name="n1"):
        super().__init__(trust, name)
        self.reports, self.output, self.log = {}, None, None

    def inventory(self, op=0):
        self.report("inventory", op=op, body={
            "cpus": 4, "memory_mib": 8192, "disk_gib": 100, "version": "0.1.0",
            "out_of_service": self.out_of_service, "instances": [
                {"id": i, "generation": 1, "report": r} for i, r in self.reports.items()]})

    def answer(self, order, code=0, body=None):
        verb = order["verb"]
        if verb == "output" and self.output is not None:
            data = self.output[order["body"]["from"]:][:order["body"]["max"]]
            body = {"from": order["body"]["from"], "size": len(self.output), "truncated": True,
                    "data": base64.b64encode(data).decode(), "ended": True}
        elif verb == "log" and self.log is not None:
            body = self.log
        elif verb == "poll" and order["instance"] in self.reports:
            body = self.reports[order["instance"]]
        elif verb == "stop":
            self.reports.pop(order["instance"], None)
        super().answer(order, code, body)

    def tell(self, instance, **report):
        self.reports[instance] = report
        super().report("state", instance, 1, body=report)


def exited(code=0, signal=0):
    return {"state": "ready", "exited": True, "exit_code": code, "exit_signal": signal}


def batch(c, **spec):
    return c.submit(**dict({"template": "batch", "kind": "batch", "script": SCRIPT}, **spec))


def started(n, c, **spec):
    """A new job and the order to start it."""
    n.orders.clear()
    job = batch(c, **spec)
    return job, n.order("start")


def running(n, c, **spec):
    job, at = started(n, c, **spec)
    n.tell(at["instance"], state="ready")
    c.wait_state(job, "RUNNING")
    return job, at["instance"]


def refused(r, status, detail, name):
    vdi.ok(r.status == status and re.fullmatch(detail, r.json.get("detail", "")), name, r.text)


def order(c, n):
    job, at = started(n, c, name="night/run", output="%x-%j.%N", error="/tmp/%u.err",
                      work_dir="/srv", args=["a b"], environment={"X": "1"})
    details = at["body"]["details"]
    me = c.job(job)["owner"].split(":")[1]
    vdi.is_((details["owner"]["name"], details["owner"]["uid"], details["owner"]["gid"]),
            (me, os.geteuid(), os.getegid()), "the order to start names the owner's account")
    vdi.ok(details["owner"]["home"].startswith("/") and
           all(set(g) == {"name", "gid"} for g in details["owner"]["groups"]),
           "with home and groups", details["owner"])
    env = dict(pair.split("=", 1) for pair in details["env"])
    want = {"VDI_JOB_ID": str(job), "VDI_JOB_NAME": "night/run", "VDI_CLUSTER": "scratch",
            "VDI_USER": me, "VDI_PARTITION": "main", "VDI_TEMPLATE": "batch", "VDI_NODE": "n1",
            "VDI_INSTANCE": str(at["instance"]), "VDI_SUBMIT_DIR": "/srv", "VDI_RESTARTS": "0"}
    vdi.is_({k: env.get(k) for k in want}, want, "the job's environment", env)
    vdi.is_((details["job"]["output"], details["job"]["error"]),
            (f"/srv/night_run-{job}.n1", f"/tmp/{me}.err"), "the names of its files")
    vdi.is_(details["payload"], {"script": SCRIPT, "args": ["a b"], "environment": {"X": "1"}},
            "and script, arguments and environment as submitted")
    n.tell(at["instance"], state="ready")
    c.wait_state(job, "RUNNING")
    n.tell(at["instance"], **exited(3))
    j = c.wait_state(job, "FAILED")
    vdi.is_((j["exit_code"], j["reason"]), (3, "ended with exit code 3"), "its end is its end")
    vdi.ok(n.order("stop", at["instance"]), "and its instance is stopped")


def ends(c, n):
    job, at = started(n, c)
    n.tell(at["instance"], **exited(0))
    vdi.is_([e["type"] for e in (c.wait_state(job, "COMPLETED"), c.request(
        "GET", f"/v1/jobs/{job}/events").json["events"])[1]],
            ["submit", "alloc", "start", "finish", "end"],
            "a script that ended before its instance was said to be ready")
    n.answers["stop"] = None
    job, instance = running(n, c)
    for _ in range(3):
        n.tell(instance, **exited(0, 9))
    n.inventory()
    n.order("stop", instance)
    j = c.wait_state(job, "COMPLETING")
    vdi.is_((j["final"], j["exit_signal"]), ("FAILED", 9), "told three times and in an inventory")
    n.tell(instance, **exited(0))
    n.reports.pop(instance)
    n.answer(n.order("stop", instance))
    j = c.wait_state(job, "FAILED")
    vdi.is_((j["exit_signal"], j["restarts"]), (9, 0), "it ended once, and the first word stands")
    job, instance = running(n, c)
    c.request("DELETE", f"/v1/jobs/{job}")
    stop = n.order("stop", instance)
    n.tell(instance, **exited(0))
    n.reports.pop(instance)
    n.answer(stop)
    vdi.is_(c.wait_state(job, "CANCELLED", "COMPLETED")["state"], "CANCELLED",
            "a script that ends while its job is being cancelled")
    del n.answers["stop"]


def away(c, trust, n):
    """Returns the node as it came back."""
    job, instance = running(n, c)
    polled, other = running(n, c)
    c.kill()
    n.close()
    c.start()
    back = Node(trust)
    back.reports = {instance: exited(7), other: {"state": "ready"}}
    back.join()
    back.keep_alive()
    j = c.wait_state(job, "FAILED")
    vdi.is_(j["exit_code"], 7, "a script that ended while the controller was down")
    vdi.is_(c.job(polled)["state"], "RUNNING", "what runs on, runs on")
    back.tell(other, **exited(0))
    c.wait_state(polled, "COMPLETED")
    return back


def asks(c, trust, n):
    job, instance = running(n, c)
    get = lambda what: c.request("GET", f"/v1/jobs/{job}/{what}")
    n.answers["output"] = 2
    refused(get("output"), 409, f"job {job} is RUNNING: it has written nothing yet",
            "the node knows of no output yet")
    n.answers["output"] = 0
    n.output = b"\0\1binary\xff" * 100000
    r = get("output")
    vdi.is_((r[2], r.headers["VDI-Output-Truncated"]), (n.output, "true"),
            "a megabyte, byte for byte, and that it was cut")
    vdi.is_({(o["body"]["stream"], o["body"]["max"]) for o in n.orders if o["verb"] == "output"},
            {("out", 262144)}, "in pieces of 256 KiB")
    n.log = {"stages": [{"name": "image", "usec": 1500}, {"name": "boot\n", "usec": 2500000}],
             "failed_stage": "runner", "reason": "no answer", "console": "last\twords\r\nhelp",
             "screenshot": ""}
    text = get("log").text
    vdi.ok("       0.002 s  image\n       2.500 s  boot \n                runner  <-- failed here: "
           "no answer\nthe end of its console:\n| last words \n| help\n" in text,
           "its stages, the one that failed and the console, without control characters", text)
    refused(get("log?screenshot=true"), 404, f"no picture of job {job} is kept", "it has no picture")
    n.log = dict(n.log, screenshot="bm8gcGljdHVyZQ==")
    refused(get("log?screenshot=true"), 503, "node n1 did not send a picture",
            "what is no picture is not passed on")
    r = c.request("POST", f"/v1/jobs/{job}/message", {"text": "hello"})
    vdi.is_((r.status, n.order("message")["body"]), (200, {"text": "hello"}), "a message to it")
    c.request("DELETE", f"/v1/jobs/{job}?signal=10")
    vdi.is_(n.order("signal")["body"], {"signal": 10}, "and a signal")
    n.answers["log"] = None
    r = get("log")
    vdi.ok(r.status == 200 and "its node's part is not here: node n1 is connected, but does not "
           "answer\n" in r.text, "a node that does not answer costs the log a line", r.text)
    n.close()
    since = "node n1 is silent since 20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ"
    vdi.wait_for("the link to be gone", lambda: "silent since" in get("log").text)
    vdi.ok(re.search(f"its node's part is not here: {since}\n", get("log").text),
           "nor does one that is silent", get("log").text)
    refused(get("output"), 503, since, "whose output cannot be had")
    refused(get("log?screenshot=true"), 503, since, "nor its screen")
    refused(c.request("POST", f"/v1/jobs/{job}/message", {"text": "x"}), 503,
            "the node of this job is not connected now", "nor can anything be shown there")
    back = Node(trust)
    back.reports = {instance: exited(0)}
    back.join()
    back.keep_alive()
    c.wait_state(job, "COMPLETED")
    back.answers["output"] = 2
    refused(get("output"), 410, f"the output of job {job} is no longer kept",
            "what a node has thrown away is gone")
    return back


def downs(c, n):
    patch = lambda **ask: c.request("PATCH", "/v1/nodes/n1", ask)
    vdi.is_(patch(state="down", reason="fan").json["state"], "DOWN", "a connected node taken down")
    n.orders.clear()
    vdi.is_(patch(state="resume").status, 200, "and resumed")
    n.order("inventory")
    vdi.wait_for("the node to be up", lambda: c.request("GET", "/v1/nodes/n1").json["state"] == "IDLE")
    vdi.ok(True, "is up once it has told what it has")
    n.close()
    vdi.wait_for("its silence", lambda: c.request("GET", "/v1/nodes/n1").json["state"] == "DOWN")
    refused(patch(state="resume"), 409, "node n1 is silent since 20.*Z",
            "one that is silent is not resumed")


def main():
    with tempfile.TemporaryDirectory(prefix="vdi.") as directory:
        trust = link.Trust(directory)
        with link.controller(trust, lines=["node_down_after = 3s"]) as c:
            vdi.wait_for("its nodes", lambda: c.request("GET", "/v1/nodes/n1").status == 200)
            trust.enroll(c, "n1")
            n = Node(trust)
            n.join()
            n.keep_alive()
            order(c, n)
            ends(c, n)
            n = away(c, trust, n)
            n = asks(c, trust, n)
            downs(c, n)
    vdi.done()


main()
