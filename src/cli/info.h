/* SPDX-License-Identifier: Apache-2.0 */
/* info.h - the parts of vdiinfo. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "cli/client.h"

/* The classes that the caller may see: when they are next, and how the one that is goes. */
int info_classes(struct client *client, bool json, bool noheader, struct vdi_error *err);

#endif
