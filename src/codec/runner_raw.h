/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_raw.h - bytes of any kind inside a frame of the runner's port; pure.
 *
 * There no byte may be 0xff, which is the mark's. It is written as 0xfe 0x01, and 0xfe itself as
 * 0xfe 0x00: text in UTF-8 has neither and stays as it is, and nothing gets longer than twice.
 */
#ifndef CODEC_RUNNER_RAW_H
#define CODEC_RUNNER_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* It is written as it is. */
bool runner_raw_is_plain(const uint8_t *data, size_t len);
void runner_raw_write(const uint8_t *data, size_t len, struct buf *out);
/* Into `ret`, which has room for `len` bytes; how many there are. -EINVAL: not written so. */
int64_t runner_raw_read(const char *text, size_t len, uint8_t *ret);

#endif
