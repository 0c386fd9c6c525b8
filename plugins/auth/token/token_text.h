/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_text.h - a signed token as text: "vdi1.<payload>.<signature>".
 *
 * Payload: a JSON object; signature: HMAC-SHA-256 over "vdi1.<payload>"; both in base64url
 * without padding, in its one canonical form, so no two texts are the same token. There is
 * one algorithm and nothing in the token chooses it.
 */
#ifndef TOKEN_TEXT_H
#define TOKEN_TEXT_H

#include <stdint.h>

#include <vdi/types.h>

#define TOKEN_TEXT_MAX 4096
#define TOKEN_LIFE_MAX_SEC 3600
#define TOKEN_KEY_MIN 32
#define TOKEN_KEY_MAX 4096

struct token_claims {
    char cluster[VDI_NAME_MAX];
    char realm[VDI_REALM_MAX];
    char name[VDI_NAME_MAX];
    char scope[VDI_NAME_MAX];
    char jti[48];
    uint32_t uid, gid;
    int64_t iat_sec, exp_sec;
};

struct token_key {
    unsigned char bytes[TOKEN_KEY_MAX];
    size_t len;
};

/* Signs n bytes as payload, whatever they are. -ENOBUFS: size is too small. */
int token_text_sign(const struct token_key *key, const void *payload, size_t n, char *ret,
                    size_t size);
/* -EINVAL: a claim is not UTF-8. */
int token_text_encode(const struct token_key *key, const struct token_claims *claims, char *ret,
                      size_t size);
/* Signature first, then form. -EACCES: not ours, or not well-formed. *ret_why: a sentence. */
int token_text_decode(const struct token_key *key, const char *text, struct token_claims *ret,
                      const char **ret_why);

#endif
