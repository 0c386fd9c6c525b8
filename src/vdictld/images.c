/* SPDX-License-Identifier: Apache-2.0 */
/* images.c - which version a name means, which nodes have it, and the server they get it from. */
#include "vdictld/images.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/field.h"
#include "vdictld/queue.h"
#include "wire/file_server.h"
#include "wire/pki.h"

#define QUEUE_MAX 1024

/* What one node has, as it said last. */
struct holding {
    char node[64];
    struct inventory_image *images;
    size_t n;
};

/* Of a name without a digest. */
struct number {
    char name[IMAGE_VERSION_NAME_MAX + 1];
    uint32_t number;
};

struct images {
    struct core *core;
    struct workers *worker;
    struct file_server *server; /* NULL: image_listen is empty */
    struct hash *holdings;      /* by node */
    struct hash *numbers;       /* of names, as they were asked for since one changed */
    struct image_collect *collect;
};

/* ---- versions ---- */

static const struct image *staged_at(const struct table *t, size_t i)
{
    const struct slot *slot = table_at(t, i);

    return slot ? slot->staged : NULL;
}

/* The published one of the name that was selected last, but for `but`. */
static const struct image *newest(struct core *core, const char *name, const struct image *but)
{
    struct table *t = events_table(core->events, NOUN_IMAGE);
    const struct image *found = NULL;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct image *image = staged_at(t, i);

        if (image && image != but && image->state == IMAGE_PUBLISHED &&
            str_equal(image->name, name) &&
            (!found || image->select_usec > found->select_usec ||
             (image->select_usec == found->select_usec && image->seq > found->seq)))
            found = image;
    }
    return found;
}

const struct image *images_current(struct core *core, const char *name)
{
    return newest(core, name, NULL);
}

const struct image *images_previous(struct core *core, const char *name)
{
    const struct image *current = images_current(core, name);

    return current ? newest(core, name, current) : NULL;
}

static bool is_known(struct core *core, const char *name)
{
    struct table *t = events_table(core->events, NOUN_IMAGE);

    for (size_t i = 0; i < table_end(t); i++)
        if (staged_at(t, i) && str_equal(staged_at(t, i)->name, name))
            return true;
    return false;
}

static int find_by_digest(struct core *core, const char *name, const char *sha256,
                          const struct image **ret, struct vdi_error *err)
{
    struct table *t = events_table(core->events, NOUN_IMAGE);

    *ret = NULL;
    for (size_t i = 0; i < table_end(t); i++) {
        const struct image *image = staged_at(t, i);

        if (!image || !str_equal(image->name, name) || !str_starts_with(image->sha256, sha256))
            continue;
        if (*ret) {
            error_set(err, EINVAL, "sha256", "'%s' begins the digest of two versions of '%s'",
                      sha256, name);
            error_hint(err, NULL, "write more of it");
            return -EINVAL;
        }
        *ret = image;
    }
    return *ret ? 0
                : error_set(err, ENOENT, "sha256", "image '%s' has no version %.12s", name, sha256);
}

int images_find(struct core *core, const char *name, const char *sha256, const struct image **ret,
                struct vdi_error *err)
{
    if (*sha256)
        return find_by_digest(core, name, sha256, ret, err);
    *ret = images_current(core, name);
    if (*ret)
        return 0;
    if (is_known(core, name))
        error_set(err, ENOENT, "name", "all versions of image '%.64s' are retired", name);
    else
        error_set(err, ENOENT, "name", "no image '%.64s' was published", name);
    error_hint(err, NULL, "vdi-image list shows what there is, vdi-image publish adds to it");
    return -ENOENT;
}

const struct image *images_of_ref(struct core *core, const char *ref)
{
    char name[IMAGE_VERSION_NAME_MAX + 1], digest[65];
    const struct image *image = NULL;

    if (!image_ref_parse(ref, name, digest) || !*digest ||
        find_by_digest(core, name, digest, &image, NULL) < 0)
        return NULL;
    return image;
}

int images_resolve(struct core *core, const char *wanted, char ret[IMAGE_REF_MAX],
                   struct vdi_error *err)
{
    char name[IMAGE_VERSION_NAME_MAX + 1], digest[65];
    const struct image *image;
    int r;

    ret[0] = '\0';
    if (!image_ref_parse(wanted, name, digest) || strchr(wanted, '@') != NULL) {
        if (!*digest)
            return 0; /* NAME@HEX, or whatever the node makes of it */
    } else if (!is_known(core, name)) {
        return 0;
    }
    r = images_find(core, name, digest, &image, err);
    if (r < 0)
        return r;
    if (image->state == IMAGE_RETIRED) {
        error_set(err, EPROTO, "image", "version %.12s of image '%s' is retired", digest, name);
        error_hint(err, NULL, "name another version in the template, or publish this one again");
        return -EPROTO;
    }
    snprintf(ret, IMAGE_REF_MAX, "%s" IMAGE_DIGEST_WORD "%s", image->name, image->sha256);
    return 0;
}

/* ---- what the planner calls them ---- */

/* Two versions may have one number: then a job may go where it has to fetch, no more than that. */
static uint32_t number_of(const char *sha256)
{
    char first[9];
    uint32_t number;

    str_copy(first, sizeof(first), sha256);
    number = (uint32_t)strtoul(first, NULL, 16);
    return number ? number : 1;
}

uint32_t images_number(struct core *core, const char *wanted)
{
    char name[IMAGE_VERSION_NAME_MAX + 1], digest[65];
    const struct image *current;
    struct number *known;

    if (!core->images || !image_ref_parse(wanted, name, digest))
        return 0;
    if (*digest)
        return number_of(digest);
    if (strchr(wanted, '@'))
        return 0;
    known = hash_get(core->images->numbers, name);
    if (known)
        return known->number;
    known = calloc(1, sizeof(*known));
    if (!known)
        return 0;
    current = images_current(core, name);
    memcpy(known->name, name, sizeof(name));
    known->number = current ? number_of(current->sha256) : 0;
    if (hash_put(core->images->numbers, known->name, known) == 0)
        return known->number;
    free(known);
    return 0;
}

static void forget_numbers(struct images *images)
{
    void *value;

    for (size_t i = 0; hash_next(images->numbers, &i, &value); i = 0) {
        struct number *number = value;

        hash_remove(images->numbers, number->name);
        free(number);
    }
}

void images_published(struct core *core)
{
    if (core->images)
        forget_numbers(core->images);
}

/* ---- nodes ---- */

static void tell_planner(struct core *core, const struct holding *h)
{
    uint32_t numbers[INVENTORY_IMAGES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < h->n && n < INVENTORY_IMAGES_MAX; i++)
        if (h->images[i].state == INVENTORY_CACHED && image_is_digest(h->images[i].sha256))
            numbers[n++] = number_of(h->images[i].sha256);
    queue_images(core->queue, h->node, numbers, n);
}

void images_node(struct core *core, const char *node, struct inventory *inv)
{
    struct images *images = core->images;
    struct holding *h = images ? hash_get(images->holdings, node) : NULL;

    if (!images)
        return;
    if (!h) {
        h = calloc(1, sizeof(*h));
        if (!h)
            return;
        str_copy(h->node, sizeof(h->node), node);
        if (hash_put(images->holdings, h->node, h) < 0) {
            free(h);
            return;
        }
    }
    free(h->images);
    h->images = TAKE_PTR(inv->images);
    h->n = inv->n_images;
    inv->n_images = 0;
    tell_planner(core, h);
}

void images_write_nodes(struct core *core, const char *sha256, struct buf *out)
{
    bool first = true;
    void *value;

    buf_puts(out, ",\"nodes\":[");
    for (size_t i = 0; hash_next(core->images->holdings, &i, &value);) {
        const struct holding *h = value;
        const struct node *node = core_node(core, h->node);

        for (size_t k = 0; node && !node->removed && k < h->n; k++) {
            const struct inventory_image *image = &h->images[k];

            if (!str_equal(image->sha256, sha256))
                continue;
            buf_puts(out, first ? "{\"name\":" : ",{\"name\":");
            first = false;
            json_write_string(out, h->node);
            buf_printf(out, ",\"state\":\"%s\",\"done_bytes\":%" PRIu64 ",\"reason\":",
                       inventory_image_states[image->state], image->done_bytes);
            json_write_string(out, image->reason);
            buf_putc(out, '}');
        }
    }
    buf_putc(out, ']');
}

void images_write_order(struct core *core, const struct image *image, struct buf *out)
{
    buf_printf(out, "{\"ref\":\"%s" IMAGE_DIGEST_WORD "%s\",\"port\":%u,\"source\":", image->name,
               image->sha256, images_port(core->images));
    json_write_string(out, image->source);
    buf_puts(out, ",\"manifest\":");
    json_write_string(out, image->manifest);
    buf_putc(out, '}');
}

/* ---- begin and end ---- */

static int open_server(struct images *images, struct vdi_error *err)
{
    const struct config *c = images->core->config;
    _cleanup_(freep) char *ca = str_printf("%s/ca.crt", c->pki_dir);
    _cleanup_(freep) char *cert = str_printf("%s/server.crt", c->pki_dir);
    _cleanup_(freep) char *key = str_printf("%s/server.key", c->pki_dir);
    _cleanup_(freep) char *dir = str_printf("%s/blobs", c->image_store);
    struct file_server_config config = {
        .address = c->image_listen,
        .ca_file = ca,
        .cert_file = cert,
        .key_file = key,
        .dir = dir,
        .rate = (uint64_t)c->image_rate_mib << 20,
    };
    struct pki_revoked *revoked = NULL;
    int r;

    if (!ca || !cert || !key || !dir)
        return error_set(err, ENOMEM, "", "out of memory");
    r = pki_revoked_load(c->pki_dir, &revoked, err);
    if (r >= 0)
        r = file_server_new(&config, revoked, &images->server, err);
    if (r >= 0)
        log_info("images: served on %s", c->image_listen);
    return r;
}

struct images *images_new(struct core *core, struct vdi_error *err)
{
    struct images *images = calloc(1, sizeof(*images));

    if (!images) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    images->core = core;
    images->holdings = hash_new_str();
    images->numbers = hash_new_str();
    images->worker = workers_new(core->loop, "images", 1, QUEUE_MAX);
    images->collect = image_collect_new(core);
    if (!images->holdings || !images->numbers || !images->worker || !images->collect)
        error_set(err, ENOMEM, "", "out of memory");
    else if (!*core->config->image_listen || open_server(images, err) >= 0)
        return images;
    images_free(images);
    return NULL;
}

void images_free(struct images *images)
{
    void *value;

    if (!images)
        return;
    file_server_free(images->server);
    if (images->worker)
        workers_free(images->worker);
    image_collect_free(images->collect);
    for (size_t i = 0; images->holdings && hash_next(images->holdings, &i, &value);) {
        free(((struct holding *)value)->images);
        free(value);
    }
    hash_free(images->holdings);
    if (images->numbers)
        forget_numbers(images);
    hash_free(images->numbers);
    free(images);
}

struct workers *images_worker(struct images *images)
{
    return images->worker;
}

struct image_collect *images_collect(struct images *images)
{
    return images->collect;
}

uint16_t images_port(const struct images *images)
{
    return images->server ? file_server_port(images->server) : 0;
}

/* ---- a new configuration ---- */

struct reload {
    struct images *images;
    char *dir;
    struct pki_revoked *revoked;
    int result;
    struct vdi_error err;
};

static void reload_work(void *arg)
{
    struct reload *l = arg;

    l->result = pki_revoked_load(l->dir, &l->revoked, &l->err);
}

static void reload_done(void *arg, bool dropped)
{
    struct reload *l = arg;

    if (!dropped && l->result >= 0)
        file_server_set_revoked(l->images->server, TAKE_PTR(l->revoked));
    else if (!dropped)
        log_error("images: the revoked certificates stay what they were: %s", l->err.detail);
    pki_revoked_free(l->revoked);
    free(l->dir);
    free(l);
}

void images_configured(struct images *images)
{
    const struct config *c = images ? images->core->config : NULL;
    struct reload *l;

    if (!images || !images->server)
        return;
    file_server_set_rate(images->server, (uint64_t)c->image_rate_mib << 20);
    l = calloc(1, sizeof(*l));
    if (l) {
        l->images = images;
        l->dir = strdup(c->pki_dir);
    }
    if (!l || !l->dir || workers_post(images->worker, reload_work, reload_done, l) < 0) {
        log_error("images: the revoked certificates stay what they were");
        if (l)
            free(l->dir);
        free(l);
    }
}
