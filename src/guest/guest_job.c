/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_job.c - the runner's one script: account, start, output, exit status.
 *
 * A script is started at most once for a welcome's ids: started.json is on disk before the
 * fork. Its exit status is on disk before anybody is told, and is told after its last output. If
 * the runner or the guest dies under the script, the next runner ends what is left of it and
 * says that it was lost.
 */
#include "guest/guest.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "guest/account.h"
#include "guest/environment.h"
#include "guest/keep.h"
#include "guest/mount.h"
#include "guest/script.h"

#define LOOK_USEC (20 * USEC_PER_MSEC)
#define CODE_NOT_STARTED 126 /* as a shell says "found, but cannot be run" */

static void push_exit(struct guest *g)
{
    const struct runner_exit *e = &g->script.exit;
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_EXIT);

    m.started = e->started;
    m.exit_code = e->code;
    m.exit_signal = e->signal;
    memcpy(m.offsets, e->offsets, sizeof(m.offsets));
    str_copy(m.detail, sizeof(m.detail), e->detail);
    if (runner_outbox_push(&g->outbox, &m, &g->exit_seq) < 0)
        log_error("the exit status can't be reported now");
    port_kick(g->port);
}

/* When the last output is in memory at least, and so goes out before it. */
static void push_exit_if_due(struct guest *g)
{
    if (!g->script.exit_due || capture_is_open(&g->captures[RUNNER_OUT]) ||
        capture_is_open(&g->captures[RUNNER_ERR]))
        return;
    g->script.exit_due = false;
    push_exit(g);
}

/* ---- directories of file servers, and the owner's ticket for them ---- */

static bool has_remotes(const struct guest *g, bool of_nfs)
{
    for (uint32_t i = 0; i < g->n_mounts; i++)
        if (runner_mount_has_ticket(&g->mounts[i]) &&
            (!of_nfs || g->mounts[i].type == RUNNER_NFS_KRB5))
            return true;
    return false;
}

/* The run is over, and what it had of its owner's goes with it. */
static void drop_remotes(struct guest *g)
{
    remote_free(g->remote);
    g->remote = NULL;
    g->has_ticket = false;
    if (!has_remotes(g, false))
        return;
    for (uint32_t i = g->n_mounts; i-- > 0;)
        if (runner_mount_has_ticket(&g->mounts[i]))
            remote_unmount(&g->mounts[i]);
    ticket_drop(&g->options->ticket, &g->owner);
}

static bool is_over(const struct guest *g)
{
    return g->was_started && !g->script.is_running;
}

static void fail(struct guest *g, const struct vdi_error *err)
{
    char text[640];

    error_text(err, text, sizeof(text));
    log_error("%s", text);
    guest_stage(g, "failed", time_now_usec(), text);
}

void guest_job_ticket(struct guest *g, const struct runner_message *m)
{
    struct vdi_error err = {0};

    if (!has_remotes(g, false) || is_over(g))
        return;
    if (ticket_put(&g->options->ticket, &g->owner, has_remotes(g, true), m->data, m->data_len,
                   &err) < 0) {
        if (g->is_ready)
            log_error("%s", err.detail);
        else
            fail(g, &err);
        return;
    }
    g->has_ticket = true;
    if (!g->is_ready)
        guest_job_adopt(g);
}

static void on_remote(void *arg, const struct vdi_error *err)
{
    struct guest *g = arg;
    struct vdi_error copy = *err;

    remote_free(g->remote);
    g->remote = NULL;
    if (copy.code)
        fail(g, &copy);
    else
        guest_job_adopt(g);
}

/* What is next waits for its ticket, or for its server. */
static int start_remote(struct guest *g, uint32_t next, struct vdi_error *err)
{
    const struct runner_mount *m = &g->mounts[next];

    if (!g->has_ticket || g->remote)
        return -EINPROGRESS;
    if (g->remote_next == next + 1)
        return error_set(err, EIO, "mounts", "%.80s: %.80s is not there after it was mounted",
                         m->target, m->source);
    g->remote_next = next + 1;
    int r = remote_start(g->loop, g->options->helpers, m, &g->owner, on_remote, g, &g->remote, err);
    return r < 0 ? r : -EINPROGRESS;
}

/* A run that is over needs nothing of a file server any more, nor what may be below that. */
static int mount_now(struct guest *g, struct vdi_error *err)
{
    uint32_t next = 0;
    int r = 0;

    if (g->n_mounts && !(is_over(g) && has_remotes(g, false)))
        r = mount_all("/", g->mounts, g->n_mounts, &next, err);
    return r == -EINPROGRESS ? start_remote(g, next, err) : r;
}

/* ---- its end ---- */

/* Its end is known: kept first, then told. */
static void keep_end(struct guest *g, bool started, int code, int signo, const char *detail)
{
    struct runner_exit *e = &g->script.exit;
    char text[sizeof(e->detail)]; /* detail may be e's own */

    str_copy(text, sizeof(text), detail);
    *e = (struct runner_exit){.id = g->id, .started = started, .code = code, .signal = signo};
    str_copy(e->detail, sizeof(e->detail), text);
    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        const struct capture *c = &g->captures[i];
        e->offsets[i] = capture_total(c) + (c->left > 0 ? (uint64_t)c->left : 0);
    }
    int r = keep_exit(g->options->state_dir, e);
    if (r < 0)
        log_error("the exit status can't be kept in %s: %s", g->options->state_dir, strerror(-r));
    g->script.is_running = false;
    drop_remotes(g);
    g->script.exit_due = true;
    push_exit_if_due(g);
    if (g->idle)
        g->idle(g->idle_arg);
}

static void not_started(struct guest *g, const struct vdi_error *err)
{
    char text[640];

    error_text(err, text, sizeof(text));
    log_error("the script is not started: %s", text);
    keep_end(g, false, CODE_NOT_STARTED, 0, text);
}

static void end_if_over(struct guest *g)
{
    struct script_job *s = &g->script;
    int status = s->wait_status;

    if (!s->is_running || !s->is_reaped || s->status_fd >= 0)
        return;
    keep_drop_script(g->options->state_dir);
    if (s->is_refused)
        keep_end(g, false, CODE_NOT_STARTED, 0, s->exit.detail);
    else if (WIFSIGNALED(status))
        keep_end(g, true, 0, WTERMSIG(status), "");
    else
        keep_end(g, true, WEXITSTATUS(status), 0, "");
}

static void on_status(void *arg, int fd, unsigned events)
{
    struct guest *g = arg;
    struct script_job *s = &g->script;
    struct vdi_error err = {0};
    int r = script_failure(fd, &err);

    if (r > 0)
        return;
    if (r < 0) {
        s->is_refused = true;
        str_copy(s->exit.detail, sizeof(s->exit.detail), err.detail);
        log_error("%s", err.detail);
    } else {
        guest_stage(g, g->started.is_session ? "session" : "script", time_now_usec(), "");
    }
    source_free(s->status);
    s->status = NULL;
    closep(&s->status_fd);
    s->status_fd = -1;
    end_if_over(g);
}

static void on_child(void *arg, pid_t pid, int status)
{
    struct guest *g = arg;

    g->script.is_reaped = true;
    g->script.wait_status = status;
    kill(-pid, SIGKILL); /* what the script left behind in its process group */
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        capture_end(&g->captures[i]);
    end_if_over(g);
}

static void on_captured(void *arg)
{
    struct guest *g = arg;

    port_kick(g->port);
    push_exit_if_due(g);
}

/* Everything of a started process that must be looked at. Without it the process must not run. */
static int watch_script(struct guest *g, const struct script_process *p)
{
    struct script_job *s = &g->script;
    int r = 0;

    s->status_fd = p->status_fd;
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        if (p->out[i] >= 0 && capture_start(&g->captures[i], p->out[i]) < 0)
            r = -ENOMEM;
    s->status = loop_fd(g->loop, s->status_fd, LOOP_READ, on_status, g);
    s->child = loop_child(g->loop, p->pid, on_child, g);
    if (r == 0 && s->status && s->child)
        return 0;
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL);
    if (!s->child)
        waitpid(p->pid, NULL, 0);
    return -ENOMEM;
}

static void note_start(struct guest *g, const struct script_process *p)
{
    g->started.pid = p->pid;
    g->started.start_ticks = script_start_ticks(p->pid);
    if (keep_started(g->options->state_dir, &g->started) < 0)
        log_warning("the script's process can't be noted in %s", g->options->state_dir);
}

/* The file that is run: the job's script, or the image's session. */
static int put_script(struct guest *g, const struct runner_payload *payload, char *ret_path)
{
    if (payload->script)
        return keep_script(g->options->state_dir, &g->owner, payload->script, ret_path);
    return str_copy(ret_path, PATH_MAX, g->options->session) ? 0 : -ENAMETOOLONG;
}

static int start_script(struct guest *g, const struct runner_payload *payload,
                        const struct runner_message *m, struct vdi_error *err)
{
    const char *dir = g->options->state_dir;
    char path[PATH_MAX];
    char **env = environment_new(&g->owner, g->env, payload->environment);
    struct script_order order = {.owner = &g->owner,
                                 .path = path,
                                 .args = payload->args,
                                 .env = env,
                                 .work_dir = m->work_dir,
                                 .merge = m->merge,
                                 .allow_root = g->options->allow_root};
    struct script_process process = {0};
    int r = env ? put_script(g, payload, path) : -ENOMEM;

    if (r < 0)
        error_set(err, r, "script", "the script can't be put into %s: %s", dir, strerror(-r));
    else
        r = script_start(&order, &process, err);
    strings_free(env);
    if (r < 0)
        return r;
    note_start(g, &process);
    if (watch_script(g, &process) < 0)
        return error_set(err, ENOMEM, "script", "out of memory for the script's output");
    return 0;
}

int guest_job_part(struct guest *g, const struct runner_message *m)
{
    if (g->was_started)
        return 0;
    if (m->offset != g->payload.len)
        return -EPROTO;
    return buf_append(&g->payload, m->data, m->data_len);
}

/* Once for this run, whatever becomes of it. */
static void run(struct guest *g, const struct runner_payload *payload,
                const struct runner_message *m, struct vdi_error *err)
{
    int r = err->code ? -err->code : 0;

    g->was_started = true;
    g->started = (struct runner_started){.id = g->id, .is_session = r == 0 && !payload->script};
    str_copy(g->started.boot_id, sizeof(g->started.boot_id), g->boot_id);
    g->script.is_running = true;
    r = keep_started(g->options->state_dir, &g->started);
    if (r < 0 && !err->code)
        error_set(err, r, "script", "its start can't be noted in %s: %s", g->options->state_dir,
                  strerror(-r));
    if (!err->code)
        start_script(g, payload, m, err);
    if (err->code)
        not_started(g, err);
}

/* Who waits for a session is told that there will be none. */
static void no_session(struct guest *g)
{
    log_info("%s: %s; the desktop has no session of its own", g->options->session, strerror(errno));
    guest_stage(g, "idle", time_now_usec(), "");
}

int guest_job_run(struct guest *g, const struct runner_message *m)
{
    struct runner_payload payload = {0};
    struct vdi_error err = {0};

    if (g->was_started)
        return 0;
    if (!g->is_ready || !*g->owner.name || m->total != g->payload.len)
        return -EPROTO;
    runner_payload_decode(g->payload.data, g->payload.len, &payload, &err);
    if (err.code || payload.script || access(g->options->session, X_OK) == 0)
        run(g, &payload, m, &err);
    else
        no_session(g);
    runner_payload_done(&payload);
    buf_done(&g->payload);
    return 0;
}

void guest_job_signal(struct guest *g, int signo)
{
    if (g->script.is_running && g->started.pid > 0 && !g->script.is_reaped)
        kill(-g->started.pid, signo);
}

/* ---- what was before ---- */

/* A runner before us started it. If it lives, nobody reads its output or would learn its end. */
static void end_leftover(struct guest *g)
{
    const struct runner_started *s = &g->started;
    uint64_t ticks = s->pid > 0 ? script_start_ticks(s->pid) : 0;

    /* Another start time: the number is somebody else's. No process: the leader died with its
     * runner, and the number can't be given out again while its group has members. */
    if (s->pid > 0 && str_equal(s->boot_id, g->boot_id) && (ticks == 0 || ticks == s->start_ticks))
        kill(-s->pid, SIGKILL);
}

static void recall(struct guest *g)
{
    const char *dir = g->options->state_dir;
    int r = keep_load_started(dir, &g->started);

    bool is_over = g->started.is_session && !str_equal(g->started.boot_id, g->boot_id);
    if (r < 0 || is_over || !runner_id_equal(&g->started.id, &g->id)) {
        if (r != -ENOENT)
            keep_drop_all(dir);
        return;
    }
    g->was_started = true;
    if (g->started.ended)
        return;
    r = keep_load_exit(dir, &g->script.exit);
    if (r == 0 && runner_id_equal(&g->script.exit.id, &g->id)) {
        push_exit(g);
        return;
    }
    end_leftover(g);
    keep_end(g, true, 0, SIGKILL, "the guest or its runner ended while the script ran");
}

void guest_job_recall_owner(struct guest *g)
{
    struct runner_started owner;

    if (keep_load_owner(g->options->state_dir, &owner) < 0 || !str_equal(owner.boot_id, g->boot_id))
        return;
    g->is_owned = true;
    g->owned_by = owner.id;
}

/* Noted before anything of theirs is here. */
static int take_owner(struct guest *g, struct vdi_error *err)
{
    struct runner_started owner = {.id = g->id};
    int r;

    if (!g->id.job || g->is_owned)
        return 0;
    waiting_end(&g->waiting);
    str_copy(owner.boot_id, sizeof(owner.boot_id), g->boot_id);
    r = keep_owner(g->options->state_dir, &owner);
    if (r < 0)
        return error_set(err, r, "owner", "whose the guest is can't be noted in %s: %s",
                         g->options->state_dir, strerror(-r));
    g->is_owned = true;
    g->owned_by = g->id;
    return 0;
}

static int check_account(struct guest *g, struct vdi_error *err)
{
    if (!*g->owner.name)
        return 0; /* nobody's: nothing will be run */
    if (g->options->manage_accounts)
        return account_ensure("/etc", &g->owner, err);
    return account_check("/etc", &g->owner, err);
}

void guest_job_adopt(struct guest *g)
{
    struct vdi_error err = {0};
    int r;

    if (!g->was_started)
        recall(g);
    r = take_owner(g, &err);
    if (r == 0)
        r = check_account(g, &err);
    if (r == 0)
        r = mount_now(g, &err);
    if (r == -EINPROGRESS)
        return;
    if (r == -ENODEV && !has_remotes(g, false) && loop_monotonic_usec(g->loop) < g->devices_usec) {
        source_rearm(g->devices, LOOK_USEC);
        return;
    }
    if (r < 0) {
        fail(g, &err);
        return;
    }
    g->is_ready = g->ready_due = true;
    guest_stage(g, "ready", time_now_usec(), "");
    if (!g->id.job)
        waiting_begin(&g->waiting, g->loop, g->options->waiting, g->env);
}

void guest_job_acked(struct guest *g)
{
    g->exit_seq = 0;
    g->started.ended = true;
    int r = keep_started(g->options->state_dir, &g->started);
    if (r < 0) /* the exit status is sent again by the next runner; the host knows it */
        log_warning("the end can't be noted in %s: %s", g->options->state_dir, strerror(-r));
    else
        keep_drop_exit(g->options->state_dir);
}

/* ---- life ---- */

void guest_job_init(struct guest *g)
{
    g->script.status_fd = -1;
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        capture_init(&g->captures[i], g->loop, on_captured, g);
}

void guest_job_done(struct guest *g)
{
    struct script_job *s = &g->script;

    remote_free(g->remote);
    g->remote = NULL;
    if (s->is_running && s->child && !s->is_reaped) {
        kill(-g->started.pid, SIGKILL);
        kill(g->started.pid, SIGKILL); /* before its setsid() there is no such group */
        waitpid(g->started.pid, NULL, 0);
    }
    source_free(s->child);
    source_free(s->status);
    closep(&s->status_fd);
    *s = (struct script_job){.status_fd = -1};
    if (g->port)
        port_drop_unsent(g->port); /* some of it may be the captures' */
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        capture_done(&g->captures[i]);
    g->exit_seq = 0;
    g->is_ready = g->was_started = false;
}

void guest_stop(struct guest *g, void (*idle)(void *arg), void *arg)
{
    g->idle = idle;
    g->idle_arg = arg;
    if (g->script.is_running)
        guest_job_signal(g, SIGTERM);
    else
        idle(arg);
}
