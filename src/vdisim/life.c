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

static int change(struct run *run, size_t i, struct job_event *event)
{
    struct world_job *j = &run->world->jobs[i];
    struct job *now;
    int r;

    event->time_usec = run->now_usec;
    r = job_apply(j->job, i + 1, event, &now, NULL);
    if (r < 0)
        return r;
    job_unref(j->job);
    j->job = now;
    return planner_put_job_on(run->planner, now, NULL, j->places, j->n_places);
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
    int r = -ENOMEM;

    if (event.spec && ask_fill(run->world, j->trace, event.spec))
        r = change(run, i, &event);
    job_event_done(&event);
    run->waiting++;
    return r;
}

/* ---- nodes ---- */

static void add_place(void *arg, const struct plan_place *place)
{
    struct world_job *j = arg;

    if (j->places)
        j->places[j->n_places++] = *place;
}

static int take_places(struct run *run, struct world_job *j, const struct plan_action *action)
{
    j->places = calloc(action->n_nodes, sizeof(*j->places));
    j->held_usec = run->now_usec;
    planner_each_place(run->planner, action->job, add_place, j);
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
    free(j->places);
    j->places = NULL;
    j->n_places = 0;
    return r->nodes && r->gpus ? 0 : -ENOMEM;
}

/* ---- what happens ---- */

int life_start(struct run *run, const struct plan_action *action)
{
    size_t i = action->job - 1;
    struct world *w = run->world;
    struct world_job *j = &w->jobs[i];
    struct job_event event = {.type = JOB_EVENT_ALLOC, .instance = ++w->starts, .generation = 1};
    int64_t boot_usec = draw_usec(&run->draw, &w->options.boot);

    if (take_places(run, j, action) < 0)
        return -ENOMEM;
    str_copy(event.node, sizeof(event.node), action->node);
    str_copy(event.gpus_held, sizeof(event.gpus_held), action->gpus_held);
    run->waiting--;
    run->running++;
    run->busy += j->units;
    if (change(run, i, &event) < 0)
        return -EINVAL;
    return timers_add(&run->timers, (struct timer){run->now_usec + boot_usec, TIMER_READY, i});
}

/* What it held is free; `final` PENDING puts it in line again. */
static int leave(struct run *run, size_t i, enum job_state final, const char *how)
{
    int r = simple(run, i, JOB_EVENT_FINISH, final);

    if (r == 0)
        r = give_places(run, i, how);

    run->running--;
    run->busy -= run->world->jobs[i].units;
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
    int r;

    if (draw_chance(&run->draw, run->world->options.fail)) {
        run->world->failed_starts++;
        return leave(run, i, JOB_PENDING, "failed");
    }
    r = simple(run, i, JOB_EVENT_START, JOB_NONE);
    j->start_usec = run->now_usec;
    return r < 0 ? r
                 : timers_add(&run->timers,
                              (struct timer){run->now_usec + j->run_usec, TIMER_END, i});
}

int life_end(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    bool cut = j->trace->duration_sec * USEC > j->run_usec;

    j->end_usec = run->now_usec;
    return cut ? leave(run, i, JOB_TIMEOUT, "timeout") : leave(run, i, JOB_COMPLETED, "completed");
}
