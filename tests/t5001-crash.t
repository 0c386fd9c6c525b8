#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILLs under load lose nothing that was acknowledged; and the checker, given
# acknowledgements that never were, sees every kind of loss. bench/crash --kills 200 is the
# long form.
. "$top_srcdir/tests/lib/tap.sh"
need python3
[ -x "$top_builddir/vdictld" ] || skip_all "vdictld is not built"

dir=$(mktemp -d "${TMPDIR:-/tmp}/vdi.XXXXXX") || bail "no temporary directory"
trap 'rm -rf "$dir"' EXIT
acks=$dir/acks

crash() { "$top_srcdir/bench/crash" --build "$top_builddir" "$@" 2>"$dir/err"; }

# doctor EXPRESSION: jobs is the list of acknowledgements, to be changed in place.
doctor() {
    cp "$acks.good" "$acks"
    python3 - "$acks" "$1" <<'END'
import json, sys
with open(sys.argv[1]) as f:
    jobs = [json.loads(line) for line in f]
exec(sys.argv[2])
with open(sys.argv[1], "w") as f:
    f.writelines(json.dumps(job) + "\n" for job in jobs)
END
}

# sees NAME EXPRESSION LAST-LINE: the changed list is refused with this last line.
sees() {
    doctor "$2"
    last=$(crash --verify "$dir" | tail -n 1; exit "${PIPESTATUS[0]}")
    is "$? $last" "1 $3" "$1"
}

last=$(crash --kills 5 --seed 5 --clients 32 --dir "$dir" | tail -n 1; exit "${PIPESTATUS[0]}")
code=$?
diag "$last"
[ "$code" = 0 ] || diag "$(tail -n 30 "$dir/err")"
like "$code $last" '^0 kills=5 acked=[1-9][0-9]* lost=0 reused=0 duplicates=0$' "5 kills"
cp "$acks" "$acks.good"
n=$(wc -l <"$acks")

last=$(crash --verify "$dir" | tail -n 1)
is "$last" "kills=0 acked=$n lost=0 reused=0 duplicates=0" "what was left behind is in order"
sees "a job that is not there is lost" "jobs[0]['id'] += 10**6" \
    "kills=0 acked=$n lost=1 reused=0 duplicates=0"
sees "a request that is not as it was is lost" "jobs[0]['request']['cpus'] += 1" \
    "kills=0 acked=$n lost=1 reused=0 duplicates=0"
sees "a change that is not in effect is lost" "jobs[0]['comment'] = ['never']" \
    "kills=0 acked=$n lost=1 reused=0 duplicates=0"
sees "an id of another key is reused" "jobs[0]['key'] = 'mine'" \
    "kills=0 acked=$n lost=0 reused=1 duplicates=0"
sees "a key with two jobs is a duplicate" \
    "jobs.append(dict(jobs[1], key=jobs[0]['key'])); jobs.pop(1)" \
    "kills=0 acked=$n lost=0 reused=1 duplicates=1"
cp "$acks.good" "$acks"
grep 'start$' "$dir/fake/journal" | head -n 1 >>"$dir/fake/journal"
sees "what was started twice is a duplicate" "" \
    "kills=0 acked=$n lost=0 reused=0 duplicates=1"
done_testing
