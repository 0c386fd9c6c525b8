# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/codec/libcodec.a
src_codec_libcodec_a_SOURCES = \
    src/codec/field.c src/codec/field.h \
    src/codec/job_codec.c src/codec/job_codec.h \
    src/codec/json.h \
    src/codec/link_codec.c src/codec/link_codec.h \
    src/codec/noun_codec.c src/codec/noun_codec.h \
    src/codec/request.c src/codec/request.h \
    src/codec/request_input.c src/codec/request_input.h \
    src/codec/site_report.c src/codec/site_report.h
src_codec_libcodec_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(CONFUSE_CFLAGS)

CODEC_LIBS = src/codec/libcodec.a $(MODEL_LIBS) $(JANSSON_LIBS) $(CONFUSE_LIBS)
