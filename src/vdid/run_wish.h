/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_wish.h - what the guest of an instance is to run, for whom, and where its output goes.
 *
 * Read from a start order's "details", and kept as run.json of the instance, in the same shape:
 *   {"template":{"login"}, "job":{"kind","work_dir","output","error","open_mode"},
 *    "env":["VDI_X=..."],
 *    "owner":{"name","uid","gid","home","groups":[{"name","gid"}]},
 *    "mounts":[{"name","source","target","type","mode"}], of file servers with "security","ticket",
 *    "disks":[{"name","volume","target","where","persistence","size_gib","new"}],
 *    "payload":{"script","args":[],"environment":{}}}
 * A seat that is nobody's yet has "seat":{"mounts":N,"disks":N} and no job: the places for what its
 * owner will bring. With "batch":true it waits for a script, and needs no picture.
 */
#ifndef VDID_RUN_WISH_H
#define VDID_RUN_WISH_H

#include "codec/runner_codec.h"
#include "model/disk.h"

#define RUN_WISH_BYTES_MAX (1u << 20) /* of its JSON; a frame of the node link holds no more */
#define RUN_SHARES_MAX 16
#define RUN_WISH_ENV_BYTES 65536 /* of all variables of ours; they share a frame */

/* A directory of this node that the guest gets, with the owner's rights. */
struct run_share {
    char name[64], source[256], target[256];
    bool read_only;
};

/* A directory of a file server, which the guest mounts with a ticket of the owner. */
struct run_remote {
    char name[64], source[256], target[256];
    uint32_t type, security; /* RUNNER_NFS_KRB5 or RUNNER_SMB; enum runner_security */
    bool read_only;
};

/* A volume of this node, or of a directory that all share, which is the guest's own. */
struct run_disk {
    char name[DISK_NAME_MAX], volume[DISK_VOLUME_MAX], target[256];
    uint32_t where, persistence; /* enums of model/disk.h */
    uint32_t size_gib;
    bool is_new; /* it may have to be made */
};

struct run_wish {
    struct runner_owner owner; /* name "": none with a uid */
    uint32_t groups_left_out;  /* the owner is in more than a guest is told of */
    uint32_t n_shares;
    struct run_share shares[RUN_SHARES_MAX];
    uint32_t n_remotes; /* with n_shares RUN_SHARES_MAX at most */
    struct run_remote remotes[RUN_SHARES_MAX];
    char ticket[256]; /* for them: the owner's credential cache on this node */
    uint32_t n_disks;
    struct run_disk disks[DISKS_MAX];
    char **env;      /* "VDI_NAME=value", NULL-terminated; room for RUNNER_ENV_MAX */
    char *payload;   /* JSON for the guest runner; NULL: nothing is run */
    bool is_session; /* the payload has no script */
    bool is_prompt;  /* the guest asks who it is: no session is opened */
    bool is_interactive;
    bool is_seat; /* nobody's yet: a desktop in which nothing is run */
    uint32_t seat_mounts, seat_disks;
    bool merge;                    /* stderr goes where stdout goes */
    bool truncate;                 /* files are emptied when they are opened first */
    char *work_dir;                /* "": the owner's home */
    char *files[RUNNER_N_STREAMS]; /* -o and -e; "": the spool alone */
};

/* -EINVAL, -E2BIG with err naming the member. */
int run_wish_read(const char *json, size_t len, struct run_wish **ret, struct vdi_error *err);
void run_wish_write(const struct run_wish *w, struct buf *out);
/* Adds NAME=value unless there is a NAME. -ENOMEM; too many are left out. */
int run_wish_set(struct run_wish *w, const char *name, const char *value);
void run_wish_free(struct run_wish *w); /* takes NULL */

#endif
