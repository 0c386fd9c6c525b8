/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - one line that says how far something is, on a terminal alone.
 *
 * The line is rewritten in place on stderr; where stderr is no terminal
 * nothing is written, so logs stay clean. Somebody who passes them on to a
 * terminal (vdiconnect --ssh) asks for lines of their own instead.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct value;

struct progress {
    bool lines; /* each text is a line, wherever stderr goes */
    bool shown;
    char last[256];
};

bool progress_is_wanted(void);
/* Shows text unless it is there already. */
void progress_show(struct progress *progress, const char *text);
void progress_clear(struct progress *progress);
/* "job 17: PENDING, place 3, starts about 10:15 on gpu01 (Resources)"; ret of size. */
void progress_of_job(const struct value *job, int64_t now_usec, char *ret, unsigned size);

#endif
