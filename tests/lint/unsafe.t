#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""unsafe.t - calls that are not made, SQL that is not put together, doors that do not exist.

Of what is installed and fuzzed: unit tests meet only their own data, and may be blunt.
"""
import re

import lint

CALLS = {
    "strcpy": "str_copy", "strcat": "struct buf", "strncat": "struct buf", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "stpcpy": "str_copy", "gets": "getline", "strtok": "strsep",
    "atoi": "str_to_i64", "atol": "str_to_i64", "atoll": "str_to_i64", "atof": "strtod",
    "system": "posix_spawn", "popen": "posix_spawn", "mktemp": "mkstemp", "tmpnam": "mkstemp",
    "tempnam": "mkstemp", "alloca": "malloc with a limit", "vfork": "posix_spawn",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(CALLS) + r")\s*\(")
# A statement is a constant with placeholders; what a user sent is only ever bound to one.
# (PRAGMA takes no placeholder, so it is not looked at: its arguments are our own numbers.)
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|REPLACE|WHERE|FROM|VALUES)\b")
CONVERSION = re.compile(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh?|ll?|z|j|t)?[sdiuxXcpqQw]")
STRING = re.compile(r'"((?:\\.|[^"\\\n])*)"')


def calls(tree):
    for path in tree.match("src/*.[ch]", "plugins/*.[ch]", "include/*.h", "fuzz/*.[ch]"):
        code = lint.c_code(tree.text(path))
        for m in CALL.finditer(code):
            line = code.count("\n", 0, m.start()) + 1
            yield f"{path}:{line}: {m.group(1)}(): use {CALLS[m.group(1)]}"


def sql(tree):
    for path in tree.match("plugins/store/*.c", "plugins/store/*.h"):
        code = lint.c_code(tree.text(path), keep_strings=True)
        # Neighbouring literals (and PRIu64 between them) are one string.
        code = re.sub(r'"(\s*)PRI[a-z]\w*', r'u"\1', code)
        joined = re.sub(r'(?<!\\)"(\s*)"', lambda m: "\0" * m.group(1).count("\n"), code)
        for m in STRING.finditer(joined):
            if SQL.search(m.group(1)) and CONVERSION.search(m.group(1)):
                line = joined.count("\n", 0, m.start()) + joined.count("\0", 0, m.start()) + 1
                yield f"{path}:{line}: SQL put together by a format; bind a parameter"


def doors(tree):
    for path in tree.paths:
        if path.startswith("plugins/auth/none"):
            yield f"{path}: there is no authentication 'none' outside tests"
    for path in tree.match("src/*", "plugins/*", "etc/*", "Makefile.am", "configure.ac"):
        for n, line in enumerate(tree.text(path).split("\n"), 1):
            if re.search(r"auth(/|\s+\")none\b", line):
                yield f"{path}:{n}: there is no authentication 'none' outside tests"


lint.main([
    ("no unsafe calls", calls),
    ("no SQL by string formatting in stores", sql),
    ("no way in without a credential", doors),
])
