/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.h - what the runner must still know after it, or the guest, has died: three small files.
 *
 * started.json is written before a script is started and stays: a script runs once. exit.json
 * is written when it has ended and goes when the host has it. owner.json says whose the guest is
 * since it was booted.
 */
#ifndef GUEST_KEEP_H
#define GUEST_KEEP_H

#include "codec/runner_codec.h"

/* The directory is made if it is missing. All durable when they return. */
int keep_init(const char *dir);
int keep_started(const char *dir, const struct runner_started *started);
int keep_exit(const char *dir, const struct runner_exit *exit);
/* -ENOENT: none; any other error: it can't be read, and says nothing. */
int keep_load_started(const char *dir, struct runner_started *ret);
int keep_owner(const char *dir, const struct runner_started *owner); /* id and boot_id */
int keep_load_owner(const char *dir, struct runner_started *ret);
int keep_load_exit(const char *dir, struct runner_exit *ret);
void keep_drop_exit(const char *dir);
void keep_drop_all(const char *dir); /* of another run than this one */
/* The script as a file that its owner may read and run; ret_path has 4096 bytes. */
int keep_script(const char *dir, const struct runner_owner *owner, const char *text,
                char *ret_path);
void keep_drop_script(const char *dir);

#endif
