# SPDX-License-Identifier: Apache-2.0
# The node link is a library of its own: commands carry none of it.
noinst_LIBRARIES += src/wire/liblink.a
src_wire_liblink_a_SOURCES = \
    src/wire/link.h \
    src/wire/link_address.c \
    src/wire/link_bio.c \
    src/wire/link_client.c \
    src/wire/link_conn.c \
    src/wire/link_frame.c src/wire/link_frame.h \
    src/wire/link_hub.c \
    src/wire/link_internal.h \
    src/wire/link_outbox.c src/wire/link_outbox.h \
    src/wire/link_server.c \
    src/wire/link_tls.c \
    src/wire/pki.c src/wire/pki.h \
    src/wire/pki_file.c \
    src/wire/pki_internal.h \
    src/wire/pki_key.c \
    src/wire/pki_revoked.c \
    src/wire/pki_token.c
src_wire_liblink_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(OPENSSL_CFLAGS)

LINK_LIBS = src/wire/liblink.a $(LOOP_LIBS) $(BASE_LIBS) $(OPENSSL_LIBS)

UNIT_TESTS += tests/unit/wire/test_link
tests_unit_wire_test_link_SOURCES = tests/unit/wire/test_link.c \
    tests/unit/wire/link_fixture.c tests/unit/wire/link_fixture.h
tests_unit_wire_test_link_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_wire_test_link_LDADD = $(LINK_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/wire/test_pki
tests_unit_wire_test_pki_SOURCES = tests/unit/wire/test_pki.c \
    tests/unit/wire/link_fixture.c tests/unit/wire/link_fixture.h
tests_unit_wire_test_pki_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_wire_test_pki_LDADD = $(LINK_LIBS) $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/wire/test_link_frame
tests_unit_wire_test_link_frame_SOURCES = tests/unit/wire/test_link_frame.c
tests_unit_wire_test_link_frame_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_wire_test_link_frame_LDADD = $(LINK_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/wire/test_link_outbox
tests_unit_wire_test_link_outbox_SOURCES = tests/unit/wire/test_link_outbox.c
tests_unit_wire_test_link_outbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_wire_test_link_outbox_LDADD = $(LINK_LIBS) $(CMOCKA_LIBS)
