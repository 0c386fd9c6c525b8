/* SPDX-License-Identifier: Apache-2.0 */
/* usage.c - what GPUs were there for: times of jobs, seats and sessions, device by device. */
#include "vdisim/usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/str.h"
#include "vdisim/run.h"

#define WEEK_SEC (7 * 86400)

enum kind { SESSION, WINDOW, INSTANCE };

struct span {
    size_t device;
    int64_t from_usec, to_usec;
    enum kind kind;
    char profile[64];
};

struct spans {
    struct span *at;
    size_t n, size;
};

static int add(struct spans *s, const struct span *span)
{
    if (span->to_usec <= span->from_usec)
        return 0;
    if (s->n == s->size) {
        size_t size = s->size ? 2 * s->size : 4096;
        struct span *grown = realloc(s->at, size * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        s->at = grown;
        s->size = size;
    }
    s->at[s->n++] = *span;
    return 0;
}

/* One on each device of the place. */
static int add_place(const struct world *w, struct spans *s, const char *node, const char *held,
                     struct span span)
{
    const struct config_node *n = config_node(w->config, node);
    struct gpu_place places[GPU_PLACES_MAX];
    size_t n_places = 0;
    int r = 0;

    if (!n || gpu_held_parse(held, span.profile, places, GPU_PLACES_MAX, &n_places) < 0)
        return 0;
    for (size_t i = 0; i < n_places && r == 0; i++) {
        span.device = (size_t)(n - w->config->nodes) * GPU_PLACES_MAX + places[i].gpu;
        r = add(s, &span);
    }
    return r;
}

static int add_runs(const struct world *w, struct spans *s)
{
    int r = 0;

    for (size_t i = 0; i < w->n_runs && r == 0; i++) {
        const struct world_run *run = &w->runs[i];
        struct span span = {.from_usec = run->from_usec, .to_usec = run->to_usec, .kind = INSTANCE};
        const char *node = run->nodes, *gpus = run->gpus;

        while (r == 0 && *node) {
            size_t len = strcspn(node, ";"), held_len = strcspn(gpus, ";");
            char name[64], held[GPU_HELD_TEXT];

            str_copy(name, len + 1 < sizeof(name) ? len + 1 : sizeof(name), node);
            str_copy(held, held_len + 1 < sizeof(held) ? held_len + 1 : sizeof(held), gpus);
            r = add_place(w, s, name, held, span);
            node += len + (node[len] == ';');
            gpus += held_len + (gpus[held_len] == ';');
        }
    }
    return r;
}

static int add_seats(const struct world *w, struct spans *s)
{
    int r = 0;

    for (size_t i = 0; i < w->n_seats && r == 0; i++) {
        const struct world_seat *seat = &w->seats[i];
        struct span span = {
            .from_usec = seat->at.from_usec, .to_usec = seat->at.to_usec, .kind = WINDOW};

        r = add_place(w, s, seat->at.node, seat->at.gpus_held, span);
        span.from_usec = seat->start_usec ? seat->start_usec : span.to_usec;
        span.kind = INSTANCE;
        if (r == 0)
            r = add_place(w, s, seat->at.node, seat->at.gpus_held, span);
    }
    return r;
}

/* ---- sessions ---- */

struct day {
    const struct world_seat *first; /* of that day */
    char key[128];                  /* "CLASS.wWEEK.dDAY" */
};

static struct hash *index_seats(const struct world *w)
{
    struct hash *index = hash_new_str();

    for (size_t i = 0; index && i < w->n_seats; i++) {
        const struct timetable_row *row = &w->timetable->rows[w->seats[i].row];
        struct day *day;

        if (i && w->seats[i - 1].row == w->seats[i].row)
            continue;
        day = malloc(sizeof(*day));
        if (!day)
            continue;
        day->first = &w->seats[i];
        snprintf(day->key, sizeof(day->key), "%s.w%lld.d%lld", row->id,
                 (long long)(row->begin_sec / WEEK_SEC),
                 (long long)(row->begin_sec % WEEK_SEC / 86400));
        if (hash_put(index, day->key, day) < 0)
            free(day); /* a second one on that day: its sessions are not told apart */
    }
    return index;
}

static void index_free(struct hash *index)
{
    void *day;

    for (size_t i = 0; index && hash_next(index, &i, &day);)
        free(day);
    hash_free(index);
}

static int add_sessions(struct world *w, const struct trace *trace, struct spans *s)
{
    struct hash *index = w->n_seats ? index_seats(w) : NULL;
    int r = 0;

    for (size_t i = 0; index && i < trace->n && r == 0; i++) {
        const struct trace_job *t = &trace->jobs[i];
        const char *dot = strcmp(t->kind, "interactive") ? NULL : strrchr(t->id, '.');
        uint64_t number;
        char key[128];

        if (!dot || (size_t)(dot - t->id) >= sizeof(key) ||
            str_to_u64(dot + 1, 0, TIMETABLE_SEATS_MAX, &number) < 0)
            continue;
        str_copy(key, (size_t)(dot - t->id) + 1, t->id);
        const struct day *day = hash_get(index, key);
        const struct world_seat *first = day ? day->first : NULL,
                                *seat = first ? first + number : NULL;
        if (!first || seat >= w->seats + w->n_seats || seat->row != first->row)
            continue;
        struct span span = {.from_usec = EPOCH_USEC + t->submit_sec * USEC, .kind = SESSION};
        span.to_usec = span.from_usec + t->duration_sec * USEC;
        w->usage.sessions++;
        r = add_place(w, s, seat->at.node, seat->at.gpus_held, span);
    }
    index_free(index);
    return r;
}

/* ---- what they come to ---- */

static int compare(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->from_usec != y->from_usec)
        return x->from_usec < y->from_usec ? -1 : 1;
    return (x->to_usec > y->to_usec) - (x->to_usec < y->to_usec);
}

/* How long some of the first kind and none of the second are there, on one device. */
static double time_without(const struct span *s, size_t n, enum kind kind, enum kind other)
{
    int64_t at = INT64_MIN, kept_usec = INT64_MIN, used_usec = INT64_MIN, sum = 0;

    /* By their begins; `at` is how far it is counted. */
    for (size_t i = 0; i <= n; i++) {
        int64_t until = i < n ? s[i].from_usec : INT64_MAX;
        int64_t from = at > used_usec ? at : used_usec;
        int64_t to = kept_usec < until ? kept_usec : until;

        if (to > from)
            sum += to - from;
        at = until;
        if (i < n && s[i].kind == kind && s[i].to_usec > kept_usec)
            kept_usec = s[i].to_usec;
        if (i < n && s[i].kind == other && s[i].to_usec > used_usec)
            used_usec = s[i].to_usec;
    }
    return (double)sum / 1e6;
}

static uint64_t count_changes(const struct span *s, size_t n)
{
    const char *last = NULL;
    uint64_t changes = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i].kind != INSTANCE)
            continue;
        changes += last && strcmp(last, s[i].profile) != 0;
        last = s[i].profile;
    }
    return changes;
}

int usage_make(struct world *w, const struct trace *trace)
{
    struct spans s = {0};
    int r = add_runs(w, &s);

    if (r == 0)
        r = add_seats(w, &s);
    if (r == 0)
        r = add_sessions(w, trace, &s);
    if (r == 0 && s.n)
        qsort(s.at, s.n, sizeof(*s.at), compare);
    for (size_t i = 0, k; r == 0 && i < s.n; i = k) {
        for (k = i; k < s.n && s.at[k].device == s.at[i].device; k++)
            ;
        w->usage.held_empty_sec += time_without(&s.at[i], k - i, WINDOW, SESSION);
        w->usage.profile_changes += count_changes(&s.at[i], k - i);
    }
    free(s.at);
    return r;
}
