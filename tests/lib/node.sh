# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# node.sh - a controller and one node, n1, with real VMs, in network namespaces of their own:
# every port is free, and nothing of it is left behind.
#
#     . "$top_srcdir/tests/lib/node.sh"
#     node_begin "$0"             # skips the file, with the reason, where it can't run
#     node_image kern "panic=-1" "console:GUEST-READY"
#     node_write_conf LINE...     # further lines of vdi.conf; NODE_LINES: of vdid.conf; NODE_CPUS
#     node_up                     # until the node is IDLE
#
# With NODE_APART=1 the node has a network namespace of its own, and a wire to the controller
# that node_cut and its kin cut. $W is the directory of all; libvirt_in runs commands at the node.

: "${top_srcdir:?set by make check}" "${top_builddir:?set by make check}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"

NODE_PORT=24011 # in a namespace of our own
NODE_PID=
NODE_LINES=
W=

node_cleanup() {
    local code=$?
    vdi_end KILL
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}

# Runs the test anew in a network namespace of its own; what has to be downloaded is first.
node_begin() {
    libvirt_need
    need depmod jq ip
    [ -x "$top_builddir/vdid" ] || skip_all "vdid is not built"
    guest=$top_builddir/tests/guest-cache
    guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"
    if [ -z "${NODE_NAMESPACE:-}" ]; then
        unshare --net ip link add va type veth peer name vb 2>/dev/null ||
            skip_all "no namespaces of the network can be made here"
        NODE_NAMESPACE=1 exec unshare --net "$1"
    fi
    ip link set lo up
    W=$(mktemp -d /tmp/vn.XXXXXX) || bail "no temporary directory"
    trap node_cleanup EXIT
    trap 'exit 1' HUP INT TERM
    VDI_DIR=$W # of vdi.sh
    export VDI_DIR VDI_URL=unix:$W/vdictld.sock PATH=$top_builddir:$PATH
    NODE_CONTROLLER=127.0.0.1
    [ -z "${NODE_APART:-}" ] || NODE_CONTROLLER=10.77.0.1
    mkdir -p "$W/images" "$W/state" "$W/lv" "$W/node"
    chmod 700 "$W/state" "$W/node"
}

# node_image NAME CMDLINE READY [MORE]: the small guest of guest.sh.
node_image() {
    mkdir -p "$W/images/$1"
    cp "$guest/vmlinuz" "$guest/initrd" "$W/images/$1/"
    printf '{"kernel":"vmlinuz","initrd":"initrd","cmdline":"console=ttyS0 %s","ready":"%s"%s}\n' \
        "$2" "$3" "${4:-}" >"$W/images/$1/image.json"
}

# Further lines come first: a setting of the whole file may not stand behind a section.
node_write_conf() {
    {
        printf '%s\n' "$@"
        cat <<END
cluster = "scratch"
store = "sqlite:$W/vdi.db"
listen = {"unix:$W/vdictld.sock"}
node_listen = "$NODE_CONTROLLER:$NODE_PORT"
pki_dir = "$W/pki"
plugin_dir = "$top_builddir/plugins.d"
site "libvirt" { }
node "n1" { cpus = ${NODE_CPUS:-2}  memory = "2G" }
partition "main" { nodes = "n1"  default = true }
END
    } >"$W/vdi.conf"
    cat >"$W/vdid.conf" <<END
node = "n1"
cluster = "scratch"
controller = "$NODE_CONTROLLER:$NODE_PORT"
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
$NODE_LINES
END
}

node_wire() {
    ip link add va type veth peer name vb netns "$LIBVIRT_INIT" &&
        ip addr add 10.77.0.1/24 dev va && ip link set va up &&
        libvirt_in ip addr add 10.77.0.2/24 dev vb &&
        libvirt_in ip link set vb up && libvirt_in ip link set lo up || bail "no wire to the node"
}

# Nothing passes; nothing passes from the controller to the node; nothing comes from it. Frames
# that are lost go to a card that nobody has, and nobody is told.
node_cut() { ip link set va down; }
node_cut_to() { ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:99 dev va nud permanent; }
node_cut_from() {
    libvirt_in ip neigh replace 10.77.0.1 lladdr 02:00:00:00:00:99 dev vb nud permanent
}
node_mend() {
    ip link set va up
    ip neigh del 10.77.0.2 dev va 2>/dev/null
    libvirt_in ip neigh del 10.77.0.1 dev vb 2>/dev/null
    return 0
}

node_start() {
    libvirt_in "$top_builddir/vdid" --config "$W/vdid.conf" >>"$W/vdid.log" 2>&1 &
    NODE_PID=$!
}
node_kill() {
    libvirt_in pkill -KILL -x vdid
    wait "$NODE_PID" 2>/dev/null
}

node_up() {
    # shellcheck disable=SC2034 # of libvirt.sh
    [ -z "${NODE_APART:-}" ] || libvirt_apart=--net
    libvirt_start "$W/lv"
    [ -z "${NODE_APART:-}" ] || node_wire
    vdictl pki init "$W/pki" scratch >/dev/null || bail "no authority"
    vdi_start
    vdi_wait_ready || bail "vdictld does not start"
    vdi_wait_for "n1 to be known" vdictl show node n1
    vdictl node enroll n1 >"$W/token" || bail "no token"
    libvirt_in "$top_builddir/vdid" --config "$W/vdid.conf" --enroll <"$W/token" >>"$W/vdid.log" ||
        bail "the node is not enrolled"
    node_start
    vdi_wait_for "the node in service" node_is IDLE || node_story
}

node_job() { vdi_api GET "/v1/jobs/$1" | jq -r ".$2"; }
node_job_is() { [[ " $2 " == *" $(node_job "$1" state) "* ]]; } # ID "STATE..."
node_state() { vdi_api GET /v1/nodes/n1 | jq -r .state; }
node_is() { [ "$(node_state)" = "$1" ]; }
# Instances that have a QEMU, as "5-1"; not the guest that proves the emulator.
node_copies() { libvirt_in pgrep -af 'guest=[v]di-' | grep -o 'vdi-[0-9]*-[0-9]*' | sort -u; }
node_no_copy() { [ -z "$(node_copies)" ]; }
node_story() {
    diag "$(
        vdi_api GET /v1/jobs
        vdi_api GET /v1/instances
        libvirt_in virsh -c qemu:///system list --all
        tail -n 30 "$W/vdid.log"
        tail -n 30 "$W/vdictld.log"
    )"
}
