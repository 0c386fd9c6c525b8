/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site_start.c - the order to start an instance, as the site and the node read it.
 *
 * The variables are Slurm's for a batch job, with VDI_ in place of SLURM_; the guest
 * gives them to the script and to the session (vdisubmit(1), ENVIRONMENT OF THE JOB).
 */
#include "codec/site_start.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "model/array.h"
#include "model/job_file.h"
#include "model/mount.h"

DEFINE_FREEP(struct job_spec, job_spec_unref)

static void member(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

static void write_template(const struct site_start *s, struct buf *out)
{
    const struct config_template *t = s->of;

    buf_puts(out, "{\"name\":");
    json_write_string(out, t->name);
    member(out, "image", t->image);
    member(out, "resolution", t->resolution);
    member(out, "keyboard", t->keyboard);
    member(out, "timezone", t->timezone);
    member(out, "os", t->os);
    member(out, "firmware", t->firmware);
    member(out, "login", t->login);
    buf_printf(out, ",\"tpm\":%s,\"boot_timeout_sec\":%" PRId64 "}", t->tpm ? "true" : "false",
               s->boot_timeout_sec);
}

static int set_file(const struct site_start *s, const char **member_of_spec)
{
    struct buf name = BUF_INIT(0);
    int r;

    job_file_name(s->job, s->node_id, *member_of_spec, &name);
    r = name.failed ? -ENOMEM : job_spec_set(member_of_spec, name.data);
    buf_done(&name);
    return r;
}

/* The job's document, with the names of its files. */
static int write_job(const struct site_start *s, struct buf *out)
{
    const struct job *job = s->job;
    _cleanup_(job_spec_unrefp) struct job_spec *spec = job_spec_copy(job->spec);
    struct job copy = *job;
    int r = spec ? set_file(s, &spec->output) : -ENOMEM;

    if (r >= 0)
        r = set_file(s, &spec->error);
    if (r < 0)
        return r;
    copy.spec = spec;
    job_write(&copy, NULL, out);
    return 0;
}

static void write_owner(const struct site_start *s, struct buf *out)
{
    const struct vdi_principal *who = s->who;
    size_t n = 0;

    buf_puts(out, ",\"owner\":{\"name\":");
    json_write_string(out, who->name);
    buf_printf(out, ",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32, who->uid, who->gid);
    member(out, "home", *s->home ? s->home : "/");
    buf_puts(out, ",\"groups\":[");
    /* The primary one too, and first: a guest learns its name from here. */
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < who->n_groups; i++) {
            if ((s->gids[i] == who->gid) != (pass == 0))
                continue;
            buf_puts(out, n++ ? ",{\"name\":" : "{\"name\":");
            json_write_string(out, who->groups[i]);
            buf_printf(out, ",\"gid\":%" PRIu32 "}", s->gids[i]);
        }
    buf_puts(out, "]}");
}

/* Who has no account has no directories and no disks either. */
static int mount_owner_of(const struct site_start *s, const char *what, struct mount_owner *ret,
                          struct vdi_error *err)
{
    const struct vdi_principal *who = s->who;

    if (!who) {
        error_set(err, EINVAL, "template", "template '%s' has %s, and its owner no account",
                  s->of->name, what);
        error_hint(err, NULL, "submit as a user that the controller's host knows");
        return -EINVAL;
    }
    *ret = (struct mount_owner){who->name, "", who->uid, who->gid};
    for (uint32_t i = 0; i < who->n_groups; i++)
        if (s->gids[i] == who->gid)
            ret->group = who->groups[i];
    return 0;
}

static const struct config_disk *block_of(const struct site_start *s, const struct disk *disk)
{
    for (size_t i = 0; i < s->of->n_disks; i++)
        if (str_equal(s->of->disks[i].name, disk->name))
            return &s->of->disks[i];
    return NULL;
}

static int write_disk(const struct site_start *s, const struct disk *disk,
                      const struct mount_owner *owner, struct buf *out, struct vdi_error *err)
{
    const struct config_disk *block = block_of(s, disk);
    char target[MOUNT_PATH_MAX] = "", volume[DISK_VOLUME_MAX];
    int r;

    if (!block) {
        error_set(err, EINVAL, "template", "template '%s' no longer has a disk '%s'", s->of->name,
                  disk->name);
        return -EINVAL;
    }
    r = mount_path_expand(block->target, owner, target, err);
    buf_puts(out, "{\"name\":");
    json_write_string(out, disk->name);
    member(out, "volume", disk_volume(disk, volume));
    member(out, "target", target);
    member(out, "where", disk_where_names[disk->where]);
    member(out, "persistence", disk_persistence_names[disk->persistence]);
    buf_printf(out, ",\"size_gib\":%" PRIu32 ",\"new\":%s}", disk->size_gib,
               disk->is_made ? "false" : "true");
    return r;
}

static int write_disks(const struct site_start *s, struct buf *out, struct vdi_error *err)
{
    struct mount_owner owner = {.group = ""};
    int r = s->n_disks ? mount_owner_of(s, "disks", &owner, err) : 0;

    if (r < 0 || !s->n_disks)
        return r;
    buf_puts(out, ",\"disks\":[");
    for (size_t i = 0; r == 0 && i < s->n_disks; i++) {
        if (i)
            buf_putc(out, ',');
        r = write_disk(s, s->disks[i], &owner, out, err);
    }
    buf_putc(out, ']');
    return r;
}

/* Their paths are the owner's by now. */
static int write_mounts(const struct site_start *s, struct buf *out, struct vdi_error *err)
{
    struct mount_owner owner = {.group = ""};
    int r = s->of->n_mounts ? mount_owner_of(s, "mounts", &owner, err) : 0;

    if (r < 0 || !s->of->n_mounts)
        return r;
    buf_puts(out, ",\"mounts\":[");
    for (size_t i = 0; r == 0 && i < s->of->n_mounts; i++) {
        const struct config_mount *m = &s->of->mounts[i];
        char source[MOUNT_PATH_MAX] = "", target[MOUNT_PATH_MAX] = "";
        char ticket[MOUNT_PATH_MAX] = "";
        bool has_ticket = mount_type_has_ticket(m->type);

        r = mount_source_expand(m->source, &owner, source, err);
        if (r == 0)
            r = mount_path_expand(m->target, &owner, target, err);
        if (r == 0 && has_ticket)
            r = mount_path_expand(config_mount_ticket(m), &owner, ticket, err);
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(out, m->name);
        member(out, "source", source);
        member(out, "target", target);
        member(out, "type", m->type);
        member(out, "mode", m->mode);
        if (has_ticket) {
            member(out, "security", config_mount_security(m));
            member(out, "ticket", ticket);
        }
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return r;
}

/* ---- environment ---- */

static void put_text(struct buf *out, const char *name, const char *value)
{
    struct buf pair = BUF_INIT(0);

    if (!*value)
        return;
    buf_printf(&pair, "%s=%s", name, value);
    if (out->data[out->len - 1] != '[')
        buf_putc(out, ',');
    json_write_string(out, pair.data ? pair.data : "");
    out->failed |= pair.failed;
    buf_done(&pair);
}

static void put_number(struct buf *out, const char *name, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, n);
    put_text(out, name, text);
}

/* The step of a list that has none is 1, as it would be in Slurm. */
static void write_array(const struct job *job, struct buf *out)
{
    struct array_tasks tasks = {.n = 0};
    struct vdi_error err;
    uint32_t step = 1;

    if (!job->array_id || array_parse(job->spec->array, ARRAY_SIZE_MAX, &tasks, &err) < 0)
        return;
    if (tasks.n > 1)
        step = tasks.tasks[1] - tasks.tasks[0];
    for (size_t i = 1; i < tasks.n; i++)
        if (tasks.tasks[i] - tasks.tasks[i - 1] != step)
            step = 1;
    put_number(out, "VDI_ARRAY_JOB_ID", job->array_id);
    put_number(out, "VDI_ARRAY_TASK_ID", job->array_task);
    put_number(out, "VDI_ARRAY_TASK_COUNT", tasks.n);
    put_number(out, "VDI_ARRAY_TASK_MIN", tasks.n ? tasks.tasks[0] : 0);
    put_number(out, "VDI_ARRAY_TASK_MAX", tasks.n ? tasks.tasks[tasks.n - 1] : 0);
    put_number(out, "VDI_ARRAY_TASK_STEP", step);
    array_tasks_done(&tasks);
}

static void write_environment(const struct site_start *s, struct buf *out)
{
    const struct job *job = s->job;
    const struct job_spec *spec = job->spec;
    const char *user = strrchr(spec->owner, ':');

    buf_puts(out, ",\"env\":[");
    put_number(out, "VDI_JOB_ID", job->id);
    write_array(job, out);
    put_text(out, "VDI_JOB_NAME", spec->name);
    put_text(out, "VDI_JOB_KIND", job_kind_names[spec->kind]);
    put_text(out, "VDI_CLUSTER", s->cluster);
    put_text(out, "VDI_USER", user ? user + 1 : spec->owner);
    if (spec->uid != UINT32_MAX)
        put_number(out, "VDI_UID", spec->uid);
    if (spec->gid != UINT32_MAX)
        put_number(out, "VDI_GID", spec->gid);
    put_text(out, "VDI_PARTITION", spec->partition);
    put_text(out, "VDI_QOS", spec->qos);
    put_text(out, "VDI_ACCOUNT", spec->account);
    put_text(out, "VDI_TEMPLATE", spec->template_name);
    if (spec->kind == JOB_INTERACTIVE) {
        put_text(out, "VDI_KEYBOARD", s->of->keyboard);
        put_text(out, "VDI_TIMEZONE", s->of->timezone);
    }
    put_number(out, "VDI_INSTANCE", job->instance);
    put_text(out, "VDI_NODE", job->node);
    put_number(out, "VDI_NODEID", s->node_id);
    put_number(out, "VDI_JOB_NUM_NODES", job_spec_nodes(spec));
    put_text(out, "VDI_JOB_NODELIST", job_node_list(job));
    put_number(out, "VDI_CPUS", spec->cpus);
    put_number(out, "VDI_MEMORY_MIB", spec->memory_mib);
    put_number(out, "VDI_GPUS", spec->gpus);
    put_text(out, "VDI_GPU_PROFILE", spec->profile);
    put_text(out, "VDI_SUBMIT_DIR", spec->work_dir);
    put_number(out, "VDI_RESTARTS", job->restarts);
    if (spec->time_limit_sec)
        put_number(out, "VDI_TIME_LIMIT_SEC", (uint64_t)spec->time_limit_sec);
    buf_putc(out, ']');
}

/* What belongs to the job, behind the template. */
static int write_personal(const struct site_start *s, struct buf *out, struct vdi_error *err)
{
    int r;

    buf_puts(out, ",\"job\":");
    r = write_job(s, out);
    if (r == 0)
        r = write_mounts(s, out, err);
    if (r == 0)
        r = write_disks(s, out, err);
    if (r < 0)
        return r;
    if (s->who)
        write_owner(s, out);
    write_environment(s, out);
    if (s->payload)
        buf_printf(out, ",\"payload\":%s", s->payload);
    return 0;
}

/* So many places are kept for what its owner will bring. */
static void write_seat(const struct site_start *s, struct buf *out)
{
    size_t n = 0; /* what the guest mounts by itself is no device of its */

    for (size_t i = 0; i < s->of->n_mounts; i++)
        n += !mount_type_has_ticket(s->of->mounts[i].type);
    buf_printf(out, ",\"seat\":{\"mounts\":%zu,\"disks\":%zu%s}", n, s->of->n_disks,
               s->is_for_script ? ",\"batch\":true" : "");
}

int site_start_write(const struct site_start *s, struct buf *out, struct vdi_error *err)
{
    int r = 0;

    if (s->is_seat != !s->job)
        return error_set(err, EINVAL, "job",
                         s->job ? "a seat is started without a job" : "there is no job to start");
    buf_puts(out, "{\"template\":");
    write_template(s, out);
    if (s->is_seat)
        write_seat(s, out);
    else
        r = write_personal(s, out, err);
    if (r < 0)
        return r;
    if (s->image)
        buf_printf(out, ",\"image\":%s", s->image);
    buf_putc(out, '}');
    return out->failed ? -ENOMEM : 0;
}

int site_bind_write(const struct site_start *s, struct buf *out, struct vdi_error *err)
{
    int r;

    if (!s->job)
        return error_set(err, EINVAL, "job", "a seat is bound to a job, and there is none");
    buf_puts(out, "{\"template\":");
    write_template(s, out);
    r = write_personal(s, out, err);
    if (r < 0)
        return r;
    buf_putc(out, '}');
    return out->failed ? -ENOMEM : 0;
}
