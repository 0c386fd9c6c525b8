# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# vdi.sh - a scratch controller with fake nodes, for shell tests. No root, no GPU, no port.
#
#     . "$top_srcdir/tests/lib/vdi.sh"
#     test_under_vdi 4
#     id=$(vdisubmit --parsable ...)
#
# Everything is in $VDI_DIR, a fresh temporary directory: vdi.conf, the socket, the embedded
# store, the log. At exit the controller is ended by its pid and the directory removed
# (VDI_KEEP=1 leaves it). The commands of the build tree come first in PATH.
# A wait has a deadline that only a hang meets; no test depends on how long things take.

: "${top_srcdir:?set by make check}" "${top_builddir:?set by make check}"
. "$top_srcdir/tests/lib/tap.sh"

VDI_DEADLINE_SEC=${VDI_DEADLINE_SEC:-120}
VDI_PID=

# vdi_wait_for WHAT CMD...: until CMD succeeds. 1 and a diagnosis at the deadline.
vdi_wait_for() {
    local what=$1 end=$((SECONDS + VDI_DEADLINE_SEC))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            diag "waited $VDI_DEADLINE_SEC s in vain for: $what"
            return 1
        fi
        sleep 0.05
    done
}

# vdi_api METHOD PATH [CURL-OPTION...]: one request as the user who runs the test.
vdi_api() {
    local method=$1 path=$2
    shift 2
    curl -sS --max-time "$VDI_DEADLINE_SEC" --unix-socket "$VDI_DIR/vdictld.sock" \
        -X "$method" "$@" "http://localhost$path"
}

vdi_running() { [ -n "$VDI_PID" ] && kill -0 "$VDI_PID" 2>/dev/null; }

vdi_log() { tail -n 40 "$VDI_DIR/vdictld.log"; }

# Writes vdi.conf for N nodes of 4 cpus; further lines are taken as they are. VDI_FAKE: settings
# of the fake site instead of boot_ms = 0.
vdi_write_conf() {
    local nodes=$1
    shift
    {
        echo 'cluster = "scratch"'
        echo "store = \"sqlite:$VDI_DIR/vdi.db\""
        echo "listen = {\"unix:$VDI_DIR/vdictld.sock\"}"
        echo "plugin_dir = \"$top_builddir/plugins.d\""
        echo "auth \"token\" { key = \"$VDI_DIR/token.key\"  create = \"true\" }"
        echo "site \"fake\" { ${VDI_FAKE:-boot_ms = 0} }"
        echo "node \"n[1-$nodes]\" { cpus = 4  memory = \"8G\" }"
        echo "partition \"main\" { nodes = \"n[1-$nodes]\"  default = true  batch_template = \"batch\" }"
        echo 'template "desk" { image = "none"  vcpus = 1  memory = "1G" }'
        echo 'template "batch" { image = "none"  vcpus = 1  memory = "1G" }'
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$VDI_DIR/vdi.conf"
}

# Starts the controller on what is in $VDI_DIR; does not wait (vdi_wait_ready does).
vdi_start() {
    vdi_running && bail "vdi_start: already running as $VDI_PID"
    "$top_builddir/vdictld" --config "$VDI_DIR/vdi.conf" --foreground \
        >>"$VDI_DIR/vdictld.log" 2>&1 </dev/null &
    VDI_PID=$!
}

vdi_ping_or_dead() { ! vdi_running || vdi_api GET /v1/ping -f; }

# Until it answers. 1 when it ended instead, or the deadline passed.
vdi_wait_ready() {
    vdi_wait_for "an answer to /v1/ping" vdi_ping_or_dead && vdi_running && return 0
    diag "vdictld is not ready; its log ends:"
    diag "$(vdi_log)"
    return 1
}

# vdi_end SIGNAL: returns the exit code of the daemon (128+n when a signal ended it).
vdi_end() {
    local code=0
    [ -n "$VDI_PID" ] || return 0
    kill "-$1" "$VDI_PID" 2>/dev/null
    wait "$VDI_PID" 2>/dev/null || code=$?
    VDI_PID=
    return "$code"
}

# Orderly, by SIGTERM; 0 when the daemon ended with 0. SIGKILL after the deadline: 137.
vdi_stop() {
    local pid=$VDI_PID watchdog code=0
    [ -n "$pid" ] || return 0
    # Output away: a watchdog that outlives the test must not hold the driver's pipe.
    (sleep "$VDI_DEADLINE_SEC" && kill -KILL "$pid") >/dev/null 2>&1 &
    watchdog=$!
    vdi_end TERM || code=$?
    pkill -P "$watchdog" 2>/dev/null
    kill "$watchdog" 2>/dev/null
    wait "$watchdog" 2>/dev/null
    return "$code"
}

# As a crash: nothing of the daemon gets to run again.
vdi_kill() {
    vdi_end KILL
    return 0
}

vdi_cleanup() {
    local code=$?
    vdi_kill
    if [ "${VDI_KEEP:-}" = 1 ]; then
        diag "kept: $VDI_DIR"
    else
        rm -rf "$VDI_DIR"
    fi
    exit "$code"
}

# test_under_vdi N [CONF-LINE...]: a controller that answers, with N fake nodes.
test_under_vdi() {
    need curl
    [ -x "$top_builddir/vdictld" ] || skip_all "vdictld is not built"
    # Short: a socket's path ends at 107 bytes.
    VDI_DIR=$(mktemp -d "${TMPDIR:-/tmp}/vdi.XXXXXX") || bail "no temporary directory"
    trap vdi_cleanup EXIT
    trap 'exit 1' HUP INT TERM
    export VDI_DIR VDI_URL="unix:$VDI_DIR/vdictld.sock"
    PATH="$top_builddir:$PATH"
    vdi_write_conf "$@"
    vdi_start
    vdi_wait_ready || bail "no controller to test under"
}
