/* SPDX-License-Identifier: Apache-2.0 */
/* handlers.h - one function per row of the request table, bound in dispatch.c. */
#ifndef VDICTLD_HANDLERS_H
#define VDICTLD_HANDLERS_H

#include "vdictld/call.h"

/* A new connection's request; arg is struct core. The http server calls it. */
void dispatch_http(void *arg, struct http_request *http);

/* info.c */
void handle_ping(struct call *call);
void handle_partitions(struct call *call);
void handle_qos(struct call *call);
void handle_templates(struct call *call);
void handle_diag(struct call *call);
void handle_metrics(struct call *call);
/* openapi.c */
void handle_openapi(struct call *call);
/* jobs.c */
void handle_job_list(struct call *call);
void handle_history(struct call *call); /* history.c */
void handle_usage(struct call *call);   /* usage.c */
void handle_me(struct call *call);      /* me.c */
void handle_job_show(struct call *call);
void handle_job_events(struct call *call);
void handle_job_why(struct call *call);
/* submit.c */
void handle_job_submit(struct call *call);
/* job_act.c */
void handle_job_update(struct call *call);
void handle_job_cancel(struct call *call);
void handle_job_hold(struct call *call);
void handle_job_release(struct call *call);
void handle_job_suspend(struct call *call);
void handle_job_resume(struct call *call);
void handle_job_extend(struct call *call);
void handle_job_requeue(struct call *call);
/* life_calls.c, output.c, job_log.c: answered by the site of the job */
void handle_job_message(struct call *call);
void handle_job_connection(struct call *call);
void handle_job_output(struct call *call);
void handle_job_log(struct call *call);
/* instances.c, nodes.c, tokens.c */
void handle_instance_list(struct call *call);
void handle_instance_show(struct call *call);
void handle_node_list(struct call *call);
void handle_node_show(struct call *call);
void handle_node_update(struct call *call);
void handle_token_issue(struct call *call);
void handle_token_list(struct call *call);
void handle_token_revoke(struct call *call);
/* gpus.c */
void handle_gpu_list(struct call *call);
/* image_calls.c, image_order.c, image_blobs.c */
void handle_image_list(struct call *call);
void handle_image_publish(struct call *call);
void handle_image_show(struct call *call);
void handle_image_retire(struct call *call);
void handle_image_rollback(struct call *call);
void handle_image_prefetch(struct call *call);
void handle_blob_show(struct call *call);
void handle_blob_write(struct call *call);
/* disk_calls.c */
void handle_disk_list(struct call *call);
void handle_disk_show(struct call *call);
void handle_disk_delete(struct call *call);
void handle_disk_release(struct call *call);
/* class_calls.c */
void handle_class_list(struct call *call);
void handle_class_create(struct call *call);
void handle_class_show(struct call *call);
void handle_class_update(struct call *call);
void handle_class_delete(struct call *call);
void handle_class_occurrences(struct call *call);
void handle_class_override(struct call *call);
/* drain_forecast.c */
void handle_node_forecast(struct call *call);
/* enroll.c */
void handle_node_enroll(struct call *call);
/* backup.c */
void handle_backup(struct call *call);
/* audit_list.c, feed.c, reconfigure.c */
void handle_audit_list(struct call *call);
void handle_events(struct call *call);
void handle_reconfigure(struct call *call);

#endif
