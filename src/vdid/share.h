/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - a directory of the node for one guest: a virtiofsd that is the owner and nobody else.
 *
 * The server has the owner's uid and groups alone, in a user namespace that knows no other id:
 * what root in the guest asks for is refused by the node's kernel, as it would be to the owner.
 * It lives as long as QEMU holds its socket, whatever becomes of vdid; a note on disk says which
 * process it is, for a vdid that comes later.
 */
#ifndef VDID_SHARE_H
#define VDID_SHARE_H

#include "codec/runner_codec.h"
#include "loop/loop.h"

/* Descriptors of vdi-share. */
#define SHARE_STATUS_FD 3 /* closed by exec, or an error in words before it */
#define SHARE_SOCKET_FD 4 /* listens */
#define SHARE_NOTE_FD 5   /* "PID START-TICKS" */

struct share;

struct share_config {    /* only read by share_new() */
    const char *program; /* vdi-share */
    const char *server;  /* virtiofsd */
    const struct runner_owner *owner;
    const char *source; /* opened by the owner, without symbolic links */
    bool read_only;
    const char *socket, *note; /* files of ours; made anew */
    uint32_t uid, gid;         /* QEMU's: nobody else may connect */
};

/* started: once; why "": it serves. ended: afterwards, once, if it ends; what it said last. Both on
 * the loop; share_free() may be called in neither. */
typedef void (*share_fn)(void *arg, const char *why);

int share_new(struct loop *loop, const struct share_config *config, share_fn started,
              share_fn ended, void *arg, struct share **ret, struct vdi_error *err);
/* The one that a vdid before us started. -ENOENT: it does not run. */
int share_watch(struct loop *loop, const char *note, share_fn ended, void *arg, struct share **ret);
void share_free(struct share *s); /* the server goes on; takes NULL */
/* Ends the server that the note names, if it still is that one; removes the note. Blocks. */
void share_end(const char *note);
/* The virtiofsd of this host; NULL: none. */
const char *share_find_server(void);

#endif
