# SPDX-License-Identifier: Apache-2.0
PLUGINS += priority/fifo priority/multifactor
priorityplugindir = $(pkglibdir)/priority
priorityplugin_LTLIBRARIES = plugins/priority/fifo/fifo.la \
    plugins/priority/multifactor/multifactor.la
PRIORITY_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir) -D_GNU_SOURCE

plugins_priority_fifo_fifo_la_SOURCES = plugins/priority/fifo/fifo.c
plugins_priority_fifo_fifo_la_CPPFLAGS = $(PRIORITY_CPPFLAGS)
plugins_priority_fifo_fifo_la_LDFLAGS = $(PLUGIN_LDFLAGS)

plugins_priority_multifactor_multifactor_la_SOURCES = plugins/priority/multifactor/multifactor.c
plugins_priority_multifactor_multifactor_la_CPPFLAGS = $(PRIORITY_CPPFLAGS)
plugins_priority_multifactor_multifactor_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_priority_multifactor_multifactor_la_LIBADD = -lm
dist_man_MANS += doc/man/vdi-priority-fifo.7 doc/man/vdi-priority-multifactor.7

UNIT_TESTS += tests/unit/plugins/test_priority_multifactor
tests_unit_plugins_test_priority_multifactor_SOURCES = \
    tests/unit/plugins/test_priority_multifactor.c plugins/priority/multifactor/multifactor.c
tests_unit_plugins_test_priority_multifactor_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_plugins_test_priority_multifactor_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_plugins_test_priority_multifactor_LDADD = $(CMOCKA_LIBS) -lm
