/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain_forecast.c - what is touched if a node goes out of service at a given time.
 *
 * Jobs that hold it then still, jobs in line that the plan has on it, seats of classes, and
 * reservations. It changes nothing; rows of seats are one for each date of a class.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "vdictld/class_impl.h"
#include "vdictld/handlers.h"
#include "vdictld/job_filter.h"
#include "vdictld/queue.h"

#define ROWS_SHOWN 1000
#define ROWS_MAX 200000
/* No name of a reservation: nobody's jobs are at home in what is asked about. */
#define NOBODY " "

enum what { JOB, WAITING, CLASS, RESERVATION };
static const char *const what_names[] = {"job", "waiting", "class", "reservation"};

struct row {
    enum what what;
    uint64_t id; /* of a job, or of the class */
    char date[CLASS_DATE_MAX];
    int64_t from_usec, to_usec; /* 0: it is there already; not known */
    uint32_t seats;
};

struct forecast {
    struct core *core;
    int64_t now_usec, by_usec;
    struct row *rows;
    size_t n, room;
    bool failed;
};

static void add(struct forecast *f, const struct row *row)
{
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        struct row *grown = f->n < ROWS_MAX ? realloc(f->rows, room * sizeof(*grown)) : NULL;

        if (!grown) {
            f->failed = true;
            return;
        }
        f->rows = grown;
        f->room = room;
    }
    f->rows[f->n++] = *row;
}

/* ---- what there is ---- */

/* Seats of a date come one after the other, but for those that are started already. */
static void add_seat(struct forecast *f, const struct row *row)
{
    for (size_t i = f->n; i > 0 && f->n - i < 256; i--) {
        struct row *r = &f->rows[i - 1];

        if (r->what == CLASS && r->id == row->id && str_equal(r->date, row->date)) {
            r->seats++;
            return;
        }
    }
    add(f, row);
}

static void add_date(struct forecast *f, const struct plan_clash *c)
{
    struct row row = {.what = CLASS,
                      .id = classes_of_plan(c->id),
                      .from_usec = c->from_usec,
                      .to_usec = c->to_usec,
                      .seats = 1};
    const struct course *course = course_get(f->core, row.id);

    for (size_t i = 0; course && i < course->n_times; i++) {
        if (course->times[i].plan_id != c->id)
            continue;
        str_copy(row.date, sizeof(row.date), course->times[i].date);
        row.from_usec = course->times[i].begin_usec;
        row.to_usec = course->times[i].end_usec;
    }
    add_seat(f, &row);
}

/* A seat of a class that was started ahead. */
static void add_instance(struct forecast *f, uint64_t id)
{
    const struct instance *in = core_instance(f->core, id);
    const struct course *course = in ? course_get(f->core, in->class_id) : NULL;
    struct row row = {.what = CLASS, .id = in ? in->class_id : 0, .seats = 1};

    if (!in)
        return;
    str_copy(row.date, sizeof(row.date), in->date);
    for (size_t i = 0; course && i < course->n_times; i++) {
        if (!str_equal(course->times[i].date, row.date))
            continue;
        row.from_usec = course->times[i].begin_usec;
        row.to_usec = course->times[i].end_usec;
    }
    add_seat(f, &row);
}

static void take_clash(void *arg, const struct plan_clash *c)
{
    struct forecast *f = arg;
    bool is_endless = c->to_usec - f->now_usec >= CLASS_HORIZON_USEC * 10;
    struct row row = {
        .id = c->id, .from_usec = c->from_usec, .to_usec = is_endless ? 0 : c->to_usec};

    if (c->type == PLAN_CLASH_CLASS) {
        add_date(f, c);
    } else if (c->type == PLAN_CLASH_CLOSURE) {
        row.what = RESERVATION;
        add(f, &row);
    } else if (c->id >= QUEUE_SEAT_ID) {
        add_instance(f, c->id - QUEUE_SEAT_ID);
    } else if (c->to_usec > f->by_usec) {
        row.from_usec = 0;
        add(f, &row);
    }
}

static void take_planned(void *arg, uint64_t job, int64_t start_usec)
{
    struct row row = {.what = WAITING, .id = job, .from_usec = start_usec};

    add(arg, &row);
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->from_usec != y->from_usec)
        return x->from_usec < y->from_usec ? -1 : 1;
    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int gather(struct forecast *f, const char *node)
{
    struct planner *planner = queue_planner(f->core->queue);
    struct plan_window window = {f->now_usec, INT64_MAX};
    char *nodes[] = {(char *)node};
    struct plan_closure all = {
        .name = NOBODY, .nodes = nodes, .n_nodes = 1, .windows = &window, .n_windows = 1};

    planner_each_clash(planner, &all, f->now_usec, take_clash, f);
    planner_each_planned(planner, node, f->now_usec, take_planned, f);
    if (f->n)
        qsort(f->rows, f->n, sizeof(*f->rows), by_time);
    return f->failed ? -ENOMEM : 0;
}

/* ---- what is said ---- */

static void write_text(const char *name, const char *text, struct buf *out)
{
    if (!*text)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, text);
}

static void write_time(const char *name, int64_t usec, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_time(out, usec);
}

static void write_row(struct forecast *f, const struct row *row, struct buf *out)
{
    bool is_job = row->what <= WAITING;
    const struct job *job = is_job ? core_job(f->core, row->id) : NULL;
    const struct class *class = is_job ? NULL : class_of(f->core, row->id);

    buf_printf(out, "{\"what\":\"%s\"", what_names[row->what]);
    if (is_job)
        buf_printf(out, ",\"job\":%" PRIu64, row->id);
    write_text("owner", job ? job->spec->owner : "", out);
    write_text("name", class ? class->spec.name : job ? job->spec->name : "", out);
    write_text("date", row->date, out);
    write_text("flags", class ? class->spec.flags : "", out);
    if (row->what == CLASS)
        buf_printf(out, ",\"seats\":%u", row->seats);
    write_time("from_time", row->from_usec, out);
    write_time("until_time", row->to_usec, out);
    buf_putc(out, '}');
}

static int read_by(struct call *call, int64_t now_usec, int64_t *ret, struct vdi_error *err)
{
    char limit[40];
    int r;

    *ret = now_usec;
    r = job_filter_time(call, "by", ret, err);
    if (r < 0 || (*ret >= now_usec - 60 * USEC_PER_SEC && *ret <= now_usec + CLASS_HORIZON_USEC))
        return r;
    error_set(err, ERANGE, "by", "nothing is planned for that time");
    error_hint(err, time_to_rfc3339(now_usec + CLASS_HORIZON_USEC, limit),
               "name a time from now on, within a year");
    return -ERANGE;
}

void handle_node_forecast(struct call *call)
{
    struct forecast f = {.core = call->core, .now_usec = loop_now_usec(call->core->loop)};
    const char *name = call->match.params[0];
    const struct node *node = core_node(call->core, name);
    _cleanup_(buf_done) struct buf body = BUF_INIT(0);
    struct vdi_error err = {0};

    if (!node || node->removed) {
        call_refuse_with(call, ENOENT, "name", "there is no node %s", name);
        return;
    }
    if (read_by(call, f.now_usec, &f.by_usec, &err) < 0) {
        call_refuse(call, &err);
        return;
    }
    if (gather(&f, node->name) < 0) {
        free(f.rows);
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    buf_puts(&body, "{\"node\":");
    json_write_string(&body, node->name);
    write_time("by", f.by_usec, &body);
    buf_puts(&body, ",\"touched\":[");
    for (size_t i = 0; i < f.n && i < ROWS_SHOWN; i++) {
        buf_puts(&body, i ? "," : "");
        write_row(&f, &f.rows[i], &body);
    }
    buf_printf(&body, "],\"more\":%zu}", f.n > ROWS_SHOWN ? f.n - ROWS_SHOWN : 0);
    free(f.rows);
    call_reply_json(call, 200, &body);
}
