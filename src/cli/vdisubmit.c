/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdisubmit.c - submits a job.
 *
 * A submit whose answer does not come is sent again under the same key, so
 * that one call makes one job, whatever the network does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/client.h"
#include "cli/submit.h"
#include "cli/wait.h"
#include "model/array.h"

#define NAME "vdisubmit"
#define TRIES_MAX 5
#define SUBMIT_TIMEOUT_SEC 20

static int say(int r, const struct vdi_error *err)
{
    return (int)client_fail(NAME, r, err);
}

static int key_make(char *ret, struct vdi_error *err)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return error_set(err, EIO, "idempotency-key", "no random numbers");
    str_to_hex(bytes, sizeof(bytes), ret);
    return 0;
}

/* Does not come back is not the same as refused: only the first is tried again. */
static int send_until_answered(struct client *client, const struct client_request *request,
                               bool verbose, struct buf *ret, struct vdi_error *err)
{
    int r = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        if (i)
            sleep_msec(INT64_C(250) << i);
        r = client_do(client, request, ret, err);
        if (r != -ETIMEDOUT && r != -ECONNRESET && r != -EPIPE)
            return r;
        if (verbose)
            fprintf(stderr, NAME ": no answer, sent again with the same key\n");
    }
    return r;
}

static void print_blockers(const struct value *answer)
{
    const struct value *blockers = value_get(answer, "blockers");
    for (size_t i = 0; i < value_count(blockers); i++) {
        const struct value *b = value_item(blockers, i);
        printf("  %s: %s\n", value_get_string(b, "reason", "?"), value_get_string(b, "text", ""));
    }
}

/* Beside the answer, so that a script that reads it is not disturbed. */
static void print_notes(const struct submit *submit, const struct value *answer)
{
    const struct value *notes = value_get(answer, "notes");
    for (size_t i = 0; !submit->quiet && !submit->json && i < value_count(notes); i++)
        fprintf(stderr, NAME ": note: %s\n", value_string(value_item(notes, i), ""));
}

static int print_test(const struct value *answer)
{
    const char *start = value_get_string(answer, "estimated_start_time", NULL);
    const char *node = value_get_string(answer, "estimated_node", "");
    _cleanup_(buf_done) struct buf local = BUF_INIT(64);
    cell_time(&local, start);
    if (start)
        printf("would start at %s%s%s\n", local.data, *node ? " on " : "", node);
    else
        printf("would not start\n");
    print_blockers(answer);
    return start ? EXIT_OK : EXIT_NO_START;
}

static void print_submitted(const struct submit *submit, const struct value *job)
{
    int64_t id = value_get_int(job, "id", 0);
    if (submit->json) {
        _cleanup_(buf_done) struct buf text = BUF_INIT(0);
        value_write(job, 2, &text);
        puts(text.data ? text.data : "");
    } else if (submit->parsable) {
        printf("%" PRId64 "\n", id);
    } else if (!submit->quiet) {
        printf("Submitted %s job %" PRId64 "\n", value_get_string(job, "kind", "batch"), id);
    }
    fflush(stdout);
}

/* The job's own code; 128+n for a signal; 1 for an end that has none. */
static int exit_of_job(const struct value *job)
{
    int64_t signo = value_get_int(job, "exit_signal", 0), code = value_get_int(job, "exit_code", 0);
    if (signo)
        return (int)(128 + signo);
    if (code)
        return (int)(code & 255) ? (int)(code & 255) : 1;
    return str_equal(value_get_string(job, "state", ""), "COMPLETED") ? 0 : 1;
}

/* A job that ended otherwise than by itself says why. */
static int wait_for(struct client *client, const char *id, const struct submit *submit)
{
    const struct wait wait = {
        .program = NAME, .id = id, .is_over = job_state_is_end, .quiet = submit->quiet};
    _cleanup_(document_freep) struct document *document = NULL;
    struct vdi_error err = {.code = 0};
    int r = wait_for_job(client, &wait, &document, &err);
    if (r < 0)
        return say(r, &err);
    const struct value *job = document_root(document);
    const char *reason = value_get_string(job, "reason", "");
    if (*reason && !submit->quiet && exit_of_job(job))
        fprintf(stderr, NAME ": job %s: %s: %s\n", id, value_get_string(job, "state", ""), reason);
    return exit_of_job(job);
}

/* Of an array the highest code of its tasks. */
static int wait_for_all(struct client *client, const struct value *job, const struct submit *submit)
{
    struct array_tasks tasks = {.n = 0};
    struct id id = id_of(job);
    char name[ID_TEXT];
    int code = 0;
    if (array_parse(value_get_string(job, "array", ""), ARRAY_SIZE_MAX, &tasks, NULL) < 0 ||
        !tasks.n)
        return wait_for(client, id_text(id, name), submit);
    for (size_t i = 0; i < tasks.n; i++) {
        id.task = tasks.tasks[i];
        int this_code = wait_for(client, id_text(id, name), submit);
        code = this_code > code ? this_code : code;
    }
    array_tasks_done(&tasks);
    return code;
}

static int submit_job(const struct submit *submit, const struct buf *body)
{
    struct vdi_error err = {.code = 0};
    _cleanup_(client_freep) struct client *client = NULL;
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    _cleanup_(document_freep) struct document *document = NULL;
    char key[33], header[128];
    int r = client_new(&client, &err);
    if (r == 0 && !submit->idempotency_key)
        r = key_make(key, &err);
    if (r < 0)
        return say(r, &err);
    snprintf(header, sizeof(header), "Idempotency-Key: %s",
             submit->idempotency_key ? submit->idempotency_key : key);
    struct client_request request = {
        .method = "POST",
        .target = submit->test_only ? "/v1/jobs?test_only=true" : "/v1/jobs",
        .body = body->data,
        .body_len = body->len,
        .header = submit->test_only ? NULL : header,
        .timeout_sec = SUBMIT_TIMEOUT_SEC,
    };
    r = send_until_answered(client, &request, submit->verbose, &text, &err);
    if (r == 0 && document_parse(text.data, text.len, &document, &err) < 0)
        r = -EREMOTEIO;
    if (r < 0)
        return say(r, &err);
    const struct value *answer = document_root(document);
    print_notes(submit, answer);
    if (submit->test_only)
        return print_test(answer);
    print_submitted(submit, answer);
    return submit->wait ? wait_for_all(client, answer, submit) : EXIT_OK;
}

/* A seat of a class is a desktop, and its class says of which template. */
static bool is_desktop(const struct submit *submit, int n_words)
{
    return submit->desktop || (submit->reservation && !submit->wrap && !n_words);
}

/* Which of desktop, --wrap and script it is; both or none is a mistake. */
static int check_kind(const struct submit *submit, int n_words, struct vdi_error *err)
{
    if (submit->desktop && submit->wrap)
        return error_set(err, EINVAL, "", "--desktop and --wrap exclude each other");
    if (submit->desktop && submit->template_name)
        return error_set(err, EINVAL, "", "--desktop names the template; leave --template out");
    if ((submit->desktop || submit->wrap) && n_words) {
        error_set(err, EINVAL, "", "%s takes no script", submit->desktop ? "--desktop" : "--wrap");
        return -EINVAL;
    }
    if (!is_desktop(submit, n_words) && !submit->wrap && !n_words && isatty(STDIN_FILENO)) {
        error_set(err, EINVAL, "", "nothing to submit");
        error_hint(err, NULL, "name a script, or use --desktop TEMPLATE or --wrap COMMAND");
        return -EINVAL;
    }
    return 0;
}

/* script < environment < command line; the line is read first because it names the script. */
static int gather(const struct option_list *line, struct script *script, struct submit *ret,
                  struct vdi_error *err)
{
    struct option_list list = {.n = 0}, environment = {.n = 0};
    struct submit early = *ret;
    int r = options_from_environment(&submit_command, "VDISUBMIT_", environ, &environment, err);
    if (r == 0)
        r = options_apply(&environment, &early, err);
    if (r == 0)
        r = options_apply(line, &early, err);
    if (r == 0 && script->text && !early.wrap)
        r = script_options(script, early.read_sbatch, &list, err);
    if (r == 0)
        r = options_apply(&list, ret, err);
    if (r == 0)
        r = options_apply(&environment, ret, err);
    return r < 0 ? r : options_apply(line, ret, err);
}

static int read_script(const struct submit *submit, const char *path, struct script *ret,
                       struct vdi_error *err)
{
    if (is_desktop(submit, path ? 1 : 0))
        return 0;
    return submit->wrap ? script_from_command(submit->wrap, ret, err) : script_read(path, ret, err);
}

static void warn_sbatch(const struct submit *submit, const struct script *script)
{
    if (script->sbatch_lines && !submit->quiet)
        fprintf(stderr,
                NAME ": %s: %u #SBATCH lines were not read; write #VDI, or use --read-sbatch\n",
                script->name, script->sbatch_lines);
}

/* The directory of a script is where it was submitted, unless it says another. */
static int set_work_dir(struct submit *submit, char *cwd, size_t size, struct vdi_error *err)
{
    if (!getcwd(cwd, size))
        return error_set(err, errno, "chdir", "this directory has no name: %s", strerror(errno)),
               -EINVAL;
    if (!submit->work_dir)
        submit->work_dir = cwd;
    return 0;
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct option_list line = {.n = 0};
    struct submit probe = {.now_usec = time_now_usec()}, submit = probe;
    struct script script = {.text = NULL};
    _cleanup_(buf_done) struct buf body = BUF_INIT(0);
    char cwd[1024];
    int first = 0;
    int r = options_parse(&submit_command, argc, argv, &line, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0)
        r = options_apply(&line, &probe, &err);
    if (r == 0)
        r = check_kind(&probe, argc - first, &err);
    if (r == 0)
        r = read_script(&probe, argv[first], &script, &err);
    if (r == 0)
        r = gather(&line, &script, &submit, &err);
    if (r == 0 && script.text)
        r = set_work_dir(&submit, cwd, sizeof(cwd), &err);
    int n_args = argc - first - 1;
    if (r == 0)
        r = submit_body(&submit, script.text ? &script : NULL, argv + first + 1,
                        n_args > 0 ? (size_t)n_args : 0, environ, &body, &err);
    warn_sbatch(&submit, &script);
    int code = r < 0 ? say(-EINVAL, &err) : submit_job(&submit, &body);
    script_done(&script);
    return code;
}
