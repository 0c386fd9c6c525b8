/* SPDX-License-Identifier: Apache-2.0 */
/* enroll.h - getting this node's certificate with a one-time token. */
#ifndef VDID_ENROLL_H
#define VDID_ENROLL_H

#include "codec/node_config.h"

/*
 * Makes the key (it never leaves the node), shows the token to the controller whose CA
 * the token names, and writes certificate and CA where vdid.conf says. Blocks.
 */
int enroll(const struct node_config *config, const char *token, struct vdi_error *err);

#endif
