# SPDX-License-Identifier: Apache-2.0
# What all tests share, the lint tests, and the tests of the harness itself.
LINT_TESTS = \
    tests/lint/format.t \
    tests/lint/includes.t \
    tests/lint/man.t \
    tests/lint/packages.t \
    tests/lint/rooms.t \
    tests/lint/selftest.t \
    tests/lint/shell.t \
    tests/lint/sizes.t \
    tests/lint/text.t \
    tests/lint/unsafe.t

HARNESS_TESTS = \
    tests/t0000-harness.t \
    tests/t0001-run-tests.t \
    tests/t1000-readme.t \
    tests/t1020-new-user.t

EXTRA_DIST += $(LINT_TESTS) tests/lint/lint.py \
    tests/lib/packages.sh tests/lib/tap.sh tests/lib/vdi.sh \
    tests/skips.list \
    $(HARNESS_TESTS)

# Builds all of it anew, in minutes, and needs root and the network: a target of its own.
QUICKSTART_TESTS = tests/t0900-quickstart.t
dist_check_SCRIPTS += $(QUICKSTART_TESTS)
EXTRA_DIST += quickstart tools/quickstart/inside.sh tools/quickstart/picture.sh \
    tools/quickstart/site.sh doc/desktop.png
.PHONY: check-quickstart
check-quickstart:
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(QUICKSTART_TESTS)'

if HAVE_PYTHON3
TESTS += $(LINT_TESTS)
endif
TESTS += $(HARNESS_TESTS)

# doc/states.md is what this prints.
check_PROGRAMS += tests/print_states
tests_print_states_SOURCES = tests/print_states.c
tests_print_states_LDADD = $(MODEL_LIBS) $(BASE_LIBS)
TESTS += tests/t0042-states.t
EXTRA_DIST += tests/t0042-states.t doc/states.md

if HAVE_PYTHON3
check_PROGRAMS += tests/calendar_drive
tests_calendar_drive_SOURCES = tests/calendar_drive.c
tests_calendar_drive_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS)
TESTS += tests/t1150-calendar.t
endif
EXTRA_DIST += tests/t1150-calendar.t tests/lib/calendar_check.py
