/* SPDX-License-Identifier: Apache-2.0 */
/* vdictl.c - shows and changes jobs, nodes, tokens and the configuration. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/control.h"
#include "cli/options.h"

#define AT(member) offsetof(struct control_options, member)

static const struct option_row rows[] = {
    {"account", 0, "ACCOUNT", "class: charged for the seats", option_set_string, AT(account)},
    {"after", 0, "NUMBER", "audit: records older than this one", option_set_string, AT(after)},
    {"by", 0, "TIME",
     "drain: first list what nodes have still at TIME (08:00, tomorrow), or will have; without "
     "--reason nothing else",
     option_set_string, AT(by)},
    {"cleaning", 0, "TIME", "class: so long between it and the next one", option_set_string,
     AT(cleaning)},
    {"delete", 0, NULL, "class import: delete classes whose event is not in the file any more",
     option_set_flag, AT(delete)},
    {"denied", 0, NULL, "audit: denials alone", option_set_flag, AT(denied)},
    {"dry-run", 0, NULL, "reconfigure, class import: say what would change", option_set_flag,
     AT(dry_run)},
    {"duration", 0, "TIME", "class, reservation: how long it takes, 90m", option_set_string,
     AT(duration)},
    {"events", 0, NULL, "show job: everything that happened to it", option_set_flag, AT(events)},
    {"except", 0, "DATES", "class, reservation: not on these: 2026-12-22/2027-01-06,2027-02-01",
     option_set_string, AT(except)},
    {"flags", 0, "FLAGS", "reservation: maint, magnetic, ignore_jobs", option_set_string,
     AT(flags)},
    {"follow", 0, NULL, "output: wait for more until the job has ended", option_set_flag,
     AT(follow)},
    {"from", 0, "TIME", "audit: not before", option_set_string, AT(from)},
    {"grace", 0, "TIME", "class: seats are left so long after its end", option_set_string,
     AT(grace)},
    {"groups", 0, "GROUPS", "class, reservation: whose members take part", option_set_string,
     AT(groups)},
    {"head", 0, "NUMBER:HASH", "audit --verify: this record must be in the trail, as noted",
     option_set_string, AT(head)},
    {"json", 0, NULL, "print the documents of the REST API", option_set_flag, AT(json)},
    {"lead", 0, "TIME", "class: seats are started so long before, at least (default 5m)",
     option_set_string, AT(lead)},
    {"lifetime", 0, "TIME", "token issue: good for so long (default 15m, at most 1h)",
     option_set_string, AT(lifetime)},
    {"limit", 0, "N", "audit: so many records at most (default 100)", option_set_string, AT(limit)},
    {"log", 0, NULL, "show job: its stages with their times", option_set_flag, AT(log)},
    {"no-show", 0, "TIME",
     "class: seats that nobody took are given back so long after its beginning", option_set_string,
     AT(no_show)},
    {"nodeid", 0, "N", "output: of the Nth node of several, from 0", option_set_string, AT(nodeid)},
    {"nodes", 0, "NODES", "reservation: which are kept free, gpu[01-04]", option_set_string,
     AT(nodes)},
    {"output", 'o', "FILE",
     "token issue, class export: write it to FILE; audit: columns, as in %n %t %u",
     option_set_string, AT(output)},
    {"partition", 0, "PARTITION", "class: where its seats are", option_set_string, AT(partition)},
    {"qos", 0, "QOS", "class: quality of service of its seats", option_set_string, AT(qos)},
    {"reason", 0, "TEXT", "drain, down: why", option_set_string, AT(reason)},
    {"repeat", 0, "RULE",
     "class, reservation: when again: WEEKLY, or as in FREQ=WEEKLY;COUNT=14 (RFC 5545)",
     option_set_string, AT(repeat)},
    {"request", 0, "NAME", "audit: of one request, as in job.cancel", option_set_string,
     AT(request)},
    {"scope", 0, "SCOPE", "token issue: jobs:read or jobs:write", option_set_string, AT(scope),
     .words = "jobs:read jobs:write"},
    {"screenshot", 0, "FILE", "show job --log: write the last picture of its screen to FILE",
     option_set_string, AT(screenshot)},
    {"seats", 0, "N", "class: how many", option_set_string, AT(seats)},
    {"starts", 0, "TIME",
     "class, reservation: when for the first time, 2026-10-13T10:15, on the clock of its zone",
     option_set_string, AT(starts)},
    {"stream", 0, "STREAM", "output: out (the default) or err", option_set_string, AT(stream),
     .words = "out err"},
    {"template", 0, "TEMPLATE", "class: what a seat is", option_set_string, AT(template_name)},
    {"time", 0, "TIME", "resume: with so much more time, as +2h", option_set_string, AT(time)},
    {"to", 0, "TIME", "audit: before", option_set_string, AT(to)},
    {"user", 0, "USER", "token issue: for another user (administrators); audit: by this user",
     option_set_string, AT(user)},
    {"users", 0, "USERS", "class, reservation: who take part, beside --groups", option_set_string,
     AT(users)},
    {"verify", 0, NULL, "audit: check the chain of the whole trail", option_set_flag, AT(verify)},
    {"yes", 0, NULL, "class import: make the changes without asking", option_set_flag, AT(yes)},
    {"zone", 0, "ZONE", "class, reservation: its clock, Europe/Berlin (default: of this machine)",
     option_set_string, AT(zone)},
    {NULL},
};

static void print_verbs(void)
{
    printf(
        "Verbs (the noun may come first or second; jobs are 17 or 17,20-25, nodes gpu[01-16]):\n");
    for (const struct verb *v = control_verbs; v->noun; v++) {
        char left[80];
        bool verb_first = str_equal(v->name, "show") || str_equal(v->name, "update");
        const char *noun = v->is_short ? "" : v->noun;
        snprintf(left, sizeof(left), "%s%s%s %s", verb_first ? v->name : noun, *noun ? " " : "",
                 verb_first ? noun : v->name, v->args);
        printf("  %-30s  %s\n", left, v->help);
    }
    printf("\n");
}

static const struct command command = {
    .name = CONTROL_NAME,
    .usage = "[OPTION]... VERB [NOUN] [ARGUMENT]...",
    .summary = "Shows and changes jobs, nodes, tokens and the configuration.",
    .rows = rows,
    .help = print_verbs,
    .words =
        "show update hold release suspend resume requeue extend output message "
        "drain down job node instance partition template qos class reservation create delete skip move "
        "reset occurrences import export disk token issue list revoke "
        "reconfigure check audit backup diag ping",
};

static int check_words(const struct control *c, const struct verb *verb, struct vdi_error *err)
{
    if (c->n_words >= verb->min_words && (verb->max_words < 0 || c->n_words <= verb->max_words))
        return control_check_options(rows, &c->options, verb, err);
    return error_set(err, EINVAL, "", "usage: vdictl %s%s%s %s", verb->noun, *verb->noun ? " " : "",
                     verb->name, verb->args);
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct control control = {.client = NULL};
    const struct verb *verb = NULL;
    int first, used;
    int r = options_read(&command, argc, argv, &control.options, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0) {
        verb = control_find(argv + first, argc - first, &used, &err);
        r = verb ? 0 : -EINVAL;
    }
    if (r == 0) {
        control.words = argv + first + used;
        control.n_words = argc - first - used;
        r = check_words(&control, verb, &err);
    }
    if (r == 0 && !verb->is_local)
        r = client_new(&control.client, &err);
    if (r == 0)
        r = verb->run(&control, verb, &err);
    client_free(control.client);
    return r < 0 ? (int)client_fail(CONTROL_NAME, r, &err) : r;
}
