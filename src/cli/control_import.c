/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_import.c - vdictl class import: what a calendar's file says becomes classes.
 *
 * First everything is compared and shown, then it is done, class by class, as each is admitted by
 * itself. An event is found again by its UID, so that a second import has nothing to do. Classes
 * whose event is gone are looked for among those of the same calendar, which is the file's name.
 */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cli/class_event.h"
#include "cli/class_list.h"
#include "codec/noun_codec.h"

enum outcome { ADDED, CHANGED, SAME, GONE, REFUSED, N_OUTCOMES };

static const char *const outcomes[] = {"added", "changed", "same", "gone", "refused"};

/* A class of the controller. */
struct known {
    struct class class;
    char uid[320];
    bool is_here; /* its event is in the file */
};

/* One date that is to be changed. */
struct step {
    char date[CLASS_DATE_MAX];
    struct ics_moved moved; /* starts "": as the rule says again */
};

struct entry {
    enum outcome outcome;
    const struct ics_class *event;
    const struct known *known; /* NULL: new */
    char name[64];
    struct buf text, body; /* shown; sent */
    struct step *steps;
    size_t n_steps;
};

struct import {
    struct control *control;
    char calendar[64];
    struct buf options; /* what they say, as a PATCH */
    struct ics ics;
    struct known **known;
    size_t n_known;
    struct hash *by_uid, *by_name; /* known */
    struct entry *entries;         /* of the file's events */
    size_t n_entries;
    enum exit_code code;
};

static int no_memory(struct vdi_error *err)
{
    return error_set(err, ENOMEM, "", "out of memory");
}

/* ---- what there is ---- */

static int keep_known(void *arg, const struct value *document, struct vdi_error *err)
{
    struct import *i = arg;
    struct known *k = calloc(1, sizeof(*k));
    struct known **list = realloc(i->known, (i->n_known + 1) * sizeof(*list));
    int r;

    if (list)
        i->known = list;
    if (!k || !list) {
        free(k);
        return no_memory(err);
    }
    list[i->n_known++] = k;
    r = class_from_document(document, &k->class, err);
    if (r < 0)
        return r;
    class_event_uid(&k->class, k->uid);
    if (hash_put(i->by_name, k->class.spec.name, k) < 0 || hash_put(i->by_uid, k->uid, k) < 0)
        return error_set(err, EREMOTEIO, "", "two classes have the UID '%.64s'", k->uid);
    return 0;
}

static int read_file(struct import *i, const char *path, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(ICS_BYTES_MAX);
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t len = strlen(base);
    int r = file_read(path, &text);

    if (r == -EFBIG) {
        error_set(err, E2BIG, "", "%s is too large", path);
        error_hint(err, "1 MiB", "part it");
        return -EINVAL;
    }
    if (r < 0)
        return error_set(err, EINVAL, "", "%s: %s", path,
                         r == -ELOOP ? "it is a link" : strerror(-r));
    if (len > 4 && str_equal(base + len - 4, ".ics"))
        len -= 4;
    if (len >= sizeof(i->calendar) || !str_is_text(base, len, false)) {
        error_set(err, EINVAL, "", "the file's name names its calendar, and this one can't");
        error_hint(err, "63 bytes of UTF-8", "rename it");
        return -EINVAL;
    }
    memcpy(i->calendar, base, len);
    r = ics_read(text.data ? text.data : "", text.len, &i->ics, err);
    return r == -E2BIG ? -EINVAL : r;
}

/* ---- its name ---- */

static bool is_taken(const struct import *i, const char *name)
{
    bool taken = hash_get(i->by_name, name) != NULL;

    for (size_t k = 0; !taken && k < i->n_entries; k++)
        taken = str_equal(i->entries[k].name, name);
    return taken;
}

/* "CAD, Lab 2" is CAD-Lab-2; one that there is gets a number. */
static void make_name(const struct import *i, const char *summary, char ret[64])
{
    char word[56] = "";
    size_t n = 0;

    for (const char *at = summary; *at && n < sizeof(word) - 1; at++) {
        bool plain =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');

        if (plain)
            word[n++] = *at;
        else if (n && word[n - 1] != '-')
            word[n++] = '-';
    }
    if (n && word[n - 1] == '-')
        n--;
    word[n] = '\0';
    if (!n)
        str_copy(word, sizeof(word), "class");
    str_copy(ret, 64, word);
    for (unsigned k = 2; is_taken(i, ret); k++)
        snprintf(ret, 64, "%s-%u", word, k);
}

static int find_name(const struct import *i, const struct entry *e, char ret[64],
                     struct vdi_error *err)
{
    const char *said = e->event->name;

    if (e->known && (!*said || str_equal(said, e->known->class.spec.name))) {
        str_copy(ret, 64, e->known->class.spec.name);
        return 0;
    }
    if (e->known) {
        error_set(err, EINVAL, "X-VDI-NAME", "it is class '%s', and a class keeps its name",
                  e->known->class.spec.name);
        error_hint(err, NULL, "leave X-VDI-NAME as it was, or delete that class");
        return -EINVAL;
    }
    if (!*said) {
        make_name(i, e->event->summary, ret);
        return 0;
    }
    if (!str_is_name(said, 63)) {
        error_set(err, EINVAL, "X-VDI-NAME", "'%.64s' is not a name of a class", said);
        error_hint(err, "63 bytes", "use letters, digits and ._-");
        return -EINVAL;
    }
    if (is_taken(i, said)) {
        error_set(err, EEXIST, "X-VDI-NAME", "there is another class '%s'", said);
        error_hint(err, NULL, "delete that one, or choose another name");
        return -EEXIST;
    }
    str_copy(ret, 64, said);
    return 0;
}

/* ---- what it is to be ---- */

static int check_missing(const struct class_spec *s, struct vdi_error *err)
{
    const char *field = !*s->template_name          ? "template"
                        : !s->seats                 ? "seats"
                        : !*s->groups && !*s->users ? "groups"
                                                    : NULL;

    if (!field)
        return 0;
    error_set(err, EINVAL, field, "neither the file nor an option says it");
    error_hint(err, NULL,
               "add --template, --seats and --groups or --users, or X-VDI- of that name");
    return -EINVAL;
}

/* The times in the words of the file; except by the names of the occurrences. */
static int put_times(const struct ics_class *event, struct class_spec *s, struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *all = NULL;
    _cleanup_(buf_done) struct buf except = BUF_INIT(1 << 20);
    struct calendar_text text = ics_class_text(event);
    char date[CLASS_DATE_MAX];
    int r;

    text.n_except = 0;
    r = calendar_new(&text, &all, err);
    for (size_t k = 0; r == 0 && k < event->except.n; k++) {
        r = class_event_date(all, event->except.items[k], date, err);
        buf_printf(&except, "%s%s", k ? "," : "", date);
    }
    if (r < 0)
        return r;
    str_to_duration_sec(event->duration, 60, &s->duration_sec);
    str_copy(s->starts, sizeof(s->starts), event->starts);
    if (!str_copy(s->zone, sizeof(s->zone), event->zone) ||
        !str_copy(s->repeat, sizeof(s->repeat), event->repeat)) {
        error_set(err, E2BIG, "RRULE", "the rule is too long");
        error_hint(err, "255 bytes", "make more events of it");
        return -E2BIG;
    }
    if (!str_copy(s->except, sizeof(s->except), except.len ? except.data : "")) {
        error_set(err, E2BIG, "EXDATE", "it is left out on too many dates");
        error_hint(err, "1023 bytes", "make more events of it");
        return -E2BIG;
    }
    return 0;
}

static bool is_same_list(const struct ics_list *a, const struct ics_list *b)
{
    bool same = a->n == b->n;

    for (size_t k = 0; same && k < a->n; k++)
        same = str_equal(a->items[k], b->items[k]);
    return same;
}

/* What means the same stays as it was written. */
static void keep_times(const struct ics_class *now, const struct ics_class *then,
                       const struct class_spec *old, struct class_spec *s)
{
    if (str_equal(now->starts, then->starts))
        str_copy(s->starts, sizeof(s->starts), old->starts);
    if (str_equal(now->repeat, then->repeat))
        str_copy(s->repeat, sizeof(s->repeat), old->repeat);
    if (is_same_list(&now->except, &then->except))
        str_copy(s->except, sizeof(s->except), old->except);
}

/* ---- single dates ---- */

static const struct ics_moved *find_moved(const struct ics_class *event, const char *from)
{
    for (size_t k = 0; k < event->n_moved; k++)
        if (str_equal(event->moved[k].from, from))
            return &event->moved[k];
    return NULL;
}

static int add_step(struct entry *e, const char *date, const struct ics_moved *moved)
{
    struct step *steps = realloc(e->steps, (e->n_steps + 1) * sizeof(*steps));

    if (!steps)
        return -ENOMEM;
    e->steps = steps;
    steps[e->n_steps] = (struct step){.date = ""};
    str_copy(steps[e->n_steps].date, sizeof(steps->date), date);
    if (moved)
        steps[e->n_steps].moved = *moved;
    e->n_steps++;
    return 0;
}

/* What is changed now and is not to be: dates that are left out are so by the class itself. */
static int add_resets(struct entry *e, const struct calendar *calendar,
                      const struct ics_class *then, struct vdi_error *err)
{
    const char *at = e->known ? e->known->class.overrides : "";
    struct class_override o;
    int r = 0;

    while (r == 0 && class_override_next(&at, &o)) {
        struct calendar_occurrence found;
        bool moved = false;

        for (size_t k = 0; !o.skip && k < then->n_moved; k++) {
            char date[CLASS_DATE_MAX];

            moved = moved || (class_event_date(calendar, then->moved[k].from, date, NULL) == 0 &&
                              str_equal(date, o.date));
        }
        if (!moved && calendar_find(calendar, o.date, &found, NULL) == 0 &&
            add_step(e, o.date, NULL) < 0)
            r = no_memory(err);
    }
    return r;
}

static int add_steps(struct entry *e, const struct ics_class *now, const struct ics_class *then,
                     struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *calendar = NULL;
    struct calendar_text text = ics_class_text(then);
    int r = calendar_new(&text, &calendar, err);

    if (r == 0)
        r = add_resets(e, calendar, then, err);
    for (size_t k = 0; r == 0 && k < then->n_moved; k++) {
        const struct ics_moved *to = &then->moved[k];
        const struct ics_moved *was = now ? find_moved(now, to->from) : NULL;
        char date[CLASS_DATE_MAX];

        r = class_event_date(calendar, to->from, date, err);
        if (r == 0 && (!was || !str_equal(was->starts, to->starts) ||
                       !str_equal(was->duration, to->duration)))
            r = add_step(e, date, to) < 0 ? no_memory(err) : 0;
    }
    return r;
}

/* ---- the difference ---- */

static void put_fields(struct entry *e, const struct class *old, const struct class *class)
{
    buf_putc(&e->body, '{');
    for (const struct field *f = class_fields; f->type != FIELD_END; f++) {
        _cleanup_(buf_done) struct buf was = BUF_INIT(0), is = BUF_INIT(0);

        if (!(f->flags & (e->known ? FIELD_UPDATE : FIELD_SUBMIT)))
            continue;
        field_write_value(f, old, &was);
        field_write_value(f, class, &is);
        if (e->known && (!was.data || !is.data || str_equal(was.data, is.data)))
            continue;
        buf_printf(&e->body, "%s\"%s\":%s", e->body.len > 1 ? "," : "", f->name, is.data);
        if (e->known)
            buf_printf(&e->text, "\n    %s: %s, was %s", f->name, is.data, was.data);
        else if (!str_equal(is.data, "\"\"") && !str_equal(is.data, "0") &&
                 !str_equal(f->name, "name"))
            buf_printf(&e->text, "\n    %s: %s", f->name, is.data);
    }
    buf_putc(&e->body, '}');
}

static void put_steps(struct entry *e)
{
    for (size_t k = 0; k < e->n_steps; k++) {
        const struct step *s = &e->steps[k];

        if (*s->moved.starts)
            buf_printf(&e->text, "\n    %s: moved to %s, for %s", s->date, s->moved.starts,
                       s->moved.duration);
        else
            buf_printf(&e->text, "\n    %s: as the rule says again", s->date);
    }
}

static int compare(struct import *i, struct entry *e, struct class *class, struct vdi_error *err)
{
    const struct class none = {.refs = 0}, *old = e->known ? &e->known->class : &none;
    struct ics now = {0}, raw = {0}, then = {0};
    int r = class_event_normalize(e->event, &then, err);

    if (r == 0 && e->known)
        r = class_to_event(old, &raw, err);
    if (r == 0 && e->known)
        r = class_event_normalize(&raw.classes[0], &now, err);
    if (r == 0)
        r = put_times(&then.classes[0], &class->spec, err);
    if (r == 0 && e->known)
        keep_times(&now.classes[0], &then.classes[0], &old->spec, &class->spec);
    if (r == 0)
        r = add_steps(e, e->known ? &now.classes[0] : NULL, &then.classes[0], err);
    ics_done(&now);
    ics_done(&raw);
    ics_done(&then);
    if (r < 0)
        return r;
    put_fields(e, old, class);
    put_steps(e);
    if (e->text.failed || e->body.failed)
        return no_memory(err);
    e->outcome = !e->known ? ADDED : e->body.len > 2 || e->n_steps ? CHANGED : SAME;
    return 0;
}

/* What there was, on it the options, on these the file. */
static int plan_event(struct import *i, struct entry *e, struct vdi_error *err)
{
    _cleanup_(freep) struct class *class = calloc(1, sizeof(*class));
    int r;

    if (!class)
        return no_memory(err);
    if (strlen(e->event->uid) >= sizeof(class->spec.uid)) {
        error_set(err, E2BIG, "UID", "it is too long");
        error_hint(err, "255 bytes", "give it another");
        return -E2BIG;
    }
    if (e->known)
        *class = e->known->class;
    else {
        class->spec.lead_sec = CLASS_LEAD_SEC;
        str_copy(class->spec.uid, sizeof(class->spec.uid), e->event->uid);
        str_copy(class->spec.calendar, sizeof(class->spec.calendar), i->calendar);
    }
    r = fields_read(class_fields, class, i->options.data, i->options.len, FIELD_UPDATE, NULL, err);
    if (r == 0)
        r = class_put_words(e->event, &class->spec, err);
    if (r == 0)
        r = find_name(i, e, class->spec.name, err);
    if (r == 0)
        r = check_missing(&class->spec, err);
    if (r == 0)
        r = compare(i, e, class, err);
    if (r == 0)
        str_copy(e->name, sizeof(e->name), class->spec.name);
    return r;
}

/* ---- shown ---- */

static void refuse(struct import *i, const struct entry *e, const struct vdi_error *err)
{
    char why[640];

    fprintf(stderr, CONTROL_NAME ": event '%.64s' (%.64s): %s\n", e->event->uid,
            *e->event->summary ? e->event->summary : "without a summary",
            error_text(err, why, sizeof(why)));
    i->code = EXIT_REFUSED;
}

static bool is_gone(const struct import *i, const struct known *k)
{
    return !k->is_here && !k->class.from_config && *k->class.spec.uid &&
           str_equal(k->class.spec.calendar, i->calendar);
}

static int plan_all(struct import *i, struct vdi_error *err)
{
    i->entries = calloc(i->ics.n + 1, sizeof(*i->entries));
    if (!i->entries)
        return no_memory(err);
    for (size_t k = 0; k < i->ics.n; k++) {
        struct entry *e = &i->entries[k];
        struct vdi_error why = {0};
        struct known *known = hash_get(i->by_uid, i->ics.classes[k].uid);

        *e = (struct entry){.event = &i->ics.classes[k], .known = known};
        if (known)
            known->is_here = true;
        if (plan_event(i, e, &why) < 0) {
            e->outcome = REFUSED;
            refuse(i, e, &why);
        }
        i->n_entries++;
    }
    return 0;
}

/* The number of changes that there are to be made. */
static size_t show(struct import *i)
{
    size_t counts[N_OUTCOMES] = {0};
    bool deletes = i->control->options.delete;

    for (size_t k = 0; k < i->n_entries; k++) {
        struct entry *e = &i->entries[k];

        counts[e->outcome]++;
        if (e->outcome == REFUSED)
            continue;
        printf("%-8s %s", outcomes[e->outcome], e->name);
        if (*e->event->summary && !str_equal(e->event->summary, e->name))
            printf(" (%s)", e->event->summary);
        printf("%s\n", e->text.len ? e->text.data : "");
    }
    for (size_t k = 0; k < i->n_known; k++)
        if (is_gone(i, i->known[k])) {
            counts[GONE]++;
            printf("%-8s %s%s\n", outcomes[GONE], i->known[k]->class.spec.name,
                   deletes ? ": is deleted" : ": stays; --delete deletes it");
        }
    for (size_t k = 0; k < N_OUTCOMES; k++)
        printf("%s%zu %s", k ? ", " : "", counts[k], outcomes[k]);
    printf("\n");
    fflush(stdout);
    return counts[ADDED] + counts[CHANGED] + (deletes ? counts[GONE] : 0);
}

/* ---- done ---- */

static int send_step(struct import *i, const char *name, const struct step *s,
                     struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096), body = BUF_INIT(256);
    int64_t sec = 0;

    control_class_path(&target, "/v1/classes", name, s->date);
    if (*s->moved.starts) {
        str_to_duration_sec(s->moved.duration, 60, &sec);
        buf_printf(&body, "{\"starts\":\"%s\",\"duration_sec\":%" PRId64 "}", s->moved.starts, sec);
    } else
        buf_puts(&body, "{\"reset\":true}");
    return client_send(i->control->client, "PATCH", target.data, &body, NULL, err);
}

/* A date that is refused is told by itself: the next import tries it again. */
static int apply(struct import *i, const struct entry *e, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    int r = 0;

    control_class_path(&target, "/v1/classes", e->known ? e->name : NULL, NULL);
    if (e->body.len > 2)
        r = client_send(i->control->client, e->known ? "PATCH" : "POST", target.data, &e->body,
                        NULL, err);
    for (size_t k = 0; r == 0 && k < e->n_steps; k++) {
        r = send_step(i, e->name, &e->steps[k], err);
        if (r < 0 && client_exit_code(r) != EXIT_UNREACHABLE) {
            refuse(i, e, err);
            r = 0;
        }
    }
    return r;
}

/* A refusal is told and the others go on; without an answer or a right there is no use in that. */
static int told(struct import *i, int r, const char *done, const char *name, const struct entry *e,
                struct vdi_error *err)
{
    if (r == 0) {
        printf("%s: %s\n", name, done);
        return 0;
    }
    if (client_exit_code(r) == EXIT_UNREACHABLE)
        return r;
    if (e)
        refuse(i, e, err);
    else
        i->code = client_fail(CONTROL_NAME, r, err);
    return 0;
}

static int apply_all(struct import *i, struct vdi_error *err)
{
    int r = 0;

    for (size_t k = 0; r == 0 && k < i->n_known; k++) {
        const char *name = i->known[k]->class.spec.name;
        _cleanup_(buf_done) struct buf target = BUF_INIT(4096);

        if (!i->control->options.delete || !is_gone(i, i->known[k]))
            continue;
        control_class_path(&target, "/v1/classes", name, NULL);
        r = client_send(i->control->client, "DELETE", target.data, NULL, NULL, err);
        r = told(i, r, "deleted", name, NULL, err);
    }
    for (size_t k = 0; r == 0 && k < i->n_entries; k++) {
        const struct entry *e = &i->entries[k];

        if (e->outcome == ADDED || e->outcome == CHANGED)
            r = told(i, apply(i, e, err), e->known ? "changed" : "booked", e->name, e, err);
    }
    return r;
}

static int confirm(const struct control *c, bool *ret, struct vdi_error *err)
{
    char answer[16];

    *ret = c->options.yes;
    if (*ret)
        return 0;
    if (!isatty(STDIN_FILENO)) {
        error_set(err, EINVAL, "yes", "nothing was changed: nobody is there to be asked");
        error_hint(err, NULL, "--yes makes these changes, --dry-run only shows them");
        return -EINVAL;
    }
    fprintf(stderr, "Make these changes? [y/n] ");
    *ret = fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
    return 0;
}

static void import_done(struct import *i)
{
    for (size_t k = 0; k < i->n_entries; k++) {
        buf_done(&i->entries[k].text);
        buf_done(&i->entries[k].body);
        free(i->entries[k].steps);
    }
    free(i->entries);
    hash_free(i->by_uid);
    hash_free(i->by_name);
    for (size_t k = 0; k < i->n_known; k++)
        free(i->known[k]);
    free(i->known);
    ics_done(&i->ics);
    buf_done(&i->options);
}

static int import(struct import *i, const char *path, struct vdi_error *err)
{
    bool wanted = false;
    int r = read_file(i, path, err);

    buf_putc(&i->options, '{');
    if (r == 0)
        r = control_class_members(&i->control->options, &i->options, err);
    buf_putc(&i->options, '}');
    if (r == 0)
        r = class_list(i->control->client, "/v1/classes", "classes", keep_known, i, err);
    if (r == 0)
        r = plan_all(i, err);
    if (r == 0 && show(i) && !i->control->options.dry_run) {
        r = confirm(i->control, &wanted, err);
        if (r == 0 && wanted)
            r = apply_all(i, err);
    }
    return r < 0 ? r : (int)i->code;
}

int control_class_import(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    struct import i = {.control = c,
                       .options = BUF_INIT(1 << 16),
                       .by_uid = hash_new_str(),
                       .by_name = hash_new_str()};
    int r = i.by_uid && i.by_name ? import(&i, c->words[0], err) : no_memory(err);

    import_done(&i);
    return r;
}
