/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.h - a compute host as the controller knows it. Immutable like struct job.
 *
 * State is kept as flags and shown with Slurm's words (sinfo(1), NODE STATE
 * CODES); ALLOCATED, MIXED and IDLE follow from what runs there.
 */
#ifndef MODEL_NODE_H
#define MODEL_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

enum node_event_type {
    NODE_EVENT_DEFINE, /* from vdi.conf: resources and features */
    NODE_EVENT_UP,     /* link is up; carries boot id and inventory */
    NODE_EVENT_DOWN,   /* silent, or its own word; reason says */
    NODE_EVENT_DRAIN,
    NODE_EVENT_RESUME,
    NODE_EVENT_FAIL,   /* node_fail_after passed, a fence, or a new boot id */
    NODE_EVENT_REMOVE, /* no longer in vdi.conf */
    NODE_N_EVENTS
};

#define NODE_FEATURES_MAX 256

struct node {
    unsigned refs;
    uint64_t seq;
    char name[64];
    bool known; /* has been up at least once since defined */
    bool up;
    bool failed; /* given up: nothing that ran there counts any more */
    bool drain;
    bool removed; /* no longer in vdi.conf; ended once nothing runs there */
    uint32_t cpus;
    uint32_t memory_mib;
    uint32_t disk_gib;
    uint32_t encode_mpix;  /* of video that it can encode each second; 0: not counted */
    bool software_encoder; /* its processors encode: desktops take more of them than their cpus */
    uint32_t gpus;
    char gpu_type[64];                /* "NVIDIA A40" */
    char features[NODE_FEATURES_MAX]; /* comma separated */
    char boot_id[40];
    char version[24]; /* of vdid */
    char reason[128];
    char reason_by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    int64_t reason_usec;
    int64_t state_usec;                    /* since up or down */
    uint32_t found_cpus, found_memory_mib; /* as the node itself says; 0: not yet */
};

struct node_event {
    enum node_event_type type;
    int64_t time_usec;
    uint32_t cpus, memory_mib, disk_gib, encode_mpix, gpus;
    bool software_encoder;
    char gpu_type[64];
    char features[NODE_FEATURES_MAX];
    char boot_id[40];
    char version[24];
    char reason[128];
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
};

const char *node_event_name(enum node_event_type type);
int node_event_from(const char *name);
struct node *node_ref(struct node *node);
void node_unref(struct node *node);
int node_apply(const struct node *old, const char *name, const struct node_event *event,
               struct node **ret, struct vdi_error *err);
bool node_has_feature(const struct node *node, const char *feature, size_t len);
/* "IDLE", "MIXED", "ALLOCATED", "DOWN", "DRAINED", "DRAINING", "UNKNOWN". */
const char *node_state_name(const struct node *node, uint32_t cpus_used, uint32_t gpus_used,
                            uint32_t instances);

#endif
