/* SPDX-License-Identifier: Apache-2.0 */
/* audit_columns.c - cells of audit records. */
#include "cli/audit_columns.h"

#include "cli/cells.h"
#include "codec/document.h"

#define COLUMN(fn)                                                                                 \
    static void fn(const void *row, const struct format_context *context, struct buf *out)

COLUMN(write_number)
{
    cell_int(out, value_get_int(row, "number", 0));
}

COLUMN(write_time)
{
    cell_time(out, value_get_string(row, "time", ""));
}

COLUMN(write_user)
{
    cell_text(out, value_get_string(row, "by", ""), "-");
}

COLUMN(write_request)
{
    cell_text(out, value_get_string(row, "request", ""), "-");
}

COLUMN(write_target)
{
    cell_text(out, value_get_string(row, "target", ""), "-");
}

COLUMN(write_status)
{
    cell_int(out, value_get_int(row, "status", 0));
}

COLUMN(write_count)
{
    cell_int(out, value_get_int(row, "count", 1));
}

COLUMN(write_address)
{
    cell_text(out, value_get_string(row, "address", ""), "-");
}

COLUMN(write_detail)
{
    cell_text(out, value_get_string(row, "detail", ""), "");
}

COLUMN(write_hash)
{
    cell_text(out, value_get_string(row, "hash", ""), "");
}

const struct column audit_columns[] = {
    {'n', "number", "NUMBER", "", write_number, false},
    {'t', "time", "TIME", "", write_time, false},
    {'u', "user", "USER", "", write_user, false},
    {'r', "request", "REQUEST", "", write_request, false},
    {'g', "target", "TARGET", "", write_target, false},
    {'s', "status", "ST", "", write_status, false},
    {'c', "count", "COUNT", "", write_count, false},
    {'a', "address", "ADDRESS", "", write_address, false},
    {'d', "detail", "DETAIL", "", write_detail, false},
    {'h', "hash", "HASH", "", write_hash, false},
    {.name = NULL},
};
