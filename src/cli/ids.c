/* SPDX-License-Identifier: Apache-2.0 */
/* ids.c - job ids as typed. The number of ids is checked before memory is taken for it. */
#include "cli/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "model/array.h"

static int refuse(const char *part, struct vdi_error *err)
{
    error_set(err, EINVAL, "job", "%.60s: not a job id", part);
    error_hint(err, NULL, "write 17, 17,18 or 20-25; tasks of an array: 17_4 or 17_[0-3]");
    return -EINVAL;
}

/* Room for n more. */
static int reserve(struct ids *ids, uint64_t n, struct vdi_error *err)
{
    if (n > IDS_MAX - ids->n) {
        error_set(err, E2BIG, "job", "too many job ids");
        error_hint(err, "100000 in one command", "name the jobs by user, partition or state");
        return -EINVAL;
    }
    struct id *grown = reallocarray(ids->ids, ids->n + n, sizeof(*grown));
    if (!grown)
        return error_set(err, ENOMEM, "job", "no memory for %zu job ids", ids->n + (size_t)n);
    ids->ids = grown;
    return 0;
}

int ids_add_id(struct ids *ids, struct id id, struct vdi_error *err)
{
    int r = reserve(ids, 1, err);
    if (r == 0)
        ids->ids[ids->n++] = id;
    return r;
}

static int add_range(struct ids *ids, uint64_t first, uint64_t last, struct vdi_error *err)
{
    int r = last - first >= IDS_MAX ? reserve(ids, IDS_MAX + 1, err)
                                    : reserve(ids, last - first + 1, err);
    for (uint64_t job = first; r == 0 && job <= last; job++)
        ids->ids[ids->n++] = (struct id){job, -1};
    return r;
}

/* "17_4", "17_[0-3,7]" */
static int add_tasks(struct ids *ids, const char *whole, uint64_t job, char *list,
                     struct vdi_error *err)
{
    struct array_tasks tasks = {.n = 0};
    size_t len = strlen(list);
    if (*list == '[' && list[len - 1] == ']') {
        list[len - 1] = '\0';
        list++;
    } else if (strpbrk(list, "-:,")) {
        return refuse(whole, err);
    }
    if (strchr(list, '%') || array_parse(list, ARRAY_SIZE_MAX, &tasks, NULL) < 0 || !tasks.n)
        return refuse(whole, err);
    int r = reserve(ids, tasks.n, err);
    for (size_t i = 0; r == 0 && i < tasks.n; i++)
        ids->ids[ids->n++] = (struct id){job, tasks.tasks[i]};
    array_tasks_done(&tasks);
    return r;
}

static int add_part(struct ids *ids, char *part, struct vdi_error *err)
{
    uint64_t first, last;
    _cleanup_(freep) char *whole = strdup(part);
    if (!whole)
        return error_set(err, ENOMEM, "job", "out of memory");
    char *bar = strchr(part, '_'), *dash = bar ? NULL : strchr(part, '-');
    if (bar)
        *bar++ = '\0';
    if (dash)
        *dash++ = '\0';
    if (str_to_u64(part, 1, INT64_MAX, &first) < 0)
        return refuse(whole, err);
    if (bar)
        return *bar ? add_tasks(ids, whole, first, bar, err) : refuse(whole, err);
    last = first;
    if (dash && (str_to_u64(dash, 1, INT64_MAX, &last) < 0 || last < first))
        return refuse(whole, err);
    return add_range(ids, first, last, err);
}

/* Up to the next comma that is in no brackets. */
static size_t part_of(const char *text)
{
    size_t n = strcspn(text, ",[");
    if (text[n] == '[')
        n += strcspn(text + n, "]");
    return n + strcspn(text + n, ",");
}

int ids_add(struct ids *ids, const char *text, struct vdi_error *err)
{
    do {
        size_t n = part_of(text);
        _cleanup_(freep) char *part = strndup(text, n);
        if (!part)
            return error_set(err, ENOMEM, "job", "out of memory");
        int r = n ? add_part(ids, part, err) : refuse(part, err);
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

const char *id_text(struct id id, char ret[ID_TEXT])
{
    if (id.task < 0)
        snprintf(ret, ID_TEXT, "%" PRIu64, id.job);
    else
        snprintf(ret, ID_TEXT, "%" PRIu64 "_%" PRId64, id.job, id.task);
    return ret;
}

struct id id_of(const struct value *job)
{
    int64_t array = value_get_int(job, "array_id", 0);
    if (array > 0)
        return (struct id){(uint64_t)array, value_get_int(job, "array_task", 0)};
    return (struct id){(uint64_t)value_get_int(job, "id", 0), -1};
}
