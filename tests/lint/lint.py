# SPDX-License-Identifier: Apache-2.0
"""lint.py - what the lint tests share: the files of a tree, C without comments, TAP.

A lint is a function from a Tree to an iterable of findings, "PATH[:LINE]: what is wrong".
A test is `lint.main([(name, function), ...])`: one TAP line per lint. The tree is the first
argument, or $top_srcdir: selftest.t hands each lint a bad tree, to see it fail.
"""
import fnmatch
import os
import re
import subprocess
import sys

SKIPPED_DIRS = {".git", "autom4te.cache", "build-aux", "m4", "__pycache__"}
GENERATED = {"configure", "configure~", "aclocal.m4", "config.h.in", "config.h.in~", "Makefile.in",
             "Makefile", "config.h", "config.log", "config.status", "libtool", "stamp-h1"}
BINARY_DIRS = ("fuzz/corpus/", "tests/data/")


class Skip(Exception):
    """A lint raises this with the reason it can't look."""


class Tree:
    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.paths = sorted(self._tracked() or self._walked())

    def _tracked(self):
        """Tracked and not ignored files, or nothing when this is not a git checkout."""
        if not os.path.exists(os.path.join(self.root, ".git")):
            return []
        try:
            out = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "-co",
                                  "--exclude-standard"], capture_output=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return []
        names = {os.fsdecode(p) for p in out.split(b"\0") if p}
        return [p for p in names if os.path.isfile(os.path.join(self.root, p))
                and not p.startswith("shared/") and not self._built(p)]

    def _built(self, path):
        """In a folder that was configured, whatever its name."""
        top = path.split("/")[0]
        return top != path and os.path.exists(os.path.join(self.root, top, "config.status"))

    def _walked(self):
        for folder, dirs, names in os.walk(self.root):
            dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS and d[0] != "_"
                       and not d.startswith("build") and not d.startswith("osvdi-")
                       and not (folder == self.root and d == "shared")
                       and not os.path.exists(os.path.join(folder, d, "config.status"))]
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.root)
                if path not in GENERATED and not os.path.islink(os.path.join(folder, name)):
                    yield path

    def match(self, *patterns):
        """Paths that match one of the patterns; '*' also matches '/'."""
        return [p for p in self.paths if any(fnmatch.fnmatchcase(p, q) for q in patterns)]

    def texts(self):
        """Paths of what people write: no corpora, no test data."""
        return [p for p in self.paths if not p.startswith(BINARY_DIRS)
                and b"\0" not in self.bytes(p)[:4096]]

    def bytes(self, path):
        with open(os.path.join(self.root, path), "rb") as f:
            return f.read()

    def text(self, path):
        return self.bytes(path).decode("utf-8", "replace")

    def has(self, path):
        return os.path.exists(os.path.join(self.root, path))


C_TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def c_code(text, keep_strings=False):
    """C with comments (and the insides of strings) blanked; line numbers stay."""
    def blank(m):
        s = m.group(0)
        if s[0] == "/":
            return re.sub(r"[^\n]", " ", s)
        return s if keep_strings else s[0] * 2
    return C_TOKEN.sub(blank, text)


def main(lints):
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(
        "top_srcdir", os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "../.."))
    tree = Tree(root)
    failed = 0
    for n, (name, fn) in enumerate(lints, 1):
        try:
            findings = list(fn(tree))
        except Skip as reason:
            print(f"ok {n} - {name} # SKIP {reason}")
            continue
        if findings:
            failed += 1
        print(f"{'not ok' if findings else 'ok'} {n} - {name}")
        for f in findings[:50]:
            print("# " + f.replace("\n", "\n# "))
        if len(findings) > 50:
            print(f"# ... {len(findings)} findings in all")
    print(f"1..{len(lints)}")
    sys.exit(1 if failed else 0)
