# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# guest.sh - a small Linux guest for tests with real VMs: Debian's kernel and busybox.
#
#     guest_build "$dir"     # $dir/vmlinuz, $dir/initrd; made once per build, then found there
#
# The kernel package is downloaded and unpacked, not installed.
# The guest says on its console: GUEST-UP boot_id=ID, then "tick N" every second.

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
echo GUEST-READY
n=0
while :; do
    n=$((n + 1))
    echo "tick $n"
    /bin/busybox sleep 1
done
END
}

guest_initrd() {
    local stage=$1/stage k=$1/k version m path
    version=$(basename "$k"/lib/modules/*)
    mkdir -p "$stage"/bin "$stage"/lib
    cp "$(command -v busybox)" "$stage/bin/busybox"
    guest_init >"$stage/init"
    chmod 755 "$stage/init"
    depmod -b "$k" "$version"
    for m in virtio_pci virtio_blk pvpanic-mmio; do
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

guest_build() {
    [ -s "$1/initrd" ] && [ -s "$1/vmlinuz" ] && return 0
    rm -rf "$1" && mkdir -p "$1" || return 1
    guest_fetch_kernel "$1" || return 1
    cp "$1"/k/boot/vmlinuz-* "$1/vmlinuz" && guest_initrd "$1" || return 1
    rm -rf "$1/k" "$1/stage" "$1"/*.deb
}
