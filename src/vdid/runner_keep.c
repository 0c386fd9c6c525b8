/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_keep.c - what the host's half of the guest runner keeps on disk: output, start, end.
 *
 * Work that blocks is done on a worker. A byte counts when write(2) took it, the exit status when
 * it is durable and all output before it. That a script is handed to a guest is durable before it
 * is, so a guest that lost its memory of it does not run it again.
 */
#include "vdid/runner_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "vdid/file.h"

#define TEXT_BYTES_MAX 4096

/* Work for a worker thread. It outlives the runner, and then comes back to nobody. */
struct runner_work {
    struct runner *runner;
    int fds[RUNNER_N_STREAMS];
    char path[PATH_MAX]; /* "": only fds */
    struct buf text;
    int result;
};

static void work_do(void *arg)
{
    struct runner_work *w = arg;

    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        if (w->fds[i] >= 0 && fdatasync(w->fds[i]) < 0)
            w->result = -errno;
    if (w->path[0] && w->result == 0)
        w->result = file_replace(w->path, w->text.data, w->text.len);
}

static void work_free(struct runner_work *w)
{
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        closep(&w->fds[i]);
    buf_done(&w->text);
    free(w);
}

/* On disk: now the guest may forget it. */
static void exit_is_kept(struct runner *r, int result)
{
    char why[160];

    if (result < 0) {
        snprintf(why, sizeof(why), "the exit status can't be written to disk: %s",
                 strerror(-result));
        runner_problem(r, why);
        runner_end_session(r, why);
        return;
    }
    r->has_exit = true;
    if (!r->exit_is_ours && str_equal(r->inbox.sender, r->exit_inbox.sender) &&
        r->inbox.last == r->exit_inbox.last) {
        r->inbox.last++;
        r->ack_due = true;
        runner_kick(r);
    } else if (!r->exit_is_ours && r->reads) {
        /* another runner there meanwhile: it says it again, and is told we have it */
        runner_greet(r);
    }
    runner_tell_exit(r);
}

static void start_is_kept(struct runner *r, int result)
{
    char why[160];

    if (result == 0) {
        r->is_begun = true;
        result = runner_hand_over(r);
    }
    if (result == 0)
        return;
    snprintf(why, sizeof(why), "the script's start can't be written to disk: %s",
             strerror(-result));
    runner_problem(r, why);
    runner_end_session(r, why); /* and tried again */
}

static void work_done(void *arg, bool dropped)
{
    struct runner_work *w = arg;
    struct runner *r = w->runner;
    int result = dropped ? -ECANCELED : w->result;

    if (r && r->exit_work == w) {
        r->exit_work = NULL;
        exit_is_kept(r, result);
    } else if (r && r->start_work == w) {
        r->start_work = NULL;
        start_is_kept(r, result);
    } else if (r) {
        r->sync = NULL;
        if (result < 0)
            log_error("output in %s can't be made durable: %s", r->dir, strerror(-result));
    }
    work_free(w);
    if (r && r->closed)
        source_rearm(r->connects, 0);
}

static struct runner_work *work_new(struct runner *r, const char *file)
{
    struct runner_work *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->runner = r;
    w->text = BUF_INIT(TEXT_BYTES_MAX);
    if (file)
        snprintf(w->path, sizeof(w->path), "%s/%s", r->dir, file);
    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        w->fds[i] = r->spools[i].is_dirty ? dup(r->spools[i].fd) : -1;
        r->spools[i].is_dirty = false;
    }
    return w;
}

static struct runner_work *work_post(struct runner *r, struct runner_work *w)
{
    if (!w)
        return NULL;
    if (!w->text.failed && workers_post(r->workers, work_do, work_done, w) == 0)
        return w;
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        r->spools[i].is_dirty = r->spools[i].is_dirty || w->fds[i] >= 0;
    work_free(w);
    return NULL;
}

bool runner_is_dirty(const struct runner *r)
{
    return r->spools[RUNNER_OUT].is_dirty || r->spools[RUNNER_ERR].is_dirty;
}

bool runner_is_keeping(const struct runner *r)
{
    return r->sync || r->start_work || r->exit_work;
}

void runner_keep_output(struct runner *r)
{
    if (!r->sync)
        r->sync = work_post(r, work_new(r, NULL));
    if (runner_is_dirty(r))
        source_rearm(r->syncs, RUNNER_SYNC_USEC);
}

int runner_keep_exit(struct runner *r)
{
    struct runner_work *w = work_new(r, RUNNER_EXIT_FILE);

    if (w)
        runner_exit_write(&r->exit, &w->text);
    r->exit_inbox = r->inbox;
    r->exit_work = work_post(r, w);
    return r->exit_work ? 0 : -EBUSY;
}

int runner_keep_started(struct runner *r)
{
    struct runner_work *w = work_new(r, RUNNER_STARTED_FILE);

    r->started = (struct runner_started){.id = r->id};
    str_copy(r->started.boot_id, sizeof(r->started.boot_id), r->boot_id);
    if (w)
        runner_started_write(&r->started, &w->text);
    r->start_work = work_post(r, w);
    return r->start_work ? 0 : -EBUSY;
}

void runner_tell_exit(struct runner *r)
{
    if (r->exit_told)
        return;
    r->exit_told = true;
    if (r->handler->exited)
        r->handler->exited(r->arg, &r->exit);
}

/* ---- what is there already ---- */

static int read_text(const char *dir, const char *file, struct buf *out, struct vdi_error *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    int result = file_read(path, out);
    if (result < 0 && result != -ENOENT)
        error_set(err, result, "", "%s can't be read: %s", path, strerror(-result));
    return result;
}

int runner_read_exit(const char *dir, struct runner_exit *ret, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    int result = read_text(dir, RUNNER_EXIT_FILE, &text, err);

    return result < 0 ? result : runner_exit_read(text.data, text.len, ret, err);
}

static int load(struct runner *r, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    int result = read_text(r->dir, RUNNER_STARTED_FILE, &text, err);

    if (result == 0)
        result = runner_started_read(text.data, text.len, &r->started, err);
    if (result < 0 && result != -ENOENT)
        return result;
    r->is_begun = result == 0;
    result = runner_read_exit(r->dir, &r->exit, err);
    r->has_exit = result == 0;
    return result == -ENOENT ? 0 : result;
}

int runner_keep_init(struct runner *r, uint64_t output_max, struct vdi_error *err)
{
    static const char *const names[] = {RUNNER_OUTPUT_FILE, RUNNER_ERROR_FILE};
    char path[PATH_MAX];

    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
        int result = runner_spool_open(&r->spools[i], path, output_max);
        if (result < 0)
            return error_set(err, result, "", "%s can't be opened: %s", path, strerror(-result));
    }
    return load(r, err);
}

void runner_keep_done(struct runner *r)
{
    struct runner_work *const all[] = {r->sync, r->start_work, r->exit_work};

    for (size_t i = 0; i < ELEMENTS(all); i++)
        if (all[i])
            all[i]->runner = NULL;
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        runner_spool_close(&r->spools[i]);
}
