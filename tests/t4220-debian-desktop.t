#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t4220-debian-desktop.t - the Debian desktop image as vdid starts it, through libvirt: its owner is
# logged in, with the own account, a window manager, OpenGL; what it shows is looked at.
#
# The image is made once for each build of vdi-runner (minutes, the network); its packages are kept.
# VDI_PICTURE=FILE keeps the last picture, a PNG.
# shellcheck disable=SC2016 # the guest's shell expands
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
# Emulated, all of a desktop's programs have to start: that is minutes.
export VDI_DEADLINE_SEC=${VDI_DEADLINE_SEC:-900}
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/drive.sh"

libvirt_need
need jq mmdebstrap mke2fs sfdisk mkfs.vfat mcopy pngtopnm pnmtopng python3
[ -x "$top_builddir/tests/vdid_drive" ] || skip_all "tests/vdid_drive is not built"
cache=$top_builddir/tests/image-cache
I=$cache/images
made=$I/debian-desktop
is_fresh() {
    [ -e "$made/image.json" ] && [ "$made/image.json" -nt "$top_builddir/vdi-runner" ] &&
        [ -z "$(find "$top_srcdir/images/debian-desktop" -type f -newer "$made/image.json")" ]
}
if ! is_fresh; then
    rm -rf "$made"
    mkdir -p "$I"
    said=$("$top_srcdir/images/debian-desktop/build" --out="$made" --cache="$cache/debian" --with=gl \
        --runner="$top_builddir/vdi-runner" --unit="$top_srcdir/etc/vdi-runner.service" 2>&1) || {
        diag "$said"
        grep -q "mmdebstrap can't make it" <<<"$said" && skip_all "Debian's packages can't be had"
        bail "the image can't be made"
    }
fi

W=$(mktemp -d /tmp/vd.XXXXXX) || bail "no temporary directory"
cleanup() {
    local code=$?
    [ -z "$DRIVE_PID" ] || kill -KILL "$DRIVE_PID" 2>/dev/null
    libvirt_stop
    rm -rf "$W"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

said=$("$top_builddir/vdi-image" check debian-desktop --dir="$I")
ok $? "vdi-image check is content"
inside='the guest runner is inside'
command -v guestfish >/dev/null || inside='not looked inside'
like "$said" "$inside" "... and says what it sees inside"

# shellcheck disable=SC2034 # drive.sh's
accel=tcg ports="24220 24229" boot=3000 state=$W/state
details=$(jq -cn '{job: {kind: "interactive", work_dir: "/"},
    template: {resolution: "1024x768"},
    owner: {name: "alice", uid: 64001, gid: 64001, home: "/home/alice",
            groups: [{name: "alice", gid: 64001}, {name: "cad1", gid: 64007}]},
    env: ["VDI_CLUSTER=test", "VDI_KEYBOARD=de", "VDI_TIMEZONE=Europe/Berlin"], payload: {environment: {COURSE: "cad1", DISPLAY: "elsewhere:3"}}} | tojson')

# agent COMMAND [ARGUMENTS]: of the guest agent, as libvirt hands it on.
agent() {
    libvirt_in virsh -q -c qemu:///system qemu-agent-command vdi-1-1 --timeout 30 \
        "{\"execute\":\"$1\"${2:+,\"arguments\":$2}}" 2>/dev/null
}
has_ended() { sleep 1 && answer=$(agent guest-exec-status "{\"pid\":$1}") && [ "$(jq .return.exited <<<"$answer")" = true ]; }
# in_guest SCRIPT: as root; what it says, and how it ends.
in_guest() {
    local pid
    pid=$(agent guest-exec "$(jq -cn --arg s "$1" \
        '{path: "/bin/sh", arg: ["-c", $s], "capture-output": true}')" | jq -r .return.pid)
    [ -n "$pid" ] && vdi_wait_for "a command in the guest" has_ended "$pid" || return 1
    jq -r '.return["out-data"] // ""' <<<"$answer" | base64 -d
    return "$(jq .return.exitcode <<<"$answer")"
}
# As the owner on the owner's display.
on_desktop() {
    in_guest "runuser -u alice -- env DISPLAY=:0 XAUTHORITY=/run/user/64001/Xauthority sh -c '$1'"
}
picture() { # as PPM; vdid's own way to one
    local path
    order screenshot 1.1
    path=$(jq -r .path <<<"${answer#* ok }")
    pngtopnm -quiet "$path" 2>/dev/null || cat "$path"
}
# judge WORD: of the picture. panel: Xfce's bar at the top and its launchers below, on a desktop of
# another colour. gears: the red, green and blue of glxgears.
judge() {
    sleep 2
    picture >"$W/picture.ppm" && python3 - "$1" "$W/picture.ppm" <<'END'
import sys

word, path = sys.argv[1:]
with open(path, "rb") as f:
    kind, size, _, rest = f.read().split(b"\n", 3)
w, h = map(int, size.split())
assert kind == b"P6" and (w, h) == (1024, 768), (kind, w, h)


def light(x0, y0, x1, y1):
    part = [sum(rest[(y * w + x0) * 3:(y * w + x1) * 3]) for y in range(y0, y1)]
    return sum(part) / ((x1 - x0) * (y1 - y0) * 3)


def count(test):  # every third pixel will do
    return sum(test(*rest[i:i + 3]) for i in range(0, w * h * 3, 9))


if word == "panel":
    good = light(300, 2, 700, 20) > 200 and light(370, 725, 650, 765) > 100 and \
        light(500, 300, 900, 700) < 100 and len(set(rest[i:i + 3] for i in range(0, w * h * 3, 3))) > 100
else:
    good = min(count(lambda r, g, b: r > 150 and g < 60 and b < 60),
               count(lambda r, g, b: g > 150 and r < 60 and b < 100),
               count(lambda r, g, b: b > 150 and r < 90 and g < 90)) > 100
sys.exit(0 if good else 1)
END
}

libvirt_start "$W/lv"
drive_start
began=$SECONDS
order start 1.1 "\"image\":\"debian-desktop\",\"vcpus\":2,\"memory_mib\":1280,\"resolution\":\"1024x768\",\"job\":7,\"template\":\"t\",\"details\":$details"
like "$answer" '^answer start 1.1 ok' "vdid starts the image" || bail "$answer"
heard '^event 1.1 ready '; ok $? "its runner and its picture make it ready" || diag "$(console 1.1 | tail -n 20)"
diag "ready after $((SECONDS - began)) s"
# Asked by the guest itself, now and then: it has little time to spare.
on_desktop 'until xprop -root _NET_SUPPORTING_WM_CHECK 2>/dev/null | grep -q "window id"; do sleep 4; done'
ok $? "a window manager runs on the owner's display"
diag "window manager after $((SECONDS - began)) s"
is "$(in_guest 'runuser -u alice -- id')" \
    "uid=64001(alice) gid=64001(alice) groups=64001(alice),64007(cad1)" "the owner is who it is outside"
like "$(in_guest 'loginctl show-session $(loginctl --no-legend | sed "s/^ *//; s/ .*//") | sort | paste -s -d " "')" \
    'Active=yes.*Name=alice.*Seat=seat0.*Type=x11' "... logged in on the seat"
like "$(in_guest 'tr "\0" "\n" </proc/$(pgrep -o xfce4-session)/environ')" \
    'COURSE=cad1' "... with the job's variables"
unlike "$(in_guest 'tr "\0" "\n" </proc/$(pgrep -o xfce4-session)/environ')" \
    'elsewhere' "... but for those of the desktop it was submitted on"
like "$(in_guest 'tr "\0" "\n" </proc/$(pgrep -o xfce4-session)/environ')" \
    'TZ=Europe/Berlin' "... and in the template's time zone"
like "$(on_desktop 'setxkbmap -query')" 'layout: +de$' "... with the template's keyboard"
is "$(in_guest 'ps -C Xorg -o user=')" "alice" "the X server is the owner's process, too"
like "$(on_desktop 'xset q')" 'timeout: +0 ' "the screen is never blanked"
is "$(in_guest 'pgrep -l "screensaver|locker"')" "" "... and nothing can lock it"
vdi_wait_for "the panel" judge panel; ok $? "the picture shows the panels and the desktop"
diag "desktop after $((SECONDS - began)) s"

in_guest 'runuser -u alice -- env DISPLAY=:0 XAUTHORITY=/run/user/64001/Xauthority sh -c "
    xfce4-terminal --hide-menubar --geometry=60x12+60+380 -x sh -c \"id; uname -sr; glxinfo -B | grep -i opengl.renderer; exec sleep 100000\" &
    glxgears -geometry 300x300+640+120 &" >/dev/null 2>&1' >/dev/null
vdi_wait_for "gears" judge gears; ok $? "a program draws with OpenGL"
order message 1.1 '"text":"5 minutes left"'
like "$answer" ' ok' "a message is taken"
on_desktop 'until xwininfo -root -tree | grep -qi "xfce4-notifyd.*[0-9][0-9][0-9]x[0-9][0-9]"; do sleep 3; done'
ok $? "... and shown"
[ -z "${VDI_PICTURE:-}" ] || {
    on_desktop 'until ! pgrep -x glxinfo && pgrep -x sleep; do sleep 3.1; done' >/dev/null
    judge gears
    pnmtopng -quiet -compression 9 "$W/picture.ppm" >"$VDI_PICTURE"
}

began=$SECONDS
order stop 1.1 '"grace_sec":600'
like "$answer" ' ok' "a stop ends it"
like "$(console 1.1)" 'Power down' "... the guest switched itself off"
diag "stopped after $((SECONDS - began)) s"
is_gone() { [ -z "$(domains)" ]; }
vdi_wait_for "the domain's end" is_gone; ok $? "... and the domain is gone"
drive_quit
DRIVE_PID=
done_testing
