/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.h - waiting until a job is in a state, with its place and estimate as progress.
 *
 * The job does not notice: whoever stops waiting (Ctrl-C) leaves it alone and
 * is told so.
 */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/client.h"
#include "cli/ids.h"
#include "model/job_state.h"

struct wait {
    const char *program; /* for messages */
    const char *id;      /* "12", "12_4" */
    bool (*is_over)(enum job_state state);
    bool quiet; /* no progress */
    bool lines; /* progress as lines, also where stderr is no terminal */
};

void sleep_msec(int64_t msec);
/*
 * Returns when is_over() says so; *ret is the job then. A controller that does
 * not answer is waited for, too; every other failure ends the wait.
 */
int wait_for_job(struct client *client, const struct wait *wait, struct document **ret,
                 struct vdi_error *err);

#endif
