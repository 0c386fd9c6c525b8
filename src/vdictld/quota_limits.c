/* SPDX-License-Identifier: Apache-2.0 */
/* quota_limits.c - which limits of vdi.conf hold for a request, and what it needs of each. */
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "vdictld/quota_impl.h"

const struct config_limit_set *quota_set(const struct quota_scope *scope)
{
    return scope->is_user ? &scope->limits->user : &scope->limits->all;
}

uint32_t quota_max(const struct config_limit_set *set, enum quota_what what)
{
    switch (what) {
    case QUOTA_RUNNING:
        return set->running;
    case QUOTA_GPUS:
        return set->gpus;
    case QUOTA_DESKTOPS:
        return set->desktops;
    case QUOTA_LICENCES:
        return set->licences;
    case QUOTA_GPU_MINUTES:
        return set->gpu_minutes;
    case QUOTA_N:
        break;
    }
    return 0;
}

uint64_t quota_need(const struct job_spec *spec, enum quota_what what)
{
    uint64_t gpus = (uint64_t)spec->gpus * job_spec_nodes(spec);

    if (what == QUOTA_RUNNING)
        return 1;
    if (what == QUOTA_GPUS)
        return gpus;
    if (what == QUOTA_DESKTOPS)
        return spec->kind == JOB_INTERACTIVE;
    if (what == QUOTA_LICENCES)
        return 0;
    if (gpus && !spec->time_limit_sec)
        return QUOTA_ENDLESS;
    return (gpus * (uint64_t)spec->time_limit_sec + 59) / 60;
}

uint64_t quota_licences(const struct job_spec *spec, enum quota_kind kind, const char *name)
{
    return kind == QUOTA_LICENCE
               ? (uint64_t)licence_count(spec->licences, name) * job_spec_nodes(spec)
               : 0;
}

static bool is_set(const struct config_limit_set *s)
{
    return s->running || s->submitted || s->gpus || s->desktops || s->licences || s->gpu_minutes;
}

static void add_scope(enum quota_kind kind, const char *name, const char *owner,
                      const struct config_limits *limits, struct quota_scope *ret, size_t *io_n)
{
    for (int user = 0; user < 2; user++) {
        struct quota_scope scope = {kind, user, name, user ? owner : "", limits};

        if ((is_set(quota_set(&scope)) || (!user && limits->job_gpu_minutes)) &&
            *io_n < QUOTA_COUNTERS_MAX)
            ret[(*io_n)++] = scope;
    }
}

size_t quota_scopes(const struct config *c, const struct job_spec *spec, struct quota_scope *ret)
{
    const struct config_qos *qos = *spec->qos ? config_qos(c, spec->qos) : NULL;
    const struct config_partition *p = config_partition(c, spec->partition);
    const struct config_account *a = *spec->account ? config_account(c, spec->account) : NULL;
    size_t n = 0;

    if (qos)
        add_scope(QUOTA_QOS, qos->name, spec->owner, &qos->limits, ret, &n);
    if (p)
        add_scope(QUOTA_PARTITION, p->name, spec->owner, &p->limits, ret, &n);
    if (a)
        add_scope(QUOTA_ACCOUNT, a->name, spec->owner, &a->limits, ret, &n);
    for (size_t i = 0; i < c->n_limits; i++) {
        const struct config_limit *l = &c->limits[i];

        if ((!l->groups.n && !l->users.n) || str_list_has(spec->limits, l->name))
            add_scope(QUOTA_LIMIT, l->name, spec->owner, &l->limits, ret, &n);
    }
    for (size_t i = 0; *spec->licences && i < c->n_licences; i++)
        if (licence_count(spec->licences, c->licences[i].name))
            add_scope(QUOTA_LICENCE, c->licences[i].name, spec->owner, &c->licences[i].limits, ret,
                      &n);
    return n;
}

char *quota_key(const struct quota_scope *s)
{
    return str_printf("%d%s\n%s", (int)s->kind, s->name, s->owner);
}

/* ---- in words ---- */

static void describe_one(enum quota_kind kind, const char *name, bool of_everyone,
                         const struct config_limits *limits, struct buf *out)
{
    const struct config_limit_set *sets[] = {&limits->all, &limits->user};

    buf_printf(out, "%d%s%d", (int)kind, name, of_everyone);
    for (int i = 0; i < 2; i++)
        buf_printf(out, " %u %u %u %u %u %u", sets[i]->running, sets[i]->submitted, sets[i]->gpus,
                   sets[i]->desktops, sets[i]->licences, sets[i]->gpu_minutes);
    buf_printf(out, " %u\n", limits->job_gpu_minutes);
}

/* Which sums of minutes there are, however much may be had. */
static void describe_minutes(enum quota_kind kind, const char *name, bool of_everyone,
                             const struct config_limits *limits, struct buf *out)
{
    if (limits->all.gpu_minutes || limits->user.gpu_minutes)
        buf_printf(out, "%d%s %d %d %d\n", (int)kind, name, of_everyone,
                   limits->all.gpu_minutes != 0, limits->user.gpu_minutes != 0);
}

typedef void describe_fn(enum quota_kind kind, const char *name, bool of_everyone,
                         const struct config_limits *limits, struct buf *out);

/* NULL: no memory. */
static char *describe(const struct config *c, describe_fn *fn)
{
    struct buf out = BUF_INIT(0);

    buf_puts(&out, "");
    for (size_t i = 0; i < c->n_qos; i++)
        fn(QUOTA_QOS, c->qos[i].name, true, &c->qos[i].limits, &out);
    for (size_t i = 0; i < c->n_partitions; i++)
        fn(QUOTA_PARTITION, c->partitions[i].name, true, &c->partitions[i].limits, &out);
    for (size_t i = 0; i < c->n_accounts; i++)
        fn(QUOTA_ACCOUNT, c->accounts[i].name, true, &c->accounts[i].limits, &out);
    for (size_t i = 0; i < c->n_limits; i++)
        fn(QUOTA_LIMIT, c->limits[i].name, !c->limits[i].groups.n && !c->limits[i].users.n,
           &c->limits[i].limits, &out);
    for (size_t i = 0; i < c->n_licences; i++)
        fn(QUOTA_LICENCE, c->licences[i].name, true, &c->licences[i].limits, &out);
    if (!out.failed)
        return buf_take(&out, NULL);
    buf_done(&out);
    return NULL;
}

char *quota_text(const struct config *c)
{
    return describe(c, describe_one);
}

char *quota_minutes(const struct config *c)
{
    return describe(c, describe_minutes);
}
