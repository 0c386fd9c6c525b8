#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""packages.t - packages.list is the one list, and configure asks for exactly what it builds with."""
import re

import lint

# Tools of the build group: autogen.sh and configure find them by their command.
TOOLS = {"autoconf", "automake", "libtool", "gcc", "libc6-dev", "make", "pkg-config"}
GROUPS = {"build", "run", "service", "demo", "desktop", "test"}


def rows(tree):
    for n, line in enumerate(tree.text("packages.list").split("\n"), 1):
        if line and not line.startswith("#"):
            yield n, line.split()


def well_formed(tree):
    seen = {}
    for n, row in rows(tree):
        if len(row) != 2 or row[0] not in GROUPS:
            yield f"packages.list:{n}: not 'GROUP PACKAGE' with a group of {sorted(GROUPS)}"
        elif not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", row[1]):
            yield f"packages.list:{n}: not a package name: {row[1]}"
        elif row[1] in seen:
            yield f"packages.list:{n}: {row[1]} is also on line {seen[row[1]]}"
        else:
            seen[row[1]] = n


def configured(tree):
    asked = set(re.findall(r"^VDI_NEED(?:_HEADER)?\(.*\[([^\]]+)\]\)\s*$", tree.text("configure.ac"), re.M))
    built = {row[1] for _, row in rows(tree) if row[0] == "build" and len(row) == 2} - TOOLS
    for name in sorted(asked - built):
        yield f"configure.ac asks for {name}; packages.list has it not in group build"
    for name in sorted(built - asked):
        yield f"packages.list: configure.ac does not ask for {name} of group build (VDI_NEED)"


def no_second_list(tree):
    for path in tree.texts():
        if path.startswith("tests/lint/") or path.endswith(".md"):
            continue
        for n, line in enumerate(tree.text(path).split("\n"), 1):
            if re.search(r"apt(-get)?\b.*\binstall\b.*\b[a-z0-9.+]+-dev\b", line) and \
                    path != "configure.ac":
                yield f"{path}:{n}: a second list of packages"


lint.main([
    ("packages.list is well formed", well_formed),
    ("configure asks for what packages.list builds with", configured),
    ("there is no second list", no_second_list),
])
