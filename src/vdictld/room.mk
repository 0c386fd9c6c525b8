# SPDX-License-Identifier: Apache-2.0
sbin_PROGRAMS += vdictld
vdictld_SOURCES = \
    src/vdictld/archive.c src/vdictld/archive.h \
    src/vdictld/audit.c \
    src/vdictld/auth.c src/vdictld/auth.h \
    src/vdictld/budget.c src/vdictld/budget.h \
    src/vdictld/call.c src/vdictld/call.h \
    src/vdictld/core.c src/vdictld/core.h \
    src/vdictld/digest.c src/vdictld/digest.h \
    src/vdictld/dispatch.c src/vdictld/handlers.h \
    src/vdictld/event.c src/vdictld/event.h src/vdictld/event_impl.h \
    src/vdictld/feed.c src/vdictld/feed.h \
    src/vdictld/idem.c src/vdictld/idem.h \
    src/vdictld/info.c \
    src/vdictld/job_act.c \
    src/vdictld/job_doc.c src/vdictld/job_doc.h \
    src/vdictld/job_list.c \
    src/vdictld/jobs.c \
    src/vdictld/life.c src/vdictld/life.h \
    src/vdictld/life_calls.c \
    src/vdictld/limit.c src/vdictld/limit.h \
    src/vdictld/main.c \
    src/vdictld/nodes.c src/vdictld/nodes.h \
    src/vdictld/noun.c src/vdictld/noun.h \
    src/vdictld/openapi.c \
    src/vdictld/queue.c src/vdictld/queue.h \
    src/vdictld/reconfigure.c src/vdictld/reconfigure.h \
    src/vdictld/record.c src/vdictld/record.h \
    src/vdictld/recover.c \
    src/vdictld/site.c src/vdictld/site.h \
    src/vdictld/snapshot.c \
    src/vdictld/submit.c src/vdictld/submit.h \
    src/vdictld/sweep.c src/vdictld/sweep.h \
    src/vdictld/table.c src/vdictld/table.h \
    src/vdictld/tokens.c
vdictld_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
vdictld_LDADD = $(PLAN_LIBS) $(CODEC_LIBS) $(HOST_LIBS) $(WIRE_SERVER_LIBS) $(OPENSSL_LIBS)
