/* SPDX-License-Identifier: Apache-2.0 */
/* gpu_codec.h - a GPU in JSON: what it holds at a time. Shown only; nothing of it is kept. */
#ifndef CODEC_GPU_CODEC_H
#define CODEC_GPU_CODEC_H

#include "codec/field.h"
#include "model/gpu.h"

/* All is borrowed. */
struct gpu_row {
    char node[64];
    uint32_t gpu;
    char model[64];
    enum gpu_law law;
    char state[16], reason[128];
    int64_t at_usec;
    const char *profile;
    uint32_t used;
    const char *by, *class_name;
    const char *profiles, *changes; /* FIELD_DOCUMENTS */
    bool more_changes;
};

extern const struct field gpu_fields[]; /* at most 64 */

/* Bits of rows of gpu_fields: those that the comma separated list names; all, if it is empty. */
int gpu_columns_parse(const char *list, uint64_t *ret, struct vdi_error *err);
void gpu_write(const struct gpu_row *row, uint64_t columns, struct buf *out);

#endif
