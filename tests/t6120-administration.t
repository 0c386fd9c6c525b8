#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t6120-administration.t - doc/administration.md as it is written: its blocks are run, in order, on
# a controller and two nodes made of namespaces, with the units, users and directories that
# `make install` brings; then a job runs on each node in a real VM, and the services hold what
# their units say.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/vdi.sh"
. "$top_srcdir/tests/lib/libvirt.sh"
. "$top_srcdir/tests/lib/hosts.sh"

libvirt_need
need jq openssl munged munge setpriv runuser nsenter hostname systemd-sysusers systemd-tmpfiles \
    depmod xz apt-get
[ -x "$top_builddir/vdid" ] || skip_all "vdid is not built"
GUIDE=$top_srcdir/doc/administration.md
NODES="gpu01 gpu02"

# ---- before the hosts: what is built and downloaded ----

# The tree as the guide configures it: this build if it is one, else one of the test's own.
configured() { grep -qF "S[\"sysconfdir\"]=\"/etc\"" "$1/config.status" 2>/dev/null &&
    grep -qF "S[\"localstatedir\"]=\"/var\"" "$1/config.status"; }
guide_build() {
    local words
    BUILD=$top_builddir
    configured "$BUILD" && return
    BUILD=$top_builddir/tests/administration
    read -r -a words <<<"$(sed -n 's|^\.\./configure ||p' "$GUIDE")"
    mkdir -p "$BUILD" && (cd "$BUILD" && { configured . ||
        "$top_srcdir/configure" -q CC="${CC:-gcc}" "${words[@]}"; } && make -s -j2 all) >&2
}

demo_image() {
    local cache=$top_builddir/tests/image-cache
    mkdir -p "$cache/images"
    said=$("$BUILD/vdi-image" demo --dir="$cache/images" --programs="$BUILD" \
        --cache="$cache/packages" --recipe="$top_srcdir/images/demo" 2>&1) || {
        grep -Eq "can't be downloaded|apt knows no" <<<"$said" &&
            skip_all "Debian's packages can't be downloaded"
        bail "$said"
    }
    IMAGE=$cache/images/demo
}

# What the hosts must not change.
fingerprint() { { cat /etc/passwd /etc/group && ls -a /etc /usr/local/lib /var/lib /run; } | cksum; }

if [ -z "${HOSTS_W:-}" ]; then
    guide_build || bail "the tree can't be built as the guide says"
    demo_image
    export BUILD IMAGE
    FINGERPRINT=$(fingerprint)
    export FINGERPRINT
fi
hosts_apart "$0"

# ---- what packages and a site's administrators bring ----

host_accounts() { # DIR: of /etc
    local n
    for n in libvirt-qemu:64055 alice:64001; do
        sed -i "/^${n%:*}:/d" "$1/passwd" "$1/group"
        echo "${n%:*}:x:${n#*:}:${n#*:}::/home/${n%:*}:/bin/bash" >>"$1/passwd"
        echo "${n%:*}:x:${n#*:}:" >>"$1/group"
    done
    sed -i '/^vdi:/d' "$1/passwd" "$1/group"
    echo "helpdesk:x:64010:" >>"$1/group"
    printf '127.0.0.1 localhost\n10.77.0.1 ctl\n10.77.0.11 gpu01\n10.77.0.12 gpu02\n' >"$1/hosts"
    rm -rf "$1/munge/munge.key" "$1"/vdi*
}

# A host as Debian has it, /usr/local for the group staff and all.
host_make() { # NAME ADDRESS
    host_start "$1" "$2"
    host_accounts "$W/$1/etc"
    chgrp staff "$W/$1/usr/local" && chmod 2775 "$W/$1/usr/local"
    install -d -o alice "$W/$1/home/alice" 2>/dev/null ||
        install -d -o 64001 -g 64001 "$W/$1/home/alice"
    install -d -o munge -g munge -m 700 "$W/$1/var/lib/munge" "$W/$1/var/log/munge"
}

# Debian's libvirtd, with QEMU as libvirt-qemu; what containers lack is switched off.
libvirtd_start() { # NODE
    local dir=$W/$1
    mkdir -p "$dir"/var/lib/libvirt/qemu "$dir"/var/log/libvirt "$dir"/var/cache/libvirt "$dir"/etc/libvirt
    chown libvirt-qemu "$dir/var/lib/libvirt/qemu" 2>/dev/null ||
        chown 64055:64055 "$dir/var/lib/libvirt/qemu"
    printf '%s\n' 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' \
        "host_uuid = \"$(cat /proc/sys/kernel/random/uuid)\"" >"$dir/etc/libvirt/libvirtd.conf"
    printf '%s\n' 'user = "libvirt-qemu"' 'group = "libvirt-qemu"' 'security_driver = "none"' \
        'remember_owner = 0' 'cgroup_controllers = [ ]' 'namespaces = [ ]' 'seccomp_sandbox = 0' \
        'stdio_handler = "file"' >"$dir/etc/libvirt/qemu.conf"
    cp -a "$top_builddir/tests/libvirt-cache/." "$dir/var/cache/libvirt/" 2>/dev/null
    host_in "$1" mkdir -p /run/libvirt
    host_in "$1" /usr/sbin/libvirtd -d -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid ||
        bail "libvirtd does not start"
}

# ---- the guide ----

# Into $W/blocks: NNN is a block, NNN.what its mark ("run ctl gpu01", "file ctl /etc/vdi.conf").
guide_cut() {
    local line n=0 what="" inside="" section=""
    mkdir -p "$W/blocks"
    while IFS= read -r line; do
        if [ -n "$inside" ]; then
            [ "$line" = '```' ] && inside="" || printf '%s\n' "$line" >>"$inside"
        elif [[ $line =~ ^\<!--\ (run|file):\ (.*)\ --\>$ ]]; then
            what="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
        elif [[ $line == '```'* ]]; then
            if [ -n "$what" ]; then
                n=$((n + 1))
                inside=$W/blocks/$(printf %03d "$n")
                : >"$inside"
                echo "$what" >"$inside.what"
                echo "$section" >"$inside.section"
            else
                inside=/dev/null
            fi
            what=""
        elif [ -n "$what" ]; then
            bail "a mark of the guide has no block: $what"
        elif [[ $line == '#'* ]]; then
            section=${line##*# }
        fi
    done <"$GUIDE"
}

# The hosts are not bare metal, and have no network to download from.
before_block() {
    case $(cat "$1") in
    *"enable --now vdid"*)
        for node in $NODES; do
            printf 'accel = "tcg"\ntcg_cache_mib = 32\n' >>"$W/$node/etc/vdid.conf"
        done
        ;;
    *"vdi-image demo"*)
        install -d -m 755 "$W/ctl/var/lib/vdi/images" &&
            cp -r "$IMAGE" "$W/ctl/var/lib/vdi/images/demo"
        ;;
    esac
}

block_on() { # HOST FILE
    exits 0 "$1: $(cat "$2.section"): $(head -n 1 "$2" | cut -c 1-60)" timeout -k 5 200 \
        bash -c "$(declare -f host_in); W='$W' HOST_PATH='$HOST_PATH'; \"\$@\"" _ \
        host_in "${1/alice/ctl}" "${@:3}" bash -e -o pipefail -c "$(cat "$2")"
}

block_run() { # FILE
    local kind hosts host
    read -r kind hosts <"$1.what"
    before_block "$1"
    case "$kind $hosts" in
    "run build") ;; # BUILD is that
    "run last") block_on ctl "$1" ;;
    "run alice") block_on alice "$1" runuser -u alice -- env HOME=/home/alice ;;
    run*) for host in $hosts; do block_on "$host" "$1" env -C "$W/build"; done ;;
    file*) cp "$1" "$W/${hosts% *}${hosts#* }" && chmod 644 "$W/${hosts% *}${hosts#* }" ;;
    esac
}

story() {
    diag "$(
        tail -n 20 "$W"/ctl/var/log/vdictld.log "$W"/gpu0?/var/log/vdid.log "$W"/gpu0?/var/log/libvirt/*.log
        host_in ctl vdiinfo -R
        host_in ctl vdictl show job 1 --log
    )" 2>&1
}

host_make ctl 10.77.0.1
for node in gpu01:10.77.0.11 gpu02:10.77.0.12; do
    host_make "${node%:*}" "${node#*:}"
    libvirtd_start "${node%:*}"
done
cp "$top_srcdir/tests/lib/systemctl" "$W/bin/systemctl"
mkdir -p "$W/build" && make -s -C "$BUILD" install DESTDIR="$W/build/root" >"$W/install.log" 2>&1 ||
    bail "make install: $(tail -n 5 "$W/install.log")"
guide_cut
is "$(grep -c '^<!-- \(run\|file\): ' "$GUIDE")" "$(find "$W/blocks" -name '*.what' | wc -l)" \
    "each mark of the guide has its block"

for block in "$W"/blocks/???; do
    grep -q '^run last' "$block.what" && continue
    block_run "$block" || { story; break; }
done

# ---- what has come of it ----

states() { host_in ctl vdiinfo -h -N -o '%N %T' | sort | tr '\n' ' '; }
# The controller was restored a moment ago: its nodes come back by themselves.
idle() { [ "$(states)" = "gpu01 idle gpu02 idle " ]; }
vdi_wait_for "both nodes idle" idle || story
is "$(states)" "gpu01 idle gpu02 idle " "both nodes are idle, after the restore too"

main=$(host_in ctl cat /run/systemctl/vdictld.pid)
is "$(stat -c %u "/proc/$main")" "$(host_in ctl id -u vdi)" "vdictld runs as the user vdi"
is "$(sed -n 's/^Cap\(Eff\|Bnd\):\t//p' "/proc/$main/status" | sort -u)" 0000000000000000 \
    "... without a capability"
is "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$main/status")" 1 "... and can get none"
is "$(host_in ctl stat -c '%U %a' /var/lib/vdi /var/lib/vdi/vdi.db /var/lib/vdi/pki /etc/vdi/tls |
    tr '\n' ' ')" "vdi 711 vdi 600 vdi 700 root 750 " "its directories are as the guide's table says"
is "$(host_in gpu01 stat -c '%U %a' /etc/vdi/pki /etc/vdi/pki/node.key | tr '\n' ' ')" \
    "root 711 root 600 " "and so are a node's"

alice() { host_in ctl runuser -u alice -- env HOME=/home/alice "$@"; }
alice_out() { alice vdictl output "$1"; }
for node in $NODES; do
    exits 7 "a batch job runs on $node in a real VM, and its exit code comes back" \
        timeout -k 5 200 bash -c "$(declare -f host_in alice); W='$W' HOST_PATH='$HOST_PATH'; \"\$@\"" _ \
        alice vdisubmit --wait --time 30m -w "$node" --wrap 'id -un; echo on $VDI_NODE; exit 7' ||
        story
    job=$(grep -o '[0-9]\+' <<<"$out $err" | head -n 1)
    is "$(alice_out "$job" | tr '\n' ' ')" "alice on $node " "... as its owner, with its output"
done

# A restart of vdid is none for what runs.
job=$(alice vdisubmit --parsable --time 30m -w gpu01 --wrap 'sleep 8; echo done')
running() { [ "$(alice vdiqueue -h -o %t -j "$job")" = R ]; }
vdi_wait_for "job $job to run" running || story
qemu=$(pgrep -f 'guest=vdi-[0-9]' | tr '\n' ' ')
is "$(stat -c %u "/proc/${qemu%% *}")" 64055 "QEMU runs as libvirt-qemu"
host_in gpu01 systemctl restart vdid
is "$(pgrep -f 'guest=vdi-[0-9]' | tr '\n' ' ')" "$qemu" "systemctl restart vdid leaves the VM"
ended() { ! alice vdiqueue -h -o %t -j "$job" | grep -q R; }
vdi_wait_for "the end of job $job" ended
is "$(alice_out "$job")" "done" "... and its script, to the end"

for block in "$W"/blocks/???; do
    ! grep -q '^run last' "$block.what" || block_run "$block"
done
gone() { [ "$(states)" = "gpu01 idle gpu02 down " ]; }
vdi_wait_for "a revoked node to be down" gone || story
gone
ok $? "a node whose certificate was revoked is down"

if command -v systemd-analyze >/dev/null; then
    exposure=$(systemd-analyze security --offline=true \
        "$W/build/root/usr/local/lib/systemd/system/vdictld.service" 2>/dev/null |
        sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
    diag "systemd-analyze security: vdictld $exposure"
    awk -v n="${exposure:-10}" 'BEGIN { exit !(n <= 2.5) }'
    ok $? "vdictld's exposure is 2.5 at most"
else
    skip 1 "systemd-analyze is not installed" "vdictld's exposure is 2.5 at most"
fi
is "$(fingerprint)" "$FINGERPRINT" "nothing of the machine was changed"

[ "$tap_failed" -eq 0 ] || story
done_testing
