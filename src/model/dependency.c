/* SPDX-License-Identifier: Apache-2.0 */
/* dependency.c - the words of --dependency, and when a condition is met or can't be any more. */
#include "model/dependency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"

const char *const dependency_type_names[] = {"after",      "afterany",  "afterok",
                                             "afternotok", "singleton", NULL};

/* sbatch(1) has them; nothing here could meet them. */
static const struct {
    const char *word, *why;
} refused[] = {
    {"aftercorr", "tasks are not matched one by one; use afterok"},
    {"afterburstbuffer", "there are no burst buffers; use afterany"},
    {"expand", "a job keeps what it was given; submit another"},
};

static int refuse(const char *part, size_t len, const char *why, struct vdi_error *err)
{
    error_set(err, EINVAL, "dependency", "'%.*s': %s", (int)(len < 60 ? len : 60), part, why);
    error_hint(err, NULL,
               "write after:ID[+MINUTES], afterok:ID, afterany:ID, afternotok:ID or singleton, "
               "joined by , (all) or ? (any)");
    return -EINVAL;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(text, word, len);
}

static int type_parse(const char *part, size_t len, enum dependency_type *ret,
                      struct vdi_error *err)
{
    for (int i = 0; i < DEPENDENCY_N_TYPES; i++)
        if (is_word(part, len, dependency_type_names[i])) {
            *ret = (enum dependency_type)i;
            return 0;
        }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (is_word(part, len, refused[i].word))
            return refuse(part, len, refused[i].why, err);
    return refuse(part, len, "no such condition", err);
}

/* "12", "12_4" for a task of an array, or behind `after` "12+5". */
static int job_parse(const char *text, size_t len, struct dependency_clause *c,
                     struct vdi_error *err)
{
    char word[40];
    uint64_t minutes = 0, task = 0;
    char *plus, *bar;

    if (!len || len >= sizeof(word))
        return refuse(text, len, "not a job id", err);
    snprintf(word, sizeof(word), "%.*s", (int)len, text);
    plus = strchr(word, '+');
    if (plus)
        *plus++ = '\0';
    bar = strchr(word, '_');
    if (bar)
        *bar++ = '\0';
    if (str_to_u64(word, 1, INT64_MAX, &c->job) < 0 ||
        (bar && str_to_u64(bar, 0, UINT32_MAX, &task) < 0))
        return refuse(text, len, "not a job id", err);
    c->has_task = bar != NULL;
    c->task = (uint32_t)task;
    if (plus && c->type != DEPENDENCY_AFTER)
        return refuse(text, len, "only after:ID takes +MINUTES", err);
    if (plus && str_to_u64(plus, 0, DEPENDENCY_DELAY_MAX_MIN, &minutes) < 0)
        return refuse(text, len, "not a number of minutes up to a year", err);
    c->delay_min = (uint32_t)minutes;
    return 0;
}

static int clause_add(struct dependency *d, const struct dependency_clause *c,
                      struct vdi_error *err)
{
    if (d->n == DEPENDENCY_MAX) {
        error_set(err, ERANGE, "dependency", "there are more conditions than a job may have");
        error_hint(err, "256 conditions", "let one job wait for some of them, and this one for it");
        return -ERANGE;
    }
    if (!d->clauses)
        d->clauses = calloc(DEPENDENCY_MAX, sizeof(*d->clauses));
    if (!d->clauses)
        return error_set(err, ENOMEM, "", "out of memory");
    d->clauses[d->n++] = *c;
    return 0;
}

/* "afterok:12:13" is two conditions. */
static int part_parse(const char *part, size_t len, struct dependency *d, struct vdi_error *err)
{
    const char *end = part + len, *p = memchr(part, ':', len);
    struct dependency_clause c = {.job = 0};
    int r = type_parse(part, p ? (size_t)(p - part) : len, &c.type, err);

    if (r < 0)
        return r;
    if (!p != (c.type == DEPENDENCY_SINGLETON))
        return refuse(part, len, p ? "singleton takes no job" : "it names no job", err);
    if (!p)
        return clause_add(d, &c, err);
    while (r == 0 && p < end) {
        const char *id = p + 1, *next = memchr(id, ':', (size_t)(end - id));

        r = job_parse(id, (size_t)((next ? next : end) - id), &c, err);
        if (r == 0)
            r = clause_add(d, &c, err);
        p = next ? next : end;
    }
    return r;
}

int dependency_parse(const char *text, struct dependency *ret, struct vdi_error *err)
{
    struct dependency d = {.any = strchr(text, '?') != NULL};
    int r = 0;

    if (d.any && strchr(text, ','))
        return refuse(text, strlen(text), ", and ? do not go together", err);
    while (r == 0 && *text) {
        size_t len = strcspn(text, ",?");

        r = part_parse(text, len, &d, err);
        text += len;
        if (r == 0 && *text && !*++text)
            r = refuse(text - 1, 1, "nothing follows it", err);
    }
    if (r < 0) {
        dependency_done(&d);
        return r;
    }
    *ret = d;
    if (d.n) /* made smaller: it can't fail in a way that matters */
        ret->clauses = reallocarray(d.clauses, d.n, sizeof(*d.clauses));
    if (!ret->clauses)
        ret->clauses = d.clauses;
    return 0;
}

void dependency_done(struct dependency *d)
{
    free(d->clauses);
    *d = (struct dependency){.n = 0};
}

const char *dependency_job_name(const struct dependency_clause *c, char *buf)
{
    if (c->has_task)
        snprintf(buf, 40, "%llu_%u", (unsigned long long)c->job, c->task);
    else
        snprintf(buf, 40, "%llu", (unsigned long long)c->job);
    return buf;
}

static enum dependency_state look_after(const struct dependency_clause *c,
                                        const struct dependency_facts *facts, int64_t now_usec,
                                        int64_t *ret_due_usec)
{
    int64_t due = facts->start_usec + c->delay_min * 60 * USEC_PER_SEC;

    if (!facts->started)
        return DEPENDENCY_WAITS;
    if (due <= now_usec)
        return DEPENDENCY_MET;
    *ret_due_usec = due;
    return DEPENDENCY_WAITS;
}

enum dependency_state dependency_look(const struct dependency_clause *c,
                                      const struct dependency_facts *facts, int64_t now_usec,
                                      int64_t *ret_due_usec)
{
    *ret_due_usec = 0;
    if (c->type == DEPENDENCY_AFTER)
        return look_after(c, facts, now_usec, ret_due_usec);
    if (c->type == DEPENDENCY_AFTEROK && facts->failed)
        return DEPENDENCY_NEVER; /* however the others end */
    if (!facts->ended)
        return DEPENDENCY_WAITS;
    if (c->type == DEPENDENCY_AFTERNOTOK && !facts->failed)
        return DEPENDENCY_NEVER;
    return DEPENDENCY_MET;
}

enum dependency_state dependency_join(const struct dependency *d,
                                      const enum dependency_state *states)
{
    /* One of these decides; without any, and nothing left to wait for, it is the other. */
    enum dependency_state decides = d->any ? DEPENDENCY_MET : DEPENDENCY_NEVER;
    bool waits = false;

    for (size_t i = 0; i < d->n; i++) {
        if (states[i] == decides)
            return decides;
        waits |= states[i] == DEPENDENCY_WAITS;
    }
    if (waits)
        return DEPENDENCY_WAITS;
    return d->n && d->any ? DEPENDENCY_NEVER : DEPENDENCY_MET;
}
