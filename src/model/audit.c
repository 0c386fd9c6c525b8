/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - the head of the audit trail and what each record makes of it. */
#include "model/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

struct audit *audit_ref(struct audit *audit)
{
    audit->refs++;
    return audit;
}

void audit_unref(struct audit *audit)
{
    if (audit && !--audit->refs)
        free(audit);
}

void audit_next(const struct audit *head, struct audit_event *io_event)
{
    io_event->number = head ? head->last.number + 1 : 1;
    if (head && head->last.number) {
        str_copy(io_event->prev, sizeof(io_event->prev), head->last.hash);
    } else {
        memset(io_event->prev, '0', AUDIT_HASH_LEN);
        io_event->prev[AUDIT_HASH_LEN] = '\0';
    }
}

bool audit_follows(const struct audit *head, const struct audit_event *event)
{
    struct audit_event due = {0};

    audit_next(head, &due);
    return event->number == due.number && str_equal(event->prev, due.prev);
}

int audit_apply(const struct audit *head, const struct audit_event *event, struct audit **ret,
                struct vdi_error *err)
{
    struct audit *audit;

    if (!audit_follows(head, event))
        return error_set(err, EPROTO, "audit", "audit record %" PRIu64 " does not follow %" PRIu64,
                         event->number, head ? head->last.number : 0);
    audit = calloc(1, sizeof(*audit));
    if (!audit)
        return error_set(err, ENOMEM, "", "out of memory");
    audit->refs = 1;
    audit->last = *event;
    *ret = audit;
    return 0;
}
