/* SPDX-License-Identifier: Apache-2.0 */
/*
 * munge.c - auth/munge: MUNGE credentials bound to one request.
 *
 * The payload is these lines, each ended by a newline: "vdi-munge-1", cluster, method, path
 * with query as sent, a nonce of 32 hex digits, SHA-256 of the body as 64 hex digits. munged
 * refuses what it has seen; we refuse what is bound to another request or lives longer than
 * TTL_SEC. libmunge waits for munged by itself, with its own limits (2 s a reply, a few
 * tries) that cannot be set: verify() may overrun its deadline by that, on its worker.
 */
#include <errno.h>
#include <munge.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "plugins/auth/auth_error.h"

#define TTL_SEC 60
#define VERSION "vdi-munge-1"
#define NONCE_SIZE 16
#define HASH_SIZE 32
#define PAYLOAD_MAX (16 * 1024)

struct munge_auth {
    char *socket; /* NULL: libmunge's own */
};

static void to_hex(const unsigned char *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static void auth_munge_done(void *arg)
{
    struct munge_auth *auth = arg;
    if (!auth)
        return;
    free(auth->socket);
    free(auth);
}

static int auth_munge_init(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                           const struct vdi_setting_value *settings, size_t n_settings,
                           struct vdi_error *err)
{
    const char *socket = auth_setting(settings, n_settings, "socket");
    struct munge_auth *auth = calloc(1, sizeof(*auth));
    if (!auth)
        return -ENOMEM;
    if (!socket)
        socket = secure_getenv("MUNGE_SOCKET");
    if (socket && *socket && !(auth->socket = strdup(socket))) {
        free(auth);
        return -ENOMEM;
    }
    *ret = auth;
    return 0;
}

/* A context for one credential; they must not be shared between threads. */
static munge_ctx_t context(const struct munge_auth *auth)
{
    munge_ctx_t ctx = munge_ctx_create();
    if (ctx && auth->socket &&
        munge_ctx_set(ctx, MUNGE_OPT_SOCKET, auth->socket) != EMUNGE_SUCCESS) {
        munge_ctx_destroy(ctx);
        return NULL;
    }
    return ctx;
}

static int failure(munge_err_t code, munge_ctx_t ctx, struct vdi_error *err)
{
    const char *text = munge_ctx_strerror(ctx);
    if (!text)
        text = munge_strerror(code);
    switch (code) {
    case EMUNGE_SOCKET:
    case EMUNGE_TIMEOUT:
        return auth_fail(err, EAGAIN, "authorization", "Is munged running on this machine?",
                         "MUNGE does not answer: %s.", text);
    case EMUNGE_CRED_EXPIRED:
        return auth_fail(err, EKEYEXPIRED, "authorization", "Sign again; check the clocks.",
                         "The credential has expired.");
    case EMUNGE_CRED_REPLAYED:
        return auth_fail(err, EKEYREJECTED, "authorization", "Sign every request anew.",
                         "The credential has been used before.");
    case EMUNGE_CRED_REWOUND:
        return auth_fail(err, EACCES, "authorization", "Check the clocks.",
                         "The credential is from the future.");
    case EMUNGE_NO_MEMORY:
        return auth_fail(err, ENOMEM, "authorization", NULL, "There is no memory.");
    default:
        return auth_fail(err, EACCES, "authorization", "Is the MUNGE key the cluster's?",
                         "The credential is not valid: %s.", text);
    }
}

static int write_payload(const struct vdi_auth_request *request, char *ret, size_t size)
{
    unsigned char nonce[NONCE_SIZE];
    char nonce_hex[2 * NONCE_SIZE + 1], hash_hex[2 * HASH_SIZE + 1];
    if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
        return -EIO;
    to_hex(nonce, sizeof(nonce), nonce_hex);
    to_hex(request->body_sha256, HASH_SIZE, hash_hex);
    int n = snprintf(ret, size, VERSION "\n%s\n%s\n%s\n%s\n%s\n", request->cluster, request->method,
                     request->path, nonce_hex, hash_hex);
    return n >= 0 && (size_t)n < size ? n : -ENOBUFS;
}

static int auth_munge_sign(void *arg, const struct vdi_auth_request *request, char *ret,
                           size_t ret_size, struct vdi_error *err)
{
    char payload[PAYLOAD_MAX];
    char *credential = NULL;
    int n = write_payload(request, payload, sizeof(payload));
    if (n < 0)
        return auth_fail(err, -n, "authorization", NULL, "The request cannot be signed: %s.",
                         strerror(-n));
    munge_ctx_t ctx = context(arg);
    if (!ctx)
        return -ENOMEM;
    munge_err_t code = munge_ctx_set(ctx, MUNGE_OPT_TTL, TTL_SEC);
    if (code == EMUNGE_SUCCESS)
        code = munge_encode(&credential, ctx, payload, n);
    int r = 0;
    if (code != EMUNGE_SUCCESS)
        r = failure(code, ctx, err);
    else if ((size_t)snprintf(ret, ret_size, "Munge %s", credential) >= ret_size)
        r = auth_fail(err, ENOBUFS, "authorization", NULL, "The credential is too long.");
    munge_ctx_destroy(ctx);
    free(credential);
    return r;
}

/* Takes the next line off *at; it must be `want`, or anything when that is NULL. */
static int expect_line(char **at, const char *want, const char *part, struct vdi_error *err)
{
    char *line = *at;
    char *end = line ? strchr(line, '\n') : NULL;
    if (end)
        *end = '\0';
    if (!end || (want && strcmp(line, want) != 0))
        return auth_fail(err, EACCES, "authorization", "Sign this request, not another.",
                         "The credential is bound to another %s.", part);
    *at = end + 1;
    return 0;
}

static int check_payload(char *payload, int len, const struct vdi_auth_request *request,
                         struct vdi_error *err)
{
    char hash_hex[2 * HASH_SIZE + 1];
    char *at = payload, *nonce;
    if (!payload || strlen(payload) != (size_t)len)
        return auth_fail(err, EACCES, "authorization", NULL, "The credential binds no request.");
    to_hex(request->body_sha256, HASH_SIZE, hash_hex);
    int r = expect_line(&at, VERSION, "version of the protocol", err);
    if (r == 0)
        r = expect_line(&at, request->cluster, "cluster", err);
    if (r == 0)
        r = expect_line(&at, request->method, "method", err);
    if (r == 0)
        r = expect_line(&at, request->path, "path", err);
    nonce = at;
    if (r == 0)
        r = expect_line(&at, NULL, "nonce", err);
    if (r == 0 && strspn(nonce, "0123456789abcdef") != 2 * NONCE_SIZE)
        r = auth_fail(err, EACCES, "authorization", NULL, "The credential has no nonce.");
    if (r == 0)
        r = expect_line(&at, hash_hex, "body", err);
    if (r == 0 && *at)
        r = auth_fail(err, EACCES, "authorization", NULL,
                      "The credential has more than it should.");
    return r;
}

/* munged holds to the lifetime that the signer chose; that may be longer than ours. */
static int check_age(munge_ctx_t ctx, struct vdi_error *err)
{
    time_t encoded = 0, decoded = 0;
    int ttl = 0;
    if (munge_ctx_get(ctx, MUNGE_OPT_ENCODE_TIME, &encoded) != EMUNGE_SUCCESS ||
        munge_ctx_get(ctx, MUNGE_OPT_DECODE_TIME, &decoded) != EMUNGE_SUCCESS ||
        munge_ctx_get(ctx, MUNGE_OPT_TTL, &ttl) != EMUNGE_SUCCESS)
        return auth_fail(err, EACCES, "authorization", NULL, "The credential has no times.");
    if (decoded - encoded > TTL_SEC)
        return auth_fail(err, EKEYEXPIRED, "authorization", "Sign again; check the clocks.",
                         "The credential is %lld s old; %d s is the limit.",
                         (long long)(decoded - encoded), TTL_SEC);
    if (ttl < 1 || ttl > TTL_SEC)
        return auth_fail(err, EACCES, "authorization", "Sign with a TTL of 60 s: munge --ttl=60.",
                         "The credential lives %d s; %d s is the limit.", ttl, TTL_SEC);
    return 0;
}

/* The name is the host's to find: NSS may hang, and this worker is for others too. */
static void fill_principal(uid_t uid, gid_t gid, struct vdi_principal *ret)
{
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->realm, sizeof(ret->realm), "unix");
    ret->uid = uid;
    ret->gid = gid;
}

static int auth_munge_verify(void *arg, const struct vdi_auth_request *request,
                             int64_t deadline_usec, struct vdi_principal *ret_principal,
                             char *ret_id, struct vdi_error *err)
{
    void *payload = NULL;
    int len = 0;
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    munge_ctx_t ctx = context(arg);
    if (!ctx)
        return -ENOMEM;
    munge_err_t code = munge_decode(request->credential, ctx, &payload, &len, &uid, &gid);
    int r = code == EMUNGE_SUCCESS ? check_age(ctx, err) : failure(code, ctx, err);
    if (r == 0)
        r = check_payload(payload, len, request, err);
    if (r == 0) {
        fill_principal(uid, gid, ret_principal);
        ret_id[0] = '\0';
    }
    munge_ctx_destroy(ctx);
    free(payload);
    return r;
}

static const struct vdi_setting settings[] = {
    {"socket", VDI_SETTING_STRING, NULL, "munged's socket (also: environment MUNGE_SOCKET)"},
    {0},
};

static const struct vdi_auth_ops ops = {
    .scheme = "Munge",
    .init = auth_munge_init,
    .verify = auth_munge_verify,
    .sign = auth_munge_sign,
    .done = auth_munge_done,
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_AUTH,
    .name = "munge",
    .title = "MUNGE credentials: local users by uid",
    .settings = settings,
    .ops = &ops,
    .ops_size = sizeof(ops),
};
