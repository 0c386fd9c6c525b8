/* SPDX-License-Identifier: Apache-2.0 */
/* noun.c - the table of nouns that change by events. */
#include "vdictld/noun.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "codec/audit_codec.h"
#include "codec/job_codec.h"
#include "codec/noun_codec.h"

static int job_apply_(const void *old, uint64_t id, const char *key, const void *event, void **ret,
                      struct vdi_error *err)
{
    return job_apply(old, id, event, (struct job **)ret, err);
}

static int job_replay(const void *old, uint64_t id, const char *key, const char *type,
                      int64_t time_usec, uint32_t version, const char *body, size_t len, void **ret,
                      struct vdi_error *err)
{
    struct job_event event;
    int r = job_event_decode_bare(type, time_usec, version, body, len, &event, err);

    if (r < 0)
        return r;
    r = job_apply(old, id, &event, (struct job **)ret, err);
    job_event_done(&event);
    return r;
}

static int job_decode(uint64_t id, const char *key, uint32_t version, const char *body, size_t len,
                      void **ret, struct vdi_error *err)
{
    return job_snapshot_decode(id, version, body, len, (struct job **)ret, err);
}

static void job_meta(const void *object, struct noun_meta *ret)
{
    const struct job *job = object;

    *ret = (struct noun_meta){
        .owner = job->spec->owner,
        .state = job_state_name(job->state),
        .begin_usec = job->submit_usec,
        .end_usec = job->end_usec,
        .ended = job_state_is_end(job->state),
    };
}

static int instance_apply_(const void *old, uint64_t id, const char *key, const void *event,
                           void **ret, struct vdi_error *err)
{
    return instance_apply(old, id, event, (struct instance **)ret, err);
}

static int instance_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                           size_t len, void **ret, struct vdi_error *err)
{
    return instance_snapshot_decode(id, version, body, len, (struct instance **)ret, err);
}

static void instance_meta(const void *object, struct noun_meta *ret)
{
    const struct instance *in = object;

    *ret = (struct noun_meta){
        .owner = in->owner,
        .state = instance_state_name(in->state),
        .begin_usec = in->request_usec,
        .end_usec = in->gone_usec,
        .ended = in->state == INSTANCE_GONE,
    };
}

static int node_apply_(const void *old, uint64_t id, const char *key, const void *event, void **ret,
                       struct vdi_error *err)
{
    return node_apply(old, key, event, (struct node **)ret, err);
}

static int node_decode(uint64_t id, const char *key, uint32_t version, const char *body, size_t len,
                       void **ret, struct vdi_error *err)
{
    return node_snapshot_decode(key, version, body, len, (struct node **)ret, err);
}

static void node_meta(const void *object, struct noun_meta *ret)
{
    const struct node *node = object;

    *ret = (struct noun_meta){
        .owner = "",
        .state = node->removed ? "REMOVED"
                 : node->up    ? "UP"
                               : "DOWN",
        .begin_usec = node->state_usec,
        .ended = node->removed,
    };
}

static int token_apply_(const void *old, uint64_t id, const char *key, const void *event,
                        void **ret, struct vdi_error *err)
{
    return token_apply(old, key, event, (struct token **)ret, err);
}

static int token_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                        size_t len, void **ret, struct vdi_error *err)
{
    return token_snapshot_decode(key, version, body, len, (struct token **)ret, err);
}

static void token_meta(const void *object, struct noun_meta *ret)
{
    const struct token *token = object;

    *ret = (struct noun_meta){
        .owner = token->owner,
        .state = token->revoked ? "REVOKED"
                 : token->ended ? "EXPIRED"
                                : "VALID",
        .begin_usec = token->issue_usec,
        .end_usec = token->ended ? token->expire_usec : 0,
        .ended = token->ended,
    };
}

static int image_apply_(const void *old, uint64_t id, const char *key, const void *event,
                        void **ret, struct vdi_error *err)
{
    return image_apply(old, key, event, (struct image **)ret, err);
}

static int image_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                        size_t len, void **ret, struct vdi_error *err)
{
    return image_snapshot_decode(key, version, body, len, (struct image **)ret, err);
}

static void image_meta(const void *object, struct noun_meta *ret)
{
    const struct image *image = object;

    *ret = (struct noun_meta){
        .owner = image->publisher,
        .state = image->state == IMAGE_RETIRED ? "RETIRED" : "PUBLISHED",
        .begin_usec = image->publish_usec,
        .end_usec = image->retire_usec,
        .ended = image->state == IMAGE_RETIRED,
    };
}

static int disk_apply_(const void *old, uint64_t id, const char *key, const void *event, void **ret,
                       struct vdi_error *err)
{
    return disk_apply(old, id, event, (struct disk **)ret, err);
}

static int disk_decode(uint64_t id, const char *key, uint32_t version, const char *body, size_t len,
                       void **ret, struct vdi_error *err)
{
    return disk_snapshot_decode(id, version, body, len, (struct disk **)ret, err);
}

static void disk_meta(const void *object, struct noun_meta *ret)
{
    const struct disk *disk = object;

    *ret = (struct noun_meta){
        .owner = disk->owner,
        .state = disk_state_names[disk->state],
        .begin_usec = disk->create_usec,
        .end_usec = disk->gone_usec,
        .ended = disk->state == DISK_GONE,
    };
}

static int notice_apply_(const void *old, uint64_t id, const char *key, const void *event,
                         void **ret, struct vdi_error *err)
{
    return notice_apply(old, key, event, (struct notice **)ret, err);
}

static int notice_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                         size_t len, void **ret, struct vdi_error *err)
{
    return notice_snapshot_decode(key, version, body, len, (struct notice **)ret, err);
}

static void notice_meta(const void *object, struct noun_meta *ret)
{
    const struct notice *notice = object;

    *ret = (struct noun_meta){
        .owner = notice->facts.owner,
        .state = notice->owed       ? "OWED"
                 : notice->given_up ? "GIVEN_UP"
                                    : "SENT",
        .begin_usec = notice->owed_usec,
        .end_usec = notice->owed ? 0 : notice->done_usec,
        .ended = !notice->owed,
    };
}

static int class_apply_(const void *old, uint64_t id, const char *key, const void *event,
                        void **ret, struct vdi_error *err)
{
    return class_apply(old, id, event, (struct class **)ret, err);
}

static int class_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                        size_t len, void **ret, struct vdi_error *err)
{
    return class_snapshot_decode(id, version, body, len, (struct class **)ret, err);
}

static void class_meta(const void *object, struct noun_meta *ret)
{
    const struct class *class = object;

    *ret = (struct noun_meta){
        .owner = class->creator,
        .state = class->deleted ? "DELETED" : "BOOKED",
        .begin_usec = class->create_usec,
        .end_usec = class->delete_usec,
        .ended = class->deleted,
    };
}

static int occurrence_apply_(const void *old, uint64_t id, const char *key, const void *event,
                             void **ret, struct vdi_error *err)
{
    return occurrence_apply(old, key, event, (struct occurrence **)ret, err);
}

static int occurrence_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                             size_t len, void **ret, struct vdi_error *err)
{
    return occurrence_snapshot_decode(key, version, body, len, (struct occurrence **)ret, err);
}

static void occurrence_meta(const void *object, struct noun_meta *ret)
{
    const struct occurrence *o = object;

    *ret = (struct noun_meta){
        .owner = o->class_name,
        .state = occurrence_state_names[o->state],
        .begin_usec = o->begin_usec,
        .end_usec = o->close_usec,
        .ended = o->state == OCCURRENCE_CLOSED,
    };
}

/* The parts that are alike for the flat nouns. */
#define DEFINE_REPLAY(noun)                                                                        \
    static int noun##_replay(const void *old, uint64_t id, const char *key, const char *type,      \
                             int64_t time_usec, uint32_t version, const char *body, size_t len,    \
                             void **ret, struct vdi_error *err)                                    \
    {                                                                                              \
        struct noun##_event event;                                                                 \
        int r = noun##_event_decode(type, time_usec, version, body, len, &event, err);             \
                                                                                                   \
        return r < 0 ? r : noun##_apply_(old, id, key, &event, ret, err);                          \
    }

#define DEFINE_ACCESS(noun)                                                                        \
    static void noun##_unref_(void *object)                                                        \
    {                                                                                              \
        noun##_unref(object);                                                                      \
    }                                                                                              \
    static void *noun##_ref_(void *object)                                                         \
    {                                                                                              \
        return noun##_ref(object);                                                                 \
    }                                                                                              \
    static void noun##_set_seq(void *object, uint64_t seq)                                         \
    {                                                                                              \
        ((struct noun *)object)->seq = seq;                                                        \
    }                                                                                              \
    static uint64_t noun##_seq(const void *object)                                                 \
    {                                                                                              \
        return ((const struct noun *)object)->seq;                                                 \
    }                                                                                              \
    static int64_t noun##_time_of(const void *event)                                               \
    {                                                                                              \
        return ((const struct noun##_event *)event)->time_usec;                                    \
    }                                                                                              \
    static void noun##_event_encode_(const void *event, struct buf *out)                           \
    {                                                                                              \
        noun##_event_encode(event, out);                                                           \
    }                                                                                              \
    static void noun##_encode(const void *object, struct buf *out)                                 \
    {                                                                                              \
        noun##_snapshot_encode(object, out);                                                       \
    }

#define DEFINE_NAME(noun)                                                                          \
    static const char *noun##_name_of(const void *event)                                           \
    {                                                                                              \
        return noun##_event_name(((const struct noun##_event *)event)->type);                      \
    }

DEFINE_REPLAY(instance)
DEFINE_REPLAY(node)
DEFINE_REPLAY(token)
DEFINE_REPLAY(image)
DEFINE_REPLAY(disk)
DEFINE_REPLAY(notice)
DEFINE_REPLAY(class)
DEFINE_REPLAY(occurrence)
DEFINE_ACCESS(job)
DEFINE_ACCESS(instance)
DEFINE_ACCESS(node)
DEFINE_ACCESS(token)
DEFINE_ACCESS(audit)
DEFINE_ACCESS(image)
DEFINE_ACCESS(disk)
DEFINE_ACCESS(notice)
DEFINE_ACCESS(class)
DEFINE_ACCESS(occurrence)
DEFINE_NAME(job)
DEFINE_NAME(instance)
DEFINE_NAME(node)
DEFINE_NAME(token)
DEFINE_NAME(image)
DEFINE_NAME(disk)
DEFINE_NAME(notice)
DEFINE_NAME(class)
DEFINE_NAME(occurrence)

static uint64_t job_id(const void *object)
{
    return ((const struct job *)object)->id;
}

static uint64_t instance_id(const void *object)
{
    return ((const struct instance *)object)->id;
}

static uint64_t disk_id(const void *object)
{
    return ((const struct disk *)object)->id;
}

static uint64_t class_id(const void *object)
{
    return ((const struct class *)object)->id;
}

/* ---- the audit trail: one object, its head; every record of it goes into the archive ---- */

static int audit_apply_(const void *old, uint64_t id, const char *key, const void *event,
                        void **ret, struct vdi_error *err)
{
    return audit_apply(old, event, (struct audit **)ret, err);
}

/* What was committed counts; that it does not fit is told here and found by vdictl audit. */
static int audit_replay(const void *old, uint64_t id, const char *key, const char *type,
                        int64_t time_usec, uint32_t version, const char *body, size_t len,
                        void **ret, struct vdi_error *err)
{
    const struct audit *head = old;
    struct audit_event event;
    struct audit *audit;
    int r = audit_event_decode(type, time_usec, version, body, len, &event, err);

    if (r < 0)
        return r;
    audit = calloc(1, sizeof(*audit));
    if (!audit)
        return error_set(err, ENOMEM, "", "out of memory");
    audit->refs = 1;
    if (event.number)
        audit->last = event;
    else if (head) /* of a release without a chain */
        audit->last = head->last;
    if (event.number && !audit_follows(head, &event))
        log_error("store: audit record %" PRIu64 " does not follow the one before it",
                  event.number);
    *ret = audit;
    return 0;
}

static int audit_decode(uint64_t id, const char *key, uint32_t version, const char *body,
                        size_t len, void **ret, struct vdi_error *err)
{
    return audit_snapshot_decode(key, version, body, len, (struct audit **)ret, err);
}

static void audit_meta(const void *object, struct noun_meta *ret)
{
    const struct audit_event *last = &((const struct audit *)object)->last;

    *ret = (struct noun_meta){
        .owner = last->by,
        .state = last->request,
        .begin_usec = last->time_usec,
        .end_usec = last->time_usec,
        .ended = true,
    };
    snprintf(ret->key, sizeof(ret->key), "%" PRIu64, last->number);
}

static const char *audit_name_of(const void *event)
{
    return ((const struct audit_event *)event)->request;
}

#define ROW(n, ID, VERSION)                                                                        \
    {                                                                                              \
        .name = #n, .version = VERSION, .numeric = ID != NULL, .id = ID, .apply = n##_apply_,      \
        .unref = n##_unref_, .ref = n##_ref_, .set_seq = n##_set_seq, .seq = n##_seq,              \
        .event_name = n##_name_of, .event_time = n##_time_of, .event_encode = n##_event_encode_,   \
        .replay = n##_replay, .encode = n##_encode, .decode = n##_decode, .meta = n##_meta,        \
    }

const struct noun nouns[NOUN_N] = {
    [NOUN_JOB] = ROW(job, job_id, JOB_EVENT_VERSION),
    [NOUN_INSTANCE] = ROW(instance, instance_id, INSTANCE_EVENT_VERSION),
    [NOUN_NODE] = ROW(node, NULL, NODE_EVENT_VERSION),
    [NOUN_TOKEN] = ROW(token, NULL, TOKEN_EVENT_VERSION),
    [NOUN_AUDIT] = ROW(audit, NULL, AUDIT_EVENT_VERSION),
    [NOUN_IMAGE] = ROW(image, NULL, IMAGE_EVENT_VERSION),
    [NOUN_NOTICE] = ROW(notice, NULL, NOTICE_EVENT_VERSION),
    [NOUN_CLASS] = ROW(class, class_id, CLASS_EVENT_VERSION),
    [NOUN_OCCURRENCE] = ROW(occurrence, NULL, OCCURRENCE_EVENT_VERSION),
    [NOUN_DISK] = ROW(disk, disk_id, DISK_EVENT_VERSION),
};

int noun_from(const char *name)
{
    for (int i = 0; i < NOUN_N; i++)
        if (!strcmp(nouns[i].name, name))
            return i;
    return -1;
}
