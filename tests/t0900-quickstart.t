#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t0900-quickstart.t - README's first command in a fresh clone, at a path with blanks that is too
# long for a socket: the desktop's picture names job and nonce, what README tries next works, and
# --stop leaves nothing. Again as another user, cut off in the middle; and with a build that fails.
# Takes minutes and the network: ./run-tests --only quickstart runs it, make check does not.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"

[ "$(id -u)" -eq 0 ] || skip_all "only root can start a cluster in namespaces"
unshare --mount --pid --fork true 2>/dev/null || skip_all "no namespaces can be made here"
git -C "$top_srcdir" rev-parse HEAD >/dev/null 2>&1 || skip_all "this is no git clone"
for program in zbarimg munge virsh setpriv sudo; do
    command -v "$program" >/dev/null || skip_all "$program is not installed"
done

# In a mount namespace whose /tmp is its own: what is left in there is ours.
if [ -z "${QUICKSTART_INSIDE:-}" ]; then
    W=$(mktemp -d /var/tmp/vq.XXXXXX) || bail "no temporary directory"
    C="$W/a clone whose path has blanks, and is longer than the address of a unix socket may be/osvdi"
    chmod 755 "$W"
    # A clone, and in it what is not committed yet.
    git clone -q --no-hardlinks "$top_srcdir" "$C" && git -C "$top_srcdir" ls-files -z |
        tar -C "$top_srcdir" --null --no-recursion -T - -c | tar -x -C "$C" || bail "the tree can't be cloned"
    export W C QUICKSTART_INSIDE=1 top_srcdir=$C
    unshare --mount --propagation private bash "$C/tests/t0900-quickstart.t"
    code=$?
    if [ "${VDI_KEEP:-}" = 1 ]; then diag "kept: $W"; else rm -rf "$W"; fi
    exit "$code"
fi
mount -t tmpfs -o mode=1777 none /tmp || bail "no /tmp of our own"
cd "$C" || bail "no clone"
trap './quickstart --stop >/dev/null 2>&1' EXIT
trap 'exit 1' HUP INT TERM

# ---- what --stop must leave as it was ----
mounts() { cut -d ' ' -f 5- /proc/self/mountinfo | sort; }
links() { ip -o link | grep -Eo '(virbr|vnet|tap|vdi)[^:@ ]*'; }
files() {
    find /tmp
    find /run /etc /var/lib /var/cache /var/log -xdev \
        \( -path '*osvdi*' -o -path '*libvirt*' -o -path '*munge*' -o -path '*vdi*' \) | sort
}
# Processes that name the clone, and those of the pid namespaces in $spaces.
processes() {
    local p space words
    for p in /proc/[0-9]*; do
        [ "$p" = "/proc/$$" ] || [ "$p" = "/proc/$BASHPID" ] && continue
        space=$(readlink "$p/ns/pid") && words=$(tr '\0' ' ' <"$p/cmdline") || continue
        # Without words it has ended, and waits for its parent.
        if [ -n "$words" ] && [[ $words == *"$C"* || " $spaces " == *" $space "* ]]; then
            echo "${p#/proc/} $words"
        fi
    done 2>/dev/null
}
spaces=
note_spaces() { # those that there are now
    local p
    for p in $(processes | cut -d ' ' -f 1); do
        spaces="$spaces $(readlink "/proc/$p/ns/pid_for_children")"
    done
    spaces=${spaces//"$(readlink /proc/self/ns/pid)"/}
}
# Files of the tree that git neither has nor ignores.
strangers() { git -c safe.directory='*' status --porcelain -uall | grep '^??'; }
nothing_left() { # WHEN
    is "$(processes)" "" "$1: no process is left"
    is "$(mounts)" "$mounts_before" "... no mount"
    is "$(links)" "$links_before" "... no network"
    is "$(files)" "$files_before" "... no file outside the tree"
    is "$(strangers)" "" "... and in the tree only what git ignores"
}
# A user with sudo, in this namespace alone.
cp -a /etc/passwd /etc/group /etc/shadow "$W/"
echo 'quick:x:61234:61234::/nonexistent:/bin/sh' >>"$W/passwd"
echo 'quick:x:61234:' >>"$W/group"
echo 'quick:*:19000::::::' >>"$W/shadow"
for file in passwd group shadow; do mount --bind "$W/$file" "/etc/$file"; done
mount -t tmpfs -o mode=750 none /etc/sudoers.d && echo 'quick ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/quick &&
    chmod 440 /etc/sudoers.d/quick || bail "no user with sudo"

mounts_before=$(mounts) links_before=$(links) files_before=$(files)

# ---- before anything is done ----
exits 2 "an unknown option" ./quickstart --start
like "$err" '^quickstart: .*--help' "... is answered in a sentence"
exits 0 "--help" ./quickstart --help
exits 1 "nobody to ask, and no -y" ./quickstart </dev/null
like "$err" '^quickstart: .*-y$' "... says so"
exits 1 "--status" ./quickstart --status
like "$out" 'Nothing runs' "... knows that nothing runs"
exits 0 "--stop of nothing" ./quickstart --stop

# ---- the first run ----
exits 0 "./quickstart -y" ./quickstart -y
said=$out
[ "$tap_failed" -eq 0 ] || diag "$out" "$err" "$(tail -n 20 quickstart.d/log/*.log)"
job=$(sed -n 's/.*your desktop: job \([0-9]*\), nonce \([0-9a-f]*\).*/\1/p' <<<"$said")
nonce=$(sed -n 's/.*your desktop: job \([0-9]*\), nonce \([0-9a-f]*\).*/\2/p' <<<"$said")
is "$(zbarimg -q --raw desktop.png 2>/dev/null)" "OSVDI job=$job nonce=$nonce" "the picture's QR code names job and nonce"
like "$nonce" '^[0-9a-f]{16}$' "... a nonce of 64 bits"
like "$said" 'It took [0-9]+ s' "the time it took is told"
is "$(stat -c %a desktop.vv)" 600 "desktop.vv is private"
like "$(cat desktop.vv)" '^delete-this-file=1' "... and deletes itself"
exits 0 "--status" ./quickstart --status
like "$out" "\\<$job\\>.* R " "... shows the desktop"

# ---- what README tries next ----
. quickstart.d/env
exits 0 "vdiqueue" vdiqueue
exits 3 "a batch job's exit code comes back" vdisubmit --wait --wrap 'echo "from job $VDI_JOB_ID"; exit 3'
exits 0 "a batch job" vdisubmit --wait --wrap 'uname -a'
exits 0 "how the desktop started" vdictl show job "$job" --log
like "$out" 'ready' "... to the end"
api=$(sed -n 's/.*"http:\(127[^"]*\)".*/\1/p' quickstart.d/etc/vdi.conf)
socket=$(dirname "${VDI_URL#unix:}")/munge.socket
[ -S "$socket" ] || socket=
exits 0 "the REST API answers a munge credential" \
    env VDI_URL="http://$api" ${socket:+VDI_MUNGE_SOCKET="$socket"} vdiqueue

note_spaces
isnt "$(processes | grep -c qemu-system)" 0 "a VM runs, and is found"
exits 0 "./quickstart --stop" ./quickstart --stop
like "$out" "packages" "... says that packages stay"
nothing_left "after --stop"

# ---- beside a libvirtd and a munged that run where they usually do ----
. "$C/tests/lib/libvirt.sh"
LIBVIRT_CACHE=$W/libvirt-cache
cp -r quickstart.d/cache/libvirt "$LIBVIRT_CACHE"
(libvirt_cover /run "libvirt munge mount") && mkdir /run/libvirt /run/munge && libvirt_conf "$W/libvirt" &&
    libvirt_mounts "$W/libvirt" "$LIBVIRT_CACHE" || bail "no place for another libvirtd"
libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid >"$W/libvirtd.log" 2>&1 &
libvirtd_pid=$!
(umask 077 && head -c 64 /dev/urandom >"$W/munge.key")
munged --foreground --key-file="$W/munge.key" --socket=/run/munge/munge.socket.2 \
    --pid-file=/run/munged.pid --seed-file="$W/munge.seed" --log-file="$W/munge.log" 2>"$W/munged.log" &
munged_pid=$!
trap './quickstart --stop >/dev/null 2>&1; kill $libvirtd_pid $munged_pid' EXIT
others() { virsh -c qemu:///system list --all --name | grep -c .; munge -n | unmunge >/dev/null && echo well; }
until [ "$(others 2>/dev/null)" = "0
well" ] || ! kill -0 $libvirtd_pid $munged_pid; do sleep 0.2; done
mounts_before=$(mounts) links_before=$(links) files_before=$(files)

# ---- again, as a user with sudo, interrupted ----
chown -R 61234:61234 "$C"
by_sudo=(setpriv --reuid=61234 --regid=61234 --init-groups env HOME="$W" ./quickstart)
setsid "${by_sudo[@]}" -y >"$W/out" 2>&1 </dev/null &
second=$!
until grep -q 'Waiting for the desktop' "$W/out" || ! kill -0 $second 2>/dev/null; do sleep 0.1; done
kill -TERM "$second"
wait "$second"
is $? 130 "a run is cut off"
like "$(tail -n 1 "$W/out")" '^quickstart: interrupted; .*--stop' "... and says what to do"
[ "$tap_failed" -eq 0 ] || diag "$(cat "$W/out")" "$(tail -n 20 quickstart.d/log/*.log)"
exits 0 "the next run starts over" "${by_sudo[@]}" -y
[ "$tap_failed" -eq 0 ] || diag "$out" "$err" "$(tail -n 20 quickstart.d/log/*.log)"
is "$(stat -c '%u %u' desktop.png desktop.vv | sort -u)" "61234 61234" "its files are the user's"
like "$(sed -n 's/.*your desktop: job [0-9]*, nonce \([0-9a-f]*\).*/\1/p' <<<"$out")" '^[0-9a-f]+$' "... its nonce another"
like "$(zbarimg -q --raw desktop.png 2>/dev/null)" "^OSVDI job=[0-9]+ nonce=" "... its picture too"
[ ! -e quickstart.d/etc/munge.key ]; ok $? "the munged that was there is used"
api=$(sed -n 's/.*"http:\(127[^"]*\)".*/\1/p' quickstart.d/etc/vdi.conf)
exits 0 "... for the REST API" env VDI_URL="http://$api" quickstart.d/build/vdiqueue
note_spaces
exits 0 "./quickstart --stop" "${by_sudo[@]}" --stop
nothing_left "after another --stop"
is "$(others)" "0
well" "libvirtd and munged of others are as they were"
kill -0 $libvirtd_pid $munged_pid; ok $? "... and run"

# ---- a step that fails ----
echo '#error not today' >>src/cli/vdicancel.c
exits 1 "a build that fails" ./quickstart -y
like "$(tail -n 1 <<<"$err")" "^quickstart: the build failed; .*; its log is $C/quickstart.d/log/build.log\$" \
    "... is told in a sentence with its log"
like "$err" 'not today' "... and the reason before it"
exits 0 "./quickstart --stop" ./quickstart --stop
nothing_left "after a failure"

done_testing
