/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_seats.c - from a window of the plan to instances that are READY at the time.
 *
 * Each second every occurrence that has begun to be is looked at: what it should have, what it
 * has, and the one difference is acted on. So nothing is remembered that a restart would lose,
 * and a seat that failed is one that is missing.
 *
 * A place in the planner's window becomes an instance's by being taken out of the window and put
 * as what holds it, in one go: between the two nobody else plans.
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
#include "model/boots.h"
#include "vdictld/class_impl.h"
#include "vdictld/images.h"
#include "vdictld/life.h"
#include "vdictld/queue.h"

/* No seat is started for what is left of a class then: the last minute, or the last tenth. */
#define TOO_LATE_USEC (60 * USEC_PER_SEC)
#define TOO_LATE_PART 10
/* A class that was deleted is asked for while what is on of it is closed. */
#define DELETED_KEEP_USEC (60 * USEC_PER_SEC)

/* Seats that fail one after the other are ordered again after 2, 4 ... 64 seconds. */
#define BACKOFF_MAX 6

#define GIVEN_BACK "nobody took the seat in time"
#define IS_OVER "the class is over"
#define NOT_NEEDED "another seat was READY before it"

/* Where there was no place for a seat it is looked again after that time; leads are, too. */
#define SEARCH_AGAIN_USEC (5 * USEC_PER_SEC)
#define LEAD_AGAIN_USEC (10 * USEC_PER_SEC)
/* So many seats of a class get a second one at once, or a tenth of them. */
#define SECONDS_AT_ONCE 4

/* An occurrence that is, and what it has. */
struct sitting {
    const struct occurrence *o;
    const struct class *class;
    struct course *course;
    struct class_time *time;       /* NULL: the class is no longer at that time */
    uint32_t free, claimed, ready; /* instances that live */
    uint32_t slow, very_slow;      /* of the free ones: booting for longer than most do */
    uint32_t awaited;              /* of the claimed ones: their members wait for them */
    int64_t second_usec;           /* one that boots for so long is slow */
    int64_t slowest_usec, last_ready_usec;
    const char *slow_stage; /* which took that one longest */
};

const struct occurrence *class_occurrence(struct core *core, uint64_t class_id, const char *date)
{
    char key[OCCURRENCE_KEY_MAX];
    const struct slot *slot;

    occurrence_key(class_id, date, key);
    slot = table_slot(events_table(core->events, NOUN_OCCURRENCE), 0, key, false);
    return slot ? slot->staged : NULL;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool is_open(const struct occurrence *o)
{
    return o->state == OCCURRENCE_OPEN || o->state == OCCURRENCE_RELEASED;
}

static bool lives(const struct instance *in)
{
    return in->state != INSTANCE_STOPPING && in->state != INSTANCE_GONE &&
           in->state != INSTANCE_NONE;
}

static bool is_booting(const struct instance *in)
{
    return in->state == INSTANCE_REQUESTED || in->state == INSTANCE_BUILDING;
}

static int add_event(struct core *core, struct txn *txn, const char *key,
                     struct occurrence_event *event)
{
    event->time_usec = loop_now_usec(core->loop);
    return txn_add(txn, NOUN_OCCURRENCE, 0, key, event, NULL);
}

/* In a transaction of its own; what can't be written down is tried again a second later. */
static void tell(struct core *core, const char *key, struct occurrence_event *event)
{
    struct txn *txn = txn_new(core->events);

    if (txn && add_event(core, txn, key, event) >= 0)
        txn_commit(txn, NULL, NULL);
    else
        txn_abort(txn);
}

/* Alarms begin with their date: so others of the class stay when this one has an end. */
static void raise_alarm(const struct sitting *s, const char *text)
{
    char *alarm = s->course->alarm;

    if (*alarm)
        return;
    snprintf(alarm, sizeof(s->course->alarm), "%s: %s", s->o->date, text);
    log_error("class %s: %s", s->o->class_name, alarm);
}

static void end_alarm(const struct sitting *s)
{
    if (str_starts_with(s->course->alarm, s->o->date))
        s->course->alarm[0] = '\0';
}

/* ---- in the planner ---- */

/* A seat holds its node like a job that runs until the class's place is free again. All is taken
 * from the instance: its class and template may be others by now. */
static void hold(struct core *core, const struct instance *in, const struct occurrence *o)
{
    const struct course *course = course_get(core, in->class_id);
    struct job_spec *spec = job_spec_new();
    struct job job = {
        .refs = 1,
        .id = QUEUE_SEAT_ID + in->id,
        .spec = spec,
        .state = JOB_RUNNING,
        .instance = in->id,
        .node = in->node,
        .gpus_held = in->gpus_held,
        .reason = "",
        .alloc_usec = in->request_usec,
        .start_usec = in->request_usec,
        .submit_usec = in->request_usec,
    };
    char profile[64];

    str_copy(profile,
             strcspn(in->gpus_held, ":") + 1 < sizeof(profile) ? strcspn(in->gpus_held, ":") + 1
                                                               : sizeof(profile),
             in->gpus_held);
    if (!spec || job_spec_set(&spec->partition, in->partition) < 0 ||
        job_spec_set(&spec->profile, profile) < 0 ||
        (course && course->seat && job_spec_set(&spec->licences, course->seat->licences) < 0)) {
        log_error("class %s: no memory for a seat on %s", o->class_name, in->node);
    } else {
        spec->cpus = in->vcpus;
        spec->memory_mib = in->memory_mib;
        spec->gpus = in->gpus;
        spec->encode_mpix = in->encode_mpix;
        spec->time_limit_sec = (o->until_usec - in->request_usec) / USEC_PER_SEC + 1;
        /* All of a class end at once, to the microsecond. */
        job.start_usec = o->until_usec - spec->time_limit_sec * USEC_PER_SEC;
        queue_hold(core->queue, &job);
    }
    job_spec_unref(spec);
}

/* By us, and not a failure. */
static bool is_own_stop(const char *reason)
{
    return str_equal(reason, GIVEN_BACK) || str_equal(reason, IS_OVER) ||
           str_equal(reason, NOT_NEEDED);
}

void class_seats_published(struct core *core, const struct instance *old,
                           const struct instance *now)
{
    const struct occurrence *o =
        now->class_id ? class_occurrence(core, now->class_id, now->date) : NULL;
    struct course *course = now->class_id ? course_get(core, now->class_id) : NULL;
    struct occurrence_event fail = {.type = OCCURRENCE_EVENT_FAIL};

    if (now->state == INSTANCE_READY && old && old->state != INSTANCE_READY) {
        class_note_boot(core, now);
        if (course)
            course->n_failed = 0;
    }
    if (!now->class_id)
        return;
    if (now->job || now->state == INSTANCE_GONE || !o)
        queue_unhold(core->queue, QUEUE_SEAT_ID + now->id);
    else if (!old)
        hold(core, now, o);
    if (!old || !lives(old) || lives(now) || !o || !is_open(o) || is_own_stop(now->reason))
        return;
    if (!now->job) {
        log_warning("class %s on %s: the seat on %s failed (%s) and is started anew", o->class_name,
                    o->date, now->node, now->reason);
        str_copy(fail.reason, sizeof(fail.reason), now->reason);
        tell(core, o->key, &fail);
        if (course) {
            course_avoid(course, now->node);
            course->n_failed += course->n_failed < BACKOFF_MAX;
            course->retry_usec =
                loop_now_usec(core->loop) + (INT64_C(1) << course->n_failed) * USEC_PER_SEC;
        }
    }
}

void class_seats_load(struct classes *c)
{
    struct table *t = events_table(c->core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;

        if (in && in->ready_usec)
            class_note_boot(c->core, in);
        if (in && in->class_id)
            class_seats_published(c->core, NULL, in);
    }
}

/* ---- instances ---- */

struct order {
    struct core *core;
    uint64_t id;
};

static void ordered(void *arg, int result, const struct vdi_error *err)
{
    struct order *order = arg;

    if (result < 0) /* its place is free again; what is missing is found a second later */
        queue_unhold(order->core->queue, QUEUE_SEAT_ID + order->id);
    free(order);
}

static struct instance_event request_of(struct core *core, const struct sitting *s,
                                        const struct plan_seat *place)
{
    struct instance_event event = core_instance_event(core, INSTANCE_EVENT_REQUEST, "");
    const struct job_spec *seat = s->course->seat;
    const char *profile = *place->gpus_held ? place->gpus_held : seat->profile;

    event.generation = 1;
    event.class_id = s->o->class_id;
    event.vcpus = seat->cpus;
    event.memory_mib = seat->memory_mib;
    event.gpus = seat->gpus;
    event.encode_mpix = seat->encode_mpix;
    str_copy(event.date, sizeof(event.date), s->o->date);
    snprintf(event.owner, sizeof(event.owner), "class:%s", s->class->spec.name);
    str_copy(event.node, sizeof(event.node), place->node);
    str_copy(event.gpus_held, sizeof(event.gpus_held), place->gpus_held);
    str_copy(event.template_name, sizeof(event.template_name), seat->template_name);
    str_copy(event.profile,
             strcspn(profile, ":,") + 1 < sizeof(event.profile) ? strcspn(profile, ":,") + 1
                                                                : sizeof(event.profile),
             profile);
    str_copy(event.account, sizeof(event.account), seat->account);
    str_copy(event.partition, sizeof(event.partition), seat->partition);
    str_copy(event.qos, sizeof(event.qos), seat->qos);
    return event;
}

/* What its seats boot; false: it can't be had, which is an alarm. */
static bool find_image(struct core *core, const struct sitting *s, char ret[IMAGE_REF_MAX])
{
    const struct config_template *t = config_template(core->config, s->course->seat->template_name);
    struct vdi_error err = {0};

    if (t && images_resolve(core, t->image, ret, &err) == 0)
        return true;
    raise_alarm(s, err.code ? err.detail : "its template is no longer in vdi.conf");
    return false;
}

/* One seat, in the place that was just taken out of the window. */
static void order_seat(struct core *core, const struct sitting *s, const char *image,
                       const struct plan_seat *place)
{
    struct instance_event event = request_of(core, s, place);
    struct order *order = calloc(1, sizeof(*order));
    struct txn *txn = order ? txn_new(core->events) : NULL;
    struct instance seat = {.class_id = event.class_id,
                            .vcpus = event.vcpus,
                            .memory_mib = event.memory_mib,
                            .gpus = event.gpus,
                            .encode_mpix = event.encode_mpix,
                            .request_usec = event.time_usec};

    str_copy(event.image, sizeof(event.image), image);
    if (order)
        *order = (struct order){core, events_next_id(core->events, NOUN_INSTANCE)};
    if (!txn || core_add_instance(txn, order->id, &event, NULL) < 0) {
        txn_abort(txn);
        free(order);
        return;
    }
    seat.id = order->id;
    str_copy(seat.node, sizeof(seat.node), event.node);
    str_copy(seat.gpus_held, sizeof(seat.gpus_held), event.gpus_held);
    str_copy(seat.partition, sizeof(seat.partition), event.partition);
    hold(core, &seat, s->o);
    txn_commit(txn, ordered, order);
}

/* Seats that boot on each node, counted once a second. */
struct load {
    uint32_t n;
    char node[64];
};

static struct load *load_of(struct classes *c, const char *node)
{
    struct load *load = hash_get(c->loads, node);

    if (load)
        return load;
    load = calloc(1, sizeof(*load));
    if (!load)
        return NULL;
    str_copy(load->node, sizeof(load->node), node);
    if (hash_put(c->loads, load->node, load) == 0)
        return load;
    free(load);
    return NULL;
}

static void loads_clear(struct classes *c)
{
    void *load;

    for (size_t i = 0; hash_next(c->loads, &i, &load);)
        ((struct load *)load)->n = 0;
}

/* Seats are started in their places, on each node a few at once. */
static void order_seats(struct core *core, const struct sitting *s, const char *image,
                        const struct class_places *places)
{
    struct planner *planner = queue_planner(core->queue);

    for (size_t i = 0; i < places->n; i++) {
        const struct node *node = core_node(core, places->nodes[i]);
        struct load *load = node ? load_of(core->classes, node->name) : NULL;
        struct plan_seat place;

        if (!load || load->n >= class_boots_at_once(node->cpus) ||
            !planner_take_seat(planner, s->time->plan_id, node->name, true, &place))
            continue;
        load->n++;
        order_seat(core, s, image, &place);
    }
}

uint32_t class_ready_now(struct core *core, const struct occurrence *o)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);
    uint32_t n = 0;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;

        n += in && in->class_id == o->class_id && str_equal(in->date, o->date) && lives(in) &&
             !is_booting(in);
    }
    return n;
}

/* ---- an occurrence ---- */

static void open_occurrence(struct core *core, const struct class *class,
                            const struct class_time *t)
{
    struct occurrence_event event = {
        .type = OCCURRENCE_EVENT_OPEN,
        .class_id = class->id,
        .seats = class->spec.seats,
        .begin_usec = t->begin_usec,
        .end_usec = t->end_usec,
        .stop_usec = t->end_usec + class->spec.grace_sec * USEC_PER_SEC,
        .until_usec = t->until_usec,
    };
    char key[OCCURRENCE_KEY_MAX];

    str_copy(event.class_name, sizeof(event.class_name), class->spec.name);
    str_copy(event.date, sizeof(event.date), t->date);
    str_copy(event.account, sizeof(event.account), class->spec.account);
    occurrence_key(class->id, t->date, key);
    tell(core, key, &event);
    log_info("class %s on %s: its %u seats are started", class->spec.name, t->date,
             class->spec.seats);
}

static void count_moments(struct core *core, const struct sitting *s, int64_t now)
{
    for (uint32_t m = 0; m < OCCURRENCE_MOMENTS; m++) {
        struct occurrence_event event = {
            .type = OCCURRENCE_EVENT_COUNT, .moment = m, .ready = least(s->ready, s->o->seats)};

        if (s->o->counted & 1u << m || now < s->o->begin_usec + occurrence_moment_usec[m])
            continue;
        event.slowest_usec = s->slowest_usec;
        str_copy(event.slow_stage, sizeof(event.slow_stage), s->slow_stage);
        if (m == OCCURRENCE_ON_TIME && s->ready < s->o->seats)
            log_error("class %s on %s: %u of %u seats are READY at its time", s->o->class_name,
                      s->o->date, s->ready, s->o->seats);
        tell(core, s->o->key, &event);
        return; /* the next a second later: this one is on its way to the record */
    }
}

static void close_occurrence(struct core *core, const struct sitting *s, const char *reason)
{
    struct occurrence_event event = {.type = OCCURRENCE_EVENT_CLOSE};

    str_copy(event.reason, sizeof(event.reason), reason);
    if (s->time && s->time->plan_id)
        planner_remove_class(queue_planner(core->queue), s->time->plan_id);
    if (s->time)
        s->time->plan_id = 0;
    if (s->course) {
        s->course->avoid[0] = '\0';
        end_alarm(s);
    }
    tell(core, s->o->key, &event);
}

static void release(struct core *core, const struct sitting *s)
{
    struct occurrence_event event = {.type = OCCURRENCE_EVENT_RELEASE};

    log_info("class %s on %s: %u seats that nobody took are given back", s->o->class_name,
             s->o->date, s->free);
    tell(core, s->o->key, &event);
}

bool class_is_too_late(const struct occurrence *o, int64_t now)
{
    int64_t part = (o->end_usec - o->begin_usec) / TOO_LATE_PART;

    return now + (part < TOO_LATE_USEC ? part : TOO_LATE_USEC) > o->stop_usec;
}

/* A seat that is slow gets a second one, and that a third: the first that is READY is the seat. A
 * third that is slow gets no fourth. */
static uint32_t seconds(const struct sitting *s, uint32_t slow)
{
    uint32_t most = s->o->seats > s->ready ? 2 * (s->o->seats - s->ready) : 0;
    uint32_t tenth = s->o->seats / 10;

    if (s->o->state != OCCURRENCE_OPEN)
        return 0;
    return least(least(slow, most), tenth > SECONDS_AT_ONCE ? tenth : SECONDS_AT_ONCE);
}

/* All seats are READY: what is there beside them goes, those first that boot still. Who waits in
 * one that boots may get another if it fails. */
static void stop_seconds(struct core *core, const struct sitting *s)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);
    uint32_t many = s->free + s->claimed - s->o->seats;

    for (int booting = 1; booting >= (s->awaited ? 1 : 0); booting--) {
        for (size_t i = table_end(t); i > 0 && many; i--) {
            const struct slot *slot = table_at(t, i - 1);
            const struct instance *in = slot ? slot->staged : NULL;

            if (!in || in->class_id != s->o->class_id || !str_equal(in->date, s->o->date) ||
                in->job || !lives(in) || is_booting(in) != booting)
                continue;
            life_stop(core, in, NOT_NEEDED);
            many--;
        }
    }
}

/* Places that are more than are missing: a seat that was slow is READY by now. */
static void give_up(struct core *core, const struct sitting *s, struct class_places *places,
                    uint32_t missing)
{
    struct plan_seat ignored;

    for (; places->n > missing; places->n--)
        planner_take_seat(queue_planner(core->queue), s->time->plan_id,
                          places->nodes[places->n - 1], false, &ignored);
}

/* What it should have beside what it has. */
static void fill(struct core *core, struct sitting *s, int64_t now)
{
    uint32_t more = seconds(s, s->slow), patient = more - seconds(s, s->very_slow);
    uint32_t wanted = s->o->state == OCCURRENCE_OPEN
                          ? s->o->seats + more
                          : s->claimed + classes_waiting(core, s->o->class_id);
    uint32_t has = s->free + s->claimed, missing = wanted > has ? wanted - has : 0, none = 0;
    uint32_t sought;
    char image[IMAGE_REF_MAX] = "", text[64];
    struct class_places places;
    bool can_boot;

    if (!s->time || !s->course->seat)
        return;
    class_places(core, s->time, &places);
    if (class_is_too_late(s->o, now))
        missing = 0;
    else if (missing && now < s->course->retry_usec) {
        free(places.nodes);
        return;
    }
    if (!missing && places.n) {
        planner_remove_class(queue_planner(core->queue), s->time->plan_id);
        s->time->plan_id = 0;
        places.n = 0;
    }
    give_up(core, s, &places, missing);
    sought = missing - (uint32_t)places.n;
    if (sought && now < s->course->search_usec) {
        none = sought;
    } else if (sought) {
        none = class_find_places(core, s->course, s->time, sought, sought - least(patient, sought));
        s->course->search_usec = none ? now + SEARCH_AGAIN_USEC : 0;
        free(places.nodes);
        class_places(core, s->time, &places);
    }
    none -= least(none, more); /* a second one is none that is missing */
    if (none) {
        snprintf(text, sizeof(text), "%u of %u seats have no place now", none, s->o->seats);
        raise_alarm(s, text);
    }
    can_boot = !places.n || find_image(core, s, image);
    if (can_boot && places.n)
        order_seats(core, s, image, &places);
    if (can_boot && !none)
        end_alarm(s);
    free(places.nodes);
}

/* Nobody is a no-show before seats could be there. */
static int64_t could_come_usec(struct core *core, const struct sitting *s)
{
    bool is_there = s->ready && s->ready == s->free + s->claimed;
    int64_t there =
        is_there ? s->last_ready_usec : s->o->open_usec + class_lead_usec(core, &s->class->spec);

    return there > s->o->begin_usec ? there : s->o->begin_usec;
}

static void drive(struct core *core, struct sitting *s, int64_t now)
{
    const struct class_spec *spec = &s->class->spec;

    if (s->class->deleted || now >= s->o->stop_usec) {
        close_occurrence(core, s, s->class->deleted ? "the class was deleted" : "");
        return;
    }
    count_moments(core, s, now);
    if (s->o->state == OCCURRENCE_OPEN && spec->no_show_sec &&
        now >= could_come_usec(core, s) + spec->no_show_sec * USEC_PER_SEC)
        release(core, s);
    else if (s->course)
        fill(core, s, now);
    if (s->o->state == OCCURRENCE_OPEN && s->ready >= s->o->seats &&
        s->free + s->claimed > s->o->seats)
        stop_seconds(core, s);
}

/* ---- all of them ---- */

static struct class_time *time_of(struct course *course, const char *date)
{
    for (size_t i = 0; course && i < course->n_times; i++)
        if (str_equal(course->times[i].date, date))
            return &course->times[i];
    return NULL;
}

/* Fills at most `max` of those that are open and as they are published. */
static size_t gather(struct core *core, struct sitting *ret, size_t max)
{
    struct table *t = events_table(core->events, NOUN_OCCURRENCE);
    size_t n = 0;

    for (size_t i = 0; i < table_end(t) && n < max; i++) {
        const struct slot *slot = table_at(t, i);
        const struct occurrence *o = slot && slot->pub == slot->staged ? slot->pub : NULL;
        const struct class *class = o && is_open(o) ? class_of(core, o->class_id) : NULL;

        if (!class)
            continue;
        ret[n] = (struct sitting){
            .o = o, .class = class, .course = course_get(core, class->id), .slow_stage = ""};
        ret[n].time = time_of(ret[n].course, o->date);
        ret[n].second_usec = class_second_usec(core, &class->spec);
        n++;
    }
    return n;
}

static struct sitting *sitting_of(struct sitting *all, size_t n, const struct instance *in)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].o->class_id == in->class_id && str_equal(all[i].o->date, in->date))
            return &all[i];
    return NULL;
}

/* A seat that nobody has is stopped where its class is over, or gave it back. */
static void stop_if_spare(struct core *core, const struct sitting *s, const struct instance *in)
{
    const struct occurrence *o = class_occurrence(core, in->class_id, in->date);

    if (o && o->state == OCCURRENCE_OPEN)
        return;
    if (s && s->o->state == OCCURRENCE_RELEASED && classes_waiting(core, in->class_id))
        return; /* somebody is about to get it */
    life_stop(core, in, o && o->state == OCCURRENCE_RELEASED ? GIVEN_BACK : IS_OVER);
}

static void count_instances(struct core *core, struct sitting *all, size_t n, int64_t now)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);

    loads_clear(core->classes);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;
        struct load *load = in && is_booting(in) ? load_of(core->classes, in->node) : NULL;
        struct sitting *s;

        if (load)
            load->n++;
        if (!in || !in->class_id || !lives(in))
            continue;
        s = sitting_of(all, n, in);
        if (!in->job)
            stop_if_spare(core, s, in);
        if (!s)
            continue;
        s->claimed += in->job != 0;
        s->free += in->job == 0;
        s->ready += !is_booting(in);
        s->awaited += is_booting(in) && in->job;
        s->slow += is_booting(in) && !in->job && in->request_usec + s->second_usec <= now;
        s->very_slow += is_booting(in) && !in->job &&
                        in->request_usec + s->second_usec + BOOTS_PRESS_USEC <= now;
        if (in->ready_usec > s->last_ready_usec)
            s->last_ready_usec = in->ready_usec;
        if (in->ready_usec - in->request_usec <= s->slowest_usec)
            continue;
        s->slowest_usec = in->ready_usec - in->request_usec;
        s->slow_stage = in->build_usec - in->request_usec > in->ready_usec - in->build_usec
                            ? "prepare"
                            : "boot";
    }
}

static void drop_deleted(struct core *core, int64_t now)
{
    struct table *t = events_table(core->events, NOUN_CLASS);
    int64_t keep = core->config->keep_done_sec * USEC_PER_SEC;

    for (size_t i = 0; i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);
        const struct class *class = slot && slot->pub == slot->staged ? slot->pub : NULL;

        if (class && class->deleted && class->delete_usec + keep + DELETED_KEEP_USEC < now)
            table_remove(t, slot);
    }
}

static void drop_closed(struct core *core, int64_t now)
{
    struct table *t = events_table(core->events, NOUN_OCCURRENCE);
    int64_t keep = core->config->keep_done_sec * USEC_PER_SEC;

    for (size_t i = 0; i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);
        const struct occurrence *o = slot && slot->pub == slot->staged ? slot->pub : NULL;

        if (o && o->state == OCCURRENCE_CLOSED && o->close_usec + keep < now && o->until_usec < now)
            table_remove(t, slot);
    }
}

static void open_due(struct core *core, struct course *course, int64_t now)
{
    const struct class *class = class_of(core, course->id);
    int64_t lead_usec;

    if (class && now >= course->lead_due_usec) {
        course->lead_usec = class_lead_usec(core, &class->spec);
        course->lead_due_usec = now + LEAD_AGAIN_USEC;
    }
    lead_usec = course->lead_usec;
    for (size_t i = 0; class && i < course->n_times; i++) {
        struct class_time *t = &course->times[i];

        if (t->begin_usec - lead_usec < t->from_usec)
            t->from_usec = t->begin_usec - lead_usec; /* boots take longer by now */
        if (t->from_usec - CLASS_PREFETCH_USEC > now)
            break;
        if (class_occurrence(core, class->id, t->date) || !course->seat)
            continue;
        if (t->from_usec <= now && t->end_usec > now)
            open_occurrence(core, class, t);
        else if (t->from_usec > now)
            class_prefetch(core, course, t, now);
        if (t->from_usec > now && t->from_usec - CLASS_HEAL_USEC <= now)
            class_heal(core, course, t);
    }
}

void class_seats_tick(struct classes *c)
{
    struct core *core = c->core;
    int64_t now = loop_now_usec(core->loop);
    size_t n = table_count(events_table(core->events, NOUN_OCCURRENCE));
    _cleanup_(freep) struct sitting *all = n ? calloc(n, sizeof(*all)) : NULL;
    void *value;

    for (size_t i = 0; hash_next(c->courses, &i, &value);)
        open_due(core, value, now);
    n = all ? gather(core, all, n) : 0;
    if (all || table_count(events_table(core->events, NOUN_INSTANCE)))
        count_instances(core, all, n, now);
    for (size_t i = 0; i < n; i++)
        drive(core, &all[i], now);
    class_claim_all_waiting(core);
    drop_closed(core, now);
    drop_deleted(core, now);
}
