/* SPDX-License-Identifier: Apache-2.0 */
/* site_fixture.h - site/fake with a tiny host under a virtual clock */
#ifndef TESTS_SITE_FIXTURE_H
#define TESTS_SITE_FIXTURE_H

#include <vdi/plugin.h>

#include <base/time.h>
#include <loop/loop.h>

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 (1800000000 * USEC_PER_SEC)

struct vdi_op {
    int completed;
    int result;
    char json[512];
    struct vdi_error err;
};

struct heard {
    struct vdi_instance_id id;
    char what[16];
    char json[256];
    int64_t at_usec;
};

struct vdi_host {
    struct loop *loop;
    int n_watches;
    int warnings;
    char last_log[256];
    struct heard heard[64];
    size_t n_heard;
    void *stop_on_ready; /* the site: an instance is stopped from inside its event */
};

extern const struct vdi_site_ops *ops;
extern const struct vdi_host_api api;

struct fixture {
    struct vdi_host host;
    void *site;
    char dir[64];
};

#define ORDER(f, member, ...)                                                                      \
    ({                                                                                             \
        struct vdi_op _op = {0};                                                                   \
        assert_int_equal(ops->member((f)->site, ##__VA_ARGS__, &_op), 0);                          \
        assert_int_equal(_op.completed, 1);                                                        \
        _op;                                                                                       \
    })
#define ID(i, g) ((struct vdi_instance_id){i, g})

void *site_new(struct vdi_host *host, const struct vdi_setting_value *settings, size_t n);
void setup(struct fixture *f, const char *boot_ms, const char *run_ms, bool kept);
void teardown(struct fixture *f);
struct vdi_op start_spec(struct fixture *f, const struct vdi_instance_spec *spec);
/* script: what follows the #! line, NULL: a desktop. */
struct vdi_op start(struct fixture *f, uint64_t id, uint32_t generation, uint64_t epoch,
                    const char *script);
const char *state_of(struct fixture *f, uint64_t id, uint32_t generation);
void run_for(struct fixture *f, int64_t ms);
json_int_t number(const char *json, const char *name);
size_t journal_lines(const struct fixture *f, const char *line);

#endif
