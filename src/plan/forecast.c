/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forecast.c - what each GPU of a node holds at a time, and when it changes profile after it.
 *
 * Who holds what is told by the holders: jobs with their expected ends and pieces, seats in their
 * windows. What the line of a GPU has beyond them is reserved for jobs in line.
 *
 * Kept: it plans nothing and changes nothing but caches; it costs nothing when nobody asks, and
 * what one node has when somebody does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

/* Somebody has `n` instances of an offer on a GPU in [from, to). Seats of one window are one. */
struct span {
    int64_t from_usec, to_usec;
    uint8_t gpu, offer; /* HOLD_FOREIGN: `profile` is what it is */
    uint32_t n;
    struct gpu_state state; /* what they take of it */
    enum plan_by by;
    uint64_t id;
    const char *profile;
};

struct spans {
    struct span *at;
    size_t n, room;
};

/* The sweep over one GPU. */
struct sweep {
    const struct gpu_kind *kind;
    const struct gpuline *line;
    const struct span *spans; /* of this GPU, by their begin */
    size_t n, next;           /* the first that has not begun */
    const struct span **on;   /* those that hold it at the time that was looked at */
    size_t n_on;
};

/* ---- who holds it ------------------------------------------------------------ */

static int add_span(struct spans *list, const struct span *span)
{
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct span *grown = realloc(list->at, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        list->at = grown;
        list->room = room;
    }
    list->at[list->n++] = *span;
    return 0;
}

/* Of the seats that were added last the one that another of its window is like. */
static struct span *find_like(const struct spans *list, const struct span *span, size_t n_last)
{
    for (size_t i = list->n; span->by == PLAN_BY_CLASS && i > 0 && list->n - i < n_last; i--) {
        struct span *last = &list->at[i - 1];

        if (last->by == span->by && last->id == span->id && last->from_usec == span->from_usec &&
            last->to_usec == span->to_usec && last->gpu == span->gpu && last->offer == span->offer)
            return last;
    }
    return NULL;
}

static int add_hold(struct spans *list, const struct gpu_kind *kind, const struct gpu_hold *hold,
                    struct span span)
{
    int r = 0;

    span.offer = hold->offer;
    span.profile = hold->profile;
    for (uint8_t i = 0; i < hold->n && r == 0; i++) {
        span.gpu = hold->places[i].gpu;
        struct span *like = find_like(list, &span, hold->n);

        if (!like) {
            r = add_span(list, &span);
            like = r == 0 ? &list->at[list->n - 1] : NULL;
        }
        if (!like)
            break;
        like->n++;
        if (span.offer != HOLD_FOREIGN)
            gpu_take(kind, &like->state, span.offer, hold->places[i].slot);
    }
    return r;
}

/* The pieces that are not over by then, as they are in the lines of the node. */
static int add_job(struct planner *p, const struct entry *e, int64_t at_usec, struct spans *list)
{
    struct span span = {.by = PLAN_BY_JOB, .id = e->head ? e->head->id : e->id};
    struct walk walk;
    int r = 0;

    plan_first_piece(p, e, &walk, &span.to_usec);
    span.from_usec = INT64_MIN;
    do {
        if (span.to_usec > at_usec)
            r = add_hold(list, &p->kinds[e->node->kind], e->gpus, span);
    } while (r == 0 && walk_next(&walk, &span.from_usec, &span.to_usec));
    return r;
}

static int by_gpu(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->gpu != y->gpu)
        return x->gpu < y->gpu ? -1 : 1;
    if (x->from_usec != y->from_usec)
        return x->from_usec < y->from_usec ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int add_holders(struct planner *p, const struct plan_node *n, int64_t at_usec,
                       struct spans *list)
{
    int r = 0;

    for (const struct entry *e = n->jobs; e && r == 0; e = e->next)
        if (e->gpus)
            r = add_job(p, e, at_usec, list);
    for (const struct seat *s = n->seats; s && r == 0; s = s->next)
        if (s->gpus && s->window->to_usec > at_usec)
            r = add_hold(
                list, &p->kinds[n->kind], s->gpus,
                (struct span){.from_usec = s->window->from_usec,
                              .to_usec = s->window->to_usec,
                              .by = seat_is_booked(s->window) ? PLAN_BY_RESERVATION : PLAN_BY_CLASS,
                              .id = s->window->class_id});
    if (list->n)
        qsort(list->at, list->n, sizeof(*list->at), by_gpu);
    return r;
}

/* ---- at one time --------------------------------------------------------------- */

static void move_to(struct sweep *s, int64_t usec)
{
    size_t n = 0;

    for (; s->next < s->n && s->spans[s->next].from_usec <= usec; s->next++)
        s->on[s->n_on++] = &s->spans[s->next];
    for (size_t i = 0; i < s->n_on; i++)
        if (s->on[i]->to_usec > usec)
            s->on[n++] = s->on[i];
    s->n_on = n;
}

static uint64_t bit_of(size_t offer)
{
    return UINT64_C(1) << offer;
}

/* Nothing fits, for somebody is there who should not be: what else is in the line is not seen. */
static bool is_blocked(const struct gpu_state *state)
{
    return state->used >= UINT32_MAX / 2;
}

/* In the units of the state: what is taken of it beyond what is known. */
static uint32_t beyond(const struct sweep *s, const struct gpu_state *all,
                       const struct gpu_state *known)
{
    if (is_blocked(all))
        return 0;
    if (gpu_has_slots(s->kind) && s->kind->n_offers)
        return (uint32_t)__builtin_popcountll(all->slots & ~known->slots);
    return all->used > known->used ? all->used - known->used : 0;
}

/* What is reserved for jobs in line: of a profile, where the state tells which. */
static void add_reserved(const struct sweep *s, const struct gpu_state *known, int64_t usec,
                         struct plan_content *io)
{
    const struct gpu_state *all =
        &gpuline_step(s->line, steps_at(&s->line->steps, sizeof(struct gpustep), usec))->state;
    size_t n_offers = s->kind->n_offers ? s->kind->n_offers : 1;
    size_t offer = s->kind->law == GPU_HOMOGENEOUS && all->tag ? all->tag - 1 : 0;
    uint32_t more = beyond(s, all, known);

    if (!more)
        return;
    if (s->kind->law != GPU_HOMOGENEOUS && n_offers > 1) {
        io->reserved = true;
    } else if (offer < n_offers) {
        io->profiles |= bit_of(offer);
        io->used[offer] += more / (s->kind->n_offers ? s->kind->offers[offer].size : 1);
    }
}

static void look(struct sweep *s, int64_t usec, struct plan_content *ret)
{
    struct gpu_state known = {0};

    move_to(s, usec);
    *ret = (struct plan_content){.from_usec = usec};
    for (size_t i = 0; i < s->n_on; i++) {
        const struct span *span = s->on[i];

        if (span->offer == HOLD_FOREIGN) {
            ret->foreign = span->profile;
            continue;
        }
        known.slots |= span->state.slots;
        known.used += span->state.used;
        ret->profiles |= bit_of(span->offer);
        ret->used[span->offer] += span->n;
    }
    add_reserved(s, &known, usec, ret);
}

/* Who has one of these profiles: a class before others, then the highest id. */
static void name_holder(const struct sweep *s, uint64_t profiles, struct plan_content *io)
{
    const struct span *found = NULL;

    for (size_t i = 0; i < s->n_on; i++) {
        const struct span *span = s->on[i];

        if (span->offer == HOLD_FOREIGN ? profiles != 0 : !(profiles & bit_of(span->offer)))
            continue;
        if (!found || span->by > found->by || (span->by == found->by && span->id > found->id))
            found = span;
    }
    if (found)
        io->by = found->by;
    else
        io->by = profiles || io->reserved ? PLAN_BY_RESERVATION : PLAN_BY_NOBODY;
    io->id = found ? found->id : 0;
}

/* ---- over time ------------------------------------------------------------------ */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* When something may change after `at`: the caller frees it. */
static int find_times(const struct sweep *s, int64_t at_usec, int64_t **ret, size_t *ret_n)
{
    size_t n = 0;
    int64_t *times = malloc((2 * s->n + s->line->steps.n + 1) * sizeof(*times));

    if (!times)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        times[n++] = s->spans[i].from_usec;
        times[n++] = s->spans[i].to_usec;
    }
    for (size_t i = 0; i < s->line->steps.n; i++)
        times[n++] = gpuline_step(s->line, i)->from_usec;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (times[i] > at_usec && times[i] < TIMELINE_NEVER)
            times[kept++] = times[i];
    if (kept)
        qsort(times, kept, sizeof(*times), compare_times);
    *ret = times;
    *ret_n = kept;
    return 0;
}

static bool is_same(const struct plan_content *a, const struct plan_content *b)
{
    return a->profiles == b->profiles && a->reserved == b->reserved && a->foreign == b->foreign;
}

/* What comes beside what was there, or nothing but that something has gone. */
static void name_change(const struct sweep *s, const struct plan_content *was,
                        struct plan_content *io)
{
    struct plan_content more = *io;

    more.reserved = io->reserved && !was->reserved;
    name_holder(s, io->profiles & ~was->profiles, &more);
    if (!(io->profiles & ~was->profiles) && !more.reserved)
        return;
    io->by = more.by;
    io->id = more.id;
}

static int find_changes(struct sweep *s, size_t max, struct plan_forecast *io)
{
    struct plan_content last = io->content, now;
    int64_t *times;
    size_t n;
    int r = find_times(s, io->content.from_usec, &times, &n);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n && !io->more; i++) {
        if (i && times[i] == times[i - 1])
            continue;
        look(s, times[i], &now);
        if (is_same(&last, &now))
            continue;
        name_change(s, &last, &now);
        io->more = io->n_changes == max;
        if (!io->more)
            io->changes[io->n_changes++] = now;
        last = now;
    }
    free(times);
    return 0;
}

/* How many more of each profile fit for the whole of [at, to). */
static void count_free(const struct sweep *s, int64_t to_usec, struct plan_forecast *io)
{
    struct gpu_state all = gpuline_join(s->line, io->content.from_usec, to_usec);

    for (size_t i = 0; i < s->n; i++)
        if (s->spans[i].offer == HOLD_FOREIGN && s->spans[i].from_usec < to_usec)
            return;
    for (size_t o = 0; o == 0 || o < s->kind->n_offers; o++)
        io->free[o] = gpu_count(s->kind, &all, o);
}

static int forecast_gpu(const struct plan_node *n, struct sweep *s,
                        const struct plan_forecast_ask *ask, struct plan_forecast *ret)
{
    int64_t to_usec = ask->at_usec + (ask->span_usec > 0 ? ask->span_usec : 1);

    ret->in_service = plan_node_in_service(n);
    ret->kind = s->kind;
    look(s, ask->at_usec, &ret->content);
    name_holder(s, ret->content.profiles, &ret->content);
    if (ret->in_service && !s->line->closed && !closure_is_on(n, ask->at_usec, to_usec))
        count_free(s, to_usec, ret);
    return find_changes(s, ask->changes < PLAN_CHANGES_MAX ? ask->changes : PLAN_CHANGES_MAX, ret);
}

/* ---- a node ------------------------------------------------------------------------ */

/* Those of the last pass, where it was here and nothing is another since; else those without
 * reservations. NULL: no memory. */
static const struct plan_lines *lines_of(struct planner *p, struct plan_node *n)
{
    bool is_of_pass = n->pass == p->pass && queue_first(&p->queue) && n->base_is_valid &&
                      n->base_until_usec > p->now_usec && n->lines.room >= n->gpus.n;

    for (uint32_t i = 0; is_of_pass && i < n->gpus.n; i++)
        is_of_pass = n->lines.gpus[i].steps.n > 0;
    return is_of_pass ? &n->lines : plan_base_lines(p, n);
}

static int forecast_node(struct planner *p, struct plan_node *n,
                         const struct plan_forecast_ask *ask, plan_forecast_fn *fn, void *arg)
{
    const struct plan_lines *lines = lines_of(p, n);
    struct plan_forecast *forecast = malloc(sizeof(*forecast));
    struct spans spans = {0};
    int r = lines && forecast ? add_holders(p, n, ask->at_usec, &spans) : -ENOMEM;
    const struct span **on = r == 0 ? calloc(spans.n + 1, sizeof(*on)) : NULL;

    if (!on)
        r = -ENOMEM;
    for (size_t i = 0, first = 0; r == 0 && i < n->gpus.n; i++) {
        struct sweep s = {.kind = &p->kinds[n->kind], .line = &lines->gpus[i], .on = on};

        while (first < spans.n && spans.at[first].gpu < i)
            first++;
        s.spans = spans.at + first;
        while (first + s.n < spans.n && spans.at[first + s.n].gpu == i)
            s.n++;
        *forecast = (struct plan_forecast){.gpu = (uint32_t)i};
        r = forecast_gpu(n, &s, ask, forecast);
        if (r == 0)
            fn(arg, forecast);
    }
    free(on);
    free(spans.at);
    free(forecast);
    return r;
}

int planner_forecast(struct planner *p, const char *node, const struct plan_forecast_ask *ask,
                     int64_t now_usec, plan_forecast_fn *fn, void *arg)
{
    struct plan_node *n = hash_get(p->node_names, node);
    int64_t step_usec = p->now_usec;
    int r;

    if (!n || !n->defined)
        return -ENOENT;
    p->now_usec = now_usec; /* jobs that are overdue end later than the last step thought */
    r = forecast_node(p, n, ask, fn, arg);
    p->now_usec = step_usec;
    return r;
}

const char *planner_next_node(struct planner *p, const char *after)
{
    size_t low = 0, high = p->n_nodes;

    planner_sort_nodes(p);
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(p->nodes[mid]->facts.name, after) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    while (low < p->n_nodes && !p->nodes[low]->defined)
        low++;
    return low < p->n_nodes ? p->nodes[low]->facts.name : NULL;
}
