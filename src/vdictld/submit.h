/* SPDX-License-Identifier: Apache-2.0 */
/* submit.h - the checks that a submit and a PATCH share. */
#ifndef VDICTLD_SUBMIT_H
#define VDICTLD_SUBMIT_H

#include "vdictld/call.h"

/* Fills what the template, partition and qos decide, and refuses what they forbid. */
int submit_check(struct call *call, struct job_spec *spec, struct vdi_error *err);
/* Of a submit alone: brings mail_type into one spelling, or refuses. */
int submit_check_mail(struct call *call, struct job_spec *spec, struct vdi_error *err);
/* Into the object that `out` ends with: "notes": [sentences], if there are any. */
void submit_write_notes(struct core *core, const struct job_spec *spec, bool is_test,
                        struct buf *out);
/* spent_sec of its time limit counts no more: it was resumed with new time since. */
int submit_check_time(struct call *call, struct job_spec *spec, int64_t spent_sec,
                      struct vdi_error *err);
int32_t submit_priority(const struct config *config, const struct job_spec *spec);

#endif
