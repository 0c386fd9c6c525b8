/* SPDX-License-Identifier: Apache-2.0 */
/* priority_impl.h - between priority.c and priority_use.c alone. */
#ifndef VDICTLD_PRIORITY_IMPL_H
#define VDICTLD_PRIORITY_IMPL_H

#include "model/share.h"
#include "vdictld/archive.h"
#include "vdictld/priority.h"

struct priority_rule {
    void *state;
    struct vdi_priority_wants wants;
};

/* A round: who holds something, who waits, and then what the planner is to hear. */
enum priority_phase {
    PRIORITY_IDLE,
    PRIORITY_READS,
    PRIORITY_HELD,
    PRIORITY_WAITS,
    PRIORITY_TELLS
};

struct priority {
    struct core *core;
    struct host_plugin *plugin;
    struct vdi_priority_ops ops;
    struct priority_rule *rule;
    struct vdi_priority_facts cluster; /* what is the same for all jobs */
    int64_t measured_usec;             /* when the round was that priorities are of */

    enum priority_phase phase;
    bool known;
    bool all_told;              /* the planner has heard of all since it is known */
    struct source *next;        /* the next slice, or the next round */
    struct share_tree *shares;  /* NULL: the plugin wants none, or none was read yet */
    struct share_tree *reading; /* from the store, to be in force next */
    struct archive_walk walk;
    bool asking;                /* a page is on its way */
    bool again;                 /* another vdi.conf came meanwhile */
    struct archive_query *page; /* being summed up; NULL: none */
    size_t page_at;
    uint64_t after; /* the last one in the table that was looked at */
    int64_t round_usec;
    bool told_error;
};

/* ---- priority_use.c ---- */

/* Reads what was used, then makes a round; a plugin that wants no usage gets the round alone. */
void priority_read(struct priority *p);
void priority_run(void *arg); /* of `next` */

#endif
