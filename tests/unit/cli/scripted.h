/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scripted.h - a controller that answers from a table, and the built commands run against it.
 *
 * The controller is our HTTP server in a child process. It answers by method
 * and target and writes every request to a file, one line each.
 */
#ifndef TESTS_CLI_SCRIPTED_H
#define TESTS_CLI_SCRIPTED_H

#include "base/buf.h"
#include "wire/http_server.h"

/* Rows of the same request answer in turn; the last one goes on. A row without method ends it. */
struct scripted_answer {
    const char *method, *target;
    unsigned status;
    const char *body;
};

/* Answers a POST to /v1/jobs; may be NULL. Returns the status. */
typedef unsigned scripted_submit_fn(const struct http_request *r, struct buf *out);

extern char scripted_dir[64]; /* a directory of the test */
extern char scripted_url[128];
extern const char *scripted_builddir;

int scripted_start(const struct scripted_answer *answers, scripted_submit_fn *submit);
int scripted_stop(void);
/* Runs "COMMAND ARGS" of the build, which must end with `code`; stdout and stderr together. */
char *scripted_run(const char *line, int code);
/* What was asked for since the last run began. */
const char *scripted_requests(void);

#endif
