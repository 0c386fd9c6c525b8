/* SPDX-License-Identifier: Apache-2.0 */
/* ics.c - classes of an iCalendar file, and the table of our own properties. */
#include "codec/ics.h"

#include <stdlib.h>

#include "codec/ics_inner.h"

const struct ics_word ics_words[] = {
    {"X-VDI-TEMPLATE", ICS_WORD_TEXT, offsetof(struct ics_class, template)},
    {"X-VDI-SEATS", ICS_WORD_NUMBER, offsetof(struct ics_class, seats)},
    {"X-VDI-GROUPS", ICS_WORD_LIST, offsetof(struct ics_class, groups)},
    {"X-VDI-USERS", ICS_WORD_LIST, offsetof(struct ics_class, users)},
    {"X-VDI-QOS", ICS_WORD_TEXT, offsetof(struct ics_class, qos)},
    {"X-VDI-ACCOUNT", ICS_WORD_TEXT, offsetof(struct ics_class, account)},
    {NULL, ICS_WORD_TEXT, 0},
};

struct calendar_text ics_class_text(const struct ics_class *class)
{
    return (struct calendar_text){
        .starts = class->starts,
        .duration = class->duration,
        .zone = class->zone,
        .repeat = class->repeat,
        .except = (const char *const *)class->except.items,
        .n_except = class->except.n,
    };
}

static void list_done(struct ics_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
}

void ics_done(struct ics *ics)
{
    for (size_t i = 0; i < ics->n; i++) {
        struct ics_class *c = &ics->classes[i];

        free(c->uid);
        free(c->summary);
        free(c->repeat);
        list_done(&c->except);
        free(c->moved);
        free(c->template);
        free(c->qos);
        free(c->account);
        list_done(&c->groups);
        list_done(&c->users);
    }
    free(ics->classes);
    *ics = (struct ics){0};
}
