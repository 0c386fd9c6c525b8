/* SPDX-License-Identifier: Apache-2.0 */
/* reference_cross.c - the second planner: jobs that are saved for classes and run on after them. */
#include "reference.h"

#define FREE_USEC PLAN_SAVE_USEC /* nobody has a grace here */

static const char *qos_name(const struct job_spec *spec)
{
    return spec->qos ? spec->qos : "";
}

bool goes_saved(const struct world *w, int j)
{
    return !strcmp(qos_name(&w->specs[j]), "batch") && !w->disks[j].unsaved;
}

const char *preemptor(const struct world *w, int j, size_t seat)
{
    const char *by = qos_name(&w->seat_specs[seat]), *whom = qos_name(&w->specs[j]);

    if (!strcmp(by, "teach") && !strcmp(whom, "batch"))
        return w->spares_unsaved && w->disks[j].unsaved ? NULL : by;
    return !strcmp(by, "exam") && !strcmp(whom, "spare") ? by : NULL;
}

static bool is_whole(const struct world *w, int node, int offer)
{
    const struct gpu_kind *k = kind_of(w, node);

    return !k->n_offers || is_alone(k, &k->offers[offer]);
}

bool is_in_the_way(const struct world *w, int j, int i)
{
    struct hold h = held_by(w, j, i, 0);

    return h.n_gpus && is_whole(w, h.node, h.offer);
}

struct gap {
    int64_t from, free, to;
};

/* Windows of seats on the device (all that the node has: -1) for which the job is saved; added to
 * what there is. */
static int gaps_on(const struct world *w, int j, int node, int gpu, struct gap *ret, int n)
{
    for (size_t i = 0; i < w->n_seats; i++) {
        struct hold h = seat_hold(w, i);
        bool there = false;

        for (int g = 0; g < h.n_gpus; g++)
            there |= gpu < 0 ? h.places[g].gpu < w->nodes[node].gpus : h.places[g].gpu == gpu;
        if (h.node == node && there && h.to > w->now && preemptor(w, j, i))
            ret[n++] = (struct gap){h.from - FREE_USEC, h.from, h.to};
    }
    return n;
}

/* Two that touch are one, until none do; then in order. */
static int join_gaps(struct gap *g, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            if (i == k || g[k].from > g[i].to || g[i].from > g[k].to)
                continue;
            g[i].from = g[k].from < g[i].from ? g[k].from : g[i].from;
            g[i].free = g[k].free < g[i].free ? g[k].free : g[i].free;
            g[i].to = g[k].to > g[i].to ? g[k].to : g[i].to;
            g[k] = g[--n];
            i = k = -1;
            break;
        }
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && g[k].from < g[k - 1].from; k--) {
            struct gap x = g[k];
            g[k] = g[k - 1];
            g[k - 1] = x;
        }
    return n;
}

const struct victim *victim_of(const struct world *w, int j)
{
    const struct entry *e = hash_get_u64(w->planner->jobs, w->jobs[j].id);

    return e ? victim_first(w->planner, e) : NULL;
}

static int gaps_as_victim(const struct world *w, int j, struct gap *ret, int n)
{
    for (const struct victim *v = victim_of(w, j); v; v = v->next_of_job)
        if (v->window->to_usec > w->now)
            ret[n++] = (struct gap){v->window->from_usec - FREE_USEC, v->window->from_usec,
                                    v->window->to_usec};
    return n;
}

static int64_t gone_as_victim(const struct world *w, int j)
{
    static struct gap g[256];
    int64_t gone = INT64_MAX;

    for (int n = gaps_as_victim(w, j, g, 0); n > 0; n--)
        gone = g[n - 1].free < gone ? g[n - 1].free : gone;
    return gone;
}

#define LEAST_USEC (2 * MIN + PLAN_BOOT_USEC) /* preempt_exempt_time, and to boot */

static bool may_start_at(const struct gap *g, int n, int64_t t, int64_t left)
{
    for (int i = 0; i < n; i++) {
        if (t >= g[i].to || t + left <= g[i].free)
            continue;
        return t < g[i].from && g[i].from - t >= LEAST_USEC;
    }
    return true;
}

static int cut(const struct gap *g, int n, int64_t t, int64_t left, int64_t (*ret)[2])
{
    int n_pieces = 0;
    int64_t last = INT64_MIN;

    for (int i = 0; i < n; i++) {
        if (t >= g[i].to)
            continue;
        if (last > INT64_MIN && g[i].from - last < LEAST_USEC) {
            t = last = g[i].to; /* too short to come back for */
            continue;
        }
        if (t + left <= g[i].free)
            break;
        ret[n_pieces][0] = t;
        ret[n_pieces++][1] = g[i].free;
        left -= g[i].from > t ? g[i].from - t : 0;
        left += PLAN_BOOT_USEC;
        t = last = g[i].to;
    }
    ret[n_pieces][0] = t;
    ret[n_pieces++][1] = t + left;
    return n_pieces;
}

int active_pieces(const struct world *w, int j, int64_t end, int64_t (*ret)[2], int64_t *ret_ask)
{
    static struct gap g[256];
    int n = 0, n_pieces;
    int64_t t = w->now;

    for (int i = 0; i < w->n_places[j]; i++) {
        struct hold h = held_by(w, j, i, 0);
        for (int k = 0; is_in_the_way(w, j, i) && k < h.n_gpus; k++)
            n = gaps_on(w, j, h.node, h.places[k].gpu, g, n);
    }
    n = join_gaps(g, gaps_as_victim(w, j, g, n));
    *ret_ask = n && end > g[0].free ? g[0].from : INT64_MAX;
    if (!goes_saved(w, j)) {
        n = 0; /* it does not come back by itself to go on */
        end = gone_as_victim(w, j) < end ? gone_as_victim(w, j) : end;
    }
    if (n && g[0].from < t)
        t = g[0].from;
    n_pieces = cut(g, n, t, end - t, ret);
    ret[0][0] = INT64_MIN;
    if (ret[0][1] <= w->now) { /* it should be gone, and is not */
        ret[0][1] = (w->now / MIN + 1) * MIN;
        if (n_pieces > 1 && ret[0][1] > ret[1][0])
            ret[0][1] = ret[1][0];
    }
    return n_pieces;
}

static bool can_cross_on(const struct world *w, int node, const struct job_spec *spec)
{
    int offers[8];

    return (spec->gpus == 1 || spec->gpus == w->nodes[node].gpus) &&
           wished(kind_of(w, node), spec, offers) && is_whole(w, node, offers[0]);
}

bool can_cross(const struct world *w, int j, const struct job_spec *spec)
{
    bool has_seats = false;

    for (size_t i = 0; i < w->n_seats; i++)
        has_seats |= w->seats[i].to_usec > w->now;
    if (!spec->gpus || !has_seats || !goes_saved(w, j) ||
        (*w->specs[j].reservation && w->jobs[j].state == JOB_PENDING))
        return false;
    for (int n = 0; job_spec_nodes(spec) > 1 && n < N_NODES; n++)
        if (is_possible(w, n, j, spec) &&
            (spec->gpus != w->nodes[n].gpus || !can_cross_on(w, n, spec)))
            return false;
    return true;
}

/* Room for the piece on devices [first, first + n). */
static bool piece_fits(const struct world *w, const struct plan *plan, int j,
                       const struct job_spec *spec, const struct hold *h, int64_t from, int64_t to)
{
    if (!room_at(w, plan, h->node, from, j, spec) || !is_open(w, h->node, j, from, to))
        return false;
    for (size_t i = 0; i < plan->n; i++) {
        int64_t u = plan->holds[i].from;
        if (u > from && u < to && !room_at(w, plan, h->node, u, j, spec))
            return false;
    }
    for (int g = 0; g < h->n_gpus; g++)
        if (!gpu_room(w, plan, h->node, h->places[g].gpu, from, to, h->offer, 0))
            return false;
    return true;
}

/* The first start at which all pieces fit on all these nodes; INT64_MAX: there is none. */
static int64_t first_crossing(const struct world *w, const struct plan *plan, int j,
                              const struct job_spec *spec, const struct hold *h, int n,
                              const struct gap *g, int n_gaps, int64_t from, int64_t *ret_end)
{
    int64_t best = INT64_MAX;

    for (size_t i = 0; i <= plan->n + (size_t)n_gaps + N_CLOSURE_TIMES; i++) {
        size_t rest = i - plan->n - 1;
        int64_t t = i < plan->n             ? plan->holds[i].to
                    : i == plan->n          ? from
                    : rest < (size_t)n_gaps ? g[rest].to
                                            : closure_time(w, rest - (size_t)n_gaps);
        int64_t pieces[256][2];
        int n_pieces;
        bool fits = true;

        if (t < from || t >= best || !may_start_at(g, n_gaps, t, span(spec)))
            continue;
        n_pieces = cut(g, n_gaps, t, span(spec), pieces);
        for (int k = 0; fits && k < n_pieces; k++)
            for (int m = 0; fits && m < n; m++)
                fits = piece_fits(w, plan, j, spec, &h[m], pieces[k][0], pieces[k][1]);
        if (!fits)
            continue;
        best = t;
        *ret_end = pieces[n_pieces - 1][1];
    }
    return best;
}

/* The devices of a node on which it would end first. */
static int64_t best_crossing(const struct world *w, const struct plan *plan, int j,
                             const struct job_spec *spec, int node, int64_t from, struct hold *ret)
{
    static struct gap g[256];
    int offers[8];
    int64_t best_end = INT64_MAX;

    wished(kind_of(w, node), spec, offers);
    for (int first = 0; first + (int)spec->gpus <= (int)w->nodes[node].gpus; first++) {
        struct hold h = {.node = node,
                         .spec = spec,
                         .gib = w->disks[j].gib,
                         .offer = offers[0],
                         .n_gpus = (int)spec->gpus};
        bool all = spec->gpus == w->nodes[node].gpus;
        int64_t end = 0;
        int n;

        for (int k = 0; k < h.n_gpus; k++)
            h.places[k] = (struct gpu_place){(uint8_t)(first + k), 0};
        n = join_gaps(g, gaps_on(w, j, node, all ? -1 : first, g, 0));
        if (first_crossing(w, plan, j, spec, &h, 1, g, n, from, &end) == INT64_MAX ||
            end >= best_end)
            continue;
        best_end = end;
        *ret = h;
    }
    return best_end;
}

/* On one node without pauses, as any job. */
static int64_t best_plain(const struct world *w, const struct plan *plan, int j,
                          const struct job_spec *spec, int node, int64_t from, struct hold *ret)
{
    int64_t best = INT64_MAX;
    struct hold h;

    for (size_t i = 0; i <= plan->n + N_CLOSURE_TIMES; i++) {
        int64_t t = i < plan->n    ? plan->holds[i].to
                    : i == plan->n ? from
                                   : closure_time(w, i - plan->n - 1);
        if (t < from || t >= best || !room(w, plan, node, t, j, spec, &h))
            continue;
        best = t;
        *ret = h;
    }
    return best == INT64_MAX ? best : best + span(spec);
}

/* Can it begin there at that very moment? With when it would end. */
static bool crosses_at(const struct world *w, const struct plan *plan, int j,
                       const struct job_spec *spec, const struct hold *h, int n, int64_t t,
                       int64_t (*pieces)[2], int *ret_pieces)
{
    static struct gap g[256];
    int n_gaps = 0;
    bool fits;

    for (int i = 0; i < n; i++) {
        bool all = spec->gpus == w->nodes[h[i].node].gpus;
        n_gaps = gaps_on(w, j, h[i].node, all ? -1 : h[i].places[0].gpu, g, n_gaps);
    }
    n_gaps = join_gaps(g, n_gaps);
    fits = may_start_at(g, n_gaps, t, span(spec));
    *ret_pieces = cut(g, n_gaps, t, span(spec), pieces);
    for (int k = 0; fits && k < *ret_pieces; k++)
        for (int m = 0; fits && m < n; m++)
            fits = piece_fits(w, plan, j, spec, &h[m], pieces[k][0], pieces[k][1]);
    return fits;
}

static void note_crossing(struct plan *plan, int j, const struct hold *found, int n, int64_t at,
                          int64_t (*pieces)[2], int n_pieces)
{
    plan->n_found[j] = n;
    plan->at[j] = at;
    plan->crosses[j] = n_pieces > 1;
    for (int i = 0; i < n; i++) {
        plan->found[j][i] = found[i];
        for (int k = 0; k < n_pieces; k++) {
            plan->holds[plan->n] = found[i];
            plan->holds[plan->n].from = pieces[k][0];
            plan->holds[plan->n++].to = pieces[k][1];
        }
    }
}

/* One node: where it would end first. */
static int64_t find_crossing(const struct world *w, const struct plan *plan, int j, int64_t from,
                             bool drawn, struct hold *found)
{
    const struct job_spec *spec = &plan->specs[j];
    int64_t best_end = INT64_MAX, end;

    for (int node = 0; node < N_NODES; node++) {
        struct hold h = {0};

        if (!allowed(w, node, j, spec) || (drawn && !is_drawn(w, node, j)))
            continue;
        end = can_cross_on(w, node, spec) ? best_crossing(w, plan, j, spec, node, from, &h)
                                          : best_plain(w, plan, j, spec, node, from, &h);
        if (end >= best_end)
            continue;
        best_end = end;
        *found = h;
    }
    return best_end;
}

/* If it loses nothing by it, where it is drawn to. */
void place_crossing(const struct world *w, struct plan *plan, int j, int64_t from)
{
    const struct job_spec *spec = &plan->specs[j];
    struct hold found = {0}, drawn = {0};
    int64_t best_end = find_crossing(w, plan, j, from, false, &found), pieces[256][2];
    int n_pieces = 0;

    plan->n_found[j] = 0;
    if (best_end == INT64_MAX)
        return;
    if (best_end <= w->now + span(spec) &&
        find_crossing(w, plan, j, from, true, &drawn) <= best_end)
        found = drawn;
    if (!can_cross_on(w, found.node, spec)) {
        pieces[0][0] = found.from;
        pieces[0][1] = found.to;
        note_crossing(plan, j, &found, 1, found.from, pieces, 1);
        return;
    }
    /* Its first start there, with the pieces that go with it. */
    for (int64_t t = from; t < INT64_MAX;) {
        int64_t next = INT64_MAX;

        if (crosses_at(w, plan, j, spec, &found, 1, t, pieces, &n_pieces) &&
            pieces[n_pieces - 1][1] == best_end) {
            note_crossing(plan, j, &found, 1, t, pieces, n_pieces);
            return;
        }
        for (size_t i = 0; i < plan->n; i++)
            next = plan->holds[i].to > t && plan->holds[i].to < next ? plan->holds[i].to : next;
        for (size_t i = 0; i < w->n_seats; i++)
            next =
                w->seats[i].to_usec > t && w->seats[i].to_usec < next ? w->seats[i].to_usec : next;
        for (size_t i = 0; i < N_CLOSURE_TIMES; i++)
            next = closure_time(w, i) > t && closure_time(w, i) < next ? closure_time(w, i) : next;
        t = next;
    }
    fail_msg("job %d has an end and no start", j);
}

/* Several nodes, whole ones: of all moments at which as many could begin it, and together, the
 * one from which it would end first. */
void place_wide_crossing(const struct world *w, struct plan *plan, int j, int64_t from)
{
    const struct job_spec *spec = &plan->specs[j];
    int want = (int)job_spec_nodes(spec), n_pieces;
    int64_t pieces[256][2], best[256][2], best_end = INT64_MAX, at = 0;
    struct hold best_found[N_NODES];
    int n_best = 0;

    plan->n_found[j] = 0;
    for (int64_t t = from; t < INT64_MAX && t + span(spec) < best_end;) {
        int64_t ends[N_NODES + 1], next = INT64_MAX;
        struct hold found[N_NODES + 1];
        int n = 0;

        for (int node = 0; node < N_NODES; node++) {
            int offers[8], k = n;
            struct hold h = {
                .node = node, .spec = spec, .gib = w->disks[j].gib, .n_gpus = (int)spec->gpus};

            if (!allowed(w, node, j, spec) || !wished(kind_of(w, node), spec, offers))
                continue;
            h.offer = offers[0];
            for (int g = 0; g < h.n_gpus; g++)
                h.places[g] = (struct gpu_place){(uint8_t)g, 0};
            if (!crosses_at(w, plan, j, spec, &h, 1, t, pieces, &n_pieces))
                continue;
            for (n++; k > 0 && ends[k - 1] > pieces[n_pieces - 1][1]; k--) {
                ends[k] = ends[k - 1];
                found[k] = found[k - 1];
            }
            ends[k] = pieces[n_pieces - 1][1];
            found[k] = h;
        }
        for (int i = 1; i < want && n >= want; i++) /* by name */
            for (int k = i; k > 0 && found[k].node < found[k - 1].node; k--) {
                struct hold x = found[k];
                found[k] = found[k - 1];
                found[k - 1] = x;
            }
        if (n >= want && crosses_at(w, plan, j, spec, found, want, t, pieces, &n_pieces) &&
            pieces[n_pieces - 1][1] < best_end) {
            best_end = pieces[n_pieces - 1][1];
            n_best = n_pieces;
            at = t;
            memcpy(best, pieces, sizeof(best));
            memcpy(best_found, found, sizeof(best_found));
        }
        for (size_t i = 0; i < plan->n; i++)
            next = plan->holds[i].to > t && plan->holds[i].to < next ? plan->holds[i].to : next;
        for (size_t i = 0; i < w->n_seats; i++)
            next =
                w->seats[i].to_usec > t && w->seats[i].to_usec < next ? w->seats[i].to_usec : next;
        for (size_t i = 0; i < N_CLOSURE_TIMES; i++)
            next = closure_time(w, i) > t && closure_time(w, i) < next ? closure_time(w, i) : next;
        t = next;
    }
    if (n_best)
        note_crossing(plan, j, best_found, want, at, best, n_best);
}
