/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - GET /v1/jobs/{id}/output: what a job's script wrote, from its node.
 *
 * Bytes go through in pieces at the reader's pace: the next is asked for when the client has
 * taken the one before, so at most two are in memory for each reader. A refusal is told
 * before the first piece, with a status; what fails later cuts the answer short, so that no
 * reader takes a part for the whole.
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
#include "codec/site_report.h"
#include "vdictld/grant.h"
#include "vdictld/handlers.h"
#include "vdictld/job_find.h"
#include "vdictld/silence.h"
#include "vdictld/site.h"

#define READERS_MAX 256 /* each may have a piece or two in memory */
#define READERS_MAX_USER 32
#define WAIT_FIRST_USEC (100 * USEC_PER_MSEC)
#define WAIT_LAST_USEC USEC_PER_SEC

struct output {
    struct list link; /* core->outputs */
    struct core *core;
    struct call *call;          /* until the answer has begun */
    struct http_stream *stream; /* then; NULL again: the reader is gone */
    struct grant grant;
    struct source *again;
    int64_t wait_usec;  /* before looking for more */
    struct instance of; /* id, generation and node of the run */
    uint64_t job;
    uint64_t node_id;     /* of several nodes, the one that is read: from 0 */
    uint64_t from, until; /* the next byte; where to end */
    bool follow, asking;
    char which[8];
    char who[CALL_WHO_MAX];
};

static void ask(void *arg);

static void output_free(struct output *o)
{
    list_remove(&o->link);
    grant_done(&o->grant);
    source_free(o->again);
    free(o);
}

/* ---- why there is none ---- */

static void explain(struct output *o, int result, const struct vdi_error *said,
                    struct vdi_error *ret)
{
    const struct job *job = core_job(o->core, o->job);
    bool active = job && job_state_is_active(job->state);

    *ret = *said;
    if (silence_is(result)) {
        silence_explain(o->core, o->of.node, ret);
    } else if ((result == -ENOENT || result == -EAGAIN) && active) {
        error_set(ret, EPROTO, "state", "job %" PRIu64 " is %s: it has written nothing yet", o->job,
                  job_state_name(job->state));
        error_hint(ret, NULL, "ask again once it runs, or follow");
    } else if (result == -ENOENT) {
        error_set(ret, EIDRM, "id", "the output of job %" PRIu64 " is no longer kept", o->job);
        error_hint(ret, "output_keep_sec of the node",
                   "nodes keep it for so long after the end; vdisubmit -o writes it to a file");
    } else if (result == -ENOSYS) {
        error_set(ret, ENOSYS, "", "site '%s' keeps no output of jobs", o->core->config->site.name);
    }
}

/* ---- the answer ---- */

/* The reader went away, or has all. */
static void closed(void *arg)
{
    struct output *o = arg;

    o->stream = NULL;
    if (!o->asking)
        output_free(o);
}

/* The reader has taken the piece. */
static void taken(void *arg)
{
    struct output *o = arg;

    if (!o->asking)
        ask(o);
}

static void over(void *arg)
{
    struct output *o = arg;

    if (o->stream)
        http_stream_abort(o->stream);
}

/* False: there is no reader any more, and o is freed. */
static bool begin(struct output *o, uint64_t size, bool truncated)
{
    struct call *call = o->call;
    char text[24];

    o->call = NULL;
    if (!o->follow)
        o->until = size;
    snprintf(text, sizeof(text), "%" PRIu64, size);
    http_request_add_header(call->http, "Cache-Control", "no-store");
    http_request_add_header(call->http, "VDI-Output-Size", text);
    http_request_add_header(call->http, "VDI-Output-Truncated", truncated ? "true" : "false");
    o->core->replies[2]++;
    o->stream = http_request_stream(call->http, 200, "application/octet-stream", taken, closed, o);
    free(call);
    if (o->stream)
        return true;
    output_free(o);
    return false;
}

static void look_again(struct output *o)
{
    source_rearm(o->again, o->wait_usec);
    o->wait_usec = o->wait_usec * 2 > WAIT_LAST_USEC ? WAIT_LAST_USEC : o->wait_usec * 2;
}

static void failed(struct output *o, int result, const struct vdi_error *said)
{
    const struct job *job = core_job(o->core, o->job);
    bool may_come = job && job_state_is_active(job->state) &&
                    (silence_is(result) || result == -ENOENT || result == -EAGAIN);
    struct vdi_error err;

    if (o->follow && may_come && (o->stream || !silence_is(result))) {
        if (o->stream || begin(o, 0, false))
            look_again(o);
    } else if (o->stream) {
        http_stream_abort(o->stream);
    } else {
        explain(o, result, said, &err);
        call_refuse(o->call, &err);
        output_free(o);
    }
}

/* Nothing of that run writes any more, whatever its node says. */
static bool is_over(const struct output *o)
{
    const struct job *job = core_job(o->core, o->job);

    return !job || job_state_is_end(job->state) || !job_has_instance(job, o->of.id);
}

static void send_piece(struct output *o, const struct site_piece *piece)
{
    uint64_t wanted = o->until > piece->from ? o->until - piece->from : 0;
    size_t len = piece->len < wanted ? piece->len : (size_t)wanted;

    if (len && http_stream_send(o->stream, piece->data, len) < 0) {
        http_stream_abort(o->stream);
        return;
    }
    o->from = piece->from + len;
    if (o->from >= o->until || (piece->ended && o->from >= piece->size))
        http_stream_end(o->stream);
    else if (len) /* `taken` goes on */
        o->wait_usec = WAIT_FIRST_USEC;
    else if (!o->follow)
        http_stream_abort(o->stream); /* less is there than was said */
    else if (is_over(o))
        http_stream_end(o->stream);
    else
        look_again(o);
}

static void piece_came(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct output *o = arg;
    struct vdi_error bad = {0};
    struct site_piece piece;

    o->asking = false;
    if (!o->call && !o->stream) {
        output_free(o);
        return;
    }
    if (result >= 0)
        result = site_piece_decode(json ? json : "", VDI_OUTPUT_MAX, &piece, &bad);
    if (result < 0) {
        failed(o, result, bad.code ? &bad : err);
        return;
    }
    if (o->stream || begin(o, piece.size, piece.truncated))
        send_piece(o, &piece);
    site_piece_done(&piece);
}

static void ask(void *arg)
{
    struct output *o = arg;

    o->asking = true;
    site_output(o->core->site, &o->of, o->which, o->from, VDI_OUTPUT_MAX, piece_came, o);
}

/* ---- the question ---- */

static bool read_query(struct call *call, struct output *o)
{
    const char *which = http_request_query(call->http, "stream");
    const char *follow = http_request_query(call->http, "follow");

    if (!call_number(call, "from", 0, INT64_MAX, &o->from) ||
        !call_number(call, "nodeid", 0, JOB_NODES_MAX - 1, &o->node_id))
        return false;
    if (which && strcmp(which, "out") != 0 && strcmp(which, "err") != 0) {
        call_refuse_with(call, EINVAL, "stream", "'stream' is out or err, not '%.40s'", which);
        return false;
    }
    if (follow && strcmp(follow, "true") != 0 && strcmp(follow, "false") != 0) {
        call_refuse_with(call, EINVAL, "follow", "'follow' is true or false, not '%.40s'", follow);
        return false;
    }
    str_copy(o->which, sizeof(o->which), which ? which : "out");
    o->follow = str_equal(follow, "true");
    o->until = UINT64_MAX;
    return true;
}

/* False: refused, there are too many already. */
static bool has_room(struct call *call)
{
    size_t all = 0, mine = 0;

    list_for_each (it, &call->core->outputs) {
        all++;
        mine += str_equal(list_entry(it, struct output, link)->who, call->who_text);
    }
    if (all < READERS_MAX && mine < READERS_MAX_USER)
        return true;
    call_refuse_with(call, EBUSY, "", "%zu clients read output already, %zu of them for %s", all,
                     mine, call->who_text);
    return false;
}

/* False: refused, it has none of that number. */
static bool find_node(struct call *call, const struct job *job, struct output *o)
{
    struct hostlist hosts;
    bool has = o->node_id < job_spec_nodes(job->spec);

    if (has && hostlist_parse(job_node_list(job), JOB_NODES_MAX, &hosts) >= 0) {
        has = o->node_id < hosts.n;
        if (has)
            str_copy(o->of.node, sizeof(o->of.node), hosts.names[o->node_id]);
        hostlist_done(&hosts);
    }
    if (!has)
        call_refuse_with(call, ERANGE, "nodeid", "job %" PRIu64 " has nodes 0 to %u", job->id,
                         job_spec_nodes(job->spec) - 1);
    o->of.id = job->instance + o->node_id;
    o->of.generation = job->generation;
    return has;
}

static void start(struct call *call, const struct job *job)
{
    struct output asked = {.core = call->core, .call = call, .job = job->id};
    struct output *o;

    if (!read_query(call, &asked) || !find_node(call, job, &asked) || !grant_check(call))
        return;
    if (!has_room(call))
        return;
    o = malloc(sizeof(*o));
    if (!o) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    *o = asked;
    str_copy(o->who, sizeof(o->who), call->who_text);
    o->wait_usec = WAIT_FIRST_USEC;
    o->again = loop_timer(call->core->loop, -1, ask, o);
    list_append(&call->core->outputs, &o->link);
    grant_init(&o->grant, call, over, o);
    ask(o);
}

static void found(struct call *call, const struct job *job)
{
    if (!str_equal(job->spec->owner, call->who_text))
        call_refuse_with(call, EPERM, "", "only its owner reads the output of job %" PRIu64,
                         job->id);
    else if (!job->instance)
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s: nothing of it ran yet",
                         job->id, job_state_name(job->state));
    else
        start(call, job);
}

void handle_job_output(struct call *call)
{
    job_find(call, found);
}
