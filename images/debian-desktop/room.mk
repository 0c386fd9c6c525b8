# SPDX-License-Identifier: Apache-2.0
# The recipe of the Debian desktop image: it is run where it lies, see vdi-image(1).
nobase_dist_pkgdata_SCRIPTS = images/debian-desktop/build images/debian-desktop/customize \
    images/debian-desktop/files/etc/vdi-runner/message \
    images/debian-desktop/files/etc/vdi-runner/session \
    images/debian-desktop/files/usr/libexec/osvdi/desktop \
    images/debian-desktop/files/usr/libexec/osvdi/desktop-session
nobase_dist_pkgdata_DATA = \
    images/debian-desktop/files/etc/X11/xorg.conf.d/50-vdi.conf \
    images/debian-desktop/files/etc/X11/xorg.conf.d/60-software.conf \
    images/debian-desktop/files/etc/cloud/cloud.cfg.d/50-vdi.cfg \
    images/debian-desktop/files/etc/default/grub.d/vdi.cfg \
    images/debian-desktop/files/etc/initramfs-tools/conf.d/vdi \
    images/debian-desktop/files/etc/pam.d/vdi-desktop \
    images/debian-desktop/files/etc/polkit-1/rules.d/40-vdi-desktop.rules \
    images/debian-desktop/files/etc/systemd/journald.conf.d/vdi.conf \
    images/debian-desktop/files/etc/systemd/network/80-vdi.network \
    images/debian-desktop/files/etc/systemd/system/rpc-gssd.service.d/vdi.conf \
    images/debian-desktop/files/etc/systemd/system/vdi-desktop@.service \
    images/debian-desktop/files/etc/systemd/system/vdi-runner.service.d/desktop.conf \
    images/debian-desktop/files/etc/tmpfiles.d/vdi-desktop.conf \
    images/debian-desktop/files/etc/xdg/xfce4/xfconf/xfce-perchannel-xml/xfwm4.xml \
    images/debian-desktop/grub-early.cfg \
    images/debian-desktop/grub.cfg \
    images/debian-desktop/initramfs-modules \
    images/debian-desktop/packages

# Makes the image, which takes minutes and the network, and waits for a whole desktop under
# software emulation: a target of its own.
DESKTOP_TESTS = tests/t4220-debian-desktop.t
dist_check_SCRIPTS += $(DESKTOP_TESTS)
.PHONY: check-desktop
check-desktop: all
	$(MAKE) $(AM_MAKEFLAGS) tests/vdid_drive
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(DESKTOP_TESTS)'
