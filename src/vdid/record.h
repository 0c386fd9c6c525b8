/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what this node remembers of one instance, in the record.json of its directory.
 *
 * Written whole and atomically before the step it announces is taken, so that after
 * a crash the record and libvirt's list together say what has to be done.
 */
#ifndef VDID_RECORD_H
#define VDID_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/field.h"
#include <vdi/types.h>

enum record_state {
    RECORD_PREPARE, /* image, overlay, port; no domain yet */
    RECORD_CREATE,  /* libvirt was asked for the domain */
    RECORD_BOOT,    /* it runs, the guest is not ready */
    RECORD_READY,
    RECORD_BIND, /* a seat that was ready becomes its owner's */
    RECORD_PAUSED,
    RECORD_SAVE,    /* its memory is being written */
    RECORD_SAVED,   /* no domain; its memory is in a file */
    RECORD_RESTORE, /* libvirt was asked to read it back */
    RECORD_STOP,    /* being ended, files being removed */
    RECORD_GONE,    /* remembered so that it is not started again */
    RECORD_N_STATES
};
extern const char *const record_state_names[]; /* NULL-terminated */

/* What a start order asks for. */
struct record_wish {
    uint64_t job;
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char template_name[64];
    char image[160];
    uint32_t vcpus, memory_mib;
    uint32_t os, firmware; /* enum domain_os, enum domain_firmware */
    bool tpm;
    char keyboard[16], timezone[64], resolution[16];
    int64_t boot_timeout_sec; /* 0: the node's */
};

struct record {
    uint64_t id;
    uint32_t generation;
    uint64_t epoch;
    uint32_t state; /* enum record_state */
    struct record_wish wish;
    char uuid[40];
    char image_sha256[65];
    char ready_text[128]; /* "": the guest agent */
    bool by_runner;       /* the image says that its runner is what counts */
    char nonce[65];       /* of this run: the guest runner starts nothing twice for it */
    bool is_interactive;
    bool is_seat;                     /* it was started without a job; wish.job: bound to it */
    uint32_t seat_mounts, seat_disks; /* places for what its owner brings */
    uint32_t output_max_mib;          /* of each stream, in the spool */
    uint32_t port;                    /* SPICE */
    bool has_tls;                     /* the port speaks TLS */
    uint32_t pid;                     /* QEMU's, as last seen */
    uint32_t boots;                   /* how often it was ready */
    char save_sha256[65];
    bool was_created;
    bool failed;
    char reason[96];
    bool exited; /* script or session ended: */
    int32_t exit_code, exit_signal;
    char problem[160];  /* the last that did not end it: a file that can't be written */
    int64_t grace_usec; /* STOP: until when the guest may take its time; 0: no longer */
    /* When each stage was reached; 0: not yet. */
    int64_t order_usec, fetch_usec, image_usec, overlay_usec, create_usec, first_usec, kernel_usec,
        runner_usec, bind_usec, devices_usec, account_usec, picture_usec, script_usec, bound_usec,
        ready_usec, problem_usec, exit_usec, gone_usec;
};

extern const struct field record_fields[]; /* those of the wish have FIELD_SUBMIT */

void record_write(const struct record *r, struct buf *out);
int record_read(const char *json, size_t len, struct record *ret, struct vdi_error *err);
/* [{"name":"overlay","usec":1234},...] in the order reached, microseconds since the order;
 * "problem" has a "detail". */
void record_write_stages(const struct record *r, struct buf *out);
/* The last stage that was reached before its end. */
const char *record_stage(const struct record *r);
/* Takes note of a stage of the guest, once. Our name of it; NULL: it is none that is kept. */
const char *record_take_stage(struct record *r, const char *name, int64_t usec);
/* {"state":"ready",...}: what codec/site_report.h reads. idle_sec: -1 when it is not known. */
void record_write_report(const struct record *r, int64_t idle_sec, struct buf *out);

#endif
