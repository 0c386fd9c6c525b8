/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - a disk that an instance has besides its image. Immutable like struct job.
 *
 * It is leased to one instance at a time, and gone only when its node has said so.
 */
#ifndef MODEL_DISK_H
#define MODEL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define DISKS_MAX 8         /* of one template */
#define DISK_NAME_MAX 64    /* with its NUL */
#define DISK_TOKEN_CHARS 16 /* hex digits that make the name of a volume nobody else's */
#define DISK_VOLUME_MAX 48  /* "ID.TOKEN" and the NUL */

enum disk_persistence { DISK_DISCARD, DISK_JOB, DISK_PERSONAL };
extern const char *const disk_persistence_names[]; /* NULL-terminated */

enum disk_where { DISK_NODE, DISK_SHARED };
extern const char *const disk_where_names[]; /* NULL-terminated */

enum disk_state {
    DISK_NONE,
    DISK_FREE,
    DISK_LEASED,   /* to `instance`, `generation` */
    DISK_DELETING, /* its volume may be there still */
    DISK_GONE,
    DISK_N_STATES
};
extern const char *const disk_state_names[]; /* by state, NULL-terminated */

enum disk_event_type {
    DISK_EVENT_CREATE,
    DISK_EVENT_LEASE,
    DISK_EVENT_MADE, /* the node has its volume */
    DISK_EVENT_RELEASE,
    DISK_EVENT_DELETE, /* its volume is to go */
    DISK_EVENT_GONE,   /* it is */
    DISK_N_EVENTS
};

struct disk {
    unsigned refs;
    uint64_t id;
    uint64_t seq;
    uint32_t state; /* enum disk_state */
    uint32_t persistence, where;
    uint32_t size_gib;
    bool is_made;
    uint64_t job;      /* whose it is unless it is personal; else the one that has or had it last */
    uint64_t instance; /* LEASED; else 0 */
    uint32_t generation;
    uint64_t epoch; /* of the controller that leased it */
    int64_t create_usec, lease_usec, release_usec, delete_usec, gone_usec;
    char name[DISK_NAME_MAX];
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char template_name[64];
    char token[DISK_TOKEN_CHARS + 1];
    char node[64]; /* where it lies; shared: where it was used last; "" nowhere yet */
    char reason[96];
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2]; /* who wanted it deleted, or released */
};

struct disk_event {
    enum disk_event_type type;
    int64_t time_usec;
    uint32_t persistence, where, size_gib; /* create */
    uint64_t job;                          /* create, lease */
    uint64_t instance, epoch;              /* lease */
    uint32_t generation;
    char name[DISK_NAME_MAX];
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char template_name[64];
    char token[DISK_TOKEN_CHARS + 1];
    char node[64]; /* lease */
    char reason[96];
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
};

struct disk_transition {
    enum disk_event_type event;
    enum disk_state from, to;
};
extern const struct disk_transition disk_transitions[];
extern const size_t disk_n_transitions;

/* The number of a word in one of the lists of names above; the first for one that is not there. */
uint32_t disk_word(const char *const *names, const char *word);
const char *disk_event_name(enum disk_event_type type);
int disk_event_from(const char *name); /* -1: unknown */
/* DISK_NONE: not possible then. */
enum disk_state disk_state_next(enum disk_state from, enum disk_event_type event);

struct disk *disk_ref(struct disk *disk);
void disk_unref(struct disk *disk);
int disk_apply(const struct disk *old, uint64_t id, const struct disk_event *event,
               struct disk **ret, struct vdi_error *err);

/* "ID.TOKEN": what its volume is called on a node. ret has DISK_VOLUME_MAX bytes. */
const char *disk_volume(const struct disk *disk, char *ret);
/* Whether it is such a name, and of which disk. */
bool disk_volume_parse(const char *volume, uint64_t *ret_id);

#endif
