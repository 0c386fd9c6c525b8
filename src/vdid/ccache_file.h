/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ccache_file.h - a Kerberos credential cache of type FILE: read by its owner, and looked at.
 *
 * What is in it is a secret. Whoever has it here wipes it.
 */
#ifndef VDID_CCACHE_FILE_H
#define VDID_CCACHE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define CCACHE_MAX 65536 /* bytes; RUNNER_TICKET_MAX holds as much */

/*
 * The end of the last ticket-granting ticket in it, Unix time. -EBADMSG: it is no cache of format 3
 * or 4 (https://web.mit.edu/kerberos/krb5-latest/doc/formats/ccache_file_format.html), or is cut
 * off; -ENOKEY: it has no such ticket.
 */
int ccache_end(const uint8_t *data, size_t len, int64_t *ret_sec);
/*
 * All of a regular file of the calling process's user that nobody else may read, with a ticket
 * that is good at now_sec; `ret` has CCACHE_MAX bytes. Errors have err in words for the user.
 */
int ccache_file_read(const char *path, int64_t now_sec, uint8_t *ret, size_t *ret_len,
                     struct vdi_error *err);

#endif
