/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classes.c - whose classes there are, when they take place, what the planner keeps free for them.
 *
 * The record of a class is its rule; occurrences are computed from it for the time ahead, and each
 * that has not begun is one window in the planner. What is in a window is the planner's alone
 * until something is started there (class_seats.c).
 */
#include "vdictld/classes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "base/zone.h"
#include "codec/calendar.h"
#include "codec/class_dates.h"
#include "model/licence.h"
#include "vdictld/class_admit.h"
#include "vdictld/class_impl.h"
#include "vdictld/gpu_wish.h"
#include "vdictld/queue.h"

#define TICK_USEC USEC_PER_SEC
#define REFRESH_SLICE_USEC 3000
#define RENEW_USEC (INT64_C(86400) * USEC_PER_SEC)

static void tick(void *arg);
static void refresh_stale(void *arg);

struct classes *classes_new(struct core *core)
{
    struct classes *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->core = core;
    c->next_plan_id = 1;
    list_init(&c->admits);
    c->courses = hash_new_u64();
    c->boots = hash_new_str();
    c->waiting = hash_new_u64();
    c->loads = hash_new_str();
    c->refresh = loop_timer(core->loop, -1, refresh_stale, c);
    c->tick = loop_timer(core->loop, -1, tick, c);
    if (class_rosters_new(c) < 0 || class_drawn_new(c) < 0 || !c->courses || !c->boots ||
        !c->waiting || !c->loads || !c->refresh || !c->tick) {
        classes_free(c);
        return NULL;
    }
    return c;
}

static void course_free(struct course *course)
{
    course_roster_done(&course->roster);
    job_spec_unref(course->seat);
    free(course->times);
    free(course);
}

void classes_free(struct classes *c)
{
    void *value;

    if (!c)
        return;
    class_rosters_free(c);
    class_drawn_free(c);
    for (size_t i = 0; c->courses && hash_next(c->courses, &i, &value);)
        course_free(value);
    for (size_t i = 0; c->boots && hash_next(c->boots, &i, &value);)
        free(value);
    hash_free(c->courses);
    hash_free(c->boots);
    for (size_t i = 0; c->loads && hash_next(c->loads, &i, &value);)
        free(value);
    hash_free(c->loads);
    hash_free(c->waiting);
    source_free(c->refresh);
    source_free(c->tick);
    source_free(c->admit);
    free(c);
}

/* ---- finding ---- */

static const struct class *find(struct core *core, const char *name, bool staged)
{
    struct table *t = events_table(core->events, NOUN_CLASS);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = !slot ? NULL : staged ? slot->staged : slot->pub;

        if (class && !class->deleted && str_equal(class->spec.name, name))
            return class;
    }
    return NULL;
}

const struct class *classes_get(struct core *core, const char *name)
{
    return find(core, name, false);
}

const struct class *classes_get_staged(struct core *core, const char *name)
{
    return find(core, name, true);
}

const struct class *classes_of_uid(struct core *core, const char *uid)
{
    struct table *t = events_table(core->events, NOUN_CLASS);

    for (size_t i = 0; *uid && i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->staged : NULL;

        if (class && !class->deleted && str_equal(class->spec.uid, uid))
            return class;
    }
    return NULL;
}

const struct class *class_of(struct core *core, uint64_t id)
{
    const struct slot *slot = table_slot(events_table(core->events, NOUN_CLASS), id, NULL, false);

    return slot ? slot->pub : NULL;
}

struct course *course_get(struct core *core, uint64_t id)
{
    return hash_get_u64(core->classes->courses, id);
}

static struct course *course_make(struct core *core, uint64_t id)
{
    struct course *course = course_get(core, id);

    if (course)
        return course;
    course = calloc(1, sizeof(*course));
    if (!course)
        return NULL;
    course->id = id;
    if (hash_put_u64(core->classes->courses, id, course) == 0)
        return course;
    free(course);
    return NULL;
}

/* ---- when ---- */

int class_times(struct core *core, const struct class *class, int64_t from_usec, int64_t to_usec,
                struct class_time **ret, size_t *ret_n, struct vdi_error *err)
{
    const struct class_spec *spec = &class->spec;
    _cleanup_(freep) struct class_date *dates = NULL;
    struct class_time *times;
    int64_t lead_usec = class_is_reservation(spec) ? 0 : class_lead_usec(core, spec);
    int64_t tail_usec = (spec->grace_sec + spec->cleaning_sec) * USEC_PER_SEC;
    size_t n = 0;
    int r = class_dates(class, from_usec - tail_usec, to_usec + lead_usec, CLASS_OCCURRENCES_MAX,
                        &dates, &n, err);

    if (r < 0)
        return r;
    times = calloc(n + 1, sizeof(*times));
    if (!times)
        return error_set(err, ENOMEM, "", "out of memory");
    for (size_t i = 0; i < n; i++) {
        times[i] = (struct class_time){.begin_usec = dates[i].begin_usec,
                                       .end_usec = dates[i].end_usec,
                                       .from_usec = dates[i].begin_usec - lead_usec,
                                       .until_usec = dates[i].end_usec + tail_usec};
        str_copy(times[i].date, sizeof(times[i].date), dates[i].name);
    }
    *ret = times;
    *ret_n = n;
    return 0;
}

int class_find_date(const struct class *class, const char *date, const char *starts,
                    struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *calendar = NULL;
    struct calendar_occurrence found;
    int64_t to_usec = 0, by_usec;
    int r = class_calendar(&class->spec, &calendar, err);

    if (r == 0)
        r = calendar_find(calendar, date, &found, err);
    if (r == 0 && *starts)
        r = calendar_instant(calendar, "starts", starts, &to_usec, err);
    if (r < 0 || !*starts)
        return r;
    by_usec = to_usec - found.from_usec;
    if (by_usec >= -CLASS_MOVED_USEC && by_usec <= CLASS_MOVED_USEC)
        return 0;
    error_set(err, ERANGE, "starts", "%s is too far from %s", starts, date);
    error_hint(err, "14 days", "skip the date, and make a class of that one");
    return -ERANGE;
}

const char *class_local_time(const struct class_spec *spec, int64_t usec, char ret[40])
{
    struct zone *zone = NULL;
    struct tm tm;
    time_t local;

    if (zone_open(spec->zone, &zone) < 0)
        return time_to_rfc3339(usec, ret);
    local = (time_t)zone_to_local(zone, usec / USEC_PER_SEC);
    zone_free(zone);
    gmtime_r(&local, &tm);
    strftime(ret, 40, "%Y-%m-%d %H:%M", &tm);
    return ret;
}

bool class_time_is(const struct class_time *a, const struct class_time *b)
{
    return str_equal(a->date, b->date) && a->begin_usec == b->begin_usec &&
           a->end_usec == b->end_usec && a->until_usec == b->until_usec;
}

/* ---- what a seat asks for ---- */

int class_seat_spec(const struct config *config, const struct class_spec *spec,
                    struct job_spec **ret, struct vdi_error *err)
{
    const struct config_template *t = config_template(config, spec->template_name);
    const struct config_partition *p = *spec->partition ? config_partition(config, spec->partition)
                                                        : config_default_partition(config);
    char licences[LICENCES_TEXT];
    struct job_spec *seat;
    int r;

    if (!t || !p) {
        error_set(err, ESRCH, t ? "partition" : "template", "there is no %s '%s'",
                  t ? "partition" : "template", t ? spec->partition : spec->template_name);
        error_hint(err, NULL, t ? "vdiinfo lists them" : "vdiinfo --templates lists them");
        return -ESRCH;
    }
    seat = job_spec_new();
    if (!seat)
        return error_set(err, ENOMEM, "", "out of memory");
    seat->kind = JOB_INTERACTIVE;
    seat->cpus = t->vcpus;
    seat->memory_mib = t->memory_mib;
    seat->encode_mpix = config_template_encode(t);
    seat->time_limit_sec = spec->duration_sec;
    r = job_spec_set(&seat->template_name, t->name);
    if (r == 0)
        r = job_spec_set(&seat->partition, p->name);
    if (r == 0)
        r = job_spec_set(&seat->qos, spec->qos);
    if (r == 0)
        r = job_spec_set(&seat->account, *spec->account ? spec->account : spec->name);
    if (r == 0)
        r = config_template_licences(t, "", licences, err);
    if (r == 0)
        r = job_spec_set(&seat->licences, licences);
    if (r == 0)
        r = gpu_wish_settle(config, t, seat, err);
    if (r < 0)
        job_spec_unref(seat);
    else
        *ret = seat;
    return r;
}

/* For the planner they are alike. */
bool job_spec_is_seat(const struct job_spec *a, const struct job_spec *b)
{
    return a && b && a->cpus == b->cpus && a->memory_mib == b->memory_mib && a->gpus == b->gpus &&
           a->encode_mpix == b->encode_mpix && str_equal(a->profile, b->profile) &&
           str_equal(a->partition, b->partition) && str_equal(a->constraint, b->constraint) &&
           str_equal(a->qos, b->qos) && str_equal(a->licences, b->licences);
}

/* ---- in the plan ---- */

int class_book(struct planner *planner, const struct job_spec *seat, uint32_t seats,
               const struct class_time *time, int64_t now_usec, struct plan_shortage *ret)
{
    struct plan_window window = {time->from_usec > now_usec ? time->from_usec : now_usec,
                                 time->until_usec};
    struct plan_class class = {
        .id = time->plan_id, .seat = seat, .seats = seats, .windows = &window, .n_windows = 1};

    return window.from_usec < window.to_usec ? planner_put_class(planner, &class, now_usec, ret)
                                             : 0;
}

/* As many of the seats as there is room for. */
static void book(struct core *core, struct course *course, struct class_time *t, uint32_t seats)
{
    struct planner *planner = queue_planner(core->queue);
    const struct class *class = class_of(core, course->id);
    struct plan_shortage shortage = {0};
    int64_t now = loop_now_usec(core->loop);
    char says[CLASS_SAYS];
    int r;

    t->plan_id = class_plan_id(core->classes, course->id);
    t->seats = seats;
    r = class_book(planner, course->seat, seats, t, now, &shortage);
    if (r == 0)
        return;
    t->seats = shortage.seats;
    if (r == -ENOSPC && shortage.seats)
        class_book(planner, course->seat, shortage.seats, t, now, &shortage);
    if (*course->alarm)
        return;
    reservation_say_closed(core, planner, NULL, 0, course->seat, t, says);
    class_say_short(&shortage, course->seat, says);
    snprintf(
        course->alarm, sizeof(course->alarm),
        "%s: %u of %u seats can be had%.120s; free the nodes that were to have them, or move it",
        t->date, t->seats, seats, says);
    log_error("class %s: %s", class ? class->spec.name : "", course->alarm);
}

static void unbook(struct core *core, struct class_time *t)
{
    if (t->plan_id)
        planner_remove_class(queue_planner(core->queue), t->plan_id);
    t->plan_id = 0;
}

/* Takes the times over; what is in the plan of those that are the same stays there. */
static void course_take(struct core *core, struct course *course, const struct class *class,
                        struct class_time *times, size_t n, bool same_seat)
{
    struct class_time *was = course->times;
    size_t n_was = course->n_times;

    for (size_t k = 0, i = 0; k < n_was; k++) {
        while (i < n && times[i].begin_usec < was[k].begin_usec)
            i++;
        if (same_seat && i < n && class_time_is(&times[i], &was[k]) && was[k].plan_id &&
            was[k].seats == class->spec.seats)
            times[i] = was[k];
        else
            unbook(core, &was[k]);
    }
    free(was);
    course->times = times;
    course->n_times = n;
    for (size_t i = 0; i < n; i++)
        if (!times[i].plan_id && !class_admitted(core->classes, class->id, &times[i]) &&
            !class_occurrence(core, class->id, times[i].date))
            book(core, course, &times[i], class->spec.seats);
}

static void course_alarm(struct core *core, struct course *course, const struct class *class,
                         const struct vdi_error *err)
{
    if (str_starts_with(course->alarm, err->detail))
        return;
    str_copy(course->alarm, sizeof(course->alarm), err->detail);
    log_error("class %s: %s", class->spec.name, course->alarm);
}

/* What its nodes are closed for are these times. */
static void course_refresh_nodes(struct core *core, struct course *course,
                                 const struct class *class)
{
    struct class_time *times = NULL;
    struct vdi_error err = {0};
    size_t n = 0;
    int r =
        class_times(core, class, loop_now_usec(core->loop), course->until_usec, &times, &n, &err);

    if (r == 0 && reservation_put(queue_planner(core->queue), class, times, n) < 0)
        r = error_set(&err, ENOMEM, "", "no memory for its windows");
    if (r < 0) {
        free(times);
        course_alarm(core, course, class, &err); /* what is closed stays so */
        return;
    }
    course->alarm[0] = '\0';
    free(course->times);
    course->times = times;
    course->n_times = n;
}

void course_refresh(struct core *core, struct course *course)
{
    const struct class *class = class_of(core, course->id);
    int64_t now = loop_now_usec(core->loop);
    struct class_time *times = NULL;
    struct job_spec *seat = NULL;
    struct vdi_error err = {0};
    bool same_seat;
    size_t n = 0;

    course->until_usec = now + CLASS_HORIZON_USEC;
    if (class_is_reservation(&class->spec)) {
        course_refresh_nodes(core, course, class);
        return;
    }
    if (class_seat_spec(core->config, &class->spec, &seat, &err) < 0 ||
        class_times(core, class, now, course->until_usec, &times, &n, &err) < 0) {
        job_spec_unref(seat);
        course_alarm(core, course, class, &err); /* what is booked stays */
        return;
    }
    course->alarm[0] = '\0';
    same_seat = job_spec_is_seat(course->seat, seat);
    job_spec_unref(course->seat);
    course->seat = seat;
    course_take(core, course, class, times, n, same_seat);
}

static void course_drop(struct core *core, uint64_t id)
{
    struct course *course = hash_remove_u64(core->classes->courses, id);

    if (!course)
        return;
    for (size_t i = 0; i < course->n_times; i++)
        unbook(core, &course->times[i]);
    planner_remove_closure(queue_planner(core->queue), id);
    course_free(course);
}

struct lost {
    struct core *core;
    const struct config_partition *partition;
    bool is;
};

static void each_class(struct core *core, void (*fn)(struct core *core, const struct class *class))
{
    struct table *t = events_table(core->events, NOUN_CLASS);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->pub : NULL;

        if (class && !class->deleted)
            fn(core, class);
    }
}

/* Windows with a seat on a node that vdi.conf no longer has there are booked anew. */
static void find_lost(void *arg, const struct plan_seat *seat)
{
    struct lost *lost = arg;

    lost->is = lost->is || !config_node(lost->core->config, seat->node) ||
               !config_names_has(&lost->partition->nodes, seat->node);
}

static void course_drop_lost(struct core *core, struct course *course)
{
    struct lost lost = {.core = core};

    lost.partition = course->seat ? config_partition(core->config, course->seat->partition) : NULL;
    for (size_t i = 0; i < course->n_times; i++) {
        lost.is = !lost.partition;
        if (course->times[i].plan_id && lost.partition)
            planner_each_seat(queue_planner(core->queue), course->times[i].plan_id, find_lost,
                              &lost);
        if (lost.is)
            unbook(core, &course->times[i]);
    }
}

static void refresh(struct core *core, const struct class *class)
{
    struct course *course = course_make(core, class->id);

    if (course)
        course_refresh(core, course);
    else
        log_error("class %s: no memory for its seats", class->spec.name);
}

static void refresh_nodes(struct core *core, const struct class *class)
{
    if (class_is_reservation(&class->spec))
        refresh(core, class);
}

static void refresh_seats(struct core *core, const struct class *class)
{
    if (!class_is_reservation(&class->spec))
        refresh(core, class);
}

/* Soon, in its turn. */
static void set_stale(struct core *core, const struct class *class)
{
    struct course *course = course_make(core, class->id);

    if (course)
        course->is_stale = true;
    source_rearm(core->classes->refresh, 0);
}

/* In the order in which they were made, a few milliseconds at once. */
static void refresh_stale(void *arg)
{
    struct classes *c = arg;
    struct table *t = events_table(c->core->events, NOUN_CLASS);
    int64_t until = loop_monotonic_usec(c->core->loop) + REFRESH_SLICE_USEC;

    if (c->core->stopping)
        return;
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->pub : NULL;
        struct course *course = class && !class->deleted ? course_get(c->core, class->id) : NULL;

        if (!course || !course->is_stale)
            continue;
        if (time_monotonic_usec() >= until) {
            source_rearm(c->refresh, 0);
            return;
        }
        course->is_stale = false;
        course->lead_due_usec = 0;
        course_drop_lost(c->core, course);
        course_refresh(c->core, course);
    }
}

/* ---- time ---- */

/* Occurrences that are over go; once a day those that came into sight are booked. */
static void course_pass(struct core *core, struct course *course, int64_t now)
{
    size_t n = 0;

    while (n < course->n_times && course->times[n].until_usec <= now)
        unbook(core, &course->times[n++]);
    if (n) {
        course->n_times -= n;
        memmove(course->times, course->times + n, course->n_times * sizeof(*course->times));
    }
    if (course->until_usec < now + CLASS_HORIZON_USEC - RENEW_USEC && class_of(core, course->id))
        set_stale(core, class_of(core, course->id));
}

static void tick(void *arg)
{
    struct classes *c = arg;
    int64_t now = loop_now_usec(c->core->loop);
    void *value;

    source_rearm(c->tick, TICK_USEC);
    if (c->core->stopping)
        return;
    for (size_t i = 0; hash_next(c->courses, &i, &value);)
        course_pass(c->core, value, now);
    class_rosters_tick(c);
    class_drawn_tick(c);
    class_seats_tick(c);
}

/* ---- what others tell ---- */

/* What its seats are: the planner is told of those that are there before any window is booked. */
static void know(struct core *core, const struct class *class)
{
    struct course *course = course_make(core, class->id);
    struct vdi_error err = {0};

    if (course && !class_is_reservation(&class->spec) &&
        class_seat_spec(core->config, &class->spec, &course->seat, &err) < 0)
        course_alarm(core, course, class, &err);
}

void classes_load(struct classes *c)
{
    struct table *jobs = events_table(c->core->events, NOUN_JOB);

    each_class(c->core, know);
    each_class(c->core, refresh_nodes); /* first: seats keep clear of them */
    class_seats_load(c);
    each_class(c->core, refresh_seats);
    for (size_t i = 0; i < table_end(jobs); i++)
        if (table_at(jobs, i) && table_at(jobs, i)->pub)
            class_claim_published(c->core, table_at(jobs, i)->pub);
    class_drawn_load(c);
    source_rearm(c->tick, 0);
}

void classes_configured(struct classes *c)
{
    each_class(c->core, set_stale);
}

void classes_published(struct classes *c, const struct published *p)
{
    const struct class *class = p->now;

    if (p->noun == NOUN_INSTANCE)
        class_seats_published(c->core, p->old, p->now);
    if (p->noun == NOUN_JOB)
        class_claim_published(c->core, p->now);
    if (p->noun != NOUN_CLASS)
        return;
    class_drawn_changed(c, p->old, class);
    if (class->deleted)
        course_drop(c->core, class->id);
    else if (class->from_config && !c->admitted)
        set_stale(c->core, class); /* there may be thousands of them in one file */
    else
        refresh(c->core, class);
}
