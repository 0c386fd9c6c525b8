/* SPDX-License-Identifier: Apache-2.0 */
/* timetable.c - when which classes want how many seats, from CSV. */
#include "vdisim/timetable.h"

#include <csv.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "model/config.h"
#include "vdisim/trace.h"

enum column { BEGIN, END, SEATS, PROFILE, ID, N_COLUMNS };
static const char *const names[N_COLUMNS] = {"start_s", "end_s", "seats", "vgpu_profile",
                                             "class_id"};

struct reader {
    struct timetable *table;
    const char *path;
    struct vdi_error *err;
    int columns[64]; /* of the header; -1: not ours */
    size_t n_columns, at, line;
    struct timetable_row row;
    int result;
};

struct timetable_row *timetable_add(struct timetable *t)
{
    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 256;
        struct timetable_row *rows =
            t->n < TIMETABLE_ROWS_MAX ? realloc(t->rows, size * sizeof(*rows)) : NULL;

        if (!rows)
            return NULL;
        t->rows = rows;
        t->size = size;
    }
    return &t->rows[t->n++];
}

const char *timetable_seat(const struct config_template *t, struct timetable_row *ret)
{
    size_t n = 0, size = sizeof(ret->profile);

    ret->profile[0] = '\0';
    if (!t)
        return "there is no template";
    if (t->gpus > 1 || (!t->gpus && !t->profiles.n))
        return "one GPU for each seat is not what it has: template";
    for (size_t i = 0; i < t->profiles.n && n < size; i++)
        n += (size_t)snprintf(ret->profile + n, size - n, "%s%s", i ? "," : "",
                              t->profiles.names[i]);
    ret->template = t;
    return n < size ? NULL : "too many profiles: template";
}

static int set_member(struct timetable_row *row, enum column c, const char *value)
{
    int64_t number;
    int r = 0;

    if (c == PROFILE)
        return str_copy(row->profile, sizeof(row->profile), value);
    if (c == ID)
        return str_copy(row->id, sizeof(row->id), value);
    r = str_to_i64(value, c == SEATS, c == SEATS ? TIMETABLE_SEATS_MAX : INT64_C(100000000000),
                   &number);
    if (r < 0)
        return r;
    if (c == SEATS)
        row->seats = (uint32_t)number;
    else
        *(c == BEGIN ? &row->begin_sec : &row->end_sec) = number;
    return 0;
}

static void header(struct reader *r, const char *text)
{
    if (r->n_columns == ELEMENTS(r->columns))
        return;
    r->columns[r->n_columns] = -1;
    for (int i = 0; i < N_COLUMNS; i++)
        if (!strcmp(names[i], text))
            r->columns[r->n_columns] = i;
    r->n_columns++;
}

static void field(void *data, size_t len, void *arg)
{
    struct reader *r = arg;
    int column = r->line && r->at < r->n_columns ? r->columns[r->at] : -1;
    const char *text = data ? data : "";

    r->at++;
    if (r->result < 0)
        return;
    if (!r->line)
        header(r, text);
    else if (column >= 0 && set_member(&r->row, (enum column)column, text) < 0)
        r->result = error_set(r->err, EINVAL, names[column], "%s:%zu: '%.40s' will not do for %s",
                              r->path, r->line + 1, text, names[column]);
}

static bool has(const struct reader *r, enum column c)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (r->columns[i] == (int)c)
            return true;
    return false;
}

static int take_row(struct reader *r)
{
    struct timetable_row *row;

    if (r->row.end_sec <= r->row.begin_sec)
        return error_set(r->err, EINVAL, "end_s", "%s:%zu: the class ends before it begins",
                         r->path, r->line + 1);
    if (!r->row.seats)
        return error_set(r->err, EINVAL, "seats", "%s:%zu: the class has no seats", r->path,
                         r->line + 1);
    row = timetable_add(r->table);
    if (!row)
        return error_set(r->err, ENOMEM, "classes", "%s has too many classes", r->path);
    *row = r->row;
    return 0;
}

static void line(int end, void *arg)
{
    struct reader *r = arg;

    if (!r->line && r->result == 0 && (!has(r, BEGIN) || !has(r, END) || !has(r, SEATS)))
        r->result = error_set(r->err, EINVAL, "classes",
                              "%s: its first line does not name start_s, end_s and seats", r->path);
    if (r->line && r->at && r->result == 0)
        r->result = take_row(r);
    r->row = (struct timetable_row){0};
    r->at = 0;
    r->line++;
}

int timetable_read(const char *path, struct timetable *ret, struct vdi_error *err)
{
    struct buf text = BUF_INIT(TRACE_BYTES_MAX);
    struct timetable table = {0};
    struct reader r = {.table = &table, .path = path, .err = err};
    struct csv_parser parser;

    r.result = trace_read_text(path, &text, err);
    if (r.result == 0 && csv_init(&parser, CSV_APPEND_NULL) != 0)
        r.result = error_set(err, ENOMEM, "", "out of memory");
    if (r.result == 0) {
        if (csv_parse(&parser, text.data, text.len, field, line, &r) != text.len ||
            csv_fini(&parser, field, line, &r) != 0)
            r.result = error_set(err, EINVAL, "classes", "%s:%zu: %s", path, r.line + 1,
                                 csv_strerror(csv_error(&parser)));
        csv_free(&parser);
    }
    if (r.result == 0 && !r.line)
        r.result = error_set(err, EINVAL, "classes", "%s is empty", path);
    buf_done(&text);
    if (r.result < 0)
        timetable_done(&table);
    else
        *ret = table;
    return r.result;
}

void timetable_done(struct timetable *t)
{
    free(t->rows);
    *t = (struct timetable){0};
}
