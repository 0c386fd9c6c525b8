#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""text.t - what every file keeps to: licence line, white space, columns, words."""
import re

import lint

SPDX = "SPDX-License-Identifier: Apache-2.0"
CODE = re.compile(r"(\.(c|h|sh|t|py|mk|am|ac|[1-8]|conf)|(^|/)(Makefile\.am|run-tests|quickstart|run))$")
# Written so that this file does not match itself.
WORDS = [
    (r"(?<![\w.$}])/wor[k]/", "a path of somebody's machine"),
    (r"(?<![\w.$}])/hom[e]/(?!%u)[a-z]+/", "a path of somebody's machine"),
    (r"\b(TOD[O]|FIXM[E]|XX[X])\b", "write an issue, not a note to self"),
    (r"\b(pypi\.or[g]|registry\.npmjs\.or[g]|crates\.i[o]|deb\.debian\.or[g])\b",
     "a package host; packages.list names packages, apt knows where they are"),
]
COLUMNS = 100


def spdx(tree):
    for path in tree.texts():
        if CODE.search(path) and SPDX not in "\n".join(tree.text(path).split("\n")[:2]):
            yield f"{path}: the first line (after #!) says {SPDX}"


def white_space(tree):
    for path in tree.texts():
        text = tree.text(path)
        for n, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip() and not path.endswith((".md", "LICENSE")):
                yield f"{path}:{n}: blanks at the end of the line"
            elif "\t" in line and re.search(r"\.(c|h|py|t|sh)$", path):
                yield f"{path}:{n}: a tab"
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield f"{path}: ends with exactly one newline"


def columns(tree):
    for path in tree.match("*.c", "*.h"):
        for n, line in enumerate(tree.text(path).split("\n"), 1):
            # A string is not broken: people search for what a program said.
            if len(line) > COLUMNS and not re.match(r'^[^"]*"[^"]*$|.*"[^"]{40,}"', line):
                yield f"{path}:{n}: {len(line)} columns; {COLUMNS} is the most"


def words(tree):
    for path in tree.texts():
        text = tree.text(path)
        for pattern, why in WORDS:
            for m in re.finditer(pattern, text):
                yield f"{path}:{text.count(chr(10), 0, m.start()) + 1}: '{m.group(0)}': {why}"


lint.main([
    ("the licence is said first", spdx),
    ("white space", white_space),
    (f"no C line over {COLUMNS} columns", columns),
    ("no words that do not belong here", words),
])
