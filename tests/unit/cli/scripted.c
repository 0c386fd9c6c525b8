/* SPDX-License-Identifier: Apache-2.0 */
/* scripted.c - a controller that answers from a table, and the built commands run against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "scripted.h"

#define ANSWERS_MAX 128

char scripted_dir[64], scripted_url[128];
const char *scripted_builddir;

static char log_path[96];
static pid_t server_pid;
static const struct scripted_answer *answers;
static scripted_submit_fn *submit;
static bool used[ANSWERS_MAX]; /* in the server */

static void log_request(const struct http_request *r)
{
    FILE *f = fopen(log_path, "a");
    size_t len;
    const char *body = http_request_body(r, &len), *key = http_request_header(r, "Idempotency-Key");
    fprintf(f, "%s %s %s%s%.*s\n", http_request_method(r), http_request_target(r), key ? key : "",
            key ? " " : "", (int)len, body);
    fclose(f);
}

static const struct scripted_answer *find(const char *method, const char *target)
{
    const struct scripted_answer *last = NULL;
    for (size_t i = 0; answers[i].method && i < ANSWERS_MAX; i++) {
        if (!str_equal(answers[i].target, target) || !str_equal(answers[i].method, method))
            continue;
        last = &answers[i];
        if (used[i])
            continue;
        used[i] = true;
        return last;
    }
    return last;
}

static void answer(void *arg, struct http_request *r)
{
    struct buf out = BUF_INIT(0);
    unsigned status = 404;
    const char *target = http_request_target(r), *method = http_request_method(r);
    const struct scripted_answer *row = find(method, target);
    log_request(r);
    if (submit && str_equal(target, "/v1/jobs") && str_equal(method, "POST")) {
        status = submit(r, &out);
    } else if (row) {
        status = row->status;
        buf_puts(&out, row->body);
    } else {
        buf_printf(&out, "{\"detail\":\"unexpected: %s %s\"}", method, target);
    }
    http_request_reply(r, status, status < 300 ? "application/json" : "application/problem+json",
                       &out);
}

static void serve(int ready)
{
    static const struct http_limits limits = {64, 64, 65536, 1 << 20, 30, 30};
    struct loop *loop = loop_new();
    struct http_server *server = http_server_new(loop, &limits, answer, NULL);
    struct vdi_error err;
    if (http_server_listen(server, scripted_url, NULL, NULL, &err) < 0 || write(ready, "", 1) != 1)
        _exit(1);
    loop_run(loop);
    _exit(0);
}

int scripted_start(const struct scripted_answer *table, scripted_submit_fn *submit_fn)
{
    int ready[2];
    char byte;
    answers = table;
    submit = submit_fn;
    scripted_builddir = getenv("top_builddir") ? getenv("top_builddir") : ".";
    strcpy(scripted_dir, "/tmp/vdi-cli-XXXXXX");
    if (!mkdtemp(scripted_dir) || pipe(ready) < 0)
        return -1;
    snprintf(log_path, sizeof(log_path), "%s/log", scripted_dir);
    snprintf(scripted_url, sizeof(scripted_url), "unix:%s/sock", scripted_dir);
    setenv("VDI_URL", scripted_url, 1);
    setenv("TZ", "UTC", 1);
    server_pid = fork();
    if (server_pid == 0)
        serve(ready[1]);
    return read(ready[0], &byte, 1) == 1 ? 0 : -1;
}

int scripted_stop(void)
{
    char command[128];
    kill(server_pid, SIGKILL);
    waitpid(server_pid, NULL, 0);
    snprintf(command, sizeof(command), "rm -r %s", scripted_dir);
    return system(command);
}

char *scripted_run(const char *line, int code)
{
    static char text[65536];
    char command[1024];
    unlink(log_path);
    snprintf(command, sizeof(command), "%s/%s 2>&1 </dev/null", scripted_builddir, line);
    FILE *f = popen(command, "r");
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    int status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("%s ended with %d, not %d:\n%s", line, WEXITSTATUS(status), code, text);
    return text;
}

const char *scripted_requests(void)
{
    static char text[65536];
    FILE *f = fopen(log_path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}
