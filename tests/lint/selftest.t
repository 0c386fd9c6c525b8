#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""selftest.t - every lint passes a good tree and fails on the bad one it is for."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
C = "/* SPDX-License-Identifier: Apache-2.0 */\n"
HASH = "# SPDX-License-Identifier: Apache-2.0\n"
ROOM = HASH + "noinst_LIBRARIES += src/base/libbase.a\nsrc_base_libbase_a_SOURCES = src/base/word.c\n" \
    "dist_man_MANS += doc/man/prog.1\n"
MAN = """.\\" SPDX-License-Identifier: Apache-2.0
.TH PROG 1 2026-01-02 "OSVDI" "User Commands"
.SH NAME
prog \\- does it
.SH SYNOPSIS
.B prog
[\\fIoptions\\fR]
.SH OPTIONS
.TP
.BR \\-\\-all
All of it. See also \\-\\-none in other programs.
.TP
.BR \\-h ", " \\-\\-help
Helps.
.SH EXAMPLES
prog \\-\\-all
"""
PROG = "#!/bin/sh\n" + HASH + "echo 'usage: prog [--all] [--help]'\n"
MAKEFILE = HASH + "include src/base/room.mk\n"
PACKAGES = "build gcc\nbuild libx-dev\nrun munge\ntest clang\n"
CONFIGURE = HASH + "VDI_NEED([X], [x >= 1], [libx-dev])\n"
GOOD = {
    "Makefile.am": MAKEFILE, "configure.ac": CONFIGURE, "packages.list": PACKAGES,
    "src/base/room.mk": ROOM,
    "src/base/word.c": C + '#include "base/word.c"\n#include <stdio.h>\n\nint word(void)\n{\n'
                           '    return printf("strcpy(%d) \'/* no comment */\'\\n", 1);\n}\n',
    "doc/man/prog.1": MAN, "bin/prog": PROG,
}
LONG = "int f(void)\n{\n" + "    word();\n" * 99 + "}\n"

# (lint, number of its line, path, content or None for "take it away", what it must say)
BAD = [
    ("includes", 1, "src/base/a.c", C + '#include "loop/loop.h"\n', "base may not include loop"),
    ("includes", 1, "src/plan/a.c", C + '#include "codec/field.h"\n', "plan may not include"),
    ("includes", 1, "src/vdid/a.c", C + '#include "vdictld/job.h"\n', "vdid may not include"),
    ("includes", 1, "src/util/a.c", C, "no such room: util"),
    ("includes", 1, "src/base/a.c", C + '#include "word.h"\n', "write it with its room"),
    ("includes", 1, "src/base/a.c", C + '#include "../loop/loop.h"\n', "no relative paths"),
    ("includes", 2, "src/vdictld/a.c", C + "#include <jansson.h>\n", "belongs to codec"),
    ("includes", 2, "src/cli/a.c", C + "# include <confuse.h>\n", "belongs to codec"),
    ("includes", 2, "src/model/a.c", C + "#include <sqlite3.h>\n", "belongs to plugins"),
    ("includes", 3, "plugins/site/x/a.c", C + '#include "base/str.h"\n', "a plugin includes"),
    ("includes", 4, "include/vdi/a.h", C + '#include "base/str.h"\n', "only installed ones"),
    ("sizes", 1, "src/base/a.c", C + LONG, r"f has 101 lines"),
    ("sizes", 2, "src/base/a.c", C + "\n" * 800, "801 lines"),
    ("sizes", 3, "doc/big.bin", "x" * (512 * 1024 + 1), "524289 bytes"),
    ("rooms", 1, "src/base/new.c", C, "not in src/base/room.mk"),
    ("rooms", 1, "plugins/site/x/a.c", C, "in no room.mk"),
    ("rooms", 1, "src/base/new.h", C, "in no room.mk"),
    ("rooms", 1, "doc/man/other.5", MAN, "in no dist_man_MANS"),
    ("rooms", 2, "tests/t0001-x.t", "#!/bin/sh\n", "in no list of tests"),
    ("rooms", 2, "tests/unit/nowhere/test_a.c", C, "there is no src/nowhere"),
    ("rooms", 3, "src/base/word.c", None, "names src/base/word.c, which is not there"),
    ("rooms", 4, "src/loop/room.mk", HASH, "included by no Makefile"),
    ("text", 1, "src/base/a.c", "int a;\n", "the first line"),
    ("text", 1, "tests/a.sh", "echo\n", "the first line"),
    ("text", 2, "src/base/a.c", C + "int a; \n", "a.c:2: blanks"),
    ("text", 2, "src/base/a.c", C + "\tint a;\n", "a.c:2: a tab"),
    ("text", 2, "src/base/a.c", C + "int a;", "exactly one newline"),
    ("text", 3, "src/base/a.c", C + "int a" + "a" * 100 + ";\n", "106 columns"),
    ("text", 4, "src/base/a.c", C + "/* TO" + "DO */\n", "not a note to self"),
    ("text", 4, "doc/a.md", "see /wor" + "k/main\n", "somebody's machine"),
    ("text", 4, "tests/a.sh", HASH + "curl https://deb.debian" + ".org/\n", "package host"),
    ("unsafe", 1, "src/base/a.c", C + "void f(void)\n{\n    strcpy(a, b);\n}\n", r"a\.c:4: strcpy"),
    ("unsafe", 1, "src/base/a.c", C + "int x = system (cmd);\n", "system"),
    ("unsafe", 1, "src/base/a.c", C + "FILE *f = popen(cmd, \"r\");\n", "popen"),
    ("unsafe", 2, "plugins/store/x/a.c", C + 'f("SELECT * FROM t WHERE a = %s", a);\n', "a.c:2"),
    ("unsafe", 2, "plugins/store/x/a.c", C + 'f("DELETE FROM t "\n  "WHERE id = %lu", i);\n', "a.c:2"),
    ("unsafe", 2, "plugins/store/x/a.c", C + 'f("DELETE FROM t WHERE id = %" PRIu64, i);\n', "bind"),
    ("unsafe", 3, "plugins/auth/none/a.c", C, "no authentication 'none'"),
    ("unsafe", 3, "etc/vdi.conf", HASH + 'auth "none" { }\n', "no authentication 'none'"),
    ("shell", 1, "tests/a.sh", HASH + "if true; then\n", "a.sh"),
    ("shell", 3, "tests/a.py", "#!/usr/bin/env python3\n" + HASH, "not executable"),
    ("packages", 1, "packages.list", PACKAGES + "build libx-dev\n", "also on line 2"),
    ("packages", 1, "packages.list", PACKAGES + "builds liby\n", "not 'GROUP PACKAGE'"),
    ("packages", 2, "packages.list", PACKAGES + "build liby-dev\n", "does not ask for liby-dev"),
    ("packages", 2, "configure.ac", CONFIGURE + "VDI_NEED([Y], [y], [liby-dev])\n", "asks for liby-dev"),
    ("packages", 3, "etc/a.sh", HASH + "apt-get -y install libz-dev\n", "second list"),
    ("man", 1, "bin/prog", PROG + "echo ' --more'\n", "--more of --help is missing"),
    ("man", 1, "bin/prog", PROG.replace("[--all]", ""), "explains --all"),
    ("man", 1, "bin/prog", PROG + "exit 3\n", "exits 0, not 3"),
    ("man", 1, "doc/man/prog.1", None, "no man page"),
    ("man", 1, "doc/man/prog.1", MAN.replace("EXAMPLES", "NOTES"), "no EXAMPLES"),
    ("man", 2, "plugins/site/x/a.c", C, "no man page"),
    ("man", 3, "doc/man/prog.1", MAN + ".BX y\n.nosuch\n", "nosuch"),
    ("man", 4, "doc/man/prog.1", MAN + ".BR vdiqueues (1)\n", r"vdiqueues\(1\)"),
]
if shutil.which("clang-format-14"):
    BAD.append(("format", 1, "src/base/a.c", C + "int  a ;\n", "not formatted"))
if shutil.which("shellcheck"):
    BAD.append(("shell", 2, "tests/a.sh", HASH + "# shellcheck shell=sh\nrm $UNSET\ncd /x\n", "SC2164"))


def write(root, path, content):
    full = os.path.join(root, path)
    if content is None:
        os.remove(full)
        return
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(content)
    if path.startswith("bin/"):
        os.chmod(full, 0o755)


def run(name, root):
    env = dict(os.environ, VDI_PROGRAMS="prog", top_builddir=os.path.join(root, "bin"))
    return subprocess.run([sys.executable, os.path.join(HERE, name + ".t"), root], env=env,
                          capture_output=True, text=True, check=False)


def sample(path=None, content=None):
    root = tempfile.mkdtemp(prefix="lint.")
    for name, text in GOOD.items():
        write(root, name, text)
    shutil.copy(os.path.join(HERE, "../../.clang-format"), root)
    if path:
        write(root, path, content)
    return root


def report(n, good, name, result):
    print(f"{'ok' if good else 'not ok'} {n} - {name}")
    if not good:
        for line in (result.stdout + result.stderr).split("\n"):
            print("# " + line)
    return not good


def main():
    n = failed = 0
    names = sorted(p[:-2] for p in os.listdir(HERE) if p.endswith(".t") and p != "selftest.t")
    root = sample()
    for name in names:
        n += 1
        result = run(name, root)
        failed += report(n, result.returncode == 0, f"{name} passes a good tree", result)
    shutil.rmtree(root)
    for name, number, path, content, says in BAD:
        n += 1
        root = sample(path, content)
        result = run(name, root)
        good = result.returncode == 1 and re.search(says, result.stdout) and \
            re.search(rf"^not ok {number} ", result.stdout, re.M)
        failed += report(n, good, f"{name} fails on {path}: {says}", result)
        shutil.rmtree(root)
    n += 1
    untried = set(names) - {b[0] for b in BAD}
    if untried == {"format"}:
        print(f"ok {n} - every lint was seen to fail # SKIP no clang-format 14")
    else:
        failed += report(n, not untried, f"every lint was seen to fail {sorted(untried) or ''}",
                         subprocess.CompletedProcess([], 0, "", ""))
    print(f"1..{n}")
    sys.exit(1 if failed else 0)


main()
