/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdid_drive.c - the instances of a node without a controller.
 *
 * Orders on stdin, one JSON object a line; answers and events on stdout, one a line.
 * {"verb":"list"} and {"verb":"quit"} are its own.
 *
 * usage: vdid_drive URI STATE_DIR IMAGE_DIR RUN_DIR kvm|tcg|auto PORT_MIN PORT_MAX [BOOT_SEC]
 */
#include "vdid/vdid.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static struct loop *loop;
static struct vdid *node;
static char input[1 << 20];
static size_t input_len;

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

struct asked {
    struct vdid_order order;
};

static void answered(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct asked *a = arg;

    printf("answer %s %" PRIu64 ".%" PRIu32 " %s %s\n", vdid_verb_names[a->order.verb],
           a->order.id.id, a->order.id.generation,
           result == 0                ? "ok"
           : strerrorname_np(-result) ? strerrorname_np(-result)
                                      : "?",
           result < 0 ? err->detail
           : json     ? json
                      : "{}");
    fflush(stdout);
    free(a);
}

static void on_instance(void *arg, struct vdi_instance_id id, const char *what, const char *json)
{
    printf("event %" PRIu64 ".%" PRIu32 " %s %s\n", id.id, id.generation, what, json);
    fflush(stdout);
}

static void on_orphan(void *arg, struct vdi_instance_id id)
{
    printf("orphan %" PRIu64 ".%" PRIu32 "\n", id.id, id.generation);
    fflush(stdout);
}

static void on_service(void *arg, bool in_service, const char *why)
{
    printf("service %s %s\n", in_service ? "in" : "out", why);
    fflush(stdout);
}

static void list_all(void)
{
    struct buf out = BUF_INIT(0);

    buf_puts(&out, "list ");
    vdid_write_all(node, &out);
    say(out.data);
    buf_done(&out);
}

static void take_line(const char *line)
{
    struct asked *a;
    struct vdi_error err = {0};

    if (strstr(line, "\"quit\"")) {
        loop_stop(loop);
        return;
    }
    if (strstr(line, "\"list\"")) {
        list_all();
        return;
    }
    a = calloc(1, sizeof(*a));
    if (a && vdid_order_decode(line, strlen(line), &a->order, &err) == 0) {
        struct vdid_order order = a->order; /* `a` goes with the answer */

        vdid_order(node, &order, answered, a);
        vdid_order_done(&order);
        return;
    }
    printf("refused %s\n", err.detail);
    fflush(stdout);
    free(a);
}

static void on_input(void *arg, int fd, unsigned events)
{
    ssize_t n = read(fd, input + input_len, sizeof(input) - 1 - input_len);
    char *line = input, *end;

    if (n <= 0) {
        loop_stop(loop);
        return;
    }
    input_len += (size_t)n;
    input[input_len] = '\0';
    while ((end = strchr(line, '\n'))) {
        *end = '\0';
        take_line(line);
        line = end + 1;
    }
    input_len -= (size_t)(line - input);
    memmove(input, line, input_len);
}

static enum accel_mode accel_from(const char *name)
{
    for (int i = 0; accel_mode_names[i]; i++)
        if (!strcmp(accel_mode_names[i], name))
            return (enum accel_mode)i;
    fprintf(stderr, "no such accel: %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    const struct vdid_handler handler = {on_instance, on_orphan, on_service};
    struct vdid_config config = {.prefix = "vdi",
                                 .spice_address = "127.0.0.1",
                                 .tcg_cache_mib = 32,
                                 .keep_gone_sec = 3600,
                                 .node = "n1",
                                 .output_max_mib = 4,
                                 .output_keep_mib = 64,
                                 .output_keep_sec = 3600};
    struct vdi_error err = {0};
    struct source *in;

    if (argc < 8) {
        fprintf(stderr, "usage: vdid_drive URI STATE IMAGES RUN ACCEL MIN MAX [BOOT_SEC]\n");
        return 2;
    }
    log_init("vdid_drive", VDI_LOG_INFO);
    config.uri = argv[1];
    config.state_dir = argv[2];
    config.image_dir = argv[3];
    config.run_dir = argv[4];
    config.accel = accel_from(argv[5]);
    config.port_min = (uint16_t)atoi(argv[6]);
    config.port_max = (uint16_t)atoi(argv[7]);
    config.writer = getenv("VDI_WRITER");
    config.share = getenv("VDI_SHARE");
    if (getenv("DRIVE_OUTPUT_MIB"))
        config.output_max_mib = (uint32_t)atoi(getenv("DRIVE_OUTPUT_MIB"));
    config.boot_timeout_sec = argc > 8 ? atoi(argv[8]) : 300;
    loop = loop_new();
    node = loop ? vdid_new(loop, &config, &handler, NULL, &err) : NULL;
    if (!node) {
        fprintf(stderr, "vdid_drive: %s\n", err.detail);
        return 1;
    }
    printf("pid %d\n", (int)getpid());
    in = loop_fd(loop, 0, LOOP_READ, on_input, NULL);
    loop_run(loop);
    source_free(in);
    vdid_free(node);
    loop_free(loop);
    return 0;
}
