/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_boot.c - MBR and GPT (UEFI Specification 2.10, chapter 5) as far as booting needs them.
 *
 * The bytes are a guest's: every offset is checked against what is there.
 */
#include "codec/disk_boot.h"

#include <string.h>

#define SECTOR 512
#define MBR_CODE 440
#define MBR_ENTRIES 446
#define ENTRY_BYTES 128
#define LEGACY_BOOTABLE 4 /* a GPT entry's attribute, bit 2 */

enum { MBR_EFI_SYSTEM = 0xef, MBR_PROTECTIVE = 0xee };

/* C12A7328-F81F-11D2-BA4B-00A0C93EC93B and 21686148-6449-6E6F-744E-656564454649. */
static const uint8_t efi_system[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                       0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t bios_boot[16] = {0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e,
                                      0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49};

static uint64_t number(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = bytes; i > 0; i--)
        value = value << 8 | p[i - 1];
    return value;
}

static bool has_code(const uint8_t *mbr)
{
    for (size_t i = 0; i < MBR_CODE; i++)
        if (mbr[i])
            return true;
    return false;
}

static void read_mbr(const uint8_t *mbr, struct disk_boot *ret)
{
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *entry = mbr + MBR_ENTRIES + i * 16;

        ret->has_table = ret->has_table || entry[4];
        ret->uefi = ret->uefi || entry[4] == MBR_EFI_SYSTEM;
        ret->is_gpt = ret->is_gpt || entry[4] == MBR_PROTECTIVE;
    }
    ret->bios = ret->has_table && has_code(mbr);
}

/* A BIOS knows no GPT: its code must go on in a partition that is marked for it. */
static void read_gpt(const uint8_t *bytes, size_t len, struct disk_boot *ret)
{
    const uint8_t *header = bytes + SECTOR;
    uint64_t at = number(header + 72, 8), n = number(header + 80, 4);
    bool has_stage = false;

    if (number(header + 84, 4) != ENTRY_BYTES || at > len / SECTOR)
        n = 0;
    for (uint64_t i = 0; i < n && at * SECTOR + (i + 1) * ENTRY_BYTES <= len; i++) {
        const uint8_t *entry = bytes + at * SECTOR + i * ENTRY_BYTES;

        ret->uefi = ret->uefi || !memcmp(entry, efi_system, sizeof(efi_system));
        has_stage = has_stage || !memcmp(entry, bios_boot, sizeof(bios_boot)) ||
                    (number(entry + 48, 8) & LEGACY_BOOTABLE);
    }
    ret->bios = ret->bios && has_stage;
}

struct disk_boot disk_boot_read(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    struct disk_boot ret = {false};

    if (len < SECTOR || bytes[510] != 0x55 || bytes[511] != 0xaa)
        return ret;
    read_mbr(bytes, &ret);
    ret.is_gpt = ret.is_gpt && len >= 2 * SECTOR && !memcmp(bytes + SECTOR, "EFI PART", 8);
    if (ret.is_gpt)
        read_gpt(bytes, len, &ret);
    return ret;
}
