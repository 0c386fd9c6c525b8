/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - who asks: verified credentials, groups, roles.
 *
 * Verification runs on workers of its own: a stopped or hanging munged costs
 * those who come with its credentials an error, and nobody else anything.
 */
#include "vdictld/auth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/digest.h"

#define VERIFY_THREADS 8
#define VERIFY_QUEUE 1024
#define VERIFY_DEADLINE_USEC (5 * USEC_PER_SEC)
#define CREDENTIAL_MAX 16384

struct method {
    struct host_plugin *plugin;
    struct vdi_auth_ops ops;
    void *state;
    struct workers *workers; /* its own: one that hangs holds up nobody else's credentials */
};

struct auth {
    struct core *core;
    struct identity *identity;
    struct method *methods;
    size_t n_methods;
};

/* A credential on its way through a worker. Everything the worker reads is a copy. */
struct check {
    struct auth *auth;
    const struct method *method;
    struct call *call;
    void (*done)(struct call *call, int result, const struct vdi_error *err);
    char *credential, *verb, *target, *cluster;
    unsigned char digest[32];
    struct vdi_principal who;
    char id[128];
    int64_t begin_usec;
    int result;
    struct vdi_error err;
};

static int method_load(struct auth *auth, const struct config_plugin *c, struct vdi_error *err)
{
    struct method *m = &auth->methods[auth->n_methods];
    struct vdi_setting_value *settings = NULL;
    size_t n = 0;
    int r;

    r = host_plugin_load(auth->core->config->plugin_dir, VDI_PLUGIN_AUTH, c->name, &m->ops,
                         sizeof(m->ops), &m->plugin, err);
    if (r >= 0)
        r = host_plugin_settings(m->plugin, c->settings, c->n_settings, &settings, &n, err);
    if (r >= 0)
        r = m->ops.init(&m->state, NULL, &core_auth_api, settings, n, err);
    free(settings);
    if (r < 0) {
        host_plugin_unload(m->plugin);
        return r;
    }
    auth->n_methods++;
    m->workers = workers_new(auth->core->loop, c->name, VERIFY_THREADS, VERIFY_QUEUE);
    return m->workers ? 0 : error_set(err, ENOMEM, "", "out of memory");
}

struct auth *auth_new(struct core *core, struct vdi_error *err)
{
    struct auth *auth = calloc(1, sizeof(*auth));
    const struct config *c = core->config;

    if (!auth) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    auth->core = core;
    auth->identity = identity_new(core->loop, NULL);
    auth->methods = calloc(c->n_auth + 1, sizeof(*auth->methods));
    if (!auth->identity || !auth->methods) {
        error_set(err, ENOMEM, "", "out of memory");
        auth_free(auth);
        return NULL;
    }
    for (size_t i = 0; i < c->n_auth; i++) {
        if (method_load(auth, &c->auth[i], err) < 0) {
            auth_free(auth);
            return NULL;
        }
    }
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    for (size_t i = 0; i < auth->n_methods; i++)
        workers_free(auth->methods[i].workers);
    identity_free(auth->identity);
    for (size_t i = 0; i < auth->n_methods; i++) {
        if (auth->methods[i].ops.done)
            auth->methods[i].ops.done(auth->methods[i].state);
        host_plugin_unload(auth->methods[i].plugin);
    }
    free(auth->methods);
    free(auth);
}

/* ---- role ---- */

static bool role_has(const struct config_role *role, const struct vdi_principal *who)
{
    char whole[CALL_WHO_MAX];

    snprintf(whole, sizeof(whole), "%s:%s", who->realm, who->name);
    if (config_names_has(&role->users, whole))
        return true;
    if (!strcmp(who->realm, "unix") && config_names_has(&role->users, who->name))
        return true;
    for (uint32_t i = 0; i < who->n_groups; i++)
        if (config_names_has(&role->groups, who->groups[i]))
            return true;
    return false;
}

static enum request_role at_least(enum request_role role, enum request_role least)
{
    return role < least ? least : role;
}

/* A role with the very request in `may` lifts its members for that request alone: to what the
 * request needs, and to all jobs where it is one that everybody may make of the own. */
static enum request_role role_of(const struct core *core, const struct call *call, char ret_by[64])
{
    enum request_role own = ROLE_USER, lifted = ROLE_USER;

    ret_by[0] = '\0';
    if (!strcmp(call->who.realm, "unix") &&
        (call->who.uid == 0 || call->who.uid == (uint32_t)geteuid()))
        return ROLE_ADMIN;
    for (size_t i = 0; i < core->config->n_roles; i++) {
        const struct config_role *r = &core->config->roles[i];

        if (!role_has(r, &call->who))
            continue;
        if (config_names_has(&r->may, "admin"))
            own = ROLE_ADMIN;
        if (config_names_has(&r->may, "operator"))
            own = at_least(own, ROLE_OPERATOR);
        if (config_names_has(&r->may, call->match.request->name)) {
            lifted = at_least(lifted, at_least(call->match.request->role, ROLE_OPERATOR));
            str_copy(ret_by, 64, r->name);
        }
    }
    if (own >= ROLE_OPERATOR)
        ret_by[0] = '\0'; /* may do it anyway */
    return at_least(own, lifted);
}

/* ---- groups ---- */

static void refuse(struct check *check, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct check *check, int code, const char *format, ...)
{
    struct vdi_error err = {0};
    char text[200];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    error_set(&err, code, "Authorization", "%s", text);
    if (code == EAGAIN)
        error_hint(&err, NULL, "try again; if it stays so, the controller's name service hangs");
    else if (code == EBUSY)
        error_hint(&err, NULL, "try again");
    else
        error_hint(&err, NULL, "munge, or a token (vdictl token) in VDI_TOKEN_FILE");
    check->done(check->call, -code, &err);
}

static void check_free(struct check *check)
{
    if (check->credential)
        explicit_bzero(check->credential, strlen(check->credential));
    free(check->credential);
    free(check->verb);
    free(check->target);
    free(check->cluster);
    free(check);
}

static void groups_known(void *arg, int r, const struct identity_answer *answer)
{
    struct check *check = arg;
    struct call *call = check->call;

    if (r == -ENOENT) { /* a user without an entry has no groups, and is still a user */
        call->who = check->who;
        call->who.n_groups = 0;
    } else if (r < 0) {
        refuse(check, EAGAIN, "the groups of %s could not be looked up in time", check->who.name);
        check_free(check);
        return;
    } else {
        call->who = answer->who;
        str_copy(call->who.scope, sizeof(call->who.scope), check->who.scope);
    }
    snprintf(call->who_text, sizeof(call->who_text), "%s:%s", call->who.realm, call->who.name);
    call->role = role_of(check->auth->core, call, call->by_role);
    check->done(call, 0, NULL);
    check_free(check);
}

static void ask_groups(struct check *check)
{
    identity_get(check->auth->identity, IDENTITY_GROUPS, &check->who, groups_known, check);
}

/* ---- the name of a uid: of a unix socket's peer, of a MUNGE credential ---- */

static void name_known(void *arg, int r, const struct identity_answer *answer)
{
    struct check *check = arg;
    uint32_t gid = check->who.gid;

    if (r == -ENOENT) {
        snprintf(check->who.name, sizeof(check->who.name), "%u", check->who.uid);
    } else if (r < 0) {
        refuse(check, EAGAIN, "the name of your uid could not be looked up in time");
        check_free(check);
        return;
    } else {
        check->who = answer->who;
        check->who.gid = gid; /* the kernel's word, not NSS's */
    }
    ask_groups(check);
}

static void ask_name(struct check *check)
{
    identity_get(check->auth->identity, IDENTITY_NAME, &check->who, name_known, check);
}

static void use_peer(struct check *check)
{
    str_copy(check->who.realm, sizeof(check->who.realm), "unix");
    ask_name(check);
}

/* ---- credentials ---- */

static void verify_work(void *arg)
{
    struct check *check = arg;
    struct vdi_auth_request request = {
        .cluster = check->cluster,
        .method = check->verb,
        .path = check->target,
        .body_sha256 = check->digest,
        .credential = check->credential,
        .now_usec = time_now_usec(),
    };

    if (time_monotonic_usec() - check->begin_usec > VERIFY_DEADLINE_USEC) {
        check->result = error_set(&check->err, ETIMEDOUT, "Authorization",
                                  "the credential could not be verified in time");
        return;
    }
    check->result = check->method->ops.verify(check->method->state, &request, VERIFY_DEADLINE_USEC,
                                              &check->who, check->id, &check->err);
}

/* A token counts while it is in the events and not revoked, whatever its signature says. */
static bool is_revoked(struct check *check)
{
    const struct token *token;
    char owner[CALL_WHO_MAX];

    if (!check->id[0])
        return false;
    token = core_token(check->auth->core, check->id);
    snprintf(owner, sizeof(owner), "%s:%s", check->who.realm, check->who.name);
    return !token || token->revoked || token->ended || !str_equal(token->owner, owner);
}

static void verify_done(void *arg, bool dropped)
{
    struct check *check = arg;

    if (dropped)
        check->result = error_set(&check->err, ESHUTDOWN, "", "the controller is stopping");
    if (check->result >= 0 && is_revoked(check)) {
        check->result = error_set(&check->err, EKEYREVOKED, "Authorization",
                                  "the token was revoked, or was never issued here");
        error_hint(&check->err, NULL, "get a new one: vdictl token");
    }
    if (check->result < 0) {
        check->done(check->call, check->result, &check->err);
        check_free(check);
        return;
    }
    if (check->id[0]) {
        check->call->expire_usec = core_token(check->auth->core, check->id)->expire_usec;
        str_copy(check->call->token, sizeof(check->call->token), check->id);
    }
    if (check->who.name[0])
        ask_groups(check);
    else
        ask_name(check);
}

static const struct method *method_find(const struct auth *auth, const char *header,
                                        const char **ret_credential)
{
    for (size_t i = 0; i < auth->n_methods; i++) {
        size_t n = strlen(auth->methods[i].ops.scheme);

        if (!strncasecmp(header, auth->methods[i].ops.scheme, n) && header[n] == ' ') {
            *ret_credential = header + n + 1;
            return &auth->methods[i];
        }
    }
    return NULL;
}

static void use_credential(struct check *check, const char *header)
{
    const char *credential = NULL;
    const char *body;
    size_t len;

    check->method = method_find(check->auth, header, &credential);
    if (!check->method || strlen(credential) > CREDENTIAL_MAX) {
        refuse(check, EACCES, "this kind of credential is not taken here");
        check_free(check);
        return;
    }
    body = http_request_body(check->call->http, &len);
    digest_sha256(body, len, check->digest);
    check->credential = strdup(credential);
    check->verb = strdup(http_request_method(check->call->http));
    check->target = strdup(http_request_target(check->call->http));
    check->cluster = strdup(check->auth->core->config->cluster);
    check->begin_usec = time_monotonic_usec();
    if (!check->credential || !check->verb || !check->target || !check->cluster ||
        workers_post(check->method->workers, verify_work, verify_done, check) < 0) {
        refuse(check, EBUSY, "too many credentials are being verified");
        check_free(check);
    }
}

void auth_identify(struct auth *auth, struct call *call,
                   void (*done)(struct call *call, int result, const struct vdi_error *err))
{
    const char *header = http_request_header(call->http, "Authorization");
    struct check *check = calloc(1, sizeof(*check));
    struct vdi_error err = {0};

    if (!check) {
        error_set(&err, ENOMEM, "", "out of memory");
        done(call, -ENOMEM, &err);
        return;
    }
    check->auth = auth;
    check->call = call;
    check->done = done;
    if (header) {
        use_credential(check, header);
    } else if (http_request_peer(call->http, &check->who.uid, &check->who.gid)) {
        use_peer(check);
    } else {
        refuse(check, ENOKEY, "this request needs a credential (Authorization: Munge or Bearer)");
        check_free(check);
    }
}

void auth_lookup(struct auth *auth, const char *name, identity_done_fn *done, void *arg)
{
    struct vdi_principal who = {.realm = "unix"};

    str_copy(who.name, sizeof(who.name), name);
    identity_get(auth->identity, IDENTITY_UID, &who, done, arg);
}

void auth_groups(struct auth *auth, const struct vdi_principal *who, identity_done_fn *done,
                 void *arg)
{
    identity_get(auth->identity, IDENTITY_GROUPS, who, done, arg);
}

void auth_account(struct auth *auth, uint32_t uid, uint32_t gid, identity_done_fn *done, void *arg)
{
    struct vdi_principal who = {.realm = "unix", .uid = uid, .gid = gid};

    identity_get(auth->identity, IDENTITY_ACCOUNT, &who, done, arg);
}

int auth_issue(struct auth *auth, const struct vdi_principal *who, const char *id,
               int64_t issue_usec, int64_t expire_usec, char *ret, size_t ret_size,
               struct vdi_error *err)
{
    for (size_t i = 0; i < auth->n_methods; i++)
        if (auth->methods[i].ops.issue)
            return auth->methods[i].ops.issue(auth->methods[i].state, who,
                                              auth->core->config->cluster, id, issue_usec,
                                              expire_usec, ret, ret_size, err);
    error_set(err, ENOSYS, "", "no way to issue tokens is configured");
    error_hint(err, NULL, "add auth \"token\" { key = ... } to vdi.conf");
    return -ENOSYS;
}
