/* SPDX-License-Identifier: Apache-2.0 */
/* munge_sign.h - the client's side of `Authorization: Munge`. */
#ifndef WIRE_MUNGE_SIGN_H
#define WIRE_MUNGE_SIGN_H

#include <stddef.h>

#include <vdi/types.h>

/*
 * Asks munged for a credential that holds for this one request: its payload
 * names the cluster, the method, the target as sent, a nonce and the SHA-256
 * of the body. Writes "Authorization: Munge CREDENTIAL". May block on munged.
 * -ENOSYS: no libmunge here; -EAGAIN: munged does not answer.
 */
int munge_sign(const char *cluster, const char *method, const char *target, const char *body,
               size_t body_len, char *ret, size_t ret_size, struct vdi_error *err);

#endif
