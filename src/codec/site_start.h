/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site_start.h - what a site is told to start: template, job, owner, environment, payload.
 *
 * A seat is started ahead, before its job is known: then the order has neither job nor owner nor
 * what is theirs, and all of that comes with the order to bind.
 */
#ifndef CODEC_SITE_START_H
#define CODEC_SITE_START_H

#include "base/buf.h"
#include "model/config.h"
#include "model/disk.h"
#include "model/job.h"

struct site_start {
    const char *cluster;
    const struct config_template *of;
    int64_t boot_timeout_sec;
    const struct job *job; /* it has its node and instance; NULL: a seat is started */
    uint32_t node_id;      /* which of the job's nodes that is, from 0 */
    bool is_seat;          /* says that it is meant: a start that lost its job is refused */
    bool is_for_script;    /* of a seat: nobody will look at it */
    const char *image;     /* of a published one, what a node needs to get it; NULL: none */
    const char *payload;   /* what came with the submit: script, args, environment; NULL: none */
    const struct disk *const *disks; /* leased to the instance */
    size_t n_disks;
    const struct vdi_principal *who; /* the owner's account; NULL: the owner has none */
    const uint32_t *gids;            /* of who->groups */
    const char *home;
};

/* One object; -o and -e of the job in it are names of files, no longer patterns, and the sources
 * and targets of mounts are the owner's. -ENOMEM; others with err: it can never be started. */
int site_start_write(const struct site_start *start, struct buf *out, struct vdi_error *err);

/* What a seat that runs gets when it is bound to `job`: all that its start did not have. The job's
 * instance and node are the seat's; disks are leased to it. Errors as above. */
int site_bind_write(const struct site_start *bind, struct buf *out, struct vdi_error *err);

#endif
