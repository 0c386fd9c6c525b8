# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# drive.sh - tests/vdid_drive for shell tests: a node's instances without a controller.
#
#     . libvirt.sh first; W is the test's directory, I that of its images
#     accel=tcg ports="24100 24109" boot=300 state=$W/state
#     drive_start; order start 1.1 "$(wish NAME)"; heard '^event 1.1 ready '
#
# It runs in libvirt's namespaces. What it says is in $W/out, its log in $W/log.

DRIVE_PID=
drive_start() {
    rm -f "$W/in"
    mkfifo "$W/in"
    : >"$W/out"
    # shellcheck disable=SC2086
    libvirt_in "$top_builddir/tests/vdid_drive" qemu:///system "$state" "$I" /run/libvirt/qemu \
        $accel $ports $boot <"$W/in" >>"$W/out" 2>>"$W/log" &
    DRIVE_PID=$!
    exec 7>"$W/in"
    heard 'service'
}
# The driver itself, not nsenter before it.
drive_kill() {
    libvirt_in kill -KILL "$(sed -n 's/^pid //p' "$W/out")"
    wait "$DRIVE_PID" 2>/dev/null
}
drive_quit() {
    exec 7>&-
    wait "$DRIVE_PID"
}
say() { echo "$1" >&7; }
seen() { grep -Eq -e "$1" "$W/out"; }
heard() {
    vdi_wait_for "$1" seen "$1" && return 0
    diag "$(tail -n 20 "$W/out" "$W/log")"
    return 1
}
order() { # VERB ID [MORE]: and waits for its answer, which is left in $answer
    local n
    n=$(grep -c "^answer $1 $2 " "$W/out")
    say "{\"verb\":\"$1\",\"instance\":${2%.*},\"generation\":${2#*.},\"epoch\":${epoch:-1}${3:+,$3}}"
    vdi_wait_for "answer $((n + 1)) to $1 $2" eval "[ \$(grep -c '^answer $1 $2 ' '$W/out') -gt $n ]" ||
        diag "$(tail -n 20 "$W/out" "$W/log")"
    # shellcheck disable=SC2034 # the caller reads it
    answer=$(grep "^answer $1 $2 " "$W/out" | tail -n 1)
}
wish() { echo "\"image\":\"$1\",\"vcpus\":1,\"memory_mib\":128"; }
console() { cat "$state/instances/$1/console.log"; }
qemu_pid() { libvirt_in cat "/run/libvirt/qemu/vdi-${1/./-}.pid"; }
domains() { libvirt_in virsh -c qemu:///system list --name | grep . | sort | tr '\n' ' '; }
ticks() { console "$1" | grep -c '^tick'; }
