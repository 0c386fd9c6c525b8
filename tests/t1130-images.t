#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1130-images.t - published images at the controller: versions, uploads, and what a start gets.

The site is the fake one: which version an instance was begun with is in its document.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402

vdi.need("qemu-img", "qemu-io")


def make_disk(path, mark, mib=2):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {mark} 0 {mib}M", path],
                   check=True, capture_output=True)
    return path


def tool(c, *args):
    return subprocess.run([os.path.join(vdi.BUILD, "vdi-image"), *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False,
                          env=dict(os.environ, VDI_URL="unix:" + c.unix))


def versions(c, name="cad"):
    r = c.request("GET", f"/v1/images/{name}")
    return r.json["images"] if r.status == 200 else []


def current(c, name="cad"):
    return next((v["version"] for v in versions(c, name) if v["current"]), None)


def begun_with(c, job):
    instance = c.wait_state(job, "RUNNING")["instance"]
    return c.request("GET", f"/v1/instances/{instance}").json["image"]


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def publish(c, d):
    run = tool(c, "publish", make_disk(d + "/one.qcow2", 1), "cad", "--reason=first")
    vdi.is_(run.returncode, 0, "a qcow2 file is published", run.stdout, run.stderr)
    one = versions(c)[0]
    vdi.ok(f"cad@sha256:{one['sha256']}" in run.stdout, "... its name and digest are said")
    vdi.is_((one["version"], one["state"], one["current"], one["virtual_bytes"],
             one["min_disk_gib"], one["reason"]),
            (1, "published", True, 64 << 20, 1, "first"), "... it is version 1, the current one")
    manifest = one["manifest"]
    vdi.is_(hashlib.sha256(manifest.encode()).hexdigest(), one["sha256"],
            "the digest is the manifest's")
    digest = sha(d + "/one.qcow2")
    vdi.is_(json.loads(manifest)["sha256"], digest, "... which has the disk's")
    blob = f"{c.store_dir}/blobs/{digest}"
    vdi.is_((sha(blob), os.stat(blob).st_mode & 0o777), (digest, 0o444),
            "the store has the file, which nobody can write")
    run = tool(c, "publish", d + "/one.qcow2", "cad", "--reason=first")
    vdi.is_((run.returncode, len(versions(c))), (0, 1), "the same again is the same version")
    run = tool(c, "publish", make_disk(d + "/two.qcow2", 2), "cad")
    vdi.is_((run.returncode, current(c)), (0, 2), "another disk is version 2", run.stderr)
    return blob


def starts(c):
    one, two = (f"cad@sha256:{v['sha256']}" for v in versions(c))
    pending = c.submit(hold=True)
    old = c.submit(requeue=True)
    vdi.is_(begun_with(c, old), two, "an instance begins with the current version")
    run = tool(c, "rollback", "cad")
    vdi.is_((run.returncode, current(c)), (0, 1), "a rollback selects the one before", run.stderr)
    vdi.is_(begun_with(c, old), two, "... what runs goes on with what it began with")
    new = c.submit()
    vdi.is_(begun_with(c, new), one, "... what begins gets the older one")
    r = c.request("POST", f"/v1/jobs/{old}/requeue")
    vdi.is_(r.status, 200, "a job is requeued", r.text)
    vdi.wait_for("the job to run again", lambda: c.job(old)["restarts"] == 1 and
                 c.job(old)["state"] == "RUNNING")
    vdi.is_(begun_with(c, old), one, "... a requeued job too")
    c.request("POST", f"/v1/jobs/{pending}/release")
    vdi.is_(begun_with(c, pending), one, "... one that waited since before gets it, too")
    instance = c.job(new)["instance"]
    c.restart()
    vdi.is_(current(c), 1, "after a SIGKILL the same version is current")
    vdi.is_(c.request("GET", f"/v1/instances/{instance}").json["image"], one,
            "... and the instance has its own")
    pinned = c.submit(template="pinned")
    vdi.is_(begun_with(c, pinned), two, "a template may name one by its digest")
    run = tool(c, "rollback", "cad", two.split(":")[1][:8])
    vdi.is_(current(c), 2, "a version is selected by how its digest begins", run.stderr)
    vdi.is_(c.request("POST", "/v1/images/cad/rollback", {"sha256": "f" * 64}).status, 404,
            "one that is not there is refused")
    node = c.submit(template="local")
    vdi.is_(begun_with(c, node), "", "what nobody published is an image of the node")


def retire(c):
    two = versions(c)[1]
    run = tool(c, "retire", "cad", two["sha256"])
    vdi.is_((run.returncode, current(c)), (0, 1), "retired, the one before is current", run.stderr)
    r = c.request("POST", "/v1/jobs", {"template": "pinned"})
    vdi.is_(r.status, 409, "who pins a retired version is refused")
    vdi.ok("retired" in r.text and "remedy" in r.text, "... with the remedy", r.text)
    vdi.is_(c.request("DELETE", "/v1/images/cad").status, 200, "all are retired")
    r = c.request("POST", "/v1/jobs", {"template": "desk"})
    vdi.is_(r.status, 404, "... then no job is taken", r.text)
    vdi.is_(c.request("POST", "/v1/images/cad/rollback").status, 404, "... nothing is rolled back")


def uploads(c, d, blob):
    three = make_disk(d + "/three.qcow2", 3, 3)
    with open(three, "rb") as f:
        data = f.read()
    digest = hashlib.sha256(data).hexdigest()
    at = f"/v1/blobs/{digest}"

    def put(start, piece):
        return c.request("POST", f"{at}?from={start}", piece)

    vdi.is_(put(0, data[:1000]).json["bytes"], 1000, "a piece is taken")
    vdi.is_(put(0, data[:1000]).status, 409, "... not twice")
    vdi.is_(put(2000, data[2000:3000]).status, 409, "... nor one behind a hole")
    vdi.is_(c.request("GET", at).json, {"sha256": digest, "bytes": 1000, "complete": False},
            "how much is there is told")
    c.restart()
    run = tool(c, "publish", three, "cad")
    vdi.is_((run.returncode, current(c)), (0, 3), "an upload goes on where it was", run.stderr)
    four = make_disk(d + "/four.qcow2", 4)
    with open(four, "rb") as f:
        data = f.read()
    digest = hashlib.sha256(data).hexdigest()
    at = f"/v1/blobs/{digest}"
    bad = bytes([data[0] ^ 1]) + data[1:]
    for i in range(0, len(bad), 1 << 20):
        put(i, bad[i:i + (1 << 20)])
    run = tool(c, "publish", four, "cad")
    vdi.is_((run.returncode, current(c)), (1, 3), "what arrived corrupt is not published")
    vdi.ok("corrupt" in run.stderr and "again" in run.stderr, "... which is said", run.stderr)
    run = tool(c, "publish", four, "cad")
    vdi.is_((run.returncode, current(c)), (0, 4), "... uploaded again, it is", run.stderr)
    for name, status in (("..", 404), ("x" * 64, 400), ("A" * 64, 400), ("a" * 63, 400)):
        vdi.is_(c.request("GET", f"/v1/blobs/{name}").status, status, f"no digest: {name:.8}")
    vdi.ok(os.path.exists(blob), "a file stays as long as it is young")


def refusals(c):
    def publish_as(**ask):
        return c.request("POST", "/v1/images", ask)

    good = versions(c)[-1]["manifest"]
    missing = json.dumps({"disk": "disk.qcow2", "sha256": "a" * 64, "disk_bytes": 5})
    for name, ask, status, word in (
            ("a file that is not there", {"name": "x", "manifest": missing}, 409, "upload"),
            ("a name that leads elsewhere", {"name": "../x", "manifest": good}, 400, "name"),
            ("no manifest", {"name": "x", "manifest": "{"}, 400, "manifest"),
            ("no sizes", {"name": "x", "manifest": '{"disk":"d","sha256":"' + "a" * 64 + '"}'},
             400, "size"),
            ("a path in it", {"name": "x", "manifest": '{"disk":"/etc/shadow"}'}, 400, "plain"),
            ("a source in clear", {"name": "x", "manifest": good, "source": "http://a/b"}, 400,
             "https"),
            ("a source with a password", {"name": "x", "manifest": good,
                                          "source": "https://u:p@a/b"}, 400, "password")):
        r = publish_as(**ask)
        vdi.ok(r.status == status and word in r.text, f"refused: {name}", r.status, r.text)
    # Who may not administer sees what there is, and changes nothing.
    who = 1
    vdi.is_(c.request("GET", "/v1/images", uid=who).status, 200, "a user sees the images")
    vdi.is_([c.request(verb, path, body, uid=who).status for verb, path, body in (
        ("POST", "/v1/images", {"name": "x", "manifest": good}),
        ("DELETE", "/v1/images/cad", None), ("POST", "/v1/images/cad/rollback", None),
        ("POST", "/v1/images/cad/prefetch", {}), ("POST", "/v1/blobs/" + "a" * 64, b"x"))],
            [403] * 5, "... and changes nothing")


def main():
    with tempfile.TemporaryDirectory() as d:
        trust = link.Trust(d)
        lines = [f'image_store = "{d}/store"', f'image_listen = "127.0.0.1:{vdi.free_port()}"',
                 f'pki_dir = "{trust.pki}"']
        with vdi.Controller(nodes=8, lines=lines, start=False) as c:
            c.store_dir = d + "/store"
            text = open(c.path("vdi.conf"), encoding="utf-8").read()
            text = text.replace('template "desk" { image = "none"',
                                'template "desk" { image = "cad"')
            with open(c.path("vdi.conf"), "w", encoding="utf-8") as f:
                f.write(text)
            c.start()
            blob = publish(c, d)
            two = versions(c)[1]["sha256"]
            with open(c.path("vdi.conf"), "a", encoding="utf-8") as f:
                f.write(f'template "pinned" {{ image = "cad@sha256:{two}"  memory = "1G" }}\n'
                        'template "local" { image = "elsewhere"  memory = "1G" }\n')
            vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "templates are added")
            starts(c)
            retire(c)
            uploads(c, d, blob)
            refusals(c)
    vdi.done()


main()
