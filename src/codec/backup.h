/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.h - a backup file: everything a controller knows, whatever store it is kept in.
 *
 *   "OSVDI-BACKUP 1\n"          the format
 *   {...}\n                     the head, one line of JSON
 *   frames                      kind (1 byte), length (4), that many bytes
 *     'O'  an object of the snapshot: what was live, retry keys, next ids
 *     'A'  a row of the archive: what has ended, the audit trail
 *     'E'  the end: number of 'O' and of 'A' (8 each), SHA-256 of all bytes before this frame
 *
 * A row is seq, begin_usec, end_usec (8 each), version (4), noun, key, owner, state (each with
 * its NUL), and the body. Numbers are little endian. Nothing may follow the end.
 */
#ifndef CODEC_BACKUP_H
#define CODEC_BACKUP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include <vdi/plugin.h>

#define BACKUP_FORMAT 1
#define BACKUP_FRAME_MAX (64u << 20)
#define BACKUP_ROW_LABELS_MAX 4096u

enum backup_kind { BACKUP_OBJECT = 'O', BACKUP_ARCHIVE = 'A', BACKUP_END = 'E' };

struct backup_head {
    char version[32]; /* of the osvdi that wrote it */
    char cluster[80];
    int64_t time_usec;
    uint64_t seq;        /* the last event in it */
    uint64_t epoch;      /* of the controller that wrote it */
    uint64_t id_reserve; /* ids below this may have been given out */
};

/* ---- writing: each adds to `out`; the sum is over what really goes out ---- */

struct backup_sum;
struct backup_sum *backup_sum_new(void);
void backup_sum_free(struct backup_sum *sum); /* takes NULL */
void backup_sum_add(struct backup_sum *sum, const void *data, size_t len);

void backup_write_head(const struct backup_head *head, struct buf *out);
/* -EFBIG: no file may hold such a row. */
int backup_write_row(enum backup_kind kind, const struct vdi_store_object *row, struct buf *out);
void backup_write_end(struct backup_sum *sum, uint64_t n_objects, uint64_t n_archive,
                      struct buf *out);

/* ---- reading ---- */

struct backup_file;

/* Opens and checks all of it, to the last byte. -EPROTO: of a newer release, which err names;
 * -EBADMSG: damaged, cut short or no backup, with the place. Then nothing was believed. */
int backup_open(const char *path, struct backup_file **ret, struct vdi_error *err);
void backup_close(struct backup_file *file); /* takes NULL */
DEFINE_FREEP(struct backup_file, backup_close)
const struct backup_head *backup_head(const struct backup_file *file);
uint64_t backup_count(const struct backup_file *file, enum backup_kind kind);
/* To the first row. */
int backup_rewind(struct backup_file *file);
/* 1 and a row (good until the next call), 0 at the end. */
int backup_next(struct backup_file *file, enum backup_kind *ret_kind,
                struct vdi_store_object *ret_row, struct vdi_error *err);

#endif
