/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.c - a cluster under a virtual clock.
 *
 * A job is known to the planner by its place in the trace plus one.
 */
#include "vdisim/world.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdisim/run.h"
#include "vdisim/usage.h"

#define ACTIONS 256

const char *const world_unit_names[] = {"traced", "gpus", "cpus", "nodes", NULL};

/* ---- the clock ---- */

static int plan(struct run *run)
{
    struct plan_action actions[ACTIONS];
    bool more;
    size_t n;

    do {
        int64_t begin_usec = time_thread_cpu_usec();

        n = planner_step(run->planner, run->now_usec, 0, actions, ACTIONS, &more);
        run->world->plan_cpu_usec += time_thread_cpu_usec() - begin_usec;
        run->world->plan_steps++;
        for (size_t i = 0; i < n; i++)
            if ((actions[i].type == PLAN_START && life_start(run, &actions[i]) < 0) ||
                (actions[i].type == PLAN_PREEMPT && life_preempt(run, &actions[i]) < 0))
                return -EINVAL;
        more |= n > 0 && planner_next_usec(run->planner) &&
                planner_next_usec(run->planner) <= run->now_usec;
    } while (more);
    return 0;
}

/* Who may not wait is planned at once, and without those that come after it. */
static int arrive(struct run *run, size_t i)
{
    const struct world *w = run->world;
    int r = life_arrive(run, i);

    if (r == 0 && !reservations_let_in(run, &w->jobs[i]))
        return life_turn_away(run, i);
    if (r == 0 && w->options.no_wait)
        r = plan(run);
    return r == 0 && w->options.no_wait && w->jobs[i].job->state == JOB_PENDING
               ? life_turn_away(run, i)
               : r;
}

static int fire(struct run *run)
{
    struct timer t = timers_take(&run->timers);

    if (!life_is_due(run, &t))
        return 0;
    run->fired_usec = run->now_usec;
    switch (t.kind) {
    case TIMER_END:
        return life_end(run, t.id);
    case TIMER_SAVED:
        return life_saved(run, t.id);
    case TIMER_READY:
        return life_ready(run, t.id);
    case TIMER_SEAT:
        return seats_start(run, &t);
    case TIMER_SEAT_READY:
        return seats_ready(run, &t);
    case TIMER_SEAT_SLOW:
        return seats_slow(run, &t);
    default:
        return arrive(run, t.id);
    }
}

static int sample(struct run *run)
{
    struct world *w = run->world;

    if (w->n_samples == w->samples_size) {
        size_t size = w->samples_size ? 2 * w->samples_size : 4096;
        struct world_sample *samples = realloc(w->samples, size * sizeof(*samples));

        if (!samples)
            return -ENOMEM;
        w->samples = samples;
        w->samples_size = size;
    }
    reservations_count(run);
    w->samples[w->n_samples++] = (struct world_sample){.at_usec = run->now_usec,
                                                       .busy = run->busy,
                                                       .closed = run->closed_units,
                                                       .running = run->running,
                                                       .waiting = run->waiting,
                                                       .closed_nodes = run->closed_nodes};
    return 0;
}

/* Reservations may go on for ever, and who is too long for the time between them waits as long. */
#define GIVE_UP_USEC (366 * 86400 * USEC)

/* The next timer, or when the planner wants to be asked again; 0: nothing more comes. */
static int64_t next_instant(const struct run *run)
{
    int64_t timer = run->timers.n ? timers_first(&run->timers)->at_usec : 0;
    int64_t plan = timer || run->waiting ? planner_next_usec(run->planner) : 0;

    if (plan && plan <= run->now_usec)
        plan = run->now_usec + 1; /* estimates: it has no action for this instant */
    if (!timer && run->n_closings && plan > run->fired_usec + GIVE_UP_USEC)
        return 0;
    return !timer || (plan && plan < timer) ? plan : timer;
}

static int run_clock(struct run *run, struct vdi_error *err)
{
    int64_t next_usec;
    int r = 0;

    while (r == 0 && (next_usec = next_instant(run))) {
        run->now_usec = next_usec;
        r = reservations_renew(run, err);
        while (r == 0 && run->timers.n && timers_first(&run->timers)->at_usec == run->now_usec)
            r = fire(run);
        if (r == 0)
            r = plan(run);
        /* A boot that takes no time is over in the same instant. */
        if (r == 0 && run->timers.n && timers_first(&run->timers)->at_usec == run->now_usec)
            continue;
        if (r == 0)
            r = sample(run);
    }
    for (size_t i = 0; r == 0 && run->n_closings && run->waiting && i < run->world->n_jobs; i++)
        if (run->world->jobs[i].job->state == JOB_PENDING)
            r = life_give_up(run, i);
    return r;
}

/* ---- begin and end ---- */

static int add_nodes(struct run *run)
{
    const struct config *c = run->world->config;

    for (size_t i = 0; i < c->n_nodes; i++) {
        struct node node = {.refs = 1,
                            .known = true,
                            .up = true,
                            .cpus = c->nodes[i].cpus,
                            .memory_mib = c->nodes[i].memory_mib,
                            .gpus = c->nodes[i].gpus,
                            .encode_mpix = c->nodes[i].encode_mpix,
                            .software_encoder = config_node_is_software(&c->nodes[i])};

        str_copy(node.name, sizeof(node.name), c->nodes[i].name);
        str_copy(node.features, sizeof(node.features), c->nodes[i].features);
        if (planner_put_node(run->planner, &node) < 0)
            return -ENOMEM;
    }
    return planner_configure(run->planner, c);
}

uint64_t world_node_units(const struct world *w, const struct config_node *n)
{
    return w->options.unit == WORLD_AS_TRACED ? n->gpus * w->gpu_units : n->cpus;
}

static void count_capacity(struct world *w)
{
    const struct config_partition *p = ask_partition(w);

    for (size_t i = 0; i < p->nodes.n; i++) {
        const struct config_node *n = config_node(w->config, p->nodes.names[i]);

        if (n)
            w->capacity += world_node_units(w, n);
    }
}

static int take_job(struct run *run, const struct trace_job *t, struct job_spec *spec)
{
    struct world *w = run->world;
    struct world_job *j = &w->jobs[w->n_jobs];
    int64_t limit_usec;

    if (!ask_fill(w, t, spec))
        return -ENOMEM;
    limit_usec = spec->time_limit_sec * USEC;
    *j = (struct world_job){.trace = t,
                            .units = ask_units(w, t),
                            .run_usec = t->duration_sec * USEC,
                            .submit_usec = EPOCH_USEC + t->submit_sec * USEC};
    if ((w->options.unit != WORLD_AS_TRACED && !j->units) || !ask_is_possible(w, spec)) {
        w->left_out++;
        return 0;
    }
    if (j->run_usec > limit_usec)
        j->run_usec = limit_usec;
    return timers_add(&run->timers, (struct timer){j->submit_usec, TIMER_ARRIVE, w->n_jobs++});
}

static int take_trace(struct run *run, const struct trace *trace)
{
    struct world *w = run->world;
    int r = 0;

    w->jobs = calloc(trace->n + 1, sizeof(*w->jobs));
    if (!w->jobs)
        return -ENOMEM;
    for (size_t i = 0; i < trace->n && r == 0; i++) {
        struct job_spec *spec = job_spec_new();

        if (w->options.limit && w->n_jobs == w->options.limit) {
            job_spec_unref(spec);
            break;
        }
        if (!spec)
            return -ENOMEM;
        if (!*w->options.kind || !strcmp(trace->jobs[i].kind, w->options.kind))
            r = take_job(run, &trace->jobs[i], spec);
        job_spec_unref(spec);
    }
    return r;
}

static void set_span(struct world *w)
{
    w->begin_usec = INT64_MAX;
    for (size_t i = 0; i < w->n_jobs; i++) {
        if (w->jobs[i].submit_usec < w->begin_usec)
            w->begin_usec = w->jobs[i].submit_usec;
        if (w->jobs[i].end_usec > w->end_usec)
            w->end_usec = w->jobs[i].end_usec;
    }
}

static int check(const struct world *w, struct vdi_error *err)
{
    if (!ask_partition(w)) {
        error_set(err, EINVAL, "partition", "there is no partition '%s'",
                  *w->options.partition ? w->options.partition : "(default)");
        error_hint(err, NULL, "name one of the configuration with --partition");
        return -EINVAL;
    }
    return 0;
}

static int replay(struct run *run, const struct trace *trace, struct vdi_error *err)
{
    struct world *w = run->world;
    int r;

    count_capacity(w);
    r = take_trace(run, trace);
    if (r == 0 && !w->n_jobs) {
        error_set(err, EINVAL, "trace", "none of its %zu jobs can run on this cluster", trace->n);
        error_hint(err, NULL, "choose what a job asks for with --unit, or a larger cluster");
        return -EINVAL;
    }
    if (r == 0)
        r = add_nodes(run);
    if (r == 0) {
        r = reservations_begin(run, err);
        if (r == 0)
            r = classes_admit(run, err);
        if (r < 0)
            return r;
        r = seats_begin(run);
        if (r == 0)
            r = run_clock(run, err);
        if (r == 0)
            r = usage_make(w, trace);
    }
    if (r < 0)
        return err && err->code ? r
                                : error_set(err, r, "", "the replay broke off: %s", strerror(-r));
    if (run->waiting)
        return error_set(err, EPROTO, "", "%u jobs were never started", run->waiting);
    set_span(w);
    return 0;
}

int world_run(const struct config *config, const struct trace *trace,
              const struct timetable *timetable, const struct world_options *options,
              struct world *ret, struct vdi_error *err)
{
    struct world w = {
        .config = config, .timetable = timetable, .options = *options, .gpu_units = 1};
    struct run run = {.world = &w};
    int r = check(&w, err);

    if (r < 0)
        return r;
    if (options->share_mib && options->unit == WORLD_AS_TRACED)
        w.gpu_units = options->share_mib;
    draw_seed(&run.draw, options->seed);
    run.planner = planner_new(options->seed);
    if (run.planner) {
        double back_sec = *options->class_qos ? options->save.p99_sec : 0;

        run.boot_usec = (int64_t)(fmax(options->boot.p99_sec, back_sec) * 1e6);
        planner_set_boot(run.planner, run.boot_usec);
        planner_set_save(run.planner, (int64_t)(options->save.p99_sec * 1e6));
    }
    seats_measure(&w);
    run.held = calloc(config->n_nodes, GPU_PLACES_MAX);
    r = run.planner && run.held ? replay(&run, trace, err)
                                : error_set(err, ENOMEM, "", "out of memory");
    free(run.held);
    reservations_done(&run);
    planner_free(run.planner);
    timers_done(&run.timers);
    if (r < 0)
        world_done(&w);
    else
        *ret = w;
    return r;
}

void world_done(struct world *w)
{
    for (size_t i = 0; w->jobs && i < w->n_jobs; i++) {
        job_unref(w->jobs[i].job);
        free(w->jobs[i].places);
    }
    for (size_t i = 0; i < w->n_runs; i++) {
        free(w->runs[i].nodes);
        free(w->runs[i].gpus);
    }
    free(w->runs);
    free(w->jobs);
    free(w->seats);
    free(w->samples);
    *w = (struct world){0};
}
