/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shortage.c - what one seat more of a window lacks, node by node, and the words for it.
 *
 * Only nodes that could hold a seat when they are empty are asked. A resource is short if it is all
 * that one of them lacks. Where each lacks several, those of the node that lacks the fewest are.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "plan/inner.h"

_Static_assert(PLAN_N_BLOCKERS <= 32, "they are bits");

#define BIT(type) (UINT32_C(1) << (type))

/* Seats ask for no disk space. */
static const enum plan_blocker_type resources[] = {
    PLAN_BLOCK_GPUS, PLAN_BLOCK_MEMORY, PLAN_BLOCK_CPUS, PLAN_BLOCK_ENCODE, PLAN_BLOCK_WORK};

static bool has_amount(const struct seat_window *w, const struct plan_lines *lines,
                       struct amount need)
{
    return timeline_earliest(&lines->amount, w->from_usec, w->to_usec - w->from_usec, &need) ==
           w->from_usec;
}

static bool has_gpus(struct planner *p, const struct seat_window *w, const struct plan_node *node,
                     const struct plan_lines *lines, int *ret_r)
{
    struct gpu_hold *hold;

    if (!w->shape->gpus)
        return true;
    hold = place_find(p, w->shape, node, lines, w->from_usec, w->to_usec - w->from_usec, UINT32_MAX,
                      ret_r);
    place_hold_free(hold);
    return hold != NULL;
}

void lacks_add(struct lacks *l, struct planner *p, const struct seat_window *w,
               const struct plan_node *node, const struct plan_lines *lines, int *ret_r)
{
    const struct amount *need = &w->shape->need;
    uint32_t here = 0;

    if (!closure_allows(node, w->shape, w->from_usec, w->to_usec))
        here |= BIT(PLAN_BLOCK_RESERVATION);
    if (!has_amount(w, lines, (struct amount){.cpus = need->cpus}))
        here |= BIT(PLAN_BLOCK_CPUS);
    if (!has_amount(w, lines, (struct amount){.memory_mib = need->memory_mib}))
        here |= BIT(PLAN_BLOCK_MEMORY);
    if (!has_amount(w, lines, (struct amount){.encode_mpix = need->encode_mpix}))
        here |= BIT(PLAN_BLOCK_ENCODE);
    if (!(here & BIT(PLAN_BLOCK_CPUS)) &&
        !has_amount(w, lines, (struct amount){.work_mcpu = need->work_mcpu}))
        here |= BIT(PLAN_BLOCK_WORK);
    if (!has_gpus(p, w, node, lines, ret_r))
        here |= BIT(PLAN_BLOCK_GPUS);
    if (!l->n++ || __builtin_popcount(here) < __builtin_popcount(l->least))
        l->least = here;
    if (__builtin_popcount(here) == 1)
        l->alone |= here;
}

void lacks_tell(const struct lacks *l, struct plan_shortage *ret)
{
    ret->any_helps = l->alone != 0;
    ret->lacks = !l->n ? BIT(PLAN_BLOCK_NO_NODE) : l->alone ? l->alone : l->least;
}

/* ---- in words ---- */

bool plan_shortage_is(const struct plan_shortage *s, enum plan_blocker_type type)
{
    return s->lacks & BIT(type);
}

static void name(enum plan_blocker_type type, const char *profile, char ret[80])
{
    if (type == PLAN_BLOCK_GPUS && *profile)
        snprintf(ret, 80, "GPUs (%.63s)", profile);
    else
        str_copy(ret, 80,
                 type == PLAN_BLOCK_GPUS     ? "GPUs"
                 : type == PLAN_BLOCK_MEMORY ? "memory"
                 : type == PLAN_BLOCK_CPUS   ? "processors"
                 : type == PLAN_BLOCK_WORK   ? "processors for encoding"
                                             : "the encoders");
}

static bool is_one(enum plan_blocker_type type)
{
    return type == PLAN_BLOCK_MEMORY;
}

const char *plan_shortage_text(const struct plan_shortage *s, const char *profile,
                               char ret[PLAN_SHORTAGE_TEXT])
{
    size_t len = 0, n = 0;

    ret[0] = '\0';
    if (plan_shortage_is(s, PLAN_BLOCK_NO_NODE)) {
        str_copy(ret, PLAN_SHORTAGE_TEXT, "no node of the partition could hold one");
        return ret;
    }
    for (size_t i = 0; i < ELEMENTS(resources); i++)
        n += plan_shortage_is(s, resources[i]);
    for (size_t i = 0, k = 0; i < ELEMENTS(resources); i++) {
        const char *are = is_one(resources[i]) ? "is" : "are";
        char word[80], said[128];

        if (!plan_shortage_is(s, resources[i]))
            continue;
        name(resources[i], profile, word);
        if (n == 1)
            snprintf(said, sizeof(said), "%s %s short", word, are);
        else if (!s->any_helps)
            snprintf(said, sizeof(said), "%s%s%s", k ? " and " : "", word,
                     k + 1 == n ? " are short together" : "");
        else if (!k)
            snprintf(said, sizeof(said), "%s %s short on some nodes", word, are);
        else
            snprintf(said, sizeof(said), ", %s on others", word);
        len += (size_t)snprintf(ret + len, PLAN_SHORTAGE_TEXT - len, "%s", said);
        k++;
    }
    return ret;
}
