/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_record.c - jobs as they are kept: events, snapshots.
 *
 * Reading goes without a tree of values (kept.h), but for the payload, which is wanted
 * when a job starts, not when its events are replayed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/word.h"
#include "codec/job_codec.h"
#include "codec/json.h"
#include "codec/kept.h"

DEFINE_FREEP(struct job_spec, job_spec_unref)

void job_event_encode(const struct job_event *event, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(job_event_fields, event, FIELD_KEEP, out, &first);
    if (event->spec) {
        buf_puts(out, first ? "\"spec\":{" : ",\"spec\":{");
        first = true;
        fields_write(job_spec_fields, event->spec, FIELD_KEEP, out, &first);
        buf_putc(out, '}');
        first = false;
    }
    if (event->payload) {
        buf_puts(out, first ? "\"payload\":" : ",\"payload\":");
        buf_puts(out, event->payload);
    }
    buf_putc(out, '}');
}

/* The object that a spec is read from; spec: a new one. */
static struct kept_object spec_object(struct job_spec *spec)
{
    spec->uid = spec->gid = 0; /* zeros are not written */
    return (struct kept_object){.name = "spec", .fields = job_spec_fields, .base = spec};
}

static int check_version(const char *type, uint32_t version, struct vdi_error *err)
{
    if (version <= JOB_EVENT_VERSION)
        return 0;
    return error_set(err, EPROTO, "version", "job %s version %u is not known", type, version);
}

int job_event_decode_bare(const char *type, int64_t time_usec, uint32_t version, const char *json,
                          size_t len, struct job_event *ret, struct vdi_error *err)
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = job_spec_new();
    struct job_event event = {.time_usec = time_usec};
    int r, t = job_event_from(type);

    if (t < 0)
        return error_set(err, EPROTO, "type", "job event '%s' is not known", type);
    r = check_version(type, version, err);
    if (r < 0)
        return r;
    if (!spec)
        return error_set(err, ENOMEM, "", "out of memory");
    event.type = (enum job_event_type)t;
    struct kept_object objects[] = {{.fields = job_event_fields, .base = &event},
                                    spec_object(spec)};
    r = kept_read(objects, ELEMENTS(objects), json, len, err);
    if (r < 0) {
        job_event_done(&event);
        return r;
    }
    if (objects[1].found)
        event.spec = TAKE_PTR(spec);
    *ret = event;
    return 0;
}

static int decode_payload(const json_t *payload, char **ret, struct vdi_error *err)
{
    if (!json_is_object(payload))
        return error_set(err, EINVAL, "payload", "the payload is not an object");
    *ret = json_dumps(payload, JSON_COMPACT);
    return *ret ? 0 : error_set(err, ENOMEM, "", "out of memory");
}

int job_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                     size_t len, struct job_event *ret, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *object = NULL;
    struct job_event event = {0};
    const json_t *payload;
    int r = job_event_decode_bare(type, time_usec, version, json, len, &event, err);

    if (r < 0)
        return r;
    object = fields_parse_object(json, len, err);
    if (!object) {
        job_event_done(&event);
        return -EINVAL;
    }
    payload = json_object_get(object, "payload");
    if (payload)
        r = decode_payload(payload, &event.payload, err);
    if (r < 0) {
        job_event_done(&event);
        return r;
    }
    *ret = event;
    return 0;
}

void job_snapshot_encode(const struct job *job, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(job_fields, job, FIELD_KEEP, out, &first);
    buf_puts(out, ",\"spec\":{");
    first = true;
    fields_write(job_spec_fields, job->spec, FIELD_KEEP, out, &first);
    buf_puts(out, "}}");
}

int job_snapshot_decode(uint64_t id, uint32_t version, const char *json, size_t len,
                        struct job **ret, struct vdi_error *err)
{
    struct job *job;
    int r = check_version("snapshot", version, err);

    if (r < 0)
        return r;
    job = calloc(1, sizeof(*job));
    if (job)
        *job = (struct job){.refs = 1,
                            .id = id,
                            .spec = job_spec_new(),
                            .node = word_get(""),
                            .node_list = word_get(""),
                            .gpus_held = word_get(""),
                            .reason = word_get("")};
    if (!job || !job->spec) {
        job_unref(job);
        return error_set(err, ENOMEM, "", "out of memory");
    }
    struct kept_object objects[] = {{.fields = job_fields, .base = job}, spec_object(job->spec)};
    r = kept_read(objects, ELEMENTS(objects), json, len, err);
    if (r >= 0 && !objects[1].found)
        r = error_set(err, EINVAL, "spec", "a job without a request");
    if (r >= 0 && job->state == JOB_NONE)
        r = error_set(err, EINVAL, "state", "a job without a state");
    if (r < 0) {
        job_unref(job);
        return r;
    }
    *ret = job;
    return 0;
}
