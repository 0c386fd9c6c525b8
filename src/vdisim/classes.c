/* SPDX-License-Identifier: Apache-2.0 */
/* classes.c - the classes of a timetable, and what becomes of their seats. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "vdisim/run.h"

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
    w->seats[w->n_seats++] = (struct world_seat){.row = run->row, .at = *seat};
}

static const char *remedy_of(const struct plan_shortage *shortage)
{
    static const struct {
        enum plan_blocker_type type;
        const char *remedy;
    } of[] = {
        {PLAN_BLOCK_ENCODE, "let the nodes encode more, or give the class another time"},
        {PLAN_BLOCK_WORK, "give the nodes more cpus or encoders, or the class another time"},
        {PLAN_BLOCK_NO_NODE, "give the partition nodes with what a seat takes"},
        {PLAN_BLOCK_RESERVATION, "give the reservation or the class another time"},
    };
    for (size_t i = 0; i < ELEMENTS(of); i++)
        if (shortage->lacks == UINT32_C(1) << of[i].type)
            return of[i].remedy;
    return *shortage->licence ? "give the cluster more of them, or the class another time"
           : plan_shortage_is(shortage, PLAN_BLOCK_GPUS) && shortage->any_helps
               ? "give the cluster more GPUs, or the class another time"
               : "give the cluster more nodes, or the class another time";
}

static int refuse(const struct run *run, const struct timetable_row *row,
                  const struct plan_window *window, const struct plan_shortage *shortage,
                  struct vdi_error *err)
{
    const char *closed =
        plan_shortage_is(shortage, PLAN_BLOCK_RESERVATION) ? reservations_closing(run, window) : "";
    char says[PLAN_SHORTAGE_TEXT];

    plan_shortage_text(shortage, row->profile, says);
    if (*shortage->licence)
        snprintf(says, sizeof(says), "there are too few of licence '%s'", shortage->licence);
    error_set(err, ENOSPC, "classes",
              "class %s at %lld s wants %u seat%s of %s, and there are %u beside the classes "
              "before it%s%s%s%s",
              *row->id ? row->id : "(unnamed)", (long long)row->begin_sec, row->seats,
              row->seats == 1 ? "" : "s", *row->profile ? row->profile : "a whole GPU",
              shortage->seats, *closed ? " and reservation " : "", closed, *says ? ": " : "", says);
    error_hint(err, NULL, remedy_of(shortage));
    return -ENOSPC;
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
    int r = planner_put_class(run->planner, &c, EPOCH_USEC, &shortage);

    if (r == -ENOSPC)
        return refuse(run, row, &window, &shortage, err);
    if (r < 0)
        return error_set(err, r, "", "out of memory");
    w->classes++;
    return 0;
}

/* A class that is admitted may have seats of those before it moved. */
static int find_seats(struct run *run, struct vdi_error *err)
{
    for (run->row = 0; run->row < run->world->classes; run->row++)
        planner_each_seat(run->planner, run->row + 1, add_seat, run);
    return run->no_memory ? error_set(err, ENOMEM, "", "out of memory") : 0;
}

struct job_spec *classes_spec(const struct world *w, const struct timetable_row *row)
{
    const struct config_template *t = row->template;
    struct job_spec *spec = job_spec_new();
    char licences[LICENCES_TEXT] = "";

    if (t && config_template_licences(t, "", licences, NULL) < 0)
        licences[0] = '\0'; /* no configuration has such a template */
    if (!spec || job_spec_set(&spec->licences, licences) < 0 ||
        job_spec_set(&spec->partition, ask_partition(w)->name) < 0 ||
        job_spec_set(&spec->qos, w->options.class_qos) < 0 ||
        job_spec_set(&spec->profile, row->profile) < 0) {
        job_spec_unref(spec);
        return NULL;
    }
    spec->kind = JOB_INTERACTIVE;
    spec->gpus = 1;
    spec->encode_mpix = t ? config_template_encode(t) : 0;
    return spec;
}

int classes_admit(struct run *run, struct vdi_error *err)
{
    struct world *w = run->world;
    int r = 0;

    for (size_t i = 0; w->timetable && i < w->timetable->n && r == 0; i++) {
        struct job_spec *spec = classes_spec(w, &w->timetable->rows[i]);

        r = spec ? admit(run, &w->timetable->rows[i], spec, err)
                 : error_set(err, ENOMEM, "", "out of memory");
        job_spec_unref(spec);
    }
    return r == 0 ? find_seats(run, err) : r;
}
