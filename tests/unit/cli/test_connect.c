/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_connect.c - vdiconnect against a scripted controller: which job, how long it waits,
 * what it writes and where, what it ends with. Viewer and ssh are scripts of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "scripted.h"

#define JOB(id, state)                                                                             \
    "{\"id\":" #id ",\"kind\":\"interactive\",\"name\":\"desk\",\"state\":\"" state "\"}"
#define FIELDS "?fields=id,state,final,node,exit_code,exit_signal,restarts,reason"
#define TICKET                                                                                     \
    "{\"provider\":\"qemu_spice\",\"host\":\"127.0.0.1\",\"port\":5901,\"password\":\"s3cret\","   \
    "\"expires\":\"2026-10-13T10:16:30Z\"}"
#define LIST "/v1/jobs?limit=1000&fields=id,state,kind,name&me=true"

static const struct scripted_answer answers[] = {
    {"GET", "/v1/jobs/17", 200, JOB(17, "RUNNING")},
    {"POST", "/v1/jobs/17/connection", 200, TICKET},
    /* pending, then configuring, then there */
    {"GET", "/v1/jobs/18", 200,
     "{\"id\":18,\"kind\":\"interactive\",\"name\":\"desk\",\"state\":\"PENDING\",\"place\":3,"
     "\"estimated_start_time\":\"2026-10-13T10:15:00Z\",\"blocker\":\"Resources\"}"},
    {"GET", "/v1/jobs/18" FIELDS, 200, "{\"id\":18,\"state\":\"PENDING\"}"},
    {"GET", "/v1/jobs/18" FIELDS, 200, "{\"id\":18,\"state\":\"CONFIGURING\"}"},
    {"GET", "/v1/jobs/18" FIELDS, 200, "{\"id\":18,\"state\":\"RUNNING\"}"},
    {"POST", "/v1/jobs/18/connection", 200, TICKET},
    /* fails while it is waited for */
    {"GET", "/v1/jobs/19", 200, JOB(19, "PENDING")},
    {"GET", "/v1/jobs/19" FIELDS, 200,
     "{\"id\":19,\"state\":\"BOOT_FAIL\",\"reason\":\"the guest did not answer\"}"},
    /* shown as progress: the whole document each time */
    {"GET", "/v1/jobs/20", 200, JOB(20, "PENDING")},
    {"GET", "/v1/jobs/20", 200,
     "{\"id\":20,\"kind\":\"interactive\",\"state\":\"PENDING\",\"place\":3}"},
    {"GET", "/v1/jobs/20", 200, JOB(20, "RUNNING")},
    {"POST", "/v1/jobs/20/connection", 200, TICKET},
    {"GET", "/v1/jobs/21", 200, "{\"id\":21,\"kind\":\"batch\",\"state\":\"RUNNING\"}"},
    {"GET", "/v1/jobs/22", 200, JOB(22, "COMPLETED")},
    {"GET", "/v1/jobs/23", 200, JOB(23, "SUSPENDED")},
    {"GET", "/v1/jobs/24", 200, JOB(24, "RUNNING")},
    {"POST", "/v1/jobs/24/connection", 200,
     "{\"provider\":\"qemu_spice\",\"host\":\"h\\n[ovirt]\",\"port\":1,\"password\":\"s3cret\"}"},
    {"GET", "/v1/jobs/25", 200, JOB(25, "PENDING")}, /* for ever */
    {"GET", "/v1/jobs/25" FIELDS, 200, JOB(25, "PENDING")},
    {"GET", "/v1/jobs/403", 200, JOB(403, "RUNNING")},
    {"POST", "/v1/jobs/403/connection", 403, "{\"detail\":\"only its owner connects to job 403\"}"},
    {"GET", "/v1/jobs/404", 404, "{\"detail\":\"there is no job 404\"}"},
    {"GET", LIST, 200,
     "{\"jobs\":[{\"id\":5,\"kind\":\"batch\",\"state\":\"RUNNING\"}],\"next\":null}"},
    {"GET", LIST, 200,
     "{\"jobs\":[{\"id\":5,\"kind\":\"batch\",\"state\":\"RUNNING\"}," JOB(17, "RUNNING") "," JOB(
         25, "PENDING") "," JOB(22, "COMPLETED") "],\"next\":null}"},
    {"GET", LIST, 200, "{\"jobs\":[" JOB(17, "RUNNING") "," JOB(20, "RUNNING") "],\"next\":null}"},
    {NULL},
};

static char path[128];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", scripted_dir, name);
    return path;
}

static const char *read_file(const char *name)
{
    static char text[4096];
    FILE *f = fopen(in_dir(name), "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

/* A program of ours in the only directory of PATH that has it. */
static void write_program(const char *name, const char *script)
{
    FILE *f = fopen(in_dir(name), "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
}

/* `before`, the file `name` of the test, `after`. */
static const char *command(const char *before, const char *name, const char *after)
{
    static char lines[2][256]; /* two may be in one call */
    static int turn;
    char *line = lines[turn++ % 2];
    snprintf(line, sizeof(lines[0]), "%s%s%s", before, in_dir(name), after);
    return line;
}

static bool exists(const char *name)
{
    return access(in_dir(name), F_OK) == 0;
}

static int setup(void **state)
{
    char value[256];
    if (scripted_start(answers, NULL) < 0)
        return -1;
    snprintf(value, sizeof(value), "relative::%s:/usr/bin:/bin", scripted_dir);
    setenv("PATH", value, 1);
    setenv("DISPLAY", ":0", 1);
    setenv("TMPDIR", scripted_dir, 1);
    unsetenv("XDG_RUNTIME_DIR");
    return 0;
}

static int teardown(void **state)
{
    return scripted_stop();
}

static void the_file_is_the_callers_alone(void **state)
{
    struct stat st;
    umask(0);
    assert_string_equal(scripted_run(command("vdiconnect --output=", "a.vv", " 17"), 0),
                        command("", "a.vv", ": open it before 10:16:30 with remote-viewer\n"));
    assert_string_equal(scripted_requests(), "GET /v1/jobs/17 \nPOST /v1/jobs/17/connection \n");
    assert_int_equal(stat(in_dir("a.vv"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_string_equal(read_file("a.vv"),
                        "[virt-viewer]\ntype=spice\nhost=127.0.0.1\nport=5901\npassword=s3cret\n"
                        "title=desk - job 17\nfullscreen=0\ndelete-this-file=1\n");
}

static void a_file_that_is_there_stays_unless_forced(void **state)
{
    struct stat st;
    FILE *f = fopen(in_dir("there"), "w");
    fclose(f);
    chmod(path, 0644);
    assert_int_equal(symlink(path, command("", "link", "")), 0);
    assert_non_null(strstr(scripted_run(command("vdiconnect -o ", "there", " 17"), 1), "--force"));
    assert_string_equal(scripted_requests(), ""); /* no ticket was spent */
    assert_string_equal(read_file("there"), "");
    scripted_run(command("vdiconnect -f --force -q -o ", "link", " 17"), 0);
    assert_string_equal(read_file("there"), ""); /* the link was replaced, not followed */
    assert_non_null(strstr(read_file("link"), "fullscreen=1\n"));
    assert_int_equal(lstat(in_dir("link"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    scripted_run("vdiconnect -o /nonexistent/a.vv 17", 1);
}

/* It sees a private file by its one argument, and nothing of it is left. */
static void the_viewer_gets_the_file(void **state)
{
    struct stat st;
    write_program("remote-viewer",
                  "d=$(dirname \"$0\")\n"
                  "{ echo \"$#\"; stat -c %a \"$1\" \"$(dirname \"$1\")\"; } >$d/v\n"
                  "cat \"$1\" >$d/seen; echo \"$1\" >$d/name; env >$d/env");
    assert_string_equal(scripted_run("vdiconnect 17", 0), "");
    assert_string_equal(read_file("v"), "1\n600\n700\n");
    assert_non_null(strstr(read_file("seen"), "password=s3cret\n"));
    assert_null(strstr(read_file("env"), "s3cret"));
    char name[256];
    assert_int_equal(sscanf(read_file("name"), "%255s", name), 1);
    assert_true(str_starts_with(name, scripted_dir));
    assert_int_equal(access(name, F_OK), -1);
    *strrchr(name, '/') = '\0';
    assert_int_equal(stat(name, &st), -1);

    /* a runtime directory that is the caller's alone is used; one that is open is not */
    mkdir(in_dir("run"), 0700);
    setenv("XDG_RUNTIME_DIR", path, 1);
    scripted_run("vdiconnect 17", 0);
    assert_non_null(strstr(read_file("name"), "/run/desktop-"));
    chmod(in_dir("run"), 0755);
    scripted_run("vdiconnect 17", 0);
    assert_null(strstr(read_file("name"), "/run/"));
    unsetenv("XDG_RUNTIME_DIR");
}

static void a_viewer_that_fails_or_is_missing_is_said(void **state)
{
    write_program("bad", "exit 3");
    assert_non_null(strstr(scripted_run("vdiconnect --viewer=bad 17", 1), "exit code 3"));
    assert_int_not_equal(system(command("ls -d ", "vdi-", "* >/dev/null 2>&1")), 0);
    assert_non_null(strstr(scripted_run("vdiconnect --viewer=no-such-viewer 17", 1), "--output"));
    assert_string_equal(scripted_requests(), "");
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    assert_non_null(strstr(scripted_run("vdiconnect 17", 1), "no screen here"));
    assert_string_equal(scripted_requests(), "");
    setenv("DISPLAY", ":0", 1);
}

static void it_waits_until_the_job_runs(void **state)
{
    assert_non_null(strstr(scripted_run("vdiconnect --no-wait --json 18", 6),
                           "job 18: PENDING, place 3, starts about "));
    assert_null(strstr(scripted_requests(), "POST"));
    scripted_run(command("vdiconnect -o ", "b.vv", " 18"), 0);
    assert_string_equal(scripted_requests(),
                        "GET /v1/jobs/18 \nGET /v1/jobs/18" FIELDS " \nGET /v1/jobs/18" FIELDS
                        " \nGET /v1/jobs/18" FIELDS " \nPOST /v1/jobs/18/connection \n");
    assert_string_equal(
        scripted_run("vdiconnect --json 19", 6),
        "vdiconnect: job 19 ended before it had a desktop: BOOT_FAIL, the guest did "
        "not answer; vdictl show job 19 --log tells how\n");
    assert_non_null(
        strstr(scripted_run("vdiconnect --progress --json 20", 0), "job 20: PENDING, place 3\n"));
}

/* vdiconnect ARG in the background, what it says in the file "said". */
static pid_t start(const char *arg)
{
    char program[512];
    snprintf(program, sizeof(program), "%s/vdiconnect", scripted_builddir);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_DFL); /* a check in the background has it ignored */
        if (!freopen(in_dir("said"), "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(99);
        execl(program, program, arg, "-oticket.vv", NULL);
        _exit(99);
    }
    return pid;
}

static void interrupting_leaves_the_job_alone(void **state)
{
    int status;
    scripted_run("vdiconnect --version", 0); /* begins a log */
    pid_t pid = start("25");
    while (!strstr(scripted_requests(), "GET /v1/jobs/25" FIELDS) &&
           waitpid(pid, NULL, WNOHANG) == 0)
        usleep(10000);
    kill(pid, SIGINT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_string_equal(read_file("said"),
                        "\nvdiconnect: job 25 is left as it is; vdicancel 25 ends it\n");
    assert_null(strstr(scripted_requests(), "DELETE"));
    assert_null(strstr(scripted_requests(), "POST"));
}

static void every_failure_has_its_exit_code(void **state)
{
    assert_non_null(strstr(scripted_run("vdiconnect --json 21", 1), "is a batch job"));
    assert_non_null(strstr(scripted_run("vdiconnect --json 22", 1), "has ended: COMPLETED"));
    assert_non_null(strstr(scripted_run("vdiconnect --json 23", 1), "vdictl resume 23"));
    assert_null(strstr(scripted_run("vdiconnect --json 24", 1), "s3cret"));
    scripted_run(command("vdiconnect -o ", "c.vv", " 24"), 1);
    assert_false(exists("c.vv"));
    scripted_run("vdiconnect --json 404", 3);
    scripted_run("vdiconnect --json 403", 4);
    scripted_run("vdiconnect 17 18", 2);
    scripted_run("vdiconnect desk", 2);
    scripted_run("vdiconnect --json -o x 17", 2);
    scripted_run("vdiconnect --force 17", 2);
    scripted_run("vdiconnect --show-password 17", 2);
    scripted_run("vdiconnect --viewer x -o x 17", 2);
    assert_string_equal(scripted_requests(), "");
    setenv("VDI_URL", "unix:/nonexistent/socket", 1);
    scripted_run("vdiconnect --json 17", 5);
    setenv("VDI_URL", scripted_url, 1);
}

static void without_a_job_it_is_my_only_one(void **state)
{
    assert_non_null(strstr(scripted_run("vdiconnect --json", 3), "vdisubmit --desktop"));
    scripted_run("vdiconnect --json", 0);
    assert_non_null(strstr(scripted_requests(), "POST /v1/jobs/17/connection"));
    assert_string_equal(scripted_run("vdiconnect --json", 2),
                        "vdiconnect: you have 2 desktops: 17 (desk, RUNNING), 20 (desk, RUNNING); "
                        "name one: vdiconnect JOB\n");
    assert_null(strstr(scripted_requests(), "POST"));
}

/* script(1) gives it a terminal. */
static const char *on_terminal(const char *args)
{
    static char line[512];
    snprintf(line, sizeof(line),
             "vdiconnect --version >/dev/null; script -qec '%s/vdiconnect %s' /dev/null",
             scripted_builddir, args);
    return line;
}

static void json_is_the_document_but_not_for_a_terminal(void **state)
{
    assert_non_null(strstr(scripted_run("vdiconnect --json 17", 0), "\"password\": \"s3cret\""));
    if (system("command -v script >/dev/null") != 0)
        skip();
    char *said = scripted_run(on_terminal("--json 17"), 2);
    assert_null(strstr(said, "s3cret"));
    assert_non_null(strstr(said, "--show-password"));
    assert_string_equal(scripted_requests(), "");
    assert_non_null(strstr(scripted_run(on_terminal("--json --show-password 17"), 0), "s3cret"));
}

static void ssh_fetches_the_ticket(void **state)
{
    write_program("ssh", "printf '%s|' \"$@\" >$(dirname \"$0\")/args; cat >/dev/null; "
                         "echo '" TICKET "'");
    assert_non_null(strstr(scripted_run(command("vdiconnect --ssh=me@login -o ", "d.vv", " 17"), 0),
                           "ssh -N -L 5901:127.0.0.1:5901 me@login"));
    assert_string_equal(read_file("args"), "--|me@login|vdiconnect|--json|17|");
    assert_non_null(strstr(read_file("d.vv"), "title=job 17 - me@login\n"));
    scripted_run(command("vdiconnect -q --no-wait --ssh login -o ", "e.vv", ""), 0);
    assert_string_equal(read_file("args"), "--|login|vdiconnect|--json|--no-wait|--quiet|");
    assert_string_equal(scripted_requests(), ""); /* nobody was asked here */
    scripted_run("vdiconnect --json --ssh=-oProxyCommand=x", 2);
    scripted_run("vdiconnect --json --ssh='a b'", 2);
}

static void what_ssh_ends_with_is_passed_on(void **state)
{
    write_program("ssh", "echo 'there is no job 9' >&2; exit 3");
    assert_string_equal(scripted_run("vdiconnect --json --ssh=login 9", 3), "there is no job 9\n");
    write_program("ssh", "exit 6");
    scripted_run("vdiconnect --json --ssh=login 9", 6);
    write_program("ssh", "exit 255");
    scripted_run("vdiconnect --json --ssh=login 9", 5);
    write_program("ssh", "exit 127");
    assert_non_null(strstr(scripted_run("vdiconnect --json --ssh=login 9", 1), "PATH"));
    write_program("ssh", "echo Welcome; echo '" TICKET "'");
    assert_non_null(strstr(scripted_run("vdiconnect --json --ssh=login 9", 1), "print nothing"));
    write_program("ssh", "head -c 1000000 /dev/zero");
    scripted_run("vdiconnect --json --ssh=login 9", 1);
    write_program("ssh", "exit 0");
    scripted_run("vdiconnect --json --ssh=login 9", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_the_callers_alone),
        cmocka_unit_test(a_file_that_is_there_stays_unless_forced),
        cmocka_unit_test(the_viewer_gets_the_file),
        cmocka_unit_test(a_viewer_that_fails_or_is_missing_is_said),
        cmocka_unit_test(it_waits_until_the_job_runs),
        cmocka_unit_test(interrupting_leaves_the_job_alone),
        cmocka_unit_test(every_failure_has_its_exit_code),
        cmocka_unit_test(without_a_job_it_is_my_only_one),
        cmocka_unit_test(json_is_the_document_but_not_for_a_terminal),
        cmocka_unit_test(ssh_fetches_the_ticket),
        cmocka_unit_test(what_ssh_ends_with_is_passed_on),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
