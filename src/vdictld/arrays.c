/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrays.c - the arrays in memory, and which of their tasks are let into the line.
 *
 * Of an array with a limit the first tasks that could be in line are let in, as many as may run
 * besides those that do. Kept: `n_let` tasks are flagged LET, each of them OPEN, none above
 * `high`; all below `low` have ended.
 */
#include "vdictld/arrays.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "base/word.h"
#include "vdictld/foresee.h"
#include "vdictld/queue.h"

enum {
    OPEN = 1 << 0,   /* pending, and nobody holds it */
    ACTIVE = 1 << 1, /* holds a node, or is saved */
    ENDED = 1 << 2,
    LET = 1 << 3,
};

struct array {
    uint64_t id;
    const char *text; /* word */
    uint32_t n, in_memory;
    uint32_t at_once;     /* 0: no limit, and no flags */
    unsigned char *flags; /* by task */
    uint32_t n_active, n_let;
    uint32_t low, high;
    int64_t *foreseen; /* by task, of round `foreseen_in`; NULL: nobody asked */
    uint32_t foreseen_in;
};

struct arrays {
    struct hash *arrays; /* id -> struct array */
};

struct arrays *arrays_new(struct core *core)
{
    struct arrays *arrays = calloc(1, sizeof(*arrays));

    if (!arrays)
        return NULL;
    arrays->arrays = hash_new_u64();
    if (arrays->arrays)
        return arrays;
    free(arrays);
    return NULL;
}

static void array_free(struct array *a)
{
    word_unref(a->text);
    free(a->flags);
    free(a->foreseen);
    free(a);
}

void arrays_free(struct arrays *arrays)
{
    void *a;

    if (!arrays)
        return;
    for (size_t i = 0; hash_next(arrays->arrays, &i, &a);)
        array_free(a);
    hash_free(arrays->arrays);
    free(arrays);
}

static struct array *array_get(struct arrays *arrays, const struct job *job)
{
    struct array *a = hash_get_u64(arrays->arrays, job->array_id);
    struct array_tasks tasks;
    struct vdi_error err;

    if (a)
        return a;
    a = calloc(1, sizeof(*a));
    if (!a || array_parse(job->spec->array, ARRAY_SIZE_MAX, &tasks, &err) < 0) {
        free(a);
        return NULL;
    }
    a->id = job->array_id;
    a->text = word_ref(job->spec->array);
    a->n = (uint32_t)tasks.n;
    a->at_once = tasks.at_once;
    a->flags = a->at_once ? calloc(a->n, 1) : NULL;
    array_tasks_done(&tasks);
    if ((a->at_once && !a->flags) || hash_put_u64(arrays->arrays, a->id, a) < 0) {
        array_free(a);
        return NULL;
    }
    return a;
}

/* ---- how many at once ---- */

static unsigned char flags_of(const struct job *job)
{
    if (job_state_is_end(job->state))
        return ENDED;
    if (job_state_is_active(job->state))
        return ACTIVE;
    return job->held_by_user || job->held_by_admin || job->unknown ? 0 : OPEN;
}

static void set_let(struct core *core, struct array *a, uint32_t task, bool let)
{
    const struct job *job = core_job(core, a->id + task);

    a->flags[task] ^= LET;
    a->n_let += let ? 1 : UINT32_MAX;
    if (job)
        queue_again(core->queue, job);
}

/* Its start is on its way to the store: it is let, whatever comes before it now. */
static bool is_starting(struct core *core, const struct array *a, uint32_t task)
{
    const struct job *job = a->flags[task] & LET ? core_job_staged(core, a->id + task) : NULL;

    return job && job_state_is_active(job->state) && !(a->flags[task] & ACTIVE);
}

static void settle(struct core *core, struct array *a)
{
    uint32_t room = a->at_once > a->n_active ? a->at_once - a->n_active : 0, high = a->low;

    while (a->low < a->n && a->flags[a->low] & ENDED)
        a->low++;
    for (uint32_t i = a->low; i < a->n && i <= a->high && room; i++)
        room -= is_starting(core, a, i);
    for (uint32_t i = a->low; i < a->n && (room || i <= a->high); i++) {
        bool let = (a->flags[i] & OPEN) && room;

        if (is_starting(core, a, i)) {
            high = i;
            continue;
        }

        if (let) {
            room--;
            high = i;
        }
        if (let != ((a->flags[i] & LET) != 0))
            set_let(core, a, i, let);
    }
    a->high = high;
}

static void count(struct core *core, struct array *a, const struct job *job)
{
    uint32_t task = (uint32_t)(job->id - a->id);
    unsigned char now = flags_of(job), was;

    if (task >= a->n)
        return;
    was = a->flags[task];
    if (now == (was & ~LET))
        return;
    a->n_active += ((now & ACTIVE) != 0) - ((was & ACTIVE) != 0);
    a->flags[task] = now | (was & LET);
    settle(core, a);
}

void arrays_job(struct core *core, const struct job *old, const struct job *now)
{
    struct array *a = now->array_id ? array_get(core->arrays, now) : NULL;

    if (!now->array_id)
        return;
    if (!a) {
        log_error("job %" PRIu64 ": no memory for its array: its limit does not hold", now->id);
        return;
    }
    a->in_memory += !old;
    if (a->at_once)
        count(core, a, now);
}

void arrays_forget(struct core *core, const struct job *job)
{
    struct array *a = job->array_id ? hash_get_u64(core->arrays->arrays, job->array_id) : NULL;

    if (!a || --a->in_memory)
        return;
    hash_remove_u64(core->arrays->arrays, a->id);
    array_free(a);
}

bool arrays_lets(const struct core *core, const struct job *job)
{
    const struct array *a =
        job->array_id ? hash_get_u64(core->arrays->arrays, job->array_id) : NULL;

    return !a || !a->at_once || job->id - a->id >= a->n || a->flags[job->id - a->id] & LET;
}

/* When those that have places give them back, and who takes them, in the order of the tasks. */
static int foresee(struct core *core, struct array *a)
{
    struct foresee_ends ends = {0};
    int r = 0;

    for (uint32_t i = a->low; i < a->n && r == 0; i++) {
        const struct job *job = a->flags[i] & (ACTIVE | LET) ? core_job(core, a->id + i) : NULL;

        if (job)
            r = foresee_ends_add(&ends, (struct foresee_end){.usec = foresee_end_usec(core, job)});
    }
    for (uint32_t i = a->low; i < a->n && r == 0; i++) {
        const struct job *job = core_job(core, a->id + i);
        int64_t limit = job ? job->spec->time_limit_sec * USEC_PER_SEC : 0;

        a->foreseen[i] = FORESEE_NEVER;
        if (!job || (a->flags[i] & (OPEN | LET)) != OPEN || !ends.n)
            continue;
        a->foreseen[i] = foresee_ends_take(&ends).usec;
        if (limit)
            r = foresee_ends_add(
                &ends, (struct foresee_end){.usec = a->foreseen[i] + limit + PLAN_BOOT_USEC});
    }
    free(ends.at);
    return r;
}

int64_t arrays_foreseen_usec(struct core *core, const struct job *job)
{
    struct array *a;

    if (arrays_lets(core, job))
        return 0;
    a = hash_get_u64(core->arrays->arrays, job->array_id);
    if (a->foreseen && a->foreseen_in == foresee_round(core))
        return a->foreseen[job->id - a->id];
    if (!a->foreseen)
        a->foreseen = calloc(a->n, sizeof(*a->foreseen));
    if (!a->foreseen || foresee(core, a) < 0)
        return FORESEE_NEVER;
    a->foreseen_in = foresee_round(core);
    return a->foreseen[job->id - a->id];
}

bool arrays_why(const struct core *core, const struct job *job, struct plan_blocker *ret)
{
    const struct array *a;

    if (arrays_lets(core, job) || flags_of(job) != OPEN)
        return false;
    a = hash_get_u64(core->arrays->arrays, job->array_id);
    *ret = (struct plan_blocker){.type = PLAN_BLOCK_ARRAY, .need = a->at_once, .free = a->n_active};
    for (uint32_t i = a->low; i < job->id - a->id; i++)
        ret->count += (a->flags[i] & OPEN) != 0;
    return true;
}

/* ---- names ---- */

uint32_t arrays_count(const struct core *core, uint64_t array)
{
    const struct array *a = hash_get_u64(core->arrays->arrays, array);

    return a ? a->n : 0;
}

const struct job *arrays_any(struct core *core, uint64_t array)
{
    const struct array *a = hash_get_u64(core->arrays->arrays, array);
    const struct job *job = NULL;

    for (uint32_t i = 0; a && !job && i < a->n; i++)
        job = core_job(core, array + i);
    return job;
}

bool arrays_split(const char *name, uint64_t *ret_array, uint32_t *ret_task)
{
    const char *bar = strchr(name, '_');
    char array[24];
    uint64_t task;

    if (!bar || bar - name >= (ptrdiff_t)sizeof(array))
        return false;
    snprintf(array, sizeof(array), "%.*s", (int)(bar - name), name);
    if (str_to_u64(array, 1, INT64_MAX, ret_array) < 0 ||
        str_to_u64(bar + 1, 0, ARRAY_SIZE_MAX, &task) < 0)
        return false;
    *ret_task = (uint32_t)task;
    return true;
}

uint64_t arrays_task_id(uint64_t array, const char *text, uint32_t task)
{
    struct array_tasks tasks = {.n = 0};
    struct vdi_error err;
    size_t at = SIZE_MAX;

    if (array_parse(text, ARRAY_SIZE_MAX, &tasks, &err) == 0)
        at = array_find(&tasks, task);
    array_tasks_done(&tasks);
    return at == SIZE_MAX ? 0 : array + at;
}

bool arrays_id(const struct core *core, const char *name, uint64_t *ret, uint64_t *ret_array)
{
    const struct array *a;
    uint32_t task;

    *ret_array = 0;
    if (str_to_u64(name, 1, INT64_MAX, ret) == 0)
        return true;
    if (!arrays_split(name, ret_array, &task))
        return false;
    a = hash_get_u64(core->arrays->arrays, *ret_array);
    *ret = a ? arrays_task_id(a->id, a->text, task) : 0;
    return *ret != 0;
}

const char *arrays_name(const struct job *job, char ret[JOB_NAME_TEXT])
{
    if (job->array_id)
        snprintf(ret, JOB_NAME_TEXT, "%" PRIu64 "_%u", job->array_id, job->array_task);
    else
        snprintf(ret, JOB_NAME_TEXT, "%" PRIu64, job->id);
    return ret;
}
