/* SPDX-License-Identifier: Apache-2.0 */
/* script.c - one process that runs the owner's script, as the owner or not at all. */
#include "guest/script.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

enum step {
    STEP_SESSION,
    STEP_FILES,
    STEP_GROUPS,
    STEP_GID,
    STEP_UID,
    STEP_CHECK,
    STEP_DIR,
    STEP_EXEC
};

static const char *const step_names[] = {"a session of its own",  "its stdin, stdout and stderr",
                                         "the owner's groups",    "the owner's gid",
                                         "the owner's uid",       "giving up all rights of root",
                                         "its working directory", "the script itself"};

struct failure {
    int32_t step, error;
};

struct pipes {
    int out[2], err[2], status[2];
};

static bool become_owner(const struct script_order *order, enum step *ret_step)
{
    const struct runner_owner *owner = order->owner;
    gid_t groups[RUNNER_GROUPS_MAX];
    uid_t ruid, euid, suid;

    for (uint32_t i = 0; i < owner->n_groups; i++)
        groups[i] = owner->groups[i].gid;
    *ret_step = STEP_GROUPS;
    if (geteuid() == 0 && setgroups(owner->n_groups, groups) < 0)
        return false;
    *ret_step = STEP_GID;
    if (setresgid(owner->gid, owner->gid, owner->gid) < 0)
        return false;
    *ret_step = STEP_UID;
    if (setresuid(owner->uid, owner->uid, owner->uid) < 0)
        return false;
    *ret_step = STEP_CHECK;
    errno = EPERM;
    if (getresuid(&ruid, &euid, &suid) < 0 || ruid != owner->uid || euid != ruid || suid != ruid ||
        (owner->uid != 0 && setuid(0) == 0))
        return false;
    return true;
}

/* The submitter's directory need not be in the guest: then the script begins at home, and its
 * errors begin with that. */
static bool enter_dir(const struct script_order *order)
{
    if (!str_is_empty(order->work_dir)) {
        if (chdir(order->work_dir) == 0)
            return true;
        if (errno != ENOENT && errno != ENOTDIR)
            return false;
        dprintf(STDERR_FILENO, "vdi-runner: %s: %s: going to %s instead\n", order->work_dir,
                strerror(errno), order->owner->home);
    }
    return chdir(order->owner->home) == 0 || chdir("/") == 0;
}

/* What the runner changed for itself must not pass on. */
static void reset_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void reset_oom_score(void)
{
    _cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : write(fd, "0", 1);
    (void)n; /* no /proc, or it was 0 all along */
}

/* All three are moved out of the way first: any of them may be 0, 1 or 2 themselves. */
static bool set_files(int out, int err)
{
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[3] = {in, out, err};
    for (int i = 0; i < 3; i++)
        if (fds[i] < 0 || (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return false;
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return false;
    return true;
}

/* Without its runner nobody would hear of a script's end, so it has none. */
static void die_with(pid_t runner)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != runner)
        _exit(127);
}

static _Noreturn void child_main(const struct script_order *order, char *const *argv,
                                 const struct pipes *p, pid_t runner)
{
    int out = p->out[1], err = order->merge ? out : p->err[1], status = p->status[1];
    enum step step = STEP_SESSION;
    bool ok = setsid() >= 0;

    reset_signals();
    reset_oom_score();
    umask(022);
    if (ok) {
        step = STEP_FILES;
        ok = set_files(out, err);
    }
    if (ok)
        ok = become_owner(order, &step);
    if (ok) {
        die_with(runner);
        step = STEP_DIR;
        ok = enter_dir(order);
    }
    if (ok) {
        step = STEP_EXEC;
        execve(order->path, argv, order->env);
    }
    struct failure failure = {(int32_t)step, errno};
    ssize_t n = write(status, &failure, sizeof(failure));
    _exit(n == sizeof(failure) ? 126 : 127);
}

/* Said before the fork, so that it can be said in words. */
static int check_identity(const struct script_order *order, struct vdi_error *err)
{
    const struct runner_owner *owner = order->owner;

    if ((owner->uid == 0 || owner->gid == 0) && !order->allow_root) {
        error_set(err, EPERM, "owner.uid", "the owner is root (uid %u, gid %u)", owner->uid,
                  owner->gid);
        error_hint(err, NULL, "start the runner with --allow-root");
        return -EPERM;
    }
    if (geteuid() != 0 && (owner->uid != geteuid() || owner->gid != getegid())) {
        error_set(err, EPERM, "owner.uid", "the runner has uid %u and can't become uid %u",
                  geteuid(), owner->uid);
        error_hint(err, NULL, "start the runner as root");
        return -EPERM;
    }
    return 0;
}

static char **make_argv(const struct script_order *order)
{
    size_t n = 0;
    while (order->args && order->args[n])
        n++;
    char **argv = calloc(n + 2, sizeof(*argv));
    if (!argv)
        return NULL;
    memcpy(argv, &order->path, sizeof(*argv));
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = order->args[i];
    return argv;
}

static void close_pipes(struct pipes *p)
{
    int *fds[] = {p->out, p->err, p->status};
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        for (int k = 0; k < 2; k++) {
            closep(&fds[i][k]);
            fds[i][k] = -1;
        }
}

static int open_pipes(struct pipes *p, bool merge)
{
    if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->status, O_CLOEXEC) < 0 ||
        (!merge && pipe2(p->err, O_CLOEXEC) < 0))
        return -errno;
    return 0;
}

int script_start(const struct script_order *order, struct script_process *ret,
                 struct vdi_error *err)
{
    _cleanup_(close_pipes) struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};
    _cleanup_(freep) char **argv = make_argv(order);
    int r = check_identity(order, err);

    if (r < 0)
        return r;
    r = argv ? open_pipes(&p, order->merge) : -ENOMEM;
    if (r < 0)
        return error_set(err, r, "script", "no pipes for the script: %s", strerror(-r));
    pid_t runner = getpid(), pid = fork();
    if (pid < 0)
        return error_set(err, errno, "script", "no process for the script: %s", strerror(errno));
    if (pid == 0)
        child_main(order, argv, &p, runner);
    *ret = (struct script_process){.pid = pid,
                                   .status_fd = TAKE_FD(p.status[0]),
                                   .out = {TAKE_FD(p.out[0]), TAKE_FD(p.err[0])}};
    return 0;
}

int script_failure(int status_fd, struct vdi_error *err)
{
    struct failure failure;
    ssize_t n = read(status_fd, &failure, sizeof(failure));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    if (n != sizeof(failure) || failure.step < 0 || failure.step >= (int)ELEMENTS(step_names))
        return 0;
    return error_set(err, failure.error, "script", "not started: %s: %s", step_names[failure.step],
                     strerror(failure.error));
}

uint64_t script_start_ticks(pid_t pid)
{
    char path[64], text[1024];
    unsigned long long ticks = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    if (!f || !fgets(text, sizeof(text), f))
        return 0;
    char *p = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p && sscanf(p, "%llu", &ticks) == 1 ? ticks : 0;
}
