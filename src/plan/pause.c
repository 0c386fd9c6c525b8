/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.c - times at which a job is saved because a class needs its GPUs.
 *
 * A job that takes all of each GPU it has is in the way of every seat there, so the windows of
 * the seats on its devices are its pauses. Kept: pauses of a list do not touch; a job starts
 * only if it ends before the next one or has its minimum time before it, and a time between two
 * that is shorter is not used by one that was saved: so no job is saved again before it has run
 * for its minimum time, and who starts later on the same devices never ends earlier.
 */
#include "plan/pause.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

/* ---- lists ----------------------------------------------------------------- */

static const struct pauses no_pauses = {.is_known = true};

static int add(struct pauses *list, struct pause pause)
{
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        struct pause *grown = realloc(list->at, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        list->at = grown;
        list->room = room;
    }
    list->at[list->n++] = pause;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct pause *x = a, *y = b;

    if (x->from_usec != y->from_usec)
        return x->from_usec < y->from_usec ? -1 : 1;
    if (x->free_usec != y->free_usec)
        return x->free_usec < y->free_usec ? -1 : 1;
    return (x->qos > y->qos) - (x->qos < y->qos);
}

/* Sorted, and what touches is one pause. */
static void tidy(struct pauses *list)
{
    size_t n = 0;

    if (list->n)
        qsort(list->at, list->n, sizeof(*list->at), compare);
    for (size_t i = 0; i < list->n; i++) {
        const struct pause *pause = &list->at[i];
        struct pause *last = n ? &list->at[n - 1] : NULL;

        if (!last || pause->from_usec > last->to_usec) {
            list->at[n++] = *pause;
            continue;
        }
        last->free_usec = pause->free_usec < last->free_usec ? pause->free_usec : last->free_usec;
        last->to_usec = pause->to_usec > last->to_usec ? pause->to_usec : last->to_usec;
    }
    list->n = n;
    list->is_known = true;
}

void node_pauses_forget(struct node_pauses *np)
{
    for (size_t i = 0; i < (size_t)np->n_qos * (np->n_gpus + 1); i++)
        np->of[i].is_known = false;
}

void node_pauses_done(struct node_pauses *np)
{
    for (size_t i = 0; i < (size_t)np->n_qos * (np->n_gpus + 1); i++)
        free(np->of[i].at);
    free(np->of);
    *np = (struct node_pauses){0};
}

/* gpu = n_all: a device that the node still has. */
static bool touches(const struct seat *s, uint32_t gpu, const struct plan_gpus *gpus)
{
    bool does = false;

    for (uint8_t i = 0; s->gpus && i < s->gpus->n; i++)
        does |=
            gpu == gpus->n_all ? s->gpus->places[i].gpu < gpus->n : s->gpus->places[i].gpu == gpu;
    return does;
}

/* What the window is to who is in its way. */
static struct pause pause_of(const struct planner *p, const struct seat_window *w)
{
    uint32_t by = qos_of(p, w->shape);

    return (struct pause){.from_usec = w->from_usec - qos_free_usec(p, by),
                          .free_usec = w->from_usec,
                          .to_usec = w->to_usec,
                          .qos = by,
                          .is_for_job = seat_is_booked(w)};
}

/* The pauses of a job of that QOS on a device; gpu = n_all: on all there are. NULL: no memory. */
static const struct pauses *pauses_on(struct planner *p, struct plan_node *node, uint32_t qos,
                                      uint32_t gpu)
{
    struct node_pauses *np = &node->pauses;
    struct pauses *list;

    if (!node->seats)
        return &no_pauses;
    if (np->n_gpus != node->gpus.n_all || np->n_qos != p->n_qos || !np->of) {
        node_pauses_done(np);
        np->of = calloc((size_t)p->n_qos * (node->gpus.n_all + 1), sizeof(*np->of));
        if (!np->of)
            return NULL;
        np->n_gpus = node->gpus.n_all;
        np->n_qos = (uint32_t)p->n_qos;
    }
    list = &np->of[(size_t)qos * (np->n_gpus + 1) + gpu];
    if (list->is_known)
        return list;
    list->n = 0;
    for (const struct seat *s = node->seats; s; s = s->next) {
        const struct seat_window *w = s->window;

        if (!touches(s, gpu, &node->gpus) || !qos_preempts(p, qos_of(p, w->shape), qos))
            continue;
        if (add(list, pause_of(p, w)) < 0)
            return NULL;
    }
    tidy(list);
    return list;
}

/* ---- the pieces of a job ------------------------------------------------------ */

/* The first pause that is not over then. */
static size_t pause_at(const struct pauses *list, int64_t usec)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (list->at[mid].to_usec <= usec)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first time from then on at which it may begin. */
static int64_t may_begin(const struct pauses *list, int64_t at_usec, int64_t span_usec,
                         int64_t least_usec)
{
    for (size_t i = pause_at(list, at_usec); i < list->n; i++) {
        const struct pause *pause = &list->at[i];

        if (at_usec < pause->free_usec && at_usec + span_usec <= pause->free_usec)
            break;
        if (at_usec < pause->from_usec && pause->from_usec - at_usec >= least_usec)
            break;
        at_usec = pause->to_usec;
    }
    return at_usec;
}

bool walk_next(struct walk *w, int64_t *ret_from_usec, int64_t *ret_to_usec)
{
    const struct pause *pause;

    if (w->left_usec <= 0)
        return false;
    pause = w->i < w->pauses->n ? &w->pauses->at[w->i] : NULL;
    *ret_from_usec = w->at_usec;
    if (!pause || w->at_usec + w->left_usec <= pause->free_usec) {
        *ret_to_usec = w->at_usec + w->left_usec;
        w->left_usec = 0;
        return true;
    }
    *ret_to_usec = pause->free_usec;
    if (pause->from_usec > w->at_usec)
        w->left_usec -= pause->from_usec - w->at_usec;
    w->left_usec += w->restore_usec;
    do {
        w->at_usec = w->pauses->at[w->i++].to_usec;
    } while (w->i < w->pauses->n && w->pauses->at[w->i].from_usec - w->at_usec < w->least_usec);
    return true;
}

static int64_t least_of(const struct planner *p, struct shape *shape)
{
    return p->qos[qos_of(p, shape)].exempt_usec + p->boot_usec;
}

static struct walk walk_begin(const struct planner *p, struct shape *shape,
                              const struct pauses *pauses, int64_t at_usec)
{
    return (struct walk){.pauses = pauses,
                         .i = pause_at(pauses, at_usec),
                         .at_usec = at_usec,
                         .left_usec = shape->span_usec,
                         .least_usec = least_of(p, shape),
                         .restore_usec = p->boot_usec};
}

/* ---- on the lines --------------------------------------------------------------- */

/* The devices [first, first + n) of a node, for which a place is sought. */
struct spot {
    const struct plan_node *node;
    const struct plan_lines *lines;
    uint32_t first, n;
    uint8_t offer;
};

/* In [from, to) it has no room: when it might again; else 0. */
static int64_t conflict(const struct planner *p, struct shape *shape, const struct spot *spot,
                        int64_t from_usec, int64_t to_usec)
{
    const struct gpu_kind *kind = &p->kinds[spot->node->kind];
    const struct steps *steps = &spot->lines->amount.steps;
    const struct plan_window *closed;

    if (closure_against(spot->node, shape, from_usec, to_usec, &closed))
        return closed->to_usec;
    for (size_t i = steps_at(steps, sizeof(struct step), from_usec); i < steps->n; i++) {
        const struct step *s = timeline_step(&spot->lines->amount, i);

        if (s->from_usec >= to_usec)
            break;
        if (!amount_covers(&s->free, &shape->need))
            return i + 1 < steps->n ? s[1].from_usec : TIMELINE_NEVER;
    }
    for (uint32_t g = spot->first; g < spot->first + spot->n; g++) {
        const struct gpuline *line = &spot->lines->gpus[g];

        if (spot->node->gpus.gpus[g].n_foreign || line->closed)
            return TIMELINE_NEVER;
        steps = &line->steps;
        for (size_t i = steps_at(steps, sizeof(struct gpustep), from_usec); i < steps->n; i++) {
            const struct gpustep *s = gpuline_step(line, i);

            if (s->from_usec >= to_usec)
                break;
            if (!gpu_fit(kind, &s->state, spot->offer))
                return i + 1 < steps->n ? s[1].from_usec : TIMELINE_NEVER;
        }
    }
    return 0;
}

/* All spots together, or the time that the first conflict names. */
static int64_t try_at(const struct planner *p, struct shape *shape, const struct spot *spots,
                      uint32_t n, const struct pauses *pauses, int64_t at_usec,
                      int64_t *ret_end_usec)
{
    struct walk walk = walk_begin(p, shape, pauses, at_usec);
    int64_t from, to = at_usec;

    while (walk_next(&walk, &from, &to)) {
        for (uint32_t i = 0; i < n; i++) {
            int64_t again = conflict(p, shape, &spots[i], from, to);
            if (again)
                return again;
        }
    }
    *ret_end_usec = to;
    return 0;
}

/* No later start ends earlier, so the first one that has room is the best. */
static int64_t first_start(const struct planner *p, struct shape *shape, const struct spot *spots,
                           uint32_t n, const struct pauses *pauses, int64_t from_usec,
                           int64_t *ret_end_usec)
{
    int64_t again = from_usec, at;

    do {
        at = may_begin(pauses, again, shape->span_usec, least_of(p, shape));
        again = at < TIMELINE_NEVER ? try_at(p, shape, spots, n, pauses, at, ret_end_usec)
                                    : TIMELINE_NEVER;
    } while (again && again < TIMELINE_NEVER);
    return again ? TIMELINE_NEVER : at;
}

/* ---- made ahead ------------------------------------------------------------------ */

/* Kept in plan_qos.wants: whose pauses jobs of it that came into line ask for, of a node. */
enum { WANTS_EACH = 1, WANTS_ALL = 2 };

void pause_want(struct planner *p, struct shape *shape)
{
    struct plan_qos *qos = &p->qos[qos_of(p, shape)];
    unsigned wants = shape->gpus == 1 ? WANTS_EACH | WANTS_ALL : WANTS_ALL;

    if (!shape->gpus || !qos->is_victim || qos->is_lost || (qos->wants & wants) == wants)
        return;
    qos->wants |= wants;
    plan_bases_changed(p); /* those of all nodes are to be looked at */
}

/* One that is not known yet; false: all are. */
static bool next_unknown(const struct planner *p, const struct plan_node *node, uint32_t *ret_qos,
                         uint32_t *ret_gpu)
{
    const struct node_pauses *np = &node->pauses;
    bool has_list = np->of && np->n_gpus == node->gpus.n_all && np->n_qos == p->n_qos;

    for (uint32_t q = 0; q < p->n_qos && node->seats; q++)
        for (uint32_t g = 0; p->qos[q].wants && g <= node->gpus.n_all; g++) {
            bool is_all = g == node->gpus.n_all;

            if (p->qos[q].wants & (is_all ? WANTS_ALL : WANTS_EACH) &&
                !(has_list && np->of[(size_t)q * (np->n_gpus + 1) + g].is_known)) {
                *ret_qos = q;
                *ret_gpu = g;
                return true;
            }
        }
    return false;
}

bool pause_is_warm(const struct planner *p, const struct plan_node *node)
{
    uint32_t qos, gpu;

    return !next_unknown(p, node, &qos, &gpu);
}

void pause_warm(struct planner *p, struct plan_node *node)
{
    uint32_t qos, gpu;

    while (next_unknown(p, node, &qos, &gpu) && pauses_on(p, node, qos, gpu))
        ;
}

/* ---- who may ---------------------------------------------------------------------- */

bool pause_is_for_node(struct planner *p, struct shape *shape, const struct plan_node *node)
{
    struct wish_offers offers = wish_offers(p, shape->wish, node->kind);

    return offers.n && (shape->gpus == 1 || shape->gpus == node->gpus.n) &&
           gpu_is_whole(&p->kinds[node->kind], offers.offer[0]);
}

/* One node: each is asked. Several: all must take all of their devices. One with a reservation of
 * its own has no class in its windows. */
bool pause_is_for(struct planner *p, struct shape *shape)
{
    const struct plan_qos *qos = &p->qos[qos_of(p, shape)];
    bool is =
        shape->gpus && p->seats.n && qos->is_victim && !qos->is_lost && !shape->pool->is_bound;

    if (!is || shape->nodes == 1)
        return is;
    if (shape->pause_layout == p->layout)
        return shape->all_pause;
    shape->all_pause = true;
    for (size_t i = 0; i < p->n_nodes && shape->all_pause; i++)
        if (shape_is_possible(p, shape, p->nodes[i]))
            shape->all_pause =
                shape->gpus == p->nodes[i]->gpus.n && pause_is_for_node(p, shape, p->nodes[i]);
    shape->pause_layout = p->layout;
    return shape->all_pause;
}

/* The device whose job would end first; all of them for one that takes all. */
static int64_t best_spot(struct planner *p, struct shape *shape, struct plan_node *node,
                         const struct plan_lines *lines, int64_t from_usec, struct spot *ret,
                         int64_t *ret_end_usec)
{
    bool takes_all = shape->gpus == node->gpus.n;
    int64_t best = TIMELINE_NEVER, end, best_end = TIMELINE_NEVER;
    struct spot spot = {.node = node,
                        .lines = lines,
                        .n = shape->gpus,
                        .offer = wish_offers(p, shape->wish, node->kind).offer[0]};

    for (; spot.first + shape->gpus <= node->gpus.n; spot.first++) {
        const struct pauses *pauses =
            pauses_on(p, node, qos_of(p, shape), takes_all ? node->gpus.n_all : spot.first);
        int64_t at =
            pauses ? first_start(p, shape, &spot, 1, pauses, from_usec, &end) : TIMELINE_NEVER;

        if (at >= TIMELINE_NEVER || end >= best_end)
            continue;
        best = at;
        best_end = end;
        *ret = spot;
    }
    *ret_end_usec = best_end;
    return best;
}

int64_t pause_earliest(struct planner *p, struct shape *shape, struct plan_node *node,
                       const struct plan_lines *lines, int64_t from_usec, int64_t *ret_end_usec,
                       uint8_t *ret_offer)
{
    struct spot spot;
    int64_t at = best_spot(p, shape, node, lines, from_usec, &spot, ret_end_usec);

    if (at < TIMELINE_NEVER)
        *ret_offer = spot.offer;
    return at;
}

/* ---- reservations -------------------------------------------------------------------- */

/* Pauses of all nodes in one list of the planner's. */
static const struct pauses *join(struct planner *p, struct shape *shape,
                                 struct plan_node *const *nodes)
{
    struct pauses *all = &p->pauses;

    all->n = 0;
    for (uint32_t k = 0; k < shape->nodes; k++) {
        const struct pauses *one = pauses_on(p, nodes[k], qos_of(p, shape), nodes[k]->gpus.n_all);

        for (size_t i = 0; one && i < one->n; i++)
            if (add(all, one->at[i]) < 0)
                return NULL;
        if (!one)
            return NULL;
    }
    tidy(all);
    return all;
}

/* ---- several nodes ---------------------------------------------------------------------- */

struct chosen {
    uint32_t n;
    struct candidate at[JOB_NODES_MAX]; /* by end */
    int64_t starts[JOB_NODES_MAX];      /* the earliest of all nodes, in order */
    uint32_t n_starts;
};

/* Keeps the N earliest starts, and of nodes that can start then the N that end first. */
static void choose(struct chosen *c, uint32_t want, uint32_t node, int64_t at_usec,
                   int64_t from_usec, int64_t end_usec)
{
    uint32_t k = c->n_starts < want ? c->n_starts++ : want;

    for (; k > 0 && c->starts[k - 1] > at_usec; k--)
        if (k < want)
            c->starts[k] = c->starts[k - 1];
    if (k < want)
        c->starts[k] = at_usec;
    if (at_usec > from_usec)
        return;
    k = c->n < want ? c->n++ : want;
    for (; k > 0 && (c->at[k - 1].earliest_usec > end_usec ||
                     (c->at[k - 1].earliest_usec == end_usec && c->at[k - 1].node > node));
         k--)
        if (k < want)
            c->at[k] = c->at[k - 1];
    if (k < want)
        c->at[k] = (struct candidate){.earliest_usec = end_usec, .node = node};
}

static int64_t next_step(const struct steps *steps, size_t size, int64_t usec)
{
    size_t i = steps_at(steps, size, usec) + 1;

    return i < steps->n ? steps_from_usec(steps, size, i) : TIMELINE_NEVER;
}

/* A node, as it is from a time on. No later start there ends earlier (first_start), so one that
 * would end too late is never looked at again. */
struct ahead {
    struct plan_node *node;
    const struct plan_lines *lines;
    int64_t at_usec, end_usec; /* it could begin then, and would end */
    int64_t change_usec;       /* something changes there */
};

static int64_t change_on(struct planner *p, struct shape *shape, const struct ahead *a,
                         int64_t usec)
{
    struct plan_node *node = a->node;
    int64_t next = next_step(&a->lines->amount.steps, sizeof(struct step), usec);
    const struct pauses *pauses = pauses_on(p, node, qos_of(p, shape), node->gpus.n_all);
    size_t k = pauses ? pause_at(pauses, usec) : 0;

    for (uint32_t g = 0; g < node->gpus.n; g++)
        next = plan_sooner(next, next_step(&a->lines->gpus[g].steps, sizeof(struct gpustep), usec));
    if (pauses && k < pauses->n)
        next = plan_sooner(next, pauses->at[k].to_usec);
    return plan_sooner(next, closure_next_end(node, usec));
}

/* Brings it up to date. False: it would not end before `best_end_usec`. */
static bool look_ahead(struct planner *p, struct shape *shape, struct ahead *a, int64_t from_usec,
                       int64_t best_end_usec)
{
    uint8_t offer;

    if (a->at_usec < from_usec)
        a->at_usec = pause_earliest(p, shape, a->node, a->lines, from_usec, &a->end_usec, &offer);
    if (a->at_usec >= TIMELINE_NEVER || a->end_usec >= best_end_usec)
        return false;
    if (a->change_usec <= from_usec)
        a->change_usec = change_on(p, shape, a, from_usec);
    return true;
}

static int by_node(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->node > y->node) - (x->node < y->node);
}

static bool all_fit(struct planner *p, struct shape *shape, const struct chosen *c, int64_t at_usec,
                    int64_t *ret_end_usec)
{
    struct plan_node *nodes[JOB_NODES_MAX];
    struct spot spots[JOB_NODES_MAX];
    const struct pauses *pauses;

    for (uint32_t i = 0; i < c->n; i++) {
        nodes[i] = p->nodes[c->at[i].node];
        spots[i] = (struct spot){.node = nodes[i],
                                 .lines = plan_lines_now(p, nodes[i]),
                                 .n = shape->gpus,
                                 .offer = wish_offers(p, shape->wish, nodes[i]->kind).offer[0]};
    }
    pauses = join(p, shape, nodes);
    return pauses && may_begin(pauses, at_usec, shape->span_usec, least_of(p, shape)) == at_usec &&
           !try_at(p, shape, spots, c->n, pauses, at_usec, ret_end_usec);
}

/* Of the nodes the `n` that are still worth a look, from then on. Returns how many those are, and
 * when something changes on one of them. */
static size_t look_at_all(struct planner *p, struct shape *shape, struct ahead *all, size_t n,
                          int64_t from_usec, int64_t best_end_usec, struct chosen *ret,
                          int64_t *ret_change_usec)
{
    ret->n = ret->n_starts = 0;
    *ret_change_usec = TIMELINE_NEVER;
    for (size_t i = 0; i < n;) {
        if (!look_ahead(p, shape, &all[i], from_usec, best_end_usec)) {
            all[i] = all[--n];
            continue;
        }
        choose(ret, shape->nodes, all[i].node->index, all[i].at_usec, from_usec, all[i].end_usec);
        *ret_change_usec = plan_sooner(*ret_change_usec, all[i].change_usec);
        i++;
    }
    return n;
}

/* Those that may have one of it. NULL: no memory. */
static struct ahead *all_ahead(struct planner *p, struct shape *shape, size_t *ret_n)
{
    struct ahead *all = malloc((shape->n_heap + 1) * sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; all && i < shape->n_heap; i++) {
        struct plan_node *node = p->nodes[shape->heap[i].node];
        const struct plan_lines *lines = plan_lines_now(p, node);

        if (lines && plan_lines_are_open(lines))
            all[n++] = (struct ahead){
                .node = node, .lines = lines, .at_usec = INT64_MIN, .change_usec = INT64_MIN};
    }
    *ret_n = n;
    return all;
}

bool pause_best_nodes(struct planner *p, struct shape *shape, int64_t from_usec,
                      struct candidate *ret)
{
    int64_t best_end = TIMELINE_NEVER, change, end;
    size_t n;
    struct ahead *all = all_ahead(p, shape, &n);

    /* Who starts later can end earlier, on other nodes: but not before its span is over. */
    while (all && from_usec < TIMELINE_NEVER && from_usec + shape->span_usec < best_end) {
        struct chosen c;

        n = look_at_all(p, shape, all, n, from_usec, best_end, &c, &change);
        if (c.n_starts < shape->nodes)
            break;
        if (c.n == shape->nodes && all_fit(p, shape, &c, from_usec, &end) && end < best_end) {
            best_end = end;
            qsort(c.at, c.n, sizeof(*c.at), by_node);
            for (uint32_t i = 0; i < c.n; i++)
                ret[i] = (struct candidate){.earliest_usec = from_usec, .node = c.at[i].node};
        }
        from_usec = c.starts[shape->nodes - 1] > from_usec ? c.starts[shape->nodes - 1] : change;
    }
    free(all);
    return best_end < TIMELINE_NEVER;
}

static int take_pieces(struct planner *p, struct shape *shape, const struct spot *spot,
                       const struct pauses *pauses, int64_t at_usec)
{
    struct walk walk = walk_begin(p, shape, pauses, at_usec);
    struct plan_node *node = (struct plan_node *)spot->node;
    int64_t from, to;
    int r = 0;

    while (r == 0 && walk_next(&walk, &from, &to)) {
        r = timeline_change(&node->lines.amount, from, to, &shape->need, -1);
        for (uint32_t g = spot->first; r == 0 && g < spot->first + spot->n; g++)
            r = gpuline_change(&node->lines.gpus[g], &p->kinds[node->kind], from, to, spot->offer,
                               0, -1);
    }
    return r;
}

int64_t pause_reserve(struct planner *p, struct shape *shape, struct plan_node *const *nodes,
                      int64_t from_usec, struct gpu_hold **ret, int *ret_r)
{
    struct spot spots[JOB_NODES_MAX];
    const struct pauses *pauses;
    int64_t at, end;

    *ret_r = 0;
    for (uint32_t i = 0; i < shape->nodes; i++) {
        ret[i] = NULL;
        if (best_spot(p, shape, nodes[i], &nodes[i]->lines, from_usec, &spots[i], &end) >=
            TIMELINE_NEVER)
            return TIMELINE_NEVER;
    }
    pauses = shape->nodes > 1 ? join(p, shape, nodes)
                              : pauses_on(p, nodes[0], qos_of(p, shape),
                                          shape->gpus == nodes[0]->gpus.n ? nodes[0]->gpus.n_all
                                                                          : spots[0].first);
    at = pauses ? first_start(p, shape, spots, shape->nodes, pauses, from_usec, &end)
                : TIMELINE_NEVER;
    for (uint32_t i = 0; at < TIMELINE_NEVER && i < shape->nodes; i++) {
        struct gpu_place places[GPU_PLACES_MAX];

        for (uint32_t g = 0; g < spots[i].n; g++)
            places[g] = (struct gpu_place){(uint8_t)(spots[i].first + g), 0};
        if (take_pieces(p, shape, &spots[i], pauses, at) < 0)
            *ret_r = -ENOMEM;
        ret[i] = place_hold_new(p, nodes[i], spots[i].offer, places, spots[i].n);
        if (!ret[i])
            *ret_r = -ENOMEM;
    }
    return at;
}

/* ---- who holds nodes ------------------------------------------------------------------ */

bool pause_is_in_the_way(const struct planner *p, const struct entry *part)
{
    return part->node && part->gpus && part->gpus->offer != HOLD_FOREIGN &&
           gpu_is_whole(&p->kinds[part->node->kind], part->gpus->offer);
}

bool pause_is_of_window(const struct planner *p, const struct entry *part,
                        const struct seat_window *w)
{
    bool is = false;

    for (uint32_t i = 0; pause_is_in_the_way(p, part) && i < w->n && !is; i++)
        for (uint8_t g = 0; w->seats[i].node == part->node && g < part->gpus->n && !is; g++)
            is = touches(&w->seats[i], part->gpus->places[g].gpu, &part->node->gpus);
    return is;
}

/* Those of the devices that a job, or one part of it, has for itself. -ENOMEM. */
static int add_of_devices(struct planner *p, const struct entry *part, struct pauses *all)
{
    uint32_t qos = qos_of(p, part->shape);

    for (uint8_t g = 0; pause_is_in_the_way(p, part) && g < part->gpus->n; g++) {
        const struct pauses *one = pauses_on(p, part->node, qos, part->gpus->places[g].gpu);

        for (size_t i = 0; one && i < one->n; i++)
            if (add(all, one->at[i]) < 0)
                return -ENOMEM;
    }
    return 0;
}

/* All pauses that it has: by its devices, and as a victim. NULL: it has none. */
static const struct pauses *pauses_of(struct planner *p, const struct entry *e)
{
    const struct entry *head = e->head ? e->head : e;
    const struct victim *first = victim_first(p, head);
    uint32_t qos = qos_of(p, e->shape);
    struct pauses *all = &p->pauses;

    if (!p->seats.n || !p->qos[qos].is_victim ||
        (!first && !head->part && !pause_is_in_the_way(p, head)))
        return NULL;
    if (!first && !head->part && head->gpus->n == 1)
        return pauses_on(p, head->node, qos, head->gpus->places[0].gpu);
    all->n = 0;
    for (const struct entry *part = head; part; part = part->part)
        if (add_of_devices(p, part, all) < 0)
            return NULL;
    for (const struct victim *v = first; v; v = v->next_of_job)
        if (add(all, pause_of(p, v->window)) < 0)
            return NULL;
    tidy(all);
    return all;
}

/* Seen from any time before the pause that it is in ends, it is the same. */
void pause_walk_entry(struct planner *p, const struct entry *e, int64_t end_usec, struct walk *ret)
{
    bool is_lost = p->qos[qos_of(p, e->shape)].is_lost;
    const struct pauses *pauses = is_lost ? NULL : pauses_of(p, e);
    int64_t from = p->now_usec, gone = is_lost ? victim_gone_usec(p, e) : TIMELINE_NEVER;
    size_t i = pauses ? pause_at(pauses, from) : 0;

    if (gone < end_usec)
        end_usec = gone; /* it comes back as any job that waits */
    if (pauses && i < pauses->n && pauses->at[i].from_usec < from)
        from = pauses->at[i].from_usec;
    *ret = (struct walk){.pauses = pauses ? pauses : &no_pauses,
                         .i = i,
                         .at_usec = from,
                         .left_usec = end_usec - from,
                         .least_usec = pauses ? least_of(p, e->shape) : 0,
                         .restore_usec = p->boot_usec};
}

const struct pause *pause_next(struct planner *p, const struct entry *e, int64_t end_usec)
{
    const struct pauses *pauses = pauses_of(p, e);
    size_t i = pauses ? pause_at(pauses, p->now_usec) : 0;

    if (!pauses || i == pauses->n || end_usec <= pauses->at[i].free_usec)
        return NULL;
    return &pauses->at[i];
}
