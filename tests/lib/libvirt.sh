# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# libvirt.sh - a private libvirtd with QEMU for shell tests: no systemd, no D-Bus, no trace left.
#
#     . "$top_srcdir/tests/lib/libvirt.sh"
#     libvirt_need              # skips the file, with the reason, where it can't run
#     libvirt_start "$dir"      # sets LIBVIRT_URI; $dir stays short (sockets).
#                               # LIBVIRT_QEMU_CONF: more lines of qemu.conf
#     libvirt_in CMD...         # runs in its namespaces: pids and paths are then the same as its
#     libvirt_kill_daemon       # SIGKILL to libvirtd alone; it is started again
#     libvirt_stop              # as power off: VMs included
#
# It runs in mount and pid namespaces of its own. The capabilities cache is shared by all tests
# of a build: the first start asks every QEMU that is installed, for up to a minute.

LIBVIRT_DIR=
LIBVIRT_INIT=
libvirt_apart= # --net: in a network namespace of its own too

libvirt_need() {
    local c
    [ "$(id -u)" -eq 0 ] || skip_all "only root can start a private libvirtd"
    for c in /usr/sbin/libvirtd virsh qemu-system-x86_64 qemu-img unshare nsenter busybox cpio; do
        command -v "$c" >/dev/null || skip_all "$c is not installed"
    done
    unshare --mount --pid --fork true 2>/dev/null || skip_all "no namespaces can be made here"
}

libvirt_conf() {
    rm -f "$1"/run/libvirt/libvirt-sock
    mkdir -p "$1"/etc/qemu "$1"/run/libvirt "$1"/lib "$1"/log "$LIBVIRT_CACHE"
    cat >"$1/etc/libvirtd.conf" <<END
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
END
    cat >"$1/etc/qemu.conf" <<END
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
seccomp_sandbox = 0
stdio_handler = "file"
${LIBVIRT_QEMU_CONF:-}
END
    # libvirtd insists that its default user exists, whatever qemu.conf says; only there it does.
    cp /etc/passwd /etc/group "$1/etc/"
    getent passwd libvirt-qemu >/dev/null ||
        echo "libvirt-qemu:x:64055:64055::/nonexistent:/bin/false" >>"$1/etc/passwd"
    getent group libvirt-qemu >/dev/null || echo "libvirt-qemu:x:64055:" >>"$1/etc/group"
}

# libvirt_cover DIR LEFT-OUT...: a tmpfs over DIR, and what was in DIR under it again. Relative
# names that mount(8) does not make absolute still lead to what the new mount hides. In a shell
# of its own: who calls it stays where it is.
libvirt_cover() (
    local dir=$1 left=" $2 " name
    cd "$dir" && mount -t tmpfs -o mode=755 none "$dir" || exit 1
    for name in * .[!.]*; do
        case $left in *" $name "*) continue ;; esac
        if [ -L "$name" ]; then
            cp -P "$name" "$dir/$name"
        elif [ -d "$name" ]; then
            mkdir "$dir/$name" && mount -c --rbind "$name" "$dir/$name"
        elif [ -e "$name" ]; then
            : >"$dir/$name" && mount -c --bind "$name" "$dir/$name"
        fi || echo "libvirt_cover: $dir/$name is left out" >&2
    done
)

# libvirt_mounts DIR CACHE: in a mount namespace, what libvirt_conf made; /run/libvirt is there.
# A folder that the host lacks is made in a cover: nothing is left on the host.
libvirt_mounts() {
    local parent
    for parent in /var/lib /var/cache /var/log; do
        [ -d "$parent/libvirt" ] || { libvirt_cover "$parent" "" && mkdir "$parent/libvirt"; } || return 1
    done
    mkdir -p "$1/lib/qemu" && mount --bind "$1/etc/passwd" /etc/passwd &&
        mount --bind "$1/etc/group" /etc/group && mount --bind "$1/run/libvirt" /run/libvirt &&
        mount --bind "$1/etc" /etc/libvirt && mount --bind "$1/lib" /var/lib/libvirt &&
        mount --bind "$2" /var/cache/libvirt && mount --bind "$1/log" /var/log/libvirt
}

# Runs as the namespaces' first process: reaps every orphan, starts libvirtd again when it dies.
libvirt_inside() {
    mount -t tmpfs none /run && mkdir /run/libvirt || exit 1
    libvirt_mounts "$1" "$2" || exit 1
    while :; do
        /usr/sbin/libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid &
        wait $! || true
        sleep 0.2
    done
}

libvirt_answers() { ! kill -0 "$LIBVIRT_UNSHARE" 2>/dev/null || virsh -c "$LIBVIRT_URI" version; }

libvirt_start() {
    LIBVIRT_DIR=$1
    LIBVIRT_CACHE=${LIBVIRT_CACHE:-$top_builddir/tests/libvirt-cache}
    LIBVIRT_URI="qemu+unix:///system?socket=$1/run/libvirt/libvirt-sock"
    libvirt_conf "$1"
    export -f libvirt_inside libvirt_mounts libvirt_cover
    # shellcheck disable=SC2086 # a word or none
    unshare $libvirt_apart --mount --pid --fork --kill-child --mount-proc --propagation private \
        bash -c 'libvirt_inside "$@"' _ "$1" "$LIBVIRT_CACHE" </dev/null >"$1/log/start.log" 2>&1 &
    LIBVIRT_UNSHARE=$!
    vdi_wait_for "libvirtd's answer" libvirt_answers
    LIBVIRT_INIT=$(pgrep -P "$LIBVIRT_UNSHARE" | head -n 1)
    [ -n "$LIBVIRT_INIT" ] || {
        diag "$(cat "$1/log/start.log")"
        bail "the private libvirtd does not start"
    }
}

libvirt_in() {
    # shellcheck disable=SC2086 # a word or none
    nsenter $libvirt_apart --target "$LIBVIRT_INIT" --mount --pid -- "$@"
}

libvirt_daemon_pid() { libvirt_in cat /run/libvirtd.pid; }

libvirt_kill_daemon() { libvirt_in kill -KILL "$(libvirt_daemon_pid)"; }

libvirt_stop() {
    [ -n "$LIBVIRT_DIR" ] || return 0
    [ -z "$LIBVIRT_INIT" ] || kill -KILL "$LIBVIRT_INIT" 2>/dev/null
    wait "$LIBVIRT_UNSHARE" 2>/dev/null
    LIBVIRT_DIR=
    LIBVIRT_INIT=
}
