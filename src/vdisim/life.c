/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life.c - what happens to jobs.
 *
 * Kept: every change of a job is an event of model/job_state.c; what a job holds it holds from
 * its start order to its end, so a boot that takes time is paid for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "vdisim/run.h"

static int change_at(struct run *run, size_t i, struct job_event *event, int64_t at_usec)
{
    struct world_job *j = &run->world->jobs[i];
    char drawn[RESERVATIONS_DRAWN];
    struct plan_terms terms = {.drawn = drawn};
    struct job *now;
    int r;

    event->time_usec = at_usec;
    r = job_apply(j->job, i + 1, event, &now, NULL);
    if (r < 0)
        return r;
    job_unref(j->job);
    j->job = now;
    reservations_drawn(run, j, drawn);
    return planner_put_job_on(run->planner, now, &terms, j->places, j->n_places);
}

static int change(struct run *run, size_t i, struct job_event *event)
{
    return change_at(run, i, event, run->now_usec);
}

static int simple(struct run *run, size_t i, enum job_event_type type, enum job_state final)
{
    struct job_event event = {.type = type, .final = final};

    return change(run, i, &event);
}

int life_arrive(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    struct job_event event = {.type = JOB_EVENT_SUBMIT, .spec = job_spec_new()};
    const struct config_qos *qos;
    int r = -ENOMEM;

    if (event.spec && ask_fill(run->world, j->trace, event.spec)) {
        qos = config_qos(run->world->config, event.spec->qos);
        event.priority = qos ? qos->priority : 0;
        r = change(run, i, &event);
    }
    job_event_done(&event);
    run->waiting++;
    return r;
}

int life_turn_away(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];

    j->turned_away = true;
    j->end_usec = run->now_usec;
    run->world->turned_away++;
    run->waiting--;
    return simple(run, i, JOB_EVENT_END, JOB_CANCELLED);
}

int life_give_up(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];

    j->turned_away = true;
    run->world->never_started++;
    run->waiting--;
    return simple(run, i, JOB_EVENT_END, JOB_CANCELLED);
}

/* ---- nodes ---- */

static void add_place(void *arg, const struct plan_place *place)
{
    struct world_job *j = arg;

    if (j->places)
        j->places[j->n_places++] = *place;
}

/* The counters of the devices of a place: of jobs that have all of it. */
static uint8_t *devices(const struct run *run, const char *node, const char *gpus_held,
                        struct gpu_place *ret, size_t *ret_n)
{
    const struct config *c = run->world->config;
    const struct config_node *n = config_node(c, node);
    char profile[64];

    *ret_n = 0;
    if (!n || gpu_held_parse(gpus_held, profile, ret, GPU_PLACES_MAX, ret_n) < 0)
        return NULL;
    return run->held + (size_t)(n - c->nodes) * GPU_PLACES_MAX;
}

/* Nothing fits beside it; who shares a device is not in the way of those who are booked there. */
static bool has_whole(const struct run *run, const struct plan_place *place)
{
    const struct config_node *n = config_node(run->world->config, place->node);
    char profile[64] = "";
    struct gpu_place places[GPU_PLACES_MAX];
    size_t n_places;
    int offer;

    if (!n || !n->kind || !n->kind->n_offers ||
        gpu_held_parse(place->gpus_held, profile, places, GPU_PLACES_MAX, &n_places) < 0)
        return true;
    offer = gpu_find_offer(n->kind, profile);
    return offer < 0 || gpu_is_whole(n->kind, (size_t)offer);
}

static void count_devices(struct run *run, const struct world_job *j, int sign)
{
    for (uint32_t k = 0; k < j->n_places; k++) {
        struct gpu_place places[GPU_PLACES_MAX];
        size_t n;
        uint8_t *held = devices(run, j->places[k].node, j->places[k].gpus_held, places, &n);

        for (size_t i = 0; i < n && has_whole(run, &j->places[k]); i++)
            held[places[i].gpu] = (uint8_t)(held[places[i].gpu] + sign);
    }
}

bool life_holds(const struct run *run, const char *node, const char *gpus_held)
{
    struct gpu_place places[GPU_PLACES_MAX];
    bool any = false;
    size_t n;
    const uint8_t *held = devices(run, node, gpus_held, places, &n);

    for (size_t i = 0; i < n; i++)
        any |= held[places[i].gpu] > 0;
    return any;
}

static int take_places(struct run *run, struct world_job *j, const struct plan_action *action)
{
    j->places = calloc(action->n_nodes, sizeof(*j->places));
    j->held_usec = run->now_usec;
    planner_each_place(run->planner, action->job, add_place, j);
    count_devices(run, j, 1);
    return j->places ? 0 : -ENOMEM;
}

static struct world_run *run_add(struct world *w)
{
    if (w->n_runs == w->runs_size) {
        size_t size = w->runs_size ? 2 * w->runs_size : 1024;
        struct world_run *runs = realloc(w->runs, size * sizeof(*runs));

        if (!runs)
            return NULL;
        w->runs = runs;
        w->runs_size = size;
    }
    return &w->runs[w->n_runs++];
}

/* What it held goes into the record. */
static int give_places(struct run *run, size_t i, const char *how)
{
    struct world_job *j = &run->world->jobs[i];
    struct world_run *r = run_add(run->world);
    struct buf nodes = BUF_INIT(0), gpus = BUF_INIT(0);

    count_devices(run, j, -1);
    if (!r)
        return -ENOMEM;
    for (uint32_t k = 0; k < j->n_places; k++) {
        buf_printf(&nodes, "%s%s", k ? ";" : "", j->places[k].node);
        buf_printf(&gpus, "%s%s", k ? ";" : "", j->places[k].gpus_held);
    }
    *r = (struct world_run){.job = i,
                            .from_usec = j->held_usec,
                            .start_usec = j->start_usec >= j->held_usec ? j->start_usec : 0,
                            .to_usec = run->now_usec,
                            .how = how,
                            .nodes = buf_take(&nodes, NULL),
                            .gpus = buf_take(&gpus, NULL)};
    return r->nodes && r->gpus ? 0 : -ENOMEM;
}

static void forget_places(struct world_job *j)
{
    free(j->places);
    j->places = NULL;
    j->n_places = 0;
}

/* ---- what happens ---- */

/* What is next for it; what was to be next before is not any more. */
static int next(struct run *run, size_t i, uint32_t kind, int64_t after_usec)
{
    struct world_job *j = &run->world->jobs[i];

    j->due_usec = run->now_usec + after_usec;
    j->due_kind = kind;
    return timers_add(&run->timers, (struct timer){j->due_usec, kind, i});
}

bool life_is_due(const struct run *run, const struct timer *t)
{
    const struct world_job *j;

    if (t->kind >= TIMER_ARRIVE)
        return true;
    j = &run->world->jobs[t->id];
    return j->due_usec == t->at_usec && j->due_kind == t->kind;
}

int life_start(struct run *run, const struct plan_action *action)
{
    size_t i = action->job - 1;
    struct world *w = run->world;
    struct world_job *j = &w->jobs[i];
    bool is_saved = j->job->state == JOB_SUSPENDED;
    struct job_event event = {.type = is_saved ? JOB_EVENT_RESTORE : JOB_EVENT_ALLOC,
                              .instance = ++w->starts,
                              .generation = 1};
    int64_t boot_usec = draw_usec(&run->draw, is_saved ? &w->options.save : &w->options.boot);

    forget_places(j);
    if (take_places(run, j, action) < 0)
        return -ENOMEM;
    str_copy(event.node, sizeof(event.node), action->node);
    str_copy(event.gpus_held, sizeof(event.gpus_held), action->gpus_held);
    run->waiting--;
    run->running++;
    run->busy += j->units;
    if (is_saved)
        w->lost_usec += boot_usec * j->units;
    if (change(run, i, &event) < 0)
        return -EINVAL;
    return next(run, i, TIMER_READY, boot_usec);
}

/* What it held is free; `final` PENDING puts it in line again. */
static int leave(struct run *run, size_t i, enum job_state final, const char *how)
{
    struct world_job *j = &run->world->jobs[i];
    int r = simple(run, i, JOB_EVENT_FINISH, final);

    if (r == 0)
        r = give_places(run, i, how);
    forget_places(j);
    j->due_usec = 0;
    run->running--;
    run->busy -= j->units;
    if (r < 0)
        return r;
    if (final == JOB_PENDING) {
        run->waiting++;
        return simple(run, i, JOB_EVENT_REQUEUE, JOB_NONE);
    }
    return simple(run, i, JOB_EVENT_END, JOB_NONE);
}

int life_ready(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    bool is_saved = j->job->state == JOB_SUSPENDED;
    int r;

    if (!is_saved && draw_chance(&run->draw, run->world->options.fail)) {
        run->world->failed_starts++;
        return leave(run, i, JOB_PENDING, "failed");
    }
    r = simple(run, i, is_saved ? JOB_EVENT_RESUME : JOB_EVENT_START, JOB_NONE);
    j->start_usec = run->now_usec;
    if (!is_saved)
        j->left_usec = j->run_usec;
    return r < 0 ? r : next(run, i, TIMER_END, j->left_usec);
}

int life_end(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    bool cut = j->trace->duration_sec * USEC > j->run_usec;

    j->end_usec = run->now_usec;
    return cut ? leave(run, i, JOB_TIMEOUT, "timeout") : leave(run, i, JOB_COMPLETED, "completed");
}

/* ---- making room ---- */

/* Its guest stands still from now on. */
static int save(struct run *run, size_t i)
{
    struct world *w = run->world;
    struct world_job *j = &w->jobs[i];
    int64_t save_usec = draw_usec(&run->draw, &w->options.save);

    j->left_usec -= run->now_usec - j->start_usec;
    j->paused_usec = run->now_usec;
    w->saves++;
    w->lost_usec += save_usec * j->units;
    return next(run, i, TIMER_SAVED, save_usec);
}

/* It wants back at once: the planner says when. */
int life_saved(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    struct job_event event = {.type = JOB_EVENT_SUSPEND};
    int r = give_places(run, i, "saved");

    run->running--;
    run->waiting++;
    run->busy -= j->units;
    j->due_usec = 0;
    if (r == 0)
        r = change_at(run, i, &event, j->paused_usec);
    return r < 0 ? r : simple(run, i, JOB_EVENT_WAKE, JOB_NONE);
}

/* What it was given to come back is free; its memory still lies there. */
static int stay(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    int r = give_places(run, i, "stayed");

    run->running--;
    run->waiting++;
    run->busy -= j->units;
    j->due_usec = 0;
    if (r == 0)
        r = simple(run, i, JOB_EVENT_STAY, JOB_NONE);
    return r < 0 ? r : simple(run, i, JOB_EVENT_WAKE, JOB_NONE);
}

static int requeue(struct run *run, size_t i)
{
    struct world *w = run->world;
    struct world_job *j = &w->jobs[i];

    w->requeues++;
    if (j->due_kind == TIMER_END) /* all that it has done it will do again */
        w->lost_usec += (j->run_usec - j->left_usec + run->now_usec - j->start_usec) * j->units;
    return leave(run, i, JOB_PENDING, "requeued");
}

int life_preempt(struct run *run, const struct plan_action *action)
{
    size_t i = action->job - 1;
    struct world_job *j = &run->world->jobs[i];

    if (j->due_kind == TIMER_SAVED || !j->due_usec)
        return 0; /* on its way */
    if (j->due_kind == TIMER_READY && j->job->state == JOB_SUSPENDED)
        return stay(run, i);
    if (j->due_kind == TIMER_END && action->mode == PLAN_SAVE)
        return save(run, i);
    if (action->mode != PLAN_CANCEL)
        return requeue(run, i);
    j->run_usec =
        j->due_kind == TIMER_END ? j->run_usec - j->left_usec + run->now_usec - j->start_usec : 0;
    j->end_usec = run->now_usec;
    return leave(run, i, JOB_PREEMPTED, "cancelled");
}
