/* SPDX-License-Identifier: Apache-2.0 */
/* silence.h - saying that a node does not answer, and since when. */
#ifndef VDICTLD_SILENCE_H
#define VDICTLD_SILENCE_H

#include "vdictld/core.h"

/* Is that what the result of a site's operation means? */
bool silence_is(int result);
/* A whole sentence, with its remedy; the code is ENOTCONN. */
void silence_explain(struct core *core, const char *node, struct vdi_error *err);

#endif
