/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.h - the owner's Kerberos ticket in the guest, where rpc.gssd and cifs.upcall look for it.
 *
 * It is in a file system of memory that root alone may enter, and shows through at
 * /tmp/krb5cc_UID: the owner's, mode 0600. NFS needs one of root's, too (rpc.gssd -n).
 */
#ifndef GUEST_TICKET_H
#define GUEST_TICKET_H

#include "codec/runner_codec.h"

struct ticket_place {
    const char *dir;  /* "/run/vdi-ticket"; made, and mounted */
    const char *seen; /* "/tmp" */
};

/* Puts it there, or what is new in the place of what was. */
int ticket_put(const struct ticket_place *place, const struct runner_owner *owner, bool for_root,
               const uint8_t *data, size_t len, struct vdi_error *err);
/* Nothing of it is left; as good as done when there is none. */
void ticket_drop(const struct ticket_place *place, const struct runner_owner *owner);

#endif
