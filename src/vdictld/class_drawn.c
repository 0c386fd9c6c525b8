/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_drawn.c - whose jobs a reservation draws, unnamed: Slurm's MAGNETIC.
 *
 * Membership counts while a job is planned: an owner's groups are looked up again every minute
 * (wire/identity.h keeps them), and when a reservation changes. Nothing of it is stored. Who is not
 * known yet, as after a start, is drawn by none; his jobs are planned anew once he is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "base/word.h"
#include "vdictld/auth.h"
#include "vdictld/class_impl.h"
#include "vdictld/job_index.h"
#include "vdictld/queue.h"

#define AGAIN_USEC (60 * USEC_PER_SEC)
#define RETRY_USEC (5 * USEC_PER_SEC)
#define ASKS_MAX 256 /* in one tick */
#define SLICE_USEC 3000

/* An owner of jobs. */
struct drawn_owner {
    struct classes *classes;
    const char *name;  /* word: "realm:name" */
    const char *names; /* word: reservations that draw them, by commas */
    uint32_t gid;
    int64_t due_usec; /* to be looked up again */
    bool asked;       /* an answer is on its way */
    bool is_new;      /* nobody was told of what draws them */
    bool is_told;     /* the planner, of all jobs; else of those up to this one: */
    uint64_t told;
};

static void tell(void *arg);

int class_drawn_new(struct classes *c)
{
    c->drawn = hash_new_str();
    c->drawn_tell = loop_timer(c->core->loop, -1, tell, c);
    return c->drawn && c->drawn_tell ? 0 : -ENOMEM;
}

static void owner_free(struct drawn_owner *o)
{
    word_unref(o->name);
    word_unref(o->names);
    free(o);
}

void class_drawn_free(struct classes *c)
{
    void *value;

    for (size_t i = 0; c->drawn && hash_next(c->drawn, &i, &value);)
        owner_free(value);
    hash_free(c->drawn);
    source_free(c->drawn_tell);
}

/* ---- which reservations ---- */

static bool is_magnetic(const struct class *class)
{
    return class && !class->deleted && class_is_reservation(&class->spec) &&
           str_list_has(class->spec.flags, "magnetic");
}

/* In the order in which they were made, so that equal sets are equal texts. */
static const char *names_for(struct core *core, const struct vdi_principal *who)
{
    struct table *t = events_table(core->events, NOUN_CLASS);
    struct buf out = BUF_INIT(0);
    const char *names;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->pub : NULL;

        if (is_magnetic(class) && class_is_member(core, who, class))
            buf_printf(&out, "%s%s", out.len ? "," : "", class->spec.name);
    }
    names = out.failed ? NULL : word_get(out.data ? out.data : "");
    buf_done(&out);
    return names;
}

/* ---- whose ---- */

/* False: time is up. */
static bool tell_owner(struct core *core, struct drawn_owner *o, int64_t until_usec)
{
    uint64_t id;

    while ((id = job_index_next(core->mine, o->name, o->told))) {
        const struct job *job = core_job(core, id);

        if (time_monotonic_usec() >= until_usec)
            return false;
        o->told = id;
        if (job && str_equal(job->spec->owner, o->name))
            queue_again(core->queue, job);
    }
    o->is_told = true;
    return true;
}

/* The planner is told of jobs that are drawn by others than before, a few milliseconds at once. */
static void tell(void *arg)
{
    struct classes *c = arg;
    int64_t until_usec = time_monotonic_usec() + SLICE_USEC;
    void *value;

    for (size_t i = 0; !c->core->stopping && hash_next(c->drawn, &i, &value);) {
        struct drawn_owner *o = value;

        if (o->is_told || tell_owner(c->core, o, until_usec))
            continue;
        source_rearm(c->drawn_tell, 0);
        return;
    }
}

/* A realm may have colons, as in keystone:URL. False: there is no name. */
static bool who_is(const struct drawn_owner *o, struct vdi_principal *ret)
{
    const char *colon = strrchr(o->name, ':');

    *ret = (struct vdi_principal){.uid = UINT32_MAX, .gid = o->gid};
    if (!colon || (size_t)(colon - o->name) >= sizeof(ret->realm))
        return false;
    str_copy(ret->realm, (size_t)(colon - o->name) + 1, o->name);
    return str_copy(ret->name, sizeof(ret->name), colon + 1);
}

static void groups_known(void *arg, int r, const struct identity_answer *answer)
{
    struct drawn_owner *o = arg;
    struct core *core = o->classes->core;
    struct vdi_principal who;
    const char *names;

    o->asked = false;
    o->due_usec =
        loop_monotonic_usec(core->loop) + (r < 0 && r != -ENOENT ? RETRY_USEC : AGAIN_USEC);
    if (core->stopping || (r < 0 && r != -ENOENT))
        return; /* what was known goes on */
    if (r == 0)
        who = answer->who;
    else
        who_is(o, &who); /* a user without an entry may be named still */
    names = names_for(core, &who);
    if (!names || str_equal(names, o->names)) {
        word_unref(names);
        return;
    }
    word_unref(o->names);
    o->names = names;
    o->is_told = o->is_new;
    o->told = 0;
    source_rearm(o->classes->drawn_tell, 0);
}

/* A principal's name and gid are what its groups are found by. */
static void look_up(struct drawn_owner *o)
{
    struct vdi_principal who;

    if (!who_is(o, &who))
        return;
    o->asked = true;
    auth_groups(o->classes->core->auth, &who, groups_known, o);
}

static struct drawn_owner *owner_make(struct classes *c, const char *name, uint32_t gid)
{
    struct drawn_owner *o = calloc(1, sizeof(*o));

    if (!o)
        return NULL;
    o->classes = c;
    o->gid = gid;
    o->is_told = true;
    o->name = word_get(name);
    o->names = word_get("");
    if (o->name && o->names && hash_put(c->drawn, o->name, o) == 0)
        return o;
    owner_free(o);
    return NULL;
}

const char *classes_drawn(struct core *core, const struct job_spec *spec)
{
    struct classes *c = core->classes;
    struct drawn_owner *o;

    if (!c->n_magnetic || *spec->reservation)
        return "";
    o = hash_get(c->drawn, spec->owner);
    if (o)
        return o->names;
    o = owner_make(c, spec->owner, spec->gid);
    if (!o)
        return "";
    o->is_new = true; /* who asks is told by what is returned */
    look_up(o);
    o->is_new = false;
    return o->names;
}

/* ---- time ---- */

void class_drawn_tick(struct classes *c)
{
    int64_t now = loop_monotonic_usec(c->core->loop);
    unsigned asked = 0;
    void *value;

    for (size_t i = 0; asked < ASKS_MAX && hash_next(c->drawn, &i, &value);) {
        struct drawn_owner *o = value;

        if (o->asked || o->due_usec > now)
            continue;
        if (!queue_jobs_of(c->core->queue, o->name) ||
            (!c->n_magnetic && !*o->names && o->is_told)) {
            hash_remove(c->drawn, o->name);
            owner_free(o);
            i = 0; /* it is another table */
            continue;
        }
        look_up(o);
        asked++;
    }
}

/* One of jobs that were put while none drew anybody. */
static void know_owner(void *arg, const char *owner)
{
    struct classes *c = arg;
    uint64_t id = job_index_next(c->core->mine, owner, 0);
    const struct job *job = id ? core_job(c->core, id) : NULL;

    if (job && !hash_get(c->drawn, owner) && !owner_make(c, owner, job->spec->gid))
        log_error("reservations: no memory for the jobs of %s", owner);
}

static void count_magnetic(struct classes *c)
{
    struct table *t = events_table(c->core->events, NOUN_CLASS);

    c->n_magnetic = 0;
    for (size_t i = 0; i < table_end(t); i++)
        c->n_magnetic += table_at(t, i) && is_magnetic(table_at(t, i)->pub);
}

void class_drawn_load(struct classes *c)
{
    count_magnetic(c);
    if (c->n_magnetic)
        queue_each_owner(c->core->queue, know_owner, c);
}

void class_drawn_changed(struct classes *c, const struct class *old, const struct class *now)
{
    void *value;

    if (!is_magnetic(old) && !is_magnetic(now))
        return;
    count_magnetic(c);
    for (size_t i = 0; hash_next(c->drawn, &i, &value);)
        ((struct drawn_owner *)value)->due_usec = 0;
    queue_each_owner(c->core->queue, know_owner, c);
    source_rearm(c->tick, 0);
}
