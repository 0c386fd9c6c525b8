/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_calls.c - the requests about versions of images: list, publish, select, retire.
 *
 * A publication first proves its files on the worker, and is then one event; so a version that
 * anybody has seen is whole. The same publication again selects the version that is there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/noun_codec.h"
#include "codec/request_input.h"
#include "vdictld/digest.h"
#include "vdictld/handlers.h"
#include "vdictld/images.h"

/* ---- documents ---- */

static void write_image(struct core *core, const struct image *image, bool whole, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(image_fields, image, FIELD_SHOW, out, &first);
    buf_printf(out, ",\"current\":%s",
               images_current(core, image->name) == image ? "true" : "false");
    images_write_nodes(core, image->sha256, out);
    if (whole) {
        buf_puts(out, ",\"manifest\":");
        json_write_string(out, image->manifest);
    }
    buf_putc(out, '}');
}

/* All versions of a name, or of every name for "". False: there are none. */
static bool write_list(struct core *core, const char *name, struct buf *out)
{
    struct table *t = events_table(core->events, NOUN_IMAGE);
    bool first = true;

    buf_puts(out, "{\"images\":[");
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct image *image = slot ? slot->pub : NULL;

        if (!image || (*name && !str_equal(image->name, name)))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        write_image(core, image, *name != '\0', out);
    }
    buf_puts(out, "]}");
    return !first;
}

static void reply_list(struct call *call, const char *name)
{
    struct buf body = BUF_INIT(0);

    if (write_list(call->core, name, &body) || !*name)
        call_reply_json(call, 200, &body);
    else
        call_refuse_with(call, ENOENT, "name", "no image '%.64s' was published", name);
    buf_done(&body);
}

void handle_image_list(struct call *call)
{
    reply_list(call, "");
}

void handle_image_show(struct call *call)
{
    reply_list(call, call->match.params[0]);
}

/* ---- one event, one version ---- */

struct change {
    struct call *call;
    char key[IMAGE_REF_MAX];
    unsigned status;
};

static void changed(void *arg, int result, const struct vdi_error *err)
{
    _cleanup_(freep) struct change *c = arg;
    struct call *call = c->call;
    struct table *t = events_table(call->core->events, NOUN_IMAGE);
    const struct slot *slot = result < 0 ? NULL : table_slot(t, 0, c->key, false);
    struct buf body = BUF_INIT(0);

    if (result < 0) {
        call_refuse(call, err);
    } else if (!slot || !slot->pub) {
        call_refuse_with(call, ENOENT, "name", "the version is gone already");
    } else {
        write_image(call->core, slot->pub, false, &body);
        call_reply_json(call, c->status, &body);
        buf_done(&body);
    }
}

/* Commits the events (r >= 0) and answers with the version of the key. */
static void commit(struct call *call, struct txn *txn, int r, const char *key, unsigned status,
                   struct vdi_error *err)
{
    struct change *c = r < 0 ? NULL : calloc(1, sizeof(*c));

    if (!c) {
        txn_abort(txn);
        if (r >= 0)
            error_set(err, ENOMEM, "", "out of memory");
        call_refuse(call, err);
        return;
    }
    *c = (struct change){.call = call, .status = status};
    str_copy(c->key, sizeof(c->key), key);
    call_commit(call, txn, status, changed, c);
}

static struct image_event event_of(struct call *call, enum image_event_type type)
{
    struct image_event event = {.type = type, .time_usec = loop_now_usec(call->core->loop)};

    str_copy(event.by, sizeof(event.by), call->who_text);
    return event;
}

/* ---- rollback ---- */

static int read_version(struct call *call, struct request_image_version *ret, struct vdi_error *err)
{
    size_t len;
    const char *body = http_request_body(call->http, &len);

    return len ? fields_read(request_image_version_fields, ret, body, len, FIELD_SUBMIT, NULL, err)
               : 0;
}

static int find_for_rollback(struct call *call, const char *sha256, const struct image **ret,
                             struct vdi_error *err)
{
    const char *name = call->match.params[0];
    int r = images_find(call->core, name, sha256, ret, err);

    if (r < 0 || *sha256)
        return r;
    *ret = images_previous(call->core, name);
    if (*ret)
        return 0;
    error_set(err, EPROTO, "sha256", "image '%.64s' has no version before the current one", name);
    error_hint(err, NULL, "vdi-image list shows its versions; name one");
    return -EPROTO;
}

void handle_image_rollback(struct call *call)
{
    struct request_image_version ask = {.sha256 = ""};
    struct image_event event = event_of(call, IMAGE_EVENT_SELECT);
    const struct image *image = NULL;
    struct vdi_error err = {0};
    struct txn *txn = NULL;
    int r = read_version(call, &ask, &err);

    if (r >= 0)
        r = find_for_rollback(call, ask.sha256, &image, &err);
    if (r >= 0) {
        txn = txn_new(call->core->events);
        r = txn ? txn_add(txn, NOUN_IMAGE, 0, image->key, &event, &err)
                : error_set(&err, ENOMEM, "", "out of memory");
    }
    commit(call, txn, r, image ? image->key : "", 200, &err);
}

/* ---- retire ---- */

static int add_retire_all(struct call *call, struct txn *txn, const struct image_event *event,
                          struct vdi_error *err)
{
    struct table *t = events_table(call->core->events, NOUN_IMAGE);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct image *image = slot ? slot->staged : NULL;

        if (image && image->state == IMAGE_PUBLISHED &&
            str_equal(image->name, call->match.params[0]))
            r = txn_add(txn, NOUN_IMAGE, 0, image->key, event, err);
    }
    return r;
}

void handle_image_retire(struct call *call)
{
    const char *sha256 = http_request_query(call->http, "sha256");
    struct image_event event = event_of(call, IMAGE_EVENT_RETIRE);
    char key[IMAGE_REF_MAX] = "";
    const struct image *image = NULL;
    struct vdi_error err = {0};
    struct txn *txn = NULL;
    int r = images_find(call->core, call->match.params[0], sha256 ? sha256 : "", &image, &err);

    if (r >= 0) {
        str_copy(key, sizeof(key), image->key);
        txn = txn_new(call->core->events);
        r = txn ? 0 : error_set(&err, ENOMEM, "", "out of memory");
    }
    if (r >= 0)
        r = sha256 ? txn_add(txn, NOUN_IMAGE, 0, key, &event, &err)
                   : add_retire_all(call, txn, &event, &err);
    commit(call, txn, r, key, 200, &err);
}

/* ---- publish ---- */

struct publication {
    struct call *call;
    struct request_image ask;
    struct image_manifest manifest;
    struct image_part parts[IMAGE_PARTS_MAX]; /* into manifest */
    size_t n_parts;
    char key[IMAGE_REF_MAX];
    char *dir;
    int result;
    struct vdi_error err;
};

static void publication_free(struct publication *p)
{
    free(p->ask.manifest);
    free(p->dir);
    free(p);
}

static void refuse(struct publication *p, const struct vdi_error *err)
{
    call_refuse(p->call, err);
    publication_free(p);
}

static void prove_work(void *arg)
{
    struct publication *p = arg;

    for (size_t i = 0; p->result >= 0 && i < p->n_parts; i++)
        if (!p->parts[i].is_disk || !*p->ask.source)
            p->result = image_store_seal(p->dir, &p->parts[i], &p->err);
}

static uint32_t next_version(struct core *core, const char *name, size_t *ret_n)
{
    struct table *t = events_table(core->events, NOUN_IMAGE);
    uint32_t most = 0;

    *ret_n = 0;
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct image *image = slot ? slot->staged : NULL;

        *ret_n += image && image->state == IMAGE_PUBLISHED;
        if (image && str_equal(image->name, name) && image->version > most)
            most = image->version;
    }
    return most + 1;
}

static int add_publish(struct publication *p, struct txn *txn, struct vdi_error *err)
{
    struct call *call = p->call;
    struct image_event *event = malloc(sizeof(*event)); /* too large for the stack twice */
    size_t n_published;
    int r;

    if (!event)
        return error_set(err, ENOMEM, "", "out of memory");
    *event = event_of(call, IMAGE_EVENT_PUBLISH);
    event->version = next_version(call->core, p->ask.name, &n_published);
    for (size_t i = 0; i < p->n_parts; i++)
        event->bytes += p->parts[i].bytes;
    event->virtual_bytes = p->manifest.virtual_bytes;
    event->min_disk_gib = (p->manifest.virtual_bytes + (1u << 30) - 1) >> 30;
    str_copy(event->firmware, sizeof(event->firmware), image_firmware_names[p->manifest.firmware]);
    str_copy(event->source, sizeof(event->source), p->ask.source);
    str_copy(event->reason, sizeof(event->reason), p->ask.reason);
    str_copy(event->manifest, sizeof(event->manifest), p->ask.manifest);
    r = n_published < IMAGE_VERSIONS_MAX
            ? txn_add(txn, NOUN_IMAGE, 0, p->key, event, err)
            : error_set(err, EDQUOT, "name", "%d versions of images are published: no more",
                        IMAGE_VERSIONS_MAX);
    free(event);
    return r;
}

static void proved(void *arg, bool dropped)
{
    struct publication *p = arg;
    struct call *call = p->call;
    char key[IMAGE_REF_MAX];
    struct txn *txn;
    int r;

    image_collect_hold(images_collect(call->core->images), -1);
    if (dropped)
        p->result = error_set(&p->err, ESHUTDOWN, "", "the controller is stopping");
    if (p->result < 0) {
        refuse(p, &p->err);
        return;
    }
    txn = txn_new(call->core->events);
    r = txn ? add_publish(p, txn, &p->err) : error_set(&p->err, ENOMEM, "", "out of memory");
    memcpy(key, p->key, sizeof(key));
    commit(call, txn, r, key, 201, &p->err);
    publication_free(p);
}

static int check_source(const char *source, struct vdi_error *err)
{
    bool is_url = str_starts_with(source, "https://");

    if (!*source || ((is_url || *source == '/') && str_is_text(source, strlen(source), false) &&
                     !strpbrk(source, is_url ? " \"\\<>@" : "\"\\")))
        return 0;
    error_set(err, EINVAL, "source", "'%.60s' is no https URL without a password, and no path",
              source);
    error_hint(err, NULL, "leave it out: the file then goes into the controller's store");
    return -EINVAL;
}

static int read_publication(struct publication *p, struct vdi_error *err)
{
    struct core *core = p->call->core;
    size_t len, text_len;
    const char *body = http_request_body(p->call->http, &len);
    unsigned char digest[32];
    char hex[65];
    int r = fields_read(request_image_fields, &p->ask, body, len, FIELD_SUBMIT, NULL, err);

    if (r < 0)
        return r;
    if (!str_is_name(p->ask.name, IMAGE_VERSION_NAME_MAX))
        return error_set(err, EINVAL, "name", "'%.64s' is no name: letters, digits and ._-",
                         p->ask.name);
    r = check_source(p->ask.source, err);
    text_len = strlen(p->ask.manifest);
    if (r >= 0)
        r = image_manifest_read(p->ask.manifest, text_len, "manifest", &p->manifest, err);
    if (r >= 0)
        r = image_manifest_parts(&p->manifest, p->parts, &p->n_parts, err);
    if (r < 0)
        return r;
    if (!*core->config->image_listen && (!*p->ask.source || p->n_parts > 1)) {
        error_set(err, EPROTO, "image_listen", "no node could fetch it: image_listen is empty");
        error_hint(err, NULL, "write image_listen = \"ADDRESS:PORT\" into vdi.conf and restart");
        return -EPROTO;
    }
    digest_sha256(p->ask.manifest, text_len, digest);
    str_to_hex(digest, sizeof(digest), hex);
    snprintf(p->key, sizeof(p->key), "%s@%s", p->ask.name, hex);
    p->dir = strdup(core->config->image_store);
    return p->dir ? 0 : error_set(err, ENOMEM, "", "out of memory");
}

void handle_image_publish(struct call *call)
{
    struct publication *p = calloc(1, sizeof(*p));
    struct vdi_error err = {0};

    if (!p) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    p->call = call;
    if (read_publication(p, &err) < 0) {
        refuse(p, &err);
        return;
    }
    image_collect_hold(images_collect(call->core->images), +1);
    if (workers_post(images_worker(call->core->images), prove_work, proved, p) == 0)
        return;
    image_collect_hold(images_collect(call->core->images), -1);
    error_set(&err, EBUSY, "", "too much is being written into the image store");
    refuse(p, &err);
}
