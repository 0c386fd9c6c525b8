/* SPDX-License-Identifier: Apache-2.0 */
/* runner_internal.h - between the files of the host's half of the guest runner. */
#ifndef VDID_RUNNER_INTERNAL_H
#define VDID_RUNNER_INTERNAL_H

#include <limits.h>
#include <sys/un.h>

#include "base/time.h"
#include "codec/runner_outbox.h"
#include "vdid/runner.h"
#include "vdid/runner_spool.h"

#define RUNNER_GREET_USEC USEC_PER_SEC
#define RUNNER_SYNC_USEC USEC_PER_SEC
#define RUNNER_READ_MAX (256u << 10)
#define RUNNER_RUN_MAX 8

struct runner_work;

struct runner {
    struct loop *loop;
    struct workers *workers;
    const struct runner_handler *handler;
    void *arg;

    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)], dir[PATH_MAX - 32];
    struct runner_id id;
    struct runner_owner owner;
    uint32_t n_mounts;
    struct runner_mount mounts[RUNNER_MOUNTS_MAX];
    char **env;
    char *payload, *work_dir;
    bool is_session, merge, is_seat;

    int fd;
    struct source *reads, *writes, *connects, *greets, *ticks, *syncs, *acks;
    struct runner_reader reader;
    struct buf out;
    bool is_out_secret; /* a ticket is, or was, in it */
    uint8_t *ticket;    /* the owner's credential cache; NULL: none yet */
    size_t ticket_len;
    int64_t heard_usec, asked_usec; /* monotonic; 0: never */

    bool in_session;
    bool greet_due, welcome_due, ticket_due, time_due, ack_due, ping_due;
    bool is_deaf;       /* the other end: nothing is said to it any more */
    bool is_taking;     /* what came; what is due is said after all of it */
    bool has_output;    /* some of it was output */
    struct runner_run { /* pieces of a stream, one behind the other, that are written together */
        uint32_t stream;
        unsigned n;
        uint64_t offset;
        size_t len; /* of all */
        struct iovec iov[RUNNER_RUN_MAX];
    } run;
    size_t n_unacked; /* bytes of output since the last ack; ack_due may wait for more */
    bool is_waiting;  /* the guest is ready and has nothing to run */
    bool is_loading;  /* the payload goes out: payload[loaded] is next */
    size_t loaded;
    uint32_t protocol;
    uint64_t session, n_pings;
    struct runner_outbox outbox;
    struct runner_inbox inbox;
    char os[64], version[32], boot_id[40];
    bool was_ready, problem_told;

    /* The guest's last word of its input, in this session; 0: there is none. */
    int64_t input_usec;   /* monotonic */
    uint32_t idle_sec;    /* at that time */
    int input_told;       /* what the handler knows: the sign of runner_idle_sec() */
    unsigned input_words; /* that may be told at once */

    struct runner_spool spools[RUNNER_N_STREAMS];
    struct runner_work *sync, *start_work, *exit_work; /* under way */
    struct runner_started started;                     /* to which guest the script was handed */
    bool is_begun;                                     /* it was, or the guest says so */
    bool has_exit, exit_told, exit_is_ours;
    struct runner_exit exit;
    struct runner_inbox exit_inbox; /* as it was when the exit status came */
    void (*closed)(void *arg);      /* not NULL: QEMU has ended */
};

/* ---- runner.c ---- */
#define RUNNER_FILL_MAX (128u << 10)
#define RUNNER_OUT_MAX (RUNNER_FILL_MAX + 2 * RUNNER_FRAME_MAX)

void runner_kick(struct runner *r);      /* there may be something to say; says it, if it can */
void runner_clear_out(struct runner *r); /* and wipes what was secret in it */

/* Tells if there is something new of the guest's input. */
void runner_look_input(struct runner *r);

/* ---- runner_talk.c ---- */
void runner_greet(struct runner *r); /* asks for a hello */
void runner_end_session(struct runner *r, const char *why);
void runner_problem(struct runner *r, const char *why);
/* What was put into r->reader. */
void runner_take_bytes(struct runner *r);
/* Appends one frame; false: there is nothing to say. */
bool runner_fill(struct runner *r, struct buf *out);
/* The payload goes to the guest of this session, if it waits for it and may have it. */
int runner_hand_over(struct runner *r);

/* ---- runner_keep.c ---- */
/* Spools, what was handed over, exit status: as they are in dir. */
int runner_keep_init(struct runner *r, uint64_t output_max, struct vdi_error *err);
void runner_keep_done(struct runner *r); /* what is under way comes back to nobody */
bool runner_is_dirty(const struct runner *r);
bool runner_is_keeping(const struct runner *r); /* something is under way */
void runner_keep_output(struct runner *r);      /* what came becomes durable */
int runner_keep_exit(struct runner *r);         /* then the guest may forget it */
int runner_keep_started(struct runner *r);      /* then the payload goes out */
void runner_tell_exit(struct runner *r);

#endif
