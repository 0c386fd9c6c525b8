/* SPDX-License-Identifier: Apache-2.0 */
/*
 * munge_sign.c - the client's side of `Authorization: Munge`.
 *
 * libmunge is opened when the first credential is wanted: a command that talks
 * over a unix socket or with a token does not pay for it. The payload is what
 * the auth/munge plugin takes apart; both sides change together.
 */
#include "wire/munge_sign.h"

#include <dlfcn.h>
#include <errno.h>
#include <munge.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/str.h"

#define PAYLOAD_MAX 8192

typedef munge_err_t encode_fn(char **cred, munge_ctx_t ctx, const void *buf, int len);
typedef const char *strerror_fn(munge_err_t e);

static void *library;

static void *symbol(const char *name)
{
    if (!library)
        library = dlopen("libmunge.so.2", RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

static int payload_write(char *out, size_t size, const char *cluster, const char *method,
                         const char *target, const char *body, size_t body_len)
{
    unsigned char nonce[16], digest[EVP_MAX_MD_SIZE];
    char nonce_hex[33], digest_hex[2 * EVP_MAX_MD_SIZE + 1];
    if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
        return -EIO;
    if (EVP_Digest(body, body_len, digest, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    str_to_hex(nonce, sizeof(nonce), nonce_hex);
    str_to_hex(digest, 32, digest_hex);
    int n = snprintf(out, size, "vdi-munge-1\n%s\n%s\n%s\n%s\n%s\n", cluster, method, target,
                     nonce_hex, digest_hex);
    return n < (int)size ? n : -E2BIG;
}

int munge_sign(const char *cluster, const char *method, const char *target, const char *body,
               size_t body_len, char *ret, size_t ret_size, struct vdi_error *err)
{
    encode_fn *encode = (encode_fn *)(uintptr_t)symbol("munge_encode");
    strerror_fn *text = (strerror_fn *)(uintptr_t)symbol("munge_strerror");
    if (!encode || !text) {
        error_set(err, ENOSYS, "credential", "libmunge.so.2 is not installed here");
        error_hint(err, NULL, "install it, or set VDI_TOKEN_FILE to a token's file");
        return -ENOSYS;
    }
    char payload[PAYLOAD_MAX];
    int len = payload_write(payload, sizeof(payload), cluster, method, target, body, body_len);
    if (len < 0)
        return error_set(err, -len, "credential", "the request can't be signed");
    char *credential = NULL;
    munge_err_t e = encode(&credential, NULL, payload, len);
    if (e != EMUNGE_SUCCESS) {
        free(credential);
        error_set(err, EAGAIN, "credential", "munge: %s", text(e));
        error_hint(err, NULL, "is munged running here? Or set VDI_TOKEN_FILE");
        return -EAGAIN;
    }
    int n = snprintf(ret, ret_size, "Authorization: Munge %s", credential);
    free(credential);
    return n < (int)ret_size ? 0 : error_set(err, E2BIG, "credential", "munge: too long");
}
