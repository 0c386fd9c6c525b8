/* SPDX-License-Identifier: Apache-2.0 */
/* quota_check.c - limits at submit, in --why and for /v1/me: named, with numbers and what to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "vdictld/minutes.h"
#include "vdictld/queue.h"
#include "vdictld/quota_impl.h"

static const char *const kind_names[] = {"qos", "partition", "account", "limit", "licence"};
static const char *const what_names[QUOTA_N] = {"running", "gpus", "desktops", "licences",
                                                "gpu_minutes"};

#define LICENCES "Licenses"

/* Slurm's words (squeue(1), JOB REASON CODES); a partition's limits are a QOS there. */
static const char *reason_of(enum quota_kind kind, bool is_user, enum quota_what what)
{
    bool is_qos = kind == QUOTA_QOS || kind == QUOTA_PARTITION;

    if (kind == QUOTA_LICENCE)
        return LICENCES;
    if (what == QUOTA_DESKTOPS)
        return is_user ? "MaxDesktopsPerUserLimit" : "GrpDesktopsLimit";
    if (what == QUOTA_GPU_MINUTES)
        return !is_qos   ? "AssocGrpGRESMinutes"
               : is_user ? "QOSMaxGRESMinutesPerUser"
                         : "QOSGrpGRESMinutes";
    if (what == QUOTA_GPUS)
        return is_qos ? (is_user ? "QOSMaxGRESPerUser" : "QOSGrpGRES")
                      : (is_user ? "AssocMaxGRESPerUser" : "AssocGrpGRES");
    return is_qos ? (is_user ? "QOSMaxJobsPerUserLimit" : "QOSGrpJobsLimit")
                  : (is_user ? "AssocMaxJobsLimit" : "AssocGrpJobsLimit");
}

/* "max_running_user of qos '", which a name follows. */
static const char *key_prefix(enum quota_kind kind, bool is_user, const char *what, char ret[48])
{
    if (kind == QUOTA_LICENCE)
        snprintf(ret, 48, "count of licence '");
    else
        snprintf(ret, 48, "max_%.16s%s of %.10s '", what, is_user ? "_user" : "", kind_names[kind]);
    return ret;
}

static bool holds_for(const struct call *call, const struct config_limit *l)
{
    if (!l->groups.n && !l->users.n)
        return true;
    return (l->groups.n && call_in_groups(call, &l->groups)) ||
           config_names_has(&l->users, call->who.name) ||
           config_names_has(&l->users, call->who_text);
}

int quota_settle(struct call *call, struct job_spec *spec)
{
    const struct config *c = call->core->config;
    struct buf names = BUF_INIT(1024);
    int r = 0;

    for (size_t i = 0; i < c->n_limits; i++) {
        const struct config_limit *l = &c->limits[i];

        if ((l->groups.n || l->users.n) && holds_for(call, l))
            buf_printf(&names, "%s%s", names.len ? "," : "", l->name);
    }
    r = names.failed ? -ENOMEM : job_spec_set(&spec->limits, names.data ? names.data : "");
    buf_done(&names);
    return r;
}

/* ---- submit ---- */

static void key_name(const struct quota_scope *s, const char *what, char ret[120])
{
    char prefix[48];

    snprintf(ret, 120, "%s%.63s'", key_prefix(s->kind, s->is_user, what, prefix), s->name);
}

static int refuse(const struct quota_scope *s, const char *what, uint64_t have, uint64_t asked,
                  uint64_t max, const char *remedy, struct vdi_error *err)
{
    char field[48], limit[32], name[120];

    snprintf(field, sizeof(field), "max_%s%s", what, s->is_user ? "_user" : "");
    key_name(s, what, name);
    error_set(err, EDQUOT, field, "%s: %s %" PRIu64 ", and %" PRIu64 " more would be too many",
              name, s->is_user ? "you have" : "there are", have, asked);
    snprintf(limit, sizeof(limit), "%" PRIu64, max);
    error_hint(err, limit, remedy);
    return -EDQUOT;
}

/* "2 GPUs for 4:00:00 are 480 GPU minutes" and why that is too much. */
static int refuse_minutes(const struct quota_scope *s, const char *what, bool is_user,
                          const struct job_spec *spec, const char *why, uint64_t max,
                          struct vdi_error *err)
{
    uint64_t minutes = quota_need(spec, QUOTA_GPU_MINUTES);
    char field[48], limit[48], length[32], prefix[48];

    snprintf(field, sizeof(field), "max_%.16s%s", what, is_user ? "_user" : "");
    key_prefix(s->kind, is_user, what, prefix);
    if (minutes == QUOTA_ENDLESS)
        error_set(err, EDQUOT, field, "%s%.63s': GPUs without a time limit have no end of minutes",
                  prefix, s->name);
    else
        error_set(err, EDQUOT, field, "%s%.63s': %" PRIu64 " GPUs for %s are %" PRIu64 " minutes%s",
                  prefix, s->name, quota_need(spec, QUOTA_GPUS),
                  str_from_duration_sec(spec->time_limit_sec, length), minutes, why);
    snprintf(limit, sizeof(limit), "%" PRIu64 " GPU minutes", max);
    error_hint(err, limit, "ask for fewer GPUs or for less time");
    return -EDQUOT;
}

/* Of one job, whatever there is besides. */
static int check_minutes(const struct quota_scope *s, const struct job_spec *spec,
                         struct vdi_error *err)
{
    uint64_t need = quota_need(spec, QUOTA_GPU_MINUTES);
    uint32_t max = quota_set(s)->gpu_minutes, job_max = s->limits->job_gpu_minutes;

    if (!s->is_user && job_max && need > job_max)
        return refuse_minutes(s, "gpu_minutes_job", false, spec, "", job_max, err);
    if (max && (need == QUOTA_ENDLESS || (s->limits->deny && need > max)))
        return refuse_minutes(s, "gpu_minutes", s->is_user, spec, "", max, err);
    return 0;
}

int quota_check_more(struct call *call, const struct job *job, const struct job_spec *spec,
                     struct vdi_error *err)
{
    struct quota_scope scopes[QUOTA_COUNTERS_MAX];
    size_t n = quota_scopes(call->core->config, spec, scopes);
    uint64_t need = quota_need(spec, QUOTA_GPU_MINUTES),
             was = quota_need(job->spec, QUOTA_GPU_MINUTES);
    int r = 0;

    if (need <= was || call_is_operator(call))
        return 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct counter *c = quota_find(call->core, &scopes[i]);
        uint32_t max = quota_set(&scopes[i])->gpu_minutes;
        uint64_t had = c ? quota_had(c, QUOTA_GPU_MINUTES) + c->let[QUOTA_GPU_MINUTES] : 0;
        char why[100];

        r = check_minutes(&scopes[i], spec, err);
        if (r < 0 || !max || !job_state_is_active(job->state) || had - was + need <= max)
            continue;
        snprintf(why, sizeof(why), ", and %" PRIu64 " are used or kept for jobs already", had);
        r = refuse_minutes(&scopes[i], "gpu_minutes", scopes[i].is_user, spec, why, max, err);
    }
    return r;
}

/* What deny_on_limit refuses: what would pend for good, and a desktop too many. */
static int check_deny(const struct core *core, const struct quota_scope *s,
                      const struct job_spec *spec, size_t n, struct vdi_error *err)
{
    const struct config_limit_set *set = quota_set(s);
    const struct counter *c = quota_find(core, s);
    uint64_t desktops = c ? c->desktops : 0;

    if (set->gpus && quota_need(spec, QUOTA_GPUS) > set->gpus)
        return refuse(s, "gpus", 0, quota_need(spec, QUOTA_GPUS), set->gpus,
                      "ask for fewer GPUs, or use another", err);
    if (spec->kind == JOB_INTERACTIVE && set->desktops && desktops + n > set->desktops)
        return refuse(s, "desktops", desktops, n, set->desktops,
                      "connect to the one that is there (vdiqueue --me), or end it", err);
    return 0;
}

int quota_check(struct call *call, const struct job_spec *spec, size_t n, struct vdi_error *err)
{
    struct quota_scope scopes[QUOTA_COUNTERS_MAX];
    size_t n_scopes = quota_scopes(call->core->config, spec, scopes);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n_scopes; i++) {
        const struct counter *c = quota_find(call->core, &scopes[i]);
        uint32_t max = quota_set(&scopes[i])->submitted, have = c ? c->submitted : 0;

        if (max && have + n > max)
            r = refuse(&scopes[i], "submitted", have, n, max,
                       "wait for some to end, or cancel some", err);
        else
            r = check_minutes(&scopes[i], spec, err);
        if (r == 0 && scopes[i].limits->deny)
            r = check_deny(call->core, &scopes[i], spec, n, err);
    }
    return r;
}

/* ---- why ---- */

/* How many it needs itself, and when they are free at the latest. */
static void why_minutes(struct core *core, const struct counter *c, const struct job *job,
                        struct plan_blocker *b)
{
    if (!minutes_are_known(core)) {
        *b = (struct plan_blocker){.type = PLAN_BLOCK_PRIORITY, .subject = "GPU minutes"};
        return;
    }
    b->count = quota_need(job->spec, QUOTA_GPU_MINUTES);
    if (b->count <= b->need)
        b->until_usec = minutes_ease_usec(core, c->key, c->active[QUOTA_GPU_MINUTES],
                                          quota_last_end_usec(c), b->need - b->count);
}

/* subject: the limit, "max_running_user of qos 'teaching'"; need: what may be, free: what is. */
void quota_why(struct core *core, const struct job *job, struct plan_why *why)
{
    const struct counter *full[QUOTA_COUNTERS_MAX];
    enum quota_what what[QUOTA_COUNTERS_MAX];
    size_t n = quota_full(core, job, full, what);
    char prefix[48];

    for (size_t i = 0; i < n; i++) {
        const struct counter *c = full[i];
        struct plan_blocker b = {.type = PLAN_BLOCK_LIMIT,
                                 .need = quota_max(&c->max, what[i]),
                                 .free = quota_had(c, what[i])};

        snprintf(b.subject, sizeof(b.subject), "%.40s%.20s'",
                 key_prefix(c->kind, c->is_user, what_names[what[i]], prefix), c->name);
        if (what[i] == QUOTA_GPU_MINUTES)
            why_minutes(core, c, job, &b);
        queue_add_blocker(why, &b);
    }
}

const char *quota_reason(const struct plan_blocker *b)
{
    char prefix[48];

    for (int kind = QUOTA_QOS; kind <= QUOTA_LICENCE; kind++)
        for (int what = 0; what < QUOTA_N; what++)
            for (int user = 0; user < 2; user++)
                if (str_starts_with(b->subject, key_prefix((enum quota_kind)kind, user,
                                                           what_names[what], prefix)))
                    return reason_of((enum quota_kind)kind, user, (enum quota_what)what);
    return plan_blocker_name(b->type);
}

void quota_write_text(const struct plan_blocker *b, struct buf *out)
{
    char until[40];

    if (b->count && b->count > b->need) {
        buf_printf(out, "%s: %" PRIu64 " may be used, and this job alone may use %" PRIu64,
                   b->subject, b->need, b->count);
        return;
    }
    if (b->count) {
        buf_printf(out,
                   "%s: %" PRIu64 " may be used, %" PRIu64 " are used or kept for running jobs, "
                   "and this job may use %" PRIu64 "; what was used counts less with time",
                   b->subject, b->need, b->free, b->count);
        if (b->until_usec)
            buf_printf(out, ": by %s it may start", time_to_rfc3339(b->until_usec, until));
        return;
    }
    buf_printf(out,
               "%s: %" PRIu64 " may be had at once and %" PRIu64
               " are; the rest is for jobs that come before it in line%s",
               b->subject, b->need, b->free,
               str_equal(quota_reason(b), LICENCES) ? ", or for seats of classes while it would run"
                                                    : "");
}

/* ---- /v1/me ---- */

struct me {
    struct call *call;
    int64_t eases_usec;
    struct buf *out;
};

static const char *unit_of(const char *what)
{
    if (str_equal(what, "gpus"))
        return "GPUs of running jobs";
    if (str_equal(what, "desktops"))
        return "running desktops";
    if (str_equal(what, "running"))
        return "running jobs";
    if (str_equal(what, "licences"))
        return "licences of running jobs";
    if (str_equal(what, "gpu_minutes"))
        return "GPU minutes used, or kept for running jobs";
    return str_equal(what, "gpu_minutes_job") ? "GPU minutes of one job"
                                              : "jobs pending or running";
}

static void write_one(const struct me *me, const struct quota_scope *s, const char *what,
                      uint64_t used, uint64_t max, int64_t eases_usec)
{
    char name[120], when[40];

    if (!max)
        return;
    key_name(s, what, name);
    buf_puts(me->out, ",{\"name\":");
    json_write_string(me->out, name);
    buf_printf(me->out, ",\"used\":%" PRIu64 ",\"allowed\":%" PRIu64 ",\"unit\":\"%s\"", used, max,
               unit_of(what));
    buf_puts(me->out, ",\"eases_by\":");
    if (eases_usec)
        buf_printf(me->out, "\"%s\"}", time_to_rfc3339(eases_usec, when));
    else
        buf_puts(me->out, "null}");
}

/* Used up, it eases when the first minute is free again. */
static void write_minutes(const struct me *me, const struct quota_scope *s, const struct counter *c)
{
    const struct core *core = me->call->core;
    _cleanup_(freep) char *key = quota_key(s);
    uint64_t max = quota_set(s)->gpu_minutes, active = c ? c->active[QUOTA_GPU_MINUTES] : 0;
    uint64_t used = active + (key && max ? minutes_used(core, key) : 0);
    int64_t eases = 0;

    if (key && max && used >= max)
        eases = minutes_ease_usec(core, key, active, c ? quota_last_end_usec(c) : 0, max - 1);
    write_one(me, s, what_names[QUOTA_GPU_MINUTES], used, max, eases);
}

static void write_scope(const struct me *me, enum quota_kind kind, const char *name,
                        const struct config_limits *limits)
{
    for (int user = 0; user < 2; user++) {
        struct quota_scope s = {kind, user, name, user ? me->call->who_text : "", limits};
        const struct config_limit_set *set = quota_set(&s);
        const struct counter *c = quota_find(me->call->core, &s);

        for (int k = 0; k < QUOTA_GPU_MINUTES; k++)
            write_one(me, &s, what_names[k], c ? c->active[k] : 0,
                      quota_max(set, (enum quota_what)k), me->eases_usec);
        write_one(me, &s, "submitted", c ? c->submitted : 0, set->submitted, me->eases_usec);
        write_minutes(me, &s, c);
        if (!user)
            write_one(me, &s, "gpu_minutes_job", 0, limits->job_gpu_minutes, 0);
    }
}

void quota_write_me(struct call *call, int64_t eases_usec, struct buf *out)
{
    const struct config *c = call->core->config;
    struct me me = {call, eases_usec, out};

    for (size_t i = 0; i < c->n_qos; i++)
        if (call_in_groups(call, &c->qos[i].groups))
            write_scope(&me, QUOTA_QOS, c->qos[i].name, &c->qos[i].limits);
    for (size_t i = 0; i < c->n_partitions; i++)
        if (call_in_groups(call, &c->partitions[i].groups))
            write_scope(&me, QUOTA_PARTITION, c->partitions[i].name, &c->partitions[i].limits);
    for (size_t i = 0; i < c->n_accounts; i++)
        if (call_may_charge(call, &c->accounts[i]))
            write_scope(&me, QUOTA_ACCOUNT, c->accounts[i].name, &c->accounts[i].limits);
    for (size_t i = 0; i < c->n_limits; i++)
        if (holds_for(call, &c->limits[i]))
            write_scope(&me, QUOTA_LIMIT, c->limits[i].name, &c->limits[i].limits);
    for (size_t i = 0; i < c->n_licences; i++)
        write_scope(&me, QUOTA_LICENCE, c->licences[i].name, &c->licences[i].limits);
}
