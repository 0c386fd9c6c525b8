/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - images of this node: found, checked, and held to the digest they had at first use.
 *
 * The digest is computed once and believed as long as device, inode, size and
 * times are the same; records lie in STATE_DIR/images. Files that others may
 * write, links, and qcow2 files that lead to further files are refused.
 */
#include "vdid/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "vdid/file.h"

#define DIGEST_MAX 16384
#define VERSION_WORD "sha256:"

/* What was recorded at first use. */
struct digest {
    char path[PATH_MAX];
    uint64_t dev, ino, bytes;
    int64_t mtime_usec, ctime_usec;
    char sha256[65];
};

#define D(m) offsetof(struct digest, m), sizeof(((struct digest *)0)->m)

static const struct field digest_fields[] = {
    {"path", FIELD_FIXED, D(path), FIELD_KEEP, 0, 0, NULL, "the file"},
    {"dev", FIELD_U64, D(dev), FIELD_KEEP, 0, INT64_MAX, NULL, "its device"},
    {"ino", FIELD_U64, D(ino), FIELD_KEEP, 0, INT64_MAX, NULL, "its inode"},
    {"bytes", FIELD_U64, D(bytes), FIELD_KEEP, 0, INT64_MAX, NULL, "its size"},
    {"mtime_usec", FIELD_I64, D(mtime_usec), FIELD_KEEP, INT64_MIN, INT64_MAX, NULL, "changed"},
    {"ctime_usec", FIELD_I64, D(ctime_usec), FIELD_KEEP, INT64_MIN, INT64_MAX, NULL, "moved"},
    {"sha256", FIELD_FIXED, D(sha256), FIELD_KEEP, 0, 0, NULL, "its digest"},
    {.type = FIELD_END},
};

/* ---- files ---- */

/* Opens a file of an image: regular, ours or root's, and nobody else's to write. */
static int open_file(const char *path, struct stat *st, struct vdi_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r = 0;

    if (fd < 0 || fstat(fd, st) < 0) {
        r = -errno;
        error_set(err, r, "image", "%s cannot be read: %s", path, strerror(errno));
    } else {
        r = image_file_check(st, geteuid(), path, err);
    }
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

int image_check_qcow2(int fd, const char *path, struct vdi_error *err)
{
    unsigned char bytes[QCOW2_HEADER_BYTES];
    struct qcow2_header header;
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

    return qcow2_header_check(bytes, n < 0 ? 0 : (size_t)n, path, &header, err);
}

static int check_file(const char *dir, const char *name, const char *member, char *ret,
                      struct vdi_error *err)
{
    struct stat st;
    int fd, r = 0;

    ret[0] = '\0';
    if (!*name)
        return 0;
    if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
        return error_set(err, ENAMETOOLONG, "image_dir", "the path of %s is too long", name);
    fd = open_file(ret, &st, err);
    if (fd < 0)
        return fd;
    if (!strcmp(member, "disk"))
        r = image_check_qcow2(fd, ret, err);
    close(fd);
    return r;
}

/* ---- the manifest ---- */

static int read_manifest(const char *dir, const char *name, struct image_manifest *ret,
                         struct vdi_error *err)
{
    struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX);
    char path[PATH_MAX];
    struct stat st;
    int r;

    if (snprintf(path, sizeof(path), "%s/image.json", dir) >= (int)sizeof(path))
        return error_set(err, ENAMETOOLONG, "image_dir", "its path is too long");
    if (lstat(path, &st) < 0 && errno == ENOENT) {
        error_set(err, ENOENT, "image", "there is no image '%s' on this node", name);
        error_hint(err, NULL, "put it into the node's image directory, or name another");
        return -ENOENT;
    }
    r = open_file(path, &st, err);
    if (r < 0)
        return r;
    close(r);
    r = file_read(path, &text);
    if (r < 0)
        error_set(err, r, "image", "%s cannot be read: %s", path, strerror(-r));
    else
        r = image_manifest_read(text.data, text.len, path, ret, err);
    buf_done(&text);
    return r < 0 ? r : 0;
}

/* ---- digests ---- */

static const char *main_file(const struct image *image)
{
    return *image->disk ? image->disk : image->kernel;
}

/* One record per path: the path's own digest is its name. */
static int record_path(const char *state_dir, const char *path, char *ret)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a, to name a file; the path inside is what counts */

    for (const char *c = path; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    return snprintf(ret, PATH_MAX, "%s/images/%016" PRIx64 ".json", state_dir, h) < PATH_MAX
               ? 0
               : -ENAMETOOLONG;
}

static void read_digest(const char *state_dir, const char *path, struct digest *ret)
{
    struct buf text = BUF_INIT(DIGEST_MAX);
    char at[PATH_MAX];

    memset(ret, 0, sizeof(*ret));
    if (record_path(state_dir, path, at) == 0 && file_read(at, &text) == 0 &&
        (fields_read(digest_fields, ret, text.data, text.len, FIELD_KEEP, NULL, NULL) < 0 ||
         strcmp(ret->path, path) != 0))
        memset(ret, 0, sizeof(*ret));
    buf_done(&text);
}

static void fill_digest(struct digest *d, const char *path, const struct stat *st)
{
    memset(d, 0, sizeof(*d));
    str_copy(d->path, sizeof(d->path), path);
    d->dev = st->st_dev;
    d->ino = st->st_ino;
    d->bytes = (uint64_t)st->st_size;
    d->mtime_usec = st->st_mtim.tv_sec * USEC_PER_SEC + st->st_mtim.tv_nsec / 1000;
    d->ctime_usec = st->st_ctim.tv_sec * USEC_PER_SEC + st->st_ctim.tv_nsec / 1000;
}

static bool is_same_file(const struct digest *a, const struct digest *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->bytes == b->bytes &&
           a->mtime_usec == b->mtime_usec && a->ctime_usec == b->ctime_usec;
}

static int differs(const char *path, const char *is, const char *wanted, const char *by,
                   struct vdi_error *err)
{
    error_set(err, EUCLEAN, "image",
              "%s is corrupt or was changed: its SHA-256 is %.12s..., %s "
              "%.12s...",
              path, is, by, wanted);
    error_hint(err, NULL, "put the right file back, or publish the new one under a new name");
    return -EUCLEAN;
}

static int verify(const char *state_dir, struct image *image, const char *asked,
                  struct vdi_error *err)
{
    const char *path = main_file(image), *expected = image->manifest.sha256;
    struct digest known, now;
    struct stat st;
    _cleanup_(closep) int fd = open_file(path, &st, err);
    int r = 0;

    if (fd < 0)
        return fd;
    read_digest(state_dir, path, &known);
    fill_digest(&now, path, &st);
    if (known.sha256[0] && is_same_file(&known, &now))
        memcpy(now.sha256, known.sha256, sizeof(now.sha256));
    else
        r = file_sha256(fd, now.sha256);
    if (r < 0)
        return error_set(err, r, "image", "%s cannot be read: %s", path, strerror(-r));
    if (*expected && strcmp(expected, now.sha256) != 0)
        return differs(path, now.sha256, expected, "image.json says", err);
    if (*asked && strcmp(asked, now.sha256) != 0)
        return differs(path, now.sha256, asked, "the template says", err);
    if (known.sha256[0] && strcmp(known.sha256, now.sha256) != 0)
        return differs(path, now.sha256, known.sha256, "at its first use it was", err);
    image->is_new = !known.sha256[0] || !is_same_file(&known, &now);
    memcpy(image->sha256, now.sha256, sizeof(image->sha256));
    return 0;
}

int image_record(const char *state_dir, const struct image *image, struct vdi_error *err)
{
    struct buf text = BUF_INIT(DIGEST_MAX);
    char at[PATH_MAX], dir[PATH_MAX];
    bool first = true;
    struct digest d;
    struct stat st;
    int r = 0;

    if (snprintf(dir, sizeof(dir), "%s/images", state_dir) >= (int)sizeof(dir) ||
        record_path(state_dir, main_file(image), at) < 0)
        r = -ENAMETOOLONG;
    else if (lstat(main_file(image), &st) < 0)
        r = -errno;
    if (r == 0)
        r = file_make_dir(dir);
    if (r == 0) {
        fill_digest(&d, main_file(image), &st);
        memcpy(d.sha256, image->sha256, sizeof(d.sha256));
        buf_putc(&text, '{');
        fields_write(digest_fields, &d, FIELD_KEEP, &text, &first);
        buf_putc(&text, '}');
        r = file_replace(at, text.data, text.len);
    }
    buf_done(&text);
    return r < 0 ? error_set(err, r, "state_dir", "the digest of %s cannot be recorded: %s",
                             main_file(image), strerror(-r))
                 : 0;
}

/* ---- all of it ---- */

static int load_files(const char *dir, const char *name, struct image *ret, struct vdi_error *err)
{
    struct image_manifest *m = &ret->manifest;
    int r = read_manifest(dir, name, m, err);

    if (r < 0)
        return r;
    ret->by_runner = image_manifest_ready(m, &ret->ready_text) == IMAGE_READY_RUNNER;
    r = check_file(dir, m->disk, "disk", ret->disk, err);
    if (r == 0)
        r = check_file(dir, m->kernel, "kernel", ret->kernel, err);
    return r == 0 ? check_file(dir, m->initrd, "initrd", ret->initrd, err) : r;
}

/* What the digest of a version is of. */
static int check_manifest(const char *dir, const char *sha256, struct vdi_error *err)
{
    char path[PATH_MAX], is[65];
    struct stat st;
    int fd, r;

    snprintf(path, sizeof(path), "%.*s/image.json", PATH_MAX - 12, dir);
    fd = open_file(path, &st, err);
    if (fd < 0)
        return fd;
    r = file_sha256(fd, is);
    close(fd);
    if (r < 0)
        return error_set(err, r, "image", "%s cannot be read: %s", path, strerror(-r));
    return strcmp(is, sha256) ? differs(path, is, sha256, "the version is", err) : 0;
}

static int load_version(const char *cache_dir, const char *sha256, struct image *ret,
                        struct vdi_error *err)
{
    char dir[PATH_MAX];
    int r;

    if (snprintf(dir, sizeof(dir), "%s/%s", cache_dir, sha256) >= (int)sizeof(dir))
        return error_set(err, ENAMETOOLONG, "image_cache", "its path is too long");
    r = check_manifest(dir, sha256, err);
    return r < 0 ? r : load_files(dir, sha256, ret, err);
}

int image_load_proven(const char *cache_dir, const char *sha256, struct image *ret,
                      struct vdi_error *err)
{
    int r;

    memset(ret, 0, sizeof(*ret));
    r = load_version(cache_dir, sha256, ret, err);
    memcpy(ret->sha256, ret->manifest.sha256, sizeof(ret->sha256));
    return r;
}

int image_load(const char *image_dir, const char *state_dir, const char *cache_dir,
               const char *name, struct image *ret, struct vdi_error *err)
{
    char plain[IMAGE_NAME_MAX + 80], dir[PATH_MAX], *at;
    int r;

    memset(ret, 0, sizeof(*ret));
    if (!str_copy(plain, sizeof(plain), name))
        return error_set(err, EINVAL, "image", "'%.80s...' is too long", name);
    at = strchr(plain, '@');
    if (at)
        *at++ = '\0';
    if (!str_is_name(plain, IMAGE_NAME_MAX))
        return error_set(err, EINVAL, "image", "'%.80s' is not a name of an image", name);
    if (at && str_starts_with(at, VERSION_WORD)) {
        r = load_version(cache_dir, at + sizeof(VERSION_WORD) - 1, ret, err);
        return r < 0 ? r : verify(state_dir, ret, "", err);
    }
    if (snprintf(dir, sizeof(dir), "%s/%s", image_dir, plain) >= (int)sizeof(dir))
        return error_set(err, ENAMETOOLONG, "image_dir", "its path is too long");
    r = load_files(dir, plain, ret, err);
    return r < 0 ? r : verify(state_dir, ret, at ? at : "", err);
}
