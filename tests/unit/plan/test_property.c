/* SPDX-License-Identifier: Apache-2.0 */
/* test_property.c - random events against a second planner, written to be obvious. */
#include <errno.h>

#include "reference.h"

static unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

/* ---- random events ------------------------------------------------------ */

static void put_job(struct world *w, int j)
{
    w->given[j] = false;
    w->told[j] = false;
    if (w->jobs[j].state == JOB_PENDING)
        w->n_places[j] = 0;
    assert_int_equal(planner_put_job_on(w->planner, &w->jobs[j], &w->disks[j], w->places[j],
                                        (uint32_t)w->n_places[j]),
                     0);
}

/* Most have none: what there was before is tried as much as ever. */
static void new_disks(struct world *w, int j)
{
    static const char *const pins[] = {"", "", "n00", "n03"};
    struct plan_disks *d = &w->disks[j];

    *d = (struct plan_disks){.gib = 0};
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
    if (pick(6) == 0)
        s->begin_usec = w->now + pick(20) * MIN / 2 - MIN;
    if (pick(10) == 0)
        s->deadline_usec = w->now + pick(20) * MIN / 2 - MIN;
    s->nodes = pick(3) ? pick(2) : 1 + pick(4);
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
        job->state = JOB_CONFIGURING;
        job->alloc_usec = w->now;
        job->node = w->places[j][0].node;
        break;
    case JOB_CONFIGURING:
        job->state = JOB_RUNNING;
        job->start_usec = w->now;
        break;
    case JOB_RUNNING:
        job->state = pick(3) ? JOB_COMPLETING : JOB_SUSPENDED;
        job->suspended_usec = job->state == JOB_SUSPENDED ? w->now : 0;
        break;
    case JOB_SUSPENDED:
        advance_saved(w, j);
        break;
    default: /* COMPLETING */
        job->suspended_total_usec = 0;
        job->state = pick(4) ? JOB_COMPLETED : JOB_PENDING; /* requeued */
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
    snprintf(name, sizeof(name), "n%02d", i);
    bool was_in_service = w->has_node[i] && n->up && !n->drain;
    if (!w->has_node[i] || pick(6) == 0) {
        *n = world_node(name, 4 + pick(8), 3000 + pick(3) * 1000, pick(4));
        strcpy(n->features, features[pick(4)]);
        n->disk_gib = pick(3) ? 60 + pick(3) * 20 : 0;
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

/* The seats of the class are where no other seat is, and no job that runs by then. */
static void assert_seats(struct world *w, size_t first)
{
    static struct plan plan;

    reference(w, &plan);
    for (size_t i = first; i < w->n_seats; i++) {
        static struct plan others;
        struct hold h = seat_hold(w, i);
        int64_t cpus = w->nodes[h.node].cpus;

        others.n = 0;
        for (size_t k = 0; k < w->n_seats; k++)
            if (k != i)
                others.holds[others.n++] = seat_hold(w, k);
        for (size_t k = 0; k < plan.n; k++)
            if (plan.holds[k].from == INT64_MIN)
                others.holds[others.n++] = plan.holds[k];
        for (int g = 0; g < h.n_gpus; g++)
            assert_true(gpu_room(w, &others, h.node, h.places[g].gpu, h.from, h.to, h.offer,
                                 h.places[g].slot));
        for (size_t k = 0; k < others.n; k++)
            if (others.holds[k].node == h.node && others.holds[k].from <= h.from &&
                others.holds[k].to > h.from)
                cpus -= others.holds[k].spec->cpus;
        assert_true(!h.spec->cpus || cpus >= h.spec->cpus);
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

    planner_remove_class(w->planner, id);
    drop_seats(w, id);
    first = w->n_seats;
    if (pick(3) == 0)
        return;
    spec.profile = (char *)wishes[pick(5)];
    spec.kind = JOB_INTERACTIVE;
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
    assert_seats(w, first);
    w->admitted++;
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

static void event(struct world *w)
{
    unsigned what = pick(40);
    if (what < 26)
        job_event(w);
    else if (what < 30)
        node_event(w);
    else if (what < 31)
        config_event(w);
    else if (what < 32)
        class_event(w);
    else
        w->now += pick(3) ? pick(2000000) : pick(8) * MIN / 2;
}

/* ---- what must be true -------------------------------------------------- */

static void expire(struct world *w)
{
    for (int j = 0; j < N_JOBS; j++)
        if (w->given[j] && w->given_usec[j] + PLAN_RETRY_USEC <= w->now)
            w->given[j] = false;
}

static bool deadline_passed(const struct world *w, int j)
{
    return w->has_job[j] && w->jobs[j].state == JOB_PENDING && w->specs[j].deadline_usec &&
           w->specs[j].deadline_usec <= w->now;
}

/* By a plan that does not know yet what came free since: elsewhere, but it harms nobody. */
static bool starts_elsewhere(struct world *w, int j)
{
    static struct plan before;

    reference_until(w, &before, j);
    for (int i = 0; i < w->n_places[j]; i++) {
        struct hold any, h = held_by(w, j, i, w->now + span(&before.specs[j]));

        if (!room(w, &before, h.node, w->now, j, &before.specs[j], &any))
            return false;
        for (int g = 0; g < h.n_gpus; g++)
            if (!gpu_room(w, &before, h.node, h.places[g].gpu, w->now, h.to, h.offer,
                          h.places[g].slot))
                return false;
    }
    return true;
}

static void take_place(void *arg, const struct plan_place *place)
{
    struct world *w = arg;

    assert_in_range(w->n_places[w->taking], 0, N_NODES - 1);
    w->places[w->taking][w->n_places[w->taking]++] = *place;
}

/* Is it where the reference has it? */
static bool is_as_planned(const struct world *w, const struct plan *plan, int j)
{
    for (int i = 0; i < plan->n_found[j]; i++) {
        char held[GPU_HELD_TEXT];

        say_held(w, &plan->found[j][i], held);
        if (plan->found[j][i].node != node_of(w->places[j][i].node) ||
            strcmp(held, w->places[j][i].gpus_held) != 0)
            return false;
    }
    return true;
}

static void take_start(struct world *w, const struct plan_action *a)
{
    static struct plan plan;
    int j = (int)a->job - 1;

    reference(w, &plan);
    assert_true(in_line(w, j));
    assert_true(plan.n_found[j] && plan.at[j] == w->now);
    w->taking = j;
    w->n_places[j] = 0;
    planner_each_place(w->planner, a->job, take_place, w);
    assert_int_equal(w->n_places[j], job_spec_nodes(&w->specs[j]));
    assert_int_equal(w->n_places[j], a->n_nodes);
    assert_string_equal(w->places[j][0].node, a->node);
    assert_string_equal(w->places[j][0].gpus_held, a->gpus_held);
    if (!is_as_planned(w, &plan, j)) {
        assert_true(starts_elsewhere(w, j));
        w->elsewhere++;
    }
    w->given[j] = true;
    w->given_usec[j] = w->now;
    w->starts++;
    w->wide_starts += a->n_nodes > 1;
}

/* Takes the actions of a step; none starts what the reference would not start now. */
static void take_actions(struct world *w, const struct plan_action *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int j = (int)a[i].job - 1;
        if (a[i].type != PLAN_DEADLINE)
            continue;
        assert_true(deadline_passed(w, j) && w->jobs[j].state == JOB_PENDING);
        w->told[j] = true;
    }
    for (size_t i = 0; i < n; i++)
        if (a[i].type == PLAN_START)
            take_start(w, &a[i]);
}

static void step(struct world *w)
{
    struct plan_action actions[N_JOBS * 2];
    bool more;

    expire(w);
    for (int j = 0; j < N_JOBS; j++)
        w->told[j] = w->told[j] && w->has_job[j];
    size_t n = planner_step(w->planner, w->now, 0, actions, N_JOBS * 2, &more);
    assert_false(more);
    take_actions(w, actions, n);
}

/* Until nothing is due, estimates included. */
static void settle(struct world *w)
{
    step(w);
    w->now += PLAN_REFRESH_JOB_USEC * N_JOBS;
    step(w);
}

static void assert_blockers(struct world *w, int j)
{
    struct plan_why why;
    int r = planner_why(w->planner, w->jobs[j].id, w->now, &why);

    if (!w->has_job[j] || !waits(&w->jobs[j])) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(why.n_blockers == 0, w->given[j] || (w->told[j] && !why.n_blockers));
    assert_int_equal(world_blocker(&why, PLAN_BLOCK_HELD_USER) != NULL, w->jobs[j].held_by_user);
    assert_int_equal(world_blocker(&why, PLAN_BLOCK_HELD_ADMIN) != NULL, w->jobs[j].held_by_admin);
    assert_int_equal(world_blocker(&why, PLAN_BLOCK_UNKNOWN) != NULL, w->jobs[j].unknown);
    assert_int_equal(world_blocker(&why, PLAN_BLOCK_DISK_BUSY) != NULL,
                     w->disks[j].block == PLAN_DISK_BUSY);
    struct wanted wanted;
    if (!w->given[j])
        assert_int_equal(world_blocker(&why, PLAN_BLOCK_BEGIN) != NULL,
                         now_wanted(w, j, &wanted).begin_usec > w->now);
}

static void assert_usage(const struct world *w)
{
    for (int i = 0; i < N_NODES; i++) {
        struct plan_usage sum = {0}, usage = {0};
        bool used[GPU_PLACES_MAX] = {0};
        char name[24];
        for (int j = 0; j < N_JOBS; j++) {
            const struct job *job = &w->jobs[j];
            int k = 0;
            while (k < w->n_places[j] && node_of(w->places[j][k].node) != i)
                k++;
            if (!w->has_job[j] || holds_nothing(job) || k == w->n_places[j] ||
                (waits(job) && !w->given[j]))
                continue;
            sum.cpus += w->specs[j].cpus;
            sum.memory_mib += w->specs[j].memory_mib;
            struct hold h = held_by(w, j, k, 0);
            for (int g = 0; g < h.n_gpus; g++) {
                sum.gpus += !used[h.places[g].gpu];
                used[h.places[g].gpu] = true;
            }
            sum.jobs++;
        }
        snprintf(name, sizeof(name), "n%02d", i);
        assert_int_equal(planner_node_usage(w->planner, name, &usage), w->has_node[i] || sum.jobs);
        assert_memory_equal(&usage, &sum, sizeof(sum));
    }
}

static void assert_plan(struct world *w, const struct plan *plan)
{
    for (int j = 0; j < N_JOBS; j++) {
        if (!in_line(w, j))
            continue;
        struct entry *e = hash_get_u64(w->planner->jobs, w->jobs[j].id);
        assert_int_equal(e->place, ENTRY_QUEUED);
        assert_int_equal(queue_rank(e), plan->place[j]);
        assert_int_equal(e->node ? node_of(e->node->facts.name) : -1,
                         plan->n_found[j] ? plan->found[j][0].node : -1);
        for (int i = 0; i < plan->n_found[j] && plan->n_found[j] > 1; i++)
            assert_int_equal(node_of(e->planned[i]->facts.name), plan->found[j][i].node);
        if (!plan->n_found[j])
            continue;
        assert_int_equal(e->time_usec, plan->at[j]);
        assert_true(plan->at[j] > w->now); /* else it would have started */
        w->checks++;
    }
}

static void assert_all(struct world *w)
{
    static struct plan plan;

    reference(w, &plan);
    assert_plan(w, &plan);
    assert_usage(w);
    for (int j = 0; j < N_JOBS; j++)
        assert_blockers(w, j);
    planner_full(w->planner, w->now);
    assert_plan(w, &plan);
    assert_usage(w);
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

static void world_begin(struct world *w, unsigned seed)
{
    memset(w, 0, sizeof(*w));
    srand(seed);
    w->planner = planner_new(seed);
    assert_non_null(w->planner);
    world_config(&w->config, N_NODES);
    w->config.partitions[0].priority_tier = 3;
    world_kinds(w);
    assert_int_equal(planner_configure(w->planner, &w->config.config), 0);
    w->now = T0;
    for (int i = 0; i < 2 * N_NODES; i++)
        node_event(w);
}

static void incremental_is_full_is_reference(void **state)
{
    unsigned long starts = 0, wide = 0, checks = 0, elsewhere = 0, admitted = 0, refused = 0;

    for (unsigned seed = 1; seed <= 2500; seed++) {
        static struct world w;
        world_begin(&w, seed);
        for (int round = 0; round < 12; round++) {
            for (unsigned k = pick(8) + 1; k; k--) {
                event(&w);
                if (pick(2))
                    step(&w);
            }
            settle(&w);
            assert_all(&w);
        }
        starts += w.starts;
        wide += w.wide_starts;
        checks += w.checks;
        elsewhere += w.elsewhere;
        admitted += w.admitted;
        refused += w.refused;
        planner_free(w.planner);
    }
    print_message("# %lu starts, %lu of them elsewhere, %lu on several nodes\n", starts, elsewhere,
                  wide);
    print_message("# %lu estimates compared\n", checks);
    print_message("# %lu classes admitted, %lu refused\n", admitted, refused);
    assert_true(elsewhere < starts / 100);
    assert_true(admitted > 500 && refused > 100);
    assert_true(starts > 10000 && wide > 500 &&
                checks > 10000); /* the events do exercise something */
}

/* ---- extensions ---------------------------------------------------------- */

/* Whoever is given all the room there is delays nobody. */
static bool extend_one(struct world *w)
{
    static struct plan before, after;
    struct plan_room r = {0};
    int j = -1;

    for (int k = 0; k < N_JOBS && (j < 0 || !r.room_usec || r.room_usec == INT64_MAX); k++) {
        if (!w->has_job[k] || w->jobs[k].state != JOB_RUNNING || !w->specs[k].time_limit_sec)
            continue;
        j = k;
        assert_int_equal(planner_room(w->planner, w->jobs[j].id, &r), 0);
        assert_true(r.room_usec == INT64_MAX || r.blocker.subject[0]);
    }
    if (j < 0)
        return false;
    reference(w, &before);
    w->specs[j].time_limit_sec += r.room_usec == INT64_MAX ? 86400 : r.room_usec / 1000000;
    put_job(w, j);
    reference(w, &after);
    for (int k = 0; k < N_JOBS; k++) {
        if (!in_line(w, k))
            continue;
        assert_int_equal(after.n_found[k], before.n_found[k]);
        for (int i = 0; i < after.n_found[k]; i++)
            assert_int_equal(after.found[k][i].node, before.found[k][i].node);
        assert_int_equal(after.at[k], before.at[k]);
    }
    return r.room_usec > 0 && r.room_usec < INT64_MAX;
}

static void an_extension_delays_nobody(void **state)
{
    unsigned long bounded = 0;

    for (unsigned seed = 1; seed <= 1500; seed++) {
        static struct world w;
        world_begin(&w, seed);
        for (int round = 0; round < 12; round++) {
            for (unsigned k = pick(8) + 1; k; k--)
                event(&w);
            settle(&w);
            settle(&w);
            bounded += extend_one(&w);
        }
        planner_free(w.planner);
    }
    print_message("# %lu extensions up to a planned start\n", bounded);
    assert_true(bounded > 50);
}

/* ---- order of puts, size of slices -------------------------------------- */

static void shuffle(int *a, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int k = (int)pick((unsigned)i + 1), x = a[i];
        a[i] = a[k];
        a[k] = x;
    }
}

static void tell_node(const struct world *w, struct planner *p, int i)
{
    assert_int_equal(planner_put_node(p, &w->nodes[i]), 0);
    assert_int_equal(planner_put_stored(p, w->nodes[i].name, w->stored_gib[i]), 0);
}

/* A planner told of the world's jobs and nodes in a random order. */
static struct planner *told_shuffled(const struct world *w)
{
    struct planner *p = planner_new(pick(1000));
    int order[N_JOBS + N_NODES + 1];

    assert_non_null(p);
    for (int i = 0; i < N_JOBS + N_NODES + 1; i++)
        order[i] = i;
    shuffle(order, N_JOBS + N_NODES + 1);
    for (int i = 0; i < N_JOBS + N_NODES + 1; i++) {
        int k = order[i];
        if (k == N_JOBS + N_NODES)
            assert_int_equal(planner_configure(p, &w->config.config), 0);
        else if (k >= N_JOBS && w->has_node[k - N_JOBS])
            tell_node(w, p, k - N_JOBS);
        else if (k < N_JOBS && w->has_job[k])
            assert_int_equal(planner_put_job_on(p, &w->jobs[k], &w->disks[k], w->places[k],
                                                (uint32_t)w->n_places[k]),
                             0);
    }
    return p;
}

static size_t all_actions(struct planner *p, int64_t now, int64_t budget, size_t max,
                          struct plan_action *ret, unsigned *ret_steps)
{
    size_t n = 0;
    bool more = true;

    for (*ret_steps = 0; more; ++*ret_steps) {
        n += planner_step(p, now, budget, ret + n, max, &more);
        assert_true(*ret_steps < 1000 && n <= 2 * N_JOBS);
    }
    return n;
}

static void order_and_slices_change_nothing(void **state)
{
    unsigned long starts = 0;
    unsigned sliced = 0;

    for (unsigned seed = 1; seed <= 400; seed++) {
        struct plan_action one[4 * N_JOBS] = {0}, other[4 * N_JOBS] = {0};
        static struct world w;
        unsigned steps;

        world_begin(&w, seed);
        for (unsigned k = 0; k < 120; k++)
            event(&w);
        struct planner *a = told_shuffled(&w), *b = told_shuffled(&w);
        size_t n = all_actions(a, w.now, 0, 2 * N_JOBS, one, &steps);
        assert_int_equal(steps, 1);
        assert_int_equal(all_actions(b, w.now, 1, 1 + pick(3), other, &steps), n);
        sliced += steps > 1;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(one[i].type, other[i].type);
            assert_int_equal(one[i].job, other[i].job);
            assert_string_equal(one[i].node, other[i].node);
            assert_int_equal(one[i].n_nodes, other[i].n_nodes);
            starts += one[i].type == PLAN_START;
        }
        for (int j = 0; j < N_JOBS; j++) {
            struct plan_why x = {0}, y = {0};
            int r = planner_why(a, w.jobs[j].id, w.now, &x);
            assert_int_equal(planner_why(b, w.jobs[j].id, w.now, &y), r);
            assert_memory_equal(&x, &y, sizeof(x));
        }
        planner_free(a);
        planner_free(b);
        planner_free(w.planner);
    }
    print_message("# %lu starts, %u of 400 in slices\n", starts, sliced);
    assert_true(starts > 400);
    assert_true(sliced > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incremental_is_full_is_reference),
        cmocka_unit_test(an_extension_delays_nobody),
        cmocka_unit_test(order_and_slices_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
