/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_publish.c - vdi-image publish: checks an image, uploads what the store lacks, publishes.
 *
 * Files go up by pieces that say where they begin, so a publication that was cut off goes on
 * where it stopped when it is given again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/image.h"
#include "cli/progress.h"
#include "codec/field.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define PROVE_SEC 7200 /* the controller hashes the file meanwhile */

struct publishing {
    const struct image_options *options;
    struct client *client;
    struct image_manifest manifest;
    char paths[IMAGE_PARTS_MAX][PATH_MAX];
    struct image_part parts[IMAGE_PARTS_MAX]; /* into manifest */
    size_t n;
    struct progress progress;
};

/* ---- what is published ---- */

static int describe_part(const char *dir, const char *name, char *sha256, uint64_t *bytes,
                         char *ret_path, struct vdi_error *err)
{
    char is[65];
    struct stat st;
    int r = path_join(ret_path, dir, name, err);

    if (r == 0 && stat(ret_path, &st) < 0)
        r = error_set(err, errno, "image", "%s: %s", ret_path, strerror(errno));
    if (r == 0)
        r = image_file_sha256(ret_path, is, err);
    if (r < 0)
        return r;
    if (*sha256 && !str_equal(sha256, is)) {
        error_set(err, EUCLEAN, "image", "%s is not what image.json says: its SHA-256 is %.12s...",
                  ret_path, is);
        error_hint(err, NULL, "vdi-image check says more; prepare it again");
        return -EREMOTEIO;
    }
    memcpy(sha256, is, sizeof(is));
    *bytes = (uint64_t)st.st_size;
    return 0;
}

/* Fills in what a publication says of each file. */
static int describe(struct publishing *p, const char *dir, struct vdi_error *err)
{
    struct image_manifest *m = &p->manifest;
    struct qcow2_header header = {0};
    size_t n = 0;
    int r = 0;

    if (*m->disk) {
        r = describe_part(dir, m->disk, m->sha256, &m->disk_bytes, p->paths[n++], err);
        if (r == 0)
            r = image_qcow2_load(p->paths[0], &header, err);
        m->virtual_bytes = header.virtual_bytes;
    }
    if (r == 0 && *m->kernel)
        r = describe_part(dir, m->kernel, *m->disk ? m->kernel_sha256 : m->sha256, &m->kernel_bytes,
                          p->paths[n++], err);
    if (r == 0 && *m->initrd)
        r = describe_part(dir, m->initrd, m->initrd_sha256, &m->initrd_bytes, p->paths[n++], err);
    return r < 0 ? r : image_manifest_parts(m, p->parts, &p->n, err);
}

/* A directory: its image.json says what it is. */
static int describe_dir(struct publishing *p, const char *dir, struct vdi_error *err)
{
    int r = image_manifest_load(dir, &p->manifest, err);

    return r < 0 ? r : describe(p, dir, err);
}

static uint32_t index_of(const char *const *names, const char *name)
{
    for (uint32_t i = 0; names[i]; i++)
        if (str_equal(names[i], name))
            return i;
    return 0;
}

/* A disk alone: the options say what image.json would. */
static int describe_file(struct publishing *p, const char *path, struct vdi_error *err)
{
    const struct image_options *o = p->options;
    struct image_manifest *m = &p->manifest;
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];
    int r;

    if (!str_copy(m->ready, sizeof(m->ready), o->ready ? o->ready : "agent") ||
        !image_ready_is_word(m->ready))
        return error_set(err, EINVAL, "ready", "--ready is agent, runner or console:TEXT");
    m->video = o->video ? index_of(image_video_names, o->video) : 0;
    m->firmware = o->firmware ? index_of(image_firmware_names, o->firmware) : 0;
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path)
        str_copy(dir, sizeof(dir), "/");
    if (!str_copy(m->disk, sizeof(m->disk), slash ? slash + 1 : path))
        return error_set(err, ENAMETOOLONG, "file", "the name of %.80s is too long", path);
    r = describe(p, dir, err);
    str_copy(m->disk, sizeof(m->disk), "disk.qcow2"); /* whatever it was called here */
    return r < 0 ? r : image_manifest_parts(m, p->parts, &p->n, err);
}

/* ---- uploads ---- */

static int ask_blob(struct publishing *p, const char *sha256, uint64_t *ret_have,
                    bool *ret_complete, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    char target[96];
    int r;

    snprintf(target, sizeof(target), "/v1/blobs/%s", sha256);
    r = client_get(p->client, target, &doc, err);
    if (r < 0)
        return r;
    *ret_have = (uint64_t)value_get_int(document_root(doc), "bytes", 0);
    *ret_complete = value_get_bool(document_root(doc), "complete", false);
    return 0;
}

static int send_piece(struct publishing *p, const char *sha256, uint64_t from, const char *data,
                      size_t len, struct vdi_error *err)
{
    char target[128];
    struct client_request q = {.method = "POST", .target = target, .body = data, .body_len = len};

    snprintf(target, sizeof(target), "/v1/blobs/%s?from=%" PRIu64, sha256, from);
    return client_do(p->client, &q, NULL, err);
}

static int upload_from(struct publishing *p, const struct image_part *part, const char *path,
                       uint64_t have, struct vdi_error *err)
{
    _cleanup_(freep) char *piece = malloc(PIECE_BYTES);
    struct stat st;
    _cleanup_(closep) int fd = image_file_open(path, &st, err);
    char text[160];
    int r = fd < 0 ? fd : 0;

    if (r == 0 && !piece)
        r = error_set(err, ENOMEM, "", "no memory");
    while (r == 0 && have < part->bytes) {
        ssize_t n = pread(fd, piece, PIECE_BYTES, (off_t)have);

        if (n <= 0) {
            error_set(err, EIO, "file", "%s cannot be read: it has changed", path);
            return -EREMOTEIO;
        }
        r = send_piece(p, part->sha256, have, piece, (size_t)n, err);
        have += (uint64_t)n;
        snprintf(text, sizeof(text), "%.60s: %" PRIu64 " of %" PRIu64 " MiB", part->name,
                 have >> 20, part->bytes >> 20);
        progress_show(&p->progress, text);
    }
    progress_clear(&p->progress);
    return r;
}

static int upload(struct publishing *p, struct vdi_error *err)
{
    const char *source = p->options->source;
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->n; i++) {
        uint64_t have = 0;
        bool complete = false;

        if (p->parts[i].is_disk && !str_is_empty(source))
            continue;
        r = ask_blob(p, p->parts[i].sha256, &have, &complete, err);
        if (r == 0 && !complete && have < p->parts[i].bytes)
            r = upload_from(p, &p->parts[i], p->paths[i], have, err);
    }
    return r;
}

/* ---- the version ---- */

static void member(struct buf *out, const char *name, const char *value)
{
    if (str_is_empty(value))
        return;
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

static int send_version(struct publishing *p, const char *name, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(0), text = BUF_INIT(IMAGE_MANIFEST_MAX);
    _cleanup_(buf_done) struct buf answer = BUF_INIT(0);
    _cleanup_(document_freep) struct document *doc = NULL;
    struct client_request q = {.method = "POST", .target = "/v1/images", .timeout_sec = PROVE_SEC};
    int r;

    image_manifest_write(&p->manifest, &text);
    buf_puts(&body, "{\"name\":");
    json_write_string(&body, name);
    member(&body, "manifest", text.data);
    member(&body, "source", p->options->source);
    member(&body, "reason", p->options->reason);
    buf_putc(&body, '}');
    q.body = body.data;
    q.body_len = body.len;
    progress_show(&p->progress, "the controller checks the files");
    r = client_do(p->client, &q, &answer, err);
    progress_clear(&p->progress);
    if (r < 0)
        return r;
    r = document_parse(answer.data, answer.len, &doc, err);
    if (r == 0)
        printf("%s" IMAGE_DIGEST_WORD "%s\n%s: version %" PRId64 " is the current one\n", name,
               value_get_string(document_root(doc), "sha256", ""), name,
               value_get_int(document_root(doc), "version", 0));
    return r;
}

/* `describe_it` fills in the manifest and the parts from `path`. */
static int publish(const struct image_options *o, const char *path, const char *name,
                   int (*describe_it)(struct publishing *p, const char *path,
                                      struct vdi_error *err),
                   struct vdi_error *err)
{
    _cleanup_(freep) struct publishing *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return error_set(err, ENOMEM, "", "no memory");
    p->options = o;
    r = describe_it(p, path, err);
    if (r == 0)
        r = client_new(&p->client, err);
    if (r == 0)
        r = upload(p, err);
    if (r == 0)
        r = send_version(p, name, err);
    client_free(p->client);
    return r;
}

int image_publish_dir(const struct image_options *o, const char *dir, const char *name,
                      struct vdi_error *err)
{
    return publish(o, dir, name, describe_dir, err);
}

int image_publish(const struct image_options *o, const char *what, const char *name,
                  struct vdi_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    int r = image_find(o, what, path, &st, err);

    if (r < 0)
        return r;
    if (!str_is_name(name, IMAGE_NAME_MAX)) {
        error_set(err, EINVAL, "name", "'%.80s' is no name: letters, digits and ._-", name);
        return -EINVAL;
    }
    r = image_check(o, what, err);
    if (r == EXIT_REFUSED) {
        error_set(err, EINVAL, "image", "%s is not published: see above", path);
        return -EREMOTEIO;
    }
    if (r != 0)
        return r;
    return S_ISDIR(st.st_mode) ? image_publish_dir(o, path, name, err)
                               : publish(o, path, name, describe_file, err);
}
