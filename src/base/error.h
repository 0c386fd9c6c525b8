/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - filling and printing struct vdi_error. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <vdi/types.h>

/* Sets code (positive or negative errno), field and detail; clears limit and remedy.
 * err may be NULL. Returns the negative errno, so `return error_set(...)` works. */
int error_set(struct vdi_error *err, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Adds the limit that was met and what to do about it; NULL leaves a member alone. */
void error_hint(struct vdi_error *err, const char *limit, const char *remedy);
/* One sentence for people, in `buf`; returns buf. */
const char *error_text(const struct vdi_error *err, char *buf, size_t size);

#endif
