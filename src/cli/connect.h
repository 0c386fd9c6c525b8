/* SPDX-License-Identifier: Apache-2.0 */
/* connect.h - what vdiconnect is asked for, and the two ways to a ticket. */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/client.h"
#include "cli/options.h"

#define CONNECT_NAME "vdiconnect"
#define CONNECT_NO_START (-EAGAIN) /* exit code 6 */

struct connect {
    const char *output, *ssh, *viewer;
    bool force, fullscreen, json, no_wait, progress, quiet, show_password;
    int64_t id; /* 0: my only desktop */
    char title[128];
    char viewer_path[PATH_MAX];
};

/* A destination that ssh can't take for an option. */
option_set_fn connect_set_ssh;

/*
 * The job is found, waited for, and its ticket asked for. Sets id and title.
 * CONNECT_NO_START: it is not running (--no-wait), or ended before it ran.
 */
int connect_fetch(struct connect *c, struct document **ret, struct vdi_error *err);
/* The same by vdiconnect --json on another machine; positive: its exit code, it has said why. */
int connect_fetch_remote(struct connect *c, struct document **ret, struct vdi_error *err);

#endif
