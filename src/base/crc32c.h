/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4), as stores and frames carry it. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc = 0; feed pieces one after the other. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
