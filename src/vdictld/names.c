/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - groups of live jobs that have owner and name in common.
 *
 * Kept: a group's members are all jobs in memory of its owner and name that have not ended, in
 * the order of their ids; a job is in the group of the name that it has now.
 */
#include "vdictld/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "vdictld/job_index.h"

struct group {
    unsigned refs; /* who watches it */
    struct list members;
    uint32_t n_active; /* of them: those that hold a node */
    char key[];        /* owner, newline, name */
};

struct member {
    struct list link;
    struct group *group;
    uint64_t job;
    bool active;
};

struct names {
    struct core *core;
    struct hash *groups;  /* key -> struct group */
    struct hash *members; /* id -> struct member */
    void (*changed)(void *arg, uint64_t job);
    void *arg;
};

struct names *names_new(struct core *core, void (*changed)(void *arg, uint64_t job), void *arg)
{
    struct names *names = calloc(1, sizeof(*names));

    if (!names)
        return NULL;
    *names = (struct names){.core = core,
                            .groups = hash_new_str(),
                            .members = hash_new_u64(),
                            .changed = changed,
                            .arg = arg};
    if (names->groups && names->members)
        return names;
    names_free(names);
    return NULL;
}

static void group_free(struct names *names, struct group *group)
{
    list_for_each_safe (it, &group->members) {
        struct member *m = list_entry(it, struct member, link);

        hash_remove_u64(names->members, m->job);
        free(m);
    }
    free(group);
}

void names_free(struct names *names)
{
    void *group;

    if (!names)
        return;
    for (size_t i = 0; names->groups && hash_next(names->groups, &i, &group);)
        group_free(names, group);
    hash_free(names->groups);
    hash_free(names->members);
    free(names);
}

/* Neither owners nor names hold a newline: both are checked before they get here. */
static struct group *find(const struct names *names, const char *owner, const char *name)
{
    _cleanup_(freep) char *key = NULL;

    if (!hash_count(names->groups))
        return NULL;
    key = str_printf("%s\n%s", owner, name);
    return key ? hash_get(names->groups, key) : NULL;
}

static int member_add(struct names *names, struct group *group, const struct job *job)
{
    struct member *m = calloc(1, sizeof(*m));
    struct list *after = group->members.prev;

    if (!m || hash_put_u64(names->members, job->id, m) < 0) {
        free(m);
        return -ENOMEM;
    }
    *m = (struct member){.group = group, .job = job->id, .active = job_state_is_active(job->state)};
    group->n_active += m->active;
    while (after != &group->members && list_entry(after, struct member, link)->job > job->id)
        after = after->prev;
    list_append(after->next, &m->link); /* before what follows it */
    return 0;
}

static void member_drop(struct names *names, struct member *m)
{
    hash_remove_u64(names->members, m->job);
    m->group->n_active -= m->active;
    list_remove(&m->link);
    free(m);
}

/* All that its owner has of the name. */
static int fill(struct names *names, struct group *group, const char *owner, const char *name)
{
    uint64_t id = 0;

    while ((id = job_index_next(names->core->mine, owner, id))) {
        const struct job *job = core_job(names->core, id);

        if (job && !job_state_is_end(job->state) && str_equal(job->spec->owner, owner) &&
            str_equal(job->spec->name, name) && !hash_get_u64(names->members, id) &&
            member_add(names, group, job) < 0)
            return -ENOMEM;
    }
    return 0;
}

int names_watch(struct names *names, const char *owner, const char *name)
{
    struct group *group = find(names, owner, name);
    size_t size = strlen(owner) + strlen(name) + 2;

    if (group) {
        group->refs++;
        return 0;
    }
    group = calloc(1, sizeof(*group) + size);
    if (!group)
        return -ENOMEM;
    group->refs = 1;
    list_init(&group->members);
    snprintf(group->key, size, "%s\n%s", owner, name);
    if (hash_put(names->groups, group->key, group) < 0) {
        free(group);
        return -ENOMEM;
    }
    if (fill(names, group, owner, name) == 0)
        return 0;
    names_unwatch(names, owner, name);
    return -ENOMEM;
}

void names_unwatch(struct names *names, const char *owner, const char *name)
{
    struct group *group = find(names, owner, name);

    if (!group || --group->refs)
        return;
    hash_remove(names->groups, group->key);
    group_free(names, group);
}

static void tell_first(struct names *names, const struct group *group)
{
    if (!list_is_empty(&group->members))
        names->changed(names->arg, list_entry(group->members.next, struct member, link)->job);
}

void names_job(struct names *names, const struct job *now)
{
    struct member *m = hash_get_u64(names->members, now->id);
    bool ended = job_state_is_end(now->state), active = job_state_is_active(now->state);
    struct group *group, *was = m ? m->group : NULL;

    if (!hash_count(names->groups))
        return;
    group = ended ? NULL : find(names, now->spec->owner, now->spec->name);
    if (m && (ended || was != group)) {
        member_drop(names, m);
        m = NULL;
        tell_first(names, was);
    }
    if (m && m->active != active) {
        m->active = active;
        group->n_active += active ? 1 : UINT32_MAX;
        tell_first(names, group);
    } else if (group && !m) {
        if (member_add(names, group, now) < 0)
            log_error("singleton: no memory for job %llu", (unsigned long long)now->id);
        tell_first(names, group);
    }
}

bool names_is_first(const struct names *names, const struct job *job, uint64_t *ret_before)
{
    const struct group *group = find(names, job->spec->owner, job->spec->name);

    *ret_before = 0;
    if (!group)
        return false;
    list_for_each (it, &group->members) {
        const struct member *m = list_entry(it, struct member, link);

        if (m->job != job->id && (m->job < job->id || m->active)) {
            *ret_before = m->job;
            return false;
        }
        if (m->job >= job->id && !group->n_active)
            break;
    }
    return true;
}
