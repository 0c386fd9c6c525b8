#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4190-make-room.t - batch VMs fill a node, and a class of three seats is booked over them: three
# are saved in time, its seats are READY at its time, and afterwards all scripts go on where they
# were, no line lost or doubled; the controller is killed in the middle. Then a desktop that comes
# first gets the place of one of them at once.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}" "${top_builddir:=$top_srcdir/build}"
export top_srcdir top_builddir
# Its class begins after 180 seconds and takes 60: that is waited for.
export VDI_DEADLINE_SEC=$((${VDI_DEADLINE_SEC:-120} + 250))
. "$top_srcdir/tests/lib/node.sh"
command -v setpriv >/dev/null || skip_all "setpriv is not installed"
node_begin "$0"
chmod 755 "$W"
mkdir -p "$W/images/small"
cp "$guest/vmlinuz" "$W/images/small/"
guest_with_runner "$guest" "$W/images/small/initrd"
printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1","ready":"runner"}\n' \
    >"$W/images/small/image.json"
NODE_CPUS=4 node_write_conf 'kill_wait = 5' \
    'template "small" { image = "small"  vcpus = 1  memory = "128M" }' \
    'partition "batch" { nodes = "n1"  batch_template = "small" }' \
    'qos "batch" { preempt_exempt_time = "1s" }' \
    'qos "teaching" { priority = 1000  preempts = {"batch"}  preempt_modes = {save}  grace = "1s" }'

# The guest takes no root for an owner, and only the owner reads the output.
owner() { setpriv --reuid "$(id -u games)" --regid "$(id -g games)" --clear-groups "$@"; }
submit() { owner vdisubmit --parsable "$@"; }
class() { vdi_api GET /v1/classes/lab/occurrences | jq -r ".occurrences[0].$1"; }
states() { for job in "${jobs[@]}"; do node_job "$job" state; done | sort | tr '\n' ' '; }
states_are() { [ "$(states)" = "$1" ]; }
output() { owner vdictl output "$1" 2>/dev/null; }
counts() { [ "$(output "$1" | grep -c '^n')" -ge "$2" ]; }
# Whatever happened to it: every number once, in order, by one process.
is_whole() { output "$1" | awk '$2 != NR || (NR > 1 && $4 != pid) { bad = 1 } { pid = $4 } END { exit bad || !NR }'; }
last() { output "$1" | tail -n 1 | cut -d' ' -f2; }

node_up
cat >"$W/count" <<'END'
#!/bin/sh
i=0
while :; do i=$((i + 1)); echo "n $i pid $$"; sleep 0.5; done
END
jobs=()
for _ in 1 2 3 4; do
    jobs+=("$(submit -p batch --qos batch -t 10:00:00 -D / -o /dev/null "$W/count" 2>"$W/err")") ||
        diag "$(cat "$W/err")"
done
for job in "${jobs[@]}"; do vdi_wait_for "job $job to count" counts "$job" 3; done
is "$(states)" "RUNNING RUNNING RUNNING RUNNING " "four batch VMs fill the node" || node_story

# ---- a class ----
begins=$(date -u -d "+180 seconds" +%Y-%m-%dT%H:%M:%S)
vdi_api POST /v1/classes -d "$(jq -cn --arg t "$begins" '{name: "lab", template: "small", seats: 3,
    users: "games", starts: $t, zone: "UTC", duration_sec: 60, lead_sec: 75, qos: "teaching"}')" >"$W/class"
is "$(class state)" BOOKED "a class of three seats is booked over them" || diag "$(cat "$W/class")"
one_saved() { [[ $(states) == *SUSPENDED* ]]; }
vdi_wait_for "the first to be saved" one_saved
vdi_end KILL
vdi_start
vdi_wait_ready
vdi_wait_for "three to be saved" states_are "RUNNING SUSPENDED SUSPENDED SUSPENDED "
ok $? "three of four are saved, the controller killed meanwhile" || node_story
counted() { [ "$(class counted)" -ge 3 ]; }
vdi_wait_for "its time" counted
is "$(class ready_on_time) of $(class seats)" "3 of 3" "at its time all seats were READY" || node_story
is "$(states)" "RUNNING SUSPENDED SUSPENDED SUSPENDED " "... and one of the four runs on beside them"
vdi_wait_for "all to be back" states_are "RUNNING RUNNING RUNNING RUNNING "
ok $? "after the class all four run again by themselves" || node_story
for job in "${jobs[@]}"; do
    n=$(last "$job")
    vdi_wait_for "job $job to go on" counts "$job" $((n + 3))
    is_whole "$job"; ok $? "script $job went on where it was, in one process, no line lost or doubled" ||
        diag "$(output "$job" | tail -n 5)"
    is "$(node_job "$job" restarts)" 0 "... and never started over"
done

# ---- a desktop that comes first ----
desk=$(submit --desktop small --qos teaching -t 10 2>"$W/err" </dev/null)
vdi_wait_for "the desktop" node_job_is "$desk" RUNNING; ok $? "a desktop that comes first runs" || node_story
is "$(states)" "RUNNING RUNNING RUNNING SUSPENDED " "... in the place of one, and no more"
vdicancel "$desk"
vdi_wait_for "it to be back" states_are "RUNNING RUNNING RUNNING RUNNING "; ok $? "... which is back after it"
for job in "${jobs[@]}"; do
    is_whole "$job"; ok $? "script $job is whole" || diag "$(output "$job" | tail -n 5)"
done
vdicancel "${jobs[@]}"
vdi_wait_for "nothing left" node_no_copy; ok $? "nothing is left of them"

vdi_end TERM
is "$?" 0 "the controller stops in order"
done_testing
