/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.c - site "fake": instances that are nothing but a row and a clock.
 *
 * For tests and simulation; it never starts a VM. What must hold: a start of
 * the same (id, generation) makes no second instance, also after a restart; an
 * older generation or epoch is refused with -ESTALE.
 */
#include "plugins/site/fake/fake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOW_TIMES 100 /* boot_ms, of a slow start */

/* ---- start and stop ---- */

static bool is_word(const char *s)
{
    size_t n = strcspn(s, " \"\\\t\n\r");

    return n && !s[n] && n < sizeof(((struct fake_instance *)0)->node);
}

bool fake_fails(uint64_t id, int64_t percent)
{
    uint64_t x = id + UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 (Vigna) */

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)((x ^ (x >> 31)) % 100) < percent;
}

static int check_start(struct fake *site, const struct vdi_instance_spec *spec,
                       struct vdi_error *err)
{
    const struct fake_instance *in = fake_find(site, spec->id.id);

    if (spec->epoch < site->epoch)
        return fake_error(err, -ESTALE, "epoch",
                          "an order of epoch %" PRIu64 " came after one of epoch %" PRIu64,
                          spec->epoch, site->epoch);
    if (in && spec->id.generation < in->id.generation)
        return fake_error(err, -ESTALE, "generation",
                          "instance %" PRIu64 ".%" PRIu32 " has been superseded by .%" PRIu32,
                          spec->id.id, spec->id.generation, in->id.generation);
    if (in && in->stopped && spec->id.generation == in->id.generation)
        return fake_error(err, -ESTALE, "generation",
                          "instance %" PRIu64 ".%" PRIu32 " was started and stopped before",
                          spec->id.id, spec->id.generation);
    if (!spec->node || !is_word(spec->node))
        return fake_error(err, -EINVAL, "node", "'%.64s' is no name of a node",
                          spec->node ? spec->node : "");
    if (fake_fails(spec->id.id, site->fail_start))
        return fake_error(err, -EIO, "fail_start",
                          "instance %" PRIu64 " is one of the %" PRId64 " %% that fail",
                          spec->id.id, site->fail_start);
    return 0;
}

static int set_epoch(struct fake *site, uint64_t epoch)
{
    if (epoch <= site->epoch)
        return 0;
    site->epoch = epoch;
    return fake_keep_epoch(site);
}

/* Ends it for good; only its generation is remembered. */
static int forget(struct fake_instance *in)
{
    int r = fake_keep_journal(in, "stop");

    if (r < 0)
        return r;
    fake_output_cut(in);
    fake_keep_write_output(in); /* not told: the journal has the stop */
    fake_keep_remove(in);
    fake_disarm(in);
    in->stopped = true;
    in->site->n_live--;
    return 0;
}

static int begin(struct fake_instance *in, const struct vdi_instance_spec *spec,
                 const struct fake_spec *what)
{
    struct fake *site = in->site;
    struct fake_instance fresh = {
        .site = site,
        .id = spec->id,
        .epoch = spec->epoch,
        .job = what->job,
        .is_seat = what->is_seat,
        .batch = what->batch,
        .script = what->script,
        .ready_usec = site->api->now_usec(site->host) + site->boot_usec,
    };
    bool is_slow = site->slow_every && ++site->n_begun % (uint64_t)site->slow_every == 0;
    int r = in->stopped ? 0 : forget(in); /* an older generation of it */

    if (r < 0)
        return r;
    if (is_slow)
        fresh.ready_usec += (SLOW_TIMES - 1) * site->boot_usec;
    if (fresh.script.ends && !fresh.script.noboot)
        fresh.end_usec = fresh.ready_usec + fresh.script.after_usec;
    snprintf(fresh.node, sizeof(fresh.node), "%s", spec->node);
    r = fake_keep_write_output(&fresh);
    if (r >= 0)
        r = fake_keep_write(&fresh);
    if (r >= 0)
        r = fake_keep_journal(&fresh, "start");
    if (r < 0) {
        fake_keep_remove(&fresh);
        return r;
    }
    fresh.journaled = true;
    fake_output_free(&in->script);
    *in = fresh;
    site->n_live++;
    site->n_started++;
    fake_arm(in);
    return 0;
}

static int fake_start(void *arg, const struct vdi_instance_spec *spec, struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = fake_find(site, spec->id.id);
    struct fake_spec what = {0};
    struct vdi_error err = {0};
    int r;

    if (in && !in->stopped && in->id.generation == spec->id.generation &&
        spec->epoch >= site->epoch) {
        r = set_epoch(site, spec->epoch);
        return r < 0 ? r : fake_answer(site, op);
    }
    r = check_start(site, spec, &err);
    if (r >= 0)
        r = fake_spec_read(spec->spec_json, site->run_usec, &what, &err);
    if (r < 0)
        return fake_refuse(site, op, &err);
    r = set_epoch(site, spec->epoch);
    in = r >= 0 ? fake_get(site, spec->id.id) : NULL;
    if (r >= 0)
        r = in ? begin(in, spec, &what) : -ENOMEM;
    if (r < 0)
        fake_output_free(&what.script);
    return r < 0 ? r : fake_answer(site, op);
}

static int fake_stop(void *arg, struct vdi_instance_id id, const char *node, uint32_t grace_sec,
                     struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = fake_find(site, id.id);
    int r = 0;

    if (in && !in->stopped && in->id.generation == id.generation)
        r = forget(in);
    return r < 0 ? r : fake_answer(site, op);
}

/* ---- life of the plugin ---- */

static const struct vdi_setting settings_taken[] = {
    {"boot_ms", VDI_SETTING_INT, "0", "milliseconds from start to ready"},
    {"slow_every", VDI_SETTING_INT, "0", "each so manieth start takes 100 times boot_ms; 0: none"},
    {"bind_ms", VDI_SETTING_INT, "0",
     "milliseconds from the bind of a seat to its owner's session"},
    {"run_ms", VDI_SETTING_INT, "0", "milliseconds a batch instance runs; 0: until stopped"},
    {"fail_start", VDI_SETTING_INT, "0", "percentage of instances whose start fails"},
    {"fail_bind", VDI_SETTING_INT, "0", "percentage of seats whose bind fails"},
    {"saves", VDI_SETTING_INT, "0", "so many instances can be saved at once; 0: any number"},
    {"resumes", VDI_SETTING_INT, "0", "so many instances can be resumed in all; 0: any number"},
    {"state_dir", VDI_SETTING_STRING, "", "directory that keeps instances; empty: memory only"},
    {"input_dir", VDI_SETTING_STRING, "",
     "directory of files that were changed when an instance was touched; empty: nobody knows"},
    {0},
};

static int read_int(const struct vdi_setting_value *s, int64_t max, int64_t *ret,
                    struct vdi_error *err)
{
    char *rest;
    long long n;

    errno = 0;
    n = strtoll(s->value, &rest, 10);
    if (errno || rest == s->value || *rest || n < 0 || n > max)
        return fake_error(err, -EINVAL, s->name, "'%.40s' is not a number from 0 to %" PRId64,
                          s->value, max);
    *ret = n;
    return 0;
}

static int read_setting(struct fake *site, const struct vdi_setting_value *s, struct vdi_error *err)
{
    struct {
        const char *name;
        int64_t *usec;
    } times[] = {
        {"boot_ms", &site->boot_usec}, {"bind_ms", &site->bind_usec}, {"run_ms", &site->run_usec}};
    int64_t ms = 0;
    int r = 0;

    if (!strcmp(s->name, "fail_start"))
        return read_int(s, 100, &site->fail_start, err);
    if (!strcmp(s->name, "fail_bind"))
        return read_int(s, 100, &site->fail_bind, err);
    if (!strcmp(s->name, "slow_every"))
        return read_int(s, 1000000, &site->slow_every, err);
    if (!strcmp(s->name, "saves"))
        return read_int(s, 1000000, &site->saves, err);
    if (!strcmp(s->name, "resumes"))
        return read_int(s, 1000000, &site->resumes, err);
    if (!strcmp(s->name, "state_dir")) {
        site->state_dir = *s->value ? strdup(s->value) : NULL;
        return *s->value && !site->state_dir ? -ENOMEM : 0;
    }
    if (!strcmp(s->name, "input_dir")) {
        site->input_dir = *s->value ? strdup(s->value) : NULL;
        return *s->value && !site->input_dir ? -ENOMEM : 0;
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        if (strcmp(s->name, times[i].name) != 0)
            continue;
        r = read_int(s, FAKE_TIME_MAX_MS, &ms, err);
        *times[i].usec = ms * USEC_PER_MSEC;
        return r;
    }
    return fake_error(err, -EINVAL, s->name, "site fake has no setting '%.40s'", s->name);
}

/* What was ready before a restart was told then, or is found by a poll. */
static void rearm(const void *node, VISIT visit, void *closure)
{
    struct fake_instance *in = *(struct fake_instance *const *)node;
    enum fake_state state;

    if ((visit != postorder && visit != leaf) || in->stopped)
        return;
    state = fake_state_now(in);
    in->told_ready = state != FAKE_BUILDING;
    if (state != FAKE_GONE && state != FAKE_EXITED)
        fake_arm(in);
}

static void free_instance(void *node)
{
    struct fake_instance *in = node;

    fake_disarm(in);
    fake_output_free(&in->script);
    free(in);
}

static void fake_done(void *arg)
{
    struct fake *site = arg;

    if (!site)
        return;
    fake_bind_done(site);
    fake_input_close(site);
    tdestroy(site->instances, free_instance);
    if (site->dir_fd >= 0)
        close(site->dir_fd);
    free(site->state_dir);
    free(site->input_dir);
    free(site);
}

static int fake_init(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                     const struct vdi_setting_value *settings, size_t n_settings,
                     struct vdi_error *err)
{
    struct fake *site = calloc(1, sizeof(*site));
    int r = 0;

    if (!site)
        return fake_error(err, -ENOMEM, "", "out of memory");
    site->host = host;
    site->api = api;
    site->dir_fd = site->input_fd = -1;
    for (size_t i = 0; i < n_settings && r >= 0; i++)
        r = read_setting(site, &settings[i], err);
    if (r >= 0)
        r = fake_keep_open(site, err);
    if (r >= 0)
        r = fake_input_open(site, err);
    if (r < 0) {
        fake_done(site);
        return r;
    }
    twalk_r(site->instances, rearm, NULL);
    api->log(host, VDI_LOG_WARNING, "no VM is ever started; for tests only");
    *ret = site;
    return 0;
}

/* connection, hold and release are left out: there is no desktop and no other tenant. */
static const struct vdi_site_ops ops = {
    .init = fake_init,
    .start = fake_start,
    .stop = fake_stop,
    .poll = fake_poll,
    .bind = fake_bind,
    .suspend = fake_suspend,
    .resume = fake_resume,
    .reboot = fake_reboot,
    .signal = fake_signal,
    .message = fake_message,
    .capacity = fake_capacity,
    .done = fake_done,
    .flags = VDI_SITE_NODES_ALWAYS_UP,
    .output = fake_output,
    .log = fake_log,
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_SITE,
    .name = "fake",
    .title = "instances that run nothing, for tests and simulation",
    .settings = settings_taken,
    .ops = &ops,
    .ops_size = sizeof(ops),
};
