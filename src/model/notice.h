/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.h - a word to the outside about a job, owed from the commit of what it tells of until
 * it was sent or given up. Immutable like struct job. Types are those of sbatch(1), --mail-type.
 */
#ifndef MODEL_NOTICE_H
#define MODEL_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/job.h"

enum notice_type {
    NOTICE_BEGIN,
    NOTICE_END,
    NOTICE_FAIL,
    NOTICE_REQUEUE,
    NOTICE_TIME_LIMIT,
    NOTICE_TIME_LIMIT_90,
    NOTICE_TIME_LIMIT_80,
    NOTICE_TIME_LIMIT_50,
    NOTICE_SAVED, /* its saved state expires: told to whoever asked for anything */
    NOTICE_N_TYPES
};
extern const char *const notice_type_names[]; /* NULL-terminated */
/* A bit beside those of the types: of each task of an array. */
#define NOTICE_ARRAY_TASKS (1u << NOTICE_N_TYPES)

enum notice_way { NOTICE_MAIL = 1, NOTICE_WEBHOOK = 2 }; /* bits */
enum notice_event_type { NOTICE_EVENT_OWE, NOTICE_EVENT_SEND, NOTICE_EVENT_DROP, NOTICE_N_EVENTS };

#define NOTICE_KEY_MAX 64
#define NOTICE_ADDRESS_MAX 254 /* RFC 5321, 4.5.3.1.3, without the brackets */
#define NOTICE_TYPES_TEXT_MAX 120

/* What it says, as it was then. */
struct notice_facts {
    uint32_t type; /* enum notice_type */
    uint64_t job;
    uint32_t state; /* enum job_state */
    uint32_t restarts;
    int32_t exit_code, exit_signal;
    char event[16]; /* the job's: "end" */
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char to[NOTICE_ADDRESS_MAX + 1]; /* of the mail */
    char name[130];
    char node[64];
    char reason[96];
    int64_t time_usec, submit_usec, start_usec, end_usec;
};

struct notice {
    unsigned refs;
    uint64_t seq;
    char key[NOTICE_KEY_MAX]; /* "JOB.TYPE.TIME": the same however often it is tried */
    struct notice_facts facts;
    uint32_t owed; /* enum notice_way: how it is still to be sent; 0: it has ended */
    bool given_up;
    int64_t owed_usec, done_usec;
};

struct notice_event {
    enum notice_event_type type;
    int64_t time_usec;
    uint32_t ways; /* OWE: owed; SEND, DROP: no more */
    struct notice_facts facts;
};

const char *notice_event_name(enum notice_event_type type);
int notice_event_from(const char *name);
struct notice *notice_ref(struct notice *notice);
void notice_unref(struct notice *notice); /* takes NULL */
int notice_apply(const struct notice *old, const char *key, const struct notice_event *event,
                 struct notice **ret, struct vdi_error *err);

/* "BEGIN,END" or "ALL" or "NONE" to bits by enum notice_type; "": none. -EINVAL names the word
 * that is not known or can't be. */
int notice_types_parse(const char *text, uint32_t *ret, struct vdi_error *err);
/* The same in one spelling; "" for none. */
void notice_types_write(uint32_t types, char ret[NOTICE_TYPES_TEXT_MAX]);
/* What an event of a job means to someone who asked for `types`: an enum notice_type, or -1. */
int notice_of(uint32_t types, const struct job *old, const struct job *now,
              const struct job_event *event);
/* The percentage of a running job's limit that is to be told next, and when: of those whose time
 * has come by now_usec the highest; 0: none. */
uint32_t notice_percent(const struct job *job, int64_t now_usec, int64_t *ret_usec);

/* A mailbox that needs no quoting: LOCAL or LOCAL@DOMAIN. Nothing else goes near a mailer. */
bool notice_is_address(const char *text);

#endif
