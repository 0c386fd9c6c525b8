# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/loop/libloop.a
src_loop_libloop_a_SOURCES = src/loop/loop.c src/loop/loop.h src/loop/workers.c
src_loop_libloop_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) -pthread

LOOP_LIBS = src/loop/libloop.a $(EVENT_LIBS) -lpthread
