/* SPDX-License-Identifier: Apache-2.0 */
/* gpu_wish.h - what a job asks of GPUs, as its template allows. */
#ifndef VDICTLD_GPU_WISH_H
#define VDICTLD_GPU_WISH_H

#include "model/config.h"
#include "model/job.h"

/* The template's profiles of at least so much framebuffer, joined by commas; "" for none. */
void gpu_wish_of_template(const struct config_template *t, uint64_t least_mib, char *ret,
                          size_t size);
/* Makes the wish of a request one of its template's. -ESRCH, -ENOMEM. */
int gpu_wish_settle(const struct config *c, const struct config_template *t, struct job_spec *spec,
                    struct vdi_error *err);

#endif
