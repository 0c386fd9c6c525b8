/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_suite.h - the tests that every store plugin must pass, and their tools.
 *
 * A store is written with records whose content follows from their seq alone, so that
 * what comes back can be checked without a copy of what was written.
 */
#ifndef TESTS_STORE_SUITE_H
#define TESTS_STORE_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <vdi/plugin.h>

#define TEST_SEQ_MAX 4096

struct backend {
    const char *name; /* "sqlite" */
    /* An empty place for a store; writes its dsn. */
    void (*fresh)(char *ret_dsn, size_t size);
    /* Makes the closed store look like one of schema 99, written by release 9.9.9. */
    void (*make_newer)(const char *dsn);
    /* A checksum over all that the store has on disk or in tables. */
    uint32_t (*fingerprint)(const char *dsn);
};

extern struct backend backend;
extern struct vdi_store_ops ops; /* of the plugin under test */
extern const struct vdi_plugin *plugin;

/* Loads plugins.d/store/<name>.so of the build tree. */
void suite_load_plugin(const char *name);

/* Content by seq. `text` must live as long as the record. */
struct content {
    char key[24], type[24], *body;
};
struct vdi_store_record content_record(uint64_t seq, struct content *text);
/* The row of object `i` in a snapshot of events up to seq, or of the archive. */
struct vdi_store_object content_object(uint64_t i, uint64_t seq, struct content *text);
void content_done(struct content *text);
uint32_t record_crc(const struct vdi_store_record *r);
uint32_t object_crc(const struct vdi_store_object *o);

/* What a load gave, checked against the content as it came. */
struct loaded {
    bool has[TEST_SEQ_MAX];
    size_t n_records, n_objects, n_damage, n_bad;
    uint64_t first, last;
    struct vdi_store_summary summary;
    char damage[4096]; /* "place: reason\n" ... */
    int stop_at;       /* record after which the loader stops, 0: never */
};

void *store_start(const char *dsn, uint64_t *ret_epoch, struct loaded *ret); /* open…load */
int store_load(void *store, struct loaded *ret);
int store_append(void *store, uint64_t epoch, uint64_t first, size_t n, uint64_t id_reserve);
int store_archive(void *store, uint64_t epoch, uint64_t seq, uint64_t i);
int store_snapshot(void *store, uint64_t epoch, uint64_t seq, size_t rows);
void assert_whole(const struct loaded *l, uint64_t first, uint64_t last);

/* The tests. */
void test_create_and_reopen(void **state);
void test_contents_survive(void **state);
void test_seqs_must_follow(void **state);
void test_epoch_must_lead(void **state);
void test_batch_is_whole_or_not(void **state);
void test_lease_is_renewed_and_raised(void **state);
void test_snapshot_then_events(void **state);
void test_snapshot_that_fails(void **state);
void test_trim_keeps_what_is_needed(void **state);
void test_archive_order_and_cursor(void **state);
void test_archive_filters(void **state);
void test_archive_by_end(void **state);
void test_events_of_an_object(void **state);
void test_bad_queries_are_refused(void **state);
void test_id_reserve_never_falls(void **state);
void test_damaged_record_is_told(void **state);
void test_load_can_be_stopped(void **state);
void test_newer_schema_is_refused(void **state);
void test_schema_versions(void **state);
/* store_beside.c */
void test_append_beside_snapshot(void **state);
void test_snapshot_of_a_former_leader(void **state);
void test_killed_in_a_snapshot(void **state);

#define STORE_SUITE_TESTS                                                                          \
    cmocka_unit_test(test_create_and_reopen), cmocka_unit_test(test_contents_survive),             \
        cmocka_unit_test(test_seqs_must_follow), cmocka_unit_test(test_epoch_must_lead),           \
        cmocka_unit_test(test_batch_is_whole_or_not),                                              \
        cmocka_unit_test(test_lease_is_renewed_and_raised),                                        \
        cmocka_unit_test(test_snapshot_then_events), cmocka_unit_test(test_snapshot_that_fails),   \
        cmocka_unit_test(test_trim_keeps_what_is_needed),                                          \
        cmocka_unit_test(test_archive_order_and_cursor), cmocka_unit_test(test_archive_filters),   \
        cmocka_unit_test(test_archive_by_end), cmocka_unit_test(test_events_of_an_object),         \
        cmocka_unit_test(test_bad_queries_are_refused),                                            \
        cmocka_unit_test(test_id_reserve_never_falls),                                             \
        cmocka_unit_test(test_damaged_record_is_told), cmocka_unit_test(test_load_can_be_stopped), \
        cmocka_unit_test(test_newer_schema_is_refused), cmocka_unit_test(test_schema_versions),    \
        cmocka_unit_test(test_append_beside_snapshot),                                             \
        cmocka_unit_test(test_snapshot_of_a_former_leader),                                        \
        cmocka_unit_test(test_killed_in_a_snapshot)

#endif
