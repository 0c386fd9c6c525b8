/* SPDX-License-Identifier: Apache-2.0 */
/* test_property.c - random events against a second planner, written to be obvious. */
#include <errno.h>

#include "events.h"

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
    if (w->granted_sec[j])
        before.specs[j].time_limit_sec = w->granted_sec[j];
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

/* It is a victim, and the class can't begin without. */
static void take_ask(struct world *w, const struct plan_action *a)
{
    int j = (int)a->job - 1;
    int64_t pieces[256][2], ask;

    assert_true(w->has_job[j] && !waits(&w->jobs[j]));
    active_pieces(w, j, seen_end(w, end_of_job(w, j)), pieces, &ask);
    assert_true(ask <= w->now);
    assert_int_equal(a->mode, goes_saved(w, j) ? PLAN_SAVE : PLAN_REQUEUE);
    w->asked[j] = true;
    w->asks++;
}

/* Nobody is where a class needs room by now that was not asked to go. */
static void assert_asked(struct world *w)
{
    for (int j = 0; j < N_JOBS; j++) {
        int64_t pieces[256][2], ask;

        if (!w->has_job[j] || waits(&w->jobs[j]) || holds_nothing(&w->jobs[j]))
            continue;
        active_pieces(w, j, seen_end(w, end_of_job(w, j)), pieces, &ask);
        assert_true(w->asked[j] || ask > w->now);
    }
}

static void take_start(struct world *w, const struct plan_action *a)
{
    static struct plan plan;
    int j = (int)a->job - 1;

    reference(w, &plan);
    assert_true(in_line(w, j));
    w->taking = j;
    w->n_places[j] = 0;
    planner_each_place(w->planner, a->job, take_place, w);
    assert_int_equal(w->n_places[j], job_spec_nodes(&w->specs[j]));
    assert_int_equal(w->n_places[j], a->n_nodes);
    assert_string_equal(w->places[j][0].node, a->node);
    assert_string_equal(w->places[j][0].gpus_held, a->gpus_held);
    assert_true(!a->limit_sec || a->limit_sec >= w->specs[j].time_min_sec);
    w->granted_sec[j] = a->limit_sec;
    if (!plan.n_found[j] || plan.at[j] != w->now || !is_as_planned(w, &plan, j) ||
        a->limit_sec != plan.limit_sec[j]) {
        w->elsewhere += starts_elsewhere(w, j);
        w->late += !starts_elsewhere(w, j);
    }
    w->brief_starts += a->limit_sec != 0;
    w->given[j] = true;
    w->given_usec[j] = w->now;
    for (int i = 0; i < w->n_places[j]; i++) {
        struct wanted wanted;
        struct job_spec spec = now_wanted(w, j, &wanted);

        if (a->limit_sec)
            spec.time_limit_sec = a->limit_sec;
        assert_true(can_cross(w, j, &spec) ||
                    is_open(w, node_of(w->places[j][i].node), j, w->now, w->now + span(&spec)));
    }
    w->bound_starts += w->specs[j].reservation[0] && w->jobs[j].state == JOB_PENDING;
    w->drawn_starts += is_drawn(w, node_of(a->node), j);
    w->warm_starts += is_warm(w, node_of(a->node), j);
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
    for (size_t i = 0; i < n; i++)
        if (a[i].type == PLAN_PREEMPT)
            take_ask(w, &a[i]);
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
        const struct node *n = &w->nodes[i];
        bool used[GPU_PLACES_MAX] = {0};
        int64_t work = 0;
        char name[24];
        for (int j = 0; j < N_JOBS; j++) {
            const struct job *job = &w->jobs[j];
            int k = 0;
            while (k < w->n_places[j] && node_of(w->places[j][k].node) != i)
                k++;
            if (!w->has_job[j] || holds_nothing(job) || k == w->n_places[j] ||
                (waits(job) && !w->given[j]))
                continue;
            work += encode_need(n, &w->specs[j]);
            sum.cpus += w->specs[j].cpus;
            sum.memory_mib += w->specs[j].memory_mib;
            struct hold h = held_by(w, j, k, 0);
            for (int g = 0; g < h.n_gpus; g++) {
                sum.gpus += !used[h.places[g].gpu];
                used[h.places[g].gpu] = true;
            }
            sum.jobs++;
        }
        if (n->software_encoder)
            sum.cpus = (uint32_t)(work + 999) / 1000;
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
        w->crossings += plan->crosses[j];
        assert_true(plan->at[j] > w->now); /* else it would have started */
        w->checks++;
    }
}

/* Of jobs that are not in line, at times in any order: by what the others leave, and none of them
 * notices. */
static void assert_probes(struct world *w, struct plan *plan)
{
    size_t n = plan->n;

    for (int i = 0; i < 3 * N_JOBS; i++) {
        int j = (int)pick(N_JOBS);
        int64_t from = w->now + pick(400) * MIN / 2, at;

        if (!w->has_job[j] || in_line(w, j) || !waits(&w->jobs[j]) || w->given[j] || w->told[j] ||
            !w->config.partitions[*w->specs[j].partition == 'l'].up)
            continue;
        at = planner_probe(w->planner, w->jobs[j].id, from, w->now);
        plan->specs[j].begin_usec = from;
        place_full(w, plan, j);
        if (plan->n_found[j] && plan->at[j] - w->now < PLAN_UNLIMITED_USEC / 2)
            assert_int_equal(at, plan->at[j]);
        else /* it would be behind one without a limit */
            assert_int_equal(at, 0);
        plan->n = n;
        plan->n_found[j] = 0;
        w->probes += at != 0;
    }
}

static void assert_all(struct world *w)
{
    static struct plan plan;

    reference(w, &plan);
    assert_probes(w, &plan);
    assert_plan(w, &plan);
    assert_usage(w);
    assert_asked(w);
    for (int j = 0; j < N_JOBS; j++)
        assert_blockers(w, j);
    planner_full(w->planner, w->now);
    assert_plan(w, &plan);
    assert_usage(w);
}

/* Random worlds; adds what happened in them to *sum. */
static void run_worlds(unsigned first, unsigned n, bool is_busy, struct world *sum)
{
    for (unsigned seed = first; seed < first + n; seed++) {
        static struct world w;
        world_begin(&w, seed);
        w.is_busy = is_busy;
        for (int round = 0; round < 12; round++) {
            for (unsigned k = pick(8) + 1; k; k--) {
                event(&w);
                if (pick(2))
                    step(&w);
            }
            settle(&w);
            assert_all(&w);
        }
        sum->starts += w.starts;
        sum->brief_starts += w.brief_starts;
        sum->wide_starts += w.wide_starts;
        sum->bound_starts += w.bound_starts;
        sum->drawn_starts += w.drawn_starts;
        sum->warm_starts += w.warm_starts;
        sum->asks += w.asks;
        sum->crossings += w.crossings;
        sum->checks += w.checks;
        sum->probes += w.probes;
        sum->elsewhere += w.elsewhere;
        sum->late += w.late;
        sum->victims += w.victims;
        sum->admitted += w.admitted;
        sum->refused += w.refused;
        planner_free(w.planner);
    }
    print_message("# %lu starts, %lu of them elsewhere, %lu by an old plan, %lu on several nodes, "
                  "%lu shortened, %lu reserved, %lu drawn, %lu to their images\n",
                  sum->starts, sum->elsewhere, sum->late, sum->wide_starts, sum->brief_starts,
                  sum->bound_starts, sum->drawn_starts, sum->warm_starts);
    print_message("# %lu estimates compared, %lu of them across windows\n", sum->checks,
                  sum->crossings);
    print_message("# %lu classes admitted, %lu refused; %lu jobs chosen, %lu asked to make room\n",
                  sum->admitted, sum->refused, sum->victims, sum->asks);
}

static void incremental_is_full_is_reference(void **state)
{
    static struct world sum;

    run_worlds(1, 2500, false, &sum);
    assert_true(sum.elsewhere < sum.starts / 1000 && sum.late <= sum.starts / 5000);
    assert_true(sum.admitted > 500 && sum.refused > 100 && sum.bound_starts > 25 &&
                sum.drawn_starts > 25 && sum.warm_starts > 500);
    assert_true(sum.starts > 10000 && sum.wide_starts > 500 && sum.checks > 10000);
    assert_true(sum.brief_starts > 150 && sum.probes > 10000);
}

/* Jobs of whole GPUs and classes that need them: planned across windows, and asked to go. */
static void classes_have_their_room_in_time(void **state)
{
    static struct world sum;

    run_worlds(10001, 7500, true, &sum);
    assert_true(sum.crossings > 1000 && sum.asks > 100); /* the events do exercise something */
    /* One before it in line went, and the next plan would have had another come sooner. */
    assert_true(sum.late <= sum.starts / 5000);
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
    assert_int_equal(planner_set_images(p, w->nodes[i].name, w->images[i], 2), 0);
}

#define N_TOLD (N_JOBS + N_NODES + 1 + 3)

/* A planner told of the world's jobs, nodes and closures in a random order. */
static struct planner *told_shuffled(const struct world *w)
{
    struct planner *p = planner_new(pick(1000));
    int order[N_TOLD];

    assert_non_null(p);
    for (int i = 0; i < N_TOLD; i++)
        order[i] = i;
    shuffle(order, N_TOLD);
    for (int i = 0; i < N_TOLD; i++) {
        int k = order[i];
        if (k > N_JOBS + N_NODES) {
            const struct plan_closure *c = &w->closures[k - N_JOBS - N_NODES - 1].put;

            if (c->n_windows)
                assert_int_equal(planner_put_closure(p, c), 0);
        } else if (k == N_JOBS + N_NODES)
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
    assert_true(starts > 300);
    assert_true(sliced > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incremental_is_full_is_reference),
        cmocka_unit_test(classes_have_their_room_in_time),
        cmocka_unit_test(an_extension_delays_nobody),
        cmocka_unit_test(order_and_slices_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
