/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - SHA-256 (OpenSSL) of what came with a request. */
#ifndef VDICTLD_DIGEST_H
#define VDICTLD_DIGEST_H

#include <stddef.h>

void digest_sha256(const void *data, size_t len, unsigned char ret[32]);
/* n random bytes, as hex, from the kernel; -errno when it has none. */
int digest_random_hex(size_t n_bytes, char *ret);

#endif
