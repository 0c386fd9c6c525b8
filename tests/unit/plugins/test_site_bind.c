/* SPDX-License-Identifier: Apache-2.0 */
/* test_site_bind.c - site/fake: a seat is bound to one job, once */
#include "tests/unit/plugins/site_fixture.h"

#define SEAT "{\"template\":{},\"seat\":{}}"

static void start_seat(struct fixture *f, uint64_t id)
{
    struct vdi_instance_spec spec = {.id = {id, 1}, .epoch = 1, .node = "n1", .spec_json = SEAT};

    assert_int_equal(start_spec(f, &spec).result, 0);
}

/* The order may be answered later: op stays where it is. */
static void bind(struct fixture *f, uint64_t id, unsigned job, const char *script,
                 struct vdi_op *op)
{
    char json[300];

    snprintf(json, sizeof(json),
             "{\"job\":{\"id\":%u,\"kind\":\"batch\"},\"env\":[\"VDI_JOB_ID=%u\"],"
             "\"payload\":{\"script\":\"#!/bin/sh\\n%s\\n\"}}",
             job, job, script);
    *op = (struct vdi_op){0};
    assert_int_equal(ops->bind(f->site, ID(id, 1), "n1", json, op), 0);
}

static void setup_bind(struct fixture *f, const char *fail_bind)
{
    struct vdi_setting_value settings[] = {
        {"boot_ms", "500"}, {"bind_ms", "300"}, {"fail_bind", fail_bind}, {"state_dir", f->dir}};

    if (!f->host.loop)
        f->host.loop = loop_new_virtual(T0);
    f->site = site_new(&f->host, settings, 4);
}

static void a_seat_is_bound_once(void **state)
{
    struct fixture f = {0};
    struct vdi_op one, again, other;

    setup_bind(&f, "0");
    start_seat(&f, 1);
    bind(&f, 1, 7, "true", &one);
    assert_int_equal(one.result, -EAGAIN); /* it still boots */
    run_for(&f, 500);
    assert_string_equal(state_of(&f, 1, 1), "ready");
    bind(&f, 1, 7, "#FAKE exit=3 after_ms=100\\necho job $VDI_JOB_ID", &one);
    bind(&f, 1, 7, "true", &again);
    bind(&f, 1, 8, "true", &other);
    assert_int_equal(other.result, -EEXIST);
    assert_non_null(strstr(other.err.detail, "job 7's"));
    run_for(&f, 299);
    assert_int_equal(one.completed + again.completed, 0);
    assert_int_equal(number(ORDER(&f, output, ID(1, 1), "n1", "out", 0, 100).json, "size"), 0);
    run_for(&f, 1);
    assert_int_equal(one.completed, 1);
    assert_int_equal(again.completed, 1);
    assert_int_equal(one.result + again.result, 0);
    assert_int_equal(number(ORDER(&f, output, ID(1, 1), "n1", "out", 0, 100).json, "size"), 6);
    run_for(&f, 100);
    assert_string_equal(state_of(&f, 1, 1), "exited");
    assert_int_equal(number(ORDER(&f, poll, ID(1, 1), "n1").json, "exit_code"), 3);
    assert_int_equal(ORDER(&f, stop, ID(1, 1), "n1", 0).result, 0);
    bind(&f, 1, 7, "true", &again);
    assert_int_equal(again.result, -ENOENT);
    teardown(&f);
}

static void a_bind_may_fail_or_be_overtaken(void **state)
{
    struct fixture f = {0};
    struct vdi_op op;

    setup_bind(&f, "100");
    start_seat(&f, 1);
    start_seat(&f, 2);
    assert_int_equal(start(&f, 3, 1, 1, NULL).result, 0);
    run_for(&f, 500);
    bind(&f, 3, 7, "true", &op); /* it was started with a job */
    assert_int_equal(op.result, -EEXIST);
    bind(&f, 1, 0, "true", &op);
    assert_int_equal(op.result, -EINVAL);
    bind(&f, 1, 7, "true", &op);
    run_for(&f, 300);
    assert_int_equal(op.result, -EIO);
    assert_string_equal(op.err.field, "fail_bind");
    bind(&f, 2, 8, "true", &op);
    assert_int_equal(ORDER(&f, stop, ID(2, 1), "n1", 0).result, 0);
    run_for(&f, 300);
    assert_int_equal(op.completed, 1);
    assert_int_equal(op.result, -ENOENT);
    bind(&f, 1, 7, "true", &op); /* never answered: the site goes first */
    teardown(&f);
    assert_int_equal(op.completed, 0);
}

static void a_bind_outlives_the_controller(void **state)
{
    struct fixture f = {0};
    struct vdi_op op;

    snprintf(f.dir, sizeof(f.dir), "/tmp/test_site_fake.XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    setup_bind(&f, "0");
    start_seat(&f, 1);
    run_for(&f, 500);
    bind(&f, 1, 7, "echo one", &op);
    run_for(&f, 100);
    ops->done(f.site);
    setup_bind(&f, "0");
    bind(&f, 1, 8, "true", &op);
    assert_int_equal(op.result, -EEXIST);
    bind(&f, 1, 7, "echo another", &op);
    run_for(&f, 199);
    assert_int_equal(op.completed, 0);
    run_for(&f, 1);
    assert_int_equal(op.completed, 1);
    assert_int_equal(op.result, 0);
    assert_int_equal(number(ORDER(&f, output, ID(1, 1), "n1", "out", 0, 100).json, "size"), 4);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seat_is_bound_once),
        cmocka_unit_test(a_bind_may_fail_or_be_overtaken),
        cmocka_unit_test(a_bind_outlives_the_controller),
    };

    ops = vdi_plugin.ops;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
