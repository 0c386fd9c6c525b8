/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seats.c - what becomes of a class's seats: each is started ahead, so that it is READY when the
 * class begins.
 *
 * A start that fails is made again at once. One that is slower than most (`second_sec`) gets a
 * second instance, where the planner finds room for one more seat, and that a third; the first that
 * is READY is the seat. Kept: nothing starts on a GPU that a job still has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/boots.h"
#include "vdisim/run.h"

/* Who waits for a GPU looks at it so often. */
#define LOOK_USEC USEC
/* Classes of one seat that is booked while another is slow: this and the timers' id of it. */
#define BOOKED (UINT64_C(1) << 40)

static size_t seat_of(const struct timer *t)
{
    return t->id / SEAT_INSTANCES;
}

static size_t instance_of(const struct timer *t)
{
    return t->id % SEAT_INSTANCES;
}

/* As vdictld has it (vdictld/class_lead.c) when it knows seats by their last BOOTS_KEPT boots.
 * These are drawn by themselves: what else is drawn does not depend on them. */
void seats_measure(struct world *w)
{
    struct world_options *o = &w->options;
    const struct config_qos *qos = config_qos(w->config, o->class_qos);
    struct boots boots = {0};
    struct draw draw;
    int64_t free_usec = -1, usec;

    draw_seed(&draw, ~o->seed);
    for (unsigned i = 0; i < BOOTS_KEPT; i++)
        boots_add(&boots, draw_usec(&draw, &o->boot));
    if (o->second_sec < 0)
        o->second_sec = (double)boots_slow_usec(&boots) / 1e6;
    if (qos && qos->preempts.n && o->second_sec > 0)
        free_usec = (int64_t)(o->save.p99_sec * 1e6) + qos->grace_sec * USEC;
    usec = boots_lead_usec(&boots, 1, free_usec);
    if (usec > o->lead_sec * USEC)
        o->lead_sec = (usec + USEC - 1) / USEC;
}

static int64_t window_usec(const struct world *w, const struct world_seat *s)
{
    return EPOCH_USEC + (w->timetable->rows[s->row].begin_sec - w->options.lead_sec) * USEC;
}

int seats_begin(struct run *run)
{
    struct world *w = run->world;
    int r = 0;

    for (size_t i = 0; i < w->n_seats && r == 0; i++)
        r = timers_add(&run->timers, (struct timer){window_usec(w, &w->seats[i]), TIMER_SEAT,
                                                    SEAT_INSTANCES * i});
    return r;
}

static int start(struct run *run, const struct timer *t)
{
    struct world *w = run->world;
    struct world_seat *s = &w->seats[seat_of(t)];
    int64_t boot_usec = draw_usec(&run->draw, &w->options.boot);

    if (!s->begun_usec[instance_of(t)])
        s->begun_usec[instance_of(t)] = run->now_usec;
    if (!s->start_usec)
        s->start_usec = run->now_usec;
    return timers_add(&run->timers,
                      (struct timer){run->now_usec + boot_usec, TIMER_SEAT_READY, t->id});
}

/* Whether it is READY when all but a few are, and what else can be done when it is not. */
static int look_later(struct run *run, const struct timer *t)
{
    struct world *w = run->world;
    double sec = w->options.second_sec;

    if (sec <= 0)
        return 0;
    if (w->seats[seat_of(t)].is_pressing)
        sec = (double)BOOTS_PRESS_USEC / 1e6;
    return timers_add(&run->timers,
                      (struct timer){run->now_usec + (int64_t)(sec * 1e6), TIMER_SEAT_SLOW, t->id});
}

int seats_start(struct run *run, const struct timer *t)
{
    struct world *w = run->world;
    struct world_seat *s = &w->seats[seat_of(t)];
    size_t which = instance_of(t);
    const struct plan_seat *at = which ? &s->places[which] : &s->at;
    int r;

    if (s->ready_usec)
        return 0; /* another one was faster than this one had its GPU */
    if (life_holds(run, at->node, at->gpus_held))
        return timers_add(&run->timers,
                          (struct timer){run->now_usec + LOOK_USEC, TIMER_SEAT, t->id});
    r = start(run, t);
    return r == 0 && which + 1 < SEAT_INSTANCES ? look_later(run, t) : r;
}

static void take_place(void *arg, const struct plan_seat *seat)
{
    struct plan_seat *place = arg;

    *place = *seat;
}

/* One more seat of the class, from then on: where there is room, or (`pressing`) a job has to
 * make some. `id`: of its timers. */
static bool book_more(struct run *run, uint64_t id, int64_t from_usec, bool pressing)
{
    struct world *w = run->world;
    struct world_seat *s = &w->seats[id / SEAT_INSTANCES];
    struct plan_window window = {from_usec, s->at.to_usec};
    struct job_spec *spec = classes_spec(w, &w->timetable->rows[s->row]);
    struct plan_class c = {
        .id = BOOKED + id, .seat = spec, .seats = 1, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    bool is_booked;

    if (spec && !pressing)
        job_spec_set(&spec->qos, "");
    is_booked = spec && planner_put_class(run->planner, &c, run->now_usec, &shortage) == 0;
    job_spec_unref(spec);
    if (!is_booked)
        return false;
    s->is_pressing = false;
    s->n = id % SEAT_INSTANCES + 1;
    planner_each_seat(run->planner, c.id, take_place, &s->places[id % SEAT_INSTANCES]);
    return true;
}

int seats_slow(struct run *run, const struct timer *t)
{
    struct world *w = run->world;
    struct world_seat *s = &w->seats[seat_of(t)];
    int64_t save_usec = (int64_t)(w->options.save.p99_sec * 1e6);

    if (s->ready_usec)
        return 0;
    if (!book_more(run, t->id + 1, run->now_usec, false)) {
        if (!s->is_pressing) {
            s->is_pressing = true;
            return look_later(run, t);
        }
        if (!book_more(run, t->id + 1, run->now_usec + save_usec, true))
            return look_later(run, t);
    }
    w->second_seats++;
    return timers_add(&run->timers, (struct timer){s->places[instance_of(t) + 1].from_usec,
                                                   TIMER_SEAT, t->id + 1});
}

int seats_ready(struct run *run, const struct timer *t)
{
    struct world *w = run->world;
    struct world_seat *s = &w->seats[seat_of(t)];
    size_t which = instance_of(t);
    int64_t from_usec = s->at.from_usec;

    if (s->ready_usec)
        return 0;
    if (draw_chance(&run->draw, w->options.fail)) {
        w->failed_seats++;
        s->failed++;
        return start(run, t);
    }
    s->ready_usec = run->now_usec;
    s->start_usec = s->begun_usec[which];
    if (which) {
        s->at = s->places[which];
        s->at.from_usec = from_usec;
    }
    for (size_t i = 1; i < s->n; i++)
        if (i != which) /* the others are taken away */
            planner_remove_class(run->planner, BOOKED + seat_of(t) * SEAT_INSTANCES + i);
    return 0;
}
