# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/codec/libcodec.a
src_codec_libcodec_a_SOURCES = \
    src/codec/audit_codec.c src/codec/audit_codec.h \
    src/codec/backup.c src/codec/backup.h \
    src/codec/base64.c src/codec/base64.h \
    src/codec/calendar.c src/codec/calendar.h \
    src/codec/calendar_rule.c src/codec/calendar_rule.h \
    src/codec/class_dates.c src/codec/class_dates.h \
    src/codec/config.c src/codec/config.h \
    src/codec/config_check.c src/codec/config_check.h \
    src/codec/config_class.c \
    src/codec/config_diff.c \
    src/codec/config_form.c \
    src/codec/config_gpu.c \
    src/codec/config_key.c src/codec/config_key.h \
    src/codec/config_scan.c src/codec/config_scan.h \
    src/codec/config_table.c \
    src/codec/config_tree.c src/codec/config_tree.h \
    src/codec/config_write.c src/codec/config_write.h \
    src/codec/document.c src/codec/document.h \
    src/codec/field.c src/codec/field.h \
    src/codec/disk_boot.c src/codec/disk_boot.h \
    src/codec/gpu_codec.c src/codec/gpu_codec.h \
    src/codec/ics.c src/codec/ics.h src/codec/ics_inner.h \
    src/codec/ics_read.c src/codec/ics_write.c src/codec/ics_zone.c \
    src/codec/image_manifest.c src/codec/image_manifest.h \
    src/codec/inventory.c src/codec/inventory.h \
    src/codec/job_codec.c src/codec/job_codec.h \
    src/codec/job_record.c \
    src/codec/json.h \
    src/codec/kept.c src/codec/kept.h \
    src/codec/link_codec.c src/codec/link_codec.h \
    src/codec/node_config.c src/codec/node_config.h \
    src/codec/noun_codec.c src/codec/noun_codec.h \
    src/codec/request.c src/codec/request.h \
    src/codec/request_input.c src/codec/request_input.h \
    src/codec/roster.c src/codec/roster.h \
    src/codec/runner_codec.c src/codec/runner_codec.h \
    src/codec/runner_frame.c src/codec/runner_frame.h \
    src/codec/runner_output.c src/codec/runner_output.h \
    src/codec/runner_raw.c src/codec/runner_raw.h \
    src/codec/runner_outbox.c src/codec/runner_outbox.h \
    src/codec/site_report.c src/codec/site_report.h \
    src/codec/site_start.c src/codec/site_start.h
src_codec_libcodec_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(YAJL_CFLAGS) $(CONFUSE_CFLAGS) \
    $(OPENSSL_CFLAGS) $(ICAL_CFLAGS) $(ICU_CFLAGS)

CODEC_LIBS = src/codec/libcodec.a $(MODEL_LIBS) $(JANSSON_LIBS) $(YAJL_LIBS) $(CONFUSE_LIBS) $(OPENSSL_LIBS)
# What asks for a calendar links this as well. Others need not: ICU comes with libical, and a
# command that loads it starts 1.5 ms later.
CALENDAR_LIBS = $(ICAL_LIBS) $(ICU_LIBS)

UNIT_TESTS += tests/unit/codec/test_config
tests_unit_codec_test_config_SOURCES = tests/unit/codec/test_config.c
tests_unit_codec_test_config_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += etc/vdi.conf.example

UNIT_TESTS += tests/unit/codec/test_config_write
tests_unit_codec_test_config_write_SOURCES = tests/unit/codec/test_config_write.c
tests_unit_codec_test_config_write_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_config_write_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_roster
tests_unit_codec_test_roster_SOURCES = tests/unit/codec/test_roster.c
tests_unit_codec_test_roster_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_roster_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_node_config
tests_unit_codec_test_node_config_SOURCES = tests/unit/codec/test_node_config.c
tests_unit_codec_test_node_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_node_config_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_field
tests_unit_codec_test_field_SOURCES = tests/unit/codec/test_field.c
tests_unit_codec_test_field_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_field_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_job_codec
tests_unit_codec_test_job_codec_SOURCES = tests/unit/codec/test_job_codec.c
tests_unit_codec_test_job_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_job_codec_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_request
tests_unit_codec_test_request_SOURCES = tests/unit/codec/test_request.c
tests_unit_codec_test_request_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_request_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_site_report
tests_unit_codec_test_site_report_SOURCES = tests/unit/codec/test_site_report.c
tests_unit_codec_test_site_report_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_site_report_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_runner_codec
tests_unit_codec_test_runner_codec_SOURCES = tests/unit/codec/test_runner_codec.c
tests_unit_codec_test_runner_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_runner_codec_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/codec/test_link_codec
tests_unit_codec_test_link_codec_SOURCES = tests/unit/codec/test_link_codec.c
tests_unit_codec_test_link_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_link_codec_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/codec/test_class_codec
tests_unit_codec_test_class_codec_SOURCES = tests/unit/codec/test_class_codec.c
tests_unit_codec_test_class_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_class_codec_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_disk_boot
tests_unit_codec_test_disk_boot_SOURCES = tests/unit/codec/test_disk_boot.c
tests_unit_codec_test_disk_boot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_disk_boot_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_image_manifest
tests_unit_codec_test_image_manifest_SOURCES = tests/unit/codec/test_image_manifest.c
tests_unit_codec_test_image_manifest_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_image_manifest_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_audit_codec
tests_unit_codec_test_audit_codec_SOURCES = tests/unit/codec/test_audit_codec.c
tests_unit_codec_test_audit_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_audit_codec_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_kept
tests_unit_codec_test_kept_SOURCES = tests/unit/codec/test_kept.c
tests_unit_codec_test_kept_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_kept_LDADD = $(CODEC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_calendar
tests_unit_codec_test_calendar_SOURCES = tests/unit/codec/test_calendar.c
tests_unit_codec_test_calendar_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_calendar_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/codec/test_ics
tests_unit_codec_test_ics_SOURCES = tests/unit/codec/test_ics.c
tests_unit_codec_test_ics_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_codec_test_ics_LDADD = $(CODEC_LIBS) $(CALENDAR_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
