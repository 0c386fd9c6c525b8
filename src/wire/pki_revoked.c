/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki_revoked.c - serials that are no longer good, one a line ('#' begins a comment).
 *
 * A list with a line that is not understood is refused whole: a typo must not let in what
 * was to be kept out.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "wire/pki_internal.h"

#define LIST_MAX ((size_t)16 * 1024 * 1024)

struct pki_revoked {
    struct hash *serials; /* each its own key and value */
    char *text;           /* where they lie */
};

DEFINE_FREEP(struct pki_revoked, pki_revoked_free)

static bool is_serial(const char *s)
{
    size_t len = strlen(s);
    return len > 0 && len < PKI_SERIAL_LEN && len % 2 == 0 && strspn(s, "0123456789abcdef") == len;
}

void pki_revoked_free(struct pki_revoked *revoked)
{
    if (!revoked)
        return;
    hash_free(revoked->serials);
    free(revoked->text);
    free(revoked);
}

bool pki_revoked_has(const struct pki_revoked *revoked, const char *serial)
{
    return revoked && hash_get(revoked->serials, serial);
}

static int add_line(struct pki_revoked *revoked, char *line, unsigned number, struct vdi_error *err)
{
    line[strcspn(line, "# \t\r")] = '\0';
    if (!*line)
        return 0;
    if (!is_serial(line)) {
        error_set(err, EINVAL, "revoked", "Line %u of the list of revoked serials is none: %.48s",
                  number, line);
        error_hint(err, NULL, "A serial is written in lower-case hex, as in `issued`.");
        return -EINVAL;
    }
    int r = hash_put(revoked->serials, line, line);
    return r == -EEXIST ? 0 : r;
}

static int load(int dir_fd, struct pki_revoked **ret, struct vdi_error *err)
{
    _cleanup_(pki_revoked_freep) struct pki_revoked *revoked = calloc(1, sizeof(*revoked));
    if (!revoked || !(revoked->serials = hash_new_str()))
        return -ENOMEM;
    struct buf text = BUF_INIT(0);
    int r = pki_file_read(dir_fd, "revoked", LIST_MAX, true, &text, err);
    if (r < 0 && r != -ENOENT)
        return r;
    revoked->text = r == 0 ? buf_take(&text, NULL) : NULL;
    char *rest = revoked->text, *line;
    for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
        r = add_line(revoked, line, number, err);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(revoked);
    return 0;
}

int pki_revoked_load(const char *dir, struct pki_revoked **ret, struct vdi_error *err)
{
    _cleanup_(closep) int dir_fd = -1;
    int r = pki_dir_open(dir, &dir_fd, err);
    return r < 0 ? r : load(dir_fd, ret, err);
}

static int add(int dir_fd, const struct pki_revoked *revoked, const char *serial,
               struct vdi_error *err)
{
    char line[PKI_SERIAL_LEN + 1];
    if (pki_revoked_has(revoked, serial))
        return 0;
    snprintf(line, sizeof(line), "%s\n", serial);
    return pki_file_append(dir_fd, "revoked", line, err);
}

int pki_revoke(const char *dir, const char *serial, struct vdi_error *err)
{
    _cleanup_(closep) int dir_fd = -1;
    _cleanup_(pki_revoked_freep) struct pki_revoked *revoked = NULL;
    if (!is_serial(serial))
        return error_set(err, EINVAL, "serial", "\"%.48s\" is not a serial.", serial);
    int r = pki_dir_open(dir, &dir_fd, err);
    if (r == 0)
        r = load(dir_fd, &revoked, err);
    return r < 0 ? r : add(dir_fd, revoked, serial, err);
}

int pki_revoke_node(const char *dir, const char *name, unsigned *ret_n, struct vdi_error *err)
{
    _cleanup_(closep) int dir_fd = -1;
    _cleanup_(pki_revoked_freep) struct pki_revoked *revoked = NULL;
    struct buf issued = BUF_INIT(0);
    unsigned n = 0;
    int r = pki_dir_open(dir, &dir_fd, err);
    if (r == 0)
        r = load(dir_fd, &revoked, err);
    if (r == 0)
        r = pki_file_read(dir_fd, "issued", LIST_MAX, true, &issued, err);
    char *rest = r == 0 ? issued.data : NULL, *line;
    while (r == 0 && (line = strsep(&rest, "\n"))) {
        const char *serial = strsep(&line, " "), *whose = strsep(&line, " ");
        if (!str_equal(whose, name) || !is_serial(serial))
            continue;
        r = add(dir_fd, revoked, serial, err);
        n++;
    }
    buf_done(&issued);
    if (r == 0 && n == 0)
        r = -ENOENT;
    if (r == -ENOENT)
        return error_set(err, ENOENT, "name", "No certificate was issued to \"%.80s\".", name);
    if (r == 0 && ret_n)
        *ret_n = n;
    return r;
}
