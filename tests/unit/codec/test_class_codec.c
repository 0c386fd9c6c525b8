/* SPDX-License-Identifier: Apache-2.0 */
/* test_class_codec.c - classes and occurrences come back from their records; others are refused */
#include <codec/noun_codec.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES 2000

static uint32_t rnd(void)
{
    static uint32_t x = 2463534242u;

    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

static void rnd_text(char *buf, size_t size)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\n", "\x01", "\xc3\xa4", ";", " ", "%s"};
    size_t n = 0, len = rnd() % 4 ? rnd() % size : size - 1;

    for (;;) {
        const char *piece = pieces[rnd() % (sizeof(pieces) / sizeof(pieces[0]))];

        if (n + strlen(piece) > len)
            break;
        memcpy(buf + n, piece, strlen(piece) + 1);
        n += strlen(piece);
    }
    buf[n] = '\0';
}

/* Every member that is kept, at its limits and anywhere between. */
static void rnd_fields(const struct field *fields, void *base)
{
    for (const struct field *f = fields; f->type != FIELD_END; f++) {
        char *p = (char *)base + f->offset;
        uint64_t n = rnd() % 4 ? rnd() : UINT32_MAX, names = 0;

        if (!(f->flags & FIELD_KEEP))
            continue;
        while (f->names && f->names[names])
            names++;
        if (f->type == FIELD_FIXED)
            rnd_text(p, f->size);
        else if (f->type == FIELD_BOOL)
            *(bool *)p = n & 1;
        else if (f->type == FIELD_ENUM)
            *(uint32_t *)(void *)p = (uint32_t)(n % names);
        else if (f->size == 4)
            *(uint32_t *)(void *)p = (uint32_t)n;
        else
            *(int64_t *)(void *)p = (int64_t)(n % 4 ? n * 1000000 + 7 : n);
    }
}

#define COME_BACK(noun, decode_key)                                                                \
    do {                                                                                           \
        struct noun *is = calloc(1, sizeof(*is)), *was = NULL;                                     \
        struct buf out = BUF_INIT(0);                                                              \
        struct vdi_error err = {0};                                                                \
                                                                                                   \
        is->refs = 1;                                                                              \
        rnd_fields(noun##_fields, is);                                                             \
        noun##_snapshot_encode(is, &out);                                                          \
        if (noun##_snapshot_decode(decode_key, 1, out.data, out.len, &was, &err) < 0)              \
            fail_msg("%s: %s: %s", out.data, err.field, err.detail);                               \
        noun##_set_key(is);                                                                        \
        assert_memory_equal(is, was, sizeof(*is));                                                 \
        for (size_t cut = 0; cut < out.len; cut += 1 + rnd() % 64) {                               \
            struct noun *none = NULL;                                                              \
                                                                                                   \
            assert_true(noun##_snapshot_decode(decode_key, 1, out.data, cut, &none, &err) < 0);    \
            assert_null(none);                                                                     \
        }                                                                                          \
        noun##_unref(is);                                                                          \
        noun##_unref(was);                                                                         \
        buf_done(&out);                                                                            \
    } while (0)

#define EVENT_COMES_BACK(noun, N_EVENTS)                                                           \
    do {                                                                                           \
        struct noun##_event is = {.type = rnd() % (N_EVENTS), .time_usec = rnd()}, was;            \
        struct buf out = BUF_INIT(0);                                                              \
        struct vdi_error err = {0};                                                                \
                                                                                                   \
        memset(&was, 0, sizeof(was));                                                              \
        rnd_fields(noun##_event_fields, &is);                                                      \
        noun##_event_encode(&is, &out);                                                            \
        if (noun##_event_decode(noun##_event_name(is.type), is.time_usec, 1, out.data, out.len,    \
                                &was, &err) < 0)                                                   \
            fail_msg("%s: %s: %s", out.data, err.field, err.detail);                               \
        assert_memory_equal(&is, &was, sizeof(is));                                                \
        buf_done(&out);                                                                            \
    } while (0)

static void class_set_key(struct class *class)
{
    class->id = 7;
}

static void occurrence_set_key(struct occurrence *o)
{
    snprintf(o->key, sizeof(o->key), "7.2026-10-13");
}

static void they_come_back(void **state)
{
    for (int i = 0; i < CASES; i++) {
        COME_BACK(class, 7);
        COME_BACK(occurrence, "7.2026-10-13");
        EVENT_COMES_BACK(class, CLASS_N_EVENTS);
        EVENT_COMES_BACK(occurrence, OCCURRENCE_N_EVENTS);
    }
}

static int class_from(const char *json)
{
    struct class *class = NULL;
    struct vdi_error err = {0};
    int r = class_snapshot_decode(7, 1, json, strlen(json), &class, &err);

    assert_true(r < 0 ? !class && err.detail[0] : class != NULL);
    class_unref(class);
    return r;
}

/* A record of our own is not refused for its length: what the member can't hold is left out. */
static void a_longer_text_is_cut(void **state)
{
    char json[8300], text[8192];
    struct class *class = NULL;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    snprintf(json, sizeof(json), "{\"zone\":\"%s\",\"repeat\":\"r\"}", text);
    assert_int_equal(class_snapshot_decode(7, 1, json, strlen(json), &class, NULL), 0);
    assert_int_equal(strlen(class->spec.zone), sizeof(class->spec.zone) - 1);
    assert_string_equal(class->spec.repeat, "r");
    class_unref(class);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"name\":7}",
        "{\"name\":null}",
        "{\"seats\":\"30\"}",
        "{\"seats\":-1}",
        "{\"seats\":4294967296}",
        "{\"seats\":1.5}",
        "{\"duration_sec\":99999999999999999999}",
        "{\"from_config\":1}",
        "{\"create_time\":\"yesterday\"}",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":\"a\\u0000b\"}",
        "{\"name\":\"\xff\"}",
        "{\"starts\":{\"a\":1}}",
        "{\"seats\":1} x",
    };
    struct class_event event;
    struct occurrence_event other;
    struct occurrence *o = NULL;
    struct vdi_error err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (class_from(bad[i]) >= 0)
            fail_msg("%s was taken", bad[i]);
    assert_int_equal(class_from("{}"), 0);
    assert_int_equal(class_from("{\"of_a_later_version\":[1,{\"a\":2}],\"seats\":3}"), 0);
    assert_int_equal(class_event_decode("vanish", 1, 1, "{}", 2, &event, &err), -EPROTO);
    assert_int_equal(class_event_decode("create", 1, 999, "{}", 2, &event, &err), -EPROTO);
    assert_int_equal(occurrence_event_decode("vanish", 1, 1, "{}", 2, &other, &err), -EPROTO);
    assert_int_equal(occurrence_event_decode("open", 1, 999, "{}", 2, &other, &err), -EPROTO);
    assert_true(occurrence_snapshot_decode("k", 1, "{\"state\":\"LOST\"}", 16, &o, &err) < 0);
    assert_true(occurrence_snapshot_decode("k", 999, "{}", 2, &o, &err) < 0);
    assert_null(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_back),
        cmocka_unit_test(a_longer_text_is_cut),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
