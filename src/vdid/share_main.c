/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_main.c - vdi-share: becomes a job's owner, and then the virtiofsd of a directory of his.
 *
 *     vdi-share UID GID GROUPS rw|ro SOURCE SERVER
 *
 * Started by vdid as root with the descriptors of share.h. The server gets a user namespace whose
 * only ids are the owner's uid and groups. It has capabilities there, as it wants them: they count
 * for files of the owner and nobody else (capable_wrt_inode_uidgid() in the kernel), and
 * setresuid() leads to nobody else. The owner's groups can't be dropped: virtiofsd would, and
 * files that the owner reaches by a group would be out of reach. The directory is opened by the
 * owner, without symbolic links, and handed on as a mount that may be read-only.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "vdid/share.h"

#define GROUPS_MAX RUNNER_GROUPS_MAX
#define ID_MAX (UINT32_MAX - 1)
#define FILES_MAX 65536 /* that a guest may hold open */

enum { ARG_UID = 1, ARG_GID, ARG_GROUPS, ARG_MODE, ARG_SOURCE, ARG_SERVER, N_ARGS };

struct ids {
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX + 1]; /* gid among them */
    size_t n_groups;
};

static _Noreturn void fail(const char *what, int code)
{
    dprintf(SHARE_STATUS_FD, "%s: %s\n", what,
            code == ELOOP ? "a symbolic link is in the path" : strerror(code));
    exit(1);
}

static bool has_group(const struct ids *ids, gid_t gid)
{
    for (size_t i = 0; i < ids->n_groups; i++)
        if (ids->groups[i] == gid)
            return true;
    return false;
}

static bool read_ids(char **argv, struct ids *ret)
{
    char copy[(GROUPS_MAX + 1) * 12], *next = copy;
    uint64_t uid, gid, group;

    if (str_to_u64(argv[ARG_UID], 0, ID_MAX, &uid) < 0 ||
        str_to_u64(argv[ARG_GID], 0, ID_MAX, &gid) < 0 ||
        !str_copy(copy, sizeof(copy), argv[ARG_GROUPS]))
        return false;
    *ret = (struct ids){.uid = (uid_t)uid, .gid = (gid_t)gid};
    ret->groups[ret->n_groups++] = ret->gid;
    while (*copy && next) {
        if (str_to_u64(strsep(&next, ","), 0, ID_MAX, &group) < 0)
            return false;
        if (has_group(ret, (gid_t)group))
            continue;
        if (ret->n_groups > GROUPS_MAX)
            return false;
        ret->groups[ret->n_groups++] = (gid_t)group;
    }
    return true;
}

static void write_note(void)
{
    char text[2048] = "", *p;
    uint64_t ticks = 0;
    _cleanup_(closep) int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    p = n > 0 ? strrchr(text, ')') : NULL;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, " %" SCNu64, &ticks) != 1 ||
        dprintf(SHARE_NOTE_FD, "%d %" PRIu64 "\n", (int)getpid(), ticks) < 0)
        fail("the note of its process", errno);
}

/* ---- the namespace ---- */

static bool put_file(pid_t pid, const char *name, const struct buf *text)
{
    char path[64];
    int fd, r;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    r = fd >= 0 && !text->failed && write(fd, text->data, text->len) == (ssize_t)text->len;
    closep(&fd);
    return r;
}

/* Only a process outside may say which ids there are inside. */
static _Noreturn void map_main(pid_t pid, const struct ids *ids, int go)
{
    struct buf uids = BUF_INIT(64), gids = BUF_INIT(4096);
    char byte;
    bool ok = read(go, &byte, 1) == 1;

    buf_printf(&uids, "%u %u 1\n", ids->uid, ids->uid);
    for (size_t i = 0; i < ids->n_groups; i++)
        buf_printf(&gids, "%u %u 1\n", ids->groups[i], ids->groups[i]);
    _exit(ok && put_file(pid, "gid_map", &gids) && put_file(pid, "uid_map", &uids) ? 0 : 1);
}

static void enter_namespace(const struct ids *ids)
{
    pid_t self = getpid(), mapper;
    int go[2], status;

    if (pipe2(go, O_CLOEXEC) < 0)
        fail("a pipe", errno);
    mapper = fork();
    if (mapper < 0)
        fail("a process", errno);
    if (mapper == 0)
        map_main(self, ids, go[0]);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0)
        fail("namespaces of its own (/proc/sys/user/max_user_namespaces)", errno);
    if (write(go[1], "", 1) != 1 || waitpid(mapper, &status, 0) != mapper || status != 0)
        fail("the ids of its namespace", EPERM);
    close(go[0]);
    close(go[1]);
}

/* ---- the owner ---- */

static void become(const struct ids *ids)
{
    uid_t r, e, s;

    if (setgroups(ids->n_groups, ids->groups) < 0 || setresgid(ids->gid, ids->gid, ids->gid) < 0 ||
        setresuid(ids->uid, ids->uid, ids->uid) < 0)
        fail("to become the owner", errno);
    if (getresuid(&r, &e, &s) < 0 || r != ids->uid || e != r || s != r ||
        (ids->uid != 0 && setuid(0) == 0))
        fail("to become the owner", EPERM);
}

/* The directory as a mount that is nobody else's. */
static int open_source(const char *path, bool read_only)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                          (read_only ? MOUNT_ATTR_RDONLY : 0)};
    long dir = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)), tree;

    if (dir < 0)
        fail(path, errno);
    /* The owner's rights decide; that it can be entered is seen here and not in the guest. */
    if (faccessat((int)dir, ".", X_OK, AT_EACCESS) < 0)
        fail(path, errno);
    tree = syscall(SYS_open_tree, (int)dir, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE);
    if (tree < 0 || syscall(SYS_mount_setattr, (int)tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
                            sizeof(attr)) < 0)
        fail(path, errno);
    return (int)tree;
}

/* Over exec, in the namespace alone. */
static void keep_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &head, data) < 0)
        fail("capabilities", errno);
    for (size_t i = 0; i < ELEMENTS(data); i++)
        data[i].inheritable = data[i].permitted;
    if (syscall(SYS_capset, &head, data) < 0)
        fail("capabilities", errno);
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0); /* those that there are */
}

/* setgroups() does nothing and says that all is well. */
static void keep_groups(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ELEMENTS(filter), .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        fail("seccomp", errno);
}

/* What the server says goes to a pipe that may have no reader, or be full: it must not wait. */
static _Noreturn void serve(const char *server, int tree)
{
    const struct rlimit none = {0, 0};
    char source[96], socket[32];
    const char *const argv[] = {server, "-f", socket, "-o", source, "--rlimit-nofile=0", NULL};
    static char *const environment[] = {NULL};

    snprintf(socket, sizeof(socket), "--fd=%d", SHARE_SOCKET_FD);
    snprintf(source, sizeof(source), "source=/proc/self/fd/%d/.,sandbox=chroot,log_level=err",
             tree);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &none);
    if (chdir("/") < 0 || fcntl(tree, F_SETFD, 0) < 0)
        fail("the directory", errno);
    fcntl(SHARE_NOTE_FD, F_SETFD, FD_CLOEXEC);
    fcntl(SHARE_STATUS_FD, F_SETFD, FD_CLOEXEC);
    execve(server, (char *const *)argv, environment);
    fail(server, errno);
}

int main(int argc, char **argv)
{
    const struct rlimit files = {FILES_MAX, FILES_MAX};
    struct ids ids;
    int tree;

    if (argc != N_ARGS) {
        fputs("vdi-share is started by vdid\n", stderr);
        return 2;
    }
    if (!read_ids(argv, &ids))
        fail("the owner's ids", EINVAL);
    setrlimit(RLIMIT_NOFILE, &files);
    setsid();
    write_note();
    enter_namespace(&ids);
    become(&ids);
    tree = open_source(argv[ARG_SOURCE], str_equal(argv[ARG_MODE], "ro"));
    keep_capabilities();
    keep_groups();
    serve(argv[ARG_SERVER], tree);
}
