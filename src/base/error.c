/* SPDX-License-Identifier: Apache-2.0 */
/* error.c - filling and printing struct vdi_error; every member stays terminated. */
#include "base/error.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int error_set(struct vdi_error *err, int code, const char *field, const char *format, ...)
{
    /* 0 would read as success at the caller. */
    code = code == 0 ? EIO : abs(code);
    if (!err)
        return -code;
    memset(err, 0, sizeof(*err));
    err->code = code;
    str_copy(err->field, sizeof(err->field), field ? field : "");
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->detail, sizeof(err->detail), format, ap);
    va_end(ap);
    return -code;
}

void error_hint(struct vdi_error *err, const char *limit, const char *remedy)
{
    if (!err)
        return;
    if (limit)
        str_copy(err->limit, sizeof(err->limit), limit);
    if (remedy)
        str_copy(err->remedy, sizeof(err->remedy), remedy);
}

static void add(char *buf, size_t size, const char *before, const char *text, const char *after)
{
    size_t len = strlen(buf);
    if (*text && len + 1 < size)
        snprintf(buf + len, size - len, "%s%s%s", before, text, after);
}

const char *error_text(const struct vdi_error *err, char *buf, size_t size)
{
    if (size == 0)
        return "";
    buf[0] = '\0';
    add(buf, size, "", err->field, ": ");
    add(buf, size, "", *err->detail ? err->detail : strerror(err->code), "");
    add(buf, size, " (limit: ", err->limit, ")");
    add(buf, size, "; ", err->remedy, "");
    return buf;
}
