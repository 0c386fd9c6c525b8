# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += \
    doc/man/vdi-auth-munge.7 doc/man/vdi-auth-token.7 \
    doc/man/vdi-site-libvirt.7 \
    doc/man/vdid.8 \
    doc/man/vdi-plugin.3 \
    doc/man/vdi-image.1 doc/man/vdi-picture.1 \
    doc/man/vdi-runner.8 \
    doc/man/vdi.conf.5 \
    doc/man/vdiacct.1 doc/man/vdicancel.1 doc/man/vdiconnect.1 doc/man/vdictl.1 doc/man/vdiinfo.1 doc/man/vdiqueue.1 \
    doc/man/vdisubmit.1 \
    doc/man/vdictld.8
EXTRA_DIST += doc/design/disks.md doc/design/events.md doc/design/guest-runner.md \
    doc/design/images.md doc/design/node-link.md doc/design/nodes.md doc/design/notify.md doc/design/policy.md \
    doc/design/time-and-state.md doc/design/usage.md
EXTRA_DIST += doc/windows-11.md doc/debian-desktop.png
EXTRA_DIST += doc/administration.md doc/classes.md
