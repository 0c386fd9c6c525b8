/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - RFC 4648 section 4, with padding, and no other spelling of the same bytes. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

int base64_write(const uint8_t *data, size_t len, struct buf *out);
/* ret holds len / 4 * 3 bytes. -EINVAL: not what base64_write() writes. */
int base64_read(const char *text, size_t len, uint8_t *ret, size_t *ret_len);

#endif
