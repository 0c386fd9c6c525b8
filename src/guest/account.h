/* SPDX-License-Identifier: Apache-2.0 */
/* account.h - the owner's account in the guest: checked, or made (passwd, group, shadow, home). */
#ifndef GUEST_ACCOUNT_H
#define GUEST_ACCOUNT_H

#include "codec/runner_codec.h"

/* `etc` is "/etc". -EEXIST: the name or the uid is somebody else's. An account that is not in the
 * files may come from elsewhere (LDAP) and is no error. */
int account_check(const char *etc, const struct runner_owner *owner, struct vdi_error *err);
/* Makes what is missing. Files are replaced whole, under the lock of passwd(5)'s tools. */
int account_ensure(const char *etc, const struct runner_owner *owner, struct vdi_error *err);

#endif
