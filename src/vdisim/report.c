/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - what a replay came to, in numbers. */
#include "vdisim/report.h"

#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOUND_SEC 10.0 /* shortest run that a slowdown is counted against */

static double sec(int64_t usec)
{
    return (double)usec / 1e6;
}

static double wait_of(const struct world_job *j)
{
    return sec(j->end_usec - j->submit_usec - j->run_usec);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double p)
{
    size_t rank = (size_t)ceil(p * (double)n);

    return sorted[rank ? rank - 1 : 0];
}

static void add_job(const struct world_job *j, struct report *r, double *unit_sec)
{
    double wait = wait_of(j), run = sec(j->run_usec);

    r->mean_wait_sec += wait;
    r->mean_slowdown += fmax(1, (wait + run) / fmax(run, BOUND_SEC));
    r->waited += wait > 0;
    *unit_sec += run * j->units;
}

static void add_seats(const struct world *w, struct report *r)
{
    uint64_t ready = 0;

    r->slowest_seat_sec = -1e9;
    for (size_t i = 0; i < w->n_seats; i++) {
        const struct world_seat *s = &w->seats[i];
        int64_t begin = s->at.from_usec + w->options.lead_sec * 1000000;

        ready += s->ready_usec && s->ready_usec <= begin;
        r->slowest_seat_sec = fmax(r->slowest_seat_sec, sec(s->ready_usec - begin));
    }
    r->seats_ready_pct = w->n_seats ? 100 * (double)ready / (double)w->n_seats : 100;
    if (!w->n_seats)
        r->slowest_seat_sec = 0;
    r->failed_seats = w->failed_seats;
    r->second_seats = w->second_seats;
    r->gpu_hours_held_empty = w->usage.held_empty_sec / 3600;
    r->profile_changes = w->usage.profile_changes;
    r->sessions = w->usage.sessions;
}

/* From first submit to last end; a sample holds until the next. */
static double closed_sec(const struct world *w)
{
    double sum = 0;

    for (size_t i = 0; i + 1 < w->n_samples; i++) {
        const struct world_sample *s = &w->samples[i];
        int64_t from = s->at_usec > w->begin_usec ? s->at_usec : w->begin_usec;
        int64_t to = s[1].at_usec < w->end_usec ? s[1].at_usec : w->end_usec;

        if (to > from)
            sum += sec(to - from) * s->closed_nodes;
    }
    return sum;
}

int report_make(const struct world *w, struct report *ret)
{
    double *waits = calloc(w->n_jobs, sizeof(*waits)), unit_sec = 0;
    size_t taken = 0;
    struct report r = {.jobs = w->n_jobs,
                       .left_out = w->left_out,
                       .turned_away = w->turned_away,
                       .never_started = w->never_started,
                       .reservations = w->reservations,
                       .node_hours_closed = closed_sec(w) / 3600,
                       .starts = w->starts,
                       .failed_starts = w->failed_starts,
                       .saves = w->saves,
                       .requeues = w->requeues,
                       .gpu_hours_preempted = sec(w->lost_usec) / 3600 / w->gpu_units,
                       .classes = w->classes,
                       .class_seats = w->n_seats,
                       .lead_sec = (double)w->options.lead_sec,
                       .makespan_sec = sec(w->end_usec - w->begin_usec),
                       .plan_cpu_sec = sec(w->plan_cpu_usec),
                       .plan_steps = w->plan_steps};

    if (!waits)
        return -ENOMEM;
    for (size_t i = 0; i < w->n_jobs; i++) {
        if (w->jobs[i].turned_away)
            continue;
        r.reservation_jobs += *w->jobs[i].trace->reservation != '\0';
        waits[taken++] = wait_of(&w->jobs[i]);
        add_job(&w->jobs[i], &r, &unit_sec);
    }
    r.gpu_hours = unit_sec / 3600 / w->gpu_units;
    qsort(waits, taken, sizeof(*waits), compare);
    r.mean_wait_sec /= fmax(1, (double)taken);
    r.mean_slowdown /= fmax(1, (double)taken);
    r.p50_wait_sec = percentile(waits, taken, 0.5);
    r.p95_wait_sec = percentile(waits, taken, 0.95);
    r.longest_wait_sec = percentile(waits, taken, 1);
    if (w->capacity && r.makespan_sec > 0)
        r.utilisation = unit_sec / ((double)w->capacity * r.makespan_sec);
    free(waits);
    add_seats(w, &r);
    *ret = r;
    return 0;
}

void report_write_text(const struct report *r, struct buf *out)
{
    buf_printf(out, "jobs               %" PRIu64 ", %" PRIu64 " left out\n", r->jobs, r->left_out);
    if (r->turned_away)
        buf_printf(out, "turned away        %" PRIu64 "\n", r->turned_away);
    if (r->never_started)
        buf_printf(out,
                   "never started      %" PRIu64 ": too long for the time between reservations\n",
                   r->never_started);
    buf_printf(out, "had to wait        %.1f %%\n",
               100 * (double)r->waited /
                   fmax(1, (double)(r->jobs - r->turned_away - r->never_started)));
    buf_printf(out, "wait               mean %.0f s, p50 %.0f s, p95 %.0f s, longest %.0f s\n",
               r->mean_wait_sec, r->p50_wait_sec, r->p95_wait_sec, r->longest_wait_sec);
    buf_printf(out, "bounded slowdown   mean %.2f\n", r->mean_slowdown);
    buf_printf(out, "utilisation        %.1f %% over %.1f days\n", 100 * r->utilisation,
               r->makespan_sec / 86400);
    buf_printf(out, "starts             %" PRIu64 ", %" PRIu64 " failed\n", r->starts,
               r->failed_starts);
    if (r->saves || r->requeues)
        buf_printf(out,
                   "made room           %" PRIu64 " saved, %" PRIu64
                   " started over; %.1f of %.1f hours of units lost\n",
                   r->saves, r->requeues, r->gpu_hours_preempted, r->gpu_hours);
    if (r->classes)
        buf_printf(
            out,
            "classes            %" PRIu64 ", %" PRIu64
            " seats: %.3f %% READY when they begin, the last %.0f s %s\n"
            "                   kept from %.0f s before; %.0f hours of GPUs without a session\n",
            r->classes, r->class_seats, r->seats_ready_pct, fabs(r->slowest_seat_sec),
            r->slowest_seat_sec > 0 ? "later" : "before", r->lead_sec, r->gpu_hours_held_empty);
    if (r->reservations)
        buf_printf(out,
                   "reservations       %" PRIu64 ", %.1f hours of nodes; %" PRIu64
                   " jobs ran in them\n",
                   r->reservations, r->node_hours_closed, r->reservation_jobs);
    buf_printf(out, "planner            %.2f s of processor time in %" PRIu64 " steps\n",
               r->plan_cpu_sec, r->plan_steps);
}

void report_write_json(const struct report *r, struct buf *out)
{
    buf_printf(out, "{\"jobs\":%" PRIu64 ",\"left_out\":%" PRIu64 ",\"turned_away\":%" PRIu64,
               r->jobs, r->left_out, r->turned_away);
    buf_printf(out, ",\"never_started\":%" PRIu64 ",\"waited\":%" PRIu64, r->never_started,
               r->waited);
    buf_printf(out, ",\"mean_wait_s\":%.3f,\"p50_wait_s\":%.3f,\"p95_wait_s\":%.3f",
               r->mean_wait_sec, r->p50_wait_sec, r->p95_wait_sec);
    buf_printf(out, ",\"longest_wait_s\":%.3f,\"mean_bounded_slowdown\":%.4f", r->longest_wait_sec,
               r->mean_slowdown);
    buf_printf(out, ",\"utilisation\":%.5f,\"makespan_s\":%.3f,\"starts\":%" PRIu64, r->utilisation,
               r->makespan_sec, r->starts);
    buf_printf(out, ",\"classes\":%" PRIu64 ",\"class_seats\":%" PRIu64 ",\"lead_s\":%.0f",
               r->classes, r->class_seats, r->lead_sec);
    buf_printf(out, ",\"class_seats_ready_pct\":%.4f,\"slowest_seat_s\":%.3f", r->seats_ready_pct,
               r->slowest_seat_sec);
    buf_printf(out, ",\"failed_seats\":%" PRIu64 ",\"second_seats\":%" PRIu64, r->failed_seats,
               r->second_seats);
    buf_printf(
        out, ",\"sessions\":%" PRIu64 ",\"gpu_hours_held_empty\":%.3f,\"profile_changes\":%" PRIu64,
        r->sessions, r->gpu_hours_held_empty, r->profile_changes);
    buf_printf(out,
               ",\"reservations\":%" PRIu64 ",\"reservation_jobs\":%" PRIu64
               ",\"node_hours_closed\":%.3f",
               r->reservations, r->reservation_jobs, r->node_hours_closed);
    buf_printf(out,
               ",\"saves\":%" PRIu64 ",\"requeues\":%" PRIu64
               ",\"gpu_hours\":%.3f,\"gpu_hours_preempted\":%.3f",
               r->saves, r->requeues, r->gpu_hours, r->gpu_hours_preempted);
    buf_printf(out,
               ",\"failed_starts\":%" PRIu64 ",\"plan_cpu_s\":%.3f,\"plan_steps\":%" PRIu64 "}\n",
               r->failed_starts, r->plan_cpu_sec, r->plan_steps);
}

/* A text as CSV has it, quoted where it must be. */
static void write_text(const char *text, struct buf *out)
{
    char quoted[1024];
    size_t n = csv_write(quoted, sizeof(quoted), text, strlen(text));

    if (!strpbrk(text, ",\"\r\n"))
        buf_puts(out, text);
    else if (n <= sizeof(quoted))
        buf_append(out, quoted, n);
}

/* Whole seconds as such: traces have no others. */
static void write_sec(int64_t usec, struct buf *out)
{
    buf_printf(out, usec % 1000000 ? "%.6f," : "%.0f,", sec(usec));
}

void report_write_seats(const struct world *w, struct buf *out)
{
    buf_puts(out,
             "class_id,profile,from_s,begin_s,end_s,node,gpus,start_s,ready_s,failed,second_s\n");
    for (size_t i = 0; i < w->n_seats; i++) {
        const struct world_seat *s = &w->seats[i];
        const struct timetable_row *row = &w->timetable->rows[s->row];

        write_text(row->id, out);
        buf_putc(out, ',');
        write_text(row->profile, out);
        buf_printf(out, ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%s,",
                   row->begin_sec - w->options.lead_sec, row->begin_sec, row->end_sec, s->at.node);
        write_text(s->at.gpus_held, out);
        buf_putc(out, ',');
        write_sec(s->start_usec - s->at.from_usec +
                      (row->begin_sec - w->options.lead_sec) * 1000000,
                  out);
        buf_printf(out, "%.6f,%u,",
                   sec(s->ready_usec - s->at.from_usec) +
                       (double)(row->begin_sec - w->options.lead_sec),
                   s->failed);
        if (s->begun_usec[1])
            buf_printf(out, "%.6f",
                       sec(s->begun_usec[1] - s->at.from_usec) +
                           (double)(row->begin_sec - w->options.lead_sec));
        buf_putc(out, '\n');
    }
}

void report_write_starts(const struct world *w, struct buf *out)
{
    buf_puts(out, "origin_id,submit_s,start_s,end_s,node,units,gpus,from_s,how\n");
    for (size_t i = 0; i < w->n_runs; i++) {
        const struct world_run *r = &w->runs[i];
        const struct world_job *j = &w->jobs[r->job];
        int64_t zero_usec = j->submit_usec - j->trace->submit_sec * 1000000;

        write_text(j->trace->id, out);
        buf_printf(out, ",%" PRId64 ",", j->trace->submit_sec);
        if (r->start_usec)
            write_sec(r->start_usec - zero_usec, out);
        else
            buf_putc(out, ',');
        write_sec(r->to_usec - zero_usec, out);
        write_text(r->nodes, out);
        buf_printf(out, ",%.10g,", j->units / (double)w->gpu_units);
        write_text(r->gpus, out);
        buf_putc(out, ',');
        write_sec(r->from_usec - zero_usec, out);
        buf_printf(out, "%s\n", r->how);
    }
}
