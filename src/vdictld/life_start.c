/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_start.c - from the planner's word to the order to start, or to make a seat its user's.
 *
 * The order wants what is not in memory: the owner's account, which NSS knows, and the
 * script, which is in the submit event. Both are asked for off the loop, one after the other,
 * and who comes back looks whether the instance is still wanted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hostlist.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/job_codec.h"
#include "codec/site_start.h"
#include "vdictld/archive.h"
#include "vdictld/auth.h"
#include "vdictld/disks.h"
#include "vdictld/images.h"
#include "vdictld/life_impl.h"
#include "vdictld/queue.h"
#include "vdictld/site.h"

/* One start on its way; freed by whoever ends it. */
struct start {
    struct run *run;
    bool is_bind; /* of a seat that is READY; else a start */
    bool has_account;
    struct identity_answer account;
};

/* What the planner chose; where its GPUs are of any profile, the first that was wished. */
static void profile_of(const struct job *job, const char *chosen, char ret[64])
{
    size_t len = strcspn(chosen, ":");

    if (!len) {
        chosen = job->spec->profile;
        len = strcspn(chosen, ",");
        if (str_starts_with(chosen, GPU_WISH_SIZE) || str_equal(chosen, GPU_WISH_WHOLE))
            len = 0; /* no name: a size, or a whole device */
    }
    str_copy(ret, len < 64 ? len + 1 : 64, chosen);
}

/* ---- where ---- */

/* The nodes of a start, in the order of their hostlist, which is that of the instances. */
struct places {
    char *list; /* NULL: there is one */
    uint32_t n, max;
    struct plan_place at[];
};

static void places_free(struct places *p)
{
    if (p)
        free(p->list);
    free(p);
}
DEFINE_FREEP(struct places, places_free)

static void add_place(void *arg, const struct plan_place *place)
{
    struct places *p = arg;

    if (p->n < p->max)
        p->at[p->n++] = *place;
}

static int sort_places(struct places *p)
{
    const char *names[JOB_NODES_MAX];
    struct hostlist hosts;
    int r;

    for (uint32_t i = 0; i < p->n; i++)
        names[i] = p->at[i].node;
    p->list = hostlist_fold(names, p->n);
    r = p->list ? hostlist_parse(p->list, JOB_NODES_MAX, &hosts) : -ENOMEM;
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < hosts.n && i < p->n; i++)
        for (uint32_t k = i; k < p->n; k++)
            if (str_equal(p->at[k].node, hosts.names[i])) {
                struct plan_place moved = p->at[k];

                p->at[k] = p->at[i];
                p->at[i] = moved;
            }
    hostlist_done(&hosts);
    return 0;
}

/* NULL: no memory, or the planner has thought better of it. */
static struct places *places_of(struct core *core, const struct job *job,
                                const struct plan_action *action)
{
    const uint32_t n = job_spec_nodes(job->spec);
    _cleanup_(places_freep) struct places *p = calloc(1, sizeof(*p) + n * sizeof(p->at[0]));
    int r = 0;

    if (!p)
        return NULL;
    p->max = n;
    if (n == 1) {
        p->n = 1;
        str_copy(p->at[0].node, sizeof(p->at[0].node), action->node);
        str_copy(p->at[0].gpus_held, sizeof(p->at[0].gpus_held), action->gpus_held);
    } else {
        planner_each_place(queue_planner(core->queue), job->id, add_place, p);
        r = sort_places(p);
    }
    return r >= 0 && p->n == n ? TAKE_PTR(p) : NULL;
}

/* A change of a node that is on its way is heard of by the planner, which decides again. */
static bool are_settled(struct core *core, const struct places *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (core_node_staged(core, p->at[i].node) != core_node(core, p->at[i].node))
            return false;
    return true;
}

/* ---- the start ---- */

static struct instance_event request_of(struct core *core, const struct job *job,
                                        const struct plan_place *place, const char *image)
{
    struct instance_event request = core_instance_event(core, INSTANCE_EVENT_REQUEST, "");

    request.generation = 1;
    request.job = job->id;
    request.vcpus = job->spec->cpus;
    request.memory_mib = job->spec->memory_mib;
    request.gpus = job->spec->gpus;
    str_copy(request.owner, sizeof(request.owner), job->spec->owner);
    str_copy(request.node, sizeof(request.node), place->node);
    str_copy(request.template_name, sizeof(request.template_name), job->spec->template_name);
    profile_of(job, place->gpus_held, request.profile);
    str_copy(request.account, sizeof(request.account), job->spec->account);
    str_copy(request.partition, sizeof(request.partition), job->spec->partition);
    str_copy(request.qos, sizeof(request.qos), job->spec->qos);
    str_copy(request.limits, sizeof(request.limits), job->spec->limits);
    str_copy(request.image, sizeof(request.image), image);
    return request;
}

/* Its instances get consecutive ids: job_has_instance(). */
static int add_requests(struct core *core, struct txn *txn, const struct job *job,
                        const struct places *places, uint64_t first, const char *image)
{
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < places->n; i++) {
        struct instance_event request = request_of(core, job, &places->at[i], image);
        uint64_t id = i ? events_next_id(core->events, NOUN_INSTANCE) : first;

        if (places->n > 1) /* of one node the job has it */
            str_copy(request.gpus_held, sizeof(request.gpus_held), places->at[i].gpus_held);
        r = id == first + i ? core_add_instance(txn, id, &request, NULL) : -EIO;
    }
    return r;
}

static int alloc(struct core *core, struct txn *txn, const struct job *job,
                 const struct plan_action *action, struct places *places, const char *image)
{
    struct job_event event = core_job_event(core, JOB_EVENT_ALLOC, CORE_SELF, "");
    int r;

    event.instance = events_next_id(core->events, NOUN_INSTANCE);
    event.generation = 1;
    event.node_list = TAKE_PTR(places->list);
    str_copy(event.node, sizeof(event.node), places->at[0].node);
    str_copy(event.gpus_held, sizeof(event.gpus_held), places->at[0].gpus_held);
    if (action->limit_sec)
        event.spec = job_spec_shorten(job->spec, action->limit_sec);
    r = action->limit_sec && !event.spec ? -ENOMEM : core_add_job(txn, job->id, &event, NULL);
    job_event_done(&event);
    if (r >= 0)
        r = add_requests(core, txn, job, places, event.instance, image);
    return r < 0 ? r : disks_add_alloc(core, txn, job, event.instance, 1, event.node, NULL);
}

/* The nodes of a saved job that is wanted back have room for it, maybe on other GPUs of theirs. */
static int add_restore(struct core *core, struct txn *txn, const struct job *job,
                       const struct places *places)
{
    struct job_event restore = core_job_event(core, JOB_EVENT_RESTORE, CORE_SELF, "");
    struct instance_event place = core_instance_event(core, INSTANCE_EVENT_PLACE, "");
    int r;

    str_copy(restore.gpus_held, sizeof(restore.gpus_held), places->at[0].gpus_held);
    r = core_add_job(txn, job->id, &restore, NULL);
    for (uint32_t i = 0; r >= 0 && places->n > 1 && i < places->n; i++) {
        str_copy(place.gpus_held, sizeof(place.gpus_held), places->at[i].gpus_held);
        r = core_add_instance(txn, job->instance + i, &place, NULL);
    }
    return r;
}

void life_start(struct core *core, const struct plan_action *action)
{
    const uint64_t id = action->job;
    const struct job *job = core_job_staged(core, id);
    const struct config_template *t =
        job ? config_template(core->config, job->spec->template_name) : NULL;
    _cleanup_(places_freep) struct places *places = job ? places_of(core, job, action) : NULL;
    char image[IMAGE_REF_MAX] = "";
    struct vdi_error err = {0};
    struct txn *txn;

    if (!job || !job_is_waiting(job) || job != core_job(core, id) || !places ||
        !are_settled(core, places))
        return; /* a change is on its way: the planner hears of it and decides again */
    if (job->state == JOB_PENDING && t && images_resolve(core, t->image, image, &err) < 0) {
        life_end_job(core, id, JOB_BOOT_FAIL, err.detail);
        return;
    }
    txn = txn_new(core->events);
    if (txn && (job->state == JOB_SUSPENDED ? add_restore(core, txn, job, places)
                                            : alloc(core, txn, job, action, places, image)) >= 0)
        txn_commit(txn, NULL, NULL); /* the planner offers it again if this fails */
    else
        txn_abort(txn);
}

/* ---- the order ---- */

static void started(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;

    run->busy--;
    if (!in || in->state != INSTANCE_REQUESTED) {
        life_act(run); /* it was cancelled, or is ready already */
    } else if (result >= 0) {
        life_event(run, INSTANCE_EVENT_BUILD, "");
    } else if (result == -EAGAIN || result == -EBUSY || result == -ETIMEDOUT ||
               result == -ENOTCONN) {
        life_retry(run);
    } else if (job || in->class_id) {
        log_warning("instance %" PRIu64 " (job %" PRIu64 ") could not start on %s: %s", in->id,
                    in->job, in->node, err->detail);
        life_fail(run, in, err->detail);
    }
}

static void order(struct run *run, const struct instance *in, const struct site_start *start)
{
    struct buf json = BUF_INIT(0);
    struct vdi_error err = {0};
    int r;
    struct vdi_instance_spec spec = {
        .id = {in->id, in->generation},
        .epoch = events_epoch(run->core->events),
        .job = start->job ? in->job : 0,
        .node = in->node,
        .owner = start->job ? in->owner : "",
        .template_name = in->template_name,
        .image = *in->image ? in->image : start->of->image,
        .vcpus = in->vcpus,
        .memory_mib = in->memory_mib,
        .gpus = in->gpus,
        .gpu_profile = in->profile,
    };

    r = site_start_write(start, &json, &err);
    if (r < 0 && err.code) {
        life_fail(run, in, err.detail);
    } else if (r < 0) {
        life_retry(run);
    } else {
        spec.spec_json = json.data;
        run->busy++;
        site_start(run->core->site, &spec, started, run);
    }
    buf_done(&json);
}

/* The session is open: from now on the job runs. Else its user gets another seat. */
static void bound(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;

    run->busy--;
    if (!in || in->state != INSTANCE_READY || !job || job->state != JOB_CONFIGURING) {
        life_act(run);
    } else if (result >= 0) {
        life_bound(run, in);
    } else if (result == -EAGAIN || result == -EBUSY || result == -ETIMEDOUT ||
               result == -ENOTCONN) {
        life_retry(run);
    } else if (result == -ENOKEY) { /* no ticket of its user's: nor would another seat have one */
        life_end_job(run->core, job->id, JOB_BOOT_FAIL, err->detail);
    } else {
        log_warning("job %" PRIu64 ": its seat on %s could not be made ready for it: %s", job->id,
                    in->node, err->detail);
        life_fail(run, in, err->detail);
    }
}

static void bind_seat(struct run *run, const struct instance *in, const struct site_start *start)
{
    struct buf json = BUF_INIT(0);
    struct vdi_error err = {0};
    int r = site_bind_write(start, &json, &err);

    if (r < 0 && err.code) {
        life_fail(run, in, err.detail);
    } else if (r < 0) {
        life_retry(run);
    } else {
        run->busy++;
        site_bind(run->core->site, in, json.data, bound, run);
    }
    buf_done(&json);
}

/* What is the same for all of them; `image` is filled and lives as long as the order is written. */
static struct site_start site_start_of(struct core *core, const struct instance *in,
                                       struct buf *image)
{
    const struct image *version = images_of_ref(core, in->image);

    if (version)
        images_write_order(core, version, image);
    return (struct site_start){
        .cluster = core->config->cluster,
        .of = config_template(core->config, in->template_name),
        .image = image->data,
        .boot_timeout_sec = life_boot_timeout_sec(core, in),
    };
}

static void start_with(const struct start *s, const struct instance *in, const struct job *job,
                       const char *payload)
{
    struct core *core = s->run->core;
    _cleanup_(buf_done) struct buf image = BUF_INIT(IMAGE_ORDER_MAX);
    const struct disk *disks[DISKS_MAX];
    struct site_start start = site_start_of(core, in, &image);
    struct job here = *job; /* as this one of its instances has it */

    here.node = in->node;
    here.instance = in->id;
    start.job = &here;
    start.node_id = (uint32_t)(in->id - job->instance);
    start.payload = payload;
    start.disks = disks;
    start.n_disks = disks_of(core, in, disks);
    start.who = s->has_account ? &s->account.who : NULL;
    start.gids = s->account.gids;
    start.home = s->account.home;
    if (!start.of)
        life_fail(s->run, in, "its template is no longer in vdi.conf");
    else if (s->is_bind)
        bind_seat(s->run, in, &start);
    else
        order(s->run, in, &start);
}

/* Ahead of its user. */
static void start_seat(struct run *run, const struct instance *in)
{
    _cleanup_(buf_done) struct buf image = BUF_INIT(IMAGE_ORDER_MAX);
    struct site_start start = site_start_of(run->core, in, &image);

    start.is_seat = true;
    start.is_for_script = !in->class_id;
    if (start.of)
        order(run, in, &start);
    else
        life_fail(run, in, "its template is no longer in vdi.conf");
}

/* While the controller stops nothing begins: the site may be gone already. */
static bool is_wanted(const struct start *s, const struct instance *in, const struct job *job)
{
    return job && job->state == JOB_CONFIGURING && !s->run->core->stopping &&
           in->state == (s->is_bind ? INSTANCE_READY : INSTANCE_REQUESTED);
}

/* ---- the script: in the submit event, not in memory while a job waits ---- */

static void script_read(void *arg, const struct archive_query *q)
{
    _cleanup_(freep) struct start *s = arg;
    struct run *run = s->run;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job(run->core, in->job) : NULL;
    struct job_event event = {0};

    run->busy--;
    if (!is_wanted(s, in, job)) {
        life_act(run);
    } else if (q->result < 0 || !q->n_rows ||
               job_event_decode(q->rows[0].type, 0, q->rows[0].version, q->rows[0].body,
                                q->rows[0].body_len, &event, NULL) < 0) {
        log_error("job %" PRIu64 ": its script could not be read from the store", job->id);
        life_retry(run);
    } else {
        start_with(s, in, job, event.payload);
        job_event_done(&event);
    }
}

/* Takes s. */
static void read_script(struct start *s, const struct job *job)
{
    struct archive_query q = {
        .noun = "job",
        .events = true,
        .limit = 1,
        .done = script_read,
        .arg = s,
    };

    /* An array has one script, in the submit event of its first task. */
    snprintf(q.key, sizeof(q.key), "%" PRIu64, job->array_id ? job->array_id : job->id);
    s->run->busy++;
    if (archive_ask(s->run->core, &q) == 0)
        return;
    s->run->busy--;
    life_retry(s->run);
    free(s);
}

/* ---- the account ---- */

/* A directory service that is away is waited for as long as a boot is. */
static void no_account(struct run *run, const struct instance *in, const struct job *job, int r)
{
    int64_t since = in->claim_usec ? in->claim_usec : in->state_usec;
    int64_t until = since + life_boot_timeout_sec(run->core, in) * USEC_PER_SEC;
    char reason[96];

    if (r == -ENOENT)
        snprintf(reason, sizeof(reason), "uid %u is not known here (NSS): it gets no account",
                 job->spec->uid);
    else
        snprintf(reason, sizeof(reason), "the account of uid %u cannot be looked up (NSS): %s",
                 job->spec->uid, r == -ETIMEDOUT ? "no answer in time" : "it fails");
    if (r != -ENOENT && loop_now_usec(run->core->loop) < until) {
        log_warning("job %" PRIu64 " waits: %s", job->id, reason);
        life_retry(run);
    } else {
        log_warning("job %" PRIu64 " could not start: %s", job->id, reason);
        life_fail(run, in, reason);
    }
}

static void account_known(void *arg, int r, const struct identity_answer *answer)
{
    struct start *s = arg;
    struct run *run = s->run;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job(run->core, in->job) : NULL;

    run->busy--;
    if (is_wanted(s, in, job) && r == 0) {
        s->has_account = true;
        s->account = *answer;
        read_script(s, job);
        return;
    }
    if (is_wanted(s, in, job))
        no_account(run, in, job, r);
    else if (in && in != core_instance(run->core, run->id))
        life_retry(run); /* what is staged acts when it is published: this is called at once */
    else
        life_act(run);
    free(s);
}

/* Who it is, then what it runs, then the order. */
static void ask_account(struct run *run, const struct instance *in, bool is_bind)
{
    const struct job *job = core_job(run->core, in->job);
    struct start *s;

    if (!job)
        return;
    /* A stop is on its way: its publication comes back here, or the retry if it was not kept. */
    s = core_instance_staged(run->core, in->id) == in ? calloc(1, sizeof(*s)) : NULL;
    if (!s) {
        life_retry(run);
        return;
    }
    s->run = run;
    s->is_bind = is_bind;
    if (job->spec->uid == UINT32_MAX) {
        read_script(s, job);
        return;
    }
    run->busy++;
    auth_account(run->core->auth, job->spec->uid, job->spec->gid, account_known, s);
}

void life_request(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);

    if (in->class_id || (job && job_spec_nodes(job->spec) > 1))
        start_seat(run, in);
    else
        ask_account(run, in, false);
}

void life_personalise(struct run *run, const struct instance *in)
{
    ask_account(run, in, true);
}
