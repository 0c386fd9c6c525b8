/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify_send.c - one try to send a notice, on a worker.
 *
 * Mail goes to a program with sendmail's interface, the message on its standard input; what a
 * user chose is never on its command line but the checked address, behind "--". A webhook is
 * an HTTPS POST, signed with HMAC-SHA256 (RFC 2104) of the body.
 */
#include <config.h>

#include "vdictld/notify.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "vdictld/feed.h"

#define MESSAGE_MAX (16u << 10) /* fits a pipe: writing it never waits for the mailer */
#define MAILER_SEC 60
#define HOOK_SEC 30L
#define HOOK_CONNECT_SEC 10L
#define ANSWER_MAX (64u << 10)
#define SECRET_MAX 4096
#define SECRET_MIN 16

struct sending *sending_new(const struct config *config, const struct notice *notice,
                            enum notice_way way)
{
    struct sending *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->way = way;
    s->facts = notice->facts;
    s->owed_usec = notice->owed_usec;
    str_copy(s->key, sizeof(s->key), notice->key);
    s->cluster = strdup(config->cluster);
    s->program = strdup(config->mail_program);
    s->from = strdup(config->mail_from);
    s->url = strdup(config->webhook);
    s->secret_file = strdup(config->webhook_secret_file);
    if (!s->cluster || !s->program || !s->from || !s->url || !s->secret_file) {
        sending_free(s);
        return NULL;
    }
    return s;
}

void sending_free(struct sending *s)
{
    if (!s)
        return;
    free(s->cluster);
    free(s->program);
    free(s->from);
    free(s->url);
    free(s->secret_file);
    free(s);
}

__attribute__((format(printf, 3, 4))) static void fail(struct sending *s, int result,
                                                       const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(s->why, sizeof(s->why), format, ap);
    va_end(ap);
    s->result = result;
}

/* ---- mail ---- */

static const char *what_of(const struct notice_facts *f)
{
    static const char *const what[NOTICE_N_TYPES] = {
        [NOTICE_BEGIN] = "has begun",
        [NOTICE_END] = "has ended",
        [NOTICE_FAIL] = "has failed",
        [NOTICE_REQUEUE] = "was requeued",
        [NOTICE_TIME_LIMIT] = "has reached its time limit",
        [NOTICE_TIME_LIMIT_90] = "has used 90 % of its time limit",
        [NOTICE_TIME_LIMIT_80] = "has used 80 % of its time limit",
        [NOTICE_TIME_LIMIT_50] = "has used 50 % of its time limit",
        [NOTICE_SAVED] = "is suspended, and its saved state expires",
    };

    return f->type < NOTICE_N_TYPES ? what[f->type] : "has news";
}

/* A header is one line of ASCII, whatever a job is called. */
static void put_ascii(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_putc(out, *text < ' ' || *text > '~' ? '?' : *text);
}

/* A line of the body: UTF-8 as it is, without what would end or hide it. */
static void put_line(struct buf *out, const char *name, const char *text)
{
    if (!*text)
        return;
    buf_printf(out, "%-10s", name);
    for (; *text; text++)
        buf_putc(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
    buf_putc(out, '\n');
}

static void put_time(struct buf *out, const char *name, int64_t usec)
{
    char when[40];

    if (usec)
        put_line(out, name, time_to_rfc3339(usec, when));
}

static void put_date(struct buf *out, int64_t usec)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t sec = (time_t)(usec / USEC_PER_SEC);
    struct tm tm;

    if (!gmtime_r(&sec, &tm))
        return;
    buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\n", days[tm.tm_wday], tm.tm_mday,
               months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void write_message(const struct sending *s, struct buf *out)
{
    const struct notice_facts *f = &s->facts;
    char number[32];

    buf_printf(out, "From: %s\nTo: %s\nSubject: job %" PRIu64 " (", s->from, f->to, f->job);
    put_ascii(out, f->name);
    buf_printf(out, ") %s", what_of(f));
    if (f->type == NOTICE_END || f->type == NOTICE_FAIL)
        buf_printf(out, ": %s", job_state_name((enum job_state)f->state));
    buf_putc(out, '\n');
    put_date(out, f->time_usec);
    buf_printf(out, "Message-ID: <%s@%s.osvdi>\n", s->key, s->cluster);
    buf_puts(out, "Auto-Submitted: auto-generated\nMIME-Version: 1.0\n"
                  "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
    buf_printf(out, "Job %" PRIu64 " %s.\n\n", f->job, what_of(f));
    put_line(out, "name", f->name);
    put_line(out, "cluster", s->cluster);
    put_line(out, "state", job_state_name((enum job_state)f->state));
    put_line(out, "reason", f->reason);
    put_line(out, "node", f->node);
    put_time(out, "time", f->time_usec);
    put_time(out, "submitted", f->submit_usec);
    put_time(out, "started", f->start_usec);
    put_time(out, "ended", f->end_usec);
    if (f->end_usec) {
        snprintf(number, sizeof(number), f->exit_signal ? "signal %d" : "%d",
                 f->exit_signal ? f->exit_signal : f->exit_code);
        put_line(out, "exit", number);
    }
}

/* A pipe's read end as the child's standard input; its pid, or a negative errno. */
static pid_t spawn(const struct sending *s, int in)
{
    char *argv[] = {s->program,   (char *)"-i",        (char *)"-f", s->from,
                    (char *)"--", (char *)s->facts.to, NULL};
    char *env[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t set;
    pid_t pid;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETPGROUP);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attr, &set);
    sigaddset(&set, SIGPIPE);
    posix_spawnattr_setsigdefault(&attr, &set);
    posix_spawnattr_setpgroup(&attr, 0);
    int r = posix_spawn(&pid, s->program, &files, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return r ? -r : pid;
}

/* Its status; one that takes too long is killed with what it started. -ETIME */
static int wait_for(pid_t pid, int *ret_status)
{
    _cleanup_(closep) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n, r = 0;

    do
        n = poll(&p, 1, MAILER_SEC * 1000);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        kill(-pid, SIGKILL);
        r = -ETIME;
    }
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return r;
}

/* sysexits.h: what no second try mends. */
static bool is_final(int code)
{
    return code == EX_USAGE || code == EX_DATAERR || code == EX_NOUSER || code == EX_NOHOST;
}

static void judge(struct sending *s, int r, int status)
{
    if (r == -ETIME)
        fail(s, r, "%.90s did not end within %d s", s->program, MAILER_SEC);
    else if (r < 0)
        fail(s, r, "%.90s was lost: %s", s->program, strerror(-r));
    else if (WIFSIGNALED(status))
        fail(s, -EIO, "%.90s was ended by signal %d", s->program, WTERMSIG(status));
    else if (WEXITSTATUS(status))
        fail(s, is_final(WEXITSTATUS(status)) ? -EREMOTE : -EIO, "%.90s ended with code %d",
             s->program, WEXITSTATUS(status));
}

static void send_mail(struct sending *s)
{
    _cleanup_(buf_done) struct buf message = BUF_INIT(MESSAGE_MAX);
    int status = 0, fds[2];

    if (!*s->program || !notice_is_address(s->facts.to)) {
        fail(s, -ENOENT, "mail_program is not set");
        return;
    }
    write_message(s, &message);
    if (message.failed || pipe2(fds, O_CLOEXEC) < 0) {
        fail(s, -ENOMEM, "no memory or no pipe for a message");
        return;
    }
    pid_t pid = spawn(s, fds[0]);
    close(fds[0]);
    bool whole = pid > 0 && write(fds[1], message.data, message.len) == (ssize_t)message.len;
    close(fds[1]);
    if (pid < 0) {
        fail(s, (int)pid, "%.90s can't be started: %s", s->program, strerror(-(int)pid));
        return;
    }
    int r = wait_for(pid, &status);
    judge(s, r, status);
    if (!whole && !s->result)
        fail(s, -EPIPE, "%.90s did not read its message", s->program);
}

/* ---- webhook ---- */

static void write_document(const struct sending *s, struct buf *out)
{
    const struct notice_facts *f = &s->facts;
    struct feed_job job = {.type = f->event,
                           .time_usec = f->time_usec,
                           .id = f->job,
                           .state = job_state_name((enum job_state)f->state),
                           .node = f->node,
                           .reason = f->reason,
                           .exit_code = f->exit_code,
                           .exit_signal = f->exit_signal};

    buf_putc(out, '{');
    feed_write_job(&job, out);
    buf_printf(out, ",\"notice\":\"%s\",\"key\":\"%s\",\"cluster\":", notice_type_names[f->type],
               s->key);
    json_write_string(out, s->cluster);
    buf_puts(out, ",\"owner\":");
    json_write_string(out, f->owner);
    buf_puts(out, ",\"name\":");
    json_write_string(out, f->name);
    buf_putc(out, '}');
}

/* The length; 0 with the sending failed. */
static size_t read_secret(struct sending *s, char *ret)
{
    _cleanup_(closep) int fd = open(s->secret_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        fail(s, -EACCES, "webhook_secret_file can't be read: %s", strerror(errno));
        return 0;
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077)) {
        fail(s, -EACCES, "webhook_secret_file must be a file that nobody else reads (chmod 600)");
        return 0;
    }
    ssize_t n = read(fd, ret, SECRET_MAX);
    while (n > 0 && (ret[n - 1] == '\n' || ret[n - 1] == '\r'))
        n--;
    if (n < SECRET_MIN) {
        fail(s, -EACCES, "webhook_secret_file has less than %d bytes", SECRET_MIN);
        return 0;
    }
    return (size_t)n;
}

static bool sign(struct sending *s, const struct buf *body, char ret_header[96])
{
    char secret[SECRET_MAX], hex[65];
    unsigned char mac[32];
    unsigned len = sizeof(mac);
    size_t n = read_secret(s, secret);
    bool good = n && HMAC(EVP_sha256(), secret, (int)n, (const unsigned char *)body->data,
                          body->len, mac, &len);

    explicit_bzero(secret, sizeof(secret));
    if (!good)
        return false;
    str_to_hex(mac, sizeof(mac), hex);
    snprintf(ret_header, 96, "X-OSVDI-Signature: sha256=%s", hex);
    return true;
}

/* What it answers is of no interest, and must not be long. */
static size_t ignore(char *data, size_t size, size_t n, void *arg)
{
    size_t *seen = arg;

    *seen += size * n;
    return *seen > ANSWER_MAX ? 0 : size * n;
}

static void post(struct sending *s, CURL *curl, struct curl_slist *headers, const struct buf *body)
{
    size_t seen = 0;
    long status = 0;

    curl_easy_setopt(curl, CURLOPT_URL, s->url);
    /* http is for this host alone, which the configuration has checked. */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                     str_starts_with(s->url, "http://") ? "http" : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, HOOK_CONNECT_SEC);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, HOOK_SEC);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "osvdi/" PACKAGE_VERSION);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body->len);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &seen);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        fail(s, -EIO, "the webhook: %s", curl_easy_strerror(code));
    else if (status < 200 || status > 299)
        fail(s, -EIO, "the webhook answered %ld", status);
}

static struct curl_slist *make_headers(const char *key, const char *signature)
{
    char line[NOTICE_KEY_MAX + 32];
    struct curl_slist *list = NULL, *more;
    const char *const lines[] = {"Content-Type: application/json", "Expect:", signature, line};

    snprintf(line, sizeof(line), "Idempotency-Key: %s", key);
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        more = curl_slist_append(list, lines[i]);
        if (!more) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = more;
    }
    return list;
}

static void send_webhook(struct sending *s)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(MESSAGE_MAX);
    char signature[96];

    if (!*s->url) {
        fail(s, -ENOENT, "webhook is not set");
        return;
    }
    write_document(s, &body);
    if (body.failed) {
        fail(s, -ENOMEM, "no memory for a document");
        return;
    }
    if (!sign(s, &body, signature)) {
        if (!s->result)
            fail(s, -EIO, "the document can't be signed");
        return;
    }
    struct curl_slist *headers = make_headers(s->key, signature);
    CURL *curl = headers ? curl_easy_init() : NULL;
    if (curl)
        post(s, curl, headers, &body);
    else
        fail(s, -ENOMEM, "no memory for a request");
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
}

void sending_work(struct sending *s)
{
    if (s->way == NOTICE_MAIL)
        send_mail(s);
    else
        send_webhook(s);
}
