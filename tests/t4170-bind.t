#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4170-bind.t - seats in real VMs: started ahead for nobody, then bound to a job: the owner's
# account, directories, disk and session come into the guest that runs, once, and to no other;
# also when the node's half is killed anywhere in between.
# shellcheck disable=SC2034 # what drive.sh and guest.sh read
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"
. "$top_srcdir/tests/lib/drive.sh"

libvirt_need
need depmod
need jq
need mkfs.ext4
[ -x "$top_builddir/tests/vdid_drive" ] || skip_all "tests/vdid_drive is not built"
[ -x /usr/libexec/virtiofsd ] || [ -x /usr/lib/qemu/virtiofsd ] || skip_all "there is no virtiofsd"
guest=$top_builddir/tests/guest-cache
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"

W=$(mktemp -d /tmp/vb.XXXXXX) || bail "no temporary directory"
cleanup() {
    local code=$?
    [ -z "$DRIVE_PID" ] || kill -KILL "$DRIVE_PID" 2>/dev/null
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$W"
export VDI_WRITER=$top_builddir/vdi-writer VDI_SHARE=$top_builddir/vdi-share

I=$W/images H=$W/h
mkdir -p "$I/desk" "$I/plain" "$H/alice" "$H/team" "$H/closed"
cat >"$W/session" <<'END'
#!/bin/sh
echo "desktop: $(id) HOME=$HOME $(pwd)"
echo "job $VDI_JOB_ID kind $VDI_JOB_KIND says $GREETING"
cat /u/alice/outside.txt
echo "session of job $VDI_JOB_ID" >>/u/alice/sessions
[ ! -d /own ] || { cat /own/kept; echo "kept by job $VDI_JOB_ID" >/own/kept; sync; }
echo opened
while :; do sleep 0.2; done
END
chmod 755 "$W/session"
for d in desk plain; do
    cp "$guest/vmlinuz" "$I/$d/"
    GUEST_SESSION=
    [ $d = plain ] || GUEST_SESSION=$W/session
    guest_with_runner "$guest" "$I/$d/initrd"
    printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1","ready":"runner"}\n' \
        >"$I/$d/image.json"
done
echo "from outside" >"$H/alice/outside.txt"
chown -R 64001:64001 "$H/alice" && chmod 700 "$H/alice"
chown 64001:64002 "$H/team" && chmod 2770 "$H/team" && chmod 700 "$H/closed"

accel=tcg ports="24170 24179" boot=300 state=$W/state
# seat MOUNTS DISKS: a start for nobody, as one JSON string.
seat() { jq -cn "{template: {login: \"auto\"}, seat: {mounts: $1, disks: $2}} | tojson"; }
mount() { # NAME SOURCE TARGET
    jq -cn --arg n "$1" --arg s "$2" --arg t "$3" \
        '{name: $n, source: $s, target: $t, type: "virtiofs", mode: "rw"}'
}
disk() { # VOLUME NEW
    jq -cn --arg v "$1" --argjson new "$2" '{name: "work", volume: $v, target: "/own", where: "node",
        persistence: "personal", size_gib: 1, new: $new}'
}
# owner MOUNTS DISKS [SCRIPT] [LOGIN]: what a bind brings.
owner() {
    jq -cn --argjson mounts "[$1]" --argjson disks "[$2]" --arg script "${3:-}" --arg login "${4:-auto}" '{
        template: {login: $login},
        job: {kind: (if $script == "" then "interactive" else "batch" end), work_dir: "/u/alice"},
        owner: {name: "alice", uid: 64001, gid: 64001, home: "/u/alice",
                groups: [{name: "staff1", gid: 64001}, {name: "team", gid: 64002}, {name: "cad", gid: 10}]},
        env: ["VDI_JOB_KIND=desk"], mounts: $mounts, disks: $disks,
        payload: ({environment: {GREETING: "hi"}} + if $script == "" then {} else {script: $script} end)
        } | tojson'
}
start_seat() { # ID IMAGE MOUNTS DISKS
    order start "$1" "$(wish "$2"),\"template\":\"t\",\"details\":$(seat "$3" "$4")"
}
bind() { order bind "$1" "\"job\":$2,\"owner\":\"unix:alice\",\"details\":$3"; } # ID JOB OWNER
spool() { cat "$state/spool/$1/output"; }
stages() { order log "$1"; jq -r '[.stages[].name] | join(" ")' <<<"${answer#* ok }"; }
servers() { libvirt_in pgrep -f 'virtiofsd|sandbox=chroot' | tr '\n' ' '; }
opened() { spool "$1" 2>/dev/null | grep -q '^opened'; }
outside="uid=64001(alice) gid=64001(staff1) groups=64001(staff1),10(cad),64002(team)"
sorted() { sed 's/groups=//' | tr ', ' '\n\n' | sort | tr '\n' ' '; }
home="$(mount home "$H/alice" /u/alice)" mounts="$(mount home "$H/alice" /u/alice),$(mount team "$H/team" /team)"

libvirt_start "$W/lv"
drive_start

# ---- for nobody ----
start_seat 1.1 desk 2 1
like "$answer" '^answer start 1.1 ok' "a seat is started without a job and without an owner"
bind 1.1 7 "$(owner "$mounts" "")"
like "$answer" 'EAGAIN.*not ready' "... which can't be bound while it boots"
heard '^event 1.1 ready '; ok $? "it gets ready: its runner answers, its screen shows something"
like "$(stages 1.1)" 'runner .*account .*picture .*ready$' "... as every desktop, but for a session"
is "$(servers)" "" "nobody's directories are served"
qemu=$(qemu_pid 1.1)

# ---- bound ----
bind 1.1 7 "$(owner "$mounts" "$(disk 7.0011223344556677 true)")"
like "$answer" '^answer bind 1.1 ok' "it is bound to a job"
vdi_wait_for "the session" opened 1.1; ok $? "its session is open" || diag "$(console 1.1 | tail -n 20; tail -n 20 "$W/log")"
is "$(spool 1.1 | sed -n 's/^desktop: \(.*\) HOME.*/\1/p' | sorted)" "$(sorted <<<"$outside")" \
    "id inside is id outside"
like "$(spool 1.1 | tr '\n' ' ')" "HOME=/u/alice /u/alice.*job 7 kind desk says hi.*from outside" \
    "at home, with the job's variables, and what is there outside"
is "$(cat "$H/alice/sessions")" "session of job 7" "what it writes is outside"
is "$(stat -c %u "$H/alice/sessions")" 64001 "... and the owner's"
is "$(servers | wc -w)" 2 "each directory has a server"
is "$(qemu_pid 1.1)" "$qemu" "the guest is the one that waited"
like "$(stages 1.1)" 'ready bind devices account session bound$' "the stages of the bind are in its log"
order log 1.1
took() { jq '[.stages[] | select(.name == "bind" or .name == "bound").usec] | (.[1] - .[0]) / 1000 | round' <<<"${answer#* ok }"; }
diag "from the order to the session: $(took) ms"
bind 1.1 7 "$(owner "$mounts" "$(disk 7.0011223344556677 true)")"
like "$answer" '^answer bind 1.1 ok' "the same again is done already"
bind 1.1 8 "$(owner "$home" "")"
like "$answer" "EEXIST.*job 7's" "to another job it is never given"
drive_kill
drive_start
bind 1.1 8 "$(owner "$home" "")"
like "$answer" "EEXIST.*job 7's" "... also not by another vdid"
bind 1.1 7 "$(owner "$mounts" "$(disk 7.0011223344556677 true)")"
like "$answer" '^answer bind 1.1 ok' "... which knows whose it is"
is "$(cat "$H/alice/sessions")" "session of job 7" "the session was opened once"
order stop 1.1
like "$answer" ok "it is stopped"
no_servers() { [ -z "$(servers)" ]; }
vdi_wait_for "the servers' end" no_servers; ok $? "... and its servers end"

# ---- the personal disk is the owner's in the next seat, too ----
start_seat 2.1 desk 1 1
heard '^event 2.1 ready '
bind 2.1 8 "$(owner "$home" "$(disk 7.0011223344556677 false)")"
vdi_wait_for "the session" opened 2.1
like "$(spool 2.1)" "kept by job 7" "what was kept on the disk is there in another seat"
order stop 2.1

# ---- vdid is killed in between ----
: >"$H/alice/sessions" && chown 64001:64001 "$H/alice/sessions"
n=2
for point in 'stage .*"bind"' 'stage .*"devices"' 'stage .*"account"' none; do
    n=$((n + 1))
    start_seat $n.1 desk 2 1
    heard "^event $n.1 ready "
    qemu=$(qemu_pid $n.1)
    say "{\"verb\":\"bind\",\"instance\":$n,\"generation\":1,\"epoch\":1,\"job\":1$n,\"owner\":\"unix:alice\",\"details\":$(owner "$mounts" "$(disk 7.0011223344556677 false)")}"
    [ "$point" = none ] || heard "^event $n.1 $point"
    drive_kill
    drive_start
    bind $n.1 1$n "$(owner "$mounts" "$(disk 7.0011223344556677 false)")"
    like "$answer" "^answer bind $n.1 ok" "killed at $point: the next vdid goes on"
    vdi_wait_for "the session" opened $n.1; ok $? "... to the session"
    is "$(grep -c "job 1$n" "$H/alice/sessions") $(qemu_pid $n.1) $(servers | wc -w)" "1 $qemu 2" \
        "... which is opened once, in the same QEMU, with one server for each directory"
    order stop $n.1
    vdi_wait_for "the servers' end" no_servers
done

# ---- and again and again, at any time ----
start_seat 10.1 desk 2 1
heard '^event 10.1 ready '
qemu=$(qemu_pid 10.1) kills=0
chaos="{\"verb\":\"bind\",\"instance\":10,\"generation\":1,\"epoch\":1,\"job\":110,\"owner\":\"unix:alice\",\"details\":$(owner "$mounts" "$(disk 7.0011223344556677 false)")}"
say "$chaos"
while [ $kills -lt 12 ]; do
    kills=$((kills + 1))
    sleep "0.$(printf %03d $((RANDOM % 400)))"
    drive_kill
    drive_start
    say "$chaos"
done
heard '^answer bind 10.1 '
like "$(grep '^answer bind 10.1' "$W/out" | tail -n 1)" "^answer bind 10.1 ok" "$kills kills at any time: it is bound in the end"
vdi_wait_for "the session" opened 10.1
is "$(grep -c "job 110" "$H/alice/sessions") $(qemu_pid 10.1) $(servers | wc -w)" "1 $qemu 2" \
    "... once, in the same QEMU, with one server for each directory"
order stop 10.1

# ---- other owners' wishes ----
start_seat 7.1 plain 0 0
heard '^event 7.1 ready '
bind 7.1 17 "$(owner "$home" "")"
like "$answer" "E2BIG.*places for 0 mounts" "a seat without a place for a directory says so"
bind 7.1 17 "$(owner "" "" '#!/bin/sh
id -un; exit 3')"
like "$answer" "^answer bind 7.1 ok" "... and takes who brings none, with a script"
heard '^event 7.1 exited .*"exit_code":3'; ok $? "... which runs"
is "$(spool 7.1)" alice "... as its owner"
order stop 7.1
start_seat 8.1 plain 0 0
heard '^event 8.1 ready '
bind 8.1 18 "$(owner "" "")"
like "$answer" "^answer bind 8.1 ok" "an image without a session is its owner's all the same"
order stop 8.1
start_seat 9.1 desk 1 0
heard '^event 9.1 ready '
bind 9.1 19 "$(owner "$(mount x "$H/closed" /x)" "")"
like "$answer" "mount 'x'.*Permission denied" "a bind that fails says why"
heard '^event 9.1 gone '; like "$(grep '^event 9.1 gone' "$W/out")" '"failed":true' "... and the seat is ended with it"
bind 9.1 20 "$(owner "" "")"
like "$answer" ENOENT "... and never bound again"
is "$(servers)$(domains)" "" "nothing is left of any"

drive_quit
DRIVE_PID=
done_testing
