# SPDX-License-Identifier: Apache-2.0
# A target NAME is fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput, its line in FUZZ_TARGETS,
# its _SOURCES ending in $(FUZZ_DRIVER), its _LDFLAGS $(FUZZ_LDFLAGS), and seeds in
# fuzz/corpus/NAME/. `make check` runs the seeds and their mutations; with CC=clang
# --enable-fuzzing the same program is a libFuzzer one.
FUZZ_TARGETS =
EXTRA_DIST += fuzz/corpus

if FUZZING
FUZZ_DRIVER =
FUZZ_LDFLAGS = -fsanitize=fuzzer $(AM_LDFLAGS)
noinst_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_DRIVER = fuzz/driver.c
FUZZ_LDFLAGS = $(AM_LDFLAGS)
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
endif

FUZZ_TARGETS += fuzz/fuzz_format
fuzz_fuzz_format_SOURCES = fuzz/fuzz_format.c $(FUZZ_DRIVER)
fuzz_fuzz_format_LDADD = $(CLI_LIBS)
fuzz_fuzz_format_LDFLAGS = $(FUZZ_LDFLAGS)
