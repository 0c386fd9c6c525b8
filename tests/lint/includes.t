#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""includes.t - who may include whom (the table of ARCHITECTURE.md)."""
import os
import re

import lint

ALL = {"base", "loop", "model", "plan", "codec", "wire", "host"}
ROOMS = {
    "base": set(),
    "loop": {"base"},
    "model": {"base"},
    "host": {"base"},
    "plan": {"base", "model"},
    "codec": {"base", "model"},
    "wire": {"base", "loop"},
    "vdictld": ALL,
    "vdid": ALL - {"plan"},
    "vdisession": ALL - {"plan"},
    "vdigate": ALL - {"plan"},
    "guest": {"base", "loop", "codec"},
    "vdisim": ALL - {"wire"},
    "cli": ALL - {"plan", "host"},
}
# Libraries that only one room of src/ may know.
LIBRARIES = {
    "jansson.h": "codec", "yajl": "codec", "confuse.h": "codec", "libical/": "codec", "unicode/": "codec",
    "microhttpd.h": "wire", "event2/": ("wire", "loop"),
    "sqlite3.h": (), "libpq-fe.h": (), "curl/": ("vdid", "vdictld"), "gnutls/": "wire",
    "libvirt/": "vdid", "libxml/": "vdid", "png.h": "vdid",
    "ft2build.h": "guest", "qrencode.h": "guest", "xf86drm": "guest",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)


def includes(tree, path):
    # Comments go, strings stay: the name in quotes is what we look for.
    text = lint.c_code(tree.text(path), keep_strings=True)
    for m in INCLUDE.finditer(text):
        yield text.count("\n", 0, m.start(2)) + 1, m.group(1), m.group(2)


def rooms(tree):
    for path in tree.match("src/*.c", "src/*.h"):
        parts = path.split("/")
        if len(parts) != 3:
            yield f"{path}: a file of src/ lies in src/ROOM/, not deeper and not above"
            continue
        room = parts[1]
        if room not in ROOMS:
            yield f"{path}: no such room: {room} (a new room is a row in this table first)"
            continue
        for line, kind, name in includes(tree, path):
            other = name.split("/")[0]
            if kind == '"' and "/" not in name and name != "config.h":
                yield f'{path}:{line}: "{name}": write it with its room, "{room}/{name}"'
            elif kind == '"' and name != "config.h" and not name.startswith(".") \
                    and other != room and other not in ROOMS[room]:
                yield f"{path}:{line}: room {room} may not include {name}"
            elif name.startswith("."):
                yield f"{path}:{line}: {name}: no relative paths"
            elif kind == "<" and other in ROOMS and tree.has("src/" + name):
                yield f'{path}:{line}: our own header in angle brackets: "{name}"'


def libraries(tree):
    for path in tree.match("src/*.c", "src/*.h"):
        room = path.split("/")[1]
        for line, _, name in includes(tree, path):
            for lib, owners in LIBRARIES.items():
                owners = (owners,) if isinstance(owners, str) else owners
                if name.startswith(lib) and room not in owners:
                    yield f"{path}:{line}: <{name}> belongs to " + \
                        (" and ".join(owners) if owners else "plugins")


def plugins(tree):
    for path in tree.match("plugins/*.c", "plugins/*.h"):
        for line, kind, name in includes(tree, path):
            if kind == "<":
                continue
            beside = "/" not in name and tree.has(os.path.join(os.path.dirname(path), name))
            of_kind = name.startswith("/".join(path.split("/")[:2]) + "/") and tree.has(name)
            if not beside and not of_kind:
                yield f"{path}:{line}: a plugin includes <vdi/*.h>, its own libraries and " \
                    f"headers of its own kind, not {name}"


def public(tree):
    for path in tree.match("include/vdi/*.h"):
        for line, kind, name in includes(tree, path):
            if kind == '"':
                yield f"{path}:{line}: an installed header includes only installed ones: {name}"


lint.main([
    ("rooms include only what they may", rooms),
    ("libraries stay in their room", libraries),
    ("plugins include only <vdi/*.h> of ours", plugins),
    ("installed headers stand alone", public),
])
