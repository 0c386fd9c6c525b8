/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - the plugins of test_host.c: one good one, and -D flags that break it. */
#include <vdi/plugin.h>

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static int init(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                const struct vdi_setting_value *settings, size_t n_settings, struct vdi_error *err)
{
    *ret = NULL;
    return 0;
}

static int verify(void *auth, const struct vdi_auth_request *request, int64_t deadline_usec,
                  struct vdi_principal *ret_principal, char *ret_id, struct vdi_error *err)
{
    return -EACCES;
}

static void done(void *auth)
{
}

/* What a later release might have: the same members and one more. */
struct newer_ops {
    struct vdi_auth_ops ops;
    int (*later)(void);
};

static const struct newer_ops newer = {
    .ops =
        {
            .scheme = "Test",
            .init = init,
#ifndef NO_VERIFY
            .verify = verify,
#endif
            .done = done,
        },
};

static const struct vdi_setting settings[] = {
    {"socket", VDI_SETTING_STRING, "/run/test", "where it is"},
    {"ttl", VDI_SETTING_INT, BAD_INITIAL, "how long"},
    {"strict", VDI_SETTING_BOOL, NULL, "whether"},
    {NULL},
};

#ifdef CRASH
__attribute__((constructor)) static void crash(void)
{
    abort();
}
#endif
#ifdef HANG
__attribute__((constructor)) static void hang(void)
{
    for (;;)
        pause();
}
#endif
#ifdef LEAVE
__attribute__((constructor)) static void leave(void)
{
    _exit(0);
}
#endif

#ifndef SYMBOL
#define SYMBOL vdi_plugin
#endif
#ifndef ABI
#define ABI VDI_PLUGIN_ABI
#endif
#ifndef NAME
#define NAME "good"
#endif
#ifndef SIZE
#define SIZE sizeof(struct vdi_auth_ops)
#endif

extern const struct vdi_plugin SYMBOL;
const struct vdi_plugin SYMBOL = {ABI,      VDI_PLUGIN_AUTH, NAME, "a plugin of a test",
                                  settings, &newer,          SIZE};
