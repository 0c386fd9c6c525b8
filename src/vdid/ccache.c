/* SPDX-License-Identifier: Apache-2.0 */
/* ccache.c - the child that reads a credential cache as its owner: started, waited for, read. */
#include "vdid/ccache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/child.h"

#define DEADLINE_USEC (20 * USEC_PER_SEC) /* a file server that doesn't answer */

struct ccache_read {
    struct child *child;
    int file; /* memory */
    ccache_fn fn;
    void *arg;
};

void ccache_read_free(struct ccache_read *c)
{
    if (!c)
        return;
    child_free(c->child);
    closep(&c->file);
    free(c);
}

static void on_end(void *arg, int status, const char *output)
{
    struct ccache_read *c = arg;
    char why[256];
    size_t size = RUNNER_TICKET_MAX + 1;
    uint8_t *data = malloc(size);
    ssize_t n = data ? pread(c->file, data, size, 0) : -1;

    str_copy(why, sizeof(why), output);
    why[strcspn(why, "\n")] = '\0';
    if (status == -ETIMEDOUT)
        str_copy(why, sizeof(why), "the file with the Kerberos ticket can't be read in time");
    else if (status == 0 && n > 0 && (size_t)n < size)
        why[0] = '\0';
    else if (!*why)
        str_copy(why, sizeof(why), "the program that reads the Kerberos ticket has failed");
    if (*why)
        c->fn(c->arg, NULL, 0, why);
    else
        c->fn(c->arg, data, (size_t)n, NULL);
    if (data)
        explicit_bzero(data, size);
    free(data);
}

int ccache_read_new(struct loop *loop, const char *program, const struct runner_owner *owner,
                    const char *path, ccache_fn fn, void *arg, struct ccache_read **ret,
                    struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf groups = BUF_INIT(4096);
    struct ccache_read *c = calloc(1, sizeof(*c));
    char uid[16], gid[16];
    int r = c ? 0 : -ENOMEM;

    snprintf(uid, sizeof(uid), "%u", owner->uid);
    snprintf(gid, sizeof(gid), "%u", owner->gid);
    buf_puts(&groups, "");
    for (uint32_t i = 0; i < owner->n_groups; i++)
        buf_printf(&groups, "%s%u", i ? "," : "", owner->groups[i].gid);
    const char *const argv[] = {program, uid, gid, groups.data, path, NULL};

    if (c) {
        *c = (struct ccache_read){.fn = fn, .arg = arg};
        c->file = memfd_create("ticket", MFD_CLOEXEC);
        r = c->file < 0 ? -errno : groups.failed ? -ENOMEM : 0;
    }
    if (r < 0)
        error_set(err, r, "ticket", "%s can't be started: %s", program, strerror(-r));
    else
        r = child_start_to(loop, argv, c->file, DEADLINE_USEC, on_end, c, &c->child, err);
    if (r < 0) {
        ccache_read_free(c);
        return r;
    }
    *ret = c;
    return 0;
}
