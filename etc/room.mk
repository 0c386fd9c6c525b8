# SPDX-License-Identifier: Apache-2.0
# What the system's service manager reads. Below the prefix, where systemd looks too when that is
# /usr or /usr/local.
systemdsystemunitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
nodist_systemdsystemunit_DATA = etc/vdictld.service etc/vdid.service
nodist_sysusers_DATA = etc/sysusers.d/osvdi.conf
nodist_tmpfiles_DATA = etc/tmpfiles.d/osvdi.conf
UNIT_FILES = $(nodist_systemdsystemunit_DATA) $(nodist_sysusers_DATA) $(nodist_tmpfiles_DATA)
CLEANFILES += $(UNIT_FILES)
EXTRA_DIST += etc/vdictld.service.in etc/vdid.service.in etc/osvdi.sysusers etc/osvdi.tmpfiles \
    etc/vdi.conf.example

FILL_IN = $(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|g' \
    -e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@localstatedir[@]|$(localstatedir)|g'
etc/vdictld.service: etc/vdictld.service.in Makefile
	$(FILL_IN) $(srcdir)/etc/vdictld.service.in >$@.tmp && mv $@.tmp $@
etc/vdid.service: etc/vdid.service.in Makefile
	$(FILL_IN) $(srcdir)/etc/vdid.service.in >$@.tmp && mv $@.tmp $@
etc/sysusers.d/osvdi.conf: etc/osvdi.sysusers Makefile
	$(FILL_IN) $(srcdir)/etc/osvdi.sysusers >$@.tmp && mv $@.tmp $@
etc/tmpfiles.d/osvdi.conf: etc/osvdi.tmpfiles Makefile
	$(FILL_IN) $(srcdir)/etc/osvdi.tmpfiles >$@.tmp && mv $@.tmp $@

# The guide, with these: its commands on a controller and two nodes made of namespaces.
VM_TESTS += tests/t6120-administration.t
dist_check_SCRIPTS += tests/t6120-administration.t
EXTRA_DIST += tests/lib/hosts.sh tests/lib/systemctl
clean-local: clean-administration
.PHONY: clean-administration
clean-administration:
	-rm -rf tests/administration
