/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - fake instances, where each stands by the clock, and the timer for
 * what happens next. The host is told from the loop, never from inside an op.
 */
#include "plugins/site/fake/fake.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int fake_error(struct vdi_error *err, int code, const char *field, const char *format, ...)
{
    va_list ap;

    if (!err)
        return code;
    *err = (struct vdi_error){.code = -code};
    snprintf(err->field, sizeof(err->field), "%s", field);
    va_start(ap, format);
    vsnprintf(err->detail, sizeof(err->detail), format, ap);
    va_end(ap);
    return code;
}

/* ---- instances ---- */

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct fake_instance *)a)->id.id;
    uint64_t y = ((const struct fake_instance *)b)->id.id;

    return x < y ? -1 : x > y;
}

struct fake_instance *fake_find(struct fake *site, uint64_t id)
{
    struct fake_instance key = {.id.id = id}, **found = tfind(&key, &site->instances, compare);

    return found ? *found : NULL;
}

struct fake_instance *fake_get(struct fake *site, uint64_t id)
{
    struct fake_instance *in = fake_find(site, id);

    if (in)
        return in;
    in = calloc(1, sizeof(*in));
    if (!in)
        return NULL;
    in->site = site;
    in->id.id = id;
    in->stopped = true;
    if (!tsearch(in, &site->instances, compare)) {
        free(in);
        return NULL;
    }
    return in;
}

enum fake_state fake_state_now(const struct fake_instance *in)
{
    int64_t now = in->site->api->now_usec(in->site->host);

    if (in->saved)
        return FAKE_SAVED;
    if (in->end_usec && now >= in->end_usec)
        return in->script.crash ? FAKE_GONE : FAKE_EXITED;
    if (in->script.noboot || now < in->ready_usec)
        return FAKE_BUILDING;
    return FAKE_READY;
}

/* The document of a poll and of an event. */
const char *fake_report(const struct fake_instance *in, enum fake_state state, char *buf,
                        size_t size)
{
    static const char *const names[] = {"building", "ready", "ready", "saved", "gone"};

    if (state == FAKE_GONE)
        snprintf(buf, size,
                 "{\"state\":\"gone\",\"failed\":true,\"reason\":\"the fake VM "
                 "crashed\"}");
    else if (state == FAKE_EXITED)
        snprintf(buf, size,
                 "{\"state\":\"ready\",\"exited\":true,\"exit_code\":%d,"
                 "\"exit_signal\":%d}",
                 in->script.exit_code, in->script.exit_signal);
    else if (state == FAKE_READY && fake_idle_sec(in) >= 0)
        snprintf(buf, size, "{\"state\":\"ready\",\"idle_sec\":%" PRId64 "}", fake_idle_sec(in));
    else
        snprintf(buf, size, "{\"state\":\"%s\"}", names[state]);
    return buf;
}

/* ---- what happens by itself ---- */

/* The host may stop the instance from inside the event: nothing is touched after it. */
static void happen(void *arg)
{
    struct fake_instance *in = arg;
    struct fake *site = in->site;
    enum fake_state state = fake_state_now(in);
    bool ready = state == FAKE_READY && !in->told_ready;
    char json[160];

    site->api->unwatch(site->host, in->timer);
    in->timer = NULL;
    if (state == FAKE_GONE || state == FAKE_EXITED) {
        site->api->instance_event(site->host, in->id, state == FAKE_GONE ? "gone" : "exited",
                                  fake_report(in, state, json, sizeof(json)));
        return;
    }
    in->told_ready |= ready;
    fake_arm(in);
    if (ready)
        site->api->instance_event(site->host, in->id, "ready",
                                  fake_report(in, state, json, sizeof(json)));
}

void fake_disarm(struct fake_instance *in)
{
    if (in->timer)
        in->site->api->unwatch(in->site->host, in->timer);
    in->timer = NULL;
}

/* Sets the timer to the next thing that will happen. */
void fake_arm(struct fake_instance *in)
{
    struct fake *site = in->site;
    int64_t now = site->api->now_usec(site->host), due = 0;

    fake_disarm(in);
    if (in->stopped || in->saved)
        return;
    if (!in->script.noboot && !in->told_ready)
        due = in->ready_usec;
    if (in->end_usec && (!due || in->end_usec < due))
        due = in->end_usec;
    if (!due)
        return;
    in->timer = site->api->timer(site->host, due > now ? due - now : 0, happen, in);
    if (!in->timer)
        site->api->log(site->host, VDI_LOG_ERROR, "instance %" PRIu64 ": no timer", in->id.id);
}

/* ---- answers ---- */

int fake_answer(struct fake *site, struct vdi_op *op)
{
    site->api->complete(op, 0, NULL, NULL);
    return 0;
}

int fake_refuse(struct fake *site, struct vdi_op *op, const struct vdi_error *err)
{
    site->api->complete(op, -err->code, NULL, err);
    return 0;
}
