/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_config.c - vdi.conf of any bytes: a config or findings, and a config equals itself. */
#include <stdint.h>
#include <stdlib.h>

#include "codec/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct buf findings = BUF_INIT(1 << 20), changes = BUF_INIT(1 << 20);
    bool restart = false;
    int r = config_read_text("vdi.conf", (const char *)data, size, &config, &findings);
    if ((r == 0) != (config != NULL) || (r == 0) == (findings.len > 0))
        abort();
    if (config)
        config_diff(config, config, &changes, &restart);
    if (changes.len || restart)
        abort();
    config_free(config);
    buf_done(&findings);
    buf_done(&changes);
    return 0;
}
