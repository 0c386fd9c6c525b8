/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_check.c - what must hold between the objects of vdi.conf.
 *
 * Each value alone is right already (config_key.c); here a name must mean something,
 * and limits must fit each other.
 */
#include "codec/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "codec/request.h"
#include "model/disk.h"
#include "model/licence.h"
#include "model/mount.h"

static void check_listen(const struct config *c, struct config_findings *f)
{
    for (size_t i = 0; i < c->listen.n; i++) {
        if (str_starts_with(c->listen.names[i], "https:") && (!*c->tls_cert || !*c->tls_key)) {
            config_finding_text(f, 0, "listen", "write tls_cert and tls_key",
                                "\"%s\" needs a certificate", c->listen.names[i]);
            return;
        }
    }
    if (!*c->tls_cert != !*c->tls_key)
        config_finding_text(f, 0, *c->tls_cert ? "tls_cert" : "tls_key",
                            "write both tls_cert and tls_key",
                            "the other half of the pair is missing");
}

static void check_notices(const struct config *c, struct config_findings *f)
{
    if (*c->mail_program && !*c->mail_from)
        config_finding_text(f, 0, "mail_program", "write mail_from", "a mail needs a sender");
    if (*c->webhook && !*c->webhook_secret_file)
        config_finding_text(f, 0, "webhook", "write webhook_secret_file",
                            "whoever takes notices must know that they are ours");
}

static void check_limits(const struct config *c, struct config_findings *f)
{
    if (c->node_fail_after_sec <= c->node_down_after_sec)
        config_finding_text(f, 0, "node_fail_after", "make it longer than node_down_after",
                            "%lld seconds are not more than node_down_after (%lld seconds)",
                            (long long)c->node_fail_after_sec, (long long)c->node_down_after_sec);
    if (c->max_script_kib > c->max_body_kib / 2)
        config_finding_text(f, 0, "max_script_kib", "raise max_body_kib to twice as much",
                            "a script of %u KiB does not fit a body of max_body_kib (%u KiB)",
                            c->max_script_kib, c->max_body_kib);
    if (c->requests_burst < c->requests_per_sec)
        config_finding_text(f, 0, "requests_burst", "make it at least requests_per_sec",
                            "%u is less than requests_per_sec (%u)", c->requests_burst,
                            c->requests_per_sec);
    if (c->n_limits > CONFIG_LIMITS_MAX)
        config_finding_text(f, c->limits[CONFIG_LIMITS_MAX].place.line, "limit",
                            "let one block hold for more people",
                            "%zu limit blocks are more than %d", c->n_limits, CONFIG_LIMITS_MAX);
    if (c->max_jobs_user > c->max_jobs)
        config_finding_text(f, 0, "max_jobs_user", "make it at most max_jobs",
                            "%u is more than max_jobs (%u)", c->max_jobs_user, c->max_jobs);
}

/* The same node in two blocks: sorted, they are neighbours. */
static void check_node_names(const struct config *c, struct config_findings *f)
{
    for (size_t i = 1; i < c->n_nodes; i++) {
        const struct config_node *a = c->nodes_by_name[i - 1], *b = c->nodes_by_name[i];
        if (str_equal(a->name, b->name)) {
            bool b_later = b->place.line > a->place.line;
            config_finding_text(f, b_later ? b->place.line : a->place.line, "node",
                                "describe it in one place", "\"%s\" is described in line %d, too",
                                a->name, b_later ? a->place.line : b->place.line);
        }
    }
}

static bool counts_twice(const struct config_node *n)
{
    return config_node_is_software(n) && n->encode_mpix;
}

/* Hosts of one block are neighbours in the file: its first one tells. */
static void check_node_encoders(const struct config *c, struct config_findings *f)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct config_node *n = &c->nodes[i];

        if (!counts_twice(n) || (i && counts_twice(&n[-1]) && n[-1].place.line == n->place.line))
            continue;
        config_finding_text(f, n->place.line, "encode", "leave it out, or say encoder = hardware",
                            "what \"%s\" encodes in software is charged as processors", n->name);
    }
}

static void field_name(char *ret, size_t size, const char *block, const char *name, const char *key)
{
    snprintf(ret, size, "%s \"%.16s\" %s", block, name, key);
}

static void check_partition_nodes(const struct config *c, const struct config_partition *p,
                                  struct config_findings *f)
{
    char field[48];
    size_t unknown = 0;
    const char *first = NULL;
    for (size_t i = 0; i < p->nodes.n; i++) {
        if (!config_node(c, p->nodes.names[i]) && unknown++ == 0)
            first = p->nodes.names[i];
    }
    field_name(field, sizeof(field), "partition", p->name, "nodes");
    if (unknown == 1)
        config_finding_text(f, p->place.line, field, "describe it in a node block or take it out",
                            "there is no node \"%s\"", first);
    else if (unknown > 1)
        config_finding_text(
            f, p->place.line, field, "describe them in node blocks or take them out",
            "there are no nodes \"%s\" and %zu more of the list", first, unknown - 1);
}

static void check_partition(const struct config *c, const struct config_partition *p,
                            struct config_findings *f, bool complete)
{
    char field[48];
    if (complete)
        check_partition_nodes(c, p, f);
    field_name(field, sizeof(field), "partition", p->name, "batch_template");
    if (complete && *p->batch_template && !config_template(c, p->batch_template))
        config_finding_text(f, p->place.line, field, "write a template block of that name",
                            "there is no template \"%s\"", p->batch_template);
    field_name(field, sizeof(field), "partition", p->name, "default_time");
    if (p->max_time_sec && p->default_time_sec > p->max_time_sec)
        config_finding_text(f, p->place.line, field, "make it at most max_time",
                            "%lld seconds are more than max_time (%lld seconds)",
                            (long long)p->default_time_sec, (long long)p->max_time_sec);
}

static void check_partitions(const struct config *c, struct config_findings *f, bool complete)
{
    const struct config_partition *first = NULL;
    for (size_t i = 0; i < c->n_partitions; i++) {
        const struct config_partition *p = &c->partitions[i];
        check_partition(c, p, f, complete);
        if (p->is_default && first)
            config_finding_text(f, p->place.line, "partition", "leave default = yes in one of them",
                                "\"%s\" and \"%s\" are both the default", first->name, p->name);
        else if (p->is_default)
            first = p;
    }
}

/* How jobs may make room, and why they can't in other ways that the design knows. */
static const struct {
    const char *mode, *why;
} preempt_modes[] = {
    {"save", NULL},
    {"requeue", NULL},
    {"cancel", NULL},
    {"pause", "a paused guest keeps its memory and GPUs, so nobody gets room"},
    {"shelve", "this version's sites can't shelve"},
    {"migrate", "this version's sites can't migrate"},
};

static void check_modes(const struct config_qos *q, struct config_findings *f)
{
    static const char remedy[] = "name some of save, requeue and cancel, the best first";
    char field[48];

    field_name(field, sizeof(field), "qos", q->name, "preempt_modes");
    for (size_t i = 0; i < q->preempt_modes.n; i++) {
        const char *mode = q->preempt_modes.names[i];
        size_t k = 0;

        while (k < ELEMENTS(preempt_modes) && !str_equal(preempt_modes[k].mode, mode))
            k++;
        if (k == ELEMENTS(preempt_modes))
            config_finding_text(f, q->place.line, field, remedy, "\"%s\" is no mode", mode);
        else if (preempt_modes[k].why)
            config_finding_text(f, q->place.line, field, remedy, "%s: %s", mode,
                                preempt_modes[k].why);
    }
}

/* Is it preempted by itself, or by one that it preempts, or by one that that preempts ...? */
static bool is_in_circle(const struct config *c, const struct config_qos *q)
{
    _cleanup_(freep) bool *found = calloc(c->n_qos, sizeof(*found));
    bool more = found != NULL;

    while (more) {
        more = false;
        for (size_t i = 0; i < c->n_qos; i++) {
            const struct config_qos *by = &c->qos[i];
            for (size_t k = 0; (by == q || found[i]) && k < c->n_qos; k++) {
                bool is_new = !found[k] && config_names_has(&by->preempts, c->qos[k].name);
                found[k] |= is_new;
                more |= is_new;
            }
        }
    }
    return found && found[q - c->qos];
}

/* With a circle two jobs could make room for each other for ever. */
static void check_qos(const struct config *c, const struct config_qos *q, struct config_findings *f,
                      bool complete)
{
    char field[48];

    check_modes(q, f);
    field_name(field, sizeof(field), "qos", q->name, "preempts");
    for (size_t i = 0; complete && i < q->preempts.n; i++)
        if (!config_qos(c, q->preempts.names[i]))
            config_finding_text(f, q->place.line, field, "write a qos block of that name",
                                "there is no qos \"%s\"", q->preempts.names[i]);
    if (is_in_circle(c, q))
        config_finding_text(f, q->place.line, field, "take one out of the circle",
                            "its own jobs would make room for those that make room for them");
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* What is mounted there would hide what the guest lives by. */
static void check_target(const char *field, const char *target, int line, struct config_findings *f)
{
    static const char *const systems[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; target && i < ELEMENTS(systems); i++)
        if (is_below(target, systems[i]))
            config_finding_text(f, line, field, "choose another place, as in \"/data\"",
                                "\"%s\" would hide %s of the guest", target, systems[i]);
}

static void check_source(const struct config_mount *m, struct config_findings *f)
{
    struct vdi_error err = {0};
    char field[48];

    field_name(field, sizeof(field), "mount", m->name, "type");
    if (str_equal(m->type, mount_type_names[MOUNT_9P])) {
        config_finding_text(f, m->place.line, field,
                            "write type = virtiofs, which is served with the owner's",
                            "9p: QEMU would serve it with its own rights, and root in the guest "
                            "would have those");
        return;
    }
    field_name(field, sizeof(field), "mount", m->name, "source");
    if (m->source && m->type && mount_source_check(m->source, NULL) == 0 &&
        mount_source_check_type(m->source, m->type, &err) < 0)
        config_finding_text(f, m->place.line, field, err.remedy, "%s", err.detail);
    if (mount_type_has_ticket(m->type))
        return;
    field_name(field, sizeof(field), "mount", m->name, "ticket");
    if (!str_is_empty(m->ticket) || !str_is_empty(m->security))
        config_finding_text(f, m->place.line, field, "take them out, or write another type",
                            "ticket and security are for types nfs-krb5 and smb");
}

/* A guest has one credential cache for its owner. */
static void check_tickets(const struct config_template *t, struct config_findings *f)
{
    const struct config_mount *first = NULL;
    char field[48];

    field_name(field, sizeof(field), "template", t->name, "mount");
    for (size_t i = 0; i < t->n_mounts; i++) {
        const struct config_mount *m = &t->mounts[i];

        if (!mount_type_has_ticket(m->type))
            continue;
        if (!first)
            first = m;
        else if (!str_equal(config_mount_ticket(m), config_mount_ticket(first)))
            config_finding_text(f, t->place.line, field, "write the same ticket in both",
                                "mounts \"%s\" and \"%s\" have different tickets", first->name,
                                m->name);
    }
}

static void check_mount(const struct config_mount *m, struct config_findings *f)
{
    char field[48];
    check_source(m, f);
    field_name(field, sizeof(field), "mount", m->name, "target");
    check_target(field, m->target, m->place.line, f);
}

static size_t count_mounts(const struct config_template *t, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_mounts; i++)
        n += str_equal(t->mounts[i].name, name);
    return n;
}

/* Two at one place: the guest would see the one that is mounted last. */
static bool is_taken(const struct config_template *t, size_t disk)
{
    const char *target = t->disks[disk].target;
    for (size_t i = 0; target && i < disk; i++)
        if (t->disks[i].target && str_equal(t->disks[i].target, target))
            return true;
    for (size_t i = 0; target && i < t->n_mounts; i++)
        if (t->mounts[i].target && str_equal(t->mounts[i].target, target))
            return true;
    return false;
}

static bool has_disk_before(const struct config_template *t, size_t disk)
{
    for (size_t i = 0; i < disk; i++)
        if (str_equal(t->disks[i].name, t->disks[disk].name))
            return true;
    return false;
}

static void check_disks(const struct config_template *t, struct config_findings *f)
{
    char field[48];
    for (size_t i = 0; i < t->n_disks; i++) {
        const struct config_disk *d = &t->disks[i];
        field_name(field, sizeof(field), "disk", d->name, "target");
        check_target(field, d->target, d->place.line, f);
        if (is_taken(t, i))
            config_finding_text(f, d->place.line, field, "mount it elsewhere",
                                "\"%s\" is the target of another disk or mount", d->target);
        field_name(field, sizeof(field), "template", t->name, "disk");
        if (has_disk_before(t, i))
            config_finding_text(f, d->place.line, field, "give it another title",
                                "it has two of the name \"%s\"", d->name);
    }
    field_name(field, sizeof(field), "template", t->name, "disk");
    if (t->n_disks > DISKS_MAX)
        config_finding_text(f, t->place.line, field, "let it have fewer",
                            "%zu disks are more than %d", t->n_disks, DISKS_MAX);
    if (t->n_disks && str_equal(t->os, "windows"))
        config_finding_text(f, t->place.line, field, "take them out",
                            "the guest runner, which mounts, is not there for windows");
}

/* It could never be had. */
static void check_disk_limits(const struct config *c, struct config_findings *f)
{
    for (size_t i = 0; c->disk_space_max_gib && i < c->n_templates; i++) {
        const struct config_template *t = &c->templates[i];
        uint64_t sum_gib = 0;
        for (size_t k = 0; k < t->n_disks; k++)
            sum_gib += t->disks[k].size_gib;
        if (sum_gib > c->disk_space_max_gib)
            config_finding_text(f, t->place.line, "disk_space_max",
                                "make the disks smaller, or disk_space_max larger",
                                "the disks of template \"%s\" have %llu GiB: more than "
                                "disk_space_max (%u GiB)",
                                t->name, (unsigned long long)sum_gib, c->disk_space_max_gib);
    }
}

/* Does WIDTHxHEIGHT a fit into b? */
static bool fits_into(const char *a, const char *b)
{
    unsigned aw, ah, bw, bh;

    return sscanf(a, "%ux%u", &aw, &ah) == 2 && sscanf(b, "%ux%u", &bw, &bh) == 2 && aw <= bw &&
           ah <= bh;
}

static void check_profiles(const struct config *c, const struct config_template *t,
                           struct config_findings *f)
{
    char field[48];

    field_name(field, sizeof(field), "template", t->name, "resolution");
    for (size_t i = 0; i < t->profiles.n; i++) {
        const struct config_profile *p = config_profile(c, t->profiles.names[i]);

        if (p && *p->max_resolution && !fits_into(t->resolution, p->max_resolution))
            config_finding_text(f, t->place.line, field, "make it smaller, or take the profile out",
                                "%s is larger than profile \"%s\" allows (%s)", t->resolution,
                                p->name, p->max_resolution);
    }
}

static void check_idle(const struct config_template *t, struct config_findings *f)
{
    char field[48];

    field_name(field, sizeof(field), "template", t->name, "idle_warn");
    if (t->idle_sec && t->idle_warn_sec >= t->idle_sec)
        config_finding_text(f, t->place.line, field, "give a shorter one, or a longer idle",
                            "%lld s are not shorter than idle, which is %lld s",
                            (long long)t->idle_warn_sec, (long long)t->idle_sec);
}

static void check_licence(const struct config *c, const struct config_template *t, const char *text,
                          struct config_findings *f, bool complete)
{
    const struct config_licence *known;
    const char *rest = text;
    struct licence l;
    char field[48];

    field_name(field, sizeof(field), "template", t->name, "licence");
    if (!licence_next(&rest, &l) || *rest) {
        config_finding_text(f, t->place.line, field, "write it as in \"ansys:2\"",
                            "\"%s\" is no licence and a number", text);
        return;
    }
    known = config_licence(c, l.name);
    if (complete && !known)
        config_finding_text(f, t->place.line, field, "write a licence block of that name",
                            "there is no licence \"%s\"", l.name);
    else if (known && l.n > known->limits.all.licences)
        config_finding_text(f, t->place.line, field, "ask for fewer, or count more",
                            "it asks for %u of licence \"%s\", and there are %u", l.n, l.name,
                            known->limits.all.licences);
}

static void check_template(const struct config *c, const struct config_template *t,
                           struct config_findings *f, bool complete)
{
    char field[48];

    for (size_t i = 0; i < t->licences.n; i++)
        check_licence(c, t, t->licences.names[i], f, complete);
    field_name(field, sizeof(field), "template", t->name, "licence");
    if (t->licences.n > LICENCES_MAX)
        config_finding_text(f, t->place.line, field, "let it have fewer",
                            "%zu licences are more than %d", t->licences.n, LICENCES_MAX);

    check_idle(t, f);
    field_name(field, sizeof(field), "template", t->name, "mounts");
    for (size_t i = 0; complete && i < t->mount_names.n; i++)
        if (!config_mount(c, t->mount_names.names[i]))
            config_finding_text(f, t->place.line, field, "write a mount block of that name",
                                "there is no mount \"%s\"", t->mount_names.names[i]);
    field_name(field, sizeof(field), "template", t->name, "mount");
    for (size_t i = 0; i < t->n_mounts; i++) {
        bool is_own = !config_names_has(&t->mount_names, t->mounts[i].name);
        if (count_mounts(t, t->mounts[i].name) > 1)
            config_finding_text(f, t->mounts[i].place.line, field, "give it another title",
                                "it has two of the name \"%s\"", t->mounts[i].name);
        else if (is_own)
            check_mount(&t->mounts[i], f);
    }
    if (t->n_mounts > MOUNTS_MAX)
        config_finding_text(f, t->place.line, field, "let it have fewer",
                            "%zu mounts are more than %d", t->n_mounts, MOUNTS_MAX);
    if (t->n_mounts && str_equal(t->os, "windows"))
        config_finding_text(f, t->place.line, field, "take them out; share by the site's network",
                            "the guest runner, which mounts, is not there for windows");
    check_tickets(t, f);
    check_disks(t, f);
    check_profiles(c, t, f);
}

static bool is_request(const char *name)
{
    for (size_t i = 0; i < REQUEST_N; i++) {
        if (str_equal(requests[i].name, name))
            return true;
    }
    return str_equal(name, "operator") || str_equal(name, "admin");
}

static void check_role(const struct config *c, const struct config_role *role,
                       struct config_findings *f, bool complete)
{
    char field[48];
    field_name(field, sizeof(field), "role", role->name, "may");
    for (size_t i = 0; i < role->may.n; i++) {
        if (!is_request(role->may.names[i]))
            config_finding_text(f, role->place.line, field,
                                "write operator, admin or the name of a request (vdi.conf(5))",
                                "there is no request \"%s\"", role->may.names[i]);
    }
    field_name(field, sizeof(field), "role", role->name, "templates");
    for (size_t i = 0; complete && i < role->templates.n; i++) {
        if (!config_template(c, role->templates.names[i]))
            config_finding_text(f, role->place.line, field, "write a template block of that name",
                                "there is no template \"%s\"", role->templates.names[i]);
    }
    field_name(field, sizeof(field), "role", role->name, "groups");
    if (role->groups.n == 0 && role->users.n == 0)
        config_finding_text(f, role->place.line, field, "write groups or users",
                            "nobody has the role");
}

static bool listens_on_tcp(const struct config *c)
{
    for (size_t i = 0; i < c->listen.n; i++)
        if (!str_starts_with(c->listen.names[i], "unix:"))
            return true;
    return false;
}

/* Every way up ends at an account without a parent: whoever walks up may count on it. */
static void check_account(const struct config *c, const struct config_account *a,
                          struct config_findings *f)
{
    const struct config_account *up = a;
    const char *missing = "";
    char field[48];

    for (size_t n = 0; up && *up->parent && n <= c->n_accounts; n++) {
        missing = up->parent;
        up = config_account(c, up->parent);
    }
    if (up && !*up->parent)
        return;
    field_name(field, sizeof(field), "account", a->name, "parent");
    config_finding_text(f, a->place.line, field, "name the account above it, or leave it out",
                        up ? "account \"%s\" would be below itself"
                           : "there is no account \"%s\" above it",
                        missing);
}

void config_check(const struct config *c, struct config_findings *f, bool complete)
{
    check_listen(c, f);
    check_notices(c, f);
    check_limits(c, f);
    check_node_names(c, f);
    check_node_encoders(c, f);
    check_partitions(c, f, complete);
    for (size_t i = 0; i < c->n_qos; i++)
        check_qos(c, &c->qos[i], f, complete);
    for (size_t i = 0; complete && i < c->n_accounts; i++)
        check_account(c, &c->accounts[i], f);
    for (size_t i = 0; i < c->n_mounts; i++)
        check_mount(&c->mounts[i], f);
    for (size_t i = 0; i < c->n_templates; i++)
        check_template(c, &c->templates[i], f, complete);
    check_disk_limits(c, f);
    for (size_t i = 0; i < c->n_roles; i++)
        check_role(c, &c->roles[i], f, complete);
    for (size_t i = 0; complete && i < c->n_classes; i++)
        (c->classes[i].nodes.n ? config_check_reservation : config_check_class)(c, &c->classes[i],
                                                                                f);
    if (complete && !c->site.name)
        config_finding_text(f, 0, "site", "write a block, as in site \"libvirt\" { }",
                            "there is none, so nothing could be started");
    if (complete && c->n_auth == 0 && listens_on_tcp(c)) /* a unix socket needs no credential */
        config_finding_text(f, 0, "auth", "write a block, as in auth \"munge\" { }",
                            "there is none, so nobody could sign in over TCP");
}
