/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what the store plugins share: checksums, numbers in little endian,
 * keys that are numbers, rows of a snapshot as bytes, and refusals.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <vdi/plugin.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

#define STORE_LABEL_MAX 255        /* noun, key, type, owner, state: bytes each */
#define STORE_BODY_MAX (64u << 20) /* one body */
#define STORE_BATCH_MAX 100000u    /* records or objects of one batch */
#define STORE_QUERY_MAX 10000u     /* rows of one query */
#define STORE_STATES_MAX 32u       /* states named in one query */
#define STORE_ROW_MAX (STORE_BODY_MAX + 4096u)

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4); start with 0, feed piece after piece. */
uint32_t store_crc(uint32_t crc, const void *data, size_t len);

void store_put32(unsigned char *p, uint32_t v);
void store_put64(unsigned char *p, uint64_t v);
uint32_t store_get32(const unsigned char *p);
uint64_t store_get64(const unsigned char *p);

/* The number a key is, or -1: then it sorts before all numbers, by its bytes. */
int64_t store_key_number(const char *key);

/* errno as a negative number; a quota or a size limit is a disk that is full. */
int store_errno(void);

/* A growing block of bytes. */
struct store_buf {
    unsigned char *data;
    size_t len, size;
};
int store_buf_room(struct store_buf *b, size_t len); /* 0 or -ENOMEM */
void store_buf_done(struct store_buf *b);

/* One row as bytes (replaces what is in b), and back: the strings point into data.
 * -EBADMSG: these bytes are no row; -EINVAL: the row is over a limit. */
int store_row_pack(struct store_buf *b, const struct vdi_store_object *row);
int store_row_unpack(const unsigned char *data, size_t len, struct vdi_store_object *ret);

/* Fills err (may be NULL) and returns the negative errno. */
int store_fail(struct vdi_error *err, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void store_hint(struct vdi_error *err, const char *limit, const char *remedy);

/* A batch within limits, its numbers in range and its seqs contiguous after last_seq. */
int store_batch_check(const struct vdi_store_batch *batch, uint64_t last_seq,
                      struct vdi_error *err);
int store_query_check(const struct vdi_store_query *q, bool archive, struct vdi_error *err);
/* What a store says when it was written by a newer release. */
int store_too_new(struct vdi_error *err, uint32_t has, uint32_t knows, const char *release);
/* What append says when the batch's epoch is not the lease's. */
int store_stale(struct vdi_error *err, uint64_t mine, uint64_t current);

/* Tells the loader of one damaged place; store_damage_events: where these events can't be read. */
void store_damage(const struct vdi_store_loader *loader, const char *reason, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
void store_damage_events(const struct vdi_store_loader *loader, uint64_t first, uint64_t last,
                         const char *reason, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * The order in which events must come: by one, from after a snapshot. Tells gaps,
 * rows out of order and rows the host finds damaged; `next` moves on good rows, and
 * on a damaged one only where its seq is the one that is due.
 */
struct store_reject {
    uint64_t seq; /* as the row claims it */
    uint32_t crc;
};

struct store_run {
    uint64_t first, last;
};

struct store_sequence {
    const struct vdi_store_loader *loader;
    uint64_t next;
    uint64_t gap_end; /* highest missing seq so far */
    struct store_reject *rejected;
    size_t n_rejected, rejected_size;
    struct store_run *runs; /* of seqs that were good */
    size_t n_runs, runs_size;
    bool damaged;
};
/* 0, 1 when the row is damaged, or what the host stops the load with. */
int store_sequence_feed(struct store_sequence *q, const struct vdi_store_record *record);
/* All came that will: seqs from `next` to last are missing. */
void store_sequence_end(struct store_sequence *q, uint64_t last);
void store_sequence_done(struct store_sequence *q);
/* Whether the host took this row. */
bool store_sequence_accepted(const struct store_sequence *q, uint64_t seq, uint32_t crc);

static inline void store_freep(void *p)
{
    free(*(void **)p);
}

static inline void store_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define store_log(s, level, ...)                                                                   \
    do {                                                                                           \
        if ((s)->api && (s)->api->log)                                                             \
            (s)->api->log((s)->host, level, __VA_ARGS__);                                          \
    } while (0)

#endif
