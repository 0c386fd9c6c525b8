/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence.h - how long ago somebody touched the guest's keyboard, mouse or the like.
 *
 * The kernel's event devices tell, whatever shows the desktop. Of what they say only the time is
 * kept.
 */
#ifndef GUEST_PRESENCE_H
#define GUEST_PRESENCE_H

#include "loop/loop.h"

struct presence;

/*
 * dir: "/dev/input"; devices may come and go. Calls changed() when nobody has touched any for
 * quiet_usec, again each time as much has passed, and at once when somebody does then. NULL with
 * errno set.
 */
struct presence *presence_new(struct loop *loop, const char *dir, int64_t quiet_usec,
                              void (*changed)(void *arg), void *arg);
void presence_free(struct presence *p); /* takes NULL */
/* 0: somebody is there, or was less than quiet_usec ago; -1: there is no device that would tell. */
int64_t presence_idle_sec(const struct presence *p);

#endif
