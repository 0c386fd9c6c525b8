/* SPDX-License-Identifier: Apache-2.0 */
/* identity_nss.c - the look-ups of identity.h in the Name Service Switch; they may block. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "wire/identity.h"

#define NSS_ROOM (64 * 1024)
#define NSS_GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

static int nss_user(const char *name, uint32_t uid, struct identity_answer *answer)
{
    struct vdi_principal *p = &answer->who;
    _cleanup_(freep) char *room = malloc(NSS_ROOM);
    struct passwd entry, *found = NULL;
    if (!room)
        return -ENOMEM;
    int r = name ? getpwnam_r(name, &entry, room, NSS_ROOM, &found)
                 : getpwuid_r(uid, &entry, room, NSS_ROOM, &found);
    if (!found)
        return r == 0 || r == ESRCH ? -ENOENT : -r;
    if (!str_copy(p->name, sizeof(p->name), found->pw_name))
        return -ENAMETOOLONG;
    /* It is a label in the store and a part of keys: a batch with one that no store takes would
     * take everybody else's changes down with it, again and again. */
    if (!str_is_text(p->name, strlen(p->name), false))
        return -EINVAL;
    if (!str_copy(answer->home, sizeof(answer->home), found->pw_dir ? found->pw_dir : ""))
        answer->home[0] = '\0'; /* part of a path is another path */
    p->uid = found->pw_uid;
    p->gid = found->pw_gid;
    return 0;
}

/* A group without a name goes by its number, as ls(1) shows it. */
static int nss_group_name(gid_t gid, char *room, char *ret)
{
    struct group entry, *found = NULL;
    int r = getgrgid_r(gid, &entry, room, NSS_ROOM, &found);
    if (!found && r != 0 && r != ENOENT && r != ESRCH)
        return -r;
    if (!found || !str_copy(ret, VDI_NAME_MAX, found->gr_name))
        snprintf(ret, VDI_NAME_MAX, "%u", gid);
    return 0;
}

static int nss_groups(struct identity_answer *answer)
{
    struct vdi_principal *p = &answer->who;
    int n = 256;
    _cleanup_(freep) char *room = malloc(NSS_ROOM);
    _cleanup_(freep) gid_t *gids = malloc((size_t)n * sizeof(*gids));
    if (gids && getgrouplist(p->name, p->gid, gids, &n) < 0) {
        if (n <= 0 || n > NSS_GROUPS_MAX)
            return -E2BIG;
        free(gids);
        gids = malloc((size_t)n * sizeof(*gids));
        if (gids && getgrouplist(p->name, p->gid, gids, &n) < 0)
            return -EAGAIN; /* they changed meanwhile */
    }
    if (!gids || !room)
        return -ENOMEM;
    p->n_groups = 0;
    for (int i = 0; i < n && p->n_groups < VDI_PRINCIPAL_GROUPS_MAX; i++) {
        int r = nss_group_name(gids[i], room, p->groups[p->n_groups]);
        if (r < 0)
            return r;
        answer->gids[p->n_groups++] = gids[i];
    }
    return 0;
}

/* The gid that was asked with stays: it is the submitter's (newgrp(1)), not the account's. */
static int nss_account(struct identity_answer *answer)
{
    uint32_t gid = answer->who.gid;
    int r = nss_user(NULL, answer->who.uid, answer);

    answer->who.gid = gid;
    return r < 0 ? r : nss_groups(answer);
}

int identity_nss(enum identity_what what, struct identity_answer *answer)
{
    switch (what) {
    case IDENTITY_GROUPS:
        return nss_groups(answer);
    case IDENTITY_NAME:
        return nss_user(NULL, answer->who.uid, answer);
    case IDENTITY_UID:
        return nss_user(answer->who.name, 0, answer);
    case IDENTITY_ACCOUNT:
        return nss_account(answer);
    }
    return -EINVAL;
}
