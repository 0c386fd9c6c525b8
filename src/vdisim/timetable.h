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

struct timetable_row {
    int64_t begin_sec, end_sec;
    uint32_t seats;
    char profile[64], id[64];
};

struct timetable {
    struct timetable_row *rows; /* in the order of the file */
    size_t n, size;
};

/* Blocks. -EINVAL with place (line) and column in err. */
int timetable_read(const char *path, struct timetable *ret, struct vdi_error *err);
void timetable_done(struct timetable *t);

#endif
