/* SPDX-License-Identifier: Apache-2.0 */
/* codec/config.h - reading vdi.conf (libconfuse) into struct config. */
#ifndef CODEC_CONFIG_H
#define CODEC_CONFIG_H

#include "base/buf.h"
#include "model/class.h"
#include "model/config.h"

#define CONFIG_FILE_MAX (4u << 20)

/*
 * Reads and checks FILE. Every finding is a line "FILE:LINE: field: what is
 * wrong; what to do" in `findings`. Returns -EINVAL if any was an error (then
 * *ret is not written), -errno if the file can't be read. Warnings alone do not fail.
 */
int config_read(const char *path, struct config **ret, struct buf *findings);
/* The same for text in memory; `path` is for the findings. */
int config_read_text(const char *path, const char *text, size_t len, struct config **ret,
                     struct buf *findings);
/* A line per change: "node gpu03: cpus 64 -> 32", "partition batch: added". *ret_needs_restart:
 * listen addresses or the store changed, which a reconfigure leaves as they are. */
void config_diff(const struct config *old, const struct config *new, struct buf *out,
                 bool *ret_needs_restart);
/* "2026-11-24 2026-11-25T14:15 2h", one of a class's `moved`. -EINVAL: it is none. */
int config_class_moved(const char *text, struct class_override *ret);
/* "NAME<tab>TYPE<tab>DEFAULT<tab>MEANING" per key and block, as vdi.conf(5) has them. */
void config_print_reference(struct buf *out);

#endif
