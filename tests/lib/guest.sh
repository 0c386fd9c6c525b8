# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# guest.sh - a small Linux guest for tests with real VMs: Debian's kernel and busybox.
#
#     guest_build "$dir"     # $dir/vmlinuz, $dir/initrd; made once per build, then found there
#     guest_with_runner "$dir" FILE   # an initrd with this build's vdi-runner, which is started
#
# The kernel package is downloaded and unpacked, not installed.
# The guest says on its console: GUEST-UP boot_id=ID, then "tick N" every second. With a runner
# it has /bin/sh and busybox's commands for scripts, and switches itself off when it is asked to; what
# a script puts into /tmp/root is done by root, and what that said is in /tmp/root.out.

GUEST_MODULES="virtio_pci virtio_blk virtio_console pvpanic-mmio virtiofs ext4"

guest_fetch_kernel() {
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    (cd "$1" && apt-get download "$package" >/dev/null 2>&1 && dpkg-deb -x "$package"_*.deb k)
}

guest_init() {
    cat <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
for m in $(/bin/busybox cat /modules); do /bin/busybox insmod "$m"; done
echo "GUEST-UP boot_id=$(/bin/busybox cat /proc/sys/kernel/random/boot_id)"
[ -b /dev/vda ] && echo "DISK $(/bin/busybox cat /sys/block/vda/size)"
case $(/bin/busybox cat /proc/cmdline) in
*die=off*) /bin/busybox poweroff -f ;;
*die=panic*) echo c >/proc/sysrq-trigger ;;
esac
if [ -x /vdi-runner ]; then
    /bin/busybox mkdir -p /bin /sbin /usr/bin /usr/sbin /etc /home /root /tmp /var/lib
    /bin/busybox chmod 1777 /tmp
    /bin/busybox --install -s
    printf '#!/bin/sh\npoweroff -f\n' >/poweroff
    chmod 755 /poweroff
    echo "root:x:0:0::/root:/bin/sh" >/etc/passwd
    echo "root:x:0:" >/etc/group
    echo "root:*:::::::" >/etc/shadow
    # shellcheck disable=SC2046
    /vdi-runner --manage-accounts --set-clock --shutdown /poweroff \
        $(sed -n 's/.*runner="\([^"]*\)".*/\1/p' /proc/cmdline) &
fi
echo GUEST-READY
n=0
while :; do
    n=$((n + 1))
    echo "tick $n"
    if [ -e /tmp/root ]; then
        mv /tmp/root /root/said && sh /root/said >/tmp/root.new 2>&1
        mv /tmp/root.new /tmp/root.out
    fi
    /bin/busybox sleep 1
done
END
}

guest_recipe() { { echo "$GUEST_MODULES" && guest_init; } | cksum; }

guest_initrd() {
    local stage=$1/stage k=$1/k version m path
    version=$(basename "$k"/lib/modules/*)
    mkdir -p "$stage"/bin "$stage"/lib
    cp "$(command -v busybox)" "$stage/bin/busybox"
    guest_init >"$stage/init"
    chmod 755 "$stage/init"
    depmod -b "$k" "$version"
    for m in $GUEST_MODULES; do
        modprobe -d "$k" -S "$version" --show-depends "$m"
    done | while read -r verb path _; do
        [ "$verb" = insmod ] || continue
        [ -e "$stage/lib/${path##*/}" ] && continue
        cp "$path" "$stage/lib/${path##*/}"
        echo "/lib/${path##*/}" >>"$stage/modules"
    done
    (cd "$stage" && find . | cpio -o -H newc --quiet | gzip -1) >"$1/initrd.new"
    mv "$1/initrd.new" "$1/initrd"
}

# The kernel takes archives one behind the other.
guest_with_runner() {
    local stage
    stage=$(mktemp -d "${TMPDIR:-/tmp}/vdi-guest.XXXXXX") || return 1
    chmod 755 "$stage" && mkdir -p "$stage/etc/vdi-runner"
    cp "$top_builddir/vdi-runner" "$stage/vdi-runner"
    [ -z "${GUEST_SESSION:-}" ] || cp "$GUEST_SESSION" "$stage/etc/vdi-runner/session"
    (cd "$stage" && find . | cpio -o -H newc --quiet | gzip -1) >"$stage.gz"
    cat "$1/initrd" "$stage.gz" >"$2"
    rm -rf "$stage" "$stage.gz"
}

guest_build() {
    [ -s "$1/initrd" ] && [ -s "$1/vmlinuz" ] && [ "$(cat "$1/of" 2>/dev/null)" = "$(guest_recipe)" ] &&
        return 0
    rm -rf "$1" && mkdir -p "$1" || return 1
    guest_fetch_kernel "$1" || return 1
    cp "$1"/k/boot/vmlinuz-* "$1/vmlinuz" && guest_initrd "$1" || return 1
    rm -rf "$1/k" "$1/stage" "$1"/*.deb
    guest_recipe >"$1/of"
}
