/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota_foresee.c - when limits let in the jobs that wait for them.
 *
 * Each limit is looked at alone: who has places of it gives them back at the end of its limit of
 * time, and who waits takes them in the order of the line, those of one owner first by the limits
 * on that owner. A job waits for the last of its limits.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "vdictld/minutes.h"
#include "vdictld/queue.h"
#include "vdictld/quota_impl.h"

/* One that waits, and in which place. */
struct turn {
    int64_t usec;
    size_t place;
    struct link *link;
};

/* A limit as the time goes on. */
struct sweep {
    struct counter *counter;
    struct foresee_ends *ends;
    uint64_t had[QUOTA_N];
    int64_t now_usec;
    int64_t last_end_usec; /* quota_last_end_usec(); of limits on GPU minutes alone */
};

void quota_foresee(struct core *core)
{
    struct quota *q = core->quota;
    void *value;

    for (size_t i = 0; hash_next(q->counters, &i, &value);) {
        struct counter *c = value;

        list_remove(&c->foresee);
        if (!list_is_empty(&c->waiting))
            list_append(c->is_user ? q->foresee.next : &q->foresee, &c->foresee);
    }
}

static void set(const struct core *core, struct entry *e, int64_t usec)
{
    bool is_other = !e->foreseen_in || e->foreseen_usec != usec;

    e->foreseen_usec = usec;
    e->foreseen_in = foresee_round(core);
    for (size_t i = 0; is_other && i < e->n; i++)
        quota_guards_change(e->links[i].counter);
}

/* As far as limits go that were looked at before. */
static int64_t so_far(const struct core *core, const struct entry *e)
{
    return e->foreseen_in == foresee_round(core) ? e->foreseen_usec : loop_now_usec(core->loop);
}

static int by_turn(const void *x, const void *y)
{
    const struct turn *a = x, *b = y;

    if (a->usec != b->usec)
        return a->usec < b->usec ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Who can't be let in before by another limit lets others go first. NULL: no memory. */
static struct turn *turns_of(struct counter *c, size_t *ret_n)
{
    size_t n = 0, i = 0;
    bool is_sorted = true;
    struct turn *turns;

    list_for_each (it, &c->waiting)
        n++;
    turns = malloc((n + 1) * sizeof(*turns));
    if (!turns)
        return NULL;
    list_for_each (it, &c->waiting) {
        struct link *link = list_entry(it, struct link, list);

        turns[i] = (struct turn){so_far(c->core, link->entry), i, link};
        is_sorted &= !i || turns[i].usec >= turns[i - 1].usec;
        i++;
    }
    if (!is_sorted)
        qsort(turns, n, sizeof(*turns), by_turn);
    *ret_n = n;
    return turns;
}

/* GPU minutes aside: what was used of them comes back without any end. */
static void count(struct sweep *s, const struct link *link, int sign)
{
    for (int k = 0; k < (sign < 0 ? QUOTA_GPU_MINUTES : QUOTA_N); k++)
        s->had[k] += (uint64_t)sign * quota_link_need(link, (enum quota_what)k);
}

static bool add_list(struct sweep *s, struct core *core, struct list *links)
{
    list_for_each (it, links) {
        const struct link *link = list_entry(it, struct link, list);
        const struct job *job = core_job(core, link->entry->job);

        count(s, link, 1);
        if (job && foresee_ends_add(
                       s->ends, (struct foresee_end){foresee_end_usec(core, job), .of = link}) < 0)
            return false;
    }
    return true;
}

static bool has_room(const struct sweep *s, const struct link *link)
{
    for (int k = 0; k < QUOTA_GPU_MINUTES; k++) {
        uint64_t need = quota_link_need(link, (enum quota_what)k);
        uint64_t max = quota_max(&s->counter->max, (enum quota_what)k);

        if (max && need && s->had[k] + need > max)
            return false;
    }
    return true;
}

static void give_back(struct sweep *s)
{
    struct foresee_end end = foresee_ends_take(s->ends);

    count(s, end.of, -1);
    if (end.usec > s->now_usec)
        s->now_usec = end.usec;
}

static int64_t minutes_usec(const struct sweep *s, const struct link *link)
{
    struct counter *c = s->counter;
    uint64_t need = link->entry->need[QUOTA_GPU_MINUTES], max = c->max.gpu_minutes;

    if (!max || !need)
        return 0;
    if (need > max || !minutes_are_known(c->core))
        return FORESEE_NEVER;
    return minutes_ease_usec(c->core, c->key, s->had[QUOTA_GPU_MINUTES], s->last_end_usec,
                             max - need);
}

/* From then on there is room for it, besides those that come before it. */
static int64_t room_usec(struct sweep *s, const struct turn *turn)
{
    int64_t minutes = minutes_usec(s, turn->link);
    struct counter *c = s->counter;

    if (turn->usec > s->now_usec)
        s->now_usec = turn->usec;
    while (s->ends->n && (s->ends->at[0].usec <= s->now_usec || !has_room(s, turn->link)))
        give_back(s);
    if (!has_room(s, turn->link) || minutes == FORESEE_NEVER)
        return FORESEE_NEVER;
    if (turn->link->licences)
        s->now_usec =
            queue_licences_usec(c->core->queue, c->name,
                                c->max.licences - s->had[QUOTA_LICENCES] - turn->link->licences,
                                s->now_usec, turn->link->entry->span_usec);
    return minutes > s->now_usec ? minutes : s->now_usec;
}

/* True: there was memory for it. */
static bool sweep(struct sweep *s, struct core *core, const struct turn *turns, size_t n)
{
    struct counter *c = s->counter;

    if (!add_list(s, core, &c->running) || !add_list(s, core, &c->let_in))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct entry *e = turns[i].link->entry;
        int64_t usec = turns[i].usec == FORESEE_NEVER ? FORESEE_NEVER : room_usec(s, &turns[i]);

        set(core, e, usec);
        if (usec == FORESEE_NEVER)
            continue;
        count(s, turns[i].link, 1);
        if (e->span_usec < FORESEE_NEVER - usec &&
            foresee_ends_add(s->ends,
                             (struct foresee_end){usec + e->span_usec, .of = turns[i].link}) < 0)
            return false;
    }
    return true;
}

bool quota_foresee_next(struct core *core)
{
    struct quota *q = core->quota;
    struct sweep s = {.ends = &q->ends, .now_usec = loop_now_usec(core->loop)};
    struct turn *turns;
    size_t n = 0;

    if (list_is_empty(&q->foresee))
        return false;
    s.counter = list_entry(q->foresee.next, struct counter, foresee);
    list_remove(&s.counter->foresee);
    q->ends.n = 0;
    if (s.counter->max.gpu_minutes)
        s.last_end_usec = quota_last_end_usec(s.counter);
    turns = turns_of(s.counter, &n);
    if (!turns || !sweep(&s, core, turns, n))
        list_for_each (it, &s.counter->waiting)
            set(core, list_entry(it, struct link, list)->entry, FORESEE_NEVER);
    quota_guards_change(s.counter); /* ends may be others, too */
    free(turns);
    return true;
}

int64_t quota_foreseen_usec(const struct core *core, const struct job *job)
{
    const struct entry *e = hash_get_u64(core->quota->entries, job->id);

    if (!e || e->state != WAITING)
        return 0;
    return e->foreseen_in == foresee_round(core) ? e->foreseen_usec : FORESEE_NEVER;
}
