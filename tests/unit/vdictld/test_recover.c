/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_recover.c - what was committed comes back equal, by replay and by snapshot; and what
 * damage costs.
 *
 * Histories are drawn at random from fixed seeds; whatever the state tables allow happens.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "memory_store.h"
#include "model/instance.h"
#include "model/job.h"
#include "model/node.h"
#include "model/token.h"

#define N_JOBS 12
#define N_NODES 3

/* ---- random events ---- */

static unsigned draw(unsigned n)
{
    return (unsigned)rand() % n;
}

static const char *draw_reason(void)
{
    static const char *const reasons[] = {
        "",
        "plain",
        "two\nlines\tand a tab",
        "quotes \" and \\ slashes",
        "gr\xc3\xbc\xc3\x9f",
        /* 95 bytes are kept: the cut falls into the two bytes of the last letter */
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "\xc3\xbc\xc3\xbc"),
    };

    return reasons[draw(sizeof(reasons) / sizeof(reasons[0]))];
}

static struct job_spec *draw_spec(void)
{
    struct job_spec *spec = job_spec_new();

    job_spec_set(&spec->owner, draw(2) ? "unix:anna" : "keystone:ben@example.org");
    job_spec_set(&spec->name, draw(2) ? "caf\xc3\xa9" : "");
    job_spec_set(&spec->template_name, "desk");
    job_spec_set(&spec->partition, "main");
    job_spec_set(&spec->comment, draw(2) ? "say \"hello\"" : "");
    if (draw(2))
        job_spec_set_retry(spec, "key-1", (const unsigned char[JOB_DIGEST_BYTES]){1, 2});
    spec->uid = draw(2) ? UINT32_MAX : draw(2) ? 0 : 1000;
    spec->gid = draw(2) ? UINT32_MAX : 100;
    spec->kind = draw(2);
    spec->time_limit_sec = draw(3) ? (int64_t)draw(1000000) : INT64_C(4000000000);
    spec->begin_usec = draw(2) ? 0 : INT64_C(1700000000123456);
    spec->deadline_usec = draw(2) ? 0 : INT64_C(4102444800000000);
    spec->cpus = 1 + draw(4096);
    spec->memory_mib = 1 + draw(1 << 20);
    spec->gpus = draw(3);
    spec->nice = (int32_t)draw(2000000) - 1000000;
    spec->signal = draw(2) ? 10 : 0;
    spec->signal_sec = draw(100);
    spec->requeue = draw(2);
    spec->script_bytes = draw(100);
    return spec;
}

static int64_t tick(void)
{
    static int64_t now = INT64_C(1700000000000000);

    return now += 1 + draw(5000000);
}

static int add_job(struct txn *txn, uint64_t id, enum job_event_type type)
{
    struct job_event event = {.type = type, .time_usec = tick()};
    int r;

    str_copy(event.by, sizeof(event.by), "unix:anna");
    str_copy(event.reason, sizeof(event.reason), draw_reason());
    if (type == JOB_EVENT_SUBMIT || type == JOB_EVENT_UPDATE)
        event.spec = draw_spec();
    if (type == JOB_EVENT_SUBMIT && draw(2))
        event.final = JOB_PENDING;
    if (type == JOB_EVENT_FINISH)
        event.final = draw(3) ? JOB_COMPLETED + draw(8) : JOB_PENDING;
    if (type == JOB_EVENT_END)
        event.final = JOB_COMPLETED + draw(8);
    event.priority = (int32_t)draw(1000) - 500;
    event.admin = draw(2);
    event.instance = 1 + draw(100);
    event.generation = 1 + draw(3);
    event.exit_code = (int32_t)draw(256);
    event.exit_signal = (int32_t)draw(65);
    str_copy(event.node, sizeof(event.node), "n1");
    r = txn_add(txn, NOUN_JOB, id, NULL, &event, NULL);
    job_event_done(&event);
    return r;
}

static int add_instance(struct txn *txn, uint64_t id, enum instance_event_type type)
{
    struct instance_event event = {
        .type = type,
        .time_usec = tick(),
        .generation = 1,
        .job = 1 + draw(N_JOBS),
        .vcpus = 1 + draw(8),
        .memory_mib = 1024,
        .gpus = draw(2),
        .encode_mpix = draw(100),
    };

    str_copy(event.owner, sizeof(event.owner), "unix:anna");
    str_copy(event.node, sizeof(event.node), "n1");
    str_copy(event.template_name, sizeof(event.template_name), "desk");
    str_copy(event.reason, sizeof(event.reason), draw_reason());
    return txn_add(txn, NOUN_INSTANCE, id, NULL, &event, NULL);
}

static int add_node(struct txn *txn)
{
    struct node_event event = {
        .type = draw(NODE_N_EVENTS),
        .time_usec = tick(),
        .cpus = 1 + draw(64),
        .memory_mib = 1024,
        .disk_gib = draw(100),
        .encode_mpix = draw(1000),
        .gpus = draw(5),
    };
    char name[8];

    snprintf(name, sizeof(name), "n%u", draw(N_NODES));
    str_copy(event.gpu_type, sizeof(event.gpu_type), "NVIDIA A40");
    str_copy(event.features, sizeof(event.features), draw(2) ? "a40,fast" : "");
    str_copy(event.boot_id, sizeof(event.boot_id), "1234");
    str_copy(event.version, sizeof(event.version), "0.1");
    str_copy(event.reason, sizeof(event.reason), draw_reason());
    str_copy(event.by, sizeof(event.by), "unix:root");
    return txn_add(txn, NOUN_NODE, 0, name, &event, NULL);
}

static int add_token(struct txn *txn)
{
    struct token_event event = {
        .type = draw(TOKEN_N_EVENTS),
        .time_usec = tick(),
        .expire_usec = tick(),
    };
    char name[8];

    snprintf(name, sizeof(name), "t%u", draw(5));
    str_copy(event.owner, sizeof(event.owner), "unix:anna");
    str_copy(event.scope, sizeof(event.scope), draw(2) ? "jobs:read" : "");
    str_copy(event.by, sizeof(event.by), "unix:anna");
    return txn_add(txn, NOUN_TOKEN, 0, name, &event, NULL);
}

static void one_event(struct memory_events *m, struct txn *txn)
{
    static const enum noun_id often[] = {
        NOUN_JOB, NOUN_JOB, NOUN_JOB, NOUN_INSTANCE, NOUN_NODE, NOUN_TOKEN,
    };
    enum noun_id noun = often[draw(sizeof(often) / sizeof(often[0]))];
    size_t have = table_count(events_table(m->events, noun));

    if (noun == NOUN_JOB && (have < 2 || (have < N_JOBS && !draw(4))))
        add_job(txn, events_next_id(m->events, NOUN_JOB), JOB_EVENT_SUBMIT);
    else if (noun == NOUN_JOB)
        add_job(txn, 1 + draw(N_JOBS), 1 + draw(JOB_N_EVENTS - 1));
    else if (noun == NOUN_INSTANCE && (have < 2 || !draw(8)))
        add_instance(txn, events_next_id(m->events, NOUN_INSTANCE), INSTANCE_EVENT_REQUEST);
    else if (noun == NOUN_INSTANCE)
        add_instance(txn, 1 + draw(20), draw(INSTANCE_N_EVENTS));
    else if (noun == NOUN_NODE)
        add_node(txn);
    else
        add_token(txn);
}

/* What the core refuses is part of the history: it must leave nothing behind. */
static void random_history(struct memory_events *m, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct txn *txn = txn_new(m->events);

        for (unsigned k = draw(4); k < 4; k++)
            one_event(m, txn);
        if (draw(10))
            memory_events_commit(m, txn, NULL);
        else
            txn_abort(txn);
        if (!draw(8))
            memory_events_wait(m);
    }
    memory_events_wait(m);
}

/* ---- what is there, as text ---- */

/* Every member, not only what the codec's tables name: one they forgot would be lost. */
static void write_job(const struct job *j, struct buf *out)
{
    const struct job_spec *s = j->spec;
    char digest[2 * JOB_DIGEST_BYTES + 1];

    buf_printf(out, "job %" PRIu64 " %" PRIu64 " %d %d %d %d%d%d%d %u %d %d", j->id, j->seq,
               j->state, j->final, j->priority, j->held_by_user, j->held_by_admin, j->unreachable,
               j->unknown, j->restarts, j->exit_code, j->exit_signal);
    buf_printf(out,
               " %" PRIu64 " %u %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
               " %" PRId64 " '%s' '%s'",
               j->instance, j->generation, j->submit_usec, j->alloc_usec, j->start_usec,
               j->end_usec, j->suspended_usec, j->suspended_total_usec, j->node, j->reason);
    buf_printf(out, " '%s' '%s' %u %u %u '%s' '%s' '%s' '%s' '%s' '%s' '%s' '%s' '%s'", s->name,
               s->owner, s->uid, s->gid, s->kind, s->template_name, s->partition, s->qos,
               s->account, s->comment, s->constraint, s->nodelist, s->exclude, s->profile);
    buf_printf(out, " '%s' '%s' '%s' %" PRId64 " %" PRId64 " %" PRId64 " %u %u %u %d %u %u %d",
               s->work_dir, s->output, s->error, s->time_limit_sec, s->begin_usec, s->deadline_usec,
               s->cpus, s->memory_mib, s->gpus, s->nice, s->signal, s->signal_sec, s->requeue);
    str_to_hex(s->request_digest, sizeof(s->request_digest), digest);
    buf_printf(out, " '%s' '%s' %u\n", s->idempotency_key ? s->idempotency_key : "", digest,
               s->script_bytes);
}

static void write_instance(const struct instance *i, struct buf *out)
{
    buf_printf(out, "instance %" PRIu64 " %" PRIu64 " %u %d %" PRIu64 " %u %u %u %u", i->id, i->seq,
               i->generation, i->state, i->job, i->vcpus, i->memory_mib, i->gpus, i->encode_mpix);
    buf_printf(out, " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " '%s' '%s' '%s' '%s' '%s'\n",
               i->request_usec, i->ready_usec, i->gone_usec, i->state_usec, i->owner, i->node,
               i->template_name, i->profile, i->reason);
}

static void write_node(const struct node *n, struct buf *out)
{
    buf_printf(out, "node %s %" PRIu64 " %d%d%d%d %u %u %u %u %u '%s' '%s' '%s' '%s'", n->name,
               n->seq, n->known, n->up, n->drain, n->removed, n->cpus, n->memory_mib, n->disk_gib,
               n->encode_mpix, n->gpus, n->gpu_type, n->features, n->boot_id, n->version);
    buf_printf(out, " '%s' '%s' %" PRId64 " %" PRId64 " %u %u\n", n->reason, n->reason_by,
               n->reason_usec, n->state_usec, n->found_cpus, n->found_memory_mib);
}

static void write_token(const struct token *t, struct buf *out)
{
    buf_printf(out, "token %s %" PRIu64 " '%s' '%s' %" PRId64 " %" PRId64 " %d%d\n", t->id, t->seq,
               t->owner, t->scope, t->issue_usec, t->expire_usec, t->revoked, t->ended);
}

static void write_object(enum noun_id noun, const void *object, struct buf *out)
{
    if (noun == NOUN_JOB)
        write_job(object, out);
    else if (noun == NOUN_INSTANCE)
        write_instance(object, out);
    else if (noun == NOUN_NODE)
        write_node(object, out);
    else
        write_token(object, out);
}

static char *picture(struct memory_events *m)
{
    struct buf out = BUF_INIT(0);

    for (int noun = 0; noun < NOUN_AUDIT; noun++) {
        struct table *t = events_table(m->events, noun);

        buf_puts(&out, "");
        for (size_t i = 0; i < table_end(t); i++) {
            const struct slot *slot = table_at(t, i);

            if (!slot)
                continue;
            assert_ptr_equal(slot->pub, slot->staged);
            write_object(noun, slot->pub, &out);
        }
    }
    buf_printf(&out, "%" PRIu64 "\n", events_seq(m->events));
    return buf_take(&out, NULL);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Named objects come in another order out of a snapshot: the lines are compared sorted. */
static void assert_same(char *was, char *is)
{
    char *lines[2][200];
    size_t n[2] = {0};
    char *texts[2] = {was, is};

    for (int k = 0; k < 2; k++) {
        for (char *rest = texts[k], *line; (line = strsep(&rest, "\n")) && *line;)
            lines[k][n[k]++] = line;
        qsort(lines[k], n[k], sizeof(char *), by_line);
    }
    assert_int_equal(n[0], n[1]);
    for (size_t i = 0; i < n[0]; i++)
        assert_string_equal(lines[1][i], lines[0][i]);
    free(was);
    free(is);
}

/* ---- tests ---- */

static uint64_t highest_id(struct memory_events *m, enum noun_id noun)
{
    struct table *t = events_table(m->events, noun);
    uint64_t id = 0;

    for (size_t i = 0; i < table_end(t); i++)
        if (table_at(t, i))
            id = table_at(t, i)->id;
    return id;
}

/* Cut text is valid UTF-8 again when it comes back; otherwise nothing may differ. */
static void equal_after_a_restart(void **state)
{
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct memory_events m;
        uint64_t next_job, next_instance;
        char *was;

        srand(seed);
        memory_events_new(&m);
        random_history(&m, 40);
        if (seed % 3) {
            memory_events_snapshot(&m);
            random_history(&m, seed % 3 == 1 ? 30 : 0);
        }
        if (seed % 6 == 1)
            memory_events_snapshot(&m);
        was = picture(&m);
        next_job = highest_id(&m, NOUN_JOB) + 1;
        next_instance = highest_id(&m, NOUN_INSTANCE) + 1;
        memory_events_restart(&m);
        assert_false(events_damaged(m.events));
        assert_same(was, picture(&m));
        /* What a refused or aborted request took, nobody has seen. */
        assert_true(events_next_id(m.events, NOUN_JOB) >= next_job);
        assert_true(events_next_id(m.events, NOUN_INSTANCE) >= next_instance);
        random_history(&m, 10); /* and it goes on from there */
        was = picture(&m);
        memory_events_restart(&m);
        assert_same(was, picture(&m));
        memory_events_done(&m);
    }
}

/* Commits that fail here and there change nothing in what comes back. */
static void equal_with_failures(void **state)
{
    for (unsigned seed = 100; seed < 130; seed++) {
        struct memory_events m;
        char *was;

        srand(seed);
        memory_events_new(&m);
        for (int i = 0; i < 6; i++) {
            m.store.fail_code = i % 2 ? ENOSPC : EIO;
            m.store.fail_append = m.store.appends + 1 + draw(4);
            random_history(&m, 15);
        }
        assert_false(m.disorder);
        was = picture(&m);
        memory_events_restart(&m);
        assert_false(events_damaged(m.events));
        assert_same(was, picture(&m));
        memory_events_done(&m);
    }
}

static void submit_and_wait(struct memory_events *m, uint64_t id)
{
    struct txn *txn = txn_new(m->events);

    assert_int_equal(add_job(txn, id, JOB_EVENT_SUBMIT), 0);
    memory_events_commit(m, txn, NULL);
    memory_events_wait(m);
}

static void act_and_wait(struct memory_events *m, uint64_t id, enum job_event_type type)
{
    struct txn *txn = txn_new(m->events);

    assert_int_equal(add_job(txn, id, type), 0);
    memory_events_commit(m, txn, NULL);
    memory_events_wait(m);
}

/*
 * Jobs 1 to 4 are submitted, 1 ends; the damaged record is 2's allocation. 5 begins behind
 * it and runs, 6 begins and ends behind it.
 */
static void damage_in_the_middle(void **state)
{
    struct memory_events m;
    const struct job *job;
    uint64_t next;
    size_t damaged;

    srand(7);
    memory_events_new(&m);
    for (uint64_t i = 0; i < 4; i++)
        submit_and_wait(&m, events_next_id(m.events, NOUN_JOB));
    act_and_wait(&m, 1, JOB_EVENT_END);
    damaged = m.store.n_records;
    act_and_wait(&m, 2, JOB_EVENT_ALLOC);
    act_and_wait(&m, 2, JOB_EVENT_START);
    for (uint64_t i = 0; i < 2; i++)
        submit_and_wait(&m, events_next_id(m.events, NOUN_JOB));
    act_and_wait(&m, 5, JOB_EVENT_ALLOC);
    act_and_wait(&m, 5, JOB_EVENT_START);
    act_and_wait(&m, 6, JOB_EVENT_END);
    memory_store_flip(&m.store, damaged);
    memory_events_restart(&m);
    assert_true(events_damaged(m.events));
    for (uint64_t id = 1; id <= 6; id++) {
        job = memory_events_pub(&m, NOUN_JOB, id, NULL);
        assert_non_null(job);
        assert_int_equal(job->unknown, id < 5 && !job_state_is_end(job->state));
        assert_true(job->unknown == !!*job->reason || job_state_is_end(job->state));
    }
    job = memory_events_pub(&m, NOUN_JOB, 1, NULL);
    assert_true(job_state_is_end(job->state));
    job = memory_events_pub(&m, NOUN_JOB, 2, NULL);
    assert_int_equal(job->state, JOB_PENDING); /* the prefix */
    job = memory_events_pub(&m, NOUN_JOB, 5, NULL);
    assert_int_equal(job->state, JOB_RUNNING);
    job = memory_events_pub(&m, NOUN_JOB, 6, NULL);
    assert_true(job_state_is_end(job->state));
    next = events_next_id(m.events, NOUN_JOB);
    assert_true(next >= m.store.id_reserve);
    /* Life goes on, and what is new is whole after the next start. */
    submit_and_wait(&m, next);
    memory_events_snapshot(&m);
    memory_events_restart(&m);
    job = memory_events_pub(&m, NOUN_JOB, next, NULL);
    assert_non_null(job);
    job = memory_events_pub(&m, NOUN_JOB, 2, NULL);
    assert_true(job->unknown);
    assert_true(events_next_id(m.events, NOUN_JOB) > next);
    memory_events_done(&m);
}

/* A submit that is lost: its id is never given again, its later events make no job. */
static void damage_of_a_submit(void **state)
{
    struct memory_events m;
    uint64_t next;

    srand(8);
    memory_events_new(&m);
    submit_and_wait(&m, events_next_id(m.events, NOUN_JOB));
    submit_and_wait(&m, events_next_id(m.events, NOUN_JOB));
    act_and_wait(&m, 2, JOB_EVENT_ALLOC);
    memory_store_flip(&m.store, 1);
    memory_events_restart(&m);
    assert_true(events_damaged(m.events));
    assert_non_null(memory_events_pub(&m, NOUN_JOB, 1, NULL));
    assert_null(memory_events_pub(&m, NOUN_JOB, 2, NULL));
    next = events_next_id(m.events, NOUN_JOB);
    assert_true(next > 2 && next >= m.store.id_reserve);
    memory_events_done(&m);
}

/* Wherever a bit flips: the load succeeds and no id comes again (who is held is
 * test_recover_lost.c's). */
static void damage_anywhere(void **state)
{
    for (unsigned seed = 200; seed < 230; seed++) {
        struct memory_events m;
        uint64_t next;

        srand(seed);
        memory_events_new(&m);
        random_history(&m, 30);
        next = events_next_id(m.events, NOUN_JOB);
        if (!m.store.n_records) {
            memory_events_done(&m);
            continue;
        }
        memory_store_flip(&m.store, draw((unsigned)m.store.n_records));
        memory_events_restart(&m);
        assert_true(events_damaged(m.events));
        assert_true(events_next_id(m.events, NOUN_JOB) >= next);
        random_history(&m, 10);
        memory_events_done(&m);
    }
}

static void snapshot_done(void *arg, int result, const struct vdi_error *err)
{
    assert_int_equal(result, 0);
    ((struct memory_events *)arg)->n_pending--;
}

static void snapshot_now(void *arg, int result, const struct vdi_error *err)
{
    struct memory_events *m = arg;

    assert_int_equal(events_snapshot(m->events, 0, snapshot_done, m), 0);
}

/* As a stop does: what shares the barrier's batch is durable and not yet published. */
static void a_snapshot_in_the_middle_of_a_batch(void **state)
{
    struct memory_events m;
    uint64_t ids[3];

    srand(9);
    memory_events_new(&m);
    for (int i = 0; i < 3; i++) {
        struct txn *txn = txn_new(m.events);

        ids[i] = events_next_id(m.events, NOUN_JOB);
        assert_int_equal(add_job(txn, ids[i], JOB_EVENT_SUBMIT), 0);
        memory_events_commit(&m, txn, NULL);
        if (i != 0)
            continue;
        m.n_pending++;
        txn_commit(txn_new(m.events), snapshot_now, &m);
    }
    memory_events_wait(&m);
    assert_int_equal(m.store.appends, 1); /* else this tried nothing */
    assert_true(m.store.snapshot_seq > 0);
    memory_events_restart(&m);
    for (int i = 0; i < 3; i++)
        assert_non_null(memory_events_pub(&m, NOUN_JOB, ids[i], NULL));
    memory_events_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_after_a_restart),
        cmocka_unit_test(equal_with_failures),
        cmocka_unit_test(a_snapshot_in_the_middle_of_a_batch),
        cmocka_unit_test(damage_in_the_middle),
        cmocka_unit_test(damage_of_a_submit),
        cmocka_unit_test(damage_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
