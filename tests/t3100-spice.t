#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t3100-spice.t - a desktop's SPICE server with TLS, from enrolment to stock clients: vdiconnect's
# file opens it in remote-viewer; another CA, another host, no TLS, no or an old ticket do not.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/guest.sh"

libvirt_need
for program in jq openssl depmod Xvfb remote-viewer ss; do need "$program"; done
/usr/bin/python3 -c 'import gi; gi.require_version("SpiceClientGLib", "2.0")' 2>/dev/null ||
    skip_all "gir1.2-spiceclientglib-2.0 is not installed"
[ -x "$top_builddir/vdid" ] || skip_all "vdid is not built"
guest=$top_builddir/tests/guest-cache
guest_build "$guest" || skip_all "Debian's kernel package linux-image-cloud-amd64 can't be had"

W=$(mktemp -d /tmp/vs.XXXXXX) || bail "no temporary directory"
VDI_DIR=$W # of vdi.sh
export VDI_DIR
NODE_PID='' X_PID=''
cleanup() {
    local code=$?
    [ -z "$NODE_PID" ] || libvirt_in pkill -KILL -x vdid 2>/dev/null
    [ -z "$X_PID" ] || kill "$X_PID"
    vdi_end KILL
    libvirt_stop
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$W/images/kern" "$W/lv" && mkdir -m 700 "$W/state" "$W/node" "$W/home" "$W/node/spice"
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
site "libvirt" { }
node "n1" { cpus = 2  memory = "2G" }
partition "main" { nodes = "n1"  default = true }
template "desk" { image = "kern"  vcpus = 1  memory = "128M" }
END
node_conf() { # SPICE-ADDRESS TLS
    cat >"$W/vdid.conf" <<END
node = "n1"
cluster = "scratch"
controller = "127.0.0.1:$port"
ca_file = "$W/node/ca.crt"
cert_file = "$W/node/node.crt"
key_file = "$W/node/node.key"
state_dir = "$W/state"
image_dir = "$W/images"
accel = "tcg"
tcg_cache_mib = 16
port_min = 24210
port_max = 24219
spice_address = "$1"
spice_tls = "$2"
spice_tls_dir = "$W/node/spice"
END
}
export VDI_URL=unix:$W/vdictld.sock PATH=$top_builddir:$PATH HOME=$W/home XDG_RUNTIME_DIR=$W/home
node() { "$top_builddir/vdid" --config "$W/vdid.conf" "$@"; }
story() { diag "$(tail -n 15 "$W/vdid.log" "$W/vdictld.log" "$W/viewer.log" 2>/dev/null)"; }

# ---- what is refused before anything runs ----
node_conf 192.0.2.1 no
exits 1 "SPICE in clear on a network is refused" node --check
like "$err" 'spice_address:.*spice_tls = "yes"' "... with the remedy"
node_conf 0.0.0.0 yes
exits 1 "every address needs a name for clients" node --check
like "$err" 'spice_host:' "... which is said"
node_conf 127.0.0.1 yes
exits 0 "TLS on loopback is good" node --check
exits 1 "TLS without certificates does not start" node
like "$err" 'There is no certificate .*ca-cert.pem.*vdid --enroll' "... with the remedy"

# ---- enrolment ----
export LIBVIRT_QEMU_CONF="spice_tls = 1
spice_tls_x509_cert_dir = \"$W/node/spice\""
libvirt_start "$W/lv"
exits 0 "an authority is made" vdictl pki init "$W/pki" scratch
vdi_start
vdi_wait_ready || bail "vdictld does not start"
enrol() { vdictl node enroll n1 | node --enroll; }
exits 0 "a node with TLS is enrolled" enrol
T=$W/node/spice
is "$(cd "$T" && stat -c '%n %a' -- * | tr '\n' ' ')" \
    "ca-cert.pem 644 server-cert.pem 644 server-key.pem 640 " "QEMU's certificates are there"
exits 0 "... good for a server" openssl verify -purpose sslserver -CAfile "$T/ca-cert.pem" "$T/server-cert.pem"
exits 2 "... and for no client" openssl verify -purpose sslclient -CAfile "$T/ca-cert.pem" "$T/server-cert.pem"
cmp -s "$T/server-key.pem" "$W/node/node.key"
is $? 1 "... with a key that is not the node's own"
before=$(cat "$T/server-cert.pem")
exits 0 "it can be enrolled again" enrol
isnt "$(cat "$T/server-cert.pem")" "$before" "... with a new certificate"
[ ! -e "$T/server-key.new" ]; ok $? "... and nothing else"

# ---- a desktop ----
libvirt_in "$top_builddir/vdid" --config "$W/vdid.conf" >>"$W/vdid.log" 2>&1 &
NODE_PID=$!
J=$(vdisubmit --parsable --no-requeue --desktop desk --time 1h)
vv=$W/home/desktop.vv
exits 0 "vdiconnect waits for it and leaves a file" vdiconnect --quiet --output "$vv" "$J"
is "$(stat -c %a "$vv")" 600 "... for its owner alone"
like "$(cat "$vv")" '^delete-this-file=1$' "... that the viewer deletes"
like "$(cat "$vv")" '^tls-port=242' "... with a TLS port"
unlike "$(cat "$vv")" '^port=' "... and no other"
like "$(cat "$vv")" '^host-subject=CN=n1$' "... the host to be met there"
like "$(cat "$vv")" '^ca=-----BEGIN CERTIFICATE-----.n.*-----END CERTIFICATE-----.n$' "... and whom to trust"
spice() { libvirt_in virsh -c qemu:///system qemu-monitor-command "$(libvirt_in virsh -c qemu:///system list --name | grep '^vdi-')" '{"execute":"query-spice"}' | jq -r "$1"; }
is "$(spice '.return | [.auth, (.["tls-port"] != null), .port // 0] | @text')" '["spice",true,0]' \
    "QEMU listens with TLS and a ticket"
tls_port=$(sed -n 's/^tls-port=//p' "$vv")
is "$(ss -Hltn "sport >= 24210 and sport <= 24219" | awk '{ print $4 }')" "127.0.0.1:$tls_port" \
    "... at that port alone"

# ---- remote-viewer ----
mkfifo "$W/display"
Xvfb -displayfd 1 -screen 0 1024x768x24 -nolisten tcp >"$W/display" 2>"$W/x.log" &
X_PID=$!
read -r -t 60 number <"$W/display" || bail "Xvfb does not start"
export DISPLAY=:$number NO_AT_BRIDGE=1 GSETTINGS_BACKEND=memory DBUS_SESSION_BUS_ADDRESS=disabled:
channels() { spice '.return.channels | length'; }
has_channels() { [ "$(channels)" -ge 3 ]; }
no_channels() { [ "$(channels)" = 0 ]; }
# What vdiconnect runs as the viewer: a look at its file first.
cat >"$W/viewer" <<END
#!/bin/sh
stat -c '%a %U' "\$1" >"$W/viewer.mode"
echo "\$1" >"$W/viewer.file"
exec remote-viewer --spice-disable-audio "\$1"
END
chmod 755 "$W/viewer"
vdiconnect --quiet --viewer "$W/viewer" "$J" >"$W/viewer.log" 2>&1 &
viewer=$!
vdi_wait_for "remote-viewer's channels" has_channels || story
is "$(spice '[.return.channels[].tls] | unique | @text')" '[true]' "remote-viewer is connected, by TLS alone"
is "$(cat "$W/viewer.mode")" "600 $(id -un)" "... by a private file"
[ ! -e "$(cat "$W/viewer.file")" ]; ok $? "... which is gone already"
like "$(tr '\0' ' ' <"/proc/$viewer/cmdline")" vdiconnect "(vdiconnect waits for the viewer)"
pkill -TERM -P "$viewer"
wait "$viewer"
vdi_wait_for "the viewer's end" no_channels

# ---- others are kept out ----
ticket() { # a fresh one, into $password
    vdiconnect --json "$J" >"$W/ticket" && password=$(jq -r .password "$W/ticket")
    jq -r .ca "$W/ticket" >"$W/ca.pem"
}
shot() { # PORT TLS-PORT CA SUBJECT: what a stock client says, into $said
    said=$(/usr/bin/python3 "$top_srcdir/tests/lib/spice_client.py" 127.0.0.1 "$@" <<<"$password" 2>&1)
}
shown() { # WHAT SHOT...
    local what=$1
    shift
    shot "$@"
    like "$said" '^picture [0-9]+x[0-9]+$' "$what"
}
refused() { # WHY WHAT SHOT...
    local why=$1 what=$2
    shift 2
    shot "$@"
    like "$said" "^refused $why\$" "$what"
}
right=(- "$tls_port" "$W/ca.pem" CN=n1)
ticket
shown "a client with CA, host and ticket gets a picture" "${right[@]}"
shown "... also a second time, while the ticket is good" "${right[@]}"
refused 'error-.*|closed' "without TLS nothing is shown" "$tls_port" - - -
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=OSVDI CA scratch" \
    -keyout "$W/other.key" -out "$W/other.pem" 2>/dev/null
refused error-tls "a client that trusts another authority does not go on" - "$tls_port" "$W/other.pem" CN=n1
refused error-tls "nor one that expects another host" - "$tls_port" "$W/ca.pem" CN=n2
good=$password
password=${good%?}_
refused error-auth "another password is refused" "${right[@]}"
password=
refused error-auth "so is none" "${right[@]}"
ticket
new=$password
password=$good
refused error-auth "... and the one before a new ticket" "${right[@]}"
password=$new
shown "the new one is good" "${right[@]}"
until_sec=$(date -d "$(jq -r .expires "$W/ticket")" +%s)
is_over() { [ "$(date +%s)" -gt $((until_sec + 1)) ]; }
vdi_wait_for "the ticket's end" is_over
refused error-auth "when it has expired it is refused, too" "${right[@]}"
ticket
shown "the next one opens the desktop again" "${right[@]}"
is "$(grep -c "$password" "$W/vdid.log" "$W/vdictld.log" | grep -vc ':0$')" 0 "no log has a password"

[ "$tap_failed" -eq 0 ] || story
done_testing
