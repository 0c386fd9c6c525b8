# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/host/libhost.a
src_host_libhost_a_SOURCES = \
    src/host/host.c src/host/host.h src/host/host_internal.h \
    src/host/probe.c src/host/probe.h \
    src/host/settings.c

HOST_LIBS = src/host/libhost.a -ldl

UNIT_TESTS += tests/unit/host/test_host
tests_unit_host_test_host_SOURCES = tests/unit/host/test_host.c
tests_unit_host_test_host_LDADD = $(HOST_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/unit/host/plugin.c doc/example-plugin/Makefile doc/example-plugin/hosts.c

# Loads plugins of any kind by hand; the test of the example plugin does.
check_PROGRAMS += tests/load_plugin
tests_load_plugin_SOURCES = tests/load_plugin.c
tests_load_plugin_LDADD = $(HOST_LIBS) $(BASE_LIBS)
TESTS += tests/t0040-example-plugin.t tests/t0041-plugin-page.t
dist_check_SCRIPTS += tests/t0040-example-plugin.t tests/t0041-plugin-page.t
