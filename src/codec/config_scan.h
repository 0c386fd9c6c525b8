/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_scan.h - what is checked in vdi.conf before libconfuse sees it.
 *
 * libconfuse expands ${VAR}, opens files at include(), walks "a|b" in keys, skips
 * bytes that it does not know and loses lines in comments. None of it gets there.
 */
#ifndef CODEC_CONFIG_SCAN_H
#define CODEC_CONFIG_SCAN_H

#include <vdi/types.h>

#include "base/buf.h"

/* Written into every block by the scan; no bare word can be that. libconfuse loses the line
 * where a block begins, and compares each title with all others: 10,000 nodes take it seconds. */
#define CONFIG_LINE_KEY "@line"
#define CONFIG_TITLE_KEY "@title"
#define CONFIG_BLOCKS_MAX 65536
#define CONFIG_STRING_MAX 16384 /* bytes of one value: a hostlist can be long */

struct config_findings {
    const char *path;
    struct buf *out;
    unsigned errors, warnings;
    bool mute; /* values that were told of already are taken again */
};

/* "FILE:LINE: field: detail (limit); remedy". line 0: the file as a whole. */
void config_finding(struct config_findings *f, int line, const struct vdi_error *err);
void config_finding_text(struct config_findings *f, int line, const char *field, const char *remedy,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * Checks bytes, words, strings, comments and braces; tells of everything found.
 * `out` gets the same lines without comments and with `NAME "TITLE" {` turned into
 * `NAME { @line = N @title = "TITLE"`. Returns -EINVAL if there was an error, -ENOMEM.
 */
int config_scan(const char *text, size_t len, struct config_findings *f, struct buf *out);

#endif
