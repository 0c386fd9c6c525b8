/* SPDX-License-Identifier: Apache-2.0 */
/* ids.h - job ids as typed: "1,2,5-9", "12_4", "12_[0-3,7]". */
#ifndef CLI_IDS_H
#define CLI_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "codec/document.h"
#include <vdi/types.h>

#define IDS_MAX 100000 /* that one command takes */

struct id {
    uint64_t job;
    int64_t task; /* of the array `job`; -1: the job, or all of an array */
};

struct ids {
    struct id *ids; /* in the order typed */
    size_t n;
};

/* Adds the ids of text; -EINVAL with err naming the part that is wrong. */
int ids_add(struct ids *ids, const char *text, struct vdi_error *err);
int ids_add_id(struct ids *ids, struct id id, struct vdi_error *err);
void ids_done(struct ids *ids);

/* What the API and people call it. */
#define ID_TEXT 48
const char *id_text(struct id id, char ret[ID_TEXT]);
/* The id of a job's document, which has `id`, `array_id` and `array_task`. */
struct id id_of(const struct value *job);
#define ID_FIELDS "id,array_id,array_task"

#endif
