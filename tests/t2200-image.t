#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t2200-image.t - vdi-image on good and bad files, and the demo desktop's picture; no VM, no root.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=$top_srcdir/build}"
. "$top_srcdir/tests/lib/tap.sh"

need qemu-img zbarimg cpio jq
fonts=/usr/share/fonts/opentype/inter
[ -r $fonts/Inter-Medium.otf ] || skip_all "fonts-inter is not installed"

W=$(mktemp -d "${TMPDIR:-/tmp}/image.XXXXXX") || bail "no temporary directory"
trap 'rm -rf "$W"' EXIT
I=$W/images
mkdir -p "$I" "$W/fonts" "$W/bin"
image() { "$top_builddir/vdi-image" --dir="$I" "$@"; }
disk() { qemu-img create -q -f qcow2 "$@"; }

# ---- prepare ----
cd "$W" || exit 1
disk good.qcow2 64M
qemu-io -f qcow2 -c 'write -P 7 1M 64k' good.qcow2 >/dev/null 2>&1
exits 0 "a qcow2 becomes an image" image prepare good.qcow2 --name=cad --firmware=uefi --video=qxl
like "$out" 'systemctl enable vdi-runner' "... and it is said how the runner is installed in it"
is "$(jq -c '[.disk,.ready,.video,.firmware]' "$I/cad/image.json")" \
    '["disk.qcow2","agent","qxl","uefi"]' "... image.json says what was asked for"
is "$(jq -r .sha256 "$I/cad/image.json")" "$(sha256sum <"$I/cad/disk.qcow2" | cut -d ' ' -f 1)" \
    "... and the digest"
qemu-img compare -q good.qcow2 "$I/cad/disk.qcow2"; ok $? "... the disk holds the same"
is "$(stat -c %a "$I/cad" "$I/cad"/* | tr '\n' ' ')" "755 644 644 " "... nobody else can write it"
exits 1 "the same name again is refused" image prepare good.qcow2 --name=cad
like "$err" 'already.*another name' "... images never change"
disk -b "$W/good.qcow2" -F qcow2 chain.qcow2
exits 1 "a backing file is not followed by itself" image prepare chain.qcow2 --name=flat
like "$err" 'backing file.*--flatten' "... it is said how"
exits 0 "... it is with --flatten" image prepare chain.qcow2 --name=flat --flatten
qemu-img compare -q good.qcow2 "$I/flat/disk.qcow2"; ok $? "... and both are in the copy"
exits 2 "no name" image prepare good.qcow2
exits 2 "a name that leads elsewhere" image prepare good.qcow2 --name=../x
exits 3 "no such file" image prepare none.qcow2 --name=x
exits 2 "an unknown firmware" image prepare good.qcow2 --name=x --firmware=coreboot
exits 2 "a ready that is none is refused" image prepare good.qcow2 --name=x --ready=soon
exits 2 "an option of another verb" image list --flatten
PATH=/nonexistent exits 1 "no qemu-img" "$top_builddir/vdi-image" --dir="$I" prepare good.qcow2 --name=x
like "$err" 'install qemu-utils' "... names its package"
is "$(find "$I" -mindepth 1 -maxdepth 1 -printf '%f ' | tr ' ' '\n' | sort | tr '\n' ' ')" " cad flat " \
    "what failed left nothing"

# ---- the runner, installed by a virt-customize that only writes down what it is asked ----
cat >"$W/bin/virt-customize" <<'END'
#!/bin/sh
printf '%s\n' "$@" >"$0.args"
exit "${VIRT_CODE:-0}"
