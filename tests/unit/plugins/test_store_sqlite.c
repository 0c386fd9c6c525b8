/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_sqlite.c - the suite on SQLite, and what only files can do. */
#include "tests/unit/plugins/store_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "tests/unit/plugins/files.h"

static int n_stores;

static void fresh(char *ret_dsn, size_t size)
{
    char dir[256];

    snprintf(dir, sizeof(dir), "%s/store%d", scratch_dir(), n_stores++);
    dir_empty(dir);
    snprintf(ret_dsn, size, "%s/vdi.db", dir);
}

static void directory_of(const char *dsn, char ret[512])
{
    snprintf(ret, 512, "%.*s", (int)(strrchr(dsn, '/') - dsn), dsn);
}

static void put_fact(sqlite3 *db, const char *name, const char *value)
{
    char sql[256];
    uint32_t crc = crc32c(crc32c(0, name, strlen(name) + 1), value, strlen(value));

    snprintf(sql, sizeof(sql), "UPDATE meta SET value = '%s', crc = %u WHERE name = '%s'", value,
             crc, name);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void make_newer(const char *dsn)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(dsn, &db), SQLITE_OK);
    put_fact(db, "version", "99");
    put_fact(db, "release", "9.9.9");
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static uint32_t fingerprint(const char *dsn)
{
    char dir[512];

    directory_of(dsn, dir);
    return dir_fingerprint(dir, ".lock");
}

struct backend backend = {"sqlite", fresh, make_newer, fingerprint};

static void test_modes_and_places(void **state)
{
    char dsn[512], dir[512], path[600];
    struct vdi_error err = {0};
    struct loaded l = {0};
    uint64_t epoch;
    struct stat st;
    void *store = NULL;
    mode_t mask = umask(0);

    fresh(dsn, sizeof(dsn));
    directory_of(dsn, dir);
    assert_int_equal(chmod(dir, 0777 | S_ISVTX), 0);
    assert_int_equal(ops.open(&store, NULL, NULL, dsn, &err), -EPERM);
    assert_true(err.remedy[0] != '\0');
    assert_int_equal(dir_count(dir, ""), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(store_append(store, epoch, 1, 3, 9), 0);
    assert_int_equal(store_snapshot(store, epoch, 3, 3), 0);
    static const char *const suffix[] = {"", "-wal", ".ids", ".lock", ".snapshot"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s%s", dsn, suffix[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    ops.close(store);
    umask(mask);
    assert_int_equal(ops.open(&store, NULL, NULL, "vdi.db", &err), -EINVAL);
    assert_int_equal(ops.open(&store, NULL, NULL, "/nowhere/at/all/vdi.db", &err), -ENOENT);
    assert_int_equal(chmod(dsn, 0666), 0);
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(stat(dsn, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ops.close(store);
    assert_int_equal(unlink(dsn), 0);
    assert_int_equal(symlink("/dev/null", dsn), 0);
    assert_int_equal(ops.open(&store, NULL, NULL, dsn, &err), -ELOOP);
}

static void test_second_process_is_refused(void **state)
{
    char dsn[512], pid[32];
    struct vdi_error err = {0};
    struct loaded l = {0};
    uint64_t epoch;
    int status;
    void *second = NULL;

    fresh(dsn, sizeof(dsn));
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(ops.open(&second, NULL, NULL, dsn, &err), -EBUSY);
    snprintf(pid, sizeof(pid), " %d.", (int)getpid());
    assert_non_null(strstr(err.detail, pid));
    pid_t child = fork();
    if (child == 0)
        _exit(ops.open(&second, NULL, NULL, dsn, &err) == -EBUSY ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    ops.close(store);
}

static void test_killed_writer(void **state)
{
    char dsn[512];
    struct loaded l = {0};
    uint64_t epoch, next, seq = 0, got = 0;
    int status, pipefd[2];

    fresh(dsn, sizeof(dsn));
    assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        void *store = store_start(dsn, &epoch, &l);
        while (seq < TEST_SEQ_MAX - 100) {
            if (store_append(store, epoch, seq + 1, 5, seq + 100) < 0)
                _exit(1);
            seq += 5;
            if (write(pipefd[1], &seq, sizeof(seq)) != sizeof(seq))
                _exit(1);
        }
        _exit(0);
    }
    close(pipefd[1]);
    while (got < 200)
        assert_int_equal(read(pipefd[0], &got, sizeof(got)), sizeof(got));
    kill(child, SIGKILL);
    while (read(pipefd[0], &seq, sizeof(seq)) == sizeof(seq))
        got = seq;
    close(pipefd[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    void *store = store_start(dsn, &next, &l);
    assert_true(l.summary.last_seq == got || l.summary.last_seq == got + 5);
    assert_true(l.summary.id_reserve >= got - 5 + 100);
    assert_whole(&l, 1, l.summary.last_seq);
    ops.close(store);
}

/* A process whose disk is full: none of the batch is kept, and service resumes. */
static void fill_and_resume(const char *dsn, int expect, void (*shut)(void *), void (*open)(void *),
                            void *arg)
{
    struct loaded l = {0};
    uint64_t epoch, last = 0;
    int r = 0;
    void *store = store_start(dsn, &epoch, &l);

    assert_int_equal(store_append(store, epoch, 1, 50, 1000), 0);
    last = 50;
    shut(arg);
    for (int i = 0; i < 200 && r == 0; i++) {
        r = store_append(store, epoch, last + 1, 10, 1000);
        last += r == 0 ? 10 : 0;
    }
    assert_int_equal(r, expect);
    assert_true(last > 50);
    assert_int_equal(store_append(store, epoch, last + 1, 10, 1000), expect); /* still */
    assert_int_equal(store_snapshot(store, epoch, last, 3000), expect);
    assert_int_equal(store_append(store, epoch, last + 1, 10, 2000000), expect);
    open(arg);
    assert_int_equal(store_append(store, epoch, last + 1, 3, 2000), 0);
    assert_int_equal(store_snapshot(store, epoch, last, 5), 0);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, last + 1, last + 3);
    assert_int_equal(l.n_objects, 5);
    ops.close(store);
}

static void limit_shut(void *arg)
{
    struct rlimit limit = {.rlim_cur = (rlim_t)file_size(arg) + 65536, .rlim_max = RLIM_INFINITY};
    char wal[600];

    snprintf(wal, sizeof(wal), "%s-wal", (char *)arg);
    if (file_size(wal) > file_size(arg))
        limit.rlim_cur = (rlim_t)file_size(wal) + 65536;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void limit_open(void *arg)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_file_size_limit(void **state)
{
    char dsn[512];

    fresh(dsn, sizeof(dsn));
    fill_and_resume(dsn, -ENOSPC, limit_shut, limit_open, dsn);
}

static void ballast(const char *dsn, char ret[600])
{
    char dir[512];

    directory_of(dsn, dir);
    snprintf(ret, 600, "%s/ballast", dir);
}

static void disk_shut(void *arg)
{
    static char block[4096];
    char path[600];
    ssize_t n;

    ballast(arg, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    memset(block, 1, sizeof(block));
    do
        n = write(fd, block, sizeof(block));
    while (n > 0);
    assert_int_equal(errno, ENOSPC);
    /* A little room, so that a batch begins and can't end. */
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 163840), 0);
    close(fd);
}

static void disk_open(void *arg)
{
    char path[600];

    ballast(arg, path);
    assert_int_equal(unlink(path), 0);
}

static void mount_flags(void *arg, unsigned long flags)
{
    char dir[512];

    directory_of(arg, dir);
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | flags, NULL), 0);
}

/* A small file system of our own, in a mount namespace that ends with the process. */
static bool mount_small(const char *dsn)
{
    char dir[512];

    directory_of(dsn, dir);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    return mount("none", dir, "tmpfs", 0, "size=4m,mode=700") == 0;
}

static void test_full_disk(void **state)
{
    char dsn[512], dir[512];

    fresh(dsn, sizeof(dsn));
    if (!mount_small(dsn)) {
        print_message("# SKIP: a mount of our own needs root\n");
        skip();
    }
    fill_and_resume(dsn, -ENOSPC, disk_shut, disk_open, dsn);
    directory_of(dsn, dir);
    assert_int_equal(umount(dir), 0);
}

static void test_state_directory_is_read_only(void **state)
{
    char dsn[512], dir[512];
    struct vdi_error err = {0};
    struct loaded l = {0};
    uint64_t epoch;
    void *store = NULL;

    fresh(dsn, sizeof(dsn));
    directory_of(dsn, dir);
    if (!mount_small(dsn)) {
        print_message("# SKIP: a mount of our own needs root\n");
        skip();
    }
    store = store_start(dsn, &epoch, &l);
    assert_int_equal(store_append(store, epoch, 1, 5, 100), 0);
    ops.close(store);
    mount_flags(dsn, MS_RDONLY);
    assert_int_equal(ops.open(&store, NULL, NULL, dsn, &err), -EROFS);
    mount_flags(dsn, 0);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 1, 5);
    ops.close(store);
    assert_int_equal(umount(dir), 0);
}

int main(void)
{
    suite_load_plugin(backend.name);
    const struct CMUnitTest tests[] = {
        STORE_SUITE_TESTS,
        cmocka_unit_test(test_modes_and_places),
        cmocka_unit_test(test_second_process_is_refused),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_file_size_limit),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_state_directory_is_read_only),
    };
    return cmocka_run_group_tests_name("store/sqlite", tests, NULL, NULL);
}
