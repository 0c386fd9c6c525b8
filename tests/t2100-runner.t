#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t2100-runner.t - a script in a guest: its identity, environment, output, signals, end."""
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import runner  # noqa: E402
import vdi  # noqa: E402
from runner import GID, ROOT, UID, Rig  # noqa: E402

ENVIRONMENT = {"LD_PRELOAD": "/x", "BASH_ENV": "/x", "IFS": "x", "VDI_JOB_ID": "99", "HOME": "/x",
               "GREETING": "guten Tag: ä", "PATH": "/usr/bin:/bin"}


def plain():
    script = "#!/bin/sh\nenv; id -u; id -g; id -G; pwd; echo $0 $1 $2\ncat\necho err >&2\nexit 3\n"
    with Rig(script, args=["a b", "c"], environment=ENVIRONMENT).start() as r:
        vdi.is_(r.wait_exit()[:3], ["1", "3", "0"], "the exit status arrives")
        lines = r.output().decode().splitlines()
        env = dict(x.split("=", 1) for x in lines if "=" in x)
        for name, value in (("VDI_JOB_ID", "7"), ("VDI_NODE", "gpu01"), ("GREETING", "guten Tag: ä"),
                            ("HOME", r.home), ("USER", "runner-test"), ("PATH", "/usr/bin:/bin")):
            vdi.is_(env.get(name), value, f"environment: {name}")
        vdi.ok(not {"LD_PRELOAD", "BASH_ENV", "IFS"} & set(env), "environment: nothing for a loader")
        vdi.is_(lines[-6:-4], [str(UID), str(GID)], "it runs as the owner")
        if ROOT:
            vdi.is_(lines[-4], str(GID), "with the owner's groups and none of root's")
        vdi.is_(lines[-1], "err", "stderr is merged, in order")
        vdi.ok(lines[-2].endswith("script a b c"), "it gets its arguments", lines[-2])
        vdi.is_(lines[-3], r.home, "it begins in the home directory")
        vdi.is_([x.split()[1:3] for x in r.said("stage")],
                [["kernel", "1"], ["runner", "1"], ["ready", "1"], ["script", "1"]],
                "the stages are reported once")
        vdi.wait_for("exit.json to go", lambda: not os.path.exists(r.state + "/exit.json"))
        vdi.ok(not os.path.exists(r.state + "/script"), "the guest forgets what is acknowledged")
        vdi.is_(r.exit_file()["code"], 3, "the exit status is on the node's disk")
        r.tell("quit")
        vdi.is_(r.host.wait(), 0, "the host's half ends cleanly")


def streams():
    script = "#!/bin/sh\nfor i in 1 2 3; do echo o$i; echo e$i >&2; done\n"
    with Rig(script, merge=False).start() as r:
        r.wait_exit()
        vdi.is_((r.output(), r.output("error")), (b"o1\no2\no3\n", b"e1\ne2\ne3\n"),
                "unmerged, each stream has its file")


def big_payload():
    script = "#!/bin/sh\nexec wc -c <\"$0\"\n#" + "x" * (3 << 20) + "\n"
    with Rig(script).start() as r:
        r.wait_exit()
        vdi.is_(r.output().split(), [str(len(script)).encode()], "a script of 3 MiB arrives whole")


def signals():
    script = "#!/bin/sh\ntrap 'echo got USR1' USR1\necho up\nwhile :; do sleep 0.05; done\n"
    with Rig(script).start() as r:
        vdi.wait_for("the script", lambda: r.output() == b"up\n")
        r.tell("signal 10")
        vdi.wait_for("the trap", lambda: b"got USR1" in r.output())
        r.tell("signal 15")
        vdi.is_(r.wait_exit()[:3], ["1", "0", "15"], "a script killed by a signal says which")
        vdi.is_(r.output().count(b"got USR1"), 1, "a signal arrives once")


def leftovers():
    script = "#!/bin/sh\nsleep 1000 &\necho $!\nexit 0\n"
    with Rig(script).start() as r:
        vdi.is_(r.wait_exit()[:3], ["1", "0", "0"],
                "a process left in the background does not hold up the end")
        pid = int(r.output())

        def gone():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    return f.read().split(")")[1].split()[0] == "Z"
            except OSError:
                return True
        vdi.wait_for("the background process to go", gone)
        vdi.ok(True, "and is ended")


def refused():
    cases = [("a working directory that is none of its owner's",
              {"work_dir": "/root" if ROOT else "/proc/1/root"}, "directory"),
             ("an interpreter that is not there", {"script": "#!/no/such\n"}, "the script itself")]
    if ROOT:
        cases.append(("root without --allow-root", {"uid": 0, "gid": 0}, "root"))
        cases.append(("gid 0 without --allow-root", {"gid": 0}, "root"))
    else:
        cases.append(("somebody else without root", {"uid": UID + 1}, "can't become"))
    cases.append(("an owner whose uid is somebody else's in the guest", {"uid": 1, "gid": 1},
                  "another account's"))
    for name, given, why in cases:
        given.setdefault("script", "#!/bin/sh\ntouch \"$HOME/ran\"\n")
        with Rig(**given).start() as r:
            started, code, _, _, _, detail = r.wait_exit()
            vdi.ok(started == "0" and code != "0" and why in detail, f"not started: {name}",
                   r.said("exited"))
            vdi.ok(not os.path.exists(r.home + "/ran"), "and nothing ran")
    # setuid(2) fails for a root that has lost the right to it.
    if not ROOT or not os.path.exists("/usr/bin/setpriv"):
        vdi.skip("needs root and setpriv", "setuid refused by the kernel")
        return
    with Rig("#!/bin/sh\ntouch \"$HOME/ran\"\n") as r:
        r.start_host()
        start = runner.subprocess.Popen

        def without_setuid(argv, **kw):
            return start(["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid"] + argv, **kw)
        runner.subprocess.Popen = without_setuid
        r.start_guest()
        runner.subprocess.Popen = start
        started, _, _, _, _, detail = r.wait_exit()
        vdi.ok(started == "0" and "uid" in detail, "not started: setuid refused by the kernel", detail)
        vdi.ok(not os.path.exists(r.home + "/ran"), "and nothing ran as root")


def elsewhere():
    script = "#!/bin/sh\npwd\n"
    with Rig(script, work_dir="/no/such/dir").start() as r:
        vdi.is_(r.wait_exit()[:3], ["1", "0", "0"], "without its directory a script runs at home")
        vdi.is_(r.output().decode().splitlines(),
                [f"vdi-runner: /no/such/dir: No such file or directory: going to {r.home} instead",
                 r.home], "and says so")


def session():
    """No script: the image's session, if it has one; begun anew in another boot."""
    with Rig(payload={"environment": {"GREETING": "hi"}}) as r:
        r.start()
        r.wait("ready")
        r.tell("signal 10")  # answered before anything could have been started
        r.kill_guest()
        r.start_guest()
        vdi.wait_for("the stages again", lambda: len(r.said("stage ready")) == 2)
        vdi.is_(r.said("exited"), [], "an image without a session: nothing is run, nothing ends")
        path = os.path.join(r.dir, "session")
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\ntrap 'exit 4' TERM\necho $GREETING $VDI_JOB_ID $(id -u)\n"
                    "while :; do sleep 0.05; done\n")
        os.chmod(path, 0o755)
        r.guest_args = ["--session", path]
        r.kill_guest()
        r.start_guest()
        vdi.wait_for("the session", lambda: r.output() == f"hi 7 {UID}\n".encode())
        # What it writes and what the runner says come by different ways, in either order.
        vdi.ok(vdi.wait_for("its stage", lambda: r.said("stage session")),
               "it runs as the owner, and is a stage")
        r.kill_host()
        r.start_host()
        r.wait("ready")
        r.tell("signal 15")
        vdi.is_(r.wait_exit()[:3], ["1", "4", "0"], "it is begun once, and its end is an end")
        vdi.is_(r.output().count(b"hi"), 1, "whatever the node's half does meanwhile")


def nobody():
    with Rig(owner_name="", payload=None).start() as r:
        r.wait("stage ready")
        vdi.is_([x.split()[1] for x in r.said("stage")], ["kernel", "runner", "ready"],
                "without an owner a guest is ready all the same")


def seat():
    """Nobody's at first; then somebody's, and never another's."""
    def program(name, text):
        path = os.path.join(r.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def begin(job, owner="runner-test"):
        r.kill_host()
        r.job, r.owner_name = job, owner
        r.payload = os.path.join(r.dir, "payload")
        with open(r.payload, "w", encoding="utf-8") as f:
            f.write('{"environment":{}}')
        r.lines.clear()
        r.start_host()

    def shown():
        try:
            with open("/proc/" + r.output_of("shown").split()[0] + "/stat", encoding="utf-8") as f:
                return f.read().split(")")[1].split()[0] != "Z"
        except (OSError, IndexError):
            return False
    with Rig(owner_name="") as r:
        r.output_of = lambda name: open(os.path.join(r.dir, "w", name), encoding="utf-8").read()
        os.mkdir(os.path.join(r.dir, "w"))
        os.chmod(os.path.join(r.dir, "w"), 0o777)
        r.job = 0
        r.guest_args = [
            "--waiting", program("waiting", f"echo $$ $(id -u) $VDI_NODE >{r.dir}/w/new\n"
                                            f"mv {r.dir}/w/new {r.dir}/w/shown\nexec sleep 1000\n"),
            "--session", program("session", "echo $(id -u) of $(id -un 2>/dev/null)\n"
                                            "trap 'exit 4' TERM\nwhile :; do sleep 0.05; done\n")]
        r.start()
        r.wait("ready")
        vdi.wait_for("what is shown", shown)
        uid = "65534" if ROOT else str(UID)
        vdi.is_(r.output_of("shown").split()[1:], [uid, "gpu01"],
                "a seat without an owner shows its program, which has no rights")
        r.kill_guest()
        vdi.wait_for("its end", lambda: not shown())
        vdi.ok(True, "... that ends with the runner")
        r.start_guest()
        vdi.wait_for("what is shown", shown)
        begin(8)
        vdi.wait_for("the session", lambda: r.output().startswith(f"{UID} of".encode()))
        vdi.ok(vdi.wait_for("its stage", lambda: r.said("stage session")) and not shown(),
               "it gets its owner: the program is gone, the session runs")
        for again in ("", "also by another runner"):
            begin(9, "somebody-else")
            vdi.ok("job 8's" in r.wait("stage failed"), "another owner is refused " + again,
                   r.lines)
            if not again:
                r.wait("exited")
                os.unlink(f"{r.node}/exit.json")  # of the one that was refused
                begin(8)
                r.wait("ready")
                vdi.is_(r.said("exited"), [], "... and the session goes on")
                r.kill_guest()
                r.start_guest()
        vdi.ok("somebody-else" not in r.log(), "nothing of the other is in the guest")
    with Rig(owner_name="") as r:
        r.job, r.guest_args = 0, ["--session", "/no/such/program", "--waiting", "/no/such/program"]
        r.start()
        r.wait("ready")
        begin(8)
        r.wait("stage idle")
        vdi.ok(True, "an image without a session says so")
    with Rig(owner_name="") as r:
        r.output_of = lambda name: open(os.path.join(r.dir, name), encoding="utf-8").read()
        os.chmod(r.dir, 0o777)
        r.job = 0
        r.guest_args = ["--waiting", program("waiting", f"echo $$ >{r.dir}/new\n"
                                             f"mv {r.dir}/new {r.dir}/shown\nexec sleep 1000\n")]
        r.start()
        vdi.wait_for("what is shown", shown)
        begin(8, "")
        r.wait("ready")
        vdi.wait_for("its end", lambda: not shown())
        begin(9, "")
        vdi.ok("job 8's" in r.wait("stage failed"), "a job whose owner has no account has it, too")


def rebooted():
    """A guest that has lost its memory of the script: it does not run again."""
    with Rig("#!/bin/sh\necho once\nsleep 1000\n") as r:
        r.start()
        vdi.wait_for("the script", lambda: r.output() == b"once\n")
        with open(os.path.join(r.node, "started.json"), encoding="utf-8") as f:
            text = f.read()
        r.kill_host()
        r.kill_guest()
        shutil.rmtree(r.state)
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as f:
            boot = f.read().strip()
        vdi.ok(boot in text, "the node knows to which boot it gave the script")
        with open(os.path.join(r.node, "started.json"), "w", encoding="utf-8") as f:
            f.write(text.replace(boot, "00000000-0000-0000-0000-000000000000"))
        r.start()
        vdi.is_(r.wait_exit()[:3], ["1", "0", "9"], "the guest was restarted: the script is lost")
        vdi.is_(r.output(), b"once\n", "and is not run again")


def as_root():
    if not ROOT:
        vdi.skip("needs root", "root with --allow-root")
        return
    with Rig("#!/bin/sh\nid -u\n", uid=0, gid=0, guest_args=["--allow-root"]).start() as r:
        r.wait_exit()
        vdi.is_(r.output(), b"0\n", "root with --allow-root")


def hooks():
    with Rig() as r:
        for name in ("message", "shutdown"):
            with open(f"{r.dir}/{name}", "w", encoding="utf-8") as f:
                f.write(f"#!/bin/sh\ncat >{r.dir}/{name}.new; mv {r.dir}/{name}.new {r.dir}/{name}.out\n")
            os.chmod(f"{r.dir}/{name}", 0o755)
        r.guest_args = ["--message", f"{r.dir}/message", "--shutdown", f"{r.dir}/shutdown"]
        r.start()
        r.wait("ready")
        r.tell("message 5 minutes left: ä")
        vdi.wait_for("the message", lambda: os.path.exists(f"{r.dir}/message.out"))
        with open(f"{r.dir}/message.out", encoding="utf-8") as f:
            vdi.is_(f.read(), "5 minutes left: ä", "a message reaches the hook's stdin")
        r.tell("shutdown")
        vdi.wait_for("the shutdown", lambda: os.path.exists(f"{r.dir}/shutdown.out"))
        vdi.ok(True, "a shutdown reaches its program")


def on_a_tty():
    """The same over a pty: it must be made raw."""
    with Rig("#!/bin/sh\nprintf 'a\\r\\n\\003\\004b'\n") as r:
        master, slave = pty.openpty()
        r.start_host()
        name = os.ttyname(slave)
        r.start_guest(port=name)
        side = runner.socket.socket(runner.socket.AF_UNIX)
        side.connect(r.port.paths["guest"])
        side.setblocking(False)
        end = time.monotonic() + vdi.DEADLINE
        while not r.said("exited") and time.monotonic() < end:
            ready, _, _ = runner.select.select([master, side], [], [], 0.1)
            if master in ready:
                side.setblocking(True)
                side.sendall(os.read(master, 4096))
                side.setblocking(False)
            if side in ready:
                data = side.recv(512)
                while data:
                    data = data[os.write(master, data):]
        r.wait_exit()
        vdi.is_(r.output(), b"a\r\n\3\4b", "over a tty, byte for byte")
        os.close(master)
        os.close(slave)


def stop():
    """SIGTERM to the runner: the script is asked to end, its status is kept and told later."""
    script = "#!/bin/sh\ntrap 'echo bye; exit 5' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    with Rig(script).start() as r:
        vdi.wait_for("the script", lambda: r.output() == b"up\n")
        r.kill_host()
        r.kill_guest(signal.SIGTERM)
        vdi.is_(r.guest.returncode, 0, "SIGTERM ends the runner")
        vdi.ok(os.path.exists(r.state + "/exit.json"), "and the exit status is kept")
        r.start()
        vdi.is_(r.wait_exit()[:3], ["1", "5", "0"], "and told by the next runner")


def device(folder, name):
    os.mkfifo(os.path.join(folder, name))
    return os.open(os.path.join(folder, name), os.O_RDWR | os.O_NONBLOCK)


def touched():
    """What the guest says of its input devices, and what its host makes of that."""
    with tempfile.TemporaryDirectory() as folder:
        keys = device(folder, "event0")
        with Rig(guest_args=["--input-dir", folder, "--idle-after", "1"]) as r:
            r.start()
            r.wait("input active")
            r.wait("input idle")
            vdi.ok(True, "nobody touches it: the host hears of it")
            os.write(keys, b"x" * 24)
            vdi.wait_for("activity", lambda: len(r.said("input active")) == 2)
            vdi.is_(r.said("input")[:3], ["input active", "input idle", "input active"],
                    "a touch is told, and nothing else was")
            r.kill_host()
            r.lines.clear()
            r.start_host()
            r.wait("input idle")
            vdi.ok(True, "a host that was restarted hears it again")
            r.kill_guest()
            r.lines.clear()
            r.start_guest()
            r.wait("input active")
            vdi.ok(True, "a runner that was restarted knows of nobody, and begins anew")
        os.close(keys)
    with tempfile.TemporaryDirectory() as folder:
        with Rig(script="#!/bin/sh\nsleep 2\n", guest_args=["--input-dir", folder,
                                                            "--idle-after", "1"]).start() as r:
            r.wait_exit()
            vdi.is_(r.said("input"), [], "without a device nothing is said")
    refused = subprocess.run([vdi.BUILD + "/vdi-runner", "--idle-after", "61"], capture_output=True,
                             text=True)
    vdi.ok(refused.returncode == 2 and "1 to 60 seconds" in refused.stderr,
           "more than 60 s is refused", refused.stderr)


for test in (plain, streams, big_payload, signals, leftovers, refused, elsewhere, session, nobody, seat,
             rebooted, as_root, hooks, on_a_tty, stop, touched):
    vdi.diag(test.__name__)
    test()
vdi.done()
