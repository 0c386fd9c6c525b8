/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - from a request to a principal with groups and a role.
 *
 * A credential in `Authorization:` is verified by its plugin on a worker; on a
 * unix socket without one the kernel's peer credential says who it is. Nothing
 * else is believed. Groups come from NSS, off the loop, cached.
 */
#ifndef VDICTLD_AUTH_H
#define VDICTLD_AUTH_H

#include "vdictld/call.h"
#include "wire/identity.h"

struct auth *auth_new(struct core *core, struct vdi_error *err);
void auth_free(struct auth *auth);
/* Fills who, who_text and role of the call, then calls done(call, 0, NULL), or
 * done(call, -errno, err). May call it at once. */
void auth_identify(struct auth *auth, struct call *call,
                   void (*done)(struct call *call, int result, const struct vdi_error *err));
/* A user by name, for tokens issued to others; see identity_get(). */
void auth_lookup(struct auth *auth, const char *name, identity_done_fn *done, void *arg);
/* The groups of a principal, by its realm, name and gid. */
void auth_groups(struct auth *auth, const struct vdi_principal *who, identity_done_fn *done,
                 void *arg);
/* What the account of a job's owner is made of in the guest. */
void auth_account(struct auth *auth, uint32_t uid, uint32_t gid, identity_done_fn *done, void *arg);
/* Signs a new token for the principal; -ENOSYS when no plugin issues tokens. */
int auth_issue(struct auth *auth, const struct vdi_principal *who, const char *id,
               int64_t issue_usec, int64_t expire_usec, char *ret, size_t ret_size,
               struct vdi_error *err);

#endif
