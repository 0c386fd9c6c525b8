/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.c - from an order to a running domain: image, overlay, port, XML, libvirt.
 *
 * All of it can be done again from the start after a crash: no domain exists
 * before the state is CREATE, and domain.xml is kept for that state.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/domain_xml.h"
#include "vdid/file.h"
#include "vdid/instance.h"

#define QEMU_IMG_USEC (60 * USEC_PER_SEC)
#define CHECK_USEC (3600 * USEC_PER_SEC)
#define PORT_TRIES 5
#define XML_MAX 65536

struct preparing {
    struct instance *in;
    int result;
    struct vdi_error err;
};

static void load_work(void *arg)
{
    struct preparing *p = arg;
    struct vdid *v = p->in->vdid;
    char dir[PATH_MAX], overlay[PATH_MAX], spool[PATH_MAX];

    instance_path(p->in, "", dir);
    instance_path(p->in, "overlay.qcow2", overlay);
    spool_path(v, (struct vdi_instance_id){p->in->rec.id, p->in->rec.generation}, "", spool);
    p->result = file_make_dir(dir);
    if (p->result == 0 && p->in->run)
        p->result = file_make_dir(spool);
    unlink(overlay); /* of an attempt that a crash cut off */
    instance_shares_end(p->in, 0);
    if (p->result < 0)
        error_set(&p->err, p->result, "state_dir", "%s cannot be made: %s", dir,
                  strerror(-p->result));
    else
        p->result = image_load(v->config.image_dir, v->config.state_dir, cache_dir(v->cache),
                               p->in->rec.wish.image, p->in->image, &p->err);
}

static void record_work(void *arg)
{
    struct preparing *p = arg;

    p->result = image_record(p->in->vdid->config.state_dir, p->in->image, &p->err);
}

static bool post_next(struct instance *in, void (*work)(void *arg),
                      void (*done)(void *arg, bool dropped))
{
    struct preparing *p = calloc(1, sizeof(*p));

    if (p)
        p->in = in;
    if (p && instance_post(in, work, done, p))
        return true;
    free(p);
    return false;
}

/* Result of a step on the disk's thread; frees it. False: the instance is on its way out. */
static bool step_ok(void *arg, bool dropped)
{
    struct preparing *p = arg;
    struct instance *in = p->in;
    bool ok = !dropped && p->result == 0;

    in->busy = false;
    if (!in->vdid->is_freed && !ok)
        instance_fail(in, &p->err);
    free(p);
    return ok && !in->vdid->is_freed;
}

static void no_memory(struct instance *in)
{
    struct vdi_error err = {0};

    error_set(&err, ENOMEM, "node", "the node is out of memory");
    instance_fail(in, &err);
}

/* ---- XML and port ---- */

struct domain_graphics instance_graphics(const struct instance *in)
{
    uint16_t port = (uint16_t)in->rec.port;

    return (struct domain_graphics){.address = in->vdid->config.spice_address,
                                    .port = in->rec.has_tls ? 0 : port,
                                    .tls_port = in->rec.has_tls ? port : 0,
                                    .keymap = in->rec.wish.keyboard};
}

static int fill_spec(struct instance *in, struct domain_spec *s, struct vdi_error *err)
{
    const struct record_wish *w = &in->rec.wish;
    const struct vdid_config *c = &in->vdid->config;
    unsigned width = 0, height = 0;
    char rest;

    if (*w->resolution && sscanf(w->resolution, "%5ux%5u%c", &width, &height, &rest) != 2)
        return error_set(err, EINVAL, "resolution", "'%s' is not WIDTHxHEIGHT", w->resolution);
    s->id = (struct vdi_instance_id){in->rec.id, in->rec.generation};
    s->prefix = c->prefix;
    s->uuid = in->rec.uuid;
    s->accel = c->accel == ACCEL_TCG ? DOMAIN_ACCEL_TCG : DOMAIN_ACCEL_KVM;
    s->tcg_cache_mib = c->tcg_cache_mib;
    s->os = w->os;
    s->firmware = in->image->manifest.firmware ? in->image->manifest.firmware - 1 : w->firmware;
    s->tpm = w->tpm;
    s->vcpus = w->vcpus;
    s->memory_mib = w->memory_mib;
    s->emulator = c->emulator;
    s->kernel = in->image->kernel;
    s->initrd = in->image->initrd;
    s->cmdline = in->image->manifest.cmdline;
    s->base = in->image->disk;
    s->timezone = w->timezone;
    s->bridge = c->bridge;
    s->video = in->image->manifest.video;
    s->width_px = width;
    s->height_px = height;
    s->graphics = instance_graphics(in);
    s->n_spare = in->rec.seat_mounts + in->rec.seat_disks;
    s->is_memory_shared = in->rec.seat_mounts > 0;
    return 0;
}

static int make_xml(struct instance *in, char **ret, struct vdi_error *err)
{
    char overlay[PATH_MAX], nvram[PATH_MAX], console[PATH_MAX], job[PATH_MAX];
    char sockets[DOMAIN_SHARES_MAX][PATH_MAX], disks[DOMAIN_DISKS_MAX][PATH_MAX];
    struct domain_spec s = {0};
    int r = fill_spec(in, &s, err);

    if (r < 0)
        return r;
    for (; s.n_disks < in->n_disks; s.n_disks++) {
        instance_disk_path(in, s.n_disks, disks[s.n_disks]);
        s.disks[s.n_disks] = disks[s.n_disks];
    }
    for (; s.n_shares < in->n_shared; s.n_shares++) {
        instance_share_socket(in, s.n_shares, sockets[s.n_shares]);
        s.share_sockets[s.n_shares] = sockets[s.n_shares];
    }
    instance_path(in, "overlay.qcow2", overlay);
    instance_path(in, "nvram.fd", nvram);
    instance_path(in, "console.log", console);
    instance_path(in, "job.sock", job);
    s.overlay = *s.base ? overlay : NULL;
    s.nvram = nvram;
    s.console_log = console;
    s.job_socket = job;
    return domain_xml(&s, ret, err);
}

struct xml_writing {
    struct preparing p;
    char *xml;
};

static void xml_work(void *arg)
{
    struct xml_writing *w = arg;
    char path[PATH_MAX];

    instance_path(w->p.in, "domain.xml", path);
    w->p.result = file_replace(path, w->xml, strlen(w->xml));
    if (w->p.result < 0)
        error_set(&w->p.err, w->p.result, "state_dir", "%s cannot be written: %s", path,
                  strerror(-w->p.result));
}

static void xml_done(void *arg, bool dropped)
{
    struct xml_writing *w = arg;
    struct instance *in = w->p.in;

    free(w->xml);
    if (!step_ok(arg, dropped)) /* p is the first member */
        return;
    free(in->image);
    in->image = NULL;
    in->rec.was_created = true;
    instance_set(in, RECORD_CREATE);
}

/* ---- the servers of its directories are there ---- */

void instance_shared(struct instance *in)
{
    struct xml_writing *w = calloc(1, sizeof(*w));
    struct vdi_error err = {0};
    uint16_t port = (uint16_t)in->rec.port;
    int r = w ? 0 : error_set(&err, ENOMEM, "node", "the node is out of memory");

    if (r == 0 && !port)
        r = ports_take(in->vdid->ports, in->vdid->config.spice_address, &port, &err);
    if (port != in->rec.port)
        in->rec.has_tls = in->vdid->config.spice_tls;
    in->rec.port = port;
    if (r == 0)
        r = make_xml(in, &w->xml, &err);
    if (r < 0) {
        free(w);
        instance_fail(in, &err);
        return;
    }
    w->p.in = in;
    if (!instance_post(in, xml_work, xml_done, w)) {
        free(w->xml);
        free(w);
        no_memory(in);
    }
}

/* ---- overlay ---- */

static void child_failed(struct instance *in, const char *field, int code, const char *what,
                         const char *output)
{
    struct vdi_error err = {0};
    char line[200];

    str_copy(line, sizeof(line), output);
    line[strcspn(line, "\n")] = '\0';
    if (strstr(output, "No space left")) {
        log_warning("%s", line);
        error_set(&err, ENOSPC, field, "%s: no space left in the node's state_dir", what);
        error_hint(&err, NULL, "make room there");
    } else {
        error_set(&err, code, field, "%s: %s", what, *line ? line : "it ended without a word");
    }
    instance_fail(in, &err);
}

static bool child_ended(struct instance *in)
{
    child_free(in->child);
    in->child = NULL;
    in->busy = false;
    return !in->vdid->is_freed;
}

static void overlay_done(void *arg, int status, const char *output)
{
    struct instance *in = arg;
    char text[CHILD_OUTPUT_MAX];

    str_copy(text, sizeof(text), output);
    if (!child_ended(in))
        return;
    if (status != 0) {
        child_failed(in, "overlay", EIO, "the overlay could not be made", text);
        return;
    }
    in->rec.overlay_usec = loop_now_usec(in->vdid->loop);
    instance_emit_stage(in, "overlay");
    instance_disks(in);
}

static void run(struct instance *in, const char *const *argv, int64_t deadline_usec, child_fn fn)
{
    struct vdi_error err = {0};
    int r = child_start(in->vdid->loop, argv, deadline_usec, fn, in, &in->child, &err);

    in->busy = r == 0;
    if (r < 0)
        instance_fail(in, &err);
}

static void make_overlay(struct instance *in)
{
    char overlay[PATH_MAX];
    const char *const argv[] = {"qemu-img", "create",        "-q",    "-f", "qcow2", "-F", "qcow2",
                                "-b",       in->image->disk, overlay, NULL};

    in->rec.image_usec = loop_now_usec(in->vdid->loop);
    memcpy(in->rec.image_sha256, in->image->sha256, sizeof(in->rec.image_sha256));
    str_copy(in->rec.ready_text, sizeof(in->rec.ready_text), in->image->ready_text);
    in->rec.by_runner = in->image->by_runner;
    instance_emit_stage(in, "image");
    if (in->stop) {
        instance_act(in);
        return;
    }
    if (!*in->image->disk) {
        instance_disks(in);
        return;
    }
    instance_path(in, "overlay.qcow2", overlay);
    run(in, argv, QEMU_IMG_USEC, overlay_done);
}

/* ---- image ---- */

static void recorded(void *arg, bool dropped)
{
    struct instance *in = ((struct preparing *)arg)->in;

    if (step_ok(arg, dropped))
        make_overlay(in);
}

static void record_image(struct instance *in)
{
    if (!post_next(in, record_work, recorded))
        no_memory(in);
}

static void checked(void *arg, int status, const char *output)
{
    struct instance *in = arg;
    char text[CHILD_OUTPUT_MAX];

    str_copy(text, sizeof(text), output);
    if (!child_ended(in))
        return;
    /* qemu-img(1): 3 is leaked clusters, which harm nobody. */
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3))
        child_failed(in, "image", EUCLEAN, "the image is corrupt", text);
    else
        record_image(in);
}

static void loaded(void *arg, bool dropped)
{
    struct instance *in = ((struct preparing *)arg)->in;

    if (!step_ok(arg, dropped))
        return;
    if (!in->image->is_new) {
        make_overlay(in);
    } else if (*in->image->disk) {
        const char *const argv[] = {"qemu-img", "check",         "-q", "-f",
                                    "qcow2",    in->image->disk, NULL};

        run(in, argv, CHECK_USEC, checked);
    } else {
        record_image(in);
    }
}

/* True: its version is not here yet. instance_fetched() comes when it is. */
static bool is_waiting(struct instance *in)
{
    char sha256[65];

    cache_digest_of(in->rec.wish.image, sha256);
    if (!*sha256 || cache_take(in->vdid->cache, sha256))
        return false;
    in->is_fetching = true;
    if (!in->rec.fetch_usec) {
        in->rec.fetch_usec = loop_now_usec(in->vdid->loop);
        instance_emit_stage(in, "fetch");
    }
    return true;
}

void instance_fetched(struct instance *in, int result, const struct vdi_error *err)
{
    in->is_fetching = false;
    if (in->rec.state != RECORD_PREPARE)
        return;
    if (result < 0)
        instance_fail(in, err);
    else
        instance_act(in);
}

void instance_tell_fetching(struct instance *in)
{
    struct vdi_error err = {0};
    char sha256[65], progress[64];

    cache_digest_of(in->rec.wish.image, sha256);
    cache_progress(in->vdid->cache, sha256, progress);
    error_set(&err, EAGAIN, "image", "the node fetches the image: %s",
              *progress ? progress : "it waits to be told where from");
    instance_answer(in, 1u << VDID_START, -EAGAIN, &err);
}

void instance_prepare(struct instance *in)
{
    if (instance_ticket_missing(in) || is_waiting(in))
        return;
    if (!in->image)
        in->image = calloc(1, sizeof(*in->image));
    if (!in->image || !post_next(in, load_work, loaded))
        no_memory(in);
}

/* ---- libvirt ---- */

/* Somebody else took the port between our look and QEMU's. */
static bool is_port_lost(struct instance *in)
{
    return ++in->port_tries <= PORT_TRIES &&
           !port_is_free(in->vdid->config.spice_address, (uint16_t)in->rec.port);
}

static void created(void *arg, int result, const struct virt_result *res,
                    const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result == -ENOTCONN || result == -EBUSY) {
        vdid_recheck(in->vdid); /* what became of it is seen from the list */
        return;
    }
    if (result < 0 && is_port_lost(in)) {
        log_info("instance %" PRIu64 ": port %" PRIu32 " is taken", in->rec.id, in->rec.port);
        ports_release(in->vdid->ports, (uint16_t)in->rec.port);
        in->rec.port = 0;
        in->rec.was_created = false;
        instance_set(in, RECORD_PREPARE);
        return;
    }
    if (result < 0) {
        instance_fail(in, err);
        return;
    }
    in->is_running = true;
    in->rec.create_usec = loop_now_usec(in->vdid->loop);
    instance_emit_stage(in, "create");
    instance_answer(in, 1u << VDID_START, 0, NULL);
    instance_set(in, RECORD_BOOT);
}

void instance_create(struct instance *in)
{
    struct buf xml = BUF_INIT(XML_MAX);
    char path[PATH_MAX], name[DOMAIN_NAME_MAX];
    struct vdi_error err = {0};
    int r;

    instance_path(in, "domain.xml", path);
    r = file_read(path, &xml);
    if (r == 0)
        r = virt_create(in->vdid->virt, instance_domain(in, name), xml.data, created, in);
    in->busy = r == 0;
    buf_done(&xml);
    if (r < 0) {
        error_set(&err, r, "state_dir", "%s cannot be used: %s", path, strerror(-r));
        instance_fail(in, &err);
    }
}

/* ---- and away again ---- */

static void clean_work(void *arg)
{
    static const char *const files[] = {"overlay.qcow2", "nvram.fd",  "job.sock", "run.json",
                                        "domain.xml",    "save.part", "save"};
    struct preparing *p = arg;
    char path[PATH_MAX];

    instance_shares_end(p->in, 0);
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        instance_path(p->in, files[i], path);
        if (unlink(path) < 0 && errno != ENOENT)
            p->result = -errno;
    }
    instance_path(p->in, "console.log", path);
    console_trim(path, CONSOLE_KEEP_BYTES);
    /* From here on it is kept for so long; of a start that came to nothing, nothing is. */
    spool_path(p->in->vdid, (struct vdi_instance_id){p->in->rec.id, p->in->rec.generation}, "",
               path);
    if (rmdir(path) < 0 && errno == ENOTEMPTY)
        utimensat(AT_FDCWD, path, NULL, 0);
}

static void cleaned(void *arg, bool dropped)
{
    struct preparing *p = arg;
    struct instance *in = p->in;
    int r = p->result;

    free(p);
    in->busy = false;
    if (dropped || in->vdid->is_freed)
        return;
    if (r < 0)
        log_error("instance %" PRIu64 ": its files cannot be removed: %s", in->rec.id,
                  strerror(-r));
    in->rec.gone_usec = loop_now_usec(in->vdid->loop);
    in->untold = true;
    ports_release(in->vdid->ports, (uint16_t)in->rec.port);
    in->rec.port = 0;
    instance_set(in, RECORD_GONE);
}

void instance_clean(struct instance *in)
{
    free(in->image);
    in->image = NULL;
    instance_unwatch(in);
    instance_shares_done(in);
    post_next(in, clean_work, cleaned);
}
