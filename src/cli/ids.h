/* SPDX-License-Identifier: Apache-2.0 */
/* ids.h - job ids as typed: "1,2,5-9". */
#ifndef CLI_IDS_H
#define CLI_IDS_H

#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define IDS_MAX 100000 /* that one command takes */

struct ids {
    uint64_t *ids; /* in the order typed */
    size_t n;
};

/* Adds the ids of text; -EINVAL with err naming the part that is wrong. */
int ids_add(struct ids *ids, const char *text, struct vdi_error *err);
void ids_done(struct ids *ids);

#endif
