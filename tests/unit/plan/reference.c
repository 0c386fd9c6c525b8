/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - a second planner, written to be obvious. */
#include "reference.h"

int64_t span(const struct job_spec *spec)
{
    return spec->time_limit_sec ? spec->time_limit_sec * 1000000 + PLAN_BOOT_USEC
                                : PLAN_UNLIMITED_USEC;
}

/* A saved job wants its own nodes, for what is left of its limit. */
struct job_spec now_wanted(const struct world *w, int j, struct wanted *ret)
{
    const struct job *job = &w->jobs[j];
    char *wish = ret->wish;

    struct job_spec spec = *job->spec;
    int64_t ran_usec = job->suspended_usec - job->start_usec - job->suspended_total_usec;

    if (job->state != JOB_SUSPENDED)
        return spec;
    ret->nodes[0] = '\0';
    for (int i = 0; i < w->n_places[j]; i++)
        strcat(strcat(ret->nodes, i ? "," : ""), w->places[j][i].node);
    snprintf(wish, 64, "%.*s", (int)strcspn(job->gpus_held, ":"), job->gpus_held);
    if (*wish && spec.gpus)
        spec.profile = wish; /* its memory knows the profile */
    spec.nodelist = ret->nodes;
    spec.exclude = spec.constraint = (char *)"";
    spec.begin_usec = spec.deadline_usec = spec.time_min_sec = 0;
    if (spec.time_limit_sec && ran_usec < spec.time_limit_sec * 1000000)
        spec.time_limit_sec = ((spec.time_limit_sec * 1000000 - ran_usec) / MIN + 1) * 60;
    else if (spec.time_limit_sec)
        spec.time_limit_sec = 60;
    return spec;
}

bool waits(const struct job *job)
{
    return job->state == JOB_PENDING ||
           (job->state == JOB_SUSPENDED && job->wake_usec && !job->restore_usec);
}

bool holds_nothing(const struct job *job)
{
    return job->state == JOB_SUSPENDED && !job->wake_usec;
}

/* ---- GPUs, by looking at every pair of instances ---- */

const struct gpu_kind *kind_of(const struct world *w, int node)
{
    static const struct gpu_kind any = {.law = GPU_WHOLE, .capacity = 1};
    return w->config_nodes[node].kind ? w->config_nodes[node].kind : &any;
}

/* Nothing would fit beside it: sizes are 1, 2 and 4 of 4 slots, or of a pool of 5 GiB. */
bool is_alone(const struct gpu_kind *k, const struct gpu_offer *o)
{
    return k->law == GPU_POOL          ? k->capacity - o->size < 1024
           : k->law == GPU_HOMOGENEOUS ? o->instances == 1
                                       : o->size == 4;
}

/* Offers of the kind that meet the wish, the best first. */
int wished(const struct gpu_kind *k, const struct job_spec *spec, int *ret)
{
    bool is_desktop = spec->kind == JOB_INTERACTIVE;
    const char *wish = spec->profile;
    int n = 0;

    if (!k->n_offers) {
        ret[0] = 0;
        return strncmp(wish, "fb>=", 4) != 0;
    }
    for (unsigned rank = 0; rank < 8; rank++) {
        for (int i = 0; i < (int)k->n_offers; i++) {
            const struct gpu_offer *o = &k->offers[i];
            const char *at = strstr(wish, o->profile);
            bool fits;

            if (!strncmp(wish, "fb>=", 4)) /* sizes are 1, 2 and 4 GiB */
                fits = o->framebuffer_mib >= (unsigned)atoi(wish + 4) &&
                       o->framebuffer_mib == 1024u << rank;
            else if (!*wish || !strcmp(wish, "whole"))
                fits = rank == 0 && is_alone(k, o);
            else
                fits = at && (rank == 0) == (at == wish) && rank < 2;
            if (fits && (o->display || !is_desktop))
                ret[n++] = i;
        }
    }
    if (n || *wish)
        return n;
    for (int i = 0; i < (int)k->n_offers; i++) { /* none is alone on a device: the largest */
        if ((!k->offers[i].display && is_desktop) ||
            (n && k->offers[i].framebuffer_mib <= k->offers[ret[0]].framebuffer_mib))
            continue;
        ret[0] = i;
        n = 1;
    }
    return n;
}

/* Places of mixed sizes are counted in their own size. */
static int first_slot(const struct gpu_kind *k, int offer, int slot)
{
    return k->law == GPU_MIXED ? slot * (int)k->offers[offer].size : slot;
}

/* What lies on the GPU at that time leaves place for the offer at the slot. */
static bool gpu_room_at(const struct world *w, const struct plan *plan, int node, int gpu,
                        int64_t t, int offer, int slot)
{
    const struct gpu_kind *k = kind_of(w, node);
    uint32_t n = 0, sum = 0;

    for (size_t i = 0; i < plan->n; i++) {
        const struct hold *h = &plan->holds[i];

        for (int g = 0; g < h->n_gpus; g++) {
            if (h->node != node || t < h->from || t >= h->to || h->places[g].gpu != gpu)
                continue;
            n++;
            sum += k->n_offers ? k->offers[h->offer].size : 1;
            if (k->n_offers && k->law == GPU_HOMOGENEOUS && h->offer != offer)
                return false;
            if (k->n_offers && gpu_has_slots(k) &&
                first_slot(k, h->offer, h->places[g].slot) <
                    first_slot(k, offer, slot) + (int)k->offers[offer].size &&
                first_slot(k, offer, slot) <
                    first_slot(k, h->offer, h->places[g].slot) + (int)k->offers[h->offer].size)
                return false;
        }
    }
    if (!k->n_offers || k->law == GPU_WHOLE)
        return n == 0;
    if (k->law == GPU_HOMOGENEOUS)
        return n < k->offers[offer].instances;
    return gpu_has_slots(k) || sum + k->offers[offer].size <= k->capacity;
}

bool gpu_room(const struct world *w, const struct plan *plan, int node, int gpu, int64_t t,
              int64_t end, int offer, int slot)
{
    if (!gpu_room_at(w, plan, node, gpu, t, offer, slot))
        return false;
    for (size_t i = 0; i < plan->n; i++) {
        int64_t u = plan->holds[i].from;
        if (u > t && u < end && !gpu_room_at(w, plan, node, gpu, u, offer, slot))
            return false;
    }
    return true;
}

/* The slots at which it would fit for the whole time, as bits. */
static uint64_t gpu_slots(const struct world *w, const struct plan *plan, int node, int gpu,
                          int64_t t, int64_t end, int offer)
{
    const struct gpu_kind *k = kind_of(w, node);
    uint64_t found = 0;

    for (int slot = 0; slot < (gpu_has_slots(k) && k->n_offers ? 64 : 1); slot++)
        if ((!gpu_has_slots(k) || !k->n_offers || k->offers[offer].starts >> slot & 1) &&
            gpu_room(w, plan, node, gpu, t, end, offer, slot))
            found |= UINT64_C(1) << slot;
    return found;
}

/* Instances, or what they take of the device, on the GPU by those that hold it at this moment. */
static struct gpu_state gpu_now(const struct world *w, const struct plan *plan, int node, int gpu)
{
    const struct gpu_kind *k = kind_of(w, node);
    struct gpu_state s = {0};

    for (size_t i = 0; i < plan->n; i++) {
        const struct hold *h = &plan->holds[i];

        for (int g = 0; g < h->n_gpus; g++) {
            if (h->node != node || h->from != INT64_MIN || h->places[g].gpu != gpu)
                continue;
            s.used += k->n_offers ? k->offers[h->offer].size : 1;
            if (gpu_has_slots(k) && k->n_offers)
                s.slots |= ((UINT64_C(1) << k->offers[h->offer].size) - 1)
                           << first_slot(k, h->offer, h->places[g].slot);
        }
    }
    return s;
}

/* The GPUs by the rule: who starts now takes the fullest, who starts later the first. */
static bool choose_gpus(const struct world *w, const struct plan *plan, int64_t t,
                        const struct job_spec *spec, struct hold *h)
{
    const struct gpu_kind *k = kind_of(w, h->node);
    int64_t end = t + span(spec);
    bool taken[GPU_PLACES_MAX] = {0}, is_now = t <= w->now;

    for (h->n_gpus = 0; h->n_gpus < (int)spec->gpus; h->n_gpus++) {
        int best = -1, best_full = -1;
        for (int g = 0; g < (int)w->nodes[h->node].gpus; g++) {
            struct gpu_state s = gpu_now(w, plan, h->node, g);
            int full = !is_now                           ? 0
                       : gpu_has_slots(k) && k->n_offers ? __builtin_popcountll(s.slots)
                                                         : (int)s.used;
            if (taken[g] || full <= best_full || !gpu_slots(w, plan, h->node, g, t, end, h->offer))
                continue;
            best = g;
            best_full = full;
        }
        if (best < 0)
            return false;
        taken[best] = true;
        uint64_t slots = gpu_slots(w, plan, h->node, best, t, end, h->offer);
        struct gpu_state s = gpu_now(w, plan, h->node, best);
        h->places[h->n_gpus] =
            (struct gpu_place){(uint8_t)best, is_now ? gpu_best_slot(k, &s, (size_t)h->offer, slots)
                                                     : (uint8_t)__builtin_ctzll(slots)};
    }
    return true;
}

static int64_t disk_of(const struct node *n)
{
    return n->disk_gib ? n->disk_gib : PLAN_DISK_UNCOUNTED_GIB;
}

/* Could it run there, were the node in service and empty? */
bool is_possible(const struct world *w, int node, int j, const struct job_spec *spec)
{
    const struct plan_terms *d = &w->disks[j];
    const struct node *n = &w->nodes[node];
    int offers[8];
    if (*spec->nodelist && !strstr(spec->nodelist, n->name))
        return false;
    if (*d->node && w->jobs[j].state != JOB_SUSPENDED && strcmp(d->node, n->name) != 0)
        return false;
    if (*spec->exclude && strstr(spec->exclude, n->name))
        return false;
    if (*spec->constraint && !strstr(n->features, spec->constraint))
        return false;
    if (spec->gpus && !wished(kind_of(w, node), spec, offers))
        return false;
    return w->has_node[node] && spec->cpus <= n->cpus && spec->memory_mib <= n->memory_mib &&
           spec->gpus <= n->gpus && d->gib <= disk_of(n) && encode_need(n, spec) <= encode_of(n);
}

bool allowed(const struct world *w, int node, int j, const struct job_spec *spec)
{
    const struct node *n = &w->nodes[node];

    return is_possible(w, node, j, spec) && n->up && !n->drain;
}

bool room_at(const struct world *w, const struct plan *plan, int node, int64_t t, int j,
             const struct job_spec *spec)
{
    int64_t disk = disk_of(&w->nodes[node]) - w->stored_gib[node];
    int64_t cpus = w->nodes[node].cpus, memory = w->nodes[node].memory_mib;
    int64_t encode = encode_of(&w->nodes[node]), encodes = encode_need(&w->nodes[node], spec);
    for (size_t i = 0; i < plan->n; i++) {
        const struct hold *h = &plan->holds[i];
        if (h->node != node || t < h->from || t >= h->to)
            continue;
        cpus -= h->spec->cpus;
        memory -= h->spec->memory_mib;
        disk -= h->gib;
        encode -= encode_need(&w->nodes[node], h->spec);
    }
    return (!spec->cpus || cpus >= spec->cpus) &&
           (!spec->memory_mib || memory >= spec->memory_mib) &&
           (!w->disks[j].gib || disk >= w->disks[j].gib) && (!encodes || encode >= encodes);
}

static const char *reservation(const struct world *w, int j)
{
    return w->specs[j].reservation ? w->specs[j].reservation : "";
}

static bool draws(const struct world *w, int c, int j)
{
    const char *drawn = w->disks[j].drawn, *name = w->closures[c].put.name;

    return drawn && name && !*reservation(w, j) && strstr(drawn, name);
}

bool is_drawn(const struct world *w, int node, int j)
{
    bool is = false;

    for (int c = 0; c < 3; c++)
        for (size_t i = 0; draws(w, c, j) && i < w->closures[c].put.n_nodes; i++)
            for (size_t k = 0; k < w->closures[c].put.n_windows; k++)
                is |= node_of(w->closures[c].put.nodes[i]) == node &&
                      w->closures[c].windows[k].from_usec <= w->now &&
                      w->closures[c].windows[k].to_usec > w->now;
    return is;
}

bool is_open(const struct world *w, int node, int j, int64_t from, int64_t to)
{
    bool is_own = false;

    for (int c = 0; c < 3; c++) {
        const struct plan_closure *put = &w->closures[c].put;
        bool mine = put->name && !strcmp(put->name, reservation(w, j)), there = false;

        if (draws(w, c, j))
            continue;

        for (size_t i = 0; i < put->n_nodes; i++)
            there |= node_of(put->nodes[i]) == node;
        for (size_t i = 0; there && i < put->n_windows; i++) {
            const struct plan_window *x = &put->windows[i];

            if (!mine && x->from_usec < to && x->to_usec > from)
                return false;
            is_own |= mine && x->from_usec <= from && x->to_usec >= to;
        }
    }
    return is_own || !*reservation(w, j) || w->jobs[j].state != JOB_PENDING;
}

/* Is there room from t on? With where, if it needs GPUs. */
bool room(const struct world *w, const struct plan *plan, int node, int64_t t, int j,
          const struct job_spec *spec, struct hold *ret)
{
    int offers[8], n;
    if (!allowed(w, node, j, spec) || !room_at(w, plan, node, t, j, spec) ||
        !is_open(w, node, j, t, t + span(spec)))
        return false;
    for (size_t i = 0; i < plan->n; i++) {
        int64_t u = plan->holds[i].from;
        if (u > t && u < t + span(spec) && !room_at(w, plan, node, u, j, spec))
            return false;
    }
    *ret = (struct hold){
        .node = node, .from = t, .to = t + span(spec), .spec = spec, .gib = w->disks[j].gib};
    n = spec->gpus ? wished(kind_of(w, node), spec, offers) : 0;
    for (int i = 0; i < n; i++) {
        ret->offer = offers[i];
        if (choose_gpus(w, plan, t, spec, ret))
            return true;
    }
    return !spec->gpus;
}

void say_held(const struct world *w, const struct hold *h, char *ret)
{
    const struct gpu_kind *k = kind_of(w, h->node);

    *ret = '\0';
    if (h->n_gpus)
        gpu_held_format(k->n_offers ? k->offers[h->offer].profile : "", h->places,
                        (size_t)h->n_gpus, gpu_has_slots(k), ret, GPU_HELD_TEXT);
}

int node_of(const char *name)
{
    return name && *name ? atoi(name + 1) : -1;
}

struct hold held_by(const struct world *w, int j, int i, int64_t to)
{
    const struct plan_place *place = &w->places[j][i];
    int node = node_of(place->node);
    struct hold h = {
        .node = node, .from = INT64_MIN, .to = to, .spec = &w->specs[j], .gib = w->disks[j].gib};
    char profile[64];
    size_t n = 0;

    if (w->specs[j].gpus) {
        assert_int_equal(gpu_held_parse(place->gpus_held, profile, h.places, GPU_PLACES_MAX, &n),
                         0);
        h.n_gpus = (int)n;
        h.offer = gpu_find_offer(kind_of(w, node), profile);
        assert_true(h.offer >= 0 && n == w->specs[j].gpus);
    }
    return h;
}

bool stays_at(const struct world *w, const struct plan *plan, int j, int i, int64_t from,
              int64_t to)
{
    static struct plan there;
    struct hold h = held_by(w, j, i, to);

    there.n = 0; /* what is planned for later is no reason to go */
    for (size_t k = 0; k < plan->n; k++)
        if (plan->holds[k].from == INT64_MIN || k < w->n_seats)
            there.holds[there.n++] = plan->holds[k];
    for (size_t k = 0; k <= there.n; k++) {
        int64_t t = k < there.n ? there.holds[k].from : from;

        if (t >= from && t < to && !room_at(w, &there, h.node, t, j, &w->specs[j]))
            return false;
    }
    for (int g = 0; g < h.n_gpus; g++)
        if (!gpu_room(w, &there, h.node, h.places[g].gpu, from, to, h.offer, h.places[g].slot))
            return false;
    return true;
}

struct hold seat_hold(const struct world *w, size_t i)
{
    const struct plan_seat *s = &w->seats[i];
    struct hold h = {.node = node_of(s->node),
                     .from = s->from_usec,
                     .to = s->to_usec,
                     .spec = &w->seat_specs[i]};
    char profile[64];
    size_t n = 0;

    if (h.spec->gpus) {
        assert_int_equal(gpu_held_parse(s->gpus_held, profile, h.places, GPU_PLACES_MAX, &n), 0);
        h.n_gpus = (int)n;
        h.offer = gpu_find_offer(kind_of(w, h.node), profile);
        assert_true(h.offer >= 0 && n == h.spec->gpus);
    }
    return h;
}

/* ---- what is left of a node ---- */

/* What holds the node at this moment, and one more. */
static void hold_now(const struct world *w, const struct plan *plan, int node,
                     const struct hold *more, struct plan *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->holds[i].from == INT64_MIN && plan->holds[i].node == node)
            ret->holds[ret->n++] = plan->holds[i];
    if (more)
        ret->holds[ret->n++] = *more;
    for (size_t i = 0; i < ret->n; i++) {
        ret->holds[i].from = w->now;
        ret->holds[i].to = w->now + 1;
    }
}

/* In thousandths of the device. */
static int64_t free_of_gpu(const struct world *w, const struct plan *held, int node, int gpu)
{
    const struct gpu_kind *k = kind_of(w, node);
    int64_t all = k->n_offers ? k->capacity : 1, used = 0;

    for (size_t i = 0; i < held->n; i++) {
        const struct hold *h = &held->holds[i];

        for (int g = 0; g < h->n_gpus; g++) {
            if (h->places[g].gpu != gpu)
                continue;
            used += k->n_offers && k->law != GPU_HOMOGENEOUS ? k->offers[h->offer].size : 1;
            if (k->law == GPU_HOMOGENEOUS)
                all = k->offers[h->offer].instances;
        }
    }
    return (all - used) * 1000 / all;
}

static bool takes_gpu(const struct world *w, const struct plan *held, int node, int gpu,
                      const struct job_spec *spec)
{
    int offers[8], n = wished(kind_of(w, node), spec, offers);

    for (int i = 0; i < n; i++)
        if (gpu_slots(w, held, node, gpu, w->now, w->now + 1, offers[i]))
            return true;
    return false;
}

/* Of the free GPUs of the node what the job could not use. */
static int64_t waste(const struct world *w, const struct plan *held, int node, int j)
{
    struct wanted wanted;
    struct job_spec spec = now_wanted(w, j, &wanted);
    int64_t all = 0, used = 0;
    unsigned n = 0;

    for (int g = 0; g < (int)w->nodes[node].gpus; g++) {
        int64_t here = free_of_gpu(w, held, node, g);

        all += here;
        if (!here || !takes_gpu(w, held, node, g, &spec))
            continue;
        used += here;
        n++;
    }
    if (n < spec.gpus || !is_possible(w, node, j, &spec) ||
        !room_at(w, held, node, w->now, j, &spec))
        return all;
    return all - used;
}

/* How much more of the node's free GPUs the jobs of the world could not use with one more there;
 * those that are for one node alone aside. */
static int64_t growth(const struct world *w, const struct plan *plan, const struct hold *more)
{
    static struct plan before, after;
    struct hold held = *more;
    int64_t sum = 0;

    hold_now(w, plan, more->node, NULL, &before);
    hold_now(w, plan, more->node, &held, &after);
    for (int j = 0; j < N_JOBS; j++) {
        bool is_pinned = *w->disks[j].node && w->jobs[j].state != JOB_SUSPENDED;

        if (w->has_job[j] && !holds_nothing(&w->jobs[j]) && w->specs[j].gpus && !is_pinned)
            sum += (int64_t)job_spec_nodes(&w->specs[j]) *
                   (waste(w, &after, more->node, j) - waste(w, &before, more->node, j));
    }
    return sum;
}

bool is_warm(const struct world *w, int node, int j)
{
    const uint32_t *has = w->images[node], image = w->disks[j].image;

    return image && (has[0] == image || has[1] == image);
}

/* Who starts now goes where that grows least, then where its image is; to such that draw it. */
static void place_now(const struct world *w, struct plan *plan, int j, const struct job_spec *spec,
                      bool drawn)
{
    int64_t least = INT64_MAX;
    bool warm = false;
    struct hold h;

    for (int n = 0; n < N_NODES; n++) {
        bool may = (!drawn || is_drawn(w, n, j)) && room(w, plan, n, w->now, j, spec, &h);
        int64_t grows = may ? growth(w, plan, &h) : INT64_MAX;

        if (!may || grows > least || (grows == least && (warm || !is_warm(w, n, j))))
            continue;
        least = grows;
        warm = is_warm(w, n, j);
        plan->found[j][0] = h;
    }
}

/* Until when its nodes are open for it, if that is less. */
static int64_t open_end(const struct world *w, const struct plan *plan, int j, int64_t least,
                        int64_t end)
{
    for (int i = 0; i < plan->n_found[j]; i++)
        for (size_t k = 0; k < N_CLOSURE_TIMES; k++) {
            int64_t u = closure_time(w, k);

            if (u >= least && u < end && !is_open(w, plan->found[j][i].node, j, w->now, u + 1))
                end = u;
        }
    return end;
}

/* On the nodes that it is on, it has its place up to then; what it shall have. */
static int64_t brief_end(const struct world *w, const struct plan *plan, int j)
{
    const struct job_spec *spec = &plan->specs[j], *brief = &plan->briefs[j];
    int64_t least = w->now + span(brief), full = w->now + span(spec), end = full;

    if (spec->deadline_usec && spec->deadline_usec + span(brief) < end)
        end = spec->deadline_usec + span(brief);
    end = open_end(w, plan, j, least, end);
    for (int i = 0; i < plan->n_found[j]; i++) {
        const struct hold *h = &plan->found[j][i];

        for (size_t k = 0; k < plan->n; k++) {
            int64_t u = plan->holds[k].from;
            bool fits = u < least || u >= end || room_at(w, plan, h->node, u, j, spec);

            for (int g = 0; g < h->n_gpus && fits && u >= least && u < end; g++)
                fits = gpu_room(w, plan, h->node, h->places[g].gpu, u, u + 1, h->offer,
                                h->places[g].slot);
            end = fits ? end : u;
        }
    }
    if (end < full)
        end -= (end - w->now - PLAN_BOOT_USEC) % MIN;
    return end > least ? end : least;
}

static bool may_be_brief(const struct world *w, const struct plan *plan, int j)
{
    const struct job_spec *spec = &plan->specs[j];

    return w->jobs[j].state == JOB_PENDING && spec->begin_usec <= w->now && spec->time_min_sec &&
           (!spec->time_limit_sec || spec->time_min_sec < spec->time_limit_sec) &&
           (job_spec_nodes(spec) == 1 || !can_cross(w, j, spec));
}

/* With less time, as it accepts: now or not at all. */
static bool place_brief(const struct world *w, struct plan *plan, int j)
{
    const struct job_spec *spec = &plan->specs[j];
    struct job_spec *brief = &plan->briefs[j];
    int want = (int)job_spec_nodes(spec), n = 0;
    struct hold found[N_NODES];
    int64_t end;

    *brief = *spec;
    brief->time_limit_sec = spec->time_min_sec;
    for (int i = 0; i < N_NODES && n < want; i++)
        n += room(w, plan, i, w->now, j, brief, &found[n]);
    if (n < want)
        return false;
    memcpy(plan->found[j], found, sizeof(found));
    plan->n_found[j] = n;
    plan->at[j] = w->now;
    plan->crosses[j] = false;
    if (n == 1 && !can_cross(w, j, spec))
        place_now(w, plan, j, brief, false);
    end = brief_end(w, plan, j);
    if (end < w->now + span(spec))
        plan->limit_sec[j] = (end - w->now - PLAN_BOOT_USEC) / 1000000;
    for (int i = 0; i < n; i++) {
        plan->found[j][i].to = end;
        plan->holds[plan->n++] = plan->found[j][i];
    }
    return true;
}

/* At once, and over by its deadline. */
static bool is_in_time(const struct world *w, const struct plan *plan, int j)
{
    const struct job_spec *spec = &plan->specs[j];

    return plan->n_found[j] && plan->at[j] <= w->now &&
           (!spec->deadline_usec || span(spec) <= spec->deadline_usec - w->now +
                                                      spec->time_min_sec * 1000000 +
                                                      PLAN_BOOT_USEC);
}

/* Where enough nodes draw it, it starts there. */
static void place_drawn(const struct world *w, struct plan *plan, int j,
                        const struct job_spec *spec)
{
    int want = plan->n_found[j], n = 0;
    struct hold found[N_NODES];

    for (int i = 0; i < N_NODES && n < want; i++)
        n += is_drawn(w, i, j) && room(w, plan, i, w->now, j, spec, &found[n]);
    if (n < want)
        return;
    memcpy(plan->found[j], found, sizeof(found));
    if (want == 1)
        place_now(w, plan, j, spec, true);
}

void place_full(const struct world *w, struct plan *plan, int j)
{
    const struct job_spec *spec = &plan->specs[j];
    int64_t from = spec->begin_usec > w->now ? spec->begin_usec : w->now, best = INT64_MAX;
    int want = (int)job_spec_nodes(spec);

    plan->crosses[j] = false;
    if (can_cross(w, j, spec)) {
        (want > 1 ? place_wide_crossing : place_crossing)(w, plan, j, from);
        return;
    }
    plan->n_found[j] = 0;
    for (size_t i = 0; i <= plan->n + N_CLOSURE_TIMES; i++) {
        int64_t t = i < plan->n    ? plan->holds[i].to
                    : i == plan->n ? from
                                   : closure_time(w, i - plan->n - 1);
        struct hold found[N_NODES];
        int n_found = 0;

        for (int n = 0; t >= from && t < best && n < N_NODES && n_found < want; n++)
            n_found += room(w, plan, n, t, j, spec, &found[n_found]);
        if (n_found < want || t < from || t >= best)
            continue;
        best = t;
        plan->n_found[j] = want;
        memcpy(plan->found[j], found, sizeof(found));
    }
    plan->at[j] = best;
    if (plan->n_found[j] == 1 && best == w->now)
        place_now(w, plan, j, spec, false);
    if (plan->n_found[j] && best == w->now)
        place_drawn(w, plan, j, spec);
    for (int i = 0; i < plan->n_found[j]; i++)
        plan->holds[plan->n++] = plan->found[j][i];
}

static void place_job(const struct world *w, struct plan *plan, int j)
{
    size_t n = plan->n, n_full;

    place_full(w, plan, j);
    if (is_in_time(w, plan, j) || !may_be_brief(w, plan, j))
        return;
    n_full = plan->n;
    plan->n = n; /* the holds stay where they are until the others are found */
    if (!place_brief(w, plan, j))
        plan->n = n_full;
}

int64_t seen_end(const struct world *w, int64_t end)
{
    return end > w->now ? end : (w->now / MIN + 1) * MIN;
}

int64_t end_of_job(const struct world *w, int j)
{
    const struct job *job = &w->jobs[j];

    if (job->state == JOB_COMPLETING)
        return 0;
    if (job->state == JOB_RUNNING && job_limit_usec(job))
        return job_limit_usec(job);
    if (job->state == JOB_CONFIGURING)
        return job->alloc_usec + span(job->spec) - PLAN_LAG_USEC;
    if (job->state == JOB_SUSPENDED) {
        struct wanted wanted;
        struct job_spec left = now_wanted(w, j, &wanted);
        return job->restore_usec + span(&left) - PLAN_LAG_USEC;
    }
    return job->alloc_usec + PLAN_UNLIMITED_USEC - PLAN_LAG_USEC;
}

bool in_line(const struct world *w, int j)
{
    const struct job *job = &w->jobs[j];
    if (!w->has_job[j])
        return false;
    const struct config_partition *part = &w->config.partitions[*w->specs[j].partition == 'l'];
    return waits(job) && !w->given[j] && !w->told[j] && !job->held_by_user && !job->held_by_admin &&
           !job->unknown && !w->disks[j].block && part->up;
}

static bool comes_before(const struct world *w, int a, int b)
{
    const struct job *x = &w->jobs[a], *y = &w->jobs[b];
    struct wanted wanted;
    int64_t begin_x = now_wanted(w, a, &wanted).begin_usec;
    int64_t begin_y = now_wanted(w, b, &wanted).begin_usec;
    bool late_x = begin_x > w->now, late_y = begin_y > w->now;
    if (late_x != late_y)
        return late_y;
    if (late_x && begin_x != begin_y)
        return begin_x < begin_y;
    if (*x->spec->partition != *y->spec->partition)
        return (*x->spec->partition == 'm') ==
               (w->config.partitions[0].priority_tier > w->config.partitions[1].priority_tier);
    if (x->priority != y->priority)
        return x->priority > y->priority;
    return x->submit_usec != y->submit_usec ? x->submit_usec < y->submit_usec : x->id < y->id;
}

/* Who starts when and where; `until`: no further than the line before that job, -1: all. */
void reference_until(const struct world *w, struct plan *plan, int until)
{
    int line[N_JOBS], n = 0;

    memset(plan, 0, sizeof(*plan));
    for (size_t i = 0; i < w->n_seats; i++)
        if (w->seats[i].to_usec > w->now)
            plan->holds[plan->n++] = seat_hold(w, i);
    for (int j = 0; j < N_JOBS; j++) {
        const struct job *job = &w->jobs[j];
        if (!w->has_job[j] || holds_nothing(job))
            continue;
        plan->specs[j] = now_wanted(w, j, &plan->wanted[j]);
        struct job_spec given = plan->specs[j];
        if (w->granted_sec[j])
            given.time_limit_sec = w->granted_sec[j];
        int64_t end = waits(job) ? w->given_usec[j] + span(&given) : end_of_job(w, j);
        int64_t pieces[256][2], ask;
        int n_pieces = 0;
        if (!waits(job) || w->given[j])
            n_pieces = active_pieces(w, j, seen_end(w, end), pieces, &ask);
        for (int i = 0; i < w->n_places[j]; i++)
            for (int k = 0; k < n_pieces; k++) {
                plan->holds[plan->n] = held_by(w, j, i, pieces[k][1]);
                plan->holds[plan->n++].from = pieces[k][0];
            }
        if (!in_line(w, j))
            continue;
        int i = n++;
        for (; i > 0 && comes_before(w, j, line[i - 1]); i--)
            line[i] = line[i - 1];
        line[i] = j;
    }
    for (int i = 0; i < n && line[i] != until; i++) {
        plan->place[line[i]] = (unsigned)i + 1;
        place_job(w, plan, line[i]);
    }
}

void reference(const struct world *w, struct plan *plan)
{
    reference_until(w, plan, -1);
}
