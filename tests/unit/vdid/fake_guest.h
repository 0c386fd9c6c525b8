/* SPDX-License-Identifier: Apache-2.0 */
/* fake_guest.h - a guest with a runner, as the node's end of its port sees it. */
#ifndef TEST_FAKE_GUEST_H
#define TEST_FAKE_GUEST_H

#include "codec/runner_outbox.h"
#include "loop/loop.h"

struct fake_guest {
    struct loop *loop;
    int listener, fd; /* fd -1: nobody is connected */
    struct source *accepts, *reads;
    struct runner_reader reader;
    struct runner_outbox outbox;
    struct runner_inbox inbox;
    uint64_t session;
    struct buf out; /* all that its script has written */
    bool is_welcome, is_begun, never_ready;
    unsigned n_run, n_signals, n_messages, n_shutdowns, n_times, n_tickets;
    char ticket[64];     /* the last, as text */
    const char *runs_as; /* the stage that it tells when it is to run something; NULL: none */
    uint32_t last_signal;
    struct runner_message welcome;
    struct buf payload;
};

/* Listens where QEMU would. Lives on the same loop as the node. */
void fake_guest_init(struct fake_guest *g, struct loop *loop, const char *socket);
void fake_guest_done(struct fake_guest *g); /* as when QEMU ends */
void fake_guest_stage(struct fake_guest *g, const char *name, const char *detail);
void fake_guest_output(struct fake_guest *g, const char *text);
void fake_guest_exit(struct fake_guest *g, int code);
void fake_guest_input(struct fake_guest *g, uint32_t idle_sec);

#endif
