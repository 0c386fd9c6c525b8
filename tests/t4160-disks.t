#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4160-disks.t - disks in real VMs, from the template to the file system in the guest: what is
# written on each survives exactly what its kind says, over a requeue, a preemption, a reboot of the
# node, a save, a killed vdid and a killed vdictld; another user finds nothing of it; what can't be
# had is refused with numbers.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}" "${top_builddir:=$top_srcdir/build}"
export top_srcdir top_builddir
. "$top_srcdir/tests/lib/node.sh"
[ -x /usr/sbin/mkfs.ext4 ] || [ -x /sbin/mkfs.ext4 ] || skip_all "mkfs.ext4 (e2fsprogs) is not installed"
command -v setpriv >/dev/null || skip_all "setpriv is not installed"
node_begin "$0"
chmod 755 "$W"
mkdir -p "$W/images/batch" "$W/work" "$W/shared"
chmod 1777 "$W/work"
cp "$guest/vmlinuz" "$W/images/batch/"
guest_with_runner "$guest" "$W/images/batch/initrd"
printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1","ready":"runner"}\n' \
    >"$W/images/batch/image.json"
# shellcheck disable=SC2034 # of node.sh
NODE_LINES="disk_max_gib = 8
disk_shared_dir = \"$W/shared\""
node_write_conf 'kill_wait = 30' 'qos "first" { priority = 1000  preempts = {"low"}
    preempt_modes = {requeue}  grace = "1s" }' 'qos "low" { preempt_exempt_time = "1s" }
template "wide" { image = "batch"  vcpus = 2  memory = "128M" }
template "batch" { image = "batch"  vcpus = 1  memory = "128M"
    disk "d" { size = "1G"  target = "/d" }
    disk "job" { size = "1G"  target = "/job"  persistence = job }
    disk "own" { size = "1G"  target = "/own"  persistence = personal } }
template "share" { image = "batch"  vcpus = 1  memory = "128M"
    disk "all" { size = "1G"  target = "/all"  persistence = personal  where = shared } }
template "large" { image = "batch"  vcpus = 1  memory = "128M"
    disk "big" { size = "20G"  target = "/big" } }'

D=$W/state/disks
volumes() { find "$D" "$W/shared" -name '*.img' 2>/dev/null | wc -l; }
has_volumes() { [ "$(volumes)" -eq "$1" ]; }
disks() { vdi_api GET /v1/disks | jq -r "$1"; }
has_disks() { [ "$(disks '.disks | length')" = "$1" ]; }
as() { # USER COMMAND...
    local user=$1
    shift
    setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups "$@"
}
submit() { # USER OPTION...: says the id
    local user=$1
    shift
    (cd "$W/work" && as "$user" vdisubmit --parsable --template batch --time 1h "$@") 2>>"$W/notes" </dev/null
}
output() { # what a script wrote is its owner's
    local owner
    owner=$(node_job "$1" owner)
    as "${owner#unix:}" vdictl output "$1" 2>/dev/null
}
said() { output "$1" | grep -q -e "$2"; }
runs() { # ID RESTARTS
    [ "$(node_job "$1" state)" = RUNNING ] && [ "$(node_job "$1" restarts)" = "$2" ]
}
ended() { node_job_is "$1" "COMPLETED FAILED CANCELLED BOOT_FAIL"; }

# It says what it finds, leaves a mark on each disk, and then writes on and on; `once` ends.
cat >"$W/look.sh" <<'END'
#!/bin/sh
for d in ${1:-/d /job /own}; do
    echo "run $VDI_RESTARTS $d $(stat -c %U:%a $d): $(ls $d | grep -v lost.found | tr '\n' ' ')"
    grep -qs " $d ext4 " /proc/mounts || echo "no ext4 at $d"
    case $(grep -s " $d ext4 " /proc/mounts) in *nosuid*nodev* | *nodev*nosuid*) ;; *) echo "loose $d" ;; esac
    echo "$(id -un) in job $VDI_JOB_ID" >$d/mark || echo "can't write $d"
done
[ ! -e /job/log ] || echo "log has $(wc -l </job/log)"
sync
echo "marked $VDI_RESTARTS"
[ "$2" != once ] || exit 0
n=0
while :; do
    n=$((n + 1))
    echo "$n" >>/job/log
    sync
    [ $((n % 10)) -ne 0 ] || echo "wrote $n"
    sleep 0.1
done
END
chmod 755 "$W/look.sh"

node_up
A=$(submit nobody --qos low --requeue "$W/look.sh") || bail "not submitted: $(cat "$W/notes")"
vdi_wait_for "job $A to mark its disks" said "$A" '^marked 0' || node_story
like "$(output "$A" | tr '\n' ';')" \
    'run 0 /d nobody:755: ;run 0 /job nobody:755: ;run 0 /own nobody:755: ;marked 0' \
    "three empty file systems, the owner's, on their places"
like "$(tr "\n" " " <"$W/notes")" "disk 'd'.*gone when.*disk 'job'.*kept until.*disk 'own'.*until you delete" \
    "the submitter was told what becomes of each" || diag "$(cat "$W/notes")"
is "$(volumes)" 3 "the node has three volumes"
is "$(find "$D" -name '*.img' -printf '%m:%U\n' | sort -u)" "600:0" "... which nobody else reads"
is "$(disks '[.disks[] | .made] | unique | tostring')" "[true]" "... and are known to be there"
vdi_wait_for "the user to be told" grep -q 'What is in /own' "$W"/state/instances/*/console.log ||
    diag "$(tail -n 5 "$W"/state/instances/*/console.log)"
grep -q 'What is in /d (1 GiB) is gone when' "$W"/state/instances/*/console.log
ok $? "the guest says what is kept"

# ---- vdid and vdictld are killed; a second job waits; the guest is saved ----
touch "$D/7777.00112233445566ff.img" "$D/5.00112233445566ff.part-n1"
echo x >"$D/7777.00112233445566ff.img"
node_kill
vdi_kill
vdi_start
vdi_wait_ready || node_story
node_start
in_service() { node_is IDLE || node_is MIXED || node_is ALLOCATED; }
vdi_wait_for "the node in service" in_service || node_story
before=$(output "$A" | grep -c '^wrote')
more() { [ "$(output "$A" | grep -c '^wrote')" -gt "$before" ]; }
vdi_wait_for "more" more
ok $? "vdid and vdictld are killed: the script writes on"
[ ! -e "$D/5.00112233445566ff.part-n1" ]
ok $? "half a volume is removed at a start"
stranger() { [ "$(disks '.strangers[0].volume')" = 7777.00112233445566ff ]; }
vdi_wait_for "the stranger" stranger
ok $? "a volume that nobody knows is told of"
[ -e "$D/7777.00112233445566ff.img" ]
ok $? "... and left alone"
rm "$D/7777.00112233445566ff.img"

A2=$(submit nobody --time 5m "$W/look.sh" "/own" once)
waits() { vdi_api GET "/v1/jobs/$A2/why" | jq -e ".blockers[] | select(.reason == \"DiskBusy\" and .job == $A)"; }
vdi_wait_for "job $A2 to wait" waits
ok $? "a second job of the same user waits for the disk, and is told which job has it"
vdictl suspend "$A" >"$W/said" 2>&1
is "$(node_job "$A" state)" SUSPENDED "the job is saved" || diag "$(cat "$W/said")"
is "$(disks '[.disks[] | .state] | unique | tostring')" '["LEASED"]' "... and has its disks"
vdictl disk delete "$(disks '.disks[] | select(.name == "own") | .id')" >"$W/said" 2>&1
is "$? $(grep -c "job $A" "$W/said")" "1 1" "... which can't be deleted, and the job is named"
vdictl resume "$A"
before=$(output "$A" | grep -c '^wrote')
vdi_wait_for "the job to run again" runs "$A" 0 || node_story
vdi_wait_for "more" more
ok $? "resumed it writes on"
lines=$(output "$A" | sed -n 's/^wrote //p' | tail -n 1)

# ---- a requeue, a preemption, a reboot ----
# found: what the newest run found on its disks. A start may fail and be begun anew: the port of the
# guest before is free a moment later.
found() {
    output "$A" | awk -v after="$1" '$1 == "run" && $2 > after {
        if ($2 != run) text = ""
        run = $2; sub(/^run [0-9]+ /, ""); text = text $0 ";" } END { print text }'
}
marked() { [ "$(output "$A" | sed -n 's/^marked //p' | tail -n 1)" -gt "$1" ]; }
as_it_was() { # AFTER WHAT
    vdi_wait_for "job $A to mark its disks again" marked "$1" || node_story
    is "$(found "$1")" '/d nobody:755: ;/job nobody:755: log mark ;/own nobody:755: mark ;' \
        "$2: the job's and the user's disk as they were, the other one empty"
    has=$(output "$A" | sed -n 's/^log has //p' | tail -n 1)
    [ "${has:-0}" -ge "${lines:-1}" ]
    ok $? "... with every line that was written ($has of $lines at least)"
    before=$(output "$A" | grep -c '^wrote')
    vdi_wait_for "more" more
    lines=$(output "$A" | sed -n 's/^wrote //p' | tail -n 1)
}
vdictl requeue "$A"
as_it_was 0 "a requeue"

restarts=$(node_job "$A" restarts)
F=$(submit daemon --qos first --template wide --wrap 'echo first')
vdi_wait_for "job $F" ended "$F" || node_story
is "$(node_job "$F" state) $(output "$F" | tail -n 1)" "COMPLETED first" "who comes first has the node"
as_it_was "$restarts" "preempted and requeued"

restarts=$(node_job "$A" restarts)
libvirt_stop # as a power cut
wait "$NODE_PID" 2>/dev/null
libvirt_start "$W/lv"
cat /proc/sys/kernel/random/uuid >"$W/boot_id"
libvirt_in mount --bind "$W/boot_id" /proc/sys/kernel/random/boot_id
node_start
as_it_was "$restarts" "the node rebooted"
vdicancel "$A"
vdi_wait_for "its end" node_job_is "$A" CANCELLED || node_story

# ---- the next job, the next user ----
vdi_wait_for "job $A2" ended "$A2" || node_story
like "$(output "$A2" | tr '\n' ';')" 'run 0 /own nobody:755: mark ;marked 0' \
    "the user's next job finds the user's disk"
vdi_wait_for "one disk" has_disks 1
vdi_wait_for "one volume" has_volumes 1
is "$(volumes) $(disks '.disks[0] | "\(.name) \(.state)"')" "1 own FREE" \
    "when jobs have ended it alone is left, on the node too"
B=$(submit daemon "$W/look.sh" "/d /job /own" once)
vdi_wait_for "job $B" ended "$B" || node_story
like "$(output "$B" | tr '\n' ';')" 'run 0 /d daemon:755: ;run 0 /job daemon:755: ;run 0 /own daemon:755: ;marked 0' \
    "another user finds nothing of it"
is "$(as daemon vdictl disk list --json | jq '[.disks[] | .owner] | unique | tostring')" '"[\"unix:daemon\"]"' \
    "... and sees the own disk alone"

# ---- a shared directory; what can't be had ----
C=$(submit nobody --template share "$W/look.sh" /all once)
vdi_wait_for "job $C" ended "$C" || node_story
like "$(output "$C" | tr '\n' ';')" 'run 0 /all nobody:755: ;marked 0' "a shared disk is had"
is "$(find "$W/shared" -name '*.img' | wc -l)" 1 "... and is in the shared directory"
L=$(submit nobody --no-requeue --template large "$W/look.sh" /big once)
vdi_wait_for "job $L" ended "$L" || node_story
like "$(node_job "$L" state) $(node_job "$L" reason)" "BOOT_FAIL 20 GiB are wanted, [0-9]+ GiB are disks" \
    "one that the node has no room for is refused with the numbers"
lost=$(find "$D" -name '*.img' | head -n 1)
mv "$lost" "$W/away.img"
owner=nobody
[ "$(disks ".disks[] | select(.owner == \"unix:nobody\" and .where == \"node\") | .id")" = "$(basename "$lost" | cut -d. -f1)" ] ||
    owner=daemon
L=$(submit $owner --no-requeue "$W/look.sh" /own once)
vdi_wait_for "job $L" ended "$L" || node_story
like "$(node_job "$L" state) $(node_job "$L" reason)" "BOOT_FAIL.*volume of disk 'own' is not here" \
    "a disk whose volume is lost is told of: nobody gets an empty one for it"
mv "$W/away.img" "$lost"

# ---- deleted ----
for id in $(disks '.disks[] | select(.state == "FREE") | .id'); do
    vdictl disk delete "$id" || node_story
done
vdi_wait_for "no disk" has_disks 0 || diag "$(vdictl disk list)"
vdi_wait_for "no volume" has_volumes 0
is "$(volumes) $(find "$D" "$W/shared" -type f | wc -l)" "0 0" "deleted: nothing is left on the node"

[ "$tap_failed" -eq 0 ] || node_story
done_testing
