#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t5100-runner-chaos.t - the guest runner's port cut anywhere, both ends killed and started again.

Held throughout: the output is what the script wrote, no byte lost or doubled, and the script runs
once and its exit status takes effect once. If the runner itself is killed the script ends with
it; then the output is the beginning of what it wrote, and the end says that it was lost.
"""
import hashlib
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402
from runner import Rig  # noqa: E402

SEED = int(os.environ.get("VDI_SEED", random.SystemRandom().randrange(1 << 30)))
MARK = b"\xff" * 8
# Writes numbered lines, and a file that says how often it ran.
COUNT = """#!/bin/sh
echo ran >>"$HOME/ran"
i=0
while [ $i -lt %d ]; do echo "line $i"; i=$((i+1)); %s done
exit 9
"""
# 100 MiB of lines that differ, as fast as they are taken, in exactly that many bytes.
FLOOD = "#!/bin/sh\nyes 0123456789abcde | head -c 104857600\nexit 0\n"


def ran(r):
    with open(r.home + "/ran", encoding="utf-8") as f:
        return f.read().count("ran")


def lines(n):
    return b"".join(b"line %d\n" % i for i in range(n))


def cuts():
    n = 20000
    with Rig(COUNT % (n, "[ $((i % 100)) = 0 ] && sleep 0.01;"), chaos=0.05, seed=SEED).start() as r:
        code = r.wait_exit()[:3]
        vdi.is_(code, ["1", "9", "0"], f"{r.port.cuts} random cuts: the exit status")
        vdi.ok(r.port.cuts > 5, "there were cuts at all", r.port.cuts)
        vdi.ok(r.output() == lines(n), "random cuts: the output, byte for byte", len(r.output()))
        vdi.is_((len(r.said("exited")), ran(r)), (1, 1), "random cuts: one start, one end")
        vdi.is_(len(r.said("stage kernel")), 1, "random cuts: a stage is told once")


def host_kills():
    n, rng, kills = 20000, random.Random(SEED), 0
    with Rig(COUNT % (n, "[ $((i % 100)) = 0 ] && sleep 0.02;")).start() as r:
        while not r.said("exited"):
            time.sleep(rng.uniform(0, 0.4))
            r.kill_host()
            r.start_host()
            kills += 1
        vdi.is_(r.wait_exit()[:3], ["1", "9", "0"], f"{kills} kills of the host's half: the exit status")
        vdi.ok(r.output() == lines(n), "kills of the host's half: the output, byte for byte")
        vdi.is_(ran(r), 1, "kills of the host's half: one start")
        r.kill_host()
        r.lines.clear()
        r.start_host()
        vdi.is_(r.wait_exit()[:3], ["1", "9", "0"], "a host that starts later says it again")
        vdi.wait_for("exit.json to go", lambda: not os.path.exists(r.state + "/exit.json"))


def guest_kills():
    """At any moment: before the start, in the middle, at the end."""
    n, rng, lost, whole = 300, random.Random(SEED), 0, 0
    for delay in [rng.uniform(0, 0.5) for _ in range(8)]:
        with Rig(COUNT % (n, "sleep 0.001;")).start() as r:
            time.sleep(delay)
            r.kill_guest()
            r.start_guest()
            started, code, signo, out, _, detail = r.wait_exit()
            text = r.output()
            is_whole = (started, code, signo) == ("1", "9", "0") and text == lines(n)
            is_lost = (started, signo) == ("1", "9") and "ended while" in detail and \
                lines(n).startswith(text)
            whole, lost = whole + is_whole, lost + is_lost
            times = ran(r) if os.path.exists(r.home + "/ran") else 0
            if not (is_whole or is_lost) or times > 1 or len(r.said("exited")) != 1:
                vdi.ok(False, "a killed runner", delay, r.said("exited"), text[-100:], times)
                return
            time.sleep(0.1)
            vdi.wait_for("the script to be gone", lambda: not os.path.exists(r.state + "/exit.json"))
    vdi.ok(True, f"kills of the runner: {lost} scripts lost and said so, {whole} whole")


def leftovers():
    """What a killed runner's script had started is ended by the next runner."""
    with Rig("#!/bin/sh\nsleep 1000 &\necho $!\nwait\n").start() as r:
        vdi.wait_for("the script", lambda: r.output().endswith(b"\n"))
        pid = int(r.output())
        r.kill_guest()
        r.start_guest()
        r.wait_exit()

        def gone():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    return f.read().split(")")[1].split()[0] == "Z"
            except OSError:
                return True
        vdi.wait_for("the background process to go", gone)
        vdi.ok(True, "kills of the runner: nothing of the script lives on")


def end_survives():
    """The script ends while the host is away; the guest is killed; the status is still told."""
    with Rig("#!/bin/sh\necho out\nexit 4\n") as r:
        r.start_host()
        r.start_guest()
        r.wait("stage script")
        r.kill_host()
        vdi.wait_for("the end", lambda: os.path.exists(r.state + "/exit.json") or r.said("exited"))
        r.kill_guest()
        r.start_guest()
        r.start_host()
        vdi.is_(r.wait_exit()[:3], ["1", "4", "0"], "an exit status outlives the runner")


def other_job():
    """Files of an earlier run in an image: they are another's, and this script runs."""
    with Rig("#!/bin/sh\necho ran >>\"$HOME/ran\"\nexit 1\n").start() as r:
        r.wait_exit()
        r.kill_host()
        r.kill_guest()
        for name in ("exit.json", "started.json", "output", "error"):
            os.unlink(f"{r.node}/{name}")
        r.lines.clear()
        r.nonce = "n2"
        r.start()
        vdi.ok("takes no other" in r.wait("stage failed"), "not in a boot that was another's")
        vdi.wait_for("its end", lambda: os.path.exists(f"{r.node}/exit.json"))
        r.kill_host()
        r.kill_guest()
        os.unlink(f"{r.node}/exit.json")
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as f:
            boot = f.read().strip()
        with open(f"{r.state}/owner.json", encoding="utf-8") as f:
            text = f.read()
        with open(f"{r.state}/owner.json", "w", encoding="utf-8") as f:
            f.write(text.replace(boot, "00000000-0000-0000-0000-000000000000"))
        r.lines.clear()
        r.start()
        r.wait_exit()
        vdi.is_(ran(r), 2, "another nonce is another run")


def flood():
    with Rig(FLOOD, pieces=(65536, 262144)).start() as r:
        r.wait_exit()
        digest = hashlib.sha256((b"0123456789abcde\n" * 6553600)).hexdigest()
        vdi.is_(hashlib.sha256(r.output()).hexdigest(), digest, "100 MiB of output, byte for byte")
        for name, p in (("guest", r.guest), ("host", r.host)):
            vdi.ok(r.rss_kib(p) < 65536, f"with bounded memory: {name}", r.rss_kib(p))


def back_pressure():
    """Without a host nothing is read that can't be kept: the script waits, and nothing is lost."""
    with Rig("#!/bin/sh\necho up; while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done\n"
             "dd if=/dev/zero bs=65536 count=64 2>/dev/null\ntouch \"$HOME/done\"\n").start() as r:
        vdi.wait_for("the script", lambda: r.output() == b"up\n")
        r.kill_host()
        with open(r.home + "/go", "w", encoding="utf-8"):
            pass
        time.sleep(0.5)  # more than enough for 4 MiB, if anybody took them
        vdi.ok(not os.path.exists(r.home + "/done"), "without a host the script waits")
        r.start_host()
        r.wait_exit()
        vdi.ok(r.output() == b"up\n" + bytes(64 * 65536), "and then 4 MiB arrive whole")


def cap():
    for seed in range(3):
        with Rig(COUNT % (5000, ":;"), output_max=10000, chaos=0.02, seed=SEED + seed).start() as r:
            total = r.wait_exit()[3]
            vdi.is_(int(total), len(lines(5000)), "over the limit: all bytes are counted")
            vdi.ok(r.output() == lines(5000)[:10000] + b"\n[output truncated after 10000 bytes]\n",
                   "over the limit: the file says where it ends", r.output()[-80:])
            if seed == 0:
                r.kill_host()
                with open(r.node + "/output", "r+b") as f:
                    f.truncate(10007)  # a mark that a power cut has shortened
                r.start_host()
                vdi.wait_for("the mark", lambda: r.output().endswith(b"10000 bytes]\n"))


# ---- each half against a peer that means it harm ----

def frame(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">I", len(data)) + data


def attacks(rng):
    yield b"garbage" * 1000
    yield MARK + frame('{"type":"welcome"}')
    yield MARK + b"\xff" * 100000
    yield MARK + struct.pack(">I", 0x40001) + b"{" * 1000
    yield MARK + struct.pack(">I", 0xffffffff)
    yield MARK + frame("[" * 100000)
    yield MARK + frame('{"type":"hello","type":"hello"}')
    yield MARK + frame('{"type":"run","total":1,"work_dir":"/","merge":true}')
    yield MARK + frame('{"type":"output","stream":"out","offset":9223372036854775807,"data":"AAAA"}')
    yield MARK + frame('{"type":"exit","seq":1}')
    yield MARK + frame('{"type":"signal","seq":1,"signal":9}')
    yield MARK + frame('{"type":"ack","seq":99999,"out":99999,"err":0}')
    yield MARK + frame('{"type":"part","offset":0,"total":5,"data":"////"}')
    yield MARK + frame('{"type":"greet"}') * 2000
    for _ in range(30):
        yield MARK + frame(rng.randbytes(rng.randrange(1, 5000)))
        yield rng.randbytes(rng.randrange(1, 5000))


def hostile(side):
    """Everything above at one half, in one connection; then the real peer, and all is well."""
    with Rig("#!/bin/sh\necho fine\n") as r:
        (r.start_guest if side == "guest" else r.start_host)()
        process = r.guest if side == "guest" else r.host
        other = "host" if side == "guest" else "guest"
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(r.port.paths[other])
        peer.settimeout(0.01)
        for data in attacks(random.Random(SEED)):
            for i in range(0, len(data), 4096):
                try:
                    peer.sendall(data[i:i + 4096])
                except socket.timeout:
                    pass
                try:
                    peer.recv(1 << 20)
                except socket.timeout:
                    pass
        vdi.ok(process.poll() is None, f"hostile bytes: the {side}'s half lives")
        vdi.ok(r.rss_kib(process) < 65536, f"hostile bytes: with bounded memory: {side}",
               r.rss_kib(process))
        peer.close()
        (r.start_host if side == "guest" else r.start_guest)()
        r.wait_exit()
        vdi.is_(r.output(), b"fine\n", f"hostile bytes: then the {side}'s half works")


vdi.diag(f"VDI_SEED={SEED}")
for test in (cuts, host_kills, guest_kills, leftovers, end_survives, other_job, flood, back_pressure, cap):
    vdi.diag(test.__name__, round(time.monotonic(), 1))
    test()
hostile("guest")
hostile("host")
vdi.done()
