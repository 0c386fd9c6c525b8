#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""format.t - C is as clang-format 14 with the tree's .clang-format leaves it."""
import re
import shutil
import subprocess

import lint

MAJOR = "14"  # of Debian 12; other versions lay out differently
AT_ONCE = 50  # most of the time for one file is the start of the tool


def formatted(tree):
    tool = shutil.which("clang-format-" + MAJOR) or shutil.which("clang-format")
    if not tool:
        raise lint.Skip("clang-format is not installed")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", version)
    if not found or found.group(1) != MAJOR:
        raise lint.Skip(f"clang-format is not version {MAJOR}")
    paths = list(tree.match("*.c", "*.h"))
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first:first + AT_ONCE]
        run = subprocess.run([tool, "--style=file", "--dry-run", "-Werror", "--ferror-limit=0",
                              *some], cwd=tree.root, capture_output=True, text=True)
        told = {}
        for path, line in re.findall(r"^(.+?):(\d+):\d+: error: ", run.stderr, re.M):
            told.setdefault(path, line)
        if run.returncode and not told:
            yield f"{some[0]} and others: {run.stderr.strip()}"
        for path, line in told.items():
            yield f"{path}:{line}: not formatted; {tool} -i {path}"


lint.main([("C is formatted", formatted)])
