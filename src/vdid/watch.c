/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - what a running instance does by itself: gets ready, does not, ends.
 *
 * QEMU's end is seen by a pidfd at once, whatever libvirtd does; libvirt's event
 * says why it ended, and is waited for a moment. READY means: the guest runner has
 * the owner's account; or, where nothing needs it, the guest agent answers or the
 * text that the image names was seen on the console. Where somebody looks at it,
 * the screen shows more than one colour and a cursor, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/file.h"
#include "vdid/instance.h"
#include "vdid/picture.h"

#define LOOK_USEC (100 * USEC_PER_MSEC)
#define PING_USEC USEC_PER_SEC
#define PICTURE_USEC USEC_PER_SEC
#define WORD_USEC (300 * USEC_PER_MSEC) /* patience with libvirt's reason after QEMU's end */
#define PID_TEXT_MAX 32
#define CMDLINE_MAX (1u << 20)

/* ---- QEMU's process ---- */

static void no_word(void *arg)
{
    struct instance *in = arg;

    instance_end(in, true, "QEMU was killed or crashed");
}

static void process_ended(void *arg, pid_t pid, int status)
{
    struct instance *in = arg;

    in->is_running = false;
    in->is_dead = true;
    if (in->rec.state == RECORD_STOP) {
        instance_act(in);
        return;
    }
    if (in->rec.state == RECORD_SAVE || in->rec.state > RECORD_STOP)
        return; /* the save ends it; its answer says how it went */
    source_free(in->timer);
    in->timer = loop_timer(in->vdid->loop, WORD_USEC, no_word, in);
}

/* A number in a file may be anybody's by now: QEMU says on its command line who it is. */
static bool is_ours(const struct instance *in, pid_t pid)
{
    char path[64], name[DOMAIN_NAME_MAX], want[DOMAIN_NAME_MAX + 8];
    struct buf cmdline = BUF_INIT(CMDLINE_MAX);
    bool found;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    snprintf(want, sizeof(want), "guest=%s,", instance_domain(in, name));
    found = file_read(path, &cmdline) == 0 && memmem(cmdline.data, cmdline.len, want, strlen(want));
    buf_done(&cmdline);
    return found;
}

static pid_t read_pid(const struct instance *in)
{
    char path[PATH_MAX], name[DOMAIN_NAME_MAX];
    struct buf text = BUF_INIT(PID_TEXT_MAX);
    uint64_t pid = 0;

    snprintf(path, sizeof(path), "%s/%s.pid", in->vdid->config.run_dir, instance_domain(in, name));
    if (file_read(path, &text) == 0) {
        text.data[strcspn(text.data, "\n")] = '\0';
        if (str_to_u64(text.data, 2, INT32_MAX, &pid) < 0)
            pid = 0;
    }
    buf_done(&text);
    return (pid_t)pid;
}

/* The pidfd first, the look at who it is afterwards: then it can't change in between. */
static void watch_process(struct instance *in)
{
    pid_t pid = in->process ? 0 : read_pid(in);

    if (!pid)
        return;
    in->process = loop_child(in->vdid->loop, pid, process_ended, in);
    if (in->process && !is_ours(in, pid)) {
        source_free(in->process);
        in->process = NULL;
    }
    if (in->process)
        in->rec.pid = (uint32_t)pid;
}

/* ---- booting ---- */

static void ready(struct instance *in)
{
    in->rec.boots++;
    if (!in->rec.ready_usec) {
        in->rec.ready_usec = loop_now_usec(in->vdid->loop);
        instance_emit_stage(in, "ready");
    }
    source_free(in->look);
    in->look = NULL;
    source_free(in->timer);
    in->timer = NULL;
    instance_set(in, RECORD_READY);
    instance_emit(in, "ready");
    if (in->rec.exited)
        instance_emit(in, "exited"); /* it was quicker than our look */
}

static void ponged(void *arg, int result, const struct virt_result *res,
                   const struct vdi_error *err)
{
    struct instance *in = arg;

    in->is_pinging = false;
    if (result == 0)
        in->is_found_text = true;
}

static void look_at_agent(struct instance *in)
{
    int64_t now = loop_monotonic_usec(in->vdid->loop);
    char name[DOMAIN_NAME_MAX];

    if (*in->rec.ready_text || in->rec.by_runner || in->is_pinging ||
        now - in->ping_usec < PING_USEC)
        return;
    in->ping_usec = now;
    in->is_pinging = virt_ping(in->vdid->virt, instance_domain(in, name), ponged, in) == 0;
}

/* ---- the picture ---- */

struct looking {
    struct instance *in;
    char path[PATH_MAX];
    int result;
    bool is_blank;
};

static void look_work(void *arg)
{
    struct looking *l = arg;
    struct picture p = {0};

    l->result = picture_read(l->path, 0, &p);
    l->is_blank = p.is_blank;
    picture_done(&p);
}

static void looked(void *arg, bool dropped)
{
    struct looking *l = arg;
    struct instance *in = l->in;
    int r = dropped ? -ECANCELED : l->result;

    in->is_blank = l->is_blank;
    free(l);
    in->busy = false;
    if (in->vdid->is_freed)
        return;
    in->has_picture = r == 0 && !in->is_blank;
    if (in->has_picture && !in->rec.picture_usec) {
        in->rec.picture_usec = loop_now_usec(in->vdid->loop);
        instance_emit_stage(in, "picture");
    }
    if (r < 0)
        log_info("instance %" PRIu64 ": its picture can't be read: %s", in->rec.id, strerror(-r));
    instance_act(in);
}

static void pictured(void *arg, int result, const struct virt_result *res,
                     const struct vdi_error *err)
{
    struct instance *in = arg;
    struct looking *l = NULL;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result == 0)
        l = calloc(1, sizeof(*l));
    if (l) {
        l->in = in;
        instance_path(in, "screenshot", l->path);
        in->busy = workers_post(in->vdid->spool, look_work, looked, l) == 0;
    }
    if (in->busy)
        return;
    free(l);
    instance_act(in);
}

static void look_at_picture(struct instance *in)
{
    int64_t now = loop_monotonic_usec(in->vdid->loop);
    char path[PATH_MAX], name[DOMAIN_NAME_MAX];

    if (now - in->picture_usec < PICTURE_USEC)
        return;
    in->picture_usec = now;
    instance_path(in, "screenshot", path);
    in->busy = virt_screenshot(in->vdid->virt, instance_domain(in, name), path, pictured, in) == 0;
}

static bool is_up(const struct instance *in)
{
    bool needs_runner = in->rec.by_runner || in->rec.is_seat ||
                        (in->run && in->run->payload && !in->run->is_session);

    return in->is_heard || (in->is_found_text && !needs_runner);
}

static void on_look(void *arg)
{
    struct instance *in = arg;
    bool had_byte = in->has_byte;
    char path[PATH_MAX];

    source_rearm(in->look, LOOK_USEC);
    instance_path(in, "console.log", path);
    console_look(&in->console, path, in->rec.ready_text, &in->has_byte, &in->is_found_text);
    if (in->has_byte && !had_byte && !in->rec.first_usec) {
        in->rec.first_usec = loop_now_usec(in->vdid->loop);
        instance_emit_stage(in, "first_byte");
    }
    watch_process(in);
    look_at_agent(in);
    if (in->busy || !is_up(in))
        return;
    if (in->rec.is_interactive && in->rec.port && !in->has_picture)
        look_at_picture(in);
    else
        ready(in);
}

static void photographed(void *arg, int result, const struct virt_result *res,
                         const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result < 0)
        log_info("instance %" PRIu64 ": no picture of the failed boot: %s", in->rec.id,
                 err->detail);
    instance_act(in); /* in->stop was set */
}

static int64_t boot_timeout_sec(const struct instance *in)
{
    int64_t own = in->rec.wish.boot_timeout_sec;

    return own ? own : in->vdid->config.boot_timeout_sec;
}

/* The picture is taken before the end; the console's file stays anyway. */
static void on_boot_timeout(void *arg)
{
    struct instance *in = arg;
    char path[PATH_MAX], name[DOMAIN_NAME_MAX], reason[sizeof(in->rec.reason)];

    if (in->busy || in->rec.state != RECORD_BOOT) {
        source_rearm(in->timer, LOOK_USEC);
        return;
    }
    if (is_up(in) && in->is_blank)
        snprintf(reason, sizeof(reason), "not ready after %" PRId64 " s; its screen is blank",
                 boot_timeout_sec(in));
    else
        snprintf(reason, sizeof(reason), "not ready after %" PRId64 " s; last stage: %s",
                 boot_timeout_sec(in), record_stage(&in->rec));
    log_warning("instance %" PRIu64 ".%" PRIu32 ": %s", in->rec.id, in->rec.generation, reason);
    instance_path(in, "screenshot", path);
    in->busy =
        virt_screenshot(in->vdid->virt, instance_domain(in, name), path, photographed, in) == 0;
    instance_end(in, true, reason);
}

static void watch_boot(struct instance *in)
{
    int64_t since = in->rec.create_usec ? in->rec.create_usec : in->rec.order_usec;
    int64_t left = since + boot_timeout_sec(in) * USEC_PER_SEC - loop_now_usec(in->vdid->loop);

    if (in->rec.boots || left > boot_timeout_sec(in) * USEC_PER_SEC)
        left = boot_timeout_sec(in) * USEC_PER_SEC; /* a reboot, or a clock that was set */
    in->look = loop_timer(in->vdid->loop, 0, on_look, in);
    source_free(in->timer);
    in->timer = loop_timer(in->vdid->loop, left > 0 ? left : 0, on_boot_timeout, in);
}

void instance_watch(struct instance *in)
{
    watch_process(in);
    instance_run_open(in);
    if (in->rec.state == RECORD_BOOT && !in->look)
        watch_boot(in);
}

void instance_unwatch(struct instance *in)
{
    source_free(in->process);
    source_free(in->look);
    in->process = in->look = NULL;
}

/* ---- libvirt's word ---- */

void instance_event(struct instance *in, enum virt_event event)
{
    bool live = in->rec.state >= RECORD_BOOT && in->rec.state <= RECORD_PAUSED;

    switch (event) {
    case VIRT_STARTED:
        watch_process(in);
        return;
    case VIRT_IO_ERROR:
        if (live && in->vdid->handler.instance)
            in->vdid->handler.instance(in->vdid->arg,
                                       (struct vdi_instance_id){in->rec.id, in->rec.generation},
                                       "io_error", "{}");
        return;
    case VIRT_PAUSED:
    case VIRT_RESUMED:
    case VIRT_SAVED:
        return;
    default:
        break;
    }
    if (event != VIRT_CRASHED) /* QEMU is still there then, for a moment */
        in->is_running = false;
    if (in->rec.state == RECORD_STOP)
        instance_act(in);
    if (!live)
        return;
    if (event == VIRT_SHUTDOWN)
        instance_end(in, false, "the guest switched itself off");
    else if (event == VIRT_CRASHED)
        instance_end(in, true, "the guest's kernel panicked");
    else if (event == VIRT_FAILED)
        instance_end(in, true, "QEMU was killed or crashed");
    else
        instance_end(in, true, "the domain was ended by somebody else");
}
