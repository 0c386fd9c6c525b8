/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - SHA-256 and random names. */
#include "vdictld/digest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "base/str.h"

void digest_sha256(const void *data, size_t len, unsigned char ret[32])
{
    SHA256(data, len, ret);
}

int digest_random_hex(size_t n_bytes, char *ret)
{
    unsigned char bytes[64];

    if (n_bytes > sizeof(bytes))
        return -EINVAL;
    if (getrandom(bytes, n_bytes, 0) != (ssize_t)n_bytes)
        return -EIO;
    str_to_hex(bytes, n_bytes, ret);
    return 0;
}
