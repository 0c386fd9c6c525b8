#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""acks.py - durable acknowledgements a second: ours and, where it can be run, Slurm's.

Experiments: slurm (64 connections against as many submitting processes, and one command after
another, 1,000 nodes, no job starts; ours and theirs in turn), nodes (10, 1,000, 10,000
configured), queue (0, 10,000, 100,000 pending). Medians and spread of --reps runs in turn.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import lab
import slurm_side

SUBMIT = json.dumps({"template": "desk", "time_limit_sec": 3600})
BATCH = "#!/bin/sh\ntrue\n"


def acks(controller, jobs, clients=64):
    """One closed-loop run; a dict with acks_per_s, p50_ms, p99_ms."""
    run = subprocess.run([controller.build + "/bench/acks", "-s", controller.socket, "-c",
                          str(clients), "-n", str(jobs), "-b", SUBMIT],
                         capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError("acks: " + run.stdout + run.stderr)
    return json.loads(run.stdout)


def one_after_another(argv, n, environment):
    """Processes a second."""
    out = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, out, fd) for fd in (0, 1)]
    begin = time.monotonic()
    for _ in range(n):
        pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            raise RuntimeError(" ".join(argv) + " failed")
    rate = n / (time.monotonic() - begin)
    os.close(out)
    return rate


class Ours:
    def __init__(self, options, nodes):
        self.controller = lab.Controller(options.build)
        self.controller.configure(nodes=nodes, partition="up = no")
        self.script = self.controller.home + "/script"
        with open(self.script, "w", encoding="ascii") as f:
            f.write(BATCH)
        self.controller.start()

    def acks(self, jobs):
        before = self.controller.cpu_sec()
        result = acks(self.controller, jobs)
        result["cpu_ms"] = (self.controller.cpu_sec() - before) * 1e3 / jobs
        return result

    def commands(self, n):
        return one_after_another([self.controller.build + "/vdisubmit", self.script], n,
                                 {"VDI_URL": "unix:" + self.controller.socket})

    def close(self):
        self.controller.close()


class Slurm(slurm_side.Slurm):
    def __init__(self, options, nodes):
        super().__init__(options.slurm, nodes=nodes,
                         parts=["PartitionName=main Nodes=ALL Default=YES State=DOWN "
                                "MaxTime=INFINITE DefaultTime=60"])

    def acks(self, jobs, processes):
        done = self.lab.submit(n=jobs, P=processes, N=1, c=4, m=8192, g="gres:gpu:1", t=60)
        return done

    def commands(self, n):
        return one_after_another([shutil.which("sbatch"), "-Q", "-o/dev/null", "-c4", "--mem=8192",
                                  "--gres=gpu:1", "-t60", "--wrap", "true"], n, dict(os.environ))


def rate_of(result):
    """Of either side's report."""
    for name in ("acks_per_s", "rate", "rate_per_s", "jobs_per_s"):
        if name in result:
            return result[name]
    raise RuntimeError(f"no rate in {result}")


def show(name, values, unit=""):
    print(f"{name:58} {lab.spread(values)}{unit}", flush=True)


def experiment_slurm(options):
    missing = slurm_side.missing(options.slurm)
    ours = slurm = None
    got = {name: [] for name in ("acks", "p50", "p99", "cpu", "cmd", "s8", "s64", "scmd")}
    try:
        ours = Ours(options, 1000)
        slurm = None if missing else Slurm(options, 1000)
        for _ in range(options.reps):
            result = ours.acks(options.jobs)
            for name, member in (("acks", "acks_per_s"), ("p50", "p50_ms"), ("p99", "p99_ms"),
                                 ("cpu", "cpu_ms")):
                got[name].append(result[member])
            got["cmd"].append(ours.commands(options.commands))
            if slurm:
                got["s8"].append(rate_of(slurm.acks(options.slurm_jobs, 8)))
                got["s64"].append(rate_of(slurm.acks(options.slurm_jobs, 64)))
                got["scmd"].append(slurm.commands(options.commands))
    finally:
        for side in (ours, slurm):
            if side:
                side.close()
    show("acks over 64 connections, 1,000 nodes", got["acks"], " /s")
    show("  p50", got["p50"], " ms")
    show("  p99", got["p99"], " ms")
    show("  vdictld's processor time each", got["cpu"], " ms")
    show("vdisubmit, one after another", got["cmd"], " /s")
    if missing:
        print("SKIP " + missing)
        return
    show("Slurm: 8 submitting processes", got["s8"], " /s")
    show("Slurm: 64 submitting processes", got["s64"], " /s")
    show("sbatch, one after another", got["scmd"], " /s")
    best = [max(a, b) for a, b in zip(got["s8"], got["s64"])]
    show("ratio of acks (Slurm's better figure)", [a / b for a, b in zip(got["acks"], best)], " x")
    show("ratio of commands", [a / b for a, b in zip(got["cmd"], got["scmd"])], " x")


def experiment_nodes(options):
    counts = (10, 1000, 10000)
    got = {n: [] for n in counts}
    for _ in range(options.reps):
        for n in counts:
            ours = Ours(options, n)
            try:
                got[n].append(ours.acks(options.jobs))
            finally:
                ours.close()
    for n in counts:
        show(f"acks with {n:,} nodes", [r["acks_per_s"] for r in got[n]], " /s")
        show("  p99", [r["p99_ms"] for r in got[n]], " ms")
        show("  vdictld's processor time each", [r["cpu_ms"] for r in got[n]], " ms")


def experiment_queue(options):
    depths = (0, 10000, 100000)
    got = {n: [] for n in depths}
    for _ in range(options.reps):
        ours = Ours(options, 1000)
        try:
            pending = 0
            for n in depths:
                if n > pending:
                    ours.acks(n - pending)
                got[n].append(ours.acks(options.jobs // 4))
                pending = n + options.jobs // 4
        finally:
            ours.close()
    for n in depths:
        show(f"acks with {n:,} pending", [r["acks_per_s"] for r in got[n]], " /s")
        show("  p99", [r["p99_ms"] for r in got[n]], " ms")
        show("  vdictld's processor time each", [r["cpu_ms"] for r in got[n]], " ms")


EXPERIMENTS = {"slurm": experiment_slurm, "nodes": experiment_nodes, "queue": experiment_queue}


def main():
    p = argparse.ArgumentParser(prog="acks.py", description=__doc__.split("\n\n")[0],
                                epilog=__doc__.split("\n\n")[1])
    p.add_argument("experiment", nargs="*", choices=[[], *EXPERIMENTS], help="all if none is named")
    p.add_argument("--reps", type=int, default=5, help="runs of each, in turn (5)")
    p.add_argument("--jobs", type=int, default=10000, help="submissions a run (10000)")
    p.add_argument("--slurm-jobs", type=int, default=300, help="of Slurm (300)")
    p.add_argument("--commands", type=int, default=100, help="commands a run (100)")
    slurm_side.add_option(p)
    p.add_argument("--build", metavar="DIR", help="build tree")
    options = p.parse_args()
    try:
        options.build = lab.build_dir(options.build)
    except lab.Skip as skip:
        print(f"acks.py: {skip}", file=sys.stderr)
        return 2
    print(f"{time.strftime('%Y-%m-%d')} {lab.commit()}, {options.reps} runs: median (least-most)")
    print(lab.machine())
    for name in options.experiment or EXPERIMENTS:
        EXPERIMENTS[name](options)
    print(lab.machine())
    return 0


sys.exit(main())
