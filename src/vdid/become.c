/* SPDX-License-Identifier: Apache-2.0 */
/* become.c - a helper of vdid gives up all it has of root, and is a job's owner from then on. */
#include <config.h>

#include "vdid/become.h"

#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define GROUPS_MAX 64
#define ID_MAX (UINT32_MAX - 1)

static int read_groups(const char *text, gid_t *ret, size_t *ret_n)
{
    char copy[GROUPS_MAX * 12], *next = copy;
    uint64_t gid;

    *ret_n = 0;
    if (!str_copy(copy, sizeof(copy), text))
        return -E2BIG;
    while (*copy && next) {
        const char *one = strsep(&next, ",");

        if (*ret_n == GROUPS_MAX || str_to_u64(one, 0, ID_MAX, &gid) < 0)
            return -E2BIG;
        ret[(*ret_n)++] = (gid_t)gid;
    }
    return 0;
}

int become_owner(const char *uid_text, const char *gid_text, const char *groups_text)
{
    gid_t groups[GROUPS_MAX];
    uint64_t uid, gid;
    size_t n;

    if (str_to_u64(uid_text, 0, ID_MAX, &uid) < 0 || str_to_u64(gid_text, 0, ID_MAX, &gid) < 0 ||
        read_groups(groups_text, groups, &n))
        return -E2BIG;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (geteuid() == 0 && setgroups(n, groups) < 0)
        return -errno;
    if (setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) < 0 ||
        setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0)
        return -errno;
    if (uid != 0 && setuid(0) == 0)
        return -EPERM;
    umask(077);
    return chdir("/") < 0 ? -errno : 0;
}
