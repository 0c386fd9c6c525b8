/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt.c - the connection to libvirt and the way to and from it.
 *
 * Three kinds of threads: the loop's; workers, which make the calls; and one that
 * runs libvirt's event loop. Under the lock: the connection and the list of what
 * happened. A worker takes a reference of the connection for the length of its
 * call. Keepalive ends a connection whose libvirtd hangs, and with it the calls.
 */
#include "vdid/virt.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/virt_call.h"

#define THREADS 4
#define QUEUE_MAX 4096
#define KEEPALIVE_SEC 5
#define KEEPALIVE_COUNT 3
#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (5 * USEC_PER_SEC)

struct happening {
    struct list link;
    bool closed; /* else: */
    enum virt_event event;
    char name[DOMAIN_NAME_MAX];
};

struct virt {
    struct loop *loop;
    char *uri;
    struct virt_handler handler;
    void *arg;
    struct workers *workers;
    struct source *wakeup, *retry;
    int64_t retry_usec;
    bool is_connecting, is_freed;
    bool is_up;         /* as the owner was told */
    bool broke_at_once; /* closed before connect_done() heard of it */
    pthread_t thread;
    bool has_thread;
    int stop_timer;
    _Atomic bool stop;
    pthread_mutex_t lock;
    virConnectPtr conn;     /* under the lock */
    struct list happenings; /* under the lock */
};

/* ---- from libvirt's thread ---- */

static void happened(struct virt *v, const char *name, enum virt_event event, bool closed)
{
    struct happening *h = calloc(1, sizeof(*h));

    if (!h)
        return; /* the pidfd and the next list tell the same */
    h->closed = closed;
    h->event = event;
    str_copy(h->name, sizeof(h->name), name);
    pthread_mutex_lock(&v->lock);
    list_append(&v->happenings, &h->link);
    pthread_mutex_unlock(&v->lock);
    source_trigger(v->wakeup);
}

static enum virt_event stopped_event(int detail)
{
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        return VIRT_SHUTDOWN;
    case VIR_DOMAIN_EVENT_STOPPED_SAVED:
        return VIRT_SAVED;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        return VIRT_CRASHED;
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
        return VIRT_FAILED;
    default:
        return VIRT_ENDED;
    }
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
    const char *name = virDomainGetName(dom);

    switch (name ? event : -1) {
    case VIR_DOMAIN_EVENT_STARTED:
        happened(arg, name, VIRT_STARTED, false);
        break;
    case VIR_DOMAIN_EVENT_SUSPENDED:
        happened(arg, name,
                 detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR ? VIRT_IO_ERROR : VIRT_PAUSED, false);
        break;
    case VIR_DOMAIN_EVENT_RESUMED:
        happened(arg, name, VIRT_RESUMED, false);
        break;
    case VIR_DOMAIN_EVENT_STOPPED:
        happened(arg, name, stopped_event(detail), false);
        break;
    case VIR_DOMAIN_EVENT_CRASHED:
        happened(arg, name, VIRT_CRASHED, false);
        break;
    default:
        break;
    }
    return 0;
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
    happened(arg, "", VIRT_ENDED, true);
}

static void on_stop_timer(int timer, void *arg)
{
    /* Nothing: it only wakes virEventRunDefaultImpl(). */
}

static void *event_main(void *arg)
{
    struct virt *v = arg;

    while (!v->stop)
        if (virEventRunDefaultImpl() < 0)
            break;
    return NULL;
}

/* ---- the connection; on a worker ---- */

static void drop_conn(virConnectPtr conn)
{
    if (!conn)
        return;
    virConnectUnregisterCloseCallback(conn, on_close);
    virConnectClose(conn);
}

static int watch_conn(virConnectPtr conn, struct virt *v)
{
    if (virConnectRegisterCloseCallback(conn, on_close, v, NULL) < 0)
        return -1;
    /* Not all drivers have it; "test" needs none. */
    virConnectSetKeepAlive(conn, KEEPALIVE_SEC, KEEPALIVE_COUNT);
    return virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                            VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), v, NULL);
}

static int op_connect(virConnectPtr none, struct virt_call *call)
{
    struct virt *v = call->virt;
    virConnectPtr conn = virConnectOpen(v->uri);

    if (!conn || watch_conn(conn, v) < 0) {
        virt_call_failed(call, "the connection");
        drop_conn(conn);
        return -ENOTCONN;
    }
    pthread_mutex_lock(&v->lock);
    v->conn = conn;
    pthread_mutex_unlock(&v->lock);
    return 0;
}

/* A connection that broke: closing it may take its time too. */
static int op_close(virConnectPtr none, struct virt_call *call)
{
    struct virt *v = call->virt;
    virConnectPtr conn;

    pthread_mutex_lock(&v->lock);
    conn = v->conn;
    v->conn = NULL;
    pthread_mutex_unlock(&v->lock);
    drop_conn(conn);
    return 0;
}

/* ---- calls ---- */

static void call_free(struct virt_call *call)
{
    free(call->text);
    free(call->domains);
    free(call);
}

static bool is_own(const struct virt_call *call)
{
    return call->op == op_connect || call->op == op_close;
}

static void call_work(void *arg)
{
    struct virt_call *call = arg;
    struct virt *v = call->virt;
    virConnectPtr conn;

    virResetLastError();
    if (is_own(call)) {
        call->result = call->op(NULL, call);
        return;
    }
    pthread_mutex_lock(&v->lock);
    conn = v->conn;
    if (conn)
        virConnectRef(conn);
    pthread_mutex_unlock(&v->lock);
    if (!conn) {
        call->result =
            error_set(&call->err, ENOTCONN, "libvirt", "there is no connection to %s", v->uri);
        return;
    }
    call->result = call->op(conn, call);
    virConnectClose(conn);
}

static void call_done(void *arg, bool dropped)
{
    struct virt_call *call = arg;
    struct virt_result res = {call->domains, call->n_domains, call->uid,
                              call->gid,     call->n_disks,   call->n_shares};

    if (dropped)
        call->result = error_set(&call->err, ECANCELED, "libvirt", "vdid is ending");
    if (call->fn)
        call->fn(call->arg, call->result, &res, &call->err);
    call_free(call);
}

static int post(struct virt *v, int (*op)(virConnectPtr, struct virt_call *), const char *name,
                const char *text, virt_fn fn, void *arg)
{
    struct virt_call *call = calloc(1, sizeof(*call));
    int r;

    if (!call)
        return -ENOMEM;
    call->virt = v;
    call->op = op;
    call->fn = fn;
    call->arg = arg;
    call->text = text ? strdup(text) : NULL;
    r = text && !call->text                              ? -ENOMEM
        : str_copy(call->name, sizeof(call->name), name) ? 0
                                                         : -EINVAL;
    if (r == 0)
        r = workers_post(v->workers, call_work, call_done, call);
    if (r < 0)
        call_free(call);
    return r;
}

/* ---- the connection; on the loop ---- */

static void connection_lost(struct virt *v);

static void connect_done(void *arg, int result, const struct virt_result *res,
                         const struct vdi_error *err)
{
    struct virt *v = arg;

    v->is_connecting = false;
    if (v->is_freed)
        return;
    if (result == 0) {
        v->retry_usec = RETRY_MIN_USEC;
        v->is_up = true;
        v->handler.up(v->arg);
        if (v->broke_at_once)
            connection_lost(v);
        return;
    }
    log_warning("no connection to libvirt: %s", err->detail);
    source_rearm(v->retry, v->retry_usec);
    v->retry_usec = v->retry_usec * 2 < RETRY_MAX_USEC ? v->retry_usec * 2 : RETRY_MAX_USEC;
}

static void connect_now(void *arg)
{
    struct virt *v = arg;

    if (v->is_connecting || v->is_up)
        return;
    v->is_connecting = true;
    v->broke_at_once = false;
    if (post(v, op_connect, "libvirt", NULL, connect_done, v) < 0) {
        v->is_connecting = false;
        source_rearm(v->retry, v->retry_usec);
    }
}

static void closed_done(void *arg, int result, const struct virt_result *res,
                        const struct vdi_error *err)
{
    struct virt *v = arg;

    if (!v->is_freed)
        connect_now(v);
}

static void connection_lost(struct virt *v)
{
    v->broke_at_once = v->is_connecting;
    if (!v->is_up)
        return;
    v->is_up = false;
    v->handler.down(v->arg, "libvirtd closed the connection, or does not answer");
    if (post(v, op_close, "libvirt", NULL, closed_done, v) < 0)
        source_rearm(v->retry, v->retry_usec);
}

static void on_wakeup(void *arg)
{
    struct virt *v = arg;
    struct list mine;

    list_init(&mine);
    pthread_mutex_lock(&v->lock);
    while (!list_is_empty(&v->happenings)) {
        struct list *first = v->happenings.next;

        list_remove(first);
        list_append(&mine, first);
    }
    pthread_mutex_unlock(&v->lock);
    list_for_each_safe (it, &mine) {
        struct happening *h = list_entry(it, struct happening, link);

        if (h->closed)
            connection_lost(v);
        else
            v->handler.event(v->arg, h->name, h->event);
        free(h);
    }
}

bool virt_is_up(const struct virt *v)
{
    return v->is_up;
}

/* ---- making and freeing ---- */

/* Errors come back as results; libvirt would also print them. */
static void say_nothing(void *arg, virErrorPtr e)
{
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_result;

static void init_once(void)
{
    once_result = virInitialize() < 0 || virEventRegisterDefaultImpl() < 0 ? -EIO : 0;
    virSetErrorFunc(NULL, say_nothing);
}

static int start_thread(struct virt *v)
{
    sigset_t all, before;
    int r;

    v->stop_timer = virEventAddTimeout(-1, on_stop_timer, v, NULL);
    if (v->stop_timer < 0)
        return -EIO;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&v->thread, NULL, event_main, v);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    v->has_thread = r == 0;
    return -r;
}

static int start(struct virt *v, const char *uri)
{
    pthread_once(&once, init_once);
    v->uri = strdup(uri);
    v->wakeup = loop_wakeup(v->loop, on_wakeup, v);
    v->retry = loop_timer(v->loop, 0, connect_now, v);
    v->workers = workers_new(v->loop, "libvirt", THREADS, QUEUE_MAX);
    if (!v->uri || !v->wakeup || !v->retry || !v->workers)
        return -ENOMEM;
    return once_result < 0 ? once_result : start_thread(v);
}

struct virt *virt_new(struct loop *loop, const char *uri, const struct virt_handler *handler,
                      void *arg, struct vdi_error *err)
{
    struct virt *v = calloc(1, sizeof(*v));
    int r;

    if (!v) {
        error_set(err, ENOMEM, "libvirt", "no memory");
        return NULL;
    }
    v->loop = loop;
    v->handler = *handler;
    v->arg = arg;
    v->retry_usec = RETRY_MIN_USEC;
    v->stop_timer = -1;
    pthread_mutex_init(&v->lock, NULL);
    list_init(&v->happenings);
    r = start(v, uri);
    if (r < 0) {
        error_set(err, r, "libvirt", "libvirt cannot be used: %s", strerror(-r));
        virt_free(v);
        return NULL;
    }
    return v;
}

void virt_free(struct virt *v)
{
    if (!v)
        return;
    v->is_freed = true;
    workers_free(v->workers);
    drop_conn(v->conn);
    if (v->has_thread) {
        v->stop = true;
        virEventUpdateTimeout(v->stop_timer, 0);
        pthread_join(v->thread, NULL);
    }
    if (v->stop_timer >= 0)
        virEventRemoveTimeout(v->stop_timer);
    list_for_each_safe (it, &v->happenings)
        free(list_entry(it, struct happening, link));
    source_free(v->wakeup);
    source_free(v->retry);
    pthread_mutex_destroy(&v->lock);
    free(v->uri);
    free(v);
}

/* ---- the calls by name ---- */

int virt_list(struct virt *v, virt_fn fn, void *arg)
{
    return post(v, virt_op_list, "all domains", NULL, fn, arg);
}

int virt_ids(struct virt *v, virt_fn fn, void *arg)
{
    return post(v, virt_op_ids, "QEMU's user", NULL, fn, arg);
}

#define CALL(verb)                                                                                 \
    int virt_##verb(struct virt *v, const char *name, virt_fn fn, void *arg)                       \
    {                                                                                              \
        return post(v, virt_op_##verb, name, NULL, fn, arg);                                       \
    }
#define CALL_WITH(verb)                                                                            \
    int virt_##verb(struct virt *v, const char *name, const char *text, virt_fn fn, void *arg)     \
    {                                                                                              \
        return post(v, virt_op_##verb, name, text, fn, arg);                                       \
    }

CALL(destroy)
CALL(shutdown)
CALL(reset)
CALL(pause)
CALL(resume)
CALL(ping)
CALL(plugged)
CALL_WITH(create)
CALL_WITH(save)
CALL_WITH(restore)
CALL_WITH(screenshot)
CALL_WITH(update)
CALL_WITH(attach)
