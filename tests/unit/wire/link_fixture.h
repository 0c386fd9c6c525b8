/* SPDX-License-Identifier: Apache-2.0 */
/* link_fixture.h - a CA in a scratch directory, a controller and nodes on one loop. */
#ifndef TESTS_LINK_FIXTURE_H
#define TESTS_LINK_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "loop/loop.h"
#include "wire/link.h"
#include "wire/pki.h"

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

struct scratch {
    char dir[64];
    char ca[96], server_key[96], server_cert[96];
};

/* A CA of cluster "test" under /tmp. */
void scratch_init(struct scratch *s);
void scratch_done(struct scratch *s);
/* dir/NAME.key and dir/NAME.crt, issued at now_sec for so many days. */
void scratch_node(struct scratch *s, const char *name, unsigned days, int64_t now_sec);
void scratch_path(const struct scratch *s, const char *name, char ret[96]);

/* What one side saw. */
struct side {
    int connected, frames, closed, failed, heartbeats;
    size_t last_len, bytes;
    char last[256]; /* beginning of the last frame */
    char node[64];
    char reason[256];
    struct link_conn *conn;
    bool admit;      /* at the first frame (server) or when connected (client) */
    bool echo;       /* frames are sent back */
    int close_after; /* that many frames: closed politely */
};

struct pair {
    struct loop *loop;
    struct scratch scratch;
    struct link_tls *server_tls, *client_tls;
    struct link_server *server;
    struct link_client *client;
    struct side at_server, at_client;
    struct link_limits limits; /* both sides; before pair_listen() */
    char address[32];
};

void pair_init(struct pair *p);
void pair_done(struct pair *p);
void pair_listen(struct pair *p);
struct link_tls *pair_tls(struct pair *p, const char *node, const char *peer_name);
void pair_connect(struct pair *p, struct link_tls *tls);
/* Rounds until *value is at least n; fails the test after some seconds. */
void pair_until(struct pair *p, const int *value, int n);
void pair_rounds(struct pair *p, int64_t usec);
/* A plain TCP connection to the server. */
int pair_raw(struct pair *p);

#endif
