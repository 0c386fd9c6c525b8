/* SPDX-License-Identifier: Apache-2.0 */
/* virt_call.h - between virt.c and virt_ops.c: one call to libvirt, on a worker thread. */
#ifndef VDID_VIRT_CALL_H
#define VDID_VIRT_CALL_H

#include <libvirt/libvirt.h>

#include "base/cleanup.h"
#include "vdid/virt.h"

DEFINE_FREEP(virDomain, virDomainFree)

struct virt_call {
    struct virt *virt;
    int (*op)(virConnectPtr conn, struct virt_call *call);
    char name[DOMAIN_NAME_MAX];
    char *text; /* XML or a path */
    virt_fn fn;
    void *arg;
    int result;
    struct vdi_error err;
    struct virt_domain *domains;
    size_t n_domains;
    uint32_t uid, gid;
    uint32_t n_disks, n_shares;
};

/* Fills call->err from libvirt's last error on this thread; returns the negative errno. */
int virt_call_failed(struct virt_call *call, const char *what);

int virt_op_list(virConnectPtr conn, struct virt_call *call);
int virt_op_create(virConnectPtr conn, struct virt_call *call);
int virt_op_destroy(virConnectPtr conn, struct virt_call *call);
int virt_op_shutdown(virConnectPtr conn, struct virt_call *call);
int virt_op_reset(virConnectPtr conn, struct virt_call *call);
int virt_op_pause(virConnectPtr conn, struct virt_call *call);
int virt_op_resume(virConnectPtr conn, struct virt_call *call);
int virt_op_save(virConnectPtr conn, struct virt_call *call);
int virt_op_restore(virConnectPtr conn, struct virt_call *call);
int virt_op_screenshot(virConnectPtr conn, struct virt_call *call);
int virt_op_update(virConnectPtr conn, struct virt_call *call);
int virt_op_attach(virConnectPtr conn, struct virt_call *call);
int virt_op_plugged(virConnectPtr conn, struct virt_call *call);
int virt_op_ping(virConnectPtr conn, struct virt_call *call);
int virt_op_ids(virConnectPtr conn, struct virt_call *call);
/* Of "capabilities": the label of the model "dac". -EBADMSG: it has none. */
int virt_read_ids(const char *capabilities, uint32_t *ret_uid, uint32_t *ret_gid);

#endif
