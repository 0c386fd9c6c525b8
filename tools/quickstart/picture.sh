#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# picture.sh - a desktop as a stock client shows it: remote-viewer on a screen in memory.
#
#     unshare --mount --pid --fork --kill-child --mount-proc --propagation slave \
#         bash picture.sh UID GID WIDTHxHEIGHT TEXT SECONDS <desktop.vv >desktop.png
#
# Waits until a QR code in the picture says TEXT. Runs in namespaces of its own, with a /tmp of its
# own for the sockets and locks of X: nothing is left of it, however it ends.
set -u

see() { # SIZE TEXT SECONDS: as the user, in /tmp
    local end=$((SECONDS + $3)) number
    cat >desktop.vv
    mkfifo number
    Xvfb -displayfd 1 -screen 0 "$1x24" -fbdir /tmp -nolisten tcp >number &
    read -r -t 60 number <number || {
        echo "Xvfb does not start" >&2
        return 1
    }
    export DISPLAY=:$number HOME=/tmp XDG_RUNTIME_DIR=/tmp NO_AT_BRIDGE=1 GSETTINGS_BACKEND=memory \
        DBUS_SESSION_BUS_ADDRESS=disabled: \
        GST_PLUGIN_FEATURE_RANK=dfbvideosink:NONE,glimagesink:NONE,ximagesink:MAX
    dwm >&2 &
    remote-viewer --spice-disable-audio --spice-disable-usbredir desktop.vv >&2 &
    while [ $SECONDS -lt $end ]; do
        if xwdtopnm -quiet <Xvfb_screen0 2>/dev/null | pnmtopng -quiet >picture.png 2>/dev/null &&
            zbarimg -q --raw -Sdisable -Sqrcode.enable picture.png 2>/dev/null | grep -Fqx "$2"; then
            cat picture.png
            return 0
        fi
        kill -0 $! 2>/dev/null || {
            echo "remote-viewer has ended" >&2
            return 1
        }
        sleep 0.5
    done
    echo "no QR code of '$2' is seen; the last picture follows" >&2
    cat picture.png
    return 2
}

uid=$1 gid=$2
shift 2
mount -t tmpfs -o mode=1777 none /tmp && cd /tmp || exit 1
export -f see
exec setpriv --reuid="$uid" --regid="$gid" --clear-groups bash -c 'see "$@"' picture "$@"
