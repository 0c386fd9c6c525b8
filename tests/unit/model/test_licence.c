/* SPDX-License-Identifier: Apache-2.0 */
/* test_licence.c - lists of licences: read, joined, and what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/config.h"
#include "model/licence.h"

static void assert_merged(const char *a, const char *b, const char *want)
{
    char text[LICENCES_TEXT];

    assert_int_equal(licences_merge(a, b, text, NULL), 0);
    assert_string_equal(text, want);
}

static void the_larger_number_counts(void **state)
{
    assert_merged("", "", "");
    assert_merged("matlab", "", "matlab:1");
    assert_merged("matlab:2,ansys", "matlab,ansys:3,b.c-d_e", "ansys:3,b.c-d_e:1,matlab:2");
    assert_merged("a:1,a:3,a:2", "", "a:3");
    assert_int_equal(licence_count("ansys:3,matlab:2", "matlab"), 2);
    assert_int_equal(licence_count("ansys:3,matlab:2", "mat"), 0);
    assert_int_equal(licence_count("", "matlab"), 0);
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const bad[] = {
        ",",   "a,",       "a:",  "a:0",   "a:x",  "a:-1", ":2",
        "a b", "a:100001", "a;b", "a:1:2", "a,,b", "a:2 ", "a:99999999999999999999"};
    char text[LICENCES_TEXT], nine[] = "a,b,c,d,e,f,g,h,i", name[80];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct vdi_error err = {0};

        assert_int_equal(licences_merge(bad[i], "", text, &err), -EINVAL);
        assert_string_equal(err.field, "licences");
        assert_string_equal(text, "");
        assert_int_equal(licences_merge("a", bad[i], text, NULL), -EINVAL);
    }
    assert_int_equal(licences_merge(nine, "", text, NULL), -EINVAL);
    assert_int_equal(licences_merge("a,b,c,d,e", "e,f,g,h", text, NULL), 0);
    memset(name, 'x', sizeof(name));
    name[64] = '\0';
    assert_int_equal(licences_merge(name, "", text, NULL), -EINVAL);
    name[63] = '\0';
    assert_int_equal(licences_merge(name, "", text, NULL), 0);
    assert_int_equal(strlen(text), 65);
}

/* Eight of the longest names and numbers fit. */
static void the_longest_list_fits(void **state)
{
    char text[LICENCES_TEXT], long_list[8 * 72] = "";

    for (int i = 0; i < LICENCES_MAX; i++) {
        char name[80];

        memset(name, 'a' + i, 63);
        strcpy(name + 63, ":100000,");
        strcat(long_list, name);
    }
    long_list[strlen(long_list) - 1] = '\0';
    assert_int_equal(licences_merge(long_list, "", text, NULL), 0);
    assert_string_equal(text, long_list);
}

static void of_a_template(void **state)
{
    char *names[] = {(char *)"matlab", (char *)"ansys:2"};
    struct config_template t = {.licences = {names, 2}}, none = {.gpus = 1};
    char text[LICENCES_TEXT];

    assert_int_equal(config_template_licences(&t, "", text, NULL), 0);
    assert_string_equal(text, "ansys:2,matlab:1");
    assert_int_equal(config_template_licences(&t, "matlab:3,abaqus", text, NULL), 0);
    assert_string_equal(text, "abaqus:1,ansys:2,matlab:3");
    assert_int_equal(config_template_licences(&none, "", text, NULL), 0);
    assert_string_equal(text, "");
    assert_int_equal(config_template_licences(&none, "matlab", text, NULL), 0);
    assert_string_equal(text, "matlab:1");
    assert_int_equal(config_template_licences(&t, "b,c,d,e,f,g,h", text, NULL), -EINVAL);
    assert_int_equal(config_template_licences(&t, "no list!", text, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_larger_number_counts),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(the_longest_list_fits),
        cmocka_unit_test(of_a_template),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
