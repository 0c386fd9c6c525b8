/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class.h - a class: seats of a template for members, by a rule. Immutable like struct job.
 *
 * A reservation is the same with whole nodes in place of seats: it has `nodes`, and no template,
 * seats, or times around them. Both share their names, rules, overrides and history.
 *
 * Its occurrences are computed (vdictld/timetable.c), never stored; what is changed of one is an
 * override, and an occurrence that has begun has a record of its own (model/occurrence.h).
 */
#ifndef MODEL_CLASS_H
#define MODEL_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define CLASS_SEATS_MAX 10000
#define CLASS_LEAD_SEC 300 /* of a class that says none */
#define CLASS_DATE_MAX 24  /* "2026-10-13" or "2026-10-13T10:15", and the NUL */
#define CLASS_TIME_MAX 24  /* "2026-10-13T10:15:00" and the NUL */
#define CLASS_ROSTER_MAX 256
#define CLASS_OVERRIDES_MAX 4096              /* bytes of all of them, written down */
#define CLASS_MOVED_SEC (INT64_C(14) * 86400) /* by so much at most */

enum class_event_type {
    CLASS_EVENT_CREATE,
    CLASS_EVENT_UPDATE,
    CLASS_EVENT_OVERRIDE, /* one occurrence is another, or as the rule says again */
    CLASS_EVENT_DELETE,
    CLASS_N_EVENTS
};

struct class_spec {
    char name[64];
    char template_name[64];
    uint32_t seats;
    char groups[512], users[512];  /* members; joined by commas */
    char roster[CLASS_ROSTER_MAX]; /* file with more of them; of vdi.conf alone. "": none */
    char partition[64], qos[64], account[64];
    char starts[CLASS_TIME_MAX]; /* of the first occurrence, local time of `zone` */
    int64_t duration_sec;
    char zone[64];
    char repeat[256];  /* RFC 5545 rule; "" once */
    char except[1024]; /* dates and ranges of dates, joined by commas */
    int64_t lead_sec;  /* seats are started so long before, at least */
    int64_t grace_sec; /* and are left so long after */
    int64_t no_show_sec;
    int64_t cleaning_sec;
    char nodes[512]; /* of a reservation, a hostlist; "": it is a class */
    char flags[64];  /* of a reservation: class_flag_is_known(); joined by commas */
    /* Dates at another time by vdi.conf, written as overrides are; those count more. */
    char moved[CLASS_OVERRIDES_MAX];
    char uid[256];     /* of the calendar's event that it was imported from; "": none */
    char calendar[64]; /* name of that calendar */
};

/* What is changed of one occurrence. */
struct class_override {
    char date[CLASS_DATE_MAX]; /* its name, as the rule gives it */
    bool skip;
    char starts[CLASS_TIME_MAX]; /* "": as the rule says */
    int64_t duration_sec;        /* 0: as the class says */
};

struct class {
    unsigned refs;
    uint64_t id;
    uint64_t seq;
    struct class_spec spec;
    char overrides[CLASS_OVERRIDES_MAX]; /* class_override_next() */
    bool from_config;                    /* read-only to the API but for overrides */
    bool deleted;
    int64_t create_usec, change_usec, delete_usec;
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2]; /* who changed it last */
    char creator[VDI_REALM_MAX + VDI_NAME_MAX + 2];
};

struct class_event {
    enum class_event_type type;
    int64_t time_usec;
    struct class_spec spec;    /* CREATE, UPDATE */
    bool from_config;          /* CREATE */
    char date[CLASS_DATE_MAX]; /* OVERRIDE, with: */
    bool skip, reset;
    char starts[CLASS_TIME_MAX];
    int64_t duration_sec;
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
};

const char *class_event_name(enum class_event_type type);
int class_event_from(const char *name); /* -1: unknown */
/* maint: for nobody's jobs. magnetic: its members' jobs are drawn to it, unnamed. ignore_jobs: jobs
 * that run there are left. */
bool class_flag_is_known(const char *flag, size_t len);
#define CLASS_FLAGS_HINT "write maint, magnetic, ignore_jobs, or some joined by commas"
struct class *class_ref(struct class *class);
void class_unref(struct class *class); /* takes NULL */
int class_apply(const struct class *old, uint64_t id, const struct class_event *event,
                struct class **ret, struct vdi_error *err);

static inline bool class_is_reservation(const struct class_spec *spec)
{
    return *spec->nodes;
}
/* For messages: "class" or "reservation". */
static inline const char *class_word(const struct class_spec *spec)
{
    return class_is_reservation(spec) ? "reservation" : "class";
}
/* Steps through the overrides: *io_at begins at class->overrides. False: there is no more. */
bool class_override_next(const char **io_at, struct class_override *ret);
/* The same for all that are changed, by the API or by vdi.conf: *io_at begins as NULL. */
bool class_override_each(const struct class *class, const char **io_at, struct class_override *ret);
/* Adds one to a text of that size; false: there is no room. */
bool class_override_put(char *text, size_t size, const struct class_override *o);
/* False: the occurrence has none. The API's count more than those of vdi.conf. */
bool class_override_of(const struct class *class, const char *date, struct class_override *ret);

#endif
