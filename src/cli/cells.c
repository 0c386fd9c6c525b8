/* SPDX-License-Identifier: Apache-2.0 */
/* cells.c - writing one cell of a table: texts, times, lengths, sizes as Slurm shows them. */
#include "cli/cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"

void cell_text(struct buf *out, const char *text, const char *otherwise)
{
    buf_puts(out, str_is_empty(text) ? otherwise : text);
}

void cell_int(struct buf *out, int64_t n)
{
    buf_printf(out, "%" PRId64, n);
}

void cell_usec(struct buf *out, int64_t usec)
{
    time_t t = (time_t)(usec / USEC_PER_SEC);
    struct tm tm;
    char text[40];
    if (usec && localtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
        buf_puts(out, text);
    else
        buf_puts(out, "N/A");
}

void cell_time(struct buf *out, const char *rfc3339)
{
    int64_t usec = 0;
    if (!str_is_empty(rfc3339) && time_from_rfc3339(rfc3339, &usec) < 0)
        usec = 0;
    cell_usec(out, usec);
}

void cell_length(struct buf *out, int64_t sec)
{
    char text[32];
    buf_puts(out, str_from_duration_sec(sec, text));
}

void cell_limit(struct buf *out, int64_t sec)
{
    if (sec == 0)
        buf_puts(out, "UNLIMITED");
    else
        cell_length(out, sec);
}

void cell_mib(struct buf *out, int64_t mib, bool noconvert)
{
    if (!noconvert && mib && mib % (1 << 20) == 0)
        buf_printf(out, "%" PRId64 "T", mib >> 20);
    else if (!noconvert && mib && mib % 1024 == 0)
        buf_printf(out, "%" PRId64 "G", mib >> 10);
    else
        buf_printf(out, "%" PRId64 "M", mib);
}

void cell_owner(struct buf *out, const char *owner)
{
    buf_puts(out, str_starts_with(owner, "unix:") ? owner + 5 : owner);
}

int64_t value_usec(const struct value *object, const char *name)
{
    int64_t usec = 0;
    const char *text = value_get_string(object, name, NULL);
    return text && time_from_rfc3339(text, &usec) >= 0 ? usec : 0;
}

int64_t value_nodes(const struct value *job)
{
    int64_t n = value_get_int(job, "nodes", 1);
    return n > 0 ? n : 1;
}

const char *value_node_list(const struct value *job)
{
    const char *list = value_get_string(job, "node_list", "");
    return *list ? list : value_get_string(job, "node", "");
}
