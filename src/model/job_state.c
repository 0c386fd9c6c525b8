/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_state.c - the states of a job and the table of what may follow what.
 *
 * A pair that is not in the table is refused. doc/states.md is made from it.
 */
#include "model/job_state.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *letters;
} states[JOB_N_STATES] = {
    [JOB_NONE] = {"NONE", "--"},
    [JOB_PENDING] = {"PENDING", "PD"},
    [JOB_CONFIGURING] = {"CONFIGURING", "CF"},
    [JOB_RUNNING] = {"RUNNING", "R"},
    [JOB_SUSPENDED] = {"SUSPENDED", "S"},
    [JOB_COMPLETING] = {"COMPLETING", "CG"},
    [JOB_COMPLETED] = {"COMPLETED", "CD"},
    [JOB_FAILED] = {"FAILED", "F"},
    [JOB_CANCELLED] = {"CANCELLED", "CA"},
    [JOB_TIMEOUT] = {"TIMEOUT", "TO"},
    [JOB_PREEMPTED] = {"PREEMPTED", "PR"},
    [JOB_NODE_FAIL] = {"NODE_FAIL", "NF"},
    [JOB_BOOT_FAIL] = {"BOOT_FAIL", "BF"},
    [JOB_DEADLINE] = {"DEADLINE", "DL"},
};

static const char *const events[JOB_N_EVENTS] = {
    [JOB_EVENT_SUBMIT] = "submit",
    [JOB_EVENT_UPDATE] = "update",
    [JOB_EVENT_HOLD] = "hold",
    [JOB_EVENT_RELEASE] = "release",
    [JOB_EVENT_PRIORITY] = "priority",
    [JOB_EVENT_ALLOC] = "alloc",
    [JOB_EVENT_START] = "start",
    [JOB_EVENT_SUSPEND] = "suspend",
    [JOB_EVENT_RESUME] = "resume",
    [JOB_EVENT_FINISH] = "finish",
    [JOB_EVENT_END] = "end",
    [JOB_EVENT_REQUEUE] = "requeue",
    [JOB_EVENT_UNREACHABLE] = "unreachable",
    [JOB_EVENT_REACHABLE] = "reachable",
    [JOB_EVENT_UNKNOWN] = "unknown",
    [JOB_EVENT_NOTE] = "note",
    [JOB_EVENT_WAKE] = "wake",
    [JOB_EVENT_RESTORE] = "restore",
    [JOB_EVENT_STAY] = "stay",
    [JOB_EVENT_NOTICE] = "notice",
};

const struct job_transition job_transitions[] = {
    {JOB_EVENT_SUBMIT, JOB_NONE, JOB_PENDING},
    {JOB_EVENT_UPDATE, JOB_PENDING, JOB_PENDING},
    {JOB_EVENT_UPDATE, JOB_CONFIGURING, JOB_CONFIGURING},
    {JOB_EVENT_UPDATE, JOB_RUNNING, JOB_RUNNING},
    {JOB_EVENT_UPDATE, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_HOLD, JOB_PENDING, JOB_PENDING},
    {JOB_EVENT_RELEASE, JOB_PENDING, JOB_PENDING},
    {JOB_EVENT_PRIORITY, JOB_PENDING, JOB_PENDING},
    {JOB_EVENT_ALLOC, JOB_PENDING, JOB_CONFIGURING},
    {JOB_EVENT_START, JOB_CONFIGURING, JOB_RUNNING},
    {JOB_EVENT_SUSPEND, JOB_RUNNING, JOB_SUSPENDED},
    {JOB_EVENT_RESUME, JOB_SUSPENDED, JOB_RUNNING},
    /* A pending job ends at once: there is nothing of it on any node. */
    {JOB_EVENT_END, JOB_PENDING, JOB_NONE},
    {JOB_EVENT_FINISH, JOB_CONFIGURING, JOB_COMPLETING},
    {JOB_EVENT_FINISH, JOB_RUNNING, JOB_COMPLETING},
    {JOB_EVENT_FINISH, JOB_SUSPENDED, JOB_COMPLETING},
    {JOB_EVENT_FINISH, JOB_COMPLETING, JOB_COMPLETING},
    {JOB_EVENT_END, JOB_COMPLETING, JOB_NONE},
    {JOB_EVENT_REQUEUE, JOB_COMPLETING, JOB_PENDING},
    {JOB_EVENT_UNREACHABLE, JOB_CONFIGURING, JOB_CONFIGURING},
    {JOB_EVENT_UNREACHABLE, JOB_RUNNING, JOB_RUNNING},
    {JOB_EVENT_UNREACHABLE, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_UNREACHABLE, JOB_COMPLETING, JOB_COMPLETING},
    {JOB_EVENT_REACHABLE, JOB_CONFIGURING, JOB_CONFIGURING},
    {JOB_EVENT_REACHABLE, JOB_RUNNING, JOB_RUNNING},
    {JOB_EVENT_REACHABLE, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_REACHABLE, JOB_COMPLETING, JOB_COMPLETING},
    {JOB_EVENT_UNKNOWN, JOB_PENDING, JOB_PENDING},
    {JOB_EVENT_UNKNOWN, JOB_CONFIGURING, JOB_CONFIGURING},
    {JOB_EVENT_UNKNOWN, JOB_RUNNING, JOB_RUNNING},
    {JOB_EVENT_UNKNOWN, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_UNKNOWN, JOB_COMPLETING, JOB_COMPLETING},
    {JOB_EVENT_NOTE, JOB_RUNNING, JOB_RUNNING},
    {JOB_EVENT_WAKE, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_RESTORE, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_STAY, JOB_SUSPENDED, JOB_SUSPENDED},
    {JOB_EVENT_NOTICE, JOB_SUSPENDED, JOB_SUSPENDED},
};
const size_t job_n_transitions = sizeof(job_transitions) / sizeof(job_transitions[0]);

const char *job_state_name(enum job_state state)
{
    return (unsigned)state < JOB_N_STATES ? states[state].name : "NONE";
}

const char *job_state_letters(enum job_state state)
{
    return (unsigned)state < JOB_N_STATES ? states[state].letters : "--";
}

enum job_state job_state_from(const char *text)
{
    for (int i = JOB_PENDING; i < JOB_N_STATES; i++)
        if (!strcasecmp(text, states[i].name) || !strcasecmp(text, states[i].letters))
            return (enum job_state)i;
    return JOB_NONE;
}

bool job_state_is_end(enum job_state state)
{
    return state >= JOB_COMPLETED && state < JOB_N_STATES;
}

bool job_state_is_active(enum job_state state)
{
    return state >= JOB_CONFIGURING && state <= JOB_COMPLETING;
}

const char *job_event_name(enum job_event_type type)
{
    return (unsigned)type < JOB_N_EVENTS ? events[type] : "none";
}

int job_event_from(const char *name)
{
    for (int i = 0; i < JOB_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

enum job_state job_state_next(enum job_state from, enum job_event_type event, enum job_state final)
{
    for (size_t i = 0; i < job_n_transitions; i++) {
        const struct job_transition *t = &job_transitions[i];

        if (t->event != event || t->from != from)
            continue;
        if (event == JOB_EVENT_FINISH && final != JOB_PENDING && !job_state_is_end(final))
            return JOB_NONE;
        if (t->to != JOB_NONE)
            return t->to;
        return job_state_is_end(final) ? final : JOB_NONE;
    }
    return JOB_NONE;
}
