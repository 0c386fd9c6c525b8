#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rooms.t - the build lists and the tree agree: nothing forgotten, nothing gone."""
import os
import re

import lint


def lists(tree):
    """Every word of Makefile.am and the room.mk files, by the file it is in."""
    words = {}
    for path in tree.match("Makefile.am", "*.mk"):
        text = re.sub(r"^\s*#.*$", "", tree.text(path), flags=re.M)
        words[path] = set(re.split(r"[\s=:]+", text.replace("$(top_srcdir)/", "")))
    return words


def sources(tree):
    words = lists(tree)
    for path in tree.match("src/*.c"):
        mk = "/".join(path.split("/")[:2]) + "/room.mk"
        if path not in words.get(mk, set()):
            yield f"{path}: not in {mk}"
    for path in tree.match("plugins/*.c", "fuzz/*.c", "bench/*.c", "tests/*.c"):
        if not any(path in w for w in words.values()):
            yield f"{path}: in no room.mk"
    for path in tree.match("doc/man/*.[1-8]", "plugins/*.[1-8]"):
        if not any(path in w for w in words.values()):
            yield f"{path}: in no dist_man_MANS"
    for path in tree.match("src/*.h", "plugins/*.h", "include/*.h"):
        folder = path.rsplit("/", 1)[0]
        if not tree.match(folder + "/*.c") and folder != "include/vdi":
            continue  # a seam that nothing is built on yet
        if not any(path in w for w in words.values()):
            yield f"{path}: in no room.mk, so not in the release either"


def tests(tree):
    words = set().union(*lists(tree).values())
    for path in tree.match("tests/*.t"):
        if path not in words:
            yield f"{path}: in no list of tests"
        if not os.access(os.path.join(tree.root, path), os.X_OK):
            yield f"{path}: not executable"
    for path in tree.match("tests/unit/*"):
        room = path.split("/")[2]
        if not tree.has("src/" + room) and room != "plugins":
            yield f"{path}: tests/unit/ mirrors src/; there is no src/{room}"


def stale(tree):
    prefix = re.compile(r"^(src|plugins|tests|fuzz|bench|doc|include|etc)/[\w./-]+\.(c|h|t|sh|py|mk|\d)$")
    for mk, words in lists(tree).items():
        for word in sorted(words):
            if prefix.match(word) and not tree.has(word):
                yield f"{mk}: names {word}, which is not there"


def included(tree):
    main = tree.text("Makefile.am") if tree.has("Makefile.am") else ""
    for path in tree.match("*room.mk"):
        if not re.search(rf"^include (\$\(top_srcdir\)/)?{re.escape(path)}$", main, re.M) and \
                not any(re.search(rf"^include .*{re.escape(path)}$", tree.text(p), re.M)
                        for p in tree.match("*room.mk")):
            yield f"{path}: included by no Makefile"


lint.main([
    ("every source is in its room.mk", sources),
    ("every test is in a list, and executable", tests),
    ("the lists name nothing that is gone", stale),
    ("every room.mk is included", included),
])
