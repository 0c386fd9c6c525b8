# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# hosts.sh - hosts made of namespaces, on one switch: each with a network, a name and an /etc,
# /var, /run, /usr/local, /home and /root of its own. Nothing of the machine's is written.
#
#     hosts_apart "$0"            # runs the test anew where all ends with it; sets W
#     host_start NAME ADDRESS     # then host_in NAME COMMAND...
#
# Processes are all in one pid namespace, whose first is the test. Commands of $W/bin come first;
# ssh(1) there leads from one host to the other.

HOST_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOST_DIRS="/etc /var/lib /var/log /var/cache /var/backups /usr/local /home /root"

hosts_apart() {
    local code=0
    if [ -z "${HOSTS_W:-}" ]; then
        [ "$(id -u)" -eq 0 ] || skip_all "only root can make hosts of namespaces"
        unshare --net ip link add va type veth peer name vb 2>/dev/null ||
            skip_all "no namespaces of the network can be made here"
        HOSTS_W=$(mktemp -d /tmp/vh.XXXXXX) || bail "no temporary directory"
        chmod 755 "$HOSTS_W"
        HOSTS_W=$HOSTS_W unshare --net --mount --pid --fork --kill-child --mount-proc \
            --propagation private "$1" || code=$?
        if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $HOSTS_W"; else rm -rf "$HOSTS_W"; fi
        exit "$code"
    fi
    W=$HOSTS_W
    mkdir -p "$W/bin" && ip link set lo up && ip link add switch type bridge &&
        ip link set switch up || bail "no switch for the hosts"
    cat >"$W/bin/ssh" <<END
#!/bin/bash
pid=\$(cat "$W/\${1#*@}/pid") && shift &&
    exec nsenter --target "\$pid" --net --mount --uts -- bash -c "\$*"
END
    chmod 755 "$W/bin/ssh"
}

# The host's first process. A directory that can't be covered ends it before anything is written.
host_inside() {
    local name=$1 dir=$2 place
    hostname "$name" && ip link set lo up || exit 1
    # What apt knows is the machine's, to read.
    for place in /var/lib/apt /var/lib/dpkg; do
        mount --bind "$place" "$dir$place" && mount -o remount,bind,ro "$dir$place" || exit 1
    done
    for place in $HOST_DIRS; do
        mount --rbind "$dir$place" "$place" || exit 1
    done
    mount -t tmpfs -o mode=755 none /run && echo "$name" >/run/host || exit 1
    while :; do sleep 3600; done
}

host_ready() { host_in "$1" grep -qx "$1" /run/host; }

host_start() { # NAME ADDRESS
    local dir=$W/$1 place
    for place in $HOST_DIRS /var/lib/apt /var/lib/dpkg; do
        mkdir -p "$dir$place" || bail "no room for a host"
    done
    cp -a /etc/. "$dir/etc/" || bail "no copy of /etc"
    export -f host_inside
    HOST_DIRS=$HOST_DIRS unshare --net --mount --uts --propagation private \
        bash -c 'host_inside "$@"' _ "$1" "$dir" >"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    vdi_wait_for "host $1" host_ready "$1" || bail "host $1: $(cat "$dir/log")"
    ip link add "to-$1" type veth peer name eth0 netns "$(cat "$dir/pid")" &&
        ip link set "to-$1" master switch && ip link set "to-$1" up &&
        host_in "$1" ip addr add "$2/24" dev eth0 && host_in "$1" ip link set eth0 up ||
        bail "host $1 has no network"
}

host_in() {
    local pid
    pid=$(cat "$W/$1/pid") || return 1
    shift
    nsenter --target "$pid" --net --mount --uts -- \
        env -i PATH="$W/bin:$HOST_PATH" HOME=/root LANG=C.UTF-8 "$@"
}
