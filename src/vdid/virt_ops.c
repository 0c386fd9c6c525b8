/* SPDX-License-Identifier: Apache-2.0 */
/* virt_ops.c - what is called of libvirt; every function runs on a worker thread and may block. */
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "vdid/file.h"
#include "vdid/virt_call.h"

#define SCREENSHOT_MAX_BYTES (64u << 20)
#define PING_SEC 2

static int error_code(const virError *e)
{
    switch (e ? e->code : VIR_ERR_INTERNAL_ERROR) {
    case VIR_ERR_NO_DOMAIN:
        return -ENOENT;
    case VIR_ERR_OPERATION_TIMEOUT:
    case VIR_ERR_AGENT_UNRESPONSIVE:
        return -ETIMEDOUT;
    case VIR_ERR_OPERATION_INVALID:
        return -EBUSY;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
        return -EOPNOTSUPP;
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_NO_CONNECT:
        return -ENOTCONN;
    default:
        return e && e->domain == VIR_FROM_RPC ? -ENOTCONN : -EIO;
    }
}

int virt_call_failed(struct virt_call *call, const char *what)
{
    const virError *e = virGetLastError();

    return error_set(&call->err, error_code(e), "libvirt", "%s of %s failed: %s", what, call->name,
                     e && e->message ? e->message : "no reason given");
}

static virDomainPtr lookup(virConnectPtr conn, struct virt_call *call, const char *what, int *ret)
{
    virDomainPtr dom = virDomainLookupByName(conn, call->name);

    if (!dom)
        *ret = virt_call_failed(call, what);
    return dom;
}

int virt_op_list(virConnectPtr conn, struct virt_call *call)
{
    virDomainPtr *all = NULL;
    int n = virConnectListAllDomains(conn, &all, 0);

    if (n < 0)
        return virt_call_failed(call, "the list");
    call->domains = calloc((size_t)n + 1, sizeof(*call->domains));
    for (int i = 0; i < n; i++) {
        const char *name = virDomainGetName(all[i]);
        struct virt_domain *d = call->domains ? &call->domains[call->n_domains] : NULL;
        int state = 0;

        if (d && name && str_copy(d->name, sizeof(d->name), name) &&
            virDomainGetState(all[i], &state, NULL, 0) == 0) {
            d->is_active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED;
            d->is_paused = state == VIR_DOMAIN_PAUSED;
            call->n_domains++;
        }
        virDomainFree(all[i]);
    }
    free(all);
    return call->domains ? 0 : error_set(&call->err, ENOMEM, "libvirt", "no memory");
}

/* A start that failed because it had been done already (the answer was lost) is none. */
static int created_before(virConnectPtr conn, struct virt_call *call, int r)
{
    _cleanup_(virDomainFreep) virDomainPtr dom = virDomainLookupByName(conn, call->name);
    int active = dom ? virDomainIsActive(dom) : -1;

    if (active < 0)
        return r;
    return active ? 0 : error_set(&call->err, EBUSY, "libvirt", "%s is being started", call->name);
}

int virt_op_create(virConnectPtr conn, struct virt_call *call)
{
    _cleanup_(virDomainFreep) virDomainPtr dom = virDomainCreateXML(conn, call->text, 0);

    if (dom)
        return 0;
    return created_before(conn, call, virt_call_failed(call, "the start"));
}

int virt_op_destroy(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the end", &r);

    if (dom && virDomainDestroyFlags(dom, 0) < 0)
        r = virt_call_failed(call, "the end");
    /* EBUSY: it may have ended between the two calls. */
    if (r == -EBUSY && virDomainIsActive(dom) != 1)
        r = 0;
    return r == -ENOENT ? 0 : r;
}

int virt_op_shutdown(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the shutdown", &r);

    if (dom && virDomainShutdown(dom) < 0)
        r = virt_call_failed(call, "the shutdown");
    return r;
}

int virt_op_reset(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the reset", &r);

    if (dom && virDomainReset(dom, 0) < 0)
        r = virt_call_failed(call, "the reset");
    return r;
}

int virt_op_pause(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the pause", &r);

    if (dom && virDomainSuspend(dom) < 0)
        r = virt_call_failed(call, "the pause");
    return r;
}

int virt_op_resume(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the resumption", &r);

    if (dom && virDomainResume(dom) < 0)
        r = virt_call_failed(call, "the resumption");
    return r;
}

static int sync_file(struct virt_call *call)
{
    _cleanup_(closep) int fd = open(call->text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0)
        return error_set(&call->err, errno, "state_dir", "%s cannot be kept: %s", call->text,
                         strerror(errno));
    return 0;
}

int virt_op_save(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the save", &r);

    if (!dom)
        return r;
    if (virDomainSaveFlags(dom, call->text, NULL, 0) < 0)
        return virt_call_failed(call, "the save");
    return sync_file(call);
}

int virt_op_restore(virConnectPtr conn, struct virt_call *call)
{
    if (virDomainRestoreFlags(conn, call->text, NULL, 0) == 0)
        return 0;
    return created_before(conn, call, virt_call_failed(call, "the restore"));
}

struct sink {
    int fd;
    size_t left;
};

static int sink_write(virStreamPtr stream, const char *data, size_t n, void *arg)
{
    struct sink *sink = arg;
    ssize_t done;

    if (n > sink->left) {
        errno = EFBIG;
        return -1;
    }
    do
        done = write(sink->fd, data, n);
    while (done < 0 && errno == EINTR);
    if (done > 0)
        sink->left -= (size_t)done;
    return (int)done;
}

static int receive(virStreamPtr stream, struct virt_call *call)
{
    _cleanup_(closep) int fd =
        open(call->text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct sink sink = {fd, SCREENSHOT_MAX_BYTES};

    if (fd < 0) {
        virStreamAbort(stream);
        return error_set(&call->err, errno, "state_dir", "%s cannot be written: %s", call->text,
                         strerror(errno));
    }
    /* On failure the stream has been aborted already. */
    if (virStreamRecvAll(stream, sink_write, &sink) < 0 || virStreamFinish(stream) < 0)
        return virt_call_failed(call, "the screenshot");
    return 0;
}

int virt_op_screenshot(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the screenshot", &r);
    virStreamPtr stream = dom ? virStreamNew(conn, 0) : NULL;
    char *type = stream ? virDomainScreenshot(dom, stream, 0, 0) : NULL;

    if (type)
        r = receive(stream, call);
    else if (dom)
        r = virt_call_failed(call, "the screenshot");
    if (stream)
        virStreamFree(stream);
    free(type);
    return r;
}

int virt_op_update(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the change", &r);

    if (dom && virDomainUpdateDeviceFlags(dom, call->text, VIR_DOMAIN_AFFECT_LIVE) < 0)
        r = virt_call_failed(call, "the change");
    return r;
}

int virt_op_attach(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "the new device", &r);

    if (dom && virDomainAttachDeviceFlags(dom, call->text, VIR_DOMAIN_AFFECT_LIVE) < 0)
        r = virt_call_failed(call, "the new device");
    return r;
}

/* Nothing in a live domain's XML is text of a guest's. */
int virt_op_plugged(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "a look at the devices", &r);
    char *xml = dom ? virDomainGetXMLDesc(dom, 0) : NULL, mark[DOMAIN_TAG_MAX + 32];
    char name[DOMAIN_TAG_MAX];

    if (dom && !xml)
        r = virt_call_failed(call, "a look at the devices");
    for (; xml && call->n_disks < DOMAIN_DISKS_MAX; call->n_disks++) {
        snprintf(mark, sizeof(mark), "<serial>%s</serial>",
                 domain_disk_serial(call->n_disks, name));
        if (!strstr(xml, mark))
            break;
    }
    for (; xml && call->n_shares < DOMAIN_SHARES_MAX; call->n_shares++) {
        snprintf(mark, sizeof(mark), "<target dir='%s'/>", domain_share_tag(call->n_shares, name));
        if (!strstr(xml, mark))
            break;
    }
    free(xml);
    return r;
}

int virt_op_ping(virConnectPtr conn, struct virt_call *call)
{
    int r = 0;
    _cleanup_(virDomainFreep) virDomainPtr dom = lookup(conn, call, "a question to the agent", &r);
    char *answer =
        dom ? virDomainQemuAgentCommand(dom, "{\"execute\":\"guest-ping\"}", PING_SEC, 0) : NULL;

    if (dom && !answer)
        r = virt_call_failed(call, "a question to the agent");
    free(answer);
    return r;
}
