#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4110-link-loss.t - the wire between controller and node is cut, for both or one direction, for
# a while or for longer than node_fail_after, and mended. No second copy of anything.
# Throughout, the QEMUs of the node are counted: two of one job at any moment fail the test.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
export NODE_APART=1
. "$top_srcdir/tests/lib/node.sh"

node_begin "$0"
node_image kern "panic=-1" "console:GUEST-READY"
desk='template "desk" { image = "kern"  vcpus = 1  memory = "128M" }'
node_write_conf 'kill_wait = 2' "$desk"
node_up
is "$(node_state)" IDLE "a node over a wire of its own is in service, timers as they are by default"

# One line each time: the instances that run.
watch_copies() {
    # shellcheck disable=SC2016 # the inner shell's
    libvirt_in bash -c 'while :; do
        pgrep -af "guest=[v]di-" | grep -o "vdi-[0-9]*-[0-9]*" | sort -u | tr "\n" " "
        echo
        sleep 0.1
    done' >"$W/seen" 2>/dev/null &
}
most() { awk '{ if (NF > n) n = NF } END { print n + 0 }' "$W/seen"; }
seen() { tr ' ' '\n' <"$W/seen" | grep -c -x -e "$1"; }
name_of() { echo "vdi-$(node_job "$1" instance)-1"; }
reachable() { [ "$(node_job "$1" unreachable)" = false ]; }
copy_is() { [ "$(node_copies)" = "$1" ]; }
submit() { vdisubmit --parsable --desktop desk --time 1h "$@"; }
running() { vdi_wait_for "job $1 running" node_job_is "$1" RUNNING || node_story; }
away() { vdi_wait_for "the node down" node_is DOWN || node_story; }
# Other timers: vdid and its VMs live through the restart.
timers() {
    vdi_stop
    node_write_conf 'kill_wait = 2' "$@" "$desk"
    vdi_start
    vdi_wait_ready || bail "vdictld does not start again"
    vdi_wait_for "the node back" eval '[ "$(node_state)" != DOWN ]' || node_story
}
watch_copies

# ---- 20 seconds, by the default timers ----
J=$(submit)
running "$J"
copy=$(name_of "$J")
is "$(node_copies)" "$copy" "a desktop runs"
qemu=$(libvirt_in pgrep -f 'guest=[v]di-')
begin=$SECONDS
node_cut
away
# Silence counts from the last heartbeat, up to 5 s before the cut.
ok $((SECONDS - begin < 9)) "it takes 15 s of silence to be DOWN: $((SECONDS - begin)) s after the cut"
like "$(vdi_api GET /v1/nodes/n1 | jq -r .reason)" '^silent for [0-9]+ s$' "... and its reason says so"
is "$(node_job "$J" state)" RUNNING "its job is believed to run on"
is "$(node_job "$J" unreachable)" true "... and said to be unreachable"
exits 0 "vdiqueue goes on" vdiqueue
like "$out" "^ *$J .* R " "... and lists it as running"
like "$(vdiinfo)" 'down' "vdiinfo shows the node as down"
exits 1 "no ticket for a screen nobody can reach" vdiconnect --output "$W/a.vv" "$J"
like "$err" '^vdiconnect: the node of this job is not connected now; .* runs on; try again' \
    "... and says what to do"
late=$(submit)
is "$(node_job "$late" state)" PENDING "nothing is placed there"
like "$(vdi_api GET "/v1/jobs/$late/why" | jq -r '.blockers[].reason')" 'Node|Resources' \
    "... and why is said"
exits 0 "it is cancelled" vdicancel "$late"
while [ $((SECONDS - begin)) -lt 20 ]; do sleep 0.2; done
node_mend
vdi_wait_for "the job reachable" reachable "$J" || node_story
is "$(node_job "$J" state) $(node_job "$J" restarts)" "RUNNING 0" "after 20 s the wire is mended: the job runs"
is "$(libvirt_in pgrep -f 'guest=[v]di-')" "$qemu" "... the same QEMU"
is "$(name_of "$J")" "$copy" "... the same instance"
is "$(node_job "$late" state)" CANCELLED "... and what was cancelled stays so"

# ---- only one direction ----
timers 'node_down_after = 4'
vdi_wait_for "the job reachable" reachable "$J" || node_story
is "$(libvirt_in pgrep -f 'guest=[v]di-')" "$qemu" "the controller was restarted: the same QEMU"
node_cut_to
exits 0 "its orders are lost: a cancel is taken" vdicancel "$J"
away
is "$(node_job "$J" state)" COMPLETING "... and waits for the node"
is "$(node_copies)" "$copy" "... where the VM runs on"
node_mend
vdi_wait_for "the cancel carried out" node_job_is "$J" CANCELLED || node_story
vdi_wait_for "no copy" node_no_copy
is "$(node_copies)" "" "the wire is mended: the VM is stopped"

node_cut_to
J=$(submit)
away
is "$(node_job "$J" state)" CONFIGURING "an order to start is lost on its way"
is "$(node_copies)" "" "... and nothing starts"
node_mend
running "$J"
is "$(node_copies)" "$(name_of "$J")" "the wire is mended: it is started"
is "$(node_job "$J" restarts)" 0 "... at the first try"
exits 0 "it is cancelled" vdicancel "$J"
vdi_wait_for "no copy" node_no_copy || node_story

node_cut_from
J=$(submit)
vdi_wait_for "a VM that nobody hears of" copy_is "$(name_of "$J")" || node_story
is "$(node_copies)" "$(name_of "$J")" "its answers are lost: the node starts what it was told to"
away
is "$(node_job "$J" state)" CONFIGURING "... and the controller does not know"
qemu=$(libvirt_in pgrep -f 'guest=[v]di-')
node_mend
running "$J"
is "$(libvirt_in pgrep -f 'guest=[v]di-')" "$qemu" "the wire is mended: the one that was started is taken"

# ---- longer than node_fail_after ----
timers 'node_down_after = 2' 'node_fail_after = 10'
vdi_wait_for "the job reachable" reachable "$J" || node_story
exits 0 "a desktop ends" vdicancel "$J"
vdi_wait_for "no copy" node_no_copy || node_story
J=$(submit --requeue)
running "$J"
old=$(name_of "$J")
node_cut
vdi_wait_for "job $J queued again" node_job_is "$J" PENDING || node_story
is "$(node_job "$J" restarts)" 1 "after node_fail_after the job is queued again"
is "$(node_state)" DOWN "... its node is not used"
is "$(node_copies)" "$old" "... while its VM runs on unseen"
node_kill
node_start # the node daemon is new, too
vdi_wait_for "its VM found" copy_is "$old"
node_mend
running "$J"
new=$(name_of "$J")
isnt "$new" "$old" "the wire is mended: the job runs as another instance"
is "$(node_copies)" "$new" "... and what was left of it is gone"
exits 0 "it is cancelled" vdicancel "$J"
vdi_wait_for "no copy" node_no_copy || node_story

J=$(submit --no-requeue)
running "$J"
old=$(name_of "$J")
node_cut
vdi_wait_for "job $J given up" node_job_is "$J" NODE_FAIL || node_story
like "$(node_job "$J" reason)" 'node_fail_after' "a job that may not come back: NODE_FAIL, with the reason"
is "$(node_copies)" "$old" "... its VM runs on unseen"
node_mend
vdi_wait_for "the node idle" node_is IDLE || node_story
is "$(node_copies)" "" "the node is IDLE again only when that is stopped"
is "$(node_job "$J" state)" NODE_FAIL "... and the end stays as it was told"

is "$(most)" 1 "at no moment did two run (of $(wc -l <"$W/seen") looks)"
isnt "$(seen "$new")" 0 "... by a count that sees what runs"
vdi_wait_for "no overlay" eval "! find '$W/state/instances' -name 'overlay*' | grep -q ."
is "$(find "$W/state/instances" -name 'overlay*' | wc -l)" 0 "no disk is left"
exits 0 "the controller stops in order" vdi_stop
[ "$tap_failed" -eq 0 ] || node_story

done_testing
