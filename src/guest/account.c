/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.c - the owner's account in the guest: checked, or made (passwd, group, shadow, home).
 *
 * The files are read as they are, not through NSS: the runner is static, and an account of NSS
 * needs nothing from us. What is there stays, but for member lists of groups, and for gid and home
 * of the owner's own account: `id` says in the guest what it says outside. Another account with
 * the owner's name or uid is refused, for it may have a password or keys that open it.
 */
#include "guest/account.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <shadow.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

#define FILE_BYTES_MAX (4u << 20) /* of passwd, group, shadow */

static int read_file(const char *etc, const char *name, struct buf *out)
{
    char path[PATH_MAX], piece[4096];
    snprintf(path, sizeof(path), "%s/%s", etc, name);
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        if (buf_append(out, piece, n) < 0)
            return -EFBIG;
    if (ferror(f))
        return -EIO;
    return out->len && out->data[out->len - 1] != '\n' ? buf_putc(out, '\n') : buf_puts(out, "");
}

/* With the mode and owner of the old one. */
static int replace_file(const char *etc, const char *name, const struct buf *text)
{
    char path[PATH_MAX];
    struct stat st = {.st_mode = 0644};
    snprintf(path, sizeof(path), "%s/%s", etc, name);
    if (stat(path, &st) < 0 && errno != ENOENT)
        return -errno;
    return text->failed ? -ENOMEM : file_replace_like(path, text->data, text->len, &st);
}

/* The line whose field number `field` is `value`; its fields are told apart by ':'. */
static const char *find_line(const struct buf *text, unsigned field, const char *value)
{
    size_t len = strlen(value);
    for (const char *line = text->data; line && *line;) {
        const char *p = line, *end = strchrnul(line, '\n');
        for (unsigned i = 0; i < field && p < end; i++)
            p = (const char *)memchr(p, ':', (size_t)(end - p)) ?: end, p += p < end;
        if ((size_t)(end - p) >= len && !strncmp(p, value, len) &&
            (p + len == end || p[len] == ':'))
            return line;
        line = *end ? end + 1 : NULL;
    }
    return NULL;
}

static bool line_has(const char *line, unsigned field, const char *value)
{
    _cleanup_(buf_done) struct buf one = BUF_INIT(0);
    buf_append(&one, line, strcspn(line, "\n"));
    return !one.failed && find_line(&one, field, value);
}

static int check_words(const struct runner_owner *owner, struct vdi_error *err)
{
    if (!str_is_name(owner->name, sizeof(owner->name) - 1))
        return error_set(err, EINVAL, "owner.name", "'%s' is no name of an account", owner->name);
    if (owner->home[0] != '/' || strpbrk(owner->home, ":\n"))
        return error_set(err, EINVAL, "owner.home", "'%s' is no home directory", owner->home);
    for (uint32_t i = 0; i < owner->n_groups; i++)
        if (!str_is_name(owner->groups[i].name, sizeof(owner->groups[i].name) - 1))
            return error_set(err, EINVAL, "owner.groups", "'%s' is no name of a group",
                             owner->groups[i].name);
    return 0;
}

/* 1: there; 0: not there. */
static int check_passwd(const struct buf *passwd, const struct runner_owner *owner,
                        struct vdi_error *err)
{
    char uid[16];
    snprintf(uid, sizeof(uid), "%u", owner->uid);
    const char *by_name = find_line(passwd, 0, owner->name), *by_uid = find_line(passwd, 2, uid);
    if (by_name && !line_has(by_name, 2, uid)) {
        error_set(err, EEXIST, "owner.name",
                  "the guest has an account '%s' with another uid than %s", owner->name, uid);
        error_hint(err, NULL, "take the account out of the image");
        return -EEXIST;
    }
    if (!by_name && by_uid) {
        error_set(err, EEXIST, "owner.uid", "uid %s is another account's in the guest: '%.*s'", uid,
                  (int)strcspn(by_uid, ":\n"), by_uid);
        error_hint(err, NULL, "take the account out of the image");
        return -EEXIST;
    }
    return by_name != NULL;
}

int account_check(const char *etc, const struct runner_owner *owner, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf passwd = BUF_INIT(FILE_BYTES_MAX);
    int r = check_words(owner, err);
    if (r < 0)
        return r;
    r = read_file(etc, "passwd", &passwd);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_set(err, r, "passwd", "%s/passwd can't be read: %s", etc, strerror(-r));
    r = check_passwd(&passwd, owner, err);
    return r < 0 ? r : 0;
}

static bool has_member(const char *line, size_t len, const char *name)
{
    const char *p = line;
    for (int i = 0; i < 3 && p; i++)
        p = memchr(p, ':', len - (size_t)(p - line)) ? strchr(p, ':') + 1 : NULL;
    while (p && p < line + len) {
        size_t n = strcspn(p, ",\n");
        if (n == strlen(name) && !strncmp(p, name, n))
            return true;
        p += n + 1;
    }
    return false;
}

/* Puts the member at the end of the line. */
static int add_member(struct buf *group, const char *line, const char *name)
{
    size_t at = (size_t)(line - group->data), len = strcspn(line, "\n");
    if (has_member(line, len, name))
        return 0;
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);
    buf_append(&text, group->data, at + len);
    if (len && line[len - 1] != ':')
        buf_putc(&text, ',');
    buf_puts(&text, name);
    buf_puts(&text, line + len);
    if (text.failed)
        return -ENOMEM;
    buf_done(group);
    *group = text;
    text = BUF_INIT(0);
    return 0;
}

/* In front of all lines: of several with one number the first is what people are shown. */
static int prepend_group(struct buf *group, const char *name, const char *number,
                         const char *member)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);

    buf_printf(&text, "%s:x:%s:%s\n", name, number, member);
    buf_append(&text, group->data, group->len);
    if (text.failed)
        return -ENOMEM;
    buf_done(group);
    *group = text;
    text = BUF_INIT(0);
    return 0;
}

/*
 * The group has name and number as outside. Where the guest has the number under another name
 * it gets the owner's name too, and that first; where it has the name with another number both
 * lines stay, and the guest's own programs go on with theirs, which is found first by name.
 */
static int put_group(struct buf *group, const char *name, uint32_t gid, const char *member)
{
    char number[16];
    snprintf(number, sizeof(number), "%u", gid);
    const char *by_gid = find_line(group, 2, number);
    if (!by_gid)
        return buf_printf(group, "%s:x:%s:%s\n", name, number, member);
    if (!line_has(by_gid, 0, name))
        return prepend_group(group, name, number, member);
    return *member ? add_member(group, by_gid, member) : 0;
}

/* Its name comes with the owner's other groups; who says none gets one of the owner's name. */
static int put_primary_group(struct buf *group, const struct runner_owner *owner)
{
    char number[16];

    for (uint32_t i = 0; i < owner->n_groups; i++)
        if (owner->groups[i].gid == owner->gid)
            return put_group(group, owner->groups[i].name, owner->gid, "");
    snprintf(number, sizeof(number), "%u", owner->gid);
    return find_line(group, 2, number) ? 0 : put_group(group, owner->name, owner->gid, "");
}

static int put_groups(const char *etc, const struct runner_owner *owner, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf group = BUF_INIT(FILE_BYTES_MAX);
    int r = read_file(etc, "group", &group);
    if (r < 0 && r != -ENOENT)
        return error_set(err, r, "group", "%s/group can't be read: %s", etc, strerror(-r));
    size_t before = group.len;
    r = put_primary_group(&group, owner);
    for (uint32_t i = 0; r >= 0 && i < owner->n_groups; i++)
        if (owner->groups[i].gid != owner->gid)
            r = put_group(&group, owner->groups[i].name, owner->groups[i].gid, owner->name);
    if (r < 0)
        return error_set(err, r, "group", "%s/group can't be extended: %s", etc, strerror(-r));
    if (group.len != before) {
        r = replace_file(etc, "group", &group);
        if (r < 0)
            error_set(err, r, "group", "%s/group can't be written: %s", etc, strerror(-r));
    }
    return r;
}

static int append_line(const char *etc, const char *name, struct buf *text, const char *line,
                       struct vdi_error *err)
{
    int r = buf_puts(text, line);
    if (r == 0)
        r = replace_file(etc, name, text);
    if (r < 0)
        error_set(err, r, name, "%s/%s can't be written: %s", etc, name, strerror(-r));
    return r;
}

/* The owner's account is there, perhaps of another time: gid and home are those of today. */
static int update_passwd(const char *etc, const struct buf *passwd,
                         const struct runner_owner *owner, struct vdi_error *err)
{
    const char *line = find_line(passwd, 0, owner->name), *field[7] = {line};
    size_t len = strcspn(line, "\n"), at = (size_t)(line - passwd->data);
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);
    char gid[16];
    int r;

    for (size_t i = 1; i < ELEMENTS(field); i++) {
        field[i] = memchr(field[i - 1], ':', len - (size_t)(field[i - 1] - line));
        if (!field[i]++)
            return error_set(err, EBADMSG, "passwd", "%s/passwd: the line of '%s' is cut off", etc,
                             owner->name);
    }
    snprintf(gid, sizeof(gid), "%u", owner->gid);
    if (line_has(line, 3, gid) && line_has(line, 5, owner->home))
        return 0;
    buf_append(&text, passwd->data, at);
    buf_append(&text, line, (size_t)(field[3] - line));
    buf_printf(&text, "%s:%.*s%s:", gid, (int)(field[5] - field[4]), field[4], owner->home);
    buf_append(&text, field[6], passwd->len - (size_t)(field[6] - passwd->data));
    r = replace_file(etc, "passwd", &text);
    return r < 0 ? error_set(err, r, "passwd", "%s/passwd can't be written: %s", etc, strerror(-r))
                 : 0;
}

static int put_passwd(const char *etc, const struct runner_owner *owner, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf passwd = BUF_INIT(FILE_BYTES_MAX);
    _cleanup_(buf_done) struct buf shadow = BUF_INIT(FILE_BYTES_MAX);
    char line[512];
    int r = read_file(etc, "passwd", &passwd);
    if (r < 0 && r != -ENOENT)
        return error_set(err, r, "passwd", "%s/passwd can't be read: %s", etc, strerror(-r));
    r = check_passwd(&passwd, owner, err);
    if (r != 0)
        return r < 0 ? r : update_passwd(etc, &passwd, owner, err);
    /* '*': no password opens it. First, so that the account is never there without it. */
    if (read_file(etc, "shadow", &shadow) == 0 && !find_line(&shadow, 0, owner->name)) {
        snprintf(line, sizeof(line), "%s:*:::::::\n", owner->name);
        r = append_line(etc, "shadow", &shadow, line, err);
    }
    snprintf(line, sizeof(line), "%s:x:%u:%u::%s:/bin/sh\n", owner->name, owner->uid, owner->gid,
             owner->home);
    return r < 0 ? r : append_line(etc, "passwd", &passwd, line, err);
}

/* Only what is made here is given away: a directory that was there keeps its owner. */
static int make_home(const struct runner_owner *owner, struct vdi_error *err)
{
    char path[sizeof(owner->home)];
    str_copy(path, sizeof(path), owner->home);
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0755); /* whether it worked is seen at the last one */
            *p = '/';
        }
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0
                               : error_set(err, errno, "owner.home", "'%s' can't be made: %s", path,
                                           strerror(errno));
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, owner->uid, owner->gid) < 0)
        return error_set(err, errno, "owner.home", "'%s' can't be given to uid %u: %s", path,
                         owner->uid, strerror(errno));
    return 0;
}

int account_ensure(const char *etc, const struct runner_owner *owner, struct vdi_error *err)
{
    int r = check_words(owner, err);
    if (r < 0)
        return r;
    bool is_system = str_equal(etc, "/etc");
    if (is_system && lckpwdf() < 0)
        return error_set(err, EBUSY, "passwd", "the lock of %s/passwd can't be had", etc);
    r = put_groups(etc, owner, err);
    if (r >= 0)
        r = put_passwd(etc, owner, err);
    if (is_system)
        ulckpwdf();
    return r < 0 ? r : make_home(owner, err);
}
