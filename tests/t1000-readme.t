#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t1000-readme.t - what README.md says is so: its two commands and their options are there, its
# worked example without VMs runs. What it shows of ./quickstart is run by t0900-quickstart.t.
: "${top_srcdir:?set by make check}" "${top_builddir:?set by make check}"
. "$top_srcdir/tests/lib/tap.sh"

for program in vdictld vdictl vdisubmit vdiqueue vdicancel; do
    [ -x "$top_builddir/$program" ] || skip_all "$program is not built"
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/readme.XXXXXX") || bail "no temporary directory"
# The daemon is the only child the example leaves behind, if it stops half way.
trap '[ ! -s "$scratch/pid" ] || kill -KILL "$(cat "$scratch/pid")" 2>/dev/null; rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
cd "$top_builddir" || bail "no build folder"

# section TITLE: the lines of code in it.
section() { sed -n "/^## $1\$/,/^## /s/^    //p" "$top_srcdir/README.md"; }

is "$(section 'A desktop in one command' | head -n 1)" ./quickstart "the first command is ./quickstart"
is "$(section 'The tests')" ./run-tests "the second is ./run-tests"
for command in quickstart run-tests; do
    exits 0 "./$command --help" "$top_srcdir/$command" --help
    for option in $(grep -o "\`\./$command [^\`]*\`" "$top_srcdir/README.md" | grep -o -e ' --*[a-z]*' | sort -u); do
        like "$out" "(^|[[| ,])$option([],| ]|\$)" "... knows $option"
    done
done
for file in $(grep -o '](doc/[^)]*)' "$top_srcdir/README.md" | tr -d '()]'); do
    [ -s "$top_srcdir/$file" ]; ok $? "$file is there"
done

{
    echo 'set -e'
    section 'The commands alone' | sed "s#^export VDI_URL.*#&; echo \$! >$scratch/pid#"
} >"$scratch/example"
like "$(cat "$scratch/example")" 'vdisubmit' "README.md has an example"
exits 0 "the example runs to its end" bash "$scratch/example"
like "$out" 'desk' "the queue shows the desktop"
like "$out" '\<(PD|CF|R)\>' "... in a state that a live job has"
[ $tap_failed -eq 0 ] || diag "$(cat "$scratch"/*/log 2>/dev/null)"

done_testing
