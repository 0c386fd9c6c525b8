/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format.h - `-o "%.18i %.9P"` and `-O name:width,...`: rows of a table for people and scripts.
 *
 * As in squeue(1): %[.][width]letter, a dot justifies to the right, a width
 * truncates. Widths count characters, not bytes. Cells come from the API and
 * are printed without control characters, so no name can steer a terminal.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

#define FORMAT_TEXT_MAX 4096
#define FORMAT_ITEMS_MAX 128
#define FORMAT_WIDTH_MAX 1024
#define FORMAT_NAME_WIDTH 20 /* of a -O column that names none */

struct format_context {
    int64_t now_usec;
    bool noconvert;    /* sizes stay in MiB */
    const char *tasks; /* the row stands for these of its array; NULL: for itself */
};

struct column {
    char letter;        /* 0: by name alone */
    const char *name;   /* for -O, in lower case; NULL ends a table */
    const char *title;  /* the header */
    const char *fields; /* members that it reads, comma separated; "" for none */
    /* row is what the command's rows are. */
    void (*write)(const void *row, const struct format_context *context, struct buf *out);
    bool sum;       /* over all members of a group of rows, not the same in each */
    unsigned width; /* of a list that names none; 0: FORMAT_NAME_WIDTH */
};

struct format_item {
    const struct column *column; /* NULL: the text alone */
    unsigned width;              /* 0: as long as it is */
    bool right;
    uint16_t text, text_len; /* what follows it, in `texts` */
};

struct format {
    struct format_item items[FORMAT_ITEMS_MAX];
    size_t n;
    char texts[FORMAT_TEXT_MAX + 1];
    size_t texts_len;
};

/* -o: also takes %all. -EINVAL with err naming the letter. */
int format_parse(const char *text, const struct column *columns, struct format *ret,
                 struct vdi_error *err);
/* -O: name[:[.][width][suffix]],... */
int format_parse_names(const char *text, const struct column *columns, struct format *ret,
                       struct vdi_error *err);
/*
 * As in sacct(1): name[%[-]width],... between blanks, to the right unless a minus says
 * otherwise. With a delimiter the cells are as long as they are, and it is between them.
 */
int format_parse_list(const char *text, const struct column *columns, const char *delimiter,
                      struct format *ret, struct vdi_error *err);
/* One more text at the end of each line. */
int format_end(struct format *format, const char *text, struct vdi_error *err);
/* A line of dashes under the header, as wide as the columns. */
void format_rule(const struct format *format, struct buf *out);
/* The union of the columns' fields, comma separated; `more` (may be NULL) is added. */
void format_fields(const struct format *format, const char *more, struct buf *out);
void format_header(const struct format *format, struct buf *out);
void format_row(const struct format *format, const void *row, const struct format_context *context,
                struct buf *out);
/* Every item that is not a sum, for comparing rows. */
void format_key(const struct format *format, const void *row, const struct format_context *context,
                struct buf *out);
const struct column *column_find(const struct column *columns, char letter);

#endif
