#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1130-slurm-options.t - the options that hands know from sbatch, squeue, scancel and sacct.

One row each: it means what Slurm means, or it is refused (2) with what to use instead. What is
asked for is looked up in the job afterwards, not in what the command says.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

YEAR = time.localtime().tm_year + 1
LINES = ['mail_program = "/bin/false"', 'mail_from = "vdi@example.org"', 'mail_to = {"any"}',
         'partition "night" { nodes = "n[1-2]"  batch_template = "batch"  max_time = "2d" }',
         'qos "low" { priority = 0 }', 'qos "high" { priority = 10 }',
         'node "f[1-2]" { cpus = 4  memory = "8G"  features = {"a40", "fast"} }',
         'partition "gpu" { nodes = "f[1-2]"  batch_template = "batch" }']

# option, words, members of the job. Every job is held, so that none starts.
SUBMIT = [
    ("--account", ["--account", "physics"], {"account": "physics"}),
    ("-A", ["-A", "physics"], {"account": "physics"}),
    ("--array", ["--array", "0-9:3%2"], {"array": "0-9:3%2", "array_task": None}),
    ("-a", ["-a", "4,7"], {"array": "4,7", "array_task": 4}),
    ("--mail-type of tasks", ["-a", "0-1", "--mail-type", "FAIL,ARRAY_TASKS"],
     {"mail_type": "FAIL,ARRAY_TASKS"}),
    ("--begin", ["--begin", f"{YEAR}-01-02T10:15:00Z"],
     {"begin_time": f"{YEAR}-01-02T10:15:00Z"}),
    ("-b", ["-b", f"{YEAR}-01-02T10:15:00Z"], {"begin_time": f"{YEAR}-01-02T10:15:00Z"}),
    ("--chdir", ["--chdir", "/tmp"], {"work_dir": "/tmp"}),
    ("-D", ["-D", "/tmp"], {"work_dir": "/tmp"}),
    ("--comment", ["--comment", "for the paper"], {"comment": "for the paper"}),
    ("--constraint", ["-p", "gpu", "--constraint", "a40&fast"], {"constraint": "a40&fast"}),
    ("-C", ["-p", "gpu", "-C", "a40"], {"constraint": "a40"}),
    ("--cpus-per-task", ["--cpus-per-task", "3"], {"cpus": 3}),
    ("-c", ["-c", "2"], {"cpus": 2}),
    ("--deadline", ["--deadline", f"{YEAR}-01-02T10:15:00Z"],
     {"deadline_time": f"{YEAR}-01-02T10:15:00Z"}),
    ("--dependency", ["--dependency", "singleton"], {"dependency": "singleton"}),
    ("-d", ["-d", "after:1:2+5?afterany:1"], {"dependency": "after:1:2+5?afterany:1"}),
    ("--kill-on-invalid-dep", ["-d", "afterok:1", "--kill-on-invalid-dep", "yes"],
     {"kill_on_invalid_dep": True}),
    ("--kill-on-invalid-dep=no", ["-d", "afterok:1", "--kill-on-invalid-dep=no"],
     {"kill_on_invalid_dep": None}),
    ("--error", ["--error", "e.%j"], {"error": "e.%j"}),
    ("-e", ["-e", "e.%j"], {"error": "e.%j"}),
    ("--exclude", ["--exclude", "n[1,2]"], {"exclude": "n[1,2]"}),
    ("-x", ["-x", "n1"], {"exclude": "n1"}),
    ("--hold", [], {"held_by_user": True, "state": "PENDING"}),
    ("--job-name", ["--job-name", "train"], {"name": "train"}),
    ("-J", ["-J", "train"], {"name": "train"}),
    ("--mem", ["--mem", "2G"], {"memory_mib": 2048}),
    ("--mail-type", ["--mail-type", "fail,END"], {"mail_type": "END,FAIL"}),
    ("--mail-type ALL", ["--mail-type", "ALL"], {"mail_type": "BEGIN,END,FAIL,REQUEUE"}),
    ("--mail-type NONE", ["--mail-type", "NONE"], {"mail_type": None}),
    ("--mail-type of the limit", ["--mail-type", "TIME_LIMIT,TIME_LIMIT_90,TIME_LIMIT_50"],
     {"mail_type": "TIME_LIMIT,TIME_LIMIT_90,TIME_LIMIT_50"}),
    ("--mail-user", ["--mail-type", "END", "--mail-user", "lab+vdi@example.org"],
     {"mail_user": "lab+vdi@example.org"}),
    ("--nice", ["--nice=5"], {"nice": 5}),
    ("--nice without a number", ["--nice"], {"nice": 100}),
    ("--nodelist", ["--nodelist", "n[1-2]"], {"nodelist": "n[1-2]"}),
    ("-w", ["-w", "n2"], {"nodelist": "n2"}),
    ("--nodes of one", ["--nodes", "1"], {}),
    ("--nodes", ["--nodes", "2"], {"nodes": 2}),
    ("-N", ["-N", "2-2"], {"nodes": 2}),
    ("--ntasks", ["-N", "2", "--ntasks", "2"], {"nodes": 2}),
    ("--ntasks-per-node", ["--ntasks-per-node", "1"], {}),
    ("-n", ["-n", "1"], {}),
    ("--no-requeue", ["--no-requeue"], {"requeue": False}),
    ("--requeue", ["--requeue"], {"requeue": True}),
    ("a script without a word on it", [], {"requeue": True}),
    ("--output", ["--output", "o.%j"], {"output": "o.%j"}),
    ("-o", ["-o", "o.%j"], {"output": "o.%j"}),
    ("--partition", ["--partition", "night"], {"partition": "night"}),
    ("-p", ["-p", "night"], {"partition": "night"}),
    ("--qos", ["--qos", "high"], {"qos": "high"}),
    ("-q", ["-q", "low"], {"qos": "low"}),
    ("--signal", ["--signal", "B:USR1@120"], {"signal": 10, "signal_sec": 120}),
    ("--time, minutes", ["--time", "90"], {"time_limit_sec": 5400}),
    ("--time-min", ["--time", "90", "--time-min", "1:00:00"],
     {"time_limit_sec": 5400, "time_min_sec": 3600}),
    ("-t, MM:SS", ["-t", "2:30"], {"time_limit_sec": 150}),
    ("-t, HH:MM:SS", ["-t", "1:00:00"], {"time_limit_sec": 3600}),
    ("-t, D-HH", ["-t", "1-1"], {"time_limit_sec": 90000}),
    ("-t, D-HH:MM:SS", ["-t", "1-01:01:01"], {"time_limit_sec": 90061}),
]
REFUSED = {
    "vdisubmit": [["--time-min", "soon"],
                  ["--mail-type", "STAGE_OUT"],
                  ["--mail-type", "INVALID_DEPEND"], ["--mail-type", "BEGIN,WHENEVER"],
                  ["--mail-type", "END", "--mail-user", "-oQ/tmp"], ["--array", "1-"], ["-a", "3-1"], ["-a", "1%0"], ["-a", "x"],
                  ["-d", "afterok"], ["-d", "afterok:1?after:1,singleton"], ["-d", "aftercorr:1"],
                  ["-d", "expand:1"], ["--kill-on-invalid-dep", "maybe"],
                  ["--exclusive"], ["-N", "1-2"], ["-n", "4"], ["--mem-per-cpu", "1G"],
                  ["-M", "other"], ["--uid", "anna"], ["--gid", "users"],
                  ["--no-such-option"], ["--time", "soon"], ["--mem", "much"],
                  ["--begin", "whenever"], ["--signal", "R:USR1"], ["-w", "n["]],
    "vdiqueue": [["-M", "other"], ["--array-unique"], ["-s"], ["-L", "cad"], ["--yaml"],
                 ["-t", "DEAD"], ["-o", "%~"], ["-S", "~"], ["-i", "0"]],
    "vdicancel": [["-M", "other"], ["-b"], ["-f"], ["--wckey", "x"], [],
                  ["-s", "NOSUCH", "1"], ["1_[2-"], ["1_"], ["1_2-3"]],
    "vdiacct": [["-M", "other"], ["-x", "1"], ["-W", "x"], ["--yaml"], ["-s", "DEAD"]],
}
# What a list shows of the jobs: option, words, which of `jobs` (by name).
LISTS = [
    ("-u", ["-u", "root"], ["one", "two", "night"]),
    ("-u of nobody", ["-u", "nobody"], []),
    ("--me", ["--me"], ["one", "two", "night"]),
    ("-p", ["-p", "night"], ["night"]),
    ("-p with a list", ["-p", "night,main"], ["one", "two", "night"]),
    ("-t", ["-t", "PD"], ["one", "two", "night"]),
    ("-t of another", ["-t", "R,CG"], []),
    ("-n", ["-n", "one"], ["one"]),
    ("-A", ["-A", "physics"], ["two"]),
    ("-q", ["-q", "high"], ["two"]),
    ("-R", ["-R", "lab"], []),
    ("-w", ["-w", "n1"], []),
    ("-a", ["-a"], ["one", "two", "night"]),
    ("-S", ["-S", "-j"], ["two", "one", "night"]),
    ("--start", ["--start"], ["one", "two", "night"]),
]


def write(c, *lines):
    path = c.path("job.sh")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(["#!/bin/sh", *lines, "echo hello", ""]))
    return path


def submit(c, *words, script=None, **env):
    code, out, err = c.run("vdisubmit", "--parsable", "--hold", *words, script or write(c), **env)
    return int(out) if code == 0 and out.strip().isdigit() else None, code, out, err


def submits(c):
    for option, words, members in SUBMIT:
        job, code, out, err = submit(c, *words)
        got = c.job(job) if job else {}
        vdi.is_((code, {m: got.get(m) for m in members}), (0, members), f"vdisubmit {option}",
                out, err)
    _, code, out, err = submit(c)
    vdi.ok(code == 0 and out.strip().isdigit(), "--parsable: the id and nothing else", out, err)
    code, out, err = c.run("vdisubmit", "--test-only", write(c))
    before = len(c.request("GET", "/v1/jobs").json["jobs"])
    vdi.is_((code, len(c.request("GET", "/v1/jobs").json["jobs"])), (0, before),
            "--test-only submits nothing", out, err)
    once = [submit(c, "--idempotency-key", "k1")[0] for _ in range(2)]
    vdi.is_(once[0], once[1], "--idempotency-key: once")


def sources(c):
    """Option over environment over script."""
    path = write(c, "#VDI -J script", "#VDI --account=script", "#VDI -t 5")
    job = c.job(submit(c, "-J", "option", script=path, VDISUBMIT_JOB_NAME="environment",
                       VDISUBMIT_ACCOUNT="environment")[0])
    vdi.is_((job["name"], job["account"], job["time_limit_sec"]), ("option", "environment", 300),
            "an option comes before the environment, and that before the script", job)
    path = write(c, "#SBATCH -J there", "#SBATCH --account=physics")
    job, _, _, err = submit(c, script=path)
    vdi.ok("2 #SBATCH lines were not read" in err and c.job(job)["name"] != "there",
           "#SBATCH lines are named in a warning", err)
    job, _, _, err = submit(c, "--read-sbatch", script=path)
    vdi.is_((c.job(job)["name"], c.job(job)["account"], err), ("there", "physics", ""),
            "--read-sbatch reads them")


def reservations(c):
    """A seat of a class is a desktop: a script that asks for one is told so, and not run elsewhere."""
    body = {"name": "lab", "template": "desk", "seats": 1, "users": "root",
            "starts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3600)),
            "duration_sec": 3600}
    r = c.request("POST", "/v1/classes", body)
    vdi.is_(r.status, 201, "a class", r.text)
    for how in ("#VDI --reservation=lab", "#SBATCH --reservation=lab"):
        _, code, out, err = submit(c, "--read-sbatch", script=write(c, how))
        vdi.ok(code == 1 and "a seat of class 'lab' is a desktop" in err,
               f"{how} is read: a script gets no seat", code, out, err)
    code, out, err = c.run("vdisubmit", "--reservation", "nosuch")
    vdi.ok(code in (1, 3) and "no class 'nosuch'" in err, "--reservation of no class", code, err)
    c.request("DELETE", "/v1/classes/lab")


def waits(c):
    for words, want in (("exit=0", 0), ("exit=3", 3), ("signal=9", 137)):
        code, _, err = c.run("vdisubmit", "--wait", "-Q", write(c, "#FAKE " + words))
        vdi.is_(code, want, f"--wait returns the job's own code ({words})", err)


def refusals(c):
    for command, rows in REFUSED.items():
        for words in rows:
            last = [write(c)] if command == "vdisubmit" else []
            code, out, err = c.run(command, *words, *last)
            vdi.is_((code, out, err.count("\n")), (2, "", 1),
                    f"{command} {' '.join(words) or 'without a word'}: refused in one line", out,
                    err)


def lists(c):
    for job in c.request("GET", "/v1/jobs?fields=id").json["jobs"]:
        c.request("DELETE", f"/v1/jobs/{job['id']}")
    ids = [submit(c, *words)[0] for words in (
        ["-J", "one"], ["-J", "two", "-A", "physics", "-q", "high"], ["-J", "night", "-p",
                                                                     "night"])]
    for option, words, want in LISTS:
        code, out, err = c.run("vdiqueue", "-h", "-o", "%j", *words)
        vdi.is_((code, out.split()), (0, want), f"vdiqueue {option}", err)
    code, out, _ = c.run("vdiqueue", "-h", "-o", "%i", "-j", f"{ids[0]},{ids[2]}")
    vdi.is_((code, out.split()), (0, [str(ids[0]), str(ids[2])]), "vdiqueue -j")
    code, out, _ = c.run("vdiqueue", "-l")
    vdi.ok(code == 0 and "TIME_LIMI" in out.splitlines()[0], "vdiqueue -l", out)
    code, out, _ = c.run("vdiqueue", "-h", "-O", "JobID:|,Name:|,NumCPUs:")
    vdi.is_((code, out.splitlines()[0].split("|")[:2]), (0, [str(ids[0]), "one"]), "vdiqueue -O")
    code, out, _ = c.run("vdiqueue", "--json")
    vdi.is_((code, len(json.loads(out)["jobs"])), (0, 3), "vdiqueue --json")
    code, out, _ = c.run("vdiqueue", "--noconvert", "-h", "-o", "%m", "-j", str(ids[0]))
    vdi.is_((code, out), (0, "1024M\n"), "vdiqueue --noconvert")
    return ids


def cancels(c, ids):
    left = lambda: c.run("vdiqueue", "-h", "-o", "%j")[1].split()
    code, _, err = c.run("vdicancel", "-i", str(ids[0]))
    vdi.is_((code, left()), (0, ["one", "two", "night"]), "vdicancel -i: no answer is a no", err)
    for option, words, want in (
            ("-s", ["-s", "USR1", "-p", "nowhere"], ["one", "two", "night"]),
            ("-p", ["-p", "night"], ["one", "two"]), ("-A", ["-A", "physics"], ["one"]),
            ("-t of another", ["-t", "R"], ["one"]), ("-n", ["-n", "one"], [])):
        code, _, err = c.run("vdicancel", *words)
        vdi.is_((code, left()), (0, want), f"vdicancel {option}", err)
    more = [submit(c)[0] for _ in range(4)]
    c.run("vdicancel", f"{more[0]},{more[1]}", str(more[2]))
    vdi.is_(len(left()), 1, "vdicancel with ids and lists of them")
    c.run("vdicancel", "-u", "root")
    vdi.is_(left(), [], "vdicancel -u")
    code, _, err = c.run("vdicancel", "999999")
    vdi.is_(code, 3, "vdicancel of no such job", err)


if os.geteuid() != 0:
    LISTS = [row for row in LISTS if row[1] != ["-u", "root"]]
with vdi.Controller(nodes=2, lines=LINES) as c:
    submits(c)
    sources(c)
    if os.geteuid() == 0:
        reservations(c)
    waits(c)
    refusals(c)
    cancels(c, lists(c))
vdi.done()
