/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpu_wish.c - what a job asks of GPUs, as its template allows.
 *
 * The wish is written into the job: a later change of the template is for later jobs.
 */
#include "vdictld/gpu_wish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static uint32_t framebuffer_of(const struct config *c, const char *name)
{
    const struct config_profile *p = c ? config_profile(c, name) : NULL;
    return p && p->framebuffer_mib ? p->framebuffer_mib : profile_framebuffer_mib(name);
}

static void join(const struct config *c, const struct config_template *t, uint64_t least_mib,
                 char *ret, size_t size)
{
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < t->profiles.n; i++) {
        const char *name = t->profiles.names[i];

        if (least_mib && framebuffer_of(c, name) < least_mib)
            continue;
        if (len + strlen(name) + 2 > size)
            return; /* the best come first */
        len += (size_t)snprintf(ret + len, size - len, "%s%s", len ? "," : "", name);
    }
}

void gpu_wish_of_template(const struct config_template *t, uint64_t least_mib, char *ret,
                          size_t size)
{
    join(NULL, t, least_mib, ret, size);
}

static int refuse(const struct config_template *t, const char *wish, struct vdi_error *err)
{
    error_set(err, ESRCH, "profile", "template '%s' has no GPU profile '%s'", t->name, wish);
    error_hint(err, NULL,
               t->profiles.n ? "vdiinfo --templates lists what it has"
                             : "it has none; name another template, or no GPU");
    return -ESRCH;
}

/* A template without profiles takes what its partition's GPUs are: by size, or whole. */
static int settle_size(const struct config *c, const struct config_template *t,
                       struct job_spec *spec, struct vdi_error *err)
{
    char wish[GPU_WISH_TEXT];
    uint64_t least;

    if (str_to_u64(spec->profile + strlen(GPU_WISH_SIZE), 1, UINT32_MAX, &least) < 0) {
        error_set(err, EINVAL, "profile", "'%.64s' is no size of a framebuffer", spec->profile);
        error_hint(err, "1 to 4294967295 MiB", "write fb>=MIB, as in fb>=8192");
        return -EINVAL;
    }
    if (!t->profiles.n)
        return 0;
    join(c, t, least, wish, sizeof(wish));
    if (!*wish) {
        error_set(err, ESRCH, "profile",
                  "no GPU profile of template '%s' has %" PRIu64 " MiB of framebuffer", t->name,
                  least);
        error_hint(err, NULL, "vdiinfo --templates lists what it has");
        return -ESRCH;
    }
    return job_spec_set(&spec->profile, wish);
}

int gpu_wish_settle(const struct config *c, const struct config_template *t, struct job_spec *spec,
                    struct vdi_error *err)
{
    char wish[GPU_WISH_TEXT];

    if (!spec->gpus)
        spec->gpus = t->gpus;
    if (!*spec->profile) {
        gpu_wish_of_template(t, 0, wish, sizeof(wish));
        return spec->gpus ? job_spec_set(&spec->profile, wish) : 0;
    }
    if (!spec->gpus)
        spec->gpus = 1;
    if (str_starts_with(spec->profile, GPU_WISH_SIZE))
        return settle_size(c, t, spec, err);
    if (str_equal(spec->profile, GPU_WISH_WHOLE) && !t->profiles.n)
        return 0;
    for (const char *p = spec->profile; *p;) {
        size_t len = strcspn(p, ",");

        str_copy(wish, len < sizeof(wish) ? len + 1 : sizeof(wish), p);
        if (!config_names_has(&t->profiles, wish))
            return refuse(t, wish, err);
        p += len + (p[len] == ',');
    }
    return 0;
}
