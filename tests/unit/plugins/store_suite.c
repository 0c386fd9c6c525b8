/* SPDX-License-Identifier: Apache-2.0 */
/* store_suite.c - what every store does. */
#include "tests/unit/plugins/store_suite.h"

#include <errno.h>
#include <stdio.h>

static void *fresh_store(char dsn[512], uint64_t *epoch)
{
    struct loaded l = {0};

    backend.fresh(dsn, 512);
    void *store = store_start(dsn, epoch, &l);
    assert_whole(&l, 1, 0);
    assert_int_equal(l.summary.id_reserve, 0);
    return store;
}

void test_create_and_reopen(void **state)
{
    char dsn[512];
    uint64_t epoch, next;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 64, 1000), 0);
    for (uint64_t seq = 65; seq <= 90; seq++)
        assert_int_equal(store_append(store, epoch, seq, 1, 1000), 0);
    ops.close(store);
    ops.close(NULL);
    store = store_start(dsn, &next, &l);
    assert_whole(&l, 1, 90);
    assert_int_equal(l.summary.id_reserve, 1000);
    assert_int_equal(l.summary.snapshot_seq, 0);
    assert_true(next > epoch);
    assert_int_equal(store_append(store, next, 91, 2, 0), 0);
    ops.close(store);
    store = store_start(dsn, &next, &l);
    assert_whole(&l, 1, 92);
    ops.close(store);
}

static int on_odd(void *arg, const struct vdi_store_record *r)
{
    assert_int_equal(r->crc, record_crc(r));
    ++*(size_t *)arg;
    return 0;
}

void test_contents_survive(void **state)
{
    char dsn[512], zeros[] = "a\0b\0\xff\x80", quotes[] = "'; DROP TABLE event; --\\\"%s";
    char *big = calloc(1, 1 << 20);
    uint64_t epoch;
    size_t n = 0;
    void *store = fresh_store(dsn, &epoch);
    struct vdi_store_record r[] = {
        {.seq = 1,
         .time_usec = INT64_MAX,
         .noun = "job",
         .key = quotes,
         .type = quotes,
         .version = UINT32_MAX,
         .body = zeros,
         .body_len = sizeof(zeros)},
        {.seq = 2,
         .time_usec = INT64_MIN,
         .noun = "job",
         .key = "Schlüssel 中",
         .type = "",
         .body = big,
         .body_len = 1 << 20},
        {.seq = 3, .noun = "", .key = "", .type = "", .body = NULL, .body_len = 0},
    };
    struct vdi_store_batch batch = {.epoch = epoch, .records = r, .n_records = 3};

    assert_non_null(big);
    memset(big, 'x', 1 << 20);
    for (int i = 0; i < 3; i++)
        r[i].crc = record_crc(&r[i]);
    assert_int_equal(ops.append(store, &batch, NULL), 0);
    struct vdi_store_query q = {.noun = "job", .limit = 10};
    assert_int_equal(ops.query_events(store, &q, on_odd, &n, NULL), 0);
    assert_int_equal(n, 2);
    q = (struct vdi_store_query){.noun = "job", .key = quotes, .limit = 10};
    assert_int_equal(ops.query_events(store, &q, on_odd, &n, NULL), 0);
    assert_int_equal(n, 3);
    q = (struct vdi_store_query){.noun = "", .limit = 10};
    assert_int_equal(ops.query_events(store, &q, on_odd, &n, NULL), 0);
    assert_int_equal(n, 4);
    ops.close(store);
    free(big);
}

void test_seqs_must_follow(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 2, 1, 0), -EINVAL);
    assert_int_equal(store_append(store, epoch, 0, 1, 0), -EINVAL);
    assert_int_equal(store_append(store, epoch, 1, 3, 0), 0);
    assert_int_equal(store_append(store, epoch, 3, 1, 0), -EINVAL);
    assert_int_equal(store_append(store, epoch, 5, 1, 0), -EINVAL);
    assert_int_equal(store_append(store, epoch, 4, 1, 0), 0);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 1, 4);
    ops.close(store);
}

void test_epoch_must_lead(void **state)
{
    char dsn[512];
    uint64_t epoch, next;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch - 1, 1, 1, 0), -ESTALE);
    assert_int_equal(store_append(store, 0, 1, 1, 0), -ESTALE);
    assert_int_equal(store_append(store, epoch + 1, 1, 1, 0), -ESTALE);
    assert_int_equal(store_append(store, epoch, 1, 1, 0), 0);
    ops.close(store);
    store = store_start(dsn, &next, &l);
    assert_int_equal(store_append(store, epoch, 2, 1, 0), -ESTALE);
    assert_int_equal(store_snapshot(store, epoch, 1, 1), -ESTALE);
    assert_int_equal(ops.trim(store, epoch, 1, 1, NULL), -ESTALE);
    assert_int_equal(store_append(store, next, 2, 1, 0), 0);
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 1, 2);
    ops.close(store);
}

void test_batch_is_whole_or_not(void **state)
{
    char dsn[512], label[300];
    uint64_t epoch;
    struct loaded l = {0};
    struct content text[3];
    struct vdi_store_record r[3];
    void *store = fresh_store(dsn, &epoch);

    memset(label, 'k', sizeof(label));
    label[sizeof(label) - 1] = '\0';
    for (int i = 0; i < 3; i++)
        r[i] = content_record((uint64_t)i + 1, &text[i]);
    r[2].key = label;
    struct vdi_store_batch batch = {.epoch = epoch, .records = r, .n_records = 3};
    assert_int_equal(ops.append(store, &batch, NULL), -EINVAL);
    for (int i = 0; i < 3; i++)
        content_done(&text[i]);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 1, 0);
    ops.close(store);
}

void test_lease_is_renewed_and_raised(void **state)
{
    char dsn[512];
    uint64_t epoch, again = 0, other = 0;
    struct vdi_error err = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(ops.lease(store, "test", 10000000, 20000000, &again, NULL), 0);
    assert_int_equal(again, epoch);
    assert_int_equal(ops.lease(store, "other", 20000000, 20000000, &other, &err), -EBUSY);
    assert_non_null(strstr(err.detail, "test"));
    assert_non_null(strstr(err.limit, "10 s"));
    assert_int_equal(store_append(store, epoch, 1, 1, 0), 0);
    assert_int_equal(ops.lease(store, "other", 30000001, 20000000, &other, NULL), 0);
    assert_true(other > epoch);
    assert_int_equal(store_append(store, epoch, 2, 1, 0), -ESTALE);
    assert_int_equal(store_append(store, other, 2, 1, 0), 0);
    assert_int_equal(ops.lease(store, "", 1, 1, &other, &err), -EINVAL);
    assert_int_equal(ops.lease(store, "x", 1, 0, &other, &err), -EINVAL);
    ops.close(store);
}

void test_snapshot_then_events(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 30, 500), 0);
    assert_int_equal(store_snapshot(store, epoch, 31, 5), -EINVAL); /* not yet written */
    assert_int_equal(store_snapshot(store, epoch, 20, 50), 0);
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 21, 30);
    assert_int_equal(l.n_objects, 50);
    assert_int_equal(store_append(store, epoch, 31, 10, 700), 0);
    assert_int_equal(store_snapshot(store, epoch, 40, 3), 0);
    assert_int_equal(store_snapshot(store, epoch, 30, 3), -EINVAL); /* goes back */
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 41, 40);
    assert_int_equal(l.n_objects, 3);
    assert_int_equal(l.summary.snapshot_seq, 40);
    assert_int_equal(l.summary.id_reserve, 700);
    assert_int_equal(store_append(store, epoch, 41, 1, 0), 0);
    assert_int_equal(store_snapshot(store, epoch, 41, 0), 0); /* an empty one is one */
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 42, 41);
    assert_int_equal(l.n_objects, 0);
    ops.close(store);
}

static int row_then_error(void *arg, struct vdi_store_object *ret)
{
    static struct content text;

    content_done(&text);
    if (++*(int *)arg > 3)
        return -ENOMEM;
    *ret = content_object((uint64_t) * (int *)arg, 12, &text);
    return 1;
}

void test_snapshot_that_fails(void **state)
{
    char dsn[512];
    uint64_t epoch;
    int n = 0;
    struct loaded l = {0};
    struct vdi_error err = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 12, 0), 0);
    assert_int_equal(store_snapshot(store, epoch, 10, 7), 0);
    assert_int_equal(ops.snapshot_write(store, epoch, 12, row_then_error, &n, &err), -ENOMEM);
    assert_int_equal(store_append(store, epoch, 13, 1, 0), 0);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 11, 13);
    assert_int_equal(l.n_objects, 7);
    ops.close(store);
}

static int count_record(void *arg, const struct vdi_store_record *r)
{
    ++*(size_t *)arg;
    return 0;
}

static size_t count_events(void *store)
{
    size_t n = 0;
    struct vdi_store_query q = {.noun = "job", .limit = 10000};

    assert_int_equal(ops.query_events(store, &q, count_record, &n, NULL), 0);
    return n;
}

void test_trim_keeps_what_is_needed(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 100, 0), 0);
    assert_int_equal(ops.trim(store, epoch, 100, INT64_MAX, NULL), 0);
    assert_int_equal(count_events(store), 100); /* no snapshot */
    assert_int_equal(store_snapshot(store, epoch, 40, 1), 0);
    assert_int_equal(ops.trim(store, epoch, 100, INT64_MAX, NULL), 0);
    assert_int_equal(count_events(store), 100); /* one, which may turn out damaged */
    assert_int_equal(store_snapshot(store, epoch, 80, 1), 0);
    assert_int_equal(ops.trim(store, epoch, 100, 1000000 * 11, NULL), 0);
    assert_int_equal(count_events(store), 90); /* the younger stay: event n is of second n */
    assert_int_equal(ops.trim(store, epoch, 21, INT64_MAX, NULL), 0);
    assert_int_equal(count_events(store), 80);
    assert_int_equal(ops.trim(store, epoch, 100, INT64_MAX, NULL), 0);
    assert_int_equal(count_events(store), 60); /* what the older snapshot needs */
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 81, 100);
    assert_int_equal(store_snapshot(store, epoch, 100, 1), 0);
    assert_int_equal(store_snapshot(store, epoch, 100, 1), 0);
    assert_int_equal(ops.trim(store, epoch, 200, INT64_MAX, NULL), 0);
    assert_int_equal(count_events(store), 0);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 101, 100);
    assert_int_equal(store_append(store, epoch, 101, 1, 0), 0);
    ops.close(store);
}

struct keys {
    size_t n;
    char key[64][300];
};

static int on_key(void *arg, const struct vdi_store_object *o)
{
    struct keys *k = arg;

    assert_int_equal(o->crc, object_crc(o));
    snprintf(k->key[k->n++], 300, "%s", o->key);
    return 0;
}

static void put_key(void *store, uint64_t epoch, uint64_t *seq, const char *key)
{
    struct content text[2];
    struct vdi_store_record r = content_record(++*seq, &text[0]);
    struct vdi_store_object o = content_object(1, *seq, &text[1]);

    o.key = key;
    o.crc = object_crc(&o);
    struct vdi_store_batch b = {
        .epoch = epoch, .records = &r, .n_records = 1, .archive = &o, .n_archive = 1};
    assert_int_equal(ops.append(store, &b, NULL), 0);
    content_done(&text[0]);
    content_done(&text[1]);
}

void test_archive_order_and_cursor(void **state)
{
    static const char *const want[] = {"4711", "1000", "999", "10", "9",  "0",
                                       "name", "b",    "a_2", "B",  "9x", "007"};
    static const char *const put[] = {"9",    "b",  "1000", "a_2", "999",  "B",  "10",
                                      "4711", "9x", "0",    "007", "name", "999"};
    char dsn[512];
    uint64_t epoch, seq = 0;
    void *store = fresh_store(dsn, &epoch);

    for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++)
        put_key(store, epoch, &seq, put[i]);
    struct vdi_store_query q = {.noun = "job", .limit = 100};
    struct keys all = {0}, paged = {0};
    assert_int_equal(ops.query_archive(store, &q, on_key, &all, NULL), 0);
    assert_int_equal(all.n, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < all.n; i++)
        assert_string_equal(all.key[i], want[i]);
    q.limit = 5;
    for (size_t before = 1; before != paged.n;) {
        before = paged.n;
        q.after_key = paged.n ? paged.key[paged.n - 1] : NULL;
        assert_int_equal(ops.query_archive(store, &q, on_key, &paged, NULL), 0);
    }
    assert_memory_equal(&all, &paged, sizeof(all));
    ops.close(store);
}

static size_t archive_count(void *store, struct vdi_store_query q)
{
    struct keys k = {0};

    q.noun = "job";
    q.limit = 60;
    assert_int_equal(ops.query_archive(store, &q, on_key, &k, NULL), 0);
    return k.n;
}

/* Object i runs from i ms for 0.5 ms. */
static void assert_by_end(void *store, struct vdi_store_query q, const char *const *want)
{
    struct keys k = {0};

    q.noun = "job";
    q.by_end = true;
    for (q.limit = 1; q.limit <= 3; q.limit++) {
        k.n = 0;
        q.after_key = NULL;
        for (size_t before = 1; before != k.n;) {
            before = k.n;
            assert_int_equal(ops.query_archive(store, &q, on_key, &k, NULL), 0);
            q.after_key = k.n ? k.key[k.n - 1] : NULL;
            q.after_usec = k.n ? strtol(k.key[k.n - 1], NULL, 10) * 1000 + 500 : 0;
        }
        for (size_t i = 0; i < k.n; i++)
            assert_string_equal(k.key[i], want[i]);
        assert_null(want[k.n]);
    }
}

void test_archive_by_end(void **state)
{
    static const char *const completed[] = {"COMPLETED", NULL};
    char dsn[512];
    uint64_t epoch;
    struct keys k = {0};
    struct vdi_error err = {0};
    void *store = fresh_store(dsn, &epoch);

    for (uint64_t i = 1; i <= 12; i++) /* in another order than they end in */
        assert_int_equal(store_archive(store, epoch, i, i * 5 % 13), 0);
    assert_by_end(store, (struct vdi_store_query){.from_usec = 5500, .to_usec = 9001},
                  (const char *[]){"6", "7", "8", "9", NULL});
    assert_by_end(store, (struct vdi_store_query){.from_usec = 5499, .ended_by_usec = 7500},
                  (const char *[]){"5", "6", "7", NULL});
    assert_by_end(store, (struct vdi_store_query){.owner = "unix:ann", .from_usec = 7000},
                  (const char *[]){"7", "9", "11", NULL});
    assert_by_end(store, (struct vdi_store_query){.owner = "unix:bob", .to_usec = 5000},
                  (const char *[]){"2", "4", NULL});
    assert_by_end(store, (struct vdi_store_query){.states = completed, .to_usec = 7000},
                  (const char *[]){"3", "6", NULL});
    struct vdi_store_query events = {.noun = "job", .limit = 1, .by_end = true};
    assert_int_equal(ops.query_events(store, &events, NULL, &k, &err), -EINVAL);
    ops.close(store);
}

static int stop_at_two(void *arg, const struct vdi_store_object *o)
{
    return ++*(int *)arg == 2 ? -ECANCELED : 0;
}

void test_archive_filters(void **state)
{
    static const char *const ended[] = {"FAILED", "CANCELLED", NULL};
    char dsn[512];
    uint64_t epoch;
    int n = 0;
    struct keys k = {0};
    void *store = fresh_store(dsn, &epoch);

    for (uint64_t i = 1; i <= 30; i++) /* object i runs from i ms for 0.5 ms */
        assert_int_equal(store_archive(store, epoch, i, i), 0);
    assert_int_equal(archive_count(store, (struct vdi_store_query){0}), 30);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.owner = "unix:ann"}), 15);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.owner = "unix:nobody"}), 0);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.states = ended}), 20);
    assert_int_equal(
        archive_count(store, (struct vdi_store_query){.states = ended, .owner = "unix:bob"}), 10);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.key = "12"}), 1);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.key = "31"}), 0);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.key = "012"}), 0);
    /* [from, to) against [begin, end): touching is not overlapping */
    assert_int_equal(
        archive_count(store, (struct vdi_store_query){.from_usec = 5500, .to_usec = 7000}), 1);
    assert_int_equal(
        archive_count(store, (struct vdi_store_query){.from_usec = 5499, .to_usec = 7001}), 3);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.from_usec = 30400}), 1);
    assert_int_equal(archive_count(store, (struct vdi_store_query){.to_usec = 2001}), 2);
    struct vdi_store_query q = {.noun = "class", .limit = 5};
    assert_int_equal(ops.query_archive(store, &q, on_key, &k, NULL), 0);
    assert_int_equal(k.n, 0);
    q.noun = "job";
    assert_int_equal(ops.query_archive(store, &q, stop_at_two, &n, NULL), -ECANCELED);
    assert_int_equal(n, 2);
    assert_int_equal(store_append(store, epoch, 31, 1, 0), 0); /* and the store goes on */
    ops.close(store);
}

struct seqs {
    size_t n;
    uint64_t seq[128];
};

static int on_seq(void *arg, const struct vdi_store_record *r)
{
    struct seqs *s = arg;

    assert_int_equal(r->crc, record_crc(r));
    s->seq[s->n++] = r->seq;
    return 0;
}

void test_events_of_an_object(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct seqs s = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 100, 0), 0);
    struct vdi_store_query q = {.noun = "job", .key = "8", .limit = 100}; /* 1, 21, 41, 61, 81 */
    assert_int_equal(ops.query_events(store, &q, on_seq, &s, NULL), 0);
    assert_int_equal(s.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(s.seq[i], 1 + 20 * i);
    q.after_seq = 21;
    q.limit = 2;
    s.n = 0;
    assert_int_equal(ops.query_events(store, &q, on_seq, &s, NULL), 0);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.seq[0], 41);
    q = (struct vdi_store_query){
        .noun = "job", .from_usec = 50000000, .to_usec = 60000000, .limit = 100};
    s.n = 0;
    assert_int_equal(ops.query_events(store, &q, on_seq, &s, NULL), 0);
    assert_int_equal(s.n, 10);
    assert_int_equal(s.seq[0], 50);
    q = (struct vdi_store_query){.noun = "job", .after_seq = 97, .limit = 100};
    s.n = 0;
    assert_int_equal(ops.query_events(store, &q, on_seq, &s, NULL), 0);
    assert_int_equal(s.n, 3);
    ops.close(store);
}

void test_bad_queries_are_refused(void **state)
{
    static const char *const states[] = {"FAILED", NULL};
    const char *many[40];
    char dsn[512];
    uint64_t epoch;
    struct vdi_error err = {0};
    struct keys k = {0};
    void *store = fresh_store(dsn, &epoch);
    struct vdi_store_query q = {.limit = 1};

    assert_int_equal(ops.query_archive(store, &q, on_key, &k, &err), -EINVAL);
    q = (struct vdi_store_query){.noun = "job"};
    assert_int_equal(ops.query_archive(store, &q, on_key, &k, &err), -EINVAL);
    assert_string_equal(err.field, "limit");
    q.limit = 10001;
    assert_int_equal(ops.query_events(store, &q, on_seq, NULL, &err), -EINVAL);
    q = (struct vdi_store_query){.noun = "job", .owner = "x", .limit = 1};
    assert_int_equal(ops.query_events(store, &q, on_seq, NULL, &err), -EINVAL);
    q = (struct vdi_store_query){.noun = "job", .states = states, .limit = 1};
    assert_int_equal(ops.query_events(store, &q, on_seq, NULL, &err), -EINVAL);
    for (int i = 0; i < 39; i++)
        many[i] = "FAILED";
    many[39] = NULL;
    q.states = many;
    assert_int_equal(ops.query_archive(store, &q, on_key, &k, &err), -EINVAL);
    ops.close(store);
}

void test_id_reserve_never_falls(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 1, 5000), 0);
    assert_int_equal(store_append(store, epoch, 2, 1, 100), 0);
    assert_int_equal(store_append(store, epoch, 3, 0, 6000), 0); /* a batch of ids alone */
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 1, 2);
    assert_int_equal(l.summary.id_reserve, 6000);
    ops.close(store);
}

/* A record whose checksum is not that of its content is what a flipped bit leaves. */
void test_damaged_record_is_told(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    struct content text;
    void *store = fresh_store(dsn, &epoch);
    struct vdi_store_batch batch = {.epoch = epoch, .n_records = 1};

    assert_int_equal(store_append(store, epoch, 1, 9, 77), 0);
    struct vdi_store_record r = content_record(10, &text);
    r.crc ^= 0x10;
    batch.records = &r;
    assert_int_equal(ops.append(store, &batch, NULL), 0);
    content_done(&text);
    assert_int_equal(store_append(store, epoch, 11, 10, 0), 0);
    ops.close(store);
    for (uint64_t round = 0; round < 3; round++) { /* told until a snapshot stands for it */
        store = store_start(dsn, &epoch, &l);
        assert_true(l.summary.damaged);
        assert_int_equal(l.n_damage, 1);
        assert_true(strstr(l.damage, "event 10:") || (round && strstr(l.damage, "after event 9:")));
        assert_int_equal(l.n_records, 19 + round);
        assert_false(l.has[10]);
        assert_int_equal(l.summary.last_seq, 20 + round);
        assert_int_equal(l.summary.id_reserve, 77);
        assert_int_equal(store_append(store, epoch, 21 + round, 1, 0), 0);
        if (round == 2)
            assert_int_equal(store_snapshot(store, epoch, 20, 4), 0);
        ops.close(store);
    }
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 21, 23);
    ops.close(store);
}

void test_load_can_be_stopped(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 20, 0), 0);
    l.stop_at = 5;
    assert_int_equal(store_load(store, &l), -ECANCELED);
    assert_int_equal(l.n_records, 5);
    assert_int_equal(l.n_damage, 0);
    l.stop_at = 0;
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 1, 20);
    ops.close(store);
}

void test_newer_schema_is_refused(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct vdi_error err = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 5, 10), 0);
    ops.close(store);
    store = NULL;
    backend.make_newer(dsn);
    uint32_t before = backend.fingerprint(dsn);
    assert_int_equal(ops.open(&store, NULL, NULL, dsn, &err), -EPROTO);
    assert_null(store);
    assert_non_null(strstr(err.detail, "9.9.9"));
    assert_non_null(strstr(err.detail, "99"));
    assert_int_equal(backend.fingerprint(dsn), before);
}

void test_schema_versions(void **state)
{
    char dsn[512];
    uint64_t epoch;
    struct loaded l = {0};
    struct vdi_error err = {0};
    void *store = fresh_store(dsn, &epoch);

    assert_int_equal(store_append(store, epoch, 1, 5, 10), 0);
    assert_int_equal(ops.schema(store, 0, &err), 0);
    assert_int_equal(ops.schema(store, 1, &err), 0);
    assert_int_equal(ops.schema(store, 99, &err), -EINVAL);
    assert_int_equal(ops.schema(store, 0, &err), 0); /* and up again, with what it holds */
    assert_int_equal(store_append(store, epoch, 6, 1, 0), 0);
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 1, 6);
    ops.close(store);
}
