/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_boot.h - which firmware finds something to boot on a disk, as its first sectors tell.
 */
#ifndef CODEC_DISK_BOOT_H
#define CODEC_DISK_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MBR, GPT's header and its 128 entries of 128 bytes. */
#define DISK_BOOT_BYTES (34 * 512)

struct disk_boot {
    bool has_table; /* MBR or GPT */
    bool is_gpt;
    bool bios; /* code for a BIOS, and where it goes on */
    bool uefi; /* an EFI system partition */
};

/* Never fails: bytes that are no partition table, or too few, boot nothing. */
struct disk_boot disk_boot_read(const void *bytes, size_t len);

#endif
