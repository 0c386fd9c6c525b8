/* SPDX-License-Identifier: Apache-2.0 */
/* instance.c - instances and what each event makes of them; pure like job.c. */
#include "model/instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const states[INSTANCE_N_STATES] = {
    "NONE", "REQUESTED", "BUILDING", "READY", "BOUND", "SAVED", "STOPPING", "GONE",
};

static const char *const events[INSTANCE_N_EVENTS] = {
    "request", "build", "ready", "claim", "bind", "save", "place", "restore", "stop", "gone",
};

const struct instance_transition instance_transitions[] = {
    {INSTANCE_EVENT_REQUEST, INSTANCE_NONE, INSTANCE_REQUESTED},
    {INSTANCE_EVENT_BUILD, INSTANCE_REQUESTED, INSTANCE_BUILDING},
    {INSTANCE_EVENT_READY, INSTANCE_REQUESTED, INSTANCE_READY},
    {INSTANCE_EVENT_READY, INSTANCE_BUILDING, INSTANCE_READY},
    {INSTANCE_EVENT_CLAIM, INSTANCE_REQUESTED, INSTANCE_REQUESTED},
    {INSTANCE_EVENT_CLAIM, INSTANCE_BUILDING, INSTANCE_BUILDING},
    {INSTANCE_EVENT_CLAIM, INSTANCE_READY, INSTANCE_READY},
    {INSTANCE_EVENT_BIND, INSTANCE_READY, INSTANCE_BOUND},
    {INSTANCE_EVENT_SAVE, INSTANCE_READY, INSTANCE_SAVED},
    {INSTANCE_EVENT_SAVE, INSTANCE_BOUND, INSTANCE_SAVED},
    {INSTANCE_EVENT_PLACE, INSTANCE_SAVED, INSTANCE_SAVED},
    {INSTANCE_EVENT_RESTORE, INSTANCE_SAVED, INSTANCE_BOUND},
    {INSTANCE_EVENT_STOP, INSTANCE_REQUESTED, INSTANCE_STOPPING},
    {INSTANCE_EVENT_STOP, INSTANCE_BUILDING, INSTANCE_STOPPING},
    {INSTANCE_EVENT_STOP, INSTANCE_READY, INSTANCE_STOPPING},
    {INSTANCE_EVENT_STOP, INSTANCE_BOUND, INSTANCE_STOPPING},
    {INSTANCE_EVENT_STOP, INSTANCE_SAVED, INSTANCE_STOPPING},
    {INSTANCE_EVENT_GONE, INSTANCE_REQUESTED, INSTANCE_GONE},
    {INSTANCE_EVENT_GONE, INSTANCE_BUILDING, INSTANCE_GONE},
    {INSTANCE_EVENT_GONE, INSTANCE_READY, INSTANCE_GONE},
    {INSTANCE_EVENT_GONE, INSTANCE_BOUND, INSTANCE_GONE},
    {INSTANCE_EVENT_GONE, INSTANCE_SAVED, INSTANCE_GONE},
    {INSTANCE_EVENT_GONE, INSTANCE_STOPPING, INSTANCE_GONE},
};
const size_t instance_n_transitions =
    sizeof(instance_transitions) / sizeof(instance_transitions[0]);

const char *instance_state_name(enum instance_state state)
{
    return (unsigned)state < INSTANCE_N_STATES ? states[state] : "NONE";
}

const char *instance_event_name(enum instance_event_type type)
{
    return (unsigned)type < INSTANCE_N_EVENTS ? events[type] : "none";
}

int instance_event_from(const char *name)
{
    for (int i = 0; i < INSTANCE_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

enum instance_state instance_state_next(enum instance_state from, enum instance_event_type event)
{
    for (size_t i = 0; i < instance_n_transitions; i++)
        if (instance_transitions[i].event == event && instance_transitions[i].from == from)
            return instance_transitions[i].to;
    return INSTANCE_NONE;
}

struct instance *instance_ref(struct instance *instance)
{
    instance->refs++;
    return instance;
}

void instance_unref(struct instance *instance)
{
    if (instance && !--instance->refs)
        free(instance);
}

static void apply_request(struct instance *in, const struct instance_event *event)
{
    in->generation = event->generation;
    in->job = event->job;
    in->vcpus = event->vcpus;
    in->memory_mib = event->memory_mib;
    in->gpus = event->gpus;
    in->encode_mpix = event->encode_mpix;
    in->request_usec = event->time_usec;
    str_copy(in->owner, sizeof(in->owner), event->owner);
    str_copy(in->node, sizeof(in->node), event->node);
    str_copy(in->template_name, sizeof(in->template_name), event->template_name);
    str_copy(in->profile, sizeof(in->profile), event->profile);
    str_copy(in->image, sizeof(in->image), event->image);
    str_copy(in->account, sizeof(in->account), event->account);
    str_copy(in->partition, sizeof(in->partition), event->partition);
    str_copy(in->qos, sizeof(in->qos), event->qos);
    str_copy(in->limits, sizeof(in->limits), event->limits);
    in->class_id = event->class_id;
    str_copy(in->date, sizeof(in->date), event->date);
    str_copy(in->gpus_held, sizeof(in->gpus_held), event->gpus_held);
}

/* One owner in its life, ever. */
static int check_claim(const struct instance *old, struct vdi_error *err)
{
    if (old->class_id && !old->job)
        return 0;
    return error_set(err, EPROTO, "job", "instance %llu is not a free seat",
                     (unsigned long long)old->id);
}

static void apply_claim(struct instance *in, const struct instance_event *event)
{
    in->job = event->job;
    in->claim_usec = event->time_usec;
    str_copy(in->owner, sizeof(in->owner), event->owner);
}

int instance_apply(const struct instance *old, uint64_t id, const struct instance_event *event,
                   struct instance **ret, struct vdi_error *err)
{
    enum instance_state from = old ? old->state : INSTANCE_NONE;
    enum instance_state to = instance_state_next(from, event->type);
    struct instance *in;

    if (to == INSTANCE_NONE)
        return error_set(err, EPROTO, "state", "instance %llu is %s: '%s' is not possible then",
                         (unsigned long long)id, instance_state_name(from),
                         instance_event_name(event->type));
    if (event->type == INSTANCE_EVENT_CLAIM && check_claim(old, err) < 0)
        return -EPROTO;
    in = calloc(1, sizeof(*in));
    if (!in)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *in = *old;
    in->refs = 1;
    in->id = id;
    if (from == INSTANCE_SAVED && to != INSTANCE_SAVED && event->time_usec > in->state_usec)
        in->saved_total_usec += event->time_usec - in->state_usec;
    if (to != from)
        in->state_usec = event->time_usec;
    in->state = to;
    if (event->type == INSTANCE_EVENT_REQUEST)
        apply_request(in, event);
    else if (event->type == INSTANCE_EVENT_CLAIM)
        apply_claim(in, event);
    else if (event->type == INSTANCE_EVENT_PLACE)
        str_copy(in->gpus_held, sizeof(in->gpus_held), event->gpus_held);
    else if (event->type == INSTANCE_EVENT_BUILD)
        in->build_usec = event->time_usec;
    else if (event->type == INSTANCE_EVENT_READY)
        in->ready_usec = event->time_usec;
    else if (event->type == INSTANCE_EVENT_GONE)
        in->gone_usec = event->time_usec;
    if (event->reason[0])
        str_copy(in->reason, sizeof(in->reason), event->reason);
    *ret = in;
    return 0;
}
