# SPDX-License-Identifier: Apache-2.0
# A target NAME is fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput, its line in FUZZ_TARGETS,
# its _SOURCES ending in $(FUZZ_DRIVER), its _LDFLAGS $(FUZZ_LDFLAGS), and seeds in
# fuzz/corpus/NAME/. `make check` runs the seeds and their mutations; with CC=clang
# --enable-fuzzing the same program is a libFuzzer one.
FUZZ_TARGETS = fuzz/fuzz_http fuzz/fuzz_token
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

fuzz_fuzz_http_SOURCES = fuzz/fuzz_http.c $(FUZZ_DRIVER)
fuzz_fuzz_http_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
fuzz_fuzz_http_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_http_LDADD = $(WIRE_SERVER_LIBS)

fuzz_fuzz_token_SOURCES = fuzz/fuzz_token.c plugins/auth/token/token_text.c $(FUZZ_DRIVER)
fuzz_fuzz_token_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
fuzz_fuzz_token_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
fuzz_fuzz_token_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_token_LDADD = $(JANSSON_LIBS) $(OPENSSL_LIBS)

FUZZ_TARGETS += fuzz/fuzz_config fuzz/fuzz_hostlist
fuzz_fuzz_config_SOURCES = fuzz/fuzz_config.c $(FUZZ_DRIVER)
fuzz_fuzz_config_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_config_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS)
fuzz_fuzz_hostlist_SOURCES = fuzz/fuzz_hostlist.c $(FUZZ_DRIVER)
fuzz_fuzz_hostlist_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_hostlist_LDADD = $(BASE_LIBS)

FUZZ_TARGETS += fuzz/fuzz_image
fuzz_fuzz_image_SOURCES = fuzz/fuzz_image.c $(FUZZ_DRIVER)
fuzz_fuzz_image_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_image_LDADD = $(CODEC_LIBS) $(BASE_LIBS)

FUZZ_TARGETS += fuzz/fuzz_json fuzz/fuzz_request
fuzz_fuzz_json_SOURCES = fuzz/fuzz_json.c $(FUZZ_DRIVER)
fuzz_fuzz_json_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_json_LDADD = $(CODEC_LIBS) $(BASE_LIBS)
fuzz_fuzz_request_SOURCES = fuzz/fuzz_request.c $(FUZZ_DRIVER)
fuzz_fuzz_request_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_request_LDADD = $(CODEC_LIBS) $(BASE_LIBS)

FUZZ_TARGETS += fuzz/fuzz_runner
fuzz_fuzz_runner_SOURCES = fuzz/fuzz_runner.c $(FUZZ_DRIVER)
fuzz_fuzz_runner_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_runner_LDADD = $(CODEC_LIBS) $(BASE_LIBS)
FUZZ_TARGETS += fuzz/fuzz_link
fuzz_fuzz_link_SOURCES = fuzz/fuzz_link.c $(FUZZ_DRIVER)
fuzz_fuzz_link_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_link_LDADD = $(LINK_LIBS) $(CODEC_LIBS) $(BASE_LIBS)

FUZZ_TARGETS += fuzz/fuzz_inventory fuzz/fuzz_node_config fuzz/fuzz_record fuzz/fuzz_script
fuzz_fuzz_inventory_SOURCES = fuzz/fuzz_inventory.c $(FUZZ_DRIVER)
fuzz_fuzz_inventory_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_inventory_LDADD = $(CODEC_LIBS) $(BASE_LIBS)
fuzz_fuzz_node_config_SOURCES = fuzz/fuzz_node_config.c $(FUZZ_DRIVER)
fuzz_fuzz_node_config_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_node_config_LDADD = $(CODEC_LIBS) $(BASE_LIBS)
fuzz_fuzz_record_SOURCES = fuzz/fuzz_record.c plugins/store/record.c $(FUZZ_DRIVER)
fuzz_fuzz_record_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
fuzz_fuzz_record_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_script_SOURCES = fuzz/fuzz_script.c $(FUZZ_DRIVER)
fuzz_fuzz_script_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_script_LDADD = $(CLI_LIBS)

FUZZ_TARGETS += fuzz/fuzz_calendar fuzz/fuzz_zone
fuzz_fuzz_calendar_SOURCES = fuzz/fuzz_calendar.c $(FUZZ_DRIVER)
fuzz_fuzz_calendar_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_calendar_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS)
fuzz_fuzz_zone_SOURCES = fuzz/fuzz_zone.c $(FUZZ_DRIVER)
fuzz_fuzz_zone_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_zone_LDADD = $(BASE_LIBS)
FUZZ_TARGETS += fuzz/fuzz_ics
fuzz_fuzz_ics_SOURCES = fuzz/fuzz_ics.c $(FUZZ_DRIVER)
fuzz_fuzz_ics_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_fuzz_ics_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS)
