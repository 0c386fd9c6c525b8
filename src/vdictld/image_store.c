/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_store.c - files of published images, named by their SHA-256.
 *
 * A file appears under its digest only after it was hashed and synced, and is never written
 * again. What is being uploaded is DIGEST.part; it grows at its end alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "vdictld/images.h"

#define PATH_BYTES 4200
#define FREE_MIN ((uint64_t)256 << 20) /* left to the file system */

static void path_of(const char *dir, const char *sha256, const char *suffix, char *ret)
{
    snprintf(ret, PATH_BYTES, "%s/blobs/%s%s", dir, sha256, suffix);
}

static int store_error(struct vdi_error *err, int code, const char *path)
{
    int told = code == ENOSPC || code == EDQUOT ? ENOSPC : EIO;

    error_set(err, told, "image_store", "%s cannot be used: %s", path, strerror(code));
    error_hint(err, NULL,
               told == ENOSPC ? "make room there, or retire versions: vdi-image retire"
                              : "vdictld must be able to write there; vdi.conf's image_store");
    return -told;
}

int image_store_look(const char *dir, const char *sha256, struct image_part_state *ret,
                     struct vdi_error *err)
{
    char path[PATH_BYTES];
    struct stat st;

    path_of(dir, sha256, "", path);
    ret->complete = lstat(path, &st) == 0;
    if (!ret->complete) {
        path_of(dir, sha256, ".part", path);
        st.st_size = 0;
        if (lstat(path, &st) < 0 && errno != ENOENT)
            return store_error(err, errno, path);
    }
    ret->bytes = (uint64_t)st.st_size;
    return 0;
}

static int make_dirs(const char *dir, struct vdi_error *err)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/blobs", dir);
    if ((mkdir(dir, 0711) < 0 && errno != EEXIST) || (mkdir(path, 0711) < 0 && errno != EEXIST))
        return store_error(err, errno, path);
    return 0;
}

static int check_room(int fd, size_t len, const char *path, struct vdi_error *err)
{
    struct statvfs fs;

    if (fstatvfs(fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < len + FREE_MIN)
        return store_error(err, ENOSPC, path);
    return 0;
}

static int append(int fd, const char *path, uint64_t from, const void *data, size_t len,
                  struct image_part_state *ret, struct vdi_error *err)
{
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return store_error(err, errno, path);
    ret->bytes = (uint64_t)st.st_size;
    if (ret->bytes != from) {
        error_set(err, EPROTO, "from", "the store has %" PRIu64 " bytes of it, not %" PRIu64,
                  ret->bytes, from);
        error_hint(err, NULL, "ask how much is there, and go on from that");
        return -EPROTO;
    }
    r = check_room(fd, len, path, err);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_END) < 0 || file_write_all(fd, data, len) < 0) {
        r = errno;
        if (ftruncate(fd, (off_t)from) < 0) /* or the next piece would not fit */
            unlink(path);
        return store_error(err, r ? r : EIO, path);
    }
    ret->bytes += len;
    return 0;
}

int image_store_append(const char *dir, const char *sha256, uint64_t from, const void *data,
                       size_t len, struct image_part_state *ret, struct vdi_error *err)
{
    _cleanup_(closep) int fd = -1;
    char path[PATH_BYTES];
    int r = make_dirs(dir, err);

    if (r >= 0)
        r = image_store_look(dir, sha256, ret, err);
    if (r < 0 || ret->complete)
        return r;
    path_of(dir, sha256, ".part", path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? store_error(err, errno, path) : append(fd, path, from, data, len, ret, err);
}

static int hash_fd(int fd, char *ret)
{
    unsigned char digest[32], *piece = malloc(1 << 20);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ssize_t n = piece && ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 ? 1 : -1;

    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (n > 0) {
        n = read(fd, piece, 1 << 20);
        if (n > 0)
            EVP_DigestUpdate(ctx, piece, (size_t)n);
    }
    if (n == 0)
        EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    free(piece);
    if (n < 0)
        return -EIO;
    str_to_hex(digest, sizeof(digest), ret);
    return 0;
}

static int missing(const struct image_part *part, uint64_t bytes, struct vdi_error *err)
{
    error_set(err, EPROTO, "manifest",
              "%.60s is not in the store: %" PRIu64 " of %" PRIu64 " bytes", part->name, bytes,
              part->bytes);
    error_hint(err, NULL, "upload it first: POST /v1/blobs/SHA256; vdi-image publish does");
    return -EPROTO;
}

static int prove(int fd, const char *path, const struct image_part *part, struct vdi_error *err)
{
    char is[65];

    if (hash_fd(fd, is) < 0)
        return store_error(err, EIO, path);
    if (!str_equal(is, part->sha256)) {
        unlink(path); /* of no use: begin anew */
        error_set(err, EBADMSG, "manifest",
                  "%.60s arrived corrupt: its SHA-256 is %.12s..., not "
                  "%.12s...",
                  part->name, is, part->sha256);
        error_hint(err, NULL, "upload it again");
        return -EBADMSG;
    }
    return fchmod(fd, 0444) < 0 || fdatasync(fd) < 0 ? store_error(err, errno, path) : 0;
}

int image_store_seal(const char *dir, const struct image_part *part, struct vdi_error *err)
{
    char path[PATH_BYTES], final[PATH_BYTES], blobs[PATH_BYTES];
    struct image_part_state state;
    _cleanup_(closep) int fd = -1;
    int r = image_store_look(dir, part->sha256, &state, err);

    if (r < 0)
        return r;
    if (state.bytes != part->bytes)
        return missing(part, state.bytes, err);
    if (state.complete)
        return 0;
    path_of(dir, part->sha256, ".part", path);
    path_of(dir, part->sha256, "", final);
    snprintf(blobs, sizeof(blobs), "%s/blobs", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    r = fd < 0 ? store_error(err, errno, path) : prove(fd, path, part, err);
    if (r < 0)
        return r;
    if (rename(path, final) < 0)
        return store_error(err, errno, path);
    r = file_sync_dir(blobs);
    return r < 0 ? store_error(err, -r, blobs) : 0;
}

/* ---- what nobody needs any more ---- */

static int by_digest(const void *a, const void *b)
{
    return strcmp(a, b);
}

void image_store_collect(const char *dir, char (*keep)[65], size_t n, int64_t before_sec)
{
    char path[PATH_BYTES], digest[65];
    struct dirent *entry;
    struct stat st;
    DIR *d;

    snprintf(path, sizeof(path), "%s/blobs", dir);
    d = opendir(path);
    while (d && (entry = readdir(d))) {
        bool is_part = str_equal(strchr(entry->d_name, '.'), ".part");

        str_copy(digest, sizeof(digest), entry->d_name);
        if (!image_is_digest(digest) || (strlen(entry->d_name) != 64 && !is_part) ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_mtim.tv_sec >= before_sec)
            continue;
        if (is_part || !n || !bsearch(digest, keep, n, sizeof(*keep), by_digest))
            unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d)
        closedir(d);
}
