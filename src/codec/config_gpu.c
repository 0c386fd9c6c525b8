/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_gpu.c - what the GPUs of each node are, from gpu and profile blocks together.
 *
 * Nodes whose gpu blocks say the same share one kind; a fault of a kind is told once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/str.h"
#include "codec/config_check.h"

static enum gpu_law law_of(const struct config_node *n)
{
    enum gpu_law law = GPU_WHOLE;

    while (law + 1 < GPU_N_LAWS && !str_equal(gpu_law_names[law], n->gpu_law))
        law++;
    return law;
}

static void tell(struct config_findings *f, const struct config_node *n, const char *key,
                 const char *fault, const char *remedy)
{
    char field[96];

    snprintf(field, sizeof(field), "node \"%.16s\" gpu %s", n->name, key);
    config_finding_text(f, n->place.line, field, remedy, "%s", fault);
}

static uint64_t starts_of(const struct config_profile *p, struct config_findings *f)
{
    uint64_t starts = 0, n;
    char field[96];

    for (size_t i = 0; i < p->placements.n; i++) {
        if (str_to_u64(p->placements.names[i], 0, GPU_SLOTS_MAX - 1, &n) == 0) {
            starts |= UINT64_C(1) << n;
            continue;
        }
        snprintf(field, sizeof(field), "profile \"%.16s\" placements", p->name);
        config_finding_text(f, p->place.line, field, "write numbers of slices, as in {0, 2, 4}",
                            "\"%s\" is not a number from 0 to 63", p->placements.names[i]);
    }
    return starts;
}

static void fill_offer(const struct config *c, struct config_findings *f, const char *name,
                       struct gpu_offer *o)
{
    const struct config_profile *p = config_profile(c, name);

    str_copy(o->profile, sizeof(o->profile), name);
    o->display = true;
    if (!p)
        return;
    o->framebuffer_mib = p->framebuffer_mib;
    o->instances = p->instances;
    o->size = p->slices;
    o->starts = starts_of(p, f);
    o->display = p->display;
}

static void fill_kind(const struct config *c, struct config_findings *f,
                      const struct config_node *n, struct gpu_kind *kind)
{
    const char *fault;
    size_t offer = 0;

    *kind = (struct gpu_kind){.law = law_of(n),
                              .framebuffer_mib = n->gpu_framebuffer_mib,
                              .capacity = n->gpu_capacity,
                              .n_offers = n->gpu_profiles.n};
    if (kind->n_offers > GPU_OFFERS_MAX) {
        tell(f, n, "profiles", "there are more than 64", "keep those that templates name");
        kind->n_offers = GPU_OFFERS_MAX;
    }
    for (size_t i = 0; i < kind->n_offers; i++)
        fill_offer(c, f, n->gpu_profiles.names[i], &kind->offers[i]);
    if ((kind->law == GPU_HOMOGENEOUS || kind->law == GPU_MIXED || kind->law == GPU_POOL ||
         kind->law == GPU_SLICES) &&
        !kind->n_offers)
        tell(f, n, "profiles", "a card of this law has none", "name the profiles that it offers");
    fault = gpu_kind_settle(kind, &offer);
    if (fault)
        tell(f, n, offer < kind->n_offers ? kind->offers[offer].profile : "law", fault,
             "see the profile block and framebuffer, capacity of the gpu block in vdi.conf(5)");
}

/* What two nodes must have in common to share a kind. */
static char *key_of(const struct config_node *n)
{
    struct buf out = BUF_INIT(64 * 1024);

    buf_printf(&out, "%s %u %u", n->gpu_law, n->gpu_framebuffer_mib, n->gpu_capacity);
    for (size_t i = 0; i < n->gpu_profiles.n; i++)
        buf_printf(&out, " %s", n->gpu_profiles.names[i]);
    return out.data;
}

static int add_kind(struct config *c, struct config_findings *f, const struct config_node *n,
                    struct hash *keys, char *key)
{
    struct gpu_kind *grown = realloc(c->kinds, (c->n_kinds + 1) * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    c->kinds = grown;
    fill_kind(c, f, n, &grown[c->n_kinds++]);
    return hash_put(keys, key, (void *)(uintptr_t)c->n_kinds);
}

int config_gpu_kinds(struct config *c, struct config_findings *f)
{
    struct hash *keys = hash_new_str();
    size_t *which = calloc(c->n_nodes + 1, sizeof(*which));
    char **kept = calloc(c->n_nodes + 1, sizeof(*kept));
    int r = keys && which && kept ? 0 : -ENOMEM;

    for (size_t i = 0; i < c->n_nodes && r == 0; i++) {
        if (!c->nodes[i].gpus)
            continue;
        kept[i] = key_of(&c->nodes[i]);
        if (kept[i] && !hash_get(keys, kept[i]))
            r = add_kind(c, f, &c->nodes[i], keys, kept[i]);
        which[i] = kept[i] ? (uintptr_t)hash_get(keys, kept[i]) : 0;
        r = kept[i] ? r : -ENOMEM;
    }
    for (size_t i = 0; i < c->n_nodes && r == 0; i++)
        c->nodes[i].kind = which[i] ? &c->kinds[which[i] - 1] : NULL;
    hash_free(keys);
    for (size_t i = 0; kept && i < c->n_nodes; i++)
        free(kept[i]);
    free(kept);
    free(which);
    return r;
}
