/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.h - a file in the owner's directory: a child that is the owner copies the spool to it.
 *
 * vdid itself never opens the file. The child (writer_main.c) has the spool and the place where
 * it notes how far it is, and goes on there whatever was killed; it ends with its vdid, when it
 * has written what was in the spool.
 */
#ifndef VDID_WRITER_H
#define VDID_WRITER_H

#include "codec/runner_codec.h"
#include "loop/loop.h"

struct writer;

struct writer_config {   /* only read by writer_new() */
    const char *program; /* vdi-writer */
    const struct runner_owner *owner;
    const char *path;          /* relative to work_dir, or absolute */
    const char *work_dir;      /* "": the owner's home */
    bool truncate;             /* what was in the file goes when it is opened first */
    const char *spool, *state; /* files of ours; state is made if it is not there */
};

/* On the loop, once; may free the writer. why "": all that was in the spool is in the file. */
typedef void (*writer_fn)(void *arg, const char *why);

int writer_new(struct loop *loop, const struct writer_config *config, writer_fn done, void *arg,
               struct writer **ret, struct vdi_error *err);
void writer_poke(struct writer *w);   /* there is more in the spool */
void writer_finish(struct writer *w); /* there will be no more: it writes the rest, and ends */
void writer_free(struct writer *w);   /* the child finishes by itself; takes NULL */

#endif
