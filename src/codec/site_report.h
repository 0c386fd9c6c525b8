/* SPDX-License-Identifier: Apache-2.0 */
/* site_report.h - what a site says of an instance. */
#ifndef CODEC_SITE_REPORT_H
#define CODEC_SITE_REPORT_H

#include "codec/field.h"

enum site_state {
    SITE_STATE_NONE,
    SITE_STATE_BUILDING,
    SITE_STATE_READY,
    SITE_STATE_SAVED,
    SITE_STATE_GONE,
};

struct site_report {
    uint32_t state; /* enum site_state; polls */
    bool exited;    /* the batch script ended: exit_code, exit_signal are its */
    int32_t exit_code, exit_signal;
    bool failed; /* it ended by no will of its guest (crash, lost node) */
    bool ended;  /* GONE: its QEMU is no more; without it, it may still be on its way out */
    char reason[96];
    int64_t idle_sec; /* READY: nobody has touched it for so long; 0: somebody is there; -1: it is
                       * not known */
};

int site_report_decode(const char *json, struct site_report *ret, struct vdi_error *err);

/* A piece of output. */
struct site_piece {
    uint64_t from; /* where `data` begins */
    uint64_t size; /* all that is kept now */
    bool truncated, ended;
    uint8_t *data; /* owned */
    size_t len;
};
/* -EBADMSG: not a piece of at most `max` bytes. */
int site_piece_decode(const char *json, size_t max, struct site_piece *ret, struct vdi_error *err);
void site_piece_done(struct site_piece *piece);

#endif
