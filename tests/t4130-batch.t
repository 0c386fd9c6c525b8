#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4130-batch.t - controller, node daemon and a batch script in a real VM: vdid and vdictld are
# killed in turn while it counts; neither the VM nor the script notices, all output arrives in
# order and once, and so does the exit status.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"

libvirt_need
need depmod
need jq
need setpriv
[ -x "$top_builddir/vdid" ] || skip_all "vdid is not built"
guest=$top_builddir/tests/guest-cache
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"

W=$(mktemp -d /tmp/vb.XXXXXX) || bail "no temporary directory"
VDI_DIR=$W # of vdi.sh
export VDI_DIR
NODE_PID=
cleanup() {
    local code=$?
    [ -z "$NODE_PID" ] || libvirt_in pkill -KILL -x vdid 2>/dev/null
    vdi_end KILL
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$W"

mkdir -p "$W/images/batch" "$W/state" "$W/lv" "$W/work" && chmod 700 "$W/state"
chown nobody "$W/work"
cp "$guest/vmlinuz" "$W/images/batch/"
guest_with_runner "$guest" "$W/images/batch/initrd"
printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 panic=-1","ready":"runner"}\n' \
    >"$W/images/batch/image.json"
port=$((10000 + RANDOM % 8000))
cat >"$W/vdi.conf" <<END
cluster = "scratch"
store = "sqlite:$W/vdi.db"
listen = {"unix:$W/vdictld.sock"}
node_listen = "127.0.0.1:$port"
pki_dir = "$W/pki"
plugin_dir = "$top_builddir/plugins.d"
kill_wait = 30
site "libvirt" { }
node "n1" { cpus = 2  memory = "2G" }
partition "main" { nodes = "n1"  default = true  batch_template = "batch" }
template "batch" { image = "batch"  vcpus = 1  memory = "128M" }
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
port_min = 24220
port_max = 24229
END
mkdir -m 700 "$W/node"
export VDI_URL=unix:$W/vdictld.sock PATH=$top_builddir:$PATH

node_start() {
    libvirt_in "$top_builddir/vdid" --config "$W/vdid.conf" >>"$W/vdid.log" 2>&1 &
    NODE_PID=$!
}
node_kill() {
    libvirt_in pkill -KILL -x vdid
    wait "$NODE_PID" 2>/dev/null
}
job() { vdi_api GET "/v1/jobs/$1" | jq -r ".$2"; }
job_is() { [ "$(job "$1" state)" = "$2" ]; }
node_is() { [ "$(vdi_api GET /v1/nodes/n1 | jq -r .state)" = "$1" ]; }
qemu_pid() { libvirt_in pgrep -f 'guest=vdi' | tr '\n' ' '; }
spool() { cat "$W"/state/spool/*/output 2>/dev/null; }
counted() { [ "$(spool | grep -c '^n')" -ge "$1" ]; }
more() { # that the script counts on
    local before
    before=$(spool | grep -c '^n')
    vdi_wait_for "more output" counted $((before + 15))
}
as_nobody() { setpriv --reuid "$(id -u nobody)" --regid "$(id -g nobody)" --clear-groups "$@"; }
story() {
    diag "$(
        vdi_api GET "/v1/jobs/$J/log" | cut -c 1-2000
        vdi_api GET /v1/instances
        tail -n 25 "$W/vdid.log"
        tail -n 25 "$W/vdictld.log"
    )"
}

libvirt_start "$W/lv"
vdictl pki init "$W/pki" scratch >/dev/null
vdi_start
vdi_wait_ready || bail "vdictld does not start"
vdictl node enroll n1 >"$W/token"
"$top_builddir/vdid" --config "$W/vdid.conf" --enroll <"$W/token" >/dev/null
node_start
J=1
vdi_wait_for "the node in service" node_is IDLE || story

cat >"$W/count.sh" <<'END'
#!/bin/sh
#VDI --job-name counting
echo "$(id -un) $VDI_JOB_ID $VDI_JOB_NAME $VDI_NODE"
i=0
while [ $i -lt 600 ]; do
    i=$((i + 1))
    echo "n $i"
    sleep 0.05
done
exit 3
END
chmod 755 "$W/count.sh"
submit() { (cd "$W/work" && as_nobody vdisubmit --parsable --time 1h "$@"); }
J=$(submit --no-requeue --output 'out-%j.txt' "$W/count.sh")
vdi_wait_for "job $J running" job_is "$J" RUNNING || story
is "$(job "$J" state)" RUNNING "a batch job runs in a real VM"
vdi_wait_for "some output" counted 20 || story
pid=$(qemu_pid)

for turn in 1 2; do
    node_kill
    is "$(qemu_pid)" "$pid" "$turn: vdid is killed: the VM goes on"
    node_start
    more || story
    vdi_kill
    more
    ok $? "$turn: vdictld is killed: the script counts on"
    vdi_start
    vdi_wait_ready || story
    is "$(job "$J" state)" RUNNING "... and its job runs"
    is "$(qemu_pid)" "$pid" "... in one and the same QEMU"
done
both() {
    node_kill
    vdi_kill
}
both
vdi_start
vdi_wait_ready || story
node_start
more
ok $? "both are killed at once: the script counts on"

vdi_wait_for "the job's end" job_is "$J" FAILED || story
is "$(job "$J" exit_code)" 3 "the exit status arrives"
like "$(spool | head -n 1)" "$W/work: No such file or directory: going to" \
    "where there is no working directory in the guest, its output begins with that"
is "$(spool | sed -n 2p)" "nobody $J counting n1" "the script ran as its owner, with its variables"
is "$(spool | grep '^n ' | md5sum)" "$(seq -f 'n %g' 600 | md5sum)" \
    "all output is there, in order, once"
cmp -s "$W/work/out-$J.txt" <(spool)
ok $? "the owner's file holds the same"
is "$(stat -c %U "$W/work/out-$J.txt")" nobody "... and is the owner's"
no_domain() { [ -z "$(libvirt_in virsh -c qemu:///system list --name 2>/dev/null | grep .)" ]; }
vdi_wait_for "no domain" no_domain || story
no_domain
ok $? "no VM is left"
is "$(as_nobody vdictl output "$J" | md5sum)" "$(spool | md5sum)" \
    "its owner reads all of the output when all is over"

[ "$tap_failed" -eq 0 ] || story
done_testing
