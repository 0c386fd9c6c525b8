#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# autogen.sh - makes ./configure from configure.ac.
set -e
cd "$(dirname "$0")"
missing=
for pair in autoreconf:autoconf automake:automake libtoolize:libtool pkg-config:pkg-config; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -z "$missing" ] || {
    echo "autogen.sh: packages are missing. On Debian: apt-get install$missing" >&2
    exit 1
}
mkdir -p m4 build-aux
exec autoreconf --install --force --warnings=all,no-obsolete,no-portability
