/* SPDX-License-Identifier: Apache-2.0 */
/* wait.c - waiting until a job is in a state, with its place and estimate as progress. */
#include "cli/wait.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/progress.h"

#define POLL_FIRST_MSEC 100
#define POLL_LAST_MSEC 5000
/* What is asked for where no progress is shown. */
#define WAIT_FIELDS "id,state,final,node,exit_code,exit_signal,restarts,reason"

void sleep_msec(int64_t msec)
{
    struct timespec t = {msec / 1000, msec % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static char farewell[160]; /* made before the signal can come */

/* SA_RESETHAND: raised again, the signal ends the process as it would have without us. */
static void leave(int signo)
{
    ssize_t n = write(STDERR_FILENO, farewell, strlen(farewell));
    (void)n;
    raise(signo);
}

static void farewell_set(const struct wait *wait, struct sigaction *ret_old)
{
    struct sigaction action = {.sa_handler = leave, .sa_flags = (int)SA_RESETHAND};
    snprintf(farewell, sizeof(farewell), "\n%s: job %s is left as it is; vdicancel %s ends it\n",
             wait->program, wait->id, wait->id);
    sigaction(SIGINT, NULL, ret_old);
    if (ret_old->sa_handler != SIG_IGN) /* a shell's job in the background */
        sigaction(SIGINT, &action, NULL);
}

/* Asks less often the longer it takes: 1,000 waiting processes are no load. */
static int wait_loop(struct client *client, const struct wait *wait, struct progress *progress,
                     struct document **ret, struct vdi_error *err)
{
    char target[160], line[256];
    bool shows = !wait->quiet && (wait->lines || progress_is_wanted());
    snprintf(target, sizeof(target), "/v1/jobs/%s%s", wait->id,
             shows ? "" : "?fields=" WAIT_FIELDS);
    for (int64_t msec = POLL_FIRST_MSEC;; msec = msec * 5 / 4) {
        _cleanup_(document_freep) struct document *document = NULL;
        int r = client_get(client, target, &document, err);
        if (r < 0 && client_exit_code(r) != EXIT_UNREACHABLE)
            return r;
        const struct value *job = document_root(document);
        if (r == 0 && wait->is_over(job_state_from(value_get_string(job, "state", "")))) {
            *ret = TAKE_PTR(document);
            return 0;
        }
        if (r == 0)
            progress_of_job(job, time_now_usec(), line, sizeof(line));
        else
            snprintf(line, sizeof(line), "job %s: the controller does not answer", wait->id);
        if (shows)
            progress_show(progress, line);
        msec = msec > POLL_LAST_MSEC ? POLL_LAST_MSEC : msec;
        sleep_msec(msec);
    }
}

int wait_for_job(struct client *client, const struct wait *wait, struct document **ret,
                 struct vdi_error *err)
{
    struct progress progress = {.lines = wait->lines};
    struct sigaction old;
    farewell_set(wait, &old);
    int r = wait_loop(client, wait, &progress, ret, err);
    progress_clear(&progress);
    sigaction(SIGINT, &old, NULL);
    return r;
}
