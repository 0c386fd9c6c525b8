/* SPDX-License-Identifier: Apache-2.0 */
/* config_check.h - what must hold between the objects of vdi.conf. Inside codec/ only. */
#ifndef CODEC_CONFIG_CHECK_H
#define CODEC_CONFIG_CHECK_H

#include "codec/config_scan.h"
#include "model/config.h"

/* `complete` is false when part of the file was not understood: then names that
 * nothing defines may be defined there, and are not told. */
void config_check(const struct config *c, struct config_findings *f, bool complete);

/* config_class.c: a class, or a reservation, of the file, whose other objects are known. */
void config_check_reservation(const struct config *c, const struct config_class *class,
                              struct config_findings *f);
void config_check_class(const struct config *c, const struct config_class *class,
                        struct config_findings *f);

/* What the GPUs of each node are: fills config.kinds and config_node.kind. -ENOMEM. */
int config_gpu_kinds(struct config *config, struct config_findings *findings);

#endif
