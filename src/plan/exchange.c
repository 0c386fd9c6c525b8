/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - GPUs that classes have at the same time exchange seats, to change profile seldom.
 *
 * By the homogeneous law a GPU is of one profile at a time. Classes are admitted one after another,
 * each to the first places that are free, so the next lesson finds the right profile on the wrong
 * GPU. Where two GPUs are full of seats of one and the same time, all that is on one goes to the
 * other and back, if there are fewer changes of profile then.
 *
 * Kept: which GPUs are held, when, and by which QOS, stays as it was; so no job has to make room
 * that had not to before, and none is kept out. Each exchange leaves fewer changes than there were,
 * so it ends.
 */
#include "plan/exchange.h"

#include "plan/inner.h"

#define SEATS_MAX 64 /* on one GPU */

/* What a GPU is before or after the window. */
struct side {
    uint32_t tag; /* of gpu_state; 0: nothing is known */
    int weight;   /* of a change */
};

#define FAR 1
#define NEAR 5 /* more than all of the four sides of an exchange, when they are far */

/* A GPU in the window. */
struct card {
    struct plan_node *node;
    uint32_t gpu, n, tag; /* so many seats of that profile */
    struct side before, after;
    struct amount need; /* of its seats */
};

struct cards {
    const struct seat_window *of;
    struct seat_window *first; /* of that time, by next_at */
    size_t n;
    struct card at[EXCHANGE_CARDS_MAX];
};

/* ---- what there is --------------------------------------------------------- */

/* The window has seats that may be moved. */
static bool is_alike(const struct planner *p, const struct cards *cards,
                     const struct seat_window *w)
{
    return w->to_usec == cards->of->to_usec && w->shape->gpus == 1 && !w->victims &&
           !seat_is_booked(w) && qos_of(p, w->shape) == qos_of(p, cards->of->shape);
}

static bool may_move(const struct planner *p, const struct seat *s)
{
    return s->gpus && s->gpus->offer != HOLD_FOREIGN &&
           p->kinds[s->node->kind].law == GPU_HOMOGENEOUS;
}

static bool is_on(const struct seat *s, const struct card *c)
{
    return s->node == c->node && s->gpus->places[0].gpu == c->gpu;
}

/* The card of the seat; a new one if there is room. NULL: there is none. */
static struct card *card_of(struct cards *cards, const struct seat *s)
{
    for (size_t i = cards->n; i > 0; i--)
        if (is_on(s, &cards->at[i - 1]))
            return &cards->at[i - 1];
    if (cards->n == EXCHANGE_CARDS_MAX)
        return NULL;
    cards->at[cards->n] = (struct card){
        .node = s->node, .gpu = s->gpus->places[0].gpu, .tag = s->gpus->offer + UINT32_C(1)};
    return &cards->at[cards->n++];
}

/* By the step before or after the window, and the one beyond where that is empty. */
static struct side side_of(const struct gpuline *line, size_t i, int way, int64_t usec)
{
    const struct gpustep *step = gpuline_step(line, i);
    int64_t gap_usec;

    if (step->state.tag)
        return (struct side){step->state.tag, NEAR};
    if (way < 0 ? i == 0 : i + 1 == line->steps.n)
        return (struct side){0, FAR};
    gap_usec = way < 0 ? usec - step->from_usec : step[1].from_usec - usec;
    return (struct side){step[way].state.tag, gap_usec > EXCHANGE_NEAR_USEC ? FAR : NEAR};
}

/* False: others are on it, too, for some of the time. */
static bool look_around(struct planner *p, const struct seat_window *w, struct card *c)
{
    const struct plan_lines *lines = plan_base_lines(p, c->node);
    const struct gpuline *line;
    const struct gpustep *step;
    size_t i;

    if (!lines || lines->gpus[c->gpu].closed || lines->amount.closed ||
        c->node->gpus.gpus[c->gpu].n_foreign)
        return false;
    line = &lines->gpus[c->gpu];
    i = steps_at(&line->steps, sizeof(*step), w->from_usec);
    step = gpuline_step(line, i);
    if (step->state.used != c->n || step->state.tag != c->tag ||
        (i + 1 < line->steps.n && step[1].from_usec < w->to_usec))
        return false;
    if (step->from_usec < w->from_usec)
        c->before = (struct side){c->tag, NEAR}; /* as many of the same are there before */
    else if (i)
        c->before = side_of(line, i - 1, -1, w->from_usec);
    if (i + 1 < line->steps.n && step[1].from_usec > w->to_usec)
        c->after = (struct side){c->tag, NEAR};
    else if (i + 1 < line->steps.n)
        c->after = side_of(line, i + 1, 1, w->to_usec);
    return true;
}

/* The GPUs that have nothing but seats of that time. False: there is nothing to exchange. */
static bool find_cards(struct planner *p, const struct seat_window *w, struct cards *cards)
{
    bool differ = false;
    size_t n = 0;

    cards->of = w;
    cards->first = seats_at(&p->seats, w->from_usec);
    cards->n = 0;
    for (const struct seat_window *at = cards->first; at; at = at->next_at) {
        for (uint32_t i = 0; is_alike(p, cards, at) && i < at->n; i++) {
            const struct seat *s = &at->seats[i];
            struct card *c = may_move(p, s) ? card_of(cards, s) : NULL;

            if (!c)
                continue;
            c->n++;
            amount_add(&c->need, &at->shape->need, 1);
            differ |= c->tag != cards->at[0].tag;
        }
    }
    for (size_t i = 0; differ && i < cards->n; i++)
        if (cards->at[i].n <= SEATS_MAX && look_around(p, w, &cards->at[i]))
            cards->at[n++] = cards->at[i];
    cards->n = n;
    return n > 1;
}

/* ---- an exchange ----------------------------------------------------------- */

static size_t seats_on(const struct planner *p, const struct cards *cards, const struct card *c,
                       struct seat **ret)
{
    size_t n = 0;

    for (struct seat_window *at = cards->first; at; at = at->next_at)
        for (uint32_t i = 0; is_alike(p, cards, at) && i < at->n && n < c->n; i++)
            if (may_move(p, &at->seats[i]) && is_on(&at->seats[i], c))
                ret[n++] = &at->seats[i];
    return n;
}

/* Could the node have those of the other beside all but its own? */
static bool has_room(struct planner *p, const struct seat_window *w, const struct card *c,
                     const struct card *other, struct seat *const *seats)
{
    const struct plan_lines *lines = plan_base_lines(p, c->node);
    struct amount more = other->need;

    amount_add(&more, &c->need, -1);
    if (!lines || timeline_earliest(&lines->amount, w->from_usec, w->to_usec - w->from_usec,
                                    &more) != w->from_usec)
        return false;
    for (size_t i = 0; i < other->n; i++) {
        struct shape *shape = seats[i]->window->shape;

        if ((plan_node_in_service(other->node) && !plan_node_in_service(c->node)) ||
            !shape_is_possible(p, shape, c->node) ||
            !closure_allows(c->node, shape, w->from_usec, w->to_usec))
            return false;
    }
    return true;
}

static bool exchange(struct planner *p, const struct cards *cards, struct card *a, struct card *b)
{
    const struct seat_window *w = cards->of;
    struct seat *of_a[SEATS_MAX], *of_b[SEATS_MAX];
    struct card was = *a;

    if (seats_on(p, cards, a, of_a) != a->n || seats_on(p, cards, b, of_b) != b->n ||
        (a->node != b->node && (!has_room(p, w, a, b, of_b) || !has_room(p, w, b, a, of_a))))
        return false;
    seats_take_off(p, of_a, a->n);
    seats_take_off(p, of_b, b->n);
    seats_put_on(p, of_a, a->n, b->node, (uint8_t)b->gpu);
    seats_put_on(p, of_b, b->n, a->node, (uint8_t)a->gpu);
    a->n = b->n;
    a->tag = b->tag;
    a->need = b->need;
    b->n = was.n;
    b->tag = was.tag;
    b->need = was.need;
    return true;
}

static int changes(const struct card *place, uint32_t tag)
{
    return (place->before.tag != tag) * place->before.weight +
           (place->after.tag != tag) * place->after.weight;
}

/* The first of those with which most changes are saved. NULL: none are. */
static struct card *partner(struct cards *cards, const struct card *c)
{
    struct card *best = NULL;
    int least = 0;

    for (size_t i = 0; i < cards->n; i++) {
        struct card *other = &cards->at[i];
        int more;

        if (other->tag == c->tag || other->node->kind != c->node->kind)
            continue;
        more = changes(c, other->tag) + changes(other, c->tag) - changes(c, c->tag) -
               changes(other, other->tag);
        if (more >= least)
            continue;
        least = more;
        best = other;
    }
    return best;
}

void exchange_seats(struct planner *p, const struct seat_window *w)
{
    struct cards cards;
    bool any = w->shape->gpus == 1 && w->from_usec >= p->now_usec + EXCHANGE_NOTICE_USEC &&
               find_cards(p, w, &cards);

    while (any) {
        any = false;
        for (size_t i = 0; i < cards.n; i++) {
            struct card *c = &cards.at[i];
            struct card *other = changes(c, c->tag) ? partner(&cards, c) : NULL;

            any |= other && exchange(p, &cards, c, other);
        }
    }
}
