/* SPDX-License-Identifier: Apache-2.0 */
/* store_tools.c - content by seq, and the calls every test of a store makes. */
#include "tests/unit/plugins/store_suite.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include "base/crc32c.h"

struct vdi_store_ops ops;
const struct vdi_plugin *plugin;

void suite_load_plugin(const char *name)
{
    const char *top = getenv("top_builddir");
    char path[4096];

    snprintf(path, sizeof(path), "%s/plugins.d/store/%s.so", top ? top : ".", name);
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib || !(plugin = dlsym(lib, "vdi_plugin"))) {
        printf("Bail out! %s\n", dlerror());
        exit(99);
    }
    memcpy(&ops, plugin->ops, plugin->ops_size < sizeof(ops) ? plugin->ops_size : sizeof(ops));
}

static uint32_t crc_text(uint32_t crc, const char *text)
{
    return crc32c(crc, text, strlen(text) + 1);
}

uint32_t record_crc(const struct vdi_store_record *r)
{
    uint32_t crc = crc32c(0, &r->seq, sizeof(r->seq));

    crc = crc32c(crc, &r->time_usec, sizeof(r->time_usec));
    crc = crc_text(crc_text(crc_text(crc, r->noun), r->key), r->type);
    crc = crc32c(crc, &r->version, sizeof(r->version));
    return crc32c(crc, r->body, r->body_len);
}

uint32_t object_crc(const struct vdi_store_object *o)
{
    uint32_t crc = crc32c(0, &o->seq, sizeof(o->seq));

    crc = crc_text(crc_text(crc_text(crc_text(crc, o->noun), o->key), o->owner), o->state);
    crc = crc32c(crc, &o->begin_usec, sizeof(o->begin_usec));
    crc = crc32c(crc, &o->end_usec, sizeof(o->end_usec));
    crc = crc32c(crc, &o->version, sizeof(o->version));
    return crc32c(crc, o->body, o->body_len);
}

static char *content_body(uint64_t seed, size_t *ret_len)
{
    /* Every 29th is larger than a page of any store, every 13th is empty. */
    size_t len = seed % 29 == 0 ? 9000 : seed % 13 == 0 ? 0 : 40 + seed * 37 % 600;
    char *body = malloc(len + 1);

    assert_non_null(body);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(' ' + (seed * 31 + i * 7) % 90);
    body[len] = '\0';
    *ret_len = len;
    return body;
}

struct vdi_store_record content_record(uint64_t seq, struct content *text)
{
    static const char *const type[] = {"submit", "start", "end", "größer"};
    struct vdi_store_record r = {
        .seq = seq, .time_usec = 1000000 * (int64_t)seq, .noun = "job", .version = 1 + seq % 3};

    snprintf(text->key, sizeof(text->key), "%llu", (unsigned long long)(1 + seq * 7 % 20));
    snprintf(text->type, sizeof(text->type), "%s", type[seq % 4]);
    text->body = content_body(seq, &r.body_len);
    r.key = text->key;
    r.type = text->type;
    r.body = text->body;
    r.crc = record_crc(&r);
    return r;
}

struct vdi_store_object content_object(uint64_t i, uint64_t seq, struct content *text)
{
    static const char *const state[] = {"COMPLETED", "FAILED", "CANCELLED"};
    struct vdi_store_object o = {.seq = seq,
                                 .noun = "job",
                                 .owner = i % 2 ? "unix:ann" : "unix:bob",
                                 .state = state[i % 3],
                                 .begin_usec = 1000 * (int64_t)i,
                                 .end_usec = 1000 * (int64_t)i + 500,
                                 .version = 1};

    snprintf(text->key, sizeof(text->key), "%llu", (unsigned long long)i);
    text->body = content_body(seq + i, &o.body_len);
    o.key = text->key;
    o.body = text->body;
    o.crc = object_crc(&o);
    return o;
}

void content_done(struct content *text)
{
    free(text->body);
    text->body = NULL;
}

static int on_object(void *arg, const struct vdi_store_object *o)
{
    struct loaded *l = arg;
    struct content text;

    assert_int_equal(l->n_records, 0); /* rows first */
    if (object_crc(o) != o->crc) {
        l->n_bad++;
        return -EBADMSG;
    }
    struct vdi_store_object want = content_object(strtoull(o->key, NULL, 10), o->seq, &text);
    assert_int_equal(o->crc, want.crc);
    content_done(&text);
    l->n_objects++;
    return 0;
}

static int on_record(void *arg, const struct vdi_store_record *r)
{
    struct loaded *l = arg;
    struct content text;

    if (record_crc(r) != r->crc) {
        l->n_bad++;
        return -EBADMSG;
    }
    assert_in_range(r->seq, l->last + 1, TEST_SEQ_MAX - 1);
    struct vdi_store_record want = content_record(r->seq, &text);
    assert_int_equal(r->crc, want.crc);
    assert_int_equal(r->body_len, want.body_len);
    assert_memory_equal(r->body, want.body, r->body_len);
    content_done(&text);
    l->first = l->n_records ? l->first : r->seq;
    l->last = r->seq;
    l->has[r->seq] = true;
    l->n_records++;
    return l->stop_at && l->n_records == (size_t)l->stop_at ? -ECANCELED : 0;
}

static void on_damage(void *arg, const struct vdi_store_damage *d)
{
    struct loaded *l = arg;
    size_t at = strlen(l->damage);

    snprintf(l->damage + at, sizeof(l->damage) - at, "%s: %s\n", d->place, d->reason);
    l->n_damage++;
}

int store_load(void *store, struct loaded *l)
{
    struct vdi_store_loader loader = {l, on_object, on_record, on_damage};
    struct vdi_error err = {0};
    int stop = l->stop_at;

    *l = (struct loaded){.stop_at = stop};
    int r = ops.load(store, &loader, &l->summary, &err);
    if (r < 0 && r != -ECANCELED)
        print_message("# load: %s\n", err.detail);
    return r;
}

void *store_start(const char *dsn, uint64_t *ret_epoch, struct loaded *l)
{
    static const char *const holder = "test";
    static int64_t now = 1000000;
    struct vdi_error err = {0};
    void *store = NULL;

    int r = ops.open(&store, NULL, NULL, dsn, &err);
    if (r == 0)
        r = ops.schema(store, 0, &err);
    if (r == 0)
        r = ops.lease(store, holder, now += 1000000, 30000000, ret_epoch, &err);
    if (r < 0) {
        print_message("# start: %s (%s)\n", err.detail, err.remedy);
        fail_msg("%s: %s", strerror(-r), err.detail);
    }
    assert_int_equal(store_load(store, l), 0);
    return store;
}

int store_append(void *store, uint64_t epoch, uint64_t first, size_t n, uint64_t id_reserve)
{
    struct vdi_store_record *records = calloc(n + 1, sizeof(*records));
    struct content *text = calloc(n + 1, sizeof(*text));
    struct vdi_error err = {0};

    assert_non_null(records);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        records[i] = content_record(first + i, &text[i]);
    struct vdi_store_batch batch = {
        .epoch = epoch, .records = records, .n_records = n, .id_reserve = id_reserve};
    int r = ops.append(store, &batch, &err);
    if (r < 0) {
        assert_int_equal(err.code, -r);
        assert_true(err.detail[0] != '\0');
        if (r == -EIO || r == -EBADMSG || r == -ENOSPC)
            print_message("# append: %s\n", err.detail);
    }
    for (size_t i = 0; i < n; i++)
        content_done(&text[i]);
    free(records);
    free(text);
    return r;
}

int store_archive(void *store, uint64_t epoch, uint64_t seq, uint64_t i)
{
    struct content text[2];
    struct vdi_store_record record = content_record(seq, &text[0]);
    struct vdi_store_object object = content_object(i, seq, &text[1]);
    struct vdi_store_batch batch = {
        .epoch = epoch, .records = &record, .n_records = 1, .archive = &object, .n_archive = 1};
    int r = ops.append(store, &batch, NULL);

    content_done(&text[0]);
    content_done(&text[1]);
    return r;
}

struct rows {
    uint64_t seq;
    size_t at, n;
    struct content text;
};

static int next_row(void *arg, struct vdi_store_object *ret)
{
    struct rows *rows = arg;

    content_done(&rows->text);
    if (rows->at == rows->n)
        return 0;
    *ret = content_object(++rows->at, rows->seq, &rows->text);
    return 1;
}

int store_snapshot(void *store, uint64_t epoch, uint64_t seq, size_t n)
{
    struct rows rows = {.seq = seq, .n = n};

    int r = ops.snapshot_write(store, epoch, seq, next_row, &rows, NULL);

    content_done(&rows.text);
    return r;
}

void assert_whole(const struct loaded *l, uint64_t first, uint64_t last)
{
    if (l->n_damage)
        print_message("# %s", l->damage);
    assert_int_equal(l->n_damage, 0);
    assert_false(l->summary.damaged);
    assert_int_equal(l->n_records, last + 1 - first);
    if (last >= first) {
        assert_int_equal(l->first, first);
        assert_int_equal(l->last, last);
    }
    assert_int_equal(l->summary.last_seq, last);
}
