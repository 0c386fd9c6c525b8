#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4020-save-full.t - a real VM whose memory finds no room: before it is saved, and while it is.
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
    umount "$W/state" 2>/dev/null
    rm -rf "$W"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$W/state" "$W/images/kern"
# 128 MiB of guest, and 64 more that a save wants to see free.
mount -t tmpfs -o size=230m,mode=711 none "$W/state" || skip_all "no file system can be mounted here"
cp "$guest/vmlinuz" "$guest/initrd" "$W/images/kern/"
echo '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1",
    "ready":"console:GUEST-READY"}' >"$W/images/kern/image.json"

I=$W/images accel=tcg ports="24170 24179" boot=300 state=$W/state
instance=$state/instances/1.1
ticks_on() {
    local n
    n=$(ticks 1.1)
    vdi_wait_for "more ticks" eval "[ \$(ticks 1.1) -gt $n ]"
}
avail_mib() { df --output=avail -BM "$state" | tail -n 1 | tr -dc 0-9; }
fill_to() { fallocate -l "$(($(avail_mib) - $1))M" "$state/filler"; } # so many MiB stay

libvirt_start "$W/lv"
drive_start
order start 1.1 "$(wish kern)"
heard '^event 1.1 ready '; ok $? "a VM runs"

fill_to 100
order save 1.1
like "$answer" 'ENOSPC.* MiB are free of the 192 MiB' "without room for its memory a save is refused"
[ ! -e "$instance/save.part" ]; ok $? "... and not tried"
ticks_on; ok $? "... the VM runs on"
rm "$state/filler"

# The disk fills up while its memory is written; a save that was faster is done again.
full=no
for _ in 1 2 3 4 5 6 7 8; do
    {
        until [ -e "$instance/save.part" ]; do :; done
        fill_to 1
    } &
    filler=$!
    order save 1.1
    wait "$filler"
    if [[ $answer == *" ok"* ]]; then
        rm -f "$state/filler"
        order resume 1.1
        continue
    fi
    full=yes
    break
done
is "$full" yes "a disk that fills up while memory is written to it makes the save fail"
like "$answer" 'ENOSPC.* MiB are free' "... and says so"
[ ! -e "$instance/save.part" ]; ok $? "... nothing is left of it"
order poll 1.1
like "$answer" '"state":"ready"' "... the VM is as it was"
ticks_on; ok $? "... and runs on"
is "$(console 1.1 | grep -c boot_id)" 1 "... without a boot"

rm "$state/filler"
order save 1.1
like "$answer" ' ok' "with room it is saved"
is "$(stat -c '%a %u' "$instance/save")" "600 0" "... for root alone"
sum=$(sha256sum <"$instance/save" | cut -d' ' -f1)
is "$(jq -r .save_sha256 "$instance/record.json")" "$sum" "... its digest is in the record"
is "$(domains)" "" "... and the domain is gone"
order resume 1.1
like "$answer" ' ok' "it comes back"
ticks_on; ok $? "... and goes on counting"
[ ! -e "$instance/save" ]; ok $? "... the file is removed"
order save 1.1
order stop 1.1
like "$answer" ' ok' "a saved one is ended"
[ ! -e "$instance/save" ]; ok $? "... with its file"
drive_quit
DRIVE_PID=
done_testing
