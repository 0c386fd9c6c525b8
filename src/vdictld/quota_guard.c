/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota_guard.c - who needs much of a limit is not passed for ever by those who need little.
 *
 * Of the first that wait for GPUs or licences of a limit it is known when it will have room for
 * them (quota_foresee.c). Who comes after them is let in if he is gone by then, or if what he has
 * is not missed then. So nobody's start is put off, and no place is idle that somebody could have
 * meanwhile.
 */
#include "base/time.h"
#include "vdictld/queue.h"
#include "vdictld/quota_impl.h"

#define LOOKS_MAX 64 /* that wait, for the first of them that lack it */

static bool is_guarded(int what)
{
    return what == QUOTA_GPUS || what == QUOTA_LICENCES;
}

static int64_t later(int64_t usec, int64_t span_usec)
{
    return span_usec < FORESEE_NEVER - usec ? usec + span_usec : FORESEE_NEVER;
}

static void add(struct counter *c, const struct link *link, enum quota_what what)
{
    const struct entry *e = link->entry;
    int64_t now = loop_now_usec(c->core->loop), usec = e->foreseen_in ? e->foreseen_usec : now;
    int64_t spare = (int64_t)quota_max(&c->max, what) - (int64_t)quota_link_need(link, what);

    if (usec == FORESEE_NEVER)
        return; /* nothing that others do brings it nearer */
    usec = usec > now ? usec : now;
    if (what == QUOTA_LICENCES)
        spare -=
            (int64_t)queue_licences_kept(c->core->queue, c->name, usec, later(usec, e->span_usec));
    c->guards[c->n_guards++] =
        (struct guard){.link = link, .what = what, .usec = usec, .spare = spare};
}

/* It is there until then. */
static void take(struct counter *c, const struct link *link, int64_t end_usec)
{
    for (unsigned i = 0; i < c->n_guards; i++)
        if (end_usec > c->guards[i].usec)
            c->guards[i].spare -= (int64_t)quota_link_need(link, c->guards[i].what);
}

static void take_all(struct counter *c, struct list *links)
{
    list_for_each (it, links) {
        const struct link *link = list_entry(it, struct link, list);
        const struct job *job = core_job(c->core, link->entry->job);

        take(c, link, job ? foresee_end_usec(c->core, job) : FORESEE_NEVER);
    }
}

static void look(struct counter *c)
{
    unsigned looks = 0;

    c->n_guards = 0;
    c->guards_known = true;
    list_for_each (it, &c->waiting) {
        const struct link *link = list_entry(it, struct link, list);

        if (looks++ == LOOKS_MAX)
            break;
        for (int k = 0; k < QUOTA_N && c->n_guards < GUARDS_MAX; k++)
            if (is_guarded(k) && quota_lacks(link, (enum quota_what)k, c->let[k]))
                add(c, link, (enum quota_what)k);
    }
    if (!c->n_guards)
        return;
    take_all(c, &c->running);
    take_all(c, &c->let_in);
    for (unsigned i = 1; i < c->n_guards; i++)
        for (unsigned j = 0; j < i; j++)
            if (later(c->guards[j].usec, c->guards[j].link->entry->span_usec) > c->guards[i].usec)
                c->guards[i].spare -=
                    (int64_t)quota_link_need(c->guards[j].link, c->guards[i].what);
}

/* Would the entry, were it let in, put off one that comes before it? */
static const struct guard *against(struct counter *c, const struct link *link)
{
    const struct entry *e = link->entry;
    int64_t end = later(loop_now_usec(c->core->loop), e->span_usec);

    if (!c->guards_known)
        look(c);
    for (unsigned i = 0; i < c->n_guards; i++) {
        const struct guard *g = &c->guards[i];
        int64_t need = (int64_t)quota_link_need(link, g->what);

        if (need && end > g->usec && need > g->spare && g->link->entry != e &&
            quota_comes_before(g->link->entry, e))
            return g;
    }
    return NULL;
}

const struct counter *quota_held_back(const struct entry *e, enum quota_what *ret_what)
{
    for (size_t i = 0; i < e->n; i++) {
        struct counter *c = e->links[i].counter;
        const struct guard *g = list_is_empty(&c->waiting) ? NULL : against(c, &e->links[i]);

        if (!g)
            continue;
        c->holds_back = true;
        *ret_what = g->what;
        return c;
    }
    return NULL;
}

static bool is_guard(const struct counter *c, const struct link *link)
{
    unsigned i = 0;

    while (i < c->n_guards && c->guards[i].link != link)
        i++;
    return i < c->n_guards;
}

static bool would_be_guard(const struct counter *c, const struct link *link)
{
    bool any = false;

    for (int k = 0; k < QUOTA_N; k++)
        any |= is_guarded(k) && quota_lacks(link, (enum quota_what)k, c->let[k]);
    return any && (c->n_guards < GUARDS_MAX ||
                   quota_comes_before(link->entry, c->guards[c->n_guards - 1].link->entry));
}

/* Thousands may come behind the guarded ones, and need no new look at all that run. */
void quota_guards_move(struct counter *c, const struct link *link, enum entry_state state)
{
    enum entry_state was = link->entry->state;
    bool held = was == LET || was == ACTIVE;

    if (!c->guards_known)
        quota_guards_change(c);
    else if (!held && state == LET && !is_guard(c, link))
        take(c, link, later(loop_now_usec(c->core->loop), link->entry->span_usec));
    else if (held && state == ACTIVE)
        c->guards_known = false; /* with its start its end is known */
    else if (held || state == ACTIVE || is_guard(c, link) ||
             (state == WAITING && would_be_guard(c, link)))
        quota_guards_change(c);
}
