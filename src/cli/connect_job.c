/* SPDX-License-Identifier: Apache-2.0 */
/* connect_job.c - which job vdiconnect means, when it runs, and its ticket. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/connect.h"
#include "cli/job_list.h"
#include "cli/progress.h"
#include "cli/wait.h"

#define FIELDS "id,state,kind,name"
#define SHOWN_MAX 6

static bool is_waiting(enum job_state state)
{
    return state == JOB_PENDING || state == JOB_CONFIGURING;
}

static bool is_decided(enum job_state state)
{
    return !is_waiting(state);
}

static enum job_state state_of(const struct value *job)
{
    return job_state_from(value_get_string(job, "state", ""));
}

/* My desktops that live. */
struct found {
    size_t n, n_running;
    int64_t any, running; /* the last seen of each */
    struct buf text;      /* "17 (desk, RUNNING), ..." */
};

static int take_job(void *arg, const struct value *job)
{
    struct found *found = arg;
    enum job_state state = state_of(job);
    int64_t id = value_get_int(job, "id", 0);
    if (!str_equal(value_get_string(job, "kind", ""), "interactive") ||
        !(is_waiting(state) || state == JOB_RUNNING || state == JOB_SUSPENDED))
        return 0;
    if (found->n < SHOWN_MAX)
        buf_printf(&found->text, "%s%" PRId64 " (%.20s, %s)", found->n ? ", " : "", id,
                   value_get_string(job, "name", ""), job_state_name(state));
    else if (found->n == SHOWN_MAX)
        buf_puts(&found->text, ", ...");
    found->n++;
    found->any = id;
    found->n_running += state == JOB_RUNNING;
    found->running = state == JOB_RUNNING ? id : found->running;
    return 0;
}

static int choose(const struct found *found, int64_t *ret, struct vdi_error *err)
{
    if (found->n_running == 1 || found->n == 1) {
        *ret = found->n_running ? found->running : found->any;
        return 0;
    }
    if (found->n == 0) {
        error_set(err, ENOENT, "", "you have no desktop");
        error_hint(err, NULL,
                   "vdisubmit --desktop TEMPLATE starts one; vdiinfo --templates lists "
                   "the templates");
        return -ENOENT;
    }
    error_set(err, EINVAL, "", "you have %zu desktops: %s", found->n, found->text.data);
    error_hint(err, NULL, "name one: " CONNECT_NAME " JOB");
    return -EINVAL;
}

static int find_mine(struct client *client, int64_t *ret, struct vdi_error *err)
{
    struct found found = {.text = BUF_INIT(1024)};
    const struct job_filter filter = {.me = true};
    int r = job_list(client, &filter, FIELDS, false, take_job, &found, err);
    if (r == 0)
        r = choose(&found, ret, err);
    buf_done(&found.text);
    return r;
}

static int refuse_kind(int64_t id, struct vdi_error *err)
{
    char remedy[96];
    snprintf(remedy, sizeof(remedy), "vdictl show job %" PRId64 " tells about it", id);
    error_set(err, EREMOTEIO, "", "job %" PRId64 " is a batch job and has no desktop", id);
    error_hint(err, NULL, remedy);
    return -EREMOTEIO;
}

static int refuse_no_wait(const struct value *job, struct vdi_error *err)
{
    char line[256];
    progress_of_job(job, time_now_usec(), line, sizeof(line));
    error_set(err, EAGAIN, "", "%s", line);
    error_hint(err, NULL, "without --no-wait, " CONNECT_NAME " waits for it");
    return CONNECT_NO_START;
}

/* `waited`: it was pending when we came; an end then is a start that did not come. */
static int refuse_state(const struct value *job, int64_t id, bool waited, struct vdi_error *err)
{
    enum job_state state = state_of(job);
    const char *reason = value_get_string(job, "reason", "");
    char remedy[96] = "";
    bool is_over = job_state_is_end(state) || state == JOB_COMPLETING;
    if (is_over) {
        error_set(err, EREMOTEIO, "", "job %" PRId64 " %s: %s%s%.100s", id,
                  waited ? "ended before it had a desktop" : "has ended", job_state_name(state),
                  *reason ? ", " : "", reason);
        snprintf(remedy, sizeof(remedy), "vdictl show job %" PRId64 " --log tells how", id);
    } else {
        error_set(err, EREMOTEIO, "", "job %" PRId64 " is %s", id, job_state_name(state));
        if (state == JOB_SUSPENDED)
            snprintf(remedy, sizeof(remedy), "vdictl resume %" PRId64 " brings it back", id);
    }
    error_hint(err, NULL, *remedy ? remedy : NULL);
    return is_over && waited ? CONNECT_NO_START : -EREMOTEIO;
}

/* Until it runs. */
static int await(struct client *client, const struct connect *c, const struct value *job,
                 struct vdi_error *err)
{
    char id[ID_TEXT];
    const struct wait wait = {.program = CONNECT_NAME,
                              .id = id_text((struct id){(uint64_t)c->id, -1}, id),
                              .is_over = is_decided,
                              .quiet = c->quiet,
                              .lines = c->progress};
    _cleanup_(document_freep) struct document *later = NULL;
    bool waits = is_waiting(state_of(job));
    if (waits && c->no_wait)
        return refuse_no_wait(job, err);
    int r = waits ? wait_for_job(client, &wait, &later, err) : 0;
    if (r < 0)
        return r;
    const struct value *now = waits ? document_root(later) : job;
    return state_of(now) == JOB_RUNNING ? 0 : refuse_state(now, c->id, waits, err);
}

int connect_fetch(struct connect *c, struct document **ret, struct vdi_error *err)
{
    char target[96];
    _cleanup_(client_freep) struct client *client = NULL;
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_new(&client, err);
    if (r == 0 && !c->id)
        r = find_mine(client, &c->id, err);
    snprintf(target, sizeof(target), "/v1/jobs/%" PRId64, c->id);
    if (r == 0)
        r = client_get(client, target, &document, err);
    const struct value *job = document_root(document);
    if (r == 0 && !str_equal(value_get_string(job, "kind", ""), "interactive"))
        r = refuse_kind(c->id, err);
    if (r == 0)
        r = await(client, c, job, err);
    if (r < 0)
        return r;
    snprintf(c->title, sizeof(c->title), "%.60s - job %" PRId64,
             value_get_string(job, "name", "desktop"), c->id);
    snprintf(target, sizeof(target), "/v1/jobs/%" PRId64 "/connection", c->id);
    return client_send(client, "POST", target, NULL, ret, err);
}
