/* SPDX-License-Identifier: Apache-2.0 */
/*
 * munge_sign.c - the client's side of `Authorization: Munge`.
 *
 * libmunge and libcrypto are opened when the first credential is wanted: a
 * command that talks over a unix socket or with a token does not pay for them. The payload is what
 * the auth/munge plugin takes apart; both sides change together.
 */
#include "wire/munge_sign.h"

#include <dlfcn.h>
#include <errno.h>
#include <munge.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/str.h"

#define PAYLOAD_MAX 8192
#define TTL_SEC 60 /* the longest that auth/munge takes */

typedef munge_err_t encode_fn(char **cred, munge_ctx_t ctx, const void *buf, int len);
typedef const char *strerror_fn(munge_err_t e);
typedef munge_ctx_t ctx_create_fn(void);
typedef munge_err_t ctx_set_fn(munge_ctx_t ctx, munge_opt_t opt, ...);
typedef unsigned char *sha256_fn(const unsigned char *data, size_t len, unsigned char *ret);

static struct {
    encode_fn *encode;
    strerror_fn *strerror;
    ctx_create_fn *ctx_create;
    ctx_set_fn *ctx_set;
    sha256_fn *sha256;
    munge_ctx_t ctx;
} lib;

/* A credential is for one request, now; munged's own default is longer than is taken. A site
 * may run a munged of its own for this. */
static int set_context(struct vdi_error *err)
{
    const char *path = getenv("VDI_MUNGE_SOCKET");
    lib.ctx = lib.ctx_create();
    if (!lib.ctx || lib.ctx_set(lib.ctx, MUNGE_OPT_TTL, TTL_SEC) != EMUNGE_SUCCESS)
        return error_set(err, ENOMEM, "credential", "munge can't be used here");
    if (str_is_empty(path) || lib.ctx_set(lib.ctx, MUNGE_OPT_SOCKET, path) == EMUNGE_SUCCESS)
        return 0;
    return error_set(err, ENOMEM, "VDI_MUNGE_SOCKET", "munge does not take %.100s", path);
}

/* The libraries stay open until the process ends. */
static int open_libraries(struct vdi_error *err)
{
    void *munge = dlopen("libmunge.so.2", RTLD_NOW | RTLD_LOCAL);
    void *crypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (munge && crypto) {
        lib.encode = (encode_fn *)(uintptr_t)dlsym(munge, "munge_encode");
        lib.strerror = (strerror_fn *)(uintptr_t)dlsym(munge, "munge_strerror");
        lib.ctx_create = (ctx_create_fn *)(uintptr_t)dlsym(munge, "munge_ctx_create");
        lib.ctx_set = (ctx_set_fn *)(uintptr_t)dlsym(munge, "munge_ctx_set");
        lib.sha256 = (sha256_fn *)(uintptr_t)dlsym(crypto, "SHA256");
    }
    if (lib.encode && lib.strerror && lib.ctx_create && lib.ctx_set && lib.sha256)
        return set_context(err);
    error_set(err, ENOSYS, "credential", "%s can't be used here",
              munge ? "libcrypto.so.3" : "libmunge.so.2");
    error_hint(err, NULL, "install it, or set VDI_TOKEN_FILE to the file of a token");
    return -ENOSYS;
}

static int payload_write(char *out, size_t size, const char *cluster, const char *method,
                         const char *target, const char *body, size_t body_len)
{
    unsigned char nonce[16], digest[SHA256_DIGEST_LENGTH];
    char nonce_hex[2 * sizeof(nonce) + 1], digest_hex[2 * sizeof(digest) + 1];
    if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
        return -EIO;
    lib.sha256((const unsigned char *)body, body_len, digest);
    str_to_hex(nonce, sizeof(nonce), nonce_hex);
    str_to_hex(digest, sizeof(digest), digest_hex);
    int n = snprintf(out, size, "vdi-munge-1\n%s\n%s\n%s\n%s\n%s\n", cluster, method, target,
                     nonce_hex, digest_hex);
    return n < (int)size ? n : -E2BIG;
}

int munge_sign(const char *cluster, const char *method, const char *target, const char *body,
               size_t body_len, char *ret, size_t ret_size, struct vdi_error *err)
{
    int r = lib.encode ? 0 : open_libraries(err);
    if (r < 0)
        return r;
    char payload[PAYLOAD_MAX];
    int len = payload_write(payload, sizeof(payload), cluster, method, target, body, body_len);
    if (len < 0)
        return error_set(err, -len, "credential", "the request can't be signed");
    char *credential = NULL;
    munge_err_t e = lib.encode(&credential, lib.ctx, payload, len);
    if (e != EMUNGE_SUCCESS) {
        free(credential);
        error_set(err, EAGAIN, "credential", "munge: %s", lib.strerror(e));
        error_hint(err, NULL, "is munged running here? Or set VDI_TOKEN_FILE");
        return -EAGAIN;
    }
    int n = snprintf(ret, ret_size, "Authorization: Munge %s", credential);
    free(credential);
    return n < (int)ret_size ? 0 : error_set(err, E2BIG, "credential", "munge: too long");
}
