/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power_record.h - what a store does to its files, call by call.
 *
 * The program defines pwrite(), fsync(), rename() and the rest itself; the libraries it
 * loads call these instead of libc's. Calls on files of the watched directory are
 * carried out and noted. Nothing is synced for real: the model is what a disk keeps.
 */
#ifndef BENCH_POWER_RECORD_H
#define BENCH_POWER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum power_kind {
    POWER_LINK,   /* name now leads to the file (create) */
    POWER_RENAME, /* name2 now leads to the file, name no longer does */
    POWER_UNLINK,
    POWER_WRITE,
    POWER_TRUNCATE, /* to offset */
    POWER_SYNC,     /* the file's bytes and length */
    POWER_SYNC_DIR, /* the directory's names */
    POWER_ACK,      /* the writer was told: `offset` events are durable, ids below `len` too */
};

struct power_op {
    enum power_kind kind;
    int file; /* as an inode: the same through renames */
    char name[64], name2[64];
    uint64_t offset, len;
    unsigned char *data;
};

extern struct power_op *power_ops;
extern size_t power_n_ops;
extern int power_n_files;

void power_watch(const char *dir, bool record); /* NULL: nothing is watched */
void power_ack(uint64_t events, uint64_t ids);

#endif
