/* SPDX-License-Identifier: Apache-2.0 */
/* ports.h - the TCP ports of this node's sessions: a range of our own, one owner a port. */
#ifndef VDID_PORTS_H
#define VDID_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

struct ports;

struct ports *ports_new(uint16_t min, uint16_t max); /* NULL: no memory */
void ports_free(struct ports *p);
/* One that a record names. False: outside the range, or somebody has it. */
bool ports_reserve(struct ports *p, uint16_t port);
/* A port that nobody here has and that can be bound at the address now. -EADDRINUSE: none. */
int ports_take(struct ports *p, const char *address, uint16_t *ret, struct vdi_error *err);
void ports_release(struct ports *p, uint16_t port); /* 0: nothing */
/* Whether somebody listens there. Not ours to trust for long: QEMU binds later. */
bool port_is_free(const char *address, uint16_t port);

#endif
