/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hang_nss.c - for LD_PRELOAD: a name service that hangs for one user, as a directory server
 * that is away does. VDI_HANG_UID is asked about for as long as the file VDI_HANG_FILE is there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

int getpwuid_r(uid_t uid, struct passwd *entry, char *room, size_t size, struct passwd **ret)
{
    static int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);
    const char *hung = getenv("VDI_HANG_UID"), *file = getenv("VDI_HANG_FILE");

    while (hung && file && uid == (uid_t)atol(hung) && access(file, F_OK) == 0)
        usleep(20000);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
    return real(uid, entry, room, size, ret);
}
