#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4150-images.t - published images and real VMs: a node without the image fetches it; a new
# version while three overlays run; what is in use stays in a full cache; edit publishes.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/node.sh"
node_begin "$0"
need qemu-img qemu-io

STORE=$W/store CACHE=$W/state/image-cache
# shellcheck disable=SC2034 # of node.sh
NODE_LINES='image_cache_mib = 80'
node_write_conf "image_store = \"$STORE\"" "image_listen = \"127.0.0.1:$((NODE_PORT + 1))\"" \
    'node_down_after = 30' 'kill_wait = 1'
sed -i "s/cpus = 2/cpus = 8/" "$W/vdi.conf"
cat >>"$W/vdi.conf" <<END
template "desk" { image = "cad"  vcpus = 1  memory = "128M" }
END

# make_image DIR MARK MIB: the small guest, with a disk that begins with so much of MARK.
make_image() {
    mkdir -p "$1"
    cp "$guest/vmlinuz" "$1/vmlinuz"
    cp "${INITRD:-$guest/initrd}" "$1/initrd"
    qemu-img create -q -f qcow2 "$1/disk.qcow2" 64M
    qemu-io -f qcow2 -c "write -P $2 0 ${3}M" "$1/disk.qcow2" >/dev/null
    printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1",%s}\n' \
        '"disk":"disk.qcow2","ready":"console:GUEST-READY"' >"$1/image.json"
}
version() { vdi_api GET /v1/images/cad | jq -r ".images[] | select(.version==$1) | .sha256"; }
current() { vdi_api GET /v1/images/cad | jq -r ".images[] | select(.current) | .$1"; }
submit() { vdi_api POST /v1/jobs -d '{"template":"desk"}' | jq -r .id; }
image_of() { vdi_api GET "/v1/instances/$(node_job "$1" instance)" | jq -r .image; }
runs() { [ "$(node_job "$1" state)" = RUNNING ]; }

make_image "$W/one" 1 12
make_image "$W/two" 2 12
make_image "$W/three" 3 24
# A guest that writes into its disk and shuts down: what an editor does.
mkdir "$W/edit" && cat >"$W/edit/init" <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
for m in $(/bin/busybox cat /modules); do /bin/busybox insmod "$m"; done
echo EDITED-HERE | /bin/busybox dd of=/dev/vda bs=512 seek=4096 conv=sync,fsync 2>/dev/null
/bin/busybox sync
/bin/busybox poweroff -f
END
chmod 755 "$W/edit/init"
(cd "$W/edit" && echo init | cpio -o -H newc --quiet | gzip -1) >"$W/edit.gz"
cat "$guest/initrd" "$W/edit.gz" >"$W/edit-initrd"
INITRD=$W/edit-initrd make_image "$W/four" 4 4

node_up

exits 0 "an image is published" vdi-image publish "$W/one" cad
like "$out" 'version 1 is the current one' "... as version 1"
[ ! -e "$CACHE/$(version 1)" ]
ok $? "the node does not have it"
jobs=()
for _ in 1 2 3; do jobs+=("$(submit)"); done
for job in "${jobs[@]}"; do
    vdi_wait_for "job $job to run" runs "$job" || node_story
done
ok 0 "three desktops run: the node has fetched it"
like "$(vdictl show job --log "${jobs[0]}" 2>&1)" 'fetch' "... and the log says so"
is "$(stat -c %a "$CACHE/$(version 1)/disk.qcow2")" 444 "... nobody can write it"
disk=$(find "$W/state" -name overlay.qcow2 | head -n 1)
like "$(qemu-img info -U "$disk")" "backing file: $CACHE/$(version 1)/disk.qcow2" \
    "... overlays are upon it"

# ---- a new version while they run ----
before=$(sha256sum <"$CACHE/$(version 1)/disk.qcow2")
exits 0 "another version is published meanwhile" vdi-image publish "$W/two" cad
new=$(submit)
vdi_wait_for "the new job to run" runs "$new" || node_story
is "$(image_of "$new")" "cad@sha256:$(version 2)" "a new job has the new version"
is "$(for job in "${jobs[@]}"; do image_of "$job"; done | sort -u)" "cad@sha256:$(version 1)" \
    "... the three have theirs"
n=0 bad=0
while read -r disk; do
    n=$((n + 1))
    qemu-img check -q -U "$disk" >/dev/null 2>&1 || bad=1
done < <(find "$W/state" -name overlay.qcow2)
is "$n $bad" "4 0" "... and all their disks check clean"
is "$(sha256sum <"$CACHE/$(version 1)/disk.qcow2")" "$before" "... upon an image that did not change"

# ---- a full cache ----
exits 0 "a third, larger version" vdi-image publish "$W/three" cad
exits 1 "... has no room beside two that are in use" vdi-image prefetch cad
like "$err" 'cache is full' "... which is said"
[ -e "$CACHE/$(version 1)" ] && [ -e "$CACHE/$(version 2)" ]
ok $? "... and none of the two went"
for job in "${jobs[@]}"; do vdi_api DELETE "/v1/jobs/$job" >/dev/null; done
ended() { [ "$(node_copies | wc -l)" = 1 ]; }
vdi_wait_for "the three to end" ended
fetched() { vdi-image prefetch cad >/dev/null 2>&1; }
vdi_wait_for "the third version to find room" fetched
[ ! -e "$CACHE/$(version 1)" ]
ok $? "when the three have ended, theirs made room"
[ -e "$CACHE/$(version 2)" ]
ok $? "... the one in use did not"
runs "$new"
ok $? "... whose desktop runs"
vdi_api DELETE "/v1/jobs/$new" >/dev/null
vdi_wait_for "the end of all" node_no_copy

# ---- edit ----
exits 0 "an image to be edited" vdi-image publish "$W/four" cad
exits 0 "edit boots it writable, and publishes what it leaves" \
    env TMPDIR="$W" vdi-image edit cad --store="$STORE" --memory=256M --accel=tcg --reason=edited
like "$out" 'version 5 is the current one' "... as the next version"
blob=$(current manifest | jq -r .sha256)
qemu-img convert -f qcow2 -O raw "$STORE/blobs/$blob" "$W/edited.raw"
is "$(dd if="$W/edited.raw" bs=512 skip=4096 count=1 2>/dev/null | tr -d '\0')" EDITED-HERE \
    "... with what the guest wrote in it"
is "$(current reason)" edited "... and why"
unlike "$(qemu-img info "$STORE/blobs/$blob")" 'backing file' "... it stands alone"
is "$(find "$W" -maxdepth 1 -name 'vdi-edit*' | wc -l)" 0 "... nothing is left of it"
vdi_end TERM
done_testing
