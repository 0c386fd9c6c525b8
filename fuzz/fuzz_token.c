/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_token.c - the decoder of tokens: the input as a token, and as a payload that is
 * rightly signed. What is accepted unsigned, or comes back changed, is a crash.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../plugins/auth/token/token_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct token_key key = {.bytes = "a key that no token was signed with", .len = 35};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_claims claims, again;
    char text[TOKEN_TEXT_MAX + 1], copy[TOKEN_TEXT_MAX + 1];
    const char *why;
    size_t len = size < TOKEN_TEXT_MAX ? size : TOKEN_TEXT_MAX;
    memcpy(text, data, len);
    text[len] = '\0';
    if (token_text_decode(&key, text, &claims, &why) == 0)
        abort();
    if (token_text_sign(&key, data, size, text, sizeof(text)) < 0 ||
        token_text_decode(&key, text, &claims, &why) < 0)
        return 0;
    if (token_text_encode(&key, &claims, copy, sizeof(copy)) < 0)
        return 0; /* escapes may make it longer than it came */
    if (token_text_decode(&key, copy, &again, &why) < 0 ||
        memcmp(&claims, &again, sizeof(claims)) != 0)
        abort();
    return 0;
}
