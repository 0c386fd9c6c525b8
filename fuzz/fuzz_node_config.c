/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_node_config.c - vdid.conf of any bytes: a config within its limits, or findings. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codec/node_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

/* libconfuse opens files only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node_config *config = NULL;
    struct buf findings = BUF_INIT(1 << 20);
    char path[64];
    int fd = memfd_create("vdid.conf", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int r = node_config_read(path, &config, &findings);
    must((r == 0) == (config != NULL));
    must((r == 0) != (findings.len > 0));
    if (config) {
        must(*config->node && strchr(config->controller, ':'));
        must(config->port_min >= 1024 && config->port_min <= config->port_max);
        must(config->port_max <= 65535 && config->boot_timeout_sec > 0);
    }
    node_config_free(config);
    buf_done(&findings);
    close(fd);
    return 0;
}
