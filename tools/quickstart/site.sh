# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# site.sh - quickstart's small cluster: its files in quickstart.d, and what it says of it.
#
# Paths in configuration files are those inside (/run/osvdi), so they are short and have no blanks.

RESOLUTION=1024x768
# shellcheck disable=SC2034 # of tests/lib/libvirt.sh
LIBVIRT_CACHE=quickstart.d/cache/libvirt

# Where the user's commands find the sockets: 107 bytes is all that an address holds.
set_sockets() {
    sockets=$top_srcdir/quickstart.d/run
    [ ${#sockets} -gt 80 ] || return 0
    sockets=/run/osvdi-quickstart-$(printf %s "$top_srcdir" | sha256sum | cut -c 1-12)
}

lock() {
    [ ! -L quickstart.d ] || die "quickstart.d is a link; remove it"
    as_owner mkdir -p quickstart.d && mkdir -p quickstart.d/log && exec 9>quickstart.d/lock ||
        die "quickstart.d can't be written; clone to a local disk that root can write to"
    flock -n 9 || die "another ./quickstart is at work in this folder; wait for it, or end it"
}

# Debian's packages take another GiB at most.
check_room() {
    local kib
    kib=$(df --output=avail -k . | tail -n 1)
    [ "$kib" -ge 1000000 ] || die "there are $((kib / 1024)) MiB free here; make room for 1 GiB"
}

# All but the build, caches, logs and the lock; and what is outside the tree.
remove_state() {
    rm -rf quickstart.d/{run,etc,ctl,node,libvirt,env}
    rm -f desktop.vv
    case $sockets in /run/*) rm -f "$sockets" ;; esac
}

# Two ports of loopback that nobody listens at.
free_port() {
    local port
    for port in $(shuf -i 20000-23999 -n 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
            echo "$port"
            return
        }
    done
}

write_vdi_conf() { # API-PORT NODE-PORT
    local d=/run/osvdi/quickstart.d munge=""
    [ ! -e quickstart.d/etc/munge.key ] || munge="socket = \"$d/run/munge.socket\""
    cat <<END
# vdi.conf of ./quickstart: one node, this machine, by software emulation. vdi.conf(5) has all keys.
cluster = "quickstart"
store = "sqlite:$d/ctl/vdi.db"
listen = {"unix:$d/run/vdictld.sock", "http:127.0.0.1:$1"}
node_listen = "127.0.0.1:$2"
pki_dir = "$d/ctl/pki"
plugin_dir = "$d/build/plugins.d"
site "libvirt" { }
auth "munge" { $munge }
node "here" { cpus = $(nproc)  memory = "$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)M" }
partition "main" { nodes = "here"  default = true  default_time = "1h"  batch_template = "batch" }
template "demo" { image = "demo"  vcpus = 1  memory = "256M"  resolution = "$RESOLUTION" }
template "batch" { image = "demo"  vcpus = 1  memory = "256M"  resolution = "$RESOLUTION" }
END
}

write_vdid_conf() { # NODE-PORT
    local d=/run/osvdi/quickstart.d
    cat <<END
node = "here"
cluster = "quickstart"
controller = "127.0.0.1:$1"
ca_file = "$d/node/ca.crt"
cert_file = "$d/node/node.crt"
key_file = "$d/node/node.key"
state_dir = "$d/node"
image_dir = "$d/cache/images"
accel = "tcg"
tcg_cache_mib = 64
END
}

write_env() {
    printf '# for a shell: . quickstart.d/env\nexport VDI_URL=%q PATH=%q:$PATH\n' \
        "unix:$sockets/vdictld.sock" "$top_srcdir/quickstart.d/build"
}

write_site() {
    local api node
    api=$(free_port) node=$(free_port)
    umask 022
    mkdir -p quickstart.d/{run,etc,libvirt} && mkdir -m 700 quickstart.d/{ctl,node} &&
        chown "$user_uid:$user_gid" quickstart.d/ctl quickstart.d/run || die "quickstart.d can't be written"
    [ "$sockets" = "$top_srcdir/quickstart.d/run" ] || ln -s "$top_srcdir/quickstart.d/run" "$sockets"
    libvirt_conf quickstart.d/libvirt
    # A munged that runs already will do.
    munge -n >/dev/null 2>&1 || (umask 077 && head -c 64 /dev/urandom >quickstart.d/etc/munge.key)
    write_vdi_conf "$api" "$node" >quickstart.d/etc/vdi.conf
    write_vdid_conf "$node" >quickstart.d/etc/vdid.conf
    write_env >quickstart.d/env
    as_user quickstart.d/build/vdictl pki init quickstart.d/ctl/pki quickstart >"$log/pki.log" 2>&1 ||
        fail pki "the node's authority can't be made"
}

stop_all() {
    stop
    echo "Nothing of it runs now, and nothing is left outside this folder but Debian's packages."
    echo "quickstart.d keeps the build and the logs: the next ./quickstart is quick. Remove it if you like."
}

status() {
    running || {
        echo "Nothing runs here. ./quickstart brings it up."
        exit 1
    }
    vdi vdictl ping && vdi vdiinfo && vdi vdiqueue
}

finish() {
    step ticket "Leaving a connection file" \
        vdi vdiconnect --force --output quickstart.d/run/desktop.vv "$job" || fail ticket "there is no ticket"
    chown "$user_uid:$user_gid" quickstart.d/run/desktop.png &&
        mv quickstart.d/run/desktop.{png,vv} . || die "desktop.png can't be written"
    cat <<END

desktop.png shows your desktop: job $job, nonce $nonce, in a real VM. It took $((SECONDS - began)) s.
desktop.vv opens it, within a minute from now:  remote-viewer desktop.vv

Try next:
  . quickstart.d/env                      the commands, and where the controller is
  vdiconnect $job                            opens the desktop; --output FILE makes another desktop.vv
  vdiqueue                                what runs and waits
  vdisubmit --wait --wrap 'uname -a'      a batch job in a VM of its own
  vdictl show job $job --log                 how your desktop started
  vdicancel $job                             ends it
  ./quickstart --stop                     ends and removes everything
END
}
