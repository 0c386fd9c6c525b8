/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdiinfo.c - shows partitions, nodes and the seats that are free, as sinfo(1) does.
 *
 * Nodes of one partition that look alike in the columns shown are one line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/info.h"
#include "cli/node_columns.h"
#include "cli/options.h"

#define NAME "vdiinfo"
#define ME_LINE "%-16s %8s %8s %19s  %s\n"
#define TEMPLATE_LINE "%-20s %5s %8s %4s %9s  %s\n"

struct info {
    const char *format, *names, *nodes, *partitions, *states, *at;
    int64_t for_sec;
    bool by_node, reasons, noheader, is_long, json, templates, all, me, classes, gpus, changes;
};

#define AT(member) offsetof(struct info, member)

static const struct option_row rows[] = {
    {"all", 'a', NULL, "all partitions (the default)", option_set_flag, AT(all)},
    {"at", 0, "TIME", "with --gpus: what will be at TIME (16:00, now+2hours)", option_set_string,
     AT(at)},
    {"changes", 0, NULL, "with --gpus: when each GPU changes profile from then on", option_set_flag,
     AT(changes)},
    {"classes", 0, NULL, "my classes: when they are, and how the one that is goes", option_set_flag,
     AT(classes)},
    {"for", 0, "TIME", "with --gpus: what is free for that long", option_set_minutes, AT(for_sec)},
    {"format", 'o', "FORMAT", "columns, \"%9P %6D %N\"", option_set_string, AT(format)},
    {"Format", 'O', "COLUMNS", "columns by name, Partition:10,NodeList", option_set_string,
     AT(names)},
    {"gpus", 0, NULL, "what each GPU holds, and the seats of each profile that are free",
     option_set_flag, AT(gpus)},
    {"json", 0, NULL, "print the documents of the REST API", option_set_flag, AT(json)},
    {"list-reasons", 'R', NULL, "why nodes are out of service, who said so and when",
     option_set_flag, AT(reasons)},
    {"long", 'l', NULL, "more columns", option_set_flag, AT(is_long)},
    {"me", 0, NULL, "the limits that hold for me: used, allowed, and when they ease",
     option_set_flag, AT(me)},
    {"Node", 'N', NULL, "one line for each node and partition", option_set_flag, AT(by_node)},
    {"nodes", 'n', "NODES", "these nodes", option_set_string, AT(nodes)},
    {"noheader", 'h', NULL, "no header line", option_set_flag, AT(noheader)},
    {"partition", 'p', "PARTITIONS", "these partitions", option_set_string, AT(partitions)},
    {"reservation", 'T', NULL, "the same as --classes", option_set_flag, AT(classes)},
    {"states", 't', "STATES", "nodes in these states: idle,mixed,down,...", option_set_string,
     AT(states), .words = "idle mixed allocated down drained draining unknown"},
    {"templates", 0, NULL, "templates, and the seats of each that are free now", option_set_flag,
     AT(templates)},
    OPTION_REFUSED("clusters", 'M', "CLUSTERS", "set VDI_URL to one cluster"),
    OPTION_REFUSED("iterate", 'i', "SEC", "use watch(1)"),
    OPTION_REFUSED("summarize", 's', NULL, "use -o \"%9P %5a %10l %F %N\""),
    OPTION_REFUSED("yaml", 0, NULL, "use --json"),
    {NULL},
};

static const struct command command = {
    .name = NAME,
    .usage = "[OPTION]... [--gpus [NODE]...]",
    .summary = "Shows partitions, nodes and free seats.",
    .rows = rows,
};

struct view {
    const struct info *info;
    struct format format;
    struct format_context context;
    struct hash *wanted; /* node names; NULL: all */
    struct hostlist hosts;
    struct hash *by_key; /* of the partition being placed: index + 1 in groups */
    struct node_group *groups;
    size_t n, size;
};

static bool words_have(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == len && strncasecmp(p, word, len) == 0)
            return true;
    return false;
}

/* "partitions" of a node: a list of names. */
static bool node_is_in(const struct value *node, const char *partition)
{
    const struct value *list = value_get(node, "partitions");
    for (size_t i = 0; i < value_count(list); i++)
        if (str_equal(value_string(value_item(list, i), ""), partition))
            return true;
    return words_have(value_string(list, ""), partition);
}

static bool node_is_wanted(const struct view *view, const struct value *node)
{
    const char *name = value_get_string(node, "name", "");
    const char *state = value_get_string(node, "state", "");
    if (view->wanted && !hash_get(view->wanted, name))
        return false;
    if (view->info->reasons && str_is_empty(value_get_string(node, "reason", "")))
        return false;
    return !view->info->states || words_have(view->info->states, state);
}

static int group_add_node(struct node_group *g, const struct value *node)
{
    if (g->n == g->size) {
        size_t size = g->size ? 2 * g->size : 8;
        const char **grown = reallocarray(g->names, size, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        g->names = grown;
        g->size = size;
    }
    const char *state = value_get_string(node, "state", "");
    int64_t cpus = value_get_int(node, "cpus", 0), used = value_get_int(node, "cpus_used", 0);
    g->names[g->n++] = value_get_string(node, "name", "");
    g->cpus += cpus;
    g->cpus_used += used;
    if (str_equal(state, "IDLE") || str_equal(state, "MIXED") || str_equal(state, "ALLOCATED"))
        g->cpus_idle += cpus - used;
    g->gpus += value_get_int(node, "gpus", 0);
    g->gpus_used += value_get_int(node, "gpus_used", 0);
    return 0;
}

static struct node_group *group_new(struct view *view, const struct node_group *like, char *key)
{
    if (view->n == view->size) {
        size_t size = view->size ? 2 * view->size : 16;
        struct node_group *grown = reallocarray(view->groups, size, sizeof(*grown));
        if (!grown)
            return NULL;
        view->groups = grown;
        view->size = size;
    }
    view->groups[view->n] = *like;
    view->groups[view->n].key = key;
    return &view->groups[view->n++];
}

static int node_place(struct view *view, const struct value *partition, const struct value *node)
{
    struct node_group like = {.partition = partition, .node = node};
    _cleanup_(buf_done) struct buf key = BUF_INIT(1 << 16);
    format_key(&view->format, &like, &view->context, &key);
    if (view->info->by_node)
        buf_puts(&key, value_get_string(node, "name", ""));
    buf_putc(&key, '\n'); /* never empty, even if every column is a sum */
    uintptr_t index = (uintptr_t)hash_get(view->by_key, key.data);
    if (index)
        return group_add_node(&view->groups[index - 1], node);
    struct node_group *g = group_new(view, &like, buf_take(&key, NULL));
    if (!g || !g->key || hash_put(view->by_key, g->key, (void *)(uintptr_t)view->n) < 0)
        return -ENOMEM;
    return group_add_node(g, node);
}

static int keys_begin(struct view *view)
{
    hash_free(view->by_key);
    view->by_key = hash_new_str();
    return view->by_key ? 0 : -ENOMEM;
}

/* A node in two partitions has two lines, unless the columns speak of nodes alone. */
static int partition_place(struct view *view, const struct value *partition,
                           const struct value *nodes)
{
    const char *name = value_get_string(partition, "name", "");
    size_t first = view->n;
    int r = keys_begin(view);
    if (view->info->partitions && !words_have(view->info->partitions, name))
        return 0;
    for (size_t i = 0; r == 0 && i < value_count(nodes); i++) {
        const struct value *node = value_item(nodes, i);
        if (node_is_in(node, name) && node_is_wanted(view, node))
            r = node_place(view, partition, node);
    }
    if (r == 0 && view->n == first && !view->wanted && !view->info->states &&
        !view->info->reasons) {
        struct node_group none = {.partition = partition};
        r = group_new(view, &none, NULL) ? 0 : -ENOMEM;
    }
    return r;
}

static bool speaks_of_partitions(const struct format *format)
{
    for (size_t i = 0; i < format->n; i++)
        if (format->items[i].column && strchr("aplPR", format->items[i].column->letter))
            return true;
    return false;
}

static int place_all(struct view *view, const struct value *partitions, const struct value *nodes)
{
    int r = keys_begin(view);
    if (speaks_of_partitions(&view->format) || view->info->partitions) {
        for (size_t i = 0; r == 0 && i < value_count(partitions); i++)
            r = partition_place(view, value_item(partitions, i), nodes);
        return r;
    }
    for (size_t i = 0; r == 0 && i < value_count(nodes); i++)
        if (node_is_wanted(view, value_item(nodes, i)))
            r = node_place(view, NULL, value_item(nodes, i));
    return r;
}

static void print_groups(const struct view *view)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(0);
    if (!view->info->noheader)
        format_header(&view->format, &out);
    for (size_t i = 0; i < view->n; i++)
        format_row(&view->format, &view->groups[i], &view->context, &out);
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
}

static int show_json(const struct value *partitions, const struct value *nodes)
{
    _cleanup_(buf_done) struct buf out = BUF_INIT(0);
    buf_puts(&out, "{\"partitions\": ");
    value_write(partitions, 2, &out);
    buf_puts(&out, ",\n\"nodes\": ");
    value_write(nodes, 2, &out);
    buf_puts(&out, "}");
    puts(out.data ? out.data : "");
    return 0;
}

static int show_nodes(struct client *client, struct view *view, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *partitions = NULL, *nodes = NULL;
    int r = client_get(client, "/v1/partitions", &partitions, err);
    if (r == 0)
        r = client_get(client, "/v1/nodes", &nodes, err);
    if (r < 0)
        return r;
    const struct value *partition_list = value_get(document_root(partitions), "partitions");
    const struct value *node_list = value_get(document_root(nodes), "nodes");
    if (view->info->json)
        return show_json(partition_list, node_list);
    if (place_all(view, partition_list, node_list) < 0)
        return error_set(err, ENOMEM, "", "no memory for the list of nodes");
    print_groups(view);
    return 0;
}

static void print_template(const struct value *t)
{
    char vcpus[24], gpus[24], seats[24] = "-";
    snprintf(vcpus, sizeof(vcpus), "%lld", (long long)value_get_int(t, "vcpus", 0));
    _cleanup_(buf_done) struct buf memory = BUF_INIT(64);
    cell_mib(&memory, value_get_int(t, "memory_mib", 0), false);
    snprintf(gpus, sizeof(gpus), "%lld", (long long)value_get_int(t, "gpus", 0));
    if (!value_is_null(value_get(t, "free_now")))
        snprintf(seats, sizeof(seats), "%lld", (long long)value_get_int(t, "free_now", 0));
    _cleanup_(buf_done) struct buf profiles = BUF_INIT(4096);
    const struct value *list = value_get(t, "profiles");
    for (size_t i = 0; i < value_count(list); i++) {
        buf_puts(&profiles, i ? "," : "");
        buf_puts(&profiles, value_string(value_item(list, i), ""));
    }
    printf(TEMPLATE_LINE, value_get_string(t, "name", ""), vcpus, memory.data, gpus, seats,
           profiles.len ? profiles.data : "-");
}

static int show_templates(struct client *client, const struct info *info, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(client, "/v1/templates", &document, err);
    if (r < 0)
        return r;
    const struct value *list = value_get(document_root(document), "templates");
    if (info->json) {
        _cleanup_(buf_done) struct buf out = BUF_INIT(0);
        value_write(document_root(document), 2, &out);
        puts(out.data ? out.data : "");
        return 0;
    }
    if (!info->noheader)
        printf(TEMPLATE_LINE, "TEMPLATE", "CPUS", "MEMORY", "GPUS", "FREE_NOW", "PROFILES");
    for (size_t i = 0; i < value_count(list); i++)
        print_template(value_item(list, i));
    return 0;
}

/* A limit eases at the latest when the first of the jobs that use it has reached its own. */
static int show_me(struct client *client, const struct info *info, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_get(client, "/v1/me", &document, err);
    if (r < 0)
        return r;
    _cleanup_(buf_done) struct buf out = BUF_INIT(0);
    const struct value *root = document_root(document), *list = value_get(root, "limits");
    if (info->json) {
        value_write(root, 2, &out);
        puts(out.data ? out.data : "");
        return 0;
    }
    if (!info->noheader)
        buf_printf(&out, ME_LINE, "LIMIT", "USED", "ALLOWED", "EASES_BY", "OF");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *limit = value_item(list, i);
        _cleanup_(buf_done) struct buf used = BUF_INIT(32), allowed = BUF_INIT(32),
                                       eases = BUF_INIT(64);
        cell_int(&used, value_get_int(limit, "used", 0));
        cell_int(&allowed, value_get_int(limit, "allowed", 0));
        cell_time(&eases, value_get_string(limit, "eases_by", ""));
        buf_printf(&out, ME_LINE, value_get_string(limit, "name", ""), used.data, allowed.data,
                   eases.data, value_get_string(limit, "unit", ""));
    }
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
    return 0;
}

static int wanted_parse(struct view *view, const char *text, struct vdi_error *err)
{
    if (hostlist_parse(text, HOSTLIST_MAX, &view->hosts) < 0) {
        error_set(err, EINVAL, "nodes", "--nodes=%.80s: not a list of nodes", text);
        error_hint(err, NULL, "write gpu01 or gpu[01-16,20]");
        return -EINVAL;
    }
    view->wanted = hash_new_str();
    for (size_t i = 0; view->wanted && i < view->hosts.n; i++)
        hash_put(view->wanted, view->hosts.names[i], view->hosts.names[i]);
    return view->wanted ? 0 : error_set(err, ENOMEM, "nodes", "no memory");
}

/* What is no list of nodes has no columns and no filters. */
static int check_alone(const struct info *i, struct vdi_error *err)
{
    const char *what = i->classes     ? "classes"
                       : i->me        ? "me"
                       : i->templates ? "templates"
                       : i->gpus      ? "gpus"
                                      : NULL;
    bool more = i->format || i->names || (i->nodes && !i->gpus) || i->partitions || i->states ||
                i->by_node || i->reasons || i->is_long;

    if (!i->gpus && (i->at || i->for_sec || i->changes))
        return error_set(err, EINVAL, "gpus", "--at, --for and --changes go with --gpus");
    if (i->classes + i->me + i->templates + i->gpus < 2 && !(what && more))
        return 0;
    error_set(err, EINVAL, what, "--%s goes with %s alone", what,
              i->gpus && !i->classes && !i->me && !i->templates
                  ? "--at, --for, --changes, --nodes, --json and --noheader"
                  : "--json and --noheader");
    error_hint(err, NULL, "ask for one after the other");
    return -EINVAL;
}

static int prepare(struct view *view, const struct info *info, struct vdi_error *err)
{
    view->info = info;
    view->context = (struct format_context){.now_usec = time_now_usec()};
    const char *text = info->reasons   ? NODE_FORMAT_REASONS
                       : info->is_long ? NODE_FORMAT_LONG
                       : info->by_node ? NODE_FORMAT_NODES
                                       : NODE_FORMAT;
    if (info->names && info->format)
        return error_set(err, EINVAL, "", "--format and --Format exclude each other");
    int r = info->names ? format_parse_names(info->names, node_columns, &view->format, err)
                        : format_parse(info->format ? info->format : text, node_columns,
                                       &view->format, err);
    return r == 0 && info->nodes ? wanted_parse(view, info->nodes, err) : r;
}

/* Nodes may be named as words, too. */
static int show_gpus(struct client *client, const struct info *info, char **words,
                     struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf nodes = BUF_INIT(1 << 17);
    struct info_gpus ask = {.at = info->at,
                            .for_sec = info->for_sec,
                            .changes = info->changes,
                            .json = info->json,
                            .noheader = info->noheader};
    if (info->nodes)
        buf_puts(&nodes, info->nodes);
    for (; *words; words++)
        buf_printf(&nodes, "%s%s", nodes.len ? "," : "", *words);
    ask.nodes = nodes.data;
    if (nodes.failed)
        return error_set(err, EINVAL, "nodes", "there are too many names of nodes");
    return info_gpus(client, &ask, err);
}

static void view_done(struct view *view)
{
    for (size_t i = 0; i < view->n; i++) {
        free(view->groups[i].names);
        free(view->groups[i].key);
    }
    free(view->groups);
    hash_free(view->wanted);
    hash_free(view->by_key);
    hostlist_done(&view->hosts);
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct info info = {.all = false};
    struct view view = {.n = 0};
    _cleanup_(client_freep) struct client *client = NULL;
    int first;
    int r = options_read(&command, argc, argv, &info, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0 && first < argc && !info.gpus)
        r = error_set(&err, EINVAL, "", "%.60s: not an option", argv[first]);
    if (r == 0)
        r = check_alone(&info, &err);
    if (r == 0)
        r = prepare(&view, &info, &err);
    if (r == 0)
        r = client_new(&client, &err);
    if (r == 0)
        r = info.me          ? show_me(client, &info, &err)
            : info.gpus      ? show_gpus(client, &info, argv + first, &err)
            : info.classes   ? info_classes(client, info.json, info.noheader, &err)
            : info.templates ? show_templates(client, &info, &err)
                             : show_nodes(client, &view, &err);
    view_done(&view);
    return r ? (int)client_fail(NAME, r, &err) : EXIT_OK;
}
