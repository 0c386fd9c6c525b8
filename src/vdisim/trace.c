/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c - workloads from CSV and SWF files, packed or not. */
#include "vdisim/trace.h"

#include <csv.h>
#include <errno.h>
#include <lzma.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define PIECE 65536
#define UNPACK_MEMORY_MAX (256u << 20)

void trace_done(struct trace *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct trace_job *j = &t->jobs[i];

        free(j->id);
        free(j->user);
        free(j->group);
        free(j->kind);
        free(j->gpu_type);
        free(j->reservation);
    }
    free(t->jobs);
    *t = (struct trace){0};
}

/* ---- the file, unpacked ---- */

static int unpack(lzma_stream *x, struct buf *out)
{
    uint8_t piece[PIECE];
    lzma_ret r;

    do {
        x->next_out = piece;
        x->avail_out = sizeof(piece);
        r = lzma_code(x, x->avail_in ? LZMA_RUN : LZMA_FINISH);
        if (buf_append(out, piece, sizeof(piece) - x->avail_out) < 0)
            return -EFBIG;
    } while (r == LZMA_OK);
    return r == LZMA_STREAM_END ? 0 : r == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int unpack_xz(struct buf *packed, struct buf *out)
{
    lzma_stream x = LZMA_STREAM_INIT;
    int r = -ENOMEM;

    if (lzma_stream_decoder(&x, UNPACK_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK) {
        x.next_in = (const uint8_t *)packed->data;
        x.avail_in = packed->len;
        r = unpack(&x, out);
    }
    lzma_end(&x);
    return r;
}

static int read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    char piece[PIECE];
    size_t n;
    int r = 0;

    if (!f)
        return -errno;
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        if (buf_append(out, piece, n) < 0)
            break;
    if (ferror(f))
        r = -EIO;
    else if (out->failed)
        r = -EFBIG;
    fclose(f);
    return r;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

int trace_read_text(const char *path, struct buf *out, struct vdi_error *err)
{
    struct buf packed = BUF_INIT(TRACE_BYTES_MAX);
    int r;

    if (ends_with(path, ".xz")) {
        r = read_file(path, &packed);
        if (r == 0)
            r = unpack_xz(&packed, out);
        buf_done(&packed);
    } else {
        r = read_file(path, out);
    }
    if (r == -EFBIG) {
        error_set(err, EFBIG, "trace", "%s is too large", path);
        error_hint(err, "1 GiB unpacked", "cut it into pieces");
        return r;
    }
    return r < 0 ? error_set(err, r, "trace", "%s cannot be read: %s", path,
                             r == -EBADMSG ? "it is no whole xz file" : strerror(-r))
                 : 0;
}

/* ---- members ---- */

static struct trace_job *job_new(struct trace *t)
{
    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 1024;
        struct trace_job *jobs =
            t->n < TRACE_JOBS_MAX ? realloc(t->jobs, size * sizeof(*jobs)) : NULL;

        if (!jobs)
            return NULL;
        t->jobs = jobs;
        t->size = size;
    }
    t->jobs[t->n] = (struct trace_job){.nodes = 1};
    return &t->jobs[t->n++];
}

/* A whole number as some sources write it: "12", "12.0", "-1" for unknown, "" for not said. */
static bool read_number(const char *text, double max, double *ret)
{
    char *end;
    double value = *text ? strtod(text, &end) : (end = (char *)text, 0);

    if (*end || !isfinite(value) || value > max)
        return false;
    *ret = value > 0 ? value : 0;
    return true;
}

enum column {
    SUBMIT,
    DURATION,
    WALLTIME,
    NODES,
    CPUS,
    MEMORY,
    GPUS,
    GPU_TYPE,
    USER,
    GROUP,
    KIND,
    RESERVATION,
    ID,
    N_COLUMNS
};
static const char *const column_names[N_COLUMNS] = {
    "submit_s", "duration_s", "walltime_s", "nodes", "cpus",        "mem_mb",   "gpus",
    "gpu_type", "user",       "group",      "class", "reservation", "origin_id"};

static char **text_member(struct trace_job *j, enum column c)
{
    switch (c) {
    case GPU_TYPE:
        return &j->gpu_type;
    case USER:
        return &j->user;
    case GROUP:
        return &j->group;
    case KIND:
        return &j->kind;
    case RESERVATION:
        return &j->reservation;
    case ID:
        return &j->id;
    default:
        return NULL;
    }
}

static void set_number(struct trace_job *j, enum column c, double value)
{
    if (c == SUBMIT)
        j->submit_sec = (int64_t)value;
    else if (c == DURATION)
        j->duration_sec = (int64_t)value;
    else if (c == WALLTIME)
        j->walltime_sec = (int64_t)value;
    else if (c == NODES)
        j->nodes = value >= 1 ? (uint32_t)value : 1;
    else if (c == CPUS)
        j->cpus = (uint32_t)ceil(value);
    else if (c == MEMORY)
        j->memory_mib = (uint32_t)ceil(value);
    else
        j->gpus = value;
}

/* False: not a number, or too large. */
static bool set_member(struct trace_job *j, enum column c, const char *value)
{
    char **text = text_member(j, c);
    double number;

    if (text) {
        free(*text);
        *text = strdup(value);
        return *text;
    }
    if (!read_number(value, c <= WALLTIME ? 1e11 : 1e9, &number))
        return false;
    set_number(j, c, number);
    return true;
}

/* Members that no column gave. */
static int job_complete(struct trace *t, struct trace_job *j)
{
    char number[24];

    snprintf(number, sizeof(number), "%zu", t->n);
    for (int c = GPU_TYPE; c <= ID; c++) {
        char **text = text_member(j, (enum column)c);

        if (!*text)
            *text = strdup(c == ID ? number : "");
        if (!*text)
            return -ENOMEM;
    }
    return 0;
}

/* ---- CSV ---- */

struct csv {
    struct trace *trace;
    const char *path;
    struct vdi_error *err;
    int columns[64]; /* of the header; -1: not ours */
    size_t n_columns, at;
    size_t line;
    struct trace_job *job;
    int result;
};

static void csv_header(struct csv *c, const char *text)
{
    if (c->n_columns == ELEMENTS(c->columns))
        return;
    c->columns[c->n_columns] = -1;
    for (int i = 0; i < N_COLUMNS; i++)
        if (!strcmp(column_names[i], text))
            c->columns[c->n_columns] = i;
    c->n_columns++;
}

static void csv_field(void *field, size_t len, void *arg)
{
    struct csv *c = arg;
    int column = c->line && c->at < c->n_columns ? c->columns[c->at] : -1;
    const char *text = field ? field : "";

    c->at++;
    if (c->result < 0)
        return;
    if (!c->line) {
        csv_header(c, text);
        return;
    }
    if (!c->job)
        c->job = job_new(c->trace);
    if (!c->job)
        c->result = error_set(c->err, ENOMEM, "trace", "%s has too many jobs", c->path);
    else if (column >= 0 && !set_member(c->job, (enum column)column, text))
        c->result =
            error_set(c->err, EINVAL, column_names[column], "%s:%zu: '%.40s' is no number for %s",
                      c->path, c->line + 1, text, column_names[column]);
}

static bool has_column(const struct csv *c, enum column column)
{
    for (size_t i = 0; i < c->n_columns; i++)
        if (c->columns[i] == (int)column)
            return true;
    return false;
}

static void csv_line(int end, void *arg)
{
    struct csv *c = arg;

    if (!c->line && c->result == 0 && (!has_column(c, SUBMIT) || !has_column(c, DURATION)))
        c->result = error_set(c->err, EINVAL, "trace",
                              "%s: its first line does not name submit_s and duration_s", c->path);
    if (c->job && c->result == 0 && job_complete(c->trace, c->job) < 0)
        c->result = error_set(c->err, ENOMEM, "", "out of memory");
    c->job = NULL;
    c->at = 0;
    c->line++;
}

static int parse_csv(const char *path, const struct buf *text, struct trace *ret,
                     struct vdi_error *err)
{
    struct csv c = {.trace = ret, .path = path, .err = err};
    struct csv_parser parser;

    if (csv_init(&parser, CSV_APPEND_NULL) != 0)
        return error_set(err, ENOMEM, "", "out of memory");
    if (csv_parse(&parser, text->data, text->len, csv_field, csv_line, &c) != text->len ||
        csv_fini(&parser, csv_field, csv_line, &c) != 0)
        c.result = error_set(err, EINVAL, "trace", "%s:%zu: %s", path, c.line + 1,
                             csv_strerror(csv_error(&parser)));
    csv_free(&parser);
    if (!c.line && c.result == 0)
        return error_set(err, EINVAL, "trace", "%s is empty", path);
    return c.result;
}

/* ---- SWF: http://www.cs.huji.ac.il/labs/parallel/workload/swf.html ---- */

/* Its columns, counted from 0, that are ours. Memory (KiB a processor) is not taken. */
static const struct {
    int column;
    enum column member;
} swf_columns[] = {{0, ID},   {1, SUBMIT},   {3, DURATION}, {4, CPUS},
                   {7, CPUS}, {8, WALLTIME}, {11, USER},    {12, GROUP}};

/* Processors asked for stand over those that were given; unknown is -1. */
static bool swf_field(struct trace_job *j, int column, const char *word)
{
    for (size_t i = 0; i < ELEMENTS(swf_columns); i++)
        if (swf_columns[i].column == column && (column != 7 || *word != '-') &&
            !set_member(j, swf_columns[i].member, word))
            return false;
    return true;
}

static int swf_line(char *line, struct trace *t, const char **ret_bad)
{
    struct trace_job *j = NULL;
    int column = 0;
    char *word;

    line += strspn(line, " \t\r");
    if (!*line || *line == ';')
        return 0;
    j = job_new(t);
    if (!j)
        return -ENOMEM;
    while ((word = strsep(&line, " \t\r"))) {
        if (!*word)
            continue;
        if (!swf_field(j, column++, word)) {
            *ret_bad = word;
            return -EINVAL;
        }
    }
    return job_complete(t, j);
}

static int parse_swf(const char *path, struct buf *text, struct trace *ret, struct vdi_error *err)
{
    char *next = text->data ? text->data : (char *)"";
    const char *bad = "";
    size_t n = 0;

    while (*next) {
        char *line = next, *end = strchr(line, '\n');
        int r;

        next = end ? end + 1 : line + strlen(line);
        if (end)
            *end = '\0';
        n++;
        r = swf_line(line, ret, &bad);
        if (r == -EINVAL)
            return error_set(err, EINVAL, "trace", "%s:%zu: '%.40s' is not a number", path, n, bad);
        if (r < 0)
            return error_set(err, ENOMEM, "trace", "%s has too many jobs", path);
    }
    return 0;
}

int trace_read(const char *path, struct trace *ret, struct vdi_error *err)
{
    struct buf text = BUF_INIT(TRACE_BYTES_MAX);
    struct trace trace = {0};
    int r = trace_read_text(path, &text, err);

    if (r == 0 && (ends_with(path, ".swf") || ends_with(path, ".swf.xz")))
        r = parse_swf(path, &text, &trace, err);
    else if (r == 0)
        r = parse_csv(path, &text, &trace, err);
    buf_done(&text);
    if (r < 0)
        trace_done(&trace);
    else
        *ret = trace;
    return r;
}
