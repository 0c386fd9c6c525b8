#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shell.t - shell scripts parse, and shellcheck has nothing to say (warnings and worse)."""
import os
import re
import shutil
import subprocess

import lint


def scripts(tree):
    for path in tree.texts():
        first = tree.text(path).split("\n", 1)[0]
        if path.endswith(".sh") or re.match(r"#!.*\b(ba|da)?sh\b", first):
            yield path


def parses(tree):
    for path in scripts(tree):
        run = subprocess.run(["bash", "-n", path], cwd=tree.root, capture_output=True, text=True)
        if run.returncode:
            yield f"{path}: {run.stderr.strip()}"


def checked(tree):
    tool = shutil.which("shellcheck")
    if not tool:
        raise lint.Skip("shellcheck is not installed")
    for path in scripts(tree):
        run = subprocess.run([tool, "-S", "warning", "-f", "gcc", "-e", "SC1090,SC1091,SC2154", path],
                             cwd=tree.root, capture_output=True, text=True)
        if run.returncode:
            yield (run.stdout + run.stderr).strip()


def executable(tree):
    for path in tree.texts():
        if tree.text(path).startswith("#!") and not os.access(os.path.join(tree.root, path), os.X_OK):
            yield f"{path}: begins with #! and is not executable"


lint.main([
    ("shell scripts parse", parses),
    ("shellcheck is content", checked),
    ("scripts are executable", executable),
])
