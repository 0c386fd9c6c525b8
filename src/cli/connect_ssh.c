/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect_ssh.c - the ticket by way of a login node: ssh -- LOGIN vdiconnect --json JOB.
 *
 * ssh joins its arguments to a line for a shell over there, so nothing goes
 * into them but words of ours and a number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/connect.h"
#include "cli/viewer.h"

#define ANSWER_MAX (128u << 10)
#define SSH_FAILED 255 /* ssh(1), EXIT STATUS */
#define NOT_FOUND 127  /* sh(1) */

int connect_set_ssh(void *to, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    size_t n = strlen(value);
    if (n && n < 256 && *value != '-' && !strpbrk(value, " \t") && str_is_text(value, n, false))
        return option_set_string(to, row, value, err);
    error_set(err, EINVAL, "ssh", "--ssh=%.60s: not a login node", value);
    error_hint(err, NULL, "write --ssh user@login.example.org");
    return -EINVAL;
}

static int exit_of_ssh(const struct connect *c, int code)
{
    if (code == SSH_FAILED) /* ssh has said why */
        return EXIT_UNREACHABLE;
    if (code == NOT_FOUND)
        fprintf(stderr, CONNECT_NAME ": %s has no " CONNECT_NAME " in its PATH\n", c->ssh);
    return code >= EXIT_REFUSED && code <= EXIT_NO_START ? code : EXIT_REFUSED;
}

static int run_ssh(const struct connect *c, const char *ssh, struct buf *answer,
                   struct vdi_error *err)
{
    char id[32];
    char *argv[16];
    size_t n = 0;
    int code;
    snprintf(id, sizeof(id), "%" PRId64, c->id);
    argv[n++] = (char *)ssh;
    argv[n++] = (char *)"--";
    argv[n++] = (char *)c->ssh;
    argv[n++] = (char *)CONNECT_NAME;
    argv[n++] = (char *)"--json";
    if (c->no_wait)
        argv[n++] = (char *)"--no-wait";
    if (c->quiet)
        argv[n++] = (char *)"--quiet";
    else if (c->progress || isatty(STDERR_FILENO))
        argv[n++] = (char *)"--progress";
    if (c->id)
        argv[n++] = id;
    argv[n] = NULL;
    int r = program_run(argv, answer, &code, err);
    return r == 0 && code ? exit_of_ssh(c, code) : r;
}

int connect_fetch_remote(struct connect *c, struct document **ret, struct vdi_error *err)
{
    char ssh[PATH_MAX];
    _cleanup_(buf_done) struct buf answer = BUF_INIT(ANSWER_MAX);
    int r = program_find("ssh", "install openssh-client", ssh, err);
    if (r == 0)
        r = run_ssh(c, ssh, &answer, err);
    if (r == 0 && (!answer.len || document_parse(answer.data, answer.len, ret, NULL) < 0)) {
        error_set(err, EREMOTEIO, "", "what %.80s answered is no connection", c->ssh);
        error_hint(err, NULL, "its shell must print nothing when it starts without a terminal");
        r = -EREMOTEIO;
    }
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    if (c->id)
        snprintf(c->title, sizeof(c->title), "job %" PRId64 " - %.60s", c->id, c->ssh);
    else
        snprintf(c->title, sizeof(c->title), "desktop - %.60s", c->ssh);
    return r;
}
