/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote.c - a directory of a file server, mounted with the owner's ticket by mount(8)'s helpers.
 *
 * Their options are fixed words and numbers; source and target were checked when they came
 * (model/mount.c), and have neither a comma nor a space.
 */
#include "guest/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"

#define DEADLINE_USEC (60 * USEC_PER_SEC) /* less than the node's patience with a bind */

struct remote {
    pid_t pid; /* 0: has ended */
    int words;
    struct source *end, *deadline;
    bool is_late;
    struct runner_mount mount;
    remote_fn fn;
    void *arg;
};

/* Of each type: its helper, the package of Debian that has it, the kernel's module. */
static const struct {
    const char *helper, *package, *module;
} kinds[] = {
    [RUNNER_NFS_KRB5] = {"mount.nfs", "nfs-common", "nfsv4"},
    [RUNNER_SMB] = {"mount.cifs", "cifs-utils", "cifs"},
};

/* SMB: signed or not is the type's word, encrypted is another option; who the owner is, is said
 * three times: whose ticket, whose files, and that the server's ids do not count. */
void remote_options(const struct runner_mount *m, const struct runner_owner *owner,
                    char ret[REMOTE_OPTIONS_MAX])
{
    static const char *const nfs[] = {"krb5", "krb5i", "krb5p"};
    static const char *const smb[] = {"krb5", "krb5i", "krb5,seal"};
    const char *mode = m->read_only ? "ro" : "rw";

    if (m->type == RUNNER_NFS_KRB5)
        snprintf(ret, REMOTE_OPTIONS_MAX, "%s,nodev,nosuid,vers=4,sec=%s,retry=0", mode,
                 nfs[m->security]);
    else
        snprintf(ret, REMOTE_OPTIONS_MAX,
                 "%s,nodev,nosuid,sec=%s,cruid=%u,uid=%u,gid=%u,forceuid,forcegid,"
                 "file_mode=0600,dir_mode=0700,mfsymlinks",
                 mode, smb[m->security], owner->uid, owner->uid, owner->gid);
}

void remote_free(struct remote *r)
{
    if (!r)
        return;
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, WNOHANG);
    }
    source_free(r->end);
    source_free(r->deadline);
    closep(&r->words);
    free(r);
}

void remote_unmount(const struct runner_mount *m)
{
    umount2(m->target, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/* ---- its end ---- */

/* The first line: what follows is where to read more. */
static void read_words(struct remote *r, char *ret, size_t size)
{
    ssize_t n = pread(r->words, ret, size - 1, 0);

    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    for (char *p = ret; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

static bool is_unknown(const char *words)
{
    static const char *const texts[] = {"unknown filesystem", "No such device", "not supported by"};

    for (size_t i = 0; i < ELEMENTS(texts); i++)
        if (strstr(words, texts[i]))
            return true;
    return false;
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct remote *r = arg;
    struct vdi_error err = {0};
    const char *target = r->mount.target;
    char words[160];

    r->pid = 0;
    source_rearm(r->deadline, -1);
    read_words(r, words, sizeof(words));
    if (r->is_late)
        error_set(&err, ETIMEDOUT, "mounts", "%.80s: %.80s does not answer", target,
                  r->mount.source);
    else if (status != 0 && is_unknown(words))
        error_set(&err, ENODEV, "mounts", "%.80s: the image has no kernel module %s", target,
                  kinds[r->mount.type].module);
    else if (status != 0)
        error_set(&err, EIO, "mounts", "%.80s: %s", target,
                  *words ? words : "its helper has failed");
    r->fn(r->arg, &err);
}

static void on_deadline(void *arg)
{
    struct remote *r = arg;

    r->is_late = true;
    kill(r->pid, SIGKILL);
}

/* ---- its start ---- */

static int spawn(struct remote *r, const char *const *argv, char *const *environment)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int e;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    e = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    for (int fd = 1; !e && fd <= 2; fd++)
        e = posix_spawn_file_actions_adddup2(&files, r->words, fd);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!e)
        e = posix_spawn(&r->pid, argv[0], &files, &attr, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (e)
        r->pid = 0;
    return -e;
}

static int start(struct loop *loop, struct remote *r, const char *helper,
                 const struct runner_owner *owner)
{
    char options[REMOTE_OPTIONS_MAX], ccache[64];
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *const environment[] = {path, ccache, NULL};
    const char *const argv[] = {helper, r->mount.source, r->mount.target, "-o", options, NULL};
    int e;

    remote_options(&r->mount, owner, options);
    snprintf(ccache, sizeof(ccache), "KRB5CCNAME=FILE:/tmp/krb5cc_%u", owner->uid);
    r->words = memfd_create("words", MFD_CLOEXEC);
    e = r->words < 0 ? -errno : spawn(r, argv, environment);
    if (e < 0)
        return e;
    r->end = loop_child(loop, r->pid, on_end, r);
    r->deadline = r->end ? loop_timer(loop, DEADLINE_USEC, on_deadline, r) : NULL;
    return r->deadline ? 0 : -ENOMEM;
}

int remote_start(struct loop *loop, const char *helpers, const struct runner_mount *m,
                 const struct runner_owner *owner, remote_fn fn, void *arg, struct remote **ret,
                 struct vdi_error *err)
{
    struct remote *r = calloc(1, sizeof(*r));
    char helper[256];
    int e = r ? 0 : -ENOMEM;

    snprintf(helper, sizeof(helper), "%.200s/%s", helpers, kinds[m->type].helper);
    if (r) {
        *r = (struct remote){.words = -1, .mount = *m, .fn = fn, .arg = arg};
        e = access(helper, X_OK) < 0 ? -errno : start(loop, r, helper, owner);
    }
    if (e == -ENOENT)
        error_set(err, e, "mounts", "%.80s: the image has no %s: install %s in it", m->target,
                  kinds[m->type].helper, kinds[m->type].package);
    else if (e < 0)
        error_set(err, e, "mounts", "%.80s: %.80s can't be started: %s", m->target, helper,
                  strerror(-e));
    if (e < 0) {
        remote_free(r);
        return e;
    }
    *ret = r;
    return 0;
}
