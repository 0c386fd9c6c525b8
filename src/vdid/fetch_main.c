/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_main.c - vdi-fetch: gets the files of one version of an image, by libcurl.
 *
 * A file grows in NAME.part, so that it goes on after a loss or a restart, and is hashed from
 * its beginning whatever it began with. It gets its name only when digest and size are the
 * manifest's and it is synced; a part with a wrong digest is thrown away, and begun anew.
 */
#include <config.h>

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/image_manifest.h"
#include "vdid/fetch.h"

#define CORRUPT_MAX 3
#define FRUITLESS_MAX 12 /* tries in a row that bring nothing: about three minutes */
#define WAIT_MAX_SEC 30
#define FLUSH_BYTES ((uint64_t)32 << 20)
#define URL_BYTES 1200

struct fetch {
    const char *dir, *final, *host, *connect, *ca, *cert, *key;
    uint64_t rate;
    char source[1024];
    struct image_manifest manifest;
    CURL *curl;
    struct curl_slist *connect_to;
    int dir_fd;
};

/* One file on its way. */
struct file {
    const struct image_part *part;
    char name[IMAGE_FILE_MAX + 8]; /* of the part */
    int fd;
    EVP_MD_CTX *hash;
    uint64_t have, flushed;
    bool is_full; /* no space */
};

static int fail(enum fetch_exit code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(enum fetch_exit code, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
    return (int)code;
}

static int fail_errno(const char *what)
{
    int code = errno;

    return fail(code == ENOSPC || code == EDQUOT ? FETCH_FULL : FETCH_FAILED, "%s: %s", what,
                code == ENOSPC ? "no space left on the node" : strerror(code));
}

/* ---- the part ---- */

static int rewind_file(struct file *f)
{
    f->have = f->flushed = 0;
    return EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) == 1 && ftruncate(f->fd, 0) == 0 ? 0 : -1;
}

/* Hashes what an earlier attempt left. */
static int resume(struct file *f)
{
    _cleanup_(freep) char *piece = malloc(1 << 20);
    struct stat st;
    ssize_t n = 1;

    if (!piece || fstat(f->fd, &st) < 0 || EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) != 1)
        return -1;
    if ((uint64_t)st.st_size > f->part->bytes)
        return rewind_file(f);
    while (n > 0) {
        n = pread(f->fd, piece, 1 << 20, (off_t)f->have);
        if (n > 0)
            EVP_DigestUpdate(f->hash, piece, (size_t)n);
        f->have += n > 0 ? (uint64_t)n : 0;
    }
    f->flushed = f->have;
    return n < 0 ? -1 : 0;
}

/* The disk begins early, or all of it would have to be waited for at the end. */
static void flush(struct file *f)
{
    if (f->have - f->flushed < FLUSH_BYTES)
        return;
    sync_file_range(f->fd, (off64_t)f->flushed, (off64_t)(f->have - f->flushed),
                    SYNC_FILE_RANGE_WRITE);
    f->flushed = f->have;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct file *f = arg;
    size_t len = size * n;

    if (len > f->part->bytes - f->have) /* more than was published: corrupt in any case */
        return 0;
    if (pwrite(f->fd, data, len, (off_t)f->have) != (ssize_t)len) {
        f->is_full = errno == ENOSPC || errno == EDQUOT;
        return 0;
    }
    EVP_DigestUpdate(f->hash, data, len);
    f->have += len;
    flush(f);
    return len;
}

static bool is_right(const struct file *f)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    unsigned char digest[32] = {0};
    char hex[65];
    bool ok = copy && EVP_MD_CTX_copy_ex(copy, f->hash) == 1 &&
              EVP_DigestFinal_ex(copy, digest, NULL) == 1;

    EVP_MD_CTX_free(copy);
    str_to_hex(digest, sizeof(digest), hex);
    return ok && str_equal(hex, f->part->sha256);
}

/* ---- one try ---- */

static void url_of(const struct fetch *fetch, const struct image_part *part, char *ret)
{
    if (!part->is_disk || !*fetch->source)
        snprintf(ret, URL_BYTES, "https://%s/blobs/%s", fetch->host, part->sha256);
    else
        snprintf(ret, URL_BYTES, "%s%s", fetch->source[0] == '/' ? "file://" : "", fetch->source);
}

static void set_trust(const struct fetch *fetch, bool is_ours)
{
    CURL *curl = fetch->curl;

    if (is_ours)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, is_ours ? fetch->connect_to : NULL);
    curl_easy_setopt(curl, CURLOPT_CAPATH, is_ours ? NULL : "/etc/ssl/certs");
    curl_easy_setopt(curl, CURLOPT_CAINFO,
                     is_ours ? fetch->ca : "/etc/ssl/certs/ca-certificates.crt");
    curl_easy_setopt(curl, CURLOPT_SSLCERT, is_ours ? fetch->cert : NULL);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, is_ours ? fetch->key : NULL);
}

static CURLcode get(const struct fetch *fetch, struct file *f, long *ret_status)
{
    char url[URL_BYTES];
    CURL *curl = fetch->curl;
    CURLcode r;

    url_of(fetch, f->part, url);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                     f->part->is_disk && fetch->source[0] == '/' ? "file" : "https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, *fetch->source ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 15L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* silence is what ends a try */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(curl, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)fetch->rate);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)f->have);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
    set_trust(fetch, !f->part->is_disk || !*fetch->source);
    r = curl_easy_perform(curl);
    *ret_status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    return r;
}

/* What a status says for good. NULL: it may be otherwise in a moment. */
static const char *final_word(const struct fetch *fetch, long status)
{
    if (status == 403)
        return *fetch->source ? "it is not given to this node"
                              : "the controller does not take this node's certificate";
    if (status == 404)
        return *fetch->source ? "there is no such file at its source"
                              : "the controller's store does not have it";
    return NULL;
}

/* ---- one file ---- */

static int keep(const struct fetch *fetch, struct file *f)
{
    if (fchmod(f->fd, 0444) < 0 || fsync(f->fd) < 0 ||
        renameat(fetch->dir_fd, f->name, fetch->dir_fd, f->part->name) < 0)
        return fail_errno(f->part->name);
    return FETCH_OK;
}

/* FETCH_OK: it is whole; -1: once more. */
static int look(const struct fetch *fetch, struct file *f, CURLcode r, long status,
                unsigned *corrupt)
{
    const char *word = final_word(fetch, status);

    if (f->is_full) {
        errno = ENOSPC;
        return fail_errno(f->part->name);
    }
    if (f->have == f->part->bytes && is_right(f))
        return keep(fetch, f);
    if (word)
        return fail(FETCH_FAILED, "%s: %s", f->part->name, word);
    /* All is here and wrong, or there is more than was published, or none of it fits. */
    if (f->have < f->part->bytes && r != CURLE_WRITE_ERROR && r != CURLE_RANGE_ERROR &&
        r != CURLE_OK && status != 416)
        return -1;
    if (rewind_file(f) < 0)
        return fail_errno(f->part->name);
    if (++*corrupt < CORRUPT_MAX)
        return -1;
    return fail(FETCH_CORRUPT, "%s arrives corrupt: %u times its SHA-256 was not %.12s...",
                f->part->name, *corrupt, f->part->sha256);
}

static int try_all(const struct fetch *fetch, struct file *f)
{
    unsigned corrupt = 0, fruitless = 0, wait = 1;
    int code = -1;

    while (code < 0) {
        uint64_t before = f->have;
        unsigned was_corrupt = corrupt;
        long status = 0;
        CURLcode r = f->have == f->part->bytes ? CURLE_OK : get(fetch, f, &status);

        code = look(fetch, f, r, status, &corrupt);
        if (code >= 0 || corrupt > was_corrupt)
            continue;
        fruitless = f->have > before ? 0 : fruitless + 1;
        wait = fruitless ? wait * 2 < WAIT_MAX_SEC ? wait * 2 : WAIT_MAX_SEC : 1;
        if (fruitless == FRUITLESS_MAX)
            return fail(FETCH_FAILED, "%s can't be fetched: %s", f->part->name,
                        curl_easy_strerror(r));
        sleep(wait);
    }
    return code;
}

static int fetch_file(const struct fetch *fetch, const struct image_part *part)
{
    struct file f = {.part = part, .fd = -1};
    struct stat st;
    int code;

    /* It got its name when it was whole. */
    if (fstatat(fetch->dir_fd, part->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        (uint64_t)st.st_size == part->bytes)
        return FETCH_OK;
    snprintf(f.name, sizeof(f.name), "%s.part", part->name);
    f.hash = EVP_MD_CTX_new();
    f.fd = openat(fetch->dir_fd, f.name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f.fd < 0 || !f.hash || resume(&f) < 0)
        code = fail_errno(f.name);
    else
        code = try_all(fetch, &f);
    EVP_MD_CTX_free(f.hash);
    closep(&f.fd);
    return code;
}

/* ---- all of it ---- */

static int read_wish(struct fetch *fetch)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX);
    _cleanup_(buf_done) struct buf source = BUF_INIT(sizeof(fetch->source) - 1);
    char path[4200];
    struct vdi_error err = {0};
    int r;

    snprintf(path, sizeof(path), "%s/%s", fetch->dir, FETCH_SOURCE_FILE);
    r = file_read(path, &source);
    if (r < 0 && r != -ENOENT)
        return fail(FETCH_FAILED, "%s: %s", path, strerror(-r));
    str_copy(fetch->source, sizeof(fetch->source), source.data ? source.data : "");
    snprintf(path, sizeof(path), "%s/%s", fetch->dir, FETCH_MANIFEST_FILE);
    r = file_read(path, &text);
    if (r >= 0)
        r = image_manifest_read(text.data, text.len, path, &fetch->manifest, &err);
    return r < 0 ? fail(FETCH_FAILED, "%s", err.code ? err.detail : strerror(-r)) : FETCH_OK;
}

static int publish(const struct fetch *fetch)
{
    char parent[4200], *slash;

    unlinkat(fetch->dir_fd, FETCH_SOURCE_FILE, 0);
    if (fchmodat(fetch->dir_fd, FETCH_MANIFEST_FILE, 0444, 0) < 0 ||
        fchmod(fetch->dir_fd, 0755) < 0 || fsync(fetch->dir_fd) < 0 ||
        rename(fetch->dir, fetch->final) < 0)
        return fail_errno(fetch->final);
    str_copy(parent, sizeof(parent), fetch->final);
    slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    file_sync_dir(parent);
    return FETCH_OK;
}

static int run(struct fetch *fetch)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    struct vdi_error err = {0};
    size_t n;
    int code;

    fetch->dir_fd = open(fetch->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fetch->dir_fd < 0 || flock(fetch->dir_fd, LOCK_EX) < 0)
        return fail_errno(fetch->dir);
    code = read_wish(fetch);
    if (code != FETCH_OK)
        return code;
    if (image_manifest_parts(&fetch->manifest, parts, &n, &err) < 0)
        return fail(FETCH_FAILED, "%s", err.detail);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    fetch->curl = curl_easy_init();
    fetch->connect_to = curl_slist_append(NULL, fetch->connect);
    if (!fetch->curl || !fetch->connect_to)
        return fail(FETCH_FAILED, "out of memory");
    for (size_t i = 0; code == FETCH_OK && i < n; i++)
        code = fetch_file(fetch, &parts[i]);
    curl_slist_free_all(fetch->connect_to);
    curl_easy_cleanup(fetch->curl);
    return code == FETCH_OK ? publish(fetch) : code;
}

int main(int argc, char **argv)
{
    struct fetch fetch = {0};

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* vdid begins anew, from what is there */
    if (argc != 9 || str_to_u64(argv[5], 0, INT64_MAX, &fetch.rate) < 0) {
        fputs("vdi-fetch is started by vdid\n", stderr);
        return FETCH_FAILED;
    }
    fetch.dir = argv[1];
    fetch.final = argv[2];
    fetch.host = argv[3];
    fetch.connect = argv[4];
    fetch.ca = argv[6];
    fetch.cert = argv[7];
    fetch.key = argv[8];
    return run(&fetch);
}
