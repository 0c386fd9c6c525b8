#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t2110-runner-mounts.t - a file server's directories in a guest: the owner's ticket, where it is
and when it goes, and what is said where one can't be mounted. The helpers are the test's."""
import os
import stat
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402
from runner import GID, ROOT, UID, Rig  # noqa: E402

SEEN = f"/tmp/krb5cc_{UID}"
# Says what it was told, and mounts something with that source.
HELPER = """#!/bin/sh
echo "$0 $*" >>{log}
stat -c '%a %u %g' {seen} >>{log}
cmp -s {seen} {ticket} && echo same >>{log}
exec mount -t tmpfs -o nodev,nosuid "$1" "$2"
"""
SCRIPT = "#!/bin/sh\ncat {seen}\nsed -n 's/ rw.* - / /p' /proc/self/mountinfo | grep -F {dir}\n" \
    "read line <{fifo}\ncat {seen}\n"
APART = ["unshare", "--mount", "--propagation", "private", "--"]


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def number(n, size=4):
    return n.to_bytes(size, "big")


def ccache(name, end):
    """A cache of format 4 with one ticket."""
    def data(b):
        return number(len(b)) + b

    def principal(*parts):
        return number(1) + number(len(parts)) + b"".join(map(data, (b"EXAMPLE.ORG",) + parts))
    return (b"\x05\x04\x00\x00" + principal(name) + principal(name) +
            principal(b"krbtgt", b"EXAMPLE.ORG") + number(18, 2) + data(b"k" * 32) +
            struct.pack(">4IB", 1, 1, end, end, 0) + number(0) * 3 + data(name + b"'s ticket") +
            data(b""))


class Place:
    """A folder with helpers and tickets."""

    def __init__(self, folder):
        self.dir, self.log = folder, os.path.join(folder, "log")
        os.chmod(folder, 0o711)
        self.ticket = write(os.path.join(folder, "ticket"), "ticket-one\n", 0o600)
        self.fifo = os.path.join(folder, "fifo")
        self.helpers = os.path.join(folder, "sbin")
        os.mkdir(self.helpers)

    def helper(self, name, text=HELPER):
        write(os.path.join(self.helpers, name),
              text.format(log=self.log, seen=SEEN, ticket=self.ticket), 0o755)

    def rig(self, **more):
        mounts = [f"smb //files/me {self.dir}/smb", f"nfs-krb5 files:/me {self.dir}/smb/nfs"]
        args = ["--mount-helpers", self.helpers]
        script = SCRIPT.format(seen=SEEN, dir=self.dir, fifo=self.fifo)
        return Rig(script, mounts=mounts, guest_args=args, guest_under=APART, **more)

    def logged(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read().splitlines()


def inside(rig, path):
    """As the guest sees it; None: it is not there."""
    try:
        return os.stat(f"/proc/{rig.guest.pid}/root{path}")
    except FileNotFoundError:
        return None


def mounted(p):
    p.helper("mount.cifs")
    p.helper("mount.nfs")
    os.mkfifo(p.fifo, 0o644)
    with p.rig() as r:
        r.start()
        time.sleep(0.3)
        vdi.ok(not r.said("stage ready"), "without its owner's ticket nobody is let in")
        r.tell("ticket " + p.ticket)
        vdi.wait_for("the script", lambda: b"/nfs" in r.output())
        out = r.output().decode().splitlines()
        vdi.is_(out[0], "ticket-one", "the owner reads the ticket where libkrb5 looks for it")
        vdi.ok(f"{p.dir}/smb tmpfs //files/me" in out[1] and
               f"{p.dir}/smb/nfs tmpfs files:/me" in out[2], "both are mounted, in their order", out)
        log = p.logged()
        smb = f"{p.helpers}/mount.cifs //files/me {p.dir}/smb -o rw,nodev,nosuid,sec=krb5,seal," \
            f"cruid={UID},uid={UID},gid={GID},forceuid,forcegid,file_mode=0600,dir_mode=0700,mfsymlinks"
        nfs = f"{p.helpers}/mount.nfs files:/me {p.dir}/smb/nfs -o rw,nodev,nosuid,vers=4," \
            "sec=krb5p,retry=0"
        vdi.is_((log[0], log[3]), (smb, nfs), "the helpers' options are these words")
        vdi.is_(log[1:3], [f"600 {UID} {GID}", "same"],
                "the ticket is its owner's alone")
        vdi.is_(os.path.exists(SEEN) and os.path.getsize(SEEN), 0, "what is on the disk is empty")
        root = inside(r, "/tmp/krb5cc_0")
        vdi.ok(root and root.st_uid == 0 and stat.S_IMODE(root.st_mode) == 0o600,
               "for NFS root has one, too", root)
        write(p.ticket, "two\n", 0o600)
        r.tell("ticket " + p.ticket)
        vdi.wait_for("the new ticket", lambda: inside(r, SEEN).st_size == 4)
        with open(p.fifo, "w", encoding="utf-8") as f:
            f.write("go\n")
        r.wait_exit()
        vdi.ok(r.output().endswith(b"two\n"), "a renewed ticket comes in the place of the old one")
        vdi.wait_for("the mounts to go", lambda: p.dir not in mounts_of(r))
        vdi.ok("krb5cc" not in mounts_of(r) and "vdi-ticket" not in mounts_of(r),
               "the ticket ends with the script", mounts_of(r))
        vdi.ok(inside(r, SEEN) is None and inside(r, "/run/vdi-ticket") is None, "nothing is left")
        r.kill_guest()
        r.start_guest()
        time.sleep(0.5)
        vdi.ok("vdi-ticket" not in mounts_of(r), "... nor comes again with another runner")


def mounts_of(r):
    with open(f"/proc/{r.guest.pid}/mountinfo", encoding="utf-8") as f:
        return f.read()


def failed(p):
    cases = [
        ("no helper in the image", None, "no mount.cifs: install cifs-utils"),
        ("no module in the image", "#!/bin/sh\necho 'mount error: cifs filesystem not supported by "
         "the system' >&2\nexit 32\n", "no kernel module cifs"),
        ("a ticket that the server refuses", "#!/bin/sh\necho 'mount error(126): Required key not "
         "available' >&2\necho more\nexit 32\n", "mount error(126): Required key not available"),
        ("a helper that lies", "#!/bin/sh\nexit 0\n", "is not there after it was mounted"),
    ]
    for name, text, said in cases:
        if text:
            p.helper("mount.cifs", text)
        with p.rig() as r:
            r.start()
            r.tell("ticket " + p.ticket)
            line = r.wait("stage failed")
            vdi.ok(said in line and f"{p.dir}/smb" in line, f"failed: {name}", line)
            vdi.is_(r.wait_exit()[0], "0", "... and nothing was started")


def reader(p):
    """The node's half: vdi-ccache, as another user."""
    os.chmod(p.dir, 0o755)
    now = int(time.time())
    program = os.path.join(vdi.BUILD, "vdi-ccache")

    def put(name, data, uid=UID, mode=0o600):
        path = os.path.join(p.dir, name)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        os.chown(path, uid, uid)
        return path

    def read(path):
        r = subprocess.run([program, str(UID), str(GID), "", path], capture_output=True, check=False)
        return r.returncode, r.stdout, r.stderr.decode()
    good = ccache(b"anna", now + 600)
    vdi.is_(read(put("good", good)), (0, good, ""), "vdi-ccache reads its owner's ticket")
    os.symlink("good", os.path.join(p.dir, "link"))
    for name, path, said in (
            ("root's", put("roots", good, 0), "Permission denied"),
            ("one that others may read", put("open", good, UID, 0o640), "0600"),
            ("another's that is open", put("theirs", good, 0, 0o644), "not its owner's alone"),
            ("one that expired", put("old", ccache(b"anna", now - 1)), "it expired at"),
            ("a link", os.path.join(p.dir, "link"), "symbolic link"),
            ("none", os.path.join(p.dir, "none"), "No such file"),
            ("a folder", p.dir, "no regular file"),
            ("something else", put("else", b"root:x:0"), "no credential cache"),
            ("too much", put("much", bytes(65537)), "64 KiB")):
        code, out, err = read(path)
        vdi.ok(code == 1 and not out and said in err and "kinit" in err, f"... and not {name}", err)


if not ROOT:
    vdi.skip_all("needs root: it mounts, in a namespace of its own")
if subprocess.run(APART + ["mount", "-t", "tmpfs", "x", "/mnt"], check=False,
                  stderr=subprocess.DEVNULL).returncode:
    vdi.skip_all("this container can't mount")
for part in (failed, mounted, reader):
    with tempfile.TemporaryDirectory(prefix="vdi-mounts.") as place:
        part(Place(place))
for left in (SEEN, "/tmp/krb5cc_0"):  # of guests that were killed
    if os.path.exists(left) and not os.path.getsize(left):
        os.remove(left)
vdi.done()
