/* SPDX-License-Identifier: Apache-2.0 */
/* test_identity.c - NSS that answers, errs and hangs: who waits for it, and who does not. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/str.h"
#include "base/time.h"
#include "wire/identity.h"

static pthread_mutex_t hang = PTHREAD_MUTEX_INITIALIZER; /* held: names with 'h' hang */
static atomic_uint lookups;

static int fake_lookup(enum identity_what what, struct identity_answer *a)
{
    struct vdi_principal *p = &a->who;
    unsigned n = ++lookups;
    if (p->name[0] == 'h') {
        pthread_mutex_lock(&hang);
        pthread_mutex_unlock(&hang);
    }
    if (p->name[0] == 'n')
        return -ENOENT;
    if (p->name[0] == 'e')
        return -EIO;
    p->n_groups = 2;
    strcpy(p->groups[0], "staff");
    snprintf(p->groups[1], VDI_NAME_MAX, "g%u", n);
    return 0;
}

struct answer {
    bool given;
    int r;
    struct vdi_principal principal;
    uint32_t gids[VDI_PRINCIPAL_GROUPS_MAX];
    char home[IDENTITY_HOME_MAX];
};

static void on_answer(void *arg, int r, const struct identity_answer *answer)
{
    struct answer *a = arg;
    assert_false(a->given); /* exactly once */
    a->given = true;
    a->r = r;
    assert_int_equal(r == 0, answer != NULL);
    if (answer) {
        a->principal = answer->who;
        memcpy(a->gids, answer->gids, sizeof(a->gids));
        str_copy(a->home, sizeof(a->home), answer->home);
    }
}

static void ask(struct identity *id, const char *name, struct answer *a)
{
    struct vdi_principal p = {.realm = "unix", .uid = 7, .gid = 8};
    str_copy(p.name, sizeof(p.name), name);
    memset(a, 0, sizeof(*a));
    identity_get(id, IDENTITY_GROUPS, &p, on_answer, a);
}

static void wait_for(struct loop *loop, const struct answer *a)
{
    while (!a->given)
        assert_true(loop_run_once(loop, true) >= 0);
}

static void keeps_answers(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    struct answer a, b;
    lookups = 0;
    ask(id, "alice", &a);
    assert_false(a.given);
    ask(id, "alice", &b); /* joins */
    wait_for(loop, &a);
    wait_for(loop, &b);
    assert_int_equal(a.r, 0);
    assert_int_equal(a.principal.n_groups, 2);
    assert_string_equal(a.principal.groups[0], "staff");
    assert_int_equal(a.principal.uid, 7);
    assert_int_equal(b.principal.n_groups, 2);
    ask(id, "alice", &a);
    assert_true(a.given);
    assert_string_equal(a.principal.groups[1], "g1");
    ask(id, "nobody", &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, -ENOENT);
    ask(id, "nobody", &a);
    assert_true(a.given); /* also that there is nobody */
    assert_int_equal(a.r, -ENOENT);
    assert_int_equal(lookups, 2);
    ask(id, "error", &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, -EIO);
    ask(id, "error", &a);
    assert_false(a.given); /* but no errors */
    wait_for(loop, &a);
    assert_int_equal(lookups, 4);
    identity_free(id);
    loop_free(loop);
}

static void hurts_nobody_when_one_name_hangs(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    struct answer hung[3], a;
    pthread_mutex_lock(&hang);
    for (int i = 0; i < 3; i++)
        ask(id, i < 2 ? "hugo" : "hanna", &hung[i]);
    ask(id, "alice", &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, 0);
    for (int i = 0; i < 3; i++)
        assert_false(hung[i].given);
    for (int i = 0; i < 3; i++) {
        wait_for(loop, &hung[i]); /* ends, although nobody lets go of the look-up */
        assert_int_equal(hung[i].r, -ETIMEDOUT);
    }
    ask(id, "hugo", &hung[0]); /* no second thread goes after him */
    assert_true(hung[0].given);
    assert_int_equal(hung[0].r, -ETIMEDOUT);
    struct identity_stats stats;
    identity_stats(id, &stats);
    assert_int_equal(stats.pending, 2);
    assert_int_equal(stats.timeouts, 2);
    pthread_mutex_unlock(&hang);
    while (stats.pending > 0) {
        loop_run_once(loop, true);
        identity_stats(id, &stats);
    }
    ask(id, "hugo", &hung[0]); /* what came late is kept */
    assert_true(hung[0].given);
    assert_int_equal(hung[0].r, 0);
    identity_free(id);
    loop_free(loop);
}

static void refuses_at_once_when_all_threads_hang(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    struct answer hung[IDENTITY_THREADS], waiting, a;
    ask(id, "alice", &a);
    wait_for(loop, &a);
    pthread_mutex_lock(&hang);
    for (int i = 0; i < IDENTITY_THREADS; i++) {
        char name[24];
        snprintf(name, sizeof(name), "h%d", i);
        ask(id, name, &hung[i]);
    }
    ask(id, "bob", &waiting); /* a burst is no hang yet */
    assert_false(waiting.given);
    usleep(1200000);
    ask(id, "carol", &a);
    assert_true(a.given);
    assert_int_equal(a.r, -EBUSY);
    ask(id, "alice", &a);
    assert_true(a.given);
    assert_int_equal(a.r, 0);
    pthread_mutex_unlock(&hang);
    wait_for(loop, &waiting);
    assert_int_equal(waiting.r, 0);
    ask(id, "carol", &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, 0);
    identity_free(id);
    for (int i = 0; i < IDENTITY_THREADS; i++)
        assert_true(hung[i].given);
    loop_free(loop);
}

static void takes_bursts(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    static struct answer a[300];
    for (int i = 0; i < 300; i++) {
        char name[24];
        snprintf(name, sizeof(name), "student%d", i);
        ask(id, name, &a[i]);
    }
    for (int i = 0; i < 300; i++) {
        wait_for(loop, &a[i]);
        assert_int_equal(a[i].r, 0);
    }
    identity_free(id);
    loop_free(loop);
}

static void stays_within_its_memory(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    struct identity_stats stats;
    struct answer a;
    for (int i = 0; i < IDENTITY_CACHE_MAX + 100; i++) {
        char name[24];
        snprintf(name, sizeof(name), "user%d", i);
        ask(id, name, &a);
        wait_for(loop, &a);
        if (i % 1000 == 0) {
            ask(id, "user0", &a);
            assert_true(a.given); /* used now and then, so kept */
        }
    }
    identity_stats(id, &stats);
    assert_true(stats.cached <= IDENTITY_CACHE_MAX);
    ask(id, "user1", &a);
    assert_false(a.given);
    wait_for(loop, &a);
    ask(id, "user0", &a);
    assert_true(a.given);
    identity_free(id);
    loop_free(loop);
}

static void answers_what_is_left(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    struct answer a;
    ask(id, "alice", &a);
    identity_free(id);
    assert_true(a.given);
    loop_free(loop);
}

static void a_hang_does_not_hold_up_the_end(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, fake_lookup);
    struct answer hung, waiting[IDENTITY_THREADS + 1];
    unsigned before = lookups;
    pthread_mutex_lock(&hang);
    ask(id, "hugo", &hung);
    for (int i = 0; i <= IDENTITY_THREADS; i++) {
        char name[24];
        snprintf(name, sizeof(name), "h%d", i);
        ask(id, name, &waiting[i]);
    }
    while (lookups < before + IDENTITY_THREADS)
        sched_yield();
    identity_free(id); /* nobody lets go of the look-ups */
    assert_int_equal(hung.r, -ECANCELED);
    for (int i = 0; i <= IDENTITY_THREADS; i++)
        assert_int_equal(waiting[i].r, -ECANCELED);
    loop_free(loop);
    pthread_mutex_unlock(&hang);
}

static void asks_nss(void **state)
{
    struct loop *loop = loop_new();
    struct identity *id = identity_new(loop, NULL);
    struct vdi_principal p = {.realm = "unix", .uid = 0};
    struct answer a = {0};
    identity_get(id, IDENTITY_NAME, &p, on_answer, &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, 0);
    assert_string_equal(a.principal.name, "root");
    p = a.principal;
    p.uid = 12345;
    a.given = false;
    identity_get(id, IDENTITY_UID, &p, on_answer, &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, 0);
    assert_int_equal(a.principal.uid, 0);
    a.given = false;
    identity_get(id, IDENTITY_GROUPS, &p, on_answer, &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, 0);
    assert_string_equal(a.principal.groups[0], "root");
    a.given = false;
    p = (struct vdi_principal){.realm = "unix", .uid = 0, .gid = 1};
    identity_get(id, IDENTITY_ACCOUNT, &p, on_answer, &a);
    wait_for(loop, &a);
    for (int i = 0; i < 2; i++) { /* as fetched, and as kept */
        assert_int_equal(a.r, 0);
        assert_string_equal(a.principal.name, "root");
        assert_string_equal(a.home, "/root");
        assert_int_equal(a.principal.gid, 1); /* as asked, not the account's */
        assert_int_equal(a.gids[0], 1);
        a.given = false;
        identity_get(id, IDENTITY_ACCOUNT, &p, on_answer, &a);
        assert_true(a.given);
    }
    p.uid = 4294967000U;
    a.given = false;
    identity_get(id, IDENTITY_NAME, &p, on_answer, &a);
    wait_for(loop, &a);
    assert_int_equal(a.r, -ENOENT);
    identity_free(id);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_answers),
        cmocka_unit_test(hurts_nobody_when_one_name_hangs),
        cmocka_unit_test(refuses_at_once_when_all_threads_hang),
        cmocka_unit_test(takes_bursts),
        cmocka_unit_test(stays_within_its_memory),
        cmocka_unit_test(answers_what_is_left),
        cmocka_unit_test(a_hang_does_not_hold_up_the_end),
        cmocka_unit_test(asks_nss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
