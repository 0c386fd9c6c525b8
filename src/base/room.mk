# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
    src/base/buf.c src/base/buf.h \
    src/base/cleanup.h \
    src/base/crc32c.c src/base/crc32c.h \
    src/base/error.c src/base/error.h \
    src/base/hash.c src/base/hash.h \
    src/base/hostlist.c src/base/hostlist.h \
    src/base/list.h \
    src/base/log.c src/base/log.h \
    src/base/str.c src/base/str.h \
    src/base/time.c src/base/time.h

BASE_LIBS = src/base/libbase.a
