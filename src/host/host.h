/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - finds, checks and loads plugins (<vdi/plugin.h>).
 *
 * A plugin file is DIR/<kind>/<name>.so, where neither file nor directory may be
 * writable by others than root and the running user. A daemon tries all that it
 * needs, each in a child process with a deadline, so that one which crashes or
 * hangs while it is loaded is a sentence in the log and not the end of the daemon;
 * then it loads them.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <vdi/plugin.h>

#define HOST_PROBE_SEC 10

struct host_plugin; /* one loaded plugin */

const char *host_kind_name(enum vdi_plugin_kind kind); /* "store" */
/*
 * Loads and checks it in a child. To be called while the process has no other thread: a
 * child waits for ever for a lock that another thread held. Errors are those of
 * host_plugin_load(), and crashed or hung (-EIO, -ETIMEDOUT).
 */
int host_plugin_try(const char *dir, enum vdi_plugin_kind kind, const char *name,
                    struct vdi_error *err);
/*
 * Loads and checks. `ops` (of ops_size) is zeroed and filled with the plugin's
 * members. Errors are one full sentence in err: not there (-ENOENT), unsafe
 * file (-EPERM), not a plugin (-ENOEXEC), wrong ABI or kind (-EPROTO), required
 * member missing (-EINVAL).
 */
int host_plugin_load(const char *dir, enum vdi_plugin_kind kind, const char *name, void *ops,
                     size_t ops_size, struct host_plugin **ret, struct vdi_error *err);
const struct vdi_plugin *host_plugin_info(const struct host_plugin *p);
/* Takes settings against the plugin's declared ones: unknown keys and wrong types are
 * refused by name; missing ones get their default. Caller frees *ret (one block). */
int host_plugin_settings(const struct host_plugin *p, const struct vdi_setting_value *given,
                         size_t n_given, struct vdi_setting_value **ret, size_t *ret_n,
                         struct vdi_error *err);
void host_plugin_unload(struct host_plugin *p); /* takes NULL */

#endif
