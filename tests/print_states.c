/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print_states.c - doc/states.md out of the tables of src/model: a diagram (Mermaid) and
 * the states of jobs, instances and disks. t0042-states.t compares.
 */
#include <stdbool.h>
#include <stdio.h>

#include "model/disk.h"
#include "model/instance.h"
#include "model/job_state.h"

/* All nouns in the same words; state 0 is "before it exists". */
struct machine {
    size_t n_rows;
    int n_states;
    const char *(*state)(int state);
    const char *(*event)(int event);
    void (*row)(size_t i, int *ret_event, int *ret_from, int *ret_to);
};

static const char *job_state(int state)
{
    return job_state_name((enum job_state)state);
}

static const char *job_event(int event)
{
    return job_event_name((enum job_event_type)event);
}

static void job_row(size_t i, int *ret_event, int *ret_from, int *ret_to)
{
    *ret_event = (int)job_transitions[i].event;
    *ret_from = (int)job_transitions[i].from;
    *ret_to = (int)job_transitions[i].to;
}

static const char *instance_state(int state)
{
    return instance_state_name((enum instance_state)state);
}

static const char *instance_event(int event)
{
    return instance_event_name((enum instance_event_type)event);
}

static void instance_row(size_t i, int *ret_event, int *ret_from, int *ret_to)
{
    *ret_event = (int)instance_transitions[i].event;
    *ret_from = (int)instance_transitions[i].from;
    *ret_to = (int)instance_transitions[i].to;
}

static const char *disk_state(int state)
{
    return disk_state_names[state];
}

static const char *disk_event(int event)
{
    return disk_event_name((enum disk_event_type)event);
}

static void disk_row(size_t i, int *ret_event, int *ret_from, int *ret_to)
{
    *ret_event = (int)disk_transitions[i].event;
    *ret_from = (int)disk_transitions[i].from;
    *ret_to = (int)disk_transitions[i].to;
}

/* Nothing for a pair without a row. */
static void print_events(const struct machine *m, int from, int to, const char *before,
                         const char *after)
{
    bool any = false;

    for (size_t i = 0; i < m->n_rows; i++) {
        int event, row_from, row_to;

        m->row(i, &event, &row_from, &row_to);
        if (row_from != from || row_to != to)
            continue;
        printf("%s%s", any ? ", " : before, m->event(event));
        any = true;
    }
    if (any)
        printf("%s", after);
}

/* In Mermaid [*] is the beginning as a source and the end as a target. */
static void print_diagram(const struct machine *m)
{
    char before[120];

    printf("```mermaid\nstateDiagram-v2\n");
    for (int from = 0; from < m->n_states; from++) {
        for (int to = 0; to < m->n_states; to++) {
            if (from == to && from)
                continue;
            snprintf(before, sizeof(before), "    %s --> %s: ", from ? m->state(from) : "[*]",
                     to ? m->state(to) : "[*]");
            print_events(m, from, to, before, "\n");
        }
    }
    printf("```\n");
}

static void print_staying(const struct machine *m)
{
    printf("\n| state | events that leave it there |\n|---|---|\n");
    for (int s = 1; s < m->n_states; s++) {
        char before[64];

        snprintf(before, sizeof(before), "| %s | ", m->state(s));
        print_events(m, s, s, before, " |\n");
    }
}

int main(void)
{
    struct machine job = {job_n_transitions, JOB_N_STATES, job_state, job_event, job_row};
    struct machine instance = {instance_n_transitions, INSTANCE_N_STATES, instance_state,
                               instance_event, instance_row};
    struct machine disk = {disk_n_transitions, DISK_N_STATES, disk_state, disk_event, disk_row};

    printf("# States\n\n"
           "Made from the tables of src/model by tests/print_states; `make check` compares.\n"
           "An event that has no arrow from a state is refused there.\n\n"
           "## Jobs\n\n"
           "The end of `end` is the final state that the event names (of a COMPLETING job: the\n"
           "one that `finish` named). `requeue` follows a `finish` that named PENDING.\n\n");
    print_diagram(&job);
    print_staying(&job);
    printf("\n| state | letters |\n|---|---|\n");
    for (int s = 1; s < JOB_N_STATES; s++)
        printf("| %s%s | %s |\n", job_state(s), job_state_is_end((enum job_state)s) ? " (end)" : "",
               job_state_letters((enum job_state)s));
    printf("\n## Instances\n\n");
    print_diagram(&instance);
    printf("\n## Disks\n\n");
    print_diagram(&disk);
    print_staying(&disk);
    return 0;
}
