# SPDX-License-Identifier: Apache-2.0
PLUGINS += auth/munge auth/token
authplugindir = $(pkglibdir)/auth
authplugin_LTLIBRARIES = plugins/auth/munge/munge.la plugins/auth/token/token.la
plugins_auth_munge_munge_la_SOURCES = plugins/auth/munge/munge.c plugins/auth/auth_error.h
AUTH_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir) -D_GNU_SOURCE
plugins_auth_munge_munge_la_CPPFLAGS = $(AUTH_CPPFLAGS)
plugins_auth_munge_munge_la_CFLAGS = $(AM_CFLAGS) $(MUNGE_CFLAGS)
plugins_auth_munge_munge_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_auth_munge_munge_la_LIBADD = $(MUNGE_LIBS)

TOKEN_SOURCES = plugins/auth/token/token.c plugins/auth/token/token_text.c \
    plugins/auth/token/token_text.h plugins/auth/auth_error.h
plugins_auth_token_token_la_SOURCES = $(TOKEN_SOURCES)
plugins_auth_token_token_la_CPPFLAGS = $(AUTH_CPPFLAGS)
plugins_auth_token_token_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(OPENSSL_CFLAGS)
plugins_auth_token_token_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_auth_token_token_la_LIBADD = $(JANSSON_LIBS) $(OPENSSL_LIBS)

UNIT_TESTS += tests/unit/plugins/test_auth_munge tests/unit/plugins/test_auth_token
tests_unit_plugins_test_auth_munge_SOURCES = tests/unit/plugins/test_auth_munge.c \
    plugins/auth/munge/munge.c
tests_unit_plugins_test_auth_munge_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_plugins_test_auth_munge_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MUNGE_CFLAGS)
tests_unit_plugins_test_auth_munge_LDADD = $(MUNGE_LIBS) $(CMOCKA_LIBS)
tests_unit_plugins_test_auth_token_SOURCES = tests/unit/plugins/test_auth_token.c $(TOKEN_SOURCES)
tests_unit_plugins_test_auth_token_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_plugins_test_auth_token_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS) \
    $(OPENSSL_CFLAGS)
tests_unit_plugins_test_auth_token_LDADD = $(JANSSON_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)
