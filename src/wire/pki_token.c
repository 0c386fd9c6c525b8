/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki_token.c - one-time enroll tokens.
 *
 * `tokens` has a line a token: hash of the secret, end (Unix seconds), node name. A token is
 * taken out of the file, and the file synced, before anyone hears that it was good.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/pki_internal.h"

#define PREFIX "vdi-enroll-1."
#define SECRET_LEN 32 /* hex digits */
#define HASH_LEN 64
#define LIST_MAX ((size_t)1024 * 1024) /* some 8,000 tokens */

static bool is_hex(const char *s, size_t len)
{
    return strspn(s, "0123456789abcdef") >= len;
}

static int hash_secret(const char *secret, char ret[HASH_LEN + 1])
{
    unsigned char digest[32];
    if (EVP_Q_digest(NULL, "SHA256", NULL, secret, strlen(secret), digest, NULL) != 1)
        return -EIO;
    str_to_hex(digest, sizeof(digest), ret);
    return 0;
}

/* The name may hold dots, so the parts behind it are counted from the end. */
int pki_token_parse(const char *text, struct pki_token *ret, struct vdi_error *err)
{
    struct pki_token token;
    size_t len = strnlen(text, PKI_TOKEN_LEN);
    size_t tail = 1 + SECRET_LEN + 1 + HASH_LEN;
    bool ok = len < PKI_TOKEN_LEN && str_starts_with(text, PREFIX) && len > strlen(PREFIX) + tail &&
              len - strlen(PREFIX) - tail <= PKI_NAME_MAX;
    if (ok) {
        const char *end = text + len - tail;
        size_t name_len = (size_t)(end - text) - strlen(PREFIX);
        memcpy(token.name, text + strlen(PREFIX), name_len);
        token.name[name_len] = '\0';
        memcpy(token.secret, end + 1, SECRET_LEN);
        token.secret[SECRET_LEN] = '\0';
        memcpy(token.ca_fingerprint, end + 2 + SECRET_LEN, HASH_LEN);
        token.ca_fingerprint[HASH_LEN] = '\0';
        ok = end[0] == '.' && end[1 + SECRET_LEN] == '.' && is_hex(token.secret, SECRET_LEN) &&
             is_hex(token.ca_fingerprint, HASH_LEN) && str_is_name(token.name, PKI_NAME_MAX);
    }
    if (!ok) {
        error_set(err, EINVAL, "token", "This is not an enroll token.");
        error_hint(err, NULL, "Take the whole text that vdictl node enroll printed.");
        return -EINVAL;
    }
    *ret = token;
    return 0;
}

/* Copies the lines that are still good, without the one of `hash` (may be NULL). */
static bool sift(char *list, const char *hash, const char *name, int64_t now_sec, struct buf *out)
{
    bool found = false;
    char *rest = list, *line;
    while ((line = strsep(&rest, "\n"))) {
        const char *its_hash = strsep(&line, " "), *end = strsep(&line, " "), *its_name = line;
        int64_t end_sec;
        if (!end || !its_name || str_to_i64(end, 0, INT64_MAX, &end_sec) < 0 || end_sec <= now_sec)
            continue;
        if (hash && str_equal_secret(hash, strlen(hash), its_hash, strlen(its_hash)) &&
            str_equal(its_name, name))
            found = true;
        else
            buf_printf(out, "%s %s %s\n", its_hash, end, its_name);
    }
    return found;
}

static int ca_fingerprint(int dir_fd, char ret[PKI_FINGERPRINT_LEN], struct vdi_error *err)
{
    struct buf pem = BUF_INIT(0);
    struct pki_cert_info info;
    int r = pki_file_read(dir_fd, "ca.crt", PKI_PEM_MAX, true, &pem, err);
    if (r == -ENOENT)
        error_set(err, ENOENT, "pki", "There is no CA.");
    if (r < 0)
        return r;
    _cleanup_(X509_freep) X509 *cert = pem.data ? pki_cert_from_pem(pem.data) : NULL;
    buf_done(&pem);
    if (!cert || pki_cert_info(cert, &info) < 0)
        return error_set(err, EINVAL, "pki", "ca.crt holds no certificate.");
    memcpy(ret, info.fingerprint, PKI_FINGERPRINT_LEN);
    return 0;
}

static int read_list(int dir_fd, struct buf *ret, struct vdi_error *err)
{
    *ret = BUF_INIT(LIST_MAX);
    int r = pki_file_read(dir_fd, "tokens", LIST_MAX, true, ret, err);
    return r == -ENOENT ? 0 : r;
}

static int new_secret(char ret[SECRET_LEN + 1])
{
    unsigned char bytes[SECRET_LEN / 2];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return -EIO;
    str_to_hex(bytes, sizeof(bytes), ret);
    return 0;
}

static int write_list(int dir_fd, const struct buf *list, struct vdi_error *err)
{
    if (list->failed)
        return error_set(err, ENOSPC, "token", "There are too many enroll tokens at once.");
    return pki_file_replace(dir_fd, "tokens", list->data ? list->data : "", list->len, err);
}

int pki_token_new(const char *dir, const char *name, int64_t ttl_sec, int64_t now_sec,
                  char ret[PKI_TOKEN_LEN], struct vdi_error *err)
{
    char secret[SECRET_LEN + 1], hash[HASH_LEN + 1], fingerprint[PKI_FINGERPRINT_LEN];
    _cleanup_(closep) int dir_fd = -1;
    struct buf old, list = BUF_INIT(LIST_MAX);
    if (!str_is_name(name, PKI_NAME_MAX))
        return error_set(err, EINVAL, "name", "\"%.80s\" is not a node's name.", name);
    if (ttl_sec < 1 || ttl_sec > PKI_TOKEN_TTL_MAX_SEC) {
        error_set(err, ERANGE, "ttl", "A token cannot be good for %" PRId64 " s.", ttl_sec);
        error_hint(err, "1 s to 1 h", NULL);
        return -ERANGE;
    }
    if (new_secret(secret) < 0 || hash_secret(secret, hash) < 0)
        return pki_crypto_error(err, "make a secret");
    int r = pki_dir_open(dir, &dir_fd, err);
    if (r == 0)
        r = ca_fingerprint(dir_fd, fingerprint, err);
    if (r == 0)
        r = read_list(dir_fd, &old, err);
    if (r < 0)
        return r;
    if (old.data)
        sift(old.data, NULL, NULL, now_sec, &list);
    buf_printf(&list, "%s %" PRId64 " %s\n", hash, now_sec + ttl_sec, name);
    r = write_list(dir_fd, &list, err);
    buf_done(&old);
    buf_done(&list);
    if (r == 0)
        snprintf(ret, PKI_TOKEN_LEN, PREFIX "%s.%s.%s", name, secret, fingerprint);
    return r;
}

static int not_good(struct vdi_error *err)
{
    error_set(err, EKEYREJECTED, "token", "The enroll token is not good.");
    error_hint(err, NULL, "A token is good once and for a short time: vdictl node enroll NAME");
    return -EKEYREJECTED;
}

int pki_token_redeem(const char *dir, const char *text, int64_t now_sec,
                     char ret_name[PKI_NAME_MAX + 1], struct vdi_error *err)
{
    struct pki_token token;
    char hash[HASH_LEN + 1], fingerprint[PKI_FINGERPRINT_LEN];
    _cleanup_(closep) int dir_fd = -1;
    struct buf old, list = BUF_INIT(LIST_MAX);
    int r = pki_token_parse(text, &token, err);
    if (r < 0)
        return r;
    if (hash_secret(token.secret, hash) < 0)
        return pki_crypto_error(err, "hash a secret");
    r = pki_dir_open(dir, &dir_fd, err);
    if (r == 0)
        r = ca_fingerprint(dir_fd, fingerprint, err);
    if (r == 0)
        r = read_list(dir_fd, &old, err);
    if (r < 0)
        return r;
    bool found = old.data && sift(old.data, hash, token.name, now_sec, &list);
    if (!found || !str_equal(fingerprint, token.ca_fingerprint))
        r = not_good(err);
    else
        r = write_list(dir_fd, &list, err);
    buf_done(&old);
    buf_done(&list);
    if (r == 0)
        str_copy(ret_name, PKI_NAME_MAX + 1, token.name);
    return r;
}
