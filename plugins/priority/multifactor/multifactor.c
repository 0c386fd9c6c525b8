/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multifactor.c - priority/multifactor: Slurm's weighted sum.
 *
 *   age * weight_age + fairshare * weight_fairshare + jobsize * weight_jobsize
 *   + partition * weight_partition + qos * weight_qos - nice
 *
 * Every factor is 0 to 1. As Slurm's priority/multifactor has them
 * (https://slurm.schedmd.com/priority_multifactor.html), with the fair share of
 * https://slurm.schedmd.com/classic_fair_share.html: 2^(-usage / share).
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdi/plugin.h>

#define USEC INT64_C(1000000)
#define WEIGHT_MAX 100000000 /* five of them are well within 32 bits */
#define CHARGE_MAX 1000000
#define TIME_MAX_SEC (366 * INT64_C(86400))

enum weight { AGE, FAIRSHARE, JOBSIZE, PARTITION, QOS, N_WEIGHTS };

static const char *const names[N_WEIGHTS] = {"age", "fairshare", "jobsize", "partition", "qos"};

struct multifactor {
    int64_t weights[N_WEIGHTS];
    int64_t max_age_usec;
    bool favor_small;
};

/* ---- settings ---- */

static const char *value_of(const struct vdi_setting_value *settings, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(settings[i].name, name))
            return settings[i].value;
    return ""; /* all of them have a default */
}

static int refuse(struct vdi_error *err, const char *field, const char *value, const char *limit,
                  const char *remedy)
{
    if (err) {
        memset(err, 0, sizeof(*err));
        err->code = EINVAL;
        snprintf(err->field, sizeof(err->field), "%s", field);
        snprintf(err->detail, sizeof(err->detail), "%s is \"%.64s\", not %s", field, value, limit);
        snprintf(err->limit, sizeof(err->limit), "%s", limit);
        snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
    }
    return -EINVAL;
}

static int read_number(const struct vdi_setting_value *settings, size_t n, const char *name,
                       int64_t max, int64_t *ret, struct vdi_error *err)
{
    const char *text = value_of(settings, n, name);
    char limit[32], *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (!errno && *text && !*end && value >= 0 && value <= max) {
        *ret = value;
        return 0;
    }
    snprintf(limit, sizeof(limit), "0 to %lld", (long long)max);
    return refuse(err, name, text, limit, "write a whole number");
}

/* "90", "90s", "5m", "12h", "7d", "2w". */
static int read_time(const struct vdi_setting_value *settings, size_t n, const char *name,
                     int64_t *ret_usec, struct vdi_error *err)
{
    static const char units[] = "smhdw";
    static const int64_t secs[] = {1, 60, 3600, 86400, 7 * 86400};
    const char *text = value_of(settings, n, name), *unit = "s";
    char *end;
    long long value;

    int64_t sec = 1;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (*end)
        unit = end[1] ? NULL : strchr(units, *end);
    if (unit)
        sec = secs[strchr(units, *unit) - units];
    if (!errno && end != text && unit && value >= 1 && value <= TIME_MAX_SEC / sec) {
        *ret_usec = value * sec * USEC;
        return 0;
    }
    return refuse(err, name, text, "1s to 366d",
                  "write a number and s, m, h, d or w, as in \"7d\"");
}

static int read_wants(const struct vdi_setting_value *settings, size_t n,
                      struct vdi_priority_wants *wants, struct vdi_error *err)
{
    int64_t cpu, gpu, memory;
    int r = read_time(settings, n, "calc_period", &wants->period_usec, err);

    if (r >= 0)
        r = read_time(settings, n, "half_life", &wants->half_life_usec, err);
    if (r >= 0)
        r = read_number(settings, n, "charge_cpu", CHARGE_MAX, &cpu, err);
    if (r >= 0)
        r = read_number(settings, n, "charge_gpu", CHARGE_MAX, &gpu, err);
    if (r >= 0)
        r = read_number(settings, n, "charge_memory", CHARGE_MAX, &memory, err);
    if (r < 0)
        return r;
    wants->charge_cpu = (double)cpu;
    wants->charge_gpu = (double)gpu;
    wants->charge_memory_gib = (double)memory;
    return 0;
}

static bool is_yes(const char *text)
{
    return !strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "on");
}

static void multifactor_done(void *priority)
{
    free(priority);
}

static int multifactor_init(void **ret, const struct vdi_setting_value *settings, size_t n_settings,
                            struct vdi_priority_wants *wants, struct vdi_error *err)
{
    struct multifactor *m = calloc(1, sizeof(*m));
    char name[32];
    int r = m ? read_wants(settings, n_settings, wants, err) : -ENOMEM;

    if (r >= 0)
        r = read_time(settings, n_settings, "max_age", &m->max_age_usec, err);
    for (int i = 0; r >= 0 && i < N_WEIGHTS; i++) {
        snprintf(name, sizeof(name), "weight_%s", names[i]);
        r = read_number(settings, n_settings, name, WEIGHT_MAX, &m->weights[i], err);
    }
    if (r < 0) {
        multifactor_done(m);
        return r;
    }
    m->favor_small = is_yes(value_of(settings, n_settings, "favor_small"));
    *ret = m;
    return 0;
}

/* ---- factors ---- */

static double part_of(double value, double of)
{
    if (of <= 0 || value <= 0)
        return 0;
    return value >= of ? 1 : value / of;
}

static double size_of(const struct multifactor *m, const struct vdi_priority_facts *f)
{
    double nodes = part_of(f->nodes, f->cluster_nodes), cpus = part_of(f->cpus, f->cluster_cpus);

    return m->favor_small ? (1 - nodes + 1 - cpus) / 2 : (nodes + cpus) / 2;
}

static void multifactor_rank(const void *priority, const struct vdi_priority_facts *f,
                             struct vdi_priority *ret)
{
    const struct multifactor *m = priority;
    const double factors[N_WEIGHTS] = {
        [AGE] = part_of((double)f->age_usec, (double)m->max_age_usec),
        [FAIRSHARE] = f->share > 0 ? exp2(-f->usage / f->share) : 0,
        [JOBSIZE] = size_of(m, f),
        [PARTITION] = part_of(f->partition_factor, f->partition_factor_max),
        [QOS] = part_of(f->qos_priority, f->qos_priority_max),
    };
    double sum = -(double)f->nice;

    for (int i = 0; i < N_WEIGHTS; i++) {
        double weight = (double)m->weights[i];

        ret->rows[i] = (struct vdi_priority_row){names[i], factors[i], weight, factors[i] * weight};
        sum += factors[i] * weight;
    }
    ret->rows[N_WEIGHTS] = (struct vdi_priority_row){"nice", (double)f->nice, -1, -(double)f->nice};
    ret->n_rows = N_WEIGHTS + 1;
    sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
    ret->sum = (int32_t)sum;
}

static const struct vdi_setting settings[] = {
    {"weight_age", VDI_SETTING_INT, "0", "for waiting: the whole of it after max_age"},
    {"weight_fairshare", VDI_SETTING_INT, "0", "for account and owner that used little"},
    {"weight_jobsize", VDI_SETTING_INT, "0", "for asking for much of the cluster"},
    {"weight_partition", VDI_SETTING_INT, "0", "for priority_job_factor of the partition"},
    {"weight_qos", VDI_SETTING_INT, "0", "for the priority of the QOS"},
    {"max_age", VDI_SETTING_STRING, "7d", "waiting longer adds nothing more"},
    {"favor_small", VDI_SETTING_BOOL, "no", "yes: small jobs get the weight of their size"},
    {"half_life", VDI_SETTING_STRING, "7d", "what was used so long ago counts half"},
    {"calc_period", VDI_SETTING_STRING, "5m", "all jobs are ranked anew so often"},
    {"charge_cpu", VDI_SETTING_INT, "1", "what a second of a processor counts as used"},
    {"charge_gpu", VDI_SETTING_INT, "16", "what a second of a GPU, or a share of one, counts"},
    {"charge_memory", VDI_SETTING_INT, "0", "what a second of a GiB of memory counts"},
    {.name = NULL},
};

static const struct vdi_priority_ops ops = {
    .init = multifactor_init,
    .rank = multifactor_rank,
    .done = multifactor_done,
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_PRIORITY,
    .name = "multifactor",
    .title = "Slurm's weighted sum: age, fair share, size, partition, QOS, nice",
    .settings = settings,
    .ops = &ops,
    .ops_size = sizeof(ops),
};
