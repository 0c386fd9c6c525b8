# SPDX-License-Identifier: Apache-2.0
# The commands link what they use and no more: a process lives for milliseconds.
noinst_LIBRARIES += src/cli/libcli.a
src_cli_libcli_a_SOURCES = \
    src/cli/audit_columns.c src/cli/audit_columns.h \
    src/cli/cells.c src/cli/cells.h \
    src/cli/class_event.c src/cli/class_event.h \
    src/cli/class_list.c src/cli/class_list.h \
    src/cli/client.c src/cli/client.h \
    src/cli/connect.h src/cli/connect_job.c src/cli/connect_ssh.c \
    src/cli/connection.c src/cli/connection.h \
    src/cli/event_stream.c src/cli/event_stream.h \
    src/cli/format.c src/cli/format.h \
    src/cli/ids.c src/cli/ids.h \
    src/cli/job_columns.c src/cli/job_columns.h \
    src/cli/job_list.c src/cli/job_list.h \
    src/cli/node_columns.c src/cli/node_columns.h \
    src/cli/options.c src/cli/options.h \
    src/cli/private_file.c src/cli/private_file.h \
    src/cli/progress.c src/cli/progress.h \
    src/cli/queue_follow.c src/cli/queue_follow.h \
    src/cli/signal_name.c src/cli/signal_name.h \
    src/cli/submit.h src/cli/submit_body.c src/cli/submit_gpu.c \
    src/cli/submit_options.c src/cli/submit_script.c \
    src/cli/viewer.c src/cli/viewer.h \
    src/cli/wait.c src/cli/wait.h \
    src/cli/control.h src/cli/control_admin.c src/cli/control_audit.c \
    src/cli/control_backup.c src/cli/control_class.c src/cli/control_config.c src/cli/control_disk.c \
    src/cli/control_drain.c \
    src/cli/control_export.c src/cli/control_import.c src/cli/control_job.c \
    src/cli/control_output.c src/cli/control_show.c src/cli/control_verbs.c

CLI_LIBS = src/cli/libcli.a src/codec/libcodec.a $(MODEL_LIBS) $(WIRE_CLIENT_LIBS) \
    $(JANSSON_LIBS)
# vdictl check reads vdi.conf, pki init makes certificates.
CLI_CONTROL_LIBS = $(CLI_LIBS) $(YAJL_LIBS) $(CONFUSE_LIBS) $(LINK_LIBS) $(OPENSSL_LIBS)

bin_PROGRAMS += vdisubmit vdiqueue vdicancel vdiinfo vdictl vdiconnect vdiacct
vdisubmit_SOURCES = src/cli/vdisubmit.c
vdisubmit_LDADD = $(CLI_LIBS)
vdiqueue_SOURCES = src/cli/vdiqueue.c
vdiqueue_LDADD = $(CLI_LIBS)
vdicancel_SOURCES = src/cli/vdicancel.c
vdicancel_LDADD = $(CLI_LIBS)
vdiconnect_SOURCES = src/cli/vdiconnect.c
vdiconnect_LDADD = $(CLI_LIBS)
vdiacct_SOURCES = src/cli/vdiacct.c src/cli/acct.h src/cli/acct_columns.c src/cli/acct_report.c \
    src/cli/acct_time.c
vdiacct_LDADD = $(CLI_LIBS)
vdiinfo_SOURCES = src/cli/vdiinfo.c src/cli/info.h src/cli/info_class.c src/cli/info_gpu.c
vdiinfo_LDADD = $(CLI_LIBS)
vdictl_SOURCES = src/cli/vdictl.c
vdictl_LDADD = $(CLI_CONTROL_LIBS) $(CALENDAR_LIBS)

# vdi-image works on files alone; its --boot watches QEMU on a loop.
bin_PROGRAMS += vdi-image
vdi_image_SOURCES = src/cli/vdi-image.c src/cli/image.h src/cli/image_boot.c \
    src/cli/image_check.c src/cli/image_demo.c src/cli/image_file.c src/cli/image_list.c \
    src/cli/image_edit.c src/cli/image_look.c src/cli/image_prepare.c src/cli/image_publish.c \
    src/cli/image_report.c src/cli/image_versions.c
vdi_image_CPPFLAGS = $(AM_CPPFLAGS) -DVDI_DEMODIR='"$(demodir)"' -DVDI_GUESTDIR='"$(guestdir)"' \
    -DVDI_SBINDIR='"$(sbindir)"' -DVDI_BINDIR='"$(bindir)"' \
    -DVDI_IMAGEDIR='"$(localstatedir)/lib/vdi/images"' \
    -DVDI_IMAGESTORE='"$(localstatedir)/lib/vdi/image-store"'
vdi_image_LDADD = $(CLI_LIBS) $(LOOP_LIBS) $(BASE_LIBS)

# bash-completion finds a file by the command's name. The commands write their own.
bashcompletiondir = $(datadir)/bash-completion/completions
COMPLETIONS = etc/bash-completion/vdisubmit etc/bash-completion/vdiqueue \
    etc/bash-completion/vdicancel etc/bash-completion/vdiinfo etc/bash-completion/vdictl \
    etc/bash-completion/vdiconnect etc/bash-completion/vdiacct etc/bash-completion/vdi-image
nodist_bashcompletion_DATA = $(COMPLETIONS)
CLEANFILES += $(COMPLETIONS)
$(COMPLETIONS): $(bin_PROGRAMS)
	$(AM_V_GEN)$(MKDIR_P) etc/bash-completion && ./$(@F)$(EXEEXT) --print-completion >$@.tmp && mv $@.tmp $@

UNIT_TESTS += tests/unit/cli/test_submit tests/unit/cli/test_format tests/unit/cli/test_ids
tests_unit_cli_test_ids_SOURCES = tests/unit/cli/test_ids.c
tests_unit_cli_test_ids_LDADD = $(CLI_LIBS) $(CMOCKA_LIBS)
tests_unit_cli_test_submit_SOURCES = tests/unit/cli/test_submit.c
tests_unit_cli_test_submit_LDADD = $(CLI_LIBS) $(CMOCKA_LIBS)
tests_unit_cli_test_format_SOURCES = tests/unit/cli/test_format.c
tests_unit_cli_test_format_LDADD = $(CLI_LIBS) $(CMOCKA_LIBS)
SCRIPTED = tests/unit/cli/scripted.c tests/unit/cli/scripted.h
UNIT_TESTS += tests/unit/cli/test_commands tests/unit/cli/test_connect
tests_unit_cli_test_commands_SOURCES = tests/unit/cli/test_commands.c $(SCRIPTED)
tests_unit_cli_test_commands_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_cli_test_commands_LDADD = $(WIRE_SERVER_LIBS) $(CMOCKA_LIBS)
tests_unit_cli_test_connect_SOURCES = tests/unit/cli/test_connect.c $(SCRIPTED)
tests_unit_cli_test_connect_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_cli_test_connect_LDADD = $(WIRE_SERVER_LIBS) $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/cli/test_connection
tests_unit_cli_test_connection_SOURCES = tests/unit/cli/test_connection.c
tests_unit_cli_test_connection_LDADD = $(CLI_LIBS) $(CMOCKA_LIBS)

TESTS += tests/t0600-cli-man.t
EXTRA_DIST += tests/t0600-cli-man.t


UNIT_TESTS += tests/unit/codec/test_document tests/unit/cli/test_event_stream
tests_unit_codec_test_document_SOURCES = tests/unit/codec/test_document.c
tests_unit_codec_test_document_LDADD = $(CLI_LIBS) $(CMOCKA_LIBS)
tests_unit_cli_test_event_stream_SOURCES = tests/unit/cli/test_event_stream.c
tests_unit_cli_test_event_stream_LDADD = $(CLI_LIBS) $(CMOCKA_LIBS)

TESTS += tests/t2200-image.t
EXTRA_DIST += tests/t2200-image.t
