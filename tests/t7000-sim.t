#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t7000-sim.t - vdisim against an oracle, start by start; its options, messages and files.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"
need python3

W=$(mktemp -d) || bail "no temporary directory"
trap 'rm -rf "$W"' EXIT
sim=$top_builddir/vdisim

# 3,000 jobs for 64 units; two in three say too long a limit, so that holes open early.
python3 - >"$W/t.csv" <<'END'
import random
r = random.Random(5)
t = 0
print("submit_s,duration_s,walltime_s,gpus,origin_id")
for i in range(3000):
    t += int(r.expovariate(1 / 40))
    run = int(r.lognormvariate(5, 1.2)) + 1
    print(f"{t},{run},{run * r.choice([1, 2, 5])},{r.choice([1, 1, 2, 4, 8, 32])},j{i}")
END
# differ TRACE STARTS: how many jobs start at other times than the oracle says.
differ() {
    python3 "$top_srcdir/tests/lib/replan.py" "$1" 64 gpus >"$W/o.csv"
    diff <(cut -d, -f1,3 "$2" | sed 1d | sort) <(sed 1d "$W/o.csv" | sort) | grep -c '^<'
}
exits 0 "a trace is replayed" "$sim" --pool=64 --starts="$W/s.csv" --plot="$W/p.svg" "$W/t.csv"
is "$(differ "$W/t.csv" "$W/s.csv")" 0 "... and every job starts when the oracle says"
is "$(wc -l <"$W/s.csv")" 3001 "... all 3,000 of them"
# A second is the shortest limit there is; nobody passes in what such a job leaves.
python3 - >"$W/short.csv" <<'END'
import random
r = random.Random(6)
t = 0
print("submit_s,duration_s,walltime_s,gpus,origin_id")
for i in range(2000):
    t += int(r.expovariate(1 / 12))
    run = r.choice([1, 1, 2, 15, 60, 200])
    print(f"{t},{run},{run},{r.choice([1, 1, 2, 4, 8, 32])},j{i}")
END
"$sim" --pool=64 --starts="$W/s1.csv" "$W/short.csv" >/dev/null
is "$(differ "$W/short.csv" "$W/s1.csv")" 0 "... also jobs of a second"
is "$(wc -l <"$W/s1.csv")" 2001 "... all 2,000 of them"
like "$(tail -n 1 "$W/p.svg")" '^</svg>$' "... with a picture"
is "$("$sim" --pool=64 --json "$W/t.csv" | jq -r .jobs)" 3000 "--json is JSON"
xz -k "$W/t.csv"
same() { diff <("$sim" --pool=64 --json "$1" | jq 'del(.plan_cpu_s)') \
    <("$sim" --pool=64 --json "$2" | jq 'del(.plan_cpu_s)'); }
exits 0 "a packed trace is the same trace" same "$W/t.csv" "$W/t.csv.xz"
exits 0 "the same seed is the same run" "$sim" --pool=64 --boot=30:90 --fail=0.1 --seed=3 "$W/t.csv"

says() {
    local wanted=$1 text=$2 code=$3
    shift 3
    "$sim" "$@" >"$W/out" 2>"$W/err"
    is "$? $(cat "$W/err")" "$code vdisim: $text" "$wanted"
}
says "no trace" "it takes one TRACE, and one of --config and --pool" 2 --pool=4
says "two clusters" "it takes one TRACE, and one of --config and --pool" 2 \
    --pool=4 --config=/nonexistent "$W/t.csv"
says "no such unit" "--unit: 'cores' will not do; it is traced, gpus, cpus or nodes" 2 \
    --pool=4 --unit=cores "$W/t.csv"
says "a time that is none" \
    "'soon' is no time to draw; write SECONDS, or MEDIAN:P99 in seconds" 2 --pool=4 --boot=soon x
says "no such file" "/nonexistent.csv cannot be read: No such file or directory" 1 \
    --pool=4 /nonexistent.csv
says "nothing fits" \
    "none of its 3000 jobs can run on this cluster; choose what a job asks for with --unit, or a larger cluster" \
    1 --pool=4 --unit=cpus "$W/t.csv"
# Two GPUs that are pools of shares; one job asks for a whole one, and two have no place.
cat >"$W/pool.conf" <<'END'
site "fake" { }
profile "s" { framebuffer = "300M" }
profile "m" { framebuffer = "700M" }
profile "l" { framebuffer = "1000M" }
node "n[1-2]" { cpus = 8  memory = "4G"
    gpu "X" { law = pool  framebuffer = "1000M"  profiles = {"s", "m", "l"} } }
partition "all" { nodes = "n[1-2]"  default = true }
END
printf 'submit_s,duration_s,gpus,origin_id\n0,99,0.6,a\n1,99,1,b\n2,99,0.4,c\n3,99,0.35,d\n3,99,0.1,e\n' \
    >"$W/f.csv"
is "$("$sim" --config="$W/pool.conf" --share=1000 --no-wait --json --starts="$W/f.s" "$W/f.csv" |
    jq -c '[.jobs, .turned_away, .waited]')" "[5,2,0]" "fractions share a GPU, and none waits"
is "$(sed 1d "$W/f.s" | cut -d, -f1,5-7)" $'a,n1,0.6,m:0\nb,n2,1,l:0\ne,n1,0.1,s:0' \
    "... with a profile that is large enough"
is "$("$sim" --config="$W/pool.conf" --json "$W/f.csv" | jq -c '[.turned_away, .waited]')" "[0,3]" \
    "without these options they are rounded up and wait"
says "a share that is none" "--share: 'half' will not do; write a whole number of 0 or more" 2 \
    --config="$W/pool.conf" --share=half "$W/f.csv"
like "$("$sim" --help)" 'under a virtual clock' "--help"

done_testing
