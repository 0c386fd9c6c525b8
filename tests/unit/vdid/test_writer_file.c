/* SPDX-License-Identifier: Apache-2.0 */
/* test_writer_file.c - the owner's file gets each byte of the spool once, whatever was killed. */
#include "vdid/writer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    char dir[64];
    int spool, state;
    struct writer_file f;
} t;

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", t.dir, name);
    return path;
}

static int open_own(const char *name)
{
    return open(in_dir(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int setup(void **state)
{
    memset(&t, 0, sizeof(t));
    strcpy(t.dir, "/tmp/vdid-writer.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    t.spool = open_own("spool");
    t.state = open_own("state");
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    close(t.spool);
    close(t.state);
    snprintf(command, sizeof(command), "rm -rf '%s'", t.dir);
    return system(command);
}

static void put(const char *name, const char *text, int flags)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | flags, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void spool(const char *text)
{
    put("spool", text, O_APPEND);
}

static int begin(const char *path, bool truncate)
{
    return writer_file_open(&t.f, t.spool, t.state, t.dir, path, truncate);
}

/* As a writer that is started anew and lives until the end. */
static void write_all(const char *path)
{
    assert_int_equal(begin(path, false), 0);
    assert_int_equal(writer_file_copy(&t.f), 0);
    writer_file_close(&t.f);
}

static void holds(const char *name, const char *text)
{
    char content[4096] = "";
    int fd = open(in_dir(name), O_RDONLY);

    assert_true(read(fd, content, sizeof(content) - 1) >= 0);
    close(fd);
    assert_string_equal(content, text);
}

static void appends(void **state)
{
    put("out", "before\n", 0);
    spool("one\n");
    write_all("out");
    spool("two\n");
    write_all("out");
    write_all("out");
    holds("out", "before\none\ntwo\n");
}

static void truncates_once(void **state)
{
    put("out", "before\n", 0);
    spool("one\n");
    assert_int_equal(begin("out", true), 0);
    assert_int_equal(writer_file_copy(&t.f), 0);
    writer_file_close(&t.f);
    spool("two\n");
    assert_int_equal(begin("out", true), 0);
    assert_int_equal(writer_file_copy(&t.f), 0);
    writer_file_close(&t.f);
    holds("out", "one\ntwo\n");
}

/* Killed when so many bytes of a piece were in the file, and none of them noted. */
static void killed_in_a_write(void **state)
{
    static const char all[] = "abcdefghij";

    for (size_t n = 0; n <= strlen(all); n++) {
        char part[16];

        teardown(NULL);
        setup(NULL);
        put("out", "before\n", 0);
        assert_int_equal(begin("out", false), 0);
        writer_file_close(&t.f);
        spool(all);
        snprintf(part, sizeof(part), "%.*s", (int)n, all);
        put("out", part, O_APPEND);
        write_all("out");
        holds("out", "before\nabcdefghij");
    }
}

/* What is behind the last note is somebody else's: nothing of ours is left out. */
static void others_append(void **state)
{
    spool("one\n");
    write_all("out");
    put("out", "other\n", O_APPEND);
    spool("two\n");
    write_all("out");
    holds("out", "one\nother\ntwo\n");
}

/* A power cut took the end of the file: it is written again. */
static void power_cut(void **state)
{
    put("out", "before\n", 0);
    spool("one\ntwo\n");
    write_all("out");
    assert_int_equal(truncate(in_dir("out"), 9), 0);
    write_all("out");
    holds("out", "before\none\ntwo\n");
}

static void replaced(void **state)
{
    char old[128];

    spool("one\n");
    write_all("out");
    snprintf(old, sizeof(old), "%s", in_dir("out"));
    assert_int_equal(rename(old, in_dir("out.1")), 0);
    spool("two\n");
    write_all("out");
    holds("out.1", "one\n");
    holds("out", "two\n");
}

static void refused(void **state)
{
    char link[160];

    put("real", "x", 0);
    assert_int_equal(symlink("real", in_dir("link")), 0);
    assert_int_equal(begin("link", false), -ELOOP);
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_int_equal(begin("fifo", false), -EINVAL);
    assert_int_equal(mkdir(in_dir("folder"), 0700), 0);
    assert_int_equal(begin("folder", false), -EISDIR);
    assert_int_equal(begin("no/such/file", false), -ENOENT);
    assert_int_equal(begin("/dev/full", false), -EINVAL);
    /* A magic link of the kernel's leads anywhere; an ordinary one, to where its owner may go. */
    snprintf(link, sizeof(link), "/proc/self/fd/%d", t.spool);
    assert_int_equal(begin(link, false), -ELOOP);
    assert_int_equal(begin("/proc/self/cwd/x", false), -ELOOP);
    assert_int_equal(symlink("folder", in_dir("way")), 0);
    spool("there\n");
    write_all("way/out");
    holds("folder/out", "there\n");
    holds("real", "x");
}

static void a_long_way(void **state)
{
    char piece[1000];
    struct stat st;

    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(t.spool, piece, sizeof(piece)), sizeof(piece));
    write_all("out");
    assert_int_equal(stat(in_dir("out"), &st), 0);
    assert_int_equal(st.st_size, 1000000);
    assert_int_equal(st.st_mode & 0777, 0600);
}

#define SWAPS 100000

/* Swaps the file with a link to one that is not the job's, again and again. */
static void *swap(void *arg)
{
    int dir = *(const int *)arg;

    for (int i = 0; i < SWAPS; i++)
        if (renameat2(dir, "out", dir, "trap", RENAME_EXCHANGE) < 0)
            return (void *)1;
    return NULL;
}

/* Whatever is swapped in under the writer's hands: what the link leads to stays as it is, and the
 * job's own file has each byte once. */
static void swapped_for_a_link(void **state)
{
    char line[32];
    struct stat before, after;
    int dir = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned written = 0, refused = 0;
    pthread_t thread;
    void *failed;

    put("victim", "not the job's\n", 0);
    put("out", "", 0);
    assert_int_equal(symlink("victim", in_dir("trap")), 0);
    assert_int_equal(stat(in_dir("victim"), &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, swap, &dir), 0);
    while (pthread_tryjoin_np(thread, &failed) != 0) {
        snprintf(line, sizeof(line), "%u\n", written);
        spool(line);
        int r = begin("out", false);
        assert_true(r == 0 || r == -ELOOP);
        refused += r < 0;
        while (r < 0 && (r = begin("out", false)) < 0)
            assert_int_equal(r, -ELOOP);
        assert_int_equal(writer_file_copy(&t.f), 0);
        writer_file_close(&t.f);
        written++;
    }
    close(dir);
    assert_null(failed);
    assert_true(written > 10 && refused > 0);
    holds("victim", "not the job's\n");
    assert_int_equal(stat(in_dir("victim"), &after), 0);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);

    FILE *out = fopen(in_dir("out"), "re"); /* after an even number of swaps the job's own */
    assert_non_null(out);
    for (unsigned i = 0; i < written; i++) {
        unsigned n = 0;
        assert_int_equal(fscanf(out, "%u\n", &n), 1);
        assert_int_equal(n, i);
    }
    assert_int_equal(fgetc(out), EOF);
    fclose(out);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(appends),       TEST(truncates_once), TEST(killed_in_a_write),
        TEST(others_append), TEST(power_cut),      TEST(replaced),
        TEST(refused),       TEST(a_long_way),     TEST(swapped_for_a_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
