/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.h - the runner: what it is told over the port, and the one script it looks after.
 *
 * guest.c speaks (sessions, numbered messages); guest_job.c acts (account, script, exit status).
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include "codec/runner_outbox.h"
#include "guest/capture.h"
#include "guest/port.h"
#include "guest/presence.h"
#include "guest/remote.h"
#include "guest/ticket.h"
#include "guest/waiting.h"
#include "loop/loop.h"

struct guest_options {
    const char *port;       /* NULL: found by its name */
    const char *state_dir;  /* "/var/lib/vdi-runner" */
    const char *session;    /* program that is a desktop's session, if it is there */
    const char *waiting;    /* program that is shown until there is an owner, if it is there */
    const char *message;    /* program that shows the user a text */
    const char *shutdown;   /* program that switches the guest off */
    const char *input_dir;  /* where the event devices are */
    int64_t idle_after_sec; /* without input, before the host is told; at most RUNNER_INPUT_SEC */
    const char *helpers;    /* folder of mount.nfs and mount.cifs */
    struct ticket_place ticket;
    bool manage_accounts, allow_root, set_clock;
};

struct guest {
    struct loop *loop;
    const struct guest_options *options;
    struct port *port;
    struct runner_reader reader;
    char boot_id[40];

    /* The conversation. */
    uint64_t session; /* number of the last hello */
    bool hello_due, ready_due, ack_due, pong_due, refuse_due, input_due;
    bool is_raw;       /* of that session: output goes as it is */
    bool is_welcome;   /* the host has answered that hello, and nothing was wrong since */
    uint32_t protocol; /* of the welcome */
    uint64_t pong_seq;
    struct presence *presence;
    struct source *again; /* says hello again some time after nonsense was heard */
    struct runner_outbox outbox;
    struct runner_inbox inbox;
    struct guest_loan { /* pieces of output, in the order in which they were lent to the port, */
        uint32_t stream;
        uint64_t offset;
    } lent[PORT_LOANS_MAX];
    unsigned n_lent; /* since it last had none: the last port_loans() of them it has */

    /* The job: from the welcome. */
    bool has_id, is_ready;
    struct runner_id id;
    bool is_owned; /* in this boot somebody has been let in: */
    struct runner_id owned_by;
    struct waiting waiting;
    struct source *devices; /* looks again for what is to be mounted, */
    int64_t devices_usec;   /* until then (monotonic) */
    struct runner_owner owner;
    uint32_t n_mounts;
    struct runner_mount mounts[RUNNER_MOUNTS_MAX];
    bool has_ticket;       /* the owner's is in its place */
    struct remote *remote; /* being mounted */
    uint32_t remote_next;  /* its number, from 1: it is tried once */
    char **env;
    struct buf payload;

    /* Its script. */
    bool was_started; /* for this id, by us or by a runner before us */
    struct runner_started started;
    struct script_job {
        bool is_running; /* until its exit status is on disk */
        bool is_reaped, is_refused;
        int wait_status;
        int status_fd; /* -1: it is known whether exec worked */
        struct source *status, *child;
        struct runner_exit exit; /* of this or an earlier runner's script */
        bool exit_due;           /* to be pushed when all output is */
    } script;
    struct capture captures[RUNNER_N_STREAMS];
    uint64_t exit_seq;       /* of the exit message; 0: none was sent by this process */
    void (*idle)(void *arg); /* the script has ended, while the runner waits for that to stop */
    void *idle_arg;
};

struct guest *guest_new(struct loop *loop, const struct guest_options *options);
/* The script goes with it: nobody could say how it ended. */
void guest_free(struct guest *g);
/* Asks the script to end (SIGTERM) and calls idle() once its end is on disk; at once if there is
 * none. */
void guest_stop(struct guest *g, void (*idle)(void *arg), void *arg);

/* ---- guest_job.c, for guest.c ---- */

void guest_job_init(struct guest *g);
void guest_job_done(struct guest *g);
/* Whose this guest has been in this boot, perhaps under a runner before us. */
void guest_job_recall_owner(struct guest *g);
/* The welcome's ids, owner and environment are in g. Finds out how far this run already is; what
 * is to be mounted may come a little later. */
void guest_job_adopt(struct guest *g);
/* -EPROTO: the message makes no sense now. */
int guest_job_part(struct guest *g, const struct runner_message *m);
int guest_job_run(struct guest *g, const struct runner_message *m);
void guest_job_signal(struct guest *g, int signo);
/* Into its place; what waited for it is mounted. */
void guest_job_ticket(struct guest *g, const struct runner_message *m);
/* The host has the exit status. */
void guest_job_acked(struct guest *g);
/* Pushes it as the next numbered message. */
void guest_stage(struct guest *g, const char *name, int64_t usec, const char *detail);

#endif
