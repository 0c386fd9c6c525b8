/* SPDX-License-Identifier: Apache-2.0 */
/* order.c - orders as JSON: one flat object, checked whole before anything is done. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "vdid/run_wish.h"
#include "vdid/vdid.h"
#include <vdi/plugin.h>

const char *const vdid_verb_names[] = {"start",  "stop",    "poll",   "pause",      "save",
                                       "resume", "reboot",  "ticket", "screenshot", "log",
                                       "signal", "message", "bind",   "output",     NULL};

/* The wish is read as a record, whose table has its rows. */
struct order_text {
    struct record record;
    struct vdid_order order;
};

#define O(m) offsetof(struct order_text, order.m), sizeof(((struct order_text *)0)->order.m)

static const struct field order_fields[] = {
    {"verb", FIELD_ENUM, O(verb), FIELD_SUBMIT | FIELD_REQUIRED, 0, 0, vdid_verb_names, "what"},
    {"instance", FIELD_U64, O(id.id), FIELD_SUBMIT | FIELD_REQUIRED, 1, INT64_MAX, NULL, "which"},
    {"generation", FIELD_U32, O(id.generation), FIELD_SUBMIT, 0, UINT32_MAX, NULL, "which of it"},
    {"epoch", FIELD_U64, O(epoch), FIELD_SUBMIT, 0, INT64_MAX, NULL, "of the controller"},
    {"grace_sec", FIELD_U32, O(grace_sec), FIELD_SUBMIT, 0, 3600, NULL, "stop: for the guest"},
    {"password", FIELD_FIXED, O(password), FIELD_SUBMIT, 0, 0, NULL, "ticket"},
    {"expire_sec", FIELD_I64, O(expire_sec), FIELD_SUBMIT, 0, INT64_C(1) << 40, NULL, "ticket"},
    {"details", FIELD_TEXT, O(details), FIELD_SUBMIT, 0, RUN_WISH_BYTES_MAX, NULL, "start, bind"},
    {"text", FIELD_TEXT, O(text), FIELD_SUBMIT, 0, 4096, NULL, "message"},
    {"signal", FIELD_U32, O(signal), FIELD_SUBMIT, 1, 64, NULL, "signal"},
    {"stream", FIELD_ENUM, O(stream), FIELD_SUBMIT, 0, 0, runner_stream_names, "output"},
    {"from", FIELD_U64, O(from), FIELD_SUBMIT, 0, INT64_MAX, NULL, "output"},
    {"max", FIELD_U32, O(max), FIELD_SUBMIT, 1, VDI_OUTPUT_MAX, NULL, "output"},
    {.type = FIELD_END},
};

#define ROWS_MAX 64 /* fields_read() has a bit for each */

/* One table of both, made once: the rows of an order, then those of a wish. */
static const struct field *all_fields(void)
{
    static struct field all[ROWS_MAX];
    size_t n = 0;

    if (all[0].name)
        return all;
    for (const struct field *f = record_fields; f->type != FIELD_END; f++)
        if (f->flags & FIELD_SUBMIT)
            all[n++] = *f;
    for (const struct field *f = order_fields; f->type != FIELD_END; f++)
        all[n++] = *f;
    all[n] = (struct field){.type = FIELD_END};
    return all;
}

static int check_start(const struct vdid_order *o, struct vdi_error *err)
{
    if (!*o->wish.image)
        return error_set(err, EINVAL, "image", "a start names an image");
    if (!o->wish.vcpus)
        return error_set(err, EINVAL, "vcpus", "a start says how many processors");
    if (!o->wish.memory_mib)
        return error_set(err, EINVAL, "memory_mib", "a start says how much memory");
    return 0;
}

int vdid_order_decode(const char *json, size_t len, struct vdid_order *ret, struct vdi_error *err)
{
    struct order_text text = {.order.max = VDI_OUTPUT_MAX};
    int r = fields_read(all_fields(), &text, json, len, FIELD_SUBMIT, NULL, err);

    if (r < 0) {
        vdid_order_done(&text.order);
        return r;
    }
    text.order.wish = text.record.wish;
    if (text.order.id.id == 0)
        r = error_set(err, EINVAL, "instance", "an order names an instance");
    else if (text.order.verb == VDID_START)
        r = check_start(&text.order, err);
    if (r < 0)
        vdid_order_done(&text.order);
    else
        *ret = text.order;
    return r < 0 ? r : 0;
}

void vdid_order_done(struct vdid_order *order)
{
    free(order->details);
    free(order->text);
    order->details = order->text = NULL;
}
