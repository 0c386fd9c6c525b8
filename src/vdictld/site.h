/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site.h - the site plugin and the operations under way on it.
 *
 * Every operation ends exactly once, in `done`: by the plugin's word or by its
 * deadline, whichever comes first. A word that comes later is ignored.
 */
#ifndef VDICTLD_SITE_H
#define VDICTLD_SITE_H

#include "vdictld/core.h"

/* json is borrowed and NULL when there is none. */
typedef void (*site_done_fn)(void *arg, int result, const char *json, const struct vdi_error *err);

struct site *site_new(struct core *core, struct vdi_error *err);
void site_free(struct site *site);
bool site_nodes_always_up(const struct site *site);
uint32_t site_ops_open(const struct site *site);

void site_start(struct site *site, const struct vdi_instance_spec *spec, site_done_fn done,
                void *arg);
void site_stop(struct site *site, const struct instance *in, uint32_t grace_sec, site_done_fn done,
               void *arg);
void site_poll(struct site *site, const struct instance *in, site_done_fn done, void *arg);
/* Those that a plugin may lack: done gets -ENOSYS. */
/* Makes a seat the job's whose site_bind_write() it is; vdi/plugin.h says what the errors mean. */
void site_bind(struct site *site, const struct instance *in, const char *bind_json,
               site_done_fn done, void *arg);
void site_suspend(struct site *site, const struct instance *in, site_done_fn done, void *arg);
void site_resume(struct site *site, const struct instance *in, site_done_fn done, void *arg);
void site_signal(struct site *site, const struct instance *in, int signo, site_done_fn done,
                 void *arg);
void site_message(struct site *site, const struct instance *in, const char *text, site_done_fn done,
                  void *arg);
void site_connection(struct site *site, const struct instance *in, const char *request_json,
                     site_done_fn done, void *arg);
void site_output(struct site *site, const struct instance *in, const char *stream, uint64_t from,
                 uint32_t max, site_done_fn done, void *arg);
void site_log(struct site *site, const struct instance *in, site_done_fn done, void *arg);

#endif
