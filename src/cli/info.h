/* SPDX-License-Identifier: Apache-2.0 */
/* info.h - the parts of vdiinfo. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "cli/client.h"

/* The classes that the caller may see: when they are next, and how the one that is goes. */
int info_classes(struct client *client, bool json, bool noheader, struct vdi_error *err);

struct info_gpus {
    const char *at, *nodes; /* NULL: now; all */
    int64_t for_sec;        /* what is free for so long; 0: at that moment */
    bool changes, json, noheader;
};
/* What GPUs hold at a time, and the seats of each profile that are free then. */
int info_gpus(struct client *client, const struct info_gpus *ask, struct vdi_error *err);

#endif
