# SPDX-License-Identifier: Apache-2.0
# All but main() is a library, so that tests link what they try.
noinst_LIBRARIES += src/vdictld/libvdictld.a
src_vdictld_libvdictld_a_SOURCES = \
    src/vdictld/archive.c src/vdictld/archive.h \
    src/vdictld/arrays.c src/vdictld/arrays.h \
    src/vdictld/audit.c src/vdictld/audit.h \
    src/vdictld/audit_list.c \
    src/vdictld/auth.c src/vdictld/auth.h \
    src/vdictld/backup.c src/vdictld/backup.h \
    src/vdictld/budget.c src/vdictld/budget.h \
    src/vdictld/call.c src/vdictld/call.h \
    src/vdictld/class_admit.c src/vdictld/class_admit.h \
    src/vdictld/reservation.c \
    src/vdictld/class_calls.c \
    src/vdictld/class_claim.c \
    src/vdictld/class_drawn.c \
    src/vdictld/class_conf.c \
    src/vdictld/class_places.c \
    src/vdictld/class_role.c src/vdictld/class_roster.c \
    src/vdictld/class_lead.c \
    src/vdictld/class_seats.c src/vdictld/class_impl.h \
    src/vdictld/classes.c src/vdictld/classes.h \
    src/vdictld/core.c src/vdictld/core.h \
    src/vdictld/depend.c src/vdictld/depend.h \
    src/vdictld/depend_check.c \
    src/vdictld/digest.c src/vdictld/digest.h \
    src/vdictld/disk_act.c src/vdictld/disk_impl.h \
    src/vdictld/disk_calls.c \
    src/vdictld/disks.c src/vdictld/disks.h \
    src/vdictld/dispatch.c src/vdictld/handlers.h \
    src/vdictld/event.c src/vdictld/event.h src/vdictld/event_impl.h \
    src/vdictld/facts.c src/vdictld/facts.h \
    src/vdictld/feed.c src/vdictld/feed.h \
    src/vdictld/foresee.c src/vdictld/foresee.h \
    src/vdictld/gpu_wish.c src/vdictld/gpu_wish.h \
    src/vdictld/grant.c src/vdictld/grant.h \
    src/vdictld/gpus.c \
    src/vdictld/history.c \
    src/vdictld/idem.c src/vdictld/idem.h \
    src/vdictld/job_index.c src/vdictld/job_index.h \
    src/vdictld/image_blobs.c \
    src/vdictld/image_calls.c \
    src/vdictld/image_collect.c \
    src/vdictld/image_order.c \
    src/vdictld/image_store.c \
    src/vdictld/images.c src/vdictld/images.h \
    src/vdictld/info.c \
    src/vdictld/job_act.c \
    src/vdictld/job_doc.c src/vdictld/job_doc.h \
    src/vdictld/job_find.c src/vdictld/job_find.h \
    src/vdictld/job_filter.c src/vdictld/job_filter.h \
    src/vdictld/job_list.c \
    src/vdictld/job_log.c \
    src/vdictld/job_time.c \
    src/vdictld/jobs.c \
    src/vdictld/life.c src/vdictld/life.h src/vdictld/life_impl.h \
    src/vdictld/life_calls.c \
    src/vdictld/life_idle.c src/vdictld/life_preempt.c \
    src/vdictld/life_nodes.c src/vdictld/life_report.c \
    src/vdictld/life_restore.c \
    src/vdictld/life_save.c \
    src/vdictld/life_start.c \
    src/vdictld/limit.c src/vdictld/limit.h \
    src/vdictld/drain_forecast.c \
    src/vdictld/enroll.c src/vdictld/enroll.h \
    src/vdictld/me.c \
    src/vdictld/names.c src/vdictld/names.h \
    src/vdictld/nodelink.c src/vdictld/nodelink.h \
    src/vdictld/nodes.c src/vdictld/nodes.h \
    src/vdictld/nodestate.c src/vdictld/nodestate.h \
    src/vdictld/notify.c src/vdictld/notify.h \
    src/vdictld/notify_send.c \
    src/vdictld/noun.c src/vdictld/noun.h \
    src/vdictld/openapi.c \
    src/vdictld/output.c \
    src/vdictld/minutes.c src/vdictld/minutes.h \
    src/vdictld/priority.c src/vdictld/priority.h \
    src/vdictld/priority_use.c src/vdictld/priority_impl.h \
    src/vdictld/queue.c src/vdictld/queue.h \
    src/vdictld/quota.c src/vdictld/quota.h src/vdictld/quota_impl.h \
    src/vdictld/quota_check.c src/vdictld/quota_foresee.c src/vdictld/quota_guard.c \
    src/vdictld/quota_limits.c \
    src/vdictld/reconfigure.c src/vdictld/reconfigure.h \
    src/vdictld/record.c src/vdictld/record.h \
    src/vdictld/recover.c \
    src/vdictld/restore.c \
    src/vdictld/saved_state.c \
    src/vdictld/silence.c src/vdictld/silence.h \
    src/vdictld/site.c src/vdictld/site.h \
    src/vdictld/snapshot.c \
    src/vdictld/submit.c src/vdictld/submit.h \
    src/vdictld/submit_mail.c \
    src/vdictld/submit_notes.c \
    src/vdictld/sweep.c src/vdictld/sweep.h \
    src/vdictld/table.c src/vdictld/table.h \
    src/vdictld/tokens.c \
    src/vdictld/usage.c
src_vdictld_libvdictld_a_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(CURL_CFLAGS)
VDICTLD_LIBS = src/vdictld/libvdictld.a $(PLAN_LIBS) $(CODEC_LIBS) $(HOST_LIBS) \
    $(WIRE_SERVER_LIBS) $(FILE_SERVER_LIBS) $(LINK_LIBS) $(OPENSSL_LIBS) $(CURL_LIBS) $(CALENDAR_LIBS)

sbin_PROGRAMS += vdictld
vdictld_SOURCES = src/vdictld/main.c
vdictld_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
vdictld_LDADD = $(VDICTLD_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_table
tests_unit_vdictld_test_table_SOURCES = tests/unit/vdictld/test_table.c
tests_unit_vdictld_test_table_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_table_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_event
tests_unit_vdictld_test_event_SOURCES = tests/unit/vdictld/test_event.c \
    tests/unit/vdictld/memory_store.c tests/unit/vdictld/memory_store.h
tests_unit_vdictld_test_event_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_event_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_recover
tests_unit_vdictld_test_recover_SOURCES = tests/unit/vdictld/test_recover.c \
    tests/unit/vdictld/memory_store.c tests/unit/vdictld/memory_store.h
tests_unit_vdictld_test_recover_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_recover_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_recover_lost
tests_unit_vdictld_test_recover_lost_SOURCES = tests/unit/vdictld/test_recover_lost.c \
    tests/unit/vdictld/memory_store.c tests/unit/vdictld/memory_store.h
tests_unit_vdictld_test_recover_lost_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_recover_lost_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_snapshot
tests_unit_vdictld_test_snapshot_SOURCES = tests/unit/vdictld/test_snapshot.c \
    tests/unit/vdictld/memory_store.c tests/unit/vdictld/memory_store.h
tests_unit_vdictld_test_snapshot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_snapshot_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_job_index
tests_unit_vdictld_test_job_index_SOURCES = tests/unit/vdictld/test_job_index.c
tests_unit_vdictld_test_job_index_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_job_index_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_idem
tests_unit_vdictld_test_idem_SOURCES = tests/unit/vdictld/test_idem.c
tests_unit_vdictld_test_idem_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_idem_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_budget
tests_unit_vdictld_test_budget_SOURCES = tests/unit/vdictld/test_budget.c
tests_unit_vdictld_test_budget_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_budget_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_sweep
tests_unit_vdictld_test_sweep_SOURCES = tests/unit/vdictld/test_sweep.c \
    tests/unit/vdictld/memory_store.c tests/unit/vdictld/memory_store.h
tests_unit_vdictld_test_sweep_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_sweep_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/vdictld/test_limit
tests_unit_vdictld_test_limit_SOURCES = tests/unit/vdictld/test_limit.c
tests_unit_vdictld_test_limit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vdictld_test_limit_LDADD = $(VDICTLD_LIBS) $(CMOCKA_LIBS)

VDICTLD_TESTS = \
    tests/t1100-errors.t \
    tests/t1101-services.t \
    tests/t1102-life.t \
    tests/t1103-time.t \
    tests/t1104-idle.t \
    tests/t1110-output.t \
    tests/t1130-images.t \
    tests/t1131-warm-images.t \
    tests/t1140-disks.t \
    tests/t1111-log.t \
    tests/t1120-history.t \
    tests/t1140-notify.t \
    tests/t1160-classes.t \
    tests/t1165-make-room.t \
    tests/t1170-gpus.t \
    tests/t1172-encode.t \
    tests/t1180-reservations.t \
    tests/t1166-preempt.t tests/t1168-slow-seats.t \
    tests/t1161-class-cli.t \
    tests/t1162-class-ics.t tests/t1163-class-export.t tests/t1164-class-roster.t \
    tests/t1200-dependencies.t \
    tests/t1210-arrays.t \
    tests/t1220-limits.t \
    tests/t1221-gpu-minutes.t tests/t1222-licences.t \
    tests/t1225-time-min.t \
    tests/t1226-foreseen.t \
    tests/t1230-priority.t \
    tests/t1240-nodes.t tests/t1241-nodes-lost.t tests/t1242-nodes-use.t tests/t1243-nodes-saved.t \
    tests/t1130-slurm-options.t \
    tests/t1125-mounts.t \
    tests/t4130-node-job.t \
    tests/t5001-restart.t \
    tests/t5002-store-away.t \
    tests/t5200-backup.t \
    tests/t6000-golden.t \
    tests/t6100-hostile-client.t \
    tests/t6101-hostile-node.t \
    tests/t6102-hostile-controller.t \
    tests/t6110-node-trust.t \
    tests/t6200-audit.t
EXTRA_DIST += $(VDICTLD_TESTS) tests/lib/vdi.py tests/lib/link.py tests/lib/store.py tests/lib/hang_nss.c \
    tests/data/golden.tsv
if HAVE_PYTHON3
TESTS += $(VDICTLD_TESTS)
endif
