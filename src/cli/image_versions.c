/* SPDX-License-Identifier: Apache-2.0 */
/* image_versions.c - vdi-image list, rollback, retire, prefetch: versions that are published. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/image.h"
#include "cli/progress.h"
#include "cli/wait.h"
#include "codec/field.h"

#define ROW "%-20s %7s %-12.12s %9s %9s %-11s %-9s %5s  %-20s %s\n"
#define LOOK_MSEC 500

static void target_of(struct buf *target, const char *name, const char *verb)
{
    buf_puts(target, "/v1/images");
    if (!str_is_empty(name)) {
        buf_putc(target, '/');
        client_escape(target, name);
    }
    if (verb)
        buf_printf(target, "/%s", verb);
}

/* ---- list ---- */

static unsigned count_nodes(const struct value *image, const char *state)
{
    const struct value *nodes = value_get(image, "nodes");
    unsigned n = 0;

    for (size_t i = 0; i < value_count(nodes); i++)
        n += str_equal(value_get_string(value_item(nodes, i), "state", ""), state);
    return n;
}

static void print_version(const struct value *image)
{
    char size[32], disk[32] = "-", version[24], nodes[24], state[16];
    uint64_t virtual_bytes = (uint64_t)value_get_int(image, "virtual_bytes", 0);

    snprintf(version, sizeof(version), "%" PRId64, value_get_int(image, "version", 0));
    snprintf(nodes, sizeof(nodes), "%u", count_nodes(image, "cached"));
    str_copy(state, sizeof(state), value_get_string(image, "state", ""));
    if (value_get_bool(image, "current", false))
        str_copy(state, sizeof(state), "current");
    if (virtual_bytes)
        size_text(virtual_bytes, disk);
    printf(ROW, value_get_string(image, "name", ""), version, value_get_string(image, "sha256", ""),
           size_text((uint64_t)value_get_int(image, "bytes", 0), size), disk,
           value_get_string(image, "firmware", ""), state, nodes,
           value_get_string(image, "publish_time", ""), value_get_string(image, "publisher", ""));
}

int image_list_published(const struct image_options *o, const char *name, struct vdi_error *err)
{
    _cleanup_(client_freep) struct client *client = NULL;
    _cleanup_(document_freep) struct document *doc = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096), text = BUF_INIT(0);
    const struct value *all;
    int r = client_new(&client, err);

    target_of(&target, name, NULL);
    if (r == 0)
        r = client_get(client, target.data, &doc, err);
    if (r < 0)
        return r;
    if (o->json) {
        value_write(document_root(doc), 2, &text);
        puts(text.data ? text.data : "");
        return 0;
    }
    all = value_get(document_root(doc), "images");
    printf(ROW, "NAME", "VERSION", "SHA256", "SIZE", "DISK", "FIRMWARE", "STATE", "NODES",
           "PUBLISHED", "BY");
    for (size_t i = 0; i < value_count(all); i++)
        print_version(value_item(all, i));
    return 0;
}

/* ---- rollback, retire ---- */

static int change(const char *method, struct buf *target, const struct buf *body,
                  struct document **ret, struct vdi_error *err)
{
    _cleanup_(client_freep) struct client *client = NULL;
    int r = client_new(&client, err);

    return r < 0 ? r : client_send(client, method, target->data, body, ret, err);
}

int image_rollback(const struct image_options *o, const char *name, const char *sha256,
                   struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096), body = BUF_INIT(4096);
    int r;

    target_of(&target, name, "rollback");
    buf_puts(&body, "{\"sha256\":");
    json_write_string(&body, sha256 ? sha256 : "");
    buf_putc(&body, '}');
    r = change("POST", &target, &body, &doc, err);
    if (r == 0)
        printf("%s: version %" PRId64 " (%.12s) is the current one\n", name,
               value_get_int(document_root(doc), "version", 0),
               value_get_string(document_root(doc), "sha256", ""));
    return r;
}

int image_retire(const struct image_options *o, const char *name, const char *sha256,
                 struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    int r;

    target_of(&target, name, NULL);
    client_query(&target, "sha256", sha256 ? sha256 : "");
    r = change("DELETE", &target, NULL, &doc, err);
    if (r == 0 && sha256)
        printf("%s: version %" PRId64 " is retired\n", name,
               value_get_int(document_root(doc), "version", 0));
    else if (r == 0)
        printf("%s: all versions are retired\n", name);
    return r;
}

/* ---- prefetch ---- */

struct prefetching {
    struct client *client;
    const char *name;
    struct buf target; /* of the image */
    char sha256[65];
    char (*nodes)[64]; /* that said they would */
    size_t n, n_refused;
};

static int order(struct prefetching *p, const char *nodes, const char *sha256,
                 struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096), body = BUF_INIT(4096);
    const struct value *list;
    int r;

    target_of(&target, p->name, "prefetch");
    buf_puts(&body, "{\"nodes\":");
    json_write_string(&body, nodes ? nodes : "");
    buf_puts(&body, ",\"sha256\":");
    json_write_string(&body, sha256 ? sha256 : "");
    buf_putc(&body, '}');
    r = client_send(p->client, "POST", target.data, &body, &doc, err);
    if (r < 0)
        return r;
    str_copy(p->sha256, sizeof(p->sha256), value_get_string(document_root(doc), "sha256", ""));
    list = value_get(document_root(doc), "nodes");
    p->nodes = calloc(value_count(list) + 1, sizeof(*p->nodes));
    for (size_t i = 0; p->nodes && i < value_count(list); i++) {
        const struct value *node = value_item(list, i);

        if (value_get_bool(node, "accepted", false)) {
            str_copy(p->nodes[p->n++], 64, value_get_string(node, "name", ""));
            continue;
        }
        p->n_refused++;
        fprintf(stderr, "%s: %s\n", value_get_string(node, "name", ""),
                value_get_string(node, "reason", ""));
    }
    return 0;
}

static const struct value *node_of(const struct value *image, const char *name)
{
    const struct value *nodes = value_get(image, "nodes");

    for (size_t i = 0; i < value_count(nodes); i++)
        if (str_equal(value_get_string(value_item(nodes, i), "name", ""), name))
            return value_item(nodes, i);
    return NULL;
}

static const struct value *version_of(const struct value *list, const char *sha256)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (str_equal(value_get_string(value_item(list, i), "sha256", ""), sha256))
            return value_item(list, i);
    return NULL;
}

/* True: the node has it, or has failed, which is said once. */
static bool is_over(struct prefetching *p, size_t i, const struct value *image)
{
    const struct value *node = node_of(image, p->nodes[i]);
    const char *state = value_get_string(node, "state", "");

    if (str_equal(state, "cached"))
        return true;
    if (!str_equal(state, "failed"))
        return false;
    fprintf(stderr, "%s: %s\n", p->nodes[i], value_get_string(node, "reason", ""));
    p->n_refused++;
    return true;
}

static void show(struct prefetching *p, const struct value *image, size_t n_all,
                 struct progress *progress)
{
    uint64_t done = 0;
    uint64_t bytes = (uint64_t)value_get_int(image, "bytes", 0) * p->n;
    char text[120];

    for (size_t i = 0; i < p->n; i++)
        done += (uint64_t)value_get_int(node_of(image, p->nodes[i]), "done_bytes", 0);
    snprintf(text, sizeof(text), "%zu of %zu nodes have it; of the others %" PRIu64 " %% is there",
             n_all - p->n, n_all, bytes ? done * 100 / bytes : 0);
    progress_show(progress, text);
}

static int wait_all(struct prefetching *p, struct vdi_error *err)
{
    struct progress progress = {0};
    size_t n_all = p->n;
    int r = 0;

    while (r == 0 && p->n) {
        _cleanup_(document_freep) struct document *doc = NULL;
        const struct value *image;

        r = client_get(p->client, p->target.data, &doc, err);
        image = r < 0 ? NULL : version_of(value_get(document_root(doc), "images"), p->sha256);
        for (size_t i = 0; r == 0 && i < p->n;) {
            if (is_over(p, i, image))
                memmove(p->nodes + i, p->nodes + i + 1, (--p->n - i) * sizeof(*p->nodes));
            else
                i++;
        }
        if (r == 0 && p->n) {
            show(p, image, n_all, &progress);
            sleep_msec(LOOK_MSEC);
        }
    }
    progress_clear(&progress);
    return r;
}

int image_prefetch(const struct image_options *o, const char *name, const char *nodes,
                   struct vdi_error *err)
{
    struct prefetching p = {.name = name, .target = BUF_INIT(4096)};
    size_t n_all = 0, n_accepted = 0;
    int r = client_new(&p.client, err);

    target_of(&p.target, name, NULL);
    if (r == 0)
        r = order(&p, nodes, o->sha256, err);
    n_accepted = p.n;
    n_all = p.n + p.n_refused;
    if (r == 0 && !o->no_wait)
        r = wait_all(&p, err);
    if (r == 0)
        printf("%s (%.12s): %zu of %zu nodes %s\n", name, p.sha256,
               o->no_wait ? n_accepted : n_all - p.n_refused, n_all,
               o->no_wait ? "fetch it" : "have it");
    client_free(p.client);
    buf_done(&p.target);
    free(p.nodes);
    return r < 0 ? r : p.n_refused ? EXIT_REFUSED : EXIT_OK;
}
