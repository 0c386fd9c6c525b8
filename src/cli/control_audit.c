/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_audit.c - vdictl audit: lists the audit trail, and checks its chain here, not there.
 *
 * Checked newest first: what comes is unsealed with the hash that the record after it names. The
 * head is what the controller's memory (or, with --head, a note of the asker) says.
 */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/audit_columns.h"
#include "codec/audit_codec.h"

#define PAGE 1000
#define LIST_DEFAULT 100

/* ---- pages ---- */

static int add_time(struct buf *target, const char *name, const char *text, struct vdi_error *err)
{
    int64_t usec;
    char rfc3339[40];

    if (!text)
        return 0;
    if (time_from_slurm(text, time_now_usec(), &usec) < 0) {
        error_set(err, EINVAL, name, "--%s=%.40s: not a time", name, text);
        error_hint(err, NULL, "write 2026-10-13T10:15, today or now-2hours");
        return -EINVAL;
    }
    client_query(target, name, time_to_rfc3339(usec, rfc3339));
    return 0;
}

static int get_page(struct control *c, const char *after, uint32_t limit, struct document **ret,
                    struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    const struct control_options *o = &c->options;
    char number[24];
    int r;

    buf_puts(&target, "/v1/audit");
    snprintf(number, sizeof(number), "%u", limit);
    client_query(&target, "limit", number);
    client_query(&target, "after", after);
    client_query(&target, "user", o->user);
    client_query(&target, "request", o->request);
    client_query(&target, "denied", o->denied ? "true" : NULL);
    r = add_time(&target, "from", o->from, err);
    if (r == 0)
        r = add_time(&target, "to", o->to, err);
    return r < 0 ? r : client_get(c->client, target.data, ret, err);
}

/* ---- the list ---- */

static void print_page(const struct value *list, const struct format *format)
{
    const struct format_context context = {.now_usec = time_now_usec()};

    for (size_t i = 0; i < value_count(list); i++) {
        _cleanup_(buf_done) struct buf line = BUF_INIT(0);

        format_row(format, value_item(list, i), &context, &line);
        fputs(line.data ? line.data : "", stdout);
    }
}

static int list(struct control *c, struct vdi_error *err)
{
    const char *text = c->options.output ? c->options.output : AUDIT_FORMAT;
    _cleanup_(buf_done) struct buf header = BUF_INIT(0), after = BUF_INIT(64);
    struct format format;
    uint64_t left = LIST_DEFAULT;
    int r = format_parse(text, audit_columns, &format, err);

    if (r == 0 && c->options.limit && str_to_u64(c->options.limit, 1, INT64_MAX, &left) < 0)
        r = error_set(err, EINVAL, "limit", "--limit=%.20s: not a number from 1", c->options.limit);
    if (r < 0)
        return r;
    format_header(&format, &header);
    if (!c->options.json)
        fputs(header.data ? header.data : "", stdout);
    buf_puts(&after, c->options.after ? c->options.after : "");
    while (left) {
        _cleanup_(document_freep) struct document *document = NULL;
        const struct value *root;

        r = get_page(c, after.data, left < PAGE ? (uint32_t)left : PAGE, &document, err);
        if (r < 0)
            return r;
        root = document_root(document);
        if (c->options.json)
            control_print(root, true);
        else
            print_page(value_get(root, "audit"), &format);
        left -= left < PAGE ? left : PAGE;
        if (value_is_null(value_get(root, "next")))
            break;
        buf_clear(&after);
        buf_puts(&after, value_get_string(root, "next", ""));
    }
    return 0;
}

/* ---- the check ---- */

struct verify {
    uint64_t due;                  /* number of the record that comes next, downwards */
    char hash[AUDIT_HASH_LEN + 1]; /* what it must be sealed with */
    uint64_t total;
    uint64_t n_good, n_bad;
    uint64_t first_bad;
    char why[160];
    uint64_t noted; /* --head */
    char noted_hash[AUDIT_HASH_LEN + 1];
    char head[AUDIT_HASH_LEN + 1];
};

static void __attribute__((format(printf, 3, 4)))
bad(struct verify *v, uint64_t number, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(v->why, sizeof(v->why), format, ap);
    va_end(ap);
    v->n_bad++;
    v->first_bad = number; /* downwards: the last that is found is the first */
}

static void check_noted(struct verify *v, const struct audit_event *e)
{
    if (v->noted && e->number == v->noted && !str_equal(e->hash, v->noted_hash))
        bad(v, e->number, "it is not the one that was noted with --head");
}

static void check_record(struct verify *v, const struct audit_event *e)
{
    char hash[AUDIT_HASH_LEN + 1];

    if (e->number > v->total && v->due == v->total)
        return; /* written since the head was read */
    if (e->number > v->due || !e->number) {
        bad(v, e->number, "it stands where record %" PRIu64 " belongs", v->due);
        return;
    }
    if (e->number < v->due) {
        bad(v, e->number + 1, "%" PRIu64 " record%s missing, or damaged in the store",
            v->due - e->number, v->due - e->number == 1 ? " is" : "s are");
        v->hash[0] = '\0'; /* nothing to compare with */
    }
    audit_hash(e, hash);
    if (!str_equal(hash, e->hash))
        bad(v, e->number, "its content was changed: it does not have the hash that it names");
    else if (*v->hash && !str_equal(e->hash, v->hash))
        bad(v, e->number, "it is not the one that record %" PRIu64 " follows", e->number + 1);
    else
        v->n_good++;
    check_noted(v, e);
    str_copy(v->hash, sizeof(v->hash), e->prev);
    v->due = e->number - 1;
}

static int read_noted(struct verify *v, const char *text, struct vdi_error *err)
{
    char number[24];
    size_t n = text ? strcspn(text, ":") : 0;

    if (!text)
        return 0;
    str_copy(number, n + 1 < sizeof(number) ? n + 1 : sizeof(number), text);
    if (!text[n] || strlen(text + n + 1) != AUDIT_HASH_LEN ||
        str_to_u64(number, 1, INT64_MAX, &v->noted) < 0) {
        error_set(err, EINVAL, "head", "--head=%.80s: not a number and a hash", text);
        error_hint(err, NULL, "write NUMBER:HASH as --verify and the controller's log have it");
        return -EINVAL;
    }
    str_copy(v->noted_hash, sizeof(v->noted_hash), text + n + 1);
    return 0;
}

static int read_pages(struct control *c, struct verify *v, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf after = BUF_INIT(64);
    bool begun = false;

    for (;;) {
        _cleanup_(document_freep) struct document *document = NULL;
        const struct value *root, *rows;
        int r = get_page(c, after.data, PAGE, &document, err);

        if (r < 0)
            return r;
        root = document_root(document);
        rows = value_get(root, "audit");
        if (!begun) {
            v->total = v->due = (uint64_t)value_get_int(root, "head.number", 0);
            str_copy(v->hash, sizeof(v->hash), value_get_string(root, "head.hash", ""));
            str_copy(v->head, sizeof(v->head), v->hash);
            begun = true;
        }
        for (size_t i = 0; i < value_count(rows); i++) {
            struct audit_event event;

            audit_event_read(value_item(rows, i), &event);
            check_record(v, &event);
        }
        if (value_is_null(value_get(root, "next")))
            return 0;
        buf_clear(&after);
        buf_puts(&after, value_get_string(root, "next", ""));
    }
}

static void finish(struct verify *v)
{
    char zeros[AUDIT_HASH_LEN + 1];

    memset(zeros, '0', AUDIT_HASH_LEN);
    zeros[AUDIT_HASH_LEN] = '\0';
    if (v->due)
        bad(v, 1, "%" PRIu64 " record%s missing, or damaged in the store", v->due,
            v->due == 1 ? " is" : "s are");
    else if (v->total && *v->hash && !str_equal(v->hash, zeros))
        bad(v, 1, "it follows a record that is not there");
    if (v->noted > v->total)
        bad(v, v->total + 1, "the trail had %" PRIu64 " records when its head was noted", v->noted);
}

static int verify(struct control *c, struct vdi_error *err)
{
    const struct control_options *o = &c->options;
    struct verify v = {0};
    int r = read_noted(&v, o->head, err);

    if (r == 0 && (o->user || o->request || o->from || o->to || o->denied || o->after || o->limit))
        r = error_set(err, EINVAL, "verify", "--verify checks the whole trail, no part of it");
    if (r == 0)
        r = read_pages(c, &v, err);
    if (r < 0)
        return r;
    finish(&v);
    if (!v.n_bad) {
        printf("%" PRIu64 " records, none is broken\nhead %" PRIu64 ":%s\n", v.total, v.total,
               v.head);
        return 0;
    }
    printf("the first broken record is %" PRIu64 ": %s (%" PRIu64 " of %" PRIu64 " are good)\n",
           v.first_bad, v.why, v.n_good, v.total);
    return EXIT_REFUSED;
}

int control_audit(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    if (c->options.head && !c->options.verify)
        return error_set(err, EINVAL, "head", "--head goes with --verify");
    return c->options.verify ? verify(c, err) : list(c, err);
}
