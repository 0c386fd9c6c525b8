/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_config.c - vdictl export: what the API made, as blocks of vdi.conf.
 *
 * Reservations have a form there, and classes, in the order in which they were made, which is that
 * in which they are booked. What has none is a comment: it is nowhere left out without a word.
 */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/class_event.h"
#include "cli/class_list.h"
#include "codec/config_write.h"

struct export
{
    struct buf blocks;  /* of the classes that the API made */
    struct buf changed; /* dates of classes of vdi.conf, as comments */
    struct buf rest;    /* what has no form, as comments */
    enum exit_code code;
};

static void comment(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void comment(struct buf *out, const char *format, ...)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(1 << 16);
    va_list ap;

    va_start(ap, format);
    buf_vprintf(&text, format, ap);
    va_end(ap);
    config_write_comment(text.data ? text.data : "", out);
}

/* ---- classes and reservations ---- */

static void put_origin(const struct class *class, struct buf *out)
{
    comment(out, "%s \"%s\", made by %s", class_word(&class->spec), class->spec.name,
            class->creator);
    if (*class->spec.uid)
        comment(out,
                "Imported from calendar \"%s\" as event \"%s\". A class of this file has no event: "
                "take it out of the calendar, or an import makes another.",
                class->spec.calendar, class->spec.uid);
}

/* One that vdi.conf can't say is told, in the file as well, and the others are exported. */
static void put_block(struct export *x, const struct class *class)
{
    struct vdi_error err = {0};
    char text[600];

    put_origin(class, &x->blocks);
    if (config_write_class(class, &x->blocks, &err) < 0) {
        comment(&x->blocks, "It is left out: %s", error_text(&err, text, sizeof(text)));
        fprintf(stderr, CONTROL_NAME ": %s '%s' is not exported\n", class_word(&class->spec),
                class->spec.name);
        x->code = client_fail(CONTROL_NAME, -EREMOTEIO, &err);
    }
    buf_putc(&x->blocks, '\n');
}

/* The block is in the file: only what was changed by the API is missing there. */
static void put_changes(struct export *x, const struct class *class)
{
    struct class_override o;

    for (const char *at = class->overrides; class_override_next(&at, &o);) {
        _cleanup_(buf_done) struct buf moved = BUF_INIT(0);

        if (!o.skip)
            config_write_moved(&class->spec, &o, &moved);
        comment(&x->changed, "%s \"%s\": %s = {\"%s\"}", class_word(&class->spec), class->spec.name,
                o.skip ? "except" : "moved", o.skip ? o.date : moved.data);
    }
}

static int put_class(void *arg, const struct value *document, struct vdi_error *err)
{
    _cleanup_(freep) struct class *class = calloc(1, sizeof(*class));
    struct export *x = arg;
    int r = class ? class_from_document(document, class, err)
                  : error_set(err, ENOMEM, "", "out of memory");

    if (r < 0)
        return r;
    if (class->from_config)
        put_changes(x, class);
    else
        put_block(x, class);
    return 0;
}

/* ---- what has no form ---- */

static int put_images(struct control *c, struct export *x, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(c->client, "/v1/images", &document, err);
    const struct value *list = r < 0 ? NULL : value_get(document_root(document), "images");

    for (size_t i = 0; r == 0 && i < value_count(list); i++) {
        const struct value *image = value_item(list, i);

        comment(&x->rest, "image %s@sha256:%s, %s%s", value_get_string(image, "name", ""),
                value_get_string(image, "sha256", ""), value_get_string(image, "state", ""),
                value_get_bool(image, "current", false) ? ", current" : "");
    }
    return r;
}

/* Nodes that people took out of service; the controller's own word comes again by itself. */
static int put_nodes(struct control *c, struct export *x, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(c->client, "/v1/nodes", &document, err);
    const struct value *list = r < 0 ? NULL : value_get(document_root(document), "nodes");

    for (size_t i = 0; r == 0 && i < value_count(list); i++) {
        const struct value *node = value_item(list, i);
        const char *by = value_get_string(node, "reason_by", "");

        if (*by && !str_equal(by, "vdictld"))
            comment(&x->rest, "node %s is %s by %s: %s", value_get_string(node, "name", ""),
                    value_get_string(node, "state", ""), by, value_get_string(node, "reason", ""));
    }
    return r;
}

/* ---- all of it ---- */

/* Others see a part of it, which would be taken for the whole. */
static int check_role(struct control *c, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(c->client, "/v1/me", &document, err);

    if (r < 0 || !str_equal(value_get_string(document_root(document), "role", "user"), "user"))
        return r;
    error_set(err, EACCES, "role", "this needs an operator, who sees all that was made");
    error_hint(err, NULL, "class list shows yours, class export writes them as a calendar");
    return -EACCES;
}

static void put_part(struct buf *out, const struct buf *part, const char *title)
{
    if (!part->len)
        return;
    comment(out, "%s", title);
    buf_append(out, part->data, part->len);
    buf_putc(out, '\n');
}

int control_export(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(0);
    struct export x = {.code = EXIT_OK};
    int r = check_role(c, err);

    if (r == 0)
        r = class_list(c->client, "/v1/reservations", "reservations", put_class, &x, err);
    if (r == 0)
        r = class_list(c->client, "/v1/classes", "classes", put_class, &x, err);
    if (r == 0)
        r = put_images(c, &x, err);
    if (r == 0)
        r = put_nodes(c, &x, err);
    comment(&out, "Made by the API: see \"Moving classes into vdi.conf\" in vdictl(1).");
    buf_printf(&out, "\n%s", x.blocks.data ? x.blocks.data : "");
    put_part(
        &out, &x.changed,
        "Dates of classes and reservations of vdi.conf that were changed by the API: for their blocks.");
    put_part(&out, &x.rest, "What vdi.conf has no form for; vdictl backup keeps it.");
    comment(&out, "Not here either: jobs, disks, tokens, usage and audit. vdictl backup has them.");
    if (r == 0 && (out.failed || x.blocks.failed || x.changed.failed || x.rest.failed))
        r = error_set(err, ENOMEM, "", "out of memory");
    if (r == 0 && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
        r = error_set(err, EIO, "", "stdout can't be written");
    buf_done(&x.blocks);
    buf_done(&x.changed);
    buf_done(&x.rest);
    return r < 0 ? r : (int)x.code;
}
