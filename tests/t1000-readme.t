#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t1000-readme.t - the worked example of README.md works as it stands.
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
{
    echo 'set -e'
    sed -n '/^## Try it/,/^## Read on/s/^    //p' "$top_srcdir/README.md" |
        sed "s#^export VDI_URL.*#&; echo \$! >$scratch/pid#"
} >"$scratch/example"
like "$(cat "$scratch/example")" 'vdisubmit' "README.md has an example"
exits 0 "the example runs to its end" bash "$scratch/example"
like "$out" 'desk' "the queue shows the desktop"
like "$out" '\<(PD|CF|R)\>' "... in a state that a live job has"
[ $tap_failed -eq 0 ] || diag "$(cat "$scratch"/*/log 2>/dev/null)"

done_testing
