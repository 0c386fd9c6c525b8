# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/vdid/librunner.a
src_vdid_librunner_a_SOURCES = \
    src/vdid/file.c src/vdid/file.h \
    src/vdid/runner.c src/vdid/runner.h \
    src/vdid/runner_spool.c src/vdid/runner_spool.h
src_vdid_librunner_a_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)

RUNNER_HOST_LIBS = src/vdid/librunner.a $(CODEC_LIBS) $(LOOP_LIBS) $(BASE_LIBS) $(OPENSSL_LIBS)

# The host's half alone, for the tests: orders on stdin, what happens on stdout.
check_PROGRAMS += tests/runner_host
tests_runner_host_SOURCES = tests/runner_host.c
tests_runner_host_LDADD = $(RUNNER_HOST_LIBS)

UNIT_TESTS += tests/unit/vdid/test_runner_spool
tests_unit_vdid_test_runner_spool_SOURCES = tests/unit/vdid/test_runner_spool.c
tests_unit_vdid_test_runner_spool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdid_test_runner_spool_LDADD = $(RUNNER_HOST_LIBS) $(CMOCKA_LIBS)
