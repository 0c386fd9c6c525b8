/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt.c - site "libvirt": every operation is an order to the node's vdid.
 *
 * vdid keeps the instances and knows libvirt; this plugin only says what to do, so
 * nothing of an instance is kept here and a restart of the controller loses nothing.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <vdi/plugin.h>

struct site {
    struct vdi_host *host;
    const struct vdi_host_api *api;
};

static int site_init(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                     const struct vdi_setting_value *settings, size_t n_settings,
                     struct vdi_error *err)
{
    struct site *site = calloc(1, sizeof(*site));

    if (!site)
        return -ENOMEM;
    site->host = host;
    site->api = api;
    *ret = site;
    return 0;
}

/* Sends and frees the body. */
static int order(struct site *site, const char *node, const char *verb, struct vdi_instance_id id,
                 json_t *body, struct vdi_op *op)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int r = text ? site->api->node_send(site->host, node, verb, id, text, op) : -ENOMEM;

    free(text);
    json_decref(body);
    return r;
}

static int site_start(void *arg, const struct vdi_instance_spec *spec, struct vdi_op *op)
{
    json_t *details = json_loads(spec->spec_json, JSON_REJECT_DUPLICATES, NULL);
    json_t *body;

    if (!details)
        return -EINVAL;
    body = json_pack("{s:I, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:o}", "job", (json_int_t)spec->job,
                     "owner", spec->owner, "template", spec->template_name, "image", spec->image,
                     "vcpus", (int)spec->vcpus, "memory_mib", (int)spec->memory_mib, "gpus",
                     (int)spec->gpus, "gpu_profile", spec->gpu_profile, "details", details);
    return order(arg, spec->node, "start", spec->id, body, op);
}

static int site_stop(void *arg, struct vdi_instance_id id, const char *node, uint32_t grace_sec,
                     struct vdi_op *op)
{
    return order(arg, node, "stop", id, json_pack("{s:i}", "grace_sec", (int)grace_sec), op);
}

static int site_poll(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    return order(arg, node, "poll", id, json_object(), op);
}

static int site_bind(void *arg, struct vdi_instance_id id, const char *node, const char *bind_json,
                     struct vdi_op *op)
{
    json_t *details = json_loads(bind_json, JSON_REJECT_DUPLICATES, NULL);

    return details ? order(arg, node, "bind", id, json_pack("{s:o}", "details", details), op)
                   : -EINVAL;
}

static int site_suspend(void *arg, struct vdi_instance_id id, const char *node, const char *mode,
                        struct vdi_op *op)
{
    return order(arg, node, "suspend", id, json_pack("{s:s}", "mode", mode), op);
}

static int site_resume(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    return order(arg, node, "resume", id, json_object(), op);
}

static int site_reboot(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    return order(arg, node, "reboot", id, json_object(), op);
}

static int site_connection(void *arg, struct vdi_instance_id id, const char *node,
                           const char *request_json, struct vdi_op *op)
{
    json_t *request = json_loads(request_json, JSON_REJECT_DUPLICATES, NULL);

    return request ? order(arg, node, "connection", id, request, op) : -EINVAL;
}

static int site_signal(void *arg, struct vdi_instance_id id, const char *node, int signo,
                       struct vdi_op *op)
{
    return order(arg, node, "signal", id, json_pack("{s:i}", "signal", signo), op);
}

static int site_message(void *arg, struct vdi_instance_id id, const char *node, const char *text,
                        struct vdi_op *op)
{
    return order(arg, node, "message", id, json_pack("{s:s}", "text", text), op);
}

static int site_output(void *arg, struct vdi_instance_id id, const char *node, const char *stream,
                       uint64_t from, uint32_t max, struct vdi_op *op)
{
    json_t *body =
        json_pack("{s:s, s:I, s:i}", "stream", stream, "from", (json_int_t)from, "max", (int)max);

    return order(arg, node, "output", id, body, op);
}

static int site_log(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    return order(arg, node, "log", id, json_object(), op);
}

static void site_done(void *arg)
{
    free(arg);
}

static const struct vdi_site_ops ops = {
    .init = site_init,
    .start = site_start,
    .stop = site_stop,
    .poll = site_poll,
    .bind = site_bind,
    .suspend = site_suspend,
    .resume = site_resume,
    .reboot = site_reboot,
    .connection = site_connection,
    .signal = site_signal,
    .message = site_message,
    .done = site_done,
    .output = site_output,
    .log = site_log,
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_SITE,
    .name = "libvirt",
    .title = "virtual machines of libvirt on nodes with vdid",
    .ops = &ops,
    .ops_size = sizeof(ops),
};
