/* SPDX-License-Identifier: Apache-2.0 */
/* host_internal.h - host_plugin_try() with its deadline, for its tests. Inside host/ only. */
#ifndef HOST_HOST_INTERNAL_H
#define HOST_HOST_INTERNAL_H

#include "host/host.h"

int host_plugin_try_within(const char *dir, enum vdi_plugin_kind kind, const char *name,
                           int64_t deadline_usec, struct vdi_error *err);
/* "yes" or "no" in their forms, a number, or any text. */
int host_setting_check(const struct vdi_setting *setting, const char *value, struct vdi_error *err);

#endif
