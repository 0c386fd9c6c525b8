#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# inside.sh - first process of quickstart's own mount and pid namespaces: with it all of it ends.
#
#     cd TREE && unshare --mount --pid --fork --kill-child --mount-proc --propagation slave \
#         bash TREE/tools/quickstart/inside.sh TREE run UID GID     the cluster, until it is killed
#         bash TREE/tools/quickstart/inside.sh TREE do COMMAND...   one command
#
# In there the tree is at /run/osvdi: short and without blanks, wherever it really lies. The host's
# /run is otherwise as it was, but for libvirt's: what runs there is neither seen nor disturbed.
set -u
tree=/run/osvdi
d=$tree/quickstart.d

mounts() {
    exec 8<. && libvirt_cover /run "libvirt libvirtd.pid mount osvdi" && mkdir /run/libvirt "$tree" &&
        cd /proc/self/fd/8 && mount -c --rbind . "$tree" && cd "$tree" && exec 8<&-
}

# keep NAME COMMAND...: starts it again when it ends; what ends too often is told once.
keep() {
    local name=$1 began ends=0 code
    shift
    while [ "$ends" -lt 5 ]; do
        began=$SECONDS code=0
        "$@" >>"$d/log/$name.log" 2>&1 </dev/null || code=$?
        echo "$(date +%T) $name ended with $code" >>"$d/log/inside.log"
        [ $((SECONDS - began)) -lt 60 ] && ends=$((ends + 1)) || ends=1
        sleep 1
    done
    failed "$name" "$name does not run"
}

# failed LOG SENTENCE: for quickstart, which waits.
failed() {
    echo "$*" >"$d/run/failed.new" && mv "$d/run/failed.new" "$d/run/failed"
}

# The controller's user has no capability, also when it is root.
as_controller() {
    setpriv --reuid="$uid" --regid="$gid" "$groups" --bounding-set=-all --inh-caps=-all \
        --no-new-privs "$@"
}

enrol() {
    as_controller env VDI_URL="unix:$d/run/vdictld.sock" "$d/build/vdictl" node enroll here |
        "$d/build/vdid" --config "$d/etc/vdid.conf" --enroll
}

run() {
    umask 022
    libvirt_mounts "$d/libvirt" "$d/cache/libvirt" || failed inside "libvirt has no place"
    keep libvirtd /usr/sbin/libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid &
    if [ -e "$d/etc/munge.key" ]; then
        keep munged munged --foreground --key-file="$d/etc/munge.key" --num-threads=2 \
            --socket="$d/run/munge.socket" --pid-file=/run/osvdi-munged.pid \
            --seed-file="$d/etc/munge.seed" --log-file="$d/log/munged-own.log" &
    fi
    keep vdictld as_controller "$d/build/vdictld" --config "$d/etc/vdi.conf" --foreground &
    until [ -e "$d/run/failed" ] ||
        VDI_URL="unix:$d/run/vdictld.sock" "$d/build/vdictl" ping >/dev/null 2>&1; do
        sleep 0.2
    done
    if [ -e "$d/node/node.crt" ] || enrol >"$d/log/enrol.log" 2>&1; then
        keep vdid "$d/build/vdid" --config "$d/etc/vdid.conf" &
    else
        failed enrol "the node gets no certificate"
    fi
    wait
    # Not the last word: --stop kills this.
    while :; do sleep 3600; done
}

. "$1/tests/lib/libvirt.sh"
mounts || exit 1
what=$2
shift 2
case $what in
run)
    uid=$1 gid=$2 groups=--clear-groups
    getent passwd "$uid" >/dev/null && groups=--init-groups
    run
    ;;
do) "$@" ;;
esac
