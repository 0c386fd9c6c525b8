/* SPDX-License-Identifier: Apache-2.0 */
/* control_job.c - vdictl's verbs that change jobs. */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/ids.h"
#include "codec/job_codec.h"

#define MEMORY_MIB_MAX (64u << 20)

/* Says that a node was meant, where one may have been. */
static int job_id(const char *word, const struct verb *verb, struct ids *ids, struct vdi_error *err)
{
    int r = ids_add(ids, word, err);
    if (r < 0 && str_equal(verb->name, "resume") && !strpbrk(word, "/ ")) {
        char remedy[96];
        snprintf(remedy, sizeof(remedy), "for a node: vdictl node resume %.40s", word);
        error_hint(err, NULL, remedy);
    }
    return r;
}

/* `does` to every job of the words; an exit code when one was refused. */
static int each_job(struct control *c, const struct verb *verb,
                    int (*does)(struct control *c, const struct verb *verb, const char *id,
                                struct vdi_error *err),
                    struct vdi_error *err)
{
    struct ids ids = {.n = 0};
    int r = 0, code = 0;
    for (int i = 0; r == 0 && i < c->n_words; i++)
        r = job_id(c->words[i], verb, &ids, err);
    for (size_t i = 0; r == 0 && i < ids.n; i++) {
        struct vdi_error why = {.code = 0};
        char id[ID_TEXT];
        int s = does(c, verb, id_text(ids.ids[i], id), &why);
        if (s < 0) {
            int this_code = (int)client_fail(CONTROL_NAME, s, &why);
            code = code ? code : this_code;
        }
    }
    ids_done(&ids);
    return r < 0 ? r : code;
}

static int act(struct control *c, const struct verb *verb, const char *id, struct vdi_error *err)
{
    char target[96];
    snprintf(target, sizeof(target), "/v1/jobs/%s/%s", id, verb->target);
    return client_send(c->client, "POST", target, NULL, NULL, err);
}

int control_job_act(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    return each_job(c, verb, act, err);
}

static int more_time(const char *text, int64_t *ret_sec, struct vdi_error *err)
{
    const char *time = text + (*text == '+');
    if (str_to_duration_sec(time, 60, ret_sec) == 0 && *ret_sec > 0)
        return 0;
    error_set(err, EINVAL, "time", "%.60s: not a length of time to add", text);
    error_hint(err, NULL, "write +30 (minutes), +30m or +2h");
    return -EINVAL;
}

/* When it comes back is what its owner wants to know. */
static void print_resumed(const struct value *job)
{
    int64_t place = value_get_int(job, "place", 0);
    const char *start = value_get_string(job, "estimated_start_time", NULL);
    _cleanup_(buf_done) struct buf local = BUF_INIT(64);
    char id[ID_TEXT];
    printf("job %s is resumed", id_text(id_of(job), id));
    if (start) {
        cell_time(&local, start);
        printf(" about %s", local.data);
    }
    printf(" on %s", value_get_string(job, "node", "?"));
    if (place)
        printf(", place %" PRId64 " in line", place);
    printf("\n");
}

static int resume(struct control *c, const struct verb *verb, const char *id, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    _cleanup_(buf_done) struct buf body = BUF_INIT(256);
    char target[80];
    int64_t sec;
    if (c->options.time && more_time(c->options.time, &sec, err) < 0)
        return -EINVAL;
    if (c->options.time)
        buf_printf(&body, "{\"seconds\":%" PRId64 "}", sec);
    snprintf(target, sizeof(target), "/v1/jobs/%s/resume", id);
    int r = client_send(c->client, "POST", target, body.len ? &body : NULL, &document, err);
    if (r == 0)
        print_resumed(document_root(document));
    return r;
}

int control_job_resume(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    return each_job(c, verb, resume, err);
}

int control_job_id(const char *word, char ret[ID_TEXT], struct vdi_error *err)
{
    struct ids ids = {.n = 0};
    int r = ids_add(&ids, word, NULL);
    if (r == 0 && ids.n == 1)
        id_text(ids.ids[0], ret);
    else
        r = error_set(err, EINVAL, "job", "%.60s: not a job id", word);
    ids_done(&ids);
    return r;
}

int control_job_extend(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    char id[ID_TEXT];
    int64_t sec;
    char target[80];
    const char *time = c->words[1];
    if (control_job_id(c->words[0], id, err) < 0)
        return -EINVAL;
    if (*time != '+') {
        error_set(err, EINVAL, "time", "%.60s: not a length of time to add", time);
        error_hint(err, NULL, "write +30 (minutes), +30m or +2h");
        return -EINVAL;
    }
    if (more_time(time, &sec, err) < 0)
        return -EINVAL;
    _cleanup_(buf_done) struct buf body = BUF_INIT(256);
    buf_printf(&body, "{\"seconds\":%" PRId64 "}", sec);
    snprintf(target, sizeof(target), "/v1/jobs/%s/extend", id);
    return client_send(c->client, "POST", target, &body, NULL, err);
}

int control_job_message(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    char id[ID_TEXT];
    char target[80];
    if (control_job_id(c->words[0], id, err) < 0)
        return -EINVAL;
    _cleanup_(buf_done) struct buf body = BUF_INIT(1 << 16);
    buf_puts(&body, "{\"text\":");
    json_write_string(&body, c->words[1]);
    buf_putc(&body, '}');
    snprintf(target, sizeof(target), "/v1/jobs/%s/message", id);
    return client_send(c->client, "POST", target, &body, NULL, err);
}

/* time_limit stands for time_limit_sec, memory for memory_mib, begin for begin_time. */
static const struct field *field_of(const char *name)
{
    static const char *const endings[] = {"", "_sec", "_mib", "_time"};
    char full[64];
    for (size_t i = 0; i < ELEMENTS(endings); i++) {
        snprintf(full, sizeof(full), "%s%s", name, endings[i]);
        const struct field *f = field_find(job_spec_fields, full);
        if (f)
            return f;
    }
    return NULL;
}

static int refuse_value(const struct field *f, const char *value, const char *remedy,
                        struct vdi_error *err)
{
    error_set(err, EINVAL, f->name, "%s=%.80s: not a value of that field", f->name, value);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), k = strlen(ending);
    return n > k && strcmp(text + n - k, ending) == 0;
}

static int put_number(const struct field *f, const char *value, struct buf *out,
                      struct vdi_error *err)
{
    int64_t n;
    uint64_t mib;
    if (ends_with(f->name, "_sec")) {
        if (str_to_duration_sec(value, 60, &n) < 0)
            return refuse_value(f, value, "write 90 (minutes), 4h or HH:MM:SS", err);
    } else if (ends_with(f->name, "_mib")) {
        if (str_to_mib(value, MEMORY_MIB_MAX, &mib) < 0)
            return refuse_value(f, value, "write 4096 (MiB) or 16G", err);
        n = (int64_t)mib;
    } else if (str_to_i64(value, INT64_MIN, INT64_MAX, &n) < 0) {
        return refuse_value(f, value, "write a whole number", err);
    }
    return buf_printf(out, "%" PRId64, n);
}

static int put_bool(const struct field *f, const char *value, struct buf *out,
                    struct vdi_error *err)
{
    bool yes = str_equal(value, "yes") || str_equal(value, "true") || str_equal(value, "1");
    bool no = str_equal(value, "no") || str_equal(value, "false") || str_equal(value, "0");
    if (!yes && !no)
        return refuse_value(f, value, "write yes or no", err);
    return buf_puts(out, yes ? "true" : "false");
}

static int put_time(const struct field *f, const char *value, int64_t now_usec, struct buf *out,
                    struct vdi_error *err)
{
    int64_t usec;
    char text[40];
    if (!*value)
        return buf_puts(out, "null");
    if (time_from_slurm(value, now_usec, &usec) < 0)
        return refuse_value(f, value, "write 16:00, 2026-10-13T10:15 or now+2hours", err);
    json_write_string(out, time_to_rfc3339(usec, text));
    return 0;
}

static int put_value(const struct field *f, const char *value, int64_t now_usec, struct buf *out,
                     struct vdi_error *err)
{
    switch (f->type) {
    case FIELD_BOOL:
        return put_bool(f, value, out, err);
    case FIELD_TIME:
        return put_time(f, value, now_usec, out, err);
    case FIELD_U32:
    case FIELD_I32:
    case FIELD_U64:
    case FIELD_I64:
        return put_number(f, value, out, err);
    default:
        if (!str_is_text(value, strlen(value), true))
            return refuse_value(f, value, "write text in UTF-8", err);
        json_write_string(out, value);
        return 0;
    }
}

int control_member(const char *word, int64_t now_usec, struct buf *out, struct vdi_error *err)
{
    char name[48];
    size_t n = strcspn(word, "=");
    snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, word);
    const struct field *f = word[n] ? field_of(name) : NULL;
    if (!word[n] || !f) {
        error_set(err, EINVAL, "update",
                  word[n] ? "%.60s: a job has no such field" : "%.60s: not KEY=VALUE", word);
        error_hint(err, NULL, "vdictl(1) lists the fields that can be changed");
        return -EINVAL;
    }
    if (!(f->flags & (FIELD_UPDATE | FIELD_ADMIN)))
        return error_set(err, EINVAL, f->name, "%s can't be changed once submitted", f->name);
    if (out->len > 1)
        buf_putc(out, ',');
    json_write_string(out, f->name);
    buf_putc(out, ':');
    return put_value(f, word + n + 1, now_usec, out, err);
}

int control_job_update(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    char id[ID_TEXT];
    char target[80];
    _cleanup_(buf_done) struct buf body = BUF_INIT(1 << 20);
    _cleanup_(document_freep) struct document *document = NULL;
    int r = control_job_id(c->words[0], id, err);
    buf_putc(&body, '{');
    for (int i = 1; r >= 0 && i < c->n_words; i++)
        r = control_member(c->words[i], time_now_usec(), &body, err);
    if (r < 0)
        return -EINVAL;
    buf_putc(&body, '}');
    snprintf(target, sizeof(target), "/v1/jobs/%s", id);
    r = client_send(c->client, "PATCH", target, &body, &document, err);
    if (r == 0 && c->options.json)
        control_print(document_root(document), true);
    return r;
}
