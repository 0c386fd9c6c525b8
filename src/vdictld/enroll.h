/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enroll.h - a node without a certificate shows its one-time token and gets one.
 *
 * Checking the token and signing write files: that is done on a worker. The answer goes to
 * the connection if it is still there.
 */
#ifndef VDICTLD_ENROLL_H
#define VDICTLD_ENROLL_H

#include "vdictld/core.h"

struct link_conn;

void enroll_begin(struct core *core, struct link_conn *conn, const void *data, size_t len);
/* The connection is gone: its answer goes nowhere. */
void enroll_closed(struct link_conn *conn);

#endif
