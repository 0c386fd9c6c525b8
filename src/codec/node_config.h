/* SPDX-License-Identifier: Apache-2.0 */
/* node_config.h - reading vdid.conf (libconfuse): one flat file per node. */
#ifndef CODEC_NODE_CONFIG_H
#define CODEC_NODE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

/* Strings are owned and never NULL. */
struct node_config {
    char *node, *cluster, *controller;
    char *ca_file, *cert_file, *key_file;
    char *uri, *state_dir, *image_dir, *image_cache, *run_dir, *prefix, *emulator, *bridge;
    char *spice_address, *spice_host, *spice_tls, *spice_tls_dir, *accel, *log_level;
    char *virtiofsd, *disk_dir, *disk_shared_dir;
    long port_min, port_max, tcg_cache_mib, boot_timeout_sec, keep_gone_sec;
    long image_cache_mib, image_rate_mib, disk_max_gib;
    long output_max_mib, output_keep_mib, output_keep_sec;
};

bool node_config_has_tls(const struct node_config *config);
/* Every finding is a line in `findings`; -EINVAL when there is one. */
int node_config_read(const char *path, struct node_config **ret, struct buf *findings);
void node_config_free(struct node_config *config); /* takes NULL */

#endif
