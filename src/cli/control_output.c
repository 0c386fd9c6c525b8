/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_output.c - vdictl output: what a job's script wrote, as it wrote it.
 *
 * Bytes go to stdout unchanged. A reader that follows outlives the controller: it comes
 * back and asks from where it was, so that nothing is missing and nothing is there twice.
 */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cli/wait.h"
#include "model/job.h"

#define PAUSE_FIRST_MSEC 250
#define PAUSE_LAST_MSEC 5000

struct reader {
    uint64_t node_id;
    uint64_t got;
    bool closed; /* nobody reads our stdout */
};

static int take(void *arg, const char *data, size_t len)
{
    struct reader *reader = arg;
    if (fwrite(data, 1, len, stdout) != len || fflush(stdout) != 0) {
        reader->closed = true;
        return -EPIPE;
    }
    reader->got += len;
    return 0;
}

static bool has_begun(enum job_state state)
{
    return state != JOB_PENDING && state != JOB_NONE;
}

static int wait_for_begin(struct control *c, const char *id, struct vdi_error *err)
{
    const struct wait wait = {.program = CONTROL_NAME, .id = id, .is_over = has_begun};
    _cleanup_(document_freep) struct document *document = NULL;
    return wait_for_job(c->client, &wait, &document, err);
}

static int read_once(struct control *c, const char *id, struct reader *reader,
                     struct vdi_error *err)
{
    char target[160];
    struct client_request request = {
        .method = "GET", .target = target, .on_data = take, .arg = reader};
    snprintf(target, sizeof(target),
             "/v1/jobs/%s/output?stream=%s&from=%" PRIu64 "&follow=%s&nodeid=%" PRIu64, id,
             c->options.stream ? c->options.stream : "out", reader->got,
             c->options.follow ? "true" : "false", reader->node_id);
    return client_do(c->client, &request, NULL, err);
}

int control_job_output(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    const char *stream = c->options.stream;
    struct reader reader = {.got = 0};
    char id[ID_TEXT];
    int r = control_job_id(c->words[0], id, err);
    if (r == 0 && stream && !str_equal(stream, "out") && !str_equal(stream, "err"))
        r = error_set(err, EINVAL, "stream", "--stream=%.40s: it is out or err", stream);
    if (r == 0 && c->options.nodeid &&
        str_to_u64(c->options.nodeid, 0, JOB_NODES_MAX - 1, &reader.node_id) < 0)
        r = error_set(err, EINVAL, "nodeid", "--nodeid=%.40s: it is a number from 0 to %d",
                      c->options.nodeid, JOB_NODES_MAX - 1);
    if (r == 0 && c->options.follow)
        r = wait_for_begin(c, id, err);
    for (int64_t msec = PAUSE_FIRST_MSEC; r == 0; msec *= 2) {
        uint64_t before = reader.got;
        r = read_once(c, id, &reader, err);
        if (r == 0 || reader.closed || !c->options.follow ||
            client_exit_code(r) != EXIT_UNREACHABLE)
            break;
        msec = reader.got > before ? PAUSE_FIRST_MSEC : msec;
        msec = msec > PAUSE_LAST_MSEC ? PAUSE_LAST_MSEC : msec;
        sleep_msec(msec);
        r = 0;
    }
    return reader.closed ? EXIT_REFUSED : r;
}
