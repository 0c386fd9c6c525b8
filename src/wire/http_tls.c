/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_tls.c - the client's TLS: OpenSSL, loaded when the first https: URL is opened.
 *
 * Linking libssl would add about 1 ms to the start of every command, and most speak over a
 * unix socket. The chain is checked against ca_file, or the system's store without one, and
 * the certificate against the host's name or address. TLS 1.2 is the least.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/http_link.h"

#define FUNCTIONS(X)                                                                               \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_free)                                                                                \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_set_verify)                                                                          \
    X(SSL_CTX_set_default_verify_paths)                                                            \
    X(SSL_CTX_load_verify_locations)                                                               \
    X(SSL_new)                                                                                     \
    X(SSL_free)                                                                                    \
    X(SSL_set_fd)                                                                                  \
    X(SSL_ctrl)                                                                                    \
    X(SSL_set1_host)                                                                               \
    X(SSL_get0_param)                                                                              \
    X(SSL_connect)                                                                                 \
    X(SSL_read)                                                                                    \
    X(SSL_write)                                                                                   \
    X(SSL_get_error)                                                                               \
    X(SSL_get_verify_result)                                                                       \
    X(TLS_client_method)                                                                           \
    X(X509_VERIFY_PARAM_set1_ip_asc)                                                               \
    X(X509_verify_cert_error_string)                                                               \
    X(ERR_clear_error)                                                                             \
    X(ERR_get_error)                                                                               \
    X(ERR_error_string_n)

static struct {
    bool loaded;
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
} ssl;

struct http_tls {
    int fd;
    unsigned timeout_sec;
    SSL_CTX *ctx;
    SSL *session;
    const char *host; /* for messages; only while opening */
};

DEFINE_FREEP(struct http_tls, http_tls_free)

/* The library stays loaded until the process ends. */
static int load(struct vdi_error *err)
{
    if (ssl.loaded)
        return 0;
    void *library = dlopen("libssl.so.3", RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        error_set(err, ELIBACC, "url", "https: needs OpenSSL: %s.", dlerror());
        error_hint(err, NULL, "on Debian: apt-get install libssl3");
        return -ELIBACC;
    }
#define LOAD(name)                                                                                 \
    ssl.name = (__typeof__(&name))dlsym(library, #name);                                           \
    if (!ssl.name)                                                                                 \
        return error_set(err, ELIBBAD, "url", "libssl.so.3 has no " #name ".");
    FUNCTIONS(LOAD)
#undef LOAD
    ssl.loaded = true;
    return 0;
}

static int failed(struct http_tls *tls, struct vdi_error *err)
{
    char text[256] = "the other side ended it";
    unsigned long code = ssl.ERR_get_error();
    if (code)
        ssl.ERR_error_string_n(code, text, sizeof(text));
    long verify = ssl.SSL_get_verify_result(tls->session);
    if (verify == X509_V_OK)
        return error_set(err, ECONNRESET, "url", "The TLS connection broke: %s.", text);
    error_set(err, EKEYREJECTED, "url", "The certificate of %s is not trusted: %s.",
              tls->host ? tls->host : "the controller", ssl.X509_verify_cert_error_string(verify));
    error_hint(err, NULL, "name the site's CA file, or use the name in the certificate");
    return -EKEYREJECTED;
}

/* After an SSL call that returned n <= 0: 0 to call again, 1: ended in order. */
static int again(struct http_tls *tls, int n, struct vdi_error *err)
{
    switch (ssl.SSL_get_error(tls->session, n)) {
    case SSL_ERROR_WANT_READ:
        return http_link_wait(tls->fd, POLLIN, tls->timeout_sec, err);
    case SSL_ERROR_WANT_WRITE:
        return http_link_wait(tls->fd, POLLOUT, tls->timeout_sec, err);
    case SSL_ERROR_ZERO_RETURN:
        return 1;
    default:
        return failed(tls, err);
    }
}

/* OpenSSL write()s to the socket: SIGPIPE is held back, and taken away if it came. */
static int quiet(struct http_tls *tls, int (*call)(struct http_tls *tls, void *data, int len),
                 void *data, int len)
{
    sigset_t pipe, old, pending;
    static const struct timespec at_once;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    ssl.ERR_clear_error();
    int n = call(tls, data, len);
    int saved = errno;
    if (n <= 0 && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return n;
}

static int call_connect(struct http_tls *tls, void *data, int len)
{
    return ssl.SSL_connect(tls->session);
}

static int call_read(struct http_tls *tls, void *data, int len)
{
    return ssl.SSL_read(tls->session, data, len);
}

static int call_write(struct http_tls *tls, void *data, int len)
{
    return ssl.SSL_write(tls->session, data, len);
}

static int trust(struct http_tls *tls, const char *ca_file, struct vdi_error *err)
{
    ssl.SSL_CTX_ctrl(tls->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    ssl.SSL_CTX_ctrl(tls->ctx, SSL_CTRL_MODE,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, NULL);
    ssl.SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    int ok = ca_file ? ssl.SSL_CTX_load_verify_locations(tls->ctx, ca_file, NULL)
                     : ssl.SSL_CTX_set_default_verify_paths(tls->ctx);
    if (ok != 1)
        return error_set(err, EINVAL, "ca_file", "\"%s\" holds no CA certificates.",
                         ca_file ? ca_file : "the system's store");
    return 0;
}

static int expect_host(struct http_tls *tls, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return ssl.X509_VERIFY_PARAM_set1_ip_asc(ssl.SSL_get0_param(tls->session), host);
    return ssl.SSL_set1_host(tls->session, host) == 1 &&
           ssl.SSL_ctrl(tls->session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                        (void *)host) == 1;
}

static int handshake(struct http_tls *tls, struct vdi_error *err)
{
    for (;;) {
        int n = quiet(tls, call_connect, NULL, 0);
        if (n == 1)
            return 0;
        int r = again(tls, n, err);
        if (r > 0)
            return failed(tls, err);
        if (r < 0)
            return r;
    }
}

int http_tls_open(int fd, const char *host, const char *ca_file, unsigned timeout_sec,
                  struct http_tls **ret, struct vdi_error *err)
{
    int r = load(err);
    if (r < 0)
        return r;
    _cleanup_(http_tls_freep) struct http_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->fd = fd;
    tls->timeout_sec = timeout_sec;
    tls->ctx = ssl.SSL_CTX_new(ssl.TLS_client_method());
    if (!tls->ctx)
        return error_set(err, ENOMEM, "url", "OpenSSL does not start.");
    r = trust(tls, ca_file, err);
    if (r < 0)
        return r;
    tls->session = ssl.SSL_new(tls->ctx);
    if (!tls->session || !expect_host(tls, host) || ssl.SSL_set_fd(tls->session, fd) != 1)
        return error_set(err, EINVAL, "url", "TLS to \"%s\" cannot be set up.", host);
    tls->host = host;
    r = handshake(tls, err);
    tls->host = NULL;
    if (r == 0)
        *ret = TAKE_PTR(tls);
    return r;
}

static int clamp(size_t len)
{
    return len > INT32_MAX ? INT32_MAX : (int)len;
}

ssize_t http_tls_read(struct http_tls *tls, void *data, size_t size, struct vdi_error *err)
{
    for (;;) {
        int n = quiet(tls, call_read, data, clamp(size));
        if (n > 0)
            return n;
        int r = again(tls, n, err);
        if (r != 0)
            return r > 0 ? 0 : r;
    }
}

ssize_t http_tls_write(struct http_tls *tls, const void *data, size_t len, struct vdi_error *err)
{
    for (;;) {
        int n = quiet(tls, call_write, (void *)data, clamp(len));
        if (n > 0)
            return n;
        int r = again(tls, n, err);
        if (r != 0)
            return r > 0 ? failed(tls, err) : r;
    }
}

void http_tls_free(struct http_tls *tls)
{
    if (!tls)
        return;
    if (tls->session)
        ssl.SSL_free(tls->session);
    if (tls->ctx)
        ssl.SSL_CTX_free(tls->ctx);
    free(tls);
}
