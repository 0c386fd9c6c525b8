#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4100-node.t - controller, node daemon and a real VM: enrolment, a desktop, crashes of both
# daemons, of QEMU, a silent node, a lost node and its return. No second copy of anything.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"

libvirt_need
need depmod
need jq
[ -x "$top_builddir/vdid" ] || skip_all "vdid is not built"
guest=$top_builddir/tests/guest-cache
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"

W=$(mktemp -d /tmp/vn.XXXXXX) || bail "no temporary directory"
VDI_DIR=$W # of vdi.sh
export VDI_DIR
NODE_PID=
cleanup() {
    local code=$?
    [ -z "$NODE_PID" ] || { node_wake; libvirt_in pkill -KILL -x vdid; } 2>/dev/null
    vdi_end KILL
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$W/images/kern" "$W/state" "$W/lv" && chmod 700 "$W/state"
cp "$guest/vmlinuz" "$guest/initrd" "$W/images/kern/"
printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1",%s}\n' \
    '"ready":"console:GUEST-READY"' >"$W/images/kern/image.json"
port=$((10000 + RANDOM % 8000))
cat >"$W/vdi.conf" <<END
cluster = "scratch"
store = "sqlite:$W/vdi.db"
listen = {"unix:$W/vdictld.sock"}
node_listen = "127.0.0.1:$port"
pki_dir = "$W/pki"
plugin_dir = "$top_builddir/plugins.d"
node_down_after = 3
node_fail_after = 12
kill_wait = 2
site "libvirt" { }
node "n1" { cpus = 2  memory = "2G" }
partition "main" { nodes = "n1"  default = true }
template "desk" { image = "kern"  vcpus = 1  memory = "128M" }
END
cat >"$W/vdid.conf" <<END
node = "n1"
cluster = "scratch"
controller = "127.0.0.1:$port"
ca_file = "$W/node/ca.crt"
cert_file = "$W/node/node.crt"
key_file = "$W/node/node.key"
uri = "qemu:///system"
state_dir = "$W/state"
image_dir = "$W/images"
run_dir = "/run/libvirt/qemu"
accel = "tcg"
tcg_cache_mib = 16
port_min = 24200
port_max = 24209
END
mkdir -m 700 "$W/node"
export VDI_URL=unix:$W/vdictld.sock PATH=$top_builddir:$PATH

node_start() {
    libvirt_in "$top_builddir/vdid" --config "$W/vdid.conf" >>"$W/vdid.log" 2>&1 &
    NODE_PID=$!
}
# nsenter stops with its child, and then reaps nothing: the namespace could not end.
node_wake() { node_signal CONT; pkill -CONT -P "$NODE_PID"; }
node_signal() { libvirt_in pkill "-$1" -x vdid; }
job() { vdi_api GET "/v1/jobs/$1" | jq -r ".$2"; }
job_is() { [ "$(job "$1" state)" = "$2" ]; }
node_state() { vdi_api GET /v1/nodes/n1 | jq -r .state; }
node_is() { [ "$(node_state)" = "$1" ]; }
domains() { libvirt_in virsh -c qemu:///system list --name 2>/dev/null | grep -c .; }
no_domain() { [ "$(domains)" = 0 ]; }
qemu_pid() { libvirt_in pgrep -f 'guest=vdi' | tr '\n' ' '; } # not the one that proves the emulator
story() {
    diag "$(
        vdi_api GET "/v1/jobs/$J/log"
        vdi_api GET /v1/instances
        libvirt_in virsh -c qemu:///system list --all
        tail -n 25 "$W/vdid.log"
        tail -n 25 "$W/vdictld.log"
    )"
}

libvirt_start "$W/lv"
exits 0 "an authority is made" vdictl pki init "$W/pki" scratch
exits 1 "and not made twice" vdictl pki init "$W/pki" scratch
vdi_start
vdi_wait_ready || { story; bail "vdictld does not start"; }
is "$(node_state)" UNKNOWN "a node that was never seen is UNKNOWN"
vdictl node enroll n1 >"$W/token"
enrol() { "$top_builddir/vdid" --config "$W/vdid.conf" --enroll <"$W/token"; }
exits 0 "a token enrols the node" enrol
exits 1 "... once" enrol
is "$(stat -c %a "$W/node/node.key")" 600 "its key is its own"
node_start
vdi_wait_for "the node in service" node_is IDLE || story
is "$(node_state)" IDLE "the node is in service"

J=1
J=$(vdisubmit --parsable --no-requeue --desktop desk --time 1h)
vdi_wait_for "job $J running" job_is "$J" RUNNING || story
is "$(job "$J" state)" RUNNING "a desktop runs in a real VM"
is "$(domains)" 1 "... one domain"
qemu=$(qemu_pid)
ticket=$(vdi_api POST "/v1/jobs/$J/connection")
is "$(jq -r .provider <<<"$ticket")" qemu_spice "its owner gets a ticket"
is "$(jq -r '.password | length' <<<"$ticket")" 43 "... of 256 bits"
is "$(grep -c "$(jq -r .password <<<"$ticket")" "$W/vdid.log" "$W/vdictld.log" | grep -vc ':0$')" 0 \
    "... that stands in no log"

# ---- crashes ----
node_signal KILL
vdi_wait_for "the node silent" node_is DOWN || story
is "$(job "$J" unreachable)" true "its node silent, the job is unreachable"
is "$(job "$J" state)" RUNNING "... and believed to run on"
is "$(qemu_pid)" "$qemu" "... which it does"
node_start
reachable() { [ "$(job "$J" unreachable)" = false ]; }
vdi_wait_for "the job reachable again" reachable || story
is "$(job "$J" state)" RUNNING "vdid is back, and so is the job"
is "$(qemu_pid)" "$qemu" "... the same QEMU"
vdi_kill
vdi_start
vdi_wait_ready || story
node_busy() { [ "$(node_state)" = MIXED ] || [ "$(node_state)" = ALLOCATED ]; }
vdi_wait_for "the node back at the new controller" node_busy || story
is "$(job "$J" state)" RUNNING "the controller was killed: the job runs on"
is "$(qemu_pid)" "$qemu" "... in the same QEMU"

# ---- the end of QEMU ----
libvirt_in pkill -KILL -x qemu-system-x86
ended() { case $(job "$J" state) in COMPLETED | FAILED | NODE_FAIL) ;; *) false ;; esac; }
vdi_wait_for "the job's end" ended || story
like "$(job "$J" state)" '^(FAILED|NODE_FAIL)$' "QEMU's death ends the job"
vdi_wait_for "no domain" no_domain
is "$(domains)" 0 "nothing is left of it"

# ---- a node that is lost and comes back ----
J=$(vdisubmit --parsable --desktop desk --time 1h --requeue)
vdi_wait_for "job $J running" job_is "$J" RUNNING || story
node_signal STOP
vdi_wait_for "job $J waits again" job_is "$J" PENDING || story
is "$(job "$J" restarts)" 1 "after node_fail_after the job is queued again"
is "$(domains)" 1 "... while its VM runs on unseen"
node_wake
vdi_wait_for "job $J running again" job_is "$J" RUNNING || story
is "$(domains)" 1 "the node is back: one copy runs"
running=$(libvirt_in virsh -c qemu:///system list --name | grep .)
like "$running" "$(job "$J" instance)" "the domain is of the new instance"
exits 0 "the job is cancelled" vdicancel "$J"
vdi_wait_for "no domain" no_domain || story
is "$(domains)" 0 "nothing runs after the cancel"
is "$(find "$W/state/instances" -name 'overlay*' 2>/dev/null | wc -l)" 0 "no overlay is left"

[ "$tap_failed" -eq 0 ] || story

done_testing
