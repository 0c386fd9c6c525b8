/* SPDX-License-Identifier: Apache-2.0 */
/* test_priority_multifactor.c - the sum against numbers worked out by hand. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vdi/plugin.h>

#define DAY (INT64_C(86400) * 1000000)

extern const struct vdi_plugin vdi_plugin;

static const struct vdi_priority_ops *ops(void)
{
    return vdi_plugin.ops;
}

/* All settings, one or two of them as given. */
static int make(const char *name, const char *value, void **ret, struct vdi_priority_wants *wants,
                struct vdi_error *err)
{
    static const char *const weights[][2] = {{"weight_age", "1000"},
                                             {"weight_qos", "2000"},
                                             {"weight_fairshare", "10000"},
                                             {"weight_jobsize", "500"},
                                             {"weight_partition", "100"}};
    struct vdi_setting_value given[20];
    size_t n = 0;

    for (const struct vdi_setting *s = vdi_plugin.settings; s->name; s++) {
        given[n] = (struct vdi_setting_value){s->name, s->initial};
        for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
            if (!strcmp(weights[i][0], s->name))
                given[n].value = weights[i][1];
        if (name && !strcmp(name, s->name))
            given[n].value = value;
        n++;
    }
    memset(wants, 0, sizeof(*wants));
    return ops()->init(ret, given, n, wants, err);
}

static struct vdi_priority rank(const char *name, const char *value,
                                const struct vdi_priority_facts *facts)
{
    struct vdi_priority ret = {0};
    struct vdi_priority_wants wants;
    void *m = NULL;

    assert_int_equal(make(name, value, &m, &wants, NULL), 0);
    ops()->rank(m, facts, &ret);
    ops()->done(m);
    return ret;
}

static const struct vdi_priority_facts some = {
    .age_usec = 3 * DAY + DAY / 2,
    .share = 0.3,
    .usage = 0.3875,
    .nodes = 1,
    .cpus = 8,
    .cluster_nodes = 4,
    .cluster_cpus = 64,
    .partition_factor = 1,
    .partition_factor_max = 4,
    .qos_priority = 500,
    .qos_priority_max = 1000,
    .nice = 7,
    .given = 12345,
};

/* 1000 * 3.5 / 7 = 500; 10000 * 2^(-.3875 / .3) = 4084.79; 500 * (1/4 + 8/64) / 2 = 93.75;
 * 100 * 1/4 = 25; 2000 * 500/1000 = 1000; - 7: 5696.54, of which Slurm takes the whole part. */
static void sum(void **state)
{
    struct vdi_priority p = rank(NULL, NULL, &some);
    static const double products[] = {500, 4084.79, 93.75, 25, 1000, -7};

    assert_int_equal(p.sum, 5696);
    assert_int_equal(p.n_rows, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs(p.rows[i].product - products[i]) < 0.01);
    assert_string_equal(p.rows[1].name, "fairshare");
    assert_true(fabs(p.rows[1].factor - 0.408479) < 1e-6);
}

static void bounds(void **state)
{
    struct vdi_priority_facts f = some;
    struct vdi_priority p;

    f.age_usec = 700 * DAY;
    f.share = f.usage = 0;
    f.partition_factor_max = f.partition_factor = 0;
    f.qos_priority = 5000;
    p = rank(NULL, NULL, &f);
    assert_true(p.rows[0].factor == 1); /* it saturates at max_age */
    assert_true(p.rows[1].factor == 0); /* no share is no factor, and not 0 / 0 */
    assert_true(p.rows[3].factor == 0 && p.rows[4].factor == 1);
    assert_int_equal(p.sum, 1000 + 93 + 2000 - 7 + 0);
    f.nice = INT32_MIN;
    assert_int_equal(rank(NULL, NULL, &f).sum, INT32_MAX);
}

static void small(void **state)
{
    /* 500 * ((1 - 1/4) + (1 - 8/64)) / 2 */
    assert_true(fabs(rank("favor_small", "yes", &some).rows[2].product - 406.25) < 1e-9);
    assert_true(rank("max_age", "84h", &some).rows[0].factor == 1);
}

static void settings(void **state)
{
    static const char *const bad[][2] = {
        {"weight_age", "-1"},  {"weight_qos", "100000001"}, {"half_life", "0"},
        {"half_life", "7x"},   {"half_life", "d"},          {"half_life", "7 days"},
        {"calc_period", "2y"}, {"max_age", "53w"},          {"charge_gpu", "99999999999999999999"}};
    struct vdi_priority_wants wants;
    struct vdi_error err;
    void *m = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(make(bad[i][0], bad[i][1], &m, &wants, &err), -EINVAL);
        assert_string_equal(err.field, bad[i][0]);
        assert_true(*err.limit && *err.remedy && strstr(err.detail, bad[i][1]));
        assert_null(m);
    }
    assert_int_equal(make("half_life", "2w", &m, &wants, NULL), 0);
    assert_true(wants.half_life_usec == 14 * DAY && wants.period_usec == DAY / 288);
    assert_true(wants.charge_cpu == 1 && wants.charge_gpu == 16 && wants.charge_memory_gib == 0);
    ops()->done(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum),
        cmocka_unit_test(bounds),
        cmocka_unit_test(small),
        cmocka_unit_test(settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
