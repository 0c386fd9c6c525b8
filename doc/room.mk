# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += doc/man/vdi.conf.5 doc/man/vdi-plugin.3
EXTRA_DIST += doc/design/node-link.md
