/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_server.h - files by their digest, over HTTPS, for who has a node's certificate.
 *
 * libmicrohttpd with a thread for each connection, so that gigabytes pass by the loop.
 * GET and HEAD of /blobs/SHA256 with Range; a file never changes, so a node goes on where
 * it was cut off. A peer without a certificate of the CA for a node, or with a revoked one,
 * is answered 403.
 */
#ifndef WIRE_FILE_SERVER_H
#define WIRE_FILE_SERVER_H

#include <stdint.h>

#include <vdi/types.h>

struct file_server;
struct pki_revoked;

#define FILE_SERVER_CONNECTIONS 128 /* the rest waits in the kernel's backlog */

struct file_server_config {
    const char *address; /* "10.0.0.1:6821", "[::]:6821"; numeric */
    const char *ca_file, *cert_file, *key_file;
    const char *dir; /* files are DIR/SHA256 */
    uint64_t rate;   /* bytes a second, all together; 0: no limit */
};

/* `revoked` (may be NULL) is taken. */
int file_server_new(const struct file_server_config *config, struct pki_revoked *revoked,
                    struct file_server **ret, struct vdi_error *err);
/* Cuts off what is under way. Takes NULL. */
void file_server_free(struct file_server *server);
uint16_t file_server_port(const struct file_server *server);
void file_server_set_rate(struct file_server *server, uint64_t rate);
void file_server_set_revoked(struct file_server *server, struct pki_revoked *revoked); /* taken */

struct file_server_stats {
    uint64_t bytes, requests, refused;
};
void file_server_stats(struct file_server *server, struct file_server_stats *ret);

#endif
