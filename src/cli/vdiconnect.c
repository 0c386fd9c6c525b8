/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdiconnect.c - opens the desktop of a job.
 *
 * The ticket is fetched last, because it is short-lived: what can go wrong here
 * (no viewer, a file that is there) is found before. The password is in the
 * connection file and nowhere else: in no argument, environment or message.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/client.h"
#include "cli/connect.h"
#include "cli/connection.h"
#include "cli/options.h"
#include "cli/private_file.h"
#include "cli/viewer.h"

#define AT(member) offsetof(struct connect, member)
#define VIEWER "remote-viewer"
#define VIEWER_REMEDY "install virt-viewer, or use --output FILE and open the file elsewhere"

static const struct option_row rows[] = {
    {"force", 0, NULL, "with --output: replace the file if it is there", option_set_flag,
     AT(force)},
    {"fullscreen", 'f', NULL, "the viewer begins in fullscreen", option_set_flag, AT(fullscreen)},
    {"json", 0, NULL, "print the document of the REST API, which has the password", option_set_flag,
     AT(json)},
    {"no-wait", 0, NULL, "end with 6 if the job is not running yet", option_set_flag, AT(no_wait)},
    {"output", 'o', "FILE", "write the connection file, and open no viewer", option_set_string,
     AT(output)},
    {"progress", 0, NULL, "say how far a waiting job is, also where stderr is no terminal",
     option_set_flag, AT(progress)},
    {"quiet", 'q', NULL, "no progress and no remarks", option_set_flag, AT(quiet)},
    {"show-password", 0, NULL, "with --json: print the password on a terminal, too",
     option_set_flag, AT(show_password)},
    {"ssh", 0, "USER@LOGIN", "fetch the ticket by ssh from a login node of the cluster",
     connect_set_ssh, AT(ssh)},
    {"viewer", 0, "PROGRAM", "the viewer to open, instead of " VIEWER, option_set_string,
     AT(viewer)},
    {NULL},
};

static const struct command command = {
    .name = CONNECT_NAME,
    .usage = "[OPTION]... [JOB]",
    .summary = "Opens the desktop of a job; without JOB, of my only one.",
    .rows = rows,
};

static int exclude(const char *what, struct vdi_error *err)
{
    error_set(err, EINVAL, "", "%s", what);
    return -EINVAL;
}

static int check_options(const struct connect *c, struct vdi_error *err)
{
    if (c->json && (c->output || c->viewer || c->fullscreen))
        return exclude("--json goes with none of --output, --viewer and --fullscreen", err);
    if (c->output && c->viewer)
        return exclude("--output and --viewer exclude each other", err);
    if (c->force && !c->output)
        return exclude("--force replaces the file of --output, which is not given", err);
    if (c->show_password && !c->json)
        return exclude("--show-password goes with --json", err);
    if (c->quiet && c->progress)
        return exclude("--quiet and --progress exclude each other", err);
    if (c->json && !c->show_password && isatty(STDOUT_FILENO)) {
        error_set(err, EINVAL, "", "the document has the password, which is not for a terminal");
        error_hint(err, NULL, "send it to a file or a pipe, or add --show-password");
        return -EINVAL;
    }
    return 0;
}

static int read_words(struct connect *c, char **words, int n, struct vdi_error *err)
{
    uint64_t id = 0;
    if (n == 0)
        return 0;
    if (n == 1 && str_to_u64(words[0], 1, INT64_MAX, &id) == 0) {
        c->id = (int64_t)id;
        return 0;
    }
    error_set(err, EINVAL, "job",
              n > 1 ? "%.60s and more: one desktop at a time" : "%.60s: not a job id", words[0]);
    error_hint(err, NULL, "write " CONNECT_NAME " 17");
    return -EINVAL;
}

/* Before anything is asked for: the ticket would be spent in vain. */
static int prepare(struct connect *c, struct vdi_error *err)
{
    if (c->output && !c->force && access(c->output, F_OK) == 0) {
        error_set(err, EEXIST, "output", "%.200s is there already", c->output);
        error_hint(err, NULL, "name another file, or replace it with --force");
        return -EEXIST;
    }
    if (c->json || c->output)
        return 0;
    if (!c->viewer && str_is_empty(getenv("DISPLAY")) && str_is_empty(getenv("WAYLAND_DISPLAY"))) {
        error_set(err, ENXIO, "", "there is no screen here: DISPLAY and WAYLAND_DISPLAY are empty");
        error_hint(err, NULL, "use --output FILE, or " CONNECT_NAME " --ssh from where you sit");
        return -ENXIO;
    }
    return program_find(c->viewer ? c->viewer : VIEWER, VIEWER_REMEDY, c->viewer_path, err);
}

static void remark(const struct connect *c, const struct connection *connection)
{
    if (c->quiet)
        return;
    if (c->ssh && connection_is_loopback(connection))
        fprintf(stderr,
                CONNECT_NAME ": the desktop listens on %s of its own host alone; forward the port "
                             "first: ssh -N -L %u:%s:%u %s\n",
                connection->host, connection->tls_port ? connection->tls_port : connection->port,
                connection->host, connection->tls_port ? connection->tls_port : connection->port,
                c->ssh);
    else if (!connection->tls_port && !connection_is_loopback(connection))
        fprintf(stderr, CONNECT_NAME ": the way to %s is not encrypted\n", connection->host);
}

static int save(const struct connect *c, const struct connection *connection, const struct buf *vv,
                struct vdi_error *err)
{
    int r = private_file_write(c->output, c->force, vv, err);
    if (r < 0 || c->quiet)
        return r;
    char until[64] = "";
    time_t expires = (time_t)(connection->expires_usec / USEC_PER_SEC);
    struct tm tm;
    if (expires && localtime_r(&expires, &tm))
        strftime(until, sizeof(until), " before %H:%M:%S", &tm);
    printf("%s: open it%s with " VIEWER "\n", c->output, until);
    return 0;
}

/* The viewer removes the file as it reads it; one that did not come so far did not. */
static int open_viewer(const struct connect *c, const struct buf *vv, struct vdi_error *err)
{
    struct private_file file;
    int code, r = private_file_make("desktop", ".vv", vv, &file, err);
    if (r < 0)
        return r;
    char *const argv[] = {(char *)c->viewer_path, file.path, NULL};
    r = program_run(argv, NULL, &code, err);
    private_file_remove(&file);
    if (r < 0 || code == 0)
        return r;
    return error_set(err, EIO, "", "%.200s ended with exit code %d", c->viewer_path, code);
}

static int use(const struct connect *c, const struct document *ticket, struct vdi_error *err)
{
    struct connection connection;
    _cleanup_(buf_done) struct buf text = BUF_INIT(1 << 20);
    int r = connection_read(document_root(ticket), &connection, err);
    if (r < 0)
        return r;
    if (c->json) {
        value_write(document_root(ticket), 2, &text);
        puts(text.data ? text.data : "");
    } else {
        remark(c, &connection);
        connection_write_vv(&connection, c->title, c->fullscreen, &text);
        r = c->output ? save(c, &connection, &text, err) : open_viewer(c, &text, err);
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    return r;
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct connect c = {.id = 0};
    _cleanup_(document_freep) struct document *ticket = NULL;
    int first;
    int r = options_read(&command, argc, argv, &c, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0)
        r = read_words(&c, argv + first, argc - first, &err);
    if (r == 0)
        r = check_options(&c, &err);
    if (r == 0)
        r = prepare(&c, &err);
    if (r == 0)
        r = c.ssh ? connect_fetch_remote(&c, &ticket, &err) : connect_fetch(&c, &ticket, &err);
    if (r > 0)
        return r; /* said where it happened */
    if (r == 0)
        r = use(&c, ticket, &err);
    int code = r < 0 ? (int)client_fail(CONNECT_NAME, r, &err) : EXIT_OK;
    return r == CONNECT_NO_START ? EXIT_NO_START : code;
}
