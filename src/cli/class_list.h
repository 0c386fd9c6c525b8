/* SPDX-License-Identifier: Apache-2.0 */
/* class_list.h - classes page by page, and the cells in which their dates are shown. */
#ifndef CLI_CLASS_LIST_H
#define CLI_CLASS_LIST_H

#include "cli/client.h"

/* Calls each() for every class that the caller may see; it ends the list by returning negative. */
int class_list(struct client *client, const char *base, const char *member,
               int (*each)(void *arg, const struct value *class, struct vdi_error *err), void *arg,
               struct vdi_error *err);
/* The occurrences of one class; the caller frees the document. */
int class_occurrences(struct client *client, const char *base, const char *name,
                      struct document **ret, struct vdi_error *err);

/* "Tue 2026-10-13 10:15" on the zone's clock; 0: "-". A zone that this machine does not know: UTC,
 * and it says so. */
void cell_class_time(struct buf *out, int64_t usec, const char *zone);
/* The same, and its hours alone when it is on the day of `since_usec`. */
void cell_class_end(struct buf *out, int64_t usec, int64_t since_usec, const char *zone);
/* "30/30": seats that are READY or taken now; "-": it is still to come. */
void cell_class_ready(struct buf *out, const struct value *occurrence);
/* "2,3,-": how many were five minutes before, at its time, two minutes after; the last is still to
 * come. */
void cell_class_counts(struct buf *out, const struct value *occurrence);
/* "41s boot", of the slowest seat; "-". */
void cell_class_slowest(struct buf *out, const struct value *occurrence);

#endif
