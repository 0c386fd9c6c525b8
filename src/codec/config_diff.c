/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_diff.c - what a reconfigure changes, and the printed reference of all keys.
 *
 * Both walk the table of config_table.c: a new key shows up in them by itself.
 */
#include "codec/config.h"

#include <stdio.h>

#include "base/str.h"
#include "codec/config_key.h"

struct diff {
    struct buf *out;
    bool needs_restart;
};

/* A line for a member that differs; `what` and `name` are "" at top level. */
static void diff_key(struct diff *d, const char *what, const char *name,
                     const struct config_key *key, const void *a, const void *b)
{
    struct buf old = BUF_INIT(0), new = BUF_INIT(0);
    config_key_print(key, a, &old);
    config_key_print(key, b, &new);
    if (!str_equal(old.data, new.data)) {
        buf_printf(d->out, "%s%s%s%s%s %s -> %s%s\n", what, *what ? " " : "", name,
                   *name ? ": " : "", key->name, old.len ? old.data : "\"\"",
                   new.len ? new.data : "\"\"",
                   key->flags & CONFIG_RESTART ? " (after a restart)" : "");
        d->needs_restart |= (key->flags & CONFIG_RESTART) != 0;
    }
    buf_done(&old);
    buf_done(&new);
}

static void diff_keys(struct diff *d, const char *what, const char *name,
                      const struct config_key *keys, const void *a, const void *b)
{
    for (const struct config_key *k = keys; k->name; k++)
        diff_key(d, what, name, k, a, b);
}

/* Arrays of structs whose first member is the name. */
struct side {
    const void *array;
    size_t n, size;
};

static const void *item(const struct side *s, size_t i)
{
    return (const char *)s->array + i * s->size;
}

static const char *name_of(const void *object)
{
    return *(char *const *)object;
}

/* Objects are mostly in the same order, so the place where the last one was is looked at first. */
static const void *find(const struct side *s, const char *name, size_t *io_hint)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t at = (*io_hint + i) % s->n;
        if (str_equal(name_of(item(s, at)), name)) {
            *io_hint = at + 1;
            return item(s, at);
        }
    }
    return NULL;
}

static const char *block_word(const struct config_class *c)
{
    return c->nodes.n ? "reservation" : "class";
}

static void diff_presence(struct diff *d, const char *what, const struct side *from,
                          const struct side *in, const char *word)
{
    size_t hint = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (!find(in, name_of(item(from, i)), &hint))
            buf_printf(d->out, "%s %s: %s\n",
                       str_equal(what, "class") ? block_word(item(from, i)) : what,
                       name_of(item(from, i)), word);
    }
}

static void diff_objects(struct diff *d, const char *what, struct side a, struct side b,
                         void (*changed)(struct diff *d, const void *a, const void *b))
{
    size_t hint = 0;
    diff_presence(d, what, &a, &b, "removed");
    diff_presence(d, what, &b, &a, "added");
    for (size_t i = 0; i < a.n; i++) {
        const void *other = find(&b, name_of(item(&a, i)), &hint);
        if (other)
            changed(d, item(&a, i), other);
    }
}

static void node_changed(struct diff *d, const void *a, const void *b)
{
    const struct config_node *na = a, *nb = b;
    diff_keys(d, "node", na->name, config_node_keys, a, b);
    if (!str_equal(na->gpu_type, nb->gpu_type))
        buf_printf(d->out, "node %s: gpu \"%s\" -> \"%s\"\n", na->name, na->gpu_type, nb->gpu_type);
    else
        diff_keys(d, "node", na->name, config_gpu_keys, a, b);
}

static void partition_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "partition", name_of(a), config_partition_keys, a, b);
}

static void profile_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "profile", name_of(a), config_profile_keys, a, b);
}

static void qos_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "qos", name_of(a), config_qos_keys, a, b);
}

static void account_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "account", name_of(a), config_account_keys, a, b);
}

static void limit_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "limit", name_of(a), config_limit_keys, a, b);
}

static void licence_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "licence", name_of(a), config_licence_keys, a, b);
}

static void mount_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "mount", name_of(a), config_mount_keys, a, b);
}

static void disk_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "disk", name_of(a), config_disk_keys, a, b);
}

static void template_changed(struct diff *d, const void *a, const void *b)
{
    const struct config_template *ta = a, *tb = b;
    char what[96];
    diff_keys(d, "template", ta->name, config_template_keys, a, b);
    snprintf(what, sizeof(what), "template %s: mount", ta->name);
    diff_objects(d, what, (struct side){ta->mounts, ta->n_mounts, sizeof(*ta->mounts)},
                 (struct side){tb->mounts, tb->n_mounts, sizeof(*tb->mounts)}, mount_changed);
    snprintf(what, sizeof(what), "template %s: disk", ta->name);
    diff_objects(d, what, (struct side){ta->disks, ta->n_disks, sizeof(*ta->disks)},
                 (struct side){tb->disks, tb->n_disks, sizeof(*tb->disks)}, disk_changed);
}

static void role_changed(struct diff *d, const void *a, const void *b)
{
    diff_keys(d, "role", name_of(a), config_role_keys, a, b);
}

static void class_changed(struct diff *d, const void *a, const void *b)
{
    const struct config_class *was = a, *is = b;

    if (!was->nodes.n != !is->nodes.n)
        buf_printf(d->out, "%s %s: is another thing now\n", block_word(was), name_of(a));
    else
        diff_keys(d, block_word(was), name_of(a),
                  was->nodes.n ? config_reservation_keys : config_class_keys, a, b);
}

static const char *setting_of(const struct config_plugin *p, const char *name)
{
    for (size_t i = 0; i < p->n_settings; i++) {
        if (str_equal(p->settings[i].name, name))
            return p->settings[i].value;
    }
    return NULL;
}

/* Values are not shown: they may name secrets' places. */
static void plugin_changed(struct diff *d, const void *a, const void *b)
{
    const struct config_plugin *pa = a, *pb = b;
    for (size_t i = 0; i < pa->n_settings; i++) {
        const char *name = pa->settings[i].name, *value = setting_of(pb, name);
        if (!value)
            buf_printf(d->out, "plugin %s: %s removed\n", pa->name, name);
        else if (!str_equal(value, pa->settings[i].value))
            buf_printf(d->out, "plugin %s: %s changed\n", pa->name, name);
    }
    for (size_t i = 0; i < pb->n_settings; i++) {
        if (!setting_of(pa, pb->settings[i].name))
            buf_printf(d->out, "plugin %s: %s added\n", pb->name, pb->settings[i].name);
    }
}

#define SIDE(c, array, n) ((struct side){(c)->array, (c)->n, sizeof(*(c)->array)})

void config_diff(const struct config *old, const struct config *new, struct buf *out,
                 bool *ret_needs_restart)
{
    struct diff d = {.out = out};
    diff_keys(&d, "", "", config_keys, old, new);
    diff_objects(&d, "site", (struct side){&old->site, 1, sizeof(old->site)},
                 (struct side){&new->site, 1, sizeof(new->site)}, plugin_changed);
    diff_objects(&d, "priority",
                 (struct side){&old->priority, old->priority.name ? 1 : 0, sizeof(old->priority)},
                 (struct side){&new->priority, new->priority.name ? 1 : 0, sizeof(new->priority)},
                 plugin_changed);
    d.needs_restart |= !str_equal(old->priority.name ? old->priority.name : "fifo",
                                  new->priority.name ? new->priority.name : "fifo");
    diff_objects(&d, "auth", SIDE(old, auth, n_auth), SIDE(new, auth, n_auth), plugin_changed);
    diff_objects(&d, "node", SIDE(old, nodes, n_nodes), SIDE(new, nodes, n_nodes), node_changed);
    diff_objects(&d, "profile", SIDE(old, profiles, n_profiles), SIDE(new, profiles, n_profiles),
                 profile_changed);
    diff_objects(&d, "partition", SIDE(old, partitions, n_partitions),
                 SIDE(new, partitions, n_partitions), partition_changed);
    diff_objects(&d, "qos", SIDE(old, qos, n_qos), SIDE(new, qos, n_qos), qos_changed);
    diff_objects(&d, "account", SIDE(old, accounts, n_accounts), SIDE(new, accounts, n_accounts),
                 account_changed);
    diff_objects(&d, "limit", SIDE(old, limits, n_limits), SIDE(new, limits, n_limits),
                 limit_changed);
    diff_objects(&d, "licence", SIDE(old, licences, n_licences), SIDE(new, licences, n_licences),
                 licence_changed);
    diff_objects(&d, "template", SIDE(old, templates, n_templates),
                 SIDE(new, templates, n_templates), template_changed);
    diff_objects(&d, "mount", SIDE(old, mounts, n_mounts), SIDE(new, mounts, n_mounts),
                 mount_changed);
    diff_objects(&d, "role", SIDE(old, roles, n_roles), SIDE(new, roles, n_roles), role_changed);
    diff_objects(&d, "class", SIDE(old, classes, n_classes), SIDE(new, classes, n_classes),
                 class_changed);
    *ret_needs_restart = d.needs_restart;
}

/* ---- the reference ------------------------------------------------------- */

static void print_type(const struct config_key *k, struct buf *out)
{
    static const char *const types[] = {
        [CONFIG_TEXT] = "text",         [CONFIG_NAME] = "name",           [CONFIG_PATH] = "path",
        [CONFIG_U32] = "number",        [CONFIG_I32] = "number",          [CONFIG_BOOL] = "yes|no",
        [CONFIG_DURATION] = "duration", [CONFIG_DURATION32] = "duration", [CONFIG_MIB] = "size",
        [CONFIG_GIB] = "size",          [CONFIG_LIST] = "list",           [CONFIG_JOINED] = "list",
        [CONFIG_HOSTS] = "hostlist",
    };
    if (k->type != CONFIG_CHOICE) {
        buf_puts(out, types[k->type]);
        return;
    }
    for (size_t i = 0; k->choices[i]; i++)
        buf_printf(out, "%s%s", i ? "|" : "", k->choices[i]);
}

static void print_keys(const char *block, const struct config_key *keys, struct buf *out)
{
    for (const struct config_key *k = keys; k->name; k++) {
        if (k->type == CONFIG_LATER)
            continue;
        buf_printf(out, "%s%s%s\t", block, *block ? "." : "", k->name);
        print_type(k, out);
        buf_printf(out, "\t%s\t%s\n",
                   k->flags & CONFIG_REQUIRED ? "required"
                   : *k->initial              ? k->initial
                                              : "none",
                   k->help);
    }
}

static bool is_outside(const char *name)
{
    for (const struct config_block *b = config_blocks; b->name; b++)
        if (str_equal(b->name, name))
            return true;
    return false;
}

/* A block that may be inside another as well is told of once. */
static void print_blocks(const struct config_block *blocks, struct buf *out)
{
    for (const struct config_block *b = blocks; b && b->name; b++) {
        if (blocks != config_blocks && is_outside(b->name))
            continue;
        buf_printf(out, "%s\tblock\tnone\t%s\n", b->name, b->help);
        print_keys(b->name, b->keys, out);
        print_blocks(b->blocks, out);
    }
}

void config_print_reference(struct buf *out)
{
    print_keys("", config_keys, out);
    print_blocks(config_blocks, out);
}
