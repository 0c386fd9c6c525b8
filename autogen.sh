#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# autogen.sh - makes ./configure from configure.ac.
set -e
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf --install --force --warnings=all,no-obsolete,no-portability
