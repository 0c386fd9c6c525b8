/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - the controller: what its parts share.
 *
 * One struct core per process, made in main.c. Every part owns its own struct;
 * core only points at them.
 */
#ifndef VDICTLD_CORE_H
#define VDICTLD_CORE_H

#include "base/list.h"
#include "host/host.h"
#include "loop/loop.h"
#include "model/audit.h"
#include "model/config.h"
#include "model/instance.h"
#include "model/job.h"
#include "model/node.h"
#include "model/token.h"
#include "plan/planner.h"
#include "vdictld/event.h"
#include "wire/http_server.h"

struct arrays;
struct auth;
struct backup;
struct budget;
struct depend;
struct classes;
struct denials;
struct disks;
struct feed;
struct foresee;
struct idem;
struct images;
struct job_index;
struct life;
struct minutes;
struct nodelink;
struct priority;
struct queue;
struct quota;
struct site;
struct sweep;

struct core {
    struct loop *loop;
    char *config_path;
    char *holder; /* core_claim */
    int claim_fd;
    struct config *config;
    struct workers *store_worker, *snapshot_worker;
    struct workers *backup_worker;
    struct workers *pki_worker;    /* the authority's files: others may lock them for long */
    struct workers *config_worker; /* a new vdi.conf, read */
    struct host_plugin *store_plugin;
    struct vdi_store_ops store_ops;
    void *store;
    struct events *events;
    struct http_server *http;
    struct arrays *arrays;     /* arrays.c: job arrays */
    struct auth *auth;         /* auth.c: who asks */
    struct backup *backup;     /* backup.c: that is being taken; NULL: none */
    struct budget *budget;     /* budget.c: how often */
    struct denials *denials;   /* audit.c: gathered denials */
    struct idem *idem;         /* idem.c: retry keys */
    struct job_index *mine;    /* job_index.c: whose jobs are which */
    struct depend *depend;     /* depend.c: jobs that wait for jobs */
    struct classes *classes;   /* classes.c: seats for members at given times */
    struct disks *disks;       /* disks.c: disks of jobs and users */
    struct feed *feed;         /* feed.c: /v1/events */
    struct foresee *foresee;   /* foresee.c: estimates of jobs that are not in line */
    struct priority *priority; /* priority.c: who comes first */
    struct queue *queue;       /* queue.c: the planner and what it is told */
    struct quota *quota;       /* quota.c: limits of qos, partitions, accounts, people */
    struct minutes *minutes;   /* minutes.c: GPU minutes that limits count */
    struct life *life;         /* life.c: running instances */
    struct site *site;         /* site.c: the site plugin and its operations */
    struct sweep *sweep;       /* sweep.c: what happens now and then */
    struct notify *notify;     /* notify.c: what owners are told outside */
    struct images *images;     /* images.c: published images */
    struct nodelink *links;    /* nodelink.c: the nodes' connections; NULL: none are taken */
    struct list grants;        /* grant.c: streams that end with their token */
    struct list outputs;       /* output.c: output on its way */
    int64_t start_usec;
    int64_t start_monotonic_usec;
    uint64_t replies[6];       /* by first digit of the status */
    uint64_t archive_damaged;  /* archive.c: rows that were left out, each time */
    int64_t archive_told_usec; /* monotonic */
    uint64_t anchored;         /* the audit trail's head that went into the log */
    bool reconfiguring;        /* a new vdi.conf is being looked at */
    bool stopping;
    bool deposed; /* stopping because another leads: the process ends with an error */
};

/* For stores and auth plugins: `log`, from any thread, and nothing else. */
extern const struct vdi_host_api core_store_api, core_auth_api;

/* The one principal under which the controller itself acts. */
#define CORE_SELF "vdictld"

/*
 * Who holds the lease of the store: "host:FILE", the same after a restart, so that a killed
 * controller need not wait for its own lease to run out. core_claim sees to it that no other
 * one of this host has the name: -EBUSY. A configuration replaced by another file is not seen;
 * the epoch of the lease then decides.
 */
int core_claim(struct core *core, struct vdi_error *err);
const char *core_holder(const struct core *core);
#define LEASE_TTL_USEC INT64_C(30000000)

/* Published (readers) and staged (checks) objects; NULL: there is none. */
const struct job *core_job(struct core *core, uint64_t id);
const struct job *core_job_staged(struct core *core, uint64_t id);
const struct instance *core_instance(struct core *core, uint64_t id);
const struct instance *core_instance_staged(struct core *core, uint64_t id);
const struct node *core_node(struct core *core, const char *name);
const struct node *core_node_staged(struct core *core, const char *name);
const struct token *core_token(struct core *core, const char *id);
const struct audit *core_audit(struct core *core); /* the head of the trail */

/* Stages one event of a job, instance, ... in the transaction; of a job also the notices that
 * are owed by it. */
int core_add_job(struct txn *txn, uint64_t id, const struct job_event *event,
                 struct vdi_error *err);
int core_add_instance(struct txn *txn, uint64_t id, const struct instance_event *event,
                      struct vdi_error *err);

/* An event of a job begun with now, by whom and (may be "") why. */
struct job_event core_job_event(struct core *core, enum job_event_type type, const char *by,
                                const char *reason);
struct instance_event core_instance_event(struct core *core, enum instance_event_type type,
                                          const char *reason);

#endif
