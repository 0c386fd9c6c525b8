#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""man.t - every program and plugin has its man page, and `--help` and the page agree.

Programs are those of the build ($VDI_PROGRAMS in $top_builddir). Each long option of --help
is somewhere on the page; each option that the page explains (a line that begins with it)
is in --help.
"""
import os
import re
import shutil
import subprocess

import lint

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]")


def programs():
    return sorted(os.path.basename(p) for p in os.environ.get("VDI_PROGRAMS", "").split())


def page_of(tree, program):
    for section in "18":
        path = f"doc/man/{program}.{section}"
        if tree.has(path):
            return path
    return None


def rendered(tree, path):
    if not shutil.which("mandoc"):
        raise lint.Skip("mandoc is not installed")
    out = subprocess.run(["mandoc", "-Tascii", "-Owidth=500", path], cwd=tree.root,
                         capture_output=True, text=True).stdout
    return re.sub(r".\x08", "", out)


def help_of(program):
    run = subprocess.run([os.path.join(os.environ["top_builddir"], program), "--help"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def agree(tree):
    for program in programs():
        code, out, err = help_of(program)
        if code != 0 or not out.strip() or err.strip():
            yield f"{program} --help: prints on stdout and exits 0, not {code}; stderr: {err[:200]}"
        path = page_of(tree, program)
        if not path:
            yield f"{program}: no man page doc/man/{program}.1 or .8"
            continue
        page = rendered(tree, path)
        explained = set()
        for line in page.split("\n"):
            if re.match(r"\s+-", line):
                explained.update(OPTION.findall(line.strip().split("  ")[0]))
        offered = set(OPTION.findall(out))
        for option in sorted(offered - set(OPTION.findall(page))):
            yield f"{path}: {option} of --help is missing"
        for option in sorted(explained - offered):
            yield f"{path}: explains {option}, which --help does not offer"
        if not re.search(r"^EXAMPLES", page, re.M):
            yield f"{path}: no EXAMPLES"


def plugin_pages(tree):
    seen = sorted({tuple(p.split("/")[1:3]) for p in tree.match("plugins/*/*/*.c")})
    for kind, name in seen:
        if not tree.match(f"plugins/{kind}/{name}/*.[1-8]", f"doc/man/*{name}*.[1-8]"):
            yield f"plugins/{kind}/{name}: no man page (doc/man/vdi-{kind}-{name}.7)"


def mandoc(tree):
    if not shutil.which("mandoc"):
        raise lint.Skip("mandoc is not installed")
    for path in tree.match("*.[1-8]"):
        run = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], cwd=tree.root,
                             capture_output=True, text=True)
        # References to pages of ours that are not installed yet are checked by `references`.
        lines = [x for x in run.stdout.split("\n") if x and "referenced manual not found" not in x]
        yield from lines


def references(tree):
    ours = {os.path.basename(p) for p in tree.match("*.[1-8]")}
    for path in tree.match("*.[1-8]"):
        text = re.sub(r"\\f[BIRP]|\\-", lambda m: "-" if m.group(0) == "\\-" else "", tree.text(path))
        for name, section in re.findall(r"\b(vdi[\w.-]*)[ \"]*\((\d)\)", text):
            if f"{name}.{section}" not in ours:
                yield f"{path}: refers to {name}({section}), which is not there"


lint.main([
    ("--help and man pages agree", agree),
    ("every plugin has a man page", plugin_pages),
    ("man pages are well formed", mandoc),
    ("man pages refer to pages that exist", references),
])
