/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_codec.h - what vdid and the guest runner say to each other (port org.osvdi.job.0).
 *
 * The tables of members are in runner_codec.c, the story in doc/design/guest-runner.md. Both
 * ends take the other for hostile: an unknown type or member, a missing one, one that is over
 * its limit, or a message in the wrong direction is refused whole.
 */
#ifndef CODEC_RUNNER_CODEC_H
#define CODEC_RUNNER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/runner_frame.h"
#include <vdi/types.h>

#define RUNNER_PORT_NAME "org.osvdi.job.0"
#define RUNNER_PROTOCOL_MIN 1
/* 2: a payload may have no script (a session), an owner no name; 3: a welcome may have mounts;
 * 4: a guest without an owner may get one, and once it has one it refuses every other;
 * 5: the bytes of an output are behind its JSON, not in it;
 * 6: a guest says how long nobody has touched its input devices;
 * 7: mounts of file servers, and the owner's ticket for them;
 * 8: the ack of output may wait a little, for RUNNER_ACK_BYTES of it at most */
#define RUNNER_PROTOCOL_MAX 8
#define RUNNER_PROTOCOL_MOUNTS 3
#define RUNNER_PROTOCOL_SEATS 4
#define RUNNER_PROTOCOL_RAW 5
#define RUNNER_PROTOCOL_INPUT 6
#define RUNNER_PROTOCOL_TICKETS 7
#define RUNNER_PROTOCOL_WINDOW 8
/* While nobody touches it a guest says so at least this often; longer ago it is not known. */
#define RUNNER_INPUT_SEC 60
#define RUNNER_INPUT_SEC_MAX (366u * 86400)
#define RUNNER_DATA_MAX (64u << 10)       /* bytes in one output or part */
#define RUNNER_ACK_BYTES (180u << 10)     /* a guest sends as much again before it waits */
#define RUNNER_PAYLOAD_MAX (16u << 20)    /* bytes of JSON: script, args and environment */
#define RUNNER_TICKET_MAX RUNNER_DATA_MAX /* bytes of a credential cache */
#define RUNNER_GROUPS_MAX 64
#define RUNNER_MOUNTS_MAX 24 /* those of a template, and its disks */
#define RUNNER_ENV_MAX 64    /* variables of ours in a welcome */
#define RUNNER_SENDER_LEN 33

enum runner_type {
    RUNNER_GREET,    /* host: say hello again */
    RUNNER_HELLO,    /* guest: always its first */
    RUNNER_WELCOME,  /* host: always its first but greet */
    RUNNER_READY,    /* guest: the owner has an account, a script can run */
    RUNNER_PART,     /* host: a piece of the payload */
    RUNNER_RUN,      /* host: the payload is whole, run it; not twice for one welcome's ids */
    RUNNER_SIGNAL,   /* host, numbered: to the script's process group */
    RUNNER_MESSAGE,  /* host, numbered: to the user */
    RUNNER_SHUTDOWN, /* host, numbered */
    RUNNER_TIME,     /* host: what time it is */
    RUNNER_PING,     /* host */
    RUNNER_PONG,     /* guest */
    RUNNER_STAGE,    /* guest, numbered: how far the boot is */
    RUNNER_OUTPUT,   /* guest: numbered by its offset */
    RUNNER_EXIT,     /* guest, numbered: after the last output */
    RUNNER_ACK,      /* both: all up to here is safe */
    RUNNER_REFUSE,   /* guest: instead of ready; it is another's */
    RUNNER_INPUT,    /* guest: how long ago somebody touched keyboard, mouse or the like */
    RUNNER_TICKET,   /* host: the owner's credential cache, new or renewed */
    RUNNER_N_TYPES
};
extern const char *const runner_type_names[]; /* NULL-terminated */

enum runner_side { RUNNER_HOST, RUNNER_GUEST };
enum { RUNNER_OUT, RUNNER_ERR, RUNNER_N_STREAMS };
extern const char *const runner_stream_names[]; /* "out", "err" */

/* Which run of which job: a script is started at most once for each. */
struct runner_id {
    uint64_t job, instance;
    uint32_t generation;
    char nonce[65];
};

struct runner_owner {
    char name[64], home[256];
    uint32_t uid, gid, n_groups; /* name "": nobody, there is no account and nothing to run */
    struct runner_group {
        char name[64];
        uint32_t gid;
    } groups[RUNNER_GROUPS_MAX]; /* that of gid is among them if its name is known */
};

/* A file system that the guest has before its owner does. */
struct runner_mount {
    char tag[40];     /* of the virtiofs device; the disk's serial number */
    char target[256]; /* absolute, without ".." */
    uint32_t type;    /* enum runner_mount_type */
    bool read_only;
    char source[256];  /* of a file server: SERVER:/PATH, //SERVER/SHARE; else "" */
    uint32_t security; /* of a file server: enum runner_security */
};
enum runner_mount_type { RUNNER_VIRTIOFS, RUNNER_DISK, RUNNER_NFS_KRB5, RUNNER_SMB };
extern const char *const runner_mount_names[]; /* "virtiofs", "disk", "nfs-krb5", "smb" */
enum runner_security { RUNNER_KRB5, RUNNER_KRB5I, RUNNER_KRB5P };
/* Mounted with the owner's ticket. */
bool runner_mount_has_ticket(const struct runner_mount *m);

struct runner_message {
    uint32_t type;    /* enum runner_type */
    uint64_t seq;     /* numbered messages; ack: the last that is safe */
    uint64_t session; /* hello: counts up; welcome, greet: the hello it answers, 0 */
    /* hello and welcome */
    uint32_t protocol_min, protocol_max, protocol;
    char os[64], version[32], boot_id[40];
    char sender[RUNNER_SENDER_LEN];
    uint64_t first;
    struct runner_id id;
    struct runner_owner owner;
    uint32_t n_mounts;
    struct runner_mount mounts[RUNNER_MOUNTS_MAX];
    char **env;                         /* "VDI_NAME=value", NULL-terminated; owned */
    uint64_t offsets[RUNNER_N_STREAMS]; /* welcome, ack: taken so far; exit: how much there was */
    bool started;                       /* ready: this run; exit: it could be started at all */
    bool merge;                         /* run: stderr goes where stdout goes */
    uint64_t offset, total; /* part: of the payload; output: of the stream; run: total */
    uint8_t *data;          /* part, output, ticket; owned */
    size_t data_len;
    bool is_raw; /* output: the data stands behind the JSON (from RUNNER_PROTOCOL_RAW on) */
    char *work_dir, *text; /* run; message: owned, NULL: "" */
    uint32_t signal, stream;
    char name[32];     /* stage */
    char detail[256];  /* stage, exit, refuse */
    int64_t usec;      /* stage, time: Unix time */
    uint32_t idle_sec; /* input: 0: somebody is there */
    int32_t exit_code, exit_signal;
};

#define RUNNER_MESSAGE_INIT(t) ((struct runner_message){.type = (t)})
void runner_message_done(struct runner_message *m); /* wipes a ticket */

/* Appends a frame. -EMSGSIZE: over the limit of a frame; -ENOMEM. */
int runner_encode(const struct runner_message *m, struct buf *out);
/* A text from that side. On an error *ret is empty. -ENOMEM, or the message is refused. */
int runner_decode(enum runner_side from, const char *json, size_t len, struct runner_message *ret,
                  struct vdi_error *err);

/* What a job's submitter gave: {"script":...,"args":[...],"environment":{...}}. */
struct runner_payload {
    char *script;               /* NULL: the image's session */
    char **args, **environment; /* NULL-terminated; "NAME=value" */
};
int runner_payload_decode(const char *json, size_t len, struct runner_payload *ret,
                          struct vdi_error *err);
void runner_payload_done(struct runner_payload *p);

/* How a script ended, as it is kept on disk at both ends. */
struct runner_exit {
    struct runner_id id;
    bool started;
    int32_t code, signal;
    uint64_t offsets[RUNNER_N_STREAMS];
    char detail[256];
};
void runner_exit_write(const struct runner_exit *e, struct buf *out);
int runner_exit_read(const char *json, size_t len, struct runner_exit *ret, struct vdi_error *err);
bool runner_id_equal(const struct runner_id *a, const struct runner_id *b);

/* The script that was started, as the guest keeps it on disk: started once, whatever dies. */
struct runner_started {
    struct runner_id id;
    char boot_id[40];
    bool is_session; /* begun anew in every boot */
    bool ended;      /* and the host has its exit status */
    int32_t pid;     /* leader of the process group; 0: not forked yet */
    uint64_t
        start_ticks; /* field 22 of its /proc/PID/stat: the same process, not the same number */
};
void runner_started_write(const struct runner_started *s, struct buf *out);
int runner_started_read(const char *json, size_t len, struct runner_started *ret,
                        struct vdi_error *err);

void strings_free(char **strings); /* takes NULL */

#endif
