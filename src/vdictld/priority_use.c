/* SPDX-License-Identifier: Apache-2.0 */
/*
 * priority_use.c - what accounts and users have used, and the rounds that rank all jobs anew.
 *
 * Nothing of it is kept: what instances held is in the archive of the store, and what is left of
 * it follows from its times alone, so a start reads it and comes to the same numbers. A round goes
 * through the instances, the jobs and the jobs again, in slices; only its end changes shares.
 */
#include "vdictld/priority_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/noun_codec.h"
#include "model/usage.h"
#include "vdictld/queue.h"

#define PAGE 500
#define SLICE_USEC 2000
#define LOOKS 8       /* objects between two looks at the clock */
#define HALF_LIVES 20 /* of what is older a millionth is left */
#define RETRY_USEC (10 * USEC_PER_SEC)

static double rate_of(const struct priority *p, const struct instance *in, int64_t end_usec)
{
    const struct vdi_priority_wants *w = &p->rule->wants;
    double rate = in->vcpus * w->charge_cpu + in->gpus * w->charge_gpu +
                  in->memory_mib / 1024.0 * w->charge_memory_gib;

    return rate * usage_held_part(in, end_usec);
}

/* Once, or a full memory would fill the log, too. */
static void check(struct priority *p, int r)
{
    if (r < 0 && !p->told_error)
        log_error("fair share: not all that was used is counted: %s",
                  r == -E2BIG ? "there are too many users" : "out of memory");
    p->told_error |= r < 0;
}

static void add_gone(struct priority *p, struct share_tree *t, const struct instance *in)
{
    check(p, share_use(t, in->account, in->owner, rate_of(p, in, in->gone_usec), in->request_usec,
                       in->gone_usec));
}

static void add_held(struct priority *p, const struct instance *in, int sign)
{
    double amount = share_decayed(p->shares, rate_of(p, in, p->round_usec), in->request_usec,
                                  p->round_usec, p->round_usec);

    check(p, share_use_now(p->shares, in->account, in->owner, sign * amount));
}

void priority_instance(struct core *core, const struct instance *old, const struct instance *now)
{
    struct priority *p = core->priority;

    if (now->state != INSTANCE_GONE || (old && old->state == INSTANCE_GONE) || !p->shares ||
        !p->rule->wants.half_life_usec)
        return;
    add_gone(p, p->shares, now);
    if (p->phase == PRIORITY_WAITS || (p->phase == PRIORITY_HELD && now->id <= p->after))
        add_held(p, now, -1); /* this round has it as one that holds something */
}

/* ---- a round ---- */

static void enter(struct priority *p, enum priority_phase phase)
{
    p->phase = phase;
    p->after = 0;
    source_rearm(p->next, 0);
}

static void round_begin(struct priority *p)
{
    p->round_usec = loop_now_usec(p->core->loop);
    if (p->shares)
        share_begin(p->shares);
    enter(p, p->shares ? PRIORITY_HELD : PRIORITY_TELLS);
    if (!p->shares)
        p->measured_usec = p->round_usec;
}

static void look(struct priority *p, const struct slot *slot)
{
    const struct instance *in = slot->pub;
    const struct job *job = slot->pub;

    if (p->phase == PRIORITY_HELD) {
        if (in && in->state != INSTANCE_GONE)
            add_held(p, in, 1);
    } else if (job && job_is_waiting(job)) {
        if (p->phase == PRIORITY_WAITS)
            check(p, share_wait(p->shares, job->spec->account, job->spec->owner));
        else
            queue_ranked(p->core->queue, job, !p->all_told);
    }
}

static void round_over(struct priority *p)
{
    p->phase = PRIORITY_IDLE;
    p->all_told = p->known;
    if (p->rule->wants.period_usec)
        source_rearm(p->next, p->rule->wants.period_usec);
}

/* The rest of a table, for as long as a slice is. */
static void table_slice(struct priority *p)
{
    struct table *t =
        events_table(p->core->events, p->phase == PRIORITY_HELD ? NOUN_INSTANCE : NOUN_JOB);
    int64_t until = loop_monotonic_usec(p->core->loop) + SLICE_USEC;
    size_t at = table_after(t, p->after);

    for (unsigned n = 1; at < table_end(t); at++, n++) {
        const struct slot *slot = table_at(t, at);

        if (slot) {
            p->after = slot->id;
            look(p, slot);
        }
        if (n % LOOKS == 0 && loop_monotonic_usec(p->core->loop) > until) {
            source_rearm(p->next, 0);
            return;
        }
    }
    if (p->phase == PRIORITY_HELD) {
        enter(p, PRIORITY_WAITS);
    } else if (p->phase == PRIORITY_WAITS) {
        share_end(p->shares, p->round_usec);
        p->measured_usec = p->round_usec;
        p->known = true;
        enter(p, PRIORITY_TELLS);
    } else {
        round_over(p);
    }
}

/* ---- what was used before ---- */

static int add_account(struct share_tree *t, const struct config *c, const struct config_account *a)
{
    const struct config_account *up = *a->parent ? config_account(c, a->parent) : NULL;
    int r = up ? add_account(t, c, up) : 0; /* config_check() saw to it that there is no circle */

    r = r == -EEXIST || r >= 0 ? share_add_account(t, a->name, a->parent, a->shares) : r;
    return r == -EEXIST ? 0 : r;
}

static struct share_tree *tree_new(struct priority *p)
{
    const struct config *c = p->core->config;
    struct share_tree *t = share_tree_new(p->rule->wants.half_life_usec);

    for (size_t i = 0; t && i < c->n_accounts; i++)
        check(p, add_account(t, c, &c->accounts[i]));
    return t;
}

static void ask(struct priority *p);

/* What the archive did not have when it was read: gone since, and still in memory. */
static void take_tree(struct priority *p)
{
    struct table *t = events_table(p->core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;

        if (in && in->gone_usec && !archive_walk_met(&p->walk, in->gone_usec, in->id))
            add_gone(p, p->reading, in);
    }
    share_tree_free(p->shares);
    p->shares = TAKE_PTR(p->reading);
    round_begin(p);
}

static void page_slice(struct priority *p)
{
    int64_t until = loop_monotonic_usec(p->core->loop) + SLICE_USEC;
    bool more;

    while (p->page_at < p->page->n_rows) {
        const struct archive_row *row = &p->page->rows[p->page_at++];
        struct instance *in = NULL;
        uint64_t id;

        if (str_to_u64(row->key, 1, INT64_MAX, &id) == 0 &&
            instance_snapshot_decode(id, row->version, row->body, row->body_len, &in, NULL) >= 0 &&
            in->gone_usec)
            add_gone(p, p->reading, in);
        instance_unref(in);
        if (p->page_at % LOOKS == 0 && loop_monotonic_usec(p->core->loop) > until) {
            source_rearm(p->next, 0);
            return;
        }
    }
    more = archive_walk_next(&p->walk, p->page);
    archive_query_free(TAKE_PTR(p->page));
    if (p->again)
        priority_read(p); /* with another half life, other charges or accounts */
    else if (more)
        ask(p);
    else
        take_tree(p);
}

/* The store is away or busy: nobody is ranked by half of what was used. */
static void retry(struct priority *p, const char *why)
{
    if (!p->told_error)
        log_error("fair share: what was used can't be read: %s; it is tried again", why);
    p->told_error = true;
    source_rearm(p->next, RETRY_USEC);
}

static void page_came(void *arg, const struct archive_query *q)
{
    struct priority *p = arg;

    p->asking = false;
    if (p->core->stopping)
        return;
    if (q->result < 0) {
        retry(p, q->err.detail);
        return;
    }
    p->page = archive_keep(q);
    p->page_at = 0;
    page_slice(p);
}

static void ask(struct priority *p)
{
    struct archive_query q = {.done = page_came, .arg = p};

    if (archive_walk_ask(p->core, &p->walk, &q) >= 0)
        p->asking = true;
    else
        retry(p, "the store is busy");
}

void priority_read(struct priority *p)
{
    int64_t now = loop_now_usec(p->core->loop);
    int64_t span = p->rule->wants.half_life_usec * HALF_LIVES;

    p->again = p->asking || p->page; /* the old one ends first */
    if (p->again)
        return;
    share_tree_free(p->reading);
    p->reading = p->rule->wants.half_life_usec ? tree_new(p) : NULL;
    if (!p->reading) {
        p->known = true;
        round_begin(p);
        return;
    }
    p->phase = PRIORITY_READS;
    p->walk = (struct archive_walk){.noun = "instance",
                                    .from_usec = now > span ? now - span : 0,
                                    .to_usec = now,
                                    .now_usec = now,
                                    .page = PAGE};
    archive_walk_begin(&p->walk);
    ask(p);
}

void priority_run(void *arg)
{
    struct priority *p = arg;

    if (p->core->stopping)
        return;
    if (p->phase == PRIORITY_IDLE)
        round_begin(p);
    else if (p->phase != PRIORITY_READS)
        table_slice(p);
    else if (p->page)
        page_slice(p);
    else if (!p->asking)
        ask(p);
}
