/* SPDX-License-Identifier: Apache-2.0 */
/* test_field.c - tables of fields against hostile JSON, and that what is kept comes back */
#include <codec/field.h>

#include <base/time.h>
#include <codec/audit_codec.h>
#include <codec/gpu_codec.h>
#include <codec/job_codec.h>
#include <codec/noun_codec.h>
#include <codec/request_input.h>

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROW(m) offsetof(struct all, m), sizeof(((struct all *)0)->m)
#define BOTH (FIELD_SUBMIT | FIELD_SHOW | FIELD_KEEP)

struct all {
    char *string, *text;
    char fixed[16];
    bool flag;
    uint32_t u32;
    int32_t i32;
    uint64_t u64;
    int64_t i64, time;
    uint32_t kind;
    uint32_t secret; /* shown, never taken */
};

static const char *const kinds[] = {"red", "green", "blue", NULL};

static const struct field fields[] = {
    {"string", FIELD_STRING, ROW(string), BOTH, 0, 20, NULL, "a"},
    {"text", FIELD_TEXT, ROW(text), BOTH, 0, 20, NULL, "b"},
    {"fixed", FIELD_FIXED, ROW(fixed), BOTH, 0, 0, NULL, "c"},
    {"flag", FIELD_BOOL, ROW(flag), BOTH, 0, 0, NULL, "d"},
    {"u32", FIELD_U32, ROW(u32), BOTH, 1, 4096, NULL, "e"},
    {"i32", FIELD_I32, ROW(i32), BOTH, -100, 100, NULL, "f"},
    {"u64", FIELD_U64, ROW(u64), BOTH, 0, INT64_MAX, NULL, "g"},
    {"i64", FIELD_I64, ROW(i64), BOTH, INT64_MIN, INT64_MAX, NULL, "h"},
    {"time", FIELD_TIME, ROW(time), BOTH, 0, 0, NULL, "i"},
    {"kind", FIELD_ENUM, ROW(kind), BOTH, 0, 0, kinds, "j"},
    {"secret", FIELD_U32, ROW(secret), FIELD_SHOW, 0, 9, NULL, "k"},
    {.type = FIELD_END},
};

static char empty[1]; /* shared, as the nouns do it */

static struct all fresh(void)
{
    return (struct all){.string = empty, .text = empty};
}

static void done(struct all *a)
{
    if (a->string != empty)
        free(a->string);
    if (a->text != empty)
        free(a->text);
}

static int read_len(struct all *a, const char *json, size_t len, uint32_t accept,
                    struct vdi_error *err)
{
    /* At the end of its own allocation, so that a sanitizer sees what is read past it. */
    char *copy = malloc(len ? len : 1);
    int r;

    memcpy(copy, json, len);
    *err = (struct vdi_error){0};
    r = fields_read(fields, a, copy, len, accept, NULL, err);
    free(copy);
    return r;
}

static char *keep(const struct all *a)
{
    struct buf out = BUF_INIT(0);
    bool first = true;

    buf_putc(&out, '{');
    fields_write(fields, a, FIELD_KEEP, &out, &first);
    buf_putc(&out, '}');
    return buf_take(&out, NULL);
}

static void taken(const char *json)
{
    struct all a = fresh();
    struct vdi_error err;

    if (read_len(&a, json, strlen(json), FIELD_SUBMIT, &err) < 0)
        fail_msg("%s: %s: %s", json, err.field, err.detail);
    done(&a);
}

static void refused(const char *json, const char *field)
{
    struct all a = fresh();
    struct vdi_error err;

    if (read_len(&a, json, strlen(json), FIELD_SUBMIT, &err) >= 0)
        fail_msg("%s was taken", json);
    if (strcmp(err.field, field) != 0)
        fail_msg("%s: the error names '%s', not '%s'", json, err.field, field);
    assert_true(err.detail[0] && err.code > 0);
    done(&a);
}

static void every_type_reads(void **state)
{
    static const char json[] =
        "{\"string\":\"a\\u00e4\\\"\\\\\",\"text\":\"x\\ny\\tz\",\"fixed\":\"123456789012345\","
        "\"flag\":true,\"u32\":4096,\"i32\":-100,\"u64\":9223372036854775807,"
        "\"i64\":-9223372036854775808,\"time\":\"2026-10-13T10:15:00Z\",\"kind\":\"blue\"}";
    struct all a = fresh();
    struct vdi_error err;

    assert_int_equal(read_len(&a, json, sizeof(json) - 1, FIELD_SUBMIT, &err), 0);
    assert_string_equal(a.string, "a\xc3\xa4\"\\");
    assert_string_equal(a.text, "x\ny\tz");
    assert_string_equal(a.fixed, "123456789012345");
    assert_true(a.flag);
    assert_int_equal(a.u32, 4096);
    assert_int_equal(a.i32, -100);
    assert_true(a.u64 == INT64_MAX && a.i64 == INT64_MIN);
    assert_true(a.time == 1791886500 * USEC_PER_SEC);
    assert_int_equal(a.kind, 2);
    done(&a);
}

static void wrong_types(void **state)
{
    static const char *const values[] = {"null", "true", "1", "1.5", "\"x\"", "[]", "{}"};
    static const struct {
        const char *name;
        const char *takes; /* one digit per value: 1 taken */
    } rows[] = {
        {"string", "0000100"}, {"text", "0000100"}, {"fixed", "0000100"}, {"flag", "0100000"},
        {"u32", "0010000"},    {"i32", "0010000"},  {"u64", "0010000"},   {"i64", "0010000"},
        {"time", "1000000"},   {"kind", "0000000"},
    };
    char json[64];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            snprintf(json, sizeof(json), "{\"%s\":%s}", rows[i].name, values[v]);
            if (rows[i].takes[v] == '1')
                taken(json);
            else
                refused(json, rows[i].name);
        }
    }
}

static void ranges(void **state)
{
    taken("{\"u32\":1}");
    refused("{\"u32\":0}", "u32");
    refused("{\"u32\":4097}", "u32");
    refused("{\"u32\":-1}", "u32");
    refused("{\"u32\":4294967297}", "u32"); /* 1 in 32 bits */
    refused("{\"i32\":-101}", "i32");
    refused("{\"i32\":101}", "i32");
    refused("{\"u64\":-1}", "u64");
    refused("{\"u64\":9223372036854775808}", "body");
    refused("{\"u64\":99999999999999999999999999}", "body");
    refused("{\"u64\":1e3}", "u64"); /* a number with a fraction or exponent is no count */
    refused("{\"i64\":1.0}", "i64");
    refused("{\"i64\":1e400}", "body");
    refused("{\"i64\":NaN}", "body");
    refused("{\"i64\":01}", "body");
    refused("{\"i64\":+1}", "body");
    refused("{\"i64\":0x10}", "body");
    refused("{\"fixed\":\"1234567890123456\"}", "fixed");
    refused("{\"string\":\"123456789012345678901\"}", "string");
    taken("{\"string\":\"12345678901234567890\"}");
    refused("{\"string\":\"\\u20ac\\u20ac\\u20ac\\u20ac\\u20ac\\u20ac\\u20ac\"}", "string");
    refused("{\"kind\":\"Red\"}", "kind");
    refused("{\"kind\":\"\"}", "kind");
    refused("{\"time\":\"\"}", "time");
    refused("{\"time\":\"tomorrow\"}", "time");
    refused("{\"time\":\"2026-02-30T00:00:00Z\"}", "time");
    refused("{\"time\":\"99999-01-01T00:00:00Z\"}", "time");
}

/*
 * 0 stands for "none": the epoch itself and what was before it are no times to ask for.
 * Nor is one that is in the year 10000 in UTC: it could be written and not read again.
 */
static void times_out_of_range(void **state)
{
    struct all a = fresh(), b = fresh();
    struct vdi_error err;
    char *json;

    refused("{\"time\":\"9999-12-31T23:59:59-05:00\"}", "time");
    refused("{\"time\":\"1970-01-01T00:00:00+05:00\"}", "time");
    for (int i = 0; i < 3; i++) { /* whatever a member holds: the record is read again */
        a.time = i == 0 ? INT64_MIN : i == 1 ? -1 : INT64_MAX;
        json = keep(&a);
        assert_int_equal(read_len(&b, json, strlen(json), FIELD_KEEP, &err), 0);
        assert_true(b.time == 0);
        free(json);
    }
    done(&a);
    done(&b);
    refused("{\"time\":\"1970-01-01T00:00:00Z\"}", "time");
    refused("{\"time\":\"1969-12-31T23:59:59Z\"}", "time");
    refused("{\"time\":\"0001-01-01T00:00:00Z\"}", "time");
    taken("{\"time\":\"1970-01-01T00:00:01Z\"}");
    taken("{\"time\":\"9999-12-31T23:59:59Z\"}");
}

static void hostile_text(void **state)
{
    refused("{\"string\":\"a\\nb\"}", "string");
    refused("{\"string\":\"a\\tb\"}", "string");
    refused("{\"string\":\"a\\u001bb\"}", "string");
    refused("{\"string\":\"a\\u007fb\"}", "string");
    refused("{\"string\":\"a\\u0085b\"}", "string"); /* C1: a terminal's next line */
    refused("{\"text\":\"a\\rb\"}", "text");
    refused("{\"fixed\":\"a\\nb\"}", "fixed");
    refused("{\"string\":\"a\\u0000b\"}", "body");
    refused("{\"time\":\"2026-10-13T10:15:00Z\\u0000\"}", "body");
    refused("{\"str\\u0000ing\":\"a\"}", "body");
    refused("{\"string\":\"\xff\"}", "body");
    refused("{\"string\":\"\xc3\"}", "body");
    refused("{\"string\":\"\xed\xa0\x80\"}", "body"); /* half of a surrogate pair */
    refused("{\"string\":\"\xc0\xaf\"}", "body");     /* an overlong slash */
    refused("{\"string\":\"\\ud800\"}", "body");
    refused("{\"string\":\"a\nb\"}", "body");
    taken("{\"string\":\"\\ud83d\\ude00\"}");
}

static void names(void **state)
{
    refused("{\"colour\":1}", "colour");
    refused("{\"\":1}", "");
    refused("{\"u32\":1,\"U32\":1}", "U32");
    refused("{\"secret\":1}", "secret");
    refused("{\"u32\":1,\"u32\":2}", "body");
    refused("{\"string\":\"a\",\"str\\u0069ng\":\"b\"}", "body"); /* the same, written otherwise */
    refused("{\"a name far longer than any field's and so cut in the message\":1}",
            "a name far longer than any field's and s");
}

static void forms(void **state)
{
    taken("{}");
    taken(" \t\r\n{ } ");
    refused("", "body");
    refused(" ", "body");
    refused("[]", "body");
    refused("null", "body");
    refused("\"x\"", "body");
    refused("{} {}", "body");
    refused("{}x", "body");
    refused("{\"u32\":1,}", "body");
    refused("{'u32':1}", "body");
    refused("{\"u32\":1", "body");
    refused("\xef\xbb\xbf{}", "body");
    refused("{\"u32\":1}//", "body");
}

static void raw_nul_and_depth(void **state)
{
    static const char nul[] = "{\"u32\":1}\0{\"u32\":2}";
    struct all a = fresh();
    struct vdi_error err;
    size_t n = 200000;
    char *deep = malloc(n + 16);

    assert_int_equal(read_len(&a, nul, sizeof(nul) - 1, FIELD_SUBMIT, &err), -EINVAL);
    memcpy(deep, "{\"x\":", 5);
    memset(deep + 5, '[', n);
    assert_int_equal(read_len(&a, deep, n + 5, FIELD_SUBMIT, &err), -EINVAL);
    for (size_t i = 0; i + 5 < n; i += 5)
        memcpy(deep + i, "{\"a\":", 5);
    assert_int_equal(read_len(&a, deep, n, FIELD_SUBMIT, &err), -EINVAL);
    free(deep);
    done(&a);
}

static void required_and_seen(void **state)
{
    static const struct field table[] = {
        {"u32", FIELD_U32, ROW(u32), FIELD_SUBMIT | FIELD_REQUIRED, 0, 9, NULL, ""},
        {"flag", FIELD_BOOL, ROW(flag), FIELD_SUBMIT | FIELD_UPDATE, 0, 0, NULL, ""},
        {.type = FIELD_END},
    };
    struct all a = {0};
    struct vdi_error err = {0};
    uint64_t seen = 0;

    assert_int_equal(fields_read(table, &a, "{\"flag\":true}", 13, FIELD_SUBMIT, &seen, &err),
                     -EINVAL);
    assert_string_equal(err.field, "u32");
    assert_int_equal(fields_read(table, &a, "{\"flag\":true}", 13, FIELD_UPDATE, &seen, &err), 0);
    assert_true(seen == 2);
    assert_int_equal(fields_read(table, &a, "{\"u32\":0}", 9, FIELD_SUBMIT, &seen, &err), 0);
    assert_true(seen == 1);
    assert_int_equal(fields_read(table, &a, "{\"u32\":0}", 9, FIELD_UPDATE, &seen, &err), -EINVAL);
}

/* An update to "" over a value, and of what is not named nothing changes. */
static void values_are_replaced(void **state)
{
    struct all a = fresh();
    struct vdi_error err;

    a.string = strdup("before");
    a.u32 = 7;
    assert_int_equal(read_len(&a, "{\"string\":\"\"}", 13, FIELD_SUBMIT, &err), 0);
    assert_string_equal(a.string, "");
    assert_int_equal(a.u32, 7);
    done(&a);
}

static void comes_back(const struct all *a)
{
    char *json = keep(a);
    struct all b = fresh();
    struct vdi_error err;

    if (read_len(&b, json, strlen(json), FIELD_KEEP, &err) < 0)
        fail_msg("%s: %s: %s", json, err.field, err.detail);
    assert_string_equal(a->string, b.string);
    assert_string_equal(a->text, b.text);
    assert_string_equal(a->fixed, b.fixed);
    assert_true(a->flag == b.flag && a->u32 == b.u32 && a->i32 == b.i32 && a->u64 == b.u64 &&
                a->i64 == b.i64 && a->time == b.time && a->kind == b.kind);
    free(json);
    done(&b);
}

static void kept_values_come_back(void **state)
{
    struct all zero = {.string = (char *)"", .text = (char *)""};
    struct all odd = {.string = (char *)"\"\\/\x7f\xc3\xa4\xf0\x9f\x98\x80",
                      .text = (char *)"\n\t",
                      .fixed = "a,b{}[]:",
                      .flag = true,
                      .u32 = 1,
                      .i32 = -100,
                      .u64 = 1,
                      .i64 = INT64_MIN,
                      .time = 1,
                      .kind = 1};
    struct all big = {.string = (char *)"x",
                      .text = (char *)"",
                      .u32 = 4096,
                      .i32 = 100,
                      .u64 = INT64_MAX,
                      .i64 = INT64_MAX,
                      .kind = 2,
                      .time = INT64_C(253402300799999999)};

    comes_back(&zero);
    comes_back(&odd);
    comes_back(&big);
    zero.time = 1791886500123456;
    comes_back(&zero);
}

/*
 * What we wrote must be readable whatever the limits for users are: a value that came
 * from vdi.conf or from a site's error text may be beyond them, and a record that cannot
 * be read is a lost job.
 */
static void kept_values_know_no_users_limits(void **state)
{
    struct all a = {.string = (char *)"longer than the twenty bytes that a user may send",
                    .text = (char *)"\r\x1b[0m",
                    .fixed = "a\nb",
                    .u32 = 4000000000u,
                    .i32 = INT32_MIN};

    comes_back(&a);
    a.u32 = 0;
    comes_back(&a);
}

/* A sentence cut in the middle of a character is still a sentence. */
static void broken_text_is_still_written_as_json(void **state)
{
    struct all a = {.string = (char *)"gr\xc3", .text = (char *)"\xff\xfe", .fixed = "caf\xe2\x82"};
    struct all b = fresh();
    struct vdi_error err;
    char *json = keep(&a);

    if (read_len(&b, json, strlen(json), FIELD_KEEP, &err) < 0)
        fail_msg("%s: %s", json, err.detail);
    assert_string_equal(b.string, "gr?");
    assert_string_equal(b.text, "??");
    assert_string_equal(b.fixed, "caf??");
    free(json);
    done(&b);
}

static void later_versions_are_read(void **state)
{
    struct all a = fresh();
    struct vdi_error err;
    static const char json[] = "{\"new\":{\"x\":[1]},\"u32\":5,\"fixed\":\"0123456789abcdefXYZ\"}";

    assert_int_equal(read_len(&a, json, sizeof(json) - 1, FIELD_KEEP, &err), 0);
    assert_int_equal(a.u32, 5);
    assert_string_equal(a.fixed, "0123456789abcde"); /* a member that has grown there is cut */
    assert_int_equal(read_len(&a, "{\"u32\":\"5\"}", 11, FIELD_KEEP, &err), -EINVAL);
    assert_int_equal(read_len(&a, "{\"u32\":4294967296}", 18, FIELD_KEEP, &err), -ERANGE);
    assert_int_equal(read_len(&a, "{\"i32\":2147483648}", 18, FIELD_KEEP, &err), -ERANGE);
    assert_int_equal(read_len(&a, "{\"u64\":-1}", 10, FIELD_KEEP, &err), -ERANGE);
    assert_int_equal(read_len(&a, "{\"kind\":\"pink\"}", 15, FIELD_KEEP, &err), -EINVAL);
    done(&a);
}

static void shown_documents(void **state)
{
    struct all a = {.string = (char *)"", .text = (char *)"", .kind = 77, .i64 = INT64_MIN};
    struct buf out = BUF_INIT(0);
    bool first = true;

    fields_write(fields, &a, FIELD_SHOW, &out, &first);
    assert_string_equal(out.data, "\"string\":\"\",\"text\":\"\",\"fixed\":\"\",\"flag\":false,"
                                  "\"u32\":0,\"i32\":0,\"u64\":0,\"i64\":-9223372036854775808,"
                                  "\"time\":null,\"kind\":\"red\",\"secret\":0");
    buf_done(&out);
}

/* What every table of ours must keep to. */
static void tables_are_sound(void **state)
{
    static const struct field *const tables[] = {
        job_spec_fields,
        job_fields,
        job_event_fields,
        instance_fields,
        instance_event_fields,
        node_fields,
        node_event_fields,
        token_fields,
        token_event_fields,
        audit_event_fields,
        request_extend_fields,
        request_node_fields,
        request_token_fields,
        request_reconfigure_fields,
        gpu_fields,
    };

    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        size_t n = 0;

        for (const struct field *f = tables[t]; f->type != FIELD_END; f++, n++) {
            size_t size = f->type == FIELD_BOOL ? sizeof(bool)
                          : f->type == FIELD_U32 || f->type == FIELD_I32 || f->type == FIELD_ENUM
                              ? 4
                              : 8;

            if (f->type != FIELD_FIXED && f->type != FIELD_DIGEST && f->size != size)
                fail_msg("%s: its member has %u bytes", f->name, f->size);
            if (field_find(tables[t], f->name) != f)
                fail_msg("%s stands twice", f->name);
            if ((f->flags & FIELD_SHOW) && !*f->help)
                fail_msg("%s has no help", f->name);
            if (f->type == FIELD_ENUM && !f->names)
                fail_msg("%s has no names", f->name);
            if ((f->type == FIELD_STRING || f->type == FIELD_TEXT) && f->max <= 0)
                fail_msg("%s has no limit", f->name);
            if (f->type == FIELD_U32 && (f->min < 0 || f->max > UINT32_MAX))
                fail_msg("%s: its range is not of its type", f->name);
            if (f->type == FIELD_I32 && (f->min < INT32_MIN || f->max > INT32_MAX))
                fail_msg("%s: its range is not of its type", f->name);
        }
        assert_in_range(n, 1, 63); /* a bit each in ret_seen */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(ranges),
        cmocka_unit_test(times_out_of_range),
        cmocka_unit_test(hostile_text),
        cmocka_unit_test(names),
        cmocka_unit_test(forms),
        cmocka_unit_test(raw_nul_and_depth),
        cmocka_unit_test(required_and_seen),
        cmocka_unit_test(values_are_replaced),
        cmocka_unit_test(kept_values_come_back),
        cmocka_unit_test(kept_values_know_no_users_limits),
        cmocka_unit_test(broken_text_is_still_written_as_json),
        cmocka_unit_test(later_versions_are_read),
        cmocka_unit_test(shown_documents),
        cmocka_unit_test(tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
