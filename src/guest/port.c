/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.c - the guest's end of the virtio port (or a socket, or a tty): bytes in, bytes pulled out.
 *
 * While nobody holds the host's end, a virtio port reads as end of file and polls as
 * POLLIN|POLLHUP at once and for ever. It is then left open and asked now and then: closing it
 * would throw away what the host has sent meanwhile. Sockets and ttys are closed and opened.
 */
#include "guest/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/runner_codec.h"

#define RETRY_USEC (250 * USEC_PER_MSEC)
#define READ_MAX (64u << 10)
#define FILL_MAX (128u << 10) /* bytes taken from fill() at a time, and one frame more */

struct port {
    struct loop *loop;
    const char *path;
    const struct port_handler *handler;
    void *arg;
    int fd;
    bool waits_for_host; /* open, and nobody at the other end */
    bool is_quiet;       /* why it can't be opened has been said */
    struct source *reads, *writes, *retry;
    struct buf out;
    struct iovec loans[PORT_LOANS_MAX]; /* written after it */
    unsigned n_loans;
    bool is_busy; /* with a handler, or with writing */
    char in[READ_MAX];
};

static bool name_is_ours(const char *dir)
{
    char path[320], name[64];
    snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", dir);
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    if (!f || !fgets(name, sizeof(name), f))
        return false;
    name[strcspn(name, "\n")] = '\0';
    return str_equal(name, RUNNER_PORT_NAME);
}

/* udev makes the link of that name; without udev the number must be looked up. */
static bool find_port(char *path, size_t size)
{
    snprintf(path, size, "/dev/virtio-ports/%s", RUNNER_PORT_NAME);
    if (access(path, F_OK) == 0)
        return true;
    DIR *dir = opendir("/sys/class/virtio-ports");
    bool found = false;
    for (struct dirent *e; dir && !found && (e = readdir(dir));)
        if (e->d_name[0] != '.' && name_is_ours(e->d_name)) {
            snprintf(path, size, "/dev/%.200s", e->d_name);
            found = true;
        }
    if (dir)
        closedir(dir);
    return found;
}

static int connect_socket(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
        return -ENAMETOOLONG;
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static int open_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISSOCK(st.st_mode))
        return connect_socket(path);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct termios tty;
    if (fd >= 0 && tcgetattr(fd, &tty) == 0) {
        cfmakeraw(&tty);
        tcsetattr(fd, TCSANOW, &tty);
    }
    return fd < 0 ? -errno : fd;
}

static bool is_virtio(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && !isatty(fd);
}

static void stop_sources(struct port *p)
{
    source_free(p->reads);
    source_free(p->writes);
    p->reads = p->writes = NULL;
}

static void go_down(struct port *p)
{
    stop_sources(p);
    port_drop_unsent(p);
    p->waits_for_host = is_virtio(p->fd);
    if (!p->waits_for_host)
        closep(&p->fd);
    if (!p->waits_for_host)
        p->fd = -1;
    source_rearm(p->retry, RETRY_USEC);
}

static bool is_over(ssize_t n)
{
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* What is appended would overtake a loan, so after the first there are only more of them. */
static void refill(struct port *p)
{
    bool more = true;

    while (more && p->out.len < FILL_MAX && p->n_loans < PORT_LOANS_MAX) {
        struct iovec loan = {0};
        more = p->handler->fill(p->arg, p->n_loans ? NULL : &p->out, &loan);
        if (loan.iov_len)
            p->loans[p->n_loans++] = loan;
    }
}

static void give_back(struct port *p, size_t written)
{
    unsigned n = 0;

    while (n < p->n_loans && written >= p->loans[n].iov_len)
        written -= p->loans[n++].iov_len;
    p->n_loans -= n;
    memmove(p->loans, p->loans + n, p->n_loans * sizeof(*p->loans));
    if (p->n_loans) {
        p->loans[0].iov_base = (char *)p->loans[0].iov_base + written;
        p->loans[0].iov_len -= written;
    }
}

static bool is_all_said(const struct port *p)
{
    return p->out.len == 0 && p->n_loans == 0;
}

static ssize_t write_some(struct port *p)
{
    ssize_t n = 0;

    if (is_all_said(p))
        refill(p);
    if (p->out.len) {
        n = write(p->fd, p->out.data, p->out.len);
        if (n > 0)
            buf_consume(&p->out, (size_t)n);
    } else if (p->n_loans) {
        n = writev(p->fd, p->loans, (int)p->n_loans);
        if (n > 0)
            give_back(p, (size_t)n);
    }
    return n;
}

static void on_writable(void *arg, int fd, unsigned events);

/* Until there is no more to say (the host's acks are not read meanwhile, so that is soon), or no
 * more is taken: only then it costs a look at the loop. */
static void flush(struct port *p)
{
    ssize_t n = 1;
    bool is_all = false;

    p->is_busy = true;
    while (n > 0) {
        n = write_some(p);
        is_all = n == 0 && is_all_said(p);
    }
    p->is_busy = false;
    if (is_all) {
        source_free(p->writes);
        p->writes = NULL;
        return;
    }
    if (!is_over(n) && !p->writes)
        p->writes = loop_fd(p->loop, p->fd, LOOP_WRITE, on_writable, p);
    if (is_over(n) || !p->writes)
        go_down(p);
}

static void on_writable(void *arg, int fd, unsigned events)
{
    flush(arg);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct port *p = arg;
    ssize_t n = read(fd, p->in, sizeof(p->in));
    if (n > 0) {
        p->is_busy = true;
        p->handler->data(p->arg, p->in, (size_t)n);
        p->is_busy = false;
        port_kick(p);
    } else if (is_over(n)) {
        go_down(p);
    }
}

static void go_up(struct port *p)
{
    p->waits_for_host = false;
    p->is_quiet = false;
    p->reads = loop_fd(p->loop, p->fd, LOOP_READ, on_readable, p);
    if (!p->reads) {
        log_error("the port can't be watched: %s", strerror(errno));
        go_down(p);
        return;
    }
    p->handler->up(p->arg);
}

static void try_open(struct port *p)
{
    char path[320];
    if (p->path)
        str_copy(path, sizeof(path), p->path);
    else if (!find_port(path, sizeof(path)))
        snprintf(path, sizeof(path), "/dev/virtio-ports/%s", RUNNER_PORT_NAME);
    p->fd = open_path(path);
    if (p->fd < 0 && !p->is_quiet)
        log_warning("%s: %s; it is tried again", path, strerror(-p->fd));
    p->is_quiet = true;
}

static void on_retry(void *arg)
{
    struct port *p = arg;
    struct pollfd poll_fd = {.events = POLLIN};
    if (!p->waits_for_host)
        try_open(p);
    poll_fd.fd = p->fd;
    bool is_alone = p->waits_for_host && poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLHUP;
    if (p->fd < 0 || is_alone)
        source_rearm(p->retry, RETRY_USEC);
    else
        go_up(p);
}

struct port *port_new(struct loop *loop, const char *path, const struct port_handler *handler,
                      void *arg)
{
    struct port *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    *p = (struct port){.loop = loop, .path = path, .handler = handler, .arg = arg, .fd = -1};
    p->out = BUF_INIT(FILL_MAX + RUNNER_FRAME_MAX + 64);
    p->retry = loop_timer(loop, 0, on_retry, p);
    if (!p->retry) {
        port_free(p);
        return NULL;
    }
    return p;
}

void port_free(struct port *p)
{
    if (!p)
        return;
    stop_sources(p);
    source_free(p->retry);
    closep(&p->fd);
    buf_done(&p->out);
    free(p);
}

void port_kick(struct port *p)
{
    if (p->reads && !p->writes && !p->is_busy)
        flush(p);
}

void port_drop_unsent(struct port *p)
{
    buf_clear(&p->out);
    p->n_loans = 0;
}

unsigned port_loans(const struct port *p)
{
    return p->n_loans;
}
