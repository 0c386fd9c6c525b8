/* SPDX-License-Identifier: Apache-2.0 */
/* fifo.c - priority/fifo: the priority of the QOS less nice; then who came first. */
#include <vdi/plugin.h>

static char none; /* it keeps nothing, and the host wants a state that is not NULL */

static int fifo_init(void **ret, const struct vdi_setting_value *settings, size_t n_settings,
                     struct vdi_priority_wants *wants, struct vdi_error *err)
{
    *ret = &none;
    return 0;
}

static void fifo_rank(const void *priority, const struct vdi_priority_facts *facts,
                      struct vdi_priority *ret)
{
    double nice = facts->nice;

    ret->sum = facts->given;
    ret->n_rows = 2;
    ret->rows[0] = (struct vdi_priority_row){"qos", facts->given + nice, 1, facts->given + nice};
    ret->rows[1] = (struct vdi_priority_row){"nice", nice, -1, -nice};
}

static const struct vdi_priority_ops ops = {.init = fifo_init, .rank = fifo_rank};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_PRIORITY,
    .name = "fifo",
    .title = "priority of the QOS less nice, then the time of submit",
    .ops = &ops,
    .ops_size = sizeof(ops),
};
