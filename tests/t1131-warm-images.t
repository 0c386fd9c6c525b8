#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1131-warm-images.t - of nodes that are free for a job, one that has its image is taken.

The nodes are of Python (lib/link.py), and say what a test wants of their images.
"""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402

LINES = ['template "cad" { image = "cad"  vcpus = 1  memory = "1G" }']


def publish(c, mark):
    """The digest of a version of cad whose disk nobody looks at."""
    manifest = json.dumps({"disk": "disk.qcow2", "sha256": mark * 64, "disk_bytes": 5,
                           "virtual_bytes": 1 << 30})
    r = c.request("POST", "/v1/images", {"name": "cad", "manifest": manifest,
                                         "source": "/srv/cad.qcow2"})
    vdi.is_(r.status, 201, "a version is published", r.text)
    return next(v["sha256"] for v in c.request("GET", "/v1/images/cad").json["images"]
                if v["current"])


def wait_heard(c, node):
    def told():
        return sorted((v["sha256"], n["state"])
                      for v in c.request("GET", "/v1/images/cad").json["images"]
                      for n in v["nodes"] if n["name"] == node.name)
    vdi.wait_for(f"{node.name} to be heard", lambda: told() == sorted(
        (i["sha256"], i["state"]) for i in node.images))


def has(c, node, *images):
    """The node says what it has, as (digest, state), and the controller has heard it."""
    node.images = [{"sha256": digest, "state": state} for digest, state in images]
    node.inventory()
    wait_heard(c, node)


def join(c, trust, name, *images):
    node = link.Node(trust, name)
    node.images = [{"sha256": digest, "state": state} for digest, state in images]
    node.join()
    node.keep_alive()
    vdi.wait_for(f"{name} to be in service",
                 lambda: c.request("GET", f"/v1/nodes/{name}").json["state"] in ("IDLE", "MIXED"))
    return node


def node_of(c, template="cad"):
    return vdi.wait_for("a start", lambda job=c.submit(template=template): c.job(job)["node"])


def main():
    with tempfile.TemporaryDirectory() as d:
        trust = link.Trust(d)
        with link.controller(trust, nodes=3, lines=LINES) as c:
            for name in ("n1", "n2", "n3"):
                trust.enroll(c, name)
            n1, n2, n3 = (join(c, trust, name) for name in ("n1", "n2", "n3"))
            old = publish(c, "a")
            vdi.is_(node_of(c), "n1", "where none has the image, the first by name is taken")
            has(c, n1, (old, "fetching"))
            has(c, n2, (old, "failed"))
            has(c, n3, (old, "cached"))
            vdi.is_(node_of(c), "n3", "one that has it comes first; on its way is not there")
            vdi.is_(node_of(c, "desk"), "n1", "another template's job goes where it always did")
            new = publish(c, "b")
            has(c, n2, (new, "cached"))
            vdi.is_(node_of(c), "n2", "a new version is what counts from then on")
            vdi.is_(c.request("POST", "/v1/images/cad/rollback").status, 200, "it is taken back")
            vdi.is_(node_of(c), "n3", "... and so does the older one again")
            c.request("PATCH", "/v1/nodes/n3", {"state": "drain", "reason": "test"})
            vdi.is_(node_of(c), "n1", "a job does not wait for a node that has it")
            c.request("PATCH", "/v1/nodes/n3", {"state": "resume"})
            has(c, n3)
            has(c, n2, (old, "cached"), (new, "cached"))
            vdi.is_(node_of(c), "n2", "a node that has removed it is as the others")
            c.restart()
            for n in (n1, n2, n3):
                n.close()
            join(c, trust, "n1")
            wait_heard(c, join(c, trust, "n2", (old, "cached")))
            vdi.is_(node_of(c), "n2", "after a SIGKILL nodes tell it anew")
    vdi.done()


main()
