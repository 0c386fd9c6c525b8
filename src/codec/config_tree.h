/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_tree.h - libconfuse, wrapped: from text that passed config_scan() to a tree
 * in which every value and every block knows its line. Inside codec/ only.
 */
#ifndef CODEC_CONFIG_TREE_H
#define CODEC_CONFIG_TREE_H

#include <confuse.h>

#include "codec/config_key.h"
#include "codec/config_scan.h"

/*
 * Unknown keys and values given twice are findings; the tree has all the rest. A
 * syntax error is a finding, too: the tree then ends there and *ret_complete is
 * false. Returns NULL without memory only. Free with cfg_free().
 *
 * libconfuse keeps its lexer in globals: one thread at a time.
 */
cfg_t *config_tree(const char *text, struct config_findings *f, bool *ret_complete);
/* Line of a value (its block's, when it has none), and of the { of a block. */
int config_tree_line(const cfg_opt_t *opt, cfg_t *block);
int config_tree_block_line(cfg_t *block);
const char *config_tree_title(cfg_t *block); /* NULL: none was written */
/* Given in the file, and not one of the scan's own keys. */
bool config_tree_is_set(const cfg_opt_t *opt);

#endif
