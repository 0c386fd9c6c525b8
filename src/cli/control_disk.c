/* SPDX-License-Identifier: Apache-2.0 */
/* control_disk.c - vdictl disk: the list as a table, deletions, an operator's release. */
#include "cli/control.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/cells.h"

#define ROW "%-8s %-12.12s %-10s %8s %8s %-16.16s %-9s %-12.12s %-12.12s %8s %s\n"

static void cell_disk_node(const struct value *d, struct buf *out)
{
    bool is_shared = str_equal(value_get_string(d, "where", ""), "shared");

    cell_text(out, is_shared ? "shared" : value_get_string(d, "node", ""), "-");
}

static void print_disk(const struct value *d)
{
    _cleanup_(buf_done) struct buf size = BUF_INIT(32), used = BUF_INIT(32), node = BUF_INIT(128);
    _cleanup_(buf_done) struct buf owner = BUF_INIT(256), when = BUF_INIT(64);
    int64_t bytes = value_get_int(d, "bytes", -1), job = value_get_int(d, "job", 0);
    char id[24], of[24] = "-";

    snprintf(id, sizeof(id), "%" PRId64, value_get_int(d, "id", 0));
    if (job)
        snprintf(of, sizeof(of), "%" PRId64, job);
    cell_mib(&size, value_get_int(d, "size_gib", 0) * 1024, false);
    if (bytes >= 0)
        cell_mib(&used, (bytes + (1 << 20) - 1) >> 20, false);
    cell_disk_node(d, &node);
    cell_owner(&owner, value_get_string(d, "owner", ""));
    cell_usec(&when, value_usec(d, "lease_time"));
    printf(ROW, id, value_get_string(d, "name", ""), value_get_string(d, "persistence", ""),
           size.data, used.data ? used.data : "-", node.data, value_get_string(d, "state", ""),
           owner.data, value_get_string(d, "template", ""), of, when.data);
}

static void print_strangers(const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *v = value_item(list, i);

        printf("not of any disk: %s on %s (%s), %" PRId64 " bytes\n",
               value_get_string(v, "volume", "?"), value_get_string(v, "node", "?"),
               value_get_string(v, "where", "?"), value_get_int(v, "bytes", 0));
    }
}

static void print_page(const struct value *root, bool is_last, bool json)
{
    const struct value *list = value_get(root, "disks");

    if (json) {
        control_print(root, true);
        return;
    }
    for (size_t i = 0; i < value_count(list); i++)
        print_disk(value_item(list, i));
    if (is_last)
        print_strangers(value_get(root, "strangers"));
}

int control_disk_list(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf after = BUF_INIT(64);
    bool is_last = false;

    if (!c->options.json)
        printf(ROW, "ID", "NAME", "KEPT", "SIZE", "USED", "NODE", "STATE", "OWNER", "TEMPLATE",
               "JOB", "LAST USED");
    while (!is_last) {
        _cleanup_(document_freep) struct document *document = NULL;
        _cleanup_(buf_done) struct buf target = BUF_INIT(256);
        const struct value *root;
        int r;

        buf_puts(&target, verb->target);
        client_query(&target, "after", after.len ? after.data : NULL);
        r = client_get(c->client, target.data, &document, err);
        if (r < 0)
            return r;
        root = document_root(document);
        is_last = value_is_null(value_get(root, "next"));
        print_page(root, is_last, c->options.json);
        buf_clear(&after);
        buf_puts(&after, value_get_string(root, "next", ""));
    }
    return 0;
}

/* Each is tried; the first that fails says the exit code. */
static int act(struct control *c, const char *method, const char *behind)
{
    int code = 0;

    for (int i = 0; i < c->n_words; i++) {
        _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
        struct vdi_error err = {.code = 0};
        int r;

        buf_puts(&target, "/v1/disks/");
        client_escape(&target, c->words[i]);
        buf_puts(&target, behind);
        r = client_send(c->client, method, target.data, NULL, NULL, &err);
        if (r < 0) {
            int this_code = (int)client_fail(CONTROL_NAME, r, &err);

            code = code ? code : this_code;
        }
    }
    return code;
}

int control_disk_delete(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    return act(c, "DELETE", "");
}

int control_disk_release(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    return act(c, "POST", "/release");
}
