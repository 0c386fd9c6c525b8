/* SPDX-License-Identifier: Apache-2.0 */
/* site_fixture.c - site/fake with a tiny host under a virtual clock */
#include "tests/unit/plugins/site_fixture.h"

struct vdi_watch {
    struct source *source;
    void (*fn)(void *arg);
    void *arg;
};

const struct vdi_site_ops *ops;

/* ---- a tiny host ---- */

__attribute__((format(printf, 3, 4))) static void
host_log(struct vdi_host *host, enum vdi_log_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(host->last_log, sizeof(host->last_log), format, ap);
    va_end(ap);
    host->warnings += level <= VDI_LOG_WARNING;
}

static void on_time(void *arg)
{
    struct vdi_watch *w = arg;

    w->fn(w->arg);
}

static struct vdi_watch *host_timer(struct vdi_host *host, int64_t delay_usec,
                                    void (*fn)(void *arg), void *arg)
{
    struct vdi_watch *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->fn = fn;
    w->arg = arg;
    w->source = loop_timer(host->loop, delay_usec, on_time, w);
    host->n_watches++;
    return w;
}

static void host_unwatch(struct vdi_host *host, struct vdi_watch *w)
{
    source_free(w->source);
    free(w);
    host->n_watches--;
}

static void host_complete(struct vdi_op *op, int result, const char *json,
                          const struct vdi_error *err)
{
    op->completed++;
    op->result = result;
    snprintf(op->json, sizeof(op->json), "%s", json ? json : "");
    if (err)
        op->err = *err;
}

static void host_instance_event(struct vdi_host *host, struct vdi_instance_id id, const char *what,
                                const char *json)
{
    struct heard *h = &host->heard[host->n_heard++];
    struct vdi_op op = {0};

    assert_true(host->n_heard <= 64);
    h->id = id;
    h->at_usec = loop_now_usec(host->loop);
    snprintf(h->what, sizeof(h->what), "%s", what);
    snprintf(h->json, sizeof(h->json), "%s", json ? json : "");
    if (host->stop_on_ready)
        assert_int_equal(ops->stop(host->stop_on_ready, id, "n1", 0, &op), 0);
}

static int64_t host_now_usec(struct vdi_host *host)
{
    return loop_now_usec(host->loop);
}

const struct vdi_host_api api = {
    .size = sizeof(api),
    .log = host_log,
    .timer = host_timer,
    .unwatch = host_unwatch,
    .complete = host_complete,
    .instance_event = host_instance_event,
    .now_usec = host_now_usec,
};

/* ---- shorter ---- */

void *site_new(struct vdi_host *host, const struct vdi_setting_value *settings, size_t n)
{
    struct vdi_error err = {0};
    void *site = NULL;

    if (ops->init(&site, host, &api, settings, n, &err) < 0)
        fail_msg("%s: %s", err.field, err.detail);
    return site;
}

void setup(struct fixture *f, const char *boot_ms, const char *run_ms, bool kept)
{
    struct vdi_setting_value settings[3] = {
        {"boot_ms", boot_ms}, {"run_ms", run_ms}, {"state_dir", f->dir}};

    if (!f->host.loop)
        f->host.loop = loop_new_virtual(T0);
    if (kept && !f->dir[0]) {
        snprintf(f->dir, sizeof(f->dir), "/tmp/test_site_fake.XXXXXX");
        assert_non_null(mkdtemp(f->dir));
    }
    f->site = site_new(&f->host, settings, 3);
}

void teardown(struct fixture *f)
{
    char command[100];

    ops->done(f->site);
    assert_int_equal(f->host.n_watches, 0);
    loop_free(f->host.loop);
    if (f->dir[0]) {
        snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
        assert_int_equal(system(command), 0);
    }
}

struct vdi_op start_spec(struct fixture *f, const struct vdi_instance_spec *spec)
{
    struct vdi_op op = {0};
    int r = ops->start(f->site, spec, &op);

    assert_int_equal(op.completed, r < 0 ? 0 : 1);
    if (r < 0)
        op.result = r;
    return op;
}

struct vdi_op start(struct fixture *f, uint64_t id, uint32_t generation, uint64_t epoch,
                    const char *script)
{
    struct vdi_instance_spec spec = {.id = {id, generation}, .epoch = epoch, .node = "n1"};
    char json[600] = "{\"job\":{\"kind\":\"interactive\"},\"payload\":{}}";

    if (script)
        snprintf(json, sizeof(json),
                 "{\"job\":{\"kind\":\"batch\"},\"payload\":{\"script\":\"#!/bin/sh\\n%s\\n\"}}",
                 script);
    spec.spec_json = json;
    return start_spec(f, &spec);
}

const char *state_of(struct fixture *f, uint64_t id, uint32_t generation)
{
    static char text[32];
    struct vdi_op op = ORDER(f, poll, ID(id, generation), "n1");
    json_t *object = op.result < 0 ? NULL : json_loads(op.json, 0, NULL);

    snprintf(text, sizeof(text), "%s",
             !object ? strerror(-op.result)
             : json_is_true(json_object_get(object, "exited"))
                 ? "exited"
                 : json_string_value(json_object_get(object, "state")));
    json_decref(object);
    return text;
}

static void noop(void *arg)
{
    *(bool *)arg = true;
}

void run_for(struct fixture *f, int64_t ms)
{
    bool over = false;
    struct source *until = loop_timer(f->host.loop, ms * USEC_PER_MSEC, noop, &over);

    while (!over)
        assert_int_equal(loop_run_once(f->host.loop, true), 0);
    source_free(until);
}

json_int_t number(const char *json, const char *name)
{
    json_t *object = json_loads(json, 0, NULL);
    json_int_t n = json_integer_value(json_object_get(object, name));

    assert_non_null(object);
    json_decref(object);
    return n;
}

size_t journal_lines(const struct fixture *f, const char *line)
{
    char path[100], read[100];
    size_t n = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/journal", f->dir);
    file = fopen(path, "r");
    while (file && fgets(read, sizeof(read), file)) {
        read[strcspn(read, "\n")] = '\0';
        n += !strcmp(read, line);
    }
    if (file)
        fclose(file);
    return n;
}
