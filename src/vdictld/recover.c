/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover.c - from the store to memory, at start.
 *
 * Good records are replayed in order. Where events are lost the good prefix counts;
 * of the records behind it, those whose object began behind the last gap are whole
 * and count too, and every other job that had not ended is UNKNOWN: it may have
 * changed in what is lost, so it is held until the nodes report or an operator
 * releases it, even if what came later fits. Damage that costs no event holds no
 * job. An id is never given out again, whatever was lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "model/job.h"
#include "vdictld/backup.h"
#include "vdictld/event_impl.h"
#include "vdictld/record.h"

struct load {
    struct events *ev;
    bool broken;        /* behind the first gap */
    struct hash *begun; /* jobs that began behind the last gap */
    uint64_t n_objects, n_records, n_skipped;
    bool restored; /* the log begins with a restore */
};

/* A gap: what began before it is no longer whole. */
static void begin_gap(struct load *load)
{
    hash_free(load->begun);
    load->begun = hash_new_u64(); /* NULL, no memory: then nothing counts as whole */
    load->broken = true;
    load->ev->damaged = true;
}

static void note_id(struct events *ev, enum noun_id noun, uint64_t id)
{
    if (nouns[noun].numeric && id >= ev->next_id[noun])
        ev->next_id[noun] = id + 1;
}

/* The id of a numeric key; false when it is none. */
static bool key_id(enum noun_id noun, const char *key, uint64_t *ret)
{
    *ret = 0;
    return !nouns[noun].numeric || str_to_u64(key, 1, INT64_MAX, ret) == 0;
}

static void load_damage(void *arg, const struct vdi_store_damage *damage)
{
    struct load *load = arg;

    load->ev->damaged = true;
    if (damage->first_seq)
        begin_gap(load);
    log_error("store: damaged at %s: %s", damage->place, damage->reason);
}

static int set_object(struct events *ev, enum noun_id noun, uint64_t id, const char *key,
                      void *object, uint64_t seq)
{
    struct slot *slot = table_slot(ev->tables[noun], id, key, true);

    if (!slot) {
        nouns[noun].unref(object);
        return -ENOMEM;
    }
    nouns[noun].set_seq(object, seq);
    table_publish(ev->tables[noun], slot, object);
    table_stage(ev->tables[noun], slot, object);
    return 0;
}

static int load_object(void *arg, const struct vdi_store_object *row)
{
    struct load *load = arg;
    int noun = noun_from(row->noun);
    struct vdi_error err = {0};
    void *object = NULL;
    uint64_t id;

    if (!object_is_good(row))
        return -EBADMSG;
    if (!strcmp(row->noun, "next_id")) {
        noun = noun_from(row->key);
        if (noun >= 0 && str_to_u64(row->body, 1, INT64_MAX, &id) == 0)
            note_id(load->ev, (enum noun_id)noun, id - 1);
        return 0;
    }
    if (noun < 0) {
        if (load->ev->extras.restore)
            load->ev->extras.restore(load->ev->arg, row);
        return 0;
    }
    if (!key_id((enum noun_id)noun, row->key, &id))
        return -EBADMSG;
    if (nouns[noun].decode(id, row->key, row->version, row->body, row->body_len, &object, &err) <
        0) {
        log_error("store: %s %s of the snapshot: %s", row->noun, row->key, err.detail);
        return -EBADMSG;
    }
    note_id(load->ev, (enum noun_id)noun, id);
    load->n_objects++;
    return set_object(load->ev, (enum noun_id)noun, id, row->key, object, row->seq);
}

/* Replays one good record on its object. */
static int replay(struct load *load, enum noun_id noun, uint64_t id,
                  const struct vdi_store_record *r)
{
    struct events *ev = load->ev;
    struct slot *slot = table_slot(ev->tables[noun], id, r->key, false);
    const void *old = slot ? slot->pub : NULL;
    struct vdi_error err = {0};
    void *object = NULL;

    if (old && nouns[noun].seq(old) >= r->seq)
        return 0; /* the snapshot has it */
    if (nouns[noun].replay(old, id, r->key, r->type, r->time_usec, r->version, r->body, r->body_len,
                           &object, &err) < 0) {
        load->n_skipped++;
        if (!load->broken) {
            log_error("store: event %" PRIu64 " (%s %s '%s') does not fit: %s", r->seq, r->noun,
                      r->key, r->type, err.detail);
            begin_gap(load);
        } else if (noun == NOUN_JOB && load->begun) {
            hash_remove_u64(load->begun, id);
        }
        return 0;
    }
    if (noun == NOUN_JOB && load->begun && !old)
        hash_put_u64(load->begun, id, load); /* fails: it is held, no harm */
    return set_object(ev, noun, id, r->key, object, r->seq);
}

static int load_record(void *arg, const struct vdi_store_record *r)
{
    struct load *load = arg;
    int noun;
    uint64_t id;

    if (!record_is_good(r))
        return -EBADMSG;
    noun = noun_from(r->noun);
    load->restored |= r->seq == 1 && noun == NOUN_AUDIT && !strcmp(r->type, "restore");
    if (noun < 0) {
        log_warning("store: event %" PRIu64 " is of a '%s', which this release does not know",
                    r->seq, r->noun);
        return 0;
    }
    if (!key_id((enum noun_id)noun, r->key, &id))
        return -EBADMSG;
    note_id(load->ev, (enum noun_id)noun, id);
    load->n_records++;
    return nouns[noun].apply ? replay(load, (enum noun_id)noun, id, r) : 0;
}

/* What may have changed in the lost part is held until somebody knows. */
static void mark_unknown(struct load *load)
{
    struct events *ev = load->ev;
    struct table *t = ev->tables[NOUN_JOB];
    size_t n = 0;

    for (size_t i = 0; i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);
        struct job_event event = {.type = JOB_EVENT_UNKNOWN};
        const struct job *job = slot ? slot->pub : NULL;
        struct job *marked = NULL;

        if (!job || job_state_is_end(job->state) ||
            (load->begun && hash_get_u64(load->begun, job->id)))
            continue;
        event.time_usec = job->submit_usec;
        str_copy(event.reason, sizeof(event.reason),
                 "its record was damaged: held until its node reports or an operator releases it");
        if (job_apply(job, job->id, &event, &marked, NULL) == 0 &&
            set_object(ev, NOUN_JOB, job->id, NULL, marked, nouns[NOUN_JOB].seq(job)) == 0)
            n++;
    }
    log_error("store: %zu jobs that had not ended are held as UNKNOWN; see vdiqueue --why, "
              "release them with vdictl release",
              n);
}

/* Ended objects of the replay are in the archive: they need not be in memory long. */
int events_load(struct events *ev, void *store, uint64_t epoch, struct vdi_error *err)
{
    struct load load = {.ev = ev};
    struct vdi_store_loader loader = {
        .arg = &load,
        .object = load_object,
        .record = load_record,
        .damage = load_damage,
    };
    struct vdi_store_summary summary = {0};
    int r;

    ev->store = store;
    r = ev->ops->load(store, &loader, &summary, err);
    if (r < 0) {
        hash_free(load.begun);
        return r;
    }
    if ((load.restored && !summary.snapshot_seq) ||
        (!summary.last_seq && summary.id_reserve >= RESTORE_MARGIN)) {
        hash_free(load.begun);
        return restore_refuse_half(err);
    }
    ev->epoch = epoch;
    ev->next_seq = summary.last_seq + 1;
    ev->published_seq = summary.last_seq;
    ev->snapshot_seq = summary.snapshot_seq;
    if (summary.damaged || ev->damaged) {
        ev->damaged = true;
        ev->snapshot_due = true;
        for (int i = 0; i < NOUN_N; i++)
            note_id(ev, (enum noun_id)i, summary.id_reserve);
    }
    if (summary.lost || load.broken)
        mark_unknown(&load);
    hash_free(load.begun);
    log_info("store: %" PRIu64 " objects and %" PRIu64 " events read, up to event %" PRIu64 "%s",
             load.n_objects, load.n_records, summary.last_seq,
             load.n_skipped ? " (some could not be used)" : "");
    return 0;
}
