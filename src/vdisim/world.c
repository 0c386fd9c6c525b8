/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.c - a cluster under a virtual clock.
 *
 * A job is known to the planner by its place in the trace plus one. Kept: every change of a
 * job is an event of model/job_state.c; what a job holds it holds from its start order to its
 * end, so a boot that takes time is paid for.
 */
#include "vdisim/world.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "plan/planner.h"
#include "vdisim/timer.h"

#define USEC INT64_C(1000000)
/* Virtual clocks begin here: a whole day, late enough that no time is taken for "none". */
#define EPOCH_USEC (INT64_C(86400) * 365 * USEC)
#define ACTIONS 256

const char *const world_unit_names[] = {"traced", "gpus", "cpus", "nodes", NULL};

enum { TIMER_END, TIMER_READY, TIMER_ARRIVE };

/* What lives only while it runs. */
struct run {
    struct world *world;
    struct planner *planner;
    struct timers timers;
    struct draw draw;
    int64_t now_usec;
    uint64_t busy;
    uint32_t running, waiting;
    bool no_memory;
};

/* ---- what jobs ask for ---- */

static const struct config_partition *partition_of(const struct world *w)
{
    return *w->options.partition ? config_partition(w->config, w->options.partition)
                                 : config_default_partition(w->config);
}

static uint32_t units_of(const struct world_options *o, const struct trace_job *t)
{
    switch (o->unit) {
    case WORLD_GPUS:
    case WORLD_AS_TRACED:
        return (uint32_t)ceil(t->gpus - 1e-9);
    case WORLD_CPUS:
        return t->cpus;
    default:
        return t->nodes;
    }
}

/* A type of the trace that is a profile here is asked for; any other name is of another machine. */
static bool is_offered(const struct config *c, const char *profile)
{
    for (size_t i = 0; i < c->n_kinds; i++)
        if (c->kinds[i].n_offers && gpu_find_offer(&c->kinds[i], profile) >= 0)
            return true;
    return false;
}

static bool fill_spec(const struct world *w, const struct trace_job *t, struct job_spec *spec)
{
    const struct world_options *o = &w->options;
    uint32_t units = units_of(o, t);

    spec->kind = JOB_BATCH;
    spec->cpus = o->unit == WORLD_AS_TRACED ? t->cpus : units;
    if (o->unit == WORLD_AS_TRACED) {
        spec->memory_mib = t->memory_mib;
        spec->gpus = units;
        if (units && is_offered(w->config, t->gpu_type) &&
            job_spec_set(&spec->profile, t->gpu_type) < 0)
            return false;
    }
    spec->requeue = true;
    spec->time_limit_sec = t->walltime_sec;
    if (!t->walltime_sec)
        spec->time_limit_sec = (int64_t)fmax(1, ceil((double)t->duration_sec * o->factor));
    return job_spec_set(&spec->partition, partition_of(w)->name) == 0 &&
           job_spec_set(&spec->owner, t->user) == 0 && job_spec_set(&spec->account, t->group) == 0;
}

static bool offers(const struct config_node *n, const struct job_spec *spec)
{
    return !spec->gpus || !*spec->profile || !n->kind ||
           gpu_find_offer(n->kind, spec->profile) >= 0;
}

/* Some node of the partition holds it when empty. */
static bool could_run(const struct world *w, const struct trace_job *t, const struct job_spec *spec)
{
    const struct config_partition *p = partition_of(w);

    if (w->options.unit == WORLD_AS_TRACED && t->nodes > 1)
        return false;
    for (size_t i = 0; i < p->nodes.n; i++) {
        const struct config_node *n = config_node(w->config, p->nodes.names[i]);

        if (n && n->cpus >= spec->cpus && n->memory_mib >= spec->memory_mib &&
            n->gpus >= spec->gpus && offers(n, spec))
            return true;
    }
    return false;
}

/* ---- changes of jobs ---- */

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
    return planner_put_job(run->planner, now);
}

static int simple(struct run *run, size_t i, enum job_event_type type, enum job_state final)
{
    struct job_event event = {.type = type, .final = final};

    return change(run, i, &event);
}

static int arrive(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    struct job_event event = {.type = JOB_EVENT_SUBMIT, .spec = job_spec_new()};
    int r = -ENOMEM;

    if (event.spec && fill_spec(run->world, j->trace, event.spec))
        r = change(run, i, &event);
    job_event_done(&event);
    run->waiting++;
    return r;
}

static uint32_t node_index(const struct config *c, const char *name)
{
    const struct config_node *n = config_node(c, name);

    return n ? (uint32_t)(n - c->nodes) : 0;
}

static int start(struct run *run, const struct plan_action *action)
{
    size_t i = action->job - 1;
    struct world *w = run->world;
    struct world_job *j = &w->jobs[i];
    struct job_event event = {.type = JOB_EVENT_ALLOC, .instance = ++w->starts, .generation = 1};
    int64_t boot_usec = draw_usec(&run->draw, &w->options.boot);

    j->node = node_index(w->config, action->node);
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
static int leave(struct run *run, size_t i, enum job_state final)
{
    int r = simple(run, i, JOB_EVENT_FINISH, final);

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

static int ready(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    int r;

    if (draw_chance(&run->draw, run->world->options.fail)) {
        run->world->failed_starts++;
        return leave(run, i, JOB_PENDING);
    }
    r = simple(run, i, JOB_EVENT_START, JOB_NONE);
    j->start_usec = run->now_usec;
    return r < 0 ? r
                 : timers_add(&run->timers,
                              (struct timer){run->now_usec + j->run_usec, TIMER_END, i});
}

static int end(struct run *run, size_t i)
{
    struct world_job *j = &run->world->jobs[i];
    bool cut = j->trace->duration_sec * USEC > j->run_usec;

    j->end_usec = run->now_usec;
    return leave(run, i, cut ? JOB_TIMEOUT : JOB_COMPLETED);
}

/* ---- the clock ---- */

static int fire(struct run *run)
{
    struct timer t = timers_take(&run->timers);

    switch (t.kind) {
    case TIMER_END:
        return end(run, t.id);
    case TIMER_READY:
        return ready(run, t.id);
    default:
        return arrive(run, t.id);
    }
}

static int64_t cpu_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * USEC + ts.tv_nsec / 1000;
}

static int plan(struct run *run)
{
    struct plan_action actions[ACTIONS];
    bool more;
    size_t n;

    do {
        int64_t begin_usec = cpu_usec();

        n = planner_step(run->planner, run->now_usec, 0, actions, ACTIONS, &more);
        run->world->plan_cpu_usec += cpu_usec() - begin_usec;
        run->world->plan_steps++;
        for (size_t i = 0; i < n; i++)
            if (actions[i].type == PLAN_START && start(run, &actions[i]) < 0)
                return -EINVAL;
        more |= n > 0 && planner_next_usec(run->planner) &&
                planner_next_usec(run->planner) <= run->now_usec;
    } while (more);
    return 0;
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
    w->samples[w->n_samples++] =
        (struct world_sample){run->now_usec, run->busy, run->running, run->waiting};
    return 0;
}

/* The next timer, or the end of a class that somebody may wait for; 0: nothing more comes. */
static int64_t next_instant(const struct run *run)
{
    int64_t timer = run->timers.n ? timers_first(&run->timers)->at_usec : 0;
    int64_t seats = run->waiting ? planner_next_window_usec(run->planner) : 0;

    return !timer || (seats && seats < timer) ? seats : timer;
}

static int run_clock(struct run *run)
{
    int64_t next_usec;
    int r = 0;

    while (r == 0 && (next_usec = next_instant(run))) {
        run->now_usec = next_usec;
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
                            .gpus = c->nodes[i].gpus};

        str_copy(node.name, sizeof(node.name), c->nodes[i].name);
        str_copy(node.features, sizeof(node.features), c->nodes[i].features);
        if (planner_put_node(run->planner, &node) < 0)
            return -ENOMEM;
    }
    return planner_configure(run->planner, c);
}

static void count_capacity(struct world *w)
{
    const struct config_partition *p = partition_of(w);

    for (size_t i = 0; i < p->nodes.n; i++) {
        const struct config_node *n = config_node(w->config, p->nodes.names[i]);

        if (n)
            w->capacity += w->options.unit == WORLD_AS_TRACED ? n->gpus : n->cpus;
    }
}

static int take_job(struct run *run, const struct trace_job *t, struct job_spec *spec)
{
    struct world *w = run->world;
    struct world_job *j = &w->jobs[w->n_jobs];
    int64_t limit_usec;

    if (!fill_spec(w, t, spec))
        return -ENOMEM;
    limit_usec = spec->time_limit_sec * USEC;
    *j = (struct world_job){.trace = t,
                            .units = units_of(&w->options, t),
                            .run_usec = t->duration_sec * USEC,
                            .submit_usec = EPOCH_USEC + t->submit_sec * USEC};
    if ((w->options.unit != WORLD_AS_TRACED && !j->units) || !could_run(w, t, spec)) {
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

/* ---- classes ---- */

static void add_seat(void *arg, const struct plan_seat *seat)
{
    struct run *run = arg;
    struct world *w = run->world;

    if (w->n_seats == w->seats_size) {
        size_t size = w->seats_size ? 2 * w->seats_size : 1024;
        struct world_seat *seats = realloc(w->seats, size * sizeof(*seats));

        if (!seats) {
            run->no_memory = true;
            return;
        }
        w->seats = seats;
        w->seats_size = size;
    }
    w->seats[w->n_seats++] = (struct world_seat){.row = w->classes, .at = *seat};
}

static int admit(struct run *run, const struct timetable_row *row, struct job_spec *spec,
                 struct vdi_error *err)
{
    struct world *w = run->world;
    struct plan_window window = {.from_usec =
                                     EPOCH_USEC + (row->begin_sec - w->options.lead_sec) * USEC,
                                 .to_usec = EPOCH_USEC + row->end_sec * USEC};
    struct plan_class c = {.id = w->classes + 1,
                           .seat = spec,
                           .seats = row->seats,
                           .windows = &window,
                           .n_windows = 1};
    struct plan_shortage shortage = {0};
    int r = job_spec_set(&spec->profile, row->profile);

    if (r == 0)
        r = planner_put_class(run->planner, &c, EPOCH_USEC, &shortage);
    if (r == -ENOSPC) {
        error_set(err, ENOSPC, "classes",
                  "class %s at %lld s wants %u seat%s of %s, and there are %u beside the classes "
                  "before it",
                  *row->id ? row->id : "(unnamed)", (long long)row->begin_sec, row->seats,
                  row->seats == 1 ? "" : "s", *row->profile ? row->profile : "a whole GPU",
                  shortage.seats);
        error_hint(err, NULL, "give the cluster more GPUs, or the class another time");
        return r;
    }
    if (r < 0)
        return error_set(err, r, "", "out of memory");
    planner_each_seat(run->planner, c.id, add_seat, run);
    w->classes++;
    return run->no_memory ? error_set(err, ENOMEM, "", "out of memory") : 0;
}

/* All classes are known in advance: booked before the first job comes. */
static int admit_all(struct run *run, struct vdi_error *err)
{
    struct world *w = run->world;
    struct job_spec *spec = job_spec_new();
    int r = spec ? job_spec_set(&spec->partition, partition_of(w)->name) : -ENOMEM;

    if (r < 0)
        r = error_set(err, ENOMEM, "", "out of memory");
    if (spec) {
        spec->kind = JOB_INTERACTIVE;
        spec->gpus = 1;
    }
    for (size_t i = 0; w->timetable && i < w->timetable->n && r == 0; i++)
        r = admit(run, &w->timetable->rows[i], spec, err);
    job_spec_unref(spec);
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
    if (!partition_of(w)) {
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
        r = admit_all(run, err);
        if (r < 0)
            return r;
        r = run_clock(run);
    }
    if (r < 0)
        return error_set(err, r, "", "the replay broke off: %s", strerror(-r));
    if (run->waiting)
        return error_set(err, EPROTO, "", "%u jobs were never started", run->waiting);
    set_span(w);
    return 0;
}

int world_run(const struct config *config, const struct trace *trace,
              const struct timetable *timetable, const struct world_options *options,
              struct world *ret, struct vdi_error *err)
{
    struct world w = {.config = config, .timetable = timetable, .options = *options};
    struct run run = {.world = &w};
    int r = check(&w, err);

    if (r < 0)
        return r;
    draw_seed(&run.draw, options->seed);
    run.planner = planner_new(options->seed);
    if (run.planner)
        planner_set_boot(run.planner, (int64_t)(options->boot.p99_sec * 1e6));
    r = run.planner ? replay(&run, trace, err) : error_set(err, ENOMEM, "", "out of memory");
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
    for (size_t i = 0; w->jobs && i < w->n_jobs; i++)
        job_unref(w->jobs[i].job);
    free(w->jobs);
    free(w->seats);
    free(w->samples);
    *w = (struct world){0};
}
