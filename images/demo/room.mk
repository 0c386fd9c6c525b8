# SPDX-License-Identifier: Apache-2.0
# The recipe of the demo image; vdi-image demo runs it.
demodir = $(pkgdatadir)/demo
dist_demo_SCRIPTS = images/demo/build images/demo/init images/demo/message \
    images/demo/poweroff images/demo/session images/demo/supervise images/demo/waiting
dist_demo_DATA = images/demo/cmdline images/demo/inittab

# What a guest of somebody's own needs besides vdi-runner.
guestdir = $(pkgdatadir)/guest
dist_guest_DATA = etc/vdi-runner.service

VM_TESTS += tests/t4200-demo-image.t tests/t4210-demo-vdid.t
dist_check_SCRIPTS += tests/t4200-demo-image.t tests/t4210-demo-vdid.t
clean-local: clean-image
.PHONY: clean-image
clean-image:
	-rm -rf tests/image-cache
