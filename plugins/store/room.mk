# SPDX-License-Identifier: Apache-2.0
storeplugindir = $(pkglibdir)/store
storeplugin_LTLIBRARIES = plugins/store/sqlite/sqlite.la plugins/store/pgsql/pgsql.la
PLUGINS += store/sqlite store/pgsql

noinst_LTLIBRARIES += plugins/store/librecord.la
plugins_store_librecord_la_SOURCES = plugins/store/record.c plugins/store/record.h

plugins_store_sqlite_sqlite_la_SOURCES = \
    plugins/store/sqlite/append.c \
    plugins/store/sqlite/db.c \
    plugins/store/sqlite/ids.c plugins/store/sqlite/ids.h \
    plugins/store/sqlite/lease.c \
    plugins/store/sqlite/load.c \
    plugins/store/sqlite/past.c \
    plugins/store/sqlite/past_check.c \
    plugins/store/sqlite/past_mend.c \
    plugins/store/sqlite/query.c \
    plugins/store/sqlite/rebuild.c \
    plugins/store/sqlite/schema.c plugins/store/sqlite/schema.h \
    plugins/store/sqlite/snapshot.c plugins/store/sqlite/snapshot.h \
    plugins/store/sqlite/sqlite.c plugins/store/sqlite/sqlite.h \
    plugins/store/sqlite/walk.c
plugins_store_sqlite_sqlite_la_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir) -D_GNU_SOURCE
plugins_store_sqlite_sqlite_la_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
plugins_store_sqlite_sqlite_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_store_sqlite_sqlite_la_LIBADD = plugins/store/librecord.la $(SQLITE_LIBS)
plugins_store_librecord_la_CPPFLAGS = $(plugins_store_sqlite_sqlite_la_CPPFLAGS)

plugins_store_pgsql_pgsql_la_SOURCES = \
    plugins/store/pgsql/append.c \
    plugins/store/pgsql/conn.c \
    plugins/store/pgsql/load.c \
    plugins/store/pgsql/pgsql.c plugins/store/pgsql/pgsql.h \
    plugins/store/pgsql/pipe.c \
    plugins/store/pgsql/query.c \
    plugins/store/pgsql/schema.c
plugins_store_pgsql_pgsql_la_CPPFLAGS = $(plugins_store_sqlite_sqlite_la_CPPFLAGS)
plugins_store_pgsql_pgsql_la_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS)
plugins_store_pgsql_pgsql_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_store_pgsql_pgsql_la_LIBADD = plugins/store/librecord.la $(PQ_LIBS)

STORE_SUITE = \
    tests/unit/plugins/store_suite.c tests/unit/plugins/store_suite.h \
    tests/unit/plugins/store_beside.c tests/unit/plugins/store_tools.c \
    tests/unit/plugins/files.c tests/unit/plugins/files.h
STORE_SUITE_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
UNIT_TESTS += tests/unit/plugins/test_store_sqlite
tests_unit_plugins_test_store_sqlite_SOURCES = \
    tests/unit/plugins/test_store_sqlite.c $(STORE_SUITE)
tests_unit_plugins_test_store_sqlite_CPPFLAGS = $(STORE_SUITE_CPPFLAGS)
tests_unit_plugins_test_store_sqlite_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_plugins_test_store_sqlite_LDADD = \
    $(BASE_LIBS) $(CMOCKA_LIBS) $(SQLITE_LIBS) -ldl
UNIT_TESTS += tests/unit/plugins/test_store_damage
tests_unit_plugins_test_store_damage_SOURCES = \
    tests/unit/plugins/test_store_damage.c $(STORE_SUITE)
tests_unit_plugins_test_store_damage_CPPFLAGS = $(STORE_SUITE_CPPFLAGS)
tests_unit_plugins_test_store_damage_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_plugins_test_store_damage_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS) -ldl
UNIT_TESTS += tests/unit/plugins/test_store_archive
tests_unit_plugins_test_store_archive_SOURCES = \
    tests/unit/plugins/test_store_archive.c $(STORE_SUITE)
tests_unit_plugins_test_store_archive_CPPFLAGS = $(STORE_SUITE_CPPFLAGS)
tests_unit_plugins_test_store_archive_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_plugins_test_store_archive_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS) -ldl

UNIT_TESTS += tests/unit/plugins/test_store_pgsql
tests_unit_plugins_test_store_pgsql_SOURCES = \
    tests/unit/plugins/test_store_pgsql.c \
    tests/unit/plugins/store_suite.c tests/unit/plugins/store_suite.h \
    tests/unit/plugins/store_beside.c tests/unit/plugins/store_tools.c
tests_unit_plugins_test_store_pgsql_CPPFLAGS = $(STORE_SUITE_CPPFLAGS)
tests_unit_plugins_test_store_pgsql_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PQ_CFLAGS)
tests_unit_plugins_test_store_pgsql_LDADD = \
    $(BASE_LIBS) $(CMOCKA_LIBS) $(PQ_LIBS) -ldl -lpthread

UNIT_TESTS += tests/unit/plugins/test_sqlite_schema
tests_unit_plugins_test_sqlite_schema_SOURCES = \
    tests/unit/plugins/test_sqlite_schema.c \
    plugins/store/sqlite/schema.c plugins/store/record.c
tests_unit_plugins_test_sqlite_schema_CPPFLAGS = $(STORE_SUITE_CPPFLAGS)
tests_unit_plugins_test_sqlite_schema_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_plugins_test_sqlite_schema_LDADD = $(CMOCKA_LIBS) $(SQLITE_LIBS)
dist_man_MANS += doc/man/vdi-store-sqlite.5 doc/man/vdi-store-pgsql.5
