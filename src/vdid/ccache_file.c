/* SPDX-License-Identifier: Apache-2.0 */
/* ccache_file.c - a Kerberos credential cache of type FILE: read by its owner, and looked at. */
#include <config.h>

#include "vdid/ccache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* ---- the format: big-endian numbers, and lengths before what is of any length ---- */

struct cursor {
    const uint8_t *p;
    size_t left;
    bool is_cut;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    const uint8_t *at = c->p;

    if (c->is_cut || n > c->left) {
        c->is_cut = true;
        return NULL;
    }
    c->p += n;
    c->left -= n;
    return at;
}

static uint32_t take_number(struct cursor *c, size_t bytes)
{
    const uint8_t *at = take(c, bytes);
    uint32_t n = 0;

    for (size_t i = 0; at && i < bytes; i++)
        n = n << 8 | at[i];
    return n;
}

static const uint8_t *take_data(struct cursor *c, uint32_t *ret_len)
{
    *ret_len = take_number(c, 4);
    return take(c, *ret_len);
}

/* True: its first component is that word. */
static bool take_principal(struct cursor *c, const char *word)
{
    uint32_t n, len;
    bool is_it = false;

    take_number(c, 4); /* the kind of name */
    n = take_number(c, 4);
    take_data(c, &len); /* realm */
    for (uint32_t i = 0; i < n && !c->is_cut; i++) {
        const uint8_t *part = take_data(c, &len);

        is_it = i == 0 ? part && len == strlen(word) && !memcmp(part, word, len) : is_it;
    }
    return is_it;
}

static void skip_list(struct cursor *c)
{
    uint32_t n = take_number(c, 4), len;

    for (uint32_t i = 0; i < n && !c->is_cut; i++) {
        take_number(c, 2);
        take_data(c, &len);
    }
}

/* One credential; its end if it is a ticket-granting ticket, else 0. */
static uint32_t take_credential(struct cursor *c, unsigned version)
{
    uint32_t end, len;
    bool is_tgt;

    take_principal(c, "");
    is_tgt = take_principal(c, "krbtgt");
    take_number(c, version == 3 ? 4 : 2); /* key type; in format 3 twice */
    take_data(c, &len);
    take_number(c, 4); /* when it was got, */
    take_number(c, 4); /* from when it is good, */
    end = take_number(c, 4);
    take_number(c, 4); /* until when it can be renewed */
    take_number(c, 1);
    take_number(c, 4); /* flags */
    skip_list(c);      /* addresses */
    skip_list(c);      /* authorisation data */
    take_data(c, &len);
    take_data(c, &len);
    return is_tgt ? end : 0;
}

int ccache_end(const uint8_t *data, size_t len, int64_t *ret_sec)
{
    struct cursor c = {data, len, false};
    uint32_t format = take_number(&c, 2), last = 0;

    if (format != 0x0503 && format != 0x0504)
        return -EBADMSG;
    if (format == 0x0504)
        take(&c, take_number(&c, 2));
    take_principal(&c, "");
    while (c.left && !c.is_cut) {
        uint32_t end = take_credential(&c, format & 0xff);

        last = end > last ? end : last;
    }
    if (c.is_cut)
        return -EBADMSG;
    if (!last)
        return -ENOKEY;
    *ret_sec = last;
    return 0;
}

/* ---- the file ---- */

static int refuse(int code, const char *path, const char *why, struct vdi_error *err)
{
    error_set(err, code, "ticket", "no Kerberos ticket in %.60s (run kinit): %s", path, why);
    return code;
}

static int read_all(int fd, uint8_t *ret, size_t *ret_len)
{
    size_t n = 0;

    for (;;) {
        ssize_t got = read(fd, ret + n, CCACHE_MAX - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *ret_len = n;
            return got < 0 ? -errno : 0;
        }
        n += (size_t)got;
    }
}

static int check_time(const char *path, int64_t end_sec, int64_t now_sec, struct vdi_error *err)
{
    char why[64], when[32];
    time_t end = (time_t)end_sec;
    struct tm tm;

    if (end_sec > now_sec)
        return 0;
    gmtime_r(&end, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(why, sizeof(why), "it expired at %s", when);
    return refuse(-EKEYEXPIRED, path, why, err);
}

int ccache_file_read(const char *path, int64_t now_sec, uint8_t *ret, size_t *ret_len,
                     struct vdi_error *err)
{
    _cleanup_(closep) int fd =
        open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    int64_t end;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse(-errno, path, errno == ELOOP ? "it is a symbolic link" : strerror(errno),
                      err);
    if (!S_ISREG(st.st_mode))
        return refuse(-EINVAL, path, "it is no regular file", err);
    if (st.st_uid != geteuid() || st.st_mode & 077)
        return refuse(-EPERM, path, "it is not its owner's alone (mode 0600)", err);
    if (st.st_size > CCACHE_MAX)
        return refuse(-EFBIG, path, "it has more than 64 KiB", err);
    r = read_all(fd, ret, ret_len);
    if (r < 0)
        return refuse(r, path, strerror(-r), err);
    r = ccache_end(ret, *ret_len, &end);
    if (r < 0)
        return refuse(r, path, r == -ENOKEY ? "there is none in it" : "it is no credential cache",
                      err);
    return check_time(path, end, now_sec, err);
}
