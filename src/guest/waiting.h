/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting.h - what a seat shows until it is somebody's: a program of the image, without rights.
 *
 * It is nobody (uid and gid 65534), ends with the runner, and is ended before the owner comes.
 */
#ifndef GUEST_WAITING_H
#define GUEST_WAITING_H

#include "loop/loop.h"

struct waiting {
    pid_t pid; /* 0: none */
    struct source *child;
};

/* Nothing if it runs, or there is no such program. env: "NAME=value", NULL-terminated. */
void waiting_begin(struct waiting *w, struct loop *loop, const char *program, char *const *env);
/* It has ended when this returns. */
void waiting_end(struct waiting *w);

#endif
