/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orders.c - orders of the controller, each answered once.
 *
 * Older epochs and generations are refused before anything is looked at. An order
 * whose end is there already succeeds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/domain_xml.h"
#include "vdid/instance.h"

#define NONCE_BYTES 16

static void refuse(vdid_fn fn, void *arg, const struct vdi_error *err)
{
    fn(arg, -err->code, NULL, err);
}

static void refuse_with(vdid_fn fn, void *arg, int code, struct vdi_instance_id id, const char *why)
{
    struct vdi_error err = {0};

    error_set(&err, code, "instance", "instance %" PRIu64 ".%" PRIu32 " %s", id.id, id.generation,
              why);
    refuse(fn, arg, &err);
}

static void wait_or_refuse(struct instance *in, enum vdid_verb verb, vdid_fn fn, void *arg)
{
    if (instance_wait(in, verb, fn, arg) < 0)
        refuse_with(fn, arg, EBUSY, (struct vdi_instance_id){in->rec.id, in->rec.generation},
                    "has too many orders waiting");
}

/* ---- start ---- */

static int make_uuid(char *ret)
{
    unsigned char b[16];
    char hex[33];

    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        return -EIO;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    str_to_hex(b, sizeof(b), hex);
    snprintf(ret, 40, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return 0;
}

static int make_nonce(char *ret)
{
    unsigned char b[NONCE_BYTES];

    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        return -EIO;
    str_to_hex(b, sizeof(b), ret);
    return 0;
}

/* What the node knows and the controller has not said. */
static int add_env(const struct vdid *v, const struct vdid_order *o, const char *nonce,
                   struct run_wish *w)
{
    char job[24], instance[24], generation[16];
    const struct {
        const char *name, *value;
    } all[] = {
        {"VDI_JOB_ID", job},
        {"VDI_INSTANCE", instance},
        {"VDI_GENERATION", generation},
        {"VDI_NODE", v->config.node},
        {"VDI_TEMPLATE", o->wish.template_name},
        {"VDI_USER", w->owner.name},
        {"VDI_NONCE", nonce},
    };
    int r = 0;

    snprintf(job, sizeof(job), "%" PRIu64, o->wish.job);
    if (!o->wish.job)
        job[0] = '\0';
    snprintf(instance, sizeof(instance), "%" PRIu64, o->id.id);
    snprintf(generation, sizeof(generation), "%" PRIu32, o->id.generation);
    for (size_t i = 0; r == 0 && i < ELEMENTS(all); i++)
        if (*all[i].value)
            r = run_wish_set(w, all[i].name, all[i].value);
    return r;
}

int vdid_read_run(const struct vdid *v, const struct vdid_order *o, const char *nonce,
                  struct run_wish **ret, struct vdi_error *err)
{
    int r;

    if (str_is_empty(o->details))
        return 0;
    r = run_wish_read(o->details, strlen(o->details), ret, err);
    if (r == 0 && add_env(v, o, nonce, *ret) < 0)
        r = error_set(err, ENOMEM, "node", "the node is out of memory");
    return r;
}

void instance_take_run(struct instance *in, struct run_wish *run)
{
    run_wish_free(in->run);
    in->run = run;
    in->has_run_file = false;
    if (!run || !run->groups_left_out)
        return;
    in->rec.problem_usec = loop_now_usec(in->vdid->loop);
    snprintf(in->rec.problem, sizeof(in->rec.problem),
             "the owner is in %u groups more than the %d that a guest is told of",
             run->groups_left_out, RUNNER_GROUPS_MAX);
}

static void start_new(struct vdid *v, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    struct record rec = {
        .id = o->id.id, .generation = o->id.generation, .epoch = o->epoch, .wish = o->wish};
    struct run_wish *run = NULL;
    struct vdi_error err = {0};
    struct instance *in;

    rec.order_usec = loop_now_usec(v->loop);
    rec.output_max_mib = v->config.output_max_mib;
    if (make_uuid(rec.uuid) < 0 || make_nonce(rec.nonce) < 0)
        error_set(&err, EIO, "node", "the kernel gives no random bytes");
    else
        vdid_read_run(v, o, rec.nonce, &run, &err);
    if (!err.code)
        vdid_disks_check(v, o->id.id, run, &err);
    rec.is_interactive = run && run->is_interactive;
    rec.is_seat = run && run->is_seat;
    if (rec.is_seat) {
        rec.seat_mounts = run->seat_mounts;
        rec.seat_disks = run->seat_disks;
    }
    in = err.code ? NULL : instance_new(v, &rec);
    if (!in) {
        run_wish_free(run);
        if (!err.code)
            error_set(&err, ENOMEM, "node", "the node is out of memory");
        refuse(fn, arg, &err);
        return;
    }
    instance_take_run(in, run);
    wait_or_refuse(in, VDID_START, fn, arg);
    instance_set(in, RECORD_PREPARE);
}

static void start_again(struct instance *in, vdid_fn fn, void *arg)
{
    if (in->rec.state < RECORD_BOOT) {
        wait_or_refuse(in, VDID_START, fn, arg);
        return;
    }
    fn(arg, 0, NULL, NULL);
    if (in->rec.state == RECORD_GONE)
        instance_emit(in, "gone"); /* the first telling may have been lost */
}

static void start(struct vdid *v, struct instance *in, const struct vdid_order *o, vdid_fn fn,
                  void *arg)
{
    struct vdi_error err = {0};

    if (in && in->rec.generation == o->id.generation) {
        start_again(in, fn, arg);
        return;
    }
    if (in && in->rec.state != RECORD_GONE) {
        instance_end(in, false, "superseded by a newer generation");
        refuse_with(fn, arg, EBUSY, o->id, "waits for the end of the generation before it");
        return;
    }
    if (!v->proven) {
        refuse_with(fn, arg, EAGAIN, o->id, "waits until it is known how guests run here");
        return;
    }
    if (!v->in_service) {
        error_set(&err, ENODEV, "accel", "the node is out of service: %s", v->why);
        refuse(fn, arg, &err);
        return;
    }
    if (in && in->busy) {
        refuse_with(fn, arg, EBUSY, o->id, "waits for the end of the generation before it");
        return;
    }
    if (in)
        vdid_forget(in);
    start_new(v, o, fn, arg);
}

/* ---- stop ---- */

static void stop(struct vdid *v, struct instance *in, const struct vdid_order *o, vdid_fn fn,
                 void *arg)
{
    int64_t until = o->grace_sec ? loop_now_usec(v->loop) + o->grace_sec * USEC_PER_SEC : 0;

    if (!in || in->rec.state == RECORD_GONE) {
        fn(arg, 0, NULL, NULL);
        return;
    }
    wait_or_refuse(in, VDID_STOP, fn, arg);
    if (in->rec.state != RECORD_STOP) {
        instance_end_by(in, until, "stopped by order");
    } else if (in->rec.grace_usec > until) {
        in->rec.grace_usec = until;
        instance_act(in);
    }
}

/* ---- orders that are one call to libvirt ---- */

struct one_call {
    struct vdid *vdid;
    struct vdi_instance_id id;
    enum vdid_verb verb;
    vdid_fn fn;
    void *arg;
    char path[PATH_MAX];
};

/* The instance may have gone meanwhile: it is looked up again. */
static void call_done(void *arg, int result, const struct virt_result *res,
                      const struct vdi_error *err)
{
    struct one_call *c = arg;
    struct instance *in = hash_get_u64(c->vdid->instances, c->id.id);
    struct buf json = BUF_INIT(0);

    if (in && in->rec.generation == c->id.generation && !c->vdid->is_freed) {
        bool told = c->verb == VDID_PAUSE || c->verb == VDID_RESUME || c->verb == VDID_REBOOT;

        if (told)
            in->busy = false;
        if (result == 0 && c->verb == VDID_RESUME && in->runner)
            runner_time(in->runner);
        if (told && result == 0 && !in->stop)
            instance_set(in, c->verb == VDID_PAUSE    ? RECORD_PAUSED
                             : c->verb == VDID_RESUME ? RECORD_READY
                                                      : RECORD_BOOT);
        else if (told)
            instance_act(in);
    }
    if (result == 0 && c->verb == VDID_SCREENSHOT) {
        buf_puts(&json, "{\"path\":");
        json_write_string(&json, c->path);
        buf_putc(&json, '}');
    }
    c->fn(c->arg, result, json.data, result < 0 ? err : NULL);
    buf_done(&json);
    free(c);
}

static int make_ticket(const struct instance *in, const struct vdid_order *o, char **ret,
                       struct vdi_error *err)
{
    const struct domain_graphics g = instance_graphics(in);

    if (!in->rec.port)
        return error_set(err, ENOENT, "port", "the instance has no screen");
    if (o->expire_sec <= loop_now_usec(in->vdid->loop) / USEC_PER_SEC)
        return error_set(err, EINVAL, "expire_sec", "the ticket would have expired already");
    return domain_xml_ticket(&g, o->password, o->expire_sec, ret, err);
}

static int post_call(struct instance *in, const struct vdid_order *o, struct one_call *c,
                     struct vdi_error *err)
{
    struct virt *virt = in->vdid->virt;
    char name[DOMAIN_NAME_MAX], *xml = NULL;
    int r;

    instance_domain(in, name);
    switch (c->verb) {
    case VDID_PAUSE:
        return virt_pause(virt, name, call_done, c);
    case VDID_RESUME:
        return virt_resume(virt, name, call_done, c);
    case VDID_REBOOT:
        return virt_reset(virt, name, call_done, c);
    case VDID_SCREENSHOT:
        instance_path(in, "screenshot", c->path);
        return virt_screenshot(virt, name, c->path, call_done, c);
    default:
        r = make_ticket(in, o, &xml, err);
        if (r == 0)
            r = virt_update(virt, name, xml, call_done, c);
        if (xml)
            explicit_bzero(xml, strlen(xml));
        free(xml);
        return r;
    }
}

static void one_call(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    struct one_call *c = calloc(1, sizeof(*c));
    struct vdi_error err = {0};
    int r = -ENOMEM;

    if (c) {
        c->vdid = in->vdid;
        c->id = o->id;
        c->verb = o->verb;
        c->fn = fn;
        c->arg = arg;
        r = post_call(in, o, c, &err);
    }
    if (r == 0) {
        in->busy = in->busy || (o->verb != VDID_SCREENSHOT && o->verb != VDID_TICKET);
        return;
    }
    free(c);
    if (!err.code)
        error_set(&err, r, "node", "the order cannot be taken: %s", strerror(-r));
    refuse(fn, arg, &err);
}

/* ---- pause, save, resume ---- */

/* QEMU can't migrate a guest with virtiofs, and a save is a migration to a file; which must have no
 * ticket in it. */
static void refuse_save(struct instance *in, vdid_fn fn, void *arg)
{
    struct vdi_error err = {0};

    error_set(&err, EOPNOTSUPP, "mounts", "instance %" PRIu64 " has %s: it can't be saved",
              in->rec.id,
              in->run->n_shares ? "directories of the host (virtiofs)"
                                : "its owner's Kerberos ticket in its memory");
    error_hint(&err, NULL, "shut it down, or use a template without mounts");
    refuse(fn, arg, &err);
}

static void change(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    enum record_state s = in->rec.state;
    bool runs = s == RECORD_READY || s == RECORD_BOOT;
    struct vdi_error err = {0};

    if ((o->verb == VDID_PAUSE && s == RECORD_PAUSED) ||
        (o->verb == VDID_SAVE && s == RECORD_SAVED) || (o->verb == VDID_RESUME && runs)) {
        fn(arg, 0, NULL, NULL);
    } else if ((o->verb == VDID_SAVE && s == RECORD_SAVE) ||
               (o->verb == VDID_RESUME && s == RECORD_RESTORE)) {
        wait_or_refuse(in, o->verb, fn, arg);
    } else if (o->verb == VDID_SAVE && in->run && (in->run->n_shares || in->run->n_remotes)) {
        refuse_save(in, fn, arg);
    } else if (in->busy) {
        if (instance_park(in, o, fn, arg) < 0)
            refuse_with(fn, arg, EBUSY, o->id, "has too many orders waiting");
    } else if (o->verb == VDID_SAVE && (s == RECORD_READY || s == RECORD_PAUSED)) {
        if (instance_save_check(in, &err) < 0) {
            refuse(fn, arg, &err);
            return;
        }
        wait_or_refuse(in, o->verb, fn, arg);
        instance_set(in, RECORD_SAVE);
    } else if (o->verb == VDID_RESUME && s == RECORD_SAVED) {
        wait_or_refuse(in, o->verb, fn, arg);
        in->rec.was_created = true;
        in->is_dead = false;
        instance_set(in, RECORD_RESTORE);
    } else if ((o->verb == VDID_PAUSE && s == RECORD_READY) ||
               (o->verb == VDID_RESUME && s == RECORD_PAUSED) || (o->verb == VDID_REBOOT && runs)) {
        if (o->verb == VDID_REBOOT) {
            char path[PATH_MAX];
            struct stat st;

            /* What the console said before is not what the next boot says. */
            instance_path(in, "console.log", path);
            in->console = (struct console){.pos = lstat(path, &st) == 0 ? st.st_size : 0};
            in->is_found_text = false;
            instance_run_drop(in);
        }
        one_call(in, o, fn, arg);
    } else {
        refuse_with(fn, arg, EAGAIN, o->id,
                    s == RECORD_SAVED || s == RECORD_PAUSED ? "does not run" : "is not ready");
    }
}

/* ---- words for the guest ---- */

/* Answered when the guest runner has heard it: what it has not was never accepted. */
static void say(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    const char *text = o->text ? o->text : "";
    bool is_signal = o->verb == VDID_SIGNAL;
    uint64_t seq = 0;
    int r;

    if (is_signal && in->rec.exited) { /* whether the runner answers by now or not */
        refuse_with(fn, arg, ESRCH, o->id, "runs no script or session any more");
    } else if (!in->runner || !runner_is_ready(in->runner)) {
        refuse_with(fn, arg, EAGAIN, o->id, "has no guest runner that answers");
    } else if (is_signal && !runner_is_running(in->runner)) {
        refuse_with(fn, arg, ESRCH, o->id, "runs no script or session");
    } else {
        r = is_signal ? runner_signal(in->runner, (int)o->signal, &seq)
                      : runner_message(in->runner, text, &seq);
        if (r < 0)
            refuse_with(fn, arg, -r, o->id,
                        r == -EINVAL ? "knows no such signal"
                                     : "has not heard what was said before");
        else if (instance_wait_heard(in, o->verb, seq, fn, arg) < 0)
            refuse_with(fn, arg, EBUSY, o->id, "has not answered what was said before");
    }
}

/* ---- looking ---- */

static void poll_state(struct instance *in, vdid_fn fn, void *arg)
{
    struct buf json = BUF_INIT(0);

    record_write_report(&in->rec, instance_idle_sec(in), &json);
    fn(arg, 0, json.data, NULL);
    buf_done(&json);
}

uint32_t vdid_port(const struct vdid *v, struct vdi_instance_id id, bool *ret_has_tls)
{
    void *value;

    for (size_t i = 0; hash_next(v->instances, &i, &value);) {
        const struct instance *in = value;

        if (in->rec.id == id.id && in->rec.generation == id.generation) {
            *ret_has_tls = in->rec.has_tls;
            return in->rec.port;
        }
    }
    return 0;
}

void vdid_write_all(const struct vdid *v, struct buf *out)
{
    bool first = true;
    void *value;

    buf_putc(out, '[');
    for (size_t i = 0; hash_next(v->instances, &i, &value);) {
        const struct instance *in = value;

        buf_printf(
            out,
            "%s{\"instance\":%" PRIu64 ",\"generation\":%" PRIu32
            ",\"state\":\"%s\",\"port\":%" PRIu32 ",\"pid\":%" PRIu32 ",\"running\":%s,\"report\":",
            first ? "" : ",", in->rec.id, in->rec.generation, record_state_names[in->rec.state],
            in->rec.port, in->rec.pid, in->is_running ? "true" : "false");
        record_write_report(&in->rec, instance_idle_sec(in), out);
        buf_putc(out, '}');
        first = false;
    }
    buf_putc(out, ']');
}

/* ---- all orders ---- */

static bool is_stale(struct vdid *v, const struct instance *in, const struct vdid_order *o,
                     struct vdi_error *err)
{
    if (o->epoch < v->epoch) {
        error_set(err, ESTALE, "epoch", "epoch %" PRIu64 " is over: %" PRIu64 " is the newest",
                  o->epoch, v->epoch);
        error_hint(err, NULL, "another controller leads by now");
        return true;
    }
    vdid_set_epoch(v, o->epoch);
    if (in && o->id.generation < in->rec.generation) {
        error_set(err, ESTALE, "generation",
                  "instance %" PRIu64 ".%" PRIu32 " is superseded by "
                  "generation %" PRIu32,
                  o->id.id, o->id.generation, in->rec.generation);
        return true;
    }
    return false;
}

static void order_of_known(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    if (o->verb == VDID_POLL)
        poll_state(in, fn, arg);
    else if (o->verb == VDID_LOG)
        vdid_show_log(in, fn, arg);
    else if (in->rec.state >= RECORD_STOP)
        refuse_with(fn, arg, ENOENT, o->id, "has ended");
    else if (o->verb == VDID_BIND)
        vdid_bind(in, o, fn, arg);
    else if (o->verb == VDID_PAUSE || o->verb == VDID_SAVE || o->verb == VDID_RESUME ||
             o->verb == VDID_REBOOT)
        change(in, o, fn, arg);
    else if (!in->is_running)
        refuse_with(fn, arg, EAGAIN, o->id, "does not run");
    else if (o->verb == VDID_SIGNAL || o->verb == VDID_MESSAGE)
        say(in, o, fn, arg);
    else
        one_call(in, o, fn, arg);
}

void vdid_order(struct vdid *v, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    struct instance *in = hash_get_u64(v->instances, o->id.id);
    struct vdi_error err = {0};

    if (o->verb == VDID_OUTPUT && o->epoch >= v->epoch) { /* of former generations, too */
        bool is_it = in && in->rec.generation == o->id.generation;
        vdid_show_output(v, is_it ? in : NULL, o, fn, arg);
        return;
    }
    if (is_stale(v, in, o, &err)) {
        refuse(fn, arg, &err);
        return;
    }
    if (o->verb == VDID_START) {
        start(v, in, o, fn, arg);
        return;
    }
    if (in && in->rec.generation != o->id.generation)
        in = NULL;
    if (o->verb == VDID_STOP)
        stop(v, in, o, fn, arg);
    else if (!in)
        refuse_with(fn, arg, ENOENT, o->id, "is not there");
    else
        order_of_known(in, o, fn, arg);
}
