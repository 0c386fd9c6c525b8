/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_pgsql.c - the suite on PostgreSQL, and what only a server can do: two
 * controllers, lost connections, commits whose answer is lost.
 *
 * The server is started here: own data directory, a unix socket and no TCP port.
 */
#include "tests/unit/plugins/store_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"

static char home[64], bin[PATH_MAX];
static pid_t server;
static int n_databases;

/* ---- the server -------------------------------------------------------- */

static const char *find_binaries(void)
{
    glob_t found;

    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return "no /usr/lib/postgresql/*/bin/initdb; install postgresql";
    snprintf(bin, sizeof(bin), "%s", found.gl_pathv[found.gl_pathc - 1]);
    *strrchr(bin, '/') = '\0';
    globfree(&found);
    if (geteuid() == 0 && !getpwnam("postgres"))
        return "root can't run a database server and there is no user postgres";
    return NULL;
}

/* Runs a program of the server as a user who may; waits unless *ret_pid is wanted. */
static int run(const char *program, const char *const *args, pid_t *ret_pid)
{
    char path[PATH_MAX + 32];
    const char *argv[16] = {program};
    int status;

    snprintf(path, sizeof(path), "%s/%s", bin, program);
    for (int i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    pid_t pid = fork();
    if (pid == 0) {
        struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
        if (pw && (initgroups("postgres", pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 ||
                   setuid(pw->pw_uid) < 0))
            _exit(126);
        int log;
        if (chdir(home) < 0 || (log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
            _exit(126);
        dup2(log, 1);
        dup2(log, 2);
        execv(path, (char *const *)argv);
        _exit(127);
    }
    if (ret_pid) {
        *ret_pid = pid;
        return 0;
    }
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static PGconn *admin(const char *database)
{
    char dsn[256];

    snprintf(dsn, sizeof(dsn), "host=%s user=vdi dbname=%s", home, database);
    return PQconnectdb(dsn);
}

static void sql(PGconn *c, const char *text)
{
    PGresult *res = PQexec(c, text);
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        print_message("# %s: %s\n", text, PQerrorMessage(c));
    assert_true(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
    PQclear(res);
}

static void server_stop(void)
{
    char command[128];

    if (server > 0) {
        kill(server, SIGQUIT); /* nothing is kept; a fast shutdown in a recovery may never end */
        waitpid(server, NULL, 0);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", home);
    if (system(command) != 0)
        fprintf(stderr, "# %s could not be removed\n", home);
}

static void server_wait(void)
{
    for (int i = 0; i < 600; i++) {
        PGconn *c = admin("postgres");
        bool up = PQstatus(c) == CONNECTION_OK;
        PQfinish(c);
        if (up)
            return;
        usleep(100000);
    }
    fail_msg("the server does not answer");
}

static void server_run(void)
{
    char data[128], sockets[128];

    snprintf(data, sizeof(data), "%s/data", home);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", home);
    const char *start[] = {"-D", data,
                           "-c", sockets,
                           "-c", "listen_addresses=",
                           "-c", "shared_buffers=16MB",
                           "-c", "max_wal_size=48MB",
                           NULL};
    assert_int_equal(run("postgres", start, &server), 0);
}

static int server_start(void **state)
{
    char data[128];
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;

    snprintf(home, sizeof(home), "%s/vdi-pg-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(home));
    atexit(server_stop);
    assert_true(!pw || chown(home, pw->pw_uid, pw->pw_gid) == 0);
    snprintf(data, sizeof(data), "%s/data", home);
    const char *init[] = {"-D", data,   "-U",          "vdi", "-A", "trust",
                          "-E", "UTF8", "--no-locale", "-N",  NULL};
    assert_int_equal(run("initdb", init, NULL), 0);
    server_run();
    server_wait();
    return 0;
}

/* ---- the backend ------------------------------------------------------- */

static void fresh(char *ret_dsn, size_t size)
{
    char text[64];
    PGconn *c = admin("postgres");

    /* One at a time: /dev/shm may be small. */
    snprintf(text, sizeof(text), "DROP DATABASE IF EXISTS store%d WITH (FORCE)", n_databases);
    sql(c, text);
    snprintf(text, sizeof(text), "CREATE DATABASE store%d", ++n_databases);
    sql(c, text);
    PQfinish(c);
    snprintf(ret_dsn, size, "host=%s user=vdi dbname=store%d", home, n_databases);
}

static void make_newer(const char *dsn)
{
    PGconn *c = PQconnectdb(dsn);

    sql(c, "UPDATE vdi.meta SET value = '99' WHERE name = 'version';"
           "UPDATE vdi.meta SET value = '9.9.9' WHERE name = 'release'");
    PQfinish(c);
}

static uint32_t print_one(PGconn *c, const char *text, uint32_t crc)
{
    PGresult *res = PQexec(c, text);

    assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
    for (int i = 0; i < PQntuples(res); i++)
        crc = crc32c(crc, PQgetvalue(res, i, 0), (size_t)PQgetlength(res, i, 0));
    PQclear(res);
    return crc;
}

static uint32_t fingerprint(const char *dsn)
{
    PGconn *c = PQconnectdb(dsn);
    uint32_t crc = print_one(c, "SELECT t::text FROM vdi.event t ORDER BY 1", 0);

    crc = print_one(c, "SELECT t::text FROM vdi.head t ORDER BY 1", crc);
    crc = print_one(c, "SELECT t::text FROM vdi.meta t ORDER BY 1", crc);
    crc = print_one(c, "SELECT relname FROM pg_class ORDER BY 1", crc);
    PQfinish(c);
    return crc;
}

struct backend backend = {"pgsql", fresh, make_newer, fingerprint};

/* ---- two controllers --------------------------------------------------- */

static void test_two_controllers(void **state)
{
    char dsn[512];
    struct vdi_error err = {0};
    struct loaded l = {0};
    uint64_t e1 = 0, e2 = 0;
    void *one = NULL, *two = NULL;

    fresh(dsn, sizeof(dsn));
    assert_int_equal(ops.open(&one, NULL, NULL, dsn, &err), 0);
    assert_int_equal(ops.open(&two, NULL, NULL, dsn, &err), 0);
    assert_int_equal(ops.lease(one, "ctl1", 1000000, 5000000, &e1, &err), 0);
    assert_int_equal(store_load(one, &l), 0);
    assert_int_equal(store_append(one, e1, 1, 10, 100), 0);
    assert_int_equal(ops.lease(two, "ctl2", 3500000, 5000000, &e2, &err), -EBUSY);
    assert_non_null(strstr(err.detail, "ctl1"));
    assert_string_equal(err.limit, "3 s left");
    assert_int_equal(store_append(two, e1 + 1, 11, 1, 0), -ESTALE);
    assert_int_equal(ops.lease(one, "ctl1", 4000000, 5000000, &e1, &err), 0); /* renewed */
    assert_int_equal(ops.lease(two, "ctl2", 8000000, 5000000, &e2, &err), -EBUSY);
    assert_int_equal(ops.lease(two, "ctl2", 9000000, 5000000, &e2, &err), 0); /* run out */
    assert_true(e2 > e1);
    assert_int_equal(store_append(one, e1, 11, 1, 0), -ESTALE);
    assert_int_equal(store_snapshot(one, e1, 10, 1), -ESTALE);
    assert_int_equal(ops.trim(one, e1, 10, INT64_MAX, NULL), -ESTALE);
    assert_int_equal(store_load(two, &l), 0);
    assert_whole(&l, 1, 10);
    assert_int_equal(store_append(two, e2, 11, 1, 0), 0);
    ops.close(one); /* does not end the other's lease */
    assert_int_equal(ops.open(&one, NULL, NULL, dsn, &err), 0);
    assert_int_equal(ops.lease(one, "ctl1", 9500000, 5000000, &e1, &err), -EBUSY);
    ops.close(two); /* ends its own */
    assert_int_equal(ops.lease(one, "ctl1", 9500000, 5000000, &e1, &err), 0);
    assert_true(e1 > e2);
    ops.close(one);
}

/* ---- lost connections -------------------------------------------------- */

static void end_connections(const char *but_dsn)
{
    PGconn *c = PQconnectdb(but_dsn);

    sql(c, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
           " WHERE datname = current_database() AND pid <> pg_backend_pid()");
    PQfinish(c);
}

static void test_connection_is_taken_up_again(void **state)
{
    char dsn[512];
    struct loaded l = {0};
    uint64_t epoch, again;

    fresh(dsn, sizeof(dsn));
    void *store = store_start(dsn, &epoch, &l);
    for (uint64_t seq = 1; seq <= 9; seq += 3) {
        end_connections(dsn);
        assert_int_equal(store_append(store, epoch, seq, 3, seq), 0);
    }
    end_connections(dsn);
    assert_int_equal(store_snapshot(store, epoch, 4, 3), 0);
    end_connections(dsn);
    assert_int_equal(ops.lease(store, "test", 1, 1000000000000000, &again, NULL), 0);
    assert_int_equal(again, epoch);
    end_connections(dsn);
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 5, 9);
    ops.close(store);
}

/* A relay between libpq and the server that loses what it is told to lose. */
struct relay {
    char dir[96];
    int listener, mode; /* 0: pass; 1: lose the request with COMMIT; 2: lose its answer */
    int cuts;           /* how many connections are to be cut so; after them it passes */
    bool refuse, stop;
    pthread_t thread;
};

static int unix_socket(const char *dir, bool server_side)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.5432", dir);
    if (server_side) {
        unlink(a.sun_path);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(fd, 5), 0);
    } else {
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    }
    return fd;
}

static bool pass(int from, int to, bool lose)
{
    char data[65536];
    ssize_t n = read(from, data, sizeof(data));

    if (n <= 0)
        return false;
    for (ssize_t at = 0; at < n && !lose;) {
        ssize_t w = write(to, data + at, (size_t)(n - at));
        if (w <= 0)
            return false;
        at += w;
    }
    return true;
}

static void relay_one(struct relay *r, int client)
{
    int up = unix_socket(home, false);
    bool go = true, cutting = false;
    char peek[65536];

    while (go && !__atomic_load_n(&r->stop, __ATOMIC_SEQ_CST)) {
        struct pollfd p[] = {{client, POLLIN, 0}, {up, POLLIN, 0}};
        if (poll(p, 2, 50) <= 0)
            continue;
        int mode = __atomic_load_n(&r->mode, __ATOMIC_SEQ_CST);
        if (p[0].revents) {
            ssize_t n = recv(client, peek, sizeof(peek), MSG_PEEK);
            bool commit = n > 0 && memmem(peek, (size_t)n, "COMMIT", 6);
            cutting = commit && mode && r->cuts > 0;
            if (cutting && mode == 1)
                break;
            go = pass(client, up, false);
        } else if (p[1].revents) {
            go = pass(up, client, cutting) && !cutting;
        }
    }
    if (cutting)
        r->cuts--;
    close(up);
    close(client);
}

static void *relay_run(void *arg)
{
    struct relay *r = arg;

    while (!__atomic_load_n(&r->stop, __ATOMIC_SEQ_CST)) {
        struct pollfd p = {r->listener, POLLIN, 0};
        int client = poll(&p, 1, 50) > 0 ? accept(r->listener, NULL, NULL) : -1;
        if (client >= 0 && __atomic_load_n(&r->refuse, __ATOMIC_SEQ_CST))
            close(client);
        else if (client >= 0)
            relay_one(r, client);
    }
    return NULL;
}

static void relay_start(struct relay *r, char dsn[512])
{
    *r = (struct relay){0};
    fresh(dsn, 512);
    snprintf(r->dir, sizeof(r->dir), "%s/r%d", home, n_databases);
    assert_int_equal(mkdir(r->dir, 0700), 0);
    r->listener = unix_socket(r->dir, true);
    snprintf(dsn, 512, "host=%s user=vdi dbname=store%d", r->dir, n_databases);
    assert_int_equal(pthread_create(&r->thread, NULL, relay_run, r), 0);
}

static void relay_stop(struct relay *r)
{
    __atomic_store_n(&r->stop, true, __ATOMIC_SEQ_CST);
    pthread_join(r->thread, NULL);
    close(r->listener);
}

/* The connection is lost with the commit's request, or with its answer: nothing is
 * doubled, nothing is missing. */
static void test_commit_without_an_answer(void **state)
{
    for (int mode = 1; mode <= 2; mode++) {
        char dsn[512];
        struct relay relay;
        struct loaded l = {0};
        uint64_t epoch;

        relay_start(&relay, dsn);
        void *store = store_start(dsn, &epoch, &l);
        assert_int_equal(store_append(store, epoch, 1, 5, 10), 0);
        for (uint64_t seq = 6; seq <= 15; seq += 5) {
            relay.cuts = 1;
            __atomic_store_n(&relay.mode, mode, __ATOMIC_SEQ_CST);
            assert_int_equal(store_append(store, epoch, seq, 5, 20), 0);
            assert_int_equal(relay.cuts, 0);
        }
        assert_int_equal(store_append(store, epoch, 16, 1, 20), 0);
        ops.close(store);
        store = store_start(dsn, &epoch, &l);
        assert_whole(&l, 1, 16);
        ops.close(store);
        relay_stop(&relay);
    }
}

/* The answer is lost and the server can't be asked: the batch is told as failed, and it
 * is not there afterwards, although the server had committed it. */
static void test_doubtful_batch_is_undone(void **state)
{
    char dsn[512];
    struct relay relay;
    struct loaded l = {0};
    uint64_t epoch;

    relay_start(&relay, dsn);
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(store_append(store, epoch, 1, 5, 10), 0);
    relay.cuts = 1;
    __atomic_store_n(&relay.mode, 2, __ATOMIC_SEQ_CST);
    __atomic_store_n(&relay.refuse, true, __ATOMIC_SEQ_CST);
    assert_int_equal(store_append(store, epoch, 6, 5, 20), -EIO);
    assert_int_equal(store_append(store, epoch, 6, 1, 20), -EIO); /* still away */
    __atomic_store_n(&relay.refuse, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&relay.mode, 0, __ATOMIC_SEQ_CST);
    assert_int_equal(store_append(store, epoch, 6, 2, 20), 0);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 1, 7);
    ops.close(store);
    relay_stop(&relay);
}

/* ---- damage ------------------------------------------------------------ */

static void test_damaged_rows(void **state)
{
    static const struct {
        const char *sql, *place;
        size_t events;
        uint64_t snapshot;
    } cases[] = {
        {"DELETE FROM vdi.event WHERE seq = 45", "after event 44", 9, 40},
        {"DELETE FROM vdi.event WHERE seq > 45", "events 46 to 50", 5, 40},
        {"UPDATE vdi.event SET body = body || '\\x20' WHERE seq = 45", "event 45", 9, 40},
        {"UPDATE vdi.event SET time_usec = 3 WHERE seq = 50", "event 50", 9, 40},
        {"UPDATE vdi.snapshot_row SET row = set_byte(row, 60, 1) WHERE n = 3 AND generation = 2",
         "snapshot of event 40", 30, 20},
        {"DELETE FROM vdi.snapshot_row WHERE n = 7 AND generation = 2", "snapshot of event 40", 30,
         20},
        {"DELETE FROM vdi.snapshot WHERE generation = 2", NULL, 30, 20},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char dsn[512];
        struct loaded l = {0};
        uint64_t epoch;
        fresh(dsn, sizeof(dsn));
        void *store = store_start(dsn, &epoch, &l);
        assert_int_equal(store_append(store, epoch, 1, 50, 1000), 0);
        assert_int_equal(store_snapshot(store, epoch, 20, 10), 0);
        assert_int_equal(store_snapshot(store, epoch, 40, 10), 0);
        ops.close(store);
        PGconn *c = PQconnectdb(dsn);
        sql(c, cases[i].sql);
        PQfinish(c);
        store = store_start(dsn, &epoch, &l);
        assert_int_equal(l.n_records, cases[i].events);
        assert_int_equal(l.summary.snapshot_seq, cases[i].snapshot);
        assert_int_equal(l.summary.last_seq, 50);
        assert_int_equal(l.summary.id_reserve, 1000);
        assert_int_equal(l.summary.damaged, cases[i].place != NULL);
        assert_true(!cases[i].place || strstr(l.damage, cases[i].place));
        assert_int_equal(store_append(store, epoch, 51, 2, 0), 0);
        assert_int_equal(store_snapshot(store, epoch, 52, 4), 0);
        ops.close(store);
        store = store_start(dsn, &epoch, &l);
        assert_whole(&l, 53, 52);
        ops.close(store);
    }
}

static void test_server_crash(void **state)
{
    char dsn[512], pid[32] = "";
    struct loaded l = {0};
    uint64_t epoch;

    fresh(dsn, sizeof(dsn));
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(store_append(store, epoch, 1, 20, 10), 0);
    /* The whole server starts anew when one of its processes is killed. */
    PGconn *c = admin("postgres");
    snprintf(pid, sizeof(pid), "%d", PQbackendPID(c));
    kill(atoi(pid), SIGKILL);
    PQfinish(c);
    server_wait();
    int r = -EIO;
    for (int i = 0; i < 100 && r == -EIO; i++, usleep(100000))
        r = store_append(store, epoch, 21, 5, 10);
    assert_int_equal(r, 0);
    /* The append may have come before the server noticed. */
    r = store_load(store, &l);
    for (int i = 0; i < 100 && r == -EIO; i++, usleep(100000))
        r = store_load(store, &l);
    assert_int_equal(r, 0);
    assert_whole(&l, 1, 25);
    ops.close(store);
}

/* Kills the server's first process with SIGKILL after a while, and `all`: those that serve
 * clients as well. One that is left may still commit. Then starts the server anew. */
struct killer {
    pthread_t thread;
    useconds_t after_usec;
    bool all, done;
};

static void *killer_run(void *arg)
{
    struct killer *k = arg;
    pid_t pids[64];
    int n = 0;
    PGconn *c = admin("postgres");
    PGresult *res = PQexec(c, "SELECT pid FROM pg_stat_activity WHERE backend_type ="
                              " 'client backend' AND pid <> pg_backend_pid()");

    for (int i = 0; i < PQntuples(res) && i < 64; i++)
        pids[n++] = (pid_t)atoi(PQgetvalue(res, i, 0));
    PQclear(res);
    PQfinish(c);
    usleep(k->after_usec);
    kill(server, SIGKILL);
    for (int i = 0; i < n && k->all; i++)
        kill(pids[i], SIGKILL);
    waitpid(server, NULL, 0);
    server_run();
    for (int i = 0; i < 600; i++) { /* it does not start while a process of the former is left */
        c = admin("postgres");
        bool up = PQstatus(c) == CONNECTION_OK;
        PQfinish(c);
        if (up)
            break;
        usleep(100000);
        if (waitpid(server, NULL, WNOHANG) == server)
            server_run();
    }
    __atomic_store_n(&k->done, true, __ATOMIC_SEQ_CST);
    return NULL;
}

/* What append says holds: what it took is there, what it refused is not, nothing twice. */
static void test_killed_in_the_middle_of_commits(void **state)
{
    char dsn[512];
    struct loaded l = {0};
    uint64_t epoch, seq = 1, refused = 0;

    fresh(dsn, sizeof(dsn));
    void *store = store_start(dsn, &epoch, &l);
    for (int round = 0; round < 4; round++) {
        struct killer k = {.after_usec = (useconds_t)(7919 * round % 40000), .all = round % 2};
        int r = -1;
        assert_int_equal(pthread_create(&k.thread, NULL, killer_run, &k), 0);
        /* So many at most in a round that the array of a fast machine's events does not end. */
        uint64_t most = (uint64_t)(TEST_SEQ_MAX / 4) * ((uint64_t)round + 1) - 8;
        while (r < 0 || !__atomic_load_n(&k.done, __ATOMIC_SEQ_CST)) {
            if (r == 0 && seq > most) {
                usleep(1000);
                continue;
            }
            r = store_append(store, epoch, seq, 3, seq);
            if (r != 0 && r != -EIO && r != -EAGAIN)
                fail_msg("append: %s", strerror(-r));
            if (r == 0)
                seq += 3;
            else
                usleep(20000);
            refused += r < 0;
        }
        pthread_join(k.thread, NULL);
        assert_int_equal(store_load(store, &l), 0);
        assert_whole(&l, 1, seq - 1);
    }
    print_message("# %llu events taken, %llu batches refused\n", (unsigned long long)seq - 1,
                  (unsigned long long)refused);
    ops.close(store);
    store = store_start(dsn, &epoch, &l);
    assert_whole(&l, 1, seq - 1);
    ops.close(store);
}

static void test_no_server(void **state)
{
    struct vdi_error err = {0};
    void *store = NULL;

    assert_int_equal(ops.open(&store, NULL, NULL, "host=/nowhere password=secret", &err), -EIO);
    assert_null(store);
    assert_null(strstr(err.detail, "secret"));
    assert_true(err.remedy[0] != '\0');
}

int main(void)
{
    suite_load_plugin(backend.name);
    const char *missing = find_binaries();
    if (missing) {
        printf("1..0 # SKIP %s\n", missing);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        STORE_SUITE_TESTS,
        cmocka_unit_test(test_two_controllers),
        cmocka_unit_test(test_connection_is_taken_up_again),
        cmocka_unit_test(test_commit_without_an_answer),
        cmocka_unit_test(test_doubtful_batch_is_undone),
        cmocka_unit_test(test_damaged_rows),
        cmocka_unit_test(test_server_crash),
        cmocka_unit_test(test_killed_in_the_middle_of_commits),
        cmocka_unit_test(test_no_server),
    };
    return cmocka_run_group_tests_name("store/pgsql", tests, server_start, NULL);
}
