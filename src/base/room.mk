# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
    src/base/buf.c src/base/buf.h \
    src/base/cleanup.h \
    src/base/crc32c.c src/base/crc32c.h \
    src/base/error.c src/base/error.h \
    src/base/file.c src/base/file.h \
    src/base/hash.c src/base/hash.h \
    src/base/hostlist.c src/base/hostlist.h \
    src/base/list.h \
    src/base/log.c src/base/log.h \
    src/base/str.c src/base/str.h \
    src/base/time.c src/base/time.h \
    src/base/word.c src/base/word.h \
    src/base/zone.c src/base/zone.h

BASE_LIBS = src/base/libbase.a

UNIT_TESTS += tests/unit/base/test_buf
tests_unit_base_test_buf_SOURCES = tests/unit/base/test_buf.c
tests_unit_base_test_buf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_buf_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_crc32c
tests_unit_base_test_crc32c_SOURCES = tests/unit/base/test_crc32c.c
tests_unit_base_test_crc32c_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_crc32c_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_file
tests_unit_base_test_file_SOURCES = tests/unit/base/test_file.c
tests_unit_base_test_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_file_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_error
tests_unit_base_test_error_SOURCES = tests/unit/base/test_error.c
tests_unit_base_test_error_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_error_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_hash
tests_unit_base_test_hash_SOURCES = tests/unit/base/test_hash.c
tests_unit_base_test_hash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_hash_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_hostlist
tests_unit_base_test_hostlist_SOURCES = tests/unit/base/test_hostlist.c
tests_unit_base_test_hostlist_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_hostlist_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_list
tests_unit_base_test_list_SOURCES = tests/unit/base/test_list.c
tests_unit_base_test_list_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_list_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_log
tests_unit_base_test_log_SOURCES = tests/unit/base/test_log.c
tests_unit_base_test_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_log_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_str
tests_unit_base_test_str_SOURCES = tests/unit/base/test_str.c
tests_unit_base_test_str_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_str_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_time
tests_unit_base_test_time_SOURCES = tests/unit/base/test_time.c
tests_unit_base_test_time_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_time_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_word
tests_unit_base_test_word_SOURCES = tests/unit/base/test_word.c
tests_unit_base_test_word_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_word_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_zone
tests_unit_base_test_zone_SOURCES = tests/unit/base/test_zone.c
tests_unit_base_test_zone_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_zone_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
