# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/model/libmodel.a
src_model_libmodel_a_SOURCES = \
    src/model/array.c src/model/array.h \
    src/model/audit.c src/model/audit.h \
    src/model/boots.c src/model/boots.h \
    src/model/class.c src/model/class.h \
    src/model/config.c src/model/config.h \
    src/model/dependency.c src/model/dependency.h \
    src/model/disk.c src/model/disk.h \
    src/model/gpu.c src/model/gpu.h \
    src/model/image.c src/model/image.h \
    src/model/instance.c src/model/instance.h \
    src/model/job.c src/model/job.h \
    src/model/job_file.c src/model/job_file.h \
    src/model/job_state.c src/model/job_state.h \
    src/model/licence.c src/model/licence.h \
    src/model/mount.c src/model/mount.h \
    src/model/node.c src/model/node.h \
    src/model/notice.c src/model/notice.h \
    src/model/occurrence.c src/model/occurrence.h \
    src/model/share.c src/model/share.h \
    src/model/token.c src/model/token.h \
    src/model/usage.c src/model/usage.h

MODEL_LIBS = src/model/libmodel.a -lm

UNIT_TESTS += tests/unit/model/test_job_state
tests_unit_model_test_job_state_SOURCES = tests/unit/model/test_job_state.c
tests_unit_model_test_job_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_job_state_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_job
tests_unit_model_test_job_SOURCES = tests/unit/model/test_job.c
tests_unit_model_test_job_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_job_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_licence
tests_unit_model_test_licence_SOURCES = tests/unit/model/test_licence.c
tests_unit_model_test_licence_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_licence_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_array
tests_unit_model_test_array_SOURCES = tests/unit/model/test_array.c
tests_unit_model_test_array_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_array_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_dependency
tests_unit_model_test_dependency_SOURCES = tests/unit/model/test_dependency.c
tests_unit_model_test_dependency_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_dependency_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_notice
tests_unit_model_test_notice_SOURCES = tests/unit/model/test_notice.c
tests_unit_model_test_notice_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_notice_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_mount
tests_unit_model_test_mount_SOURCES = tests/unit/model/test_mount.c
tests_unit_model_test_mount_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_mount_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_job_file
tests_unit_model_test_job_file_SOURCES = tests/unit/model/test_job_file.c
tests_unit_model_test_job_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_job_file_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_instance
tests_unit_model_test_instance_SOURCES = tests/unit/model/test_instance.c
tests_unit_model_test_instance_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_instance_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_node
tests_unit_model_test_node_SOURCES = tests/unit/model/test_node.c
tests_unit_model_test_node_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_node_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_token
tests_unit_model_test_token_SOURCES = tests/unit/model/test_token.c
tests_unit_model_test_token_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_token_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_share
tests_unit_model_test_share_SOURCES = tests/unit/model/test_share.c
tests_unit_model_test_share_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_share_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_usage
tests_unit_model_test_usage_SOURCES = tests/unit/model/test_usage.c
tests_unit_model_test_usage_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_usage_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_class
tests_unit_model_test_class_SOURCES = tests/unit/model/test_class.c
tests_unit_model_test_class_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_class_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_occurrence
tests_unit_model_test_occurrence_SOURCES = tests/unit/model/test_occurrence.c
tests_unit_model_test_occurrence_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_occurrence_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_disk
tests_unit_model_test_disk_SOURCES = tests/unit/model/test_disk.c
tests_unit_model_test_disk_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_disk_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_gpu
tests_unit_model_test_gpu_SOURCES = tests/unit/model/test_gpu.c
tests_unit_model_test_gpu_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_gpu_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/model/test_boots
tests_unit_model_test_boots_SOURCES = tests/unit/model/test_boots.c
tests_unit_model_test_boots_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_model_test_boots_LDADD = $(MODEL_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
