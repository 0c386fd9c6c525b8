/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h - one REST request on its way: who asks for what, and its one answer.
 *
 * A handler is called with a verified principal whose role is enough. It
 * answers exactly once, then or after a commit, with one of call_reply*;
 * that frees the call.
 */
#ifndef VDICTLD_CALL_H
#define VDICTLD_CALL_H

#include "codec/request.h"
#include "vdictld/core.h"

#define CALL_WHO_MAX (VDI_REALM_MAX + VDI_NAME_MAX + 2)

struct call {
    struct core *core;
    struct http_request *http;
    struct request_match match;
    struct vdi_principal who;
    char who_text[CALL_WHO_MAX]; /* "unix:anna" */
    enum request_role role;
    char by_role[64];    /* of one who is no operator: the role whose `may` has the request */
    int64_t expire_usec; /* when the credential ends; 0: with this request */
    char token[64];      /* the id of the token it came with; "" none */
    int64_t begin_usec;
    bool is_more;        /* of what the audit trail has already: no record of its own */
    bool foreign;        /* it acts on what is another principal's */
    bool recorded;       /* the audit trail has it */
    const char *watched; /* goes into the audit trail whoever does it: why; NULL: no */
    uint64_t job;        /* for handlers that wait for a commit */
    size_t moved;        /* tasks that this PATCH counts elsewhere than before */
    uint64_t class_id;   /* a submit takes a seat of that class: what it says may be used */
    char key[80];
};

void call_dispatch(struct call *call); /* dispatch.c: to its handler */
/* Sends and frees. `body` is emptied. What is audited and not recorded yet goes out when its
 * record is durable. */
void call_reply(struct call *call, unsigned status, const char *content_type, struct buf *body);
void call_reply_json(struct call *call, unsigned status, struct buf *body);
/* job_time.c: the job of the call as it now is, with its estimate while it waits. */
void call_reply_job(struct call *call);
/* A problem document (RFC 9457); the status follows from err->code. */
void call_refuse(struct call *call, const struct vdi_error *err);
unsigned call_status(const struct vdi_error *err);
void call_write_problem(const struct vdi_error *err, unsigned status, struct buf *out);
/* Refuses with a fresh error. */
void call_refuse_with(struct call *call, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Is the call, if it succeeds, one for the audit trail? */
bool call_is_audited(const struct call *call);
/* Takes the transaction that the call makes, with its record if it is to have one; `status` is
 * what it will be answered with. As txn_commit; `done` may be called at once. */
void call_commit(struct call *call, struct txn *txn, unsigned status,
                 void (*done)(void *arg, int result, const struct vdi_error *err), void *arg);

bool call_is_operator(const struct call *call);
bool call_in_groups(const struct call *call, const struct config_names *groups);
bool call_may_charge(const struct call *call, const struct config_account *account);
/* The job named in the path, if the caller may see it; else refuses and returns NULL
 * ("no such job" and "not yours" are the same answer). */
const struct job *call_job(struct call *call);
/* The same as staged, and noted as the call's job. The id of an array of several tasks is
 * refused: one must be named. */
const struct job *call_staged_job(struct call *call);
/* Of what may be done with all tasks of an array at once: the first id and how many; 0: refused. */
size_t call_staged_jobs(struct call *call, uint64_t *ret_first);
/* `what`: what the job in its state cannot be, as "resumed". */
void call_refuse_state(struct call *call, const struct job *job, const char *what);
bool call_sees(const struct call *call, const char *owner);
/* A query parameter that is a number; false: refused already. */
bool call_number(struct call *call, const char *name, uint64_t initial, uint64_t max,
                 uint64_t *ret);

#endif
