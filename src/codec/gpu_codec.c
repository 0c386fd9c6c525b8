/* SPDX-License-Identifier: Apache-2.0 */
/* gpu_codec.c - a GPU in JSON: what it holds at a time. */
#include "codec/gpu_codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define GP(m) offsetof(struct gpu_row, m), sizeof(((struct gpu_row *)0)->m)
#define U32 0, UINT32_MAX, NULL
#define NONE 0, 0, NULL
#define TEXT 0, 8192, NULL

const struct field gpu_fields[] = {
    {"node", FIELD_FIXED, GP(node), FIELD_SHOW, NONE, "its node"},
    {"gpu", FIELD_U32, GP(gpu), FIELD_SHOW, U32, "which of the node's, from 0"},
    {"model", FIELD_FIXED, GP(model), FIELD_SHOW, NONE, "as vdi.conf calls it"},
    {"law", FIELD_ENUM, GP(law), FIELD_SHOW, 0, 0, gpu_law_names,
     "which profiles may be on it together"},
    {"state", FIELD_FIXED, GP(state), FIELD_SHOW, NONE,
     "of its node, now; nothing is free on one that is out of service"},
    {"reason", FIELD_FIXED, GP(reason), FIELD_SHOW, NONE, "why the node is out of service"},
    {"at", FIELD_TIME, GP(at_usec), FIELD_SHOW, NONE, "when it is so"},
    {"profile", FIELD_STRING, GP(profile), FIELD_SHOW, TEXT,
     "profiles in force, joined by commas; empty: none; whole: as a whole; reserved: one that a "
     "pending job will get"},
    {"used", FIELD_U32, GP(used), FIELD_SHOW, U32, "instances on it"},
    {"by", FIELD_STRING, GP(by), FIELD_SHOW, TEXT,
     "who has it: class, job, pending; empty: nobody"},
    {"class", FIELD_STRING, GP(class_name), FIELD_SHOW, TEXT,
     "which class, if the caller takes part in it"},
    {"profiles", FIELD_DOCUMENTS, GP(profiles), FIELD_SHOW, NONE,
     "what it offers: profile, used, and free, which is how many more fit if no other is taken"},
    {"changes", FIELD_DOCUMENTS, GP(changes), FIELD_SHOW, NONE,
     "when its profiles change after that: at, profile, by, class"},
    {"more_changes", FIELD_BOOL, GP(more_changes), FIELD_SHOW, NONE, "there are later ones"},
    {.type = FIELD_END},
};

static int column_add(const char *name, uint64_t *io, struct vdi_error *err)
{
    const struct field *f = field_find(gpu_fields, name);

    if (!f) {
        error_set(err, EINVAL, "fields", "there is no field '%.40s'", name);
        error_hint(err, NULL, "see /v1/openapi.json for the fields");
        return -EINVAL;
    }
    *io |= UINT64_C(1) << (f - gpu_fields);
    return 0;
}

int gpu_columns_parse(const char *list, uint64_t *ret, struct vdi_error *err)
{
    uint64_t columns = *list ? 0 : UINT64_MAX;
    char name[48];
    int r = 0;

    while (*list && r == 0) {
        size_t n = strcspn(list, ",");

        snprintf(name, sizeof(name), "%.*s", (int)(n < 47 ? n : 47), list);
        r = column_add(name, &columns, err);
        list += n + (list[n] == ',');
    }
    if (r == 0)
        *ret = columns;
    return r;
}

void gpu_write(const struct gpu_row *row, uint64_t columns, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    for (const struct field *f = gpu_fields; f->type != FIELD_END; f++) {
        if (!(columns >> (f - gpu_fields) & 1))
            continue;
        buf_puts(out, first ? "\"" : ",\"");
        first = false;
        buf_puts(out, f->name);
        buf_puts(out, "\":");
        field_write_value(f, row, out);
    }
    buf_putc(out, '}');
}
