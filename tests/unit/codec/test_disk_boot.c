/* SPDX-License-Identifier: Apache-2.0 */
/* test_disk_boot.c - partition tables: what boots them, and tables that lead out of the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "codec/disk_boot.h"

static uint8_t disk[DISK_BOOT_BYTES];

static void clear(void)
{
    memset(disk, 0, sizeof(disk));
    disk[510] = 0x55;
    disk[511] = 0xaa;
}

static void put(size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        disk[at + i] = (uint8_t)(value >> 8 * i);
}

static void make_gpt(uint64_t entries_at, uint32_t n, uint32_t size)
{
    clear();
    disk[446 + 4] = 0xee;
    memcpy(disk + 512, "EFI PART", 8);
    put(512 + 72, entries_at, 8);
    put(512 + 80, n, 4);
    put(512 + 84, size, 4);
}

static void set_entry(unsigned i, const char *type, uint64_t attributes)
{
    memcpy(disk + 1024 + i * 128, type, 16);
    put(1024 + i * 128 + 48, attributes, 8);
}

static const char esp[] = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
static const char stage[] = "Hah!IdontNeedEFI";
static const char other[] = "0123456789abcdef";

static void check(bool is_gpt, bool bios, bool uefi)
{
    struct disk_boot b = disk_boot_read(disk, sizeof(disk));

    assert_true(b.has_table);
    assert_int_equal(b.is_gpt, is_gpt);
    assert_int_equal(b.bios, bios);
    assert_int_equal(b.uefi, uefi);
}

static void of_mbr(void **state)
{
    clear();
    assert_false(disk_boot_read(disk, sizeof(disk)).has_table);
    disk[446 + 4] = 0x83;
    check(false, false, false);
    disk[0] = 0xeb;
    check(false, true, false);
    disk[462 + 4] = 0xef;
    check(false, true, true);
    disk[510] = 0;
    assert_false(disk_boot_read(disk, sizeof(disk)).has_table);
}

static void of_gpt(void **state)
{
    make_gpt(2, 128, 128);
    set_entry(0, other, 0);
    disk[0] = 0xeb;
    check(true, false, false); /* code that goes on nowhere */
    set_entry(1, stage, 0);
    check(true, true, false);
    set_entry(127, esp, 0);
    check(true, true, true);
    disk[0] = 0;
    check(true, false, true);
    disk[0] = 0xeb;
    set_entry(1, other, 4);
    check(true, true, true);
}

static void hostile(void **state)
{
    static const uint64_t places[] = {0, 33, 34, 35, UINT64_C(1) << 55, UINT64_MAX};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        make_gpt(places[i], UINT32_MAX, 128);
        assert_false(disk_boot_read(disk, sizeof(disk)).uefi);
    }
    make_gpt(2, 128, 64);
    set_entry(0, esp, 0);
    check(true, false, false); /* entries of another size are not read */
    make_gpt(2, 128, 128);
    set_entry(4, esp, 0);
    for (size_t len = 0; len < sizeof(disk); len++) {
        static uint8_t copy[DISK_BOOT_BYTES];
        memcpy(copy, disk, len);
        assert_int_equal(disk_boot_read(copy, len).uefi, len >= 1024 + 5 * 128);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_mbr),
        cmocka_unit_test(of_gpt),
        cmocka_unit_test(hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
