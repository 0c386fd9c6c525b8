/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reservations.c - nodes that a vdi.conf closes at given times.
 *
 * The planner has the same closures that vdictld puts, of the same dates (codec/class_dates.h),
 * and knows them as far ahead. All are known before the first job comes, so none is refused for
 * what runs, and ignore_jobs changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/class_dates.h"
#include "vdisim/run.h"

#define DAY_USEC (86400 * USEC)
/* Known for a year ahead at least, as in a controller, and looked up so often. */
#define RENEW_USEC (30 * DAY_USEC)
#define AHEAD_USEC (366 * DAY_USEC + RENEW_USEC)

struct closing {
    struct class class;
    const struct config_class *block;
    struct plan_window *windows; /* by time, of the virtual clock */
    size_t n_windows;
};

/* ---- the trace's time 0 ---- */

int reservations_first_day(const struct config *config, bool with_classes, int64_t *ret_usec,
                           struct vdi_error *err)
{
    *ret_usec = 0;
    for (size_t i = 0; i < config->n_classes; i++) {
        _cleanup_(freep) struct class *class = calloc(1, sizeof(*class));
        _cleanup_(calendar_freep) struct calendar *calendar = NULL;
        char midnight[sizeof("2026-10-13T00:00")];
        int64_t usec;
        int r;

        if (!config->classes[i].nodes.n && !with_classes)
            continue;
        r = class ? class_spec_of_config(&config->classes[i], &class->spec, err)
                  : error_set(err, ENOMEM, "", "out of memory");
        if (r == 0)
            r = class_calendar(&class->spec, &calendar, err);
        if (r < 0)
            return r;
        snprintf(midnight, sizeof(midnight), "%.10sT00:00", class->spec.starts);
        r = calendar_instant(calendar, "starts", midnight, &usec, err);
        if (r < 0)
            return r;
        if (!*ret_usec || usec < *ret_usec)
            *ret_usec = usec;
    }
    return 0;
}

/* ---- in the plan ---- */

static int64_t virtual_of(const struct run *run, int64_t usec)
{
    return usec - run->world->options.epoch_usec + EPOCH_USEC;
}

static int set_windows(struct run *run, struct closing *c, int64_t until_usec,
                       struct vdi_error *err)
{
    int64_t zero_usec = run->world->options.epoch_usec - EPOCH_USEC;
    _cleanup_(freep) struct class_date *dates = NULL;
    char detail[sizeof(err->detail)];
    size_t n;
    int r = class_dates(&c->class, run->now_usec + zero_usec, until_usec + zero_usec,
                        CALENDAR_OCCURRENCES_MAX, &dates, &n, err);

    if (r < 0 && err) {
        str_copy(detail, sizeof(detail), err->detail);
        snprintf(err->detail, sizeof(err->detail), "reservation '%.63s': %.160s",
                 c->class.spec.name, detail);
    }
    if (r < 0)
        return r;
    free(c->windows);
    c->windows = calloc(n + 1, sizeof(*c->windows));
    c->n_windows = c->windows ? n : 0;
    for (size_t i = 0; i < c->n_windows; i++)
        c->windows[i] = (struct plan_window){virtual_of(run, dates[i].begin_usec),
                                             virtual_of(run, dates[i].end_usec)};
    return c->windows ? 0 : error_set(err, ENOMEM, "", "out of memory");
}

/* Classes are booked for the whole timetable at once. */
static int64_t known_until(const struct run *run)
{
    const struct timetable *t = run->world->timetable;
    int64_t until_usec = run->now_usec + AHEAD_USEC;

    for (size_t i = 0; t && i < t->n; i++)
        if (EPOCH_USEC + t->rows[i].end_sec * USEC > until_usec)
            until_usec = EPOCH_USEC + t->rows[i].end_sec * USEC;
    return until_usec;
}

int reservations_renew(struct run *run, struct vdi_error *err)
{
    int64_t until_usec = run->n_closings && run->now_usec >= run->renew_usec ? known_until(run) : 0;
    int r = 0;

    for (size_t i = 0; until_usec && i < run->n_closings && r == 0; i++) {
        struct closing *c = &run->closings[i];

        r = set_windows(run, c, until_usec, err);
        if (r < 0)
            break;
        struct plan_closure put = {.id = i + 1,
                                   .name = c->class.spec.name,
                                   .nodes = c->block->nodes.names,
                                   .n_nodes = c->block->nodes.n,
                                   .windows = c->windows,
                                   .n_windows = c->n_windows};
        if (planner_put_closure(run->planner, &put) < 0)
            r = error_set(err, ENOMEM, "", "out of memory");
    }
    if (until_usec)
        run->renew_usec = run->now_usec + RENEW_USEC;
    return r;
}

int reservations_begin(struct run *run, struct vdi_error *err)
{
    const struct config *config = run->world->config;
    int r = 0;

    run->closings = calloc(config->n_classes + 1, sizeof(*run->closings));
    if (!run->closings)
        return error_set(err, ENOMEM, "", "out of memory");
    for (size_t i = 0; i < config->n_classes && r == 0; i++) {
        struct closing *c = &run->closings[run->n_closings];

        if (!config->classes[i].nodes.n)
            continue;
        c->block = &config->classes[i];
        r = class_spec_of_config(c->block, &c->class.spec, err);
        run->n_closings += r == 0;
    }
    run->world->reservations = run->n_closings;
    run->now_usec = EPOCH_USEC;
    return r < 0 ? r : reservations_renew(run, err);
}

void reservations_done(struct run *run)
{
    for (size_t i = 0; i < run->n_closings; i++)
        free(run->closings[i].windows);
    free(run->closings);
}

/* ---- how much is closed ---- */

static int64_t next_change(const struct run *run)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < run->n_closings; i++) {
        const struct closing *c = &run->closings[i];

        for (size_t k = 0; k < c->n_windows; k++) {
            int64_t at = c->windows[k].from_usec > run->now_usec ? c->windows[k].from_usec
                                                                 : c->windows[k].to_usec;

            if (at > run->now_usec && at < next)
                next = at;
        }
    }
    return next;
}

void reservations_count(struct run *run)
{
    const struct world *w = run->world;
    const struct config_partition *p = ask_partition(w);

    if (!run->n_closings || run->now_usec < run->closed_until_usec)
        return;
    run->closed_nodes = 0;
    run->closed_units = 0;
    for (size_t i = 0; i < p->nodes.n; i++) {
        const struct config_node *n = config_node(w->config, p->nodes.names[i]);

        if (!n || !planner_closed_by(run->planner, n->name, run->now_usec))
            continue;
        run->closed_nodes++;
        run->closed_units += world_node_units(w, n);
    }
    run->closed_until_usec = next_change(run);
}

const char *reservations_closing(const struct run *run, const struct plan_window *window)
{
    uint64_t id = planner_closed_in(run->planner, ask_partition(run->world)->name,
                                    window->from_usec, window->to_usec);

    return id ? run->closings[id - 1].class.spec.name : "";
}

/* ---- whose ---- */

static bool has(const struct config_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (*name && str_equal(names->names[i], name))
            return true;
    return false;
}

/* A bare name is one of the system. */
static bool is_member(const struct config_class *block, const struct trace_job *t)
{
    char full[VDI_NAME_MAX + sizeof("unix:")];

    snprintf(full, sizeof(full), "unix:%.*s", VDI_NAME_MAX, t->user);
    return has(&block->groups, t->group) || has(&block->users, t->user) ||
           (*t->user && has(&block->users, full));
}

/* A window that is not over has so much time still, for its limit and its boot. */
static bool has_time(const struct run *run, const struct closing *c, int64_t span_usec)
{
    for (size_t i = 0; i < c->n_windows; i++) {
        const struct plan_window *w = &c->windows[i];
        int64_t from = w->from_usec > run->now_usec ? w->from_usec : run->now_usec;

        if (w->to_usec - from >= span_usec)
            return true;
    }
    return false;
}

void reservations_drawn(const struct run *run, const struct world_job *j,
                        char ret[RESERVATIONS_DRAWN])
{
    size_t at = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < run->n_closings; i++) {
        const struct closing *c = &run->closings[i];

        if (str_list_has(c->class.spec.flags, "magnetic") && is_member(c->block, j->trace) &&
            at + strlen(c->class.spec.name) + 2 < RESERVATIONS_DRAWN)
            at += (size_t)snprintf(ret + at, RESERVATIONS_DRAWN - at, "%s%s", at ? "," : "",
                                   c->class.spec.name);
    }
}

bool reservations_let_in(const struct run *run, const struct world_job *j)
{
    const char *name = j->job->spec->reservation;
    int64_t span_usec = j->job->spec->time_limit_sec * USEC + run->boot_usec;

    if (!*name)
        return true;
    for (size_t i = 0; i < run->n_closings; i++)
        if (str_equal(run->closings[i].class.spec.name, name))
            return is_member(run->closings[i].block, j->trace) &&
                   has_time(run, &run->closings[i], span_usec);
    return false;
}
