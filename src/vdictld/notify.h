/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - what owners are told outside: by mail, and by a webhook of the site.
 *
 * A notice is owed from the transaction that holds the event which it tells of, so a crash in
 * between loses none. It is sent off the loop, again and again until that works or a day has
 * passed; then it is written down as sent or given up. A crash between the sending and that
 * sends it once more, with the same Message-ID and Idempotency-Key.
 */
#ifndef VDICTLD_NOTIFY_H
#define VDICTLD_NOTIFY_H

#include "model/notice.h"
#include "vdictld/core.h"

struct notify *notify_new(struct core *core);
/* Sends nothing more. Commits may still come back, so notify_free() goes behind the events'. */
void notify_stop(struct notify *n); /* takes NULL, as does the next */
void notify_free(struct notify *n);
/* All that is owed after a load. */
void notify_recover(struct core *core);
/* Adds to the transaction of a job's event what is owed by it. `old` NULL: a submit. */
void notify_owe(struct core *core, struct txn *txn, const struct job *old, const struct job *now,
                const struct job_event *event);
void notify_published(struct core *core, const struct notice *notice);
uint32_t notify_waiting(const struct notify *n); /* notices that are owed */
uint64_t notify_given_up(const struct notify *n);
/* How it can be told at all: enum notice_way. */
uint32_t notify_ways(const struct config *config);
/* The owner's own address: NAME, or NAME@mail_domain; false: the name makes none. */
bool notify_own_address(const struct config *config, const char *owner,
                        char ret[NOTICE_ADDRESS_MAX + 1]);

/* notify_send.c: one try. Everything is a copy, for it runs on a worker. */
struct sending {
    char key[NOTICE_KEY_MAX];
    enum notice_way way;
    struct notice_facts facts;
    int64_t owed_usec;
    char *cluster, *program, *from; /* mail */
    char *url, *secret_file;        /* webhook */
    int result;                     /* 0; -EREMOTE: it will never be taken; others: try again */
    char why[160];
};
struct sending *sending_new(const struct config *config, const struct notice *notice,
                            enum notice_way way); /* NULL: no memory */
void sending_free(struct sending *s);
void sending_work(struct sending *s);

#endif
