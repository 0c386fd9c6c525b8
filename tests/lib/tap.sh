# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# tap.sh - TAP for shell tests: source it, call the checks, end with `done_testing`.
#
# Every check prints one "ok" or "not ok" line and returns 0 or 1, so that a test can go on
# after a failure and still print what it knows (diag). A test that ends before done_testing
# prints no plan, which the driver counts as an error: dying early is never a pass.
# Numbers are per shell: call checks in the test's own shell, not in a subshell or a pipe.

tap_n=0
tap_failed=0

# ok STATUS NAME: STATUS is 0 for true, as in `cmd; ok $? "name"`.
ok() {
    tap_n=$((tap_n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_n - $2"
    else
        echo "not ok $tap_n - $2"
        tap_failed=$((tap_failed + 1))
        return 1
    fi
}

pass() { ok 0 "$1"; }
not_ok() { ok 1 "$1"; }

# A line for people. Never starts with "ok" or "not ok", whatever it says.
diag() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# is GOT WANTED NAME
is() {
    [ "$1" = "$2" ] && { ok 0 "$3"; return; }
    ok 1 "$3"
    diag "     got: $1"
    diag "expected: $2"
    return 1
}

# isnt GOT UNWANTED NAME
isnt() {
    [ "$1" != "$2" ] && { ok 0 "$3"; return; }
    ok 1 "$3"
    diag "got, and should not have: $1"
    return 1
}

# like TEXT ERE NAME: some line of TEXT matches.
like() {
    grep -Eq -e "$2" <<<"$1" && { ok 0 "$3"; return; }
    ok 1 "$3"
    diag "no line matches: $2"
    diag "$1"
    return 1
}

# unlike TEXT ERE NAME: no line of TEXT matches.
unlike() {
    grep -Eq -e "$2" <<<"$1" || { ok 0 "$3"; return; }
    ok 1 "$3"
    diag "a line matches: $2"
    diag "$1"
    return 1
}

# exits STATUS NAME CMD...: runs CMD; its exit code must be STATUS. What it printed is left
# in $out (stdout) and $err (stderr).
exits() {
    local want=$1 name=$2 got=0 dir
    shift 2
    dir=$(mktemp -d "${TMPDIR:-/tmp}/tap.XXXXXX") || bail "no temporary directory"
    "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
    out=$(cat "$dir/out")
    err=$(cat "$dir/err")
    rm -rf "$dir"
    [ "$got" -eq "$want" ] && { ok 0 "$name"; return; }
    ok 1 "$name"
    diag "exit code $got, expected $want: $*"
    diag "$out"
    diag "$err"
    return 1
}

# skip N REASON NAME: N checks that could not be made.
skip() {
    local i
    for ((i = 0; i < $1; i++)); do
        tap_n=$((tap_n + 1))
        echo "ok $tap_n - ${3:-} # SKIP $2"
    done
}

# skip_all REASON: nothing of this file can be tested here.
skip_all() {
    [ "$tap_n" -eq 0 ] || bail "skip_all after $tap_n checks"
    echo "1..0 # SKIP $*"
    exit 0
}

# need CMD...: skips the whole file when a command is not installed.
need() {
    local cmd
    for cmd in "$@"; do
        command -v "$cmd" >/dev/null || skip_all "$cmd is not installed"
    done
}

# plan N: said first, when the number of checks is known.
plan() { tap_planned=$1; echo "1..$1"; }

bail() {
    echo "Bail out! $*"
    exit 99
}

# done_testing: prints the plan (unless `plan` did) and ends with 1 if a check failed.
done_testing() {
    if [ -z "${tap_planned:-}" ]; then
        echo "1..$tap_n"
    elif [ "$tap_planned" -ne "$tap_n" ]; then
        bail "planned $tap_planned checks, made $tap_n"
    fi
    [ "$tap_failed" -eq 0 ] || exit 1
    exit 0
}
