/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_inventory.c - what a node says of itself, and of the instances on it.
 *
 * What was taken is written and read again: both texts must be the same. A report that is
 * understood keeps its text ended.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/inventory.h"
#include "codec/site_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void try_report(const char *json)
{
    struct site_report report = {0};

    if (site_report_decode(json, &report, NULL) >= 0)
        must(report.state <= SITE_STATE_GONE && memchr(report.reason, 0, sizeof(report.reason)));
}

static void try_inventory(const char *json)
{
    struct inventory first = {0}, second = {0};
    struct buf one = BUF_INIT(0), two = BUF_INIT(0);
    struct vdi_error err = {0};
    int r = inventory_decode(json, &first, &err);

    if (r < 0) {
        must(err.code == -r && err.detail[0] && !first.instances && !first.n);
        return;
    }
    must(first.n <= INVENTORY_MAX);
    for (size_t i = 0; i < first.n; i++) {
        must(first.instances[i].id.id && first.instances[i].id.generation);
        try_report(first.instances[i].report);
    }
    inventory_encode(&first, &one);
    must(inventory_decode(one.data, &second, &err) >= 0);
    inventory_encode(&second, &two);
    must(!strcmp(one.data, two.data));
    inventory_done(&first);
    inventory_done(&second);
    buf_done(&one);
    buf_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);

    if (!text)
        return 0;
    try_report(text);
    try_inventory(text);
    free(text);
    return 0;
}
