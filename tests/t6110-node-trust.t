#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6110-node-trust.t - nodes that are no longer trusted, and one that came while the disk was full.

A reconfigure ends the links of nodes whose certificates were revoked or that are no longer in
vdi.conf. The nodes are of Python (lib/link.py).
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402


def revoke(trust, node):
    return subprocess.run([os.path.join(vdi.BUILD, "vdictl"), "pki", "revoke", trust.pki, node],
                          capture_output=True, text=True, check=False)


def welcome(trust, name):
    try:
        n = link.Node(trust, name)
        m = n.join()
        n.keep_alive()
        return n if m and m["type"] == "welcome" else m
    except OSError:
        return None


def state(c, node):
    return c.request("GET", f"/v1/nodes/{node}").json["state"]


def trust_ends(directory):
    trust = link.Trust(directory)
    with link.controller(trust, nodes=3) as c:
        nodes = {}
        for name in ("n1", "n2", "n3"):
            trust.enroll(c, name)
            nodes[name] = welcome(trust, name)
            vdi.wait_for(f"{name} to be there", lambda: state(c, name) == "IDLE")
        run = revoke(trust, "n1")
        vdi.is_((run.returncode, run.stdout.split(";")[0]), (0, "n1: 1 certificate revoked"),
                "n1's certificate is revoked", run.stderr)
        vdi.ok(not nodes["n1"].closed, "which counts from the next reconfigure on")
        vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "reconfigure")
        vdi.wait_for("n1's link to end", lambda: nodes["n1"].closed)
        vdi.ok(not nodes["n2"].closed and not nodes["n3"].closed, "its link ends, no other's")
        vdi.is_(welcome(trust, "n1"), None, "it is not let in again")
        vdi.is_(revoke(trust, "n9").returncode, 3, "an unknown node has no certificate")
        c.nodes = 2
        c.write_conf()
        vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "n3 leaves vdi.conf")
        vdi.wait_for("n3's link to end", lambda: nodes["n3"].closed)
        vdi.ok("no longer in vdi.conf" in (nodes["n3"].bye or ""), "its link ends, and it is told",
               nodes["n3"].bye)
        vdi.ok(not nodes["n2"].closed, "the one that is left is still there")
        bye = welcome(trust, "n3")
        vdi.ok("not in vdi.conf" in bye["reason"], "n3 is not let in again", bye)


def comes_while_the_disk_is_full(directory):
    with vdi.Disk(directory) as disk:
        if not disk.mounted:
            vdi.skip("no small file system can be mounted here", "a node comes to a full disk")
            return
        trust = link.Trust(directory)
        with link.controller(trust, nodes=1, store=f"sqlite:{disk.at}/vdi.db") as c:
            trust.enroll(c, "n1")
            job = c.submit(hold=True)
            disk.fill()
            failed = 0  # a small change may still find room in the log's file: until none does
            while failed < 3:
                done = [c.request("POST", f"/v1/jobs/{job}/{what}").status
                        for what in ("release", "hold")]
                failed = 0 if 200 in done else failed + 1
            before = c.log_text().count("a commit of ")
            n = welcome(trust, "n1")
            n.order("inventory")
            vdi.wait_for("its inventory's commit", lambda: state(c, "n1") == "IDLE" or
                         c.log_text().count("a commit of ") > before)
            if state(c, "n1") == "IDLE":
                vdi.skip("there was room for it", "it is there, and can't be written down")
            else:
                vdi.ok(True, "it is there, and can't be written down")
            disk.clear()
            vdi.wait_for("n1 to be up", lambda: state(c, "n1") == "IDLE")
            vdi.ok(True, "it is asked again when there is room")


def main():
    with tempfile.TemporaryDirectory(prefix="vdi.") as directory:
        trust_ends(directory)
    with tempfile.TemporaryDirectory(prefix="vdi.") as directory:
        comes_while_the_disk_is_full(directory)
    vdi.done()


main()
