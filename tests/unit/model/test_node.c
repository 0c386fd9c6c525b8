/* SPDX-License-Identifier: Apache-2.0 */
/* test_node.c - nodes come, go silent, are drained, and keep why */
#include <model/node.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct node *step(struct node *old, struct node_event event)
{
    struct node copy = old ? *old : (struct node){0}, *now = NULL;
    struct vdi_error err = {0};

    if (node_apply(old, "gpu01", &event, &now, &err) < 0)
        fail_msg("%s: %s", node_event_name(event.type), err.detail);
    assert_int_equal(now->refs, 1);
    assert_string_equal(now->name, "gpu01");
    if (old) {
        assert_memory_equal(old, &copy, sizeof(copy));
        node_unref(old);
    }
    return now;
}

static void refused(const struct node *old, struct node_event event, int code)
{
    struct node *now = NULL;
    struct vdi_error err = {0};

    assert_int_equal(node_apply(old, "gpu01", &event, &now, &err), -code);
    assert_null(now);
    assert_true(err.detail[0]);
}

static struct node *defined(void)
{
    return step(NULL, (struct node_event){.type = NODE_EVENT_DEFINE,
                                          .cpus = 8,
                                          .gpus = 2,
                                          .memory_mib = 4096,
                                          .features = "a40,nvlink"});
}

static struct node *up(struct node *node)
{
    return step(node, (struct node_event){.type = NODE_EVENT_UP,
                                          .time_usec = 5,
                                          .cpus = 16,
                                          .memory_mib = 8192,
                                          .boot_id = "b1",
                                          .version = "1"});
}

static struct node_event why(enum node_event_type type, int64_t usec, const char *reason)
{
    struct node_event event = {.type = type, .time_usec = usec, .by = "unix:root"};

    snprintf(event.reason, sizeof(event.reason), "%s", reason);
    return event;
}

static void comes_up_and_goes(void **state)
{
    struct node *n = defined();

    assert_string_equal(node_state_name(n, 0, 0, 0), "UNKNOWN");
    n = up(n);
    assert_true(n->up && n->known && n->state_usec == 5);
    assert_int_equal(n->cpus, 8); /* what vdi.conf gives out, not what was found */
    assert_int_equal(n->found_cpus, 16);
    assert_string_equal(n->boot_id, "b1");
    assert_string_equal(node_state_name(n, 0, 0, 0), "IDLE");
    n = step(n, why(NODE_EVENT_DOWN, 9, "silent"));
    assert_string_equal(node_state_name(n, 0, 0, 0), "DOWN");
    assert_string_equal(n->reason, "silent");
    assert_string_equal(n->reason_by, "unix:root");
    assert_true(n->reason_usec == 9 && n->state_usec == 9);
    n = up(n);
    assert_string_equal(n->reason, "");
    assert_true(n->reason_usec == 0);
    n = step(n, why(NODE_EVENT_FAIL, 10, ""));
    assert_false(n->up);
    node_unref(n);
}

static void drained(void **state)
{
    struct node *n = up(defined());

    refused(n, why(NODE_EVENT_DRAIN, 6, ""), EINVAL);
    refused(n, why(NODE_EVENT_DOWN, 6, ""), EINVAL);
    refused(n, why(NODE_EVENT_RESUME, 6, ""), EPROTO);
    n = step(n, why(NODE_EVENT_DRAIN, 7, "fan"));
    assert_string_equal(node_state_name(n, 0, 0, 0), "DRAINED");
    assert_string_equal(node_state_name(n, 1, 0, 1), "DRAINING");
    n = step(n, why(NODE_EVENT_DOWN, 8, "silent"));
    assert_string_equal(n->reason, "fan"); /* a person's word is not written over */
    assert_string_equal(node_state_name(n, 0, 0, 0), "DOWN");
    n = up(n);
    assert_true(n->drain);
    assert_string_equal(n->reason, "fan");
    n = step(n, why(NODE_EVENT_RESUME, 9, ""));
    assert_false(n->drain);
    assert_string_equal(n->reason, "");
    assert_string_equal(node_state_name(n, 0, 0, 0), "IDLE");
    node_unref(n);
}

static void removed_and_defined_again(void **state)
{
    struct node *n = step(up(defined()), why(NODE_EVENT_REMOVE, 6, ""));
    struct node_event define = {.type = NODE_EVENT_DEFINE, .cpus = 4};

    assert_true(n->removed && !n->up);
    n = step(n, define);
    assert_false(n->removed);
    assert_int_equal(n->cpus, 4);
    assert_int_equal(n->gpus, 0); /* the whole definition is new */
    assert_string_equal(n->features, "");
    node_unref(n);
}

static void redefined_while_up(void **state)
{
    struct node *n = up(defined());

    n = step(n, (struct node_event){.type = NODE_EVENT_DEFINE, .cpus = 12, .features = "l40s"});
    assert_true(n->up && n->known);
    assert_string_equal(n->boot_id, "b1");
    assert_int_equal(n->cpus, 12);
    node_unref(n);
}

static void unknown_nodes_and_events(void **state)
{
    struct node *n = defined();

    for (int i = 0; i < NODE_N_EVENTS; i++) {
        assert_int_equal(node_event_from(node_event_name(i)), i);
        if (i != NODE_EVENT_DEFINE)
            refused(NULL, why(i, 1, "x"), ENOENT);
    }
    refused(n, why(NODE_N_EVENTS, 1, "x"), EPROTO);
    assert_int_equal(node_event_from("none"), -1);
    assert_string_equal(node_event_name((enum node_event_type)77), "none");
    node_unref(node_ref(n));
    node_unref(n);
    node_unref(NULL);
}

static void words_of_use(void **state)
{
    struct node *n = up(defined());

    assert_string_equal(node_state_name(n, 4, 0, 1), "MIXED");
    assert_string_equal(node_state_name(n, 8, 0, 2), "ALLOCATED");
    assert_string_equal(node_state_name(n, 2, 2, 2), "ALLOCATED");
    n->gpus = 0; /* a node without GPUs is not full because of them */
    assert_string_equal(node_state_name(n, 2, 0, 2), "MIXED");
    node_unref(n);
}

static void features(void **state)
{
    struct node n = {.features = "a40,nvlink"};

    assert_true(node_has_feature(&n, "a40", 3));
    assert_true(node_has_feature(&n, "nvlink", 6));
    assert_true(node_has_feature(&n, "nvlink&x", 6));
    assert_false(node_has_feature(&n, "a4", 2));
    assert_false(node_has_feature(&n, "a400", 4));
    assert_false(node_has_feature(&n, "a40,nvlink", 10));
    assert_false(node_has_feature(&n, "", 0));
    n.features[0] = '\0';
    assert_false(node_has_feature(&n, "a40", 3));
    strcpy(n.features, ",a40,");
    assert_true(node_has_feature(&n, "a40", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_up_and_goes),
        cmocka_unit_test(drained),
        cmocka_unit_test(removed_and_defined_again),
        cmocka_unit_test(redefined_while_up),
        cmocka_unit_test(unknown_nodes_and_events),
        cmocka_unit_test(words_of_use),
        cmocka_unit_test(features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
