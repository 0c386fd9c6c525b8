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
#include "vdictld/class_impl.h"
#include "vdictld/images.h"
#include "vdictld/life.h"
#include "vdictld/queue.h"

#define NODES_MAX 10000 /* places of one occurrence: CLASS_SEATS_MAX */
/* A guest that boots keeps about so many processors of its host busy. */
#define BOOT_CPUS 4
#define BOOTS_AT_ONCE 2 /* at least */
/* No seat is started for what is left of a class then: the last minute, or the last tenth. */
#define TOO_LATE_USEC (60 * USEC_PER_SEC)
#define TOO_LATE_PART 10
/* Places on nodes that are out of service are given up so long before seats are started. */
#define HEAL_USEC (3600 * USEC_PER_SEC)
/* So long before, their nodes fetch the image. */
#define PREFETCH_USEC (86400 * USEC_PER_SEC)

#define GIVEN_BACK "nobody took the seat in time"
#define IS_OVER "the class is over"

/* An occurrence that is, and what it has. */
struct sitting {
    const struct occurrence *o;
    const struct class *class;
    struct course *course;
    struct class_time *time;       /* NULL: the class is no longer at that time */
    uint32_t free, claimed, ready; /* instances that live */
    int64_t slowest_usec;
    const char *slow_stage; /* which took that one longest */
};

/* How long the seats of a template took to be READY. */
struct boots {
    int64_t took_usec[64]; /* of the last seats, a ring */
    uint32_t n;
    char name[];
};

const struct occurrence *class_occurrence(struct core *core, uint64_t class_id, const char *date)
{
    char key[OCCURRENCE_KEY_MAX];
    const struct slot *slot;

    occurrence_key(class_id, date, key);
    slot = table_slot(events_table(core->events, NOUN_OCCURRENCE), 0, key, false);
    return slot ? slot->staged : NULL;
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

/* ---- how long it takes ---- */

static void note_boot(struct core *core, const struct instance *in)
{
    struct hash *all = core->classes->boots;
    struct boots *boots = hash_get(all, in->template_name);

    if (!boots) {
        boots = calloc(1, sizeof(*boots) + strlen(in->template_name) + 1);
        if (!boots)
            return;
        memcpy(boots->name, in->template_name, strlen(in->template_name) + 1);
        if (hash_put(all, boots->name, boots) < 0) {
            free(boots);
            return;
        }
    }
    boots->took_usec[boots->n++ % 64] = in->ready_usec - in->request_usec;
}

static uint32_t boots_at_once(uint32_t cpus)
{
    return cpus / BOOT_CPUS > BOOTS_AT_ONCE ? cpus / BOOT_CPUS : BOOTS_AT_ONCE;
}

/* Seats of all its nodes that boot at once: the rest waits for them. */
static uint32_t class_boots_at_once(const struct core *core, const struct class_spec *spec)
{
    const struct config_partition *p = *spec->partition
                                           ? config_partition(core->config, spec->partition)
                                           : config_default_partition(core->config);
    uint32_t n = 0;

    for (size_t i = 0; p && i < p->nodes.n; i++) {
        const struct config_node *node = config_node(core->config, p->nodes.names[i]);

        n += node ? boots_at_once(node->cpus) : 0;
    }
    return n ? n : 1;
}

int64_t class_lead_usec(struct core *core, const struct class_spec *spec)
{
    const struct boots *boots = hash_get(core->classes->boots, spec->template_name);
    int64_t least = spec->lead_sec * USEC_PER_SEC, slowest = 0, measured;
    uint32_t at_once = class_boots_at_once(core, spec);

    for (uint32_t i = 0; boots && i < boots->n && i < 64; i++)
        if (boots->took_usec[i] > slowest)
            slowest = boots->took_usec[i];
    measured = slowest * ((spec->seats + at_once - 1) / at_once);
    return measured > least ? measured : least;
}

/* ---- in the planner ---- */

/* A seat holds its node like a job that runs until the class's place is free again. */
static void hold(struct core *core, const struct instance *in, const struct occurrence *o)
{
    struct course *course = course_get(core, in->class_id);
    struct job_spec spec;
    struct job job = {
        .refs = 1,
        .id = QUEUE_SEAT_ID + in->id,
        .spec = &spec,
        .state = JOB_RUNNING,
        .instance = in->id,
        .node = in->node,
        .gpus_held = in->gpus_held,
        .reason = "",
        .alloc_usec = in->request_usec,
        .start_usec = in->request_usec,
        .submit_usec = in->request_usec,
    };

    if (!course || !course->seat)
        return;
    spec = *course->seat;
    spec.time_limit_sec = (o->until_usec - in->request_usec) / USEC_PER_SEC + 1;
    queue_hold(core->queue, &job);
}

void class_seats_published(struct core *core, const struct instance *old,
                           const struct instance *now)
{
    const struct occurrence *o =
        now->class_id ? class_occurrence(core, now->class_id, now->date) : NULL;
    struct occurrence_event fail = {.type = OCCURRENCE_EVENT_FAIL};

    if (!now->class_id)
        return;
    if (now->state == INSTANCE_READY && (!old || old->state != INSTANCE_READY))
        note_boot(core, now);
    if (now->job || now->state == INSTANCE_GONE || !o)
        queue_unhold(core->queue, QUEUE_SEAT_ID + now->id);
    else if (!old)
        hold(core, now, o);
    if (!old || !lives(old) || lives(now) || !o || !is_open(o) ||
        str_equal(now->reason, GIVEN_BACK) || str_equal(now->reason, IS_OVER))
        return;
    if (!now->job) {
        struct course *course = course_get(core, now->class_id);

        log_warning("class %s on %s: the seat on %s failed (%s) and is started anew", o->class_name,
                    o->date, now->node, now->reason);
        str_copy(fail.reason, sizeof(fail.reason), now->reason);
        tell(core, o->key, &fail);
        if (course)
            course_avoid(course, now->node);
    }
}

void class_seats_load(struct classes *c)
{
    struct table *t = events_table(c->core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;

        if (!in || !in->class_id)
            continue;
        if (in->ready_usec)
            note_boot(c->core, in);
        class_seats_published(c->core, NULL, in);
    }
}

void course_avoid(struct course *course, const char *node)
{
    size_t len = strlen(course->avoid);

    if (!class_list_has(course->avoid, node) && len + strlen(node) + 2 < sizeof(course->avoid))
        snprintf(course->avoid + len, sizeof(course->avoid) - len, "%s%s", len ? "," : "", node);
}

/* ---- places ---- */

struct places {
    char (*nodes)[64];
    size_t n, size;
};

static void add_place(void *arg, const struct plan_seat *seat)
{
    struct places *p = arg;

    if (p->n == p->size) {
        size_t size = p->size ? 2 * p->size : 64;
        void *grown = size <= 2 * NODES_MAX ? realloc(p->nodes, size * sizeof(*p->nodes)) : NULL;

        if (!grown)
            return;
        p->nodes = grown;
        p->size = size;
    }
    memcpy(p->nodes[p->n++], seat->node, sizeof(seat->node));
}

static bool in_service(struct core *core, const char *name)
{
    const struct node *node = core_node(core, name);

    return node && !node->removed && node->up && !node->drain;
}

static void all_places_of(struct core *core, const struct class_time *t, struct places *ret)
{
    *ret = (struct places){NULL, 0, 0};
    if (t->plan_id)
        planner_each_seat(queue_planner(core->queue), t->plan_id, add_place, ret);
}

/* The places of a window that are of use; what lies elsewhere is given up. */
static void places_of(struct core *core, const struct class_time *t, struct places *ret)
{
    struct planner *planner = queue_planner(core->queue);
    struct plan_seat ignored;
    size_t n = 0;

    all_places_of(core, t, ret);
    for (size_t i = 0; i < ret->n; i++) {
        if (in_service(core, ret->nodes[i]))
            memmove(ret->nodes[n++], ret->nodes[i], sizeof(ret->nodes[i]));
        else
            planner_take_seat(planner, t->plan_id, ret->nodes[i], false, &ignored);
    }
    ret->n = n;
}

static int find(struct core *core, const struct course *course, struct class_time *t,
                uint32_t seats, bool avoid, struct plan_shortage *ret)
{
    int64_t now = loop_now_usec(core->loop);
    struct plan_window window = {t->from_usec > now ? t->from_usec : now, t->until_usec};
    struct job_spec spec = *course->seat;
    struct plan_class class = {.id = t->plan_id,
                               .seat = &spec,
                               .seats = seats,
                               .windows = &window,
                               .n_windows = 1,
                               .only_in_service = true};

    if (avoid)
        spec.exclude = course->avoid;
    *ret = (struct plan_shortage){0};
    return planner_put_class(queue_planner(core->queue), &class, now, ret);
}

/* As many places more as there are; the number that is missing still. */
static uint32_t find_places(struct core *core, struct course *course, struct class_time *t,
                            uint32_t missing)
{
    struct plan_shortage shortage;
    int r = 0;

    if (!missing || !course->seat)
        return missing;
    if (!t->plan_id)
        t->plan_id = core->classes->next_plan_id++;
    if (*course->avoid && find(core, course, t, missing, true, &shortage) == 0)
        return 0;
    r = find(core, course, t, missing, false, &shortage);
    if (r == -ENOSPC && shortage.seats &&
        find(core, course, t, shortage.seats, false, &shortage) == 0)
        return missing - shortage.seats;
    return r == 0 ? 0 : missing;
}

/* Its nodes get the image while there is time: a day before, and those that are new an hour
 * before. */
static void prefetch(struct core *core, const struct course *course, struct class_time *t,
                     int64_t now)
{
    const struct config_template *of = config_template(core->config, course->seat->template_name);
    int64_t due_usec = t->fetched_usec ? t->from_usec - HEAL_USEC : t->from_usec - PREFETCH_USEC;
    char ref[IMAGE_REF_MAX] = "";
    const struct image *image;
    struct vdi_error err = {0};
    struct places places;

    if (now < due_usec || t->fetched_usec >= due_usec || !of)
        return;
    t->fetched_usec = now;
    if (images_resolve(core, of->image, ref, &err) < 0) {
        log_error("class on %s: %s", t->date, err.detail);
        return;
    }
    image = images_of_ref(core, ref);
    if (!image)
        return; /* it is the nodes' own */
    all_places_of(core, t, &places);
    for (size_t i = 0; i < places.n; i++)
        if (!i || !str_equal(places.nodes[i], places.nodes[i - 1]))
            images_prefetch(core, image, places.nodes[i]);
    free(places.nodes);
}

/* Places on nodes that went out of service are found again elsewhere while there is time. */
static void heal(struct core *core, struct course *course, struct class_time *t)
{
    const struct class *class = class_of(core, course->id);
    struct places places;
    uint32_t missing;

    places_of(core, t, &places);
    missing = t->seats > places.n ? t->seats - (uint32_t)places.n : 0;
    free(places.nodes);
    missing = find_places(core, course, t, missing);
    if (!missing) {
        if (str_starts_with(course->alarm, t->date))
            course->alarm[0] = '\0';
        return;
    }
    if (str_starts_with(course->alarm, t->date))
        return;
    snprintf(course->alarm, sizeof(course->alarm),
             "%s: %u of %u seats have no node that is in service; resume nodes, or free some",
             t->date, missing, t->seats);
    log_error("class %s: %s", class->spec.name, course->alarm);
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

/* One seat, in the place that was just taken out of the window. */
static void order_seat(struct core *core, const struct sitting *s, const struct plan_seat *place)
{
    const struct config_template *t = config_template(core->config, s->course->seat->template_name);
    struct instance_event event = request_of(core, s, place);
    struct order *order = calloc(1, sizeof(*order));
    struct txn *txn = order ? txn_new(core->events) : NULL;
    struct instance seat = {.class_id = event.class_id, .request_usec = event.time_usec};
    struct vdi_error err = {0};

    if (!txn || !t || images_resolve(core, t->image, event.image, &err) < 0) {
        if (err.code && !*s->course->alarm) {
            str_copy(s->course->alarm, sizeof(s->course->alarm), err.detail);
            log_error("class %s: %s", s->class->spec.name, err.detail);
        }
        txn_abort(txn);
        free(order);
        return;
    }
    *order = (struct order){core, events_next_id(core->events, NOUN_INSTANCE)};
    if (core_add_instance(txn, order->id, &event, &err) < 0) {
        txn_abort(txn);
        free(order);
        return;
    }
    seat.id = order->id;
    str_copy(seat.node, sizeof(seat.node), event.node);
    str_copy(seat.gpus_held, sizeof(seat.gpus_held), event.gpus_held);
    hold(core, &seat, s->o);
    txn_commit(txn, ordered, order);
}

static uint32_t booting_on(struct core *core, const char *node)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);
    uint32_t n = 0;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        n += in && is_booting(in) && str_equal(in->node, node);
    }
    return n;
}

/* Seats are started in their places, on each node a few at once. */
static void order_seats(struct core *core, const struct sitting *s, const struct places *places)
{
    struct planner *planner = queue_planner(core->queue);

    for (size_t i = 0; i < places->n; i++) {
        const struct node *node = core_node(core, places->nodes[i]);
        struct plan_seat place;

        if (!node || booting_on(core, node->name) >= boots_at_once(node->cpus))
            continue;
        if (planner_take_seat(planner, s->time->plan_id, node->name, true, &place))
            order_seat(core, s, &place);
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
            .type = OCCURRENCE_EVENT_COUNT, .moment = m, .ready = s->ready};

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
    if (s->course)
        s->course->avoid[0] = '\0';
    tell(core, s->o->key, &event);
}

static void release(struct core *core, const struct sitting *s)
{
    struct occurrence_event event = {.type = OCCURRENCE_EVENT_RELEASE};

    log_info("class %s on %s: %u seats that nobody took are given back", s->o->class_name,
             s->o->date, s->free);
    tell(core, s->o->key, &event);
}

static bool is_too_late(const struct occurrence *o, int64_t now)
{
    int64_t part = (o->end_usec - o->begin_usec) / TOO_LATE_PART;

    return now + (part < TOO_LATE_USEC ? part : TOO_LATE_USEC) > o->stop_usec;
}

/* What it should have beside what it has. */
static void fill(struct core *core, struct sitting *s, int64_t now)
{
    uint32_t wanted = s->o->state == OCCURRENCE_OPEN
                          ? s->o->seats
                          : s->claimed + classes_waiting(core, s->o->class_id);
    uint32_t has = s->free + s->claimed, missing = wanted > has ? wanted - has : 0;
    struct places places;

    if (!s->time || !s->course->seat)
        return;
    places_of(core, s->time, &places);
    if (is_too_late(s->o, now))
        missing = 0;
    if (!missing && places.n) {
        planner_remove_class(queue_planner(core->queue), s->time->plan_id);
        s->time->plan_id = 0;
        places.n = 0;
    }
    if (missing > places.n) {
        uint32_t none = find_places(core, s->course, s->time, missing - (uint32_t)places.n);

        free(places.nodes);
        places_of(core, s->time, &places);
        if (none && !*s->course->alarm) {
            snprintf(s->course->alarm, sizeof(s->course->alarm),
                     "%s: %u of %u seats have no place now", s->o->date, none, s->o->seats);
            log_error("class %s: %s", s->o->class_name, s->course->alarm);
        }
    }
    order_seats(core, s, &places);
    free(places.nodes);
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
        now >= s->o->begin_usec + spec->no_show_sec * USEC_PER_SEC)
        release(core, s);
    else if (s->course)
        fill(core, s, now);
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

static void count_instances(struct core *core, struct sitting *all, size_t n)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;
        struct sitting *s;

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
        if (in->ready_usec - in->request_usec <= s->slowest_usec)
            continue;
        s->slowest_usec = in->ready_usec - in->request_usec;
        s->slow_stage = in->build_usec - in->request_usec > in->ready_usec - in->build_usec
                            ? "prepare"
                            : "boot";
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

    for (size_t i = 0; class && i < course->n_times; i++) {
        struct class_time *t = &course->times[i];

        if (t->from_usec - PREFETCH_USEC > now)
            break;
        if (class_occurrence(core, class->id, t->date) || !course->seat)
            continue;
        if (t->from_usec <= now && t->end_usec > now)
            open_occurrence(core, class, t);
        else if (t->from_usec > now)
            prefetch(core, course, t, now);
        if (t->from_usec > now && t->from_usec - HEAL_USEC <= now)
            heal(core, course, t);
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
        count_instances(core, all, n);
    for (size_t i = 0; i < n; i++)
        drive(core, &all[i], now);
    class_claim_all_waiting(core);
    drop_closed(core, now);
}
