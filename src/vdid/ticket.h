/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.h - session provider qemu_spice: a ticket to QEMU's own SPICE server.
 *
 * 256 random bits, good for a minute; QEMU drops the password by its expiry. The
 * text is said once, in the answer to the owner's request, and wiped here.
 */
#ifndef VDID_TICKET_H
#define VDID_TICKET_H

#include <stdint.h>

#include "base/buf.h"
#include "vdid/spice_tls.h"

#define TICKET_MAX (64u << 10)

struct ticket {
    char password[48]; /* base64url; SPICE takes 60 bytes at most */
    int64_t expire_sec;
};

int ticket_new(struct ticket *ticket, int64_t expire_sec);
/*
 * {"provider":"qemu_spice","host":...,"port":...,"password":...,"expires":...}; with trust
 * "tls_port" instead of "port", "ca" and "host_subject". `out` takes TICKET_MAX.
 */
void ticket_write(const struct ticket *ticket, const char *host, uint32_t port,
                  const struct spice_trust *trust, struct buf *out);
void ticket_done(struct ticket *ticket); /* wipes */

#endif
