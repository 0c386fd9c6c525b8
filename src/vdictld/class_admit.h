/* SPDX-License-Identifier: Apache-2.0 */
/* class_admit.h - a class made or changed, whole or not at all. Of the files of classes alone. */
#ifndef VDICTLD_CLASS_ADMIT_H
#define VDICTLD_CLASS_ADMIT_H

#include "vdictld/class_impl.h"

/* Takes the call: it is answered with the class and `status`, or refused. CREATE, UPDATE (the
 * whole new spec) or OVERRIDE of the class `id`, which was `seen` so (NULL: it is new). */
void class_admit(struct call *call, uint64_t id, const struct class *seen,
                 const struct class_event *event, unsigned status);
/* Has the admission that is being committed booked this time? Then it is the caller's. */
bool class_admitted(const struct classes *c, uint64_t id, struct class_time *io);
/* class_calls.c: the class as it now is. */
void class_reply(struct call *call, unsigned status, uint64_t id);

#endif
