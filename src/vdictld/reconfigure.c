/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconfigure.c - a new vdi.conf in force, all of it or nothing.
 *
 * An invalid file leaves the old one in force. What needs a restart (listen
 * addresses, store, plugins) is refused by name. One is looked at at a time: it is read on a
 * worker, for the dates of a term's classes take tens of milliseconds, and disks may be slow.
 */
#include "vdictld/reconfigure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "codec/config.h"
#include "codec/request_input.h"
#include "vdictld/audit.h"
#include "vdictld/handlers.h"
#include "vdictld/classes.h"
#include "vdictld/disks.h"
#include "vdictld/life.h"
#include "vdictld/images.h"
#include "vdictld/nodelink.h"
#include "vdictld/nodes.h"
#include "vdictld/minutes.h"
#include "vdictld/priority.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"

struct change {
    struct core *core;
    struct call *call; /* NULL: SIGHUP asked */
    bool dry_run;
    char *path;
    struct config *config;
    struct priority_rule *rule; /* of its priority plugin; NULL: in force */
    struct buf findings;
    int result; /* of config_read() */
    struct buf lines;
};

static void change_free(struct change *ch)
{
    config_free(ch->config);
    priority_rule_free(ch->core, ch->rule);
    buf_done(&ch->findings);
    buf_done(&ch->lines);
    free(ch->path);
    free(ch);
}

static void reply(struct change *ch, bool applied)
{
    struct buf body = BUF_INIT(0);
    char *line, *rest = ch->lines.data;
    bool first = true;

    if (!ch->call)
        return;
    buf_puts(&body, "{\"changes\":[");
    while (rest && (line = strsep(&rest, "\n"))) {
        if (!*line)
            continue;
        if (!first)
            buf_putc(&body, ',');
        first = false;
        json_write_string(&body, line);
    }
    buf_printf(&body, "],\"applied\":%s}", applied ? "true" : "false");
    call_reply_json(ch->call, 200, &body);
    buf_done(&body);
}

static void refuse(struct change *ch, const struct vdi_error *err)
{
    log_error("vdi.conf: not taken: %s; the old one stays in force", err->detail);
    if (ch->call)
        call_refuse(ch->call, err);
    change_free(ch);
}

static void in_force(void *arg, int result, const struct vdi_error *err)
{
    struct change *ch = arg;
    struct core *core = ch->core;
    struct config *old;

    if (result < 0) {
        refuse(ch, err);
        return;
    }
    old = core->config;
    core->config = ch->config;
    ch->config = old; /* freed with the change */
    core_apply_limits(core);
    priority_take(core, TAKE_PTR(ch->rule));
    queue_configure(core->queue);
    quota_configure(core);
    minutes_configure(core);
    classes_configured(core->classes);
    disks_configured(core->disks);
    life_configured(core);
    nodelink_configured(core->links);
    images_configured(core->images);
    log_info("vdi.conf: %s is in force", core->config->digest);
    reply(ch, true);
    change_free(ch);
}

/* The first line of the findings says enough for the answer; the log has them all. */
static void refuse_findings(struct change *ch)
{
    const struct buf *findings = &ch->findings;
    struct vdi_error err = {0};
    int n = findings->data ? (int)strcspn(findings->data, "\n") : 0;

    log_error("vdi.conf:\n%s", findings->data ? findings->data : "");
    error_set(&err, EINVAL, "vdi.conf", "%.*s", n, findings->data ? findings->data : "");
    error_hint(&err, NULL, "vdictl check names every finding");
    refuse(ch, &err);
}

static void apply(struct change *ch)
{
    struct core *core = ch->core;
    struct vdi_error err = {0};
    struct txn *txn = txn_new(core->events);
    int r = txn ? nodes_configure(core, txn, ch->config, &err)
                : error_set(&err, ENOMEM, "", "out of memory");

    if (r >= 0)
        r = classes_add_config(core, txn, ch->config, false, &err);
    if (r >= 0 && !ch->call) { /* a signal is an administrator's act, too */
        struct audit_event event = audit_own(core, "reconfigure", "SIGHUP");

        r = audit_add(core, txn, &event, &err);
    }
    if (r < 0) {
        txn_abort(txn);
        refuse(ch, &err);
        return;
    }
    if (ch->call)
        call_commit(ch->call, txn, 200, in_force, ch);
    else
        txn_commit(txn, in_force, ch);
}

/* All classes have their seats in it, or it is not taken. */
static void checked(void *arg, int result, const struct vdi_error *err)
{
    struct change *ch = arg;

    ch->core->reconfiguring = false;
    if (result < 0) {
        refuse(ch, err);
    } else if (ch->dry_run) {
        reply(ch, false);
        change_free(ch);
    } else {
        apply(ch);
    }
}

/* Where it hangs, all but `ch` may be gone when it comes back. */
static void read_work(void *arg)
{
    struct change *ch = arg;

    ch->result = config_read(ch->path, &ch->config, &ch->findings);
}

/* What can be said of it without its classes; they are looked at then, in slices. */
static int look_at(struct change *ch, struct vdi_error *err)
{
    struct core *core = ch->core;
    bool restart = false;

    config_diff(core->config, ch->config, &ch->lines, &restart);
    if (!restart)
        return priority_try(core, ch->config, &ch->rule, err);
    if (ch->dry_run)
        return 0;
    error_set(err, EPROTO, "vdi.conf",
              "listen addresses, plugins, store and encode_per_cpu need a restart");
    error_hint(err, NULL, "restart vdictld: no desktop notices");
    return -EPROTO;
}

static void read_done(void *arg, bool dropped)
{
    struct change *ch = arg;
    struct core *core = ch->core;
    struct vdi_error err = {0};
    int r;

    if (dropped || core->stopping)
        r = error_set(&err, ESHUTDOWN, "", "the controller is stopping");
    else
        r = ch->result < 0 ? ch->result : look_at(ch, &err);
    if (r == 0) {
        classes_check_config(core, ch->config, checked, ch);
        return;
    }
    core->reconfiguring = false;
    if (err.code)
        refuse(ch, &err);
    else
        refuse_findings(ch);
}

void reconfigure(struct core *core, struct call *call, bool dry_run)
{
    struct change *ch = calloc(1, sizeof(*ch));
    char *path = strdup(core->config_path);
    struct vdi_error err = {0};

    if (!ch || !path) {
        if (call)
            call_refuse_with(call, ENOMEM, "", "out of memory");
        free(path);
        free(ch);
        return;
    }
    *ch = (struct change){.core = core, .call = call, .dry_run = dry_run, .path = path};
    if (core->reconfiguring) {
        error_set(&err, EAGAIN, "vdi.conf", "another file is being looked at");
        error_hint(&err, NULL, "try again in a second");
        refuse(ch, &err);
    } else if (workers_post(core->config_worker, read_work, read_done, ch) < 0) {
        error_set(&err, ESHUTDOWN, "", "the controller is stopping");
        refuse(ch, &err);
    } else {
        core->reconfiguring = true;
    }
}

void handle_reconfigure(struct call *call)
{
    struct request_reconfigure ask = {0};
    struct vdi_error err = {0};
    size_t len;
    const char *body = http_request_body(call->http, &len);

    if (len &&
        fields_read(request_reconfigure_fields, &ask, body, len, FIELD_SUBMIT, NULL, &err) < 0)
        call_refuse(call, &err);
    else
        reconfigure(call->core, call, ask.dry_run);
}
