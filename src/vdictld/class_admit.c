/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_admit.c - a class made or changed: all its occurrences get all their seats beside all
 * others, or nothing is changed and the answer says what is short and when there would be room.
 *
 * One admission is under way at a time, in slices. It books first and commits then: what is
 * booked and not committed goes again. New windows are tried beside the old ones of the class;
 * only where that fails the old ones are taken out, all of it within one call.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/class_admit.h"
#include "vdictld/queue.h"

#define SLICE_USEC 3000
#define QUARTER_USEC (INT64_C(900) * USEC_PER_SEC)
#define TRIES (2 * 48) /* quarters of an hour up to half a day before and after */

enum admit_phase { ADMIT_BEGIN, ADMIT_BOOK, ADMIT_SEARCH, ADMIT_COMMIT };

struct admit {
    struct list link;
    struct core *core;
    struct call *call;
    unsigned status;
    uint64_t id;
    struct class_event event;
    struct class *seen;      /* as it was when this was asked for; NULL: a new one */
    const struct class *old; /* as it was when it began: the same */
    struct class *now;       /* as it is to be */
    struct job_spec *seat;
    struct class_time *times;
    bool *is_kept; /* of times: the class has it already */
    size_t n, at;
    enum admit_phase phase;
    struct plan_shortage shortage;
    unsigned tries;
    bool was_taken_out; /* the old windows are no longer in the plan */
    bool is_closed;     /* a reservation: its nodes are closed in the plan as it is to be */
};

static void step(void *arg);

static struct planner *planner_of(const struct admit *a)
{
    return queue_planner(a->core->queue);
}

static int64_t now_of(const struct admit *a)
{
    return loop_now_usec(a->core->loop);
}

/* ---- its end ---- */

static void unbook(struct admit *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->times[i].plan_id && !a->is_kept[i])
            planner_remove_class(planner_of(a), a->times[i].plan_id);
        a->times[i].plan_id = 0;
    }
    if (a->is_closed && !course_get(a->core, a->id))
        planner_remove_closure(planner_of(a), a->id);
}

static void admit_free(struct admit *a)
{
    struct classes *c = a->core->classes;

    list_remove(&a->link);
    class_unref(a->now);
    class_unref(a->seen);
    job_spec_unref(a->seat);
    free(a->times);
    free(a->is_kept);
    free(a);
    if (!list_is_empty(&c->admits))
        source_rearm(c->admit, 0);
}

/* What was taken out for it is booked anew. */
static void put_back(struct admit *a)
{
    struct course *course = a->old ? course_get(a->core, a->id) : NULL;

    unbook(a);
    if ((a->was_taken_out || a->is_closed) && course)
        course_refresh(a->core, course);
}

static void refuse(struct admit *a, const struct vdi_error *err)
{
    struct call *call = a->call;

    put_back(a);
    admit_free(a);
    call_refuse(call, err);
}

/* ---- what it is to be ---- */

static bool keeps(const struct admit *a, const struct course *course, const struct class_time *t)
{
    for (size_t i = 0; course && i < course->n_times; i++)
        if (class_time_is(&course->times[i], t))
            return course->times[i].plan_id && course->times[i].seats == a->now->spec.seats &&
                   job_spec_is_seat(course->seat, a->seat);
    return false;
}

static int check_times(const struct admit *a, struct vdi_error *err)
{
    const struct class_spec *spec = &a->now->spec;

    for (size_t i = 1; i < a->n; i++) {
        if (a->times[i].begin_usec >= a->times[i - 1].end_usec)
            continue;
        error_set(err, EINVAL, "starts", "%s '%s' on %s begins before it is over on %s",
                  class_word(spec), spec->name, a->times[i].date, a->times[i - 1].date);
        error_hint(err, NULL, "make it shorter, or write two of them");
        return -EINVAL;
    }
    if (a->n || a->event.type == CLASS_EVENT_OVERRIDE)
        return 0;
    error_set(err, ERANGE, "starts", "%s '%s' does not take place within the next year",
              class_word(spec), spec->name);
    error_hint(err, "366 days", "write a begin, a rule and exceptions that leave a date");
    return -ERANGE;
}

static int refuse_changed(const struct admit *a, struct vdi_error *err)
{
    error_set(err, EAGAIN, "name", "%s '%s' was changed meanwhile", class_word(&a->event.spec),
              a->event.spec.name);
    error_hint(err, NULL, "look at it and try again");
    return -EAGAIN;
}

/* Of what has begun nothing is changed here. */
static int check_begun(const struct admit *a, struct vdi_error *err)
{
    const struct course *course = a->old ? course_get(a->core, a->id) : NULL;

    for (size_t i = 0; course && i < course->n_times; i++) {
        const struct occurrence *o = class_occurrence(a->core, a->id, course->times[i].date);
        bool same = false;

        for (size_t k = 0; o && k < a->n && !same; k++)
            same = str_equal(a->times[k].date, o->date) &&
                   a->times[k].begin_usec == o->begin_usec && a->times[k].end_usec == o->end_usec &&
                   a->times[k].until_usec == o->until_usec;
        if (!o || same)
            continue;
        error_set(err, EPROTO, "starts", "class '%s' on %s has begun: its time stays",
                  a->now->spec.name, o->date);
        error_hint(err, NULL, "change it when that is over");
        return -EPROTO;
    }
    return 0;
}

/* The class is as it was when this was asked for, and its name is free still. */
static int check_still(struct admit *a, struct vdi_error *err)
{
    const struct class *other = classes_get_staged(a->core, a->event.spec.name);
    const struct slot *slot =
        table_slot(events_table(a->core->events, NOUN_CLASS), a->id, NULL, false);

    a->old = slot ? slot->staged : NULL;
    if (a->old != a->seen)
        return refuse_changed(a, err);
    if (a->event.type == CLASS_EVENT_CREATE && other) {
        error_set(err, EEXIST, "name", "there is a %s '%s' already", class_word(&other->spec),
                  other->spec.name);
        error_hint(err, NULL,
                   other->from_config ? "it is in vdi.conf; choose another name"
                                      : "change that one, or choose another name");
        return -EEXIST;
    }
    other = a->event.type == CLASS_EVENT_CREATE ? classes_of_uid(a->core, a->event.spec.uid) : NULL;
    if (other) {
        error_set(err, EEXIST, "uid", "class '%s' is that event already", other->spec.name);
        error_hint(err, NULL, "change that one");
        return -EEXIST;
    }
    return class_apply(a->old, a->id, &a->event, &a->now, err);
}

static int begin(struct admit *a, struct vdi_error *err)
{
    const struct course *course = course_get(a->core, a->id);
    int64_t now = now_of(a);
    int r = check_still(a, err);

    if (r >= 0)
        r = class_is_reservation(&a->now->spec)
                ? reservation_check(a->core->config, &a->now->spec, err)
                : class_seat_spec(a->core->config, &a->now->spec, &a->seat, err);
    if (r >= 0)
        r = class_times(a->core, a->now, now, now + CLASS_HORIZON_USEC, &a->times, &a->n, err);
    if (r >= 0)
        r = check_times(a, err);
    if (r >= 0)
        r = check_begun(a, err);
    if (r >= 0 && !class_is_reservation(&a->now->spec))
        r = class_check_role(a->call, a->now, a->times, a->n, err);
    if (r < 0)
        return r;
    a->is_kept = calloc(a->n + 1, sizeof(*a->is_kept));
    if (!a->is_kept)
        return error_set(err, ENOMEM, "", "out of memory");
    for (size_t i = 0; i < a->n; i++)
        a->is_kept[i] =
            keeps(a, course, &a->times[i]) || class_occurrence(a->core, a->id, a->times[i].date);
    a->phase = ADMIT_BOOK;
    return 0;
}

/* ---- booking ---- */

static int book_next(struct admit *a)
{
    struct class_time *t = &a->times[a->at];
    int r = 0;

    if (!a->is_kept[a->at]) {
        t->plan_id = class_plan_id(a->core->classes, a->id);
        t->seats = a->now->spec.seats;
        r = class_book(planner_of(a), a->seat, t->seats, t, now_of(a), &a->shortage);
    }
    if (r < 0)
        t->plan_id = 0;
    else
        a->at++;
    return r;
}

/* Once more, with what the class gives up out of the way: in one go, for the plan knows nothing of
 * the class meanwhile. */
static int book_instead(struct admit *a, struct course *course)
{
    struct plan_detached **out = calloc(course->n_times + 1, sizeof(*out));
    int r = 0;

    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < course->n_times; i++) {
        bool kept = false;

        for (size_t k = 0; k < a->n && !kept; k++)
            kept = a->is_kept[k] && class_time_is(&a->times[k], &course->times[i]);
        if (!kept && course->times[i].plan_id)
            out[i] = planner_detach_class(planner_of(a), course->times[i].plan_id);
    }
    while (r == 0 && a->at < a->n)
        r = book_next(a);
    if (r < 0)
        unbook(a);
    for (size_t i = 0; i < course->n_times; i++) {
        if (r < 0) {
            planner_attach_class(planner_of(a), out[i]);
        } else if (out[i]) {
            planner_detached_free(planner_of(a), out[i]);
            course->times[i].plan_id = 0;
            a->was_taken_out = true;
        }
    }
    free(out);
    return r;
}

/* All its windows at once. */
static int close_nodes(struct admit *a, struct vdi_error *err)
{
    int r = reservation_check_clashes(a->core, planner_of(a), a->now, a->times, a->n, true, err);

    if (r == 0)
        r = reservation_put(planner_of(a), a->now, a->times, a->n);
    a->is_closed = r == 0;
    if (r == 0)
        a->phase = ADMIT_COMMIT;
    return r;
}

static int book(struct admit *a)
{
    struct course *course = course_get(a->core, a->id);
    int64_t until = time_thread_cpu_usec() + SLICE_USEC;
    int r = 0;

    while (r == 0 && a->at < a->n && time_thread_cpu_usec() < until)
        r = book_next(a);
    if (r == -ENOSPC && course)
        r = book_instead(a, course);
    if (r == 0 && a->at == a->n)
        a->phase = ADMIT_COMMIT;
    else if (r == -ENOSPC)
        a->phase = ADMIT_SEARCH;
    return r == -ENOSPC ? 0 : r;
}

/* ---- the nearest time with room ---- */

static void say_short(const struct admit *a, const struct class_time *t, int64_t there,
                      struct vdi_error *err)
{
    const struct class_spec *spec = &a->now->spec;
    char when[40], limit[32], closed[CLASS_SAYS];

    reservation_say_closed(a->core, planner_of(a), NULL, 0, a->seat, t, closed);
    class_say_short(&a->shortage, a->seat, closed);
    error_set(err, EPROTO, *a->shortage.licence ? "licence" : "seats",
              "class '%s' on %s: %u of %u seats can be had then%s", spec->name, t->date,
              a->shortage.seats, spec->seats, closed);
    snprintf(limit, sizeof(limit), "%u seats", a->shortage.seats);
    if (!there) {
        error_hint(err, limit, class_short_remedy(&a->shortage));
    } else {
        char text[sizeof(when) + 48];

        class_local_time(spec, there, when);
        snprintf(text, sizeof(text), "all of them can be had at %s", when);
        error_hint(err, limit, text);
    }
}

/* 0, -1, 1, -2, 2 ... quarters of an hour away. */
static int64_t candidate(const struct admit *a, const struct class_time *t)
{
    int64_t steps = a->tries / 2 + 1;

    return t->begin_usec + (a->tries % 2 ? steps : -steps) * QUARTER_USEC;
}

/* True: it is over, and err says what there is. */
static bool search(struct admit *a, struct vdi_error *err)
{
    const struct class_time *t = &a->times[a->at];
    int64_t until = time_thread_cpu_usec() + SLICE_USEC;

    if (plan_shortage_is(&a->shortage, PLAN_BLOCK_NO_NODE))
        a->tries = TRIES; /* no time will do */
    for (; a->tries < TRIES && time_thread_cpu_usec() < until; a->tries++) {
        int64_t begin_usec = candidate(a, t), by_usec = begin_usec - t->begin_usec;
        struct plan_window window = {t->from_usec + by_usec, t->until_usec + by_usec};
        struct plan_class class = {
            .seat = a->seat, .seats = a->now->spec.seats, .windows = &window, .n_windows = 1};
        struct plan_shortage ignored;

        if (window.from_usec < now_of(a) ||
            planner_try_class(planner_of(a), &class, now_of(a), &ignored) < 0)
            continue;
        say_short(a, t, begin_usec, err);
        return true;
    }
    if (a->tries < TRIES)
        return false;
    say_short(a, t, 0, err);
    return true;
}

/* ---- the commit ---- */

static void committed(void *arg, int result, const struct vdi_error *err)
{
    struct admit *a = arg;
    struct call *call = a->call;
    unsigned status = a->status;
    uint64_t id = a->id;

    a->core->classes->admitted = NULL;
    if (result < 0) {
        refuse(a, err);
        return;
    }
    admit_free(a);
    class_reply(call, status, id);
}

static void commit(struct admit *a)
{
    const struct slot *slot =
        table_slot(events_table(a->core->events, NOUN_CLASS), a->id, NULL, false);
    struct txn *txn = txn_new(a->core->events);
    struct vdi_error err = {0};
    int r = txn ? 0 : error_set(&err, ENOMEM, "", "out of memory");

    if (r >= 0 && (slot ? slot->staged : NULL) != a->old)
        r = refuse_changed(a, &err);
    if (r >= 0)
        r = txn_add(txn, NOUN_CLASS, a->id, NULL, &a->event, &err);
    if (r < 0) {
        txn_abort(txn);
        refuse(a, &err);
        return;
    }
    a->core->classes->admitted = a;
    call_commit(a->call, txn, a->status, committed, a);
}

bool class_admitted(const struct classes *c, uint64_t id, struct class_time *io)
{
    struct admit *a = c->admitted;

    for (size_t i = 0; a && a->id == id && i < a->n; i++) {
        if (a->is_kept[i] || !a->times[i].plan_id || !class_time_is(&a->times[i], io))
            continue;
        *io = a->times[i];
        a->is_kept[i] = true; /* the course's now */
        return true;
    }
    return false;
}

/* ---- in slices ---- */

static void step(void *arg)
{
    struct classes *c = arg;
    struct admit *a =
        list_is_empty(&c->admits) ? NULL : list_entry(c->admits.next, struct admit, link);
    struct vdi_error err = {0};
    int r = 0;

    if (!a || c->admitted)
        return;
    if (a->core->stopping)
        r = error_set(&err, ESHUTDOWN, "", "the controller is stopping");
    else if (a->phase == ADMIT_BEGIN)
        r = begin(a, &err);
    else if (a->phase == ADMIT_BOOK)
        r = class_is_reservation(&a->now->spec) ? close_nodes(a, &err) : book(a);
    else if (a->phase == ADMIT_SEARCH && search(a, &err))
        r = -ENOSPC;
    if (r < 0) {
        if (!err.code)
            error_set(&err, -r, "", "%s", strerror(-r));
        refuse(a, &err);
    } else if (a->phase == ADMIT_COMMIT) {
        commit(a);
    } else {
        source_rearm(c->admit, 0);
    }
}

/* What was said before is in the plan now: nodes of a first start, other classes. */
static void queue_up(void *arg, int result, const struct vdi_error *err)
{
    struct admit *a = arg;

    if (result < 0) {
        refuse(a, err);
        return;
    }
    list_append(&a->core->classes->admits, &a->link);
    source_rearm(a->core->classes->admit, 0);
}

void class_admit(struct call *call, uint64_t id, const struct class *seen,
                 const struct class_event *event, unsigned status)
{
    struct classes *c = call->core->classes;
    struct admit *a = calloc(1, sizeof(*a));
    struct vdi_error no_memory = {.code = ENOMEM, .detail = "out of memory"};
    struct txn *barrier;

    if (!c->admit)
        c->admit = loop_timer(call->core->loop, -1, step, c);
    if (!a || !c->admit) {
        free(a);
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    a->core = call->core;
    a->call = call;
    a->id = id;
    a->event = *event;
    a->seen = seen ? class_ref((struct class *)seen) : NULL;
    a->status = status;
    list_init(&a->link);
    barrier = txn_new(call->core->events);
    if (barrier)
        txn_commit(barrier, queue_up, a);
    else
        queue_up(a, -ENOMEM, &no_memory);
}
