#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t3100-spice.t - a desktop's SPICE server with TLS, from enrolment to stock clients: vdiconnect's
# file opens it in remote-viewer; another CA, another host, no TLS, no or an old ticket do not.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/node.sh"

for program in openssl Xvfb remote-viewer ss; do need "$program"; done
/usr/bin/python3 -c 'import gi; gi.require_version("SpiceClientGLib", "2.0")' 2>/dev/null ||
    skip_all "gir1.2-spiceclientglib-2.0 is not installed"
node_begin "$0"
X_PID=
spice_cleanup() {
    local code=$?
    [ -z "$X_PID" ] || kill "$X_PID"
    (exit "$code")
    node_cleanup
}
trap spice_cleanup EXIT

mkdir -m 700 "$W/home" "$W/node/spice"
export HOME=$W/home XDG_RUNTIME_DIR=$W/home
T=$W/node/spice
node_image kern "panic=-1" "console:GUEST-READY"
conf() { # SPICE-ADDRESS TLS
    # shellcheck disable=SC2034 # of node.sh
    NODE_LINES="spice_address = \"$1\"
spice_tls = \"$2\"
spice_tls_dir = \"$T\""
    node_write_conf 'template "desk" { image = "kern"  vcpus = 1  memory = "128M" }'
}
node() { "$top_builddir/vdid" --config "$W/vdid.conf" "$@"; }

# ---- what is refused before anything runs ----
conf 192.0.2.1 no
exits 1 "SPICE in clear on a network is refused" node --check
like "$err" 'spice_address:.*spice_tls = "yes"' "... with the remedy"
conf 0.0.0.0 yes
exits 1 "every address needs a name for clients" node --check
like "$err" 'spice_host:' "... which is said"
conf 127.0.0.1 yes
exits 0 "TLS on loopback is good" node --check
exits 1 "TLS without certificates does not start" node
like "$err" 'There is no certificate .*ca-cert.pem.*vdid --enroll' "... with the remedy"

# ---- enrolment ----
export LIBVIRT_QEMU_CONF="spice_tls = 1
spice_tls_x509_cert_dir = \"$T\""
node_up
is "$(cd "$T" && stat -c '%n %a' -- * | tr '\n' ' ')" \
    "ca-cert.pem 644 server-cert.pem 644 server-key.pem 640 " "QEMU's certificates are there"
exits 0 "... good for a server" openssl verify -purpose sslserver -CAfile "$T/ca-cert.pem" "$T/server-cert.pem"
exits 2 "... and for no client" openssl verify -purpose sslclient -CAfile "$T/ca-cert.pem" "$T/server-cert.pem"
cmp -s "$T/server-key.pem" "$W/node/node.key"
is $? 1 "... with a key that is not the node's own"
before=$(cat "$T/server-cert.pem")
enrol() { vdictl node enroll n1 | node --enroll; }
exits 0 "it can be enrolled again" enrol
isnt "$(cat "$T/server-cert.pem")" "$before" "... with a new certificate"
[ ! -e "$T/server-key.new" ]; ok $? "... and nothing else"

# ---- a desktop ----
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
is "$(ss -Hltn "sport >= 24200 and sport <= 24209" | awk '{ print $4 }')" "127.0.0.1:$tls_port" \
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
vdi_wait_for "remote-viewer's channels" has_channels || node_story
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

[ "$tap_failed" -eq 0 ] || node_story
done_testing
