/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_conf.c - the classes of vdi.conf: as events, and whether a new file's have their seats.
 *
 * A new file is tried in a planner of its own, which is told of its nodes, of what runs, and of
 * all classes in their order: what the plan in force would make of it does not count.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/class_dates.h"
#include "codec/config.h"
#include "codec/noun_codec.h"
#include "vdictld/class_impl.h"
#include "vdictld/queue.h"

/* ---- as events ---- */

/* By what would be written down. */
static bool is_same(const struct class_spec *a, const struct class_spec *b)
{
    struct class_event of_a = {.spec = *a}, of_b = {.spec = *b};
    struct buf text_a = BUF_INIT(0), text_b = BUF_INIT(0);
    bool same;

    class_event_encode(&of_a, &text_a);
    class_event_encode(&of_b, &text_b);
    same = text_a.data && text_b.data && str_equal(text_a.data, text_b.data);
    buf_done(&text_a);
    buf_done(&text_b);
    return same;
}

/* Of those that the API made none has the name of one in the file. */
static int refuse_clash(const struct config_class *c, const struct class *now,
                        struct vdi_error *err)
{
    error_set(err, EEXIST, c->nodes.n ? "reservation" : "class",
              "%s:%d: there is a %s '%s' of %s already", c->place.file ? c->place.file : "vdi.conf",
              c->place.line, class_word(&now->spec), c->name, now->creator);
    error_hint(err, NULL,
               class_is_reservation(&now->spec)
                   ? "delete that one (vdictl reservation delete), or choose another name"
                   : "delete that one (vdictl class delete), or choose another name");
    return -EEXIST;
}

static int add_one(struct core *core, struct txn *txn, const struct config_class *c, bool at_start,
                   struct vdi_error *err)
{
    const struct class *now = classes_get_staged(core, c->name);
    struct class_event event = {
        .type = now ? CLASS_EVENT_UPDATE : CLASS_EVENT_CREATE,
        .time_usec = loop_now_usec(core->loop),
        .from_config = true,
    };
    int r = class_spec_of_config(c, &event.spec, err);

    if (r < 0)
        return r;
    str_copy(event.by, sizeof(event.by), CORE_SELF);
    if (now && !now->from_config && at_start) {
        log_error("vdi.conf: %s '%s' is left out: there is one of %s already; delete that "
                  "one (vdictl %s delete) and reconfigure",
                  class_word(&event.spec), c->name, now->creator, class_word(&now->spec));
        return 0;
    }
    if (now && !now->from_config)
        return refuse_clash(c, now, err);
    if (now && class_is_reservation(&now->spec) != class_is_reservation(&event.spec)) {
        error_set(err, EEXIST, class_word(&event.spec), "'%s' was a %s until now", c->name,
                  class_word(&now->spec));
        error_hint(err, NULL, "choose another name, or reconfigure without it first");
        if (!at_start)
            return -EEXIST;
        log_error("vdi.conf: %s", err->detail);
        return 0;
    }
    if (now && is_same(&now->spec, &event.spec))
        return 0;
    return txn_add(txn, NOUN_CLASS, now ? now->id : events_next_id(core->events, NOUN_CLASS), NULL,
                   &event, err);
}

static bool has_class(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_classes; i++)
        if (str_equal(config->classes[i].name, name))
            return true;
    return false;
}

int classes_add_config(struct core *core, struct txn *txn, const struct config *config,
                       bool at_start, struct vdi_error *err)
{
    struct table *t = events_table(core->events, NOUN_CLASS);
    struct class_event gone = {.type = CLASS_EVENT_DELETE, .time_usec = loop_now_usec(core->loop)};
    int r = 0;

    str_copy(gone.by, sizeof(gone.by), CORE_SELF);
    for (size_t i = 0; i < table_end(t) && r == 0; i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->staged : NULL;

        if (!class || class->deleted || !class->from_config || has_class(config, class->spec.name))
            continue;
        if (class_is_reservation(&class->spec) && !at_start)
            r = reservation_check_unused(core, class, err);
        if (r == 0)
            r = txn_add(txn, NOUN_CLASS, class->id, NULL, &gone, err);
    }
    for (size_t i = 0; i < config->n_classes && r == 0; i++)
        r = add_one(core, txn, &config->classes[i], at_start, err);
    return r;
}

/* ---- is there room? ---- */

#define SLICE_OBJECTS 500
#define SLICE_CLASSES 20
#define SLICE_USEC 3000

struct check {
    struct core *core;
    const struct config *config;
    struct planner *planner;
    struct class *classes; /* as they are to be, in their order */
    size_t n_classes;
    size_t n_known; /* of the table */
    size_t known_at, file_at, nodes_at, jobs_at, class_at;
    struct job_spec *seat; /* of the class before class_at, while it is booked */
    struct class_time *times;
    size_t n_times, time_at;
    struct source *timer;
    struct vdi_error err;
    int r;
    void (*done)(void *arg, int result, const struct vdi_error *err);
    void *arg;
};

static void class_over(struct check *k)
{
    job_spec_unref(k->seat);
    free(k->times);
    k->seat = NULL;
    k->times = NULL;
}

static void finish(struct check *k)
{
    planner_free(k->planner);
    source_free(k->timer);
    class_over(k);
    free(k->classes);
    k->done(k->arg, k->r, &k->err);
    free(k);
}

/* Those of the API as they are, and those of the file that there are already, in their order. */
static void gather_one(struct check *k, const struct slot *slot)
{
    const struct class *class = slot ? slot->staged : NULL;

    if (class && !class->deleted && (!class->from_config || has_class(k->config, class->spec.name)))
        k->classes[k->n_classes++] = *class;
}

/* One of the file as it says: in the place that it has, or as the last. */
static int gather_file(struct check *k, const struct config_class *c)
{
    struct class *into = NULL;

    for (size_t m = 0; m < k->n_classes && !into; m++)
        if (str_equal(k->classes[m].spec.name, c->name))
            into = &k->classes[m];
    if (into && !into->from_config)
        return refuse_clash(c, into, &k->err);
    if (!into) {
        into = &k->classes[k->n_classes];
        into->id = UINT64_MAX - k->n_classes++; /* it has none yet */
    }
    return class_spec_of_config(c, &into->spec, &k->err);
}

/* What a class is takes many pages: a few at once. */
static bool gather(struct check *k)
{
    struct table *t = events_table(k->core->events, NOUN_CLASS);

    if (!k->classes) {
        k->n_known = table_end(t);
        k->classes = calloc(k->n_known + k->config->n_classes + 1, sizeof(*k->classes));
        k->r = k->classes ? 0 : -ENOMEM;
    }
    for (unsigned n = 0; k->r == 0 && n < SLICE_CLASSES; n++) {
        if (k->known_at < k->n_known)
            gather_one(k, table_at(t, k->known_at++));
        else if (k->file_at < k->config->n_classes)
            k->r = gather_file(k, &k->config->classes[k->file_at++]);
        else
            return false;
    }
    return true;
}

static void put_node(struct check *k, const struct config_node *n)
{
    const struct node *known = core_node(k->core, n->name);
    struct node node = known ? *known : (struct node){.known = true};

    node.refs = 1;
    node.up = true; /* nodes that are down count: they come back */
    node.removed = false;
    node.cpus = n->cpus;
    node.memory_mib = n->memory_mib;
    node.disk_gib = n->disk_gib;
    node.encode_mpix = n->encode_mpix;
    node.software_encoder = config_node_is_software(n);
    node.gpus = n->gpus;
    str_copy(node.name, sizeof(node.name), n->name);
    str_copy(node.gpu_type, sizeof(node.gpu_type), n->gpu_type);
    str_copy(node.features, sizeof(node.features), n->features);
    if (planner_put_node(k->planner, &node) < 0)
        k->r = -ENOMEM;
}

static bool put_nodes(struct check *k)
{
    for (unsigned n = 0; k->nodes_at < k->config->n_nodes && n < SLICE_OBJECTS; n++)
        put_node(k, &k->config->nodes[k->nodes_at++]);
    return k->nodes_at < k->config->n_nodes;
}

static bool put_jobs(struct check *k)
{
    struct table *t = events_table(k->core->events, NOUN_JOB);

    for (unsigned n = 0; k->jobs_at < table_end(t) && n < SLICE_OBJECTS; n++) {
        const struct slot *slot = table_at(t, k->jobs_at++);
        const struct job *job = slot ? slot->pub : NULL;

        if (job && job_state_is_active(job->state) && queue_put_held(k->core, k->planner, job) < 0)
            k->r = -ENOMEM;
    }
    return k->jobs_at < table_end(t);
}

/* A reservation of the file may be what is new. */
static void refuse_short(struct check *k, const struct class *class, const struct job_spec *seat,
                         const struct class_time *time, const struct plan_shortage *shortage)
{
    char says[CLASS_SAYS];
    bool is_closed;

    reservation_say_closed(k->core, k->planner, k->classes, k->n_classes, seat, time, says);
    is_closed = *says;
    class_say_short(shortage, seat, says);
    error_set(&k->err, EPROTO,
              *shortage->licence ? "licence"
              : is_closed        ? "reservation"
                                 : "class",
              "class '%s' on %s: %u of %u seats can be had then%s", class->spec.name, time->date,
              shortage->seats, class->spec.seats, says);
    error_hint(&k->err, NULL,
               is_closed && plan_shortage_is(shortage, PLAN_BLOCK_RESERVATION)
                   ? "give the reservation another time or other nodes, or skip that date of "
                     "the class"
                   : class_short_remedy(shortage));
}

static int class_next(struct check *k)
{
    const struct class *class = &k->classes[k->class_at++];
    int64_t now = loop_now_usec(k->core->loop);
    int r;

    if (class_is_reservation(&class->spec))
        return 0;
    k->time_at = 0;
    r = class_seat_spec(k->config, &class->spec, &k->seat, &k->err);
    return r < 0 ? r
                 : class_times(k->core, class, now, now + CLASS_HORIZON_USEC, &k->times,
                               &k->n_times, &k->err);
}

/* A class may have thousands of seats. */
static int book_some(struct check *k)
{
    const struct class *class = &k->classes[k->class_at - 1];
    int64_t until = time_thread_cpu_usec() + SLICE_USEC;
    struct plan_shortage shortage = {0};
    int r = 0;

    while (r == 0 && k->time_at < k->n_times && time_thread_cpu_usec() < until) {
        struct class_time *time = &k->times[k->time_at++];

        time->plan_id = class->id;
        if (!class_occurrence(k->core, class->id, time->date))
            r = class_book(k->planner, k->seat, class->spec.seats, time,
                           loop_now_usec(k->core->loop), &shortage);
        if (r == -ENOSPC)
            refuse_short(k, class, k->seat, time, &shortage);
    }
    if (k->time_at == k->n_times)
        class_over(k);
    return r;
}

/* What runs is no reason against one that is in force already. */
static int put_reservation(struct check *k, const struct class *class)
{
    const struct class *now = classes_get_staged(k->core, class->spec.name);
    int64_t usec = loop_now_usec(k->core->loop);
    struct class_time *times = NULL;
    size_t n = 0;
    int r = reservation_check(k->config, &class->spec, &k->err);

    if (r == 0)
        r = class_times(k->core, class, usec, usec + CLASS_HORIZON_USEC, &times, &n, &k->err);
    if (r == 0)
        r = reservation_check_clashes(k->core, k->planner, class, times, n,
                                      !now || !is_same(&now->spec, &class->spec), &k->err);
    if (r == 0)
        r = reservation_put(k->planner, class, times, n);
    free(times);
    return r;
}

/* First: seats keep clear of them. */
static int put_reservations(struct check *k)
{
    int r = 0;

    for (size_t i = 0; i < k->n_classes && r == 0; i++)
        if (class_is_reservation(&k->classes[i].spec))
            r = put_reservation(k, &k->classes[i]);
    return r;
}

static void check_step(void *arg)
{
    struct check *k = arg;

    if (k->core->stopping)
        k->r = error_set(&k->err, ESHUTDOWN, "", "the controller is stopping");
    if (k->r == 0 && !gather(k) && !put_nodes(k) && !put_jobs(k)) {
        if (k->class_at == k->n_classes && !k->seat) {
            finish(k);
            return;
        }
        if (!k->class_at)
            k->r = put_reservations(k);
        if (k->r == 0)
            k->r = k->seat ? book_some(k) : class_next(k);
    }
    if (k->r < 0) {
        if (!k->err.code)
            error_set(&k->err, -k->r, "", "%s", strerror(-k->r));
        finish(k);
        return;
    }
    source_rearm(k->timer, 0);
}

void classes_check_config(struct core *core, const struct config *config,
                          void (*done)(void *arg, int result, const struct vdi_error *err),
                          void *arg)
{
    struct check *k = calloc(1, sizeof(*k));
    struct vdi_error err = {0};

    if (!k) {
        error_set(&err, ENOMEM, "", "out of memory");
        done(arg, -ENOMEM, &err);
        return;
    }
    *k = (struct check){.core = core, .config = config, .done = done, .arg = arg};
    k->planner = planner_new(1);
    k->timer = loop_timer(core->loop, 0, check_step, k);
    k->r = k->planner ? planner_configure(k->planner, config) : -ENOMEM;
    if (!k->timer)
        finish(k);
}
