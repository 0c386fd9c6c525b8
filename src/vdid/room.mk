# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/vdid/libvdid.a
src_vdid_libvdid_a_SOURCES = \
    src/vdid/accel.c src/vdid/accel.h \
    src/vdid/bind.c \
    src/vdid/cache.c src/vdid/cache.h src/vdid/cache_fetch.c src/vdid/cache_impl.h \
    src/vdid/ccache.c src/vdid/ccache.h src/vdid/ccache_file.c src/vdid/ccache_file.h \
    src/vdid/child.c src/vdid/child.h \
    src/vdid/console.c src/vdid/console.h \
    src/vdid/domain_spec.c src/vdid/domain_spec.h \
    src/vdid/domain_xml.c src/vdid/domain_xml.h \
    src/vdid/file.c src/vdid/file.h \
    src/vdid/image.c src/vdid/image.h \
    src/vdid/instance.c src/vdid/instance.h \
    src/vdid/order.c \
    src/vdid/orders.c \
    src/vdid/picture.c src/vdid/picture.h \
    src/vdid/ports.c src/vdid/ports.h \
    src/vdid/prepare.c \
    src/vdid/record.c src/vdid/record.h \
    src/vdid/registry.c src/vdid/vdid.h \
    src/vdid/run.c \
    src/vdid/run_wish.c src/vdid/run_wish.h \
    src/vdid/runner.c src/vdid/runner.h src/vdid/runner_internal.h \
    src/vdid/runner_keep.c \
    src/vdid/runner_spool.c src/vdid/runner_spool.h \
    src/vdid/runner_talk.c \
    src/vdid/save.c \
    src/vdid/share.c src/vdid/share.h \
    src/vdid/shares.c \
    src/vdid/disks.c \
    src/vdid/volume.c src/vdid/volume.h \
    src/vdid/show.c \
    src/vdid/spool.c \
    src/vdid/stop.c \
    src/vdid/tickets.c \
    src/vdid/virt.c src/vdid/virt.h src/vdid/virt_call.h \
    src/vdid/virt_ids.c \
    src/vdid/virt_ops.c \
    src/vdid/watch.c \
    src/vdid/writer.c src/vdid/writer.h \
    src/vdid/writer_file.c src/vdid/writer_file.h
src_vdid_libvdid_a_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS) $(XML_CFLAGS) $(PNG_CFLAGS) \
    $(OPENSSL_CFLAGS) -pthread

VDID_LIBS = src/vdid/libvdid.a $(CODEC_LIBS) $(LOOP_LIBS) $(BASE_LIBS) $(LIBVIRT_LIBS) \
    $(XML_LIBS) $(PNG_LIBS) $(OPENSSL_LIBS)

# Becomes a job's owner, and puts the job's output into a file of his.
pkglibexec_PROGRAMS += vdi-writer
vdi_writer_SOURCES = src/vdid/writer_main.c src/vdid/writer_file.c src/vdid/writer_file.h \
    src/vdid/become.c src/vdid/become.h
vdi_writer_LDADD = $(BASE_LIBS)

# Becomes a job's owner, and reads the owner's Kerberos ticket.
pkglibexec_PROGRAMS += vdi-ccache
vdi_ccache_SOURCES = src/vdid/ccache_main.c src/vdid/ccache_file.c src/vdid/ccache_file.h \
    src/vdid/become.c src/vdid/become.h
vdi_ccache_LDADD = $(BASE_LIBS)

# Gets versions of images for vdid.
pkglibexec_PROGRAMS += vdi-fetch
vdi_fetch_SOURCES = src/vdid/fetch_main.c src/vdid/fetch.h
vdi_fetch_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(OPENSSL_CFLAGS)
vdi_fetch_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CURL_LIBS) $(OPENSSL_LIBS)

# Becomes a job's owner, and then the virtiofsd of a directory of his.
pkglibexec_PROGRAMS += vdi-share
vdi_share_SOURCES = src/vdid/share_main.c src/vdid/share.h
vdi_share_LDADD = $(BASE_LIBS)

# Takes orders on stdin, one JSON object a line; the tests with real VMs drive it.
check_PROGRAMS += tests/vdid_drive
tests_vdid_drive_SOURCES = tests/vdid_drive.c
tests_vdid_drive_LDADD = $(VDID_LIBS)

# The host's half of the guest runner alone: orders on stdin, what happens on stdout.
check_PROGRAMS += tests/runner_host
tests_runner_host_SOURCES = tests/runner_host.c
tests_runner_host_LDADD = $(VDID_LIBS)

sbin_PROGRAMS += vdid
vdid_SOURCES = src/vdid/main.c src/vdid/agent.c src/vdid/agent.h src/vdid/enroll.c \
    src/vdid/enroll.h src/vdid/session.c src/vdid/session.h src/vdid/ticket.c src/vdid/ticket.h \
    src/vdid/spice_tls.c src/vdid/spice_tls.h
vdid_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
vdid_LDADD = $(VDID_LIBS) $(LINK_LIBS)
UNIT_TESTS += tests/unit/vdid/test_domain_xml
tests_unit_vdid_test_domain_xml_SOURCES = tests/unit/vdid/test_domain_xml.c
tests_unit_vdid_test_domain_xml_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XML_CFLAGS)
tests_unit_vdid_test_domain_xml_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/data/domain/linux-direct.xml tests/data/domain/linux-uefi.xml \
    tests/data/domain/windows-secure.xml tests/data/domain/linux-shares.xml \
    tests/data/domain/linux-disks.xml tests/data/domain/linux-seat.xml

UNIT_TESTS += tests/unit/vdid/test_node
tests_unit_vdid_test_node_SOURCES = tests/unit/vdid/test_node.c
tests_unit_vdid_test_node_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_node_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_picture
tests_unit_vdid_test_picture_SOURCES = tests/unit/vdid/test_picture.c
tests_unit_vdid_test_picture_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_picture_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_run_wish
tests_unit_vdid_test_run_wish_SOURCES = tests/unit/vdid/test_run_wish.c
tests_unit_vdid_test_run_wish_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_run_wish_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_ccache_file
tests_unit_vdid_test_ccache_file_SOURCES = tests/unit/vdid/test_ccache_file.c
tests_unit_vdid_test_ccache_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_ccache_file_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_writer_file
tests_unit_vdid_test_writer_file_SOURCES = tests/unit/vdid/test_writer_file.c
tests_unit_vdid_test_writer_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_writer_file_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_spice_tls
tests_unit_vdid_test_spice_tls_SOURCES = tests/unit/vdid/test_spice_tls.c src/vdid/spice_tls.c \
    src/vdid/ticket.c
tests_unit_vdid_test_spice_tls_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_vdid_test_spice_tls_LDADD = $(VDID_LIBS) $(LINK_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_runner_spool
tests_unit_vdid_test_runner_spool_SOURCES = tests/unit/vdid/test_runner_spool.c
tests_unit_vdid_test_runner_spool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_runner_spool_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_virt
tests_unit_vdid_test_virt_SOURCES = tests/unit/vdid/test_virt.c
tests_unit_vdid_test_virt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_virt_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

# The records' laws, with a libvirt that the test plays: its virt.c takes the library's place.
UNIT_TESTS += tests/unit/vdid/test_instance
tests_unit_vdid_test_instance_SOURCES = tests/unit/vdid/test_instance.c \
    tests/unit/vdid/fake_virt.c tests/unit/vdid/fake_virt.h
tests_unit_vdid_test_instance_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_instance_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

# And with a guest that it plays, too.
UNIT_TESTS += tests/unit/vdid/test_run
RUN_FIXTURE = tests/unit/vdid/run_fixture.c tests/unit/vdid/run_fixture.h \
    tests/unit/vdid/fake_virt.c tests/unit/vdid/fake_virt.h \
    tests/unit/vdid/fake_guest.c tests/unit/vdid/fake_guest.h
tests_unit_vdid_test_run_SOURCES = tests/unit/vdid/test_run.c $(RUN_FIXTURE)
tests_unit_vdid_test_run_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_run_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdid/test_bind
tests_unit_vdid_test_bind_SOURCES = tests/unit/vdid/test_bind.c $(RUN_FIXTURE)
tests_unit_vdid_test_bind_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_bind_LDADD = $(VDID_LIBS) $(CMOCKA_LIBS)

TESTS += tests/t2310-image-fetch.t
EXTRA_DIST += tests/t2310-image-fetch.t

# Real VMs take minutes and root: a target of their own.
VM_TESTS = tests/t3100-spice.t tests/t4000-libvirt.t tests/t4010-run.t tests/t4020-save-full.t \
    tests/t4100-node.t tests/t4110-link-loss.t tests/t4120-node-errors.t tests/t4130-batch.t \
    tests/t4140-seat.t tests/t4150-images.t tests/t4160-disks.t tests/t4170-bind.t \
    tests/t4180-class.t tests/t4190-make-room.t \
    tests/t4230-secure-boot.t
dist_check_SCRIPTS += $(VM_TESTS)
EXTRA_DIST += tests/lib/libvirt.sh tests/lib/guest.sh tests/lib/drive.sh tests/lib/node.sh \
    tests/lib/spice_client.py doc/design/vdid.md
.PHONY: check-vm
check-vm: $(check_PROGRAMS)
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(VM_TESTS)'
clean-local: clean-vm
.PHONY: clean-vm
clean-vm:
	-rm -rf tests/guest-cache tests/guest-secure-cache tests/libvirt-cache
