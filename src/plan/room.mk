# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/plan/libplan.a
src_plan_libplan_a_SOURCES = \
    src/plan/admit.c \
    src/plan/booking.c src/plan/booking.h \
    src/plan/closure.c src/plan/closure.h \
    src/plan/entry.h \
    src/plan/exchange.c src/plan/exchange.h \
    src/plan/forecast.c \
    src/plan/fragment.c src/plan/fragment.h \
    src/plan/gpuline.c src/plan/gpuline.h \
    src/plan/held.c \
    src/plan/index.c src/plan/index.h \
    src/plan/inner.h \
    src/plan/kinds.c \
    src/plan/licence.c \
    src/plan/pass.c \
    src/plan/pause.c src/plan/pause.h \
    src/plan/place.c src/plan/place.h \
    src/plan/planner.c src/plan/planner.h \
    src/plan/qos.c \
    src/plan/queue.c src/plan/queue.h \
    src/plan/room.c \
    src/plan/seat.c src/plan/seat.h \
    src/plan/shape.c src/plan/shape.h \
    src/plan/best.c \
    src/plan/shortage.c \
    src/plan/shorten.c \
    src/plan/steps.h \
    src/plan/timeline.c src/plan/timeline.h \
    src/plan/victim.c src/plan/victim.h \
    src/plan/wake.c src/plan/wake.h \
    src/plan/why.c \
    src/plan/wish.c src/plan/wish.h

PLAN_LIBS = src/plan/libplan.a

UNIT_TESTS += tests/unit/plan/test_parts tests/unit/plan/test_planner \
    tests/unit/plan/test_property tests/unit/plan/test_seat \
    tests/unit/plan/test_wide tests/unit/plan/test_pause \
    tests/unit/plan/test_victim tests/unit/plan/test_preempt tests/unit/plan/test_forecast \
    tests/unit/plan/test_fragment tests/unit/plan/test_shorten tests/unit/plan/test_index \
    tests/unit/plan/test_licences tests/unit/plan/test_encode \
    tests/unit/plan/test_shortage \
    tests/unit/plan/test_closure tests/unit/plan/test_exchange tests/unit/plan/test_booking

plan_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
plan_test_libs = $(PLAN_LIBS) $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

tests_unit_plan_test_parts_SOURCES = tests/unit/plan/test_parts.c
tests_unit_plan_test_parts_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_parts_LDADD = $(plan_test_libs)
tests_unit_plan_test_planner_SOURCES = tests/unit/plan/test_planner.c tests/unit/plan/world.h
tests_unit_plan_test_planner_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_planner_LDADD = $(plan_test_libs)
tests_unit_plan_test_property_SOURCES = tests/unit/plan/test_property.c \
    tests/unit/plan/events.c tests/unit/plan/events.h \
    tests/unit/plan/reference.c tests/unit/plan/reference.h \
    tests/unit/plan/reference_cross.c tests/unit/plan/world.h
tests_unit_plan_test_property_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_property_LDADD = $(plan_test_libs)
tests_unit_plan_test_closure_SOURCES = tests/unit/plan/test_closure.c tests/unit/plan/world.h
tests_unit_plan_test_closure_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_closure_LDADD = $(plan_test_libs)
tests_unit_plan_test_seat_SOURCES = tests/unit/plan/test_seat.c tests/unit/plan/world.h
tests_unit_plan_test_seat_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_seat_LDADD = $(plan_test_libs)
tests_unit_plan_test_encode_SOURCES = tests/unit/plan/test_encode.c tests/unit/plan/world.h
tests_unit_plan_test_encode_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_encode_LDADD = $(plan_test_libs)
tests_unit_plan_test_exchange_SOURCES = tests/unit/plan/test_exchange.c tests/unit/plan/world.h
tests_unit_plan_test_exchange_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_exchange_LDADD = $(plan_test_libs)
tests_unit_plan_test_forecast_SOURCES = tests/unit/plan/test_forecast.c tests/unit/plan/world.h
tests_unit_plan_test_forecast_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_forecast_LDADD = $(plan_test_libs)
tests_unit_plan_test_pause_SOURCES = tests/unit/plan/test_pause.c tests/unit/plan/world.h
tests_unit_plan_test_pause_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_pause_LDADD = $(plan_test_libs)
tests_unit_plan_test_preempt_SOURCES = tests/unit/plan/test_preempt.c tests/unit/plan/world.h
tests_unit_plan_test_preempt_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_preempt_LDADD = $(plan_test_libs)
tests_unit_plan_test_booking_SOURCES = tests/unit/plan/test_booking.c tests/unit/plan/scene.h \
    tests/unit/plan/world.h
tests_unit_plan_test_booking_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_booking_LDADD = $(plan_test_libs)
tests_unit_plan_test_victim_SOURCES = tests/unit/plan/test_victim.c tests/unit/plan/scene.h \
    tests/unit/plan/world.h
tests_unit_plan_test_victim_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_victim_LDADD = $(plan_test_libs)
tests_unit_plan_test_fragment_SOURCES = tests/unit/plan/test_fragment.c tests/unit/plan/world.h
tests_unit_plan_test_fragment_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_fragment_LDADD = $(plan_test_libs)

tests_unit_plan_test_licences_SOURCES = tests/unit/plan/test_licences.c tests/unit/plan/world.h
tests_unit_plan_test_licences_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_licences_LDADD = $(plan_test_libs)

tests_unit_plan_test_shortage_SOURCES = tests/unit/plan/test_shortage.c tests/unit/plan/world.h
tests_unit_plan_test_shortage_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_shortage_LDADD = $(plan_test_libs)
tests_unit_plan_test_shorten_SOURCES = tests/unit/plan/test_shorten.c tests/unit/plan/world.h
tests_unit_plan_test_shorten_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_shorten_LDADD = $(plan_test_libs)
tests_unit_plan_test_index_SOURCES = tests/unit/plan/test_index.c tests/unit/plan/world.h
tests_unit_plan_test_index_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_index_LDADD = $(plan_test_libs)
tests_unit_plan_test_wide_SOURCES = tests/unit/plan/test_wide.c tests/unit/plan/world.h
tests_unit_plan_test_wide_CFLAGS = $(plan_test_cflags)
tests_unit_plan_test_wide_LDADD = $(plan_test_libs)

EXTRA_PROGRAMS += bench/bench_planner bench/bench_cross
CLEANFILES += bench/bench_planner bench/bench_cross
bench_bench_planner_SOURCES = bench/bench_planner.c
bench_bench_planner_LDADD = $(PLAN_LIBS) $(MODEL_LIBS) $(BASE_LIBS)
bench_bench_cross_SOURCES = bench/bench_cross.c
bench_bench_cross_LDADD = $(PLAN_LIBS) $(MODEL_LIBS) $(BASE_LIBS)

EXTRA_DIST += doc/design/planner.md doc/design/classes.md
