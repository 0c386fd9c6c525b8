/* SPDX-License-Identifier: Apache-2.0 */
/*
 * array.h - the tasks of a job array, as sbatch(1) writes them: "0-99:2,200%10".
 *
 * Each task is a job of its own. Their ids follow each other in the order of the tasks, and the
 * first is the array's: so a task's id is known from the array's id and its text.
 */
#ifndef MODEL_ARRAY_H
#define MODEL_ARRAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

#define ARRAY_SIZE_MAX 10001 /* of max_array_size: more tasks at once would hold up the loop */
#define ARRAY_TEXT_MAX 4096

struct array_tasks {
    uint32_t *tasks; /* ascending */
    size_t n;
    uint32_t at_once; /* 0: any number */
};

/*
 * Indexes below `size`. -EINVAL: not of that form; -ERANGE: an index is too large, or the text
 * is when it is written in the shortest way; -ENOMEM. "" gives none.
 */
int array_parse(const char *text, uint32_t size, struct array_tasks *ret, struct vdi_error *err);
void array_tasks_done(struct array_tasks *tasks);
/* Without what is said of at_once. */
void array_write(const uint32_t *tasks, size_t n, struct buf *out);
/* As it is kept: what array_parse() takes. */
void array_write_all(const struct array_tasks *tasks, struct buf *out);
/* Which of them it is; SIZE_MAX: none. */
size_t array_find(const struct array_tasks *tasks, uint32_t task);

#endif
