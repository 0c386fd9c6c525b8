/* SPDX-License-Identifier: Apache-2.0 */
/* image_demo.c - vdi-image demo: runs the recipe of the demo image, once for each directory. */
#include "cli/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"

static int find_program(const struct image_options *o, const char *installed, const char *name,
                        char ret[PATH_MAX], struct vdi_error *err)
{
    int r = path_join(ret, o->programs ? o->programs : installed, name, err);

    if (r == 0 && access(ret, X_OK) < 0) {
        error_set(err, ENOENT, name, "there is no program %s", ret);
        error_hint(err, NULL, "--programs says where vdi-runner and vdi-picture are");
        r = -EREMOTEIO;
    }
    return r;
}

static int build(const struct image_options *o, const char *out, struct vdi_error *err)
{
    char path[PATH_MAX], words[4][PATH_MAX + 16], runner[PATH_MAX], picture[PATH_MAX];
    const char *argv[] = {path, words[0], words[1], words[2], o->cache ? words[3] : NULL, NULL};
    int code = 0, r = path_join(path, o->recipe, "build", err);

    if (r == 0)
        r = find_program(o, VDI_SBINDIR, "vdi-runner", runner, err);
    if (r == 0)
        r = find_program(o, VDI_BINDIR, "vdi-picture", picture, err);
    if (r < 0)
        return r;
    snprintf(words[0], sizeof(words[0]), "--out=%s", out);
    snprintf(words[1], sizeof(words[1]), "--runner=%s", runner);
    snprintf(words[2], sizeof(words[2]), "--picture=%s", picture);
    snprintf(words[3], sizeof(words[3]), "--cache=%s", o->cache ? o->cache : "");
    r = tool_run(argv, "--recipe says where the demo image's recipe is", NULL, &code, err);
    if (r == 0 && code != 0)
        return EXIT_REFUSED; /* it has said why */
    return r;
}

int image_demo(const struct image_options *o, struct vdi_error *err)
{
    const char *name = o->name ? o->name : "demo";
    char out[PATH_MAX];
    struct image_manifest m;
    int r;

    if (!str_is_name(name, IMAGE_NAME_MAX))
        return error_set(err, EINVAL, "name", "'%.80s' is not a name of an image", name);
    r = path_join(out, o->dir, name, err);
    if (r < 0)
        return r;
    if (access(out, F_OK) < 0)
        r = build(o, out, err);
    else if (image_manifest_load(out, &m, err) < 0)
        return -EREMOTEIO;
    if (r == 0)
        printf("%s: a template uses it with  image = \"%s\"  memory = \"256M\"\n", out, name);
    return r;
}
