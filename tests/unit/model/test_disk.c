/* SPDX-License-Identifier: Apache-2.0 */
/* test_disk.c - every (state, event) against a table written by hand; names of volumes */
#include <model/disk.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S(name) DISK_##name
#define E(name) [DISK_EVENT_##name]

/* What is leased can't be deleted, and what is leased can't be leased again. */
static const int expected[DISK_N_STATES][DISK_N_EVENTS] = {
    [S(NONE)] = {E(CREATE) = S(FREE)},
    [S(FREE)] = {E(LEASE) = S(LEASED), E(DELETE) = S(DELETING)},
    [S(LEASED)] = {E(MADE) = S(LEASED), E(RELEASE) = S(FREE)},
    [S(DELETING)] = {E(GONE) = S(GONE)},
};

static void every_pair(void **state)
{
    for (int from = 0; from < DISK_N_STATES; from++) {
        for (int event = 0; event < DISK_N_EVENTS; event++) {
            struct disk old = {.refs = 1, .id = 3, .state = (uint32_t)from, .reason = "old"};
            struct disk copy = old, *now = NULL;
            struct disk_event e = {.type = event, .time_usec = 99};
            struct vdi_error err = {0};
            int to = expected[from][event];
            int r = disk_apply(from ? &old : NULL, 3, &e, &now, &err);

            assert_memory_equal(&old, &copy, sizeof(copy));
            if (to == DISK_NONE) {
                assert_int_equal(r, -EPROTO);
                assert_null(now);
                assert_true(err.detail[0]);
                continue;
            }
            assert_int_equal(r, 0);
            assert_int_equal(now->state, to);
            assert_true(now->id == 3);
            assert_string_equal(now->reason, from ? "old" : "");
            disk_unref(now);
        }
    }
}

static struct disk *step(struct disk *old, struct disk_event event)
{
    struct disk *now = NULL;

    assert_int_equal(disk_apply(old, 7, &event, &now, NULL), 0);
    disk_unref(old);
    return now;
}

static struct disk *created(enum disk_where where)
{
    return step(NULL, (struct disk_event){.type = DISK_EVENT_CREATE,
                                          .time_usec = 5,
                                          .persistence = DISK_PERSONAL,
                                          .where = where,
                                          .size_gib = 20,
                                          .job = 11,
                                          .name = "data",
                                          .owner = "unix:ada",
                                          .template_name = "cad",
                                          .token = "00112233445566ff"});
}

static struct disk_event lease(uint64_t job, const char *node, int64_t usec)
{
    struct disk_event e = {.type = DISK_EVENT_LEASE,
                           .time_usec = usec,
                           .job = job,
                           .instance = job + 100,
                           .generation = 1,
                           .epoch = 9};

    snprintf(e.node, sizeof(e.node), "%s", node);
    return e;
}

static void life_of_a_disk(void **state)
{
    struct disk *d = created(DISK_NODE);
    char volume[DISK_VOLUME_MAX];

    assert_string_equal(d->node, "");
    assert_false(d->is_made);
    d = step(d, lease(11, "gpu01", 6));
    assert_true(d->instance == 111 && d->generation == 1 && d->epoch == 9 && d->job == 11);
    d = step(d, (struct disk_event){.type = DISK_EVENT_MADE, .time_usec = 7});
    assert_true(d->is_made && d->lease_usec == 6);
    d = step(d, (struct disk_event){.type = DISK_EVENT_RELEASE, .time_usec = 8});
    assert_true(!d->instance && !d->generation && d->is_made && d->release_usec == 8);
    assert_string_equal(d->node, "gpu01");
    assert_string_equal(d->owner, "unix:ada");
    assert_string_equal(disk_volume(d, volume), "7.00112233445566ff");
    d = step(d, (struct disk_event){.type = DISK_EVENT_DELETE, .time_usec = 9, .by = "unix:ada"});
    d = step(d, (struct disk_event){.type = DISK_EVENT_GONE, .time_usec = 10});
    assert_true(d->gone_usec == 10 && d->delete_usec == 9);
    assert_string_equal(d->by, "unix:ada");
    disk_unref(disk_ref(d));
    assert_int_equal(d->refs, 1);
    disk_unref(d);
    disk_unref(NULL);
}

/* A file of one node can't be had on another; a shared one can. */
static void lies_where_it_lies(void **state)
{
    for (enum disk_where where = DISK_NODE; where <= DISK_SHARED; where++) {
        struct disk *d = step(created(where), lease(11, "gpu01", 6)), *now = NULL;
        struct disk_event there = lease(12, "gpu01", 9), elsewhere = lease(12, "gpu02", 9);
        struct vdi_error err = {0};

        d = step(d, (struct disk_event){.type = DISK_EVENT_RELEASE, .time_usec = 8});
        assert_int_equal(disk_apply(d, 7, &elsewhere, &now, &err),
                         where == DISK_NODE ? -EPROTO : 0);
        if (where == DISK_SHARED)
            assert_string_equal(now->node, "gpu02");
        disk_unref(now);
        assert_int_equal(disk_apply(d, 7, &there, &now, &err), 0);
        assert_true(now->instance == 112);
        disk_unref(now);
        disk_unref(d);
    }
}

static void names(void **state)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "7.",
                                      ".00112233445566ff",
                                      "07.00112233445566ff",
                                      "7.00112233445566f",
                                      "7.00112233445566fff",
                                      "7.00112233445566FF",
                                      "7.0011223344556/..",
                                      "../7.00112233445566ff",
                                      "99999999999999999999.00112233445566ff"};
    uint64_t id = 0;

    for (int i = 0; i < DISK_N_EVENTS; i++)
        assert_int_equal(disk_event_from(disk_event_name(i)), i);
    assert_int_equal(disk_event_from("none"), -1);
    assert_string_equal(disk_event_name((enum disk_event_type)77), "none");
    assert_true(disk_volume_parse("7.00112233445566ff", &id) && id == 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(disk_volume_parse(bad[i], &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(life_of_a_disk),
        cmocka_unit_test(lies_where_it_lies),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
