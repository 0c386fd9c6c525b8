# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/vdid/libvdid.a
src_vdid_libvdid_a_SOURCES = \
    src/vdid/accel.c src/vdid/accel.h \
    src/vdid/child.c src/vdid/child.h \
    src/vdid/console.c src/vdid/console.h \
    src/vdid/domain_spec.c src/vdid/domain_spec.h \
    src/vdid/domain_xml.c src/vdid/domain_xml.h \
    src/vdid/file.c src/vdid/file.h \
    src/vdid/image.c src/vdid/image.h \
    src/vdid/instance.c src/vdid/instance.h \
    src/vdid/order.c \
    src/vdid/orders.c \
    src/vdid/ports.c src/vdid/ports.h \
    src/vdid/prepare.c \
    src/vdid/record.c src/vdid/record.h \
    src/vdid/registry.c src/vdid/vdid.h \
    src/vdid/save.c \
    src/vdid/virt.c src/vdid/virt.h src/vdid/virt_call.h \
    src/vdid/virt_ops.c \
    src/vdid/watch.c
src_vdid_libvdid_a_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS) $(XML_CFLAGS) $(OPENSSL_CFLAGS) -pthread

VDID_LIBS = src/vdid/libvdid.a $(CODEC_LIBS) $(LOOP_LIBS) $(BASE_LIBS) $(LIBVIRT_LIBS) \
    $(XML_LIBS) $(OPENSSL_LIBS)

# Takes orders on stdin, one JSON object a line; the tests with real VMs drive it.
check_PROGRAMS += tests/vdid_drive
tests_vdid_drive_SOURCES = tests/vdid_drive.c
tests_vdid_drive_LDADD = $(VDID_LIBS)

sbin_PROGRAMS += vdid
vdid_SOURCES = src/vdid/main.c src/vdid/agent.c src/vdid/agent.h src/vdid/enroll.c \
    src/vdid/enroll.h src/vdid/session.c src/vdid/session.h src/vdid/ticket.c src/vdid/ticket.h
vdid_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
vdid_LDADD = $(VDID_LIBS) $(LINK_LIBS)
