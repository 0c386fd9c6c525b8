/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt.h - libvirt, off the loop: calls go to worker threads, answers and events come back.
 *
 * The connection is kept by itself: when it breaks (libvirtd restarted, hung) it
 * is made again with growing pauses, and `up` is told each time it is there, so
 * that the owner looks what runs (virt_list). Calls meanwhile end with -ENOTCONN.
 */
#ifndef VDID_VIRT_H
#define VDID_VIRT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "vdid/domain_spec.h"

struct virt;

enum virt_event {
    VIRT_STARTED,
    VIRT_PAUSED,
    VIRT_IO_ERROR, /* paused by QEMU: a disk of the node is full or broken */
    VIRT_RESUMED,
    VIRT_SHUTDOWN, /* the guest switched itself off, or was asked to */
    VIRT_SAVED,
    VIRT_CRASHED, /* the guest panicked */
    VIRT_FAILED,  /* QEMU ended by itself */
    VIRT_ENDED,   /* destroyed, or otherwise told to end */
};

/* All are called on the loop. */
struct virt_handler {
    void (*up)(void *arg);
    void (*down)(void *arg, const char *why);
    void (*event)(void *arg, const char *domain, enum virt_event event);
};

struct virt_domain {
    char name[DOMAIN_NAME_MAX];
    bool is_active, is_paused;
};

struct virt_result {
    const struct virt_domain *domains; /* virt_list alone */
    size_t n_domains;
    uint32_t uid, gid;          /* virt_ids alone */
    uint32_t n_disks, n_shares; /* virt_plugged alone */
};

/* result as below, or -ENOTCONN, -ETIMEDOUT, -EIO; err's detail is libvirt's own sentence. */
typedef void (*virt_fn)(void *arg, int result, const struct virt_result *res,
                        const struct vdi_error *err);

/* One per process: libvirt's event loop is. NULL with err filled. */
struct virt *virt_new(struct loop *loop, const char *uri, const struct virt_handler *handler,
                      void *arg, struct vdi_error *err);
/* Waits for calls that run; their fn is called with -ECANCELED or their result. Takes NULL. */
void virt_free(struct virt *v);
bool virt_is_up(const struct virt *v);

/* Each returns 0, or a negative errno and fn is not called. Strings are copied. */
int virt_list(struct virt *v, virt_fn fn, void *arg);
/* Of a domain that runs already: 0. -EBUSY: it is being started. */
int virt_create(struct virt *v, const char *name, const char *xml, virt_fn fn, void *arg);
int virt_destroy(struct virt *v, const char *name, virt_fn fn, void *arg);  /* not there: 0 */
int virt_shutdown(struct virt *v, const char *name, virt_fn fn, void *arg); /* asks the guest */
int virt_reset(struct virt *v, const char *name, virt_fn fn, void *arg);
int virt_pause(struct virt *v, const char *name, virt_fn fn, void *arg);
int virt_resume(struct virt *v, const char *name, virt_fn fn, void *arg);
/* The domain ends, its memory is in the file: durable, mode 0600. */
int virt_save(struct virt *v, const char *name, const char *path, virt_fn fn, void *arg);
/* The file stays. */
int virt_restore(struct virt *v, const char *name, const char *path, virt_fn fn, void *arg);
/* PNG or PPM, as QEMU can, mode 0600. */
int virt_screenshot(struct virt *v, const char *name, const char *path, virt_fn fn, void *arg);
/* Changes the domain's device to what the XML says (a ticket). */
int virt_update(struct virt *v, const char *name, const char *device_xml, virt_fn fn, void *arg);
/* Plugs a device into a domain that runs; domain_xml_disk() and domain_xml_share() make it. */
int virt_attach(struct virt *v, const char *name, const char *device_xml, virt_fn fn, void *arg);
/* How many disks and shares of domain_spec.h it has: from the first on, without a gap. */
int virt_plugged(struct virt *v, const char *name, virt_fn fn, void *arg);
/* As whom QEMU runs: its uid and gid by qemu.conf. */
int virt_ids(struct virt *v, virt_fn fn, void *arg);
int virt_ping(struct virt *v, const char *name, virt_fn fn, void *arg); /* the guest agent */

#endif
