/* SPDX-License-Identifier: Apache-2.0 */
/* test_job_index.c - the jobs of an owner against a plain list of all, as they come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vdictld/job_index.h"

#define N_JOBS 3000

static const char *const owners[] = {"unix:anna", "unix:ben", "keystone:anna", "carl"};
static struct job_spec specs[4];

static struct job job_of(uint64_t id, unsigned owner)
{
    specs[owner].owner = owners[owner];
    return (struct job){.id = id, .spec = &specs[owner]};
}

static void in_order_of_ids_over_realms(void **state)
{
    struct job_index *index = job_index_new();
    const uint64_t ids[] = {3, 7, 5, 9, 4}; /* 5, 4: a replay after damage */

    for (unsigned i = 0; i < 5; i++) {
        struct job job = job_of(ids[i], i % 2 ? 0 : 2);

        job_index_add(index, &job);
    }
    assert_int_equal(job_index_next(index, "anna", 0), 3);
    assert_int_equal(job_index_next(index, "unix:anna", 3), 4);
    assert_int_equal(job_index_next(index, "anna", 4), 5);
    assert_int_equal(job_index_next(index, "anna", 8), 9);
    assert_int_equal(job_index_next(index, "anna", 9), 0);
    assert_int_equal(job_index_next(index, "ann", 0), 0);
    assert_int_equal(job_index_next(index, "", 0), 0);
    assert_true(job_index_is_whole(index));
    job_index_free(index);
    job_index_free(NULL);
}

static void as_a_list_of_all_says(void **state)
{
    struct job_index *index = job_index_new();
    static unsigned owner_of[N_JOBS + 1];
    static bool present[N_JOBS + 1];
    uint32_t rng = 4711;
    uint64_t last = 0;

    for (unsigned step = 0; step < 20000; step++) {
        rng = rng * 1664525u + 1013904223u;
        if (last < N_JOBS && rng >> 28 < 4) {
            struct job job = job_of(++last, rng >> 8 & 3);

            owner_of[last] = rng >> 8 & 3;
            present[last] = true;
            job_index_add(index, &job);
        } else if (last) {
            uint64_t id = 1 + (rng >> 8) % last;
            struct job job = job_of(id, owner_of[id]);

            present[id] = false;
            job_index_remove(index, &job); /* again: nothing happens */
        }
        if (step % 1000)
            continue;
        for (unsigned o = 0; o < 4; o++) {
            uint64_t at = 0;

            for (uint64_t id = 1; id <= last; id++)
                if (present[id] && (owner_of[id] == o || (o != 1 && owner_of[id] + o == 2))) {
                    at = job_index_next(index, owners[o], at);
                    assert_int_equal(at, id);
                }
            assert_int_equal(job_index_next(index, owners[o], at), 0);
        }
    }
    job_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_of_ids_over_realms),
        cmocka_unit_test(as_a_list_of_all_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
