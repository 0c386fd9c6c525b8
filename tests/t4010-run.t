#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4010-run.t - scripts and sessions in real VMs, driven without a controller: the guest runner
# makes an instance ready, output and exit status survive the driver's SIGKILL, files of the
# owner, signals, messages, an end with grace, save and restore.
# shellcheck disable=SC2034 # what drive.sh and guest.sh read
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"
. "$top_srcdir/tests/lib/drive.sh"

libvirt_need
need depmod
need jq
[ -x "$top_builddir/tests/vdid_drive" ] || skip_all "tests/vdid_drive is not built"
guest=$top_builddir/tests/guest-cache
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"

W=$(mktemp -d /tmp/vr.XXXXXX) || bail "no temporary directory"
cleanup() {
    local code=$?
    [ -z "$DRIVE_PID" ] || kill -KILL "$DRIVE_PID" 2>/dev/null
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
export VDI_WRITER=$top_builddir/vdi-writer

I=$W/images
mkdir -p "$I"/{batch,desk}
cat >"$W/session" <<'END'
#!/bin/sh
trap 'echo session over; exit 7' TERM
echo "session of $(id -un) job $VDI_JOB_ID nonce $VDI_NONCE greeting $GREETING"
while :; do sleep 0.2; done
END
chmod 755 "$W/session"
for d in batch desk; do
    cp "$guest/vmlinuz" "$I/$d/"
    [ $d = batch ] || GUEST_SESSION=$W/session
    guest_with_runner "$guest" "$I/$d/initrd"
    printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1","ready":"runner"}\n' \
        >"$I/$d/image.json"
done

accel=tcg ports="24120 24129" boot=300 state=$W/state
H=$W/home
mkdir "$H" && chown 64001:64001 "$H" && chmod 711 "$W"
# details SCRIPT [JOB-MEMBERS] [KIND]: what vdictld would send, as one JSON string.
details() {
    jq -cn --arg script "$1" --arg home "$H" --argjson job "{${2:-}}" --arg kind "${3:-batch}" '{
        job: ({kind: $kind, work_dir: $home} + $job),
        owner: {name: "alice", uid: 64001, gid: 64001, home: $home,
                groups: [{name: "cad1", gid: 64002}]},
        env: ["VDI_JOB_NAME=count"],
        payload: (if $script == "" then {environment: {GREETING: "hi"}}
                  else {script: $script, args: ["a b"], environment: {GREETING: "hi"}} end)}
        | tojson'
}
run() { # ID IMAGE DETAILS
    order start "$1" "$(wish "$2"),\"job\":7,\"template\":\"t\",\"details\":$3"
}
spool() { cat "$state/spool/$1/${2:-output}"; }
counted() { [ "$(spool "$1" | grep -c '^n')" -ge "$2" ]; }
stages() { order log "$1"; jq -r '[.stages[].name] | join(" ")' <<<"${answer#* ok }"; }

libvirt_start "$W/lv"
drive_start

# ---- a script that counts, while its driver is killed ----
count='#!/bin/sh
echo "$(id -un) $(id -u) $(id -G) $1 $GREETING $VDI_JOB_ID $VDI_NODE $VDI_JOB_NAME $VDI_USER"
echo problem >&2
i=0
while [ $i -lt 300 ]; do i=$((i + 1)); echo "n $i"; sleep 0.05; done
exit 3'
run 1.1 batch "$(details "$count" '"output": "out.txt"')"
like "$answer" '^answer start 1.1 ok' "an instance with a script is started"
heard '^event 1.1 ready '; ok $? "the guest runner makes it ready"
vdi_wait_for "some output" counted 1.1 20
pid=$(qemu_pid 1.1)
for kill in 1 2 3; do
    drive_kill
    before=$(spool 1.1 | grep -c '^n')
    drive_start
    vdi_wait_for "more output" counted 1.1 $((before + 15)); ok $? "SIGKILL $kill of the driver: the script counts on"
done
heard '^event 1.1 exited '; ok $? "its end is told"
like "$(grep '^event 1.1 exited' "$W/out")" '"state":"ready","exited":true,"exit_code":3,"exit_signal":0' "... with its status"
is "$(spool 1.1 | head -n 1)" "alice 64001 64001 64002 a b hi 7 n1 count alice" "it ran as its owner, with arguments and variables"
is "$(spool 1.1 | grep '^n' | md5sum)" "$(seq -f 'n %g' 300 | md5sum)" "no line is lost, doubled or out of order"
is "$(qemu_pid 1.1)" "$pid" "... in one and the same QEMU"
cmp -s "$H/out.txt" "$state/spool/1.1/output"; ok $? "the owner's file holds the same"
is "$(stat -c '%u:%a' "$H/out.txt")" "64001:600" "... and is the owner's"
order poll 1.1
like "$answer" '"exited":true,"exit_code":3' "a poll says it again"
drive_kill
drive_start
order poll 1.1
like "$answer" '"exited":true,"exit_code":3' "... also after another SIGKILL"
like "$(stages 1.1)" 'create .*kernel .*runner .*account .*ready .*exit' "its log has the guest's stages"
order output 1.1 '"stream":"out","from":0,"max":10'
is "$(jq -r '.data' <<<"${answer#* ok }" | base64 -d)" "alice 6400" "a piece of the output"
like "$answer" '"ended":true' "... which has ended"
order signal 1.1 '"signal":10'
like "$answer" ESRCH "a signal to what has ended is refused"
order stop 1.1 '"grace_sec":60'
like "$answer" ' ok' "a stop with grace"
like "$(grep '^event 1.1 gone' "$W/out")" '"state":"gone","exited":true,"exit_code":3' "the end of the instance says the status again"
order output 1.1 '"stream":"out","from":3,"max":5'
is "$(jq -r '.data' <<<"${answer#* ok }" | base64 -d)" "ce 64" "output is there when the instance is gone"
[ ! -e "$state/instances/1.1/run.json" ]; ok $? "... and what it ran is not"
order output 99.1
like "$answer" ENOENT "of what was never there, nothing is known"

# ---- words and signals; an end with grace ----
trapped='#!/bin/sh
trap "echo got TERM; i=0; while [ \$i -lt 20 ]; do i=\$((i+1)); echo last \$i; sleep 0.05; done; exit 9" TERM
trap "echo got USR1" USR1
echo up; echo err >&2
while :; do sleep 0.1; done'
run 2.1 batch "$(details "$trapped" '"output": "/dev/null", "error": "no/such/dir/err.txt"')"
heard '^event 2.1 ready '
up() { spool 2.1 | grep -q "${1:-^up}"; }
vdi_wait_for "the script" up
order signal 2.1 '"signal":10'
like "$answer" ' ok' "a signal is taken"
vdi_wait_for "the trap" up 'got USR1'; ok $? "... and arrives"
order message 2.1 '"text":"five minutes left"'
like "$answer" ' ok' "a message is taken"
on_console() { console 2.1 | grep -q 'five minutes left'; }
vdi_wait_for "the message" on_console; ok $? "... and shown"
is "$(spool 2.1 error | head -n 1)" err "stderr is a stream of its own"
heard '^event 2.1 problem .*no/such/dir'; ok $? "a file that can't be written is told"
order stop 2.1 '"grace_sec":120'
like "$(spool 2.1 | tail -n 1)" '^last 20$' "SIGTERM: the script's last words are in the spool"
like "$(grep '^event 2.1 gone' "$W/out")" '"exited":true,"exit_code":9' "... and its status is told"

# ---- killed without grace; a guest that switches itself off ----
run 3.1 batch "$(details '#!/bin/sh
echo bye; sync; exit 4')"
heard '^event 3.1 exited '
order stop 3.1
like "$(grep '^event 3.1 gone' "$W/out")" '"exit_code":4' "a stop without grace keeps the status"

# ---- saved for a while: the same process goes on, and its clock is right ----
run 7.1 batch "$(details '#!/bin/sh
trap "exit 6" TERM
i=0
while :; do i=$((i + 1)); echo "n $i pid $$ at $(date +%s)"; sleep 0.5; done')"
heard '^event 7.1 ready '
vdi_wait_for "some output" counted 7.1 4
order save 7.1
like "$answer" ' ok' "a batch job is saved"
saved_at=$(date +%s) n=$(spool 7.1 | grep -c '^n')
later() { [ "$(date +%s)" -ge $((saved_at + 12)) ]; }
vdi_wait_for "some time" later
is "$(spool 7.1 | grep -c '^n')" "$n" "... and writes nothing meanwhile"
order resume 7.1
resumed_at=$(date +%s)
like "$answer" ' ok' "it is resumed"
told_time() { [ "$(spool 7.1 | sed -n '$s/.* at //p')" -ge "$resumed_at" ]; }
vdi_wait_for "the host's time in the guest" told_time
ok $? "its clock is set: the script sees the time after the resume"
last=$(spool 7.1 | sed -n '$s/.* at //p') now=$(date +%s)
[ "$last" -le $((now + 1)) ]; ok $? "... and none that is to come ($last, here $now)"
is "$(spool 7.1 | sed 's/.* pid \([0-9]*\) .*/\1/' | sort -u | wc -l)" 1 "the same process went on"
is "$(spool 7.1 | awk '{ if ($2 != NR) print }' | head -n 1)" "" "... and no line is lost, doubled or out of order"
signal_7() { order signal 7.1 '"signal":15'; [[ $answer == *" ok"* ]]; }
vdi_wait_for "the runner again" signal_7
heard '^event 7.1 exited '; like "$(grep '^event 7.1 exited' "$W/out")" '"exit_code":6' "its end is told"
order stop 7.1 '"grace_sec":60'

# ---- a desktop: session, picture, save and restore ----
run 4.1 desk "$(details '' '' interactive)"
heard '^event 4.1 ready '; ok $? "a desktop is ready when its screen shows something"
like "$(stages 4.1)" 'account .*picture .*ready' "... which is a stage"
in_session() { spool 4.1 | grep -q '^session of'; }
vdi_wait_for "the session" in_session
like "$(spool 4.1)" '^session of alice job 7 nonce [0-9a-f]{32} greeting hi$' "the image's session runs as the owner"
like "$(stages 4.1)" 'session' "... which is a stage, too"
order save 4.1
like "$answer" ' ok' "it is saved"
order resume 4.1
like "$answer" ' ok' "... and goes on"
signal_taken() { order signal 4.1 '"signal":15'; [[ $answer == *" ok"* ]]; }
vdi_wait_for "the runner again" signal_taken
heard '^event 4.1 exited '; like "$(grep '^event 4.1 exited' "$W/out")" '"exit_code":7' "the end of the session is told"
is "$(spool 4.1 | grep -c '^session of')" 1 "... it was begun once"
order stop 4.1 '"grace_sec":60'

# ---- what can't run ----
run 5.1 batch "$(details '#!/no/such/shell')"
heard '^event 5.1 exited '
like "$(grep '^event 5.1 exited' "$W/out")" '"exit_code":126' "a script that can't be started ends with 126"
like "$(grep '^event 5.1 problem' "$W/out")" 'script itself' "... and why is told"
order stop 5.1
run 6.1 batch "$(details 'echo no shebang')"
like "$answer" 'EINVAL.*#!' "a script without an interpreter is refused"

drive_quit
DRIVE_PID=
done_testing
