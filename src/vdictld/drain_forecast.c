/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain_forecast.c - what is touched if a node goes out of service at a given time.
 *
 * Jobs that hold it then still, jobs in line that the plan has on it, seats of classes, and
 * reservations. It changes nothing; rows of seats are one for each date of a class. What the node
 * has is looked at in one go; all that waits in slices, between which the loop does other work: a
 * job that starts meanwhile is there as it was when its turn came. The first rows by time are kept
 * and shown, and of the others their number.
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
#define SLICE_USEC 2000
#define SLICE_LOOKS 64 /* jobs between two looks at the clock */
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
    struct http_stream *stream;
    struct source *again; /* the next slice, after the loop's other work */
    char node[64];
    int64_t now_usec, by_usec;
    struct row *dates;   /* of classes, until all of their seats are counted */
    struct hash *places; /* a window's id in the plan -> its place in `dates`, and 1 */
    size_t n_dates, room;
    bool failed;
    uint64_t after; /* the last job that was looked at */
    bool all_seen;
    size_t n_written;
    size_t n, n_kept;             /* rows, and how many of them are kept */
    struct row first[ROWS_SHOWN]; /* a heap, the last by time on top; then sorted */
};

static void forecast_free(struct forecast *f)
{
    source_free(f->again);
    hash_free(f->places);
    free(f->dates);
    free(f);
}

/* ---- the first by time ---- */

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->from_usec != y->from_usec)
        return x->from_usec < y->from_usec ? -1 : 1;
    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Puts it where there is a hole, or below where it belongs. */
static void sift_down(struct forecast *f, const struct row *row)
{
    size_t at = 0, down;

    while ((down = 2 * at + 1) < f->n_kept) {
        if (down + 1 < f->n_kept && by_time(&f->first[down], &f->first[down + 1]) < 0)
            down++;
        if (by_time(row, &f->first[down]) >= 0)
            break;
        f->first[at] = f->first[down];
        at = down;
    }
    f->first[at] = *row;
}

static void add(struct forecast *f, const struct row *row)
{
    size_t at = f->n_kept;

    f->n++;
    if (at == ROWS_SHOWN) {
        if (by_time(row, &f->first[0]) < 0)
            sift_down(f, row);
        return;
    }
    f->n_kept++;
    for (; at && by_time(&f->first[(at - 1) / 2], row) < 0; at = (at - 1) / 2)
        f->first[at] = f->first[(at - 1) / 2];
    f->first[at] = *row;
}

/* ---- seats of classes ---- */

static struct row *date_add(struct forecast *f, const struct row *row)
{
    if (f->n_dates == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        struct row *grown = reallocarray(f->dates, room, sizeof(*grown));

        if (!grown) {
            f->failed = true;
            return NULL;
        }
        f->dates = grown;
        f->room = room;
    }
    f->dates[f->n_dates] = *row;
    return &f->dates[f->n_dates++];
}

/* Its name and times, where the class has them still. */
static void date_describe(struct row *row, const struct class_time *time)
{
    str_copy(row->date, sizeof(row->date), time->date);
    row->from_usec = time->begin_usec;
    row->to_usec = time->end_usec;
}

/* One of its seats that are booked. */
static void add_booked(struct forecast *f, const struct plan_clash *c)
{
    size_t place = (size_t)(uintptr_t)hash_get_u64(f->places, c->id);
    struct row row = {.what = CLASS,
                      .id = classes_of_plan(c->id),
                      .from_usec = c->from_usec,
                      .to_usec = c->to_usec,
                      .seats = 1};
    const struct course *course = place ? NULL : course_get(f->core, row.id);

    if (place) {
        f->dates[place - 1].seats++;
        return;
    }
    for (size_t i = 0; course && i < course->n_times; i++)
        if (course->times[i].plan_id == c->id)
            date_describe(&row, &course->times[i]);
    if (date_add(f, &row) && hash_put_u64(f->places, c->id, (void *)(uintptr_t)f->n_dates) < 0)
        f->failed = true;
}

/* One that was started ahead: there are no more of them than the node holds. */
static void add_started(struct forecast *f, uint64_t id)
{
    const struct instance *in = core_instance(f->core, id);
    const struct course *course = in ? course_get(f->core, in->class_id) : NULL;
    struct row row = {.what = CLASS, .id = in ? in->class_id : 0, .seats = 1};

    if (!in)
        return;
    for (size_t i = 0; i < f->n_dates; i++) {
        if (f->dates[i].id != row.id || !str_equal(f->dates[i].date, in->date))
            continue;
        f->dates[i].seats++;
        return;
    }
    str_copy(row.date, sizeof(row.date), in->date);
    for (size_t i = 0; course && i < course->n_times; i++)
        if (str_equal(course->times[i].date, in->date))
            date_describe(&row, &course->times[i]);
    date_add(f, &row);
}

/* ---- what there is ---- */

static void take_clash(void *arg, const struct plan_clash *c)
{
    struct forecast *f = arg;
    bool is_endless = c->to_usec - f->now_usec >= CLASS_HORIZON_USEC * 10;
    struct row row = {
        .id = c->id, .from_usec = c->from_usec, .to_usec = is_endless ? 0 : c->to_usec};

    if (c->type == PLAN_CLASH_CLASS) {
        add_booked(f, c);
    } else if (c->type == PLAN_CLASH_CLOSURE) {
        row.what = RESERVATION;
        add(f, &row);
    } else if (c->id >= QUEUE_SEAT_ID) {
        add_started(f, c->id - QUEUE_SEAT_ID);
    } else if (c->to_usec > f->by_usec) {
        row.from_usec = 0;
        add(f, &row);
    }
}

/* What the node has, or is booked to have. */
static int gather(struct forecast *f)
{
    struct plan_window window = {f->now_usec, INT64_MAX};
    char *nodes[] = {f->node};
    struct plan_closure all = {
        .name = NOBODY, .nodes = nodes, .n_nodes = 1, .windows = &window, .n_windows = 1};

    planner_each_clash(queue_planner(f->core->queue), &all, f->now_usec, take_clash, f);
    for (size_t i = 0; i < f->n_dates; i++)
        add(f, &f->dates[i]);
    return f->failed ? -ENOMEM : 0;
}

/* What waits and is planned there; true: there is more to look at. */
static bool waiting_slice(struct forecast *f)
{
    struct table *t = events_table(f->core->events, NOUN_JOB);
    const struct planner *planner = queue_planner(f->core->queue);
    int64_t until = loop_monotonic_usec(f->core->loop) + SLICE_USEC;
    unsigned looks = 1;

    for (size_t at = table_after(t, f->after); at < table_end(t); at++, looks++) {
        const struct slot *slot = table_at(t, at);
        const struct job *job = slot ? slot->pub : NULL;
        struct row row = {.what = WAITING, .id = slot ? slot->id : 0};

        if (looks % SLICE_LOOKS == 0 && loop_monotonic_usec(f->core->loop) > until)
            return true;
        if (slot)
            f->after = slot->id;
        if (job && job_is_waiting(job) &&
            planner_planned_on(planner, row.id, f->node, f->now_usec, &row.from_usec))
            add(f, &row);
    }
    return false;
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

static void write_row(const struct forecast *f, const struct row *row, struct buf *out)
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

/* A slice of the rows; with the last of them the end. */
static void write_slice(struct forecast *f)
{
    int64_t until = loop_monotonic_usec(f->core->loop) + SLICE_USEC;
    struct buf out = BUF_INIT(0);

    while (f->n_written < f->n_kept) {
        buf_puts(&out, f->n_written ? "," : "");
        write_row(f, &f->first[f->n_written++], &out);
        if (f->n_written % SLICE_LOOKS == 0 && loop_monotonic_usec(f->core->loop) > until)
            break;
    }
    if (f->n_written == f->n_kept)
        buf_printf(&out, "],\"more\":%zu}", f->n - f->n_kept);
    if (out.failed || http_stream_send(f->stream, out.data, out.len) < 0)
        http_stream_abort(f->stream);
    else if (f->n_written == f->n_kept)
        http_stream_end(f->stream);
    buf_done(&out);
}

static void forecast_ready(void *arg)
{
    struct forecast *f = arg;

    if (!f->all_seen && waiting_slice(f)) {
        source_rearm(f->again, 0);
        return;
    }
    if (!f->all_seen)
        qsort(f->first, f->n_kept, sizeof(f->first[0]), by_time);
    f->all_seen = true;
    write_slice(f);
}

static void forecast_closed(void *arg)
{
    forecast_free(arg);
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

static struct forecast *forecast_new(struct call *call, const struct node *node,
                                     struct vdi_error *err)
{
    struct forecast *f = calloc(1, sizeof(*f));
    int r = f ? 0 : error_set(err, ENOMEM, "", "out of memory");

    if (!f)
        return NULL;
    f->core = call->core;
    f->now_usec = loop_now_usec(call->core->loop);
    str_copy(f->node, sizeof(f->node), node->name);
    f->again = loop_timer(call->core->loop, -1, forecast_ready, f);
    f->places = hash_new_u64();
    r = read_by(call, f->now_usec, &f->by_usec, err);
    if (r >= 0 && (!f->again || !f->places || gather(f) < 0))
        r = error_set(err, ENOMEM, "", "out of memory");
    if (r >= 0)
        return f;
    forecast_free(f);
    return NULL;
}

void handle_node_forecast(struct call *call)
{
    const char *name = call->match.params[0];
    const struct node *node = core_node(call->core, name);
    _cleanup_(buf_done) struct buf head = BUF_INIT(0);
    struct vdi_error err = {0};
    struct forecast *f;

    if (!node || node->removed) {
        call_refuse_with(call, ENOENT, "name", "there is no node %s", name);
        return;
    }
    f = forecast_new(call, node, &err);
    if (!f) {
        call_refuse(call, &err);
        return;
    }
    buf_puts(&head, "{\"node\":");
    json_write_string(&head, f->node);
    write_time("by", f->by_usec, &head);
    buf_puts(&head, ",\"touched\":[");
    f->core->replies[2]++;
    f->stream = http_request_stream(call->http, 200, "application/json", forecast_ready,
                                    forecast_closed, f);
    free(call);
    if (f->stream)
        http_stream_send(f->stream, head.data, head.len);
    else
        forecast_free(f);
}
