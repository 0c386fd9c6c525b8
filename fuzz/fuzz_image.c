/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_image.c - what an image says of itself: image.json, a qcow2 header, a partition table. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/disk_boot.h"
#include "codec/image_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written, and read again as the same. */
static void round_trip(const struct image_manifest *m)
{
    _cleanup_(buf_done) struct buf first = BUF_INIT(0), second = BUF_INIT(0);
    struct image_manifest again;

    image_manifest_write(m, &first);
    if (first.failed || image_manifest_read(first.data, first.len, "f", &again, NULL) < 0)
        abort();
    image_manifest_write(&again, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct disk_boot boot = disk_boot_read(bytes, size);
    struct qcow2_header header;
    struct image_manifest m;

    if ((boot.bios || boot.uefi) && size < 512)
        abort();
    qcow2_header_check(bytes, size, "f", &header, NULL);
    if (image_manifest_read(bytes, size, "f", &m, NULL) == 0)
        round_trip(&m);
    return 0;
}
