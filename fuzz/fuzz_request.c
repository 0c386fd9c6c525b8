/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_request.c - "VERB PATH" against the table of requests. A match must be of that verb,
 * and its path with the parameter put in must be the path that was asked for.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_match(const struct request_match *match, const char *verb, const char *path)
{
    const char *pattern = match->request->path, *open = strchr(pattern, '{');
    const char *param = match->params[0];
    char whole[200];

    if (open)
        snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(open - pattern), pattern, param,
                 strchr(open, '}') + 1);
    else
        snprintf(whole, sizeof(whole), "%s", pattern);
    if (strcmp(whole, path) != 0 || strcmp(match->request->verb, verb) != 0)
        abort();
    if (open && (!*param || strchr(param, '/') || !strcmp(param, ".") || !strcmp(param, "..")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    char *path = strchr(text, ' ');
    struct request_match match = {0};
    char allow[40];
    int r;

    if (path) {
        *path++ = '\0';
        r = request_find(text, path, &match, allow, 1 + size % (sizeof(allow) - 1));
        if (r == 0)
            check_match(&match, text, path);
        else if ((r != -ENOENT && r != -EOPNOTSUPP) || match.request)
            abort();
    }
    free(text);
    return 0;
}
