/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - what an instance shows: a piece of its output, and the log of its life.
 *
 * Files are read on a worker that knows nothing of the instance, which may be gone by then. An
 * answer fits into a frame of the node link.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/field.h"
#include "vdid/instance.h"
#include "vdid/picture.h"
#include <vdi/plugin.h>

#define SCREENSHOT_MAX (384u << 10) /* bytes, before base64 */

/* What is asked for, and then the answer. */
struct showing {
    struct vdid *vdid;
    struct vdi_instance_id id;
    vdid_fn fn;
    void *arg;
    char path[PATH_MAX]; /* output: the stream's file; log: the console's */
    char screenshot[PATH_MAX];
    uint64_t from, limit;
    uint32_t max;
    bool is_known, is_ended;
    struct buf json;
    int result;
};

static void answer(struct showing *s, int result)
{
    struct vdi_error err = {0};

    if (result == 0 && s->json.failed)
        result = -ENOMEM;
    if (result < 0)
        error_set(&err, result, "instance", "instance %" PRIu64 ".%" PRIu32 ": %s", s->id.id,
                  s->id.generation,
                  result == -ENOENT      ? "nothing is kept of it here"
                  : result == -ECANCELED ? "vdid is ending"
                                         : strerror(-result));
    s->fn(s->arg, result, s->json.data, result < 0 ? &err : NULL);
    buf_done(&s->json);
    free(s);
}

static void shown(void *arg, bool dropped)
{
    struct showing *s = arg;

    answer(s, dropped ? -ECANCELED : s->result);
}

static void post(struct showing *s, void (*work)(void *arg))
{
    int r = workers_post(s->vdid->spool, work, shown, s);

    if (r < 0)
        answer(s, r);
}

static struct showing *showing_new(struct vdid *v, struct vdi_instance_id id, vdid_fn fn, void *arg)
{
    struct showing *s = calloc(1, sizeof(*s));
    struct vdi_error err = {0};

    if (!s) {
        error_set(&err, ENOMEM, "node", "the node is out of memory");
        fn(arg, -ENOMEM, NULL, &err);
        return NULL;
    }
    s->vdid = v;
    s->id = id;
    s->fn = fn;
    s->arg = arg;
    return s;
}

/* ---- output ---- */

static int read_piece(struct showing *s, uint8_t *piece, size_t *ret_len, uint64_t *ret_size)
{
    _cleanup_(closep) int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT && s->is_known ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_size = (uint64_t)st.st_size;
    if (s->from >= *ret_size)
        return 0;
    n = pread(fd, piece, s->max, (off_t)s->from);
    *ret_len = n > 0 ? (size_t)n : 0;
    return n < 0 ? -errno : 0;
}

static void output_work(void *arg)
{
    struct showing *s = arg;
    _cleanup_(freep) uint8_t *piece = malloc(s->max);
    uint64_t size = 0;
    size_t len = 0;

    s->result = piece ? read_piece(s, piece, &len, &size) : -ENOMEM;
    if (s->result < 0)
        return;
    buf_printf(&s->json, "{\"from\":%" PRIu64 ",\"size\":%" PRIu64 ",\"data\":\"", s->from, size);
    base64_write(piece, len, &s->json);
    buf_printf(&s->json, "\",\"truncated\":%s,\"ended\":%s}",
               s->limit && size > s->limit ? "true" : "false", s->is_ended ? "true" : "false");
}

/* Of an instance that is forgotten the limit is: the mark is in the text. */
void vdid_show_output(struct vdid *v, const struct instance *in, const struct vdid_order *o,
                      vdid_fn fn, void *arg)
{
    struct showing *s = showing_new(v, o->id, fn, arg);

    if (!s)
        return;
    s->from = o->from;
    s->max = o->max && o->max < VDI_OUTPUT_MAX ? o->max : VDI_OUTPUT_MAX;
    s->is_known = in != NULL;
    s->is_ended = !in || in->rec.exited || in->rec.state == RECORD_GONE;
    s->limit = (uint64_t)(in ? in->rec.output_max_mib : v->config.output_max_mib) << 20;
    spool_path(v, o->id, o->stream == RUNNER_ERR ? RUNNER_ERROR_FILE : RUNNER_OUTPUT_FILE, s->path);
    post(s, output_work);
}

/* ---- log ---- */

/* Bytes of a guest as text: UTF-8 as it is, anything else as a dot. */
static void write_text(struct buf *out, const char *text, size_t len)
{
    struct buf clean = BUF_INIT(0);

    while (len > 0) {
        uint32_t c;
        unsigned n = str_utf8(text, len, &c);

        if (n > 0 && (c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f)
            buf_append(&clean, text, n);
        else if (n == 0 || (c != '\r' && c != 0x1b))
            buf_putc(&clean, '.');
        n = n ? n : 1;
        text += n;
        len -= n;
    }
    json_write_string(out, clean.data ? clean.data : "");
    buf_done(&clean);
}

static void log_work(void *arg)
{
    struct showing *s = arg;
    struct buf tail = BUF_INIT(0), picture = BUF_INIT(0);

    console_tail(s->path, CONSOLE_KEEP_BYTES, &tail);
    buf_puts(&s->json, ",\"console\":");
    write_text(&s->json, tail.data ? tail.data : "", tail.len);
    buf_puts(&s->json, ",\"screenshot\":\"");
    if (picture_fit(s->screenshot, SCREENSHOT_MAX, &picture) == 0)
        base64_write((const uint8_t *)picture.data, picture.len, &s->json);
    buf_puts(&s->json, "\"}");
    buf_done(&tail);
    buf_done(&picture);
}

void vdid_show_log(const struct instance *in, vdid_fn fn, void *arg)
{
    struct showing *s =
        showing_new(in->vdid, (struct vdi_instance_id){in->rec.id, in->rec.generation}, fn, arg);

    if (!s)
        return;
    buf_puts(&s->json, "{\"stages\":");
    record_write_stages(&in->rec, &s->json);
    buf_puts(&s->json, ",\"failed_stage\":");
    json_write_string(&s->json, in->rec.failed ? record_stage(&in->rec) : "");
    buf_puts(&s->json, ",\"reason\":");
    json_write_string(&s->json, in->rec.reason);
    if (in->is_fetching) { /* how far it is, where a reason would stand */
        char sha256[65], progress[64];

        cache_digest_of(in->rec.wish.image, sha256);
        buf_puts(&s->json, ",\"progress\":");
        json_write_string(&s->json, cache_progress(in->vdid->cache, sha256, progress));
    }
    instance_path(in, "console.log", s->path);
    instance_path(in, "screenshot", s->screenshot);
    post(s, log_work);
}
