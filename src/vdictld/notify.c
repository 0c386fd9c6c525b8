/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - notices that are owed, and when each is tried. */
#include "vdictld/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#define NOTICES_MAX 20000 /* owed at once; more are not promised, with an alarm */
#define AT_ONCE 4
#define FIRST_WAIT_USEC (5 * USEC_PER_SEC) /* doubled by each try */
#define LONGEST_WAIT_USEC (3600 * USEC_PER_SEC)
#define GIVE_UP_USEC (86400 * USEC_PER_SEC)
#define RECORD_WAIT_USEC                                                                           \
    (2 * USEC_PER_SEC) /* until it is tried again to write down what was done */
#define ALARM_USEC (60 * USEC_PER_SEC)
#define STOP_WAIT_USEC (2 * USEC_PER_SEC)

/* One way of one notice. */
struct delivery {
    struct list link;
    struct notify *notify;
    char key[NOTICE_KEY_MAX];
    enum notice_way way;
    uint64_t job;
    int64_t next_usec; /* monotonic */
    unsigned tries;
    bool busy;
    bool over; /* sent or given up, and to be written down */
    enum notice_event_type outcome;
    struct sending *sending;
};

struct notify {
    struct core *core;
    struct workers *workers;
    struct source *timer;
    struct list deliveries; /* oldest first */
    unsigned n_busy;
    uint32_t n_waiting;
    uint64_t n_given_up;
    int64_t alarm_usec; /* when it was said last that too many are owed */
};

static void notify_round(void *arg);

struct notify *notify_new(struct core *core)
{
    struct notify *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->core = core;
    list_init(&n->deliveries);
    n->timer = loop_timer(core->loop, -1, notify_round, n);
    n->workers = workers_new(core->loop, "notify", AT_ONCE, AT_ONCE);
    if (!n->workers) {
        notify_free(n);
        return NULL;
    }
    return n;
}

void notify_stop(struct notify *n)
{
    /* What a mailer still does is its own; it is sent once more after the next start. */
    if (n && n->workers)
        (void)workers_abandon(n->workers, STOP_WAIT_USEC);
    if (n)
        n->workers = NULL;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    notify_stop(n);
    list_for_each_safe (it, &n->deliveries) {
        list_remove(it);
        free(list_entry(it, struct delivery, link));
    }
    source_free(n->timer);
    free(n);
}

uint32_t notify_waiting(const struct notify *n)
{
    return n->n_waiting;
}

uint64_t notify_given_up(const struct notify *n)
{
    return n->n_given_up;
}

uint32_t notify_ways(const struct config *config)
{
    return (*config->mail_program ? NOTICE_MAIL : 0u) | (*config->webhook ? NOTICE_WEBHOOK : 0u);
}

bool notify_own_address(const struct config *config, const char *owner,
                        char ret[NOTICE_ADDRESS_MAX + 1])
{
    const char *colon = strchr(owner, ':');
    const char *name = colon ? colon + 1 : owner;
    int n = *config->mail_domain
                ? snprintf(ret, NOTICE_ADDRESS_MAX + 1, "%s@%s", name, config->mail_domain)
                : snprintf(ret, NOTICE_ADDRESS_MAX + 1, "%s", name);

    return n <= NOTICE_ADDRESS_MAX && !strchr(name, '@') && notice_is_address(ret);
}

/* ---- owing ---- */

static void fill_facts(const struct job *job, const struct job_event *event, int type,
                       struct notice_facts *f)
{
    f->type = (uint32_t)type;
    f->job = job->id;
    f->state = job->state;
    f->restarts = job->restarts;
    f->exit_code = job->exit_code;
    f->exit_signal = job->exit_signal;
    f->time_usec = event->time_usec;
    f->submit_usec = job->submit_usec;
    f->start_usec = job->start_usec;
    f->end_usec = job->end_usec;
    str_copy(f->event, sizeof(f->event), job_event_name(event->type));
    str_copy(f->owner, sizeof(f->owner), job->spec->owner);
    str_copy(f->name, sizeof(f->name), job->spec->name);
    str_copy(f->node, sizeof(f->node), job->node);
    str_copy(f->reason, sizeof(f->reason), job->reason);
}

static bool is_full(struct notify *n)
{
    int64_t now = loop_monotonic_usec(n->core->loop);

    if (table_count(events_table(n->core->events, NOUN_NOTICE)) < NOTICES_MAX)
        return false;
    if (n->alarm_usec && now - n->alarm_usec <= ALARM_USEC)
        return true;
    log_error("notices: %d wait to be sent: what happens now is told nobody; see to mail_program "
              "and webhook",
              NOTICES_MAX);
    n->alarm_usec = now;
    return true;
}

void notify_owe(struct core *core, struct txn *txn, const struct job *old, const struct job *now,
                const struct job_event *event)
{
    struct notice_event owe = {.type = NOTICE_EVENT_OWE, .time_usec = event->time_usec};
    struct vdi_error err = {0};
    char key[NOTICE_KEY_MAX];
    uint32_t types = 0;
    int type;

    if (!core->notify || !now || !*now->spec->mail_type)
        return;
    owe.ways = notify_ways(core->config);
    if (!owe.ways || notice_types_parse(now->spec->mail_type, &types, NULL) < 0)
        return;
    type = notice_of(types, old, now, event);
    if (type < 0 || is_full(core->notify))
        return;
    fill_facts(now, event, type, &owe.facts);
    if (*now->spec->mail_user)
        str_copy(owe.facts.to, sizeof(owe.facts.to), now->spec->mail_user);
    else if (!notify_own_address(core->config, now->spec->owner, owe.facts.to))
        owe.ways &= ~(uint32_t)NOTICE_MAIL;
    snprintf(key, sizeof(key), "%" PRIu64 ".%s.%" PRIx64, now->id, notice_type_names[type],
             (uint64_t)event->time_usec);
    /* What happens to the job does not depend on it. */
    if (owe.ways && txn_add(txn, NOUN_NOTICE, 0, key, &owe, &err) < 0)
        log_warning("notice %s can't be promised: %s", key, err.detail);
}

/* ---- sending ---- */

static void deliver(struct notify *n, const struct notice *notice, enum notice_way way)
{
    struct delivery *d = calloc(1, sizeof(*d));

    if (!d)
        return; /* it is owed still, and sent after the next start */
    d->notify = n;
    d->way = way;
    d->job = notice->facts.job;
    str_copy(d->key, sizeof(d->key), notice->key);
    list_append(&n->deliveries, &d->link);
    source_rearm(n->timer, 0);
}

static void deliver_all(struct core *core, const struct notice *notice)
{
    core->notify->n_waiting++;
    if (notice->owed & NOTICE_MAIL)
        deliver(core->notify, notice, NOTICE_MAIL);
    if (notice->owed & NOTICE_WEBHOOK)
        deliver(core->notify, notice, NOTICE_WEBHOOK);
}

void notify_published(struct core *core, const struct notice *notice)
{
    if (!core->notify)
        return;
    if (!notice->done_usec)
        deliver_all(core, notice);
    else if (!notice->owed && core->notify->n_waiting)
        core->notify->n_waiting--;
}

void notify_recover(struct core *core)
{
    struct table *t = events_table(core->events, NOUN_NOTICE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct notice *notice = slot ? slot->pub : NULL;

        if (notice && notice->owed)
            deliver_all(core, notice);
    }
    /* From the end: a removal may close the holes, and what was not looked at moves down alone. */
    for (size_t i = table_end(t); i-- > 0;) {
        struct slot *slot = table_at(t, i);
        const struct notice *notice = slot ? slot->pub : NULL;

        if (notice && !notice->owed)
            table_remove(t, slot); /* the archive has it */
    }
}

static struct slot *slot_of(const struct delivery *d)
{
    return table_slot(events_table(d->notify->core->events, NOUN_NOTICE), 0, d->key, false);
}

static void delivery_free(struct delivery *d)
{
    list_remove(&d->link);
    free(d);
}

static void recorded(void *arg, int result, const struct vdi_error *err)
{
    struct delivery *d = arg;
    struct notify *n = d->notify;
    struct slot *slot = slot_of(d);
    const struct notice *notice = slot ? slot->pub : NULL;

    d->busy = false;
    if (result < 0 && !n->core->stopping) {
        d->next_usec = loop_monotonic_usec(n->core->loop) + RECORD_WAIT_USEC;
        source_rearm(n->timer, RECORD_WAIT_USEC);
        return;
    }
    if (notice && !notice->owed && slot->pub == slot->staged)
        table_remove(events_table(n->core->events, NOUN_NOTICE), slot);
    delivery_free(d);
    source_rearm(n->timer, 0); /* the next one of its job */
}

/* What became of it; until that is durable, it is tried again to write it down, not to send. */
static void record(struct delivery *d)
{
    struct core *core = d->notify->core;
    struct notice_event event = {
        .type = d->outcome, .time_usec = loop_now_usec(core->loop), .ways = d->way};
    struct txn *txn = txn_new(core->events);

    d->over = d->busy = true;
    if (txn && txn_add(txn, NOUN_NOTICE, 0, d->key, &event, NULL) >= 0) {
        txn_commit(txn, recorded, d);
        return;
    }
    txn_abort(txn);
    recorded(d, slot_of(d) ? -ENOMEM : 0, NULL);
}

static void give_up(struct delivery *d, const char *why)
{
    log_error("notice %s is given up after %u tries: %s", d->key, d->tries, why);
    d->notify->n_given_up++;
    d->outcome = NOTICE_EVENT_DROP;
    record(d);
}

static void again(struct delivery *d)
{
    int64_t wait = FIRST_WAIT_USEC;

    for (unsigned i = 1; i < d->tries && wait < LONGEST_WAIT_USEC; i++)
        wait *= 2;
    if (wait > LONGEST_WAIT_USEC)
        wait = LONGEST_WAIT_USEC;
    d->next_usec = loop_monotonic_usec(d->notify->core->loop) + wait;
}

static void sent(void *arg, bool dropped)
{
    struct delivery *d = arg;
    struct notify *n = d->notify;
    struct sending *s = d->sending;

    d->sending = NULL;
    d->busy = false;
    n->n_busy--;
    if (dropped) {
        sending_free(s);
        return;
    }
    d->tries++;
    if (s->result == 0) {
        d->outcome = NOTICE_EVENT_SEND;
        record(d);
    } else if (s->result == -EREMOTE ||
               loop_now_usec(n->core->loop) - s->owed_usec > GIVE_UP_USEC) {
        give_up(d, s->why);
    } else {
        log_warning("notice %s was not sent, and is tried again: %s", d->key, s->why);
        again(d);
    }
    sending_free(s);
    source_rearm(n->timer, 0);
}

static void work(void *arg)
{
    sending_work(((struct delivery *)arg)->sending);
}

static void try(struct delivery *d)
{
    struct notify *n = d->notify;
    struct slot *slot = slot_of(d);
    const struct notice *notice = slot ? slot->pub : NULL;

    if (!notice || !(notice->owed & d->way)) {
        delivery_free(d);
        return;
    }
    d->sending = sending_new(n->core->config, notice, d->way);
    if (!d->sending || workers_post(n->workers, work, sent, d) < 0) {
        sending_free(d->sending);
        d->sending = NULL;
        d->next_usec = loop_monotonic_usec(n->core->loop) + FIRST_WAIT_USEC;
        return;
    }
    d->busy = true;
    n->n_busy++;
}

/* That a job has begun is told before its end: while one of its notices is on its way that way,
 * the next waits. Jobs that share a bit wait for each other, which does no harm. */
#define TURNS 4096

static bool is_its_turn(uint64_t turns[TURNS / 64], const struct delivery *d)
{
    unsigned i = (unsigned)((d->job * 2 + (d->way == NOTICE_MAIL)) % TURNS);
    bool first = !(turns[i / 64] >> (i % 64) & 1);

    turns[i / 64] |= UINT64_C(1) << (i % 64);
    return first;
}

static void notify_round(void *arg)
{
    struct notify *n = arg;
    int64_t now = loop_monotonic_usec(n->core->loop), next = INT64_MAX;
    uint64_t turns[TURNS / 64] = {0};

    if (n->core->stopping)
        return;
    list_for_each_safe (it, &n->deliveries) {
        struct delivery *d = list_entry(it, struct delivery, link);

        if (d->next_usec > now && !d->busy) {
            if (d->next_usec < next)
                next = d->next_usec;
        } else if (!is_its_turn(turns, d) || d->busy) {
            continue; /* one that ends comes here again */
        } else if (d->over) {
            record(d);
        } else if (n->n_busy < AT_ONCE) {
            try(d);
        }
    }
    source_rearm(n->timer, next == INT64_MAX ? -1 : next - now);
}
