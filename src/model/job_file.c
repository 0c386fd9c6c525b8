/* SPDX-License-Identifier: Apache-2.0 */
/* job_file.c - -o and -e: symbols checked at submit and filled in at the start. */
#include "model/job_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"

#define WIDTH_MAX 10 /* Slurm's */

/* A symbol behind its '%': its letter and width; returns its length. */
static size_t symbol(const char *text, char *ret_letter, unsigned *ret_width)
{
    size_t n = 0;

    *ret_width = 0;
    for (; text[n] >= '0' && text[n] <= '9'; n++)
        if (*ret_width <= WIDTH_MAX)
            *ret_width = *ret_width * 10 + (unsigned)(text[n] - '0');
    if (*ret_width > WIDTH_MAX)
        *ret_width = WIDTH_MAX;
    *ret_letter = text[n];
    return n + (text[n] != '\0');
}

int job_file_check(const char *field, const char *pattern, bool is_array, struct vdi_error *err)
{
    if (strchr(pattern, '\\'))
        return 0;
    for (const char *p = pattern; (p = strchr(p, '%'));) {
        unsigned width;
        char letter;
        size_t n = symbol(p + 1, &letter, &width);

        if (!letter || !strchr("jAauxNn%", letter)) {
            error_set(err, EINVAL, field, "'%.*s' in '%.80s' is no symbol of a file name here",
                      (int)n + 1, p, pattern);
            error_hint(err, JOB_FILE_SYMBOLS, "write a % as %%");
            return -EINVAL;
        }
        if (letter == 'a' && !is_array) {
            error_set(err, EINVAL, field, "'%%a' in '%.80s' is the index of an array's task",
                      pattern);
            error_hint(err, NULL, "add --array, or write %j");
            return -EINVAL;
        }
        p += n + 1;
    }
    return 0;
}

/* One step of a path: what comes from a user's words names no other directory. */
static void put_step(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_putc(out, text[i] == '/' ? '_' : text[i]);
}

static void put_symbol(const struct job *job, uint32_t node_id, char letter, unsigned width,
                       struct buf *out)
{
    const char *user = strrchr(job->spec->owner, ':');

    user = user ? user + 1 : job->spec->owner;
    if (letter == 'j' || (letter == 'A' && !job->array_id))
        buf_printf(out, "%0*" PRIu64, (int)width, job->id);
    else if (letter == 'A')
        buf_printf(out, "%0*" PRIu64, (int)width, job->array_id);
    else if (letter == 'a')
        buf_printf(out, "%0*" PRIu32, (int)width, job->array_task);
    else if (letter == 'n')
        buf_printf(out, "%0*" PRIu32, (int)width, node_id);
    else if (letter == 'u')
        put_step(out, user, strlen(user));
    else if (letter == 'x')
        put_step(out, job->spec->name, strlen(job->spec->name));
    else if (letter == 'N')
        put_step(out, job->node, strcspn(job->node, "."));
    else
        buf_putc(out, '%');
}

static void put_plain(const char *pattern, struct buf *out)
{
    for (; *pattern; pattern++)
        if (*pattern != '\\')
            buf_putc(out, *pattern);
}

void job_file_name(const struct job *job, uint32_t node_id, const char *pattern, struct buf *out)
{
    bool is_apart = !node_id;

    if (!*pattern)
        return;
    if (*pattern != '/' && *job->spec->work_dir)
        buf_printf(out, "%s/", job->spec->work_dir);
    if (strchr(pattern, '\\')) {
        put_plain(pattern, out);
        pattern = "";
    }
    while (*pattern) {
        size_t n = strcspn(pattern, "%");
        unsigned width;
        char letter;

        buf_append(out, pattern, n);
        pattern += n;
        if (*pattern) {
            pattern += 1 + symbol(pattern + 1, &letter, &width);
            put_symbol(job, node_id, letter, width, out);
            is_apart |= letter == 'n' || letter == 'N';
        }
    }
    if (!is_apart)
        buf_printf(out, ".%" PRIu32, node_id);
}
