/* SPDX-License-Identifier: Apache-2.0 */
/* job_list.c - jobs by filter, page by page: what vdiqueue shows and vdicancel ends. */
#include "cli/job_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "cli/cells.h"
#include "model/job_state.h"

#define PAGE 1000
#define IDS_PER_REQUEST 200 /* each may be there twice */

/*
 * The API takes one value of each of these. A list of values is sorted out here,
 * from the member that tells; one value is the controller's work.
 */
enum { BY_USER, BY_PARTITION, BY_NAME, BY_ACCOUNT, BY_QOS, BY_RESERVATION, BY_NODE, BY_N };
static const struct {
    const char *query, *member;
} bys[BY_N] = {
    [BY_USER] = {"user", "owner"},
    [BY_PARTITION] = {"partition", "partition"},
    [BY_NAME] = {"name", "name"},
    [BY_ACCOUNT] = {"account", "account"},
    [BY_QOS] = {"qos", "qos"},
    [BY_NODE] = {"node", "node"},
    [BY_RESERVATION] = {"reservation", "reservation"},
};

struct listing {
    struct client *client;
    const char *wanted[BY_N]; /* comma separated; NULL: any */
    struct buf nodes;
    int (*each)(void *arg, const struct value *job);
    int (*page)(void *arg);
    void *arg;
};

int job_states_parse(const char *text, struct buf *out, struct vdi_error *err)
{
    if (strcasecmp(text, "all") == 0)
        return buf_puts(out, "all");
    char word[32];
    do {
        size_t n = strcspn(text, ",");
        snprintf(word, sizeof(word), "%.*s", n < sizeof(word) ? (int)n : 31, text);
        enum job_state state = job_state_from(word);
        if (state == JOB_NONE) {
            error_set(err, EINVAL, "states", "%s: no such state", word);
            error_hint(err, NULL, "write PENDING or PD, RUNNING or R, ... or all");
            return -EINVAL;
        }
        if (out->len)
            buf_putc(out, ',');
        buf_puts(out, job_state_name(state));
        text += n;
    } while (*text++ == ',');
    return 0;
}

/* "gpu[1-2]" -> "gpu1,gpu2" */
static int nodes_spread(const char *text, struct buf *names, struct vdi_error *err)
{
    struct hostlist hosts = {.n = 0};
    if (hostlist_parse(text, HOSTLIST_MAX, &hosts) < 0) {
        error_set(err, EINVAL, "nodelist", "%.80s: not a list of nodes", text);
        error_hint(err, NULL, "write gpu01 or gpu[01-16,20]");
        return -EINVAL;
    }
    for (size_t i = 0; i < hosts.n; i++) {
        buf_puts(names, i ? "," : "");
        buf_puts(names, hosts.names[i]);
    }
    hostlist_done(&hosts);
    return 0;
}

/* Nodes: one of those that a job has. */
static bool has_node(const char *wanted, const struct value *job)
{
    struct hostlist hosts = {.n = 0};
    bool has = false;
    if (hostlist_parse(value_node_list(job), HOSTLIST_MAX, &hosts) < 0)
        return false;
    for (size_t i = 0; i < hosts.n; i++)
        has |= str_list_has(wanted, hosts.names[i]);
    hostlist_done(&hosts);
    return has;
}

static bool is_wanted(const struct listing *l, const struct value *job)
{
    for (size_t i = 0; i < BY_N; i++) {
        const char *value = value_get_string(job, bys[i].member, "");
        const char *colon = i == BY_USER ? strrchr(value, ':') : NULL;
        if (!l->wanted[i])
            continue;
        if (i == BY_NODE ? !has_node(l->wanted[i], job)
                         : !str_list_has(l->wanted[i], value) &&
                               !(colon && str_list_has(l->wanted[i], colon + 1)))
            return false;
    }
    return true;
}

static int target_make(struct listing *l, const struct job_filter *f, const char *fields,
                       bool estimates, struct buf *out, struct vdi_error *err)
{
    char limit[16];
    _cleanup_(buf_done) struct buf more = BUF_INIT(4096);
    const char *texts[BY_N] = {f->user, f->partition,   f->name, f->account,
                               f->qos,  f->reservation, NULL};
    if (!str_is_empty(f->nodes) && nodes_spread(f->nodes, &l->nodes, err) < 0)
        return -EINVAL;
    texts[BY_NODE] = l->nodes.data;
    if (fields)
        buf_puts(&more, fields);
    for (size_t i = 0; i < BY_N; i++) {
        l->wanted[i] = texts[i] && strchr(texts[i], ',') ? texts[i] : NULL;
        if (l->wanted[i] && fields && !str_list_has(more.data, bys[i].member))
            buf_printf(&more, ",%s", bys[i].member);
        if (l->wanted[i] && fields && i == BY_NODE && !str_list_has(more.data, "node_list"))
            buf_puts(&more, ",node_list");
    }
    snprintf(limit, sizeof(limit), "%u", f->limit && f->limit < PAGE ? f->limit : PAGE);
    buf_puts(out, f->history ? "/v1/history" : "/v1/jobs");
    client_query(out, "limit", limit);
    client_query(out, "since", f->since);
    client_query(out, "until", f->until);
    client_query(out, "fields", more.data);
    client_query(out, "estimates", estimates ? "true" : NULL);
    client_query(out, "me", f->me ? "true" : NULL);
    for (size_t i = 0; i < BY_N; i++)
        client_query(out, bys[i].query, l->wanted[i] ? NULL : texts[i]);
    client_query(out, "state", f->state);
    return 0;
}

static int page_do(struct listing *l, const char *target, char *cursor, size_t size,
                   struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(l->client, target, &document, err);
    if (r < 0)
        return r;
    const struct value *root = document_root(document), *jobs = value_get(root, "jobs");
    if (!value_is_list(jobs))
        return error_set(err, EREMOTEIO, "", "the controller's answer has no list of jobs");
    for (size_t i = 0; r >= 0 && i < value_count(jobs); i++)
        if (is_wanted(l, value_item(jobs, i)))
            r = l->each(l->arg, value_item(jobs, i));
    if (r >= 0 && l->page)
        r = l->page(l->arg);
    const char *next = value_get_string(root, "next", "");
    if (r >= 0 && *next && str_equal(next, cursor))
        return error_set(err, EREMOTEIO, "", "the controller's pages do not end");
    if (r >= 0 && !str_copy(cursor, size, next))
        return error_set(err, EREMOTEIO, "", "the controller's cursor is too long");
    return r < 0 ? r : 0;
}

static int list_pages(struct listing *l, const struct buf *first, struct vdi_error *err)
{
    char cursor[256] = "";
    _cleanup_(buf_done) struct buf target = BUF_INIT(1 << 20);
    do {
        buf_clear(&target);
        buf_append(&target, first->data, first->len);
        client_query(&target, "after", cursor);
        int r = page_do(l, target.data, cursor, sizeof(cursor), err);
        if (r < 0)
            return r;
    } while (*cursor);
    return 0;
}

/* Which job the task of an array is; 0 when there is none. */
static int task_find(struct client *client, struct id id, uint64_t *ret, struct vdi_error *err)
{
    char target[80], name[ID_TEXT];
    _cleanup_(document_freep) struct document *document = NULL;
    snprintf(target, sizeof(target), "/v1/jobs/%s?fields=id", id_text(id, name));
    int r = client_get(client, target, &document, err);
    *ret = r == 0 ? (uint64_t)value_get_int(document_root(document), "id", 0) : 0;
    return r == -ENOENT ? 0 : r;
}

/* A plain id is a job, or all tasks of an array. 0: there is none of them. */
static int put_ids(struct listing *l, const struct id *ids, size_t n, struct buf *target,
                   struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf arrays = BUF_INIT(1 << 16);
    size_t before = target->len;
    for (size_t i = 0; i < n; i++) {
        uint64_t job = ids[i].job;
        int r = ids[i].task < 0 ? 0 : task_find(l->client, ids[i], &job, err);
        if (r < 0)
            return r;
        if (job)
            buf_printf(target, "%s%" PRIu64, target->len > before ? "," : "&id=", job);
        if (ids[i].task < 0)
            buf_printf(&arrays, "%s%" PRIu64, arrays.len ? "," : "&array=", job);
    }
    bool any = target->len > before;
    buf_append(target, arrays.data ? arrays.data : "", arrays.len);
    return any;
}

/* Many ids go in several requests: a URL has its limit. */
static int list_ids(struct listing *l, const struct buf *first, const struct ids *ids,
                    struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(1 << 20);
    for (size_t i = 0; i < ids->n;) {
        size_t n = ids->n - i < IDS_PER_REQUEST ? ids->n - i : IDS_PER_REQUEST;
        buf_clear(&target);
        buf_append(&target, first->data, first->len);
        int r = put_ids(l, ids->ids + i, n, &target, err);
        if (r < 0)
            return r;
        i += n;
        if (r > 0)
            r = list_pages(l, &target, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int job_list_paged(struct client *client, const struct job_filter *filter, const char *fields,
                   bool estimates, int (*each)(void *arg, const struct value *job),
                   int (*page)(void *arg), void *arg, struct vdi_error *err)
{
    struct listing l = {
        .client = client, .nodes = BUF_INIT(0), .each = each, .page = page, .arg = arg};
    _cleanup_(buf_done) struct buf target = BUF_INIT(1 << 20);
    int r = target_make(&l, filter, fields, estimates, &target, err);
    if (r == 0)
        r = filter->ids.n ? list_ids(&l, &target, &filter->ids, err) : list_pages(&l, &target, err);
    buf_done(&l.nodes);
    return r;
}

int job_list(struct client *client, const struct job_filter *filter, const char *fields,
             bool estimates, int (*each)(void *arg, const struct value *job), void *arg,
             struct vdi_error *err)
{
    return job_list_paged(client, filter, fields, estimates, each, NULL, arg, err);
}
