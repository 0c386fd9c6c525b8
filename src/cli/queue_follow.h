/* SPDX-License-Identifier: Apache-2.0 */
/* queue_follow.h - vdiqueue --follow and --why: what happens, and what does not yet. */
#ifndef CLI_QUEUE_FOLLOW_H
#define CLI_QUEUE_FOLLOW_H

#include "cli/client.h"
#include "cli/job_list.h"

/* Prints events until the process is ended. With one id in the filter, that job's
 * alone, and until its end. Returns an exit code. */
int queue_follow(struct client *client, const struct job_filter *filter, bool json);
/* The answer of /v1/jobs/{id}/why in words. */
void queue_print_why(const struct value *why, struct buf *out);

#endif
