/* SPDX-License-Identifier: Apache-2.0 */
/* test_share.c - fair share by the worked example of Slurm's classic algorithm, and decay. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/share.h"

#define SEC INT64_C(1000000)
#define DAY (86400 * SEC)
#define HALF (7 * DAY)

static void near(double got, double want)
{
    if (fabs(got - want) > 1e-6)
        fail_msg("%.9f is not %.9f", got, want);
}

static void is_share(struct share_tree *t, const char *account, const char *owner, double share,
                     double usage)
{
    double s, u;

    assert_int_equal(share_of(t, account, owner, &s, &u), 0);
    near(s, share);
    near(u, usage);
}

/* A 40 (B 30 with u1; C 10 with u2, u3), D 60 (E 25 with u4; F 35 with u5). */
static struct share_tree *example(void)
{
    static const struct {
        const char *name, *parent;
        uint32_t shares;
    } accounts[] = {{"A", "", 40},  {"D", "", 60},  {"B", "A", 30},
                    {"C", "A", 10}, {"E", "D", 25}, {"F", "D", 35}};
    struct share_tree *t = share_tree_new(HALF);

    assert_non_null(t);
    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
        assert_int_equal(
            share_add_account(t, accounts[i].name, accounts[i].parent, accounts[i].shares), 0);
    return t;
}

static void use_example(struct share_tree *t)
{
    share_begin(t);
    share_use_now(t, "B", "u1", 20);
    share_use_now(t, "C", "u2", 25);
    share_wait(t, "C", "u3");
    share_use_now(t, "E", "u4", 25);
    share_use_now(t, "F", "u5", 30);
    share_end(t, DAY);
}

/* Shares are products of the parts on the way up; usage as
 * Ue = U + (Ue of the account - U) * shares / siblings' shares:
 * A .45; B .2 + (.45 - .2) * 30 / 40 = .3875; C .25 + .2 * 10 / 40 = .3; D .55;
 * E .25 + .3 * 25 / 60 = .375; F .3 + .25 * 35 / 60 = .445833; u2 .25 + .05 / 2; u3 .3 / 2. */
static void worked_example(void **state)
{
    struct share_tree *t = example();

    use_example(t);
    is_share(t, "B", "u1", 0.30, 0.3875);
    is_share(t, "C", "u2", 0.05, 0.275);
    is_share(t, "C", "u3", 0.05, 0.15);
    is_share(t, "E", "u4", 0.25, 0.375);
    is_share(t, "F", "u5", 0.35, 0.4458333);
    share_tree_free(t);
}

/* Between two rounds one who comes new is a sibling for himself alone; with a round for all. */
static void newcomer(void **state)
{
    struct share_tree *t = example();

    use_example(t);
    is_share(t, "B", "u6", 0.15, 0.3875 / 2);
    is_share(t, "B", "u1", 0.30, 0.3875);
    use_example(t); /* it neither waits nor uses anything */
    is_share(t, "B", "u1", 0.30, 0.3875);
    share_begin(t);
    share_use_now(t, "B", "u1", 20);
    share_wait(t, "B", "u6");
    share_end(t, DAY);
    is_share(t, "B", "u1", 0.15, 1);
    share_tree_free(t);
}

/* After a half life a half is left: of 1 a second for a day as of 1 a second for a day later. */
static void decay(void **state)
{
    struct share_tree *t = share_tree_new(HALF);

    near(share_decayed(t, 1, 0, 1000 * SEC, HALF + 1000 * SEC) /
             share_decayed(t, 1, 0, 1000 * SEC, 1000 * SEC),
         0.5);
    assert_true(fabs(share_decayed(t, 3, 0, SEC, SEC) - 3) < 1e-4);
    near(share_decayed(t, 1, 5, 5, 9), 0);
    share_use(t, "", "a", 1, 0, DAY);
    share_use(t, "", "b", 1, HALF, HALF + DAY);
    share_begin(t);
    share_end(t, 2 * HALF);
    is_share(t, "", "a", 0.5, 1.0 / 3);
    is_share(t, "", "b", 0.5, 2.0 / 3);
    share_tree_free(t);
}

/* What is brought up to date often, in pieces or in another order is the same. */
static void order(void **state)
{
    struct share_tree *once = share_tree_new(HALF), *often = share_tree_new(HALF);
    double s, u, s2, u2;

    share_use(once, "", "a", 2, 0, 4 * DAY);
    share_use(once, "", "b", 1, 0, 5 * DAY);
    share_begin(once);
    share_end(once, 9 * DAY);
    share_use(often, "", "a", 2, 3 * DAY, 4 * DAY);
    share_use(often, "", "b", 1, 0, 2 * DAY);
    share_begin(often);
    share_end(often, 4 * DAY);
    share_use(often, "", "a", 2, 0, 3 * DAY);
    share_use(often, "", "b", 1, 2 * DAY, 5 * DAY);
    share_begin(often);
    share_use_now(often, "", "b", 5);
    share_use_now(often, "", "b", -5);
    share_end(often, 9 * DAY);
    share_of(once, "", "a", &s, &u);
    share_of(often, "", "a", &s2, &u2);
    near(s, s2);
    near(u, u2);
    share_tree_free(once);
    share_tree_free(often);
}

static void accounts(void **state)
{
    struct share_tree *t = example();
    double s, u;

    assert_int_equal(share_add_account(t, "A", "", 1), -EEXIST);
    assert_int_equal(share_add_account(t, "G", "nowhere", 1), -ENOENT);
    share_begin(t);
    share_wait(t, "made-up", "u9");
    share_wait(t, "made-up-too", "u9");
    share_end(t, DAY);
    share_of(t, "another", "u9", &s, &u);
    near(s, 1.0 / 101); /* beside A and D, and once, whatever he calls it */
    share_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_example), cmocka_unit_test(newcomer), cmocka_unit_test(decay),
        cmocka_unit_test(order),          cmocka_unit_test(accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
