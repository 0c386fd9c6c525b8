/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit.h - what vdisubmit gathers from command line, environment and script.
 *
 * Strings are borrowed from argv, the environment or the script's memory, all
 * of which live until the process ends.
 */
#ifndef CLI_SUBMIT_H
#define CLI_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/options.h"
#include "model/notice.h"

#define SCRIPT_MAX (4u << 20)
#define SUBMIT_PROFILE_MAX 64

enum submit_requeue { REQUEUE_UNSAID, REQUEUE_NO, REQUEUE_YES };

struct submit {
    /* what is asked for */
    const char *name, *template_name, *partition, *qos, *account, *comment, *reservation;
    const char *mail_user;
    const char *array, *dependency; /* NULL: none */
    bool kill_on_invalid_dep;
    char mail_type[NOTICE_TYPES_TEXT_MAX]; /* "": not said */
    const char *licences;
    const char *constraint, *nodelist, *exclude, *work_dir, *output, *error;
    char profile[SUBMIT_PROFILE_MAX];
    int64_t time_limit_sec; /* 0: the partition's default */
    int64_t time_min_sec;   /* 0: not less than that */
    int64_t begin_usec, deadline_usec;
    int64_t now_usec; /* what --begin=now+1hour counts from */
    uint32_t cpus;    /* 0: the template's, as are the next two */
    uint64_t memory_mib;
    uint32_t nodes; /* 0: one */
    uint32_t tasks; /* 0: not said */
    uint32_t gpus;
    bool gpus_said, gpus_are_all; /* of all nodes together; else of each */
    int64_t nice;
    uint32_t signal, signal_sec;
    enum submit_requeue requeue;
    bool hold;
    const char *export; /* NULL: everything */

    /* how */
    const char *desktop; /* its template: the job is a desktop */
    const char *wrap;
    const char *idempotency_key;
    bool read_sbatch, test_only, wait, parsable, quiet, verbose, json;
};

extern const struct option_row submit_rows[];
extern const struct command submit_command;

/* "4", "PROFILE", "PROFILE:2"; "8g" is refused. */
option_set_fn submit_set_gpu;
/* "gpu:2", "gpu:PROFILE:2", "gpu", "none". */
option_set_fn submit_set_gres;

/* A script as read: checked, NUL-terminated. */
struct script {
    char *text;
    size_t len;
    const char *name;      /* for messages and the job's name */
    char *lines;           /* directives taken apart; values point into it */
    unsigned sbatch_lines; /* #SBATCH lines that were not read */
};

/* path NULL or "-": standard input. */
int script_read(const char *path, struct script *ret, struct vdi_error *err);
int script_from_command(const char *command, struct script *ret, struct vdi_error *err);
bool script_is_utf8(const char *text, size_t len);
int script_check(const struct script *script, struct vdi_error *err);
/* Appends the options of its #VDI lines (and #SBATCH lines, if asked for) to list. */
int script_options(struct script *script, bool read_sbatch, struct option_list *list,
                   struct vdi_error *err);
void script_done(struct script *script);

/* The request's body. script may be NULL; args are its n_args words. */
int submit_body(const struct submit *submit, const struct script *script, char *const *args,
                size_t n_args, char **environment, struct buf *out, struct vdi_error *err);

#endif
