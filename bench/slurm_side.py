# SPDX-License-Identifier: Apache-2.0
"""slurm_side.py - a private Slurm to compare with, by the programs of ../shared/bench/slurm."""
import os
import shutil
import subprocess
import sys
import tempfile

import lab

NEEDS = "slurmctld slurmd slurm-client libslurm-dev munge"
FOLDER = os.path.normpath(lab.TOP + "/../shared/bench/slurm")


def add_option(parser):
    parser.add_argument("--slurm", metavar="DIR", help="what starts a private Slurm",
                        default=FOLDER)


def missing(folder):
    """Why there is none, in a sentence; None: there is."""
    if not os.path.exists(folder + "/slurmlab.py"):
        return f"no Slurm to compare with: {folder} is not there (--slurm names it)"
    for tool in ("/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch", "/usr/sbin/munged",
                 "/usr/include/slurm/slurm.h"):
        if not os.path.exists(tool):
            return f"no Slurm to compare with: {tool} is missing; install {NEEDS}"
    return None


class Slurm:
    """One that runs; `lab` and `module` are those of slurmlab.py."""

    def __init__(self, folder, **options):
        self.home = tempfile.mkdtemp(prefix="slurm.")
        os.chmod(self.home, 0o755)  # munged runs as its own user
        os.makedirs(self.home + "/bin")
        for tool, libs in (("sbsubmit", ["-lslurm"]), ("runbench", [])):
            subprocess.run(["cc", "-O2", "-o", f"{self.home}/bin/{tool}", f"{folder}/{tool}.c",
                            *libs], check=True)
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
        import slurmlab  # pylint: disable=import-outside-toplevel,import-error
        self.module = slurmlab
        self.lab = slurmlab.Lab(self.home + "/lab", self.home + "/bin", **options)
        try:
            self.lab.up()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.lab.down(wipe=True)
        shutil.rmtree(self.home, ignore_errors=True)
