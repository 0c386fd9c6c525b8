/* SPDX-License-Identifier: Apache-2.0 */
/* ics.c - classes of an iCalendar file, and the table of our own properties. */
#include "codec/ics.h"

#include <stdlib.h>

#include "codec/ics_inner.h"

const struct ics_word ics_words[] = {
    {"X-VDI-NAME", ICS_WORD_TEXT, offsetof(struct ics_class, name)},
    {"X-VDI-TEMPLATE", ICS_WORD_TEXT, offsetof(struct ics_class, template)},
    {"X-VDI-SEATS", ICS_WORD_NUMBER, offsetof(struct ics_class, seats)},
    {"X-VDI-GROUPS", ICS_WORD_LIST, offsetof(struct ics_class, groups)},
    {"X-VDI-USERS", ICS_WORD_LIST, offsetof(struct ics_class, users)},
    {"X-VDI-PARTITION", ICS_WORD_TEXT, offsetof(struct ics_class, partition)},
    {"X-VDI-QOS", ICS_WORD_TEXT, offsetof(struct ics_class, qos)},
    {"X-VDI-ACCOUNT", ICS_WORD_TEXT, offsetof(struct ics_class, account)},
    {"X-VDI-LEAD", ICS_WORD_LENGTH, offsetof(struct ics_class, lead)},
    {"X-VDI-GRACE", ICS_WORD_LENGTH, offsetof(struct ics_class, grace)},
    {"X-VDI-NO-SHOW", ICS_WORD_LENGTH, offsetof(struct ics_class, no_show)},
    {"X-VDI-CLEANING", ICS_WORD_LENGTH, offsetof(struct ics_class, cleaning)},
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
        for (const struct ics_word *word = ics_words; word->name; word++) {
            void *at = (char *)c + word->offset;

            if (word->type == ICS_WORD_LIST)
                list_done(at);
            else if (word->type != ICS_WORD_NUMBER)
                free(*(char **)at);
        }
    }
    free(ics->classes);
    *ics = (struct ics){0};
}
