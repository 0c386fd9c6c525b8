/* SPDX-License-Identifier: Apache-2.0 */
/* quota_impl.h - between quota*.c and minutes.c alone. */
#ifndef VDICTLD_QUOTA_IMPL_H
#define VDICTLD_QUOTA_IMPL_H

#include "base/list.h"
#include "model/licence.h"
#include "vdictld/foresee.h"
#include "vdictld/quota.h"

#define QUOTA_COUNTERS_MAX (2 * (3 + CONFIG_LIMITS_MAX) + LICENCES_MAX) /* of one job */

enum quota_kind { QUOTA_QOS, QUOTA_PARTITION, QUOTA_ACCOUNT, QUOTA_LIMIT, QUOTA_LICENCE };
/* The last in minutes: besides what was used and is gone. */
enum quota_what {
    QUOTA_RUNNING,
    QUOTA_GPUS,
    QUOTA_DESKTOPS,
    QUOTA_LICENCES, /* of the one licence that the counter is of */
    QUOTA_GPU_MINUTES,
    QUOTA_N
};

#define QUOTA_ENDLESS (UINT64_C(1) << 40) /* GPU minutes of a job without a time limit */

/* One that waits, and is not to be put off by those that come after it. */
struct guard {
    const struct link *link;
    enum quota_what what;
    int64_t usec;  /* from when on there is room for it */
    int64_t spare; /* besides it, then; below 0: its time is not known yet */
};
#define GUARDS_MAX 4

/* One limit block for all, or for one owner. */
struct counter {
    struct core *core;
    enum quota_kind kind;
    bool is_user;
    struct config_limit_set max; /* a copy: vdi.conf may be another by now */
    uint64_t active[QUOTA_N], let[QUOTA_N];
    uint32_t submitted, desktops; /* live, with what is on its way to the store */
    struct list waiting, let_in;  /* of links, in the order of the line */
    struct list running;          /* of the others that are active */
    struct list dirty;
    struct list foresee;
    struct guard guards[GUARDS_MAX]; /* as far as `guards_known` */
    unsigned n_guards;
    bool guards_known;
    bool holds_back;  /* somebody waits for the guards alone */
    const char *name; /* of the block; in `key` */
    char key[];       /* kind, name, newline, owner */
};

enum entry_state { IDLE, WAITING, LET, ACTIVE };

struct link {
    struct list list; /* of its counter: waiting, or let in */
    struct counter *counter;
    struct entry *entry;
    uint64_t licences; /* that it needs of the counter's */
};

/* A live job under a limit. */
struct entry {
    uint64_t job;
    enum entry_state state;
    int32_t priority;
    int64_t submit_usec;
    int64_t span_usec;      /* how long it has what it needs */
    int64_t foreseen_usec;  /* WAITING: quota_foreseen_usec() */
    uint32_t foreseen_in;   /* foresee_round() of that */
    uint64_t need[QUOTA_N]; /* quota_link_need() */
    struct list tell;       /* in quota.tell: the planner is to hear of it */
    size_t n;
    struct link links[];
};

struct quota {
    struct core *core;
    struct hash *counters; /* key -> struct counter */
    struct hash *entries;  /* job -> struct entry */
    struct list dirty;     /* counters that may have room */
    struct list tell;
    struct list foresee; /* counters that are still to be looked at: quota_foresee.c */
    struct foresee_ends ends;
    struct source *again;
    bool looks;
    struct source *look; /* limits on GPU minutes ease by themselves */
    char *configured;    /* the limits of vdi.conf that are counted, as quota_text() has them */
};

/* What is meant before there is a counter. */
struct quota_scope {
    enum quota_kind kind;
    bool is_user;
    const char *name, *owner;
    const struct config_limits *limits;
};
/* All that hold for the request; at most QUOTA_COUNTERS_MAX. */
size_t quota_scopes(const struct config *c, const struct job_spec *spec, struct quota_scope *ret);
/* NULL: nothing is counted there. */
struct counter *quota_find(const struct core *core, const struct quota_scope *scope);
const struct config_limit_set *quota_set(const struct quota_scope *scope);
uint32_t quota_max(const struct config_limit_set *set, enum quota_what what);
/* Licences aside: they are quota_licences(). */
uint64_t quota_need(const struct job_spec *spec, enum quota_what what);
/* Of the licence of the counter or scope. */
uint64_t quota_licences(const struct job_spec *spec, enum quota_kind kind, const char *name);
/* The key of its counter. NULL: no memory. */
char *quota_key(const struct quota_scope *scope);
/* All that is counted, and what of it is GPU minutes: the same text, the same counters. NULL: no
 * memory. */
char *quota_text(const struct config *c);
char *quota_minutes(const struct config *c);
/* What is had now, with what was used. */
uint64_t quota_had(const struct counter *c, enum quota_what what);
uint64_t quota_link_need(const struct link *link, enum quota_what what);
/* Has it no room of that kind, besides those that hold something and `let`? */
bool quota_lacks(const struct link *link, enum quota_what what, uint64_t let);
/* As the line has it, within a tier. */
bool quota_comes_before(const struct entry *a, const struct entry *b);
/* Who waits there is another, or waits for another time: the counter is looked at again, if it
 * holds anybody back. */
void quota_guards_change(struct counter *c);
/* When the latest of those that run ends, by its limit. */
int64_t quota_last_end_usec(const struct counter *c);
/* The counters that a waiting job has no room in. */
size_t quota_full(const struct core *core, const struct job *job, const struct counter **ret,
                  enum quota_what *ret_what);

/* ---- quota_guard.c ---- */

/* It would have room in all its counters: the one whose room is for a job that comes before it and
 * would start later without. NULL: there is none. */
const struct counter *quota_held_back(const struct entry *e, enum quota_what *ret_what);
/* It is about to be of that state, and is counted and listed there as such. */
void quota_guards_move(struct counter *c, const struct link *link, enum entry_state state);

#endif
