/* SPDX-License-Identifier: Apache-2.0 */
/* submit_gpu.c - how a GPU is asked for: --gpu, --gpus and --gres. */
#include "cli/submit.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "model/gpu.h"

#define GPUS_MAX 64
#define FRAMEBUFFER_MIB_MAX (UINT64_C(16) << 20)

static int refuse(const struct option_row *row, const char *value, const char *why,
                  struct vdi_error *err)
{
    error_set(err, EINVAL, row->name, "--%s=%.80s: %s", row->name, value, why);
    error_hint(err, NULL,
               "give a count (--gpu 2), a framebuffer (--gpu 8g) or a profile "
               "(--gpu nvidia-a40-4q[:2]); vdiinfo --templates lists them");
    return -EINVAL;
}

static int set_count(struct submit *submit, const struct option_row *row, const char *value,
                     const char *count, struct vdi_error *err)
{
    uint64_t n;
    if (str_to_u64(count, 0, GPUS_MAX, &n) < 0)
        return refuse(row, value, "the number of GPUs must be 0 to 64", err);
    submit->gpus = (uint32_t)n;
    submit->gpus_said = true;
    submit->gpus_are_all = str_equal(row->name, "gpus");
    return 0;
}

/* "8g", "4096m:2": so much framebuffer, whatever the profile. */
static bool is_size(const char *s)
{
    size_t n = strspn(s, "0123456789");
    size_t unit = strcspn(s + n, ":");
    return n && unit && strchr("kmgtKMGT", s[n]) &&
           (unit == 1 || strspn(s + n + 1, "iIbB") == unit - 1);
}

/* SIZE[:N] */
static int set_size(struct submit *submit, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    char size[24];
    uint64_t mib;
    size_t n = strcspn(value, ":");

    if (n < sizeof(size))
        str_copy(size, n + 1, value);
    if (n >= sizeof(size) || str_to_mib(size, FRAMEBUFFER_MIB_MAX, &mib) < 0 || !mib)
        return refuse(row, value, "write a framebuffer of 1m to 16t, as 8g", err);
    int r = set_count(submit, row, value, value[n] ? value + n + 1 : "1", err);
    if (r == 0)
        snprintf(submit->profile, sizeof(submit->profile), GPU_WISH_SIZE "%" PRIu64, mib);
    return r;
}

/* PROFILE[:N] */
static int set_profile(struct submit *submit, const struct option_row *row, const char *value,
                       const char *wish, struct vdi_error *err)
{
    char profile[SUBMIT_PROFILE_MAX];
    size_t n = strcspn(wish, ":");
    if (n >= sizeof(profile))
        return refuse(row, value, "the name of the profile is too long", err);
    memcpy(profile, wish, n);
    profile[n] = '\0';
    if (!str_is_name(profile, sizeof(profile) - 1))
        return refuse(row, value, "not the name of a profile", err);
    int r = set_count(submit, row, value, wish[n] ? wish + n + 1 : "1", err);
    if (r < 0)
        return r;
    memcpy(submit->profile, profile, n + 1);
    return 0;
}

int submit_set_gpu(void *to, const struct option_row *row, const char *value, struct vdi_error *err)
{
    struct submit *submit = to;
    if (is_size(value))
        return set_size(submit, row, value, err);
    if (!isdigit((unsigned char)*value) || value[strspn(value, "0123456789")])
        return set_profile(submit, row, value, value, err);
    submit->profile[0] = '\0';
    return set_count(submit, row, value, value, err);
}

int submit_set_gres(void *to, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    struct submit *submit = to;
    if (str_equal(value, "none")) {
        submit->profile[0] = '\0';
        return set_count(submit, row, value, "0", err);
    }
    if (strchr(value, ','))
        return refuse(row, value, "one kind of resource is supported, gpu", err);
    if (str_equal(value, "gpu"))
        return submit_set_gpu(to, row, "1", err);
    if (!str_starts_with(value, "gpu:") || !value[4])
        return refuse(row, value, "write gpu:N or gpu:PROFILE:N", err);
    return submit_set_gpu(to, row, value + 4, err);
}
