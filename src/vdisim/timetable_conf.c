/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timetable_conf.c - the classes of a vdi.conf, as a timetable.
 *
 * Their dates are those that a controller books: codec/class_dates.h. Before the first job nothing
 * is known of how long a seat takes, so all have the lead that vdisim is told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/class_dates.h"
#include "vdisim/timetable.h"

/* As far as a controller books ahead. */
#define AHEAD_USEC (366 * 86400 * USEC_PER_SEC)

static int refuse(struct vdi_error *err, const struct config_class *block, const char *what,
                  const char *which)
{
    char detail[sizeof(err->detail)];

    str_copy(detail, sizeof(detail), what);
    error_set(err, EINVAL, "classes", "class '%.63s': %.160s%s", block->name, detail, which);
    error_hint(err, NULL, "take it out of a copy of the configuration, or give --classes");
    return -EINVAL;
}

static int put_dates(const struct config_class *block, const struct class_date *dates, size_t n,
                     const struct timetable_row *like, int64_t zero_usec, struct timetable *t,
                     struct vdi_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct timetable_row *row;

        if (dates[i].begin_usec < zero_usec)
            continue; /* before the trace */
        row = timetable_add(t);
        if (!row)
            return refuse(err, block, "these are too many dates", "");
        *row = *like;
        row->begin_sec = (dates[i].begin_usec - zero_usec) / USEC_PER_SEC;
        row->end_sec = (dates[i].end_usec - zero_usec) / USEC_PER_SEC;
        snprintf(row->id, sizeof(row->id), "%.40s %.22s", block->name, dates[i].name);
    }
    return 0;
}

static int put_class(const struct config *config, const struct config_class *block,
                     int64_t zero_usec, struct timetable *t, struct vdi_error *err)
{
    _cleanup_(freep) struct class *class = calloc(1, sizeof(*class));
    _cleanup_(freep) struct class_date *dates = NULL;
    struct timetable_row like = {.seats = block->seats};
    const char *trouble = timetable_seat(config_template(config, block->template_name), &like);
    char which[72];
    size_t n = 0;
    int r = class ? 0 : error_set(err, ENOMEM, "", "out of memory");

    if (r == 0 && trouble) {
        snprintf(which, sizeof(which), " '%.63s'", block->template_name);
        return refuse(err, block, trouble, which);
    }
    if (r == 0)
        r = class_spec_of_config(block, &class->spec, err);
    if (r == 0)
        r = class_dates(class, zero_usec, zero_usec + AHEAD_USEC, CALENDAR_OCCURRENCES_MAX, &dates,
                        &n, err);
    return r < 0 ? (r == -ENOMEM ? r : refuse(err, block, err->detail, ""))
                 : put_dates(block, dates, n, &like, zero_usec, t, err);
}

int timetable_of_config(const struct config *config, int64_t zero_usec, struct timetable *ret,
                        struct vdi_error *err)
{
    struct timetable table = {0};
    int r = 0;

    for (size_t i = 0; i < config->n_classes && r == 0; i++)
        if (!config->classes[i].nodes.n)
            r = put_class(config, &config->classes[i], zero_usec, &table, err);
    if (r < 0)
        timetable_done(&table);
    else
        *ret = table;
    return r;
}
