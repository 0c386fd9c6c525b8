/* SPDX-License-Identifier: Apache-2.0 */
/* codec/config.h - reading vdi.conf (libconfuse) into struct config. */
#ifndef CODEC_CONFIG_H
#define CODEC_CONFIG_H

#include "base/buf.h"
#include "model/config.h"

#define CONFIG_FILE_MAX (4u << 20)

/*
 * Reads and checks FILE. Every finding is a line "FILE:LINE: field: what is
 * wrong; what to do" in `findings`. Returns -EINVAL if any was an error (then
 * *ret is not written), -errno if the file can't be read. Warnings alone do not fail.
 */
int config_read(const char *path, struct config **ret, struct buf *findings);

#endif
