/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.h - the host's half of the guest runner: one instance's script, seen from the node.
 *
 * It holds the node's end of the port (doc/design/guest-runner.md), keeps output and exit status
 * in DIR, and goes on there after a restart of vdid: a byte is acknowledged when it is in the
 * file, the exit status when it is durable. What is in DIR is the state; it needs no other.
 */
#ifndef VDID_RUNNER_H
#define VDID_RUNNER_H

#include "codec/runner_codec.h"
#include "loop/loop.h"

#define RUNNER_OUTPUT_FILE "output"
#define RUNNER_ERROR_FILE "error"          /* if stderr is not merged */
#define RUNNER_STARTED_FILE "started.json" /* the script was handed to the guest */
#define RUNNER_EXIT_FILE "exit.json"

struct runner;

struct runner_config {         /* copied */
    const char *socket;        /* unix socket of the port's chardev, made by QEMU (mode bind) */
    const char *dir;           /* of this instance and generation; must exist */
    uint64_t output_max;       /* bytes of each stream; the same for the same dir */
    struct runner_id id;       /* the nonce must be the same after a restart of vdid */
    struct runner_owner owner; /* name "": nobody's, and nothing is started */
    const struct runner_mount *mounts; /* NULL with n_mounts 0 */
    uint32_t n_mounts;
    char *const *env;     /* "VDI_JOB_ID=5", ...; NULL-terminated */
    const char *payload;  /* JSON of script, args, environment; NULL: there is nothing to run */
    bool is_session;      /* the payload has no script: the image's session is started */
    const char *work_dir; /* "": the owner's home */
    bool merge;           /* stderr into "output" */
    bool is_seat;         /* its owner comes later: the guest must know how */
};

struct runner_handler { /* all on the loop; runner_free() may be called in none of them */
    /* The guest has answered and has the owner's account. Once. */
    void (*ready)(void *arg, const char *os, const char *version);
    /* "kernel", "runner", "ready", "script", "session", "idle" (the image has no session), or
     * "failed" with the reason in detail;
     * usec by the guest's clock. */
    void (*stage)(void *arg, const char *name, int64_t usec, const char *detail);
    /* It is in RUNNER_EXIT_FILE. Once for a struct runner, also when it was there before. */
    void (*exited)(void *arg, const struct runner_exit *exit);
    /* What a person should know: no common protocol, no space for the output. */
    void (*problem)(void *arg, const char *why);
    /* There is more in a stream's file. */
    void (*output)(void *arg);
    /* The guest has heard all that was said up to this number. May be NULL. */
    void (*heard)(void *arg, uint64_t seq);
    /* What runner_idle_sec() says has begun or ceased to be over 0, or to be known. In the long run
     * not more often than every 10 s, whatever the guest says. May be NULL. */
    void (*input)(void *arg);
};

/* `workers` runs what blocks (fsync); NULL with err filled. Nothing ends when it is freed. */
struct runner *runner_new(struct loop *loop, struct workers *workers,
                          const struct runner_config *config, const struct runner_handler *handler,
                          void *arg, struct vdi_error *err);
void runner_free(struct runner *r); /* takes NULL */
/* QEMU has ended. Takes what it left in the socket, makes it durable, and then calls closed(),
 * from the loop, where the runner may be freed. */
void runner_close(struct runner *r, void (*closed)(void *arg));
/* To the script, the user, the guest: delivered once, when the guest hears us, as long as this
 * struct runner lives; *ret_seq (may be NULL) is its number. -ENOBUFS: too many have not been
 * heard. */
int runner_signal(struct runner *r, int signo, uint64_t *ret_seq);
int runner_message(struct runner *r, const char *text, uint64_t *ret_seq);
int runner_shutdown(struct runner *r);
/* After a restore: tells the guest what time it is (done at each hello, too). */
void runner_time(struct runner *r);
/* The owner's credential cache, new or renewed: goes to the guest in this session and those after
 * it. Copied, and wiped with the runner. -EMSGSIZE, -ENOMEM. */
int runner_ticket(struct runner *r, const uint8_t *data, size_t len);
/* The guest has answered this struct runner, and has the owner's account. */
bool runner_is_ready(const struct runner *r);
/* Script or session may run: it was handed over, and its end is not known. */
bool runner_is_running(const struct runner *r);
/* Seconds since the guest was last heard; -1: never. */
int64_t runner_silence_sec(const struct runner *r);
/* How long nobody has touched the guest's keyboard, mouse or the like, by its own word. 0: somebody
 * is there; -1: it is not known (no such device, an older runner, one that is silent). */
int64_t runner_idle_sec(const struct runner *r);
/* How much the script has written, also what was over the limit. */
uint64_t runner_output_bytes(const struct runner *r, unsigned stream);
/* The exit status that is kept in dir. -ENOENT: none. Blocks. */
int runner_read_exit(const char *dir, struct runner_exit *ret, struct vdi_error *err);

#endif
