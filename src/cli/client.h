/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - a command's way to vdictld: where it is, who asks, what was answered.
 *
 * VDI_URL says where (default unix:/run/vdi/vdictld.sock), VDI_CA_FILE whom to
 * trust. On a unix socket the kernel says who asks; elsewhere a token from
 * VDI_TOKEN_FILE does, or munge.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "codec/document.h"
#include <vdi/types.h>

#define CLIENT_URL_DEFAULT "unix:/run/vdi/vdictld.sock"

/* What every command ends with; in each man page, and tested. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_REFUSED = 1,
    EXIT_USAGE = 2,
    EXIT_ABSENT = 3,      /* no such thing */
    EXIT_DENIED = 4,      /* not permitted */
    EXIT_UNREACHABLE = 5, /* the controller */
    EXIT_NO_START = 6,    /* would not start */
};

struct client;

struct client_request {
    const char *method;
    const char *target; /* path and query, encoded */
    const char *body;   /* NULL: none */
    size_t body_len;
    const char *header;   /* one more "Name: value"; NULL: none */
    unsigned timeout_sec; /* 0: 60 */
    int (*on_data)(void *arg, const char *data, size_t len); /* the answer in pieces */
    void *arg;
};

int client_new(struct client **ret, struct vdi_error *err);
void client_free(struct client *client); /* takes NULL */
DEFINE_FREEP(struct client, client_free)

/*
 * One exchange. 0: answered with 2xx; *ret_text (may be NULL) is the body.
 * -ENOENT (404), -EACCES (401, 403), -EREMOTEIO (refused otherwise) with err
 * from the problem document; -EHOSTUNREACH, -ETIMEDOUT, -ECONNRESET: no answer.
 */
int client_do(struct client *client, const struct client_request *request, struct buf *ret_text,
              struct vdi_error *err);
/* The same, for an answer that is a JSON document. */
int client_get(struct client *client, const char *target, struct document **ret,
               struct vdi_error *err);
int client_send(struct client *client, const char *method, const char *target,
                const struct buf *body, struct document **ret, struct vdi_error *err);

/* Fills err from an RFC 9457 document, or from the status alone. Returns the errno. */
int client_problem(unsigned status, const char *body, size_t len, struct vdi_error *err);
enum exit_code client_exit_code(int r);
/* Says "PROGRAM: sentence" on stderr and returns the exit code for r. */
enum exit_code client_fail(const char *program, int r, const struct vdi_error *err);

/* Appends text percent-encoded for a query or a path segment (RFC 3986). */
void client_escape(struct buf *out, const char *text);
/* Appends "name=text" with & or ? before it; nothing if text is empty. */
void client_query(struct buf *target, const char *name, const char *text);

#endif
