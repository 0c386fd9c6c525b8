/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit_body.c - the body of POST /v1/jobs.
 *
 * What was not asked for is left out: the controller knows the defaults, and
 * a member that is there says that somebody wanted it.
 */
#include "cli/submit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"

#define ENVIRONMENT_BYTES_MAX (1u << 20)

static void member(struct buf *out, const char *name)
{
    if (out->len && out->data[out->len - 1] != '{')
        buf_putc(out, ',');
    json_write_string(out, name);
    buf_putc(out, ':');
}

static void put_string(struct buf *out, const char *name, const char *text)
{
    if (str_is_empty(text))
        return;
    member(out, name);
    json_write_string(out, text);
}

static void put_number(struct buf *out, const char *name, int64_t n)
{
    member(out, name);
    buf_printf(out, "%" PRId64, n);
}

static void put_positive(struct buf *out, const char *name, int64_t n)
{
    if (n > 0)
        put_number(out, name, n);
}

static void put_time(struct buf *out, const char *name, int64_t usec)
{
    char text[40];
    if (usec)
        put_string(out, name, time_to_rfc3339(usec, text));
}

static void put_bool(struct buf *out, const char *name, bool value)
{
    member(out, name);
    buf_puts(out, value ? "true" : "false");
}

/* A name the guest's shell can have, and bytes that JSON can carry. */
static bool can_travel(const char *name, size_t len, const char *value)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr("_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", name[i]) &&
            !(i && strchr("0123456789", name[i])))
            return false;
    return len && script_is_utf8(value, strlen(value));
}

static void put_variable(struct buf *out, const char *name, size_t len, const char *value)
{
    char *copy = strndup(name, len);
    if (copy) {
        member(out, copy);
        json_write_string(out, value);
    } else {
        out->failed = true;
    }
    free(copy);
}

/* Is NAME said by --export itself? Then the environment's own is left out: no duplicates. */
static bool is_said(const char *export, const char *name, size_t len)
{
    for (const char *p = export; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, name, len) == 0 && (p[len] == '=' || p[len] == ',' || !p[len]))
            return true;
    return false;
}

static void put_all(const struct submit *submit, char **environment, struct buf *out)
{
    for (char **e = environment; *e; e++) {
        size_t len = strcspn(*e, "=");
        if (!(*e)[len] || str_starts_with(*e, "VDISUBMIT_") || is_said(submit->export, *e, len))
            continue;
        if (can_travel(*e, len, *e + len + 1))
            put_variable(out, *e, len, *e + len + 1);
        else if (submit->verbose)
            fprintf(stderr, "vdisubmit: %.*s is not passed: not a variable in UTF-8\n", (int)len,
                    *e);
    }
}

/* One member of --export: NAME or NAME=VALUE. */
static int put_exported(const char *item, size_t n, char **environment, struct buf *out,
                        struct vdi_error *err)
{
    const char *equals = memchr(item, '=', n);
    size_t len = equals ? (size_t)(equals - item) : n;
    _cleanup_(freep) char *given = equals ? strndup(equals + 1, n - len - 1) : NULL;
    const char *value = given;
    for (char **e = environment; !value && *e; e++)
        if (strncmp(*e, item, len) == 0 && (*e)[len] == '=')
            value = *e + len + 1;
    if (value && !can_travel(item, len, value)) {
        error_set(err, EINVAL, "export", "--export: %.*s is not a variable in UTF-8",
                  (int)(n > 60 ? 60 : n), item);
        return -EINVAL;
    }
    if (value) /* one that is not set is not set there either */
        put_variable(out, item, len, value);
    return 0;
}

static int put_environment(const struct submit *submit, char **environment, struct buf *out,
                           struct vdi_error *err)
{
    const char *export = submit->export ? submit->export : "ALL";
    if (str_equal(export, "NONE") || str_equal(export, "NIL"))
        return 0;
    _cleanup_(buf_done) struct buf object = BUF_INIT(ENVIRONMENT_BYTES_MAX);
    buf_putc(&object, '{');
    int r = 0;
    for (const char *p = export; r == 0 && *p; p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n == 3 && memcmp(p, "ALL", 3) == 0)
            put_all(submit, environment, &object);
        else if (n)
            r = put_exported(p, n, environment, &object, err);
        p += n;
    }
    if (r < 0)
        return r;
    if (buf_putc(&object, '}') < 0 || object.failed) {
        error_set(err, E2BIG, "export", "the environment is too large to pass");
        error_hint(err, "1 MiB", "name what the script needs: --export=HOME,PATH");
        return -EINVAL;
    }
    member(out, "environment");
    buf_append(out, object.data, object.len);
    return 0;
}

static int put_script(const struct submit *submit, const struct script *script, char *const *args,
                      size_t n_args, struct buf *out, struct vdi_error *err)
{
    member(out, "script");
    json_write_string(out, script->text);
    if (n_args) {
        member(out, "args");
        for (size_t i = 0; i < n_args; i++) {
            buf_putc(out, i ? ',' : '[');
            if (!script_is_utf8(args[i], strlen(args[i])))
                return error_set(err, EINVAL, "args", "argument %zu is not UTF-8", i + 1), -EINVAL;
            json_write_string(out, args[i]);
        }
        buf_putc(out, ']');
    }
    return 0;
}

/* A task a node, and what is asked for together in equal parts. */
static int put_nodes(const struct submit *s, struct buf *out, struct vdi_error *err)
{
    uint32_t nodes = s->nodes ? s->nodes : 1, parts = s->gpus_are_all ? nodes : 1;

    if (s->tasks && s->tasks != nodes) {
        error_set(err, EINVAL, "ntasks", "--ntasks=%u, and %u node%s: each node has one task",
                  s->tasks, nodes, nodes == 1 ? "" : "s");
        error_hint(err, NULL, "say as many --nodes; --cpus-per-task asks for more CPUs");
        return -EINVAL;
    }
    if (s->gpus % parts) {
        error_set(err, EINVAL, "gpus", "--gpus=%u can't be the same number on each of %u nodes",
                  s->gpus, nodes);
        error_hint(err, NULL, "say how many of each node: --gpus-per-node=N");
        return -EINVAL;
    }
    if (nodes > 1)
        put_number(out, "nodes", nodes);
    if (s->gpus_said)
        put_number(out, "gpus", s->gpus / parts);
    return 0;
}

static void put_wishes(const struct submit *s, struct buf *out)
{
    put_string(out, "partition", s->partition);
    put_string(out, "qos", s->qos);
    put_string(out, "account", s->account);
    put_string(out, "reservation", s->reservation);
    put_string(out, "comment", s->comment);
    put_string(out, "constraint", s->constraint);
    put_string(out, "licences", s->licences);
    put_string(out, "nodelist", s->nodelist);
    put_string(out, "exclude", s->exclude);
    put_string(out, "profile", s->profile);
    put_string(out, "work_dir", s->work_dir);
    put_string(out, "output", s->output);
    put_string(out, "error", s->error);
    put_string(out, "mail_type", s->mail_type);
    put_string(out, "mail_user", s->mail_user);
    put_string(out, "array", s->array);
    put_string(out, "dependency", s->dependency);
    if (s->kill_on_invalid_dep)
        put_bool(out, "kill_on_invalid_dep", true);
    put_positive(out, "time_limit_sec", s->time_limit_sec);
    put_positive(out, "time_min_sec", s->time_min_sec);
    put_time(out, "begin_time", s->begin_usec);
    put_time(out, "deadline_time", s->deadline_usec);
    put_positive(out, "cpus", s->cpus);
    put_positive(out, "memory_mib", (int64_t)s->memory_mib);
    if (s->nice)
        put_number(out, "nice", s->nice);
    if (s->signal) {
        put_number(out, "signal", s->signal);
        put_number(out, "signal_sec", s->signal_sec);
    }
    if (s->hold)
        put_bool(out, "hold", true);
    if (s->requeue != REQUEUE_UNSAID)
        put_bool(out, "requeue", s->requeue == REQUEUE_YES);
}

int submit_body(const struct submit *submit, const struct script *script, char *const *args,
                size_t n_args, char **environment, struct buf *out, struct vdi_error *err)
{
    const char *desktop = submit->desktop ? submit->desktop : submit->template_name;
    const char *name = script ? script->name : desktop ? desktop : submit->reservation;
    buf_putc(out, '{');
    put_string(out, "name", submit->name ? submit->name : name);
    put_string(out, "kind", script ? "batch" : "interactive");
    put_string(out, "template", script ? submit->template_name : desktop);
    put_wishes(submit, out);
    int r = put_nodes(submit, out, err);
    if (r == 0 && script)
        r = put_script(submit, script, args, n_args, out, err);
    /* A desktop is logged in to: what it has is the guest's own, and what is asked for. */
    if (r == 0 && (script || submit->export))
        r = put_environment(submit, environment, out, err);
    buf_putc(out, '}');
    if (r < 0)
        return r;
    return out->failed ? error_set(err, ENOMEM, "", "no memory for the request") : 0;
}
