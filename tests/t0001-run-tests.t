#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t0001-run-tests.t - ./run-tests tells the truth: it fails when a step, a test or an
# unlisted skip says so. The build is a stand-in that prints what a driver would.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/packages.sh"
need make

scratch=$(mktemp -d "${TMPDIR:-/tmp}/run-tests.XXXXXX") || bail "no temporary directory"
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/tmp
mkdir -p "$scratch/tree/tests/lib" "$TMPDIR"
cd "$scratch/tree" || bail "no scratch tree"
cp "$top_srcdir/run-tests" .
cp "$top_srcdir/tests/lib/packages.sh" tests/lib/
cp "$top_srcdir/packages.list" .
printf '# allowed\n\n^a\\.t - no moon$\n' >tests/skips.list
printf '#!/bin/sh\n' >autogen.sh
cat >configure <<'END'
#!/bin/sh
printf 'all:\n\t@test ! -e "$(STUB).broken"\ncheck check-unit check-code check-vm check-quickstart distcheck:\n\t@cat $(STUB); test ! -e "$(STUB).failed"\n' >Makefile
END
chmod +x autogen.sh configure
export STUB=$scratch/results
# A make of our own, not a part of the one that runs this test.
unset MAKEFLAGS MFLAGS MAKELEVEL

# results LINE...: what the next build prints.
results() {
    rm -f "$STUB".*
    printf '%s\n' "$@" >"$STUB"
}
totals() { tail -n 1 <<<"$out"; }

exits 0 "--help" ./run-tests --help
like "$out" '^usage: ' "... is usage"
exits 2 "an unknown option" ./run-tests --fast
exits 2 "an unknown step" ./run-tests --only gccc
like "$err" 'no such step: gccc' "... is named"

results "PASS: a.t 1 - x" "PASS: a.t 2 - y" "SKIP: a.t - no moon"
exits 0 "all steps pass" ./run-tests --no-install
is "$(totals)" "12 passed, 0 failed, 6 skipped" "... totals over all steps"
is "$(grep -c ' ok ' <<<"$out")" 6 "... one line a step"
exits 0 "clang before vm" ./run-tests --no-install --only clang --only vm
is "$(totals)" "4 passed, 0 failed, 2 skipped" "... is run once, as beside it"
exits 0 "both and distcheck after vm" ./run-tests --no-install --only vm --only clang --only distcheck
is "$(totals)" "6 passed, 0 failed, 3 skipped" "... are run once, beside it"
exits 0 "--quick" ./run-tests --no-install --quick
is "$(totals)" "2 passed, 0 failed, 1 skipped" "... is one step"
is "$(ls "$TMPDIR")" "" "nothing is left behind"

results "PASS: a.t 1 - x" "FAIL: a.t 2 - y"
exits 1 "a failed test fails the run, whatever make says" ./run-tests --no-install --quick
is "$(totals)" "1 passed, 1 failed, 0 skipped" "... and is counted"
like "$out" '^FAIL: a\.t 2 - y$' "... and shown"
results "PASS: a.t 1 - x" "ERROR: a.t - missing test plan"
exits 1 "an error fails the run" ./run-tests --no-install --quick

results "PASS: a.t 1 - x" "SKIP: b.t 1 - x # SKIP no sun"
exits 1 "a skip that is not listed fails the run" ./run-tests --no-install --quick
like "$out" '^b\.t 1 - x # SKIP no sun$' "... and is named"

results "PASS: a.t 1 - x"
touch "$STUB.failed"
exits 1 "a failing make fails the run" ./run-tests --no-install --quick
is "$(totals)" "1 passed, 1 failed, 0 skipped" "... and counts"
results "PASS: a.t 1 - x"
touch "$STUB.broken"
exits 1 "a build that breaks fails the run" ./run-tests --no-install --quick
is "$(totals)" "0 passed, 1 failed, 0 skipped" "... and counts"
results "nothing"
exits 1 "a step without a test fails the run" ./run-tests --no-install --quick

# The list of packages, and what is missing of it; nothing is installed here.
is "$(top_srcdir=$scratch/tree packages run)" "$(sed -n 's/^run //p' packages.list)" "a group"
exits 1 "an unknown group" packages nothing
like "$err" "no package in group 'nothing'" "... is named"
printf 'run no-such-package-osvdi\n' >packages.list
if command -v dpkg-query >/dev/null; then
    is "$(top_srcdir=$scratch/tree packages_missing run)" no-such-package-osvdi "a missing one"
else
    skip 1 "dpkg is not installed" "a missing one"
fi

done_testing
