/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdicancel.c - ends jobs, or sends them a signal, as scancel(1) does.
 *
 * Jobs named by id are ended as named; filters alone are a list that is made
 * first and then ended, so that a job submitted meanwhile is not in it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/job_list.h"
#include "cli/options.h"
#include "cli/signal_name.h"

#define NAME "vdicancel"

struct cancel {
    struct job_filter filter;
    const char *states, *signal;
    int signo; /* 0: end it */
    bool interactive, quiet, verbose, filtered;
    struct client *client;
    struct ids found;
};

#define AT(member) offsetof(struct cancel, member)

static const struct option_row rows[] = {
    {"account", 'A', "ACCOUNTS", "jobs of these accounts", option_set_string, AT(filter.account)},
    {"interactive", 'i', NULL, "ask before each job", option_set_flag, AT(interactive)},
    {"me", 0, NULL, "my jobs", option_set_flag, AT(filter.me)},
    {"name", 'n', "NAMES", "jobs of these names", option_set_string, AT(filter.name)},
    {"nodelist", 'w', "NODES", "jobs on these nodes", option_set_string, AT(filter.nodes)},
    {"partition", 'p', "PARTITIONS", "jobs of these partitions", option_set_string,
     AT(filter.partition)},
    {"qos", 'q', "QOS", "jobs of these qualities of service", option_set_string, AT(filter.qos)},
    {"quiet", 'Q', NULL, "a job that has ended already is no mistake", option_set_flag, AT(quiet)},
    {"reservation", 'R', "CLASSES", "jobs that have seats of these classes", option_set_string,
     AT(filter.reservation)},
    {"signal", 's', "SIG", "send SIG (USR1, TERM, 10) instead of ending the job", option_set_string,
     AT(signal)},
    {"state", 't', "STATES", "jobs in these states: PD, R, ...", option_set_string, AT(states)},
    {"user", 'u', "USERS", "jobs of these users", option_set_string, AT(filter.user)},
    {"verbose", 'v', NULL, "say which job is ended", option_set_flag, AT(verbose)},
    OPTION_REFUSED("batch", 'b', NULL, "the signal goes to the script; use --signal"),
    OPTION_REFUSED("clusters", 'M', "CLUSTERS", "set VDI_URL to one cluster"),
    OPTION_REFUSED("full", 'f', NULL, "the signal goes to the script; use --signal"),
    OPTION_REFUSED("hurry", 'H', NULL, "nothing is staged; leave it out"),
    OPTION_REFUSED("wckey", 0, "KEY", "use --account or --name"),
    {NULL},
};

static const struct command command = {
    .name = NAME,
    .usage = "[OPTION]... [JOB]...",
    .summary = "Ends jobs: by id (17, 17,18, 20-25, 30_[0-4]), or all that the filters leave.",
    .rows = rows,
};

static int signal_number(const char *text, int *ret, struct vdi_error *err)
{
    *ret = signal_from_name(text);
    if (*ret > 0)
        return 0;
    error_set(err, EINVAL, "signal", "--signal=%.30s: no such signal", text);
    error_hint(err, NULL, "write USR1, SIGTERM or 10");
    return -EINVAL;
}

/* No answer, or anything but a y, is a no. */
static bool is_confirmed(const struct cancel *cancel, const char *id)
{
    char answer[16];
    if (!cancel->interactive)
        return true;
    fprintf(stderr, cancel->signo ? "Signal job %s? [y/n] " : "Cancel job %s? [y/n] ", id);
    return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static int cancel_one(const struct cancel *cancel, const char *id, struct vdi_error *err)
{
    char target[96];
    int n = snprintf(target, sizeof(target), "/v1/jobs/%s", id);
    if (cancel->signo)
        snprintf(target + n, sizeof(target) - (size_t)n, "?signal=%d", cancel->signo);
    if (!is_confirmed(cancel, id))
        return 0;
    if (cancel->verbose)
        fprintf(stderr, NAME ": job %s: %s\n", id,
                cancel->signo ? "sending the signal" : "ending it");
    return client_send(cancel->client, "DELETE", target, NULL, NULL, err);
}

/* Every job gets its try; the first failure is the exit code. */
static int cancel_all(const struct cancel *cancel, const struct ids *ids)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < ids->n; i++) {
        struct vdi_error err = {.code = 0};
        char id[ID_TEXT];
        int r = cancel_one(cancel, id_text(ids->ids[i], id), &err);
        if (r == 0 || (r == -ENOENT && cancel->quiet))
            continue;
        int this_code = (int)client_fail(NAME, r, &err);
        code = code ? code : this_code;
        if (this_code == EXIT_UNREACHABLE)
            break;
    }
    return code;
}

static int take_found(void *arg, const struct value *job)
{
    struct cancel *cancel = arg;
    struct vdi_error err;
    return ids_add_id(&cancel->found, id_of(job), &err);
}

static int cancel_found(struct cancel *cancel)
{
    struct vdi_error err = {.code = 0};
    int r = job_list(cancel->client, &cancel->filter, ID_FIELDS, false, take_found, cancel, &err);
    if (r < 0)
        return (int)client_fail(NAME, r, &err);
    return cancel_all(cancel, &cancel->found);
}

static int prepare(struct cancel *c, char **words, int n, struct buf *states, struct vdi_error *err)
{
    int r = 0;
    for (int i = 0; r == 0 && i < n; i++)
        r = ids_add(&c->filter.ids, words[i], err);
    if (r == 0 && c->signal)
        r = signal_number(c->signal, &c->signo, err);
    if (r == 0 && c->states)
        r = job_states_parse(c->states, states, err);
    const struct job_filter *f = &c->filter;
    c->filter.state = states->data;
    c->filtered = f->user || f->partition || f->state || f->name || f->nodes || f->account ||
                  f->qos || f->reservation || f->me;
    if (r == 0 && !c->filtered && !f->ids.n) {
        error_set(err, EINVAL, "", "no job is named");
        error_hint(err, NULL, "give ids, or --me, --user, --partition, --state, --name, ...");
        r = -EINVAL;
    }
    return r;
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct cancel cancel = {.signo = 0};
    _cleanup_(buf_done) struct buf states = BUF_INIT(1024);
    int first;
    int r = options_read(&command, argc, argv, &cancel, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0)
        r = prepare(&cancel, argv + first, argc - first, &states, &err);
    if (r == 0)
        r = client_new(&cancel.client, &err);
    int code = EXIT_OK;
    if (r < 0)
        code = (int)client_fail(NAME, r, &err);
    else
        code = cancel.filtered ? cancel_found(&cancel) : cancel_all(&cancel, &cancel.filter.ids);
    client_free(cancel.client);
    ids_done(&cancel.filter.ids);
    ids_done(&cancel.found);
    return code;
}
