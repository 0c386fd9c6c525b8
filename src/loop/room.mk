# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/loop/libloop.a
src_loop_libloop_a_SOURCES = src/loop/loop.c src/loop/loop.h src/loop/workers.c
src_loop_libloop_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) -pthread

LOOP_LIBS = src/loop/libloop.a $(EVENT_LIBS) -lpthread

UNIT_TESTS += tests/unit/loop/test_loop
tests_unit_loop_test_loop_SOURCES = tests/unit/loop/test_loop.c
tests_unit_loop_test_loop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_loop_test_loop_LDADD = $(LOOP_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/loop/test_workers
tests_unit_loop_test_workers_SOURCES = tests/unit/loop/test_workers.c
tests_unit_loop_test_workers_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_loop_test_workers_LDADD = $(LOOP_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
