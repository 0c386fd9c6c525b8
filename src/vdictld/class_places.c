/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_places.c - the places that seats have in the plan: on nodes in service, found anew where a
 * node went out, with the image fetched ahead.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/class_impl.h"
#include "vdictld/images.h"
#include "vdictld/queue.h"

#define NODES_MAX 10000 /* places of one occurrence: CLASS_SEATS_MAX */

void course_avoid(struct course *course, const char *node)
{
    size_t len = strlen(course->avoid);

    if (!str_list_has(course->avoid, node) && len + strlen(node) + 2 < sizeof(course->avoid))
        snprintf(course->avoid + len, sizeof(course->avoid) - len, "%s%s", len ? "," : "", node);
}

static void add_place(void *arg, const struct plan_seat *seat)
{
    struct class_places *p = arg;

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

static void all_places_of(struct core *core, const struct class_time *t, struct class_places *ret)
{
    *ret = (struct class_places){NULL, 0, 0};
    if (t->plan_id)
        planner_each_seat(queue_planner(core->queue), t->plan_id, add_place, ret);
}

/* The places of a window that are of use; what lies elsewhere is given up. */
void class_places(struct core *core, const struct class_time *t, struct class_places *ret)
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

/* ---- what is short ---- */

void class_say_short(const struct plan_shortage *shortage, const struct job_spec *seat,
                     char io[CLASS_SAYS])
{
    char text[PLAN_SHORTAGE_TEXT];
    size_t len = strlen(io);

    if (*shortage->licence)
        snprintf(io, CLASS_SAYS, "; there are too few of licence '%s' for more", shortage->licence);
    else if (*plan_shortage_text(shortage, seat->profile, text))
        snprintf(io + len, CLASS_SAYS - len, "; %s", text);
}

const char *class_short_remedy(const struct plan_shortage *shortage)
{
    static const struct {
        enum plan_blocker_type type;
        const char *remedy;
    } of[] = {
        {PLAN_BLOCK_MEMORY, "ask for fewer seats, another time, or a template with less memory"},
        {PLAN_BLOCK_CPUS, "ask for fewer seats, another time, or a template with fewer vcpus"},
        {PLAN_BLOCK_ENCODE,
         "ask for fewer seats, another time, or a template with a lower resolution"},
        {PLAN_BLOCK_WORK,
         "ask for fewer seats, another time, or a template with a lower resolution or fewer vcpus"},
        {PLAN_BLOCK_NO_NODE, "ask for another template or partition"},
        {PLAN_BLOCK_RESERVATION, "ask for fewer seats, or another time"},
    };
    for (size_t i = 0; i < ELEMENTS(of); i++)
        if (shortage->lacks == UINT32_C(1) << of[i].type)
            return of[i].remedy;
    return *shortage->licence ? "ask for fewer seats, another time or another template"
                              : "ask for fewer seats, another time, template or partition";
}

/* ---- places ---- */

int64_t class_free_usec(const struct core *core, const char *qos)
{
    const struct config_qos *q = config_qos(core->config, qos);

    return queue_save_usec(core) + (q ? q->grace_sec * USEC_PER_SEC : 0);
}

static int find(struct core *core, const struct course *course, struct class_time *t,
                uint32_t seats, int64_t from_usec, bool avoid, struct plan_shortage *ret)
{
    int64_t now = loop_now_usec(core->loop);
    struct plan_window window = {t->from_usec > from_usec ? t->from_usec : from_usec,
                                 t->until_usec};
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

/* The same where fewer are there; how many are missing still. */
static uint32_t find_some(struct core *core, const struct course *course, struct class_time *t,
                          uint32_t seats, int64_t from_usec)
{
    struct plan_shortage shortage;
    int r;

    if (!seats || from_usec >= t->until_usec)
        return seats;
    if (*course->avoid && find(core, course, t, seats, from_usec, true, &shortage) == 0)
        return 0;
    r = find(core, course, t, seats, from_usec, false, &shortage);
    if (r == -ENOSPC && shortage.seats &&
        find(core, course, t, shortage.seats, from_usec, false, &shortage) == 0)
        return seats - shortage.seats;
    return r == 0 ? 0 : seats;
}

uint32_t class_find_places(struct core *core, struct course *course, struct class_time *t,
                           uint32_t missing, uint32_t pressing)
{
    uint32_t none, press;

    if (!missing || !course->seat)
        return missing;
    if (!t->plan_id)
        t->plan_id = class_plan_id(core->classes, course->id);
    none = find_some(core, course, t, missing, loop_now_usec(core->loop));
    press = pressing < none ? pressing : none;
    return none - press +
           find_some(core, course, t, press,
                     loop_now_usec(core->loop) + class_free_usec(core, course->seat->qos));
}

/* Its nodes get the image while there is time: a day before, and those that are new an hour
 * before. */
void class_prefetch(struct core *core, const struct course *course, struct class_time *t,
                    int64_t now)
{
    const struct config_template *of = config_template(core->config, course->seat->template_name);
    int64_t due_usec =
        t->fetched_usec ? t->from_usec - CLASS_HEAL_USEC : t->from_usec - CLASS_PREFETCH_USEC;
    char ref[IMAGE_REF_MAX] = "";
    const struct image *image;
    struct vdi_error err = {0};
    struct class_places places;

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
void class_heal(struct core *core, struct course *course, struct class_time *t)
{
    const struct class *class = class_of(core, course->id);
    struct class_places places;
    uint32_t missing;

    class_places(core, t, &places);
    missing = t->seats > places.n ? t->seats - (uint32_t)places.n : 0;
    free(places.nodes);
    missing = class_find_places(core, course, t, missing, missing);
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
