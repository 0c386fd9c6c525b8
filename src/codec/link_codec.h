/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_codec.h - what vdid and vdictld say to each other: one JSON object a frame.
 *
 * Every message has a "type". The hello is read leniently, so that a newer peer can be
 * told in words that it is too new; everything after it belongs to the version that was
 * negotiated and is read strictly. See doc/design/node-link.md.
 */
#ifndef CODEC_LINK_CODEC_H
#define CODEC_LINK_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

#define LINK_PROTOCOL_MIN 1
#define LINK_PROTOCOL_MAX 1
#define LINK_DEPTH_MAX 32 /* objects and lists inside each other */

enum link_type {
    LINK_TYPE_HELLO,     /* node: who I am; its first frame */
    LINK_TYPE_WELCOME,   /* controller: come in */
    LINK_TYPE_BYE,       /* either: why I close */
    LINK_TYPE_HEARTBEAT, /* node every heartbeat_sec; the controller answers each with one */
    LINK_TYPE_ORDER,     /* controller, by outbox */
    LINK_TYPE_REPORT,    /* node, by outbox */
    LINK_TYPE_ACK,       /* either: I have all up to seq */
    LINK_TYPE_ENROLL,    /* node without a certificate; its only frame */
    LINK_TYPE_ENROLLED,  /* controller's answer */
    LINK_N_TYPES
};

/* Of orders: operations of the site plugin, and of the node itself. */
enum link_verb {
    LINK_VERB_START,
    LINK_VERB_STOP,
    LINK_VERB_SUSPEND,
    LINK_VERB_RESUME,
    LINK_VERB_REBOOT,
    LINK_VERB_BIND,
    LINK_VERB_POLL,
    LINK_VERB_SIGNAL,
    LINK_VERB_MESSAGE,    /* words for the user */
    LINK_VERB_CONNECTION, /* a ticket and where to */
    LINK_VERB_INVENTORY,  /* say everything that is there */
    LINK_VERB_OUTPUT,     /* a piece of what the script wrote */
    LINK_VERB_LOG,        /* stages, console and picture of an instance */
    LINK_VERB_PREFETCH,   /* get a version of an image */
    LINK_VERB_DISCARD,    /* remove the volume of a disk */
    LINK_N_VERBS
};

enum link_report_kind {
    LINK_REPORT_DONE,      /* the order `op` is finished; code 0 or errno */
    LINK_REPORT_PROGRESS,  /* of the order `op` */
    LINK_REPORT_STATE,     /* an instance changed by itself; op 0 */
    LINK_REPORT_INVENTORY, /* the node and all instances on it; instance 0 */
    LINK_N_REPORTS
};

struct link_hello {
    uint32_t protocol_min, protocol_max;
    char node[64];
    char boot_id[40];     /* of the host: /proc/sys/kernel/random/boot_id */
    char version[24];     /* of vdid */
    uint64_t epoch_seen;  /* the highest; an older controller is refused */
    int64_t time_usec;    /* the node's clock */
    char stream[33];      /* of its reports (wire/link_outbox.h) */
    uint64_t first;       /* number of the first report it keeps, or will send */
    char peer_stream[33]; /* the stream of orders it knows, "" for none, ... */
    uint64_t received;    /* ... and the last number it has of it */
};

struct link_welcome {
    uint32_t protocol; /* the version chosen */
    uint64_t epoch;
    uint32_t heartbeat_sec;
    uint32_t silence_sec; /* after so long without a word the link is taken as lost */
    int64_t time_usec;
    char stream[33];
    uint64_t first;
    uint64_t received; /* of the node's stream */
};

struct link_bye {
    char reason[160];
};

struct link_heartbeat {
    int64_t time_usec;
    uint64_t epoch;     /* controller's */
    char inventory[65]; /* node's: digest of what it reported last; "" from the controller */
    uint64_t received;  /* acknowledges like an ack */
};

struct link_order {
    uint64_t seq;
    uint64_t op; /* the report names it */
    uint64_t epoch;
    uint64_t instance;
    uint32_t generation;
    uint32_t verb; /* enum link_verb */
    char *body;    /* JSON object in text; owned */
};

struct link_report {
    uint64_t seq;
    uint64_t op; /* 0: nobody asked */
    uint64_t epoch;
    uint64_t instance;
    uint32_t generation;
    uint32_t kind; /* enum link_report_kind */
    int32_t code;  /* 0 or a positive errno */
    char reason[160];
    char *body;
};

struct link_ack {
    uint64_t seq;
};

struct link_enroll {
    char token[192];
    char *csr;       /* PEM */
    char *spice_csr; /* for QEMU's SPICE servers; NULL or "": none is wanted */
};

struct link_enrolled {
    char *cert, *ca;  /* PEM */
    char *spice_cert; /* "": none was asked for */
};

struct link_message {
    enum link_type type;
    union {
        struct link_hello hello;
        struct link_welcome welcome;
        struct link_bye bye;
        struct link_heartbeat heartbeat;
        struct link_order order;
        struct link_report report;
        struct link_ack ack;
        struct link_enroll enroll;
        struct link_enrolled enrolled;
    };
};

const char *link_type_name(enum link_type type);
const char *link_verb_name(enum link_verb verb);
/* Appends the message's JSON. A NULL body is written as {}. */
void link_message_encode(const struct link_message *message, struct buf *out);
/* Everything is checked before *ret is touched. To be freed with link_message_done(). */
int link_message_decode(const char *json, size_t len, struct link_message *ret,
                        struct vdi_error *err);
void link_message_done(struct link_message *message);

#endif
