/* SPDX-License-Identifier: Apache-2.0 */
/* class_dates.h - a class or reservation of vdi.conf as model/class.h has it, and its dates. */
#ifndef CODEC_CLASS_DATES_H
#define CODEC_CLASS_DATES_H

#include <stddef.h>
#include <stdint.h>

#include "codec/calendar.h"
#include "model/class.h"
#include "model/config.h"

/* A date further from the rule's than this is none of it. */
#define CLASS_MOVED_USEC (CLASS_MOVED_SEC * 1000000)

struct class_date {
    char name[CLASS_DATE_MAX]; /* as the rule gives it, also where it is moved */
    int64_t begin_usec, end_usec;
};

/* -E2BIG: a list of the block is longer than a class may have. */
int class_spec_of_config(const struct config_class *c, struct class_spec *ret,
                         struct vdi_error *err);
/* The rule of it, without what is changed of single dates. */
int class_calendar(const struct class_spec *spec, struct calendar **ret, struct vdi_error *err);
/* Those that take place at any time of [from, to), as overrides and `moved` have it, by their
 * begin; the caller frees the array. -E2BIG: the rule gives more than max. */
int class_dates(const struct class *class, int64_t from_usec, int64_t to_usec, size_t max,
                struct class_date **ret, size_t *ret_n, struct vdi_error *err);

#endif
