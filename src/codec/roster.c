/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster.c - a roster file, which anybody may have written: read within limits, all or nothing.
 *
 * A file that is broken anywhere is refused as a whole: half a list would take the right to a seat
 * from those in the other half.
 */
#include "codec/roster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

#define UNIX "unix:"

struct roster {
    char *text; /* the keys of `names` are in it */
    struct hash *names;
};

void roster_free(struct roster *r)
{
    if (!r)
        return;
    hash_free(r->names);
    free(r->text);
    free(r);
}

size_t roster_count(const struct roster *r)
{
    return hash_count(r->names);
}

bool roster_has(const struct roster *r, const char *realm, const char *name)
{
    char key[VDI_REALM_MAX + VDI_NAME_MAX + 2];

    if (str_equal(realm, "unix"))
        return hash_get(r->names, name) != NULL;
    snprintf(key, sizeof(key), "%s:%s", realm, name);
    return hash_get(r->names, key) != NULL;
}

bool roster_equal(const struct roster *a, const struct roster *b)
{
    void *name;

    if (hash_count(a->names) != hash_count(b->names))
        return false;
    for (size_t i = 0; hash_next(a->names, &i, &name);)
        if (!hash_get(b->names, name))
            return false;
    return true;
}

/* ---- lines ---- */

static int refuse(struct vdi_error *err, const char *limit, const char *remedy, const char *what)
{
    error_set(err, EINVAL, "", "%s", what);
    error_hint(err, limit, remedy);
    return -EINVAL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the line down to its word: "" if there is none. */
static int cut_word(char **io_word, struct vdi_error *err)
{
    char *word = *io_word, *end;

    while (is_blank(*word))
        word++;
    *io_word = word;
    if (*word == '#')
        *word = '\0';
    end = word + strcspn(word, " \t");
    while (is_blank(*end))
        *end++ = '\0';
    if (*end && *end != '#')
        return refuse(err, NULL, "write each name in a line of its own, and '#' before a comment",
                      "there is more than one name");
    *end = '\0';
    return 0;
}

/* A realm may have colons of its own: all is compared with what principals are called. */
static int check_word(const char *word, struct vdi_error *err)
{
    const char *colon = strrchr(word, ':');
    size_t max = colon ? VDI_REALM_MAX + VDI_NAME_MAX - 1 : VDI_NAME_MAX - 1;

    if (!str_is_text(word, strlen(word), false))
        return refuse(err, NULL, "save it as UTF-8 without control characters", "it is not text");
    if (strpbrk(word, ",;"))
        return refuse(err, NULL, "write each name in a line of its own",
                      "a name has neither ',' nor ';'");
    if (*word == ':' || (colon && !colon[1]))
        return refuse(err, NULL, "write NAME, or REALM:NAME", "there is half a name");
    if (strlen(word) > max)
        return refuse(err, colon ? "95 bytes" : "63 bytes", "write NAME, or REALM:NAME",
                      "the name is too long");
    return 0;
}

/* A name that is there twice is there. */
static int put_word(struct roster *r, char *word, struct vdi_error *err)
{
    char *key = str_starts_with(word, UNIX) ? word + strlen(UNIX) : word;
    int code = hash_put(r->names, key, key);

    if (code < 0 && code != -EEXIST)
        return error_set(err, ENOMEM, "", "out of memory");
    if (hash_count(r->names) > ROSTER_NAMES_MAX)
        return refuse(err, "20000 names", "name a group of the system instead",
                      "there are too many names");
    return 0;
}

static int put_line(struct roster *r, char *line, size_t len, struct vdi_error *err)
{
    int code;

    if (len > ROSTER_LINE_MAX)
        return refuse(err, "255 bytes", "write each name in a line of its own",
                      "the line is too long");
    if (strlen(line) != len)
        return refuse(err, NULL, "save it as UTF-8 without control characters", "it is not text");
    if (len && line[len - 1] == '\r')
        line[len - 1] = '\0';
    code = cut_word(&line, err);
    if (code < 0 || !*line)
        return code;
    code = check_word(line, err);
    return code < 0 ? code : put_word(r, line, err);
}

static int put_lines(struct roster *r, size_t len, unsigned *ret_line, struct vdi_error *err)
{
    char *at = r->text, *end = r->text + len;

    if (len >= 3 && !memcmp(at, "\xef\xbb\xbf", 3)) /* a byte order mark, as some editors write */
        at += 3;
    for (*ret_line = 1; at < end; (*ret_line)++) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        char *stop = newline ? newline : end;
        int code;

        *stop = '\0';
        code = put_line(r, at, (size_t)(stop - at), err);
        if (code < 0)
            return code;
        at = stop + 1;
    }
    *ret_line = 0;
    return 0;
}

/* Takes the text, which has a byte more than `len`. */
static int parse_take(char *text, size_t len, struct roster **ret, unsigned *ret_line,
                      struct vdi_error *err)
{
    _cleanup_(roster_freep) struct roster *r = calloc(1, sizeof(*r));
    int code;

    *ret_line = 0;
    if (!r) {
        free(text);
        return error_set(err, ENOMEM, "", "out of memory");
    }
    r->text = text;
    r->names = hash_new_str();
    if (!r->names)
        return error_set(err, ENOMEM, "", "out of memory");
    if (!len) /* whoever writes it anew has not got far, or found the disk full */
        return refuse(err, NULL, "write the members; a comment alone says that there are none",
                      "it is empty");
    code = put_lines(r, len, ret_line, err);
    if (code == 0)
        *ret = TAKE_PTR(r);
    return code;
}

static int refuse_size(struct vdi_error *err)
{
    error_set(err, EFBIG, "", "it is too large");
    error_hint(err, "1 MiB", "name a group of the system instead");
    return -EFBIG;
}

int roster_parse(const char *text, size_t len, struct roster **ret, unsigned *ret_line,
                 struct vdi_error *err)
{
    char *copy;

    *ret_line = 0;
    if (len > ROSTER_BYTES_MAX)
        return refuse_size(err);
    copy = malloc(len + 1);
    if (!copy)
        return error_set(err, ENOMEM, "", "out of memory");
    memcpy(copy, text, len);
    return parse_take(copy, len, ret, ret_line, err);
}

/* ---- the file ---- */

static struct roster_mark mark_of(const struct stat *st)
{
    return (struct roster_mark){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = st->st_size,
        .changed_sec = st->st_ctim.tv_sec,
        .changed_nsec = st->st_ctim.tv_nsec,
    };
}

static bool mark_is(const struct roster_mark *a, const struct roster_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_sec == b->changed_sec && a->changed_nsec == b->changed_nsec;
}

static int refuse_errno(int code, struct vdi_error *err)
{
    error_set(err, code, "", "it can't be read: %s", strerror(code));
    error_hint(err, NULL, "the controller's user must be able to read it");
    return -code;
}

/* What was opened is looked at, so no name is followed twice. */
static int check_file(const struct stat *st, struct vdi_error *err)
{
    if (!S_ISREG(st->st_mode))
        return refuse(err, NULL, "name a file", "it is not a regular file");
    if (st->st_mode & S_IWOTH)
        return refuse(err, NULL, "chmod o-w", "anyone can write to it");
    return st->st_size > ROSTER_BYTES_MAX ? refuse_size(err) : 0;
}

/* All of it: `size` bytes and the end. */
static int read_all(int fd, char *text, size_t size, struct vdi_error *err)
{
    size_t len = 0;

    while (len <= size) {
        ssize_t n = read(fd, text + len, size + 1 - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse_errno(errno, err);
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return len == size ? 0 : -EAGAIN;
}

static int read_text(int fd, const struct stat *st, char **ret, struct vdi_error *err)
{
    struct roster_mark before = mark_of(st), after;
    _cleanup_(freep) char *text = malloc((size_t)st->st_size + 1);
    struct stat now;
    int code = text ? read_all(fd, text, (size_t)st->st_size, err)
                    : error_set(err, ENOMEM, "", "out of memory");

    if (code < 0 && code != -EAGAIN)
        return code;
    if (fstat(fd, &now) < 0)
        return refuse_errno(errno, err);
    after = mark_of(&now);
    if (code == -EAGAIN || !mark_is(&before, &after)) {
        error_set(err, EAGAIN, "", "it was written to while it was read");
        error_hint(err, NULL, "write another file, and rename it");
        return -EAGAIN;
    }
    *ret = TAKE_PTR(text);
    return 0;
}

int roster_read(const char *path, const struct roster_mark *known, struct roster_mark *ret_mark,
                struct roster **ret, unsigned *ret_line, struct vdi_error *err)
{
    /* No FIFO is waited for, and no terminal becomes ours. */
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    struct stat st;
    int code;

    *ret_line = 0;
    *ret_mark = (struct roster_mark){0};
    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse_errno(errno, err);
    code = check_file(&st, err);
    if (code < 0)
        return code;
    *ret_mark = mark_of(&st);
    if (known && mark_is(known, ret_mark))
        return 1;
    code = read_text(fd, &st, &text, err);
    if (code == 0)
        return parse_take(text, (size_t)st.st_size, ret, ret_line, err);
    *ret_mark = (struct roster_mark){0}; /* to be read again */
    return code;
}
