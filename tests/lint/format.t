#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""format.t - C is as clang-format 14 with the tree's .clang-format leaves it."""
import re
import shutil
import subprocess

import lint

MAJOR = "14"  # of Debian 12; other versions lay out differently


def formatted(tree):
    tool = shutil.which("clang-format-" + MAJOR) or shutil.which("clang-format")
    if not tool:
        raise lint.Skip("clang-format is not installed")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", version)
    if not found or found.group(1) != MAJOR:
        raise lint.Skip(f"clang-format is not version {MAJOR}")
    for path in tree.match("*.c", "*.h"):
        run = subprocess.run([tool, "--style=file", "--dry-run", "-Werror", path], cwd=tree.root,
                             capture_output=True, text=True)
        if run.returncode:
            first = re.search(r":(\d+):", run.stderr)
            yield f"{path}:{first.group(1) if first else '?'}: not formatted; {tool} -i {path}"


lint.main([("C is formatted", formatted)])
