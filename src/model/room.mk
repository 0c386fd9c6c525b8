# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/model/libmodel.a
src_model_libmodel_a_SOURCES = \
    src/model/config.c src/model/config.h \
    src/model/instance.c src/model/instance.h \
    src/model/job.c src/model/job.h \
    src/model/job_state.c src/model/job_state.h \
    src/model/node.c src/model/node.h \
    src/model/token.c src/model/token.h

MODEL_LIBS = src/model/libmodel.a
