/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idem.h - Idempotency-Key: a retried submit finds the job of the first one.
 *
 * Keys belong to a principal and are kept for 24 hours, longer than the job
 * itself if need be; they come back from the store with jobs and snapshots.
 */
#ifndef VDICTLD_IDEM_H
#define VDICTLD_IDEM_H

#include "model/job.h"
#include "vdictld/event.h"

#define IDEM_KEEP_USEC (INT64_C(24) * 3600 * 1000000)

struct idem;

struct idem *idem_new(void);
void idem_free(struct idem *idem);
/* The job of the key, or 0. *ret_digest (borrowed) is the digest of its request. */
uint64_t idem_find(const struct idem *idem, const char *owner, const char *key,
                   const unsigned char **ret_digest);
/* The key of a spec that has one. A key that is there already is left as it is. */
int idem_put(struct idem *idem, struct job_spec *spec, uint64_t job, int64_t time_usec);
/* The job leaves memory, its key stays. */
void idem_outlive(struct idem *idem, const struct job *job);
/* The submit was undone. */
void idem_remove(struct idem *idem, const char *owner, const char *key);
/* Forgets what is older than IDEM_KEEP_USEC. */
void idem_expire(struct idem *idem, int64_t now_usec);
/* For snapshots, one key at a time: those of committed jobs that have left `jobs`; the others
 * have their keys with them. A job that is only staged may yet be lost, and its retry must then
 * make the job, not find it. As struct events_extras says; keys may come and go meanwhile. */
void idem_collect_begin(struct idem *idem);
int idem_collect(struct idem *idem, struct table *jobs, struct events_extra *ret);
void idem_restore(struct idem *idem, const struct vdi_store_object *row);

#endif
