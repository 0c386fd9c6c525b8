/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_calls.c - the requests about disks: list, show, delete, and an operator's word that none
 * writes one any more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/noun_codec.h"
#include "vdictld/disk_impl.h"
#include "vdictld/handlers.h"

/* What its node says that it takes; false: nobody has said so. */
static bool find_bytes(struct core *core, const struct disk *disk, uint64_t *ret)
{
    const struct disk_report *report = hash_get(core->disks->reports, disk->node);
    char volume[DISK_VOLUME_MAX];

    disk_volume(disk, volume);
    for (size_t i = 0; report && i < report->n; i++) {
        if (!str_equal(report->volumes[i].volume, volume))
            continue;
        *ret = report->volumes[i].bytes;
        return true;
    }
    return false;
}

static void write_disk(struct core *core, const struct disk *disk, struct buf *out)
{
    bool first = true;
    uint64_t bytes;

    buf_putc(out, '{');
    fields_write(disk_fields, disk, FIELD_SHOW, out, &first);
    if (find_bytes(core, disk, &bytes))
        buf_printf(out, ",\"bytes\":%" PRIu64 "}", bytes);
    else
        buf_puts(out, ",\"bytes\":null}");
}

static bool may_see(struct call *call, const struct disk *disk)
{
    call->foreign = disk && !str_equal(disk->owner, call->who_text);
    return disk && (!call->foreign || call_is_operator(call));
}

/* The disk named in the path, staged; else refuses: another's, and none, answer alike. */
static const struct disk *call_disk(struct call *call)
{
    const struct disk *disk = NULL;
    uint64_t id;

    if (str_to_u64(call->match.params[0], 1, INT64_MAX, &id) == 0)
        disk = disks_get_staged(call->core, id);
    if (may_see(call, disk))
        return disk;
    call_refuse_with(call, ENOENT, "id", "there is no disk %s", call->match.params[0]);
    return NULL;
}

/* ---- list and show ---- */

static void write_strangers(struct core *core, struct buf *out)
{
    bool is_first = true;
    void *value;

    buf_puts(out, ",\"strangers\":[");
    for (size_t i = 0; hash_next(core->disks->reports, &i, &value);) {
        const struct disk_report *report = value;

        for (size_t k = 0; k < report->n; k++) {
            const struct inventory_volume *v = &report->volumes[k];

            if (!disk_is_stranger(core, v))
                continue;
            buf_puts(out, is_first ? "{\"node\":" : ",{\"node\":");
            is_first = false;
            json_write_string(out, report->node);
            buf_puts(out, ",\"volume\":");
            json_write_string(out, v->volume);
            buf_printf(out, ",\"where\":\"%s\",\"bytes\":%" PRIu64 "}", disk_where_names[v->where],
                       v->bytes);
        }
    }
    buf_putc(out, ']');
}

void handle_disk_list(struct call *call)
{
    struct table *t = events_table(call->core->events, NOUN_DISK);
    struct buf body = BUF_INIT(0);
    uint64_t after, limit, n = 0, last = 0;
    size_t i;

    if (!call_number(call, "after", 0, INT64_MAX, &after) ||
        !call_number(call, "limit", 1000, 1000, &limit))
        return;
    buf_puts(&body, "{\"disks\":[");
    for (i = table_after(t, after); i < table_end(t) && n < limit; i++) {
        const struct slot *slot = table_at(t, i);
        const struct disk *disk = slot ? slot->pub : NULL;

        if (!disks_is_live(disk) || !may_see(call, disk))
            continue;
        if (n++)
            buf_putc(&body, ',');
        write_disk(call->core, disk, &body);
        last = disk->id;
    }
    call->foreign = false;
    if (i < table_end(t))
        buf_printf(&body, "],\"next\":\"%" PRIu64 "\"", last);
    else
        buf_puts(&body, "],\"next\":null");
    if (call_is_operator(call))
        write_strangers(call->core, &body);
    buf_putc(&body, '}');
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_disk_show(struct call *call)
{
    const struct disk *disk = call_disk(call);
    struct buf body = BUF_INIT(0);

    if (!disk)
        return;
    if (disks_get(call->core, disk->id)) {
        write_disk(call->core, disks_get(call->core, disk->id), &body);
        call_reply_json(call, 200, &body);
    } else {
        call_refuse_with(call, ENOENT, "id", "there is no disk %s", call->match.params[0]);
    }
    buf_done(&body);
}

/* ---- one event ---- */

struct change {
    struct call *call;
    uint64_t id;
};

static void changed(void *arg, int result, const struct vdi_error *err)
{
    _cleanup_(freep) struct change *c = arg;
    const struct disk *disk = disks_get(c->call->core, c->id);
    struct buf body = BUF_INIT(0);

    if (result < 0) {
        call_refuse(c->call, err);
    } else if (!disk) {
        call_refuse_with(c->call, ENOENT, "id", "disk %" PRIu64 " is gone already", c->id);
    } else {
        write_disk(c->call->core, disk, &body);
        call_reply_json(c->call, 200, &body);
        buf_done(&body);
    }
}

static void change(struct call *call, const struct disk *disk, enum disk_event_type type,
                   const char *reason)
{
    struct change *c = calloc(1, sizeof(*c));
    struct txn *txn = c ? txn_new(call->core->events) : NULL;
    struct disk_event event = disks_event(call->core, type, reason);
    struct vdi_error err = {0};

    str_copy(event.by, sizeof(event.by), call->who_text);
    if (!txn)
        error_set(&err, ENOMEM, "", "out of memory");
    else
        txn_add(txn, NOUN_DISK, disk->id, NULL, &event, &err);
    if (err.code) {
        txn_abort(txn);
        free(c);
        call_refuse(call, &err);
        return;
    }
    *c = (struct change){call, disk->id};
    call_commit(call, txn, 200, changed, c);
}

/* Is the instance, as far as anybody here knows, still there? */
static bool is_held(struct core *core, const struct disk *disk)
{
    const struct instance *in = core_instance_staged(core, disk->instance);

    return disk->state == DISK_LEASED && in && in->state != INSTANCE_GONE;
}

/* The job is named to who may see the disk: it has the same owner. */
static void refuse_leased(struct call *call, const struct disk *disk)
{
    const struct job *job = core_job(call->core, disk->job);
    struct vdi_error err = {0};

    if (is_held(call->core, disk)) {
        error_set(&err, EPROTO, "state", "disk %" PRIu64 " is in use by job %" PRIu64 " (%s)",
                  disk->id, disk->job, job ? job_state_name(job->state) : "ended");
        error_hint(&err, NULL, "end that job first, as vdicancel does");
    } else {
        error_set(&err, EPROTO, "state",
                  "disk %" PRIu64 " may be in use: node %s has not said that what job %" PRIu64
                  " had there is gone",
                  disk->id, disk->node, disk->job);
        error_hint(&err, NULL,
                   "wait for the node; an operator who knows that it is off says so: vdictl disk "
                   "release");
    }
    call_refuse(call, &err);
}

void handle_disk_delete(struct call *call)
{
    const struct disk *disk = call_disk(call);

    if (!disk)
        return;
    if (disk->state == DISK_LEASED)
        refuse_leased(call, disk);
    else
        change(call, disk, DISK_EVENT_DELETE, "deleted");
}

void handle_disk_release(struct call *call)
{
    const struct disk *disk = call_disk(call);
    const struct node *node = disk ? core_node_staged(call->core, disk->node) : NULL;

    if (!disk)
        return;
    if (is_held(call->core, disk))
        refuse_leased(call, disk);
    else if (disk->state == DISK_LEASED)
        change(call, disk, DISK_EVENT_RELEASE, "released by an operator");
    else if (disk->state == DISK_DELETING && (!node || node->removed || node->failed))
        change(call, disk, DISK_EVENT_GONE, "given up with its node by an operator");
    else if (disk->state == DISK_DELETING)
        call_refuse_with(call, EPROTO, "state",
                         "disk %" PRIu64 " is being deleted: node %s does so when it is back",
                         disk->id, disk->node);
    else
        call_refuse_with(call, EPROTO, "state", "disk %" PRIu64 " is %s: nobody has it", disk->id,
                         disk_state_names[disk->state]);
}
