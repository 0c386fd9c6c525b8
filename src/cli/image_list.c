/* SPDX-License-Identifier: Apache-2.0 */
/* image_list.c - vdi-image list: the images of a directory, by name, and what is wrong at once. */
#include "cli/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define ROW "%-20s %-6s %10s  %-8s %-11s %.12s\n"

static void size_of(const char *dir, const struct image_manifest *m, char *ret,
                    struct vdi_error *err)
{
    char path[PATH_MAX];
    struct qcow2_header h = {0};
    struct stat st = {0};

    if (path_join(path, dir, image_manifest_main(m), err) < 0)
        return;
    if (*m->disk && image_qcow2_load(path, &h, err) == 0)
        size_text(h.virtual_bytes, ret);
    else if (!*m->disk && stat(path, &st) == 0)
        size_text((uint64_t)st.st_size, ret);
    else if (!err->code)
        error_set(err, ENOENT, "image", "%s is not there", path);
}

static void print_row(const char *dir, const char *name)
{
    struct image_manifest m = {0};
    struct vdi_error err = {0};
    char path[PATH_MAX], size[32] = "-", ready[16] = "-";
    bool is_read =
        path_join(path, dir, name, &err) == 0 && image_manifest_load(path, &m, &err) == 0;

    if (is_read) {
        size_of(path, &m, size, &err);
        str_copy(ready, sizeof(ready), *m.ready ? m.ready : "agent");
        ready[strcspn(ready, ":")] = '\0';
    }
    printf(ROW, name,
           !is_read  ? "-"
           : *m.disk ? "disk"
                     : "kernel",
           size, ready, is_read ? image_firmware_names[m.firmware] : "-",
           *m.sha256 ? m.sha256 : "-");
    if (err.code)
        printf("    %s\n", err.detail);
}

static int is_candidate(const struct dirent *entry)
{
    return str_is_name(entry->d_name, IMAGE_NAME_MAX);
}

int image_list(const struct image_options *o, struct vdi_error *err)
{
    struct dirent **entries;
    int n = scandir(o->dir, &entries, is_candidate, alphasort);

    if (n < 0) {
        n = -errno;
        error_set(err, n, "dir", "%s cannot be listed: %s", o->dir, strerror(-n));
        error_hint(err, NULL, "--dir says where images are");
        return n;
    }
    printf(ROW, "NAME", "BOOT", "SIZE", "READY", "FIRMWARE", "SHA256");
    for (int i = 0; i < n; i++) {
        print_row(o->dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
