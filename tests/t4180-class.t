#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4180-class.t - a class in real VMs: its seats boot ahead and are READY at its time, also when
# controller and node are killed while they do; members' desktops are there in seconds, logged in;
# what nobody took is given back, and at the end nothing is left.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}" "${top_builddir:=$top_srcdir/build}"
export top_srcdir top_builddir
# Its class begins after 150 seconds and takes 120: that is waited for.
export VDI_DEADLINE_SEC=$((${VDI_DEADLINE_SEC:-120} + 280))
. "$top_srcdir/tests/lib/node.sh"
command -v setpriv >/dev/null || skip_all "setpriv is not installed"
node_begin "$0"
chmod 755 "$W"
mkdir -p "$W/images/desk"
cat >"$W/session" <<'END'
#!/bin/sh
echo "desktop: $(id -un) $(id -u) HOME=$HOME job $VDI_JOB_ID template $VDI_TEMPLATE"
while :; do sleep 0.2; done
END
chmod 755 "$W/session"
cp "$guest/vmlinuz" "$W/images/desk/"
# shellcheck disable=SC2034 # of guest.sh
GUEST_SESSION=$W/session
guest_with_runner "$guest" "$W/images/desk/initrd"
printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1","ready":"runner"}\n' \
    >"$W/images/desk/image.json"
node_write_conf 'kill_wait = 5' \
    'template "desk" { image = "desk"  vcpus = 1  memory = "128M"  at_limit = kill }'

as() { # USER COMMAND...
    local user=$1
    shift
    setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups "$@"
}
class() { vdi_api GET /v1/classes/lab/occurrences | jq -r ".occurrences[0].$1"; }
seats() { vdi_api GET /v1/instances | jq "[.instances[] | select(.class_id != 0 and .state == \"$1\")] | length"; }
has_ready() { [ "$(seats READY)" = "$1" ]; }
output() { as "$1" vdictl output "$2" 2>/dev/null; }
opened() { output "$1" "$2" | grep -q '^desktop: '; }
counted() { [ "$(class counted)" -ge 3 ]; }
begins=$(date -u -d "+150 seconds" +%Y-%m-%dT%H:%M:%S)

node_up
vdi_api POST /v1/classes -d "$(jq -cn --arg t "$begins" '{name: "lab", template: "desk", seats: 2,
    users: "games,news", starts: $t, zone: "UTC", duration_sec: 120, lead_sec: 600,
    no_show_sec: 30, account: "cs101"}')" >"$W/class"
is "$(jq -c '[.occurrences, .seats]' "$W/class")" "[1,2]" "a class of two seats is booked" ||
    diag "$(cat "$W/class")"
booting() { [ "$(seats BUILDING)" != 0 ]; }
vdi_wait_for "a seat to boot" booting
vdi_end KILL
node_kill
node_start
vdi_start
vdi_wait_ready
vdi_wait_for "two seats" has_ready 2; ok $? "controller and node are killed while its seats boot: both get ready" || node_story
is "$(node_copies | wc -l)" 2 "... and there are two VMs, no more"
is "$(vdi_api GET /v1/jobs | jq '.jobs | length')" 0 "nobody has them yet"
ready=$(vdi_api GET /v1/instances | jq -c '[.instances[] | select(.state == "READY") | .id] | sort')

# ---- members come ----
job=$(as games vdisubmit --parsable --desktop desk 2>/dev/null </dev/null)
vdi_wait_for "the desktop" node_job_is "$job" "RUNNING"; ok $? "a member's desktop runs" || node_story
is "$(node_job "$job" reservation) $(node_job "$job" account)" "lab cs101" "... in a seat of the class, charged to it"
jq -e --argjson i "$(node_job "$job" instance)" 'index($i) != null' <<<"$ready" >/dev/null
ok $? "... that was there before"
vdi_wait_for "the session" opened games "$job"
is "$(output games "$job")" \
    "desktop: games $(id -u games) HOME=$(getent passwd games | cut -d: -f6) job $job template desk" \
    "... logged in as its user"
as mail vdisubmit --reservation lab --desktop desk >"$W/out" 2>&1 </dev/null
like "$(cat "$W/out")" "no member of class 'lab'" "who is no member is told"
vdi_wait_for "its time" counted
is "$(class ready_on_time) of $(class seats)" "2 of 2" "at its time all seats were READY"
released() { [ "$(class state)" = RELEASED ]; }
vdi_wait_for "the no-show" released
gone() { [ "$(node_copies | wc -l)" = 1 ]; }
vdi_wait_for "the other VM's end" gone; ok $? "the seat that nobody took is given back"
as news vdisubmit --reservation lab --desktop desk >"$W/out" 2>&1 </dev/null
like "$(cat "$W/out")" "given back at " "who comes later is told when"
node_job_is "$job" RUNNING; ok $? "who is there stays"
vdi_wait_for "the end" node_job_is "$job" "TIMEOUT"; ok $? "a desktop ends with its class"
vdi_wait_for "nothing left" node_no_copy; ok $? "nothing is left of it"

vdi_end TERM
is "$?" 0 "the controller stops in order"
done_testing
