/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.c - one instance: its state, its record, and the one next step in each state.
 *
 * The record is durable before a step is taken that libvirt or the disk will
 * remember. A step that lost libvirt leaves the state as it was: when the
 * connection is back, the list says what became of it.
 */
#include "vdid/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/file.h"

#define WAITERS_MAX 16

struct instance *instance_new(struct vdid *v, const struct record *rec)
{
    struct instance *in = calloc(1, sizeof(*in));

    if (!in)
        return NULL;
    in->vdid = v;
    in->rec = *rec;
    in->stamp = ++v->clock;
    list_init(&in->waiters);
    list_init(&in->parked);
    if (hash_put_u64(v->instances, rec->id, in) < 0) {
        free(in);
        return NULL;
    }
    return in;
}

static void parked_free(struct parked *p)
{
    vdid_order_done(&p->order);
    free(p);
}

void instance_free(struct instance *in)
{
    struct vdi_error err = {0};

    error_set(&err, ECANCELED, "vdid", "vdid is ending");
    instance_answer(in, ~0u, -ECANCELED, &err);
    list_for_each_safe (it, &in->parked) {
        struct parked *p = list_entry(it, struct parked, link);

        p->fn(p->arg, -ECANCELED, NULL, &err);
        parked_free(p);
    }
    if (hash_get_u64(in->vdid->instances, in->rec.id) == in)
        hash_remove_u64(in->vdid->instances, in->rec.id);
    instance_unwatch(in);
    instance_run_done(in);
    instance_shares_done(in);
    instance_bind_done(in);
    child_free(in->child);
    source_free(in->timer);
    free(in->image);
    free(in);
}

/* ---- names ---- */

void instance_path(const struct instance *in, const char *file, char *ret)
{
    snprintf(ret, PATH_MAX, "%s/instances/%" PRIu64 ".%" PRIu32 "%s%s", in->vdid->config.state_dir,
             in->rec.id, in->rec.generation, *file ? "/" : "", file);
}

const char *instance_domain(const struct instance *in, char *ret)
{
    return domain_name(in->vdid->config.prefix,
                       (struct vdi_instance_id){in->rec.id, in->rec.generation}, ret);
}

/* ---- words to the controller ---- */

void instance_emit(struct instance *in, const char *what)
{
    struct buf json = BUF_INIT(0);

    record_write_report(&in->rec, instance_idle_sec(in), &json);
    if (!json.failed && in->vdid->handler.instance)
        in->vdid->handler.instance(in->vdid->arg,
                                   (struct vdi_instance_id){in->rec.id, in->rec.generation}, what,
                                   json.data);
    buf_done(&json);
}

void instance_emit_stage(struct instance *in, const char *stage)
{
    char json[96];

    snprintf(json, sizeof(json), "{\"stage\":\"%s\",\"usec\":%" PRId64 "}", stage,
             loop_now_usec(in->vdid->loop) - in->rec.order_usec);
    if (in->vdid->handler.instance)
        in->vdid->handler.instance(
            in->vdid->arg, (struct vdi_instance_id){in->rec.id, in->rec.generation}, "stage", json);
}

void instance_emit_problem(struct instance *in)
{
    struct buf json = BUF_INIT(0);

    buf_puts(&json, "{\"problem\":");
    json_write_string(&json, in->rec.problem);
    buf_putc(&json, '}');
    if (!json.failed && in->vdid->handler.instance)
        in->vdid->handler.instance(in->vdid->arg,
                                   (struct vdi_instance_id){in->rec.id, in->rec.generation},
                                   "problem", json.data);
    buf_done(&json);
}

/* Words that a guest does not hear take no place from other orders. */
static int wait_for(struct instance *in, enum vdid_verb verb, uint64_t heard, vdid_fn fn, void *arg)
{
    struct waiter *w;
    unsigned n = 0;

    list_for_each (it, &in->waiters)
        n += !list_entry(it, struct waiter, link)->heard == !heard;
    w = n < WAITERS_MAX ? malloc(sizeof(*w)) : NULL;
    if (!w)
        return n < WAITERS_MAX ? -ENOMEM : -EBUSY;
    w->verb = verb;
    w->heard = heard;
    w->fn = fn;
    w->arg = arg;
    list_append(&in->waiters, &w->link);
    return 0;
}

int instance_wait(struct instance *in, enum vdid_verb verb, vdid_fn fn, void *arg)
{
    return wait_for(in, verb, 0, fn, arg);
}

int instance_wait_heard(struct instance *in, enum vdid_verb verb, uint64_t seq, vdid_fn fn,
                        void *arg)
{
    return wait_for(in, verb, seq, fn, arg);
}

static void answer(struct instance *in, unsigned verbs, uint64_t heard, int result,
                   const struct vdi_error *err)
{
    struct list mine;

    list_init(&mine);
    list_for_each_safe (it, &in->waiters) {
        const struct waiter *w = list_entry(it, struct waiter, link);

        if (!(verbs & 1u << w->verb) && !(w->heard && w->heard <= heard))
            continue;
        list_remove(it);
        list_append(&mine, it);
    }
    list_for_each_safe (it, &mine) {
        struct waiter *w = list_entry(it, struct waiter, link);

        w->fn(w->arg, result, NULL, result < 0 ? err : NULL);
        free(w);
    }
}

void instance_answer(struct instance *in, unsigned verbs, int result, const struct vdi_error *err)
{
    answer(in, verbs, 0, result, err);
}

void instance_answer_heard(struct instance *in, uint64_t seq)
{
    answer(in, 0, seq, 0, NULL);
}

/* ---- the record ---- */

struct writing {
    struct instance *in;
    char path[PATH_MAX], run_path[PATH_MAX];
    struct buf text, run; /* run: "" it is there already */
    int result;
};

static void write_work(void *arg)
{
    struct writing *w = arg;
    char dir[PATH_MAX], *slash;

    str_copy(dir, sizeof(dir), w->path);
    slash = strrchr(dir, '/');
    *slash = '\0';
    w->result = file_make_dir(dir);
    /* First: a record says that all of the instance is there. */
    if (w->result == 0 && w->run.len)
        w->result = file_replace(w->run_path, w->run.data, w->run.len);
    if (w->result == 0)
        w->result = file_replace(w->path, w->text.data, w->text.len);
}

static void write_done(void *arg, bool dropped)
{
    struct writing *w = arg;
    struct instance *in = w->in;
    struct vdi_error err = {0};
    int r = dropped ? -ECANCELED : w->result;

    buf_done(&w->text);
    buf_done(&w->run);
    free(w);
    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (r < 0)
        error_set(&err, r, "state_dir", "the record of instance %" PRIu64 " cannot be written: %s",
                  in->rec.id, strerror(-r));
    if (r < 0 && (in->rec.state < RECORD_BOOT || in->rec.state == RECORD_BIND)) {
        instance_fail(in, &err);
        return;
    }
    if (r < 0) /* what runs goes on; the next change tries again */
        log_error("%s", err.detail);
    instance_act(in);
}

bool instance_post(struct instance *in, void (*work)(void *arg),
                   void (*done)(void *arg, bool dropped), void *arg)
{
    in->busy = true;
    if (workers_post(in->vdid->disk, work, done, arg) == 0)
        return true;
    in->busy = false;
    log_error("instance %" PRIu64 ": too much is waiting for the disk", in->rec.id);
    return false;
}

void instance_set_quietly(struct instance *in, enum record_state state)
{
    in->rec.state = state;
    in->stamp = ++in->vdid->clock;
}

void instance_set(struct instance *in, enum record_state state)
{
    struct writing *w = calloc(1, sizeof(*w));

    instance_set_quietly(in, state);
    in->is_dirty = false;
    if (!w)
        return;
    w->in = in;
    instance_path(in, "record.json", w->path);
    record_write(&in->rec, &w->text);
    if (in->run && !in->has_run_file) {
        instance_path(in, "run.json", w->run_path);
        run_wish_write(in->run, &w->run);
        in->has_run_file = true;
    }
    if (w->text.failed || w->run.failed || !instance_post(in, write_work, write_done, w)) {
        buf_done(&w->text);
        buf_done(&w->run);
        free(w);
    }
}

void instance_keep(struct instance *in)
{
    if (in->busy)
        in->is_dirty = true;
    else
        instance_set(in, in->rec.state);
}

/* ---- ends ---- */

static void end(struct instance *in, bool failed, const char *reason, int64_t until_usec)
{
    if (in->rec.state >= RECORD_STOP)
        return;
    in->rec.failed = failed;
    str_copy(in->rec.reason, sizeof(in->rec.reason), reason);
    in->rec.grace_usec = until_usec;
    if (in->busy) {
        in->stop = true;
        return;
    }
    in->stop = false;
    instance_set(in, RECORD_STOP);
}

void instance_end(struct instance *in, bool failed, const char *reason)
{
    end(in, failed, reason, 0);
}

void instance_end_by(struct instance *in, int64_t until_usec, const char *reason)
{
    end(in, false, reason, until_usec);
}

void instance_fail(struct instance *in, const struct vdi_error *err)
{
    log_warning("instance %" PRIu64 ".%" PRIu32 ": %s", in->rec.id, in->rec.generation,
                err->detail);
    in->failed_start = true;
    in->why = *err;
    in->busy = false;
    /* First: who waits for a bind looks for another seat, and does not wait for the end of this. */
    instance_answer(in, 1u << VDID_BIND, -err->code, err);
    instance_end(in, true, err->detail);
    if (!in->busy) /* the record could not even be queued */
        instance_act(in);
}

static void gone(struct instance *in)
{
    struct vdi_error err = in->why;

    in->untold = false;
    source_free(in->timer);
    in->timer = NULL;
    instance_unwatch(in);
    if (!in->failed_start)
        error_set(&err, ECANCELED, "instance", "instance %" PRIu64 " was ended: %s", in->rec.id,
                  in->rec.reason);
    instance_answer(in, 1u << VDID_STOP, 0, NULL);
    instance_answer(in, ~0u, -err.code, &err);
    instance_emit(in, "gone");
}

static void saved(struct instance *in)
{
    in->untold = false;
    instance_answer(in, 1u << VDID_SAVE, 0, NULL);
    instance_emit(in, "saved");
}

/* ---- all states ---- */

int instance_park(struct instance *in, const struct vdid_order *order, vdid_fn fn, void *arg)
{
    struct parked *p = in->n_parked < WAITERS_MAX ? malloc(sizeof(*p)) : NULL;

    if (!p)
        return in->n_parked < WAITERS_MAX ? -ENOMEM : -EBUSY;
    *p = (struct parked){.order = *order, .fn = fn, .arg = arg};
    p->order.details = order->details ? strdup(order->details) : NULL;
    p->order.text = NULL; /* no order with a text is parked */
    if (order->details && !p->order.details) {
        free(p);
        return -ENOMEM;
    }
    list_append(&in->parked, &p->link);
    in->n_parked++;
    return 0;
}

static bool is_at_rest(const struct instance *in)
{
    return (in->rec.state >= RECORD_BOOT && in->rec.state <= RECORD_PAUSED &&
            in->rec.state != RECORD_BIND) ||
           in->rec.state == RECORD_SAVED || in->rec.state == RECORD_GONE;
}

/* Orders that came during a step; one of them may begin the next. */
static void take_parked(struct instance *in)
{
    while (!in->busy && !list_is_empty(&in->parked) && is_at_rest(in)) {
        struct parked *p = list_entry(in->parked.next, struct parked, link);

        list_remove(&p->link);
        in->n_parked--;
        vdid_order(in->vdid, &p->order, p->fn, p->arg);
        parked_free(p);
    }
}

void instance_act(struct instance *in)
{
    bool up = virt_is_up(in->vdid->virt);

    if (in->busy || in->vdid->is_freed)
        return;
    if (in->stop && in->rec.state < RECORD_STOP) {
        in->stop = false;
        instance_set(in, RECORD_STOP);
        return;
    }
    if (in->is_dirty) {
        instance_set(in, in->rec.state);
        return;
    }
    switch ((enum record_state)in->rec.state) {
    case RECORD_PREPARE:
        if (!in->is_fetching)
            instance_prepare(in);
        break;
    case RECORD_CREATE:
        if (up)
            instance_create(in);
        break;
    case RECORD_BOOT:
    case RECORD_READY:
    case RECORD_PAUSED:
        instance_watch(in);
        break;
    case RECORD_BIND:
        instance_bind(in);
        break;
    case RECORD_SAVE:
        if (up)
            instance_save(in);
        break;
    case RECORD_RESTORE:
        if (up)
            instance_restore(in);
        break;
    case RECORD_STOP:
        instance_stop(in);
        break;
    case RECORD_GONE:
        if (in->untold)
            gone(in);
        break;
    case RECORD_SAVED:
        if (in->untold)
            saved(in);
        break;
    case RECORD_N_STATES:
        break;
    }
    take_parked(in);
}
