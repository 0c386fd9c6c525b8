#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The example plugin builds outside the tree, from the installed headers alone, and loads.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:=.}/tests/lib/tap.sh"

umask 022
dir=$(mktemp -d "${TMPDIR:-/tmp}/vdi-example-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

make -C "${top_builddir:=.}" -s install-vdiincludeHEADERS DESTDIR="$dir/root" >"$dir/log" 2>&1
ok $? "make install puts the headers into place" || diag "$(cat "$dir/log")"
include=$(dirname "$(dirname "$(find "$dir/root" -name plugin.h)")")
is "$(cd "$include/vdi" && echo *)" "plugin.h types.h" "two headers are the public face"

mkdir "$dir/example"
cp "$top_srcdir"/doc/example-plugin/{Makefile,hosts.c} "$dir/example/"
make -C "$dir/example" -s CC="${CC:-cc}" CPPFLAGS="-I$include" CFLAGS="-O1 -Wall -Wextra -Werror" \
    PLUGINDIR=/plugins DESTDIR="$dir" install >"$dir/log" 2>&1
ok $? "the example builds with them alone" || diag "$(cat "$dir/log")"

out=$("$top_builddir/tests/load_plugin" "$dir/plugins" auth hosts 2>&1)
is "$out" "auth hosts: an example: one shared word
  file = /etc/vdi/hosts.word  # file whose first line is the word" "it loads and says what it is"

out=$("$top_builddir/tests/load_plugin" "$dir/plugins" site hosts 2>&1)
is $? 1 "it is not a site plugin"
like "$out" "there is no .*/site" "and the sentence says what is missing"

done_testing
