/* SPDX-License-Identifier: Apache-2.0 */
/* test_list.c - a list keeps its order and may lose the item at hand */
#include <base/list.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct thing {
    int number;
    struct list link;
};

static int sum(struct list *head)
{
    int total = 0;
    list_for_each (it, head)
        total = total * 10 + list_entry(it, struct thing, link)->number;
    return total;
}

static void order_and_removal(void **state)
{
    struct list head = LIST_INIT(head);
    struct thing t[5];
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 5; i++) {
        t[i].number = i + 1;
        list_append(&head, &t[i].link);
    }
    assert_int_equal(sum(&head), 12345);
    list_for_each_safe (it, &head)
        if (list_entry(it, struct thing, link)->number % 2)
            list_remove(it);
    assert_int_equal(sum(&head), 24);
    /* Removing what is in no list is harmless. */
    list_remove(&t[0].link);
    list_remove(&t[1].link);
    list_remove(&t[3].link);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_and_removal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
