/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timetable.h - when which classes want how many seats.
 *
 * CSV with a header line: start_s, end_s, seats (all three must be there), vgpu_profile (of one
 * seat; "" a whole GPU), class_id. Other columns are not read. May be packed by xz.
 */
#ifndef VDISIM_TIMETABLE_H
#define VDISIM_TIMETABLE_H

#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define TIMETABLE_ROWS_MAX 1000000u
#define TIMETABLE_SEATS_MAX 65536u

struct config;
struct config_template;

struct timetable_row {
    int64_t begin_sec, end_sec;
    uint32_t seats;
    const struct config_template *template; /* of a seat, in the configuration; NULL: none */
    char profile[64], id[64];
};

struct timetable {
    struct timetable_row *rows; /* in the order of the file */
    size_t n, size;
};

/* Blocks. -EINVAL with place (line) and column in err. */
int timetable_read(const char *path, struct timetable *ret, struct vdi_error *err);
/* The same of an iCalendar file (codec/ics.h): its name ends in .ics. Its templates are those of
 * `config`. The trace's time 0 is *epoch_usec; 0: it is set to 00:00 of the day of the first
 * class. What begins
 * before that, or more than a year later, is left out. */
int timetable_read_ics(const char *path, const struct config *config, int64_t *epoch_usec,
                       struct timetable *ret, struct vdi_error *err);
/* The classes of a vdi.conf, for a year from the trace's time 0 on. What begins before is left
 * out. */
int timetable_of_config(const struct config *config, int64_t zero_usec, struct timetable *ret,
                        struct vdi_error *err);
/* Sets the template (NULL: there is none), and the profile "a,b" of its seats. NULL, or why it
 * won't do. */
const char *timetable_seat(const struct config_template *t, struct timetable_row *ret);
/* A new last row, not set. NULL: out of memory, or TIMETABLE_ROWS_MAX. */
struct timetable_row *timetable_add(struct timetable *t);
void timetable_done(struct timetable *t);

#endif
