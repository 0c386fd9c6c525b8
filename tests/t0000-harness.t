#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t0000-harness.t - the words of shell tests fail when they should; the scratch controller
# is started, killed and cleaned up. A stand-in plays the daemon: this tests the harness.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/harness.XXXXXX") || bail "no temporary directory"
trap 'rm -rf "$scratch"' EXIT

# Runs a test written on stdin; leaves $out, $err; checks its exit code.
script() {
    { echo "top_srcdir='$top_srcdir'; . '$top_srcdir/tests/lib/tap.sh'"; cat; } >"$scratch/test"
    exits "$1" "$2" bash "$scratch/test"
}

script 0 "a test whose checks hold ends with 0" <<'END'
ok 0 one; is a a two; isnt a b three; like "x1" '^x[0-9]$' four; unlike x y five
exits 3 six sh -c 'exit 3'; skip 2 "no moon" seven; done_testing
END
is "$(grep -c '^ok' <<<"$out")" 8 "... and every check is a line"
like "$out" '^1\.\.8$' "... and the plan counts them"
like "$out" '^ok 7 - seven # SKIP no moon$' "... and a skip says why"

for check in 'ok 1 x' 'is a b x' 'isnt a a x' 'like a b x' 'unlike a a x' 'exits 0 x false' 'not_ok x'; do
    script 1 "fails: $check" <<<"$check; done_testing"
    like "$out" '^not ok 1 - x$' "... and says so"
done

script 99 "a wrong plan is an error" <<<'plan 2; ok 0 x; done_testing'
script 0 "skip_all skips" <<<'skip_all no reason at all; not_ok x'
is "$out" "1..0 # SKIP no reason at all" "... and runs nothing"
script 0 "need skips the file of a missing command" <<<'need no-such-command-here; not_ok x'
like "$out" 'no-such-command-here is not installed' "... and names it"
script 7 "a test that dies prints no plan" <<<'ok 0 x; exit 7'
unlike "$out" '^1\.\.' "... so it can't pass"

# The scratch controller, with a stand-in for the daemon.
command -v python3 >/dev/null && command -v curl >/dev/null || {
    skip 1 "no python3 or no curl" "the scratch controller"
    done_testing
}
mkdir "$scratch/build"
cat >"$scratch/build/vdictld" <<'END'
#!/usr/bin/env python3
import http.server, os, re, signal, socketserver, sys
conf = open(sys.argv[sys.argv.index("--config") + 1]).read()
path = re.search(r'listen = \{"unix:(.*?)"\}', conf).group(1)
if "refuse" in conf:
    sys.exit("vdictld: line 9: refused")
class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self): return "unix"
    def log_message(self, *a): pass
    def do_GET(self):
        self.send_response(200 if self.path == "/v1/ping" else 404)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
if os.path.exists(path):
    os.unlink(path)
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
socketserver.UnixStreamServer(path, Handler).serve_forever()
END
chmod +x "$scratch/build/vdictld"

under() {
    { echo "export top_srcdir='$top_srcdir' top_builddir='$scratch/build'"
      echo "export TMPDIR='$scratch'; . '$top_srcdir/tests/lib/vdi.sh'"; cat; } >"$scratch/test"
    exits "$1" "$2" bash "$scratch/test"
}

under 0 "a controller starts, stops, is killed and comes back" <<'END'
test_under_vdi 3 'max_script_kib = 64'
like "$(cat "$VDI_DIR/vdi.conf")" '^node "n\[1-3\]"' "three nodes"
like "$(cat "$VDI_DIR/vdi.conf")" '^max_script_kib = 64$' "the extra line"
is "$VDI_URL" "unix:$VDI_DIR/vdictld.sock" "the commands know where"
first=$(vdi_api GET /v1/ping)
is "$first" "$VDI_PID" "it is ours"
vdi_stop; is $? 0 "an orderly end is 0"
vdi_running; is $? 1 "it is gone"
vdi_start; vdi_wait_ready; is $? 0 "it comes back"
isnt "$(vdi_api GET /v1/ping)" "$first" "as another process"
pid=$VDI_PID
vdi_kill
kill -0 "$pid" 2>/dev/null; is $? 1 "SIGKILL ends it"
vdi_start; vdi_wait_ready; is $? 0 "it comes back from a crash"
echo "pid $VDI_PID dir $VDI_DIR"
done_testing
END
unlike "$out" '^not ok' "... every step of it"
read -r _ pid _ dir <<<"$(grep '^pid' <<<"$out")"
isnt "$pid" "" "the test named its controller"
kill -0 "$pid" 2>/dev/null
is $? 1 "no process is left at exit"
[ ! -e "$dir" ]
ok $? "no file is left at exit"

under 99 "a controller that refuses its configuration ends the test" <<<'test_under_vdi 1 refuse; done_testing'
like "$out" 'line 9: refused' "... and its log is shown"
under 3 "a test that dies under a controller" <<<'test_under_vdi 1; echo "pid $VDI_PID"; exit 3'
pid=$(sed -n 's/^pid //p' <<<"$out")
isnt "$pid" "" "... had one"
kill -0 "$pid" 2>/dev/null
is $? 1 "... leaves none"

done_testing
