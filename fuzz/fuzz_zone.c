/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_zone.c - TZif files of any bytes: local time and UTC of what is taken agree. */
#include <stdint.h>
#include <stdlib.h>

#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(zone_freep) struct zone *z = NULL;

    if (zone_parse(data, size, &z) < 0)
        return 0;
    for (int64_t utc = 0; utc < INT64_C(4200000000); utc += 100000000 - 4321) {
        int64_t local = zone_to_local(z, utc);
        int64_t again = zone_from_local(z, local);

        /* What the clock shows twice may be the earlier of the two; otherwise it is the same. */
        if (again > utc && zone_to_local(z, again) == local)
            abort();
    }
    return 0;
}
