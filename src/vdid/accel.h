/* SPDX-License-Identifier: Apache-2.0 */
/* accel.h - whether guests run on the processor itself (KVM) or are translated (TCG). */
#ifndef VDID_ACCEL_H
#define VDID_ACCEL_H

#include "loop/loop.h"
#include <vdi/types.h>

enum accel_mode { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };
extern const char *const accel_mode_names[]; /* NULL-terminated */

struct accel;

/* result 0: guests boot that way. Negative: they do not, and err says why. Called once. */
typedef void (*accel_fn)(void *arg, int result, const struct vdi_error *err);

/*
 * Boots a guest of 512 bytes under KVM (auto, kvm) or TCG, which switches to 64-bit mode with
 * paging and computes a while, and waits a few seconds for its word. That /dev/kvm can be
 * opened proves nothing. `dir` holds the guest meanwhile.
 */
int accel_prove(struct loop *loop, enum accel_mode mode, const char *emulator, const char *dir,
                accel_fn fn, void *arg, struct accel **ret, struct vdi_error *err);
void accel_free(struct accel *a); /* takes NULL */

#endif
