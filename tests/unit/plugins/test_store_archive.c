/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_archive.c - the archive's own file of an SQLite store: what moves there is there
 * once, damage to it never touches the log, is found, told and mended beside the serving store.
 */
#include "tests/unit/plugins/store_suite.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/plugins/files.h"

#define ROWS 700 /* more than two moves */

static char golden[512], scratch[512], dsn[600], archive[620];

struct backend backend = {"sqlite", NULL, NULL, NULL};

static void archive_rows(void *store, uint64_t epoch, uint64_t seq, uint64_t from, uint64_t upto)
{
    for (uint64_t i = from; i <= upto; i++)
        assert_int_equal(store_archive(store, epoch, seq + i - from, i), 0);
}

static int make_golden(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;

    snprintf(golden, sizeof(golden), "%s/golden", scratch_dir());
    snprintf(scratch, sizeof(scratch), "%s/scratch", scratch_dir());
    dir_empty(golden);
    snprintf(dsn, sizeof(dsn), "%s/vdi.db", golden);
    void *store = store_start(dsn, &epoch, &l);
    archive_rows(store, epoch, 1, 1, ROWS);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0); /* moves all */
    archive_rows(store, epoch, ROWS + 1, ROWS + 1, ROWS + 20);
    archive_rows(store, epoch, ROWS + 21, 1, 10); /* again: these wait here, and are there too */
    ops.close(store);
    snprintf(dsn, sizeof(dsn), "%s/vdi.db", scratch);
    snprintf(archive, sizeof(archive), "%s.archive", dsn);
    return 0;
}

struct rows {
    size_t n, wrong, bad; /* bad: told apart by its checksum, as the host does */
    uint64_t last;
};

static int on_row(void *arg, const struct vdi_store_object *o)
{
    struct rows *rows = arg;
    uint64_t key = strtoull(o->key, NULL, 10);

    if (o->crc != object_crc(o)) {
        rows->bad++;
        return 0;
    }
    rows->wrong += rows->n && key >= rows->last;
    rows->last = key;
    rows->n++;
    return 0;
}

static struct rows count(void *store, const char *state)
{
    const char *states[] = {state, NULL};
    struct vdi_store_query q = {.noun = "job", .limit = 10000, .states = state ? states : NULL};
    struct rows rows = {0};

    assert_int_equal(ops.query_archive(store, &q, on_row, &rows, NULL), 0);
    return rows;
}

static void assert_all(void *store, size_t n)
{
    struct rows rows = count(store, NULL);

    assert_int_equal(rows.wrong + rows.bad, 0);
    assert_int_equal(rows.n, n);
}

static void test_moved_rows_are_there_once(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;

    dir_copy(golden, scratch);
    assert_true(file_size(archive) > 8192);
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_damage, 0);
    assert_all(store, ROWS + 20);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    assert_all(store, ROWS + 20);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_damage, 0);
    assert_all(store, ROWS + 20);
    ops.close(store);
}

/* vdi.db as it was before a move, the archive as it is after it: a power cut between. */
static void test_interrupted_move(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;
    char file[700];
    size_t len;

    dir_copy(golden, scratch);
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    ops.close(store);
    snprintf(file, sizeof(file), "%s/vdi.db", golden);
    unsigned char *data = file_read(file, &len);
    file_write(dsn, data, len);
    free(data);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_damage, 0);
    assert_all(store, ROWS + 20);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    assert_all(store, ROWS + 20);
    ops.close(store);
}

static void test_states_are_merged(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;
    size_t sum = 0;
    static const char *const states[] = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", NULL};
    struct vdi_store_query q = {.noun = "job", .limit = 10000, .states = states};
    struct rows rows = {0};

    dir_copy(golden, scratch);
    void *store = store_start(dsn, &epoch, &l);
    for (int i = 0; states[i]; i++) {
        sum += count(store, states[i]).n;
    }
    assert_true(sum > 0);
    assert_int_equal(ops.query_archive(store, &q, on_row, &rows, NULL), 0);
    assert_int_equal(rows.wrong + rows.bad, 0);
    assert_int_equal(rows.n, sum);
    ops.close(store);
}

/* Waits for the look over that follows a start. */
static bool is_mended(void)
{
    for (int i = 0; i < 1000; i++) {
        if (dir_count(scratch, ".archive") > 0 && dir_count(scratch, "damaged-") > 0)
            return true;
        usleep(10000);
    }
    return false;
}

/* By its first byte; others have the ends of long rows: whose content is the host's to check, but
 * where they are chained, the chain breaks. */
static bool is_tree_page(size_t page)
{
    size_t len;
    unsigned char *data = file_read(archive, &len);
    int kind = data[page * 4096];

    free(data);
    return kind == 2 || kind == 5 || kind == 10 || kind == 13;
}

static bool can_be_queried(void *store)
{
    struct vdi_store_query q = {.noun = "job", .limit = 10000};
    struct rows rows = {0};

    return ops.query_archive(store, &q, on_row, &rows, NULL) == 0;
}

static void damage_page(size_t page)
{
    struct loaded l = {0};
    uint64_t epoch;
    struct rows rows, again;

    dir_copy(golden, scratch);
    bool tree = is_tree_page(page);
    for (int i = 0; i < 64; i++) /* the head of the page and its first cells' places */
        file_flip(archive, (off_t)(page * 4096 + (size_t)i), i % 8);
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_records, ROWS + 30); /* the log is whole */
    if (tree || !can_be_queried(store))
        assert_true(is_mended());
    archive_rows(store, epoch, ROWS + 31, ROWS + 21, ROWS + 30);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    rows = count(store, NULL);
    assert_int_equal(rows.wrong, 0);
    assert_in_range(rows.n, 40, ROWS + 30);
    if (!tree)
        assert_true(rows.n >= ROWS + 29); /* it is of one row */
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_damage, 0); /* told once, and whole again */
    again = count(store, NULL);
    assert_memory_equal(&again, &rows, sizeof(rows));
    ops.close(store);
}

static void test_damaged_page_is_mended(void **state)
{
    dir_copy(golden, scratch);
    size_t pages = (size_t)file_size(archive) / 4096;

    for (size_t page = 1; page < pages; page += 3) /* all kinds of them */
        damage_page(page);
}

static void test_lost_file_is_told(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;

    dir_copy(golden, scratch);
    assert_int_equal(unlink(archive), 0);
    void *store = store_start(dsn, &epoch, &l);
    assert_non_null(strstr(l.damage, "vdi.db.archive: is missing"));
    assert_true(l.summary.damaged);
    assert_false(l.summary.lost);
    assert_int_equal(l.n_records, ROWS + 30);
    assert_all(store, 30);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_damage, 0);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0); /* into a new one */
    assert_all(store, 30);
    ops.close(store);
}

static void test_older_archive_is_told(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;
    char file[700];
    size_t len;

    dir_copy(golden, scratch);
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    ops.close(store);
    snprintf(file, sizeof(file), "%s/vdi.db.archive", golden);
    unsigned char *data = file_read(file, &len);
    file_write(archive, data, len);
    free(data);
    store = store_start(dsn, &epoch, &l);
    assert_non_null(strstr(l.damage, "vdi.db.archive: has lost rows"));
    ops.close(store);
}

static void test_noise_is_put_aside(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;
    char noise[20000];

    dir_copy(golden, scratch);
    memset(noise, 0x5a, sizeof(noise));
    file_write(archive, noise, sizeof(noise));
    void *store = store_start(dsn, &epoch, &l);
    assert_true(l.n_damage > 0);
    assert_int_equal(dir_count(scratch, "damaged-"), 1);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    assert_all(store, 30);
    ops.close(store);
}

/* An older release finds all of it in vdi.db. */
static void test_schema_down_brings_it_back(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;

    dir_copy(golden, scratch);
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(ops.schema(store, 2, NULL), 0);
    assert_int_equal(file_size(archive), -1);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.n_damage, 0);
    assert_int_equal(file_size(archive), -1);
    assert_all(store, ROWS + 20);
    assert_int_equal(ops.trim(store, epoch, 1, 0, NULL), 0);
    assert_all(store, ROWS + 20);
    ops.close(store);
}

int main(void)
{
    suite_load_plugin(backend.name);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved_rows_are_there_once),
        cmocka_unit_test(test_interrupted_move),
        cmocka_unit_test(test_states_are_merged),
        cmocka_unit_test(test_damaged_page_is_mended),
        cmocka_unit_test(test_lost_file_is_told),
        cmocka_unit_test(test_older_archive_is_told),
        cmocka_unit_test(test_noise_is_put_aside),
        cmocka_unit_test(test_schema_down_brings_it_back),
    };
    return cmocka_run_group_tests_name("store/archive", tests, make_golden, NULL);
}
