# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/vdisim/libvdisim.a
src_vdisim_libvdisim_a_SOURCES = \
    src/vdisim/ask.c \
    src/vdisim/classes.c \
    src/vdisim/draw.c src/vdisim/draw.h \
    src/vdisim/life.c \
    src/vdisim/plot.c src/vdisim/plot.h \
    src/vdisim/report.c src/vdisim/report.h \
    src/vdisim/reservations.c \
    src/vdisim/run.h \
    src/vdisim/seats.c \
    src/vdisim/timer.c src/vdisim/timer.h \
    src/vdisim/timetable.c src/vdisim/timetable.h \
    src/vdisim/timetable_conf.c \
    src/vdisim/timetable_ics.c \
    src/vdisim/trace.c src/vdisim/trace.h \
    src/vdisim/usage.c src/vdisim/usage.h \
    src/vdisim/world.c src/vdisim/world.h

VDISIM_LIBS = src/vdisim/libvdisim.a $(PLAN_LIBS) $(CODEC_LIBS) $(MODEL_LIBS) $(BASE_LIBS) \
    $(CALENDAR_LIBS) $(CSV_LIBS) $(LZMA_LIBS) -lm

bin_PROGRAMS += vdisim
vdisim_SOURCES = src/vdisim/vdisim.c
vdisim_LDADD = $(VDISIM_LIBS)
dist_man_MANS += doc/man/vdisim.1

UNIT_TESTS += tests/unit/vdisim/test_trace tests/unit/vdisim/test_world
tests_unit_vdisim_test_trace_SOURCES = tests/unit/vdisim/test_trace.c
tests_unit_vdisim_test_trace_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdisim_test_trace_LDADD = $(VDISIM_LIBS) $(CMOCKA_LIBS)
tests_unit_vdisim_test_world_SOURCES = tests/unit/vdisim/test_world.c
tests_unit_vdisim_test_world_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdisim_test_world_LDADD = $(VDISIM_LIBS) $(CMOCKA_LIBS)

TESTS += tests/t7000-sim.t tests/t7010-classes.t tests/t7020-reservations.t
dist_check_SCRIPTS += tests/t7000-sim.t tests/t7010-classes.t tests/t7020-reservations.t
EXTRA_DIST += tests/lib/replan.py tests/lib/sim_check.py
