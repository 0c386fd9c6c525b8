#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t7020-reservations.t - vdisim keeps jobs and seats out of the reservations of a vdi.conf, and lets
# those in that may use them. The dates are computed a second time, with Python's own zones.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"
need python3
need jq

W=$(mktemp -d) || bail "no temporary directory"
trap 'rm -rf "$W"' EXIT
sim=$top_builddir/vdisim

cat >"$W/open.conf" <<'END'
site "fake" { }
node "n[1-4]" { cpus = 64  memory = "64G"
    gpu "X" { count = 3  law = homogeneous  profiles = {"x-2q", "x-4q", "x-8q", "x-16q"} } }
partition "all" { nodes = "n[1-4]"  default = true }
END
cp "$W/open.conf" "$W/resv.conf"
cat >>"$W/resv.conf" <<'END'
reservation "upkeep" { nodes = "n[1-2]"  flags = {"maint", "ignore_jobs"}
    starts = "2026-10-19T08:00"  duration = "2h"  zone = "Europe/Berlin"
    repeat = "FREQ=DAILY;COUNT=10"  except = {"2026-10-21"}
    moved = {"2026-10-22 2026-10-22T12:00 3h"} }
reservation "lab" { nodes = "n[2-3]"  users = {"alice", "unix:bob"}  groups = {"physics"}
    starts = "2026-10-20T13:00"  duration = "4h"  zone = "Europe/Berlin"
    repeat = "FREQ=WEEKLY;BYDAY=TU,TH;COUNT=4" }
END
# Ten days over the end of summer time; who may use the lab is alice, bob, and carol by her group.
refused=$(python3 - "$W" <<'END'
import csv
import datetime
import random
import sys
import zoneinfo
W, r, zone = sys.argv[1], random.Random(7), zoneinfo.ZoneInfo("Europe/Berlin")
zero = datetime.datetime(2026, 10, 19, tzinfo=zone).timestamp()


def at(day, hour):
    return int(datetime.datetime(2026, 10, day, hour, tzinfo=zone).timestamp() - zero)


windows = [(at(d, 8), at(d, 10), "n1 n2", "upkeep", "") for d in range(19, 29) if d not in (21, 22)]
windows += [(at(22, 12), at(22, 15), "n1 n2", "upkeep", "")]
lab = [(at(d, 13), at(d, 17), "n2 n3", "lab", "alice;bob;carol") for d in (20, 22, 27, 29)]
with open(W + "/windows.csv", "w") as f:
    print("from_s,to_s,node,name,users", file=f)
    for b, e, nodes, name, users in windows + lab:
        for node in nodes.split():
            print(f"{b},{e},{node},{name},{users}", file=f)
jobs, refused, t = [], 0, 0
for i in range(2500):
    t += int(r.expovariate(1 / 330))
    run = int(r.lognormvariate(6.7, 1)) + 1
    limit = run * r.choice([1, 1, 3])
    user = r.choice(["alice", "bob", "carol", "dave"])
    name = r.choice(["lab", "upkeep", "none"]) if r.random() < 0.06 else ""
    fits = any(e - max(b, t) >= limit for b, e, *_ in lab)
    refused += bool(name) and not (name == "lab" and user != "dave" and fits)
    nodes, gpus = r.choice([(1, 1), (1, 1), (1, 2), (2, 4), (3, 7)]) if not name else (1, 1)
    jobs.append((t, run, limit, nodes, nodes, gpus, r.choice(["x-16q", "x-8q", "x-2q"]), user,
                 "physics" if user == "carol" else "chemistry", name, f"j{i}"))
with open(W + "/jobs.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow("submit_s duration_s walltime_s nodes cpus gpus gpu_type user group reservation "
                 "origin_id".split())
    out.writerows(jobs)
with open(W + "/plain.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow("submit_s duration_s walltime_s nodes cpus gpus gpu_type origin_id".split())
    out.writerows(j[:7] + j[-1:] for j in jobs)
with open(W + "/classes.csv", "w") as f:
    print("start_s,end_s,seats,vgpu_profile,class_id", file=f)
    for day in range(10):
        print(f"{at(19, 9) + day * 86400},{at(19, 11) + day * 86400},30,x-2q,c{day}", file=f)
        print(f"{at(19, 14) + day * 86400},{at(19, 15) + day * 86400},4,x-8q,d{day}", file=f)
print(refused)
END
)
# Hours of nodes closed from the first submission to the last end, by the windows alone.
hours() {
    python3 - "$W" <<'END'
import csv
import sys
W, sum_s = sys.argv[1], 0
begin = min(int(j["submit_s"]) for j in csv.DictReader(open(W + "/jobs.csv")))
end = max(float(r["end_s"]) for r in csv.DictReader(open(W + "/s.csv")))
by_node = {}
for w in csv.DictReader(open(W + "/windows.csv")):
    by_node.setdefault(w["node"], []).append((max(float(w["from_s"]), begin),
                                              min(float(w["to_s"]), end)))
for spans in by_node.values():
    at = 0
    for b, e in sorted(spans):
        sum_s += max(0, e - max(b, at))
        at = max(at, e)
print(round(sum_s / 3600, 3))
END
}
check() { python3 "$top_srcdir/tests/lib/sim_check.py" "$@" "$W/s.csv" "$W/t.csv"; }
laws() {
    python3 "$top_srcdir/tests/lib/sim_check.py" "$W/s.csv" "$W/t.csv" homogeneous x-2q=8 x-4q=4 \
        x-8q=2 x-16q=1
}
closed() { check --closed "$W/windows.csv" "$W/jobs.csv"; }
replay() { # CONFIG [OPTION...]
    "$sim" --config="$W/$1.conf" --epoch=2026-10-19T00:00:00+02:00 --starts="$W/s.csv" \
        --seats="$W/t.csv" --json "${@:2}" "$W/jobs.csv" >"$W/out.json"
}

places() { # of all that there was
    awk -F, 'FNR > 1 && FILENAME ~ /s.csv$/ {n += split($5, x, ";")} FNR > 1 && FILENAME ~ /t.csv$/ {n++}
        END {print n}' "$W/s.csv" "$W/t.csv"
}

exits 0 "jobs are replayed around reservations" replay resv
is "$(closed)" "$(places)" "... nobody is where it is closed to him, or elsewhere than he asked"
is "$(laws | grep -c :)" 0 "... and no law is broken"
is "$(jq -c '[.jobs, .turned_away, .never_started, .reservations]' "$W/out.json")" "[2500,$refused,0,2]" \
    "... who may not use one, or has no time in it, is turned away, all others run"
is "$(jq .reservation_jobs "$W/out.json") $(jq '.reservation_jobs > 10' "$W/out.json")" \
    "$(awk -F, 'NR > 1 && $10 != ""' "$W/jobs.csv" | wc -l | awk -v r="$refused" '{print $1 - r}') true" \
    "... those who may are in it"
is "$(jq .node_hours_closed "$W/out.json")" "$(hours | jq -c .)" \
    "... and --json says how many hours nodes were closed"
waits=$(jq .mean_wait_s "$W/out.json")
cp "$W/s.csv" "$W/first.csv"
"$sim" --config="$W/resv.conf" --starts="$W/s.csv" "$W/jobs.csv" >"$W/out"
is "$(cmp "$W/s.csv" "$W/first.csv" && echo same)" same \
    "without --epoch the trace begins with the day of the first reservation"
like "$(grep ^reservations "$W/out")" "2, [0-9.]+ hours of nodes; [0-9]+ jobs ran in them" "text says the same"

"$sim" --config="$W/open.conf" --json --starts="$W/s.csv" --seats="$W/t.csv" "$W/plain.csv" >"$W/out.json"
isnt "$(closed | grep -c 'closed for upkeep')" 0 "without reservations jobs are there, which the checker sees"
isnt "$(closed | grep -c 'not within lab')" 0 "... as it sees who is outside of his own"
is "$(jq "$waits > .mean_wait_s" "$W/out.json") $(jq .reservations "$W/out.json")" "true 0" "... and wait less"

exits 0 "who can't start at once is turned away" replay resv --no-wait
is "$(closed)" "$(places)" "... nobody else is where it is closed to him"
is "$(jq "[.turned_away > $refused, .reservation_jobs > 0] | all" "$W/out.json")" true "... and some run"

# Those of its members that do not name it are in the lab, too.
sed 's/^reservation "lab" {/& flags = {"magnetic"}/' "$W/resv.conf" >"$W/drawn.conf"
sed '1s/$/,draws/; /,lab,/s/$/,1/' "$W/windows.csv" >"$W/drawn.csv"
exits 0 "a reservation draws its members' jobs" replay drawn
is "$(check --closed "$W/drawn.csv" "$W/jobs.csv")" "$(places)" "... and nobody else's"
isnt "$(closed | grep -Ec 'j[0-9]+ is on n[23] .* closed for lab')" 0 "... who did not name it"
is "$(jq "$waits > .mean_wait_s" "$W/out.json")" true "... so that jobs wait less"

exits 0 "with boots that take time, and fail" replay resv --boot=40 --fail=0.02
is "$(closed)" "$(places)" "... they are clear in time"

sed -i 's/^partition/qos "batch" { }\nqos "teaching" { preempts = {"batch"} preempt_modes = {save} }\npartition/' \
    "$W/resv.conf"
exits 0 "with classes, for which jobs are saved" replay resv --classes="$W/classes.csv" --lead=600 \
    --boot=40 --save=20 --qos=batch --class-qos=teaching
is "$(closed)" "$(places)" "... no seat is kept where it is closed, and who comes back keeps clear"
is "$(jq '[.saves > 0, .class_seats_ready_pct == 100] | all' "$W/out.json") $(sed 1d "$W/t.csv" | wc -l)" \
    "true 340" "... all seats are READY in time"

printf 'start_s,end_s,seats,vgpu_profile,class_id\n30000,32000,7,x-16q,big\n' >"$W/big.csv"
exits 1 "a class that a reservation leaves no room is refused" replay resv --classes="$W/big.csv"
is "$err" "vdisim: class big at 30000 s wants 7 seats of x-16q, and there are 6 beside the classes before it and reservation upkeep: GPUs (x-16q) are short; give the cluster more GPUs, or the class another time" \
    "... with the name of the reservation"

# For ever, and at times that leave no room for a job of two days.
cat >>"$W/open.conf" <<'END'
reservation "daily" { nodes = "n[1-4]"  flags = {"maint"}
    starts = "2026-10-19T03:00"  duration = "1h"  repeat = "FREQ=DAILY" }
END
printf '%s\n' submit_s,duration_s,nodes,cpus,gpus,origin_id 0,172800,1,1,1,long 60,7200,1,1,1,short \
    34560000,7200,1,1,1,late 34567200,7200,1,1,1,clear >"$W/few.csv"
"$sim" --config="$W/open.conf" --json --starts="$W/s.csv" --plot="$W/plot.svg" "$W/few.csv" >"$W/out.json"
is "$? $(jq -c '[.jobs, .never_started]' "$W/out.json")" "0 [4,1]" "a job that never has the time is said"
is "$(sed 1d "$W/s.csv" | cut -d, -f1,3 | paste -sd' ')" "short,60 late,34560000 clear,34574400" \
    "... and the others run, in the next year as well"
is "$(grep -c 'class="closed"' "$W/plot.svg") $(grep -c 'grey: closed' "$W/plot.svg")" "1 1" \
    "a picture shows when nodes are closed"
like "$(grep 'class="closed"' "$W/plot.svg")" "L[0-9]+ 240.0" "... all of them, down to the axis"
"$sim" --config="$W/resv.conf" --plot="$W/plot.svg" "$W/plain.csv" >/dev/null
unlike "$(grep 'class="closed"' "$W/plot.svg")" "L[0-9]+ 240.0" "... or some"
sed -i '/^reservation/,$d' "$W/open.conf"
"$sim" --config="$W/open.conf" --plot="$W/plot.svg" "$W/plain.csv" >/dev/null
is "$(grep -c 'class="closed"' "$W/plot.svg")" 0 "... and nothing where there is no reservation"

done_testing
