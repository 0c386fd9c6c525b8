/* SPDX-License-Identifier: Apache-2.0 */
/* test_crc32c.c - the vectors of RFC 3720 B.4, and pieces equal the whole */
#include <base/crc32c.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void rfc3720_vectors(void **state)
{
    unsigned char b[32];
    memset(b, 0, sizeof(b));
    assert_int_equal(crc32c(0, b, 32), 0x8a9136aa);
    memset(b, 0xff, sizeof(b));
    assert_int_equal(crc32c(0, b, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        b[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, b, 32), 0x46dd794e);
    for (unsigned i = 0; i < 32; i++)
        b[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, b, 32), 0x113fdb5c);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void pieces_equal_the_whole(void **state)
{
    unsigned char b[100];
    for (unsigned i = 0; i < sizeof(b); i++)
        b[i] = (unsigned char)(i * 37 + 11);
    uint32_t whole = crc32c(0, b, sizeof(b));
    for (size_t i = 0; i <= sizeof(b); i++)
        assert_int_equal(crc32c(crc32c(0, b, i), b + i, sizeof(b) - i), whole);
}

static void every_flipped_bit_shows(void **state)
{
    unsigned char b[64] = {1, 2, 3};
    uint32_t whole = crc32c(0, b, sizeof(b));
    for (unsigned i = 0; i < sizeof(b) * 8; i++) {
        b[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_not_equal(crc32c(0, b, sizeof(b)), whole);
        b[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3720_vectors),
        cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(every_flipped_bit_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
