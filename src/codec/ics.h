/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ics.h - classes as iCalendar files (RFC 5545), read and written.
 *
 * Read is every VEVENT that takes place at a time of day; an event whose STATUS is CANCELLED is
 * none, and so are VTODO, VJOURNAL and VALARM. Who gets what says the event in
 *
 *     X-VDI-NAME X-VDI-TEMPLATE X-VDI-SEATS X-VDI-GROUPS X-VDI-USERS X-VDI-PARTITION X-VDI-QOS
 *     X-VDI-ACCOUNT X-VDI-LEAD X-VDI-GRACE X-VDI-NO-SHOW X-VDI-CLEANING
 *
 * (lists with commas, the last four as "90m"); whoever imports a file adds what is missing. TZIDs
 * are IANA names, also behind a prefix ("/freeassociation.sourceforge.net/Europe/Berlin"), or
 * Windows' names; a VTIMEZONE of another name is taken for the zone that its X-LIC-LOCATION names.
 * What a VTIMEZONE says about offsets is not read: those of the system's zone hold. DURATION is
 * time that passes, as in calendar.h; what calendar_new() cannot do is refused by it, not here.
 */
#ifndef CODEC_ICS_H
#define CODEC_ICS_H

#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#include "base/buf.h"
#include "codec/calendar.h"

#define ICS_BYTES_MAX (1024u * 1024)
#define ICS_LINES_MAX 65536u
#define ICS_COMPONENTS_MAX 10000u
#define ICS_DEPTH_MAX 8u   /* components within components */
#define ICS_TEXT_MAX 1024u /* bytes of a UID or SUMMARY */
#define ICS_LIST_MAX 256u  /* groups or users of a class */
#define ICS_SEATS_MAX 65536u

struct ics_list {
    char **items;
    size_t n;
};

/* One occurrence that was moved. */
struct ics_moved {
    char from[CALENDAR_NAME_SIZE]; /* when the rule has it: "2026-10-20T10:15", local */
    char starts[CALENDAR_NAME_SIZE];
    char duration[16];
};

struct ics_class {
    char *uid, *summary; /* UTF-8; summary "" if there is none */
    char starts[CALENDAR_NAME_SIZE], duration[16], zone[72];
    char *repeat;            /* "": once */
    struct ics_list except;  /* by date */
    struct ics_moved *moved; /* by date */
    size_t n_moved;
    /* "", 0 or empty: the event does not say */
    char *name, *template, *partition, *qos, *account;
    char *lead, *grace, *no_show, *cleaning; /* lengths of time; a bare number is minutes */
    uint32_t seats;
    struct ics_list groups, users;
};

struct ics {
    struct ics_class *classes; /* in the order of the file */
    size_t n;
};

/* -EINVAL: the property in err's field, the event by its UID in the detail. */
int ics_read(const char *data, size_t len, struct ics *ret, struct vdi_error *err);
/* Every class has to be one that calendar_new() takes. Exceptions that are dates become those of
 * the occurrences on them, as other programs know no other. `stamp_usec` is DTSTAMP. */
int ics_write(const struct ics *ics, int64_t stamp_usec, struct buf *out, struct vdi_error *err);
void ics_done(struct ics *ics);

/* As calendar_new() wants it; points into the class. */
struct calendar_text ics_class_text(const struct ics_class *class);

#endif
