/* SPDX-License-Identifier: Apache-2.0 */
/* ids.c - job ids as typed: "1,2,5-9". The number of ids is checked before memory is taken. */
#include "cli/ids.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static int refuse(const char *part, struct vdi_error *err)
{
    error_set(err, EINVAL, "job", "%.60s: not a job id", part);
    error_hint(err, NULL, "write 17, 17,18 or 20-25");
    return -EINVAL;
}

static int add_range(struct ids *ids, uint64_t first, uint64_t last, struct vdi_error *err)
{
    if (last - first >= IDS_MAX - ids->n) {
        error_set(err, E2BIG, "job", "too many job ids");
        error_hint(err, "100000 in one command", "name the jobs by user, partition or state");
        return -EINVAL;
    }
    size_t n = (size_t)(last - first) + 1;
    uint64_t *grown = reallocarray(ids->ids, ids->n + n, sizeof(*grown));
    if (!grown)
        return error_set(err, ENOMEM, "job", "no memory for %zu job ids", ids->n + n);
    ids->ids = grown;
    for (size_t i = 0; i < n; i++)
        ids->ids[ids->n++] = first + i;
    return 0;
}

static int add_part(struct ids *ids, char *part, struct vdi_error *err)
{
    char whole[64];
    uint64_t first, last;
    str_copy(whole, sizeof(whole), part);
    char *dash = strchr(part, '-');
    if (dash)
        *dash++ = '\0';
    if (str_to_u64(part, 1, INT64_MAX, &first) < 0)
        return refuse(whole, err);
    last = first;
    if (dash && (str_to_u64(dash, 1, INT64_MAX, &last) < 0 || last < first))
        return refuse(whole, err);
    return add_range(ids, first, last, err);
}

int ids_add(struct ids *ids, const char *text, struct vdi_error *err)
{
    char part[64];
    do {
        size_t n = strcspn(text, ",");
        snprintf(part, sizeof(part), "%.*s", n < sizeof(part) ? (int)n : 63, text);
        int r = n && n < sizeof(part) ? add_part(ids, part, err) : refuse(part, err);
        if (r < 0)
            return r;
        text += n;
    } while (*text++ == ',');
    return 0;
}

void ids_done(struct ids *ids)
{
    free(ids->ids);
    *ids = (struct ids){.n = 0};
}
