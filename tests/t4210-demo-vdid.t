#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4210-demo-vdid.t - the demo image as vdid starts it, through libvirt: its desktop is READY with a
# picture that names the job, a resolution is heeded, a stop ends it in an orderly way; as a seat it
# shows that it waits, and is bound to a job with a picture of that.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/drive.sh"

libvirt_need
need jq zbarimg depmod xz apt-get
[ -x "$top_builddir/tests/vdid_drive" ] || skip_all "tests/vdid_drive is not built"
cache=$top_builddir/tests/image-cache
I=$cache/images
for f in vdi-runner vdi-picture; do
    [ "$I/demo/image.json" -nt "$top_builddir/$f" ] || rm -rf "$I/demo"
done
mkdir -p "$I"
said=$("$top_builddir/vdi-image" demo --dir="$I" --programs="$top_builddir" \
    --cache="$cache/packages" --recipe="$top_srcdir/images/demo" 2>&1) || {
    grep -Eq "can't be downloaded|apt knows no" <<<"$said" &&
        skip_all "Debian's packages can't be downloaded"
    bail "$said"
}

W=$(mktemp -d /tmp/vd.XXXXXX) || bail "no temporary directory"
cleanup() {
    local code=$?
    [ -z "$DRIVE_PID" ] || kill -KILL "$DRIVE_PID" 2>/dev/null
    libvirt_stop
    rm -rf "$W"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# shellcheck disable=SC2034 # drive.sh's
accel=tcg ports="24160 24169" boot=300 state=$W/state
details=$(jq -cn '{job: {kind: "interactive", work_dir: "/"},
    template: {resolution: "1024x768"},
    owner: {name: "alice", uid: 64001, gid: 64001, home: "/home/alice", groups: []},
    env: ["VDI_CLUSTER=test"], payload: {environment: {DEMO_NONCE: "7f3a9c21d4"}}} | tojson')
shot() { order screenshot "${1:-1.1}"; jq -r .path <<<"${answer#* ok }"; }
code() { zbarimg --quiet --raw --nodbus "$(shot "${1:-1.1}")" 2>/dev/null; }
# Of a PNG or a PPM: QEMU makes what it can.
size() {
    if [ "$(head -c 2 "$1")" = P6 ]; then
        sed -n '2{p;q}' "$1"
    else
        od -A n -t u4 --endian=big -j 16 -N 8 "$1"
    fi
}
is_code() { [ -n "$(code)" ]; }

libvirt_start "$W/lv"
drive_start
order start 1.1 "\"image\":\"demo\",\"vcpus\":1,\"memory_mib\":256,\"resolution\":\"1024x768\",\"job\":7,\"template\":\"t\",\"details\":$details"
like "$answer" '^answer start 1.1 ok' "vdid starts the demo image"
heard '^event 1.1 ready '; ok $? "its runner and its picture make it ready"
vdi_wait_for "a QR code" is_code
is "$(code)" "OSVDI job=7 nonce=7f3a9c21d4" "vdid's own picture of it names job and nonce"
like "$(size "$(shot)")" '^ *1024 +768$' "... in the template's resolution"
began=$SECONDS
order stop 1.1 '"grace_sec":60'
like "$answer" ' ok' "a stop ends it"
[ $((SECONDS - began)) -lt 60 ]; ok $? "... before its grace is over"
diag "stopped after $((SECONDS - began)) s"
like "$(console 1.1)" 'reboot: Power down' "... the guest switched itself off"
no_domains() { [ -z "$(domains)" ]; }
vdi_wait_for "libvirt to drop the domain" no_domains
is "$(domains)" "" "... and the domain is gone"

# ---- a seat ----
seat=$(jq -cn '{template: {resolution: "1024x768"}, seat: {mounts: 0, disks: 0}} | tojson')
order start 2.1 "\"image\":\"demo\",\"vcpus\":1,\"memory_mib\":256,\"template\":\"t\",\"details\":$seat"
heard '^event 2.1 ready '; ok $? "a seat is ready by a picture, too: that it waits for its user"
is "$(code 2.1)" "" "... which is nobody's"
order bind 2.1 "\"job\":8,\"details\":$details"
like "$answer" '^answer bind 2.1 ok' "it is bound to a job"
is_code_of_8() { [ "$(code 2.1)" = "OSVDI job=8 nonce=7f3a9c21d4" ]; }
vdi_wait_for "the job's picture" is_code_of_8; ok $? "... and shows that job's desktop"
order stop 2.1
drive_quit
DRIVE_PID=
done_testing
