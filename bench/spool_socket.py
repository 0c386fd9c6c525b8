#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spool_socket - bench/spool without a guest: vdi-runner and vdid's half of it on one kernel.

In place of the virtio port there is a relay between two unix sockets that moves pages and looks
at none. In turn, REPS times: a script writes MIB to its stdout, which goes through vdi-runner, the
relay and vdid's half into the spool file; and `cat` writes as many bytes into the relay, behind
which another `cat` writes them into a file of the same disk. MiB a second, and the CPU seconds
of the two at the relay's ends. Without KVM this says what our programs cost; with a guest around
them, bench/spool does.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
import lab

MIB = 1 << 20


class Relay:
    """Two listening sockets of `folder`: "guest" and "host"; what comes into one leaves the other."""

    def __init__(self, folder):
        self.paths = {side: os.path.join(folder, side + ".sock") for side in ("guest", "host")}
        listeners = {side: socket.socket(socket.AF_UNIX) for side in self.paths}
        for side, listener in listeners.items():
            listener.bind(self.paths[side])
            listener.listen()
        threading.Thread(target=self._run, args=(listeners,), daemon=True).start()

    def _run(self, listeners):
        ends = {side: listeners[side].accept()[0] for side in ("host", "guest")}
        back = threading.Thread(target=self._move, args=(ends["host"], ends["guest"]), daemon=True)
        back.start()
        self._move(ends["guest"], ends["host"])

    def _move(self, source, sink):
        out, into = os.pipe()
        while n := os.splice(source.fileno(), into, MIB):
            while n:
                n -= os.splice(out, sink.fileno(), n)
        sink.shutdown(socket.SHUT_WR)


def cpu_of(process):
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as f:
        ticks = sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def spool(mib):
    import runner
    script = f"#!/bin/sh\nsleep 1\nexec head -c {mib << 20} /dev/zero\n"
    with runner.Rig(script, with_port=False, output_max=mib << 20) as rig:
        relay = Relay(rig.dir)
        rig.start_host(relay.paths["host"])
        rig.start_guest(relay.paths["guest"])
        both = (rig.host, rig.guest)
        while not rig.output():
            before = time.monotonic(), sum(map(cpu_of, both))
            time.sleep(0.005)
        path = os.path.join(rig.node, "output")
        while os.stat(path).st_size < mib << 20:
            time.sleep(0.005)
        took = time.monotonic() - before[0], sum(map(cpu_of, both)) - before[1]
        rig.wait_exit()
    return mib / took[0], took[1]


def cat(mib):
    with tempfile.TemporaryDirectory(prefix="vdi-runner.") as folder:
        relay = Relay(folder)
        sides = {side: socket.socket(socket.AF_UNIX) for side in ("host", "guest")}
        for side in ("host", "guest"):
            sides[side].connect(relay.paths[side])
        begin = time.monotonic()
        with subprocess.Popen(["head", "-c", str(mib << 20), "/dev/zero"],
                              stdout=subprocess.PIPE) as head, \
                open(os.path.join(folder, "file"), "wb") as file:
            cats = [subprocess.Popen(["cat"], stdin=head.stdout, stdout=sides["guest"]),
                    subprocess.Popen(["cat"], stdin=sides["host"], stdout=file)]
            sides["guest"].close()
            used = 0
            for process in cats:
                usage = os.wait4(process.pid, 0)[2]
                process.returncode = 0
                used += usage.ru_utime + usage.ru_stime
        if os.stat(file.name).st_size != mib << 20:
            raise SystemExit("cat lost bytes")
        return mib / (time.monotonic() - begin), used


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--build", help="the build tree")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    build = os.environ["top_builddir"] = lab.build_dir(args.build)
    if not os.path.exists(os.path.join(build, "tests/runner_host")):
        sys.exit(f"spool_socket: {build} has no tests/runner_host; make tests/runner_host there")
    rows = [(spool(args.mib), cat(args.mib)) for _ in range(args.reps)]
    figures = {"spool_mib_s": [s[0] for s, _ in rows], "cat_mib_s": [c[0] for _, c in rows],
               "spool_cpu_s": [s[1] for s, _ in rows], "cat_cpu_s": [c[1] for _, c in rows],
               "ratio": [s[1] / c[1] for s, c in rows]}
    if args.json:
        print(json.dumps(dict(figures, mib=args.mib, machine=lab.machine())))
        return
    print(f"{lab.machine()}; {args.reps} times {args.mib} MiB")
    for name, values in figures.items():
        print(f"{name:14} {statistics.median(values):8.2f}  ({min(values):.2f}-{max(values):.2f})")


main()
