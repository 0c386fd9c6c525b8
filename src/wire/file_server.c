/* SPDX-License-Identifier: Apache-2.0 */
/* file_server.c - a daemon of libmicrohttpd beside the loop, and whom it serves what. */
#include "wire/file_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/link_internal.h"
#include "wire/pki.h"
#include "wire/pki_internal.h"

#define PEM_MAX ((size_t)1 << 20)
#define IDLE_SEC 60
#define BLOCK_BYTES ((size_t)256 * 1024)
#define BURST_USEC 100000 /* of the rate */
#define PATH_BEGIN "/blobs/"
/* TLS 1.2 and 1.3, AEAD alone. */
#define PRIORITIES                                                                                 \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:"                      \
    "+AES-128-GCM:+CHACHA20-POLY1305"

struct file_server {
    struct MHD_Daemon *daemon;
    int fd;                      /* listening */
    char *dir, *ca, *cert, *key; /* PEM */
    X509_STORE *trust;
    pthread_mutex_t lock; /* what follows */
    struct pki_revoked *revoked;
    uint64_t rate;
    int64_t free_usec; /* monotonic: from when on something may be sent */
    struct file_server_stats stats;
};

DEFINE_FREEP(struct file_server, file_server_free)

static int64_t now_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- what is sent, and how fast ---- */

struct sending {
    struct file_server *server;
    int fd;
    uint64_t from;
};

/* Takes its turn in the rate: bytes are paid for before they are sent. */
static void pay(struct file_server *server, size_t bytes)
{
    int64_t now = now_usec(), wait = 0;

    pthread_mutex_lock(&server->lock);
    server->stats.bytes += bytes;
    if (server->rate) {
        if (server->free_usec < now - BURST_USEC)
            server->free_usec = now - BURST_USEC;
        server->free_usec += (int64_t)(bytes * 1000000 / server->rate);
        wait = server->free_usec - now;
    }
    pthread_mutex_unlock(&server->lock);
    if (wait > 0)
        nanosleep(&(struct timespec){wait / 1000000, wait % 1000000 * 1000}, NULL);
}

static ssize_t read_piece(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct sending *s = arg;
    ssize_t n = pread(s->fd, buf, max, (off_t)(s->from + pos));

    if (n <= 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    pay(s->server, (size_t)n);
    return n;
}

static void sending_free(void *arg)
{
    struct sending *s = arg;

    close(s->fd);
    free(s);
}

/* ---- who asks ---- */

/* The certificate that TLS has a proof of; NULL: none. The caller frees. */
static X509 *peer_cert(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned n = 0;
    const gnutls_datum_t *all = info ? gnutls_certificate_get_peers(info->tls_session, &n) : NULL;
    const unsigned char *der;

    if (!all || !n) /* what comes behind the first is not looked at: the CA signs leaves alone */
        return NULL;
    der = all[0].data;
    return d2i_X509(NULL, &der, (long)all[0].size);
}

static bool is_signed(struct file_server *server, X509 *cert)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok = ctx && X509_STORE_CTX_init(ctx, server->trust, cert, NULL) == 1 &&
              X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) == 1 &&
              X509_verify_cert(ctx) == 1;

    X509_STORE_CTX_free(ctx);
    return ok;
}

static bool is_node(struct file_server *server, struct MHD_Connection *connection)
{
    _cleanup_(X509_freep) X509 *cert = peer_cert(connection);
    struct pki_cert_info info;
    bool ok = cert && is_signed(server, cert) && pki_cert_info(cert, &info) == 0 &&
              info.is_client && !info.is_ca && str_is_name(info.name, PKI_NAME_MAX);

    if (!ok)
        return false;
    pthread_mutex_lock(&server->lock);
    ok = !pki_revoked_has(server->revoked, info.serial);
    pthread_mutex_unlock(&server->lock);
    return ok;
}

/* ---- answers ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result r = response ? MHD_queue_response(connection, status, response) : MHD_NO;

    if (response)
        MHD_destroy_response(response);
    return r;
}

/* "bytes=N-": all that nodes ask for. False: it is something else. */
static bool read_range(const char *text, uint64_t size, uint64_t *ret)
{
    char number[24];
    size_t n;

    *ret = 0;
    if (!text)
        return true;
    if (!str_starts_with(text, "bytes="))
        return false;
    text += strlen("bytes=");
    n = strspn(text, "0123456789");
    if (!n || n >= sizeof(number) || strcmp(text + n, "-") != 0)
        return false;
    memcpy(number, text, n);
    number[n] = '\0';
    return str_to_u64(number, 0, size - 1, ret) == 0;
}

static enum MHD_Result send_file(struct file_server *server, struct MHD_Connection *connection,
                                 int fd, uint64_t size, uint64_t from, bool is_part)
{
    struct sending *s = malloc(sizeof(*s));
    struct MHD_Response *response;
    enum MHD_Result r;
    char range[96];

    if (!s) {
        close(fd);
        return MHD_NO;
    }
    *s = (struct sending){.server = server, .fd = fd, .from = from};
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    response =
        MHD_create_response_from_callback(size - from, BLOCK_BYTES, read_piece, s, sending_free);
    if (!response) {
        sending_free(s);
        return MHD_NO;
    }
    snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from, size - 1, size);
    if (is_part)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    r = MHD_queue_response(connection, is_part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result serve(struct file_server *server, struct MHD_Connection *connection,
                             const char *digest)
{
    const char *range =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE);
    _cleanup_(closep) int fd = -1;
    char path[4200];
    struct stat st;
    uint64_t from;

    if (strlen(digest) != 64 || strspn(digest, "0123456789abcdef") != 64)
        return reply(connection, MHD_HTTP_NOT_FOUND);
    snprintf(path, sizeof(path), "%s/%s", server->dir, digest);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return reply(connection, MHD_HTTP_NOT_FOUND);
    if (!read_range(range, (uint64_t)st.st_size, &from))
        return reply(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE);
    return send_file(server, connection, TAKE_FD(fd), (uint64_t)st.st_size, from, range != NULL);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **state)
{
    static int seen;
    struct file_server *server = arg;
    bool is_known;

    if (!*state) { /* the head alone is there: called once more before an answer may be given */
        *state = &seen;
        return MHD_YES;
    }
    if (*data_size) /* nobody sends us a body */
        return MHD_NO;
    is_known = is_node(server, connection);
    pthread_mutex_lock(&server->lock);
    server->stats.requests++;
    server->stats.refused += !is_known;
    pthread_mutex_unlock(&server->lock);
    if (!is_known)
        return reply(connection, MHD_HTTP_FORBIDDEN);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED);
    if (!str_starts_with(url, PATH_BEGIN))
        return reply(connection, MHD_HTTP_NOT_FOUND);
    return serve(server, connection, url + strlen(PATH_BEGIN));
}

/* ---- begin and end ---- */

static int read_pem(const char *path, char **ret, struct vdi_error *err)
{
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    char *text = f ? calloc(1, PEM_MAX) : NULL;
    size_t n = text ? fread(text, 1, PEM_MAX - 1, f) : 0;

    if (n && !ferror(f)) {
        *ret = text;
        return 0;
    }
    free(text);
    return error_set(err, f ? EIO : errno, "image_listen", "%s cannot be read: %s", path,
                     strerror(f ? EIO : errno));
}

static int read_trust(struct file_server *server, const struct file_server_config *c,
                      struct vdi_error *err)
{
    _cleanup_(X509_freep) X509 *ca = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r = pki_read_cert(c->ca_file, &ca, err);

    if (r >= 0)
        r = pki_read_key(c->key_file, &key, err); /* refuses one that others can read */
    if (r < 0)
        return r;
    server->trust = X509_STORE_new();
    if (!server->trust || X509_STORE_add_cert(server->trust, ca) != 1)
        return error_set(err, ENOMEM, "", "out of memory");
    r = read_pem(c->ca_file, &server->ca, err);
    if (r >= 0)
        r = read_pem(c->cert_file, &server->cert, err);
    return r < 0 ? r : read_pem(c->key_file, &server->key, err);
}

static int open_listener(const char *address, struct vdi_error *err)
{
    static const int on = 1;
    char host[LINK_HOST_MAX], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found;
    int fd, r = link_address_split(address, host, port, err);

    if (r < 0)
        return r;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return error_set(err, EINVAL, "image_listen", "\"%s\" is not a numeric address.", host);
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 1024) < 0
            ? -errno
            : 0;
    freeaddrinfo(found);
    if (r < 0) {
        closep(&fd);
        return error_set(err, -r, "image_listen", "%s cannot be listened on: %s.", address,
                         strerror(-r));
    }
    return fd;
}

static int start(struct file_server *server, struct vdi_error *err)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS | MHD_USE_ITC,
        0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, server->fd,
        MHD_OPTION_HTTPS_MEM_KEY, server->key, MHD_OPTION_HTTPS_MEM_CERT, server->cert,
        MHD_OPTION_HTTPS_MEM_TRUST, server->ca, MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
        MHD_OPTION_CONNECTION_LIMIT, FILE_SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_SEC, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_END);
    if (server->daemon)
        return 0;
    return error_set(err, EINVAL, "image_listen", "the server for images does not start");
}

int file_server_new(const struct file_server_config *config, struct pki_revoked *revoked,
                    struct file_server **ret, struct vdi_error *err)
{
    _cleanup_(file_server_freep) struct file_server *server = calloc(1, sizeof(*server));
    int r;

    if (!server) {
        pki_revoked_free(revoked);
        return error_set(err, ENOMEM, "", "out of memory");
    }
    server->revoked = revoked;
    server->rate = config->rate;
    server->fd = -1;
    pthread_mutex_init(&server->lock, NULL);
    server->dir = strdup(config->dir);
    r = server->dir ? read_trust(server, config, err) : -ENOMEM;
    if (r < 0)
        return r;
    server->fd = open_listener(config->address, err);
    r = server->fd < 0 ? server->fd : start(server, err);
    if (r == 0)
        *ret = TAKE_PTR(server);
    return r;
}

void file_server_free(struct file_server *server)
{
    if (!server)
        return;
    if (server->daemon) /* it closes the socket, too */
        MHD_stop_daemon(server->daemon);
    else
        closep(&server->fd);
    if (server->key)
        explicit_bzero(server->key, strlen(server->key));
    X509_STORE_free(server->trust);
    pki_revoked_free(server->revoked);
    pthread_mutex_destroy(&server->lock);
    free(server->dir);
    free(server->ca);
    free(server->cert);
    free(server->key);
    free(server);
}

uint16_t file_server_port(const struct file_server *server)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);

    if (getsockname(server->fd, (struct sockaddr *)&bound, &len) < 0)
        return 0;
    return ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                            : ((struct sockaddr_in6 *)&bound)->sin6_port);
}

void file_server_set_rate(struct file_server *server, uint64_t rate)
{
    pthread_mutex_lock(&server->lock);
    server->rate = rate;
    pthread_mutex_unlock(&server->lock);
}

void file_server_set_revoked(struct file_server *server, struct pki_revoked *revoked)
{
    struct pki_revoked *old;

    pthread_mutex_lock(&server->lock);
    old = server->revoked;
    server->revoked = revoked;
    pthread_mutex_unlock(&server->lock);
    pki_revoked_free(old);
}

void file_server_stats(struct file_server *server, struct file_server_stats *ret)
{
    pthread_mutex_lock(&server->lock);
    *ret = server->stats;
    pthread_mutex_unlock(&server->lock);
}
