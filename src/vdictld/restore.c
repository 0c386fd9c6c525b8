/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.c - vdictld --restore: an empty store is filled from a backup, in any kind of store.
 *
 * First the archive, then one event (the restore's own audit record), then the snapshot: a
 * store with the first and without the last is one that was not finished, and nothing starts
 * on it. Events are numbered anew; ids and epochs go on above all that may have been given out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/audit_codec.h"
#include "codec/backup.h"
#include "vdictld/backup.h"
#include "vdictld/record.h"

#define BATCH_ROWS 200
#define BATCH_BYTES (4u << 20)
#define FIRST_SEQ 1 /* of the one event; all that is restored happened before */

struct restoring {
    struct core *core;
    struct backup_file *file;
    uint64_t epoch, id_reserve, next_id;
    struct vdi_store_object rows[BATCH_ROWS];
    size_t n_rows, n_bytes;
    uint64_t n_archived;
    struct audit *head; /* of the trail, as it was */
    struct audit_event event;
    struct buf body; /* of a row that is not the file's */
    char key[32];
    bool empty;
    int result; /* of reading rows for the snapshot */
    struct vdi_error *err;
};

/* ---- is it empty? ---- */

static int on_object(void *arg, const struct vdi_store_object *object)
{
    ((struct restoring *)arg)->empty = false;
    return 0;
}

static int on_record(void *arg, const struct vdi_store_record *record)
{
    ((struct restoring *)arg)->empty = false;
    return 0;
}

static void on_damage(void *arg, const struct vdi_store_damage *damage)
{
    ((struct restoring *)arg)->empty = false;
}

static int check_empty(struct restoring *r)
{
    const struct vdi_store_loader loader = {r, on_object, on_record, on_damage};
    struct vdi_store_summary summary = {0};
    int code = r->core->store_ops.load(r->core->store, &loader, &summary, r->err);

    if (code < 0 || (r->empty && !summary.last_seq))
        return code;
    error_set(r->err, EEXIST, "store", "%.200s is not empty: nothing was changed",
              r->core->config->store);
    error_hint(r->err, NULL, "move it away, or name another place in store =");
    return -EEXIST;
}

/* ---- the archive ---- */

static void row_free(struct vdi_store_object *row)
{
    free((char *)row->noun); /* one block, with all the strings */
}

static int flush(struct restoring *r, const struct vdi_store_record *record)
{
    struct vdi_store_batch batch = {
        .epoch = r->epoch,
        .records = record,
        .n_records = record ? 1 : 0,
        .archive = r->rows,
        .n_archive = r->n_rows,
        .id_reserve = r->id_reserve,
    };
    int code = r->core->store_ops.append(r->core->store, &batch, r->err);

    for (size_t i = 0; i < r->n_rows; i++)
        row_free(&r->rows[i]);
    r->n_archived += r->n_rows;
    r->n_rows = r->n_bytes = 0;
    return code;
}

/* Copies the row into the batch. */
static int archive(struct restoring *r, const struct vdi_store_object *row)
{
    const char *labels[] = {row->noun, row->key, row->owner, row->state};
    struct vdi_store_object copy = *row;
    size_t len = row->body_len + 1, at = 0, of[4];
    char *block;

    for (size_t i = 0; i < 4; i++)
        len += strlen(labels[i]) + 1;
    block = malloc(len);
    if (!block)
        return error_set(r->err, ENOMEM, "", "out of memory");
    for (size_t i = 0; i < 4; i++) {
        of[i] = at;
        memcpy(block + at, labels[i], strlen(labels[i]) + 1);
        at += strlen(labels[i]) + 1;
    }
    memcpy(block + at, row->body, row->body_len);
    block[at + row->body_len] = '\0';
    copy.noun = block + of[0];
    copy.key = block + of[1];
    copy.owner = block + of[2];
    copy.state = block + of[3];
    copy.body = block + at;
    copy.seq = FIRST_SEQ;
    object_seal(&copy);
    r->rows[r->n_rows++] = copy;
    r->n_bytes += len;
    return r->n_rows == BATCH_ROWS || r->n_bytes >= BATCH_BYTES ? flush(r, NULL) : 0;
}

/* What had ended and was still in memory may have its row in the archive from later on only. */
static int archive_ended(struct restoring *r, const struct vdi_store_object *row)
{
    int noun = noun_from(row->noun);
    struct vdi_store_object ended = *row;
    struct noun_meta meta;
    void *object = NULL;
    uint64_t id = 0;
    int code;

    if (noun < 0 || (nouns[noun].numeric && str_to_u64(row->key, 1, INT64_MAX, &id) < 0))
        return 0;
    code =
        nouns[noun].decode(id, row->key, row->version, row->body, row->body_len, &object, r->err);
    if (code < 0)
        return code;
    if (noun == NOUN_AUDIT) {
        audit_unref(r->head);
        r->head = audit_ref(object);
    }
    nouns[noun].meta(object, &meta);
    if (meta.ended) {
        ended.key = meta.key[0] ? meta.key : row->key;
        ended.owner = meta.owner;
        code = archive(r, &ended);
    }
    nouns[noun].unref(object);
    return code;
}

static int restore_archive(struct restoring *r)
{
    struct vdi_store_object row;
    enum backup_kind kind;
    int code = backup_rewind(r->file);

    /* The first batch says that something was begun, even if there is nothing to archive. */
    if (code >= 0)
        code = flush(r, NULL);
    while (code >= 0 && (code = backup_next(r->file, &kind, &row, r->err)) > 0)
        code = kind == BACKUP_ARCHIVE ? archive(r, &row) : archive_ended(r, &row);
    return code;
}

/* ---- the one event ---- */

static int restore_event(struct restoring *r)
{
    struct buf body = BUF_INIT(0);
    struct vdi_store_record record = {
        .seq = FIRST_SEQ,
        .time_usec = time_now_usec(),
        .noun = nouns[NOUN_AUDIT].name,
        .key = AUDIT_KEY,
        .type = "restore",
        .version = AUDIT_EVENT_VERSION,
    };
    struct vdi_store_object row = {0};
    struct audit_event *e = &r->event;
    int code;

    *e = (struct audit_event){.time_usec = record.time_usec, .status = 200, .count = 1};
    str_copy(e->request, sizeof(e->request), "restore");
    snprintf(e->by, sizeof(e->by), "unix:%u", (unsigned)getuid());
    str_copy(e->address, sizeof(e->address), "vdictld --restore");
    snprintf(e->detail, sizeof(e->detail), "backup of event %" PRIu64, backup_head(r->file)->seq);
    audit_next(r->head, e);
    audit_hash(e, e->hash);
    audit_event_encode(e, &body);
    record.body = body.data;
    record.body_len = body.len;
    record_seal(&record);
    snprintf(r->key, sizeof(r->key), "%" PRIu64, e->number);
    row = (struct vdi_store_object){.noun = record.noun,
                                    .key = r->key,
                                    .owner = e->by,
                                    .state = e->request,
                                    .begin_usec = e->time_usec,
                                    .end_usec = e->time_usec,
                                    .version = AUDIT_EVENT_VERSION,
                                    .body = body.data,
                                    .body_len = body.len};
    code = body.failed ? error_set(r->err, ENOMEM, "", "out of memory") : archive(r, &row);
    if (code >= 0)
        code = flush(r, &record);
    buf_done(&body);
    return code;
}

/* ---- the snapshot ---- */

static int change_row(struct restoring *r, struct vdi_store_object *row)
{
    uint64_t id = 0;

    buf_clear(&r->body);
    if (!strcmp(row->noun, "next_id")) {
        if (str_to_u64(row->body, 1, INT64_MAX, &id) < 0)
            return -EBADMSG;
        buf_printf(&r->body, "%" PRIu64, id > r->next_id ? id : r->next_id);
    } else if (noun_from(row->noun) == NOUN_AUDIT) {
        audit_event_encode(&r->event, &r->body);
        row->owner = r->event.by;
        row->state = r->event.request;
        row->version = AUDIT_EVENT_VERSION;
    }
    if (r->body.failed)
        return -ENOMEM;
    if (r->body.len) {
        row->body = r->body.data;
        row->body_len = r->body.len;
    }
    row->seq = FIRST_SEQ;
    object_seal(row);
    return 1;
}

static int next_row(void *arg, struct vdi_store_object *ret)
{
    struct restoring *r = arg;
    enum backup_kind kind;
    int code;

    do {
        code = backup_next(r->file, &kind, ret, r->err);
    } while (code > 0 && kind != BACKUP_OBJECT);
    return code > 0 ? change_row(r, ret) : code;
}

static int restore_snapshot(struct restoring *r)
{
    int code = backup_rewind(r->file);

    if (code < 0)
        return error_set(r->err, -code, "", "the file can't be read again");
    return r->core->store_ops.snapshot_write(r->core->store, r->epoch, FIRST_SEQ, next_row, r,
                                             r->err);
}

/* ---- all of it ---- */

static int open_empty(struct restoring *r)
{
    const struct vdi_store_ops *ops = &r->core->store_ops;
    int code = check_empty(r);

    if (code >= 0 && !ops->epoch_raise)
        code = error_set(r->err, ENOSYS, "store", "this store plugin can't be restored into");
    if (code >= 0)
        code =
            ops->epoch_raise(r->core->store, backup_head(r->file)->epoch + RESTORE_MARGIN, r->err);
    if (code >= 0)
        code = ops->lease(r->core->store, core_holder(r->core), time_now_usec(), LEASE_TTL_USEC,
                          &r->epoch, r->err);
    return code;
}

static void say(const struct restoring *r)
{
    const struct backup_head *head = backup_head(r->file);
    char when[40];

    printf("restored: the state of %s at event %" PRIu64 " (osvdi %s)\n"
           "%" PRIu64 " live objects, %" PRIu64 " rows of the archive\n"
           "new ids begin at %" PRIu64 ", epochs at %" PRIu64 "\n",
           time_to_rfc3339(head->time_usec, when), head->seq, head->version,
           backup_count(r->file, BACKUP_OBJECT), r->n_archived, r->next_id, r->epoch + 1);
}

int restore_open(struct core *core, const char *path, struct backup_file **ret,
                 struct vdi_error *err)
{
    _cleanup_(backup_closep) struct backup_file *file = NULL;
    int r = backup_open(path, &file, err);

    if (r < 0)
        return r;
    if (str_equal(backup_head(file)->cluster, core->config->cluster)) {
        *ret = TAKE_PTR(file);
        return 0;
    }
    error_set(err, EINVAL, "cluster", "it is a backup of '%s', and vdi.conf says '%s'",
              backup_head(file)->cluster, core->config->cluster);
    error_hint(err, NULL, "credentials and nodes are bound to the name: write it into vdi.conf");
    return -EINVAL;
}

int restore_run(struct core *core, struct backup_file *file, uint64_t ids_after,
                struct vdi_error *err)
{
    struct restoring *r = calloc(1, sizeof(*r));
    int code;

    if (!r)
        return error_set(err, ENOMEM, "", "out of memory");
    *r = (struct restoring){.core = core, .file = file, .err = err, .empty = true};
    r->next_id = backup_head(file)->id_reserve + RESTORE_MARGIN;
    if (ids_after >= r->next_id)
        r->next_id = ids_after + 1;
    r->id_reserve = r->next_id;
    code = open_empty(r);
    if (code >= 0)
        code = restore_archive(r);
    if (code >= 0)
        code = restore_event(r);
    if (code >= 0)
        code = restore_snapshot(r);
    if (code >= 0)
        say(r);
    for (size_t i = 0; i < r->n_rows; i++)
        row_free(&r->rows[i]);
    audit_unref(r->head);
    buf_done(&r->body);
    free(r);
    return code;
}

int restore_refuse_half(struct vdi_error *err)
{
    error_set(err, EPROTO, "store", "a restore into this store was begun and not finished");
    error_hint(err, NULL, "remove the store, and run vdictld --restore again");
    return -EPROTO;
}
