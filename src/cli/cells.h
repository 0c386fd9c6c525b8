/* SPDX-License-Identifier: Apache-2.0 */
/* cells.h - writing one cell of a table: texts, times, lengths, sizes as Slurm shows them. */
#ifndef CLI_CELLS_H
#define CLI_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/document.h"

/* The text, or "otherwise" if it is empty. */
void cell_text(struct buf *out, const char *text, const char *otherwise);
void cell_int(struct buf *out, int64_t n);
/* An RFC 3339 text as local time, "2026-10-13T10:15:00"; "N/A" if empty. */
void cell_time(struct buf *out, const char *rfc3339);
void cell_usec(struct buf *out, int64_t usec); /* the same; 0: "N/A" */
/* 0: "UNLIMITED"; below 0: "INVALID". */
void cell_limit(struct buf *out, int64_t sec);
void cell_length(struct buf *out, int64_t sec);
/* "16G", "4000M"; with noconvert always "16384M". */
void cell_mib(struct buf *out, int64_t mib, bool noconvert);
/* The name without its realm: "unix:alice" -> "alice"; other realms stay. */
void cell_owner(struct buf *out, const char *owner);
/* How many nodes a job asks for, and which it has as a hostlist, "" before it has any. */
int64_t value_nodes(const struct value *job);
const char *value_node_list(const struct value *job);
/* A time member in microseconds; 0 if it is null. */
int64_t value_usec(const struct value *object, const char *name);

#endif
