/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classes.h - classes: their occurrences in the plan, and the seats of those that are near.
 *
 * classes.c      whose there are, when they take place, what the planner keeps free for them
 * class_admit.c  a class made, changed or deleted: all of it fits, or nothing is changed
 * class_calls.c  the requests about classes
 * class_conf.c   the classes of vdi.conf
 * class_seats.c  from a window of the plan to instances that are READY at the time
 * class_places.c where seats are in the plan
 * class_roster.c who is a member by a roster file
 * class_role.c   what classes someone may book
 * class_claim.c  a seat becomes its user's
 * class_drawn.c  whose jobs reservations draw, unnamed
 * reservation.c  those that have nodes in place of seats
 */
#ifndef VDICTLD_CLASSES_H
#define VDICTLD_CLASSES_H

#include "model/class.h"
#include "model/occurrence.h"
#include "vdictld/call.h"
#include "vdictld/core.h"

struct classes;

struct classes *classes_new(struct core *core);
void classes_free(struct classes *classes); /* takes NULL */
/* After a load, before the planner makes its first step. */
void classes_load(struct classes *classes);
/* A committed change; all nouns. */
void classes_published(struct classes *classes, const struct published *p);
/* A new vdi.conf is in force. */
void classes_configured(struct classes *classes);

const struct class *classes_get(struct core *core, const char *name); /* NULL: none */
/* The one that was imported from this event, as staged; NULL: none, or uid is "". */
const struct class *classes_of_uid(struct core *core, const char *uid);
const struct class *classes_get_staged(struct core *core, const char *name); /* NULL: none */

/* Whose window in the planner this is. */
static inline uint64_t classes_of_plan(uint64_t plan_id)
{
    return plan_id >> 32;
}
/* class_calls.c: the name of a class that the caller may see; "": there is none such. */
const char *classes_name_for(const struct call *call, uint64_t id);
/* class_calls.c: the classes that are on, as OpenMetrics text. */
void classes_write_metrics(struct core *core, struct buf *out);

/* ---- class_conf.c ---- */

/* Stages what makes the classes of vdi.conf those of `config`. At a start a class whose name
 * another has is left out with a word in the log: the controller starts. */
int classes_add_config(struct core *core, struct txn *txn, const struct config *config,
                       bool at_start, struct vdi_error *err);
/*
 * Whether all classes, those of `config` in place of those of the file in force, have their seats
 * in the nodes of `config`. Calls done once, later; err names the class and what is short.
 */
void classes_check_config(struct core *core, const struct config *config,
                          void (*done)(void *arg, int result, const struct vdi_error *err),
                          void *arg);

/* ---- class_drawn.c ---- */

/* The reservations that draw jobs of that owner, by commas: one word or "". */
const char *classes_drawn(struct core *core, const struct job_spec *spec);

/* ---- class_claim.c ---- */

/*
 * The class whose seat a submit takes: the one it names, or one that its owner is a member of and
 * that has seats of its template now. Fills what the class says of the job (template, partition,
 * qos, account, time limit). *ret is 0: an ordinary job. Refused: no such class, no member, too
 * early, over, given back, full.
 */
int classes_match(struct call *call, struct job_spec *spec, bool hold, uint64_t *ret,
                  struct vdi_error *err);
/* Stages the claim of one of its seats for the job, which the transaction has just made. */
int classes_add_claim(struct core *core, struct txn *txn, uint64_t class_id, uint64_t job,
                      struct vdi_error *err);
/* Stages that the job of this seat ends with the class. */
int classes_add_limit(struct core *core, struct txn *txn, const struct instance *in);
/* A job that waits for a seat of a class is not in the planner's line. */
bool classes_waits(struct core *core, const struct job *job);
/* "MAINT" or "RESERVED" while a reservation has the node; NULL: none has. */
const char *classes_node_state(struct core *core, const char *node);

#endif
