/* SPDX-License-Identifier: Apache-2.0 */
/* run_fixture.c - a node, a libvirt and a guest that the test plays */
#include "run_fixture.h"

struct run_fixture t;

const char *in_dir(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", t.dir, name);
    return path;
}

void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, mode);
    close(fd);
}

const char *get(const char *name)
{
    static char text[4096];
    int fd = open(in_dir(name), O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void on_instance(void *arg, struct vdi_instance_id id, const char *what, const char *json)
{
    t.n_ready += !strcmp(what, "ready");
    t.n_exited += !strcmp(what, "exited");
    t.n_gone += !strcmp(what, "gone");
    t.n_problems += !strcmp(what, "problem");
    t.n_inputs += !strcmp(what, "input");
    if (!strcmp(what, "ready") || !strcmp(what, "exited") || !strcmp(what, "gone") ||
        !strcmp(what, "input"))
        assert_int_equal(site_report_decode(json, &t.last, NULL) < 0, 0);
}

static void on_service(void *arg, bool in_service, const char *why)
{
    t.in_service = in_service;
}

void node_start(void)
{
    static const struct vdid_handler handler = {on_instance, NULL, on_service};
    const struct vdid_config config = {.uri = "fake",
                                       .state_dir = t.state,
                                       .image_dir = t.images,
                                       .run_dir = t.dir,
                                       .prefix = "vdi",
                                       .emulator = t.emulator,
                                       .spice_address = "127.0.0.1",
                                       .port_min = 42410,
                                       .port_max = 42419,
                                       .accel = ACCEL_TCG,
                                       .boot_timeout_sec = 300,
                                       .keep_gone_sec = 3600,
                                       .node = "n1",
                                       .writer = t.writer,
                                       .ccache = t.ccache,
                                       .output_max_mib = 1,
                                       .output_keep_mib = 1,
                                       .output_keep_sec = 1000};
    struct vdi_error err = {0};

    t.in_service = false;
    t.node = vdid_new(t.loop, &config, &handler, NULL, &err);
    if (!t.node)
        fail_msg("%s", err.detail);
    while (!t.in_service)
        loop_run_once(t.loop, true);
}

void node_restart(void)
{
    vdid_free(t.node);
    node_start();
}

int setup(void **state)
{
    memset(&t, 0, sizeof(t));
    memset(&fake, 0, sizeof(fake));
    strcpy(t.dir, "/tmp/vdid-run.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.state, sizeof(t.state), "%s/state", t.dir);
    snprintf(t.images, sizeof(t.images), "%s/images", t.dir);
    snprintf(t.emulator, sizeof(t.emulator), "%s/qemu", t.dir);
    snprintf(t.writer, sizeof(t.writer), "%.100s/vdi-writer", getcwd((char[100]){0}, 100));
    snprintf(t.ccache, sizeof(t.ccache), "%s/vdi-ccache", t.dir);
    put("qemu", "#!/bin/sh\nexit 85\n", 0755); /* the proof's word */
    put("vdi-ccache", "#!/bin/sh\ncat \"$4\" || exit 1\n", 0755);
    mkdir(t.images, 0755);
    mkdir(in_dir("images/a"), 0755);
    put("images/a/kernel", "k", 0644);
    put("images/a/image.json", "{\"kernel\":\"kernel\",\"ready\":\"console:UP\"}", 0644);
    t.loop = loop_new();
    node_start();
    return 0;
}

int teardown(void **state)
{
    char command[128];

    vdid_free(t.node);
    fake_guest_done(&t.guest);
    loop_free(t.loop);
    snprintf(command, sizeof(command), "rm -rf '%s'", t.dir);
    return system(command);
}

/* ---- orders ---- */

void on_answer(void *arg, int result, const char *json, const struct vdi_error *err)
{
    t.is_answered = true;
    t.result = result;
    snprintf(t.answer, sizeof(t.answer), "%s", result < 0 ? err->detail : json ? json : "");
}

int give(const struct vdid_order *o)
{
    t.is_answered = false;
    vdid_order(t.node, o, on_answer, NULL);
    while (!t.is_answered)
        loop_run_once(t.loop, true);
    return t.result;
}

int order(enum vdid_verb verb)
{
    return give(&(struct vdid_order){
        .verb = verb, .id = {1, 1}, .epoch = 1, .signal = 10, .text = "hello"});
}

int stop(uint32_t grace_sec)
{
    return give(
        &(struct vdid_order){.verb = VDID_STOP, .id = {1, 1}, .epoch = 1, .grace_sec = grace_sec});
}

int output_of(uint64_t id, uint64_t from, uint32_t max)
{
    return give(&(struct vdid_order){
        .verb = VDID_OUTPUT, .id = {id, 1}, .epoch = 1, .from = from, .max = max});
}

int start(const char *kind, const char *job, const char *more)
{
    char details[1024];

    snprintf(details, sizeof(details),
             "{\"job\":{\"kind\":\"%s\"%s},\"owner\":{\"name\":\"me\",\"uid\":%u,\"gid\":%u,"
             "\"home\":\"%s\"}%s}",
             kind, job, getuid(), getgid(), t.dir, more);
    return give(
        &(struct vdid_order){.verb = VDID_START,
                             .id = {1, 1},
                             .epoch = 1,
                             .details = details,
                             .wish = {.job = 7, .image = "a", .vcpus = 1, .memory_mib = 64}});
}

void until(const unsigned *counter, unsigned n)
{
    while (*counter < n)
        loop_run_once(t.loop, true);
}

void until_spooled(const char *text)
{
    while (strcmp(get("state/spool/1.1/output"), text) != 0)
        loop_run_once(t.loop, true);
}

void settle(void)
{
    int64_t end = time_monotonic_usec() + 300 * USEC_PER_MSEC;

    while (time_monotonic_usec() < end) {
        loop_run_once(t.loop, false);
        usleep(1000);
    }
}

void guest_boots(void)
{
    fake_guest_init(&t.guest, t.loop, in_dir("state/instances/1.1/job.sock"));
}
