/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_columns.h - the columns of vdiinfo: sinfo's letters over groups of nodes.
 */
#ifndef CLI_NODE_COLUMNS_H
#define CLI_NODE_COLUMNS_H

#include "cli/format.h"

struct value;

/* A row: nodes of one partition that look alike in the columns shown. */
struct node_group {
    const struct value *partition; /* NULL: of no partition */
    const struct value *node;      /* the first of them */
    const char **names;
    size_t n, size;
    int64_t cpus, cpus_used, cpus_idle; /* idle: of nodes that take work */
    int64_t gpus, gpus_used;
    int64_t memory_mib;
    char *key;
};

/* Rows are struct node_group. */
extern const struct column node_columns[];

#define NODE_FORMAT "%9P %5a %10l %6D %6t %N"
#define NODE_FORMAT_LONG "%9P %5a %10l %6D %8t %4c %8m %14G %14f %N"
#define NODE_FORMAT_NODES "%16N %6D %9P %6t"
#define NODE_FORMAT_REASONS "%20E %9u %19H %N"

#endif
