#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4230-secure-boot.t - firmware = uefi-secure and tpm = yes in a real VM: what Debian signed boots,
# the guest knows that Secure Boot is on and has a TPM 2.0 that answers; a changed kernel is refused.
# shellcheck disable=SC2034,SC2016 # what drive.sh and guest.sh read; the guest's shell expands
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"
. "$top_srcdir/tests/lib/drive.sh"

PATH=$PATH:/usr/sbin:/sbin
libvirt_need
need depmod jq swtpm swtpm_setup sfdisk mkfs.vfat mcopy
[ -e /usr/share/OVMF/OVMF_CODE_4M.ms.fd ] || skip_all "ovmf is not installed"
[ -x "$top_builddir/tests/vdid_drive" ] || skip_all "tests/vdid_drive is not built"
guest=$top_builddir/tests/guest-secure-cache
GUEST_MODULES+=" tpm_crb efivarfs"
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"
if [ ! -e "$guest/grubx64.efi" ]; then
    (cd "$guest" && apt-get -qq download shim-signed grub-efi-amd64-signed >/dev/null 2>&1) ||
        skip_all "Debian's packages can't be downloaded"
    for f in "$guest"/*.deb; do dpkg-deb -x "$f" "$guest/signed"; done
    cp "$guest/signed/usr/lib/shim/shimx64.efi.signed" "$guest/shimx64.efi"
    cp "$guest/signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$guest/grubx64.efi"
    rm -r "$guest/signed" "$guest"/*.deb
fi

W=$(mktemp -d /tmp/vu.XXXXXX) || bail "no temporary directory"
cleanup() {
    local code=$?
    [ -z "$DRIVE_PID" ] || kill -KILL "$DRIVE_PID" 2>/dev/null
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
export VDI_WRITER=$top_builddir/vdi-writer MTOOLS_SKIP_CHECK=1

# make_image NAME KERNEL: one partition, with shim, GRUB, kernel and initramfs.
I=$W/images
make_image() {
    local raw=$W/disk.raw esp=$W/esp.fat
    mkdir -p "$I/$1"
    rm -f "$raw" "$esp"
    truncate -s 96M "$esp" && truncate -s 100M "$raw"
    printf 'linux /vmlinuz console=ttyS0 panic=-1 quiet\ninitrd /initrd\nboot\n' >"$W/grub.cfg"
    mkfs.vfat -F 32 "$esp" >/dev/null && mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/EFI/debian &&
        mcopy -i "$esp" "$guest/shimx64.efi" ::/EFI/BOOT/BOOTX64.EFI &&
        mcopy -i "$esp" "$guest/grubx64.efi" ::/EFI/BOOT/grubx64.efi &&
        mcopy -i "$esp" "$W/grub.cfg" ::/EFI/debian/grub.cfg &&
        mcopy -i "$esp" "$2" ::/vmlinuz && mcopy -i "$esp" "$W/initrd" ::/initrd &&
        printf 'label: gpt\nstart=2048, size=196608, type=uefi\n' | sfdisk --quiet "$raw" &&
        dd "if=$esp" "of=$raw" bs=1M seek=1 conv=notrunc,sparse status=none &&
        qemu-img convert -q -f raw -O qcow2 "$raw" "$I/$1/disk.qcow2" &&
        echo '{"disk": "disk.qcow2", "ready": "runner", "firmware": "uefi-secure"}' >"$I/$1/image.json" ||
        bail "the image $1 can't be made"
}
guest_with_runner "$guest" "$W/initrd"
make_image good "$guest/vmlinuz"
# Another byte in the middle of its code: the signature is not of this file.
cp "$guest/vmlinuz" "$W/changed"
printf '\125\252\125' | dd of="$W/changed" bs=1 seek=3000000 conv=notrunc status=none
make_image changed "$W/changed"

# As root in the guest. A command of TPM 2.0, Part 3: GetRandom of 8 bytes.
cat >"$W/script" <<'END'
#!/bin/sh
cat >/tmp/root.mine <<'ROOT'
mount -t efivarfs none /sys/firmware/efi/efivars
echo "SECURE-BOOT $(od -A n -t u1 -j 4 /sys/firmware/efi/efivars/SecureBoot-*)" >/dev/console
echo "TPM $(cat /sys/class/tpm/tpm0/tpm_version_major)" >/dev/console
exec 3<>/dev/tpm0
printf '\200\001\000\000\000\014\000\000\001\173\000\010' >&3
echo "RANDOM $(od -A n -t x1 -N 20 <&3 | tr -d '\n')" >/dev/console
dmesg | grep -i 'secure boot' >/dev/console
echo ROOT-DONE >/dev/console
ROOT
mv /tmp/root.mine /tmp/root
# And again, as long as it lives.
while :; do
    sleep 3
    cat >/tmp/root.mine <<'ROOT'
exec 3<>/dev/tpm0
printf '\200\001\000\000\000\014\000\000\001\173\000\010' >&3
echo "AGAIN $(od -A n -t x1 -N 20 <&3 | tr -d '\n')" >/dev/console
ROOT
    [ -e /tmp/root ] || mv /tmp/root.mine /tmp/root
done
END
details=$(jq -cn --rawfile script "$W/script" '{job: {kind: "batch", work_dir: "/"},
    owner: {name: "alice", uid: 64001, gid: 64001, home: "/home/alice", groups: []},
    env: [], payload: {script: $script, args: [], environment: {}}} | tojson')
accel=tcg ports="24230 24239" boot=900 state=$W/state
secure() {
    echo "\"image\":\"$1\",\"vcpus\":1,\"memory_mib\":384,\"job\":7,\"firmware\":\"uefi-secure\",\"tpm\":true,\"details\":$details"
}
said() { console "$1" | grep -aq "$2"; }

exits 0 "vdi-image check --boot does it with Secure Boot, too" "$top_builddir/vdi-image" check good \
    --dir="$I" --boot --memory=384M --timeout=900
like "$out" 'it boots by UEFI$' "... it sees the system partition"
like "$out" 'it boots: the runner' "... and its runner"

libvirt_start "$W/lv"
drive_start
began=$SECONDS
order start 1.1 "$(secure good)"
like "$answer" '^answer start 1.1 ok' "a guest with Secure Boot and a TPM is started"
heard '^event 1.1 ready '; ok $? "what Debian signed boots, and its runner is ready"
diag "ready after $((SECONDS - began)) s"
vdi_wait_for "the guest's words" said 1.1 ROOT-DONE || diag "$(console 1.1 | tail -n 20)"
like "$(console 1.1 | tr -d '\r')" '^SECURE-BOOT .* 1$' "the guest's firmware says that Secure Boot is on"
like "$(console 1.1)" 'Secure boot enabled|Secure Boot' "... and its kernel says so"
like "$(console 1.1 | tr -d '\r')" '^TPM 2$' "its TPM is a 2.0"
# Tag 8001, size 20, no error, 8 bytes: of which not all are alike.
like "$(console 1.1)" 'RANDOM +80 01 00 00 00 14 00 00 00 00 00 08( [0-9a-f]{2}){8}' "... that answers"

# ---- its TPM's state goes with a save ----
order save 1.1
like "$answer" '^answer save 1.1 ok' "it is saved"
is "$(domains)" "" "... and gone from the node's memory"
before=$(console 1.1 | grep -ac '^AGAIN')
order resume 1.1
like "$answer" '^answer resume 1.1 ok' "... and resumed"
answers_again() { [ "$(console 1.1 | grep -Eac '^AGAIN +80 01 00 00 00 14 00 00 00 00 00 08')" -gt "$before" ]; }
vdi_wait_for "the TPM's answer" answers_again; ok $? "its TPM answers as before"
order stop 1.1 '"grace_sec":60'
like "$answer" ' ok' "it is stopped"
keeps_no_tpm() { [ -z "$(libvirt_in sh -c 'ls /var/lib/libvirt/swtpm 2>/dev/null')" ]; }
vdi_wait_for "the end of its TPM" keeps_no_tpm; ok $? "... and nothing of its TPM is kept" ||
    diag "$(libvirt_in find /var/lib/libvirt/swtpm -ls)"

order start 2.1 "$(secure changed)"
like "$answer" '^answer start 2.1 ok' "a guest whose kernel was changed is started"
vdi_wait_for "GRUB's words" said 2.1 'bad shim signature'
ok $? "... and does not boot: bad shim signature" || diag "$(console 2.1 | tail -n 20)"
unlike "$(console 2.1)" 'GUEST-UP' "... no line of it ran"
order stop 2.1 '"grace_sec":0'
drive_quit
DRIVE_PID=
done_testing
