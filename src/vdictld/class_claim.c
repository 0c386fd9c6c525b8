/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_claim.c - a seat becomes its user's: who may have one, which one, and how it is written.
 *
 * A claim is part of the transaction that makes the job: the seat is there, so nothing is started.
 * A job whose seat failed waits for another of its class, and never in the planner's line.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/class_impl.h"
#include "vdictld/disks.h"
#include "vdictld/life.h"
#include "vdictld/queue.h"

bool classes_waits(struct core *core, const struct job *job)
{
    const struct class *class = *job->spec->reservation && job->state == JOB_PENDING
                                    ? classes_get(core, job->spec->reservation)
                                    : NULL;

    if (class && class_is_reservation(&class->spec))
        return false; /* it is in the line, for the nodes that it has */
    return *job->spec->reservation && job->state == JOB_PENDING;
}

bool class_is_member(struct core *core, const struct vdi_principal *who, const struct class *class)
{
    const struct class_spec *spec = &class->spec;
    char text[CALL_WHO_MAX];

    for (uint32_t i = 0; i < who->n_groups; i++)
        if (str_list_has(spec->groups, who->groups[i]))
            return true;
    /* A bare name is one of the system, as in a role. */
    snprintf(text, sizeof(text), "%s:%s", who->realm, who->name);
    return str_list_has(spec->users, text) ||
           (str_equal(who->realm, "unix") && str_list_has(spec->users, who->name)) ||
           course_roster_has(course_get(core, class->id), who);
}

/* ---- which seat ---- */

/* READY ones first, then those that have come furthest; of these the first. */
static int rank(const struct instance *in)
{
    switch (in->state) {
    case INSTANCE_READY:
        return 3;
    case INSTANCE_BUILDING:
        return 2;
    case INSTANCE_REQUESTED:
        return 1;
    default:
        return 0;
    }
}

/* Seats of the occurrence that somebody has. */
static uint32_t seats_taken(struct core *core, const struct occurrence *o)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);
    uint32_t n = 0;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        n += in && in->class_id == o->class_id && str_equal(in->date, o->date) && in->job &&
             in->state != INSTANCE_STOPPING && in->state != INSTANCE_GONE;
    }
    return n;
}

/* A free seat of that date, on that node if one is named; NULL: there is none. A second one that
 * boots beside a slow one is none. */
static const struct instance *free_seat(struct core *core, const struct occurrence *o,
                                        const char *node)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);
    const struct instance *best = NULL;

    if (seats_taken(core, o) >= o->seats)
        return NULL;
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        if (!in || in->class_id != o->class_id || in->job || !str_equal(in->date, o->date) ||
            (*node && !str_equal(in->node, node)))
            continue;
        if (rank(in) > (best ? rank(best) : 0))
            best = in;
    }
    return best;
}

/* Has this owner a seat of that date already? */
static bool has_seat(struct core *core, const struct occurrence *o, const char *owner)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        if (in && in->class_id == o->class_id && in->job && str_equal(in->date, o->date) &&
            str_equal(in->owner, owner) && in->state != INSTANCE_STOPPING &&
            in->state != INSTANCE_GONE)
            return true;
    }
    return false;
}

/* The occurrence from which seats can be had now: the one that is on, else the next that has
 * opened; NULL: there is none. Two may be open when the lead of one is in the grace of another. */
static const struct occurrence *open_of(struct core *core, const struct course *course)
{
    int64_t now = loop_now_usec(core->loop);
    const struct occurrence *best = NULL;

    for (size_t i = 0; course && i < course->n_times; i++) {
        const struct occurrence *o = class_occurrence(core, course->id, course->times[i].date);

        if (!o || o->state == OCCURRENCE_CLOSED || now >= o->stop_usec)
            continue;
        if (!best || o->begin_usec <= now)
            best = o;
    }
    return best;
}

/* ---- who, and when ---- */

/* Nobody is told to be no member whose name may be in a list that was never read. */
static int refuse_member(const struct course *course, const struct class *class,
                         struct vdi_error *err)
{
    if (*class->spec.roster && !(course && course->roster.list)) {
        error_set(err, EAGAIN, "reservation", "the roster of class '%s' can't be read%s",
                  class->spec.name, course && course->roster.is_looked_at ? "" : " yet");
        error_hint(err, NULL, "try again in a minute; its administrator is told");
        return -EAGAIN;
    }
    error_set(err, EPERM, "reservation", "you are no member of class '%s'", class->spec.name);
    error_hint(err, NULL, "ask its lecturer to add you, or submit without --reservation");
    return -EPERM;
}

/* The first of its times whose desktops have not come to their end: by the clock, for one stays
 * among them until its places are cleaned. NULL: there is none. */
static const struct class_time *time_ahead(struct core *core, const struct course *course,
                                           const struct class *class)
{
    int64_t now = loop_now_usec(core->loop), grace_usec = class->spec.grace_sec * USEC_PER_SEC;

    for (size_t i = 0; course && i < course->n_times; i++) {
        const struct occurrence *o = class_occurrence(core, class->id, course->times[i].date);
        int64_t stop = o ? o->stop_usec : course->times[i].end_usec + grace_usec;

        if (stop > now && !(o && o->state == OCCURRENCE_CLOSED))
            return &course->times[i];
    }
    return NULL;
}

static int refuse_time(struct core *core, const struct course *course, const struct class *class,
                       struct vdi_error *err)
{
    const struct class_time *next = time_ahead(core, course, class);
    char opens[40], text[160];

    if (!next) {
        error_set(err, ERANGE, "reservation", "class '%s' is over", class->spec.name);
        error_hint(err, NULL, "submit without --reservation");
        return -ERANGE;
    }
    error_set(err, EAGAIN, "reservation", "the seats of class '%s' are not there yet",
              class->spec.name);
    snprintf(text, sizeof(text), "they can be had from %s (%s)",
             class_local_time(&class->spec, next->from_usec, opens), class->spec.zone);
    error_hint(err, NULL, text);
    return -EAGAIN;
}

/* There is no free one: they are not all ordered at the same time, and failed ones are anew. */
static int refuse_seat(struct core *core, const struct class *class, const struct occurrence *o,
                       struct vdi_error *err)
{
    uint32_t taken = seats_taken(core, o);
    bool is_short = o->state == OCCURRENCE_OPEN && taken < o->seats;
    char limit[32], at[40];

    if (is_short && class_is_too_late(o, loop_now_usec(core->loop))) {
        error_set(err, EDQUOT, "reservation",
                  "class '%s' ends at %s, and no seat is started for what is left of it",
                  class->spec.name, class_local_time(&class->spec, o->stop_usec, at));
        error_hint(err, NULL, "submit without --reservation");
        return -EDQUOT;
    }
    if (is_short) {
        error_set(err, EAGAIN, "reservation",
                  "the free seats of class '%s' are still being started: %u of %u are taken",
                  class->spec.name, taken, o->seats);
        error_hint(err, NULL, "try again in a minute");
        return -EAGAIN;
    }
    if (o->state == OCCURRENCE_RELEASED) {
        error_set(err, EDQUOT, "reservation",
                  "the seats of class '%s' that nobody took were given back at %s",
                  class->spec.name, class_local_time(&class->spec, o->release_usec, at));
        error_hint(err, NULL, "submit without --reservation: then you are in line as for any job");
    } else {
        error_set(err, EDQUOT, "reservation", "all seats of class '%s' are taken",
                  class->spec.name);
        snprintf(limit, sizeof(limit), "%u seats", o->seats);
        error_hint(err, limit, "ask its lecturer for more, or submit without --reservation");
    }
    return -EDQUOT;
}

static int refuse_second(const struct class *class, struct vdi_error *err)
{
    error_set(err, EDQUOT, "reservation", "you have a seat of class '%s' already",
              class->spec.name);
    error_hint(err, "1 seat", "connect to it (vdiconnect), or submit without --reservation");
    return -EDQUOT;
}

/* ---- a submit ---- */

static int take_over(struct call *call, const struct class *class, const struct course *course,
                     const struct occurrence *o, struct job_spec *spec, struct vdi_error *err)
{
    int64_t left_sec = (o->stop_usec - loop_now_usec(call->core->loop)) / USEC_PER_SEC;
    const struct job_spec *seat = course->seat;
    int r;

    if (*spec->licences) {
        error_set(err, EINVAL, "licences", "a seat of a class has the licences of its template");
        error_hint(err, NULL, "leave them out");
        return -EINVAL;
    }
    if (!*spec->reservation)
        spec->time_min_sec = 0; /* who finds himself in a class gets its time */
    r = job_spec_set(&spec->reservation, class->spec.name);
    if (r == 0)
        r = job_spec_set(&spec->template_name, seat->template_name);
    if (r == 0)
        r = job_spec_set(&spec->partition, seat->partition);
    if (r == 0)
        r = job_spec_set(&spec->qos, seat->qos);
    if (r == 0)
        r = job_spec_set(&spec->account, seat->account);
    if (r == 0)
        r = job_spec_set(&spec->profile, seat->profile);
    if (r == 0)
        r = job_spec_set(&spec->licences, seat->licences);
    if (r < 0)
        return error_set(err, ENOMEM, "", "out of memory");
    spec->cpus = seat->cpus;
    spec->memory_mib = seat->memory_mib;
    spec->gpus = seat->gpus;
    spec->encode_mpix = seat->encode_mpix;
    if (!spec->time_limit_sec || spec->time_limit_sec > left_sec)
        spec->time_limit_sec = left_sec > 1 ? left_sec : 1;
    return 0;
}

static int match_named(struct call *call, const struct class *class, bool hold,
                       struct job_spec *spec, uint64_t *ret, struct vdi_error *err)
{
    const struct course *course = course_get(call->core, class->id);
    const struct occurrence *o;

    if (!class_is_member(call->core, &call->who, class))
        return refuse_member(course, class, err);
    if (spec->kind != JOB_INTERACTIVE) {
        error_set(err, EINVAL, "reservation", "a seat of class '%s' is a desktop",
                  class->spec.name);
        error_hint(err, NULL, "submit a desktop, or without --reservation");
        return -EINVAL;
    }
    if (hold || *spec->dependency || spec->begin_usec) {
        error_set(err, EINVAL,
                  hold                ? "hold"
                  : *spec->dependency ? "dependency"
                                      : "begin_time",
                  "a seat of class '%s' is taken at once or not at all", class->spec.name);
        error_hint(err, NULL, "leave it out, or submit without --reservation");
        return -EINVAL;
    }
    if (*spec->template_name && !str_equal(spec->template_name, class->spec.template_name)) {
        error_set(err, EINVAL, "template", "the seats of class '%s' are of template '%s'",
                  class->spec.name, class->spec.template_name);
        error_hint(err, NULL, "leave --template out");
        return -EINVAL;
    }
    o = open_of(call->core, course);
    if (!o || !course->seat)
        return refuse_time(call->core, course, class, err);
    if (has_seat(call->core, o, call->who_text))
        return refuse_second(class, err);
    if (!free_seat(call->core, o, ""))
        return refuse_seat(call->core, class, o, err);
    *ret = class->id;
    return take_over(call, class, course, o, spec, err);
}

/* Asks for nothing that a seat would not be. */
static bool would_do(const struct job_spec *spec, const struct class *class,
                     const struct job_spec *seat)
{
    return str_equal(spec->template_name, class->spec.template_name) &&
           (!*spec->partition || str_equal(spec->partition, seat->partition)) &&
           (!*spec->qos || str_equal(spec->qos, seat->qos)) && !*spec->account &&
           !*spec->constraint && !*spec->nodelist && !*spec->exclude && !*spec->profile &&
           !*spec->licences && !*spec->dependency && !spec->cpus && !spec->memory_mib &&
           !spec->gpus && !spec->begin_usec;
}

/* Slurm's MAGNETIC: who takes part gets a seat without naming the class. */
static int match_any(struct call *call, struct job_spec *spec, uint64_t *ret, struct vdi_error *err)
{
    struct hash *courses = call->core->classes->courses;
    const struct class *best = NULL;
    const struct course *its = NULL;
    const struct occurrence *open = NULL;
    void *value;

    if (spec->kind != JOB_INTERACTIVE || !*spec->template_name || spec->begin_usec)
        return 0;
    for (size_t i = 0; hash_next(courses, &i, &value);) {
        const struct course *course = value;
        const struct class *class = class_of(call->core, course->id);
        const struct occurrence *o;

        if (!class || class->deleted || !course->seat || !would_do(spec, class, course->seat) ||
            (best && best->id < class->id) || !(o = open_of(call->core, course)) ||
            !class_is_member(call->core, &call->who, class) ||
            has_seat(call->core, o, call->who_text) || !free_seat(call->core, o, ""))
            continue;
        best = class;
        its = course;
        open = o;
    }
    if (!best)
        return 0;
    *ret = best->id;
    return take_over(call, best, its, open, spec, err);
}

int classes_match(struct call *call, struct job_spec *spec, bool hold, uint64_t *ret,
                  struct vdi_error *err)
{
    const struct class *class;

    *ret = 0;
    if (!*spec->reservation)
        return hold ? 0 : match_any(call, spec, ret, err);
    class = classes_get(call->core, spec->reservation);
    if (class && class_is_reservation(&class->spec))
        return reservation_match(call, class, spec, err);
    if (class)
        return match_named(call, class, hold, spec, ret, err);
    error_set(err, ESRCH, "reservation", "there is no class '%s', and no reservation",
              spec->reservation);
    error_hint(err, NULL, "vdiinfo --classes and vdictl reservation list show yours");
    return -ESRCH;
}

/* ---- the claim ---- */

int classes_add_claim(struct core *core, struct txn *txn, uint64_t class_id, uint64_t id,
                      struct vdi_error *err)
{
    const struct job *job = core_job_staged(core, id);
    struct job_event alloc = core_job_event(core, JOB_EVENT_ALLOC, CORE_SELF, "");
    struct instance_event claim = core_instance_event(core, INSTANCE_EVENT_CLAIM, "");
    struct occurrence_event counted = {.type = OCCURRENCE_EVENT_CLAIM,
                                       .time_usec = loop_now_usec(core->loop)};
    struct plan_terms disks = {.node = ""};
    const struct instance *seat;
    const struct occurrence *o;
    char key[OCCURRENCE_KEY_MAX];
    int r;

    disks_plan(core, job, &disks);
    o = open_of(core, course_get(core, class_id));
    seat = o ? free_seat(core, o, disks.node) : NULL;
    if (!seat || disks.block != PLAN_DISK_FREE) {
        error_set(err, EBUSY, "reservation", "no seat of class '%s' can be had%s",
                  job->spec->reservation,
                  disks.block != PLAN_DISK_FREE ? ": a disk of yours is in use"
                  : *disks.node                 ? " on the node where your disk is"
                                                : "");
        error_hint(err, NULL,
                   disks.block != PLAN_DISK_FREE ? "end the job that has it"
                                                 : "try again, or submit without --reservation");
        return -EBUSY;
    }
    alloc.instance = seat->id;
    alloc.generation = seat->generation;
    str_copy(alloc.node, sizeof(alloc.node), seat->node);
    str_copy(alloc.gpus_held, sizeof(alloc.gpus_held), seat->gpus_held);
    claim.job = id;
    str_copy(claim.owner, sizeof(claim.owner), job->spec->owner);
    occurrence_key(class_id, seat->date, key);
    r = core_add_job(txn, id, &alloc, err);
    if (r >= 0)
        r = disks_add_alloc(core, txn, job, seat->id, seat->generation, alloc.node, err);
    if (r >= 0)
        r = core_add_instance(txn, alloc.instance, &claim, err);
    return r < 0 ? r : txn_add(txn, NOUN_OCCURRENCE, 0, key, &counted, err);
}

int classes_add_limit(struct core *core, struct txn *txn, const struct instance *in)
{
    const struct occurrence *o = class_occurrence(core, in->class_id, in->date);
    const struct job *job = core_job_staged(core, in->job);
    struct job_event event = core_job_event(core, JOB_EVENT_UPDATE, CORE_SELF, "");
    int64_t left_sec = o ? (o->stop_usec - loop_now_usec(core->loop)) / USEC_PER_SEC : 0;
    int r;

    left_sec = left_sec > 1 ? left_sec : 1; /* whoever comes late: the place is another's then */
    if (!o || (job->spec->time_limit_sec && job->spec->time_limit_sec <= left_sec))
        return 0;
    event.spec = job_spec_copy(job->spec);
    if (!event.spec)
        return -ENOMEM;
    event.spec->time_limit_sec = left_sec;
    event.priority = job->priority;
    r = core_add_job(txn, job->id, &event, NULL);
    job_event_done(&event);
    return r;
}

/* ---- those that wait for another seat ---- */

static const struct class *class_waited_for(struct core *core, const struct job *job)
{
    return classes_get(core, job->spec->reservation);
}

static void try_claim(struct core *core, const struct job *job, const struct class *class)
{
    struct txn *txn = txn_new(core->events);
    struct vdi_error err = {0};

    if (txn && classes_add_claim(core, txn, class->id, job->id, &err) >= 0)
        txn_commit(txn, NULL, NULL);
    else
        txn_abort(txn);
}

uint32_t classes_waiting(struct core *core, uint64_t class_id)
{
    uint32_t n = 0;
    void *value;

    for (size_t i = 0; hash_next(core->classes->waiting, &i, &value);) {
        const struct job *job = core_job_staged(core, (uint64_t)(uintptr_t)value);
        const struct class *class =
            job && classes_waits(core, job) ? class_waited_for(core, job) : NULL;

        n += class && class->id == class_id && !job->held_by_user && !job->held_by_admin;
    }
    return n;
}

void class_claim_all_waiting(struct core *core)
{
    void *value;

    for (size_t i = 0; hash_next(core->classes->waiting, &i, &value);) {
        const struct job *job = core_job(core, (uint64_t)(uintptr_t)value);
        const struct class *class = job ? class_waited_for(core, job) : NULL;
        const struct occurrence *o;

        if (!job || !classes_waits(core, job) || job != core_job_staged(core, job->id) ||
            job->held_by_user || job->held_by_admin)
            continue;
        o = class ? open_of(core, course_get(core, class->id)) : NULL;
        if (!o) /* what the class lent it, qos, account and template, is not its owner's */
            life_end_job(core, job->id, JOB_CANCELLED, "its class is over");
        else if (free_seat(core, o, ""))
            try_claim(core, job, class);
    }
}

void class_claim_published(struct core *core, const struct job *now)
{
    struct hash *waiting = core->classes->waiting;

    if (!*now->spec->reservation)
        return;
    if (!classes_waits(core, now))
        hash_remove_u64(waiting, now->id);
    else if (!hash_get_u64(waiting, now->id))
        hash_put_u64(waiting, now->id, (void *)(uintptr_t)now->id);
}
