/* SPDX-License-Identifier: Apache-2.0 */
/*
 * licence.c - licences that seats of classes have while their windows are open.
 *
 * Kept: the steps of a licence are of the seats as they were at `stamp`, and are made anew when
 * somebody asks and they are others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/licence.h"
#include "plan/inner.h"

/* So many of it seats have from then on. */
struct licence_step {
    int64_t from_usec, n;
};

/* A seat that was started and that nobody has yet has so many of it, until its end. */
struct started {
    const struct entry *seat;
    uint32_t n;
};

struct plan_licence {
    char *name;
    uint32_t count;
    struct started *started;
    size_t n_started, room;
    uint64_t untold; /* of seats that there was no memory for: they have no end */
    struct licence_step *steps;
    size_t n;
    uint64_t stamp; /* 0: never */
};

void licences_done(struct planner *p)
{
    for (size_t i = 0; i < p->n_licences; i++) {
        free(p->licences[i].name);
        free(p->licences[i].steps);
        free(p->licences[i].started);
    }
    free(p->licences);
    p->licences = NULL;
    p->n_licences = 0;
}

static struct plan_licence *find(const struct planner *p, const char *name)
{
    for (size_t i = 0; i < p->n_licences; i++)
        if (!strcmp(p->licences[i].name, name))
            return &p->licences[i];
    return NULL;
}

static void add_started(struct plan_licence *l, const struct entry *seat, uint32_t n)
{
    if (l->n_started == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        struct started *started = realloc(l->started, room * sizeof(*started));

        if (!started) {
            l->untold += n;
            return;
        }
        l->started = started;
        l->room = room;
    }
    l->started[l->n_started++] = (struct started){seat, n};
}

static void drop_started(struct plan_licence *l, const struct entry *seat, uint32_t n)
{
    size_t i = 0;

    while (i < l->n_started && l->started[i].seat != seat)
        i++;
    if (i < l->n_started)
        l->started[i] = l->started[--l->n_started];
    else
        l->untold -= n;
}

static void put_started(struct planner *p, const struct entry *e, bool is_there)
{
    const char *text = e->shape->licences;
    struct licence need;

    while (e->id >= PLAN_SEAT_ID && licence_next(&text, &need)) {
        struct plan_licence *l = find(p, need.name);

        if (l && is_there)
            add_started(l, e, need.n);
        else if (l)
            drop_started(l, e, need.n);
    }
}

/* Of started seats that are still there then; and when the first of these is not. */
static uint64_t started_at(const struct planner *p, const struct plan_licence *l, int64_t usec,
                           int64_t *ret_end_usec)
{
    uint64_t sum = l->untold;

    *ret_end_usec = TIMELINE_NEVER;
    for (size_t i = 0; i < l->n_started; i++) {
        int64_t end = plan_expected_end(p, l->started[i].seat);

        if (end <= usec)
            continue;
        sum += l->started[i].n;
        if (end < *ret_end_usec)
            *ret_end_usec = end;
    }
    return sum;
}

int licences_configure(struct planner *p, const struct config *c)
{
    void *value;

    licences_done(p);
    p->licences = calloc(c->n_licences + 1, sizeof(*p->licences));
    if (!p->licences)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_licences; i++) {
        struct plan_licence *l = &p->licences[p->n_licences++];

        l->count = c->licences[i].limits.all.licences;
        l->name = strdup(c->licences[i].name);
        if (!l->name)
            return -ENOMEM;
    }
    for (size_t i = 0; hash_next(p->jobs, &i, &value);)
        if (entry_holds(value))
            put_started(p, value, true);
    return 0;
}

/* ---- of seats ---- */

static int by_time(const void *a, const void *b)
{
    const struct licence_step *x = a, *y = b;

    if (x->from_usec != y->from_usec)
        return x->from_usec < y->from_usec ? -1 : 1;
    return (x->n > y->n) - (x->n < y->n); /* who ends gives them to who begins */
}

static int make_steps(const struct planner *p, struct plan_licence *l)
{
    struct licence_step *steps = realloc(l->steps, (2 * p->seats.n + 1) * sizeof(*steps));
    int64_t sum = 0;

    if (!steps)
        return -ENOMEM;
    l->steps = steps;
    l->n = 0;
    for (size_t i = 1; i <= p->seats.n; i++) {
        const struct seat_window *w = p->seats.by_end[i];
        int64_t n = seat_is_booked(w) ? 0 : licence_count(w->shape->licences, l->name);

        if (!n)
            continue;
        steps[l->n++] = (struct licence_step){w->from_usec, n * w->n};
        steps[l->n++] = (struct licence_step){w->to_usec, -n * w->n};
    }
    if (l->n)
        qsort(steps, l->n, sizeof(*steps), by_time);
    for (size_t i = 0; i < l->n; i++)
        steps[i].n = sum += steps[i].n;
    l->stamp = p->seats.stamp;
    return 0;
}

/* The most that windows have at one time in [from, to). */
static uint64_t of_windows(struct planner *p, struct plan_licence *l, int64_t from_usec,
                           int64_t to_usec)
{
    int64_t most = 0;

    if (l->stamp != p->seats.stamp && make_steps(p, l) < 0)
        return l->count; /* none is given away for want of memory */
    for (size_t i = 0; i < l->n && l->steps[i].from_usec < to_usec; i++)
        if (l->steps[i].n > most && (i + 1 == l->n || l->steps[i + 1].from_usec > from_usec))
            most = l->steps[i].n;
    return (uint64_t)most;
}

uint64_t planner_licences_kept(struct planner *p, const char *name, int64_t from_usec,
                               int64_t to_usec)
{
    struct plan_licence *l = find(p, name);
    int64_t end;

    return l ? of_windows(p, l, from_usec, to_usec) + started_at(p, l, from_usec, &end) : 0;
}

uint64_t planner_windows_stamp(const struct planner *p)
{
    return p->seats.stamp;
}

int64_t planner_licences_usec(struct planner *p, const char *name, uint64_t most,
                              int64_t not_before_usec, int64_t span_usec)
{
    struct plan_licence *l = find(p, name);
    int64_t at = not_before_usec, was, end;

    if (!l || (l->stamp != p->seats.stamp && make_steps(p, l) < 0))
        return at;
    do {
        was = at;
        while (started_at(p, l, at, &end) > most && end < TIMELINE_NEVER)
            at = end;
        uint64_t there = started_at(p, l, at, &end);
        for (size_t i = 0; i + 1 < l->n && l->steps[i].from_usec - span_usec < at; i++)
            if (l->steps[i].n + (int64_t)there > (int64_t)most && l->steps[i + 1].from_usec > at)
                at = l->steps[i + 1].from_usec;
    } while (at != was);
    return at;
}

/* ---- and of jobs ---- */

void licences_hold(struct planner *p, const struct entry *e)
{
    put_started(p, e, true);
    if (*e->shape->licences && e->time_usec > p->licensed_until_usec)
        p->licensed_until_usec = e->time_usec;
}

void licences_leave(struct planner *p, const struct entry *e)
{
    put_started(p, e, false);
}

void licences_forget(struct planner *p)
{
    for (size_t i = 0; i < p->n_licences; i++)
        p->licences[i].n_started = p->licences[i].untold = 0;
}

/* Of jobs and started seats that hold something now, and are expected to by then. */
static uint64_t held_at(const struct planner *p, const char *name, int64_t usec)
{
    uint64_t sum = 0;
    void *value;

    for (size_t i = 0; usec < p->licensed_until_usec && hash_next(p->jobs, &i, &value);) {
        const struct entry *e = value;

        if (e->place == ENTRY_ACTIVE && plan_expected_end(p, e) > usec)
            sum += (uint64_t)licence_count(e->shape->licences, name) * e->shape->nodes;
    }
    return sum;
}

uint32_t licences_seats(struct planner *p, const struct shape *shape, int64_t from_usec,
                        int64_t to_usec, uint32_t seats, char ret_name[64])
{
    const char *text = shape->licences;
    struct licence need;

    *ret_name = '\0';
    while (licence_next(&text, &need)) {
        struct plan_licence *l = find(p, need.name);
        uint64_t had =
            l ? of_windows(p, l, from_usec, to_usec) + held_at(p, need.name, from_usec) : 0;
        uint64_t free = l && l->count > had ? (l->count - had) / need.n : 0;

        if (free >= seats)
            continue;
        seats = (uint32_t)free;
        memcpy(ret_name, need.name, sizeof(need.name));
    }
    return seats;
}
