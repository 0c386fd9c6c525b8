/* SPDX-License-Identifier: Apache-2.0 */
/* environment.h - a script's environment: the user's variables, filtered, and ours. */
#ifndef GUEST_ENVIRONMENT_H
#define GUEST_ENVIRONMENT_H

#include "codec/runner_codec.h"

/* May a user's variable of that "NAME=value" reach the script? Not those that change what a
 * loader, libc or a shell does before the script's first line, nor those that are ours. */
bool environment_may_pass(const char *variable);
/* ours: only those named VDI_ are taken. NULL: no memory. strings_free() */
char **environment_new(const struct runner_owner *owner, char *const *ours, char *const *users);

#endif
