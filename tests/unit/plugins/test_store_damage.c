/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_damage.c - an SQLite store whose files are cut and flipped everywhere.
 *
 * After any one damage the load gives all that was acknowledged, or it tells the damage
 * and gives nothing that was not written; no id and no seq comes twice; what is
 * appended afterwards is there at the next start. VDI_TEST_FLIPS sets how many places
 * are tried per file beside those that are always tried.
 */
#include "tests/unit/plugins/store_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/plugins/files.h"

#define EVENTS 150
#define IDS 4096
#define SNAPSHOT_OLD 40
#define SNAPSHOT_NEW 90

static char golden[2][512]; /* closed; as a killed process leaves it */
static char scratch[512], dsn[600];
static uint64_t golden_epoch;

struct backend backend = {"sqlite", NULL, NULL, NULL};

/* Shared by all tests: made once. */
static int make_golden(void **state)
{
    struct loaded l = {0};
    uint64_t seq = 1;
    bool reopened = false;

    for (int i = 0; i < 2; i++) {
        snprintf(golden[i], sizeof(golden[i]), "%s/golden%d", scratch_dir(), i);
        dir_empty(golden[i]);
    }
    snprintf(scratch, sizeof(scratch), "%s/scratch", scratch_dir());
    snprintf(dsn, sizeof(dsn), "%s/vdi.db", golden[0]);
    void *store = store_start(dsn, &golden_epoch, &l);
    while (seq <= EVENTS) {
        size_t n = 1 + seq % 7 < EVENTS + 1 - seq ? 1 + seq % 7 : EVENTS + 1 - seq;
        assert_int_equal(store_append(store, golden_epoch, seq, n, IDS), 0);
        for (uint64_t s = seq; s < seq + n; s++) {
            if (s == SNAPSHOT_OLD || s == SNAPSHOT_NEW)
                assert_int_equal(store_snapshot(store, golden_epoch, s, 20), 0);
        }
        seq += n;
        if (seq > EVENTS / 2 && !reopened) { /* a part is in the database, a part in the WAL */
            ops.close(store);
            store = store_start(dsn, &golden_epoch, &l);
            reopened = true;
        }
        if (seq <= EVENTS && seq % 2)
            assert_int_equal(store_archive(store, golden_epoch, seq, seq), 0), seq++;
    }
    dir_copy(golden[0], golden[1]);
    ops.close(store);
    snprintf(dsn, sizeof(dsn), "%s/vdi.db", scratch);
    return 0;
}

static int count_object(void *arg, const struct vdi_store_object *o)
{
    ++*(size_t *)arg;
    return 0;
}

/* What must hold after any damage; returns whether damage was told. */
static bool check(const char *what)
{
    struct loaded l = {0}, again = {0};
    struct vdi_store_query q = {.noun = "job", .limit = 10000};
    uint64_t epoch = 0;
    size_t n = 0;
    void *store = store_start(dsn, &epoch, &l);

    if (!l.summary.damaged && l.n_damage == 0) {
        assert_whole(&l, l.summary.snapshot_seq + 1, EVENTS);
        assert_true(l.summary.snapshot_seq == SNAPSHOT_NEW ||
                    l.summary.snapshot_seq == SNAPSHOT_OLD);
    } else {
        assert_true(l.n_damage > 0);
        assert_true(l.summary.damaged);
    }
    if (l.summary.snapshot_seq)
        assert_int_equal(l.n_objects, 20);
    assert_int_equal(l.summary.id_reserve, IDS);
    assert_true(epoch > golden_epoch);
    uint64_t last = l.summary.last_seq;
    assert_in_range(last, l.last > EVENTS ? EVENTS : l.last, EVENTS + 1);
    assert_int_equal(ops.query_archive(store, &q, count_object, &n, NULL), 0);
    assert_int_equal(store_append(store, epoch, last + 1, 3, IDS + 1), 0);
    assert_int_equal(store_archive(store, epoch, last + 4, 7), 0);
    ops.close(store);
    bool told = l.summary.damaged;
    store = store_start(dsn, &epoch, &again);
    assert_int_equal(again.summary.id_reserve, IDS + 1);
    assert_int_equal(again.summary.last_seq, last + 4);
    for (uint64_t seq = again.summary.snapshot_seq + 1; seq <= last; seq++)
        assert_int_equal(l.has[seq], again.has[seq]);
    for (uint64_t seq = last + 1; seq <= last + 4; seq++)
        assert_true(again.has[seq]);
    ops.close(store);
    return told;
}

static char current[128];

static bool with_flip(int g, const char *suffix, off_t at, int bit)
{
    char path[700];

    snprintf(current, sizeof(current), "golden%d vdi.db%s byte %ld bit %d", g, suffix, (long)at,
             bit);
    if (getenv("VDI_TEST_VERBOSE"))
        fprintf(stderr, "# %s\n", current);
    dir_copy(golden[g], scratch);
    snprintf(path, sizeof(path), "%s%s", dsn, suffix);
    file_flip(path, at, bit);
    return check(current);
}

static bool with_cut(int g, const char *suffix, off_t size)
{
    char path[700];

    snprintf(current, sizeof(current), "golden%d vdi.db%s cut to %ld", g, suffix, (long)size);
    if (getenv("VDI_TEST_VERBOSE"))
        fprintf(stderr, "# %s\n", current);
    dir_copy(golden[g], scratch);
    snprintf(path, sizeof(path), "%s%s", dsn, suffix);
    assert_int_equal(truncate(path, size), 0);
    return check(current);
}

static off_t golden_size(int g, const char *suffix)
{
    char path[700];

    snprintf(path, sizeof(path), "%s/vdi.db%s", golden[g], suffix);
    return file_size(path);
}

static int tell_place(void **state)
{
    /* Runs after each test; a failure names the place it was at. */
    if (getenv("VDI_TEST_VERBOSE"))
        print_message("# last: %s\n", current);
    return 0;
}

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static long flips(void)
{
    const char *s = getenv("VDI_TEST_FLIPS");

    return s ? atol(s) : 150;
}

static void flip_at_random(int g, const char *suffix, size_t *told)
{
    uint32_t seed = 4711;
    off_t size = golden_size(g, suffix);

    for (long i = 0; i < flips(); i++)
        *told += with_flip(g, suffix, draw(&seed) % size, draw(&seed) % 8);
}

static void test_undamaged(void **state)
{
    for (int g = 0; g < 2; g++) {
        dir_copy(golden[g], scratch);
        assert_false(check("undamaged"));
    }
    assert_true(golden_size(1, "-wal") > 0); /* the second is what it says it is */
    assert_int_equal(golden_size(0, "-wal"), -1);
}

static void test_database_cut(void **state)
{
    size_t told = 0, cuts = 0;
    off_t size = golden_size(0, "");

    for (off_t at = 0; at < size; at += 4096, cuts += 2)
        told += with_cut(0, "", at) + with_cut(0, "", at + 700);
    assert_int_equal(told, cuts);
    for (off_t at = 0; at < golden_size(1, ""); at += 4096)
        with_cut(1, "", at);
}

static void test_database_header_flipped(void **state)
{
    for (off_t at = 0; at < 100; at++)
        for (int bit = 0; bit < 8; bit++)
            with_flip(0, "", at, bit);
}

static void test_database_page_heads_flipped(void **state)
{
    for (off_t page = 0; page < golden_size(0, ""); page += 4096)
        for (off_t at = page ? 0 : 100; at < (page ? 14 : 108); at++)
            with_flip(0, "", page + at, (int)((page / 4096 + at) % 8));
}

static void test_database_flipped(void **state)
{
    size_t told = 0;

    flip_at_random(0, "", &told);
    assert_true(told > 0);
    flip_at_random(1, "", &told);
}

/* A WAL ends at the first frame that is not whole: only the mark knows better. */
static void test_wal_cut_and_flipped(void **state)
{
    size_t told = 0, cuts = 0;

    for (off_t at = 0; at < golden_size(1, "-wal") - 1; at += 4120 / 2, cuts++)
        told += with_cut(1, "-wal", at);
    assert_int_equal(told, cuts); /* all of it was acknowledged */
    told = 0;
    flip_at_random(1, "-wal", &told);
    assert_true(told > (size_t)flips() / 2);
}

static void test_snapshots_cut_and_flipped(void **state)
{
    static const char *const suffix[] = {".snapshot", ".snapshot.1"};

    for (int i = 0; i < 2; i++) {
        size_t told = 0;
        flip_at_random(0, suffix[i], &told);
        assert_int_equal(told, flips()); /* none may pass */
        for (off_t at = 0; at < golden_size(0, suffix[i]); at += 512)
            assert_true(with_cut(0, suffix[i], at));
    }
}

static void test_ids_cut_and_flipped(void **state)
{
    size_t told = 0;

    flip_at_random(0, ".ids", &told);
    for (off_t at = 0; at < golden_size(0, ".ids"); at += 256)
        with_cut(0, ".ids", at);
    assert_true(with_cut(0, ".ids", 0));
}

static void test_files_lost(void **state)
{
    static const char *const suffix[] = {"", ".ids", ".snapshot", ".snapshot.1", "-wal"};
    static const bool must_tell[] = {true, false, false, false, true};
    char path[700];

    for (int i = 0; i < 5; i++) {
        dir_copy(golden[1], scratch);
        snprintf(path, sizeof(path), "%s%s", dsn, suffix[i]);
        assert_int_equal(unlink(path), 0);
        snprintf(current, sizeof(current), "without vdi.db%s", suffix[i]);
        bool told = check(current);
        if (must_tell[i])
            assert_true(told);
    }
}

/* All of the database destroyed: ids, seqs and epochs go on where they were. */
static void test_database_destroyed(void **state)
{
    char noise[40960];
    uint32_t seed = 1;

    for (int g = 0; g < 2; g++) {
        dir_copy(golden[g], scratch);
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (char)draw(&seed);
        file_write(dsn, noise, sizeof(noise));
        assert_true(check("noise"));
        assert_int_equal(dir_count(scratch, "damaged"), g ? 2 : 1); /* kept, with its WAL */
    }
}

/* A power cut in the middle of the exchange of a damaged database. */
static void test_exchange_interrupted(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;
    char path[700], built[700];

    with_cut(0, "", 8192); /* leaves a good one: take it for the one just built */
    snprintf(built, sizeof(built), "%s/built", scratch_dir());
    assert_int_equal(rename(dsn, built), 0);
    for (int step = 0; step < 3; step++) {
        size_t len;
        unsigned char *data = file_read(built, &len);
        dir_copy(golden[1], scratch);
        snprintf(path, sizeof(path), "%s.new", dsn);
        file_write(path, data, len);
        free(data);
        snprintf(path, sizeof(path), "%s-wal", dsn);
        if (step >= 1)
            assert_int_equal(unlink(path), 0);
        if (step >= 2)
            assert_int_equal(unlink(dsn), 0);
        snprintf(path, sizeof(path), "%s.ids", dsn);
        void *store = store_start(dsn, &epoch, &l);
        assert_true(l.summary.last_seq >= EVENTS + 4);
        assert_true(l.has[l.summary.last_seq]);
        ops.close(store);
        assert_int_equal(dir_count(scratch, "damaged"), 2 - step);
        assert_int_equal(dir_count(scratch, ".new"), 0);
    }
}

/* A newer snapshot that is damaged must not push the good one out. */
static void test_damaged_snapshot_is_not_rotated(void **state)
{
    struct loaded l = {0};
    uint64_t epoch;
    char path[700];

    assert_true(with_flip(0, ".snapshot", 300, 3));
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.summary.snapshot_seq, SNAPSHOT_OLD);
    assert_whole(&l, SNAPSHOT_OLD + 1, EVENTS + 4);
    assert_int_equal(store_snapshot(store, epoch, EVENTS, 20), 0);
    ops.close(store);
    snprintf(path, sizeof(path), "%s.snapshot", dsn);
    file_flip(path, 300, 3);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(l.summary.snapshot_seq, SNAPSHOT_OLD);
    assert_int_equal(l.n_records, EVENTS + 4 - SNAPSHOT_OLD);
    ops.close(store);
}

/* Damage that comes while the store serves: it goes on serving. */
static void test_damage_under_a_running_store(void **state)
{
    size_t kept = 0;
    struct loaded l = {0};
    uint64_t epoch;

    dir_copy(golden[0], scratch);
    void *store = store_start(dsn, &epoch, &l);
    ops.close(store);
    for (off_t page = 1; page < golden_size(0, "") / 4096; page++) {
        dir_copy(golden[0], scratch);
        store = store_start(dsn, &epoch, &l);
        for (int i = 0; i < 100; i++)
            file_flip(dsn, page * 4096 + i, i % 8);
        uint64_t seq = EVENTS + 1;
        for (; seq < EVENTS + 40; seq++)
            assert_int_equal(store_archive(store, epoch, seq, seq), 0);
        ops.close(store);
        store = store_start(dsn, &epoch, &l);
        assert_int_equal(l.summary.last_seq, EVENTS + 39);
        snprintf(current, sizeof(current), "page %ld under a running store", (long)page + 1);
        for (seq = EVENTS + 1; seq < EVENTS + 40; seq++)
            if (!l.has[seq]) /* below a lost inner page of the tree */
                break;
        kept += seq == EVENTS + 40;
        if (seq < EVENTS + 40)
            assert_non_null(strstr(l.damage, "to 189: are missing"));
        ops.close(store);
    }
    assert_in_range(kept, golden_size(0, "") / 4096 - 3, golden_size(0, "") / 4096);
}

#define damage_test(fn) cmocka_unit_test_teardown(fn, tell_place)

int main(void)
{
    suite_load_plugin(backend.name);
    const struct CMUnitTest tests[] = {
        damage_test(test_undamaged),
        damage_test(test_database_cut),
        damage_test(test_database_header_flipped),
        damage_test(test_database_page_heads_flipped),
        damage_test(test_database_flipped),
        damage_test(test_wal_cut_and_flipped),
        damage_test(test_snapshots_cut_and_flipped),
        damage_test(test_ids_cut_and_flipped),
        damage_test(test_files_lost),
        damage_test(test_database_destroyed),
        damage_test(test_exchange_interrupted),
        damage_test(test_damaged_snapshot_is_not_rotated),
        damage_test(test_damage_under_a_running_store),
    };
    return cmocka_run_group_tests_name("store/damage", tests, make_golden, NULL);
}
