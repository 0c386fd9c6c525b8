/* SPDX-License-Identifier: Apache-2.0 */
/* test_job_codec.c - requests are checked, and events and snapshots come back as they were */
#include <codec/job_codec.h>

#include <base/time.h>
#include <base/word.h>
#include <codec/noun_codec.h>
#include <model/dependency.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES 10000
#define SCRIPT_MAX 1000

/* ---- submit ---- */

struct submit {
    struct job_spec *spec;
    char *payload;
    bool hold;
    struct vdi_error err;
};

static int submit(const char *json, struct submit *s)
{
    *s = (struct submit){0};
    return job_submit_decode(json, strlen(json), SCRIPT_MAX, &s->spec, &s->payload, &s->hold,
                             &s->err);
}

static void submit_done(struct submit *s)
{
    job_spec_unref(s->spec);
    free(s->payload);
}

static void refused(const char *json, int code, const char *field)
{
    struct submit s;

    if (submit(json, &s) != -code)
        fail_msg("%.100s: %s", json, s.err.detail);
    if (strcmp(s.err.field, field) != 0)
        fail_msg("%.100s: the error names '%s'", json, s.err.field);
    assert_null(s.spec);
    assert_null(s.payload);
}

static void submit_takes_the_whole(void **state)
{
    struct submit s;
    char *script;

    assert_int_equal(submit("{\"name\":\"t\",\"kind\":\"batch\",\"template\":\"cad\",\"cpus\":2,"
                            "\"memory_mib\":1024,\"gpus\":1,\"nice\":-5,\"requeue\":true,"
                            "\"time_limit_sec\":60,\"begin_time\":\"2026-10-13T10:15:00Z\","
                            "\"hold\":true,\"script\":\"#!/bin/sh\\necho \\u00e4\\n\","
                            "\"args\":[\"a b\",\"\"],\"environment\":{\"A_1\":\"x\\ny\"}}",
                            &s),
                     0);
    assert_true(s.hold);
    assert_string_equal(s.spec->template_name, "cad");
    assert_int_equal(s.spec->kind, JOB_BATCH);
    assert_int_equal(s.spec->nice, -5);
    assert_int_equal(s.spec->script_bytes, 18);
    assert_true(s.spec->uid == UINT32_MAX); /* the caller's to fill, never the body's */
    assert_string_equal(s.spec->owner, "");
    script = job_payload_script(s.payload);
    assert_string_equal(script, "#!/bin/sh\necho \xc3\xa4\n");
    assert_non_null(strstr(s.payload, "\"args\":[\"a b\",\"\"]"));
    assert_non_null(strstr(s.payload, "\"A_1\":\"x\\ny\""));
    free(script);
    submit_done(&s);
    assert_int_equal(submit("{}", &s), 0);
    assert_null(s.payload);
    assert_false(s.hold);
    assert_int_equal(s.spec->script_bytes, 0);
    submit_done(&s);
}

static void submit_takes_no_identity(void **state)
{
    static const char *const names[] = {
        "owner",          "uid",       "gid",         "id",           "state",
        "priority",       "node",      "instance",    "script_bytes", "idempotency_key",
        "request_digest", "exit_code", "submit_time", "payload",      "spec",
    };
    char json[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(json, sizeof(json), "{\"%s\":0}", names[i]);
        refused(json, EINVAL, names[i]);
    }
}

static void submit_scripts(void **state)
{
    char json[SCRIPT_MAX + 100];
    struct submit s;
    int n = snprintf(json, sizeof(json), "{\"script\":\"#!");

    refused("{\"script\":null}", EINVAL, "script");
    refused("{\"script\":[\"#!/bin/sh\"]}", EINVAL, "script");
    refused("{\"script\":\"\"}", EINVAL, "script");
    refused("{\"script\":\"#\"}", EINVAL, "script");
    refused("{\"script\":\"echo\"}", EINVAL, "script");
    refused("{\"script\":\"\\n#!/bin/sh\"}", EINVAL, "script");
    refused("{\"script\":\"#!/bin/sh\\u0000\"}", EINVAL, "body");
    memset(json + n, 'x', SCRIPT_MAX - 2);
    memcpy(json + n + SCRIPT_MAX - 2, "\"}", 3);
    assert_int_equal(submit(json, &s), 0);
    assert_int_equal(s.spec->script_bytes, SCRIPT_MAX);
    submit_done(&s);
    memcpy(json + n + SCRIPT_MAX - 2, "x\"}", 4);
    refused(json, EFBIG, "script");
}

static char *many(const char *before, const char *format, unsigned n, const char *after)
{
    struct buf out = BUF_INIT(0);
    char item[64];

    buf_puts(&out, before);
    for (unsigned i = 0; i < n; i++) {
        snprintf(item, sizeof(item), "%s\"x%u\"%s", i ? "," : "", i, format);
        buf_puts(&out, item);
    }
    buf_puts(&out, after);
    return buf_take(&out, NULL);
}

static void submit_lists(void **state)
{
    struct submit s;
    char *json;

    refused("{\"args\":\"a\"}", EINVAL, "args");
    refused("{\"args\":{}}", EINVAL, "args");
    refused("{\"args\":[\"a\",1]}", EINVAL, "args");
    refused("{\"args\":[[\"a\"]]}", EINVAL, "args");
    refused("{\"environment\":[]}", EINVAL, "environment");
    refused("{\"environment\":{\"A\":1}}", EINVAL, "environment");
    refused("{\"environment\":{\"A\":null}}", EINVAL, "environment");
    refused("{\"environment\":{\"\":\"x\"}}", EINVAL, "environment");
    refused("{\"environment\":{\"1A\":\"x\"}}", EINVAL, "environment");
    refused("{\"environment\":{\"A=B\":\"x\"}}", EINVAL, "environment");
    refused("{\"environment\":{\"A\\n\":\"x\"}}", EINVAL, "environment");
    refused("{\"environment\":{\"\\u00c4\":\"x\"}}", EINVAL, "environment");
    refused("{\"environment\":{\"A\":\"x\",\"A\":\"y\"}}", EINVAL, "body");
    json = many("{\"args\":[", "", 1024, "]}");
    assert_int_equal(submit(json, &s), 0);
    submit_done(&s);
    free(json);
    json = many("{\"args\":[", "", 1025, "]}");
    refused(json, EINVAL, "args");
    free(json);
    json = many("{\"environment\":{", ":\"\"", 4096, "}}");
    assert_int_equal(submit(json, &s), 0);
    submit_done(&s);
    free(json);
    json = many("{\"environment\":{", ":\"\"", 4097, "}}");
    assert_int_equal(submit(json, &s), -EINVAL);
    assert_non_null(strstr(s.err.detail, "4097"));
    free(json);
}

static void submit_values(void **state)
{
    refused("{\"hold\":1}", EINVAL, "hold");
    refused("{\"hold\":null}", EINVAL, "hold");
    refused("{\"cpus\":0}", ERANGE, "cpus");
    refused("{\"cpus\":4097}", ERANGE, "cpus");
    refused("{\"memory_mib\":-1}", ERANGE, "memory_mib");
    refused("{\"gpus\":65}", ERANGE, "gpus");
    refused("{\"time_limit_sec\":0}", ERANGE, "time_limit_sec");
    refused("{\"time_limit_sec\":9223372036854775807}", ERANGE, "time_limit_sec");
    refused("{\"nice\":2000000}", ERANGE, "nice");
    refused("{\"signal\":65}", ERANGE, "signal");
    refused("{\"name\":\"a\\nb\"}", EINVAL, "name");
    refused("{\"kind\":\"desktop\"}", EINVAL, "kind");
    refused("{\"time_limit\":60}", EINVAL, "time_limit");
    refused("[]", EINVAL, "body");
}

/* ---- update ---- */

static void updates(void **state)
{
    struct job_spec *old = job_spec_new(), *now = NULL;
    struct vdi_error err = {0};
    static const char good[] = "{\"comment\":\"\",\"time_limit_sec\":120}";

    job_spec_set(&old->comment, "before");
    job_spec_set(&old->name, "n");
    old->time_limit_sec = 60;
    assert_int_equal(job_update_decode(old, good, sizeof(good) - 1, FIELD_UPDATE, &now, &err), 0);
    assert_string_equal(now->comment, "");
    assert_string_equal(now->name, "n");
    assert_true(now->time_limit_sec == 120 && old->time_limit_sec == 60);
    assert_string_equal(old->comment, "before");
    job_spec_unref(now);
    now = NULL;
    static const char *const bad[] = {
        "{\"template\":\"x\"}",          "{\"kind\":\"batch\"}", "{\"owner\":\"unix:eve\"}",
        "{\"script\":\"#!/bin/sh\"}",    "{\"hold\":true}",      "{\"priority\":5}",
        "{\"comment\":\"x\",\"uid\":0}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(job_update_decode(old, bad[i], strlen(bad[i]), FIELD_UPDATE, &now, &err),
                         -EINVAL);
        assert_null(now);
    }
    job_spec_unref(old);
}

/* ---- what is kept ---- */

static uint64_t seed = 20261121;

static uint64_t rnd(void)
{
    seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 (Vigna) */
    uint64_t x = seed;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Zeros, edges and anything: what a bug hides behind. */
static int64_t rnd_number(int64_t min, int64_t max)
{
    switch (rnd() % 5) {
    case 0:
        return 0;
    case 1:
        return min;
    case 2:
        return max;
    default:
        return min + (int64_t)(rnd() % ((uint64_t)max - (uint64_t)min));
    }
}

static void rnd_text(char *buf, size_t max)
{
    static const char *const pieces[] = {"a",    "Z9",       "\"",           "\\",
                                         "/",    "\n",       "\t",           "\x01",
                                         "\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                         " ",    "{}",       "\\u0041",      "%s",
                                         "\r"};
    size_t len = rnd() % 3 ? rnd() % (max + 1) : 0, n = 0;

    for (;;) {
        const char *piece = pieces[rnd() % (sizeof(pieces) / sizeof(pieces[0]))];

        if (n + strlen(piece) > len)
            break;
        memcpy(buf + n, piece, strlen(piece));
        n += strlen(piece);
    }
    buf[n] = '\0';
}

static void rnd_field(const struct field *f, void *base)
{
    void *p = (char *)base + f->offset;
    char text[DEPENDENCY_TEXT_MAX + 1]; /* the longest there is */
    uint32_t names = 0;

    switch (f->type) {
    case FIELD_STRING:
    case FIELD_TEXT:
        rnd_text(text, (size_t)f->max);
        free(*(char **)p);
        *(char **)p = *text ? strdup(text) : NULL;
        break;
    case FIELD_WORD:
        rnd_text(text, f->max ? (size_t)f->max : 95);
        assert_int_equal(word_set(p, text), 0);
        break;
    case FIELD_DIGEST:
        for (unsigned i = 0; i < f->size; i++)
            ((unsigned char *)p)[i] = (unsigned char)rnd_number(0, 255);
        break;
    case FIELD_FIXED:
        rnd_text(p, f->size - 1u);
        break;
    case FIELD_BOOL:
        *(bool *)p = rnd() & 1;
        break;
    case FIELD_U32:
        *(uint32_t *)p = (uint32_t)rnd_number(0, UINT32_MAX);
        break;
    case FIELD_I32:
        *(int32_t *)p = (int32_t)rnd_number(INT32_MIN, INT32_MAX);
        break;
    case FIELD_U64:
    case FIELD_I64:
        *(int64_t *)p = rnd_number(0, INT64_MAX);
        break;
    case FIELD_TIME:
        *(int64_t *)p = rnd_number(1, INT64_C(253402300799999999));
        break;
    case FIELD_ENUM:
        while (f->names[names])
            names++;
        *(uint32_t *)p = (uint32_t)(rnd() % names);
        break;
    case FIELD_DOCUMENTS: /* never read */
    case FIELD_END:
        break;
    }
}

static void rnd_fields(const struct field *fields, void *base)
{
    for (const struct field *f = fields; f->type != FIELD_END; f++)
        if (f->flags & FIELD_KEEP)
            rnd_field(f, base);
}

static struct job_spec *rnd_spec(void)
{
    struct job_spec *spec = job_spec_new();

    rnd_fields(job_spec_fields, spec);
    return spec;
}

/* Strings by value, everything between them by its bytes. */
static void same_spec(const struct job_spec *a, const struct job_spec *b)
{
    struct job_spec x = *a, y = *b;

    for (const struct field *f = job_spec_fields; f->type != FIELD_END; f++) {
        if (f->type != FIELD_STRING && f->type != FIELD_TEXT && f->type != FIELD_WORD)
            continue;
        char **sx = (char **)(void *)((char *)&x + f->offset);
        char **sy = (char **)(void *)((char *)&y + f->offset);

        assert_string_equal(*sx ? *sx : "", *sy ? *sy : "");
        *sx = *sy = NULL;
    }
    x.refs = y.refs = 0;
    assert_memory_equal(&x, &y, sizeof(x));
}

static void snapshots_come_back(void **state)
{
    for (int i = 0; i < CASES; i++) {
        struct job *job = calloc(1, sizeof(*job)), *back = NULL;
        struct buf out = BUF_INIT(0);
        struct vdi_error err = {0};

        job->refs = 1;
        job->id = 1 + rnd() % INT64_MAX;
        job->spec = rnd_spec();
        rnd_fields(job_fields, job);
        if (!job->state)
            job->state = JOB_PENDING;
        job_snapshot_encode(job, &out);
        if (job_snapshot_decode(job->id, JOB_EVENT_VERSION, out.data, out.len, &back, &err) < 0)
            fail_msg("%s: %s: %s", out.data, err.field, err.detail);
        same_spec(job->spec, back->spec);
        assert_int_equal(back->refs, 1);
        struct job x = *job, y = *back;
        x.spec = y.spec = NULL;
        if (x.exit_signal != y.exit_signal || memcmp(&x, &y, sizeof(x)) != 0)
            fail_msg("%s did not come back", out.data);
        job_unref(job);
        job_unref(back);
        buf_done(&out);
    }
}

static void events_come_back(void **state)
{
    for (int i = 0; i < CASES; i++) {
        struct job_event event = {.type = rnd() % JOB_N_EVENTS, .time_usec = (int64_t)rnd()};
        struct job_event back = {0};
        struct buf out = BUF_INIT(0);
        struct vdi_error err = {0};

        rnd_fields(job_event_fields, &event);
        if (rnd() & 1)
            event.spec = rnd_spec();
        if (rnd() & 1)
            event.payload = strdup("{\"script\":\"#!/bin/sh\\n\",\"args\":[\"\\u0001\"]}");
        job_event_encode(&event, &out);
        if (job_event_decode(job_event_name(event.type), event.time_usec, JOB_EVENT_VERSION,
                             out.data, out.len, &back, &err) < 0)
            fail_msg("%s: %s: %s", out.data, err.field, err.detail);
        assert_int_equal(!event.spec, !back.spec);
        if (event.spec)
            same_spec(event.spec, back.spec);
        assert_int_equal(!event.payload, !back.payload);
        if (event.payload)
            assert_string_equal(event.payload, back.payload);
        struct job_event x = event, y = back;
        x.spec = y.spec = NULL;
        x.payload = y.payload = NULL;
        assert_string_equal(x.node_list ? x.node_list : "", y.node_list ? y.node_list : "");
        x.node_list = y.node_list = NULL;
        if (memcmp(&x, &y, sizeof(x)) != 0)
            fail_msg("%s did not come back", out.data);
        job_event_done(&event);
        job_event_done(&back);
        buf_done(&out);
    }
}

/* A member that is in no row would be lost at the first restart. */
static void check_whole(const char *name, const struct field *fields, size_t size,
                        const size_t (*others)[2], size_t n_others)
{
    unsigned char known[1 << 14] = {0};
    size_t gap = 0;

    assert_true(size <= sizeof(known));
    for (const struct field *f = fields; f->type != FIELD_END; f++)
        if (f->flags & FIELD_KEEP)
            memset(known + f->offset, 1, f->size);
    for (size_t i = 0; i < n_others; i++)
        memset(known + others[i][0], 1, others[i][1]);
    for (size_t i = 0; i <= size; i++) {
        if (i < size && !known[i]) {
            gap++;
            continue;
        }
        /* Padding ends where an aligned member or the struct does, and fills no whole one. */
        if (gap && (i % 4 || gap >= (i % 8 ? 4u : 8u) || (gap == 4 && (i - gap) % 8 == 0)))
            fail_msg("struct %s: %zu bytes before byte %zu are in no row", name, gap, i);
        gap = 0;
    }
}

#define AT(type, m)                                                                                \
    {                                                                                              \
        offsetof(struct type, m), sizeof(((struct type *)0)->m)                                    \
    }
#define WHOLE(type, fields, ...)                                                                   \
    do {                                                                                           \
        static const size_t others[][2] = {__VA_ARGS__};                                           \
        check_whole(#type, fields, sizeof(struct type), others,                                    \
                    sizeof(others) / sizeof(others[0]));                                           \
    } while (0)

static void no_member_is_forgotten(void **state)
{
    WHOLE(job_spec, job_spec_fields, AT(job_spec, refs));
    WHOLE(job, job_fields, AT(job, refs), AT(job, id), AT(job, seq), AT(job, spec));
    WHOLE(job_event, job_event_fields, AT(job_event, type), AT(job_event, time_usec),
          AT(job_event, spec), AT(job_event, payload));
    WHOLE(instance, instance_fields, AT(instance, refs), AT(instance, id), AT(instance, seq));
    WHOLE(instance_event, instance_event_fields, AT(instance_event, type),
          AT(instance_event, time_usec));
    WHOLE(node, node_fields, AT(node, refs), AT(node, seq), AT(node, name));
    WHOLE(node_event, node_event_fields, AT(node_event, type), AT(node_event, time_usec));
    WHOLE(class, class_fields, AT(class, refs), AT(class, id), AT(class, seq));
    WHOLE(class_event, class_event_fields, AT(class_event, type), AT(class_event, time_usec));
    WHOLE(occurrence, occurrence_fields, AT(occurrence, refs), AT(occurrence, seq),
          AT(occurrence, key));
    WHOLE(occurrence_event, occurrence_event_fields, AT(occurrence_event, type),
          AT(occurrence_event, time_usec));
    WHOLE(token, token_fields, AT(token, refs), AT(token, seq), AT(token, id));
    WHOLE(token_event, token_event_fields, AT(token_event, type), AT(token_event, time_usec));
}

/* What was kept before jobs had several nodes. */
static void records_of_one_node_come_back(void **state)
{
    static const char event[] =
        "{\"by\":\"vdictld\",\"instance\":7,\"generation\":1,\"node\":\"n1\"}";
    static const char snapshot[] =
        "{\"state\":\"RUNNING\",\"instance\":7,\"generation\":1,\"node\":\"n1\","
        "\"spec\":{\"name\":\"x\",\"kind\":\"batch\"}}";
    struct job_event alloc;
    struct job *job = NULL;
    struct buf out = BUF_INIT(0);
    struct vdi_error err;

    assert_int_equal(job_event_decode("alloc", 1, 1, event, strlen(event), &alloc, &err), 0);
    assert_null(alloc.node_list);
    job_event_encode(&alloc, &out);
    assert_string_equal(out.data, event); /* and is written as it always was */
    buf_done(&out);
    job_event_done(&alloc);
    assert_int_equal(job_snapshot_decode(5, 1, snapshot, strlen(snapshot), &job, &err), 0);
    assert_string_equal(job->node_list, "");
    assert_string_equal(job_node_list(job), "n1");
    assert_int_equal(job_spec_nodes(job->spec), 1);
    assert_true(job_has_instance(job, 7) && !job_has_instance(job, 8));
    job_unref(job);
}

static void root_and_zeros_come_back(void **state)
{
    struct job job = {.refs = 1, .id = 1, .state = JOB_RUNNING}, *back = NULL;
    struct buf out = BUF_INIT(0);

    job.spec = job_spec_new();
    job.spec->uid = job.spec->gid = 0;
    job.spec->nice = -1000000;
    job_snapshot_encode(&job, &out);
    assert_int_equal(job_snapshot_decode(1, 1, out.data, out.len, &back, NULL), 0);
    assert_true(back->spec->uid == 0 && back->spec->gid == 0);
    assert_int_equal(back->spec->nice, -1000000);
    job_unref(back);
    job.spec->uid = job.spec->gid = UINT32_MAX;
    buf_clear(&out);
    job_snapshot_encode(&job, &out);
    assert_int_equal(job_snapshot_decode(1, 1, out.data, out.len, &back, NULL), 0);
    assert_true(back->spec->uid == UINT32_MAX);
    job_unref(back);
    job_spec_unref(job.spec);
    buf_done(&out);
}

/* By hand: a bool without a row could pass for padding above. */
static void flags_come_back(void **state)
{
    struct job job = {.refs = 1,
                      .id = 1,
                      .state = JOB_RUNNING,
                      .held_by_user = true,
                      .held_by_admin = true,
                      .unreachable = true,
                      .unknown = true},
               *j = NULL;
    struct node node = {.known = true, .up = true, .drain = true, .removed = true}, *n = NULL;
    struct token token = {.revoked = true, .ended = true}, *t = NULL;
    struct buf out = BUF_INIT(0);

    job.spec = job_spec_new();
    job.spec->requeue = true;
    job_snapshot_encode(&job, &out);
    assert_int_equal(job_snapshot_decode(1, 1, out.data, out.len, &j, NULL), 0);
    assert_true(j->held_by_user && j->held_by_admin && j->unreachable && j->unknown);
    assert_true(j->spec->requeue);
    buf_clear(&out);
    node_snapshot_encode(&node, &out);
    assert_int_equal(node_snapshot_decode("n", 1, out.data, out.len, &n, NULL), 0);
    assert_true(n->known && n->up && n->drain && n->removed);
    buf_clear(&out);
    token_snapshot_encode(&token, &out);
    assert_int_equal(token_snapshot_decode("t", 1, out.data, out.len, &t, NULL), 0);
    assert_true(t->revoked && t->ended);
    job_unref(j);
    node_unref(n);
    token_unref(t);
    job_spec_unref(job.spec);
    buf_done(&out);
}

/* A disk comes back from its snapshot, and from each of its events, as it was. */
static void disks_come_back(void **state)
{
    struct disk_event create = {.type = DISK_EVENT_CREATE,
                                .time_usec = 5,
                                .persistence = DISK_PERSONAL,
                                .where = DISK_SHARED,
                                .size_gib = 20,
                                .job = 9,
                                .name = "work",
                                .owner = "unix:ada",
                                .template_name = "cad",
                                .token = "0011223344556677"},
                      lease = {.type = DISK_EVENT_LEASE,
                               .time_usec = 6,
                               .job = 9,
                               .instance = 11,
                               .generation = 2,
                               .epoch = 3,
                               .node = "gpu01"},
                      event;
    struct disk *made = NULL, *leased = NULL, *back = NULL;
    struct buf out = BUF_INIT(0);

    disk_event_encode(&create, &out);
    assert_int_equal(disk_event_decode("create", 5, 1, out.data, out.len, &event, NULL), 0);
    assert_memory_equal(&event, &create, sizeof(event));
    buf_clear(&out);
    disk_event_encode(&lease, &out);
    assert_int_equal(disk_event_decode("lease", 6, 1, out.data, out.len, &event, NULL), 0);
    assert_memory_equal(&event, &lease, sizeof(event));
    assert_int_equal(disk_apply(NULL, 7, &create, &made, NULL), 0);
    assert_int_equal(disk_apply(made, 7, &event, &leased, NULL), 0);
    leased->is_made = true;
    buf_clear(&out);
    disk_snapshot_encode(leased, &out);
    assert_int_equal(disk_snapshot_decode(7, 1, out.data, out.len, &back, NULL), 0);
    assert_memory_equal(back, leased, sizeof(*back));
    assert_true(disk_event_decode("lease", 6, 2, out.data, out.len, &event, NULL) < 0);
    disk_unref(made);
    disk_unref(leased);
    disk_unref(back);
    buf_done(&out);
}

static void damaged_records_are_refused(void **state)
{
    static const struct {
        const char *type, *json;
        uint32_t version;
    } events[] = {
        {"submit", "{\"spec\":5}", 1},
        {"submit", "{\"spec\":{\"cpus\":\"1\"}}", 1},
        {"submit", "{\"payload\":\"\"}", 1},
        {"submit", "[]", 1},
        {"submit", "", 1},
        {"nosuch", "{}", 1},
        {"submit", "{}", 2},
        {"finish", "{\"final\":\"GOOD\"}", 1},
    };
    static const char *const snapshots[] = {
        "{}",
        "{\"spec\":{}}",
        "{\"state\":\"PENDING\"}",
        "{\"state\":\"PENDING\",\"spec\":[]}",
        "{\"state\":\"NONE\",\"spec\":{}}",
        "{\"state\":1,\"spec\":{}}",
        "[]",
        "",
    };
    struct job_event event = {0};
    struct job *job = NULL;
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        err = (struct vdi_error){0};
        if (job_event_decode(events[i].type, 1, events[i].version, events[i].json,
                             strlen(events[i].json), &event, &err) >= 0)
            fail_msg("%s %s was taken", events[i].type, events[i].json);
        assert_true(err.detail[0]);
    }
    for (size_t i = 0; i < sizeof(snapshots) / sizeof(snapshots[0]); i++) {
        err = (struct vdi_error){0};
        if (job_snapshot_decode(1, 1, snapshots[i], strlen(snapshots[i]), &job, &err) >= 0)
            fail_msg("%s was taken", snapshots[i]);
        assert_true(err.detail[0]);
        assert_null(job);
    }
    assert_int_equal(job_snapshot_decode(1, 2, "{}", 2, &job, &err), -EPROTO);
}

/* ---- documents ---- */

static void columns(void **state)
{
    struct job_columns c;
    struct vdi_error err = {0};
    struct job job = {.refs = 1, .id = 5, .state = JOB_PENDING};
    struct buf out = BUF_INIT(0);
    char list[2000] = "id";

    job.spec = job_spec_new();
    assert_int_equal(job_columns_parse("id,state,name", &c, &err), 0);
    job_write(&job, &c, &out);
    assert_string_equal(out.data, "{\"id\":5,\"state\":\"PENDING\",\"name\":\"\"}");
    assert_int_equal(job_columns_parse("", &c, &err), 0);
    assert_int_equal(c.n, 0);
    assert_int_equal(job_columns_parse("id,colour", &c, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "colour"));
    assert_int_equal(job_columns_parse("id,,name", &c, &err), -EINVAL);
    assert_int_equal(job_columns_parse("idempotency_key", &c, &err), -EINVAL); /* not shown */
    assert_int_equal(job_columns_parse("request_digest", &c, &err), -EINVAL);
    for (int i = 1; i < 64; i++)
        strcat(list, ",id");
    assert_int_equal(job_columns_parse(list, &c, &err), 0);
    assert_int_equal(c.n, 64);
    strcat(list, ",id");
    assert_int_equal(job_columns_parse(list, &c, &err), -EINVAL);
    memset(list, 'x', sizeof(list) - 1);
    assert_int_equal(job_columns_parse(list, &c, &err), -EINVAL);
    job_spec_unref(job.spec);
    buf_done(&out);
}

/* Each within its own limit, and together more than an order takes. */
static void submit_fits_an_order(void **state)
{
    struct buf json = BUF_INIT(0);
    struct submit s;

    for (int n = 890; n <= 900; n += 10) {
        buf_clear(&json);
        buf_puts(&json, "{\"template\":\"cad\",\"script\":\"#!/bin/sh\",\"args\":[\"");
        for (int i = 0; i < n; i++)
            buf_printf(&json, "%*s%s", 1024, "", i % 100 == 99 ? "\",\"" : "");
        buf_puts(&json, "\"]}");
        if (n < 896) {
            assert_int_equal(submit(json.data, &s), 0);
            submit_done(&s);
        } else {
            refused(json.data, EFBIG, "script");
        }
    }
    buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submit_takes_the_whole),
        cmocka_unit_test(submit_takes_no_identity),
        cmocka_unit_test(submit_scripts),
        cmocka_unit_test(submit_fits_an_order),
        cmocka_unit_test(submit_lists),
        cmocka_unit_test(submit_values),
        cmocka_unit_test(updates),
        cmocka_unit_test(snapshots_come_back),
        cmocka_unit_test(events_come_back),
        cmocka_unit_test(no_member_is_forgotten),
        cmocka_unit_test(records_of_one_node_come_back),
        cmocka_unit_test(root_and_zeros_come_back),
        cmocka_unit_test(flags_come_back),
        cmocka_unit_test(disks_come_back),
        cmocka_unit_test(damaged_records_are_refused),
        cmocka_unit_test(columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
