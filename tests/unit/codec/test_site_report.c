/* SPDX-License-Identifier: Apache-2.0 */
/* test_site_report.c - between controller and site: the order to start, reports, output */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/document.h"
#include "codec/inventory.h"
#include "codec/site_report.h"
#include "codec/site_start.h"

static struct job_spec *spec_new(void)
{
    struct job_spec *spec = job_spec_new();

    assert_non_null(spec);
    spec->uid = 1000;
    spec->gid = 1000;
    spec->kind = JOB_BATCH;
    spec->cpus = 2;
    spec->memory_mib = 1024;
    job_spec_set(&spec->owner, "unix:ada");
    job_spec_set(&spec->name, "night \"run\"");
    job_spec_set(&spec->work_dir, "/srv/ada");
    job_spec_set(&spec->output, "%x-%j.out");
    job_spec_set(&spec->partition, "main");
    job_spec_set(&spec->template_name, "batch");
    return spec;
}

static struct document *written(struct site_start *s)
{
    struct config_template t = {.name = "batch",
                                .image = "debian",
                                .resolution = "",
                                .keyboard = "de",
                                .timezone = "",
                                .os = "linux",
                                .firmware = "bios",
                                .login = "auto"};
    struct document *document = NULL;
    struct buf out = BUF_INIT(0);

    s->of = &t;
    s->cluster = "campus";
    s->boot_timeout_sec = 90;
    assert_int_equal(site_start_write(s, &out, NULL), 0);
    assert_int_equal(document_parse(out.data, out.len, &document, NULL), 0);
    buf_done(&out);
    return document;
}

static bool env_has(const struct value *root, const char *pair)
{
    const struct value *env = value_get(root, "env");

    for (size_t i = 0; i < value_count(env); i++)
        if (!strcmp(value_string(value_item(env, i), ""), pair))
            return true;
    return false;
}

static void a_start_says_who_and_what(void **state)
{
    struct vdi_principal who = {.name = "ada", .uid = 1000, .gid = 1000, .n_groups = 3};
    uint32_t gids[VDI_PRINCIPAL_GROUPS_MAX] = {2000, 1000, 2001};
    struct job job = {.id = 5, .spec = spec_new(), .instance = 9, .generation = 1, .restarts = 1};
    struct site_start s = {.job = &job,
                           .payload = "{\"script\":\"#!/bin/sh\\n\"}",
                           .who = &who,
                           .gids = gids,
                           .home = "/srv/ada"};
    struct document *d;
    const struct value *root, *groups;

    job.node = "n1";
    job.node_list = "";
    strcpy(who.groups[0], "cad1");
    strcpy(who.groups[1], "users");
    strcpy(who.groups[2], "staff");
    d = written(&s);
    root = document_root(d);
    groups = value_get(root, "owner.groups");
    assert_string_equal(value_get_string(root, "owner.name", ""), "ada");
    assert_string_equal(value_get_string(root, "owner.home", ""), "/srv/ada");
    assert_int_equal(value_get_int(root, "owner.uid", 0), 1000);
    assert_int_equal(value_count(groups), 3); /* that of the gid first */
    assert_string_equal(value_get_string(value_item(groups, 0), "name", ""), "users");
    assert_string_equal(value_get_string(value_item(groups, 1), "name", ""), "cad1");
    assert_int_equal(value_get_int(value_item(groups, 2), "gid", 0), 2001);
    assert_string_equal(value_get_string(root, "job.output", ""), "/srv/ada/night \"run\"-5.out");
    assert_string_equal(value_get_string(root, "job.error", "?"), "");
    assert_string_equal(value_get_string(root, "payload.script", ""), "#!/bin/sh\n");
    assert_int_equal(value_get_int(root, "template.boot_timeout_sec", 0), 90);
    assert_true(env_has(root, "VDI_JOB_ID=5"));
    assert_true(env_has(root, "VDI_JOB_NAME=night \"run\""));
    assert_true(env_has(root, "VDI_CLUSTER=campus"));
    assert_true(env_has(root, "VDI_USER=ada"));
    assert_true(env_has(root, "VDI_PARTITION=main"));
    assert_true(env_has(root, "VDI_TEMPLATE=batch"));
    assert_true(env_has(root, "VDI_INSTANCE=9"));
    assert_true(env_has(root, "VDI_NODE=n1"));
    assert_true(env_has(root, "VDI_NODEID=0"));
    assert_true(env_has(root, "VDI_JOB_NUM_NODES=1"));
    assert_true(env_has(root, "VDI_JOB_NODELIST=n1"));
    assert_true(env_has(root, "VDI_RESTARTS=1"));
    assert_false(env_has(root, "VDI_KEYBOARD=de")); /* a script types nothing */
    /* the job itself keeps its pattern */
    assert_string_equal(job.spec->output, "%x-%j.out");
    document_free(d);
    job.spec->kind = JOB_INTERACTIVE;
    d = written(&s);
    assert_true(env_has(document_root(d), "VDI_KEYBOARD=de"));
    document_free(d);
    job.spec->nodes = 2;
    job.node_list = "n[0-1]";
    s.node_id = 1;
    d = written(&s);
    root = document_root(d);
    assert_true(env_has(root, "VDI_NODEID=1"));
    assert_true(env_has(root, "VDI_JOB_NUM_NODES=2"));
    assert_true(env_has(root, "VDI_JOB_NODELIST=n[0-1]"));
    assert_string_equal(value_get_string(root, "job.output", ""), "/srv/ada/night \"run\"-5.out.1");
    document_free(d);
    job_spec_unref(job.spec);
}

static void mounts_are_the_owners(void **state)
{
    struct config_mount mounts[] = {
        {"home", "/home/%u", "/home/%u", "virtiofs", "rw", "", "", {0}},
        {"team", "/srv/%g", "/team", "virtiofs", "ro", "", "", {0}},
    };
    struct config_template t = {.name = "batch",
                                .image = "",
                                .resolution = "",
                                .keyboard = "",
                                .timezone = "",
                                .os = "",
                                .firmware = "",
                                .login = "auto",
                                .mounts = mounts,
                                .n_mounts = 2};
    struct vdi_principal who = {.name = "ada", .uid = 1000, .gid = 1000, .n_groups = 1};
    uint32_t gids[VDI_PRINCIPAL_GROUPS_MAX] = {1000};
    struct job job = {.id = 5, .spec = spec_new(), .node = "", .node_list = "", .reason = ""};
    struct site_start s = {
        .of = &t, .cluster = "c", .job = &job, .who = &who, .gids = gids, .home = "/home/ada"};
    struct document *d = NULL;
    struct buf out = BUF_INIT(0);
    struct vdi_error err = {0};

    strcpy(who.groups[0], "users");
    assert_int_equal(site_start_write(&s, &out, &err), 0);
    assert_int_equal(document_parse(out.data, out.len, &d, NULL), 0);
    const struct value *list = value_get(document_root(d), "mounts");
    assert_int_equal(value_count(list), 2);
    assert_string_equal(value_get_string(value_item(list, 0), "source", ""), "/home/ada");
    assert_string_equal(value_get_string(value_item(list, 1), "source", ""), "/srv/users");
    assert_string_equal(value_get_string(value_item(list, 1), "mode", ""), "ro");
    document_free(d);
    strcpy(who.name, "../root");
    assert_int_equal(site_start_write(&s, &out, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "../root"));
    s.who = NULL;
    assert_int_equal(site_start_write(&s, &out, &err), -EINVAL);
    assert_string_equal(err.field, "template");
    buf_done(&out);
    job_spec_unref(job.spec);
}

static void disks_are_the_owners(void **state)
{
    struct config_disk blocks[] = {{"work", 9, "job", "node", "/w/%u", {0}}};
    struct config_template t = {.name = "batch",
                                .image = "",
                                .resolution = "",
                                .keyboard = "",
                                .timezone = "",
                                .os = "",
                                .firmware = "",
                                .login = "auto",
                                .disks = blocks,
                                .n_disks = 1};
    struct vdi_principal who = {.name = "ada", .uid = 1000, .gid = 1000};
    struct disk disk = {.id = 7,
                        .name = "work",
                        .persistence = DISK_JOB,
                        .where = DISK_SHARED,
                        .size_gib = 5,
                        .token = "0011223344556677"};
    const struct disk *disks[] = {&disk};
    struct job job = {.id = 5, .spec = spec_new(), .node = "", .node_list = "", .reason = ""};
    struct site_start s = {.of = &t,
                           .cluster = "c",
                           .job = &job,
                           .who = &who,
                           .home = "/h/ada",
                           .disks = disks,
                           .n_disks = 1};
    struct document *d = NULL;
    struct buf out = BUF_INIT(0);
    struct vdi_error err = {0};

    assert_int_equal(site_start_write(&s, &out, &err), 0);
    assert_int_equal(document_parse(out.data, out.len, &d, NULL), 0);
    const struct value *item = value_item(value_get(document_root(d), "disks"), 0);
    assert_string_equal(value_get_string(item, "volume", ""), "7.0011223344556677");
    assert_string_equal(value_get_string(item, "target", ""), "/w/ada");
    /* As it was made, whatever the block says by now. */
    assert_string_equal(value_get_string(item, "where", ""), "shared");
    assert_int_equal(value_get_int(item, "size_gib", 0), 5);
    assert_true(value_get_bool(item, "new", false));
    document_free(d);
    strcpy(disk.name, "gone");
    assert_int_equal(site_start_write(&s, &out, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "no longer has a disk 'gone'"));
    s.who = NULL;
    assert_int_equal(site_start_write(&s, &out, &err), -EINVAL);
    buf_done(&out);
    job_spec_unref(job.spec);
}

/* What a seat's start lacks of a job's is what its bind has. */
static void a_seat_learns_later_whose_it_is(void **state)
{
    struct config_mount mounts[] = {
        {"home", "/home/%u", "/home/%u", "virtiofs", "rw", "", "", {0}}};
    struct config_template t = {.name = "cad",
                                .image = "debian",
                                .resolution = "",
                                .keyboard = "",
                                .timezone = "",
                                .os = "",
                                .firmware = "",
                                .login = "prompt",
                                .mounts = mounts,
                                .n_mounts = 1};
    struct vdi_principal who = {.name = "ada", .uid = 1000, .gid = 1000};
    struct job job = {.id = 5, .spec = spec_new(), .node = "n1", .node_list = "", .instance = 9};
    struct site_start s = {.of = &t, .cluster = "c", .image = "{\"name\":\"debian\"}"};
    struct document *d = NULL;
    struct buf out = BUF_INIT(0);
    struct vdi_error err = {0};

    assert_int_equal(site_start_write(&s, &out, &err), -EINVAL); /* nobody said: a seat */
    assert_int_equal(site_bind_write(&s, &out, &err), -EINVAL);
    s.is_seat = true;
    assert_int_equal(site_start_write(&s, &out, &err), 0);
    assert_int_equal(document_parse(out.data, out.len, &d, NULL), 0);
    for (size_t i = 0; i < 6; i++)
        assert_null(
            value_get(document_root(d), (const char *const[]){"job", "owner", "mounts", "disks",
                                                              "env", "payload"}[i]));
    assert_int_equal(value_get_int(document_root(d), "seat.mounts", -1), 1);
    assert_int_equal(value_get_int(document_root(d), "seat.disks", -1), 0);
    assert_false(value_get_bool(document_root(d), "seat.batch", false));
    assert_string_equal(value_get_string(document_root(d), "image.name", ""), "debian");
    document_free(d);
    s.is_for_script = true;
    buf_clear(&out);
    assert_int_equal(site_start_write(&s, &out, &err), 0);
    assert_int_equal(document_parse(out.data, out.len, &d, NULL), 0);
    assert_true(value_get_bool(document_root(d), "seat.batch", false));
    document_free(d);
    s.job = &job;
    assert_int_equal(site_start_write(&s, &out, &err), -EINVAL);
    assert_int_equal(site_bind_write(&s, &out, &err), -EINVAL); /* mounts, and no account */
    s = (struct site_start){.of = &t,
                            .cluster = "c",
                            .job = &job,
                            .who = &who,
                            .home = "/h/ada",
                            .payload = "{\"environment\":{}}"};
    buf_done(&out);
    assert_int_equal(site_bind_write(&s, &out, &err), 0);
    assert_int_equal(document_parse(out.data, out.len, &d, NULL), 0);
    assert_int_equal(value_get_int(document_root(d), "job.id", 0), 5);
    assert_string_equal(value_get_string(document_root(d), "template.login", ""), "prompt");
    assert_string_equal(value_get_string(document_root(d), "owner.home", ""), "/h/ada");
    assert_string_equal(
        value_get_string(value_item(value_get(document_root(d), "mounts"), 0), "source", ""),
        "/home/ada");
    assert_true(env_has(document_root(d), "VDI_INSTANCE=9"));
    assert_non_null(value_get(document_root(d), "payload.environment"));
    document_free(d);
    buf_done(&out);
    job_spec_unref(job.spec);
}

/* What a node says of its volumes, and what no node may say. */
static void volumes_of_an_inventory(void **state)
{
    struct inventory_volume volumes[] = {{"7.0011223344556677", DISK_SHARED, 5, 3}};
    struct inventory inv = {.volumes = volumes, .n_volumes = 1}, back;
    struct buf out = BUF_INIT(0);
    struct vdi_error err = {0};

    inventory_encode(&inv, &out);
    assert_int_equal(inventory_decode(out.data, &back, &err), 0);
    assert_int_equal(back.n_volumes, 1);
    assert_string_equal(back.volumes[0].volume, volumes[0].volume);
    assert_true(back.volumes[0].where == DISK_SHARED && back.volumes[0].size_bytes == 5 &&
                back.volumes[0].bytes == 3);
    inventory_done(&back);
    assert_int_equal(inventory_decode("{\"instances\":[]}", &back, &err), 0); /* an older node */
    assert_int_equal(back.n_volumes, 0);
    inventory_done(&back);
    assert_true(inventory_decode("{\"instances\":[],\"volumes\":7}", &back, &err) < 0);
    assert_true(
        inventory_decode("{\"instances\":[],\"volumes\":[{\"where\":\"x\"}]}", &back, &err) < 0);
    buf_done(&out);
}

static void without_an_account_there_is_no_owner(void **state)
{
    struct job job = {.id = 5, .spec = spec_new(), .node = "", .node_list = "", .reason = ""};
    struct site_start s = {.job = &job};
    struct document *d = written(&s);

    assert_null(value_get(document_root(d), "owner"));
    assert_null(value_get(document_root(d), "payload"));
    document_free(d);
    job_spec_unref(job.spec);
}

static void reports_are_read(void **state)
{
    struct site_report r;
    struct vdi_error err;

    assert_int_equal(site_report_decode("{\"state\":\"ready\",\"exited\":true,\"exit_code\":3,"
                                        "\"exit_signal\":0,\"failed\":false,\"reason\":\"\"}",
                                        &r, &err),
                     0);
    assert_true(r.state == SITE_STATE_READY && r.exited && r.exit_code == 3);
    assert_true(site_report_decode("{\"exit_code\":256}", &r, &err) < 0);
    assert_true(site_report_decode("{\"state\":\"up\"}", &r, &err) < 0);
    assert_true(site_report_decode("[]", &r, &err) < 0);
}

static void pieces_are_read(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"from\":-1,\"size\":0,\"data\":\"\"}",
        "{\"from\":0,\"size\":4}",
        "{\"from\":0,\"size\":4,\"data\":\"a\"}",
        "{\"from\":0,\"size\":4,\"data\":\"YWJjZGVm\"}",
    };
    struct site_piece piece = {0};
    struct vdi_error err;

    assert_int_equal(site_piece_decode("{\"from\":7,\"size\":10,\"data\":\"YQBi\",\"truncated\":"
                                       "true,\"ended\":true}",
                                       3, &piece, &err),
                     0);
    assert_true(piece.from == 7 && piece.size == 10 && piece.truncated && piece.ended);
    assert_int_equal(piece.len, 3);
    assert_memory_equal(piece.data, "a\0b", 3);
    site_piece_done(&piece);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(site_piece_decode(bad[i], 3, &piece, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_says_who_and_what),
        cmocka_unit_test(mounts_are_the_owners),
        cmocka_unit_test(disks_are_the_owners),
        cmocka_unit_test(a_seat_learns_later_whose_it_is),
        cmocka_unit_test(volumes_of_an_inventory),
        cmocka_unit_test(without_an_account_there_is_no_owner),
        cmocka_unit_test(reports_are_read),
        cmocka_unit_test(pieces_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
