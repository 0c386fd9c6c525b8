/* SPDX-License-Identifier: Apache-2.0 */
/* control_admin.c - vdictl's verbs for nodes, tokens and the configuration. */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/private_file.h"
#include "codec/config.h"
#include "codec/roster.h"
#include "wire/pki.h"
#include "codec/field.h"

static int node_patch(struct control *c, const char *node, const struct buf *body)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    struct vdi_error err = {.code = 0};
    buf_puts(&target, "/v1/nodes/");
    client_escape(&target, node);
    int r = client_send(c->client, "PATCH", target.data, body, NULL, &err);
    return r < 0 ? (int)client_fail(CONTROL_NAME, r, &err) : 0;
}

int control_node_state(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    struct hostlist nodes = {.n = 0};
    _cleanup_(buf_done) struct buf body = BUF_INIT(4096);
    int code = 0;
    bool needs_reason = !str_equal(verb->target, "resume");
    bool is_asked = !str_is_empty(c->options.by);
    if (needs_reason && str_is_empty(c->options.reason) && !is_asked) {
        error_set(err, EINVAL, "reason", "%s needs a reason", verb->name);
        error_hint(err, NULL, "add --reason \"why\"");
        return -EINVAL;
    }
    if (hostlist_parse(c->words[0], HOSTLIST_MAX, &nodes) < 0) {
        error_set(err, EINVAL, "node", "%.80s: not a list of nodes", c->words[0]);
        error_hint(err, NULL, "write gpu01 or gpu[01-16,20]");
        return -EINVAL;
    }
    if (is_asked)
        code = control_drain_forecast(c, &nodes, err);
    if (code < 0 || (is_asked && str_is_empty(c->options.reason))) {
        hostlist_done(&nodes);
        return code;
    }
    buf_printf(&body, "{\"state\":\"%s\"", verb->target);
    if (needs_reason) {
        buf_puts(&body, ",\"reason\":");
        json_write_string(&body, c->options.reason);
    }
    buf_putc(&body, '}');
    for (size_t i = 0; i < nodes.n; i++) {
        int this_code = node_patch(c, nodes.names[i], &body);
        code = code ? code : this_code;
    }
    hostlist_done(&nodes);
    return code;
}

static int token_save(const char *path, const char *token, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    buf_printf(&text, "%s\n", token);
    int r = private_file_write(path, true, &text, err);
    explicit_bzero(text.data, text.len);
    return r;
}

static int token_body(const struct control_options *o, struct buf *body, struct vdi_error *err)
{
    int64_t sec = 900;
    if (o->lifetime && (str_to_duration_sec(o->lifetime, 60, &sec) < 0 || sec < 1)) {
        error_set(err, EINVAL, "lifetime", "--lifetime=%.40s: not a length of time", o->lifetime);
        error_hint(err, NULL, "write 15 (minutes), 15m or 1h");
        return -EINVAL;
    }
    buf_printf(body, "{\"lifetime_sec\":%" PRId64, sec);
    if (o->scope) {
        buf_puts(body, ",\"scope\":");
        json_write_string(body, o->scope);
    }
    if (o->user) {
        buf_puts(body, ",\"user\":");
        json_write_string(body, o->user);
    }
    return buf_putc(body, '}');
}

int control_token_issue(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(4096);
    _cleanup_(document_freep) struct document *document = NULL;
    if (c->options.json && c->options.output)
        return error_set(err, EINVAL, "output", "--json and --output exclude each other");
    int r = token_body(&c->options, &body, err);
    if (r == 0)
        r = client_send(c->client, "POST", "/v1/tokens", &body, &document, err);
    if (r < 0)
        return r;
    const struct value *root = document_root(document);
    const char *token = value_get_string(root, "token", NULL);
    if (!token)
        return error_set(err, EREMOTEIO, "token", "the controller's answer has no token");
    if (c->options.json)
        control_print(root, true);
    else if (c->options.output)
        r = token_save(c->options.output, token, err);
    else
        puts(token);
    return r;
}

int control_token_revoke(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    int r = 0;
    for (int i = 0; r == 0 && i < c->n_words; i++) {
        _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
        buf_puts(&target, "/v1/tokens/");
        client_escape(&target, c->words[i]);
        r = client_send(c->client, "DELETE", target.data, NULL, NULL, err);
    }
    return r;
}

int control_reconfigure(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(64);
    _cleanup_(document_freep) struct document *document = NULL;
    buf_printf(&body, "{\"dry_run\":%s}", c->options.dry_run ? "true" : "false");
    int r = client_send(c->client, "POST", "/v1/reconfigure", &body, &document, err);
    if (r < 0)
        return r;
    const struct value *root = document_root(document), *changes = value_get(root, "changes");
    if (c->options.json) {
        control_print(root, true);
        return 0;
    }
    for (size_t i = 0; i < value_count(changes); i++)
        control_print(value_item(changes, i), false);
    if (!value_count(changes))
        puts("nothing changes");
    return 0;
}

/* A finding in the form that those about vdi.conf have. One that can't be read here is told and no
 * more: it need not be on this machine, or for this user. False: it is no good. */
static bool check_roster(const struct config_class *class)
{
    _cleanup_(roster_freep) struct roster *roster = NULL;
    struct roster_mark mark;
    struct vdi_error err = {0};
    char line[16] = "";
    unsigned n = 0;
    int r = class->roster && *class->roster
                ? roster_read(class->roster, NULL, &mark, &roster, &n, &err)
                : 0;

    if (r == 0)
        return true;
    if (n)
        snprintf(line, sizeof(line), ":%u", n);
    printf("%s%s: class \"%s\" roster: %s%s%s%s; %s\n", class->roster, line, class->name,
           err.detail, *err.limit ? " (limit: " : "", err.limit, *err.limit ? ")" : "", err.remedy);
    return r != -EINVAL && r != -EFBIG;
}

/* Files that vdi.conf names, and others write. */
static bool check_rosters(const struct config *config)
{
    bool good = true;

    for (size_t i = 0; i < config->n_classes; i++)
        good &= check_roster(&config->classes[i]);
    return good;
}

/* Findings go to stdout: they are what was asked for. */
int control_check(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    struct config *config = NULL;
    _cleanup_(buf_done) struct buf findings = BUF_INIT(1 << 20);
    int r = config_read(c->words[0], &config, &findings);
    bool good = r == 0 && check_rosters(config);
    config_free(config);
    fputs(findings.data ? findings.data : "", stdout);
    if (good)
        printf("%s: good\n", c->words[0]);
    if (r == 0)
        return good ? 0 : EXIT_REFUSED;
    if (findings.len) /* it is said */
        return r == -EINVAL ? EXIT_REFUSED : (int)client_exit_code(r);
    error_set(err, -r, "", "%.200s: %s", c->words[0], strerror(-r));
    return r == -ENOENT || r == -EACCES ? r : -EIO;
}

int control_pki_init(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    int r = pki_init(c->words[0], c->words[1], time_now_usec() / USEC_PER_SEC, err);

    if (r < 0)
        return r;
    printf("%s: ca.crt, ca.key, server.crt, server.key\n"
           "Write pki_dir = \"%s\" into vdi.conf; keep the directory as you keep root's keys.\n",
           c->words[0], c->words[0]);
    return 0;
}

int control_pki_revoke(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    unsigned n = 0;
    int r = pki_revoke_node(c->words[0], c->words[1], &n, err);

    if (r < 0)
        return r;
    printf("%s: %u certificate%s revoked; vdictl reconfigure ends its link\n", c->words[1], n,
           n == 1 ? "" : "s");
    return 0;
}

int control_node_enroll(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(1024), body = BUF_INIT(0);
    _cleanup_(document_freep) struct document *document = NULL;
    const struct value *root;
    int r;

    buf_puts(&target, "/v1/nodes/");
    client_escape(&target, c->words[0]);
    buf_puts(&target, "/enroll");
    r = client_send(c->client, "POST", target.data, &body, &document, err);
    if (r < 0)
        return r;
    root = document_root(document);
    if (c->options.json)
        control_print(root, true);
    else
        puts(value_get_string(root, "token", ""));
    return 0;
}
