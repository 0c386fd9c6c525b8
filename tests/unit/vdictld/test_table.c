/* SPDX-License-Identifier: Apache-2.0 */
/* test_table.c - slots: found, ordered by id whatever order they came in, removed, kept apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/job.h"
#include "vdictld/table.h"

static struct job *new_job(uint64_t id)
{
    struct job *job = calloc(1, sizeof(*job));

    job->refs = 1;
    job->id = id;
    job->spec = job_spec_new();
    return job;
}

static void put(struct table *t, uint64_t id)
{
    struct slot *slot = table_slot(t, id, NULL, true);
    struct job *job = new_job(id);

    assert_non_null(slot);
    table_stage(t, slot, job);
    table_publish(t, slot, job);
}

static void assert_order(const struct table *t, size_t want)
{
    uint64_t last = 0;
    size_t n = 0;

    for (size_t i = 0; i < table_end(t); i++) {
        if (!table_at(t, i))
            continue;
        assert_true(table_at(t, i)->id > last);
        last = table_at(t, i)->id;
        n++;
    }
    assert_int_equal(n, want);
    assert_int_equal(table_count(t), want);
}

static void finds_what_was_put(void **state)
{
    struct table *t = table_new(&nouns[NOUN_JOB]);

    assert_null(table_slot(t, 7, NULL, false));
    put(t, 7);
    assert_ptr_equal(table_slot(t, 7, NULL, true), table_slot(t, 7, NULL, false));
    assert_int_equal(((struct job *)table_slot(t, 7, NULL, false)->pub)->id, 7);
    assert_null(table_at(t, 99));
    table_free(t);
}

/* Ids that come in any order, holes made anywhere, cursors at every id. */
static void stays_in_order(void **state)
{
    enum { N = 400 };
    bool there[N + 2] = {false};
    struct table *t = table_new(&nouns[NOUN_JOB]);
    size_t n = 0;

    srand(1);
    for (unsigned round = 0; round < 5000; round++) {
        uint64_t id = 1 + (uint64_t)rand() % N;

        if (there[id]) {
            table_remove(t, table_slot(t, id, NULL, false));
            n--;
        } else {
            put(t, id);
            n++;
        }
        there[id] = !there[id];
        if (round % 50)
            continue;
        assert_order(t, n);
        for (uint64_t after = 0; after <= N; after++) {
            uint64_t want = after + 1;
            size_t i = table_after(t, after);

            while (want <= N && !there[want])
                want++;
            while (i < table_end(t) && !table_at(t, i))
                i++;
            assert_int_equal(i < table_end(t) ? table_at(t, i)->id : N + 1, want);
        }
    }
    table_free(t);
}

static void staged_is_not_published(void **state)
{
    struct table *t = table_new(&nouns[NOUN_JOB]);
    struct slot *slot;
    struct job *next = new_job(1);

    put(t, 1);
    slot = table_slot(t, 1, NULL, false);
    table_stage(t, slot, next);
    assert_ptr_equal(slot->staged, next);
    assert_ptr_not_equal(slot->pub, next);
    table_revert(t, slot);
    assert_ptr_equal(slot->pub, slot->staged);
    table_revert(t, slot); /* nothing staged: nothing to do */
    assert_ptr_equal(slot->pub, slot->staged);
    slot = table_slot(t, 2, NULL, true);
    table_stage(t, slot, new_job(2));
    table_revert(t, slot); /* never published: gone */
    assert_null(table_slot(t, 2, NULL, false));
    assert_order(t, 1);
    table_free(t);
}

static void names_are_keys_too(void **state)
{
    struct table *t = table_new(&nouns[NOUN_NODE]);
    char name[16];

    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_non_null(table_slot(t, 0, name, true));
    }
    for (int i = 0; i < 200; i += 2) {
        snprintf(name, sizeof(name), "n%d", i);
        table_remove(t, table_slot(t, 0, name, false));
    }
    assert_int_equal(table_count(t), 100);
    assert_null(table_slot(t, 0, "n2", false));
    assert_string_equal(table_slot(t, 0, "n3", false)->key, "n3");
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put),
        cmocka_unit_test(stays_in_order),
        cmocka_unit_test(staged_is_not_published),
        cmocka_unit_test(names_are_keys_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
