/* SPDX-License-Identifier: Apache-2.0 */
/*
 * licence.h - licences of programs that jobs ask for: "ansys:2,matlab", as text and one by one.
 *
 * A number that is left out is 1. In the normal form names are sorted, each is there once, and its
 * number is told. There are so many of each as a licence block of vdi.conf says, on all nodes
 * together.
 */
#ifndef MODEL_LICENCE_H
#define MODEL_LICENCE_H

#include <stdbool.h>
#include <stdint.h>

struct vdi_error;

#define LICENCES_MAX 8      /* of one job */
#define LICENCE_MOST 100000 /* of one licence, for one job */
#define LICENCES_TEXT (LICENCES_MAX * (63 + 1 + 6 + 1))

struct licence {
    char name[64];
    uint32_t n;
};

/* The next of a text, which is moved behind it; false: there is none, or none that can be read. */
bool licence_next(const char **io_text, struct licence *ret);
/* How many of it the text asks for. */
uint32_t licence_count(const char *text, const char *name);
/* Both in one, in the normal form; of a licence that both name, the larger number. -EINVAL: one of
 * them can't be read, or they are too many. `err` may be NULL. */
int licences_merge(const char *a, const char *b, char ret[LICENCES_TEXT], struct vdi_error *err);

#endif
