/* SPDX-License-Identifier: Apache-2.0 */
/* instance.h - an instance: a VM, with or without a job. Immutable like struct job. */
#ifndef MODEL_INSTANCE_H
#define MODEL_INSTANCE_H

#include <stdint.h>

#include "model/class.h"
#include "model/gpu.h"
#include "model/image.h"
#include <vdi/types.h>

enum instance_state {
    INSTANCE_NONE,
    INSTANCE_REQUESTED, /* ordered; nothing may exist yet */
    INSTANCE_BUILDING,  /* the site began */
    INSTANCE_READY,     /* runner answered, device verified, picture not blank */
    INSTANCE_BOUND,     /* in its user's hands */
    INSTANCE_SAVED,
    INSTANCE_STOPPING,
    INSTANCE_GONE,
    INSTANCE_N_STATES
};

enum instance_event_type {
    INSTANCE_EVENT_REQUEST,
    INSTANCE_EVENT_BUILD,
    INSTANCE_EVENT_READY,
    INSTANCE_EVENT_CLAIM, /* a seat of a class: it is a job's from now on */
    INSTANCE_EVENT_BIND,
    INSTANCE_EVENT_SAVE,
    INSTANCE_EVENT_PLACE, /* saved, and to be restored: these GPUs are for it */
    INSTANCE_EVENT_RESTORE,
    INSTANCE_EVENT_STOP, /* being stopped */
    INSTANCE_EVENT_GONE,
    INSTANCE_N_EVENTS
};

#define INSTANCE_LIMITS_TEXT 800 /* names of as many limit blocks as there may be */

struct instance {
    unsigned refs;
    uint64_t id;
    uint64_t seq;
    uint32_t generation;
    enum instance_state state;
    uint64_t job;              /* 0: none */
    uint64_t class_id;         /* it was started as a seat of that class; 0: for a job */
    char date[CLASS_DATE_MAX]; /* of that occurrence */
    uint32_t vcpus;
    uint32_t memory_mib;
    uint32_t gpus;
    uint32_t encode_mpix; /* of a seat: job_spec */
    int64_t request_usec, build_usec, ready_usec, claim_usec, gone_usec;
    int64_t state_usec;       /* since when it is in this state */
    int64_t saved_total_usec; /* earlier times as SAVED: it held nothing then */
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char node[64];
    char template_name[64];
    char profile[64];
    char account[64], partition[64], qos[64]; /* of its job, for what it is charged to */
    char limits[INSTANCE_LIMITS_TEXT];        /* so are these: struct job_spec */
    char reason[96];
    char image[IMAGE_REF_MAX];     /* resolved; "": as the template says */
    char gpus_held[GPU_HELD_TEXT]; /* of a seat, or of several nodes: gpu_held_format() */
};

struct instance_event {
    enum instance_event_type type;
    int64_t time_usec;
    uint32_t generation;
    uint64_t job;
    uint32_t vcpus, memory_mib, gpus, encode_mpix;
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char node[64];
    char template_name[64];
    char profile[64];
    char account[64], partition[64], qos[64]; /* of its job, for what it is charged to */
    char limits[INSTANCE_LIMITS_TEXT];        /* so are these: struct job_spec */
    char reason[96];
    char image[IMAGE_REF_MAX]; /* request */
    uint64_t class_id;         /* request, with: */
    char date[CLASS_DATE_MAX];
    char gpus_held[GPU_HELD_TEXT];
};

const char *instance_state_name(enum instance_state state);
const char *instance_event_name(enum instance_event_type type);
int instance_event_from(const char *name); /* -1: unknown */
enum instance_state instance_state_next(enum instance_state from, enum instance_event_type event);
struct instance_transition {
    enum instance_event_type event;
    enum instance_state from, to;
};
extern const struct instance_transition instance_transitions[];
extern const size_t instance_n_transitions;

struct instance *instance_ref(struct instance *instance);
void instance_unref(struct instance *instance);
int instance_apply(const struct instance *old, uint64_t id, const struct instance_event *event,
                   struct instance **ret, struct vdi_error *err);

#endif
