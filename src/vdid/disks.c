/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disks.c - the disks of an instance: made and formatted before QEMU has them; volumes listed and
 * removed.
 *
 * A volume goes to one instance of this node at a time: an order that wants one that another has
 * is refused before there is a record of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/instance.h"

#define MKFS_USEC (300 * USEC_PER_SEC)
#define RESERVE_BYTES (UINT64_C(64) << 20)
/* What every kernel of the last ten years mounts, whatever mke2fs.conf of this host says. */
#define FEATURES                                                                                   \
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,"              \
    "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum"

struct volume_config vdid_volume_config(const struct vdid *v)
{
    const struct vdid_config *c = &v->config;

    return (struct volume_config){
        .dirs = {c->disk_dir, c->disk_shared_dir},
        .node = c->node,
        .max_bytes = c->disk_max_gib << 30,
        .reserve_bytes = RESERVE_BYTES,
    };
}

/* ---- who has it ---- */

/* The instance that has the volume, or 0. */
static uint64_t holder_of(const struct vdid *v, const char *volume, uint64_t but)
{
    void *value;

    for (size_t i = 0; hash_next(v->instances, &i, &value);) {
        const struct instance *in = value;

        if (in->rec.state == RECORD_GONE || in->rec.id == but || !in->run)
            continue;
        for (uint32_t k = 0; k < in->run->n_disks; k++)
            if (str_equal(in->run->disks[k].volume, volume))
                return in->rec.id;
    }
    return 0;
}

int vdid_disks_check(const struct vdid *v, uint64_t id, const struct run_wish *run,
                     struct vdi_error *err)
{
    for (uint32_t i = 0; run && i < run->n_disks; i++) {
        uint64_t holder = holder_of(v, run->disks[i].volume, id);

        if (holder)
            return error_set(err, EBUSY, "disks",
                             "disk '%s' is still in use by instance %" PRIu64 " on this node",
                             run->disks[i].name, holder);
    }
    return 0;
}

void instance_disk_path(const struct instance *in, uint32_t i, char *ret)
{
    struct volume_config c = vdid_volume_config(in->vdid);
    const struct run_disk *d = &in->run->disks[i];

    volume_path(&c, (enum disk_where)d->where, d->volume, ret);
}

/* ---- before QEMU: one after the other ---- */

struct step {
    struct instance *in;
    struct volume_config config;
    struct run_disk disk;
    int result; /* looking: 1 it is there */
    struct vdi_error err;
};

static void next(struct instance *in);

static void look_work(void *arg)
{
    struct step *s = arg;
    const struct run_disk *d = &s->disk;

    s->result = volume_look(&s->config, (enum disk_where)d->where, d->volume, &s->err);
    if (s->result == 0 && !d->is_new) {
        s->result =
            error_set(&s->err, ENOENT, "disks", "the volume of disk '%s' is not here", d->name);
        error_hint(&s->err, NULL, "see disk_dir in vdid.conf; if it is lost, delete the disk");
    } else if (s->result == 0) {
        s->result = volume_begin(&s->config, (enum disk_where)d->where, d->volume,
                                 (uint64_t)d->size_gib << 30, &s->err);
    }
}

static void finish_work(void *arg)
{
    struct step *s = arg;

    s->result = volume_finish(&s->config, (enum disk_where)s->disk.where, s->disk.volume, &s->err);
}

static bool post(struct instance *in, void (*work)(void *arg), void (*done)(void *, bool))
{
    struct step *s = calloc(1, sizeof(*s));

    if (s) {
        s->in = in;
        s->config = vdid_volume_config(in->vdid);
        s->disk = in->run->disks[in->n_disks];
    }
    if (s && instance_post(in, work, done, s))
        return true;
    free(s);
    return false;
}

/* False: the instance is on its way out. */
static bool took_step(struct step *s, bool dropped)
{
    struct instance *in = s->in;

    in->busy = false;
    if (dropped || in->vdid->is_freed)
        return false;
    if (s->result < 0)
        instance_fail(in, &s->err);
    return s->result >= 0;
}

static void no_memory(struct instance *in)
{
    struct vdi_error err = {0};

    error_set(&err, ENOMEM, "node", "the node is out of memory");
    instance_fail(in, &err);
}

static void finished(void *arg, bool dropped)
{
    _cleanup_(freep) struct step *s = arg;
    struct instance *in = s->in;

    if (!took_step(s, dropped))
        return;
    vdid_volumes_changed(in->vdid);
    in->n_disks++;
    next(in);
}

static void formatted(void *arg, int status, const char *output)
{
    struct instance *in = arg;
    struct vdi_error err = {0};
    char line[120];

    str_copy(line, sizeof(line), output);
    line[strcspn(line, "\n")] = '\0';
    child_free(in->child);
    in->child = NULL;
    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (status == 0) {
        if (!post(in, finish_work, finished))
            no_memory(in);
        return;
    }
    error_set(&err, EIO, "disks", "disk '%s' can't be formatted: %s",
              in->run->disks[in->n_disks].name, *line ? line : "mkfs.ext4 ended without a word");
    error_hint(&err, NULL, "see that e2fsprogs is installed on the node");
    instance_fail(in, &err);
}

static const char *mkfs_program(void)
{
    static const char *const places[] = {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"};

    for (size_t i = 0; i < ELEMENTS(places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return "mkfs.ext4";
}

/* A file that was made just now and holds nothing: there is no content of anybody's to be read. */
static void format(struct instance *in)
{
    struct volume_config c = vdid_volume_config(in->vdid);
    const struct run_disk *d = &in->run->disks[in->n_disks];
    char path[PATH_MAX], extended[96];
    const char *const argv[] = {mkfs_program(), "-q",     "-F", "-m",  "0",  "-O", FEATURES,
                                "-E",           extended, "-I", "256", path, NULL};
    struct vdi_error err = {0};
    int r;

    snprintf(extended, sizeof(extended), "root_owner=%" PRIu32 ":%" PRIu32 ",lazy_journal_init=1",
             in->run->owner.uid, in->run->owner.gid);
    volume_part_path(&c, (enum disk_where)d->where, d->volume, path);
    r = child_start(in->vdid->loop, argv, MKFS_USEC, formatted, in, &in->child, &err);
    in->busy = r == 0;
    if (r < 0)
        instance_fail(in, &err);
}

static void looked(void *arg, bool dropped)
{
    _cleanup_(freep) struct step *s = arg;
    struct instance *in = s->in;

    if (!took_step(s, dropped))
        return;
    if (s->result == 0) {
        format(in);
        return;
    }
    in->n_disks++;
    next(in);
}

static void made(struct instance *in)
{
    if (in->rec.state == RECORD_BIND)
        instance_plug(in);
    else
        instance_share(in);
}

static void next(struct instance *in)
{
    if (in->stop || in->n_disks == in->run->n_disks)
        made(in);
    else if (!post(in, look_work, looked))
        no_memory(in);
}

void instance_disks(struct instance *in)
{
    in->n_disks = 0;
    if (in->run && in->run->n_disks)
        next(in);
    else
        made(in);
}

/* ---- what the guest's user is told ---- */

void instance_disks_tell(struct instance *in)
{
    static const char *const fates[] = {
        [DISK_DISCARD] = "is gone when this machine ends",
        [DISK_JOB] = "is kept until the job has ended",
        [DISK_PERSONAL] = "is yours until you delete it (vdictl disk)",
    };
    _cleanup_(buf_done) struct buf text = BUF_INIT(4000);
    uint64_t seq;

    for (uint32_t i = 0; in->run && i < in->run->n_disks; i++)
        buf_printf(&text, "%sWhat is in %s (%" PRIu32 " GiB) %s.", i ? "\n" : "",
                   in->run->disks[i].target, in->run->disks[i].size_gib,
                   fates[in->run->disks[i].persistence]);
    if (text.len && !text.failed && in->runner)
        runner_message(in->runner, text.data, &seq);
}

/* ---- volumes: what there is ---- */

struct listing {
    struct vdid *v;
    struct volume_config config;
    struct inventory_volume *volumes;
    size_t n;
};

static void list_work(void *arg)
{
    struct listing *l = arg;

    l->n = volume_list(&l->config, &l->volumes);
}

static bool is_same(const struct vdid *v, const struct listing *l)
{
    bool same = v->n_volumes == l->n;

    for (size_t i = 0; same && i < l->n; i++)
        same = str_equal(v->volumes[i].volume, l->volumes[i].volume);
    return same;
}

static void listed(void *arg, bool dropped)
{
    struct listing *l = arg;
    struct vdid *v = l->v;
    bool again = v->volumes_again, same;

    v->is_listing = v->volumes_again = false;
    if (!dropped && !v->is_freed && l->volumes) {
        same = is_same(v, l);
        free(v->volumes);
        v->volumes = TAKE_PTR(l->volumes);
        v->n_volumes = l->n;
        if (!same && v->handler.images)
            v->handler.images(v->arg);
        if (again)
            vdid_volumes_changed(v);
    }
    free(l->volumes);
    free(l);
}

/* Beside the thread that makes them: a shared directory may be slow to answer. */
void vdid_volumes_changed(struct vdid *v)
{
    struct listing *l;

    if (v->is_listing) {
        v->volumes_again = true;
        return;
    }
    l = calloc(1, sizeof(*l));
    if (!l)
        return;
    l->v = v;
    l->config = vdid_volume_config(v);
    v->is_listing = workers_post(v->spool, list_work, listed, l) == 0;
    if (!v->is_listing)
        free(l);
}

size_t vdid_volumes(const struct vdid *v, struct inventory_volume **ret)
{
    *ret = v->n_volumes ? malloc(v->n_volumes * sizeof(**ret)) : NULL;
    if (!*ret)
        return 0;
    memcpy(*ret, v->volumes, v->n_volumes * sizeof(**ret));
    return v->n_volumes;
}

/* ---- volumes: one goes ---- */

struct discarding {
    struct vdid *v;
    struct volume_config config;
    char volume[DISK_VOLUME_MAX];
    enum disk_where where;
    vdid_fn fn;
    void *arg;
    int result;
    struct vdi_error err;
};

static void discard_work(void *arg)
{
    struct discarding *d = arg;

    d->result = volume_remove(&d->config, d->where, d->volume, &d->err);
}

static void discarded(void *arg, bool dropped)
{
    struct discarding *d = arg;

    if (dropped)
        d->result = error_set(&d->err, ECANCELED, "node", "vdid is ending");
    else if (!d->v->is_freed && d->result == 0)
        vdid_volumes_changed(d->v);
    d->fn(d->arg, d->result, NULL, &d->err);
    free(d);
}

static int check_discard(const struct vdid *v, uint64_t epoch, const char *volume, uint32_t where,
                         struct vdi_error *err)
{
    uint64_t id, holder;

    if (epoch < v->epoch)
        return error_set(err, ESTALE, "epoch", "the order is of an older controller");
    if (!disk_volume_parse(volume, &id) || where > DISK_SHARED)
        return error_set(err, EINVAL, "volume", "'%.60s' is no volume", volume);
    holder = holder_of(v, volume, 0);
    if (holder)
        return error_set(err, EBUSY, "volume", "%s is in use by instance %" PRIu64, volume, holder);
    return 0;
}

void vdid_discard(struct vdid *v, uint64_t epoch, const char *volume, uint32_t where, vdid_fn fn,
                  void *arg)
{
    struct discarding *d = NULL;
    struct vdi_error err = {0};

    if (check_discard(v, epoch, volume, where, &err) == 0) {
        d = calloc(1, sizeof(*d));
        if (!d)
            error_set(&err, ENOMEM, "node", "the node is out of memory");
    }
    if (d) {
        vdid_set_epoch(v, epoch);
        *d = (struct discarding){.v = v,
                                 .config = vdid_volume_config(v),
                                 .where = (enum disk_where)where,
                                 .fn = fn,
                                 .arg = arg};
        str_copy(d->volume, sizeof(d->volume), volume);
        if (workers_post(v->disk, discard_work, discarded, d) == 0)
            return;
        error_set(&err, EBUSY, "node", "too much is waiting for the disk");
        free(d);
    }
    fn(arg, -err.code, NULL, &err);
}
