/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_ics.c - iCalendar files of any bytes: what can be written reads back, and again the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "codec/ics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = BUF_INIT(0), second = BUF_INIT(0);
    struct ics ics = {0}, again = {0};
    struct vdi_error err;

    if (ics_read((const char *)data, size, &ics, &err) < 0)
        return 0;
    if (ics_write(&ics, 0, &first, &err) == 0) {
        if (ics_read(first.data, first.len, &again, &err) < 0 ||
            ics_write(&again, 0, &second, &err) < 0 || again.n != ics.n ||
            first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
            abort();
    }
    ics_done(&ics);
    ics_done(&again);
    buf_done(&first);
    buf_done(&second);
    return 0;
}
