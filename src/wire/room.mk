# SPDX-License-Identifier: Apache-2.0
# Two libraries: commands link the client alone, which pulls in no TLS and no event loop.
noinst_LIBRARIES += src/wire/libwire_server.a src/wire/libwire_client.a
src_wire_libwire_server_a_SOURCES = \
    src/wire/http_conn.c src/wire/http_internal.h \
    src/wire/http_listen.c \
    src/wire/http_request.c \
    src/wire/http_server.c src/wire/http_server.h \
    src/wire/http_stream.c \
    src/wire/http_target.c \
    src/wire/identity.c src/wire/identity.h \
    src/wire/identity_nss.c
src_wire_libwire_server_a_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS) $(EVENT_CFLAGS)
src_wire_libwire_client_a_SOURCES = \
    src/wire/http_client.c src/wire/http_client.h \
    src/wire/http_link.c src/wire/http_link.h \
    src/wire/http_tls.c \
    src/wire/munge_sign.c src/wire/munge_sign.h
src_wire_libwire_client_a_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(MUNGE_CFLAGS)

WIRE_SERVER_LIBS = src/wire/libwire_server.a $(LOOP_LIBS) $(BASE_LIBS) $(MICROHTTPD_LIBS)
WIRE_CLIENT_LIBS = src/wire/libwire_client.a $(BASE_LIBS) -ldl

UNIT_TESTS += tests/unit/wire/test_http_server
tests_unit_wire_test_http_server_SOURCES = tests/unit/wire/test_http_server.c \
    tests/unit/wire/http_fixture.c tests/unit/wire/http_fixture.h
tests_unit_wire_test_http_server_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_wire_test_http_server_LDADD = $(WIRE_SERVER_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/wire/test_http_client
tests_unit_wire_test_http_client_SOURCES = tests/unit/wire/test_http_client.c \
    tests/unit/wire/http_fixture.c tests/unit/wire/http_fixture.h
tests_unit_wire_test_http_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_wire_test_http_client_LDADD = $(WIRE_SERVER_LIBS) $(WIRE_CLIENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/wire/test_munge_sign
tests_unit_wire_test_munge_sign_SOURCES = tests/unit/wire/test_munge_sign.c
tests_unit_wire_test_munge_sign_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MUNGE_CFLAGS)
tests_unit_wire_test_munge_sign_LDADD = $(WIRE_CLIENT_LIBS) $(MUNGE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/wire/test_identity
tests_unit_wire_test_identity_SOURCES = tests/unit/wire/test_identity.c
tests_unit_wire_test_identity_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_wire_test_identity_LDADD = $(WIRE_SERVER_LIBS) $(CMOCKA_LIBS)

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

# Apart: only vdictld gives out images.
noinst_LIBRARIES += src/wire/libfile_server.a
src_wire_libfile_server_a_SOURCES = src/wire/file_server.c src/wire/file_server.h
src_wire_libfile_server_a_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS) $(GNUTLS_CFLAGS) \
    $(OPENSSL_CFLAGS)
FILE_SERVER_LIBS = src/wire/libfile_server.a $(MICROHTTPD_LIBS) $(GNUTLS_LIBS) -lpthread

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
