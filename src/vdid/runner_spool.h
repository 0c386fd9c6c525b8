/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_spool.h - one output stream of a script, as a file of the node, up to a limit.
 *
 * The file is the stream: its size says how far we are, so a restart needs no other record. Over
 * the limit, "[output truncated after N bytes]" follows the N bytes and the rest is counted
 * only.
 */
#ifndef VDID_RUNNER_SPOOL_H
#define VDID_RUNNER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct runner_spool {
    int fd;
    uint64_t max;
    uint64_t offset; /* of the stream: the guest may forget what is before it */
    bool is_cut;     /* the mark of truncation is in the file */
    bool is_dirty;   /* written since the caller last cleared it */
};

/* The limit of a file must be the one it was begun with. */
int runner_spool_open(struct runner_spool *s, const char *path, uint64_t max);
void runner_spool_close(struct runner_spool *s);
/* Bytes that were taken before are passed over. Bytes that are left out (the guest has lost
 * them) read as NUL. On an error, nothing counts as taken. */
int runner_spool_write(struct runner_spool *s, uint64_t offset, const void *data, size_t len);
/* The same for pieces that follow each other from `offset` on. On an error those before the one
 * that failed may be taken. */
int runner_spool_writev(struct runner_spool *s, uint64_t offset, const struct iovec *iov,
                        unsigned n);

#endif
