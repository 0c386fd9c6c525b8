/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_roster.c - the roster files of classes: looked at again and again, by workers.
 *
 * A file may lie on a file system that hangs. So no claim waits for one: who is a member is asked
 * of the list that was read last, and the files of one directory are looked at together, one
 * thread at a time, so that those of others go on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/class_impl.h"

#define THREADS 4
#define LOOK_USEC (5 * USEC_PER_SEC)    /* so often a file is looked at */
#define SILENT_USEC (15 * USEC_PER_SEC) /* a file system that is silent for longer is told of */
#define STOP_WAIT_USEC (2 * USEC_PER_SEC)
#define LOOKS_MAX 64 /* files at once: so many lists may be in memory twice */

struct look {
    uint64_t class_id;
    char path[CLASS_ROSTER_MAX];
    bool is_first;           /* nothing was read of it yet */
    struct roster_mark mark; /* known, then found */
    struct roster *list;     /* found; NULL: as it was, or an error */
    unsigned line;
    int result;
    struct vdi_error err;
};

/* Files of one directory on their way through a worker. */
struct roster_looks {
    struct list link; /* of classes->looks */
    struct classes *classes;
    int64_t begin_usec; /* by the monotonic clock */
    size_t dir_len, n;
    struct look all[];
};

/* ---- what is known ---- */

/* Once for each text; "" ends what was wrong. */
static void set_alarm(const struct class *class, struct course_roster *r, const char *text)
{
    if (str_equal(r->alarm, text))
        return;
    str_copy(r->alarm, sizeof(r->alarm), text);
    if (*text)
        log_error("class %s: %s: %s", class->spec.name, class->spec.roster, text);
    else
        log_info("class %s: %s: it can be read again", class->spec.name, class->spec.roster);
}

/* What goes on meanwhile. Nothing of the file's text: members read this. */
static void set_trouble(const struct class *class, struct course_roster *r, const char *what)
{
    char text[sizeof(r->alarm)], when[40];

    if (r->list)
        snprintf(text, sizeof(text), "roster: %s; the list of %s goes on, with %zu names", what,
                 class_local_time(&class->spec, r->read_usec, when), roster_count(r->list));
    else
        snprintf(text, sizeof(text), "roster: %s; nobody is a member by it", what);
    set_alarm(class, r, text);
}

static void take_list(struct core *core, const struct class *class, struct course_roster *r,
                      struct look *k)
{
    if (!r->list || !roster_equal(r->list, k->list))
        log_info("class %s: %s has %zu members", class->spec.name, k->path, roster_count(k->list));
    roster_free(r->list);
    r->list = TAKE_PTR(k->list);
    r->read_usec = loop_now_usec(core->loop);
}

static void take_look(struct core *core, struct look *k)
{
    struct course *course = course_get(core, k->class_id);
    const struct class *class = class_of(core, k->class_id);
    struct course_roster *r = course ? &course->roster : NULL;
    char what[160];

    if (!r || !class || !str_equal(r->path, k->path))
        return; /* the class is gone, or has another file by now */
    if (k->result < 0) {
        if (k->line)
            snprintf(what, sizeof(what), "line %u: %s", k->line, k->err.detail);
        else
            snprintf(what, sizeof(what), "%s", k->err.detail);
        set_trouble(class, r, what);
        r->is_good = false;
    } else if (k->result == 0) {
        take_list(core, class, r, k);
        r->is_good = true;
    }
    r->mark = k->mark;
    /* What was wrong with the file was said before all was silent: it is read again. */
    r->is_looked_at = !r->is_silent || k->result <= 0;
    r->is_silent = false;
    if (r->is_good)
        set_alarm(class, r, "");
}

/* ---- looking ---- */

static void work(void *arg)
{
    struct roster_looks *looks = arg;

    for (size_t i = 0; i < looks->n; i++) {
        struct look *k = &looks->all[i];
        struct roster_mark known = k->mark;

        k->result = roster_read(k->path, k->is_first ? NULL : &known, &k->mark, &k->list, &k->line,
                                &k->err);
    }
}

static void looks_free(struct roster_looks *looks)
{
    for (size_t i = 0; i < looks->n; i++)
        roster_free(looks->all[i].list);
    list_remove(&looks->link);
    free(looks);
}

static void done(void *arg, bool dropped)
{
    struct roster_looks *looks = arg;
    struct core *core = looks->classes->core;

    for (size_t i = 0; i < looks->n && !dropped && !core->stopping; i++)
        take_look(core, &looks->all[i]);
    looks_free(looks);
}

static size_t dir_len(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

/* Those of the same directory that are on their way; NULL: none are. */
static struct roster_looks *looks_of(struct classes *c, const char *path)
{
    size_t len = dir_len(path);

    list_for_each (at, &c->looks) {
        struct roster_looks *looks = list_entry(at, struct roster_looks, link);

        if (looks->dir_len == len && !memcmp(looks->all[0].path, path, len))
            return looks;
    }
    return NULL;
}

static struct roster_looks *looks_new(struct classes *c, const char *path)
{
    struct roster_looks *looks = calloc(1, sizeof(*looks) + LOOKS_MAX * sizeof(looks->all[0]));

    if (!looks)
        return NULL;
    looks->classes = c;
    looks->dir_len = dir_len(path);
    list_append(&c->looks, &looks->link);
    return looks;
}

static void put_look(struct roster_looks *looks, const struct course *course)
{
    struct look *k = &looks->all[looks->n++];

    k->class_id = course->id;
    k->is_first = !course->roster.is_looked_at;
    k->mark = course->roster.mark;
    str_copy(k->path, sizeof(k->path), course->roster.path);
}

/* A new file's list takes the place of the old one's when it is read, and not before. */
static void follow(struct course_roster *r, const char *path)
{
    if (str_equal(r->path, path))
        return;
    str_copy(r->path, sizeof(r->path), path);
    r->is_looked_at = false;
    r->due_usec = 0;
    if (!*path)
        course_roster_done(r);
}

static void consider(struct classes *c, struct course *course, const struct class *class,
                     int64_t now)
{
    struct course_roster *r = &course->roster;
    struct roster_looks *looks;

    follow(r, class->spec.roster);
    if (!*r->path || now < r->due_usec)
        return;
    looks = looks_of(c, r->path);
    if (looks && looks->begin_usec) { /* posted, and not back yet */
        r->is_silent = now - looks->begin_usec > SILENT_USEC;
        if (r->is_silent)
            set_trouble(class, r, "the file system does not answer");
        return;
    }
    if (!looks)
        looks = looks_new(c, r->path);
    if (!looks || looks->n == LOOKS_MAX)
        return; /* at the next tick */
    put_look(looks, course);
    r->due_usec = now + LOOK_USEC;
}

void class_rosters_tick(struct classes *c)
{
    struct table *t = events_table(c->core->events, NOUN_CLASS);
    int64_t now = loop_monotonic_usec(c->core->loop);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->pub : NULL;
        struct course *course = class && !class->deleted ? course_get(c->core, class->id) : NULL;

        if (course)
            consider(c, course, class, now);
    }
    list_for_each_safe (at, &c->looks) {
        struct roster_looks *looks = list_entry(at, struct roster_looks, link);

        if (looks->begin_usec)
            continue;
        looks->begin_usec = now;
        if (workers_post(c->roster_workers, work, done, looks) < 0)
            looks_free(looks);
    }
}

/* ---- for the other files ---- */

int class_rosters_new(struct classes *c)
{
    list_init(&c->looks);
    c->roster_workers = workers_new(c->core->loop, "roster", THREADS, 1024);
    return c->roster_workers ? 0 : -errno;
}

void class_rosters_free(struct classes *c)
{
    (void)workers_abandon(c->roster_workers, STOP_WAIT_USEC);
}

void course_roster_done(struct course_roster *r)
{
    roster_free(r->list);
    *r = (struct course_roster){.due_usec = 0};
}

bool course_roster_has(const struct course *course, const struct vdi_principal *who)
{
    return course && course->roster.list && roster_has(course->roster.list, who->realm, who->name);
}

void course_roster_write(const struct course *course, bool with_path, struct buf *out)
{
    const struct course_roster *r = course ? &course->roster : NULL;
    char when[40];

    if (!r || !*r->path)
        return;
    if (with_path) {
        buf_puts(out, ",\"roster\":");
        json_write_string(out, r->path);
    }
    buf_printf(out,
               ",\"roster_members\":%zu,\"roster_time\":", r->list ? roster_count(r->list) : 0);
    if (r->list)
        buf_printf(out, "\"%s\"", time_to_rfc3339(r->read_usec, when));
    else
        buf_puts(out, "null");
}
