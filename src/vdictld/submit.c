/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit.c - POST /v1/jobs: check everything, then one durable event.
 *
 * The answer goes out after the commit. A retry with the same Idempotency-Key
 * finds the first job, also while that one is still on its way to the store.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/job_codec.h"
#include "model/array.h"
#include "model/job_file.h"
#include "model/licence.h"
#include "vdictld/classes.h"
#include "vdictld/depend.h"
#include "vdictld/digest.h"
#include "vdictld/disks.h"
#include "vdictld/gpu_wish.h"
#include "vdictld/handlers.h"
#include "vdictld/idem.h"
#include "vdictld/images.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"
#include "vdictld/submit.h"

static void names_of(struct buf *out, const char *before, size_t n,
                     const char *(*name)(const struct config *c, size_t i), const struct config *c)
{
    buf_puts(out, before);
    for (size_t i = 0; i < n && !out->failed; i++)
        buf_printf(out, "%s%s", i ? ", " : "", name(c, i));
}

static const char *template_name(const struct config *c, size_t i)
{
    return c->templates[i].name;
}

static const char *partition_name(const struct config *c, size_t i)
{
    return c->partitions[i].name;
}

static const char *qos_name(const struct config *c, size_t i)
{
    return c->qos[i].name;
}

static const char *account_name(const struct config *c, size_t i)
{
    return c->accounts[i].name;
}

static int unknown_name(const char *field, const char *value, size_t n,
                        const char *(*name)(const struct config *c, size_t i),
                        const struct config *c, struct vdi_error *err)
{
    struct buf all = BUF_INIT(sizeof(err->remedy) - 1);

    error_set(err, ESRCH, field, "there is no %s '%s'", field, value);
    names_of(&all, n ? "there are: " : "this cluster has none; leave it out", n, name, c);
    error_hint(err, NULL, all.data ? all.data : "");
    buf_done(&all);
    return -ESRCH;
}

static int refuse_groups(const char *field, const char *value, struct vdi_error *err)
{
    error_set(err, EPERM, field, "you may not use %s '%s'", field, value);
    error_hint(err, NULL, "it is for members of some groups; ask its lecturer or the site");
    return -EPERM;
}

static int check_partition(struct call *call, struct job_spec *spec,
                           const struct config_partition **ret, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    const struct config_partition *p;

    p = *spec->partition ? config_partition(c, spec->partition) : config_default_partition(c);
    if (!p && !*spec->partition) {
        error_set(err, EINVAL, "partition", "there is no default partition");
        error_hint(err, NULL, "name one with --partition");
        return -EINVAL;
    }
    if (!p)
        return unknown_name("partition", spec->partition, c->n_partitions, partition_name, c, err);
    if (!call_in_groups(call, &p->groups) && !call_is_operator(call) && !call->class_id)
        return refuse_groups("partition", p->name, err);
    *ret = p;
    return job_spec_set(&spec->partition, p->name);
}

static const char *licence_name(const struct config *c, size_t i)
{
    return c->licences[i].name;
}

/* What it asks for, with those of its template; a seat of a class has them already. */
static int check_licences(struct call *call, const struct config_template *t, struct job_spec *spec,
                          struct vdi_error *err)
{
    const struct config *c = call->core->config;
    char text[LICENCES_TEXT], limit[32];
    const char *rest = text;
    struct licence l;
    int r = call->class_id ? licences_merge(spec->licences, "", text, err)
                           : config_template_licences(t, spec->licences, text, err);

    while (r == 0 && licence_next(&rest, &l)) {
        const struct config_licence *known = config_licence(c, l.name);
        uint64_t n = (uint64_t)l.n * job_spec_nodes(spec);

        if (!known) {
            r = unknown_name("licence", l.name, c->n_licences, licence_name, c, err);
            str_copy(err->field, sizeof(err->field), "licences");
            return r;
        }
        if (n <= known->limits.all.licences)
            continue;
        error_set(err, ERANGE, "licences", "there are fewer than %" PRIu64 " of licence '%s'", n,
                  l.name);
        snprintf(limit, sizeof(limit), "%u", known->limits.all.licences);
        error_hint(err, limit, "ask for fewer");
        return -ERANGE;
    }
    return r < 0 ? r : job_spec_set(&spec->licences, text);
}

static int check_template(struct call *call, const struct job *job, struct job_spec *spec,
                          const struct config_partition *p, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    const struct config_template *t;
    char image[IMAGE_REF_MAX];
    int r;

    if (!*spec->template_name && spec->kind == JOB_BATCH) {
        r = job_spec_set(&spec->template_name, p->batch_template);
        if (r < 0)
            return r;
    }
    if (!*spec->template_name) {
        error_set(err, EINVAL, "template", "no template is named");
        error_hint(err, NULL, "name one with --template; vdiinfo --templates lists them");
        return -EINVAL;
    }
    t = config_template(c, spec->template_name);
    if (!t)
        return unknown_name("template", spec->template_name, c->n_templates, template_name, c, err);
    if (!call_in_groups(call, &t->groups) && !call_is_operator(call) && !call->class_id)
        return refuse_groups("template", t->name, err);
    if (!job || (job->state == JOB_PENDING && spec->gpus && !*spec->profile)) {
        r = gpu_wish_settle(c, t, spec, err); /* else the wish is written down: no change of it */
        if (r < 0)
            return r;
    }
    if (images_resolve(call->core, t->image, image, err) < 0)
        return -err->code;
    if (t->n_mounts && spec->uid == UINT32_MAX) {
        error_set(err, EPERM, "template",
                  "template '%s' has directories of its user, and you have no account here",
                  t->name);
        error_hint(err, NULL,
                   "name a template without mounts, or sign in as a user of the cluster");
        return -EPERM;
    }
    if (t->n_disks && spec->uid == UINT32_MAX) {
        error_set(err, EPERM, "template",
                  "template '%s' has disks of its user, and you have no account here", t->name);
        error_hint(err, NULL, "name a template without disks, or sign in as a user of the cluster");
        return -EPERM;
    }
    r = check_licences(call, t, spec, err);
    if (r < 0)
        return r;
    if (!spec->cpus)
        spec->cpus = t->vcpus;
    if (!spec->memory_mib)
        spec->memory_mib = t->memory_mib;
    if (!job && spec->kind == JOB_INTERACTIVE && !spec->encode_mpix)
        spec->encode_mpix = config_template_encode(t);
    return disks_check(call->core, spec, err);
}

/* Of several nodes: a script, of which each may have what it needs for itself. */
static int check_nodes(struct call *call, const struct job_spec *spec,
                       const struct config_partition *p, struct vdi_error *err)
{
    const struct config_template *t = config_template(call->core->config, spec->template_name);
    char limit[32];

    if (job_spec_nodes(spec) == 1)
        return 0;
    if (spec->kind != JOB_BATCH) {
        error_set(err, EINVAL, "nodes", "a desktop is on one node, not on %u", spec->nodes);
        error_hint(err, "1 node", "leave the number of nodes out, or submit a script");
        return -EINVAL;
    }
    if (t && t->n_disks) {
        error_set(err, EINVAL, "nodes", "template '%s' has a disk, which one node has at a time",
                  t->name);
        error_hint(err, "1 node", "name a template without disks; mounts are there on all nodes");
        return -EINVAL;
    }
    if (spec->nodes <= p->nodes.n)
        return 0;
    error_set(err, ERANGE, "nodes", "partition '%s' has not as many as %u nodes", p->name,
              spec->nodes);
    snprintf(limit, sizeof(limit), "%zu nodes", p->nodes.n);
    error_hint(err, limit, "ask for fewer, or for another partition");
    return -ERANGE;
}

int submit_check_time(struct call *call, struct job_spec *spec, int64_t spent_sec,
                      struct vdi_error *err)
{
    const struct config_partition *p = config_partition(call->core->config, spec->partition);
    char is[32], most[64] = "";

    if (!p)
        return error_set(err, ESRCH, "partition", "there is no partition '%s'", spec->partition);
    if (!spec->time_limit_sec)
        spec->time_limit_sec = p->default_time_sec ? p->default_time_sec : p->max_time_sec;
    if (!p->max_time_sec || call_is_operator(call) || call->class_id)
        return 0;
    if (spec->time_limit_sec && spec->time_limit_sec - spent_sec <= p->max_time_sec)
        return 0;
    error_set(err, ERANGE, "time_limit_sec", "the time limit %s is over that of partition '%s'",
              str_from_duration_sec(spec->time_limit_sec - spent_sec, is), p->name);
    str_from_duration_sec(p->max_time_sec, most);
    error_hint(err, most, "ask for less, or use another partition");
    return -ERANGE;
}

/* Of what has not started: the least time that it accepts is no more than it asks for. */
static int check_time_min(const struct job_spec *spec, struct vdi_error *err)
{
    char least[32], most[32];

    if (spec->time_min_sec && *spec->reservation) {
        error_set(err, EINVAL, "time_min_sec", "a seat of a class is there until its end");
        error_hint(err, NULL, "leave the least time out");
        return -EINVAL;
    }
    if (!spec->time_limit_sec || spec->time_min_sec <= spec->time_limit_sec)
        return 0;
    error_set(err, ERANGE, "time_min_sec", "the least time %s is over the time limit",
              str_from_duration_sec(spec->time_min_sec, least));
    error_hint(err, str_from_duration_sec(spec->time_limit_sec, most),
               "accept less, or ask for a longer limit");
    return -ERANGE;
}

/* Of what has not started: it must be possible to end by the deadline. */
static int check_dates(struct call *call, const struct job_spec *spec, struct vdi_error *err)
{
    int64_t now = loop_now_usec(call->core->loop);
    int64_t begin = spec->begin_usec > now ? spec->begin_usec : now;
    char limit[32], remedy[128];

    if (!spec->deadline_usec)
        return 0;
    if (spec->deadline_usec <= now)
        return error_set(err, ERANGE, "deadline_time", "the deadline has passed");
    if (begin >= spec->deadline_usec)
        return error_set(err, ERANGE, "deadline_time", "the deadline is before the begin time");
    if (begin + job_spec_least_sec(spec) * USEC_PER_SEC <= spec->deadline_usec)
        return 0;
    error_set(err, ERANGE, "deadline_time", "with its time limit of %s it can't end by then",
              str_from_duration_sec(job_spec_least_sec(spec), limit));
    snprintf(remedy, sizeof(remedy), "ask for %" PRId64 " s at most, or for a later deadline",
             (spec->deadline_usec - begin) / USEC_PER_SEC);
    error_hint(err, NULL, remedy);
    return -ERANGE;
}

static int check_hosts(const char *field, const char *text, struct vdi_error *err)
{
    struct hostlist hosts;
    int r;

    if (!*text)
        return 0;
    r = hostlist_parse(text, 4096, &hosts);
    if (r < 0) {
        error_set(err, EINVAL, field, "'%.60s' is not a list of nodes", text);
        error_hint(err, "4096 nodes", "write it as gpu[01-16,20]");
        return -EINVAL;
    }
    hostlist_done(&hosts);
    return 0;
}

static int check_qos(struct call *call, struct job_spec *spec, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    const struct config_qos *q = *spec->qos ? config_qos(c, spec->qos) : NULL;

    if (!*spec->qos)
        return 0;
    if (!q)
        return unknown_name("qos", spec->qos, c->n_qos, qos_name, c, err);
    if (!call_in_groups(call, &q->groups) && !call_is_operator(call) && !call->class_id)
        return refuse_groups("qos", q->name, err);
    return 0;
}

/* Who names none is charged on the first that is for him by name or group. */
static int check_account(struct call *call, struct job_spec *spec, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    const struct config_account *a = *spec->account ? config_account(c, spec->account) : NULL;

    if (!c->n_accounts || call->class_id)
        return 0; /* any word; a seat is charged to its class */
    for (size_t i = 0; !*spec->account && !a && i < c->n_accounts; i++)
        if ((c->accounts[i].groups.n || c->accounts[i].users.n) &&
            call_may_charge(call, &c->accounts[i]))
            a = &c->accounts[i];
    if (!a && !*spec->account)
        return 0;
    if (!a)
        return unknown_name("account", spec->account, c->n_accounts, account_name, c, err);
    if (!call_may_charge(call, a) && !call_is_operator(call))
        return refuse_groups("account", a->name, err);
    return job_spec_set(&spec->account, a->name);
}

/* What PATCH may have changed is checked by the same words as a submit. */
int submit_check(struct call *call, struct job_spec *spec, struct vdi_error *err)
{
    const struct job *job = call->job ? core_job_staged(call->core, call->job) : NULL;
    const struct config_partition *p = NULL;
    int r = check_partition(call, spec, &p, err);

    if (r >= 0)
        r = check_template(call, job, spec, p, err);
    if (r >= 0)
        r = check_nodes(call, spec, p, err);
    if (r >= 0)
        r = submit_check_time(call, spec, job ? job->spent_sec : 0, err);
    if (r >= 0)
        r = check_qos(call, spec, err);
    if (r >= 0)
        r = check_account(call, spec, err);
    if (r >= 0 && (!job || job->state == JOB_PENDING))
        r = check_time_min(spec, err);
    if (r >= 0 && (!job || job->state == JOB_PENDING))
        r = check_dates(call, spec, err);
    if (r >= 0)
        r = check_hosts("nodelist", spec->nodelist, err);
    if (r >= 0)
        r = check_hosts("exclude", spec->exclude, err);
    if (r >= 0)
        r = job_file_check("output", spec->output, *spec->array, err);
    if (r >= 0)
        r = job_file_check("error", spec->error, *spec->array, err);
    if (r >= 0 && spec->nice < 0 && !call_is_operator(call))
        return error_set(err, EPERM, "nice", "only operators raise a priority");
    return r;
}

int32_t submit_priority(const struct config *config, const struct job_spec *spec)
{
    const struct config_qos *q = *spec->qos ? config_qos(config, spec->qos) : NULL;

    return (q ? q->priority : 0) - spec->nice;
}

/* `n`: how many there will be more. */
static int check_limits(struct call *call, size_t n, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    uint32_t mine = queue_jobs_of(call->core->queue, call->who_text);
    char limit[48];

    if (queue_jobs(call->core->queue) + n > c->max_jobs) {
        error_set(err, EDQUOT, "max_jobs", "the controller holds as many jobs as it may");
        snprintf(limit, sizeof(limit), "%u jobs", c->max_jobs);
        error_hint(err, limit, "try again when jobs have ended");
        return -EDQUOT;
    }
    if (mine + n > c->max_jobs_user && !call_is_operator(call)) {
        error_set(err, EDQUOT, "max_jobs_user", "you have %u jobs pending or running%s", mine,
                  n > 1 ? ", and each task is one more" : "");
        snprintf(limit, sizeof(limit), "%u jobs", c->max_jobs_user);
        error_hint(err, limit, "wait for some to end, or cancel some");
        return -EDQUOT;
    }
    return 0;
}

static void answer(struct call *call, unsigned status)
{
    const struct job *job = core_job(call->core, call->job);
    struct buf body = BUF_INIT(0);
    char location[48];

    if (!job) { /* ended and already out of memory: the archive has it */
        snprintf(location, sizeof(location), "/v1/jobs/%" PRIu64, call->job);
        http_request_add_header(call->http, "Location", location);
        buf_printf(&body, "{\"id\":%" PRIu64 "}", call->job);
    } else {
        job_write(job, NULL, &body);
        submit_write_notes(call->core, job->spec, false, &body);
    }
    call_reply_json(call, status, &body);
    buf_done(&body);
}

/* A submit on its way to the transaction and through it. */
struct submission {
    struct call *call;
    struct job_spec *spec;
    char *payload;
    bool hold, test;
    struct array_tasks tasks; /* none: it is one job */
};

static void submission_free(struct submission *s)
{
    job_spec_unref(s->spec);
    free(s->payload);
    array_tasks_done(&s->tasks);
    free(s);
}

static size_t submission_jobs(const struct submission *s)
{
    return s->tasks.n ? s->tasks.n : 1;
}

static void committed(void *arg, int result, const struct vdi_error *err)
{
    struct submission *s = arg;
    struct call *call = s->call;

    if (result >= 0) {
        answer(call, 201);
    } else {
        for (size_t i = 0; i < submission_jobs(s); i++)
            queue_unstage(call->core->queue, call->who_text);
        quota_stage(call->core, s->spec, -(int)submission_jobs(s));
        if (call->key[0])
            idem_remove(call->core->idem, call->who_text, call->key);
        call_refuse(call, err);
    }
    submission_free(s);
}

static void repeated(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;

    if (result < 0)
        call_refuse(call, err);
    else
        answer(call, 200);
}

/* True when the key was used before: the call is then on its way to its answer. */
static bool is_repeat(struct call *call, const unsigned char *digest)
{
    const unsigned char *first_digest = NULL;
    struct txn *barrier;

    call->job = idem_find(call->core->idem, call->who_text, call->key, &first_digest);
    if (!call->job)
        return false;
    if (memcmp(first_digest, digest, JOB_DIGEST_BYTES) != 0) {
        call_refuse_with(call, ERANGE, "Idempotency-Key",
                         "this key was used for another request (job %" PRIu64 ")", call->job);
        return true;
    }
    barrier = txn_new(call->core->events);
    if (!barrier)
        call_refuse_with(call, ENOMEM, "", "out of memory");
    else
        txn_commit(barrier, repeated, call); /* after the first one is durable */
    return true;
}

static bool take_key(struct call *call)
{
    const char *key = http_request_header(call->http, "Idempotency-Key");

    if (!key)
        return true;
    if (!str_is_name(key, 64)) {
        call_refuse_with(call, EINVAL, "Idempotency-Key",
                         "a retry key is 1 to 64 of the characters A-Z a-z 0-9 . _ -");
        return false;
    }
    str_copy(call->key, sizeof(call->key), key);
    return true;
}

/* One after the other, so that a task's id follows from its place; the first has the script. */
static int add_jobs(struct submission *s, struct txn *txn, struct vdi_error *err)
{
    struct core *core = s->call->core;
    struct job_event event = core_job_event(core, JOB_EVENT_SUBMIT, s->call->who_text, "");
    int r = 0;

    event.spec = s->spec;
    event.payload = s->payload;
    event.priority = submit_priority(core->config, s->spec);
    event.final = s->hold ? JOB_PENDING : JOB_NONE;
    for (size_t i = 0; r == 0 && i < submission_jobs(s); i++) {
        uint64_t id = events_next_id(core->events, NOUN_JOB);

        if (!i)
            s->call->job = id;
        if (s->tasks.n) {
            event.array_id = s->call->job;
            event.array_task = s->tasks.tasks[i];
        }
        r = core_add_job(txn, id, &event, err);
        event.payload = NULL;
    }
    return r;
}

/* All of an array, or nothing. Takes the submission when it returns 0. */
static int stage(struct submission *s, struct vdi_error *err)
{
    struct call *call = s->call;
    struct core *core = call->core;
    struct txn *txn = txn_new(core->events);
    int r;

    if (!txn)
        return error_set(err, ENOMEM, "", "out of memory");
    r = add_jobs(s, txn, err);
    if (r >= 0 && call->class_id)
        r = classes_add_claim(core, txn, call->class_id, call->job, err);
    if (r >= 0 && call->key[0] &&
        idem_put(core->idem, s->spec, call->job, loop_now_usec(core->loop)) < 0)
        r = error_set(err, ENOMEM, "", "out of memory");
    if (r < 0) {
        txn_abort(txn);
        return r;
    }
    for (size_t i = 0; i < submission_jobs(s); i++)
        queue_stage(core->queue, call->who_text);
    quota_stage(core, s->spec, (int)submission_jobs(s));
    txn_commit(txn, committed, s);
    return 0;
}

/* Reads the array, and writes it in the shortest way. */
static int check_array(struct submission *s, struct vdi_error *err)
{
    struct buf text = BUF_INIT(0);
    int r;

    if (!*s->spec->array)
        return 0;
    r = array_parse(s->spec->array, s->call->core->config->max_array_size, &s->tasks, err);
    if (r < 0)
        return r;
    if (s->spec->kind != JOB_BATCH) {
        error_set(err, EINVAL, "array", "an array is of scripts, not of desktops");
        error_hint(err, NULL, "submit each desktop by itself");
        return -EINVAL;
    }
    array_write_all(&s->tasks, &text);
    if (text.len > ARRAY_TEXT_MAX) {
        error_set(err, ERANGE, "array", "its indexes take %zu bytes to write down", text.len);
        error_hint(err, "4096 bytes", "use ranges, or submit several arrays");
        r = -ERANGE;
    } else if (text.failed || job_spec_set(&s->spec->array, text.data) < 0) {
        r = error_set(err, ENOMEM, "", "out of memory");
    }
    buf_done(&text);
    return r;
}

/* --test-only: everything but the event. */
static void answer_test(struct call *call, const struct job_spec *spec)
{
    struct buf body = BUF_INIT(0);

    queue_write_test(call->core->queue, spec, submit_priority(call->core->config, spec), &body);
    submit_write_notes(call->core, spec, true, &body);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* The jobs that it waits for are there; all else is checked and staged in one go. */
static void dependency_checked(void *arg, int result, const struct vdi_error *why)
{
    struct submission *s = arg;
    struct call *call = s->call;
    struct vdi_error err = {0};
    int r = result;

    if (r < 0)
        err = *why;
    else if (call->key[0] && is_repeat(call, s->spec->request_digest))
        r = 1; /* the same came while the store was asked */
    if (r == 0)
        r = classes_match(call, s->spec, s->hold, &call->class_id, &err);
    if (r == 0)
        r = submit_check(call, s->spec, &err);
    if (r == 0)
        r = submit_check_mail(call, s->spec, &err);
    if (r == 0)
        r = check_array(s, &err);
    if (r == 0 && quota_settle(call, s->spec) < 0)
        r = error_set(&err, ENOMEM, "", "out of memory");
    if (r == 0)
        r = quota_check(call, s->spec, submission_jobs(s), &err);
    if (r == 0 && s->test) {
        answer_test(call, s->spec);
        r = 1;
    }
    if (r == 0)
        r = check_limits(call, submission_jobs(s), &err);
    if (r == 0) {
        r = stage(s, &err);
        if (r == 0)
            return;
    }
    if (r < 0)
        call_refuse(call, &err);
    submission_free(s);
}

static int submission_fill(struct submission *s, const unsigned char *digest, struct vdi_error *err)
{
    struct call *call = s->call;
    size_t len;
    const char *body = http_request_body(call->http, &len);
    int r = job_submit_decode(body, len, (size_t)call->core->config->max_script_kib * 1024,
                              &s->spec, &s->payload, &s->hold, err);

    if (r >= 0)
        r = job_spec_set(&s->spec->owner, call->who_text);
    if (r >= 0 && call->key[0])
        r = job_spec_set_retry(s->spec, call->key, digest);
    if (r < 0)
        return r;
    s->spec->uid = call->who.uid;
    s->spec->gid = call->who.gid;
    s->test = str_equal(http_request_query(call->http, "test_only"), "true");
    if (s->spec->kill_on_invalid_dep && !*s->spec->dependency) {
        error_set(err, EINVAL, "kill_on_invalid_dep", "there is no dependency to be met");
        error_hint(err, NULL, "add --dependency, or leave --kill-on-invalid-dep out");
        return -EINVAL;
    }
    return 0;
}

void handle_job_submit(struct call *call)
{
    struct submission *s;
    struct vdi_error err = {0};
    unsigned char digest[JOB_DIGEST_BYTES];
    size_t len;
    const char *body = http_request_body(call->http, &len);

    if (!take_key(call))
        return;
    digest_sha256(body, len, digest);
    if (call->key[0] && is_repeat(call, digest))
        return;
    s = calloc(1, sizeof(*s));
    if (!s) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    s->call = call;
    if (submission_fill(s, digest, &err) < 0) {
        call_refuse(call, &err);
        submission_free(s);
    } else if (*s->spec->dependency) {
        depend_check(call, s->spec->dependency, dependency_checked, s);
    } else {
        dependency_checked(s, 0, NULL);
    }
}
