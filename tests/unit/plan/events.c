/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - random worlds, and what happens in them. */
#include "events.h"

#include <errno.h>

unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

/* ---- random events ------------------------------------------------------ */

void put_job(struct world *w, int j)
{
    w->given[j] = false;
    w->told[j] = false;
    if (waits(&w->jobs[j]) || holds_nothing(&w->jobs[j]))
        w->asked[j] = false;
    if (w->jobs[j].state == JOB_PENDING)
        w->n_places[j] = 0;
    w->granted_sec[j] = 0;
    assert_int_equal(planner_put_job_on(w->planner, &w->jobs[j], &w->disks[j], w->places[j],
                                        (uint32_t)w->n_places[j]),
                     0);
}

static const char *const closure_names[] = {"tue", "wed", "fan", "none"};
static const char *const drawn_by[] = {NULL, NULL, NULL, "", "tue", "wed", "none,tue", "fan,wed"};

/* Most have none: what there was before is tried as much as ever. */
static void new_disks(struct world *w, int j)
{
    static const char *const pins[] = {"", "", "n00", "n03"};
    struct plan_terms *d = &w->disks[j];

    *d = (struct plan_terms){.drawn = drawn_by[pick(8)], .unsaved = !pick(8), .image = pick(4)};
    if (pick(2))
        return;
    d->gib = pick(4) * 10;
    d->block = pick(8) ? PLAN_DISK_FREE : pick(2) ? PLAN_DISK_BUSY : PLAN_DISK_QUOTA;
    strcpy(d->node, pins[pick(4)]);
}

static void new_job(struct world *w, int j)
{
    static const char *const lists[] = {"", "", "", "", "n00", "n01,n02", "n03,n04"};
    static const char *const features[] = {"", "", "", "", "a40", "ssd"};
    static const int64_t limits[] = {1, 2, 5, 5, 17, 60, 0};
    static const char *const wishes[] = {"",     "whole", "x-1q",     "x-2q,x-1q",
                                         "x-4q", "x-2q",  "fb>=2048", "x-1q,x-4q"};
    struct job_spec *s = &w->specs[j];

    *s = world_spec(pick(9), pick(5) * 1000, pick(3) ? 0 : pick(4), limits[pick(7)]);
    s->partition = (char *)(pick(4) ? "main" : "low");
    s->nodelist = (char *)lists[pick(7)];
    s->exclude = (char *)lists[pick(7)];
    s->constraint = (char *)features[pick(6)];
    s->profile = (char *)wishes[pick(8)];
    s->kind = pick(2) ? JOB_INTERACTIVE : JOB_BATCH;
    s->encode_mpix = s->kind == JOB_INTERACTIVE ? pick(4) * 20 : 0;
    s->qos = pick(3) ? "batch" : pick(2) ? "spare" : "";
    if (pick(6) == 0)
        s->begin_usec = w->now + pick(20) * MIN / 2 - MIN;
    if (pick(10) == 0)
        s->deadline_usec = w->now + pick(20) * MIN / 2 - MIN;
    if (w->is_busy ? pick(5) != 0 : pick(8) == 0) { /* such as may cross the windows of classes */
        *s = world_spec(pick(2), 0, 1 + pick(2), limits[3 + pick(4)]);
        s->nodelist = s->exclude = s->constraint = (char *)"";
        s->profile = (char *)(pick(2) ? "whole" : "x-4q");
        s->kind = JOB_BATCH;
        s->qos = pick(6) ? "batch" : "spare";
    }
    s->nodes = pick(3) ? pick(2) : 1 + pick(4);
    s->time_min_sec = pick(3) ? 0 : 20 * (1 + pick(20));
    s->reservation = (char *)(pick(16) ? "" : closure_names[pick(4)]);
    for (unsigned c = 0; c < 3; c++) /* most name one that there is */
        if (w->closures[c].put.n_windows && pick(3) == 0)
            s->reservation = (char *)closure_names[c];
    w->jobs[j] = world_job((uint64_t)j + 1, s);
    w->jobs[j].gpus_held = w->places[j][0].gpus_held;
    w->jobs[j].priority = (int32_t)pick(3);
    w->jobs[j].submit_usec = T0 + pick(4);
    w->jobs[j].held_by_user = pick(12) == 0;
    w->jobs[j].held_by_admin = pick(12) == 0;
    w->jobs[j].unknown = pick(20) == 0;
    w->has_job[j] = true;
    new_disks(w, j);
    put_job(w, j);
}

/* Saved, wanted back, being read back, running again; or not, and back to being saved. */
static void advance_saved(struct world *w, int j)
{
    struct job *job = &w->jobs[j];

    if (!job->wake_usec) {
        job->wake_usec = w->now;
    } else if (w->given[j]) {
        job->restore_usec = w->now;
    } else if (!job->restore_usec || pick(4) == 0) {
        job->wake_usec = job->restore_usec = 0;
    } else {
        job->state = JOB_RUNNING;
        job->suspended_total_usec += w->now - job->suspended_usec;
        job->suspended_usec = job->wake_usec = job->restore_usec = 0;
    }
}

static void advance_job(struct world *w, int j)
{
    struct job *job = &w->jobs[j];

    switch (job->state) {
    case JOB_PENDING:
        if (!w->given[j]) {
            job->held_by_user = !job->held_by_user;
            break;
        }
        if (w->granted_sec[j]) {
            w->specs[j].time_asked_sec = w->specs[j].time_limit_sec;
            w->specs[j].time_limit_sec = w->granted_sec[j];
        }
        job->state = JOB_CONFIGURING;
        job->alloc_usec = w->now;
        job->node = w->places[j][0].node;
        break;
    case JOB_CONFIGURING:
        job->state = JOB_RUNNING;
        job->start_usec = w->now;
        break;
    case JOB_RUNNING:
        if (w->is_busy && !w->asked[j] && pick(8)) /* it runs on, until a class needs its place */
            break;
        if (w->asked[j] && goes_saved(w, j)) { /* and back at once */
            job->state = JOB_SUSPENDED;
            job->suspended_usec = job->wake_usec = w->now;
            break;
        }
        job->state = pick(3) ? JOB_COMPLETING : JOB_SUSPENDED;
        job->suspended_usec = job->state == JOB_SUSPENDED ? w->now : 0;
        break;
    case JOB_SUSPENDED:
        advance_saved(w, j);
        break;
    default: /* COMPLETING */
        job->suspended_total_usec = 0;
        job->state = pick(4) ? JOB_COMPLETED : JOB_PENDING; /* requeued */
        if (w->specs[j].time_asked_sec)
            w->specs[j].time_limit_sec = w->specs[j].time_asked_sec;
        w->specs[j].time_asked_sec = 0;
        break;
    }
    put_job(w, j);
    w->has_job[j] = job->state != JOB_COMPLETED;
}

static void job_event(struct world *w)
{
    int j = (int)pick(N_JOBS);

    if (!w->has_job[j]) {
        new_job(w, j);
    } else if (pick(12) == 0) {
        planner_remove_job(w->planner, w->jobs[j].id);
        w->has_job[j] = false;
        w->given[j] = false;
        w->told[j] = false;
    } else if (pick(8) == 0) {
        w->jobs[j].priority = (int32_t)pick(3);
        put_job(w, j);
    } else if (pick(8) == 0) {
        new_disks(w, j);
        put_job(w, j);
    } else {
        advance_job(w, j);
    }
}

/* A start given for a node that goes out of service comes back in line. */
static void take_back(struct world *w, int n)
{
    for (int j = 0; j < N_JOBS; j++)
        for (int i = 0; i < w->n_places[j]; i++)
            if (w->given[j] && node_of(w->places[j][i].node) == n)
                w->given[j] = false;
}

static void node_event(struct world *w)
{
    static const char *const features[] = {"a40", "ssd", "a40,ssd", ""};
    int i = (int)pick(N_NODES);
    struct node *n = &w->nodes[i];
    char name[24];

    if (w->has_node[i] && pick(4) == 0) {
        w->stored_gib[i] = pick(8) * 10;
        assert_int_equal(planner_put_stored(w->planner, n->name, w->stored_gib[i]), 0);
        return;
    }
    if (w->has_node[i] && pick(4) == 0) {
        bool has_any = pick(3);

        w->images[i][0] = has_any ? 1 + pick(3) : 0;
        w->images[i][1] = has_any ? 1 + pick(3) : 0;
        assert_int_equal(planner_set_images(w->planner, n->name, w->images[i], has_any ? 2 : 0), 0);
        return;
    }
    snprintf(name, sizeof(name), "n%02d", i);
    bool was_in_service = w->has_node[i] && n->up && !n->drain;
    if (!w->has_node[i] || pick(6) == 0) {
        *n = world_node(name, 4 + pick(8), 3000 + pick(3) * 1000, pick(4));
        strcpy(n->features, features[pick(4)]);
        n->disk_gib = pick(3) ? 60 + pick(3) * 20 : 0;
        n->software_encoder = pick(3) == 0;
        n->encode_mpix = !n->software_encoder && pick(3) ? 50 + pick(3) * 30 : 0;
        w->has_node[i] = true;
    } else if (pick(8) == 0) {
        planner_remove_node(w->planner, name);
        w->has_node[i] = false;
        take_back(w, i);
        return;
    } else if (pick(2)) {
        n->drain = !n->drain;
    } else {
        n->up = !n->up;
    }
    assert_int_equal(planner_put_node(w->planner, n), 0);
    if (was_in_service && (!n->up || n->drain))
        take_back(w, i);
}

static void take_seat(void *arg, const struct plan_seat *seat)
{
    struct world *w = arg;

    w->seats[w->n_seats++] = *seat;
}

static void drop_seats(struct world *w, uint64_t id)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_seats; i++) {
        if (w->seat_class[i] == id || w->seats[i].to_usec <= w->now)
            continue;
        w->seats[n] = w->seats[i];
        w->seat_specs[n] = w->seat_specs[i];
        w->seat_class[n++] = w->seat_class[i];
    }
    w->n_seats = n;
}

/* It was chosen to be gone for the window of the seat. */
static bool is_chosen(const struct world *w, int j, size_t seat)
{
    const struct victim *v = victim_of(w, j);

    while (v && (v->window->class_id != w->seat_class[seat] ||
                 v->window->from_usec != w->seats[seat].from_usec))
        v = v->next_of_job;
    return v;
}

/* It makes room for the seat in time. */
static bool is_victim(const struct world *w, const struct hold *h, size_t seat)
{
    int j = (int)(h->spec - w->specs);

    if (is_chosen(w, j, seat))
        return preemptor(w, j, seat) && w->seats[seat].from_usec >= w->now + PLAN_SAVE_USEC;
    return preemptor(w, j, seat) && h->n_gpus && is_in_the_way(w, j, 0) &&
           w->seats[seat].from_usec >= w->now + PLAN_SAVE_USEC;
}

/* The seats of the class are where no other seat is, and no job that runs by then. */
static void assert_seats(struct world *w, size_t first)
{
    static struct plan plan;

    reference(w, &plan);
    for (size_t i = first; i < w->n_seats; i++) {
        static struct plan others;
        struct hold h = seat_hold(w, i);
        const struct node *n = &w->nodes[h.node];
        int64_t cpus = n->cpus, encode = encode_of(n), encodes = encode_need(n, h.spec);

        for (int c = 0; c < 3; c++)
            for (size_t k = 0; k < w->closures[c].put.n_nodes; k++)
                for (size_t m = 0; m < w->closures[c].put.n_windows; m++)
                    assert_true(node_of(w->closures[c].nodes[k]) != h.node ||
                                w->closures[c].windows[m].to_usec <= h.from ||
                                w->closures[c].windows[m].from_usec >= h.to);
        others.n = 0;
        for (size_t k = 0; k < w->n_seats; k++)
            if (k != i)
                others.holds[others.n++] = seat_hold(w, k);
        for (size_t k = 0; k < plan.n; k++)
            if (plan.holds[k].from == INT64_MIN && !is_victim(w, &plan.holds[k], i))
                others.holds[others.n++] = plan.holds[k];
        for (int g = 0; g < h.n_gpus; g++)
            assert_true(gpu_room(w, &others, h.node, h.places[g].gpu, h.from, h.to, h.offer,
                                 h.places[g].slot));
        for (size_t k = 0; k < others.n; k++)
            if (others.holds[k].node == h.node && others.holds[k].from <= h.from &&
                others.holds[k].to > h.from) {
                cpus -= others.holds[k].spec->cpus;
                encode -= encode_need(n, others.holds[k].spec);
            }
        assert_true(!h.spec->cpus || cpus >= h.spec->cpus);
        assert_true(!encodes || encode >= encodes);
    }
}

/* None was chosen that could stay beside the seats and all others that do. */
static void assert_needed(struct world *w, size_t first)
{
    static struct plan plan;

    reference(w, &plan);
    for (int j = 0; j < N_JOBS; j++) {
        for (size_t i = first; i < w->n_seats; i++) {
            int64_t from = w->seats[i].from_usec, to = w->seats[i].to_usec;
            bool fits = true;

            if (!w->has_job[j] || !is_chosen(w, j, i))
                continue;
            to = seen_end(w, end_of_job(w, j)) < to ? seen_end(w, end_of_job(w, j)) : to;
            for (int k = 0; k < w->n_places[j]; k++)
                fits &= stays_at(w, &plan, j, k, from, to);
            assert_false(fits);
            w->victims++;
        }
    }
}

struct same_seat {
    struct plan_seat *seat;
    size_t left; /* so many of its window come before */
};

static void take_same(void *arg, const struct plan_seat *seat)
{
    struct same_seat *same = arg;

    if (seat->from_usec != same->seat->from_usec || seat->to_usec != same->seat->to_usec)
        return;
    if (!same->left)
        *same->seat = *seat;
    same->left--;
}

/* Seats of other classes may be elsewhere since another was admitted. */
static void look_again(struct world *w, size_t first)
{
    for (size_t i = 0; i < first; i++) {
        struct same_seat same = {&w->seats[i], 0};

        for (size_t k = 0; k < i; k++)
            same.left += w->seat_class[k] == w->seat_class[i] &&
                         w->seats[k].from_usec == w->seats[i].from_usec &&
                         w->seats[k].to_usec == w->seats[i].to_usec;
        planner_each_seat(w->planner, w->seat_class[i], take_same, &same);
    }
}

static void class_event(struct world *w)
{
    static const char *const wishes[] = {"", "x-1q", "x-2q,x-1q", "x-4q", "fb>=2048"};
    uint64_t id = 1 + pick(4);
    struct plan_window windows[3];
    struct plan_shortage shortage = {0};
    struct job_spec spec = world_spec(pick(4), pick(2) * 1000, pick(3), 0);
    struct plan_class c = {.id = id,
                           .seat = &spec,
                           .seats = 1 + pick(5),
                           .windows = windows,
                           .n_windows = 1 + pick(3)};
    size_t first;

    if (w->is_busy && pick(8) && planner_next_window_usec(w->planner))
        return;
    planner_remove_class(w->planner, id);
    drop_seats(w, id);
    first = w->n_seats;
    if (pick(3) == 0)
        return;
    spec.profile = (char *)wishes[pick(5)];
    spec.kind = JOB_INTERACTIVE;
    spec.encode_mpix = pick(3) * 20;
    spec.qos = pick(4) ? "teach" : pick(2) ? "exam" : "";
    if (w->is_busy) {
        c.seats = 1 + pick(2);
        spec.cpus = spec.memory_mib = spec.encode_mpix = 0;
        spec.gpus = 1;
    }
    for (size_t i = 0; i < c.n_windows; i++) {
        windows[i].from_usec = w->now + (int64_t)(i * 30 + pick(20)) * MIN;
        windows[i].to_usec = windows[i].from_usec + (1 + pick(9)) * MIN;
    }
    int r = planner_put_class(w->planner, &c, w->now, &shortage);
    planner_each_seat(w->planner, id, take_seat, w);
    if (r < 0) {
        assert_int_equal(r, -ENOSPC);
        assert_true(shortage.window < c.n_windows && shortage.seats < c.seats);
        assert_int_equal(w->n_seats, first); /* all or nothing */
        w->refused++;
        return;
    }
    assert_int_equal(w->n_seats - first, c.n_windows * c.seats);
    for (size_t i = first; i < w->n_seats; i++) {
        w->seat_specs[i] = spec;
        w->seat_class[i] = id;
    }
    look_again(w, first);
    assert_seats(w, first);
    assert_needed(w, first);
    w->admitted++;
}

/* Not where a window of the same name is; seats are left where they are. */
static void closure_event(struct world *w)
{
    unsigned id = pick(3);
    struct world_closure *c = &w->closures[id];

    planner_remove_closure(w->planner, id + 1);
    memset(c, 0, sizeof(*c));
    if (pick(3) == 0)
        return;
    c->put = (struct plan_closure){.id = id + 1,
                                   .name = closure_names[id],
                                   .nodes = c->nodes,
                                   .windows = c->windows,
                                   .n_windows = 1 + pick(2)};
    for (int i = 0; i < N_NODES; i++)
        if (pick(3) == 0)
            c->nodes[c->put.n_nodes++] = w->config.names[i];
    for (size_t i = 0; i < c->put.n_windows; i++) {
        c->windows[i].from_usec = w->now + (int64_t)(i * 50 + pick(20)) * MIN - MIN;
        c->windows[i].to_usec = c->windows[i].from_usec + (1 + pick(28)) * MIN;
    }
    assert_int_equal(planner_put_closure(w->planner, &c->put), 0);
}

static void config_event(struct world *w)
{
    struct config_partition *part = &w->config.partitions[pick(2)];
    if (pick(2))
        part->up = !part->up;
    else
        part->priority_tier = (int32_t)(2 * pick(3)) + (part == &w->config.partitions[0]);
    assert_int_equal(planner_configure(w->planner, &w->config.config), 0);
}

void event(struct world *w)
{
    unsigned what = pick(40);
    if (what < 26)
        job_event(w);
    else if (what < 30)
        node_event(w);
    else if (what < 31)
        config_event(w);
    else if (what < 32 || (w->is_busy && what < 34))
        class_event(w);
    else if (what < 35 && pick(3) == 0)
        closure_event(w);
    else
        w->now += !w->is_busy && pick(3) ? pick(2000000) : pick(8) * MIN / 2;
}

/* n00 says nothing of its GPUs; each other node's are of another law. */
static void world_kinds(struct world *w)
{
    static const enum gpu_law laws[] = {GPU_HOMOGENEOUS, GPU_MIXED, GPU_POOL, GPU_SLICES};

    for (int i = 0; i < 4; i++) {
        struct gpu_kind *k = &w->kinds[i];
        size_t offer;

        *k = (struct gpu_kind){
            .law = laws[i], .n_offers = 3, .framebuffer_mib = i == 2 ? 5120 : 4096, .capacity = 4};
        for (int o = 0; o < 3; o++) {
            snprintf(k->offers[o].profile, sizeof(k->offers[o].profile), "x-%dq", 1 << o);
            k->offers[o].display = o != 1 || i % 2;
            k->offers[o].size = 1u << o;
            k->offers[o].starts = o == 0 ? 0xf : o == 1 ? 0x5 : 0x1;
        }
        assert_null(gpu_kind_settle(k, &offer));
    }
    for (int i = 0; i < N_NODES; i++)
        w->config_nodes[i] =
            (struct config_node){.name = w->config.names[i], .kind = i ? &w->kinds[i - 1] : NULL};
    w->config.config.nodes = w->config_nodes;
    w->config.config.n_nodes = N_NODES;
    w->config.config.kinds = w->kinds;
    w->config.config.n_kinds = 4;
}

/* Classes of "teach" save batch jobs, and those that can't be saved start anew, or stay; those of
 * "exam" start spare ones anew. */
static void world_qos(struct world *w)
{
    static const char *const names[] = {"teach", "exam", "batch", "spare"};

    w->preempts[0] = (char *)"batch";
    w->preempts[1] = (char *)"spare";
    w->modes[0] = (char *)"save";
    w->modes[1] = w->modes[2] = (char *)"requeue";
    w->spares_unsaved = pick(2);
    for (size_t i = 0; i < 4; i++)
        w->qos[i] = (struct config_qos){.name = (char *)names[i], .preempt_exempt_sec = 120};
    for (size_t i = 0; i < 2; i++) {
        w->qos[i].preempts = (struct config_names){&w->preempts[i], 1};
        w->qos[i].preempt_modes = (struct config_names){&w->modes[i], 1};
    }
    w->qos[0].preempt_modes.n = w->spares_unsaved ? 1 : 2;
    w->config.config.qos = w->qos;
    w->config.config.n_qos = 4;
}

void world_begin(struct world *w, unsigned seed)
{
    memset(w, 0, sizeof(*w));
    srand(seed);
    w->planner = planner_new(seed);
    assert_non_null(w->planner);
    if (seed % 2) /* as large clusters have */
        w->planner->indexes.nodes_min = 2;
    world_config(&w->config, N_NODES);
    w->config.partitions[0].priority_tier = 3;
    world_kinds(w);
    world_qos(w);
    assert_int_equal(planner_configure(w->planner, &w->config.config), 0);
    w->now = T0;
    for (int i = 0; i < 2 * N_NODES; i++)
        node_event(w);
}
