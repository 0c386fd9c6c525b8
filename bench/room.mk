# SPDX-License-Identifier: Apache-2.0

# Power cuts under a store; -export-dynamic lets the plugin's calls meet those of the bench.
noinst_PROGRAMS += bench/power
bench_power_SOURCES = bench/power.c bench/power_disk.c bench/power_disk.h \
    bench/power_record.c bench/power_record.h
bench_power_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
bench_power_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
bench_power_LDADD = $(BASE_LIBS) -ldl
TESTS += tests/t5000-power.t
EXTRA_DIST += tests/t5000-power.t

noinst_PROGRAMS += bench/store
bench_store_SOURCES = bench/store.c
bench_store_LDADD = -ldl

# A year of ended jobs, which bench/history asks about.
noinst_PROGRAMS += bench/history_fill
bench_history_fill_SOURCES = bench/history_fill.c
bench_history_fill_LDADD = $(VDICTLD_LIBS) -ldl

noinst_PROGRAMS += bench/acks
bench_acks_SOURCES = bench/acks.c

# Heartbeats of thousands of node links.
noinst_PROGRAMS += bench/links
bench_links_SOURCES = bench/links.c
bench_links_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
bench_links_LDADD = $(LINK_LIBS) $(CODEC_LIBS) $(BASE_LIBS)
noinst_PROGRAMS += bench/snapshot
bench_snapshot_SOURCES = bench/snapshot.c
bench_snapshot_LDADD = $(VDICTLD_LIBS) -ldl

# Plays nodes: a session as vdid has it, without instances.
noinst_PROGRAMS += bench/orders
bench_orders_SOURCES = bench/orders.c src/vdid/session.c src/vdid/session.h
bench_orders_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
bench_orders_LDADD = $(LINK_LIBS) $(CODEC_LIBS) $(BASE_LIBS)

# Programs that measure a controller of the build tree; README.md says which and how.
bench_scripts = bench/crash bench/acks.py bench/backfill bench/bind bench/scale bench/order bench/create bench/history bench/classes bench/foreseen \
    bench/images bench/mixed bench/fragments bench/punctual bench/spool bench/spool_socket.py \
    bench/mutants
EXTRA_DIST += $(bench_scripts) bench/README.md bench/RESULTS.md bench/crash_engine.py bench/crash_ledger.py bench/lab.py \
    bench/slurm_side.py
TESTS += tests/t5001-crash.t
EXTRA_DIST += tests/t5001-crash.t
