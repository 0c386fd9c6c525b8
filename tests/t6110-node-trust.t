#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6110-node-trust.t - a node that is no longer trusted loses its link at the next reconfigure.

The nodes are bare TLS clients that have said hello and been welcomed.
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402


def node(trust, name):
    n = link.Node(trust, name)
    n.hello()
    return n


def lives(n):
    n.beat()
    return n.until("heartbeat") is not None


def pki(trust, *words):
    return subprocess.run([os.path.join(vdi.BUILD, "vdictl"), "pki", words[0], trust.pki, *words[1:]],
                          capture_output=True, text=True, check=False)


def trusted_no_more(c, trust):
    nodes = {}
    for name in ("n1", "n2", "n3"):
        trust.enroll(c, name)
        nodes[name] = node(trust, name)
        vdi.ok(nodes[name].until("welcome"), f"{name} is welcome")
    run = pki(trust, "revoke", "n1")
    vdi.is_((run.returncode, run.stdout.split(";")[0]), (0, "n1: 1 certificate revoked"),
            "n1's certificate is revoked", run.stderr)
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "reconfigure")
    vdi.is_(nodes["n1"].until("none"), None, "its link ends")
    vdi.ok(lives(nodes["n2"]) and lives(nodes["n3"]), "the others' do not")
    try:
        again = node(trust, "n1").until("welcome")
    except OSError:
        again = None
    vdi.is_(again, None, "it is not let in again")
    run = pki(trust, "revoke", "n9")
    vdi.is_(run.returncode, 3, "there is no certificate of an unknown node", run.stderr)
    return nodes


def described_no_more(c, trust, nodes):
    c.nodes = 2
    c.write_conf()
    vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "n3 is taken out of vdi.conf")
    bye = nodes["n3"].until("bye")
    vdi.ok(bye and "no longer in vdi.conf" in bye["reason"], "it is told so", bye)
    vdi.is_(nodes["n3"].until("none"), None, "and its link ends")
    vdi.ok(lives(nodes["n2"]), "the one that is left is still there")
    bye = node(trust, "n3").until("bye")
    vdi.ok(bye and "not in vdi.conf" in bye["reason"], "n3 is not let in again", bye)


def main():
    with tempfile.TemporaryDirectory(prefix="vdi.") as scratch:
        trust = link.Trust(scratch)
        with link.controller(trust, nodes=3) as c:
            described_no_more(c, trust, trusted_no_more(c, trust))
    vdi.done()


main()
