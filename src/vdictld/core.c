/* SPDX-License-Identifier: Apache-2.0 */
/* core.c - looking objects up, and beginning events. */
#include "vdictld/core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "vdictld/notify.h"

const char *core_holder(const struct core *core)
{
    return core->holder;
}

int core_claim(struct core *core, struct vdi_error *err)
{
    _cleanup_(freep) char *path = realpath(core->config_path, NULL);
    char host[64] = "";

    gethostname(host, sizeof(host) - 1);
    core->holder = str_printf("%s:%.120s", host, path ? path : core->config_path);
    core->claim_fd = open(core->config_path, O_RDONLY | O_CLOEXEC);
    if (!core->holder || core->claim_fd < 0)
        return error_set(err, errno ? errno : ENOMEM, "", "%s cannot be claimed: %s",
                         core->config_path, strerror(errno));
    if (flock(core->claim_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        error_set(err, EBUSY, "", "another vdictld runs with %s", core->config_path);
        error_hint(err, NULL, "stop it first; a reconfigure needs no second one");
        return -EBUSY;
    }
    return 0;
}

/* ---- what plugins that need no more are given ---- */

__attribute__((format(printf, 3, 0))) static void
plugin_says(const char *kind, enum vdi_log_level level, const char *format, va_list ap)
{
    char text[1024];

    if (log_get_level() < level)
        return;
    vsnprintf(text, sizeof(text), format, ap);
    log_write(level, "%s: %s", kind, text);
}

__attribute__((format(printf, 3, 4))) static void
store_says(struct vdi_host *host, enum vdi_log_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    plugin_says("store", level, format, ap);
    va_end(ap);
}

__attribute__((format(printf, 3, 4))) static void
auth_says(struct vdi_host *host, enum vdi_log_level level, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    plugin_says("auth", level, format, ap);
    va_end(ap);
}

const struct vdi_host_api core_store_api = {.size = sizeof(core_store_api), .log = store_says};
const struct vdi_host_api core_auth_api = {.size = sizeof(core_auth_api), .log = auth_says};

static const void *find(struct core *core, enum noun_id noun, uint64_t id, const char *key,
                        bool staged)
{
    const struct slot *slot = table_slot(events_table(core->events, noun), id, key, false);

    if (!slot)
        return NULL;
    return staged ? slot->staged : slot->pub;
}

const struct job *core_job(struct core *core, uint64_t id)
{
    return find(core, NOUN_JOB, id, NULL, false);
}

const struct job *core_job_staged(struct core *core, uint64_t id)
{
    return find(core, NOUN_JOB, id, NULL, true);
}

const struct instance *core_instance(struct core *core, uint64_t id)
{
    return find(core, NOUN_INSTANCE, id, NULL, false);
}

const struct instance *core_instance_staged(struct core *core, uint64_t id)
{
    return find(core, NOUN_INSTANCE, id, NULL, true);
}

const struct node *core_node(struct core *core, const char *name)
{
    return find(core, NOUN_NODE, 0, name, false);
}

const struct node *core_node_staged(struct core *core, const char *name)
{
    return find(core, NOUN_NODE, 0, name, true);
}

const struct token *core_token(struct core *core, const char *id)
{
    return find(core, NOUN_TOKEN, 0, id, false);
}

const struct audit *core_audit(struct core *core)
{
    return find(core, NOUN_AUDIT, 0, AUDIT_KEY, false);
}

int core_add_job(struct txn *txn, uint64_t id, const struct job_event *event, struct vdi_error *err)
{
    struct core *core = txn_owner(txn);
    const struct job *old = core_job_staged(core, id); /* the transaction keeps it */
    int r = txn_add(txn, NOUN_JOB, id, NULL, event, err);

    if (r >= 0)
        notify_owe(core, txn, old, core_job_staged(core, id), event);
    return r;
}

int core_add_instance(struct txn *txn, uint64_t id, const struct instance_event *event,
                      struct vdi_error *err)
{
    return txn_add(txn, NOUN_INSTANCE, id, NULL, event, err);
}

struct job_event core_job_event(struct core *core, enum job_event_type type, const char *by,
                                const char *reason)
{
    struct job_event event = {.type = type, .time_usec = loop_now_usec(core->loop)};

    str_copy(event.by, sizeof(event.by), by);
    str_copy(event.reason, sizeof(event.reason), reason);
    return event;
}

struct instance_event core_instance_event(struct core *core, enum instance_event_type type,
                                          const char *reason)
{
    struct instance_event event = {.type = type, .time_usec = loop_now_usec(core->loop)};

    str_copy(event.reason, sizeof(event.reason), reason);
    return event;
}
