#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4120-node-errors.t - what can go wrong on a node, as the user reads it: an image that is missing
# or broken, a port that is taken, a disk that is full, a guest that panics or never gets ready.
# Each is one whole sentence at vdisubmit --wait and in the job's document, and leaves nothing.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/node.sh"

node_begin "$0"
I=$W/images
node_image kern "panic=-1" "console:GUEST-READY"
node_image disk "panic=-1" "console:GUEST-READY" ',"disk":"disk.qcow2"'
node_image late "panic=-1" "console:GUEST-READY" ',"disk":"disk.qcow2"'
node_image panic "die=panic" "console:NEVER-SAID"
node_image mute "panic=-1" "console:NEVER-SAID"
node_image agentless "panic=-1" "agent"
qemu-img create -q -f qcow2 "$I/disk/disk.qcow2" 64M
cp "$I/disk/disk.qcow2" "$I/late/"
mkdir "$I"/{broken,chain,loose,empty,words}
head -c 300000 /dev/urandom >"$I/broken/disk.qcow2"
qemu-img create -q -f qcow2 -b "$I/disk/disk.qcow2" -F qcow2 "$I/chain/disk.qcow2"
cp "$I/disk/disk.qcow2" "$I/loose/" && chmod 666 "$I/loose/disk.qcow2"
for d in broken chain loose empty; do echo '{"disk":"disk.qcow2"}' >"$I/$d/image.json"; done
: >"$I/empty/disk.qcow2"
echo '{"disk":' >"$I/words/image.json"

templates=()
for image in kern disk late broken chain loose empty words; do
    templates+=("template \"$image\" { image = \"$image\"  vcpus = 1  memory = \"128M\" }")
done
for image in panic mute agentless; do
    templates+=("template \"$image\" { image = \"$image\"  vcpus = 1  memory = \"128M\"
        boot_timeout = \"$([ $image = panic ] && echo 10m || echo 5s)\" }")
done
templates+=('template "absent" { image = "nowhere"  vcpus = 1  memory = "128M" }')
mkdir "$W/small"
node_write_conf 'kill_wait = 1' "${templates[@]}"
node_up
is "$(node_state)" IDLE "the node is in service"

# fails TEMPLATE STATE SENTENCE NAME: the sentence at both places.
# $id is its job.
fails() {
    exits 1 "$4: vdisubmit --wait ends with 1" vdisubmit --wait --no-requeue --desktop "$1"
    id=$(sed -n 's/.*job \([0-9]*\)$/\1/p' <<<"$out")
    like "$err" "^vdisubmit: job $id: $2: $3\$" "... and says why"
    is "$(node_job "$id" state)" "$2" "... the job is $2"
    like "$(node_job "$id" reason)" "^$3\$" "... and its document says the same"
    like "$(vdictl show job "$id")" "^reason: $3\$" "... vdictl show job too"
    vdi_wait_for "no copy" node_no_copy
    is "$(node_copies)" "" "... and nothing runs"
}

# ---- images ----
fails absent BOOT_FAIL "there is no image 'nowhere' on this node.*" "an image that is missing"
fails broken BOOT_FAIL ".*/broken/disk.qcow2 is not a qcow2 file.*" "an image that is none"
fails chain BOOT_FAIL ".*/chain/disk.qcow2 has a backing file; an image stands alone.*" \
    "an image that leads elsewhere"
fails loose BOOT_FAIL ".*/loose/disk.qcow2 can be written by others \(owner 0, mode 666\).*" \
    "an image that others can write"
fails empty BOOT_FAIL ".*/empty/disk.qcow2 is not a regular file with something in it.*" \
    "an image with nothing in it"
fails words BOOT_FAIL ".*/words/image.json: .*not valid JSON.*" "a manifest that is no JSON"
submit() { vdisubmit --parsable --desktop "$@"; }
J=$(submit disk)
vdi_wait_for "job $J running" node_job_is "$J" RUNNING || node_story
is "$(node_job "$J" state)" RUNNING "one that is good runs"
exits 0 "it is cancelled" vdicancel "$J"
vdi_wait_for "no copy" node_no_copy
printf 'x' | dd of="$I/disk/disk.qcow2" bs=1 seek=200000 conv=notrunc status=none
fails disk BOOT_FAIL ".*(corrupt|changed).*" "an image that changed since its first use"

# ---- guests ----
fails panic BOOT_FAIL "the guest's kernel panicked.*" "a guest that panics as it boots"
fails mute BOOT_FAIL "not ready (after|within) 5 s.*" "a guest that never gets ready"
like "$(vdictl show job "$id" --log)" 'finish +by vdictld -> BOOT_FAIL: not ready' "... its stages are shown"
fails agentless BOOT_FAIL "not ready (after|within) 5 s.*" "a guest without an agent"

# ---- ports ----
libvirt_in python3 -c 'import socket, time
held = []
for port in range(24200, 24210):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port)); s.listen(); held.append(s)
open("'"$W"'/bound", "w").close(); time.sleep(3600)' &
binder=$!
vdi_wait_for "all ports taken" test -e "$W/bound"
fails kern BOOT_FAIL ".*no port is free.*" "every port taken"
libvirt_in pkill -f 'range\(24200'
wait "$binder" 2>/dev/null
J=$(submit kern)
vdi_wait_for "job $J running" node_job_is "$J" RUNNING || node_story
is "$(node_job "$J" state)" RUNNING "ports are free again: a desktop runs"
exits 0 "it is cancelled" vdicancel "$J"
vdi_wait_for "no copy" node_no_copy

# ---- a full disk ----
# vdid starts anew on a state directory with room for its records and for no overlay.
node_kill
sed -i "s|^state_dir.*|state_dir = \"$W/small\"|" "$W/vdid.conf"
libvirt_in mount -t tmpfs -o size=4m,mode=700 none "$W/small"
cp "$W/state/epoch" "$W/epoch" && libvirt_in cp "$W/epoch" "$W/small/"
node_start
vdi_wait_for "the node back in service" node_is IDLE || node_story
libvirt_in bash -c "head -c 9M /dev/zero >'$W/small/filler'" 2>/dev/null
libvirt_in truncate -s -100K "$W/small/filler"
fails late BOOT_FAIL "the overlay could not be made: no space left in the node's state_dir" "no room for a disk"
libvirt_in test -z "$(libvirt_in find "$W/small/instances" -name 'overlay*' 2>/dev/null)"
ok $? "... no piece of it is left"
is "$(node_state)" IDLE "... and the node goes on"
libvirt_in rm "$W/small/filler"
J=$(submit late)
vdi_wait_for "job $J running" node_job_is "$J" RUNNING || node_story
is "$(node_job "$J" state)" RUNNING "there is room again: a desktop runs"
exits 0 "it is cancelled" vdicancel "$J"
vdi_wait_for "no copy" node_no_copy

exits 0 "the controller stops in order" vdi_stop
[ "$tap_failed" -eq 0 ] || node_story

done_testing
