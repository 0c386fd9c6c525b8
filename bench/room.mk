# SPDX-License-Identifier: Apache-2.0

# Heartbeats of thousands of node links.
noinst_PROGRAMS += bench/links
bench_links_SOURCES = bench/links.c
bench_links_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
bench_links_LDADD = $(LINK_LIBS) $(CODEC_LIBS) $(BASE_LIBS)
