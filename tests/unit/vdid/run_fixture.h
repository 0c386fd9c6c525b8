/* SPDX-License-Identifier: Apache-2.0 */
/* run_fixture.h - a node, a libvirt and a guest that the test plays; one instance, 1.1 */
#ifndef TEST_RUN_FIXTURE_H
#define TEST_RUN_FIXTURE_H

#include "fake_guest.h"
#include "fake_virt.h"
#include "vdid/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "codec/site_report.h"

struct run_fixture {
    char dir[64], state[80], images[80], emulator[96], writer[128], ccache[96];
    struct loop *loop;
    struct vdid *node;
    struct fake_guest guest;
    bool in_service;
    unsigned n_ready, n_exited, n_gone, n_problems, n_inputs;
    struct site_report last;
    bool is_answered;
    int result;
    char answer[4096];
};
extern struct run_fixture t;

/* Of the test's directory; in a buffer of its own. */
const char *in_dir(const char *name);
void put(const char *name, const char *text, mode_t mode);
const char *get(const char *name);
void node_start(void);
void node_restart(void);
/* Of cmocka. */
int setup(void **state);
int teardown(void **state);
/* vdid_fn: into t. */
void on_answer(void *arg, int result, const char *json, const struct vdi_error *err);
/* Gives the order and waits; the result. */
int give(const struct vdid_order *o);
int order(enum vdid_verb verb);
int stop(uint32_t grace_sec);
int output_of(uint64_t id, uint64_t from, uint32_t max);
/* MORE: further members of the details, from a comma on. */
int start(const char *kind, const char *job, const char *more);
void until(const unsigned *counter, unsigned n);
void until_spooled(const char *text);
void settle(void);
void guest_boots(void);

#endif
