#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t2310-image-fetch.t - published images on their way to nodes, and in their cache.

Real vdids with libvirt's test driver: no VM, no root. The controller's store is spoilt and
mended under them, they are killed in the middle, and their cache is too small.
"""
import hashlib
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import link  # noqa: E402
import vdi  # noqa: E402

vdi.need("qemu-img", "qemu-io")
MIB = 1 << 20


class Vdid:
    """One node daemon."""

    def __init__(self, trust, name, *lines):
        self.trust, self.name, self.process = trust, name, None
        self.dir = os.path.join(trust.dir, name)
        self.lines = ['uri = "test:///default"', 'accel = "tcg"', f'state_dir = "{self.dir}/state"',
                      f'image_dir = "{self.dir}/images"', f'run_dir = "{self.dir}/run"', *lines]

    def start(self, c):
        if not os.path.exists(self.trust.path(self.name, "node.crt")):
            self.trust.enroll(c, self.name, *self.lines)
        else:
            self.trust.write_conf(self.name, *self.lines)
        self.log = open(self.dir + "/vdid.log", "ab")
        self.process = subprocess.Popen(
            [os.path.join(vdi.BUILD, "vdid"), "--config", self.trust.path(self.name, "vdid.conf")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

        def is_there():
            if self.process.poll() is not None:
                raise AssertionError(self.text())
            return f"node {self.name} is connected" in c.log_text()[self.seen:]
        self.seen = len(c.log_text()) if hasattr(self, "seen") else 0
        vdi.wait_for(f"{self.name} to connect", is_there)

    def text(self):
        with open(self.dir + "/vdid.log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout = None
            self.log.close()
            self.process = None

    def cache(self, *path):
        return os.path.join(self.dir, "state", "image-cache", *path)


def make_disk(path, mark, mib):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "256M"], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {mark} 0 {mib}M", path],
                   check=True, capture_output=True)
    return path


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def tool(c, *args):
    return subprocess.run([os.path.join(vdi.BUILD, "vdi-image"), *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False,
                          env=dict(os.environ, VDI_URL="unix:" + c.unix))


def version(c, name):
    return next(v for v in c.request("GET", f"/v1/images/{name}").json["images"] if v["current"])


def on_node(c, name, node):
    return next((n for n in version(c, name)["nodes"] if n["name"] == node), {"state": ""})


def blob(c, path):
    return f"{c.store_dir}/blobs/{sha(path)}"


def fetches(c, d, nodes):
    disk = make_disk(d + "/cad.qcow2", 1, 24)
    vdi.is_(tool(c, "publish", disk, "cad").returncode, 0, "an image is published")
    run = tool(c, "prefetch", "cad")
    vdi.is_(run.returncode, 0, "prefetch: three nodes get it", run.stdout, run.stderr)
    vdi.ok("3 of 3 nodes have it" in run.stdout, "... which is said", run.stdout)
    v = version(c, "cad")
    for n in nodes:
        at = n.cache(v["sha256"], "disk.qcow2")
        vdi.is_((sha(at), os.stat(at).st_mode & 0o777), (sha(disk), 0o444),
                f"{n.name} has the very file, which nobody can write")
    vdi.is_(sha(nodes[0].cache(v["sha256"], "image.json")), v["sha256"], "... and its manifest")
    vdi.is_(sorted(n["name"] for n in v["nodes"] if n["state"] == "cached"), ["n1", "n2", "n3"],
            "the controller knows which nodes have it")
    vdi.is_(tool(c, "prefetch", "cad", "n[1-2]").returncode, 0, "what is there is there at once")
    vdi.is_(tool(c, "prefetch", "cad", "n9").returncode, 3, "an unknown node is refused")


def strangers(c, trust, nodes):
    """The file server without, and with, a good certificate."""
    v = version(c, "cad")
    digest = os.listdir(c.store_dir + "/blobs")[0]
    url = f"https://vdictld.scratch:{c.image_port}/blobs/{digest}"

    def curl(*args):
        return subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--connect-to",
             f"vdictld.scratch:{c.image_port}:127.0.0.1:{c.image_port}", "--cacert",
             trust.pki + "/ca.crt", *args], capture_output=True, text=True, check=False).stdout

    mine = ["--cert", trust.path("n1", "node.crt"), "--key", trust.path("n1", "node.key")]
    vdi.is_(curl(*mine, url), "200", "a node gets a file")
    vdi.is_(curl(*mine, "-r", "100-", url), "206", "... from the middle of it, too")
    vdi.is_(curl(*mine, url[:-1]), "404", "... none that is not there")
    vdi.is_(curl(*mine, "--path-as-is", url.replace(digest, "../../scratch.db")), "404",
            "... and nothing beside")
    vdi.is_(curl(*mine, "-X", "DELETE", url), "405", "... and can only read")
    vdi.is_(curl(url), "403", "without a certificate nobody does")
    other = ["--cert", trust.pki + "/server.crt", "--key", trust.pki + "/server.key"]
    vdi.is_(curl(*other, url), "403", "... nor with one that is not a node's")
    vdi.ok(v["sha256"] in os.listdir(nodes[0].cache()), "the cache is as it was")


def spoilt(c, d, nodes):
    disk = make_disk(d + "/bad.qcow2", 2, 8)
    vdi.is_(tool(c, "publish", disk, "bad").returncode, 0, "another image is published")
    at = blob(c, disk)
    with open(at, "rb") as f:
        good = f.read()
    os.chmod(at, 0o644)
    with open(at, "r+b") as f:
        f.seek(5 * MIB)
        f.write(b"spoilt")
    run = tool(c, "prefetch", "bad", "n1")
    vdi.is_(run.returncode, 1, "a corrupt transfer is refused")
    vdi.ok("corrupt" in run.stderr, "... which is said", run.stderr)
    v = version(c, "bad")
    vdi.ok(not os.path.exists(nodes[0].cache(v["sha256"])), "... nothing of it is in the cache")
    with open(at, "r+b") as f:
        f.write(good)
    run = tool(c, "prefetch", "bad", "n1")
    vdi.is_(run.returncode, 0, "from a clean file it is taken", run.stderr)
    vdi.is_(sha(nodes[0].cache(v["sha256"], "disk.qcow2")), sha(disk), "... and is right")
    os.unlink(at)
    run = tool(c, "prefetch", "bad", "n2")
    vdi.ok(run.returncode == 1 and "does not have it" in run.stderr,
           "a file that the store lost is not waited for", run.stderr)


def resumed(c, d, nodes):
    """vdid dies in the middle; what is there is not fetched again."""
    disk = make_disk(d + "/long.qcow2", 3, 40)
    vdi.is_(tool(c, "publish", disk, "long").returncode, 0, "a longer one is published")
    n = nodes[2]
    n.kill()
    n.lines.append("image_rate_mib = 8")
    n.start(c)
    vdi.is_(tool(c, "prefetch", "long", "n3", "--no-wait").returncode, 0, "n3 begins slowly")
    v = version(c, "long")
    part = n.cache(v["sha256"] + ".part", "disk.qcow2.part")
    vdi.wait_for("a part", lambda: os.path.exists(part) and os.stat(part).st_size > 8 * MIB)
    n.kill()
    vdi.wait_for("its child to end", lambda: subprocess.run(
        ["pgrep", "-f", "vdi-fetch " + n.cache()], capture_output=True, check=False).returncode)
    had = os.stat(part).st_size
    vdi.ok(8 * MIB < had < os.stat(disk).st_size, "vdid and its child are gone, a part is left", had)
    served = c.request("GET", "/metrics").text if False else ""
    n.lines.remove("image_rate_mib = 8")
    n.start(c)
    with open(part, "rb") as f:
        inode = os.fstat(f.fileno()).st_ino
    run = tool(c, "prefetch", "long", "n3")
    vdi.is_(run.returncode, 0, "another vdid goes on", run.stderr)
    at = n.cache(v["sha256"], "disk.qcow2")
    vdi.is_((os.stat(at).st_ino, sha(at)), (inode, sha(disk)), "... with the part, and it is right",
            served)


def full(c, d, nodes):
    """A cache for two of three images: the one used longest ago goes."""
    n = nodes[1]
    n.kill()
    for sha256 in os.listdir(n.cache()):
        subprocess.run(["rm", "-rf", n.cache(sha256)], check=True)
    n.lines.append("image_cache_mib = 36")
    n.start(c)
    names = []
    for i, mib in ((1, 15), (2, 15), (3, 15), (4, 50)):
        name = f"small{i}"
        names.append(name)
        run = tool(c, "publish", make_disk(f"{d}/{name}.qcow2", 16 + i, mib), name)
        vdi.is_(run.returncode, 0, f"{name} is published", run.stderr)
    shas = [version(c, name)["sha256"] for name in names]
    for i in (0, 1, 2):
        run = tool(c, "prefetch", names[i], "n2")
        vdi.is_(run.returncode, 0, f"{names[i]} is fetched", run.stderr)
    vdi.is_([os.path.exists(n.cache(s)) for s in shas[:3]], [False, True, True],
            "the cache is full: what was used longest ago went")
    run = tool(c, "prefetch", names[3], "n2")
    vdi.is_(run.returncode, 1, "what is larger than the cache is refused")
    vdi.ok("MiB" in run.stderr and "small4" in run.stderr, "... with the sizes", run.stderr)
    vdi.is_([os.path.exists(n.cache(s)) for s in shas[:3]], [False, True, True],
            "... and nothing is removed for it")
    n.kill()
    n.start(c)
    vdi.wait_for("n2's inventory", lambda: on_node(c, names[2], "n2")["state"] == "cached")
    vdi.is_(on_node(c, names[0], "n2")["state"], "", "after a restart the cache is what it was")


def main():
    with tempfile.TemporaryDirectory() as d:
        trust = link.Trust(d)
        port = vdi.free_port()
        lines = [f'image_store = "{d}/store"', f'image_listen = "127.0.0.1:{port}"']
        with link.controller(trust, nodes=3, lines=lines) as c:
            c.store_dir, c.image_port = d + "/store", port
            nodes = [Vdid(trust, name) for name in ("n1", "n2", "n3")]
            try:
                for n in nodes:
                    n.start(c)
                fetches(c, d, nodes)
                strangers(c, trust, nodes)
                spoilt(c, d, nodes)
                resumed(c, d, nodes)
                full(c, d, nodes)
            except AssertionError:
                for n in nodes:
                    vdi.diag(n.text()[-1500:])
                raise
            finally:
                for n in nodes:
                    n.kill()
    vdi.done()


main()
