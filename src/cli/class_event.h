/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_event.h - a class of the controller as an event of an iCalendar file, and the other way.
 *
 * Two texts can be one rule (WEEKLY and FREQ=WEEKLY, 2026-12-22/2027-01-06 and its dates one by
 * one). So times are compared as they are when they were written to a file and read again.
 */
#ifndef CLI_CLASS_EVENT_H
#define CLI_CLASS_EVENT_H

#include "codec/calendar.h"
#include "codec/document.h"
#include "codec/ics.h"
#include "model/class.h"

/* Of a class that came from no file: this and its name. */
#define CLASS_EVENT_UID "vdi-class-"

/* A document of the API; what it does not have is as in *ret. */
int class_from_document(const struct value *document, struct class *ret, struct vdi_error *err);
/* Its UID in a file. */
const char *class_event_uid(const struct class *class, char ret[320]);
/* One event, with skipped dates among its exceptions; ics_done() in any case. */
int class_to_event(const struct class *class, struct ics *ret, struct vdi_error *err);
/* What it has beside its times, as far as the event says it. */
int class_put_words(const struct ics_class *event, struct class_spec *ret, struct vdi_error *err);
/* What comes back when the event was written and read; errors name its UID. */
int class_event_normalize(const struct ics_class *event, struct ics *ret, struct vdi_error *err);
/* The name of the occurrence that the rule has at "2026-10-20T10:15". -ENOENT: there is none. */
int class_event_date(const struct calendar *calendar, const char *local, char ret[CLASS_DATE_MAX],
                     struct vdi_error *err);

#endif
