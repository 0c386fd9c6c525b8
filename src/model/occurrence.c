/* SPDX-License-Identifier: Apache-2.0 */
/* occurrence.c - records of occurrences and what each event makes of them; pure like job.c. */
#include "model/occurrence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const events[OCCURRENCE_N_EVENTS] = {"open",  "claim",   "fail",
                                                        "count", "release", "close"};
const char *const occurrence_state_names[] = {"NONE", "OPEN", "RELEASED", "CLOSED", NULL};
const int64_t occurrence_moment_usec[OCCURRENCE_MOMENTS] = {
    [OCCURRENCE_EARLY] = INT64_C(-300000000),
    [OCCURRENCE_ON_TIME] = 0,
    [OCCURRENCE_LATE] = INT64_C(120000000),
};

const char *occurrence_event_name(enum occurrence_event_type type)
{
    return (unsigned)type < OCCURRENCE_N_EVENTS ? events[type] : "none";
}

int occurrence_event_from(const char *name)
{
    for (int i = 0; i < OCCURRENCE_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

struct occurrence *occurrence_ref(struct occurrence *o)
{
    o->refs++;
    return o;
}

void occurrence_unref(struct occurrence *o)
{
    if (o && !--o->refs)
        free(o);
}

void occurrence_key(uint64_t class_id, const char *date, char ret[OCCURRENCE_KEY_MAX])
{
    snprintf(ret, OCCURRENCE_KEY_MAX, "%" PRIu64 ".%s", class_id, date);
}

/* Which state each event finds and makes; NONE: it is not possible then. */
static enum occurrence_state next_state(enum occurrence_state from,
                                        enum occurrence_event_type event)
{
    bool lives = from == OCCURRENCE_OPEN || from == OCCURRENCE_RELEASED;

    switch (event) {
    case OCCURRENCE_EVENT_OPEN:
        return from == OCCURRENCE_NONE ? OCCURRENCE_OPEN : OCCURRENCE_NONE;
    case OCCURRENCE_EVENT_CLAIM:
    case OCCURRENCE_EVENT_FAIL:
    case OCCURRENCE_EVENT_COUNT:
        return lives ? from : OCCURRENCE_NONE;
    case OCCURRENCE_EVENT_RELEASE:
        return from == OCCURRENCE_OPEN ? OCCURRENCE_RELEASED : OCCURRENCE_NONE;
    case OCCURRENCE_EVENT_CLOSE:
        return lives ? OCCURRENCE_CLOSED : OCCURRENCE_NONE;
    default:
        return OCCURRENCE_NONE;
    }
}

static void apply_open(struct occurrence *o, const struct occurrence_event *event)
{
    o->class_id = event->class_id;
    o->seats = event->seats;
    o->begin_usec = event->begin_usec;
    o->end_usec = event->end_usec;
    o->stop_usec = event->stop_usec;
    o->until_usec = event->until_usec;
    o->open_usec = event->time_usec;
    str_copy(o->class_name, sizeof(o->class_name), event->class_name);
    str_copy(o->date, sizeof(o->date), event->date);
    str_copy(o->account, sizeof(o->account), event->account);
}

static void apply_count(struct occurrence *o, const struct occurrence_event *event)
{
    uint32_t *ready[OCCURRENCE_MOMENTS] = {&o->ready_early, &o->ready_on_time, &o->ready_late};

    if (event->moment >= OCCURRENCE_MOMENTS)
        return;
    *ready[event->moment] = event->ready;
    o->counted |= 1u << event->moment;
    o->slowest_usec = event->slowest_usec;
    str_copy(o->slow_stage, sizeof(o->slow_stage), event->slow_stage);
}

int occurrence_apply(const struct occurrence *old, const char *key,
                     const struct occurrence_event *event, struct occurrence **ret,
                     struct vdi_error *err)
{
    enum occurrence_state from = old ? old->state : OCCURRENCE_NONE;
    enum occurrence_state to = next_state(from, event->type);
    struct occurrence *o;

    if (to == OCCURRENCE_NONE)
        return error_set(err, EPROTO, "state", "occurrence %s is %s: '%s' is not possible then",
                         key, occurrence_state_names[from], occurrence_event_name(event->type));
    o = calloc(1, sizeof(*o));
    if (!o)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *o = *old;
    o->refs = 1;
    o->state = to;
    str_copy(o->key, sizeof(o->key), key);
    switch (event->type) {
    case OCCURRENCE_EVENT_OPEN:
        apply_open(o, event);
        break;
    case OCCURRENCE_EVENT_CLAIM:
        o->claimed++;
        break;
    case OCCURRENCE_EVENT_FAIL:
        o->failed++;
        break;
    case OCCURRENCE_EVENT_COUNT:
        apply_count(o, event);
        break;
    case OCCURRENCE_EVENT_RELEASE:
        o->release_usec = event->time_usec;
        break;
    default:
        o->close_usec = event->time_usec;
    }
    if (event->reason[0])
        str_copy(o->reason, sizeof(o->reason), event->reason);
    *ret = o;
    return 0;
}
