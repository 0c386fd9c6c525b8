#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t7010-classes.t - vdisim keeps the seats of a timetable free; laws and capacity are checked by a
# program that shares nothing with it.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"
need python3
need jq

W=$(mktemp -d) || bail "no temporary directory"
trap 'rm -rf "$W"' EXIT
sim=$top_builddir/vdisim
check() { python3 "$top_srcdir/tests/lib/sim_check.py" "$W/s.csv" "$W/t.csv" "$@"; }

# Four nodes of three cards; batch jobs of a whole card, or of a profile, between classes.
cluster() { # LAW
    cat <<END
site "fake" { }
node "n[1-4]" { cpus = 64  memory = "64G"
    gpu "X" { count = 3  law = $1  profiles = {"x-2q", "x-4q", "x-8q", "x-16q"} } }
partition "all" { nodes = "n[1-4]"  default = true }
END
}
cluster homogeneous >"$W/h.conf"
cluster mixed >"$W/m.conf"
python3 - "$W" <<'END'
import random
import sys
r = random.Random(11)
with open(sys.argv[1] + "/jobs.csv", "w") as f:
    t = 0
    print("submit_s,duration_s,walltime_s,nodes,cpus,gpus,gpu_type,origin_id", file=f)
    for i in range(1500):
        t += int(r.expovariate(1 / 250))
        run = int(r.lognormvariate(6.5, 1)) + 1
        kind = r.choice(["x-16q", "x-16q", "x-8q", "x-2q", "x-4q"])
        nodes, gpus = r.choice([(1, 1), (1, 1), (1, 1), (1, 2), (1, 1), (1, 2), (2, 4), (3, 7)])
        print(f"{t},{run},{run * r.choice([1, 1, 3])},{nodes},{nodes},{gpus},{kind},j{i}", file=f)
with open(sys.argv[1] + "/classes.csv", "w") as f:
    print("start_s,end_s,seats,vgpu_profile,class_id", file=f)
    for day in range(5):
        for hour, seats, kind in ((8, 30, "x-2q"), (9, 8, "x-4q"), (11, 20, "x-2q"), (14, 5, "x-8q")):
            begin = day * 86400 + hour * 3600
            print(f"{begin},{begin + 5400},{seats},{kind},c{day}-{hour}", file=f)
END
for law in homogeneous mixed; do
    exits 0 "$law: jobs and classes are replayed" "$sim" --config="$W/${law:0:1}.conf" \
        --classes="$W/classes.csv" --lead=600 --starts="$W/s.csv" --seats="$W/t.csv" "$W/jobs.csv"
    is "$(check $law x-2q=8:1 x-4q=4:2 x-8q=2:4 x-16q=1:8 8)" "$(($(awk -F, 'NR > 1 {n += $4} END {print n}' "$W/jobs.csv") + 5 * 63))" \
        "... all of them, and no law is broken at any instant"
    is "$(cut -d, -f1 "$W/t.csv" | sort | uniq -c | awk '$2 == "c3-8" {print $1}')" 30 \
        "... a class has all its seats"
done
is "$(awk -F, '$1 == "c0-8" {print $6}' "$W/t.csv" | sort | uniq -c | tr -s ' \n' ' ')" " 24 n1 6 n2 " \
    "a class fills one machine before the next: whole ones are left to jobs that need them"
free=$("$sim" --config="$W/h.conf" --json "$W/jobs.csv" | jq .mean_wait_s)
held=$("$sim" --config="$W/h.conf" --classes="$W/classes.csv" --json "$W/jobs.csv" | jq .mean_wait_s)
is "$(jq -n "$held > $free")" true "classes cost batch jobs some waiting"
is "$("$sim" --config="$W/h.conf" --classes="$W/classes.csv" --json "$W/jobs.csv" | jq -c '[.classes, .class_seats]')" \
    "[20,315]" "--json says how many there were"

# Jobs that make room: those with a whole card are saved for classes.
sed 's/^partition/qos "batch" { }\nqos "short" { priority = 5 }\nqos "teaching" { preempts = {"batch", "short"} preempt_modes = {save} }\npartition/' \
    "$W/h.conf" >"$W/q.conf"
room() {
    "$sim" --config="$W/q.conf" --classes="$W/classes.csv" --lead=600 --boot=20:60 --save=10:30 \
        --fail=0.01 --qos=short:120,batch --starts="$W/s.csv" --seats="$W/t.csv" --json "$@" "$W/jobs.csv"
}
room --class-qos=teaching >"$W/room.json"
is "$(check homogeneous x-2q=8 x-4q=4 x-8q=2 x-16q=1 | grep -c :)" 0 \
    "jobs make room: no law is broken at any instant"
is "$(grep -c ',saved$' "$W/s.csv") $(jq '.saves > 0' "$W/room.json")" "$(jq .saves "$W/room.json") true" \
    "... some are saved for classes"
is "$(grep -c ',completed$' "$W/s.csv")" 1500 \
    "... and all come to their end"
is "$(awk -F, 'NR > 1 && $9 > $4' "$W/t.csv" | wc -l) $(jq '.class_seats_ready_pct == 100' "$W/room.json")" "0 true" \
    "... with every seat READY when its class begins"
is "$(awk -F, 'NR > 1 {n += $10} END {print n}' "$W/t.csv")" "$(jq .failed_seats "$W/room.json")" \
    "... and the starts that failed are said of each seat"
seconds=$(awk -F, 'NR > 1 && $11' "$W/t.csv" | wc -l)
is "$(jq "$seconds > 0 and $seconds <= .second_seats" "$W/room.json")" true \
    "... and when a second one was started, if it came to that"
is "$(awk -F, 'NR > 1 && $11 && $11 < $3 + 30' "$W/t.csv" | wc -l)" 0 \
    "... which is when half of the boot's p99 is over, at the earliest"
is "$(room --class-qos=teaching --second=0 | jq .second_seats)" 0 "... or never, where none is wanted"
clear=$(room | jq .mean_wait_s)
is "$(jq -n "$(jq .mean_wait_s "$W/room.json") < $clear")" true "... and batch waits less than keeping clear"
is "$(jq -c '[.requeues, .gpu_hours_preempted > 0, .gpu_hours_preempted < .gpu_hours / 50]' "$W/room.json")" \
    "[0,true,true]" "... for little that is lost"

says() { # WANTED TEXT CLASSES
    printf '%s\n' "$3" >"$W/bad.csv"
    "$sim" --config="$W/h.conf" --classes="$W/bad.csv" "$W/jobs.csv" >"$W/out" 2>"$W/err"
    is "$? $(sed "s|$W/||g" "$W/err")" "1 vdisim: $2" "$1"
}
says "more seats than there are" \
    "class big at 3600 s wants 97 seats of x-2q, and there are 96 beside the classes before it: GPUs (x-2q) are short; give the cluster more GPUs, or the class another time" \
    $'start_s,end_s,seats,vgpu_profile,class_id\n3600,7200,97,x-2q,big'
says "none left beside another" \
    "class second at 4000 s wants 1 seat of x-16q, and there are 0 beside the classes before it: GPUs (x-16q) are short; give the cluster more GPUs, or the class another time" \
    $'start_s,end_s,seats,vgpu_profile,class_id\n3600,7200,12,x-16q,first\n4000,7200,1,x-16q,second'
says "a class that ends before it begins" "bad.csv:2: the class ends before it begins" \
    $'start_s,end_s,seats\n7200,3600,1'
says "a line that ends early" "bad.csv:2: the class has no seats" \
    $'start_s,end_s,seats\n3600,7200'
says "no number" "bad.csv:2: 'many' will not do for seats" $'start_s,end_s,seats\n1,2,many'
says "no columns" "bad.csv: its first line does not name start_s, end_s and seats" $'a,b\n1,2'

# The same from a calendar: two weeks of a class with a change of summer time and a moved date.
ics() { # FILE LINE...: an event with these lines as well
    printf 'BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:cad\nSUMMARY:CAD\n'
    printf 'DTSTART;TZID=Europe/Berlin:20261019T101500\nDURATION:PT90M\n'
    printf '%s\n' "$@"
    printf 'END:VEVENT\nEND:VCALENDAR\n'
}
cat >>"$W/h.conf" <<'END'
template "cad" { image = "i"  profile = {"x-8q", "x-4q"}  gpus = 1 }
template "none" { image = "i" }
END
ics "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4" "EXDATE;TZID=Europe/Berlin:20261021T101500" \
    "X-VDI-SEATS:3" "X-VDI-TEMPLATE:cad" "END:VEVENT" "BEGIN:VEVENT" "UID:cad" \
    "RECURRENCE-ID;TZID=Europe/Berlin:20261028T101500" \
    "DTSTART;TZID=Europe/Berlin:20261029T140000" "DURATION:PT2H" >"$W/c.ics"
calendar() { "$sim" --config="$W/h.conf" --lead=0 --seats="$W/t.csv" "$@" "$W/jobs.csv"; }
exits 0 "classes of an iCalendar file are booked" calendar --classes="$W/c.ics"
is "$(sed 1d "$W/t.csv" | cut -d, -f1-4 | tr -d '"' | sort | uniq -c | tr -s ' ' | paste -sd\;)" \
    " 3 CAD 2026-10-19,x-8q,x-4q,36900; 3 CAD 2026-10-26,x-8q,x-4q,645300; 3 CAD 2026-10-28,x-8q,x-4q,918000" \
    "... by the clock on the wall, which is an hour behind from the 25th on"
exits 0 "... from another day on" calendar --classes="$W/c.ics" --epoch=2026-10-26T00:00:00+01:00
is "$(sed 1d "$W/t.csv" | wc -l)" 6 "... without those that are over"

# The same in a vdi.conf, as for a controller.
sed 's/^template "cad".*/&\nclass "CAD" { template = "cad"  seats = 3  groups = {"cad"}  starts = "2026-10-19T10:15"\n    duration = "90m"  zone = "Europe\/Berlin"  repeat = "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4"\n    except = {"2026-10-21"}  moved = {"2026-10-28 2026-10-29T14:00 2h"} }/' \
    "$W/h.conf" >"$W/class.conf"
calendar --classes="$W/c.ics" >"$W/out" && sort "$W/t.csv" >"$W/ics.csv"
of_conf() { "$sim" --config="$W/class.conf" --lead=0 --seats="$W/t.csv" "$@" "$W/jobs.csv"; }
exits 0 "classes of the configuration are booked" of_conf
is "$(diff <(sort "$W/t.csv") "$W/ics.csv" && echo same)" same "... as those of a calendar"
of_conf --classes="$W/classes.csv" >"$W/out"
is "$(cut -d, -f1 "$W/t.csv" | grep -c CAD)" 0 "... or those of a timetable in their place"
sed -i 's/template = "cad"/template = "none"/' "$W/class.conf"
of_conf >"$W/out" 2>"$W/err"
is "$? $(cat "$W/err")" "1 vdisim: class 'CAD': one GPU for each seat is not what it has: template 'none'; take it out of a copy of the configuration, or give --classes" \
    "... or refused by name"
not_booked() { # WANTED TEXT LINE...
    ics "${@:3}" >"$W/bad.ics"
    calendar --classes="$W/bad.ics" >"$W/out" 2>"$W/err"
    is "$? $(sed "s|$W/||g" "$W/err")" "1 vdisim: $2" "$1"
}
not_booked "no such template" \
    "bad.ics: event 'cad': there is no template 'cat'; name a template of the cluster's vdi.conf" \
    X-VDI-SEATS:3 X-VDI-TEMPLATE:cat
not_booked "a template without a GPU" \
    "bad.ics: event 'cad': one GPU for each seat is not what it has: template 'none'; only seats of one GPU are replayed" \
    X-VDI-SEATS:3 X-VDI-TEMPLATE:none
not_booked "no seats" \
    "bad.ics: event 'cad': it has no seats: 'CAD'; say how many in X-VDI-SEATS" X-VDI-TEMPLATE:cad
not_booked "a rule that will not do" \
    "bad.ics: event 'cad': 2026-10-19T10:15 is not a time that the rule gives; let the class start with the rule's first occurrence, or change the rule" \
    X-VDI-SEATS:3 X-VDI-TEMPLATE:cad "RRULE:FREQ=WEEKLY;BYDAY=TU"

# What a template's seats take beside GPUs.
beside() { # KEYS-OF-NODES TEMPLATE SEATS [LINE...]: two classes, for a while at one time
    cat <<END
site "fake" { }
node "n[1-2]" { cpus = 64  memory = "64G"  $1
    gpu "X" { count = 3  law = homogeneous  profiles = {"x-2q", "x-16q"} } }
partition "all" { nodes = "n[1-2]"  default = true }
licence "matlab" { count = 3 }
template "hd" { image = "i"  profile = {"x-2q"}  resolution = "1920x1080" }
template "math" { image = "i"  profile = {"x-2q"}  licence = {"matlab"} }
class "one" { template = "$2"  seats = $3  groups = {"g"}  starts = "2026-10-19T10:15"
    duration = "90m"  zone = "UTC" }
class "two" { template = "$2"  seats = 2  groups = {"g"}  starts = "2026-10-19T11:00"
    duration = "90m"  zone = "UTC" }
END
    printf '%s\n' "${@:4}"
}
short() { # WANTED TEXT ARGUMENTS
    beside "${@:3}" >"$W/b.conf"
    "$sim" --config="$W/b.conf" --lead=0 "$W/job.csv" >"$W/out" 2>"$W/err"
    is "$? $(cat "$W/err")" "1 vdisim: class two 2026-10-19 at 39600 s wants 2 seats of x-2q, and there are $2" "$1"
}
booked() { # ARGUMENTS OF BESIDE
    beside "$@" >"$W/b.conf"
    "$sim" --config="$W/b.conf" --lead=0 --json "${options[@]}" "$W/job.csv" >"$W/out"
}
printf 'submit_s,duration_s,cpus,origin_id\n0,10,1,j\n' >"$W/job.csv"
options=()
short "encoders" "1 beside the classes before it: the encoders are short; let the nodes encode more, or give the class another time" \
    "encode = 130" hd 3
exits 0 "... of which there are enough for fewer" booked "encode = 130" hd 2
is "$(jq -c '[.classes, .class_seats]' "$W/out")" "[2,4]" "... all of them"
short "licences" "1 beside the classes before it: there are too few of licence 'matlab'; give the cluster more of them, or the class another time" \
    "" math 2
exits 0 "... which seats of others leave alone" booked "" hd 20
exits 0 "... of which there are enough for fewer" booked "" math 1
short "a reservation" "0 beside the classes before it and reservation fix; give the reservation or the class another time" \
    "" hd 3 'reservation "fix" { nodes = "n[1-2]"  flags = {"maint"}  starts = "2026-10-19T12:00"' \
    '    duration = "90m"  zone = "UTC" }'
options=(--boot=100 --second=20)
exits 0 "slow seats" booked "" hd 1
is "$(jq .second_seats "$W/out")" 6 "... get second instances, and third ones"
exits 0 "... with licences" booked "" math 1
is "$(jq .second_seats "$W/out")" 0 "... none for which there is no licence"
says "a profile that no node has" \
    "class odd at 3600 s wants 1 seat of x-3q, and there are 0 beside the classes before it: no node of the partition could hold one; give the partition nodes with what a seat takes" \
    $'start_s,end_s,seats,vgpu_profile,class_id\n3600,7200,1,x-3q,odd'

done_testing
