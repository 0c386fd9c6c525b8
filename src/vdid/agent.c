/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - between the link (session.h) and the instances (vdid.h).
 *
 * An order's words are translated here and nowhere else; what the node cannot do yet is
 * refused by name.
 */
#include <config.h>

#include "vdid/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/document.h"
#include "codec/inventory.h"
#include "vdid/domain_spec.h"
#include "vdid/run_wish.h"
#include "vdid/session.h"
#include "vdid/ticket.h"
#include "vdid/vdid.h"
#include <vdi/plugin.h>

#define TICKET_SEC 60
#define MESSAGE_MAX 4096

struct agent {
    struct loop *loop;
    const struct node_config *config;
    struct spice_trust trust; /* of TLS; empty without */
    struct vdid *vdid;
    struct session *session;
    bool in_service;
    char why[128]; /* out of service */
};

/* An order under way. */
struct task {
    struct agent *agent;
    uint64_t op;
    struct vdi_instance_id id;
    struct ticket ticket; /* connection */
};

static void answer(struct task *t, int result, const char *json, const struct vdi_error *err)
{
    session_done(t->agent->session, t->op, t->id, result < 0 ? -result : 0,
                 result < 0 && err ? err->detail : "", json);
    ticket_done(&t->ticket);
    free(t);
}

static void done(void *arg, int result, const char *json, const struct vdi_error *err)
{
    answer(arg, result, json, err);
}

static void refuse(struct task *t, int code, const char *text)
{
    struct vdi_error err = {0};

    error_set(&err, code, "", "%s", text);
    answer(t, -code, NULL, &err);
}

/* ---- start ---- */

static uint32_t index_of(const char *const *names, const char *name)
{
    for (uint32_t i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    return UINT32_MAX;
}

static int read_wish(const struct value *body, struct record_wish *w, struct vdi_error *err)
{
    const struct value *t = value_get(body, "details.template");

    w->job = (uint64_t)value_get_int(body, "job", 0);
    w->vcpus = (uint32_t)value_get_int(body, "vcpus", 0);
    w->memory_mib = (uint32_t)value_get_int(body, "memory_mib", 0);
    w->tpm = value_get_bool(t, "tpm", false);
    w->boot_timeout_sec = value_get_int(t, "boot_timeout_sec", 0);
    w->os = index_of(domain_os_names, value_get_string(t, "os", "linux"));
    w->firmware = index_of(domain_firmware_names, value_get_string(t, "firmware", "bios"));
    if (!str_copy(w->image, sizeof(w->image), value_get_string(body, "image", "")) ||
        !str_copy(w->owner, sizeof(w->owner), value_get_string(body, "owner", "")) ||
        !str_copy(w->template_name, sizeof(w->template_name),
                  value_get_string(body, "template", "")) ||
        !str_copy(w->keyboard, sizeof(w->keyboard), value_get_string(t, "keyboard", "")) ||
        !str_copy(w->timezone, sizeof(w->timezone), value_get_string(t, "timezone", "")) ||
        !str_copy(w->resolution, sizeof(w->resolution), value_get_string(t, "resolution", "")))
        return error_set(err, EINVAL, "", "a name in the order is too long");
    if (value_get_int(body, "gpus", 0) > 0)
        return error_set(err, ENOSYS, "gpus", "this version of vdid gives no GPUs to instances");
    if (!*w->image || !w->vcpus || !w->memory_mib || w->os == UINT32_MAX ||
        w->firmware == UINT32_MAX)
        return error_set(err, EINVAL, "", "the order lacks image, vcpus, memory, os or firmware");
    return 0;
}

/* A version of an image, and where it comes from; `ret` borrows from the document. */
static int read_image(const struct value *image, struct cache_wish *ret, struct vdi_error *err)
{
    ret->port = (uint32_t)value_get_int(image, "port", 0);
    ret->manifest = (char *)value_get_string(image, "manifest", "");
    if (ret->port <= UINT16_MAX &&
        str_copy(ret->ref, sizeof(ret->ref), value_get_string(image, "ref", "")) &&
        str_copy(ret->source, sizeof(ret->source), value_get_string(image, "source", "")))
        return 0;
    return error_set(err, EINVAL, "image", "what is said of the image is too long");
}

static int want_image(struct agent *agent, const struct value *image, bool for_start,
                      struct vdi_error *err)
{
    struct cache_wish wish = {.port = 0};
    int r = value_is_object(image) ? read_image(image, &wish, err) : 0;

    return r < 0 || !value_is_object(image) ? r : vdid_want(agent->vdid, &wish, for_start, err);
}

/* What is to be run, as the instance keeps it: run_wish.h checks it. */
static int read_details(const struct value *body, char **ret, struct vdi_error *err)
{
    struct buf text = BUF_INIT(RUN_WISH_BYTES_MAX);

    value_write(value_get(body, "details"), 0, &text);
    if (text.failed) {
        buf_done(&text);
        return error_set(err, E2BIG, "details", "what is to be run is over %u bytes",
                         RUN_WISH_BYTES_MAX);
    }
    *ret = buf_take(&text, NULL);
    return 0;
}

static int read_output(const struct value *body, struct vdid_order *ret, struct vdi_error *err)
{
    int64_t from = value_get_int(body, "from", 0), max = value_get_int(body, "max", VDI_OUTPUT_MAX);

    ret->stream = index_of(runner_stream_names, value_get_string(body, "stream", "out"));
    if (ret->stream == UINT32_MAX || from < 0 || max < 1)
        return error_set(err, EINVAL, "output", "a piece is stream out or err, from, and max");
    ret->from = (uint64_t)from;
    ret->max = max < VDI_OUTPUT_MAX ? (uint32_t)max : VDI_OUTPUT_MAX;
    return 0;
}

static int read_message(const struct value *body, char **ret, struct vdi_error *err)
{
    const char *text = value_get_string(body, "text", "");

    if (!*text || strlen(text) > MESSAGE_MAX || !str_is_text(text, strlen(text), true))
        return error_set(err, EINVAL, "text", "a message is text of 1 to %d bytes", MESSAGE_MAX);
    *ret = strdup(text);
    return *ret ? 0 : error_set(err, ENOMEM, "", "out of memory");
}

/* Whose it is to be stands in the job's document. */
static int read_bind(const struct value *body, struct vdid_order *ret, struct vdi_error *err)
{
    const struct value *job = value_get(body, "details.job");

    ret->wish.job = (uint64_t)value_get_int(job, "id", 0);
    if (!str_copy(ret->wish.owner, sizeof(ret->wish.owner), value_get_string(job, "owner", "")))
        return error_set(err, EINVAL, "owner", "the owner's name in the order is too long");
    return read_details(body, &ret->details, err);
}

static int fill(struct agent *agent, const struct link_order *o, struct vdid_order *ret,
                struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    const struct value *body;
    int r = document_parse(o->body, strlen(o->body), &doc, err);

    if (r < 0)
        return r;
    body = document_root(doc);
    switch (o->verb) {
    case LINK_VERB_START:
        r = read_wish(body, &ret->wish, err);
        if (r >= 0 && agent->in_service)
            r = want_image(agent, value_get(body, "details.image"), true, err);
        return r < 0 ? r : read_details(body, &ret->details, err);
    case LINK_VERB_BIND:
        return read_bind(body, ret, err);
    case LINK_VERB_STOP:
        ret->grace_sec = (uint32_t)value_get_int(body, "grace_sec", 0);
        return 0;
    case LINK_VERB_SIGNAL:
        ret->signal = (uint32_t)value_get_int(body, "signal", 0);
        return 0;
    case LINK_VERB_MESSAGE:
        return read_message(body, &ret->text, err);
    case LINK_VERB_OUTPUT:
        return read_output(body, ret, err);
    default:
        return 0;
    }
}

/* ---- connection: a ticket, then where to take it ---- */

static void reply_connection(struct task *t)
{
    const struct node_config *c = t->agent->config;
    const struct spice_trust *trust = &t->agent->trust;
    struct buf out = BUF_INIT(TICKET_MAX);
    bool has_tls = false;
    uint32_t port = vdid_port(t->agent->vdid, t->id, &has_tls);

    if (!port) {
        refuse(t, ENOENT, "the instance is not on this node");
        return;
    }
    if (has_tls && !trust->ca) {
        refuse(t, EKEYREJECTED, "the desktop was started with TLS, and spice_tls is off now");
        return;
    }
    ticket_write(&t->ticket, *c->spice_host ? c->spice_host : c->spice_address, port,
                 has_tls ? trust : NULL, &out);
    answer(t, 0, out.data, NULL);
    explicit_bzero(out.data, out.len);
    buf_done(&out);
}

static void ticket_set(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct task *t = arg;

    if (result < 0)
        answer(t, result, NULL, err);
    else
        reply_connection(t);
}

static void connection(struct task *t, struct vdid_order *o)
{
    int r = ticket_new(&t->ticket, loop_now_usec(t->agent->loop) / USEC_PER_SEC + TICKET_SEC);

    if (r < 0) {
        refuse(t, EIO, "the kernel gives no random bytes");
        return;
    }
    o->verb = VDID_TICKET;
    o->expire_sec = t->ticket.expire_sec;
    str_copy(o->password, sizeof(o->password), t->ticket.password);
    vdid_order(t->agent->vdid, o, ticket_set, t);
    explicit_bzero(o->password, sizeof(o->password));
}

/* ---- prefetch ---- */

static void prefetch(struct task *t, const struct link_order *o)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    struct vdi_error err = {0};
    int r = document_parse(o->body, strlen(o->body), &doc, &err);

    if (r >= 0)
        r = want_image(t->agent, document_root(doc), false, &err);
    answer(t, r < 0 ? -err.code : 0, NULL, &err);
}

/* ---- discard ---- */

static void discard(struct task *t, const struct link_order *o)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    struct vdi_error err = {0};
    const struct value *body;

    if (document_parse(o->body, strlen(o->body), &doc, &err) < 0) {
        answer(t, -err.code, NULL, &err);
        return;
    }
    body = document_root(doc);
    vdid_discard(t->agent->vdid, o->epoch, value_get_string(body, "volume", ""),
                 index_of(disk_where_names, value_get_string(body, "where", "")), done, t);
}

/* ---- orders ---- */

static int verb_of(uint32_t link_verb)
{
    switch (link_verb) {
    case LINK_VERB_START:
        return VDID_START;
    case LINK_VERB_BIND:
        return VDID_BIND;
    case LINK_VERB_STOP:
        return VDID_STOP;
    case LINK_VERB_POLL:
        return VDID_POLL;
    case LINK_VERB_SUSPEND:
        return VDID_SAVE;
    case LINK_VERB_RESUME:
        return VDID_RESUME;
    case LINK_VERB_REBOOT:
        return VDID_REBOOT;
    case LINK_VERB_SIGNAL:
        return VDID_SIGNAL;
    case LINK_VERB_MESSAGE:
        return VDID_MESSAGE;
    case LINK_VERB_OUTPUT:
        return VDID_OUTPUT;
    case LINK_VERB_LOG:
        return VDID_LOG;
    default:
        return -1;
    }
}

static void on_order(void *arg, const struct link_order *o)
{
    struct agent *agent = arg;
    struct vdid_order order = {
        .id = {o->instance, o->generation},
        .epoch = o->epoch,
    };
    struct task *t = calloc(1, sizeof(*t));
    struct vdi_error err = {0};
    int verb = verb_of(o->verb);

    if (!t) {
        session_done(agent->session, o->op, order.id, ENOMEM, "out of memory", NULL);
        return;
    }
    *t = (struct task){.agent = agent, .op = o->op, .id = order.id};
    if (o->verb == LINK_VERB_PREFETCH) {
        prefetch(t, o);
    } else if (o->verb == LINK_VERB_DISCARD) {
        discard(t, o);
    } else if (o->verb == LINK_VERB_CONNECTION) {
        connection(t, &order);
    } else if (verb < 0) {
        refuse(t, ENOSYS, "this version of vdid knows no such order");
    } else if (fill(agent, o, &order, &err) < 0) {
        answer(t, -err.code, NULL, &err);
    } else if (verb == VDID_START && !agent->in_service) {
        refuse(t, EAGAIN, *agent->why ? agent->why : "the node is not in service yet");
    } else {
        order.verb = (uint32_t)verb;
        vdid_order(agent->vdid, &order, done, t);
    }
    vdid_order_done(&order);
}

/* ---- inventory ---- */

static uint32_t free_gib(const char *dir)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) < 0)
        return 0;
    return (uint32_t)((uint64_t)fs.f_bavail * fs.f_frsize >> 30);
}

/* [{"instance":5,"generation":1,"state":"ready",...}] as a list of reports. */
static size_t take_instances(const struct value *list, struct inventory_instance *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < value_count(list) && n < INVENTORY_MAX; i++) {
        const struct value *v = value_item(list, i);
        struct buf report = BUF_INIT(4096);

        ret[n].id.id = (uint64_t)value_get_int(v, "instance", 0);
        ret[n].id.generation = (uint32_t)value_get_int(v, "generation", 0);
        value_write(value_get(v, "report"), 0, &report);
        ret[n].report = buf_take(&report, NULL);
        if (ret[n].id.id && ret[n].report)
            n++;
        else
            free(ret[n].report);
    }
    return n;
}

static void on_inventory(void *arg, struct buf *out)
{
    struct agent *agent = arg;
    struct inventory inv = {0};
    struct sysinfo si = {0};
    struct buf all = BUF_INIT((900u << 10));
    _cleanup_(document_freep) struct document *doc = NULL;

    sysinfo(&si);
    inv.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    inv.memory_mib = (uint32_t)(((uint64_t)si.totalram * si.mem_unit) >> 20);
    inv.disk_gib = free_gib(agent->config->state_dir);
    str_copy(inv.version, sizeof(inv.version), PACKAGE_VERSION);
    if (!agent->in_service)
        str_copy(inv.out_of_service, sizeof(inv.out_of_service),
                 *agent->why ? agent->why : "it is not known yet whether guests boot here");
    vdid_write_all(agent->vdid, &all);
    if (!all.failed && document_parse(all.data, all.len, &doc, NULL) >= 0)
        inv.instances = calloc(value_count(document_root(doc)) + 1, sizeof(*inv.instances));
    if (!inv.instances) {
        /* What is not in an inventory is taken for lost: better none than one without them. */
        log_error("no inventory is sent: its instances don't fit the memory");
        out->failed = true;
        buf_done(&all);
        return;
    }
    inv.n = take_instances(document_root(doc), inv.instances);
    inv.n_images = vdid_images(agent->vdid, &inv.images);
    inv.n_volumes = vdid_volumes(agent->vdid, &inv.volumes);
    inventory_encode(&inv, out);
    inventory_done(&inv);
    buf_done(&all);
}

/* ---- what happens here ---- */

static void on_instance(void *arg, struct vdi_instance_id id, const char *what, const char *json)
{
    struct agent *agent = arg;

    if (!strcmp(what, "ready") || !strcmp(what, "exited") || !strcmp(what, "saved") ||
        !strcmp(what, "gone") || !strcmp(what, "input"))
        session_state(agent->session, id, json);
    else
        log_info("instance %" PRIu64 ".%u: %s %s", id.id, id.generation, what, json);
}

static void on_orphan(void *arg, struct vdi_instance_id id)
{
    log_warning("a domain of instance %" PRIu64 ".%u runs here without a record: left alone", id.id,
                id.generation);
}

static void on_service(void *arg, bool in_service, const char *why)
{
    struct agent *agent = arg;

    agent->in_service = in_service;
    str_copy(agent->why, sizeof(agent->why), in_service ? "" : why);
    if (in_service)
        log_info("in service");
    else
        log_error("out of service: %s", why);
    if (agent->session)
        session_inventory(agent->session);
}

static void on_images(void *arg)
{
    struct agent *agent = arg;

    if (agent->session)
        session_inventory(agent->session);
}

/* ---- begin and end ---- */

static int open_vdid(struct agent *agent, struct vdi_error *err)
{
    static const struct vdid_handler handler = {
        .instance = on_instance,
        .orphan = on_orphan,
        .service = on_service,
        .images = on_images,
    };
    const struct node_config *c = agent->config;
    struct vdid_config config = {
        .uri = c->uri,
        .image_cache = c->image_cache,
        .controller = c->controller,
        .cluster = c->cluster,
        .ca_file = c->ca_file,
        .cert_file = c->cert_file,
        .key_file = c->key_file,
        .image_cache_mib = (uint64_t)c->image_cache_mib,
        .image_rate_mib = (uint64_t)c->image_rate_mib,
        .disk_dir = c->disk_dir,
        .disk_shared_dir = c->disk_shared_dir,
        .disk_max_gib = (uint64_t)c->disk_max_gib,
        .state_dir = c->state_dir,
        .image_dir = c->image_dir,
        .run_dir = c->run_dir,
        .prefix = c->prefix,
        .emulator = c->emulator,
        .virtiofsd = c->virtiofsd,
        .bridge = c->bridge,
        .spice_address = c->spice_address,
        .spice_tls = node_config_has_tls(c),
        .port_min = (uint16_t)c->port_min,
        .port_max = (uint16_t)c->port_max,
        .accel = (enum accel_mode)index_of(accel_mode_names, c->accel),
        .tcg_cache_mib = (uint32_t)c->tcg_cache_mib,
        .boot_timeout_sec = c->boot_timeout_sec,
        .keep_gone_sec = c->keep_gone_sec,
        .node = c->node,
        .output_max_mib = (uint32_t)c->output_max_mib,
        .output_keep_mib = (uint32_t)c->output_keep_mib,
        .output_keep_sec = c->output_keep_sec,
    };

    agent->vdid = vdid_new(agent->loop, &config, &handler, agent, err);
    return agent->vdid ? 0 : -err->code;
}

static int open_session(struct agent *agent, struct vdi_error *err)
{
    static const struct session_ops ops = {.order = on_order, .inventory = on_inventory};
    const struct node_config *c = agent->config;
    _cleanup_(freep) char *epoch = str_printf("%s/epoch", c->state_dir);
    struct session_config config = {
        .controller = c->controller,
        .cluster = c->cluster,
        .node = c->node,
        .ca_file = c->ca_file,
        .cert_file = c->cert_file,
        .key_file = c->key_file,
        .epoch_file = epoch,
    };

    if (!epoch)
        return error_set(err, ENOMEM, "", "out of memory");
    return session_new(agent->loop, &config, &ops, agent, &agent->session, err);
}

int agent_new(struct loop *loop, const struct node_config *config, struct agent **ret,
              struct vdi_error *err)
{
    struct agent *agent = calloc(1, sizeof(*agent));
    int r;

    if (!agent)
        return error_set(err, ENOMEM, "", "out of memory");
    agent->loop = loop;
    agent->config = config;
    r = node_config_has_tls(config) ? spice_tls_load(config->spice_tls_dir, &agent->trust, err) : 0;
    if (r >= 0)
        r = open_vdid(agent, err);
    if (r >= 0)
        r = open_session(agent, err);
    if (r < 0)
        agent_free(agent);
    else
        *ret = agent;
    return r;
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    vdid_free(agent->vdid);
    session_free(agent->session);
    spice_trust_done(&agent->trust);
    free(agent);
}
