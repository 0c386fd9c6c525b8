# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += doc/man/vdi.conf.5 doc/man/vdi-plugin.3 doc/man/vdictld.8 \
    doc/man/vdi-auth-munge.7 doc/man/vdi-auth-token.7
EXTRA_DIST += doc/design/events.md
