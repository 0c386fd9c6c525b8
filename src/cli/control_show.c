/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_show.c - vdictl's verbs that show: a document as lines "name: value".
 *
 * The names are those of the API's document, whatever a later controller adds
 * to it: nothing here lists members.
 */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/ids.h"
#include "cli/private_file.h"

static void put_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        putchar(*p < 32 || *p == 127 ? ' ' : *p);
}

/* Times of the API are UTC; people are told local time. --json prints them as they are. */
static bool print_time(const char *name, const struct value *value)
{
    _cleanup_(buf_done) struct buf local = BUF_INIT(64);
    size_t n = strlen(name);
    int64_t usec;
    if (n < 4 || !str_equal(name + n - 4, "time") || !value_is_string(value) ||
        time_from_rfc3339(value_string(value, ""), &usec) < 0)
        return false;
    cell_usec(&local, usec);
    put_plain(local.data ? local.data : "");
    return true;
}

static void print_value(const char *name, const struct value *value)
{
    if (print_time(name, value))
        return;
    if (value_is_string(value)) {
        put_plain(value_string(value, ""));
        return;
    }
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    value_write(value, 0, &text);
    put_plain(text.data ? text.data : "");
}

static void print_members(const struct value *object)
{
    const char *name;
    const struct value *value;
    for (void *i = NULL; value_next(object, &i, &name, &value);) {
        if (value_is_null(value) || str_equal(value_string(value, "-"), ""))
            continue;
        printf("%s: ", name);
        print_value(name, value);
        putchar('\n');
    }
}

static void print_line(const struct value *object)
{
    const char *name, *separator = "";
    const struct value *value;
    for (void *i = NULL; value_next(object, &i, &name, &value);) {
        if (value_is_null(value) || str_equal(value_string(value, "-"), ""))
            continue;
        printf("%s%s=", separator, name);
        print_value(name, value);
        separator = " ";
    }
    putchar('\n');
}

void control_print(const struct value *value, bool json)
{
    if (json) {
        _cleanup_(buf_done) struct buf text = BUF_INIT(0);
        value_write(value, 2, &text);
        puts(text.data ? text.data : "");
    } else if (value_is_object(value)) {
        print_members(value);
    } else {
        print_value("", value);
        putchar('\n');
    }
}

/* A line of /log: its time, and the rest. */
static void print_stage(char *line)
{
    size_t n = strcspn(line, " ");
    char *rest = line + n, time[40];
    int64_t usec;
    snprintf(time, sizeof(time), "%.*s", (int)n, line);
    if (n < sizeof(time) && time_from_rfc3339(time, &usec) == 0) {
        _cleanup_(buf_done) struct buf local = BUF_INIT(64);
        cell_usec(&local, usec);
        put_plain(local.data ? local.data : "");
        line = rest;
    }
    put_plain(line);
    putchar('\n');
}

static int show_log(struct control *c, const char *target, struct vdi_error *err)
{
    struct client_request request = {.method = "GET", .target = target};
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    int r = client_do(c->client, &request, &text, err);
    for (char *line = text.data, *end; r == 0 && line && *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n' ? (*end = '\0', 1) : 0;
        print_stage(line);
    }
    return r;
}

static int save_picture(struct control *c, const char *id, struct vdi_error *err)
{
    char target[80];
    struct client_request request = {.method = "GET", .target = target};
    _cleanup_(buf_done) struct buf picture = BUF_INIT(0);
    snprintf(target, sizeof(target), "/v1/jobs/%s/log?screenshot=true", id);
    int r = client_do(c->client, &request, &picture, err);
    return r < 0 ? r : private_file_write(c->options.screenshot, true, &picture, err);
}

/* What is printed for one job: the document, its stages, or its events. */
static int show_job(struct control *c, const char *id, struct vdi_error *err)
{
    char target[64];
    const char *part = c->options.log ? "/log" : c->options.events ? "/events" : "";
    snprintf(target, sizeof(target), "/v1/jobs/%s%s", id, part);
    if (c->options.log) {
        int r = show_log(c, target, err);
        return r == 0 && c->options.screenshot ? save_picture(c, id, err) : r;
    }
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(c->client, target, &document, err);
    if (r < 0)
        return r;
    const struct value *root = document_root(document), *events = value_get(root, "events");
    if (!c->options.events || c->options.json)
        control_print(root, c->options.json);
    else
        for (size_t i = 0; i < value_count(events); i++)
            print_line(value_item(events, i));
    return 0;
}

int control_show_jobs(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    struct ids ids = {.n = 0};
    int r = 0;
    if (c->options.log && (c->options.json || c->options.events))
        return error_set(err, EINVAL, "log", "--log goes with neither --json nor --events");
    if (c->options.screenshot && (!c->options.log || c->n_words != 1))
        return error_set(err, EINVAL, "screenshot", "--screenshot goes with --log and one job");
    for (int i = 0; r == 0 && i < c->n_words; i++)
        r = ids_add(&ids, c->words[i], err);
    for (size_t i = 0; r == 0 && i < ids.n; i++) {
        if (i && !c->options.json)
            putchar('\n');
        char id[ID_TEXT];
        r = show_job(c, id_text(ids.ids[i], id), err);
    }
    ids_done(&ids);
    return r;
}

/* The one member of the answer that is a list. */
static const struct value *list_of(const struct value *answer)
{
    const char *name;
    const struct value *value;
    for (void *i = NULL; value_next(answer, &i, &name, &value);)
        if (value_is_list(value))
            return value;
    return NULL;
}

static bool is_named(const struct control *c, const struct value *item)
{
    const char *name = value_get_string(item, "name", value_get_string(item, "id", ""));
    for (int i = 0; i < c->n_words; i++)
        if (str_equal(c->words[i], name))
            return true;
    return c->n_words == 0;
}

static int check_named(const struct control *c, const struct value *list, const char *noun,
                       struct vdi_error *err)
{
    for (int i = 0; i < c->n_words; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < value_count(list); k++)
            found = str_equal(value_get_string(value_item(list, k), "name", ""), c->words[i]);
        if (!found)
            return error_set(err, ENOENT, noun, "no such %s: %.60s", noun, c->words[i]);
    }
    return 0;
}

/* Things that the API only lists; names choose from the list. */
int control_show_list(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(c->client, verb->target, &document, err);
    if (r < 0)
        return r;
    const struct value *list = list_of(document_root(document));
    r = check_named(c, list, verb->noun, err);
    if (r < 0)
        return r;
    if (c->options.json && !c->n_words) {
        control_print(document_root(document), true);
        return 0;
    }
    for (size_t i = 0, shown = 0; i < value_count(list); i++) {
        const struct value *item = value_item(list, i);
        if (!is_named(c, item))
            continue;
        if (shown++ && !c->options.json)
            putchar('\n');
        control_print(item, c->options.json);
    }
    return 0;
}

/* Things that have a path of their own; without a name: the list. */
int control_show_one(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    int r = 0;
    if (!c->n_words)
        return control_show_list(c, verb, err);
    for (int i = 0; r == 0 && i < c->n_words; i++) {
        _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
        _cleanup_(document_freep) struct document *document = NULL;
        buf_printf(&target, "%s/", verb->target);
        client_escape(&target, c->words[i]);
        r = client_get(c->client, target.data, &document, err);
        if (i && !c->options.json)
            putchar('\n');
        if (r == 0)
            control_print(document_root(document), c->options.json);
    }
    return r;
}

/* A document without a name; a list in it is printed a line each. */
int control_show_document(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    _cleanup_(document_freep) struct document *document = NULL;
    buf_puts(&target, verb->target);
    client_query(&target, "after", c->options.after);
    int r = client_get(c->client, target.data, &document, err);
    if (r < 0)
        return r;
    const struct value *root = document_root(document), *list = list_of(root);
    if (c->options.json || !list)
        control_print(root, c->options.json);
    else
        for (size_t i = 0; i < value_count(list); i++)
            print_line(value_item(list, i));
    return 0;
}

int control_ping(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int64_t before = time_monotonic_usec();
    int r = client_get(c->client, verb->target, &document, err);
    int64_t usec = time_monotonic_usec() - before;
    if (r < 0)
        return r;
    const struct value *root = document_root(document);
    if (c->options.json) {
        control_print(root, true);
        return 0;
    }
    printf("cluster %s, version %s: answered in %" PRId64 ".%03" PRId64 " ms\n",
           value_get_string(root, "cluster", "?"), value_get_string(root, "version", "?"),
           usec / 1000, usec % 1000);
    return 0;
}
