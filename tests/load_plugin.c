/* SPDX-License-Identifier: Apache-2.0 */
/* load_plugin.c - loads one plugin as the daemons do and prints what it says of itself. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "host/host.h"

union ops {
    struct vdi_store_ops store;
    struct vdi_auth_ops auth;
    struct vdi_site_ops site;
    struct vdi_priority_ops priority;
};

int main(int argc, char **argv)
{
    char text[1024];
    union ops ops;
    struct vdi_error err = {0};
    struct host_plugin *p = NULL;
    int kind = VDI_PLUGIN_STORE;
    if (argc != 4) {
        fprintf(stderr, "usage: %s DIRECTORY KIND NAME\n", argv[0]);
        return 2;
    }
    while (kind <= VDI_PLUGIN_ENCODE && strcmp(host_kind_name(kind), argv[2]) != 0)
        kind++;
    if (host_plugin_try(argv[1], kind, argv[3], &err) < 0 ||
        host_plugin_load(argv[1], kind, argv[3], &ops, sizeof(ops), &p, &err) < 0) {
        fprintf(stderr, "%s\n", error_text(&err, text, sizeof(text)));
        return 1;
    }
    const struct vdi_plugin *info = host_plugin_info(p);
    printf("%s %s: %s\n", host_kind_name(kind), info->name, info->title);
    for (const struct vdi_setting *s = info->settings; s && s->name; s++)
        printf("  %s = %s  # %s\n", s->name, s->initial ? s->initial : "", s->help);
    host_plugin_unload(p);
    return 0;
}
