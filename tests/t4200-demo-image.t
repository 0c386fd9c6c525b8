#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t4200-demo-image.t - the demo image in a real VM: boot, desktop, keys, batch, agent, power-off.

QEMU emulates, without libvirt and without root; tests/runner_host plays the node. The image is
made once for each build of vdi-runner and vdi-picture, the packages are downloaded once.
"""
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import runner  # noqa: E402
import vdi  # noqa: E402

vdi.need("qemu-system-x86_64", "zbarimg", "cpio", "depmod", "xz", "apt-get")
CACHE = os.path.join(vdi.BUILD, "tests", "image-cache")
IMAGE = os.path.join(CACHE, "images", "demo")
NONCE = "7f3a9c21d4"


def image_tool(*args):
    return subprocess.run([os.path.join(vdi.BUILD, "vdi-image"), f"--dir={CACHE}/images", *args],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


def is_fresh():
    made = os.path.join(IMAGE, "image.json")
    recipe = glob.glob(os.path.join(vdi.SRC, "images", "demo", "*"))
    return os.path.exists(made) and all(
        os.stat(f).st_mtime < os.stat(made).st_mtime
        for f in recipe + [os.path.join(vdi.BUILD, p) for p in ("vdi-runner", "vdi-picture")])


def build():
    if is_fresh():
        return
    shutil.rmtree(IMAGE, ignore_errors=True)
    os.makedirs(os.path.dirname(IMAGE), exist_ok=True)
    run = image_tool("demo", f"--programs={vdi.BUILD}", f"--cache={CACHE}/packages",
                     f"--recipe={vdi.SRC}/images/demo")
    if "can't be downloaded" in run.stderr or "apt knows no" in run.stderr:
        vdi.skip_all("Debian's packages can't be downloaded")
    if run.returncode != 0:
        vdi.diag(run.stderr)
    vdi.is_(run.returncode, 0, "vdi-image makes the demo image")


class Machine:
    """A guest of the image, and the node's half of its runner; without a script, a desktop."""

    def __init__(self, script, environment=None):
        self.dir = tempfile.mkdtemp(prefix="vdi-demo.")
        self.job, self.agent = self.dir + "/job", self.dir + "/agent"
        with open(self.dir + "/payload", "w", encoding="utf-8") as f:
            json.dump({**({"script": script} if script else {}), "args": [],
                       "environment": environment or {}}, f)
        os.mkdir(self.dir + "/node", 0o700)
        self.lines, self.began = [], time.monotonic()
        self.qemu = self.host = None

    def __enter__(self):
        with open(os.path.join(IMAGE, "image.json"), encoding="utf-8") as f:
            manifest = json.load(f)
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,tb-size=64", "-machine", "q35,usb=off", "-cpu",
             "max", "-m", "256", "-nodefaults", "-no-reboot", "-display", "none", "-vga", "none",
             "-device", "bochs-display", "-device", "virtio-tablet-pci", "-device", "pvpanic",
             "-kernel", f"{IMAGE}/{manifest['kernel']}", "-initrd", f"{IMAGE}/{manifest['initrd']}",
             "-append", manifest["cmdline"], "-serial", f"file:{self.dir}/console",
             "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off", "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=job,path={self.job},server=on,wait=off",
             "-device", "virtserialport,chardev=job,name=org.osvdi.job.0",
             "-chardev", f"socket,id=agent,path={self.agent},server=on,wait=off",
             "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"],
            stdin=subprocess.DEVNULL)
        vdi.wait_for("QEMU", lambda: os.path.exists(self.agent) and os.path.exists(self.dir + "/qmp"))
        self.qmp = self._open(self.dir + "/qmp")
        self.qmp.readline()
        self.command("qmp_capabilities")
        self.host = subprocess.Popen(
            [os.path.join(vdi.BUILD, "tests", "runner_host"), self.job, self.dir + "/node",
             "1000000", str(runner.UID), str(runner.GID), "/home/runner-test", "",
             self.dir + "/payload", "n1", "merge", "runner-test", "7"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        runner.threading.Thread(target=self._collect, daemon=True).start()
        return self

    def __exit__(self, *exc):
        for p in (self.host, self.qemu):
            if p and p.poll() is None:
                p.kill()
                p.wait()
        if exc[0]:
            vdi.diag(self.console()[-3000:])
        shutil.rmtree(self.dir, ignore_errors=True)

    def _collect(self):
        for line in self.host.stdout:
            self.lines.append(line.rstrip("\n"))

    @staticmethod
    def _open(path):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(vdi.DEADLINE)
        s.connect(path)
        return s.makefile("rw")

    def command(self, execute, **arguments):
        self.qmp.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def said(self, word):
        return [x for x in self.lines if x.startswith(word)]

    def wait(self, word):
        vdi.wait_for(word, lambda: self.said(word) or self.qemu.poll() is not None)
        return self.said(word)[-1] if self.said(word) else "nothing: the guest ended"

    def console(self):
        with open(self.dir + "/console", encoding="utf-8", errors="replace") as f:
            return f.read()

    def output(self):
        try:
            with open(self.dir + "/node/output", "rb") as f:
                return f.read().decode()
        except FileNotFoundError:
            return ""

    def screen(self):
        self.command("screendump", filename=self.dir + "/screen.ppm")
        with open(self.dir + "/screen.ppm", "rb") as f:
            kind, size, _, pixels = f.read().split(b"\n", 3)
        assert kind == b"P6"
        return tuple(int(x) for x in size.split()), pixels

    def part(self, x, y, width, height):
        (w, _), pixels = self.screen()
        return [pixels[(row * w + x) * 3:(row * w + x + width) * 3] for row in range(y, y + height)]

    def code(self):
        self.screen()
        return subprocess.run(["zbarimg", "--quiet", "--raw", "--nodbus", self.dir + "/screen.ppm"],
                              capture_output=True, text=True).stdout.strip()

    def keys(self, *keys):
        self.command("send-key", keys=[{"type": "qcode", "data": k} for k in keys])

    def tell(self, line):
        self.host.stdin.write(line + "\n")
        self.host.stdin.flush()

    def wait_off(self):
        vdi.wait_for("the guest's end", lambda: self.qemu.poll() is not None)
        return self.qemu.returncode


TYPED, POINTER, CLOCK, BANNER = ((64, 616, 600, 104), (900, 616, 300, 104), (64, 148, 640, 132),
                                 (600, 40, 40, 40))


def changes(machine, part, act, name):
    before = machine.part(*part)
    act()
    vdi.wait_for(name, lambda: machine.part(*part) != before)
    vdi.ok(True, name)


def desktop():
    with Machine(None, {"DEMO_NONCE": NONCE}) as m:
        vdi.ok(m.wait("ready").startswith("ready "), "the runner is ready")
        vdi.diag(f"ready after {time.monotonic() - m.began:.1f} s, load {os.getloadavg()[0]:.1f}")
        vdi.wait_for("the picture", lambda: m.code() or m.said("exited"))
        vdi.diag(f"picture after {time.monotonic() - m.began:.1f} s")
        vdi.is_(m.code(), f"OSVDI job=7 nonce={NONCE}", "the QR code names the job and the nonce",
                m.said("exited"), m.output())
        vdi.is_(m.screen()[0], (1280, 800), "in the mode that the display prefers")
        changes(m, CLOCK, lambda: None, "the clock runs")
        changes(m, TYPED, lambda: m.keys("h"), "a key changes the picture")
        changes(m, POINTER, lambda: m.command("input-send-event", events=[
            {"type": "abs", "data": {"axis": "x", "value": 3000}},
            {"type": "abs", "data": {"axis": "y", "value": 9000}}]), "so does the pointer")
        changes(m, BANNER, lambda: m.tell("message 5 minutes left"), "a message is shown")
        agent = m._open(m.agent)
        agent.write('{"execute":"guest-ping"}\n')
        agent.flush()
        vdi.is_(json.loads(agent.readline()), {"return": {}}, "the guest agent answers")
        m.keys("ctrl", "alt", "q")
        vdi.is_(m.wait("exited").split()[1:4], ["1", "0", "0"], "Ctrl+Alt+Q ends the session with 0")
        agent.write('{"execute":"guest-shutdown"}\n')
        agent.flush()
        vdi.is_(m.wait_off(), 0, "the guest agent switches it off")
        vdi.ok(not [x for x in m.console().split("\n") if "not found" in x or "can't" in x],
               "nothing was missing in it", m.console())


SCRIPT = """#!/bin/sh
id -un; id -u; pwd
echo hello | tr a-z A-Z
touch /etc/passwd 2>/dev/null || echo no root
trap 'echo asked to end; exit 7' TERM
echo up
while :; do usleep 50000; done
"""


def batch():
    with Machine(SCRIPT) as m:
        vdi.wait_for("the script", lambda: m.output().endswith("up\n") or m.said("exited"))
        vdi.is_(m.output().split("\n"), ["runner-test", str(runner.UID), "/home/runner-test", "HELLO",
                                         "no root", "up", ""], "a batch script runs as its owner",
                m.said("exited"))
        _, pixels = m.screen()
        vdi.is_(len({pixels[i:i + 3] for i in range(0, len(pixels), 3)}), 1,
                "without a session the display has one colour")
        m.command("system_powerdown")
        began = time.monotonic()
        vdi.is_(m.wait("exited").split()[1:4], ["1", "7", "0"],
                "the power button: the script is asked to end, and how it ended is told")
        vdi.ok(m.output().endswith("asked to end\n"), "with its last output")
        vdi.is_(m.wait_off(), 0, "and the guest switches itself off")
        vdi.diag(f"off after {time.monotonic() - began:.1f} s")


def check():
    run = image_tool("check", "demo", "--boot", "--memory=256M", f"--timeout={int(vdi.DEADLINE)}")
    vdi.is_(run.returncode, 0, "vdi-image check --boot is content", run.stdout, run.stderr)
    for words in ("the guest runner is inside", "the guest agent is inside", "said hello after"):
        vdi.ok(words in run.stdout, f"it says: {words}", run.stdout)


build()
for test in (desktop, batch, check):
    vdi.diag(test.__name__)
    test()
vdi.done()
