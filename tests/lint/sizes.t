#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sizes.t - functions of at most 100 lines, files of at most 800, nothing over 512 KiB.

Prints the ten longest functions with median and 90th percentile, fail or not.
"""
import os
import re

import lint

FUNCTION_MAX = 100
FILE_MAX = 800
BYTES_MAX = 512 * 1024
# What may be longer, with the reason. An entry that is not needed is a finding too.
LONG_FUNCTIONS = {
    # "src/room/file.c:function": "why",
}
LONG_FILES = {
    # "src/room/file.c": "why",
}


def functions(tree):
    """(lines, path, line, name): the style puts a function's braces alone in column 0."""
    for path in tree.match("*.c", "*.h"):
        lines = lint.c_code(tree.text(path)).split("\n")
        start = None
        for i, line in enumerate(lines):
            if line.rstrip() == "{":
                start = i
            elif line.startswith("}") and start is not None:
                head = " ".join(lines[max(0, start - 6):start])
                names = re.findall(r"(\w+)\s*\((?:[^;{}]*)\)\s*$", head)
                named = re.findall(r"(\w+)\s*\(", head.split(";")[-1].split("}")[-1])
                yield i - start + 1, path, start + 1, (named or names or ["?"])[0]
                start = None


def function_sizes(tree):
    found = sorted(functions(tree), reverse=True)
    if found:
        sizes = sorted(f[0] for f in found)
        print(f"# {len(found)} functions: median {sizes[len(sizes) // 2]} lines, "
              f"p90 {sizes[len(sizes) * 9 // 10]}; the longest:")
        for size, path, line, name in found[:10]:
            print(f"# {size:5} {path}:{line} {name}")
    needed = set()
    for size, path, line, name in found:
        if size > FUNCTION_MAX:
            key = f"{path}:{name}"
            needed.add(key)
            if key not in LONG_FUNCTIONS:
                yield f"{path}:{line}: {name} has {size} lines; {FUNCTION_MAX} is the most"
    for key in set(LONG_FUNCTIONS) - needed:
        yield f"{key}: needs no exception any more"


def file_sizes(tree):
    needed = set()
    for path in tree.texts():
        if not re.search(r"\.(c|h|py|sh|t|mk|am|ac)$|^(run-tests|quickstart)$", path):
            continue
        n = tree.text(path).count("\n")
        if n > FILE_MAX:
            needed.add(path)
            if path not in LONG_FILES:
                yield f"{path}: {n} lines; {FILE_MAX} is the most"
    for path in set(LONG_FILES) - needed:
        yield f"{path}: needs no exception any more"


def file_bytes(tree):
    for path in tree.paths:
        size = os.path.getsize(os.path.join(tree.root, path))
        if size > BYTES_MAX:
            yield f"{path}: {size} bytes; {BYTES_MAX} is the most"


lint.main([
    (f"no function over {FUNCTION_MAX} lines", function_sizes),
    (f"no file over {FILE_MAX} lines", file_sizes),
    (f"no file over {BYTES_MAX // 1024} KiB", file_bytes),
])
