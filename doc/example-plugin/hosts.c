/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts.c - an example of a plugin: signs in who knows one shared word.
 *
 * `Authorization: Hosts NAME:WORD` is accepted when WORD is the first line of the file
 * named by the setting `file`. It shows the shape of a plugin; its credential is bound
 * to nothing and can be replayed, so it is not for use.
 */
#include <vdi/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hosts {
    char word[256];
};

static int fail(struct vdi_error *err, int code, const char *detail)
{
    memset(err, 0, sizeof(*err));
    err->code = code;
    snprintf(err->field, sizeof(err->field), "auth");
    snprintf(err->detail, sizeof(err->detail), "%s", detail);
    return -code;
}

static const char *setting(const struct vdi_setting_value *settings, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(settings[i].name, name) == 0)
            return settings[i].value;
    }
    return "";
}

static int hosts_init(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                      const struct vdi_setting_value *settings, size_t n_settings,
                      struct vdi_error *err)
{
    struct hosts *h = calloc(1, sizeof(*h));
    FILE *f = fopen(setting(settings, n_settings, "file"), "re");
    if (!h || !f || !fgets(h->word, sizeof(h->word), f)) {
        if (f)
            fclose(f);
        free(h);
        return fail(err, EINVAL, "the file with the word can't be read; set file");
    }
    fclose(f);
    h->word[strcspn(h->word, "\n")] = '\0';
    api->log(host, VDI_LOG_WARNING, "the example plugin signs people in");
    *ret = h;
    return 0;
}

static int hosts_verify(void *auth, const struct vdi_auth_request *request, int64_t deadline_usec,
                        struct vdi_principal *ret_principal, char *ret_id, struct vdi_error *err)
{
    struct hosts *h = auth;
    const char *colon = strchr(request->credential, ':');
    size_t len = colon ? (size_t)(colon - request->credential) : 0;
    (void)deadline_usec; /* nothing here can wait */
    if (len == 0 || len >= VDI_NAME_MAX || !*h->word || strcmp(colon + 1, h->word) != 0)
        return fail(err, EACCES, "the word is not right");
    memset(ret_principal, 0, sizeof(*ret_principal));
    snprintf(ret_principal->realm, sizeof(ret_principal->realm), "hosts");
    memcpy(ret_principal->name, request->credential, len);
    ret_principal->uid = ret_principal->gid = UINT32_MAX;
    ret_id[0] = '\0';
    return 0;
}

static void hosts_done(void *auth)
{
    free(auth);
}

static const struct vdi_auth_ops ops = {
    .scheme = "Hosts",
    .init = hosts_init,
    .verify = hosts_verify,
    .done = hosts_done,
};

static const struct vdi_setting settings[] = {
    {"file", VDI_SETTING_STRING, "/etc/vdi/hosts.word", "file whose first line is the word"},
    {NULL, 0, NULL, NULL},
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_AUTH,
    .name = "hosts",
    .title = "an example: one shared word",
    .settings = settings,
    .ops = &ops,
    .ops_size = sizeof(ops),
};
