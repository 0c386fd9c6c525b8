#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4140-seat.t - what a user finds in a real VM: the own account as outside, for a script and for a
# desktop; the own directories, served by a process that is the owner: root in the guest can do no
# more than the owner outside. And what can't be had is told.
# shellcheck disable=SC2034 # what drive.sh and guest.sh read
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"
. "$top_srcdir/tests/lib/drive.sh"

libvirt_need
need depmod
need jq
need setpriv
[ -x "$top_builddir/tests/vdid_drive" ] || skip_all "tests/vdid_drive is not built"
[ -x /usr/libexec/virtiofsd ] || [ -x /usr/lib/qemu/virtiofsd ] || skip_all "there is no virtiofsd"
guest=$top_builddir/tests/guest-cache
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"

W=$(mktemp -d /tmp/vs.XXXXXX) || bail "no temporary directory"
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

# ---- a user with groups: of the own name, and one that the guest knows by another ----
U=64001 S=64002 B=64009
# An account of ours on a copy of the host's files: id(1) shall say it, too.
I=$W/images
mkdir -p "$I"/{batch,desk} "$W/h/alice" "$W/h/bob" "$W/h/team" "$W/h/closed" "$W/ro"
cat >"$W/session" <<'END'
#!/bin/sh
echo "desktop: $(id) HOME=$HOME $(pwd)"
cat /u/alice/outside.txt
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
H=$W/h
echo "from outside" >"$H/alice/outside.txt"
echo "bob's secret" >"$H/bob/secret" && chmod 600 "$H/bob/secret"
echo "everybody's" >"$H/bob/open" && chmod 644 "$H/bob/open"
echo "root's" >"$H/alice/roots" && chmod 600 "$H/alice/roots"
echo "team's" >"$H/team/plan" && chmod 640 "$H/team/plan"
chown -R $U:$U "$H/alice" && chmod 700 "$H/alice"
chown root:root "$H/alice/roots"
chown -R $B:$B "$H/bob"
chown -R root:$S "$H/team" && chmod 2770 "$H/team"
chmod 700 "$H/closed" && ln -s "$H/alice" "$H/link"
echo "read this" >"$W/ro/file" && chmod 666 "$W/ro/file" && chmod 777 "$W/ro"

accel=tcg ports="24140 24149" boot=300 state=$W/state
mount() { # NAME SOURCE TARGET [MODE]
    jq -cn --arg n "$1" --arg s "$2" --arg t "$3" --arg m "${4:-rw}" \
        '{name: $n, source: $s, target: $t, type: "virtiofs", mode: $m}'
}
# details SCRIPT MOUNTS [KIND] [NAME]
details() {
    jq -cn --arg script "$1" --argjson mounts "[$2]" --arg kind "${3:-batch}" --arg name "${4:-alice}" '{
        job: {kind: $kind, work_dir: "/u/alice"},
        owner: {name: $name, uid: 64001, gid: 64001, home: "/u/alice",
                groups: [{name: "staff1", gid: 64001}, {name: "team", gid: 64002},
                         {name: "cad", gid: 10}, {name: "tty", gid: 64003}]},
        env: [], mounts: $mounts,
        payload: (if $script == "" then {} else {script: $script} end)} | tojson'
}
run() { # ID IMAGE DETAILS
    order start "$1" "$(wish "$2"),\"job\":7,\"template\":\"t\",\"details\":$3"
}
spool() { cat "$state/spool/$1/${2:-output}"; }
servers() { libvirt_in pgrep -f 'virtiofsd|sandbox=chroot' | tr '\n' ' '; }
outside="uid=64001(alice) gid=64001(staff1) groups=64001(staff1),10(cad),64002(team),64003(tty)"
sorted() { sed 's/groups=//' | tr ', ' '\n\n' | sort | tr '\n' ' '; }

libvirt_start "$W/lv"
drive_start

# ---- a script, and root in its guest ----
work='#!/bin/sh
id
echo "HOME=$HOME $(pwd)"
cat outside.txt
echo "written inside" >inside.txt && mkdir dir && ln inside.txt dir/hard && ln -s inside.txt soft
chmod 640 inside.txt && chgrp team inside.txt
cat /bob/open
cat /bob/secret; echo "secret: $?"
cat roots; echo "roots: $?"
cat /team/plan && echo "by group" >/team/new; echo "team: $?"
cat /ro/file; echo more >>/ro/file; echo "ro: $?"
echo x >/bob/mine; echo "bob: $?"
dd if=/dev/zero of=big bs=64k count=64 2>/dev/null; md5sum <big
cat >/tmp/root.sh <<X
id -u
cat /bob/secret; echo "root secret: \$?"
cat /u/alice/roots; echo "root roots: \$?"
echo bob:x:64009:64009::/:/bin/sh >>/etc/passwd; su bob -c "cat /bob/secret"; echo "as bob: \$?"
su bob -c "touch /bob/new"; echo "new as bob: \$?"
touch /u/alice/byroot; echo "root makes: \$?"
chown 0:0 /u/alice/inside.txt; echo "root chown: \$?"
mount -o remount,rw /ro; echo more >>/ro/file; echo "root ro: \$?"
mknod /u/alice/disk b 254 0; echo "root mknod: \$?"
cat /u/alice/outside.txt
cp /bin/busybox /u/alice/suid; chown 64001:64001 /u/alice/suid; chmod 4755 /u/alice/suid
X
mv /tmp/root.sh /tmp/root
while [ ! -e /tmp/root.out ]; do sleep 0.1; done
cat /tmp/root.out; echo "root is done"
exit 5'
mounts="$(mount home "$H/alice" /u/alice),$(mount bob "$H/bob" /bob),$(mount team "$H/team" /team),$(mount ro "$W/ro" /ro ro)"
run 1.1 batch "$(details "$work" "$mounts")"
like "$answer" '^answer start 1.1 ok' "an instance with four directories of the node is started"
heard '^event 1.1 ready '; ok $? "it gets ready"
worked() { spool 1.1 | grep -q '^bob: '; }
vdi_wait_for "the script" worked || diag "$(console 1.1 | tail -n 20; tail -n 5 "$W/log")"
is "$(spool 1.1 | head -n 1 | sorted)" "$(sorted <<<"$outside")" \
    "id inside is id outside: names and numbers of user and groups"
is "$(spool 1.1 | sed -n 2p)" "HOME=/u/alice /u/alice" "the script begins at home"
is "$(spool 1.1 | sed -n 3p)" "from outside" "... and finds what is there"
like "$(spool 1.1 | tr "\n" " ")" "everybody's.*secret: 1.*roots: 1.*team's.*team: 0.*read this.*ro: 1.*bob: 1" \
    "other users' open files are read, and no others; a group's are"
is "$(cat "$H/alice/inside.txt")" "written inside" "a file written inside is outside"
is "$(stat -c '%u:%g:%a' "$H/alice/inside.txt")" "64001:64002:640" "... and the owner's"
is "$(stat -c '%u:%h' "$H/alice/dir/hard")" "64001:2" "... with links"
is "$(readlink "$H/alice/soft")" inside.txt "... of both kinds"
is "$(stat -c '%u:%g' "$H/team/new")" "64001:64002" "a file of the group is the group's"
is "$(cat "$W/ro/file")" "read this" "nothing was written where only reading is"
written() { spool 1.1 | grep -q "$(md5sum <"$H/alice/big" 2>/dev/null | cut -c 1-32)"; }
vdi_wait_for "the large file" written; ok $? "4 MiB arrive whole"

root_did() { spool 1.1 | grep -q '^root is done'; }
vdi_wait_for "root's words" root_did || diag "$(console 1.1 | tail -n 20)"
like "$(spool 1.1 | tr "\n" " ")" "root secret: 1 .*root roots: 1 .*as bob: 1 .*new as bob: 1 " \
    "root in the guest reads nobody else's file, nor who it becomes"
like "$(spool 1.1 | tr "\n" " ")" "root makes: 1 .*root chown: 1 .*root ro: 1 .*root mknod: 1 .*from outside" \
    "... makes nothing, gives nothing away, writes nothing that is read-only"
[ ! -e "$H/bob/new" ] && [ ! -e "$H/alice/byroot" ] && [ ! -e "$H/alice/disk" ]; ok $? "... outside is nothing of it"
is "$(stat -c %u "$H/alice/inside.txt") $(cat "$W/ro/file")" "64001 read this" "... nor changed"

# ---- the server ----
pids=$(servers)
is "$(wc -w <<<"$pids")" 4 "each directory has a server"
for pid in $pids; do
    ids=$(libvirt_in sed -n 's/^\([UG]id\):\t\(.*\)/\2/p' "/proc/$pid/status" | tr '\t\n' '  ')
    is "$ids" "64001 64001 64001 64001 64001 64001 64001 64001 " "... which is the owner"
done
is "$(stat -c '%a:%u' "$state/instances/1.1/share-0.sock")" "600:0" "only QEMU's user reaches its socket"
order save 1.1
like "$answer" 'EOPNOTSUPP.*virtiofs' "it can't be saved, and says why"
qemu=$(qemu_pid 1.1)
drive_kill
is "$(servers)" "$pids" "vdid is killed: the servers go on"
drive_start
is "$(servers)" "$pids" "... and when it is back"

is "$(qemu_pid 1.1)" "$qemu" "... of one and the same QEMU"
kill_one() { libvirt_in kill -KILL "${pids%% *}"; }
kill_one
heard '^event 1.1 problem .*a mount is gone'; ok $? "a server that ends is told"
order stop 1.1 '"grace_sec":60'
like "$(grep '^event 1.1 gone' "$W/out")" '"exit_code":5' "it ends with the script's status"
no_servers() { [ -z "$(servers)" ]; }
vdi_wait_for "the servers' end" no_servers; ok $? "... and the servers with it"
is "$(find "$state/instances/1.1" -name "share*" | wc -l)" 0 "... and their files"

# ---- a desktop ----
run 2.1 desk "$(details '' "$(mount home "$H/alice" /u/alice)" interactive)"
heard '^event 2.1 ready '
in_session() { spool 2.1 | grep -q 'from outside'; }
vdi_wait_for "the session" in_session
is "$(spool 2.1 | sed -n 's/^desktop: \(.*\) HOME.*/\1/p' | sorted)" "$(sorted <<<"$outside")" \
    "a desktop: id inside is id outside"
like "$(spool 2.1)" "HOME=/u/alice /u/alice" "... at home"
order stop 2.1
vdi_wait_for "the servers' end" no_servers; ok $? "without grace the servers end, too"

# ---- what can't be had ----
refused() { # ID MOUNT PATTERN WHAT
    run "$1" batch "$(details '#!/bin/sh
true' "$2")"
    like "$answer" "$3" "$4"
}
refused 3.1 "$(mount x "$H/nowhere" /x)" 'No such file' "a directory that is not there is told"
refused 4.1 "$(mount x "$H/closed" /x)" "mount 'x'.*Permission denied" "... one that the owner can't enter"
refused 5.1 "$(mount x "$H/link" /x)" "symbolic link" "... one behind a symbolic link"
refused 6.1 "$(mount x "$H/../etc" /x)" "EINVAL" "... a path upwards"
refused 7.1 "$(mount x "$H/alice/outside.txt" /x)" "Not a directory" "... and a file"
is "$(servers)$(domains)" "" "nothing is left of them"
run 8.1 batch "$(details '#!/bin/sh
true' '' batch root)"
heard '^event 8.1 gone '
like "$(grep '^event 8.1 gone' "$W/out")" "account 'root' with another uid" \
    "an account of the guest in the way is told by name"

drive_quit
DRIVE_PID=
done_testing
