/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_list.h - jobs by filter, page by page: what vdiqueue shows and vdicancel ends.
 */
#ifndef CLI_JOB_LIST_H
#define CLI_JOB_LIST_H

#include <stdbool.h>

#include "cli/client.h"
#include "cli/ids.h"

struct job_filter {
    /* Comma separated; NULL: any. */
    const char *user, *partition, *state, *name, *nodes, *account, *qos, *reservation;
    bool me;
    bool history;              /* those that ended long ago too, in the order of their ends */
    const char *since, *until; /* of history: RFC 3339; NULL: open */
    uint32_t limit;            /* of a page, if no more are wanted than these; 0: any */
    struct ids ids;            /* none: any */
};

/* "PD,running" -> "PENDING,RUNNING" in out; "all" stays. -EINVAL naming the word. */
int job_states_parse(const char *text, struct buf *out, struct vdi_error *err);

/*
 * Calls each() for every job, in the controller's order, with the members in
 * `fields` (NULL: the whole document). each() ends the list by returning negative.
 * A page is at most 1000 jobs, so memory does not grow with the queue.
 */
int job_list(struct client *client, const struct job_filter *filter, const char *fields,
             bool estimates, int (*each)(void *arg, const struct value *job), void *arg,
             struct vdi_error *err);
/* Called after each page, so that what is there can be shown. May be NULL. */
int job_list_paged(struct client *client, const struct job_filter *filter, const char *fields,
                   bool estimates, int (*each)(void *arg, const struct value *job),
                   int (*page)(void *arg), void *arg, struct vdi_error *err);

#endif
