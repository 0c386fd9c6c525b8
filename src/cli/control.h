/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - vdictl's verbs: one table of (noun, verb), what each takes and who does it.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hostlist.h"
#include "cli/client.h"
#include "cli/ids.h"
#include "cli/options.h"

#define CONTROL_NAME "vdictl"

struct control_options {
    const char *reason, *by, *lifetime, *scope, *user, *output, *after, *stream, *nodeid;
    const char *screenshot, *time;
    const char *request, *from, *to, *limit, *head;
    const char *template_name, *seats, *groups, *users, *partition, *qos, *account;
    const char *starts, *duration, *zone, *repeat, *except, *lead, *grace, *no_show, *cleaning;
    const char *nodes, *flags;
    bool json, dry_run, delete, yes, log, events, follow, verify, denied;
};

struct control {
    struct client *client;
    struct control_options options;
    char **words; /* behind noun and verb */
    int n_words;
};

struct verb {
    const char *noun;         /* "node"; "" for none */
    const char *name;         /* "drain" */
    bool is_short;            /* the verb alone means this noun */
    const char *args;         /* "NODES" */
    int min_words, max_words; /* max -1: any number */
    const char *options;      /* those it takes, blank separated */
    /* 0 or negative errno with err; positive: an exit code, all is said. */
    int (*run)(struct control *control, const struct verb *verb, struct vdi_error *err);
    bool is_local;      /* needs no controller */
    const char *target; /* for the generic ones: "/v1/jobs" */
    const char *help;
};

extern const struct verb control_verbs[];

int control_job_update(struct control *, const struct verb *, struct vdi_error *);
int control_job_act(struct control *, const struct verb *, struct vdi_error *);
int control_job_resume(struct control *, const struct verb *, struct vdi_error *);
int control_job_extend(struct control *, const struct verb *, struct vdi_error *);
int control_job_message(struct control *, const struct verb *, struct vdi_error *);
int control_job_output(struct control *, const struct verb *, struct vdi_error *);
int control_node_state(struct control *, const struct verb *, struct vdi_error *);
int control_token_issue(struct control *, const struct verb *, struct vdi_error *);
int control_token_revoke(struct control *, const struct verb *, struct vdi_error *);
int control_show_jobs(struct control *, const struct verb *, struct vdi_error *);
int control_show_one(struct control *, const struct verb *, struct vdi_error *);
int control_show_list(struct control *, const struct verb *, struct vdi_error *);
int control_show_document(struct control *, const struct verb *, struct vdi_error *);
int control_backup(struct control *, const struct verb *, struct vdi_error *);
int control_audit(struct control *, const struct verb *, struct vdi_error *);
int control_disk_list(struct control *, const struct verb *, struct vdi_error *);
int control_disk_delete(struct control *, const struct verb *, struct vdi_error *);
int control_disk_release(struct control *, const struct verb *, struct vdi_error *);
int control_class_list(struct control *, const struct verb *, struct vdi_error *);
int control_reservation_list(struct control *, const struct verb *, struct vdi_error *);
int control_class_create(struct control *, const struct verb *, struct vdi_error *);
int control_class_update(struct control *, const struct verb *, struct vdi_error *);
int control_class_delete(struct control *, const struct verb *, struct vdi_error *);
int control_class_date(struct control *, const struct verb *, struct vdi_error *);
int control_class_move(struct control *, const struct verb *, struct vdi_error *);
int control_class_occurrences(struct control *, const struct verb *, struct vdi_error *);
int control_class_import(struct control *, const struct verb *, struct vdi_error *);
int control_class_export(struct control *, const struct verb *, struct vdi_error *);
int control_export(struct control *, const struct verb *, struct vdi_error *);
int control_reconfigure(struct control *, const struct verb *, struct vdi_error *);
int control_check(struct control *, const struct verb *, struct vdi_error *);
int control_pki_init(struct control *, const struct verb *, struct vdi_error *);
int control_pki_revoke(struct control *, const struct verb *, struct vdi_error *);
int control_node_enroll(struct control *, const struct verb *, struct vdi_error *);
int control_ping(struct control *, const struct verb *, struct vdi_error *);

/* What a drain of these would touch, as --by says. */
int control_drain_forecast(struct control *c, const struct hostlist *nodes, struct vdi_error *err);
/* The one job id that a word must be. */
int control_job_id(const char *word, char ret[ID_TEXT], struct vdi_error *err);
/* One KEY=VALUE of `update job` as a member of a PATCH body. */
int control_member(const char *word, int64_t now_usec, struct buf *out, struct vdi_error *err);
/* What the options say of a class, as members of a PATCH body. */
int control_class_members(const struct control_options *options, struct buf *out,
                          struct vdi_error *err);
/* "BASE[/NAME[/occurrences/DATE]]"; NULL: without. Base: "/v1/classes", "/v1/reservations". */
void control_class_path(struct buf *target, const char *base, const char *name, const char *date);
/* A document as lines "name: value", or as it is with --json. */
void control_print(const struct value *value, bool json);
/* Refuses an option of `rows` that is given to a verb that does not take it. */
int control_check_options(const struct option_row *rows, const struct control_options *options,
                          const struct verb *verb, struct vdi_error *err);
/* The row that the words begin with; *ret_used says how many words it took. NULL with err. */
const struct verb *control_find(char **words, int n, int *ret_used, struct vdi_error *err);

#endif
