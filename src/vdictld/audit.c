/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - records of the audit trail, and denials gathered so that none can fill the disk. */
#include "vdictld/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/audit_codec.h"

#define GATHER_USEC (60 * USEC_PER_SEC)
/* Kinds (who, from where, what, status) told apart at a time; the others share one. With two
 * records a minute each of 1 KiB at most, log and archive grow by less than 200 MiB a day
 * whatever is asked for; and `keep_events` takes the log's half away again. */
#define KINDS_MAX 32

int audit_add(struct core *core, struct txn *txn, struct audit_event *event, struct vdi_error *err)
{
    struct table *t = events_table(core->events, NOUN_AUDIT);
    const struct slot *slot = table_slot(t, 0, AUDIT_KEY, false);

    if (!event->count)
        event->count = 1;
    audit_clean(event);
    audit_next(slot ? slot->staged : NULL, event);
    audit_hash(event, event->hash);
    return txn_add(txn, NOUN_AUDIT, 0, AUDIT_KEY, event, err);
}

struct audit_event audit_of(const struct call *call, unsigned status, const char *detail)
{
    struct audit_event event = {
        .time_usec = loop_now_usec(call->core->loop),
        .status = status,
    };
    size_t len;

    str_copy(event.request, sizeof(event.request),
             call->match.request ? call->match.request->name : "?");
    str_copy(event.by, sizeof(event.by), call->who_text);
    str_copy(event.address, sizeof(event.address), http_request_address(call->http));
    str_copy(event.target, sizeof(event.target), call->match.params[0]);
    if (!detail)
        detail = http_request_body(call->http, &len);
    str_copy(event.detail, sizeof(event.detail), detail);
    return event;
}

struct audit_event audit_own(struct core *core, const char *request, const char *address)
{
    struct audit_event event = {.time_usec = loop_now_usec(core->loop), .status = 200};

    str_copy(event.request, sizeof(event.request), request);
    str_copy(event.by, sizeof(event.by), CORE_SELF);
    str_copy(event.address, sizeof(event.address), address);
    return event;
}

/* ---- denials ---- */

struct kind {
    int64_t until_usec; /* monotonic; 0: free */
    struct audit_event event;
    uint32_t more; /* since the first one was written */
};

struct denials {
    struct core *core;
    struct source *timer;
    struct kind kinds[KINDS_MAX + 1]; /* the last is all others' */
};

static void write_down(struct denials *d, struct audit_event event)
{
    struct txn *txn = txn_new(d->core->events);
    struct vdi_error err = {0};

    if (txn && audit_add(d->core, txn, &event, &err) >= 0) {
        txn_commit(txn, NULL, NULL);
        return;
    }
    txn_abort(txn);
    log_error("audit: %u denials of %s to '%s' could not be written down", event.count,
              event.request, event.by);
}

static void end_kind(struct denials *d, struct kind *k)
{
    if (k->more) {
        k->event.time_usec = loop_now_usec(d->core->loop);
        k->event.count = k->more;
        write_down(d, k->event);
    }
    *k = (struct kind){0};
}

static void end_old(void *arg)
{
    struct denials *d = arg;
    int64_t now = loop_monotonic_usec(d->core->loop), next = 0;

    for (size_t i = 0; i <= KINDS_MAX; i++) {
        struct kind *k = &d->kinds[i];

        if (k->until_usec && k->until_usec <= now)
            end_kind(d, k);
        if (k->until_usec && (!next || k->until_usec < next))
            next = k->until_usec;
    }
    if (next)
        source_rearm(d->timer, next - now);
}

struct denials *denials_new(struct core *core)
{
    struct denials *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->core = core;
    d->timer = loop_timer(core->loop, -1, end_old, d);
    return d;
}

void denials_free(struct denials *d)
{
    if (d)
        source_free(d->timer);
    free(d);
}

void denials_flush(struct denials *d)
{
    for (size_t i = 0; i <= KINDS_MAX; i++)
        if (d->kinds[i].until_usec)
            end_kind(d, &d->kinds[i]);
}

static bool is_kind(const struct audit_event *a, const struct audit_event *b)
{
    return a->status == b->status && str_equal(a->request, b->request) && str_equal(a->by, b->by) &&
           str_equal(a->address, b->address);
}

/* The kind that the denial belongs to; a new one is free. */
static struct kind *find_kind(struct denials *d, const struct audit_event *event)
{
    struct kind *unused = NULL;

    for (size_t i = 0; i < KINDS_MAX; i++) {
        struct kind *k = &d->kinds[i];

        if (!k->until_usec)
            unused = unused ? unused : k;
        else if (is_kind(&k->event, event))
            return k;
    }
    return unused ? unused : &d->kinds[KINDS_MAX];
}

/* What a record of several says is what is true of all of them. */
static void keep_common(struct audit_event *of, const struct audit_event *event)
{
    if (!str_equal(of->target, event->target))
        str_copy(of->target, sizeof(of->target), "*");
    if (!str_equal(of->detail, event->detail))
        str_copy(of->detail, sizeof(of->detail), "*");
    if (is_kind(of, event))
        return;
    str_copy(of->request, sizeof(of->request), "*");
    str_copy(of->by, sizeof(of->by), "*");
    str_copy(of->address, sizeof(of->address), "*");
    str_copy(of->detail, sizeof(of->detail), "of too many kinds to be told apart");
}

void audit_denied(const struct call *call, unsigned status, const char *detail)
{
    struct denials *d = call->core->denials;
    struct audit_event event = audit_of(call, status, detail);
    struct kind *k;

    if (call->core->stopping)
        return;
    audit_clean(&event); /* so that those alike are alike */
    k = find_kind(d, &event);
    if (k->until_usec) {
        keep_common(&k->event, &event);
        k->more++;
        return;
    }
    k->until_usec = loop_monotonic_usec(call->core->loop) + GATHER_USEC;
    k->event = event;
    write_down(d, event);
    end_old(d); /* sets the timer */
}

/* ---- the anchor ---- */

void audit_anchor(struct core *core, bool always)
{
    const struct audit *head = core_audit(core);

    if (!head || !head->last.number || (!always && head->last.number == core->anchored))
        return;
    core->anchored = head->last.number;
    log_info("audit: the trail has %" PRIu64 " records; head %" PRIu64 ":%s", head->last.number,
             head->last.number, head->last.hash);
}
