/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c - vdi-runner: options, signals, life and end of the program in the guest.
 *
 * It has no configuration file and needs none of the guest's: it must run in an initramfs.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "guest/guest.h"
#include "guest/keep.h"

#define STOP_USEC (5 * USEC_PER_SEC) /* for the script to end after SIGTERM */

static const char help[] =
    "Usage: vdi-runner [OPTIONS]\n"
    "Runs the scripts of OSVDI jobs inside a guest, as their owner.\n"
    "\n"
    "  -p, --port PATH          device, socket or tty to the host (virtio port org.osvdi.job.0)\n"
    "  -s, --state-dir DIR      what must survive a restart (/var/lib/vdi-runner)\n"
    "  -a, --manage-accounts    makes the owner's account and home if they are missing\n"
    "      --allow-root         runs scripts whose owner is root\n"
    "      --set-clock          sets the clock when the host says what time it is\n"
    "      --session PROGRAM    is a desktop's session, run as its owner (/etc/vdi-runner/session)\n"
    "      --waiting PROGRAM    is shown until there is an owner (/etc/vdi-runner/waiting)\n"
    "      --message PROGRAM    shows the user a text from its stdin (/etc/vdi-runner/message)\n"
    "      --shutdown PROGRAM   switches the guest off (/sbin/poweroff)\n"
    "      --input-dir DIR      has the input devices, which tell who is there (/dev/input)\n"
    "      --idle-after SECONDS without input, the host is told that nobody is (60)\n"
    "      --mount-helpers DIR  has mount.nfs and mount.cifs (/sbin)\n"
    "  -v, --verbose            says more\n"
    "  -h, --help               prints this\n"
    "  -V, --version            prints the version\n";

enum {
    OPT_ALLOW_ROOT = 256,
    OPT_SET_CLOCK,
    OPT_SESSION,
    OPT_WAITING,
    OPT_MESSAGE,
    OPT_SHUTDOWN,
    OPT_INPUT_DIR,
    OPT_IDLE_AFTER,
    OPT_HELPERS
};

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"state-dir", required_argument, NULL, 's'},
    {"manage-accounts", no_argument, NULL, 'a'},
    {"allow-root", no_argument, NULL, OPT_ALLOW_ROOT},
    {"set-clock", no_argument, NULL, OPT_SET_CLOCK},
    {"session", required_argument, NULL, OPT_SESSION},
    {"waiting", required_argument, NULL, OPT_WAITING},
    {"message", required_argument, NULL, OPT_MESSAGE},
    {"shutdown", required_argument, NULL, OPT_SHUTDOWN},
    {"input-dir", required_argument, NULL, OPT_INPUT_DIR},
    {"idle-after", required_argument, NULL, OPT_IDLE_AFTER},
    {"mount-helpers", required_argument, NULL, OPT_HELPERS},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static bool read_idle_after(const char *text, int64_t *ret_sec)
{
    uint64_t sec;

    if (str_to_u64(text, 1, RUNNER_INPUT_SEC, &sec) < 0) {
        fprintf(stderr, "vdi-runner: --idle-after takes 1 to %d seconds, not '%s'\n",
                RUNNER_INPUT_SEC, text);
        return false;
    }
    *ret_sec = (int64_t)sec;
    return true;
}

/* -1: go on; else the program's exit status. */
static int parse(int argc, char **argv, struct guest_options *o)
{
    for (int c; (c = getopt_long(argc, argv, "p:s:avhV", long_options, NULL)) >= 0;) {
        if (c == 'p')
            o->port = optarg;
        else if (c == 's')
            o->state_dir = optarg;
        else if (c == 'a')
            o->manage_accounts = true;
        else if (c == OPT_ALLOW_ROOT)
            o->allow_root = true;
        else if (c == OPT_SET_CLOCK)
            o->set_clock = true;
        else if (c == OPT_SESSION)
            o->session = optarg;
        else if (c == OPT_WAITING)
            o->waiting = optarg;
        else if (c == OPT_MESSAGE)
            o->message = optarg;
        else if (c == OPT_SHUTDOWN)
            o->shutdown = optarg;
        else if (c == OPT_INPUT_DIR)
            o->input_dir = optarg;
        else if (c == OPT_IDLE_AFTER && !read_idle_after(optarg, &o->idle_after_sec))
            return 2;
        else if (c == OPT_IDLE_AFTER)
            continue;
        else if (c == OPT_HELPERS)
            o->helpers = optarg;
        else if (c == 'v')
            log_set_level(VDI_LOG_DEBUG);
        else if (c == 'h')
            return fputs(help, stdout) < 0;
        else if (c == 'V')
            return printf("vdi-runner %s\n", PACKAGE_VERSION) < 0;
        else
            return 2;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "vdi-runner: '%s' is not an option; see vdi-runner --help\n", argv[optind]);
    return 2;
}

struct program {
    struct loop *loop;
    struct guest *guest;
    struct source *deadline;
    bool is_stopping;
};

static void on_idle(void *arg)
{
    struct program *p = arg;
    loop_stop(p->loop);
}

/* The first waits for the script, so that its exit status is on disk; the second does not. */
static void on_signal(void *arg, int signo)
{
    struct program *p = arg;
    if (p->is_stopping) {
        loop_stop(p->loop);
        return;
    }
    p->is_stopping = true;
    source_rearm(p->deadline, STOP_USEC);
    guest_stop(p->guest, on_idle, p);
}

static int run(const struct guest_options *options)
{
    struct program p = {.loop = loop_new()};
    struct source *signals[2] = {NULL, NULL};
    int r = 1;

    if (!p.loop)
        return 1;
    p.guest = guest_new(p.loop, options);
    p.deadline = loop_timer(p.loop, -1, on_idle, &p);
    signals[0] = loop_signal(p.loop, SIGTERM, on_signal, &p);
    signals[1] = loop_signal(p.loop, SIGINT, on_signal, &p);
    if (p.guest && p.deadline && signals[0] && signals[1])
        r = loop_run(p.loop) < 0;
    else
        log_error("out of memory");
    guest_free(p.guest);
    source_free(p.deadline);
    source_free(signals[0]);
    source_free(signals[1]);
    loop_free(p.loop);
    return r;
}

/* The last that the guest's kernel should end; scripts are set back to 0. */
static void lower_oom_score(void)
{
    _cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : write(fd, "-1000", 5);
    (void)n;
}

int main(int argc, char **argv)
{
    struct guest_options options = {.state_dir = "/var/lib/vdi-runner",
                                    .session = "/etc/vdi-runner/session",
                                    .waiting = "/etc/vdi-runner/waiting",
                                    .message = "/etc/vdi-runner/message",
                                    .shutdown = "/sbin/poweroff",
                                    .input_dir = "/dev/input",
                                    .idle_after_sec = RUNNER_INPUT_SEC,
                                    .helpers = "/sbin",
                                    .ticket = {"/run/vdi-ticket", "/tmp"}};
    log_init("vdi-runner", VDI_LOG_INFO);
    int r = parse(argc, argv, &options);
    if (r >= 0)
        return r;
    signal(SIGPIPE, SIG_IGN);
    if (geteuid() == 0)
        lower_oom_score();
    r = keep_init(options.state_dir);
    if (r < 0) {
        log_error("%s can't be used: %s", options.state_dir, strerror(-r));
        return 1;
    }
    return run(&options);
}
