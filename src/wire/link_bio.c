/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_bio.c - a socket as OpenSSL reads and writes it.
 *
 * Unlike OpenSSL's own: sends never raise SIGPIPE, and a recv() that got less than it asked
 * for is not followed by one that could only say EAGAIN: the loop's poll is level-triggered
 * and tells when there is more. That saves a system call for every heartbeat. The fd belongs
 * to the connection.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>

#include "wire/link_internal.h"

/* BIO_set_data() keeps fd * 2, plus 1 when the last recv() emptied the socket. */
static int bio_fd(BIO *bio)
{
    return (int)((intptr_t)BIO_get_data(bio) >> 1);
}

static bool bio_is_drained(BIO *bio)
{
    return (intptr_t)BIO_get_data(bio) & 1;
}

static void bio_set(BIO *bio, int fd, bool is_drained)
{
    BIO_set_data(bio, (void *)((intptr_t)fd << 1 | is_drained));
}

static int bio_write(BIO *bio, const char *data, int len)
{
    int fd = bio_fd(bio);
    ssize_t n;
    BIO_clear_retry_flags(bio);
    do
        n = send(fd, data, (size_t)len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
        BIO_set_retry_write(bio);
    return (int)n;
}

static int bio_read(BIO *bio, char *data, int size)
{
    int fd = bio_fd(bio);
    ssize_t n;
    BIO_clear_retry_flags(bio);
    if (bio_is_drained(bio)) {
        bio_set(bio, fd, false);
        BIO_set_retry_read(bio);
        return -1;
    }
    do
        n = recv(fd, data, (size_t)size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0 && n < size)
        bio_set(bio, fd, true);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "node link");
    if (!method)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
}

BIO *link_bio_new(int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio)
        bio_set(bio, fd, false);
    return bio;
}
