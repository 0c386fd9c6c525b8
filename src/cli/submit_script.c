/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit_script.c - a batch script: read within limits, checked, its #VDI lines taken apart.
 *
 * A directive counts up to the first line that is neither blank nor a comment,
 * as in sbatch(1). Words are split as a shell does with quotes and backslashes,
 * and nothing is expanded.
 */
#include "cli/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"

#define WORDS_MAX 64 /* of one line */

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        if (buf_reserve(out, 65536) < 0)
            return -ENOMEM;
        ssize_t n = read(fd, out->data + out->len, out->size - out->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        out->len += (size_t)n;
        if (out->len > SCRIPT_MAX)
            return -EFBIG;
    }
}

static int refuse_size(const char *name, struct vdi_error *err)
{
    error_set(err, EFBIG, "script", "%.200s is larger than a script may be", name);
    error_hint(err, "4 MiB", "keep data in files of their own");
    return -EINVAL;
}

static int script_open(const char *path, struct vdi_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0)
        return error_set(err, errno, "script", "%.200s: %s", path, strerror(errno)), -EINVAL;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        return error_set(err, EISDIR, "script", "%.200s is a directory", path), -EINVAL;
    }
    return fd;
}

int script_read(const char *path, struct script *ret, struct vdi_error *err)
{
    bool is_input = !path || str_equal(path, "-");
    const char *slash = is_input ? NULL : strrchr(path, '/');
    _cleanup_(closep) int fd = is_input ? dup(STDIN_FILENO) : script_open(path, err);
    if (fd < 0)
        return -EINVAL;
    _cleanup_(buf_done) struct buf text = BUF_INIT(SCRIPT_MAX + 65537);
    *ret = (struct script){.name = is_input ? "stdin" : slash ? slash + 1 : path};
    int r = read_all(fd, &text);
    if (r == -EFBIG)
        return refuse_size(ret->name, err);
    if (r < 0)
        return error_set(err, -r, "script", "%.200s: %s", ret->name, strerror(-r)), -EINVAL;
    ret->text = buf_take(&text, &ret->len);
    if (!ret->text)
        return error_set(err, ENOMEM, "script", "no memory for the script");
    ret->text[ret->len] = '\0';
    r = script_check(ret, err);
    if (r < 0)
        script_done(ret);
    return r;
}

int script_from_command(const char *command, struct script *ret, struct vdi_error *err)
{
    *ret = (struct script){.name = "wrap"};
    if (strlen(command) > SCRIPT_MAX - 64)
        return refuse_size("--wrap", err);
    ret->text =
        str_printf("#!/bin/sh\n# This script was made by vdisubmit --wrap.\n\n%s\n", command);
    if (!ret->text)
        return error_set(err, ENOMEM, "script", "no memory for the script");
    ret->len = strlen(ret->text);
    return 0;
}

static int refuse_script(const struct script *script, struct vdi_error *err, const char *why,
                         const char *remedy)
{
    error_set(err, EINVAL, "script", "%.200s %s", script->name, why);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

/* JSON carries UTF-8; the control characters that str_is_text refuses may pass. */
bool script_is_utf8(const char *text, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && (unsigned char)text[i] >= 32 && text[i] != 127)
            continue;
        if (!str_is_text(text + start, i - start, false))
            return false;
        start = i + 1;
    }
    return true;
}

int script_check(const struct script *script, struct vdi_error *err)
{
    if (script->len > SCRIPT_MAX)
        return refuse_size(script->name, err);
    if (script->len == 0)
        return refuse_script(script, err, "is empty",
                             "begin it with #!/bin/sh; a desktop needs --desktop TEMPLATE");
    if (memchr(script->text, '\0', script->len))
        return refuse_script(script, err, "has a NUL byte in it: it is no script",
                             "give a script; --wrap runs a program");
    if (!str_starts_with(script->text, "#!"))
        return refuse_script(script, err, "does not begin with #!",
                             "begin it with #!/bin/sh, or use --wrap");
    if (memmem(script->text, script->len, "\r\n", 2))
        return refuse_script(script, err, "has the line ends of DOS",
                             "remove them: sed -i 's/\\r$//' FILE");
    if (!script_is_utf8(script->text, script->len))
        return refuse_script(script, err, "is not UTF-8", "convert it: iconv -t UTF-8 FILE");
    return 0;
}

/* Splits in place. Returns the number of words, or -EINVAL for an open quote, -E2BIG. */
static int split_words(char *line, char **words, int max)
{
    int n = 0;
    for (char *p = line; *p;) {
        p += strspn(p, " \t");
        if (!*p || *p == '#')
            break;
        if (n == max)
            return -E2BIG;
        char quote = 0, *out = words[n++] = p;
        for (; *p && (quote || !strchr(" \t", *p)); p++) {
            if (quote ? *p == quote : *p == '"' || *p == '\'')
                quote = quote ? 0 : *p;
            else if (*p == '\\' && quote != '\'' && p[1])
                *out++ = *++p;
            else
                *out++ = *p;
        }
        if (quote)
            return -EINVAL;
        p += *p != '\0';
        *out = '\0';
    }
    return n;
}

/* Says in which line of which script it was wrong. */
static int at_line(const struct script *script, unsigned number, struct vdi_error *err)
{
    if (err) {
        char detail[sizeof(err->detail)];
        str_copy(detail, sizeof(detail), err->detail);
        int n = snprintf(err->detail, sizeof(err->detail), "%.100s:%u: ", script->name, number);
        str_copy(err->detail + n, sizeof(err->detail) - (size_t)n, detail);
    }
    return -EINVAL;
}

static int refuse_line_only(const struct option_row *row, struct vdi_error *err)
{
    error_set(err, EINVAL, row->name, "--%s belongs on the command line, not in a script",
              row->name);
    return -EINVAL;
}

static int line_options(char *line, struct option_list *list, struct vdi_error *err)
{
    char *words[WORDS_MAX + 2] = {(char *)"vdisubmit"};
    int n = split_words(line, words + 1, WORDS_MAX), first;
    size_t before = list->n;
    if (n < 0)
        return error_set(err, EINVAL, "script",
                         n == -EINVAL ? "a quote is left open" : "more than 64 words");
    words[n + 1] = NULL;
    int r = options_parse(&submit_command, n + 1, words, list, &first, err);
    if (r)
        return r < 0 ? r : error_set(err, EINVAL, "script", "not an option for a script");
    if (first < n + 1)
        return error_set(err, EINVAL, "script", "%.60s: not an option", words[first]);
    for (size_t i = before; i < list->n; i++)
        if (list->given[i].row->line_only)
            return refuse_line_only(list->given[i].row, err);
    return 0;
}

static bool is_directive(const char *line, const char *word)
{
    size_t n = strlen(word);
    return str_starts_with(line, word) && (line[n] == ' ' || line[n] == '\t');
}

static bool is_comment_or_blank(const char *line)
{
    line += strspn(line, " \t");
    return !*line || *line == '#';
}

int script_options(struct script *script, bool read_sbatch, struct option_list *list,
                   struct vdi_error *err)
{
    script->lines = strdup(script->text);
    if (!script->lines)
        return error_set(err, ENOMEM, "script", "no memory for the script");
    char *rest = script->lines, *line;
    for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
        if (!is_comment_or_blank(line))
            break;
        char *options = NULL;
        if (is_directive(line, "#VDI"))
            options = line + strlen("#VDI");
        else if (is_directive(line, "#SBATCH") && read_sbatch)
            options = line + strlen("#SBATCH");
        else if (is_directive(line, "#SBATCH"))
            script->sbatch_lines++;
        if (options && line_options(options, list, err) < 0)
            return at_line(script, number, err);
    }
    return 0;
}

void script_done(struct script *script)
{
    free(script->text);
    free(script->lines);
    *script = (struct script){.text = NULL};
}
