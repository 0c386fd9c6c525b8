/* SPDX-License-Identifier: Apache-2.0 */
/* array.c - indexes of array tasks: read, and folded again. */
#include "model/array.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

static int refuse(const char *part, size_t len, const char *why, struct vdi_error *err)
{
    error_set(err, EINVAL, "array", "'%.*s': %s", (int)(len < 60 ? len : 60), part, why);
    error_hint(err, NULL, "write 0-99, 1,3,5 or 0-99:10, and %N for N tasks at once");
    return -EINVAL;
}

static int refuse_size(const char *part, size_t len, uint32_t size, struct vdi_error *err)
{
    char limit[32];

    error_set(err, ERANGE, "array", "'%.*s' is too large an index", (int)(len < 60 ? len : 60),
              part);
    snprintf(limit, sizeof(limit), "%u (max_array_size)", size ? size - 1 : 0);
    error_hint(err, limit,
               size ? "use smaller indexes, or submit several arrays"
                    : "the site allows no arrays");
    return -ERANGE;
}

/* Up to INT32_MAX: what is too large is told from what is no number. */
static bool number(const char *text, size_t len, uint32_t *ret)
{
    char word[16];
    uint64_t n;

    if (!len || len >= sizeof(word))
        return false;
    snprintf(word, sizeof(word), "%.*s", (int)len, text);
    if (str_to_u64(word, 0, INT32_MAX, &n) < 0)
        return false;
    *ret = (uint32_t)n;
    return true;
}

/* "7", "0-99" or "0-99:10" into the set. The same again and again costs no more than twice. */
static int range_parse(const char *part, size_t len, uint32_t size, unsigned char *set,
                       uint32_t *io_named, struct vdi_error *err)
{
    const char *end = part + len, *dash = memchr(part, '-', len);
    const char *colon = dash ? memchr(dash, ':', (size_t)(end - dash)) : NULL;
    uint32_t first = 0, last = 0, step = 1;
    bool good = number(part, (size_t)((dash ? dash : end) - part), &first);

    last = first;
    if (good && dash)
        good = number(dash + 1, (size_t)((colon ? colon : end) - dash - 1), &last);
    if (good && colon)
        good = number(colon + 1, (size_t)(end - colon - 1), &step) && step;
    if (!good || last < first)
        return refuse(part, len, "not an index or a range of them", err);
    if (last >= size)
        return refuse_size(part, len, size, err);
    *io_named += (last - first) / step + 1;
    if (*io_named > 2 * size)
        return refuse(part, len, "it names the same indexes again and again", err);
    for (uint32_t i = first; i <= last; i += step)
        set[i] = 1;
    return 0;
}

static int list_parse(const char *text, size_t len, uint32_t size, unsigned char *set,
                      struct vdi_error *err)
{
    const char *end = text + len;
    uint32_t named = 0;
    int r = 0;

    while (r == 0) {
        const char *comma = memchr(text, ',', (size_t)(end - text));

        r = range_parse(text, (size_t)((comma ? comma : end) - text), size, set, &named, err);
        if (!comma)
            return r;
        text = comma + 1;
    }
    return r;
}

static int collect(const unsigned char *set, uint32_t size, struct array_tasks *ret)
{
    for (uint32_t i = 0; i < size; i++)
        ret->n += set[i];
    ret->tasks = calloc(ret->n + 1, sizeof(*ret->tasks));
    if (!ret->tasks)
        return -ENOMEM;
    ret->n = 0;
    for (uint32_t i = 0; i < size; i++)
        if (set[i])
            ret->tasks[ret->n++] = i;
    return 0;
}

int array_parse(const char *text, uint32_t size, struct array_tasks *ret, struct vdi_error *err)
{
    _cleanup_(freep) unsigned char *set = NULL;
    const char *percent = strchr(text, '%');
    size_t len = percent ? (size_t)(percent - text) : strlen(text);
    struct array_tasks tasks = {.n = 0};
    int r;

    if (!*text) {
        *ret = tasks;
        return 0;
    }
    if (!size)
        return refuse_size(text, len, size, err);
    if (percent && (!number(percent + 1, strlen(percent + 1), &tasks.at_once) || !tasks.at_once))
        return refuse(percent, strlen(percent), "not a number of tasks at once", err);
    set = calloc(size, 1);
    if (!set)
        return error_set(err, ENOMEM, "", "out of memory");
    r = list_parse(text, len, size, set, err);
    if (r < 0)
        return r;
    if (collect(set, size, &tasks) < 0)
        return error_set(err, ENOMEM, "", "out of memory");
    *ret = tasks;
    return 0;
}

void array_tasks_done(struct array_tasks *tasks)
{
    free(tasks->tasks);
    *tasks = (struct array_tasks){.n = 0};
}

/* How many from here on are equally far apart; two are no row unless they are neighbours. */
static size_t row_of(const uint32_t *tasks, size_t n, uint32_t *ret_step)
{
    size_t k = 1;

    *ret_step = 1;
    if (n < 2)
        return n;
    *ret_step = tasks[1] - tasks[0];
    while (k < n && tasks[k] - tasks[k - 1] == *ret_step)
        k++;
    return k == 2 && *ret_step > 1 ? 1 : k;
}

void array_write(const uint32_t *tasks, size_t n, struct buf *out)
{
    uint32_t step;

    for (size_t i = 0, k; i < n; i += k) {
        k = row_of(tasks + i, n - i, &step);
        buf_printf(out, "%s%u", i ? "," : "", tasks[i]);
        if (k > 1)
            buf_printf(out, "-%u", tasks[i + k - 1]);
        if (k > 1 && step > 1)
            buf_printf(out, ":%u", step);
    }
}

void array_write_all(const struct array_tasks *tasks, struct buf *out)
{
    array_write(tasks->tasks, tasks->n, out);
    if (tasks->at_once)
        buf_printf(out, "%%%u", tasks->at_once);
}

size_t array_find(const struct array_tasks *tasks, uint32_t task)
{
    size_t lo = 0, hi = tasks->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (tasks->tasks[mid] < task)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < tasks->n && tasks->tasks[lo] == task ? lo : SIZE_MAX;
}
