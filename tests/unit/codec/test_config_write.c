/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_write.c - classes and reservations as blocks of vdi.conf that read back the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "codec/config.h"
#include "codec/config_write.h"

#define BASE                                                                                       \
    "site \"fake\" { }\nauth \"munge\" { }\nnode \"n1\" { cpus = 8  memory = \"8G\" }\n"           \
    "partition \"p\" { nodes = \"n1\"  default = yes }\nqos \"teaching\" { }\n"                    \
    "template \"cad\" { image = \"none\" }\n"

static struct class *lab(void)
{
    struct class *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->spec = (struct class_spec){
        .name = "lab",
        .template_name = "cad",
        .seats = 4,
        .users = "ada",
        .starts = "2026-10-13T10:15:00",
        .duration_sec = 5400,
        .zone = "Europe/Berlin",
        .repeat = "FREQ=WEEKLY;COUNT=10",
        .lead_sec = 300,
    };
    return c;
}

static char *write_block(const struct class *class)
{
    struct buf out = BUF_INIT(0);
    struct vdi_error err = {0};

    if (config_write_class(class, &out, &err) < 0)
        fail_msg("%s: %s", err.field, err.detail);
    return buf_take(&out, NULL);
}

/* As a file of which it is the only class. */
static struct config *read_back(const char *block)
{
    char *text = str_printf("%s%s", BASE, block);
    struct buf findings = BUF_INIT(0);
    struct config *c = NULL;

    if (config_read_text("vdi.conf", text, strlen(text), &c, &findings) < 0 || findings.len)
        fail_msg("%s\n%s", findings.data, text);
    assert_int_equal(c->n_classes, 1);
    buf_done(&findings);
    free(text);
    return c;
}

static void what_is_as_always_is_not_written(void **state)
{
    struct class *c = lab();
    char *text = write_block(c);

    assert_string_equal(text, "class \"lab\" {\n"
                              "    template = \"cad\"\n"
                              "    seats = 4\n"
                              "    users = {\"ada\"}\n"
                              "    starts = \"2026-10-13T10:15:00\"\n"
                              "    duration = \"90m\"\n"
                              "    zone = \"Europe/Berlin\"\n"
                              "    repeat = \"FREQ=WEEKLY;COUNT=10\"\n"
                              "}\n");
    config_free(read_back(text));
    free(text);
    free(c);
}

static void every_member_comes_back(void **state)
{
    struct class *c = lab();
    struct class_spec *s = &c->spec;
    struct config_class *k;
    struct config *config;
    char *text;

    str_copy(s->groups, sizeof(s->groups),
             "a\"b\\c,domain users,\xc3\x9c"
             "bung,{x},#no,'q',a=b,$v");
    str_copy(s->users, sizeof(s->users), "ada,,keystone:bob,ada");
    str_copy(s->roster, sizeof(s->roster), "/srv/my \"lists\"/cad 1");
    str_copy(s->partition, sizeof(s->partition), "p");
    str_copy(s->qos, sizeof(s->qos), "teaching");
    str_copy(s->account, sizeof(s->account), "cs.101-x");
    str_copy(s->except, sizeof(s->except), "2026-10-27,2026-11-02/2026-11-08");
    str_copy(c->overrides, sizeof(c->overrides),
             "2026-11-17 skip;2026-11-24 2026-11-25T14:15 0;2026-12-01 - 7201;2026-10-14 skip");
    s->seats = 10000;
    s->duration_sec = 7 * 86400 - 1;
    s->lead_sec = 0;
    s->grace_sec = 59;
    s->no_show_sec = 3600;
    s->cleaning_sec = 86400;
    s->duration_sec = 5401;
    text = write_block(c);
    config = read_back(text);
    k = &config->classes[0];
    assert_string_equal(k->groups.names[0], "a\"b\\c");
    assert_string_equal(k->groups.names[1], "domain users");
    assert_string_equal(k->groups.names[2], "\xc3\x9c"
                                            "bung");
    assert_string_equal(k->groups.names[6], "a=b");
    assert_int_equal(k->groups.n, 8);
    assert_int_equal(k->users.n, 2);
    assert_string_equal(k->users.names[1], "keystone:bob");
    assert_string_equal(k->roster, s->roster);
    assert_string_equal(k->partition, "p");
    assert_string_equal(k->qos, "teaching");
    assert_string_equal(k->account, "cs.101-x");
    assert_int_equal(k->except.n, 3);
    assert_string_equal(k->except.names[2], "2026-11-17");
    assert_int_equal(k->moved.n, 2);
    assert_string_equal(k->moved.names[0], "2026-11-24 2026-11-25T14:15");
    assert_string_equal(k->moved.names[1], "2026-12-01 2026-12-01T10:15:00 7201s");
    assert_true(k->seats == 10000 && k->duration_sec == 5401 && k->lead_sec == 0);
    assert_true(k->grace_sec == 59 && k->no_show_sec == 3600 && k->cleaning_sec == 86400);
    assert_non_null(
        strstr(text, "    # 2026-10-14 is changed, and no date of the class any more\n"));
    config_free(config);
    free(text);
    free(c);
}

/* 256 of them, over as many lines as it takes. */
static void long_lists(void **state)
{
    struct class *c = lab();
    struct config *config;
    size_t len = 0;
    char *text;

    for (unsigned i = 0; i < 127; i++)
        len += (size_t)sprintf(c->spec.groups + len, "%sg%02x", i ? "," : "", i);
    text = write_block(c);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 110);
    config = read_back(text);
    assert_int_equal(config->classes[0].groups.n, 127);
    config_free(config);
    free(text);
    free(c);
}

static void a_reservation_is_one(void **state)
{
    struct class *c = lab();
    struct config *config;
    char *text;

    *c = (struct class){.spec = {.name = "power",
                                 .nodes = "n1",
                                 .flags = "maint,ignore_jobs",
                                 .starts = "2026-10-13T10:15:00",
                                 .duration_sec = 7200,
                                 .zone = "UTC",
                                 .repeat = "FREQ=WEEKLY;COUNT=10"}};
    str_copy(c->overrides, sizeof(c->overrides),
             "2026-10-20 skip;2026-10-27 2026-10-28T08:00 0;2026-10-14 skip");
    text = write_block(c);
    assert_string_equal(text,
                        "reservation \"power\" {\n"
                        "    nodes = \"n1\"\n"
                        "    flags = {\"maint\", \"ignore_jobs\"}\n"
                        "    starts = \"2026-10-13T10:15:00\"\n"
                        "    duration = \"2h\"\n"
                        "    repeat = \"FREQ=WEEKLY;COUNT=10\"\n"
                        "    except = {\"2026-10-20\"}\n"
                        "    moved = {\"2026-10-27 2026-10-28T08:00\"}\n"
                        "    # 2026-10-14 is changed, and no date of the reservation any more\n"
                        "}\n");
    config = read_back(text);
    assert_int_equal(config->classes[0].flags.n, 2);
    assert_int_equal(config->classes[0].moved.n, 1);
    assert_string_equal(config->classes[0].nodes.names[0], "n1");
    config_free(config);
    free(text);
    free(c);
}

static void refuse(struct class *c, const char *field, const char *words)
{
    struct buf out = BUF_INIT(0);
    struct vdi_error err = {0};

    assert_true(config_write_class(c, &out, &err) < 0);
    if (!str_equal(err.field, field) || !strstr(err.detail, words))
        fail_msg("%s: %s", err.field, err.detail);
    assert_int_equal(out.len, 0);
    buf_done(&out);
    free(c);
}

static void what_the_file_cannot_say_is_refused(void **state)
{
    struct class *c = lab();

    str_copy(c->spec.groups, sizeof(c->spec.groups), "a|b");
    refuse(c, "groups", "'|'");
    c = lab();
    str_copy(c->spec.groups, sizeof(c->spec.groups), "${HOME}");
    refuse(c, "groups", "${");
    c = lab();
    str_copy(c->spec.users, sizeof(c->spec.users), "a\nb");
    refuse(c, "users", "control characters");
    c = lab();
    memset(c->spec.groups, 'g', 64);
    refuse(c, "groups", "too long");
    c = lab();
    str_copy(c->spec.template_name, sizeof(c->spec.template_name), "a b");
    refuse(c, "template", "not a name");
    c = lab();
    str_copy(c->spec.repeat, sizeof(c->spec.repeat), "FREQ=WEEKLY;COUNT=1");
    str_copy(c->overrides, sizeof(c->overrides), "2026-10-13 skip");
    refuse(c, "except", "no occurrence is left");
}

static void comments_are_one_line(void **state)
{
    struct buf out = BUF_INIT(0);

    config_write_comment("a\nclass \"x\" { }\r\t\x7f", &out);
    assert_string_equal(out.data, "# a?class \"x\" { }???\n");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_as_always_is_not_written),
        cmocka_unit_test(every_member_comes_back),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(a_reservation_is_one),
        cmocka_unit_test(what_the_file_cannot_say_is_refused),
        cmocka_unit_test(comments_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
