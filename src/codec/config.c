/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - reading vdi.conf: the file, its blocks, and what is said about them.
 *
 * Three steps, each telling all it finds: bytes and words (config_scan.c), blocks
 * and values (here and config_key.c), and what refers to what (config_check.c).
 * Nothing is returned unless all of it was right.
 */
#include "codec/config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "codec/config_check.h"
#include "codec/config_tree.h"

struct reader {
    struct config_findings *f;
    struct config *config;
    bool no_memory;
};

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(cfg_t, cfg_free)

/* ---- values ------------------------------------------------------------- */

/* "node \"gpu[01-16]\" cpus": what a finding is about. */
static void name_field(char *ret, size_t size, cfg_t *block, const char *key)
{
    const char *title = block ? config_tree_title(block) : NULL;
    if (title)
        snprintf(ret, size, "%s \"%.16s\"%s%s", cfg_name(block), title, *key ? " " : "", key);
    else
        snprintf(ret, size, "%s", key);
}

static void tell(struct reader *r, int line, cfg_t *block, const char *key, struct vdi_error *err)
{
    if (err->code == ENOMEM)
        r->no_memory = true;
    name_field(err->field, sizeof(err->field), block, key);
    config_finding(r->f, line, err);
}

static void tell_later(struct reader *r, int line, cfg_t *block, const char *key)
{
    struct vdi_error err;
    error_set(&err, EINVAL, NULL, "it is not supported yet in this version");
    error_hint(&err, NULL, "take it out");
    tell(r, line, block, key, &err);
}

static void read_value(struct reader *r, cfg_t *block, const struct config_key *key, cfg_opt_t *opt,
                       void *base)
{
    struct vdi_error err = {0};
    unsigned n = cfg_opt_size(opt);
    int line = config_tree_line(opt, block);
    _cleanup_(freep) const char **values = calloc(n + 1, sizeof(*values));
    if (!values) {
        r->no_memory = true;
        return;
    }
    for (unsigned i = 0; i < n; i++)
        values[i] = cfg_opt_getnstr(opt, i);
    int code = config_key_set(key, base, values, n, &err);
    if (code == -ENOMEM)
        r->no_memory = true;
    else if (code < 0)
        tell(r, line, block, key->name, &err);
}

/* Takes the keys of one block; what is not written has its default. */
static void read_keys(struct reader *r, cfg_t *block, const struct config_key *keys, void *base)
{
    if (config_keys_default(keys, base) < 0)
        r->no_memory = true;
    for (const struct config_key *k = keys; k->name; k++) {
        cfg_opt_t *opt = cfg_getopt(block, k->name);
        if (!config_tree_is_set(opt)) {
            struct vdi_error err;
            if (!(k->flags & CONFIG_REQUIRED))
                continue;
            error_set(&err, EINVAL, NULL, "it is missing, and it has no default");
            error_hint(&err, NULL, "write it into the block");
            tell(r, config_tree_block_line(block), block, k->name, &err);
        } else if (k->type == CONFIG_LATER) {
            tell_later(r, config_tree_line(opt, block), block, k->name);
        } else {
            read_value(r, block, k, opt, base);
        }
    }
}

static void read_place(struct reader *r, cfg_t *block, struct config_place *place)
{
    place->line = config_tree_block_line(block);
    place->file = strdup(r->f->path);
    if (!place->file)
        r->no_memory = true;
}

/* The title is the object's name. */
static char *read_name(struct reader *r, cfg_t *block)
{
    const char *title = config_tree_title(block);
    if (!str_is_name(title, 63)) {
        struct vdi_error err;
        error_set(&err, EINVAL, NULL, "\"%.64s\" is not a name", title);
        error_hint(&err, "63 bytes", "use letters, digits, '.', '_' and '-'");
        tell(r, config_tree_block_line(block), block, "", &err);
    }
    char *name = strdup(title);
    if (!name)
        r->no_memory = true;
    return name;
}

/* A zeroed element more at the end; memory doubles. */
static void *array_add(struct reader *r, void *array, size_t *n, size_t size)
{
    void **p = array;
    if ((*n & (*n - 1)) == 0) {
        void *grown = realloc(*p, (*n ? *n * 2 : 1) * size);
        if (!grown) {
            r->no_memory = true;
            return NULL;
        }
        *p = grown;
    }
    void *item = (char *)*p + (*n)++ * size;
    memset(item, 0, size);
    return item;
}

/* ---- blocks ------------------------------------------------------------- */

static void read_setting(struct reader *r, cfg_t *block, cfg_opt_t *opt, struct config_plugin *p)
{
    const char *value = cfg_opt_size(opt) == 1 ? cfg_opt_getnstr(opt, 0) : NULL;
    if (!value) {
        struct vdi_error err;
        error_set(&err, EINVAL, NULL, "it takes one value, and %u are given", cfg_opt_size(opt));
        error_hint(&err, NULL, "write the value without { }");
        tell(r, config_tree_line(opt, block), block, opt->name, &err);
        return;
    }
    struct vdi_setting_value *s = array_add(r, &p->settings, &p->n_settings, sizeof(*s));
    if (!s)
        return;
    s->name = strdup(opt->name);
    s->value = strdup(value);
    if (!s->name || !s->value)
        r->no_memory = true;
}

static void read_plugin(struct reader *r, cfg_t *block, struct config_plugin *p)
{
    p->name = read_name(r, block);
    read_place(r, block, &p->place);
    for (unsigned i = 0; i < cfg_num(block); i++) {
        cfg_opt_t *opt = cfg_getnopt(block, i);
        if (config_tree_is_set(opt))
            read_setting(r, block, opt, p);
    }
}

static void read_only_plugin(struct reader *r, cfg_t *block, struct config_plugin *p)
{
    if (p->name) {
        struct vdi_error err;
        error_set(&err, EINVAL, NULL, "there is a %s already, in line %d", cfg_name(block),
                  p->place.line);
        error_hint(&err, NULL, "keep one of them");
        tell(r, config_tree_block_line(block), block, "", &err);
        return;
    }
    read_plugin(r, block, p);
}

static void read_site(struct reader *r, cfg_t *block)
{
    read_only_plugin(r, block, &r->config->site);
}

static void read_priority(struct reader *r, cfg_t *block)
{
    read_only_plugin(r, block, &r->config->priority);
}

static void read_auth(struct reader *r, cfg_t *block)
{
    struct config *c = r->config;
    struct config_plugin *auth = array_add(r, &c->auth, &c->n_auth, sizeof(*auth));
    if (auth)
        read_plugin(r, block, auth);
}

static void read_gpu(struct reader *r, cfg_t *block, struct config_node *node)
{
    struct vdi_error err;
    cfg_t *gpu = cfg_getnsec(block, "gpu", 0);
    if (cfg_size(block, "gpu") > 1)
        tell_later(r, config_tree_block_line(cfg_getnsec(block, "gpu", 1)), block,
                   "a second type of GPU");
    if (!gpu)
        return;
    read_keys(r, gpu, config_gpu_keys, node);
    const char *type = config_tree_title(gpu);
    if (str_is_empty(type) || strlen(type) > 63 || !str_is_text(type, strlen(type), false)) {
        error_set(&err, EINVAL, NULL, "\"%.64s\" is not the type of a GPU", type ? type : "");
        error_hint(&err, "63 bytes", "write what the card is called, as in \"NVIDIA A40\"");
        tell(r, config_tree_block_line(gpu), block, "gpu", &err);
        return;
    }
    free(node->gpu_type);
    node->gpu_type = strdup(type);
    if (!node->gpu_type)
        r->no_memory = true;
}

static int gpu_default(struct config_node *node)
{
    int code = config_keys_default(config_gpu_keys, node);
    node->gpus = 0; /* without a gpu block there is none */
    node->gpu_type = strdup("");
    return node->gpu_type ? code : -ENOMEM;
}

static void read_one_node(struct reader *r, cfg_t *block, const char *name)
{
    struct config *c = r->config;
    struct config_node *node = array_add(r, &c->nodes, &c->n_nodes, sizeof(*node));
    if (!node)
        return;
    node->name = strdup(name);
    if (!node->name || gpu_default(node) < 0)
        r->no_memory = true;
    read_place(r, block, &node->place);
    read_keys(r, block, config_node_keys, node);
    read_gpu(r, block, node);
}

/* One block stands for all names of its hostlist; its findings are told once. */
static void read_node(struct reader *r, cfg_t *block)
{
    struct hostlist hosts = {0};
    struct vdi_error err;
    bool mute = r->f->mute;
    size_t room = HOSTLIST_MAX - r->config->n_nodes;
    int code = hostlist_parse(config_tree_title(block), room ? room : 1, &hosts);
    for (size_t i = 0; code == 0 && i < hosts.n && !r->no_memory; i++) {
        if (!str_is_name(hosts.names[i], 63))
            code = -EINVAL;
        read_one_node(r, block, hosts.names[i]);
        r->f->mute = true;
    }
    r->f->mute = mute;
    if (code < 0 || hosts.n == 0 || !room) {
        error_set(&err, EINVAL, NULL,
                  code == -E2BIG || !room ? "there are too many nodes"
                                          : "the title is not a hostlist");
        error_hint(&err, "65536 nodes, 63 bytes a name",
                   "write names and ranges, as in \"gpu[01-16,20],login\"");
        tell(r, config_tree_block_line(block), block, "", &err);
    }
    hostlist_done(&hosts);
}

/* Blocks that are one element of an array, named by the title. */
#define READ_OBJECT(fn, array, count, keys)                                                        \
    static void fn(struct reader *r, cfg_t *block)                                                 \
    {                                                                                              \
        struct config *c = r->config;                                                              \
        __typeof__(*c->array) *item = array_add(r, &c->array, &c->count, sizeof(*item));           \
        if (!item)                                                                                 \
            return;                                                                                \
        item->name = read_name(r, block);                                                          \
        read_place(r, block, &item->place);                                                        \
        read_keys(r, block, keys, item);                                                           \
    }

READ_OBJECT(read_profile, profiles, n_profiles, config_profile_keys)
READ_OBJECT(read_partition, partitions, n_partitions, config_partition_keys)
READ_OBJECT(read_qos, qos, n_qos, config_qos_keys)
READ_OBJECT(read_account, accounts, n_accounts, config_account_keys)
READ_OBJECT(read_limit, limits, n_limits, config_limit_keys)
READ_OBJECT(read_licence, licences, n_licences, config_licence_keys)
READ_OBJECT(read_template_keys, templates, n_templates, config_template_keys)
READ_OBJECT(read_mount, mounts, n_mounts, config_mount_keys)
READ_OBJECT(read_role, roles, n_roles, config_role_keys)
READ_OBJECT(read_class, classes, n_classes, config_class_keys)
READ_OBJECT(read_reservation, classes, n_classes, config_reservation_keys)

static void read_disks(struct reader *r, cfg_t *block, struct config_template *t)
{
    for (unsigned i = 0; i < cfg_size(block, "disk"); i++) {
        cfg_t *sub = cfg_getnsec(block, "disk", i);
        struct config_disk *d = array_add(r, &t->disks, &t->n_disks, sizeof(*d));
        if (!d)
            return;
        d->name = read_name(r, sub);
        read_place(r, sub, &d->place);
        read_keys(r, sub, config_disk_keys, d);
    }
}

static void read_template(struct reader *r, cfg_t *block)
{
    read_template_keys(r, block);
    if (r->no_memory)
        return;
    struct config_template *t = &r->config->templates[r->config->n_templates - 1];
    read_disks(r, block, t);
    for (unsigned i = 0; i < cfg_size(block, "mount"); i++) {
        cfg_t *sub = cfg_getnsec(block, "mount", i);
        struct config_mount *m = array_add(r, &t->mounts, &t->n_mounts, sizeof(*m));
        if (!m)
            return;
        m->name = read_name(r, sub);
        read_place(r, sub, &m->place);
        read_keys(r, sub, config_mount_keys, m);
    }
    if (t->profiles.n > 0 && t->gpus == 0)
        t->gpus = 1;
}

static bool has_mount(const struct config_template *t, const char *name)
{
    for (size_t i = 0; i < t->n_mounts; i++)
        if (str_equal(t->mounts[i].name, name))
            return true;
    return false;
}

static char *copy_text(struct reader *r, const char *text)
{
    char *copy = strdup(text ? text : "");
    if (!copy)
        r->no_memory = true;
    return copy;
}

/* Each mount that a template names is copied into it: who starts it looks there alone. One that
 * is not there is told by config_check(). */
static void copy_mounts(struct reader *r, struct config_template *t)
{
    for (size_t i = 0; i < t->mount_names.n && !r->no_memory; i++) {
        const struct config_mount *from = config_mount(r->config, t->mount_names.names[i]);
        struct config_mount *m = NULL;
        if (from && !has_mount(t, from->name))
            m = array_add(r, &t->mounts, &t->n_mounts, sizeof(*m));
        if (!m)
            continue;
        m->name = copy_text(r, from->name);
        m->source = copy_text(r, from->source);
        m->target = copy_text(r, from->target);
        m->type = copy_text(r, from->type);
        m->mode = copy_text(r, from->mode);
        m->security = copy_text(r, from->security);
        m->ticket = copy_text(r, from->ticket);
        m->place = (struct config_place){copy_text(r, from->place.file), from->place.line};
    }
}

/* Whether there is a title, and the first of its kind. */
static bool check_title(struct reader *r, cfg_t *block, struct hash *titles)
{
    struct vdi_error err;
    const char *title = config_tree_title(block);
    cfg_t *other = title ? hash_get(titles, title) : NULL;
    if (!title) {
        error_set(&err, EINVAL, NULL, "the block has no title");
        error_hint(&err, NULL, "write NAME \"TITLE\" { }");
    } else if (other) {
        error_set(&err, EINVAL, NULL, "there is one already, in line %d",
                  config_tree_block_line(other));
        error_hint(&err, NULL, "keep one of them, or give it another title");
    } else {
        r->no_memory |= hash_put(titles, title, block) < 0;
        return true;
    }
    tell(r, config_tree_block_line(block), block, title ? "" : cfg_name(block), &err);
    return false;
}

static void read_blocks(struct reader *r, cfg_t *cfg)
{
    static const struct {
        const char *name;
        void (*read)(struct reader *r, cfg_t *block);
    } blocks[] = {
        {"site", read_site},           {"auth", read_auth},
        {"node", read_node},           {"profile", read_profile},
        {"partition", read_partition}, {"qos", read_qos},
        {"account", read_account},     {"limit", read_limit},
        {"licence", read_licence},     {"template", read_template},
        {"mount", read_mount},         {"role", read_role},
        {"class", read_class},         {"reservation", read_reservation},
        {"priority", read_priority},
    };
    for (size_t i = 0; i < ELEMENTS(blocks) && !r->no_memory; i++) {
        struct hash *titles = hash_new_str();
        r->no_memory = !titles;
        for (unsigned n = 0; n < cfg_size(cfg, blocks[i].name) && !r->no_memory; n++) {
            cfg_t *block = cfg_getnsec(cfg, blocks[i].name, n);
            if (check_title(r, block, titles))
                blocks[i].read(r, block);
        }
        hash_free(titles);
    }
    for (size_t i = 0; i < r->config->n_templates && !r->no_memory; i++)
        copy_mounts(r, &r->config->templates[i]);
}

/* ---- the file ----------------------------------------------------------- */

static int digest(const char *text, size_t len, struct config *c)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    c->digest = malloc(2 * sizeof(sum) + 1);
    if (!c->digest || EVP_Digest(text, len, sum, &n, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    str_to_hex(sum, n, c->digest);
    return 0;
}

int config_read_text(const char *path, const char *text, size_t len, struct config **ret,
                     struct buf *findings)
{
    struct config_findings f = {.path = path, .out = findings};
    struct buf clean = BUF_INIT(4 * (size_t)CONFIG_FILE_MAX + 64);
    _cleanup_(config_freep) struct config *c = calloc(1, sizeof(*c));
    _cleanup_(cfg_freep) cfg_t *cfg = NULL;
    struct reader r = {.f = &f, .config = c};
    bool complete = false;
    int code = c ? digest(text, len, c) : -ENOMEM;
    if (code == 0)
        code = config_scan(text, len, &f, &clean);
    if (code == 0) {
        cfg = config_tree(clean.data ? clean.data : "", &f, &complete);
        code = cfg ? 0 : -ENOMEM;
    }
    buf_done(&clean);
    if (code < 0)
        return code;
    read_keys(&r, cfg, config_keys, c);
    read_blocks(&r, cfg);
    if (r.no_memory || config_index(c) < 0)
        return -ENOMEM;
    if (config_gpu_kinds(c, &f) < 0)
        return -ENOMEM;
    config_check(c, &f, complete);
    if (f.errors > 0)
        return -EINVAL;
    *ret = TAKE_PTR(c);
    return 0;
}

/* All of a regular file of at most CONFIG_FILE_MAX bytes. */
static int read_file(const char *path, char **ret, size_t *ret_len, struct vdi_error *err)
{
    struct stat st;
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, errno, "file", "it can't be read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, EINVAL, "file", "it is not a regular file");
    if (st.st_size > CONFIG_FILE_MAX) {
        error_set(err, EFBIG, "file", "it has %lld bytes", (long long)st.st_size);
        error_hint(err, "4 MiB", "describe nodes together with hostlists");
        return -EFBIG;
    }
    size_t len = 0;
    _cleanup_(freep) char *text = malloc((size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, text + len, (size_t)st.st_size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, errno, "file", "it can't be read: %s", strerror(errno));
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret = TAKE_PTR(text);
    *ret_len = len;
    return 0;
}

int config_read(const char *path, struct config **ret, struct buf *findings)
{
    struct config_findings f = {.path = path, .out = findings};
    struct vdi_error err = {0};
    _cleanup_(freep) char *text = NULL;
    size_t len = 0;
    int code = read_file(path, &text, &len, &err);
    if (code < 0) {
        if (err.code)
            config_finding(&f, 0, &err);
        return code;
    }
    return config_read_text(path, text, len, ret, findings);
}
