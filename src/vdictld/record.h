/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - checksums of what goes into the store and comes back out of it. */
#ifndef VDICTLD_RECORD_H
#define VDICTLD_RECORD_H

#include <stdbool.h>

#include <vdi/plugin.h>

void record_seal(struct vdi_store_record *record); /* fills crc */
bool record_is_good(const struct vdi_store_record *record);
void object_seal(struct vdi_store_object *object);
bool object_is_good(const struct vdi_store_object *object);

#endif
