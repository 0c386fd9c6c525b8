/* SPDX-License-Identifier: Apache-2.0 */
/* test_node.c - what an instance needs of its node: images, ports, console, helpers, KVM's proof */
#include "vdid/accel.h"
#include "vdid/child.h"
#include "vdid/console.h"
#include "vdid/file.h"
#include "vdid/image.h"
#include "vdid/ports.h"
#include "vdid/volume.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/time.h"

static char dir[64];

static int make_dir(void **state)
{
    strcpy(dir, "/tmp/vdid-node.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char paths[4][PATH_MAX];
    static int i;

    i = (i + 1) % 4;
    snprintf(paths[i], PATH_MAX, "%s/%s", dir, name);
    return paths[i];
}

static void put(const char *name, const void *data, size_t len, mode_t mode)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text), 0644);
}

/* ---- images ---- */

/* A qcow2 header, as far as it is looked at. */
static void put_qcow2(const char *name, uint64_t backing, uint32_t crypt, uint64_t features)
{
    unsigned char h[512] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3};
    uint64_t big;

    big = htobe64(backing);
    memcpy(h + 8, &big, 8);
    h[35] = (unsigned char)crypt;
    big = htobe64(features);
    memcpy(h + 72, &big, 8);
    put(name, h, sizeof(h), 0644);
}

static int load(const char *name, struct image *image, struct vdi_error *err)
{
    return image_load(in_dir("images"), in_dir("state"), in_dir("cache"), name, image, err);
}

static void test_image(void **state)
{
    struct vdi_error err = {0};
    struct image image;
    char name[128];

    mkdir(in_dir("images"), 0755);
    mkdir(in_dir("images/a"), 0755);
    put_text("images/a/image.json", "{\"disk\":\"d.qcow2\",\"ready\":\"console:hello\"}");
    put_qcow2("images/a/d.qcow2", 0, 0, 0);
    assert_int_equal(load("a", &image, &err), 0);
    assert_true(image.is_new);
    assert_string_equal(image.ready_text, "hello");
    assert_int_equal(image_record(in_dir("state"), &image, &err), 0);
    assert_int_equal(load("a", &image, &err), 0);
    assert_false(image.is_new);
    snprintf(name, sizeof(name), "a@%s", image.sha256);
    assert_int_equal(load(name, &image, &err), 0);
    name[4] = name[4] == '0' ? '1' : '0';
    assert_int_equal(load(name, &image, &err), -EUCLEAN);
    /* The same content in another inode is the same image ... */
    put_qcow2("images/a/new", 0, 0, 0);
    assert_int_equal(rename(in_dir("images/a/new"), in_dir("images/a/d.qcow2")), 0);
    assert_int_equal(load("a", &image, &err), 0);
    assert_true(image.is_new);
    /* ... and another content is not. */
    put_qcow2("images/a/d.qcow2", 0, 0, 1u << 3);
    assert_int_equal(load("a", &image, &err), -EUCLEAN);
    assert_non_null(strstr(err.detail, "changed"));
}

static void refuse_image(const char *manifest, int code)
{
    struct vdi_error err = {0};
    struct image image;

    put_text("images/b/image.json", manifest);
    if (load("b", &image, &err) != code)
        fail_msg("%s: %d %s", manifest, load("b", &image, &err), err.detail);
    assert_true(*err.detail);
}

static void test_image_refusals(void **state)
{
    struct vdi_error err = {0};
    struct image image;

    mkdir(in_dir("images"), 0755);
    mkdir(in_dir("images/b"), 0755);
    assert_int_equal(load("b", &image, &err), -ENOENT);
    assert_int_equal(load("../b", &image, &err), -EINVAL);
    assert_int_equal(load("b/../b", &image, &err), -EINVAL);
    assert_int_equal(load("", &image, &err), -EINVAL);
    assert_int_equal(load(".", &image, &err), -EINVAL);
    put_qcow2("images/b/ok", 0, 0, 0);
    put_qcow2("images/b/chain", 512, 0, 0);
    put_qcow2("images/b/crypt", 0, 2, 0);
    put_qcow2("images/b/data", 0, 0, 4);
    put_qcow2("images/b/dirty", 0, 0, 1);
    put_qcow2("images/b/corrupt", 0, 0, 2);
    put("images/b/loose", "x", 1, 0666);
    put("images/b/group", "x", 1, 0664);
    put("images/b/empty", "", 0, 0644);
    put("images/b/raw", "not a qcow2 file", 16, 0644);
    assert_int_equal(symlink("/etc/passwd", in_dir("images/b/link")), 0);
    assert_int_equal(mkfifo(in_dir("images/b/fifo"), 0644), 0);
    refuse_image("{}", -EINVAL);
    refuse_image("", -EINVAL);
    refuse_image("[]", -EINVAL);
    refuse_image("{\"disk\":\"../a/d.qcow2\"}", -EINVAL);
    refuse_image("{\"disk\":\"/etc/passwd\"}", -EINVAL);
    refuse_image("{\"disk\":\"missing\"}", -ENOENT);
    refuse_image("{\"disk\":\"chain\"}", -EINVAL);
    refuse_image("{\"disk\":\"crypt\"}", -EINVAL);
    refuse_image("{\"disk\":\"data\"}", -EINVAL);
    refuse_image("{\"disk\":\"dirty\"}", -EUCLEAN);
    refuse_image("{\"disk\":\"corrupt\"}", -EUCLEAN);
    refuse_image("{\"disk\":\"raw\"}", -EUCLEAN);
    refuse_image("{\"kernel\":\"loose\"}", -EPERM);
    refuse_image("{\"kernel\":\"group\"}", -EPERM);
    refuse_image("{\"kernel\":\"empty\"}", -EINVAL);
    refuse_image("{\"kernel\":\"link\"}", -ELOOP);
    refuse_image("{\"kernel\":\"fifo\"}", -EINVAL);
    refuse_image("{\"disk\":\"ok\",\"ready\":\"sometime\"}", -EINVAL);
    refuse_image("{\"disk\":\"ok\",\"ready\":\"console:\"}", -EINVAL);
    refuse_image("{\"disk\":\"ok\",\"sha256\":\"abc\"}", -EINVAL);
    refuse_image("{\"disk\":\"ok\",\"sha256\":"
                 "\"0000000000000000000000000000000000000000000000000000000000000000\"}",
                 -EUCLEAN);
}

/* ---- ports ---- */

static int listen_at(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && listen(fd, 1) == 0 ? fd : -1;
}

/* The first of three neighbours that nobody has; below those of outgoing connections. */
static uint16_t three_ports(void)
{
    for (uint16_t base = (uint16_t)(12000 + getpid() % 8000); base < 32000; base++)
        if (port_is_free("127.0.0.1", base) && port_is_free("127.0.0.1", base + 1) &&
            port_is_free("127.0.0.1", base + 2))
            return base;
    fail_msg("no three ports are free");
    return 0;
}

static void test_ports(void **state)
{
    struct vdi_error err = {0};
    uint16_t base = three_ports(), a, b, c, d;
    struct ports *p = ports_new(base, base + 2);
    int fd = listen_at(base + 1);
    char limit[32];

    assert_true(fd >= 0);
    assert_false(port_is_free("127.0.0.1", base + 1));
    assert_int_equal(ports_take(p, "127.0.0.1", &a, &err), 0);
    assert_int_equal(ports_take(p, "127.0.0.1", &b, &err), 0);
    assert_int_equal(a, base);
    assert_int_equal(b, base + 2); /* the middle one is somebody's */
    assert_int_equal(ports_take(p, "127.0.0.1", &c, &err), -EADDRINUSE);
    snprintf(limit, sizeof(limit), "%u to %u", base, base + 2u);
    assert_string_equal(err.limit, limit);
    close(fd);
    assert_int_equal(ports_take(p, "127.0.0.1", &c, &err), 0);
    ports_release(p, a);
    assert_int_equal(ports_take(p, "127.0.0.1", &d, &err), 0);
    assert_int_equal(d, a);
    assert_false(ports_reserve(p, b));
    assert_false(ports_reserve(p, base - 1));
    ports_release(p, b);
    assert_true(ports_reserve(p, b));
    ports_release(p, 0);
    ports_free(p);
}

/* ---- the console ---- */

static void append(const char *path, const char *text)
{
    FILE *f = fopen(path, "a");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_console(void **state)
{
    const char *path = in_dir("console.log");
    char kept[PATH_MAX];
    struct console c = {0};
    bool first = false, found = false;
    struct buf tail = BUF_INIT(0);
    char block[1025];
    struct stat st;

    str_copy(kept, sizeof(kept), path);
    assert_int_equal(console_look(&c, kept, "READY", &first, &found), -ENOENT);
    append(kept, "");
    assert_int_equal(console_look(&c, kept, "READY", &first, &found), 0);
    assert_false(first);
    append(kept, "REA");
    console_look(&c, kept, "READY", &first, &found);
    assert_true(first);
    assert_false(found);
    append(kept, "D");
    console_look(&c, kept, "READY", &first, &found);
    append(kept, "Y\n"); /* over three looks */
    console_look(&c, kept, "READY", &first, &found);
    assert_true(found);
    memset(block, 'z', 1024);
    block[1024] = '\0';
    for (int i = 0; i < 200; i++)
        append(kept, block);
    append(kept, "the end");
    assert_int_equal(console_trim(kept, CONSOLE_FILE_MAX), 0);
    assert_int_equal(stat(kept, &st), 0);
    assert_true(st.st_size > CONSOLE_KEEP_BYTES);
    assert_int_equal(console_trim(kept, CONSOLE_KEEP_BYTES), 0);
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_size, CONSOLE_KEEP_BYTES);
    assert_int_equal(console_tail(kept, 7, &tail), 0);
    assert_string_equal(tail.data, "the end");
    buf_done(&tail);
    found = false;
    append(kept, "READY");
    console_look(&c, kept, "READY", &first, &found);
    assert_true(found); /* the cut did not lose the place */
}

/* ---- files ---- */

static void test_directories(void **state)
{
    assert_int_equal(file_make_dir(in_dir("a/b/c")), 0);
    assert_int_equal(file_make_dir(in_dir("a/b/c")), 0);
    assert_int_equal(file_replace(in_dir("a/b/c/f"), "0123456789", 10), 0);
    assert_int_equal(file_remove_dir(in_dir("a/b")), -ENOTEMPTY);
    assert_int_equal(file_remove_dir(in_dir("a/b/c")), 0);
    assert_int_equal(file_remove_dir(in_dir("a/b/c")), 0);
}

/* ---- helpers ---- */

struct ended {
    struct loop *loop;
    int status;
    char output[CHILD_OUTPUT_MAX];
};

static void on_child(void *arg, int status, const char *output)
{
    struct ended *e = arg;

    e->status = status;
    snprintf(e->output, sizeof(e->output), "%s", output);
    loop_stop(e->loop);
}

static void test_child(void **state)
{
    const char *const talks[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    const char *const sleeps[] = {"sleep", "1000", NULL};
    const char *const nothing[] = {"no-such-program-here", NULL};
    struct ended e = {.loop = loop_new()};
    struct vdi_error err = {0};
    struct child *c;

    assert_int_equal(child_start(e.loop, talks, 60 * USEC_PER_SEC, on_child, &e, &c, &err), 0);
    loop_run(e.loop);
    assert_int_equal(WEXITSTATUS(e.status), 3);
    assert_string_equal(e.output, "out\nerr\n");
    child_free(c);
    assert_int_equal(child_start(e.loop, sleeps, 1, on_child, &e, &c, &err), 0);
    loop_run(e.loop);
    assert_int_equal(e.status, -ETIMEDOUT);
    child_free(c);
    assert_int_equal(child_start(e.loop, sleeps, 60 * USEC_PER_SEC, on_child, &e, &c, &err), 0);
    child_free(c); /* kills it: the test would hang here otherwise */
    assert_int_equal(child_start(e.loop, nothing, 1, on_child, &e, &c, &err), -ENOENT);
    loop_free(e.loop);
}

/* ---- KVM's proof ---- */

struct proof {
    struct loop *loop;
    int result;
    struct vdi_error err;
};

static void on_proof(void *arg, int result, const struct vdi_error *err)
{
    struct proof *p = arg;

    p->result = result;
    p->err = *err;
    loop_stop(p->loop);
}

/* Whether the guest itself is sound is seen where it surely runs. */
static void test_accel_guest(void **state)
{
    struct proof p = {.loop = loop_new()};
    struct vdi_error err = {0};
    struct accel *a;

    if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0)
        skip();
    assert_int_equal(accel_prove(p.loop, ACCEL_TCG, "", dir, on_proof, &p, &a, &err), 0);
    loop_run(p.loop);
    if (p.result != 0)
        fail_msg("%s", p.err.detail);
    accel_free(a);
    loop_free(p.loop);
}

static void test_accel_refusals(void **state)
{
    struct proof p = {.loop = loop_new()};
    struct vdi_error err = {0};
    struct accel *a;

    /* Ends with 0 and without the guest's word. */
    assert_int_equal(accel_prove(p.loop, ACCEL_AUTO, "true", dir, on_proof, &p, &a, &err), 0);
    loop_run(p.loop);
    assert_int_equal(p.result, -ENODEV);
    assert_true(*p.err.remedy);
    accel_free(a);
    assert_int_equal(accel_prove(p.loop, ACCEL_AUTO, "/no/such", dir, on_proof, &p, &a, &err),
                     -ENOENT);
    loop_free(p.loop);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

/* ---- volumes of disks ---- */

#define VOLUME "7.0011223344556677"

static struct volume_config volumes(uint64_t max_bytes)
{
    return (struct volume_config){
        .dirs = {in_dir("disks"), ""}, .node = "n1", .max_bytes = max_bytes};
}

static void test_volume(void **state)
{
    struct volume_config c = volumes(UINT64_C(3) << 30), other;
    struct inventory_volume *list = NULL;
    struct vdi_error err = {0};
    char path[PATH_MAX], part[PATH_MAX];
    struct stat st;

    assert_int_equal(volume_look(&c, DISK_NODE, VOLUME, &err), 0);
    assert_int_equal(volume_begin(&c, DISK_NODE, VOLUME, UINT64_C(2) << 30, &err), 0);
    assert_int_equal(volume_look(&c, DISK_NODE, VOLUME, &err), 0); /* not before it is whole */
    volume_part_path(&c, DISK_NODE, VOLUME, part);
    assert_int_equal(stat(part, &st), 0);
    assert_true(st.st_size == INT64_C(2) << 30 && st.st_blocks == 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(volume_list(&c, &list), 0);
    free(list);
    assert_int_equal(volume_finish(&c, DISK_NODE, VOLUME, &err), 0);
    assert_int_equal(volume_look(&c, DISK_NODE, VOLUME, &err), 1);
    assert_int_equal(access(part, F_OK), -1);
    /* Never over one that is there. */
    assert_int_equal(volume_begin(&c, DISK_NODE, VOLUME, 1 << 20, &err), 0);
    assert_int_equal(volume_finish(&c, DISK_NODE, VOLUME, &err), -EEXIST);
    other = c;
    other.node = "n2";
    volume_clean(&other);
    assert_int_equal(access(part, F_OK), 0); /* another node's, in a shared directory */
    volume_clean(&c);
    assert_int_equal(access(part, F_OK), -1);
    assert_int_equal(volume_list(&c, &list), 1);
    assert_string_equal(list[0].volume, VOLUME);
    assert_true(list[0].size_bytes == UINT64_C(2) << 30);
    free(list);
    assert_int_equal(volume_begin(&c, DISK_NODE, "8.0011223344556677", UINT64_C(2) << 30, &err),
                     -ENOSPC);
    assert_string_equal(err.detail, "2 GiB are wanted, 2 GiB are disks already");
    assert_string_equal(err.limit, "3 GiB");
    assert_int_equal(volume_remove(&c, DISK_NODE, VOLUME, &err), 0);
    assert_int_equal(volume_remove(&c, DISK_NODE, VOLUME, &err), 0);
    volume_path(&c, DISK_NODE, VOLUME, path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(volume_look(&c, DISK_SHARED, VOLUME, &err), -ENODEV);
    assert_non_null(strstr(err.remedy, "disk_shared_dir"));
}

/* What volumes may still grow to is not free, whatever the file system says. */
static void test_volume_room(void **state)
{
    struct volume_config c = volumes(0);
    struct vdi_error err = {0};
    struct statvfs fs;
    uint64_t all;

    assert_int_equal(file_make_dir(in_dir("disks")), 0);
    assert_int_equal(statvfs(in_dir("disks"), &fs), 0);
    all = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (all < UINT64_C(4) << 30)
        skip();
    assert_int_equal(volume_begin(&c, DISK_NODE, VOLUME, all / 2, &err), 0);
    assert_int_equal(volume_finish(&c, DISK_NODE, VOLUME, &err), 0);
    assert_int_equal(volume_begin(&c, DISK_NODE, "8.0011223344556677", all * 3 / 4, &err), -ENOSPC);
    assert_non_null(strstr(err.detail, "promised to disks"));
    assert_int_equal(volume_remove(&c, DISK_NODE, VOLUME, &err), 0);
    assert_int_equal(volume_begin(&c, DISK_NODE, "8.0011223344556677", all * 3 / 4, &err), 0);
    assert_int_equal(symlink("/etc/passwd", in_dir("disks/" VOLUME ".img")), 0);
    assert_int_equal(volume_look(&c, DISK_NODE, VOLUME, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_image),       TEST(test_image_refusals), TEST(test_ports),
        TEST(test_console),     TEST(test_directories),    TEST(test_child),
        TEST(test_accel_guest), TEST(test_accel_refusals), TEST(test_volume),
        TEST(test_volume_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
