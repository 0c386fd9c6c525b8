/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reservation.c - reservations: classes with whole nodes in place of seats.
 *
 * Rule, dates, overrides, admission one after the other and history are those of classes; here
 * is what differs: windows that close nodes in the plan, what may not be in them, and whose jobs
 * may. See doc/design/classes.md, "Reservations".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/class_impl.h"
#include "vdictld/queue.h"

#define NODES_MAX 4096 /* of one reservation */
#define TOLD_MAX 3     /* things in its way that a refusal names */

bool reservation_is_maint(const struct class_spec *spec)
{
    return str_list_has(spec->flags, "maint");
}

/* ---- what is asked for ---- */

static int check_nodes(const struct config *config, const struct class_spec *spec,
                       struct vdi_error *err)
{
    struct hostlist hosts = {0};
    struct hash *seen = hash_new_str();
    int r = seen ? hostlist_parse(spec->nodes, NODES_MAX, &hosts)
                 : error_set(err, ENOMEM, "nodes", "out of memory");

    if (seen && (r < 0 || !hosts.n)) {
        error_set(err, EINVAL, "nodes", "'%.128s' is not a hostlist of up to %d nodes", spec->nodes,
                  NODES_MAX);
        error_hint(err, "4096 nodes", "write names and ranges, as in gpu[01-04]");
        r = -EINVAL;
    }
    for (size_t i = 0; r == 0 && i < hosts.n; i++) {
        r = hash_put(seen, hosts.names[i], hosts.names[i]);
        if (r == -EEXIST)
            r = error_set(err, EINVAL, "nodes", "node '%s' is named twice", hosts.names[i]);
        else if (r < 0)
            r = error_set(err, ENOMEM, "nodes", "out of memory");
        if (r < 0 || config_node(config, hosts.names[i]))
            continue;
        error_set(err, ESRCH, "nodes", "there is no node '%s'", hosts.names[i]);
        error_hint(err, NULL, "vdiinfo -N lists them");
        r = -ESRCH;
    }
    hash_free(seen);
    hostlist_done(&hosts);
    return r;
}

static int check_flags(const struct class_spec *spec, struct vdi_error *err)
{
    for (const char *at = spec->flags; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t len = strcspn(at, ",");

        if (class_flag_is_known(at, len))
            continue;
        error_set(err, EINVAL, "flags", "there is no flag '%.*s'", (int)(len < 40 ? len : 40), at);
        error_hint(err, NULL, CLASS_FLAGS_HINT);
        return -EINVAL;
    }
    return 0;
}

int reservation_check(const struct config *config, const struct class_spec *spec,
                      struct vdi_error *err)
{
    bool is_maint = reservation_is_maint(spec), has_members = *spec->groups || *spec->users;
    int r = 0;

    if (!*spec->nodes || !*spec->starts || spec->duration_sec < 60) {
        error_set(err, EINVAL,
                  !*spec->nodes    ? "nodes"
                  : !*spec->starts ? "starts"
                                   : "duration_sec",
                  "a reservation needs nodes, starts and a duration of a minute or more");
        error_hint(err, NULL, "say all of them");
        return -EINVAL;
    }
    r = check_flags(spec, err);
    if (r == 0 && is_maint && str_list_has(spec->flags, "magnetic")) {
        error_set(err, EINVAL, "flags", "nobody's jobs run in a maintenance");
        error_hint(err, NULL, "leave out maint or magnetic");
        r = -EINVAL;
    }
    if (r == 0 && is_maint == has_members) {
        error_set(err, EINVAL, "groups",
                  is_maint ? "nobody's jobs run in a maintenance"
                           : "nobody's jobs could run in it");
        error_hint(err, NULL,
                   is_maint ? "leave groups and users out, or the flag maint"
                            : "name groups or users, or set the flag maint");
        r = -EINVAL;
    }
    return r < 0 ? r : check_nodes(config, spec, err);
}

/* ---- in the plan ---- */

static int closure_of(const struct class *class, const struct class_time *times, size_t n,
                      struct hostlist *hosts, struct plan_window **ret_windows,
                      struct plan_closure *ret)
{
    int r = hostlist_parse(class->spec.nodes, NODES_MAX, hosts);

    *ret_windows = r < 0 ? NULL : calloc(n + 1, sizeof(**ret_windows));
    if (!*ret_windows)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        (*ret_windows)[i] = (struct plan_window){times[i].begin_usec, times[i].until_usec};
    *ret = (struct plan_closure){.id = class->id,
                                 .name = class->spec.name,
                                 .nodes = hosts->names,
                                 .n_nodes = hosts->n,
                                 .windows = *ret_windows,
                                 .n_windows = n};
    return 0;
}

int reservation_put(struct planner *planner, const struct class *class,
                    const struct class_time *times, size_t n)
{
    _cleanup_(freep) struct plan_window *windows = NULL;
    struct hostlist hosts = {0};
    struct plan_closure c;
    int r = closure_of(class, times, n, &hosts, &windows, &c);

    if (r == 0)
        r = planner_put_closure(planner, &c);
    hostlist_done(&hosts);
    return r;
}

/* ---- what is in its way ---- */

struct clashes {
    struct core *core;
    const struct class *class;
    const struct class_time *times;
    size_t n;
    bool with_jobs;
    struct plan_clash told[TOLD_MAX];
    size_t n_told, n_more;
};

/* A maintenance may be where others have reserved, and they where one is. */
static bool may_be_there(const struct clashes *k, const struct plan_clash *clash)
{
    const struct class *other =
        clash->type == PLAN_CLASH_CLOSURE ? class_of(k->core, clash->id) : NULL;

    if (clash->type == PLAN_CLASH_JOB)
        return !k->with_jobs;
    return clash->type == PLAN_CLASH_CLOSURE &&
           (reservation_is_maint(&k->class->spec) || (other && reservation_is_maint(&other->spec)));
}

/* Seats of one date, and dates of one reservation on several nodes, are told once. */
static void take_clash(void *arg, const struct plan_clash *clash)
{
    struct clashes *k = arg;

    if (may_be_there(k, clash))
        return;
    for (size_t i = 0; i < k->n_told; i++)
        if (k->told[i].type == clash->type && k->told[i].id == clash->id)
            return;
    if (k->n_told < TOLD_MAX)
        k->told[k->n_told++] = *clash;
    else
        k->n_more++;
}

static void say_clash(const struct clashes *k, const struct plan_clash *clash, struct buf *out)
{
    const struct class *other = NULL;
    const char *date = "";
    char until[40];

    if (clash->type == PLAN_CLASH_JOB) {
        buf_printf(out, "job %" PRIu64 " has %s until %s", clash->id, clash->node,
                   time_to_rfc3339(clash->to_usec, until));
        return;
    }
    if (clash->type == PLAN_CLASH_CLASS) {
        const struct course *course = course_get(k->core, classes_of_plan(clash->id));

        other = class_of(k->core, classes_of_plan(clash->id));
        for (size_t i = 0; course && i < course->n_times; i++)
            if (course->times[i].plan_id == clash->id)
                date = course->times[i].date;
    } else {
        other = class_of(k->core, clash->id);
    }
    buf_printf(out, "%s '%s'%s%s has %s", clash->type == PLAN_CLASH_CLASS ? "class" : "reservation",
               other ? other->spec.name : "that is being booked", *date ? " on " : "", date,
               clash->node);
}

int reservation_check_clashes(struct core *core, struct planner *planner, const struct class *class,
                              const struct class_time *times, size_t n, bool with_jobs,
                              struct vdi_error *err)
{
    _cleanup_(freep) struct plan_window *windows = NULL;
    _cleanup_(buf_done) struct buf text = BUF_INIT(400);
    struct clashes k = {.core = core, .class = class, .times = times, .n = n};
    struct hostlist hosts = {0};
    struct plan_closure c;
    int r = closure_of(class, times, n, &hosts, &windows, &c);

    k.with_jobs = with_jobs && !str_list_has(class->spec.flags, "ignore_jobs");
    if (r == 0)
        planner_each_clash(planner, &c, loop_now_usec(core->loop), take_clash, &k);
    hostlist_done(&hosts);
    if (r < 0)
        return error_set(err, ENOMEM, "", "out of memory");
    if (!k.n_told)
        return 0;
    for (size_t i = 0; i < k.n_told; i++) {
        buf_puts(&text, i ? "; " : "");
        say_clash(&k, &k.told[i], &text);
    }
    if (k.n_more)
        buf_puts(&text, "; and more");
    error_set(err, EPROTO, "nodes", "reservation '%s' on %s: %s", class->spec.name,
              times[k.told[0].window].date, text.data ? text.data : "");
    error_hint(err, NULL,
               k.told[0].type == PLAN_CLASH_JOB
                   ? "begin when they are over, or set the flag ignore_jobs: they are left alone"
               : k.told[0].type == PLAN_CLASH_CLASS
                   ? "take another time or other nodes, or skip those dates of the classes"
                   : "take another time or other nodes");
    return -EPROTO;
}

const char *reservation_say_closed(struct core *core, const struct planner *planner,
                                   const struct class *list, size_t n, const struct job_spec *seat,
                                   const struct class_time *time, char ret[RESERVATION_SAYS])
{
    uint64_t id = planner_closed_in(planner, seat->partition, time->from_usec, time->until_usec);
    const struct class *class = list || !id ? NULL : class_of(core, id);
    _cleanup_(freep) struct class_time *times = NULL;
    size_t n_times = 0;

    for (size_t i = 0; id && i < n; i++)
        if (list[i].id == id)
            class = &list[i];
    ret[0] = '\0';
    if (class &&
        class_times(core, class, time->from_usec, time->until_usec, &times, &n_times, NULL) == 0 &&
        n_times)
        snprintf(ret, RESERVATION_SAYS, "; reservation '%.63s' of %s has %.80s then",
                 class->spec.name, times[0].date, class->spec.nodes);
    return ret;
}

const char *classes_node_state(struct core *core, const char *node)
{
    const char *name =
        planner_closed_by(queue_planner(core->queue), node, loop_now_usec(core->loop));
    const struct class *class = name ? classes_get(core, name) : NULL;

    return !class ? NULL : reservation_is_maint(&class->spec) ? "MAINT" : "RESERVED";
}

/* ---- jobs ---- */

bool reservation_is_named(struct core *core, const char *name)
{
    struct table *t = events_table(core->events, NOUN_JOB);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct job *job = slot ? slot->staged : NULL;

        if (job && !job_state_is_end(job->state) && str_equal(job->spec->reservation, name))
            return true;
    }
    return false;
}

int reservation_check_unused(struct core *core, const struct class *class, struct vdi_error *err)
{
    if (!reservation_is_named(core, class->spec.name))
        return 0;
    error_set(err, EPROTO, "name", "jobs that run in reservation '%s' or wait for it are there",
              class->spec.name);
    error_hint(err, NULL, "cancel them first: vdicancel --reservation NAME");
    return -EPROTO;
}

/* The longest time limit for which it has room still, in whole minutes, with one to spare where it
 * can be: nobody starts at the very moment when it begins. 0: it is over. */
static int64_t longest_sec(struct core *core, const struct course *course)
{
    int64_t now = loop_now_usec(core->loop), longest = 0;

    for (size_t i = 0; course && i < course->n_times; i++) {
        const struct class_time *t = &course->times[i];
        int64_t from = t->begin_usec > now ? t->begin_usec : now;
        int64_t sec = (t->until_usec - from - PLAN_BOOT_USEC) / USEC_PER_SEC;

        longest = sec > longest ? sec : longest;
    }
    longest = longest / 60 * 60;
    return longest > 60 ? longest - 60 : longest;
}

int reservation_match(struct call *call, const struct class *class, struct job_spec *spec,
                      struct vdi_error *err)
{
    int64_t longest = longest_sec(call->core, course_get(call->core, class->id));
    const struct config_partition *p = *spec->partition
                                           ? config_partition(call->core->config, spec->partition)
                                           : config_default_partition(call->core->config);
    char limit[32];

    if (!class_is_member(call->core, &call->who, class)) {
        error_set(err, EPERM, "reservation",
                  reservation_is_maint(&class->spec) ? "no jobs run in maintenance '%s'"
                                                     : "you may not use reservation '%s'",
                  class->spec.name);
        error_hint(err, NULL, "submit without --reservation");
        return -EPERM;
    }
    if (!longest) {
        error_set(err, ERANGE, "reservation", "reservation '%s' is over", class->spec.name);
        error_hint(err, NULL, "submit without --reservation");
        return -ERANGE;
    }
    str_from_duration_sec(longest, limit);
    if (spec->time_limit_sec > longest) {
        error_set(err, ERANGE, "time_limit_sec",
                  "reservation '%s' has no time for a job that long and its boot",
                  class->spec.name);
        error_hint(err, limit, "ask for a shorter time limit, or submit without --reservation");
        return -ERANGE;
    }
    if (!spec->time_limit_sec) {
        spec->time_limit_sec = p && p->default_time_sec ? p->default_time_sec
                               : p                      ? p->max_time_sec
                                                        : 0;
        if (!spec->time_limit_sec || spec->time_limit_sec > longest)
            spec->time_limit_sec = longest;
    }
    return 0;
}
