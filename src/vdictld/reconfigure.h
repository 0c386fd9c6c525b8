/* SPDX-License-Identifier: Apache-2.0 */
/* reconfigure.h - putting a new vdi.conf in force. */
#ifndef VDICTLD_RECONFIGURE_H
#define VDICTLD_RECONFIGURE_H

#include "vdictld/call.h"

/* call is answered; NULL when a signal asked. */
void reconfigure(struct core *core, struct call *call, bool dry_run);
/* main.c: hands the limits of the configuration to those who keep them. */
void core_apply_limits(struct core *core);

#endif
