/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - what runs inside an instance: its guest runner, what that says, and the owner's files.
 *
 * One struct runner from BOOT until QEMU is gone. That script or session ended is durable in the
 * spool before it is known here; it is told when the files of -o and -e are complete, or could
 * not be completed in time. Before the instance's files go, QEMU's last words are on disk.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/instance.h"

#define FILES_USEC (10 * USEC_PER_SEC) /* for the owner's files to be complete */
#define AGAIN_USEC (30 * USEC_PER_SEC) /* before one that failed is tried again */

void spool_path(const struct vdid *v, struct vdi_instance_id id, const char *file, char *ret)
{
    snprintf(ret, PATH_MAX, "%s/spool/%" PRIu64 ".%" PRIu32 "%s%s", v->config.state_dir, id.id,
             id.generation, *file ? "/" : "", file);
}

static void path_in_spool(const struct instance *in, const char *file, char *ret)
{
    spool_path(in->vdid, (struct vdi_instance_id){in->rec.id, in->rec.generation}, file, ret);
}

void instance_problem(struct instance *in, const char *why)
{
    log_warning("instance %" PRIu64 ".%" PRIu32 ": %s", in->rec.id, in->rec.generation, why);
    str_copy(in->rec.problem, sizeof(in->rec.problem), why);
    in->rec.problem_usec = loop_now_usec(in->vdid->loop);
    instance_keep(in);
    instance_emit_problem(in);
}

/* ---- the owner's files ---- */

static const char *const spools[] = {RUNNER_OUTPUT_FILE, RUNNER_ERROR_FILE};
static const char *const notes[] = {"output.written", "error.written"};

static void tell_exit(struct instance *in);

static bool are_files_over(const struct instance *in)
{
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        if (in->run && *in->run->files[i] && !in->files[i].is_over)
            return false;
    return true;
}

static void end_wait(struct instance *in)
{
    bool waited = in->patience != NULL;

    source_free(in->patience);
    in->patience = NULL;
    tell_exit(in);
    if (waited && in->rec.state == RECORD_STOP)
        instance_act(in);
}

static void on_patience(void *arg)
{
    struct instance *in = arg;

    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        in->files[i].is_over = true; /* what has not ended yet goes on by itself */
    instance_problem(in, "a file of the owner takes long to be written");
    end_wait(in);
}

static void written(struct instance *in, int stream, const char *why)
{
    struct writing_out *f = &in->files[stream];
    char text[sizeof(in->rec.problem)];

    writer_free(f->writer);
    f->writer = NULL;
    f->is_over = !*why || in->patience;
    if (*why) {
        f->again_usec = loop_monotonic_usec(in->vdid->loop) + AGAIN_USEC;
        str_copy(text, sizeof(text), why);
        instance_problem(in, text);
    }
    if (in->patience && are_files_over(in))
        end_wait(in);
}

static void on_out_written(void *arg, const char *why)
{
    written(arg, RUNNER_OUT, why);
}

static void on_err_written(void *arg, const char *why)
{
    written(arg, RUNNER_ERR, why);
}

static void start_writer(struct instance *in, int stream)
{
    static const writer_fn ends[] = {on_out_written, on_err_written};
    struct writing_out *f = &in->files[stream];
    char spool[PATH_MAX], note[PATH_MAX];
    struct writer_config config = {
        .program = in->vdid->config.writer,
        .owner = &in->run->owner,
        .path = in->run->files[stream],
        .work_dir = in->run->work_dir,
        .truncate = in->run->truncate,
        .spool = spool,
        .state = note,
    };
    struct vdi_error err = {0};

    path_in_spool(in, spools[stream], spool);
    path_in_spool(in, notes[stream], note);
    if (writer_new(in->vdid->loop, &config, ends[stream], in, &f->writer, &err) < 0)
        written(in, stream, err.detail);
}

/* There is more to write; one that failed is tried again after a while, and once at the end. */
static void poke_files(struct instance *in)
{
    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        struct writing_out *f = &in->files[i];

        if (!in->run || !*in->run->files[i] || f->is_over)
            continue;
        if (f->writer)
            writer_poke(f->writer);
        else if (in->patience || loop_monotonic_usec(in->vdid->loop) >= f->again_usec)
            start_writer(in, i);
    }
}

/* No more will come. end_wait() when all is written, or patience ends. */
static void finish_files(struct instance *in)
{
    if (in->patience)
        return;
    if (are_files_over(in)) {
        end_wait(in);
        return;
    }
    in->patience = loop_timer(in->vdid->loop, FILES_USEC, on_patience, in);
    poke_files(in);
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        if (in->files[i].writer)
            writer_finish(in->files[i].writer);
}

/* ---- what the guest says ---- */

static void tell_exit(struct instance *in)
{
    if (!in->has_exit || in->rec.exited)
        return;
    in->rec.exited = true;
    instance_keep(in);
    if (in->rec.state == RECORD_READY || in->rec.state == RECORD_PAUSED)
        instance_emit(in, "exited");
}

static void on_ready(void *arg, const char *os, const char *version)
{
    struct instance *in = arg;

    log_info("instance %" PRIu64 ".%" PRIu32 ": guest runner %s, %s", in->rec.id,
             in->rec.generation, version, os);
    in->is_heard = true;
    if (in->rec.state == RECORD_BOOT || in->rec.state == RECORD_BIND)
        instance_disks_tell(in);
    if (in->look)
        source_rearm(in->look, 0);
    in->has_begun = in->has_begun || runner_is_running(in->runner);
    if (in->rec.state == RECORD_BIND)
        instance_act(in);
}

/* The guest's clock may be wrong; how much of it has passed is not. */
static int64_t stage_time(struct instance *in, const char *name, int64_t usec)
{
    int64_t now = loop_now_usec(in->vdid->loop), kernel = in->guest_kernel_usec;

    if (str_equal(name, "kernel"))
        in->guest_kernel_usec = usec;
    if (str_equal(name, "runner") && kernel && usec > kernel) {
        kernel = now - (usec - kernel);
        in->rec.kernel_usec = kernel > in->rec.create_usec ? kernel : in->rec.create_usec;
    }
    return now;
}

static void on_stage(void *arg, const char *name, int64_t usec, const char *detail)
{
    struct instance *in = arg;
    char reason[sizeof(in->rec.reason)];
    struct vdi_error err = {0};

    if (str_equal(name, "failed")) {
        log_warning("instance %" PRIu64 ".%" PRIu32 ": its guest has failed: %s", in->rec.id,
                    in->rec.generation, detail);
        snprintf(reason, sizeof(reason), "guest: %.88s", *detail ? detail : "it has failed");
        error_set(&err, EIO, "guest", "%s", reason);
        instance_answer(in, 1u << VDID_BIND, -EIO, &err);
        instance_end(in, true, reason);
        return;
    }
    in->has_begun = in->has_begun || str_equal(name, "session") || str_equal(name, "script") ||
                    str_equal(name, "idle");
    name = record_take_stage(&in->rec, name, stage_time(in, name, usec));
    if (name) {
        instance_emit_stage(in, name);
        instance_keep(in);
    }
    if (in->rec.state == RECORD_BIND)
        instance_act(in);
}

static void on_exited(void *arg, const struct runner_exit *exit)
{
    struct instance *in = arg;

    in->has_exit = true;
    if (!in->rec.exit_usec)
        in->rec.exit_usec = loop_now_usec(in->vdid->loop);
    in->rec.exit_code = exit->code;
    in->rec.exit_signal = exit->signal;
    if (*exit->detail && !in->rec.exited)
        instance_problem(in, exit->detail);
    finish_files(in);
    if (in->rec.state == RECORD_STOP || in->rec.state == RECORD_BIND)
        instance_act(in); /* it was asked to end, or was quicker than its bind */
}

static void on_problem(void *arg, const char *why)
{
    instance_problem(arg, why);
}

static void on_output(void *arg)
{
    poke_files(arg);
}

static void on_heard(void *arg, uint64_t seq)
{
    instance_answer_heard(arg, seq);
}

/* Of a script nobody expects that somebody sits before it. */
static bool has_user(const struct instance *in)
{
    return in->rec.is_interactive &&
           (in->rec.state == RECORD_READY || in->rec.state == RECORD_BIND);
}

/* What is said before READY is in the report that says so. */
static void on_input(void *arg)
{
    if (has_user(arg))
        instance_emit(arg, "input");
}

static const struct runner_handler on_runner = {on_ready,  on_stage, on_exited, on_problem,
                                                on_output, on_heard, on_input};

int64_t instance_idle_sec(const struct instance *in)
{
    return has_user(in) && in->runner ? runner_idle_sec(in->runner) : -1;
}

/* ---- life ---- */

/* As the guest's runner is told of them. */
static uint32_t list_mounts(const struct run_wish *run, struct runner_mount *ret)
{
    for (uint32_t i = 0; i < run->n_shares; i++) {
        ret[i] =
            (struct runner_mount){.type = RUNNER_VIRTIOFS, .read_only = run->shares[i].read_only};
        domain_share_tag(i, ret[i].tag);
        str_copy(ret[i].target, sizeof(ret[i].target), run->shares[i].target);
    }
    for (uint32_t i = 0; i < run->n_disks; i++) {
        struct runner_mount *m = &ret[run->n_shares + i];

        *m = (struct runner_mount){.type = RUNNER_DISK};
        domain_disk_serial(i, m->tag);
        str_copy(m->target, sizeof(m->target), run->disks[i].target);
    }
    for (uint32_t i = 0; i < run->n_remotes; i++) {
        const struct run_remote *from = &run->remotes[i];
        struct runner_mount *m = &ret[run->n_shares + run->n_disks + i];

        *m = (struct runner_mount){
            .type = from->type, .security = from->security, .read_only = from->read_only};
        str_copy(m->source, sizeof(m->source), from->source);
        str_copy(m->target, sizeof(m->target), from->target);
    }
    return run->n_shares + run->n_disks + run->n_remotes;
}

/* What is below another comes after it. */
static int by_target(const void *a, const void *b)
{
    return strcmp(((const struct runner_mount *)a)->target,
                  ((const struct runner_mount *)b)->target);
}

void instance_run_open(struct instance *in)
{
    const struct run_wish *run = in->run;
    char socket[PATH_MAX], dir[PATH_MAX];
    struct runner_mount mounts[RUNNER_MOUNTS_MAX];
    struct vdi_error err = {0};
    struct runner_config config = {.socket = socket, .dir = dir};

    if (in->runner || !run || in->is_closing || in->is_closed ||
        (in->rec.state == RECORD_BIND && !in->is_plugged))
        return;
    instance_path(in, "job.sock", socket);
    path_in_spool(in, "", dir);
    config.id = (struct runner_id){in->rec.wish.job, in->rec.id, in->rec.generation, ""};
    str_copy(config.id.nonce, sizeof(config.id.nonce), in->rec.nonce);
    config.output_max = (uint64_t)in->rec.output_max_mib << 20;
    config.owner = run->owner;
    config.mounts = mounts;
    config.n_mounts = list_mounts(run, mounts);
    qsort(mounts, config.n_mounts, sizeof(*mounts), by_target);
    config.env = run->env;
    config.payload = run->payload;
    config.is_session = run->is_session;
    config.work_dir = run->is_session ? "" : run->work_dir;
    config.merge = run->merge;
    config.is_seat = run->is_seat;
    in->runner = runner_new(in->vdid->loop, in->vdid->spool, &config, &on_runner, in, &err);
    if (!in->runner) {
        instance_problem(in, err.detail);
        return;
    }
    instance_ticket_open(in);
    poke_files(in);
}

/* What the guest has not heard it never will. */
static void words_are_lost(struct instance *in)
{
    struct vdi_error err = {0};

    error_set(&err, EAGAIN, "instance", "the guest of instance %" PRIu64 " has not heard it",
              in->rec.id);
    instance_answer(in, 1u << VDID_SIGNAL | 1u << VDID_MESSAGE, -EAGAIN, &err);
}

void instance_run_drop(struct instance *in)
{
    words_are_lost(in);
    instance_ticket_close(in);
    runner_free(in->runner);
    in->runner = NULL;
    in->is_heard = in->has_begun = in->has_picture = in->is_blank = false;
}

static void on_closed(void *arg)
{
    struct instance *in = arg;

    words_are_lost(in);
    instance_ticket_close(in);
    runner_free(in->runner);
    in->runner = NULL;
    in->is_closing = false;
    in->is_closed = true;
    instance_act(in);
}

bool instance_run_is_closing(struct instance *in)
{
    if (!in->run)
        return false;
    instance_run_open(in); /* vdid was restarted: what is on disk counts */
    if (in->runner && !in->is_closing) {
        in->is_closing = true;
        runner_close(in->runner, on_closed);
    }
    if (in->is_closing)
        return true;
    in->is_closed = true;
    if (!are_files_over(in) && !in->patience)
        finish_files(in);
    return in->patience != NULL;
}

void instance_run_recall(struct instance *in)
{
    struct runner_exit exit;
    char dir[PATH_MAX];

    path_in_spool(in, "", dir);
    if (in->rec.exited || runner_read_exit(dir, &exit, NULL) < 0)
        return;
    in->rec.exited = true;
    in->rec.exit_code = exit.code;
    in->rec.exit_signal = exit.signal;
}

void instance_run_done(struct instance *in)
{
    instance_ticket_close(in);
    runner_free(in->runner);
    in->runner = NULL;
    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        writer_free(in->files[i].writer);
        in->files[i].writer = NULL;
    }
    source_free(in->patience);
    in->patience = NULL;
    run_wish_free(in->run);
    in->run = NULL;
}
