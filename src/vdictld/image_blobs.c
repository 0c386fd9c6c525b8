/* SPDX-License-Identifier: Apache-2.0 */
/* image_blobs.c - /v1/blobs/{sha256}: an image's file on its way into the store, by pieces. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "vdictld/handlers.h"
#include "vdictld/images.h"

#define UPLOADS_MAX 64 /* pieces that wait for the disk, of all callers */

struct piece {
    struct call *call;
    char *dir;
    const char *data; /* of the request; NULL: only look */
    size_t len;
    uint64_t from;
    struct image_part_state state;
    int result;
    struct vdi_error err;
};

static void work(void *arg)
{
    struct piece *p = arg;
    const char *sha256 = p->call->match.params[0];

    p->result =
        p->data ? image_store_append(p->dir, sha256, p->from, p->data, p->len, &p->state, &p->err)
                : image_store_look(p->dir, sha256, &p->state, &p->err);
}

static void done(void *arg, bool dropped)
{
    struct piece *p = arg;
    struct buf body = BUF_INIT(0);

    if (dropped) {
        call_refuse_with(p->call, ESHUTDOWN, "", "the controller is stopping");
    } else if (p->result < 0) {
        call_refuse(p->call, &p->err);
    } else {
        buf_printf(&body, "{\"sha256\":\"%s\",\"bytes\":%" PRIu64 ",\"complete\":%s}",
                   p->call->match.params[0], p->state.bytes, p->state.complete ? "true" : "false");
        call_reply_json(p->call, 200, &body);
        buf_done(&body);
    }
    free(p->dir);
    free(p);
}

static void post(struct call *call, const char *data, size_t len, uint64_t from)
{
    struct workers *worker = images_worker(call->core->images);
    struct piece *p = NULL;

    if (!image_is_digest(call->match.params[0])) {
        call_refuse_with(call, EINVAL, "sha256", "'%.80s' is not 64 hex digits in lower case",
                         call->match.params[0]);
        return;
    }
    if (workers_queued(worker) < UPLOADS_MAX)
        p = calloc(1, sizeof(*p));
    if (p) {
        *p = (struct piece){.call = call, .data = data, .len = len, .from = from};
        p->dir = strdup(call->core->config->image_store);
        if (p->dir && workers_post(worker, work, done, p) == 0)
            return;
        free(p->dir);
        free(p);
    }
    call_refuse_with(call, EBUSY, "", "too much is being written into the image store");
}

void handle_blob_show(struct call *call)
{
    post(call, NULL, 0, 0);
}

void handle_blob_write(struct call *call)
{
    size_t len;
    const char *data = http_request_body(call->http, &len);
    uint64_t from;

    if (!call_number(call, "from", 0, INT64_MAX, &from))
        return;
    if (!len) {
        call_refuse_with(call, EINVAL, "body", "a piece has one byte at least");
        return;
    }
    call->is_more = from > 0;
    post(call, data, len, from);
}
