/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_verbs.c - the table of vdictl's verbs, and finding the row that was meant.
 *
 * "vdictl node resume gpu01" and "vdictl resume node gpu01" are the same. A verb
 * alone stands for one noun only, so "vdictl resume X" is always about a job.
 */
#include "cli/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define SHORT true
#define LONG false

#define CLASS_OPTIONS                                                                              \
    "template seats groups users partition qos account starts duration zone repeat except lead "   \
    "grace no-show cleaning"

#define RESERVATION_OPTIONS "nodes flags groups users starts duration zone repeat except"

const struct verb control_verbs[] = {
    {"job", "show", LONG, "JOB...", 1, -1, "json log events screenshot", control_show_jobs, false,
     NULL, "everything about jobs; --log its stages, --events what happened to it"},
    {"job", "update", LONG, "JOB KEY=VALUE...", 2, -1, "json", control_job_update, false, NULL,
     "change fields of a job: time_limit=4h, partition=batch, ..."},
    {"job", "hold", SHORT, "JOB...", 1, -1, "", control_job_act, false, "hold",
     "keep pending jobs from starting"},
    {"job", "release", SHORT, "JOB...", 1, -1, "", control_job_act, false, "release", "end a hold"},
    {"job", "suspend", SHORT, "JOB...", 1, -1, "", control_job_act, false, "suspend",
     "save running jobs with all that runs in them, and free their nodes"},
    {"job", "resume", SHORT, "JOB...", 1, -1, "time", control_job_resume, false, NULL,
     "queue suspended jobs to be resumed; --time gives them more time"},
    {"job", "requeue", SHORT, "JOB...", 1, -1, "", control_job_act, false, "requeue",
     "stop jobs and queue them again"},
    {"job", "extend", SHORT, "JOB +TIME", 2, 2, "", control_job_extend, false, NULL,
     "give a job more time: +30m, +1h; refused if that delays others"},
    {"job", "output", SHORT, "JOB", 1, 1, "stream follow nodeid", control_job_output, false, NULL,
     "what the script of a job wrote; --follow waits for more until it ends"},
    {"job", "message", SHORT, "JOB TEXT", 2, 2, "", control_job_message, false, NULL,
     "show a text to the user of a running job"},
    {"node", "show", LONG, "[NODE]...", 0, -1, "json", control_show_one, false, "/v1/nodes",
     "everything about nodes"},
    {"node", "drain", SHORT, "NODES", 1, 1, "reason by", control_node_state, false, "drain",
     "no new jobs on nodes; needs --reason; --by TIME lists what it touches first"},
    {"node", "resume", LONG, "NODES", 1, 1, "", control_node_state, false, "resume",
     "put nodes back into service"},
    {"node", "down", LONG, "NODES", 1, 1, "reason", control_node_state, false, "down",
     "take nodes out of service at once; needs --reason"},
    {"node", "enroll", LONG, "NODE", 1, 1, "json", control_node_enroll, false, NULL,
     "a one-time token, good for an hour, with which a node gets its certificate"},
    {"pki", "init", LONG, "DIRECTORY CLUSTER", 2, 2, "", control_pki_init, true, NULL,
     "make the authority that signs the nodes' certificates, and the controller's own"},
    {"pki", "revoke", LONG, "DIRECTORY NODE", 2, 2, "", control_pki_revoke, true, NULL,
     "make every certificate of a node worthless, from the next reconfigure on"},
    {"instance", "show", LONG, "[INSTANCE]...", 0, -1, "json", control_show_one, false,
     "/v1/instances", "instances (VMs)"},
    {"partition", "show", LONG, "[PARTITION]...", 0, -1, "json", control_show_list, false,
     "/v1/partitions", "partitions"},
    {"template", "show", LONG, "[TEMPLATE]...", 0, -1, "json", control_show_list, false,
     "/v1/templates", "templates"},
    {"qos", "show", LONG, "[QOS]...", 0, -1, "json", control_show_list, false, "/v1/qos",
     "qualities of service"},
    {"disk", "list", LONG, "", 0, 0, "json", control_disk_list, false, "/v1/disks",
     "disks of jobs and users: whose, where, for how long, in use or free"},
    {"disk", "show", LONG, "DISK...", 1, -1, "json", control_show_one, false, "/v1/disks",
     "everything about disks"},
    {"disk", "delete", LONG, "DISK...", 1, -1, "", control_disk_delete, false, NULL,
     "delete disks that no job has, and what is on them"},
    {"disk", "release", LONG, "DISK...", 1, -1, "", control_disk_release, false, NULL,
     "say that what had a disk on a lost node is off for certain"},
    {"class", "list", LONG, "", 0, 0, "json", control_class_list, false, "/v1/classes",
     "classes: seats, template, when they are next, and what is wrong with them"},
    {"class", "show", LONG, "CLASS...", 1, -1, "json", control_show_one, false, "/v1/classes",
     "everything about classes"},
    {"class", "create", LONG, "CLASS", 1, 1, "json " CLASS_OPTIONS, control_class_create, false,
     "/v1/classes", "book a class: all its seats at all its times, or nothing"},
    {"class", "update", LONG, "CLASS", 1, 1, "json " CLASS_OPTIONS, control_class_update, false,
     "/v1/classes", "change a class; it stays as it is where that does not fit"},
    {"class", "delete", LONG, "CLASS", 1, 1, "", control_class_delete, false, "/v1/classes",
     "delete a class; who has a seat keeps it"},
    {"class", "skip", LONG, "CLASS DATE...", 2, -1, "json", control_class_date, false,
     "/v1/classes", "it does not take place on these dates"},
    {"class", "move", LONG, "CLASS DATE", 2, 2, "json starts duration", control_class_move, false,
     "/v1/classes", "that date is at another time: --starts, --duration"},
    {"class", "reset", LONG, "CLASS DATE...", 2, -1, "json", control_class_date, false,
     "/v1/classes", "these dates are again as the class says"},
    {"class", "occurrences", LONG, "CLASS", 1, 1, "json", control_class_occurrences, false,
     "/v1/classes", "its dates within a year, and how the one that is goes"},
    {"class", "import", LONG, "FILE", 1, 1,
     "template seats groups users partition qos account lead grace no-show cleaning dry-run delete "
     "yes",
     control_class_import, false, NULL,
     "the events of an iCalendar file as classes; shows first what changes"},
    {"class", "export", LONG, "[CLASS]...", 0, -1, "output", control_class_export, false, NULL,
     "classes as an iCalendar file that can be imported"},
    {"reservation", "list", LONG, "", 0, 0, "json", control_reservation_list, false,
     "/v1/reservations", "reservations: nodes, and when they are next"},
    {"reservation", "show", LONG, "NAME...", 1, -1, "json", control_show_one, false,
     "/v1/reservations", "everything about reservations"},
    {"reservation", "create", LONG, "NAME", 1, 1, "json " RESERVATION_OPTIONS, control_class_create,
     false, "/v1/reservations",
     "keep nodes free for maintenance or for some: at all times, or nothing"},
    {"reservation", "update", LONG, "NAME", 1, 1, "json " RESERVATION_OPTIONS, control_class_update,
     false, "/v1/reservations", "change a reservation; it stays as it is where that can't be"},
    {"reservation", "delete", LONG, "NAME", 1, 1, "", control_class_delete, false,
     "/v1/reservations", "delete a reservation that no job names"},
    {"reservation", "skip", LONG, "NAME DATE...", 2, -1, "json", control_class_date, false,
     "/v1/reservations", "it is not on these dates"},
    {"reservation", "move", LONG, "NAME DATE", 2, 2, "json starts duration", control_class_move,
     false, "/v1/reservations", "that date is at another time: --starts, --duration"},
    {"reservation", "reset", LONG, "NAME DATE...", 2, -1, "json", control_class_date, false,
     "/v1/reservations", "these dates are again as the reservation says"},
    {"reservation", "occurrences", LONG, "NAME", 1, 1, "json", control_class_occurrences, false,
     "/v1/reservations", "its dates within a year"},
    {"token", "issue", LONG, "", 0, 0, "json lifetime scope user output", control_token_issue,
     false, NULL, "a bearer token for VDI_TOKEN_FILE"},
    {"token", "list", LONG, "", 0, 0, "json", control_show_list, false, "/v1/tokens",
     "issued tokens, without their secret"},
    {"token", "revoke", LONG, "TOKEN-ID...", 1, -1, "", control_token_revoke, false, NULL,
     "make tokens worthless now"},
    {"", "reconfigure", SHORT, "", 0, 0, "json dry-run", control_reconfigure, false, NULL,
     "have the controller read vdi.conf again; --dry-run says what would change"},
    {"", "check", SHORT, "FILE", 1, 1, "", control_check, true, NULL,
     "check a vdi.conf, with file and line of every finding"},
    {"", "export", SHORT, "", 0, 0, "", control_export, false, NULL,
     "what was made by the API as blocks of vdi.conf, on stdout"},
    {"", "audit", SHORT, "", 0, 0,
     "json after output user request from to limit denied verify head", control_audit, false,
     "/v1/audit", "who did what: administrative acts, denials, connects; newest first"},
    {"", "backup", SHORT, "FILE", 1, 1, "", control_backup, false, NULL,
     "write all that the controller knows to FILE (- for stdout), while it works"},
    {"", "diag", SHORT, "", 0, 0, "json", control_show_document, false, "/v1/diag",
     "counters and times of the controller"},
    {"", "ping", SHORT, "", 0, 0, "json", control_ping, false, "/v1/ping",
     "does the controller answer, and in what time"},
    {.noun = NULL},
};

/* "nodes" is "node", "classes" is "class": who lists things says so. */
static bool is_noun(const struct verb *v, const char *word)
{
    size_t n = strlen(v->noun);
    return strncmp(v->noun, word, n) == 0 &&
           (!word[n] || str_equal(word + n, "s") || str_equal(word + n, "es"));
}

static bool matches(const struct verb *v, char **words, int n, int *ret_used)
{
    const char *first = n > 0 ? words[0] : "", *second = n > 1 ? words[1] : "";
    if (!*v->noun) {
        *ret_used = 1;
        return str_equal(v->name, first);
    }
    *ret_used = 2;
    return (is_noun(v, first) && str_equal(v->name, second)) ||
           (str_equal(v->name, first) && is_noun(v, second));
}

/* A verb without its noun is told the nouns that it has. */
static void refuse_words(char **words, int n, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf nouns = BUF_INIT(128);
    for (const struct verb *v = control_verbs; n > 0 && v->noun; v++)
        if (str_equal(v->name, words[0]))
            buf_printf(&nouns, "%s%s", nouns.len ? ", " : "", v->noun);
    if (n == 0)
        error_set(err, EINVAL, "", "nothing to do");
    else if (nouns.len)
        error_set(err, EINVAL, "", "%.40s what? one of %s", words[0], nouns.data);
    else
        error_set(err, EINVAL, "", "'%.40s%s%.40s' is nothing that vdictl does", words[0],
                  n > 1 ? " " : "", n > 1 ? words[1] : "");
    error_hint(err, NULL, "vdictl --help lists what it does");
}

const struct verb *control_find(char **words, int n, int *ret_used, struct vdi_error *err)
{
    const struct verb *in_short = NULL;
    for (const struct verb *v = control_verbs; v->noun; v++) {
        if (matches(v, words, n, ret_used))
            return v;
        if (n > 0 && v->is_short && str_equal(v->name, words[0]))
            in_short = v;
    }
    *ret_used = 1;
    if (in_short)
        return in_short;
    refuse_words(words, n, err);
    return NULL;
}

static int check_option(const struct verb *verb, const char *name, bool given,
                        struct vdi_error *err)
{
    size_t n = strlen(name);
    if (!given)
        return 0;
    for (const char *p = verb->options; (p = strstr(p, name)); p += n)
        if ((p == verb->options || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return 0;
    return error_set(err, EINVAL, name, "--%s does not go with '%s%s%s'", name, verb->noun,
                     *verb->noun ? " " : "", verb->name);
}

int control_check_options(const struct option_row *rows, const struct control_options *options,
                          const struct verb *verb, struct vdi_error *err)
{
    int r = 0;

    for (const struct option_row *row = rows; r == 0 && row->name; row++) {
        const void *at = (const char *)options + row->offset;
        bool given =
            row->set == option_set_flag ? *(const bool *)at : *(const char *const *)at != NULL;

        r = check_option(verb, row->name, given, err);
    }
    return r;
}
