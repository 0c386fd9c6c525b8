/* SPDX-License-Identifier: Apache-2.0 */
/* disk.c - disks and what each event makes of them; pure like job.c. */
#include "model/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

const char *const disk_persistence_names[] = {"discard", "job", "personal", NULL};
const char *const disk_where_names[] = {"node", "shared", NULL};
const char *const disk_state_names[] = {"NONE", "FREE", "LEASED", "DELETING", "GONE", NULL};

static const char *const events[DISK_N_EVENTS] = {
    "create", "lease", "made", "release", "delete", "gone",
};

const struct disk_transition disk_transitions[] = {
    {DISK_EVENT_CREATE, DISK_NONE, DISK_FREE},     {DISK_EVENT_LEASE, DISK_FREE, DISK_LEASED},
    {DISK_EVENT_MADE, DISK_LEASED, DISK_LEASED},   {DISK_EVENT_RELEASE, DISK_LEASED, DISK_FREE},
    {DISK_EVENT_DELETE, DISK_FREE, DISK_DELETING}, {DISK_EVENT_GONE, DISK_DELETING, DISK_GONE},
};
const size_t disk_n_transitions = sizeof(disk_transitions) / sizeof(disk_transitions[0]);

uint32_t disk_word(const char *const *names, const char *word)
{
    for (uint32_t i = 0; names[i]; i++)
        if (!strcmp(names[i], word))
            return i;
    return 0;
}

const char *disk_event_name(enum disk_event_type type)
{
    return (unsigned)type < DISK_N_EVENTS ? events[type] : "none";
}

int disk_event_from(const char *name)
{
    for (int i = 0; i < DISK_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

enum disk_state disk_state_next(enum disk_state from, enum disk_event_type event)
{
    for (size_t i = 0; i < disk_n_transitions; i++)
        if (disk_transitions[i].event == event && disk_transitions[i].from == from)
            return disk_transitions[i].to;
    return DISK_NONE;
}

struct disk *disk_ref(struct disk *disk)
{
    disk->refs++;
    return disk;
}

void disk_unref(struct disk *disk)
{
    if (disk && !--disk->refs)
        free(disk);
}

static void apply_create(struct disk *disk, const struct disk_event *event)
{
    disk->persistence = event->persistence;
    disk->where = event->where;
    disk->size_gib = event->size_gib;
    disk->job = event->job;
    disk->create_usec = event->time_usec;
    str_copy(disk->name, sizeof(disk->name), event->name);
    str_copy(disk->owner, sizeof(disk->owner), event->owner);
    str_copy(disk->template_name, sizeof(disk->template_name), event->template_name);
    str_copy(disk->token, sizeof(disk->token), event->token);
}

static void apply_lease(struct disk *disk, const struct disk_event *event)
{
    disk->job = event->job;
    disk->instance = event->instance;
    disk->generation = event->generation;
    disk->epoch = event->epoch;
    disk->lease_usec = event->time_usec;
    str_copy(disk->node, sizeof(disk->node), event->node);
}

static void apply(struct disk *disk, const struct disk_event *event)
{
    switch (event->type) {
    case DISK_EVENT_CREATE:
        apply_create(disk, event);
        break;
    case DISK_EVENT_LEASE:
        apply_lease(disk, event);
        break;
    case DISK_EVENT_MADE:
        disk->is_made = true;
        break;
    case DISK_EVENT_RELEASE:
        disk->release_usec = event->time_usec;
        disk->instance = 0;
        disk->generation = 0;
        break;
    case DISK_EVENT_DELETE:
        disk->delete_usec = event->time_usec;
        break;
    case DISK_EVENT_GONE:
        disk->gone_usec = event->time_usec;
        break;
    case DISK_N_EVENTS:
        break;
    }
}

/* A file of one node is there and nowhere else: a lease elsewhere would be of an empty one. */
static int check_lease(const struct disk *old, const struct disk_event *event,
                       struct vdi_error *err)
{
    if (event->type != DISK_EVENT_LEASE || old->where != DISK_NODE || !*old->node ||
        !strcmp(old->node, event->node))
        return 0;
    return error_set(err, EPROTO, "node", "disk %" PRIu64 " lies on node %s, not on %s", old->id,
                     old->node, event->node);
}

int disk_apply(const struct disk *old, uint64_t id, const struct disk_event *event,
               struct disk **ret, struct vdi_error *err)
{
    enum disk_state from = old ? (enum disk_state)old->state : DISK_NONE;
    enum disk_state to = disk_state_next(from, event->type);
    struct disk *disk;

    if (to == DISK_NONE)
        return error_set(err, EPROTO, "state", "disk %" PRIu64 " is %s: '%s' is not possible then",
                         id, disk_state_names[from], disk_event_name(event->type));
    if (old && check_lease(old, event, err) < 0)
        return -EPROTO;
    disk = calloc(1, sizeof(*disk));
    if (!disk)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *disk = *old;
    disk->refs = 1;
    disk->id = id;
    disk->state = to;
    apply(disk, event);
    if (event->reason[0])
        str_copy(disk->reason, sizeof(disk->reason), event->reason);
    if (event->by[0])
        str_copy(disk->by, sizeof(disk->by), event->by);
    *ret = disk;
    return 0;
}

const char *disk_volume(const struct disk *disk, char *ret)
{
    snprintf(ret, DISK_VOLUME_MAX, "%" PRIu64 ".%s", disk->id, disk->token);
    return ret;
}

bool disk_volume_parse(const char *volume, uint64_t *ret_id)
{
    size_t digits = strspn(volume, "0123456789");
    char id[24];

    if (!digits || digits >= sizeof(id) || volume[digits] != '.' || volume[0] == '0' ||
        strlen(volume + digits + 1) != DISK_TOKEN_CHARS ||
        strspn(volume + digits + 1, "0123456789abcdef") != DISK_TOKEN_CHARS)
        return false;
    memcpy(id, volume, digits);
    id[digits] = '\0';
    return str_to_u64(id, 1, INT64_MAX, ret_id) == 0;
}
