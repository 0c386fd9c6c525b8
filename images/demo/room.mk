# SPDX-License-Identifier: Apache-2.0
# The recipe of the demo image; vdi-image demo runs it.
demodir = $(pkgdatadir)/demo
dist_demo_SCRIPTS = images/demo/build images/demo/init images/demo/message \
    images/demo/poweroff images/demo/session images/demo/supervise
dist_demo_DATA = images/demo/cmdline images/demo/inittab
