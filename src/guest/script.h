/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - one process that runs the owner's script, as the owner or not at all.
 *
 * Between fork and exec every step that fails ends the child and is named to the parent through
 * a pipe: no step is passed over, and nothing runs with rights that could not be put down.
 */
#ifndef GUEST_SCRIPT_H
#define GUEST_SCRIPT_H

#include <sys/types.h>

#include "codec/runner_codec.h"

struct script_order {
    const struct runner_owner *owner;
    const char *path;     /* of the script */
    char *const *args;    /* behind argv[0]; may be NULL */
    char *const *env;     /* whole */
    const char *work_dir; /* "": the home, or / if it is not there */
    bool merge;           /* stderr into stdout's pipe */
    bool allow_root;
};

struct script_process {
    pid_t pid;                 /* leader of its session and process group */
    int status_fd;             /* ends without a byte when exec worked, else script_failure() */
    int out[RUNNER_N_STREAMS]; /* ends to read; [RUNNER_ERR] is -1 when merged */
};

/* -EPERM: the owner is root, or somebody this process can't become. */
int script_start(const struct script_order *order, struct script_process *ret,
                 struct vdi_error *err);
/* Reads what status_fd says: 1: not yet; 0: exec worked; < 0: it did not, err says which step. */
int script_failure(int status_fd, struct vdi_error *err);
/* Field 22 of /proc/PID/stat; 0: no such process. */
uint64_t script_start_ticks(pid_t pid);

#endif
