/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - auth/token: bearer tokens signed with a key of the controller's.
 *
 * In the controller `key` names the key file; in a command `file` names the file with the
 * user's token. Either is refused when others can read it. A token names its cluster and
 * lives an hour at most; whether it was revoked is for the host to know, by its id.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/auth/auth_error.h"
#include "token_text.h"

#define SKEW_SEC 30 /* an issuer's clock may be ahead by this (DESIGN 7: then nodes drain) */

struct token_auth {
    struct token_key key; /* len 0: none */
    char *file;           /* NULL: none */
};

/* Up to max bytes; -EFBIG when there are more. */
static ssize_t read_private(const char *path, const char *field, void *data, size_t max,
                            struct vdi_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int r = 0;
    ssize_t n = 0;
    if (fd < 0)
        return auth_fail(err, errno, field, NULL, "\"%s\" cannot be opened: %s.", path,
                         strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        r = auth_fail(err, EINVAL, field, NULL, "\"%s\" is not a file.", path);
    else if (st.st_mode & 077)
        r = auth_fail(err, EPERM, field, "chmod 600 it, and replace what is in it.",
                      "\"%s\" has mode %04o: others can use it.", path,
                      (unsigned)st.st_mode & 07777);
    else if (st.st_uid != geteuid() && st.st_uid != 0)
        r = auth_fail(err, EPERM, field, NULL, "\"%s\" belongs to uid %u.", path, st.st_uid);
    else if (st.st_size > (off_t)max)
        r = auth_fail(err, EFBIG, field, NULL, "\"%s\" is larger than %zu bytes.", path, max);
    else if ((n = read(fd, data, max)) < 0)
        r = auth_fail(err, errno, field, NULL, "\"%s\" cannot be read: %s.", path, strerror(errno));
    close(fd);
    return r < 0 ? r : n;
}

/* Complete or not there at all; one that another process has just made is left alone. */
static int create_key(const char *path, struct vdi_error *err)
{
    unsigned char bytes[TOKEN_KEY_MIN];
    char temporary[4096];
    if (access(path, F_OK) == 0)
        return 0;
    int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    int fd = n < (int)sizeof(temporary) ? mkostemp(temporary, O_CLOEXEC) : -1;
    int r = fd < 0 ? -errno : 0;
    if (r == 0) {
        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes) ||
            write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || fsync(fd) < 0 ||
            (link(temporary, path) < 0 && errno != EEXIST))
            r = errno ? -errno : -EIO;
        unlink(temporary);
        close(fd);
    }
    explicit_bzero(bytes, sizeof(bytes));
    return r < 0 ? auth_fail(err, -r, "key", NULL, "The key \"%s\" cannot be made: %s.", path,
                             strerror(-r))
                 : 0;
}

static int load_key(struct token_auth *auth, const char *path, struct vdi_error *err)
{
    ssize_t n = read_private(path, "key", auth->key.bytes, sizeof(auth->key.bytes), err);
    if (n < 0)
        return (int)n;
    if (n < TOKEN_KEY_MIN)
        return auth_fail(err, EINVAL, "key", "Remove it; with create = true a new one is made.",
                         "The key \"%s\" has %zd bytes; %d are the least.", path, n, TOKEN_KEY_MIN);
    auth->key.len = (size_t)n;
    return 0;
}

static void token_done(void *arg)
{
    struct token_auth *auth = arg;
    if (!auth)
        return;
    explicit_bzero(&auth->key, sizeof(auth->key));
    free(auth->file);
    free(auth);
}

static int token_init(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                      const struct vdi_setting_value *settings, size_t n_settings,
                      struct vdi_error *err)
{
    const char *key = auth_setting(settings, n_settings, "key");
    const char *file = auth_setting(settings, n_settings, "file");
    const char *create = auth_setting(settings, n_settings, "create");
    struct token_auth *auth = calloc(1, sizeof(*auth));
    int r = auth ? 0 : -ENOMEM;
    if (r == 0 && !key && !file)
        r = auth_fail(err, EINVAL, "key", "Set key (controller) or file (commands).",
                      "auth \"token\" has neither a key nor a file.");
    if (r == 0 && key && create && strcmp(create, "true") == 0)
        r = create_key(key, err);
    if (r == 0 && key)
        r = load_key(auth, key, err);
    if (r == 0 && file && !(auth->file = strdup(file)))
        r = -ENOMEM;
    if (r == 0)
        *ret = auth;
    else
        token_done(auth);
    return r;
}

static int check_claims(const struct token_claims *claims, const struct vdi_auth_request *request,
                        struct vdi_error *err)
{
    int64_t now_sec = request->now_usec / 1000000;
    if (strcmp(claims->cluster, request->cluster) != 0)
        return auth_fail(err, EACCES, "authorization", "Get a token of this cluster.",
                         "The token is for another cluster than \"%s\".", request->cluster);
    if (claims->exp_sec <= claims->iat_sec ||
        claims->exp_sec - claims->iat_sec > TOKEN_LIFE_MAX_SEC)
        return auth_fail(err, EACCES, "authorization", NULL, "The token's life is not 1..%d s.",
                         TOKEN_LIFE_MAX_SEC);
    if (claims->iat_sec > now_sec + SKEW_SEC)
        return auth_fail(err, EACCES, "authorization", "Check the clocks.",
                         "The token is from the future.");
    if (now_sec >= claims->exp_sec)
        return auth_fail(err, EKEYEXPIRED, "authorization", "Get a new one: vdictl token.",
                         "The token has expired.");
    return 0;
}

static int token_verify(void *arg, const struct vdi_auth_request *request, int64_t deadline_usec,
                        struct vdi_principal *ret_principal, char *ret_id, struct vdi_error *err)
{
    const struct token_auth *auth = arg;
    struct token_claims claims;
    const char *why;
    if (auth->key.len == 0)
        return auth_fail(err, EACCES, "key", NULL, "There is no key to check tokens with.");
    int r = token_text_decode(&auth->key, request->credential, &claims, &why);
    if (r < 0)
        return auth_fail(err, EACCES, "authorization", "Get a new one: vdictl token.", "%s", why);
    r = check_claims(&claims, request, err);
    if (r < 0)
        return r;
    memset(ret_principal, 0, sizeof(*ret_principal));
    memcpy(ret_principal->realm, claims.realm, sizeof(claims.realm));
    memcpy(ret_principal->name, claims.name, sizeof(claims.name));
    memcpy(ret_principal->scope, claims.scope, sizeof(claims.scope));
    ret_principal->uid = claims.uid;
    ret_principal->gid = claims.gid;
    memcpy(ret_id, claims.jti, sizeof(claims.jti));
    return 0;
}

static bool take(char *to, size_t size, const char *from)
{
    return (size_t)snprintf(to, size, "%s", from) < size;
}

static int token_issue(void *arg, const struct vdi_principal *principal, const char *cluster,
                       const char *jti, int64_t issue_usec, int64_t expire_usec, char *ret,
                       size_t ret_size, struct vdi_error *err)
{
    const struct token_auth *auth = arg;
    struct token_claims claims = {.uid = principal->uid,
                                  .gid = principal->gid,
                                  .iat_sec = issue_usec / 1000000,
                                  .exp_sec = expire_usec / 1000000};
    if (auth->key.len == 0)
        return auth_fail(err, EINVAL, "key", NULL, "There is no key to sign tokens with.");
    if (claims.exp_sec <= claims.iat_sec || claims.exp_sec - claims.iat_sec > TOKEN_LIFE_MAX_SEC)
        return auth_fail(err, ERANGE, "expire", "Ask for an hour at most.",
                         "A token's life is 1..%d s.", TOKEN_LIFE_MAX_SEC);
    if (!*jti || !take(claims.jti, sizeof(claims.jti), jti) ||
        !take(claims.cluster, sizeof(claims.cluster), cluster) ||
        !take(claims.realm, sizeof(claims.realm), principal->realm) ||
        !take(claims.name, sizeof(claims.name), principal->name) ||
        !take(claims.scope, sizeof(claims.scope), principal->scope))
        return auth_fail(err, EINVAL, "token", NULL, "A name is too long for a token.");
    int r = token_text_encode(&auth->key, &claims, ret, ret_size);
    return r < 0
               ? auth_fail(err, -r, "token", NULL, "The token cannot be written: %s.", strerror(-r))
               : 0;
}

static int token_sign(void *arg, const struct vdi_auth_request *request, char *ret, size_t ret_size,
                      struct vdi_error *err)
{
    const struct token_auth *auth = arg;
    char text[TOKEN_TEXT_MAX + 2];
    if (!auth->file)
        return auth_fail(err, EINVAL, "file", "Set VDI_TOKEN_FILE.", "There is no token file.");
    ssize_t n = read_private(auth->file, "file", text, sizeof(text) - 1, err);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    int written = strncmp(text, "vdi1.", 5) == 0 ? snprintf(ret, ret_size, "Bearer %s", text) : -1;
    explicit_bzero(text, sizeof(text));
    if (written < 0)
        return auth_fail(err, EINVAL, "file", "Write what \"vdictl token\" prints to it.",
                         "\"%s\" holds no token.", auth->file);
    return (size_t)written < ret_size
               ? 0
               : auth_fail(err, ENOBUFS, "file", NULL, "The token is too long.");
}

static const struct vdi_setting settings[] = {
    {"key", VDI_SETTING_STRING, NULL, "file with the signing key, mode 0600 (controller)"},
    {"create", VDI_SETTING_BOOL, "false", "make the key file when there is none"},
    {"file", VDI_SETTING_STRING, NULL, "file with the user's token, mode 0600 (commands)"},
    {0},
};

static const struct vdi_auth_ops ops = {
    .scheme = "Bearer",
    .init = token_init,
    .verify = token_verify,
    .sign = token_sign,
    .done = token_done,
    .issue = token_issue,
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_AUTH,
    .name = "token",
    .title = "signed bearer tokens",
    .settings = settings,
    .ops = &ops,
    .ops_size = sizeof(ops),
};
