/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - vdi.conf as the daemons use it: looking things up, and freeing it.
 *
 * config_index() must have run before config_node(): it is the one lookup that is
 * done for every node of every partition, so it is a binary search.
 */
#include "model/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "model/mount.h"

/* Finds the element of an array whose first member is its name. */
static const void *find(const void *array, size_t n, size_t size, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        const char *item = (const char *)array + i * size;
        if (str_equal(*(char *const *)item, name))
            return item;
    }
    return NULL;
}

const struct config_partition *config_partition(const struct config *c, const char *name)
{
    return find(c->partitions, c->n_partitions, sizeof(*c->partitions), name);
}

const struct config_partition *config_default_partition(const struct config *c)
{
    for (size_t i = 0; i < c->n_partitions; i++) {
        if (c->partitions[i].is_default)
            return &c->partitions[i];
    }
    return NULL;
}

const struct config_template *config_template(const struct config *c, const char *name)
{
    return find(c->templates, c->n_templates, sizeof(*c->templates), name);
}

const struct config_profile *config_profile(const struct config *c, const char *name)
{
    return find(c->profiles, c->n_profiles, sizeof(*c->profiles), name);
}

const struct config_mount *config_mount(const struct config *c, const char *name)
{
    return find(c->mounts, c->n_mounts, sizeof(*c->mounts), name);
}

const char *config_mount_security(const struct config_mount *m)
{
    return str_is_empty(m->security) ? "krb5p" : m->security;
}

const char *config_mount_ticket(const struct config_mount *m)
{
    return str_is_empty(m->ticket) ? "/tmp/krb5cc_%U" : m->ticket;
}

/* QEMU doesn't migrate a vhost-user-fs device, and so doesn't save it either; and memory with a
 * ticket in it would be the ticket on the node's disk. */
const char *config_template_unsaved_for(const struct config_template *t)
{
    for (size_t i = 0; i < t->n_mounts; i++)
        if (str_equal(t->mounts[i].type, "virtiofs") || mount_type_has_ticket(t->mounts[i].type))
            return t->mounts[i].type;
    return NULL;
}

bool config_template_can_save(const struct config_template *t)
{
    return !config_template_unsaved_for(t);
}

bool config_node_is_software(const struct config_node *n)
{
    return n->encoder && str_equal(n->encoder, "software");
}

uint32_t config_template_encode(const struct config_template *t)
{
    unsigned width, height;

    if (sscanf(t->resolution, "%ux%u", &width, &height) != 2)
        return 0;
    return (uint32_t)(((uint64_t)width * height * CONFIG_FRAMES_PER_SEC + 999999) / 1000000);
}

int config_template_licences(const struct config_template *t, const char *with,
                             char ret[LICENCES_TEXT], struct vdi_error *err)
{
    int r = licences_merge(with, "", ret, err);

    for (size_t i = 0; r == 0 && i < t->licences.n; i++) {
        char before[LICENCES_TEXT];

        str_copy(before, sizeof(before), ret);
        r = licences_merge(before, t->licences.names[i], ret, err);
    }
    return r;
}

const struct config_qos *config_qos(const struct config *c, const char *name)
{
    return find(c->qos, c->n_qos, sizeof(*c->qos), name);
}

const struct config_account *config_account(const struct config *c, const char *name)
{
    return find(c->accounts, c->n_accounts, sizeof(*c->accounts), name);
}

const struct config_limit *config_limit(const struct config *c, const char *name)
{
    return find(c->limits, c->n_limits, sizeof(*c->limits), name);
}

const struct config_licence *config_licence(const struct config *c, const char *name)
{
    return find(c->licences, c->n_licences, sizeof(*c->licences), name);
}

static int node_compare(const void *a, const void *b)
{
    const struct config_node *const *na = a, *const *nb = b;
    return strcmp((*na)->name, (*nb)->name);
}

int config_index(struct config *c)
{
    free(c->nodes_by_name);
    c->nodes_by_name = calloc(c->n_nodes + 1, sizeof(*c->nodes_by_name));
    if (!c->nodes_by_name)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_nodes; i++)
        c->nodes_by_name[i] = &c->nodes[i];
    qsort(c->nodes_by_name, c->n_nodes, sizeof(*c->nodes_by_name), node_compare);
    return 0;
}

const struct config_node *config_node(const struct config *c, const char *name)
{
    const struct config_node key = {.name = (char *)name}, *pkey = &key;
    if (!c->nodes_by_name)
        return NULL;
    const struct config_node *const *found =
        bsearch(&pkey, c->nodes_by_name, c->n_nodes, sizeof(*c->nodes_by_name), node_compare);
    return found ? *found : NULL;
}

bool config_names_has(const struct config_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (str_equal(names->names[i], name))
            return true;
    }
    return false;
}

static void names_done(struct config_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->names[i]);
    free(names->names);
}

void config_plugin_done(struct config_plugin *p)
{
    for (size_t i = 0; i < p->n_settings; i++) {
        free((char *)p->settings[i].name);
        free((char *)p->settings[i].value);
    }
    free(p->settings);
    free(p->name);
    free(p->place.file);
}

void config_node_done(struct config_node *n)
{
    free(n->name);
    free(n->features);
    free(n->encoder);
    free(n->gpu_type);
    free(n->gpu_law);
    names_done(&n->gpu_profiles);
    free(n->place.file);
}

void config_partition_done(struct config_partition *p)
{
    free(p->name);
    names_done(&p->nodes);
    free(p->batch_template);
    names_done(&p->groups);
    free(p->place.file);
}

void config_profile_done(struct config_profile *p)
{
    free(p->name);
    names_done(&p->placements);
    free(p->max_resolution);
    free(p->place.file);
}

void config_qos_done(struct config_qos *q)
{
    free(q->name);
    names_done(&q->preempts);
    names_done(&q->preempt_modes);
    names_done(&q->groups);
    free(q->place.file);
}

void config_account_done(struct config_account *a)
{
    free(a->name);
    free(a->parent);
    names_done(&a->groups);
    names_done(&a->users);
    free(a->place.file);
}

void config_limit_done(struct config_limit *l)
{
    free(l->name);
    names_done(&l->groups);
    names_done(&l->users);
    free(l->place.file);
}

void config_licence_done(struct config_licence *l)
{
    free(l->name);
    free(l->place.file);
}

void config_mount_done(struct config_mount *m)
{
    free(m->name);
    free(m->source);
    free(m->target);
    free(m->type);
    free(m->mode);
    free(m->security);
    free(m->ticket);
    free(m->place.file);
}

void config_disk_done(struct config_disk *d)
{
    free(d->name);
    free(d->persistence);
    free(d->where);
    free(d->target);
    free(d->place.file);
}

void config_template_done(struct config_template *t)
{
    free(t->name);
    free(t->image);
    names_done(&t->profiles);
    free(t->resolution);
    free(t->keyboard);
    free(t->timezone);
    free(t->os);
    free(t->firmware);
    free(t->at_limit);
    free(t->idle_action);
    free(t->login);
    names_done(&t->groups);
    names_done(&t->licences);
    names_done(&t->mount_names);
    for (size_t i = 0; i < t->n_mounts; i++)
        config_mount_done(&t->mounts[i]);
    free(t->mounts);
    for (size_t i = 0; i < t->n_disks; i++)
        config_disk_done(&t->disks[i]);
    free(t->disks);
    free(t->place.file);
}

void config_role_done(struct config_role *r)
{
    free(r->name);
    names_done(&r->groups);
    names_done(&r->users);
    names_done(&r->may);
    names_done(&r->templates);
    free(r->place.file);
}

void config_class_done(struct config_class *c)
{
    free(c->name);
    free(c->template_name);
    names_done(&c->groups);
    names_done(&c->users);
    free(c->roster);
    free(c->partition);
    free(c->qos);
    free(c->account);
    free(c->starts);
    free(c->zone);
    free(c->repeat);
    names_done(&c->except);
    names_done(&c->moved);
    names_done(&c->nodes);
    names_done(&c->flags);
    free(c->place.file);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    free(c->cluster);
    free(c->store);
    names_done(&c->listen);
    free(c->node_listen);
    free(c->tls_cert);
    free(c->tls_key);
    free(c->pki_dir);
    free(c->image_store);
    free(c->image_listen);
    free(c->plugin_dir);
    free(c->log_level);
    free(c->mail_program);
    free(c->mail_from);
    free(c->mail_domain);
    names_done(&c->mail_to);
    free(c->webhook);
    free(c->webhook_secret_file);
    config_plugin_done(&c->site);
    config_plugin_done(&c->priority);
#define FREE_ARRAY(array, n, done)                                                                 \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < (n); i_++)                                                        \
            done(&(array)[i_]);                                                                    \
        free(array);                                                                               \
    } while (0)
    FREE_ARRAY(c->auth, c->n_auth, config_plugin_done);
    FREE_ARRAY(c->nodes, c->n_nodes, config_node_done);
    FREE_ARRAY(c->partitions, c->n_partitions, config_partition_done);
    FREE_ARRAY(c->profiles, c->n_profiles, config_profile_done);
    FREE_ARRAY(c->qos, c->n_qos, config_qos_done);
    FREE_ARRAY(c->accounts, c->n_accounts, config_account_done);
    FREE_ARRAY(c->limits, c->n_limits, config_limit_done);
    FREE_ARRAY(c->licences, c->n_licences, config_licence_done);
    FREE_ARRAY(c->templates, c->n_templates, config_template_done);
    FREE_ARRAY(c->mounts, c->n_mounts, config_mount_done);
    FREE_ARRAY(c->roles, c->n_roles, config_role_done);
    FREE_ARRAY(c->classes, c->n_classes, config_class_done);
#undef FREE_ARRAY
    free(c->nodes_by_name);
    free(c->kinds);
    free(c->digest);
    free(c);
}
