/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.c - all instances of the node: found again at start, and held to what libvirt says.
 *
 * A list of libvirt is compared with the records only where nothing changed since
 * it was asked for; that a domain is missing counts only if QEMU's process is not
 * alive. Domains of ours without a record are reported and left alone.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/file.h"
#include "vdid/fetch.h"
#include "vdid/instance.h"

#define RECORD_MAX 65536
#define WRITER "vdi-writer"
#define SHARE "vdi-share"
#define CCACHE "vdi-ccache"
#define TICK_USEC (5 * USEC_PER_SEC)
#define DRIFT_USEC (30 * USEC_PER_SEC)
#define DISK_QUEUE_MAX 65536

/* ---- what libvirt says ---- */

static void vanished(struct instance *in)
{
    switch ((enum record_state)in->rec.state) {
    case RECORD_CREATE:
        instance_act(in); /* it was never made: make it */
        break;
    case RECORD_BOOT:
    case RECORD_READY:
    case RECORD_BIND:
    case RECORD_PAUSED:
        instance_end(in, true, "it ended while vdid was not looking");
        break;
    case RECORD_SAVE:
        if (instance_is_saved(in))
            instance_finish_save(in);
        else
            instance_end(in, true, "it ended while its memory was being saved");
        break;
    case RECORD_RESTORE:
    case RECORD_STOP:
        instance_act(in);
        break;
    default:
        break;
    }
}

static void is_there(struct instance *in)
{
    in->is_running = true;
    switch ((enum record_state)in->rec.state) {
    case RECORD_CREATE:
        in->rec.create_usec = loop_now_usec(in->vdid->loop);
        instance_answer(in, 1u << VDID_START, 0, NULL);
        instance_set(in, RECORD_BOOT);
        break;
    case RECORD_RESTORE:
        instance_answer(in, 1u << VDID_RESUME, 0, NULL);
        instance_set(in, RECORD_READY);
        instance_emit(in, "ready");
        break;
    default:
        instance_act(in);
    }
}

static const struct virt_domain *find(const struct virt_result *res, const char *name)
{
    for (size_t i = 0; i < res->n_domains; i++)
        if (!strcmp(res->domains[i].name, name))
            return &res->domains[i];
    return NULL;
}

static void compare(struct instance *in, const struct virt_result *res)
{
    char name[DOMAIN_NAME_MAX];
    const struct virt_domain *d = find(res, instance_domain(in, name));

    if (in->busy || in->stamp > in->vdid->list_clock || in->rec.state == RECORD_PREPARE)
        return;
    if (d && d->is_active)
        is_there(in);
    else if (!d && in->process && !in->is_dead)
        in->vdid->list_again = true; /* libvirt has yet to find it again */
    else if (!d) {
        in->is_running = false;
        vanished(in);
    }
}

static void look_for_orphans(struct vdid *v, const struct virt_result *res)
{
    for (size_t i = 0; i < res->n_domains; i++) {
        struct vdi_instance_id id;
        const struct instance *in;

        if (!domain_name_parse(v->config.prefix, res->domains[i].name, &id))
            continue;
        in = hash_get_u64(v->instances, id.id);
        if (in && in->rec.generation == id.generation && in->rec.state != RECORD_GONE)
            continue;
        log_warning("domain %s has no record here; it is left alone", res->domains[i].name);
        if (v->handler.orphan)
            v->handler.orphan(v->arg, id);
    }
}

/* Acting may free an instance or make one: the table is read out first. */
static struct instance **all_instances(const struct vdid *v, size_t *ret_n)
{
    struct instance **all = calloc(hash_count(v->instances) + 1, sizeof(struct instance *));
    size_t n = 0;
    void *in;

    for (size_t i = 0; all && hash_next(v->instances, &i, &in);)
        all[n++] = in;
    *ret_n = n;
    return all;
}

static void listed(void *arg, int result, const struct virt_result *res,
                   const struct vdi_error *err)
{
    struct vdid *v = arg;
    _cleanup_(freep) struct instance **all = NULL;
    size_t n;

    v->list_pending = false;
    if (v->is_freed || result < 0)
        return;
    all = all_instances(v, &n);
    for (size_t i = 0; all && i < n; i++)
        compare(all[i], res);
    look_for_orphans(v, res);
    if (v->list_again)
        source_rearm(v->tick, USEC_PER_SEC);
}

void vdid_recheck(struct vdid *v)
{
    if (v->list_pending) {
        v->list_again = true; /* the list under way may be older than the question */
        source_rearm(v->tick, USEC_PER_SEC);
        return;
    }
    if (!virt_is_up(v->virt))
        return; /* `up` asks */
    v->list_again = false;
    v->list_clock = v->clock;
    v->listed_usec = loop_monotonic_usec(v->loop);
    v->list_pending = virt_list(v->virt, listed, v) == 0;
}

static void on_up(void *arg)
{
    log_info("connected to libvirt");
    vdid_recheck(arg);
}

static void on_down(void *arg, const char *why)
{
    log_warning("libvirt is away (%s); what runs goes on", why);
}

static void on_event(void *arg, const char *domain, enum virt_event event)
{
    struct vdid *v = arg;
    struct vdi_instance_id id;
    struct instance *in =
        domain_name_parse(v->config.prefix, domain, &id) ? hash_get_u64(v->instances, id.id) : NULL;

    if (in && in->rec.generation == id.generation)
        instance_event(in, event);
}

static const struct virt_handler on_virt = {on_up, on_down, on_event};

/* ---- now and then ---- */

static void trim_work(void *arg)
{
    console_trim(arg, CONSOLE_FILE_MAX);
}

static void free_done(void *arg, bool dropped)
{
    free(arg);
}

static void trim(struct instance *in)
{
    char *path = malloc(PATH_MAX);

    if (!path)
        return;
    instance_path(in, "console.log", path);
    if (workers_post(in->vdid->disk, trim_work, free_done, path) < 0)
        free(path);
}

static void remove_work(void *arg)
{
    int r = file_remove_dir(arg);

    if (r < 0)
        log_warning("%s cannot be removed: %s", (char *)arg, strerror(-r));
}

void vdid_forget(struct instance *in)
{
    char *dir = malloc(PATH_MAX);

    if (!dir)
        return;
    instance_path(in, "", dir);
    if (workers_post(in->vdid->disk, remove_work, free_done, dir) < 0)
        free(dir);
    instance_free(in);
}

static void on_tick(void *arg)
{
    struct vdid *v = arg;
    int64_t now = loop_now_usec(v->loop), keep = v->config.keep_gone_sec * USEC_PER_SEC;
    size_t n;
    _cleanup_(freep) struct instance **all = all_instances(v, &n);

    source_rearm(v->tick, TICK_USEC);
    for (size_t i = 0; all && i < n; i++) {
        struct instance *in = all[i];

        if (in->rec.state == RECORD_GONE && !in->busy && now - in->rec.gone_usec >= keep)
            vdid_forget(in);
        else if (in->is_fetching && in->rec.state == RECORD_PREPARE)
            instance_tell_fetching(in);
        else if (in->is_running)
            trim(in);
    }
    vdid_collect(v);
    vdid_volumes_changed(v);
    if (v->list_again || loop_monotonic_usec(v->loop) - v->listed_usec >= DRIFT_USEC)
        vdid_recheck(v);
}

/* ---- the epoch: a controller that was replaced is refused also after a restart ---- */

struct epoch_writing {
    char path[PATH_MAX], text[24];
};

static void epoch_work(void *arg)
{
    struct epoch_writing *w = arg;
    int r = file_replace(w->path, w->text, strlen(w->text));

    if (r < 0)
        log_error("%s cannot be written: %s", w->path, strerror(-r));
}

/* Before any record of the order that brought it: the disk's thread keeps the order. */
void vdid_set_epoch(struct vdid *v, uint64_t epoch)
{
    struct epoch_writing *w = epoch > v->epoch ? malloc(sizeof(*w)) : NULL;

    if (!w)
        return;
    v->epoch = epoch;
    snprintf(w->path, sizeof(w->path), "%s/epoch", v->config.state_dir);
    snprintf(w->text, sizeof(w->text), "%" PRIu64, epoch);
    if (workers_post(v->disk, epoch_work, free_done, w) < 0)
        free(w);
}

static void load_epoch(struct vdid *v)
{
    struct buf text = BUF_INIT(24);
    char path[PATH_MAX];
    uint64_t epoch;

    snprintf(path, sizeof(path), "%s/epoch", v->config.state_dir);
    if (file_read(path, &text) == 0 && str_to_u64(text.data, 0, INT64_MAX, &epoch) == 0)
        v->epoch = epoch;
    buf_done(&text);
}

/* ---- records ---- */

/* A bind that was not in the record yet when vdid ended: it was never begun. */
static void forget_owner(struct instance *in)
{
    char text[80];

    if (in->run->is_seat)
        return;
    run_wish_free(in->run);
    in->run = NULL;
    in->has_run_file = false;
    snprintf(text, sizeof(text), "{\"seat\":{\"mounts\":%u,\"disks\":%u}}", in->rec.seat_mounts,
             in->rec.seat_disks);
    run_wish_read(text, strlen(text), &in->run, NULL);
}

/* What is to be run in it. Without, it goes on as a guest that nobody speaks to. */
static void load_run(struct instance *in)
{
    struct buf text = BUF_INIT(RUN_WISH_BYTES_MAX);
    struct vdi_error err = {0};
    char path[PATH_MAX];
    int r;

    instance_path(in, "run.json", path);
    r = in->rec.state == RECORD_GONE ? -ENOENT : file_read(path, &text);
    if (r == 0)
        r = run_wish_read(text.data, text.len, &in->run, &err);
    in->has_run_file = r == 0;
    if (in->run && in->rec.is_seat && !in->rec.wish.job)
        forget_owner(in);
    if (r < 0 && r != -ENOENT)
        log_error("%s cannot be read: %s", path, *err.detail ? err.detail : strerror(-r));
    buf_done(&text);
    if (in->rec.state >= RECORD_SAVE)
        instance_run_recall(in);
}

static void load_record(struct vdid *v, const char *name)
{
    struct buf text = BUF_INIT(RECORD_MAX);
    char path[PATH_MAX];
    struct vdi_error err = {0};
    struct record rec;
    struct instance *in, *old;
    int r;

    snprintf(path, sizeof(path), "%s/instances/%s/record.json", v->config.state_dir, name);
    r = file_read(path, &text);
    if (r == 0)
        r = record_read(text.data, text.len, &rec, &err);
    buf_done(&text);
    if (r < 0) {
        log_error("%s cannot be read (%s); it is left alone", path,
                  *err.detail ? err.detail : strerror(-r));
        return;
    }
    if (rec.epoch > v->epoch)
        v->epoch = rec.epoch;
    old = hash_get_u64(v->instances, rec.id);
    if (old && old->rec.generation > rec.generation)
        return; /* superseded; its domain, if any, is reported as an orphan */
    if (old)
        instance_free(old);
    in = instance_new(v, &rec);
    if (!in)
        return;
    load_run(in);
    if (rec.port && !ports_reserve(v->ports, (uint16_t)rec.port) && rec.state < RECORD_BOOT)
        in->rec.port = 0;
    /* Console and agent are asked again; what was ready stays so. */
    if (rec.state == RECORD_PREPARE || rec.state == RECORD_STOP)
        instance_act(in);
    else if (rec.state >= RECORD_BOOT && rec.state <= RECORD_PAUSED)
        instance_watch(in);
    if (rec.state >= RECORD_BOOT && rec.state <= RECORD_PAUSED && rec.state != RECORD_BIND)
        instance_shares_watch(in);
}

static int load_all(struct vdid *v, struct vdi_error *err)
{
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *d;
    int r;

    snprintf(path, sizeof(path), "%s/instances", v->config.state_dir);
    r = file_make_dir(path);
    d = r == 0 ? opendir(path) : NULL;
    if (!d)
        return error_set(err, r < 0 ? r : -errno, "state_dir", "%s cannot be used: %s", path,
                         strerror(r < 0 ? -r : errno));
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.')
            load_record(v, entry->d_name);
    closedir(d);
    return 0;
}

/* ---- making and freeing ---- */

static void proven(void *arg, int result, const struct vdi_error *err)
{
    struct vdid *v = arg;

    v->proven = true;
    v->in_service = result == 0;
    str_copy(v->why, sizeof(v->why), result == 0 ? "" : err->detail);
    if (result < 0)
        log_error("out of service: %s", v->why);
    if (v->handler.service)
        v->handler.service(v->arg, v->in_service, v->why);
}

static int copy_strings(struct vdid *v)
{
    const char **members[] = {
        &v->config.uri,     &v->config.state_dir,     &v->config.image_dir,
        &v->config.run_dir, &v->config.prefix,        &v->config.emulator,
        &v->config.bridge,  &v->config.spice_address, &v->config.node,
        &v->config.writer,  &v->config.share,         &v->config.virtiofsd,
        &v->config.fetcher, &v->config.disk_dir,      &v->config.disk_shared_dir,
        &v->config.ccache};

    for (size_t i = 0; i < ELEMENTS(members); i++) {
        v->strings[i] = strdup(*members[i] ? *members[i] : "");
        if (!v->strings[i])
            return -ENOMEM;
        *members[i] = v->strings[i];
    }
    return 0;
}

static int set_disk_dir(struct vdid *v)
{
    char *dir;

    if (*v->config.disk_dir)
        return 0;
    dir = str_printf("%s/disks", v->config.state_dir);
    for (size_t i = 0; dir && i < ELEMENTS(v->strings); i++)
        if (v->strings[i] == v->config.disk_dir) {
            free(v->strings[i]);
            v->config.disk_dir = v->strings[i] = dir;
            return 0;
        }
    return -ENOMEM;
}

/* The one that belongs to this very program, in a build tree too. */
static int find_program(struct vdid *v, const char **member, const char *name,
                        const char *installed)
{
    char path[PATH_MAX], *slash;
    ssize_t n = **member ? -1 : readlink("/proc/self/exe", path, sizeof(path) - 16);
    const char *found = installed;

    if (**member)
        return 0;
    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash) {
        str_copy(slash + 1, 16, name);
        if (access(path, X_OK) == 0)
            found = path;
    }
    for (size_t i = 0; i < ELEMENTS(v->strings); i++)
        if (v->strings[i] == *member) {
            free(v->strings[i]);
            *member = v->strings[i] = strdup(found);
        }
    return *member ? 0 : -ENOMEM;
}

/* ---- images ---- */

static void image_ended(void *arg, const char *sha256, int result, const struct vdi_error *err)
{
    struct vdid *v = arg;
    _cleanup_(freep) struct instance **all = NULL;
    char wanted[65];
    size_t n;

    all = all_instances(v, &n);
    for (size_t i = 0; all && i < n; i++) {
        cache_digest_of(all[i]->rec.wish.image, wanted);
        if (all[i]->is_fetching && str_equal(wanted, sha256))
            instance_fetched(all[i], result, err);
    }
}

static bool image_in_use(void *arg, const char *sha256)
{
    struct vdid *v = arg;
    char wanted[65];
    void *in;

    for (size_t i = 0; hash_next(v->instances, &i, &in);) {
        const struct record *rec = &((struct instance *)in)->rec;

        cache_digest_of(rec->wish.image, wanted);
        if (rec->state != RECORD_GONE && str_equal(wanted, sha256))
            return true;
    }
    return false;
}

static void images_changed(void *arg)
{
    struct vdid *v = arg;

    if (v->handler.images && !v->is_freed)
        v->handler.images(v->arg);
}

static int open_cache(struct vdid *v, struct vdi_error *err)
{
    static const struct cache_ops ops = {image_ended, image_in_use, images_changed};
    const struct vdid_config *c = &v->config;
    _cleanup_(freep) char *dir = str_is_empty(c->image_cache)
                                     ? str_printf("%s/image-cache", c->state_dir)
                                     : strdup(c->image_cache);
    struct cache_config config = {
        .dir = dir,
        .state_dir = c->state_dir,
        .controller = c->controller,
        .cluster = c->cluster,
        .ca_file = c->ca_file,
        .cert_file = c->cert_file,
        .key_file = c->key_file,
        .program = c->fetcher,
        .limit_bytes = c->image_cache_mib << 20,
        .rate = c->image_rate_mib << 20,
    };

    if (!dir)
        return error_set(err, ENOMEM, "node", "no memory");
    return cache_new(v->loop, v->disk, &config, &ops, v, &v->cache, err);
}

int vdid_want(struct vdid *v, const struct cache_wish *wish, bool for_start, struct vdi_error *err)
{
    return cache_want(v->cache, wish, for_start, err);
}

size_t vdid_images(struct vdid *v, struct inventory_image **ret)
{
    return cache_list(v->cache, ret);
}

static int check_config(const struct vdid_config *c, struct vdi_error *err)
{
    if (!c->port_min || c->port_max < c->port_min)
        return error_set(err, EINVAL, "ports", "%u to %u is not a range of ports", c->port_min,
                         c->port_max);
    if (c->state_dir[0] != '/' || strlen(c->state_dir) >= INSTANCE_PATH_MAX ||
        c->image_dir[0] != '/' || strlen(c->image_dir) >= INSTANCE_PATH_MAX)
        return error_set(err, EINVAL, "state_dir", "state_dir and image_dir are absolute paths");
    if (!str_is_name(c->prefix, DOMAIN_PREFIX_MAX))
        return error_set(err, EINVAL, "prefix", "'%.40s' cannot begin the name of a domain",
                         c->prefix);
    if (c->boot_timeout_sec < 1)
        return error_set(err, EINVAL, "boot_timeout", "a guest needs a second at least");
    if (!c->output_max_mib)
        return error_set(err, EINVAL, "output_max_mib", "a script needs a MiB at least");
    return 0;
}

static int start(struct vdid *v, struct vdi_error *err)
{
    struct volume_config disks;
    int r;

    v->instances = hash_new_u64();
    v->ports = ports_new(v->config.port_min, v->config.port_max);
    v->disk = workers_new(v->loop, "disk", 1, DISK_QUEUE_MAX);
    v->spool = workers_new(v->loop, "spool", 2, DISK_QUEUE_MAX);
    v->tick = loop_timer(v->loop, TICK_USEC, on_tick, v);
    if (!v->instances || !v->ports || !v->disk || !v->spool || !v->tick)
        return error_set(err, ENOMEM, "node", "no memory");
    v->virt = virt_new(v->loop, v->config.uri, &on_virt, v, err);
    if (!v->virt)
        return -EIO;
    load_epoch(v);
    disks = vdid_volume_config(v);
    volume_clean(&disks);
    r = open_cache(v, err);
    if (r == 0)
        r = load_all(v, err);
    if (r < 0)
        return r;
    vdid_volumes_changed(v);
    return accel_prove(v->loop, v->config.accel, v->config.emulator, v->config.state_dir, proven, v,
                       &v->proof, err);
}

struct vdid *vdid_new(struct loop *loop, const struct vdid_config *config,
                      const struct vdid_handler *handler, void *arg, struct vdi_error *err)
{
    struct vdid *v = calloc(1, sizeof(*v));
    int r;

    if (!v) {
        error_set(err, ENOMEM, "node", "no memory");
        return NULL;
    }
    v->loop = loop;
    v->config = *config;
    v->handler = *handler;
    v->arg = arg;
    r = copy_strings(v);
    if (r == 0)
        r = set_disk_dir(v);
    if (r == 0)
        r = find_program(v, &v->config.writer, WRITER, VDI_LIBEXECDIR "/" WRITER);
    if (r == 0)
        r = find_program(v, &v->config.fetcher, FETCH_PROGRAM, VDI_LIBEXECDIR "/" FETCH_PROGRAM);
    if (r == 0)
        r = find_program(v, &v->config.share, SHARE, VDI_LIBEXECDIR "/" SHARE);
    if (r == 0)
        r = find_program(v, &v->config.ccache, CCACHE, VDI_LIBEXECDIR "/" CCACHE);
    if (r == 0)
        r = check_config(&v->config, err);
    if (r == 0)
        r = start(v, err);
    if (r < 0) {
        vdid_free(v);
        return NULL;
    }
    return v;
}

void vdid_free(struct vdid *v)
{
    _cleanup_(freep) struct instance **all = NULL;
    size_t n = 0;

    if (!v)
        return;
    v->is_freed = true;
    if (v->instances)
        all = all_instances(v, &n);
    for (size_t i = 0; all && i < n; i++)
        instance_run_done(all[i]); /* its workers come back to nobody from here on */
    accel_free(v->proof);
    virt_free(v->virt);
    cache_stop(v->cache);
    workers_free(v->disk);
    workers_free(v->spool);
    for (size_t i = 0; all && i < n; i++)
        instance_free(all[i]);
    cache_free(v->cache);
    hash_free(v->instances);
    ports_free(v->ports);
    source_free(v->tick);
    for (size_t i = 0; i < ELEMENTS(v->strings); i++)
        free(v->strings[i]);
    free(v->volumes);
    free(v);
}
