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
