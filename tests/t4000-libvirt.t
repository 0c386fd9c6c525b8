#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4000-libvirt.t - real VMs under a private libvirtd, driven without a controller: boot, console,
# picture, crash of the driver, of QEMU and of libvirtd, save and restore, and what goes wrong.
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

W=$(mktemp -d /tmp/vd.XXXXXX) || bail "no temporary directory"
cleanup() {
    local code=$?
    [ -z "$DRIVE_PID" ] || kill -KILL "$DRIVE_PID" 2>/dev/null
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# ---- images ----
I=$W/images
mkdir -p "$I"/{kern,disk,off,panic,mute,bad,chain,loose}
for d in kern disk off panic mute; do cp "$guest/vmlinuz" "$guest/initrd" "$I/$d/"; done
manifest() { # NAME CMDLINE READY [MORE]
    printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 %s","ready":"%s"%s}\n' \
        "$2" "$3" "${4:-}" >"$I/$1/image.json"
}
manifest kern "panic=-1" "console:GUEST-READY"
manifest off "die=off" "console:GUEST-READY"
manifest panic "die=panic" "console:GUEST-READY"
manifest mute "panic=-1" "console:NEVER-SAID"
manifest disk "panic=-1" "console:GUEST-READY" ',"disk":"disk.qcow2"'
qemu-img create -q -f qcow2 "$I/disk/disk.qcow2" 64M
head -c 300000 /dev/urandom >"$I/bad/disk.qcow2"
qemu-img create -q -f qcow2 -b "$I/disk/disk.qcow2" -F qcow2 "$I/chain/disk.qcow2"
cp "$I/disk/disk.qcow2" "$I/loose/" && chmod 666 "$I/loose/disk.qcow2"
for d in bad chain loose; do echo '{"disk":"disk.qcow2"}' >"$I/$d/image.json"; done

accel=tcg ports="24100 24109" boot=300 state=$W/state

libvirt_start "$W/lv"
drive_start
heard '^service in'; ok $? "the node is in service under tcg: a guest was booted to prove it"

# ---- a VM ----
order start 1.1 "$(wish kern)"
like "$answer" '^answer start 1.1 ok' "a start is answered once the domain runs"
heard '^event 1.1 ready '; ok $? "the guest's text on the console makes it ready"
like "$(console 1.1)" '^GUEST-UP boot_id=' "its console is kept"
like "$(domains)" '^vdi-1-1 $' "libvirt knows the domain by instance and generation"
order poll 1.1
like "$answer" '"state":"ready","failed":false' "a poll is a site report"
order log 1.1
is "$(jq -r '[.stages[].name] | join(" ")' <<<"${answer#* ok }")" "image create first_byte ready" \
    "its stages are timed"
order screenshot 1.1
shot=$(jq -r .path <<<"${answer#* ok }")
like "$(head -c 4 "$shot" | od -A n -c)" 'P +N +G|P +6' "a picture can be taken"
order start 1.1 "$(wish kern)"
like "$answer" ' ok' "the same start again succeeds"
is "$(domains)" "vdi-1-1 " "... and starts nothing"
epoch=5 order poll 1.1
epoch=4 order stop 1.1
like "$answer" ESTALE "an order of an older epoch is refused"
epoch=5
order stop 9.1
like "$answer" ' ok' "a stop of what is not there succeeds"

# ---- SPICE ----
monitor() { libvirt_in virsh -c qemu:///system qemu-monitor-command "vdi-${1/./-}" "$2"; }
is "$(monitor 1.1 '{"execute":"query-spice"}' | jq -r .return.auth)" spice "SPICE is locked from the start"
is "$(monitor 1.1 '{"execute":"query-spice"}' | jq -r .return.port)" 24100 "... at a port of our range"
order ticket 1.1 "\"password\":\"0123456789abcdefXYZ\",\"expire_sec\":$(($(date +%s) + 60))"
like "$answer" ' ok' "a ticket opens it"
order ticket 1.1 "\"password\":\"0123456789abcdefXYZ\",\"expire_sec\":1"
like "$answer" EINVAL "... not one that has expired"
[ "$(grep -rc 0123456789abcdefXYZ "$state" "$W/log" "$W/lv/log" | grep -vc ':0$')" = 0 ]
ok $? "... and its password is in no file"

# ---- crash of the driver ----
uuid=$(libvirt_in virsh -c qemu:///system domuuid vdi-1-1)
pid=$(qemu_pid 1.1)
drive_kill
before=$(ticks 1.1)
drive_start
vdi_wait_for "more ticks" eval "[ \$(ticks 1.1) -gt $before ]"; ok $? "SIGKILL of the driver: the guest goes on"
order poll 1.1
like "$answer" '"state":"ready"' "it is found again"
is "$(qemu_pid 1.1)" "$pid" "... as the same QEMU"
is "$(libvirt_in virsh -c qemu:///system domuuid vdi-1-1)" "$uuid" "... the same domain"
order start 1.1 "$(wish kern)"
is "$(domains)" "vdi-1-1 " "... and a start again starts nothing"
epoch=4 order poll 1.1
like "$answer" ESTALE "... and the epoch is remembered too"

# ---- save and restore ----
boot_id=$(console 1.1 | sed -n 's/.*boot_id=//p' | tr -d '\r')
order save 1.1
like "$answer" ' ok' "memory is saved"
heard '^event 1.1 saved'; ok $? "... and told"
is "$(domains)" "" "... the domain is gone"
is "$(stat -c %a "$state/instances/1.1/save")" 600 "... the file is private"
n=$(ticks 1.1)
drive_kill
drive_start
order poll 1.1
like "$answer" '"state":"saved"' "saved is remembered over a crash"
order resume 1.1
like "$answer" ' ok' "it comes back"
vdi_wait_for "more ticks" eval "[ \$(ticks 1.1) -gt $n ]"; ok $? "... and goes on counting"
is "$(console 1.1 | grep -c boot_id)" 1 "... without a boot: same boot_id ($boot_id)"
[ ! -e "$state/instances/1.1/save" ]; ok $? "... the file is gone"

# ---- crash of libvirtd, and of QEMU meanwhile ----
say '{"verb":"list"}'
libvirt_kill_daemon
vdi_wait_for "connection again" eval "[ \$(grep -c 'connected to libvirt' '$W/log') -ge 4 ]"
ok $? "libvirtd is killed: the connection comes back"
order poll 1.1
like "$answer" '"state":"ready"' "... and the VM was never away"
order start 2.1 "$(wish kern)"
heard '^event 2.1 ready '
libvirt_in kill -KILL "$(qemu_pid 2.1)"
t0=$(date +%s%N)
heard '^event 2.1 gone '; ok $? "SIGKILL of QEMU is told"
ms=$((($(date +%s%N) - t0) / 1000000))
diag "told after $ms ms"
like "$(grep '^event 2.1 gone' "$W/out")" '"failed":true.*QEMU was killed' "... with the reason"
libvirt_in kill -STOP "$(libvirt_daemon_pid)"
libvirt_in kill -KILL "$(qemu_pid 1.1)"
heard '^event 1.1 gone '; ok $? "... also while libvirtd hangs"
libvirt_in kill -CONT "$(libvirt_daemon_pid)"

# ---- ends of other kinds ----
order start 3.1 "$(wish off)"
heard '^event 3.1 gone '; like "$(grep '^event 3.1 gone' "$W/out")" '"failed":false' "a guest that switches itself off has not failed"
order start 4.1 "$(wish panic)"
heard '^event 4.1 gone '; like "$(grep '^event 4.1 gone' "$W/out")" 'panicked' "a guest that panics has"
order start 5.1 "$(wish mute),\"boot_timeout_sec\":5"
heard '^event 5.1 gone '
like "$(grep '^event 5.1 gone' "$W/out")" 'not ready after 5 s; last stage: (create|first_byte)' "a boot that takes too long is ended"
order log 5.1
jq -er '.screenshot | length > 100' <<<"${answer#* ok }" >/dev/null; ok $? "... its picture is kept"
jq -er '.console | length > 0' <<<"${answer#* ok }" >/dev/null; ok $? "... and its console"

# ---- disks ----
sum=$(sha256sum <"$I/disk/disk.qcow2")
order start 6.1 "$(wish disk)"
heard '^event 6.1 ready '
like "$(console 6.1)" '^DISK 131072' "a disk image is there"
[ -s "$state/instances/6.1/overlay.qcow2" ]; ok $? "... through an overlay of its own"
order stop 6.1 '"grace_sec":1'
like "$answer" ' ok' "a guest that does not listen is ended after its grace"
[ ! -e "$state/instances/6.1/overlay.qcow2" ]; ok $? "... the overlay is gone"
is "$(sha256sum <"$I/disk/disk.qcow2")" "$sum" "... the image is as it was"
order start 6.1 "$(wish disk)"
is "$(domains)" "" "a start of what was stopped starts nothing"
order start 6.2 "$(wish disk)"
heard '^event 6.2 ready '; ok $? "the next generation starts"
order stop 6.1
like "$answer" ESTALE "an order for the one before is refused"
order stop 6.2
for x in "bad EUCLEAN not a qcow2" "chain EINVAL backing file" "loose EPERM written by others" \
    "none ENOENT there is no image" "../kern EINVAL not a name"; do
    read -r image code words <<<"$x"
    order start "7.$((++n7))" "$(wish "$image")"
    like "$answer" "$code.*$words" "image $image is refused: $words"
done
printf 'x' | dd of="$I/disk/disk.qcow2" bs=1 seek=200000 conv=notrunc status=none
order start 8.1 "$(wish disk)"
like "$answer" 'EUCLEAN.*(corrupt|changed)' "an image that changed since its first use is refused"
is "$(domains)" "" "... none of these left a domain"

# ---- ports ----
drive_quit
is $? 0 "an orderly end"
libvirt_in python3 -c 'import socket,time
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1",24100)); s.listen()
open("'"$W"'/bound","w").close(); time.sleep(600)' &
binder=$!
vdi_wait_for "a port taken" test -e "$W/bound"
ports="24100 24101"
drive_start
order start 10.1 "$(wish kern)"
is "$(monitor 10.1 '{"execute":"query-spice"}' | jq -r .return.port)" 24101 "a port that somebody has is passed over"
order start 11.1 "$(wish kern)"
like "$answer" 'EADDRINUSE.*no port is free' "... and when all are taken, it is said"
kill "$binder" 2>/dev/null
order stop 10.1
drive_quit

# ---- a full disk ----
cp "$I/disk/image.json" "$W/keep.json"
rm "$I/disk/disk.qcow2"; qemu-img create -q -f qcow2 "$I/disk/disk.qcow2" 64M
mkdir "$W/small"
libvirt_in mount -t tmpfs -o size=96k none "$W/small"
state=$W/small
drive_start
order start 12.1 "$(wish disk)"
like "$answer" 'ENOSPC|No space' "a full disk is said"
order poll 12.1
like "$answer" '"state":"gone","failed":true' "... and the instance is gone"
libvirt_in test ! -e "$W/small/instances/12.1/overlay.qcow2"; ok $? "... with its overlay"
drive_quit

# ---- KVM ----
state=$W/state accel=auto ports="24100 24109"
: >"$W/out"
drive_start
if seen '^service out'; then
    order start 13.1 "$(wish kern)"
    like "$answer" 'ENODEV.*out of service' "where KVM does not boot a guest, starts are refused with the reason"
else
    skip 1 "KVM works here" "a KVM that boots no guest takes the node out of service"
fi
drive_quit
DRIVE_PID=
done_testing
