#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t2200-image.t - vdi-image on good and bad files, and the demo desktop's picture; no VM, no root.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=$top_srcdir/build}"
. "$top_srcdir/tests/lib/tap.sh"

need qemu-img qemu-io zbarimg cpio jq
fonts=/usr/share/fonts/opentype/inter
[ -r $fonts/Inter-Medium.otf ] || skip_all "fonts-inter is not installed"

W=$(mktemp -d "${TMPDIR:-/tmp}/image.XXXXXX") || bail "no temporary directory"
trap 'rm -rf "$W"' EXIT
I=$W/images
mkdir -p "$I" "$W/fonts" "$W/bin" "$W/empty"
cd "$W" || bail "no temporary directory"
image() { "$top_builddir/vdi-image" --dir="$I" "$@"; }
disk() { qemu-img create -q -f qcow2 "$@"; }

# ---- prepare ----
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
exits 2 "a ready that is none" image prepare good.qcow2 --name=x --ready=soon
exits 2 "an option of another verb" image list --flatten
exits 2 "no verb" image
exits 1 "no qemu-img" env PATH="$W/empty" "$top_builddir/vdi-image" --dir="$I" prepare good.qcow2 \
    --name=x
like "$err" 'install qemu-utils' "... names its package"
is "$(find "$I" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')" "cad flat " \
    "what failed left nothing"

# ---- the runner, installed by a virt-customize that only writes down what it is asked ----
cat >"$W/bin/virt-customize" <<'END'
#!/bin/sh
printf '%s\n' "$@" >"$0.args"
exit "${VIRT_CODE:-0}"
END
chmod 755 "$W/bin/virt-customize"
export PATH=$W/bin:$PATH
exits 0 "--runner installs it by virt-customize" \
    image prepare good.qcow2 --name=run --runner --programs="$top_builddir"
like "$(cat "$W/bin/virt-customize.args")" "^$top_builddir/vdi-runner:/usr/sbin/vdi-runner$" \
    "... the program"
like "$(cat "$W/bin/virt-customize.args")" 'vdi-runner.service:/etc/systemd/system/' "... its unit"
is "$(jq -r .ready "$I/run/image.json")" runner "... and the guest is ready when it says so"
VIRT_CODE=3 exits 1 "when that fails, there is no image" \
    image prepare good.qcow2 --name=run2 --runner --programs="$top_builddir"
[ ! -e "$I/run2" ]; ok $? "... nor a part of one"

# ---- check ----
exits 0 "a good image" image check cad
like "$out" 'stands alone' "... its disk"
like "$out" 'structure is whole' "... what qemu-img says"
like "$out" 'no partition table: no firmware boots it' "... and that nothing boots it"
{ head -c 446 /dev/zero | tr '\0' '\353'; printf '\0\0\0\0\203'; head -c 59 /dev/zero; printf '\125\252'; } >mbr.raw
truncate -s 1M mbr.raw
qemu-img convert -q -f raw -O qcow2 mbr.raw mbr.qcow2
exits 0 "a disk with a master boot record" image check ./mbr.qcow2
like "$out" 'it boots by BIOS; templates must not say firmware = uefi' "... what boots it is told"
exits 0 "the same as an image for UEFI" image prepare ./mbr.qcow2 --name=mbr --firmware=uefi
exits 0 "... is no error of the node's" image check mbr
like "$out" 'no EFI system partition.*will not boot.*--firmware=bios' "... but what to do is said"
rm -r "$I/mbr"
like "$out" 'as image.json says' "... its digest"
bad() { # WHAT WORDS: check WHAT ends with 1 and says WORDS
    exits 1 "refused: $2" image check "$1"
    like "$out" "problem .*$2" "... and said"
}
copy() { cp -r "$I/cad" "$I/$1"; }
manifest() { echo "$2" >"$I/$1/image.json"; }
poke() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
copy digest && poke "$I/digest/disk.qcow2" 393300 x
bad digest 'SHA-256 is [0-9a-f]{64}, image.json says'
copy loose && chmod 666 "$I/loose/disk.qcow2"
bad loose 'written by others.*chmod'
copy open && chmod 777 "$I/open"
bad open 'others can write it'
copy gone && rm "$I/gone/disk.qcow2"
bad gone 'cannot be read'
copy linked && rm "$I/linked/disk.qcow2" && ln -s ../cad/disk.qcow2 "$I/linked/disk.qcow2"
bad linked 'it is a link'
copy json && manifest json '{"disk": "disk.qcow2", "speed": 1}'
bad json 'speed'
manifest json '{"disk": '
bad json 'JSON'
manifest json '{"disk": "../cad/disk.qcow2"}'
bad json 'no plain file name'
manifest json '{"ready": "agent"}'
bad json 'neither disk nor kernel'
head -c 20000 /dev/zero | tr '\0' ' ' >"$I/json/image.json"
bad json 'cannot be read'
mkdir "$I/kernel" && manifest kernel '{"kernel": "vmlinux", "initrd": "initrd"}'
echo kernel >"$I/kernel/vmlinux"
bad kernel 'initrd cannot be read.*put it there'
exits 3 "no such image" image check nothing
exits 2 "no name of an image" image check 'a b'

disk -o data_file="$W/data.raw" data.qcow2 1M
# QEMU measures a key derivation first, and now and then the clock is too coarse for it.
for _ in {1..30}; do
    disk --object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s \
        -o encrypt.iter-time=10 luks.qcow2 1M 2>/dev/null && break
done
# Byte 79 of the header ends the incompatible features; QEMU puts the first L2 table at 256 KiB.
cp good.qcow2 corrupt.qcow2 && poke corrupt.qcow2 79 '\002'
cp good.qcow2 open.qcow2 && poke open.qcow2 79 '\001'
cp good.qcow2 broken.qcow2 && poke broken.qcow2 $((65536 * 3)) '\377\377\377\377\377\377\377\377'
head -c 3000 /dev/urandom >junk.qcow2
: >empty.qcow2
for x in "data in another file.*qemu-img convert" "luks is encrypted" "corrupt marked corrupt" \
    "open not closed properly" "broken is damaged" "junk not a qcow2 file" \
    "empty something in it" "chain backing file.*--flatten"; do
    read -r file words <<<"$x"
    bad "$file.qcow2" "$words"
done
exits 0 "a file that may become an image" image check good.qcow2

# An initramfs is looked into.
(mkdir -p root/sbin && cd root && touch sbin/vdi-runner && find . | cpio -o -H newc --quiet) \
    >"$I/kernel/initrd"
manifest kernel '{"kernel": "vmlinux", "initrd": "initrd", "ready": "runner"}'
exits 0 "an image that is booted from a kernel" image check kernel
like "$out" 'the guest runner is inside' "... its initramfs is looked into"
manifest kernel '{"kernel": "vmlinux", "initrd": "initrd"}'
bad kernel 'waits for a guest agent that is not inside'
# A guestfish that finds the files named in HAS.
cat >"$W/bin/guestfish" <<'END'
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    is-file | is-dir) case "|$HAS|" in *"|$2|"*) echo true ;; *) echo false ;; esac ;;
    esac
    shift
done
END
chmod 755 "$W/bin/guestfish"
export HAS=/usr/sbin/vdi-runner
bad cad 'waits for a guest agent that is not inside.*install qemu-guest-agent'
like "$out" 'the guest runner is inside' "... what guestfish finds is told"
export HAS='/Windows/System32|/Program Files/Qemu-ga/qemu-ga.exe|/Windows/System32/drivers/vioser.sys'
exits 0 "Windows with its agent" image check cad
like "$out" 'it is Windows.*no guest runner.*login = prompt' "... says what it can't do"
like "$out" 'no virtio disk driver \(viostor\).*virtio-win-guest-tools' "... which driver is missing"
unlike "$out" 'vioser' "... and not one that is there"
HAS+='|/Windows/System32/drivers/viostor.sys'
exits 0 "with all of it" image check cad
like "$out" 'ok +virtio.s disk driver' "... it says so"

# ---- list ----
exits 0 "the images" image list
like "$out" '^cad +disk +64 MiB +agent +uefi +[0-9a-f]{12}$' "... a disk"
like "$out" '^kernel +kernel +0 MiB +agent +template +-$' "... a kernel"
like "$out" 'cannot be read' "... and what is wrong"

# ---- the picture ----
ln -s $fonts/Inter-Medium.otf "$W/fonts/regular.otf"
ln -s $fonts/Inter-SemiBold.otf "$W/fonts/bold.otf"
picture() { "$top_builddir/vdi-picture" --fonts "$W/fonts" --output "$W/picture.ppm" "$@"; }
code() { zbarimg --quiet --raw --nodbus "$W/picture.ppm" 2>/dev/null; }
for size in 640x400 1024x768 1280x800 1920x1080 800x1280; do
    VDI_JOB_ID=4711 VDI_JOB_NAME='a "name"' DEMO_NONCE=7f3a9c21d4 \
        exits 0 "a picture of $size" picture -s $size
    is "$(code)" "OSVDI job=4711 nonce=7f3a9c21d4" "... its QR code names job and nonce"
done
VDI_JOB_ID=1 VDI_NONCE=run picture -s 1280x800
is "$(code)" "OSVDI job=1 nonce=run" "the run's own nonce"
VDI_JOB_ID=1 VDI_NONCE=run DEMO_NONCE=mine picture -s 1280x800
is "$(code)" "OSVDI job=1 nonce=mine" "... the submitter's goes first"
DEMO_NONCE='a b' exits 1 "a nonce that is no word" picture
like "$err" 'nonce' "... is refused by name"
exits 2 "a size that is none" picture -s 12
exits 1 "a size that is too small" picture -s 100x100
exits 1 "no fonts" "$top_builddir/vdi-picture" --fonts "$W" --output "$W/x.ppm"
like "$err" '--fonts' "... it is said what to name"
exits 1 "no place to write" picture -o "$W/none/x.ppm"
done_testing
