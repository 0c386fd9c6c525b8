/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the audit trail: what is written down of a call, and when.
 *
 * An act is recorded in the very transaction that makes it, so neither is there without the
 * other. What changes nothing in the store (a connect, a look at a screen) is answered when its
 * record is durable. Denials cost nothing to ask for: those alike are gathered for a minute into
 * one record with a count, and only so many kinds are told apart.
 */
#ifndef VDICTLD_AUDIT_H
#define VDICTLD_AUDIT_H

#include "model/audit.h"
#include "vdictld/call.h"

struct denials;

/* Numbers and seals the record, and adds it. */
int audit_add(struct core *core, struct txn *txn, struct audit_event *event, struct vdi_error *err);
/* The record of a call; `detail` NULL: the body that came with it. */
struct audit_event audit_of(const struct call *call, unsigned status, const char *detail);
/* What is done without a call, as by a signal. */
struct audit_event audit_own(struct core *core, const char *request, const char *address);

struct denials *denials_new(struct core *core);
void denials_free(struct denials *denials); /* takes NULL */
void audit_denied(const struct call *call, unsigned status, const char *detail);
/* Writes down what is gathered; when the controller stops. */
void denials_flush(struct denials *denials);

/* The head goes into the log at start and stop, and every hour if it moved: who cuts the end
 * of the trail off must change the log as well. */
void audit_anchor(struct core *core, bool always);

#endif
