/* SPDX-License-Identifier: Apache-2.0 */
/*
 * occurrence.h - one date of a class from when its seats are started: the record of how it went.
 * Immutable like struct job. Before that an occurrence is computed from the class's rule.
 */
#ifndef MODEL_OCCURRENCE_H
#define MODEL_OCCURRENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/class.h"

enum occurrence_state {
    OCCURRENCE_NONE,
    OCCURRENCE_OPEN,     /* seats are started and taken */
    OCCURRENCE_RELEASED, /* seats that nobody took were given back */
    OCCURRENCE_CLOSED,   /* over, or given up */
    OCCURRENCE_N_STATES
};
extern const char *const occurrence_state_names[]; /* NULL-terminated */

enum occurrence_event_type {
    OCCURRENCE_EVENT_OPEN,
    OCCURRENCE_EVENT_CLAIM,   /* a member took a seat */
    OCCURRENCE_EVENT_FAIL,    /* a seat failed and is started anew */
    OCCURRENCE_EVENT_COUNT,   /* so many seats were READY then */
    OCCURRENCE_EVENT_RELEASE, /* no-shows */
    OCCURRENCE_EVENT_CLOSE,
    OCCURRENCE_N_EVENTS
};

/* Moments at which READY seats are counted: five minutes before, at the time, two minutes after. */
enum occurrence_moment {
    OCCURRENCE_EARLY,
    OCCURRENCE_ON_TIME,
    OCCURRENCE_LATE,
    OCCURRENCE_MOMENTS
};
extern const int64_t occurrence_moment_usec[OCCURRENCE_MOMENTS]; /* from its beginning */

#define OCCURRENCE_KEY_MAX (20 + 1 + CLASS_DATE_MAX) /* "12.2026-10-13" */

struct occurrence {
    unsigned refs;
    uint64_t seq;
    char key[OCCURRENCE_KEY_MAX];
    uint64_t class_id;
    char class_name[64];
    char date[CLASS_DATE_MAX];
    enum occurrence_state state;
    uint32_t seats;
    int64_t begin_usec, end_usec;  /* of the class: T, and when it is over */
    int64_t stop_usec;             /* desktops end: with the grace */
    int64_t open_usec, until_usec; /* seats are held from, to */
    int64_t release_usec, close_usec;
    /* READY or in a user's hands at each moment, and moments that were counted. */
    uint32_t ready_early, ready_on_time, ready_late, counted;
    uint32_t claimed;     /* seats that members took */
    uint32_t failed;      /* seats that had to be started anew */
    int64_t slowest_usec; /* from order to READY of the slowest seat */
    char slow_stage[32];  /* in which it was slow: "boot" */
    char account[64];
    char reason[96];
};

struct occurrence_event {
    enum occurrence_event_type type;
    int64_t time_usec;
    uint64_t class_id;
    char class_name[64];
    char date[CLASS_DATE_MAX];
    uint32_t seats;
    int64_t begin_usec, end_usec, stop_usec, until_usec;
    uint32_t moment, ready; /* COUNT */
    int64_t slowest_usec;   /* COUNT, CLOSE */
    char slow_stage[32];
    char account[64];
    char reason[96];
};

const char *occurrence_event_name(enum occurrence_event_type type);
int occurrence_event_from(const char *name); /* -1: unknown */
struct occurrence *occurrence_ref(struct occurrence *o);
void occurrence_unref(struct occurrence *o); /* takes NULL */
int occurrence_apply(const struct occurrence *old, const char *key,
                     const struct occurrence_event *event, struct occurrence **ret,
                     struct vdi_error *err);
void occurrence_key(uint64_t class_id, const char *date, char ret[OCCURRENCE_KEY_MAX]);

#endif
