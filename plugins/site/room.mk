# SPDX-License-Identifier: Apache-2.0
PLUGINS += site/fake
siteplugindir = $(pkglibdir)/site
siteplugin_LTLIBRARIES = plugins/site/fake/fake.la

SITE_FAKE_SOURCES = plugins/site/fake/bind.c plugins/site/fake/clock.c plugins/site/fake/fake.c \
    plugins/site/fake/fake.h plugins/site/fake/input.c plugins/site/fake/keep.c plugins/site/fake/order.c \
    plugins/site/fake/output.c \
    plugins/site/fake/spec.c
plugins_site_fake_fake_la_SOURCES = $(SITE_FAKE_SOURCES)
plugins_site_fake_fake_la_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir) -D_GNU_SOURCE
plugins_site_fake_fake_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_site_fake_fake_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_site_fake_fake_la_LIBADD = $(JANSSON_LIBS)
dist_man_MANS += doc/man/vdi-site-fake.5

UNIT_TESTS += tests/unit/plugins/test_site_fake
tests_unit_plugins_test_site_fake_SOURCES = \
    tests/unit/plugins/test_site_fake.c tests/unit/plugins/site_fixture.c \
    tests/unit/plugins/site_fixture.h $(SITE_FAKE_SOURCES)
tests_unit_plugins_test_site_fake_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_plugins_test_site_fake_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_plugins_test_site_fake_LDADD = \
    $(LOOP_LIBS) $(BASE_LIBS) $(JANSSON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/plugins/test_site_bind
tests_unit_plugins_test_site_bind_SOURCES = \
    tests/unit/plugins/test_site_bind.c tests/unit/plugins/site_fixture.c \
    tests/unit/plugins/site_fixture.h $(SITE_FAKE_SOURCES)
tests_unit_plugins_test_site_bind_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_plugins_test_site_bind_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_plugins_test_site_bind_LDADD = \
    $(LOOP_LIBS) $(BASE_LIBS) $(JANSSON_LIBS) $(CMOCKA_LIBS)

PLUGINS += site/libvirt
siteplugin_LTLIBRARIES += plugins/site/libvirt/libvirt.la
plugins_site_libvirt_libvirt_la_SOURCES = plugins/site/libvirt/libvirt.c
plugins_site_libvirt_libvirt_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_site_libvirt_libvirt_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_site_libvirt_libvirt_la_LIBADD = $(JANSSON_LIBS)
