/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_text.c - a signed token as text: "vdi1.<payload>.<signature>".
 *
 * Nothing of the payload is looked at before the signature has been found right, compared
 * in constant time. Base64url is decoded strictly: bits that carry nothing must be zero.
 */
#include "token_text.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "vdi1."
#define MAC_SIZE 32
#define PAYLOAD_MAX (TOKEN_TEXT_MAX * 3 / 4)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes (4n + 2) / 3 characters and a NUL. */
static void base64_encode(const unsigned char *data, size_t n, char *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | data[i];
        for (have += 8; have >= 6; have -= 6)
            *out++ = digits[bits >> (have - 6) & 63];
    }
    if (have)
        *out++ = digits[bits << (6 - have) & 63];
    *out = '\0';
}

/* out has room for 3n/4 bytes. Returns their number or -EINVAL. */
static ssize_t base64_decode(const char *text, size_t n, unsigned char *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[len++] = (unsigned char)(bits >> have);
        }
    }
    if (have >= 6 || (bits & ((1U << have) - 1)))
        return -EINVAL;
    return (ssize_t)len;
}

static int sign(const struct token_key *key, const char *text, size_t len,
                unsigned char mac[MAC_SIZE])
{
    unsigned size = MAC_SIZE;
    return HMAC(EVP_sha256(), key->bytes, (int)key->len, (const unsigned char *)text, len, mac,
                &size)
               ? 0
               : -ENOMEM;
}

int token_text_sign(const struct token_key *key, const void *payload, size_t n, char *ret,
                    size_t size)
{
    unsigned char mac[MAC_SIZE];
    size_t head = strlen(PREFIX) + (4 * n + 2) / 3;
    size_t len = head + 1 + (4 * MAC_SIZE + 2) / 3;
    if (len > TOKEN_TEXT_MAX || len >= size)
        return -ENOBUFS;
    memcpy(ret, PREFIX, strlen(PREFIX));
    base64_encode(payload, n, ret + strlen(PREFIX));
    int r = sign(key, ret, head, mac);
    ret[head] = '.';
    base64_encode(mac, MAC_SIZE, ret + head + 1);
    return r;
}

int token_text_encode(const struct token_key *key, const struct token_claims *claims, char *ret,
                      size_t size)
{
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:s}", "cluster",
                             claims->cluster, "realm", claims->realm, "name", claims->name, "uid",
                             (json_int_t)claims->uid, "gid", (json_int_t)claims->gid, "scope",
                             claims->scope, "iat", (json_int_t)claims->iat_sec, "exp",
                             (json_int_t)claims->exp_sec, "jti", claims->jti);
    char *payload = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!payload)
        return -EINVAL; /* not UTF-8 */
    int r = token_text_sign(key, payload, strlen(payload), ret, size);
    free(payload);
    return r;
}

static int get_string(json_t *json, const char *name, char *ret, size_t size)
{
    json_t *value = json_object_get(json, name);
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) >= size || strlen(text) != json_string_length(value))
        return -EACCES;
    memcpy(ret, text, strlen(text) + 1);
    return 0;
}

static int get_number(json_t *json, const char *name, int64_t max, int64_t *ret)
{
    json_t *value = json_object_get(json, name);
    if (!json_is_integer(value))
        return -EACCES;
    *ret = json_integer_value(value);
    return *ret >= 0 && *ret <= max ? 0 : -EACCES;
}

static int get_claims(json_t *json, struct token_claims *c)
{
    int64_t uid, gid;
    int r = json_is_object(json) && json_object_size(json) == 9 ? 0 : -EACCES;
    if (r == 0)
        r = get_string(json, "cluster", c->cluster, sizeof(c->cluster));
    if (r == 0)
        r = get_string(json, "realm", c->realm, sizeof(c->realm));
    if (r == 0)
        r = get_string(json, "name", c->name, sizeof(c->name));
    if (r == 0)
        r = get_string(json, "scope", c->scope, sizeof(c->scope));
    if (r == 0)
        r = get_string(json, "jti", c->jti, sizeof(c->jti));
    if (r == 0)
        r = get_number(json, "uid", UINT32_MAX, &uid);
    if (r == 0)
        r = get_number(json, "gid", UINT32_MAX, &gid);
    if (r == 0)
        r = get_number(json, "iat", INT64_MAX / 2000000, &c->iat_sec);
    if (r == 0)
        r = get_number(json, "exp", INT64_MAX / 2000000, &c->exp_sec);
    if (r < 0)
        return r;
    c->uid = (uint32_t)uid;
    c->gid = (uint32_t)gid;
    return *c->realm && *c->name && *c->jti ? 0 : -EACCES;
}

static int decode_payload(const char *text, size_t len, struct token_claims *ret)
{
    unsigned char *payload = malloc(PAYLOAD_MAX + 1);
    ssize_t n = payload ? base64_decode(text, len, payload) : -ENOMEM;
    struct token_claims claims = {0};
    int r = n < 0 ? -EACCES : 0;
    if (r == 0) {
        json_t *json = json_loadb((char *)payload, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
        r = get_claims(json, &claims);
        json_decref(json);
    }
    free(payload);
    if (r == 0)
        *ret = claims;
    return r;
}

int token_text_decode(const struct token_key *key, const char *text, struct token_claims *ret,
                      const char **ret_why)
{
    unsigned char mac[MAC_SIZE], given[MAC_SIZE + 1];
    size_t len = strnlen(text, TOKEN_TEXT_MAX + 1);
    const char *dot = strrchr(text, '.');
    *ret_why = "This is not a token of ours.";
    if (len > TOKEN_TEXT_MAX || strncmp(text, PREFIX, strlen(PREFIX)) != 0 ||
        dot < text + strlen(PREFIX) || strlen(dot + 1) != (4 * MAC_SIZE + 2) / 3)
        return -EACCES;
    *ret_why = "The token's signature is wrong.";
    if (base64_decode(dot + 1, strlen(dot + 1), given) != MAC_SIZE ||
        sign(key, text, (size_t)(dot - text), mac) < 0 || CRYPTO_memcmp(mac, given, MAC_SIZE) != 0)
        return -EACCES;
    *ret_why = "The token is signed, but not well-formed.";
    return decode_payload(text + strlen(PREFIX), (size_t)(dot - text) - strlen(PREFIX), ret);
}
