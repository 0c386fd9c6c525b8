/* SPDX-License-Identifier: Apache-2.0 */
/* test_class.c - what each event makes of a class; the text that its changed dates are kept in */
#include <model/class.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static const struct class_event create = {.type = CLASS_EVENT_CREATE,
                                          .time_usec = 5,
                                          .spec = {.name = "lab",
                                                   .template_name = "cad",
                                                   .seats = 30,
                                                   .groups = "cad1",
                                                   .starts = "2026-10-13T10:15",
                                                   .duration_sec = 5400,
                                                   .zone = "Europe/Berlin"},
                                          .by = "unix:ada"};

static struct class *step(struct class *old, struct class_event event)
{
    struct class *now = NULL;

    assert_int_equal(class_apply(old, 7, &event, &now, NULL), 0);
    class_unref(old);
    return now;
}

static struct class * override(struct class *old, struct class_event event, const char *date)
{
    event.type = CLASS_EVENT_OVERRIDE;
    snprintf(event.date, sizeof(event.date), "%s", date);
    return step(old, event);
}

static void life_of_a_class(void **state)
{
    struct class_event update = create, gone = {.type = CLASS_EVENT_DELETE, .time_usec = 9};
    struct class *c = step(NULL, create), *now = NULL;
    struct vdi_error err = {0};

    assert_true(c->id == 7 && c->create_usec == 5 && c->change_usec == 5 && !c->from_config);
    assert_memory_equal(&c->spec, &create.spec, sizeof(c->spec));
    assert_string_equal(c->creator, "unix:ada");
    assert_int_equal(class_apply(c, 7, &create, &now, &err), -EPROTO); /* its id is taken */
    update.type = CLASS_EVENT_UPDATE;
    update.time_usec = 6;
    update.spec.seats = 31;
    snprintf(update.by, sizeof(update.by), "unix:bob");
    assert_int_equal(class_apply(NULL, 7, &update, &now, &err), -ENOENT);
    c = step(c, update);
    assert_true(c->spec.seats == 31 && c->create_usec == 5 && c->change_usec == 6);
    assert_string_equal(c->creator, "unix:ada");
    assert_string_equal(c->by, "unix:bob");
    c = step(c, gone);
    assert_true(c->deleted && c->delete_usec == 9);
    for (int i = CLASS_EVENT_UPDATE; i < CLASS_N_EVENTS; i++) { /* and that was all */
        gone.type = i;
        assert_int_equal(class_apply(c, 7, &gone, &now, &err), -EPROTO);
        assert_true(err.detail[0]);
    }
    assert_null(now);
    class_unref(class_ref(c));
    assert_int_equal(c->refs, 1);
    class_unref(c);
    class_unref(NULL);
}

static void dates_are_changed_one_by_one(void **state)
{
    struct class_event moved = {.starts = "2026-10-20T14:15", .duration_sec = 600};
    struct class *c =
        override(step(NULL, create), (struct class_event){.skip = true}, "2026-10-13");
    struct class_override o;

    assert_string_equal(c->overrides, "2026-10-13 skip");
    c = override(c, moved, "2026-10-20");
    c = override(c, (struct class_event){.duration_sec = 60}, "2026-10-27T10:15");
    assert_string_equal(c->overrides, "2026-10-13 skip;2026-10-20 2026-10-20T14:15 600;"
                                      "2026-10-27T10:15 - 60");
    assert_true(class_override_of(c, "2026-10-13", &o) && o.skip && !*o.starts);
    assert_true(class_override_of(c, "2026-10-20", &o) && !o.skip && o.duration_sec == 600);
    assert_string_equal(o.starts, "2026-10-20T14:15");
    assert_true(class_override_of(c, "2026-10-27T10:15", &o) && o.duration_sec == 60);
    assert_string_equal(o.starts, "");
    assert_false(class_override_of(c, "2026-10-27", &o));
    assert_false(class_override_of(c, "", &o));
    /* Another change of a date takes the place of the first, and reset that of all. */
    c = override(c, (struct class_event){.skip = true}, "2026-10-20");
    assert_string_equal(c->overrides, "2026-10-13 skip;2026-10-27T10:15 - 60;2026-10-20 skip");
    c = override(c, (struct class_event){.reset = true}, "2026-10-27T10:15");
    c = override(c, (struct class_event){.reset = true}, "2026-11-03");
    assert_string_equal(c->overrides, "2026-10-13 skip;2026-10-20 skip");
    c = step(c, (struct class_event){.type = CLASS_EVENT_UPDATE, .spec = create.spec});
    assert_string_equal(c->overrides, "2026-10-13 skip;2026-10-20 skip"); /* they stay */
    class_unref(c);
}

/* As many as there is room for; what does not fit changes nothing. */
static void too_many_dates_are_refused(void **state)
{
    struct class *c = step(NULL, create), *now = NULL;
    struct class_event event = {.type = CLASS_EVENT_OVERRIDE, .skip = true};
    struct class_override o;
    struct vdi_error err = {0};
    unsigned n = 0, seen = 0;

    for (;; n++) {
        snprintf(event.date, sizeof(event.date), "%04u-01-01", n);
        if (class_apply(c, 7, &event, &now, &err) < 0)
            break;
        class_unref(c);
        c = now;
        now = NULL;
    }
    assert_int_equal(err.code, ENOSPC);
    assert_true(err.remedy[0] && err.limit[0]);
    assert_null(now);
    assert_in_range(n, 200, CLASS_OVERRIDES_MAX / 15);
    for (const char *at = c->overrides; class_override_next(&at, &o); seen++)
        assert_true(o.skip && strlen(o.date) == 10);
    assert_int_equal(seen, n);
    event.reset = true; /* one that is there can still go */
    snprintf(event.date, sizeof(event.date), "0000-01-01");
    c = step(c, event);
    assert_false(class_override_of(c, "0000-01-01", &o));
    class_unref(c);
}

/* Whatever a store hands back: every step ends, and within its members. */
static void any_text_is_read(void **state)
{
    static const char *const texts[] = {
        ";",
        ";;;",
        " ",
        "x",
        "2026-10-13",
        "2026-10-13 skip;",
        "a b c;",
        "a b 9e9;c d",
        "2026-10-13 - 99999999999999999999",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa skip",
        "a bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 1;"};
    struct class_override o;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *at = texts[i], *end = texts[i] + strlen(texts[i]), *before = at;

        while (class_override_next(&at, &o)) {
            assert_true(at > before && at <= end);
            assert_true(strlen(o.date) < sizeof(o.date) && strlen(o.starts) < sizeof(o.starts));
            before = at;
        }
        assert_true(at <= end);
    }
}

static void lists(void **state)
{
    assert_true(str_list_has("cad1", "cad1"));
    assert_true(str_list_has("a,cad1,b", "cad1"));
    assert_true(str_list_has("a,cad1", "cad1"));
    assert_false(str_list_has("", "cad1"));
    assert_false(str_list_has("cad1", ""));
    assert_false(str_list_has(",", ""));
    assert_false(str_list_has("cad11,xcad1,cad", "cad1"));
    assert_false(str_list_has("a,b", "a,b"));
}

static void names(void **state)
{
    for (int i = 0; i < CLASS_N_EVENTS; i++)
        assert_int_equal(class_event_from(class_event_name(i)), i);
    assert_int_equal(class_event_from("none"), -1);
    assert_string_equal(class_event_name((enum class_event_type)77), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_of_a_class),
        cmocka_unit_test(dates_are_changed_one_by_one),
        cmocka_unit_test(too_many_dates_are_refused),
        cmocka_unit_test(any_text_is_read),
        cmocka_unit_test(lists),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
