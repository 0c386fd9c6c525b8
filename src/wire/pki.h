/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki.h - the cluster's private CA: one certificate for the controller, one for each node.
 *
 * A directory (0700) holds ca.key ca.crt server.key server.crt (0600), `issued` (serial,
 * name and end of every certificate), `revoked` (serials) and `tokens` (hashes of one-time
 * enroll tokens). Keys are EC P-256, signatures ECDSA with SHA-256. A key that others may
 * read is not used. A node's key never leaves the node: it sends a request (PKCS #10).
 *
 * Everything here reads and writes files and syncs them: not on a loop, but before it runs
 * or in a worker. Changes are made under a lock on the directory, so that vdictl and vdictld
 * may both make them.
 */
#ifndef WIRE_PKI_H
#define WIRE_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define PKI_CA_DAYS 3650
#define PKI_SERVER_DAYS 825
#define PKI_NODE_DAYS 365
#define PKI_DAYS_MAX 3650
#define PKI_TOKEN_TTL_MAX_SEC 3600
#define PKI_FINGERPRINT_LEN 65 /* SHA-256 of the DER in hex, and the NUL */
#define PKI_SERIAL_LEN 41      /* at most 20 bytes (RFC 5280, 4.1.2.2) in hex, and the NUL */
#define PKI_NAME_MAX 63        /* of nodes */
#define PKI_CLUSTER_MAX 40
#define PKI_PEM_MAX ((size_t)16 * 1024)

/* ---- pki.c: the authority ---- */

/* Makes the directory, the CA and the controller's key and certificate. -EEXIST: there is
 * something already; nothing is overwritten. */
int pki_init(const char *dir, const char *cluster, int64_t now_sec, struct vdi_error *err);
/* A new key and certificate for the controller, in place of the old ones. */
int pki_renew_server(const char *dir, const char *cluster, int64_t now_sec, struct vdi_error *err);
/* A certificate for the request's key: CN = name, clientAuth only; whatever else the request
 * asks for is not given. The request's own CN must be name. Caller frees *ret_pem. */
int pki_issue_node(const char *dir, const char *name, const char *csr_pem, unsigned days,
                   int64_t now_sec, char **ret_pem, struct vdi_error *err);
/* The same for the SPICE servers of the node's VMs: serverAuth only, so it opens no node link. */
int pki_issue_spice(const char *dir, const char *name, const char *csr_pem, unsigned days,
                    int64_t now_sec, char **ret_pem, struct vdi_error *err);
/* The name the controller's certificate is for: "vdictld.CLUSTER". */
const char *pki_controller_name(const char *cluster, char *buf, size_t size);

/* ---- pki_key.c: keys, requests and certificates, by file and as text ---- */

int pki_make_key(const char *path, EVP_PKEY **ret, struct vdi_error *err); /* 0600; -EEXIST */
int pki_read_key(const char *path, EVP_PKEY **ret, struct vdi_error *err);
/* A request for name, signed with the key in key_path (made if it is not there). */
int pki_make_csr(const char *key_path, const char *name, char **ret_pem, struct vdi_error *err);
int pki_read_cert(const char *path, X509 **ret, struct vdi_error *err);
X509 *pki_cert_from_pem(const char *pem); /* NULL: it is none */
char *pki_cert_to_pem(X509 *cert);

struct pki_cert_info {
    char name[128]; /* CN */
    char serial[PKI_SERIAL_LEN];
    char fingerprint[PKI_FINGERPRINT_LEN];
    int64_t not_before_sec, not_after_sec;
    bool is_client, is_server, is_ca; /* said by the certificate itself */
};

int pki_cert_info(const X509 *cert, struct pki_cert_info *ret);
/* Whole days left; negative when it is over. */
int64_t pki_days_left(const struct pki_cert_info *info, int64_t now_sec);
void pki_fingerprint(const X509 *cert, unsigned char ret[32]);

/* ---- pki_revoked.c ---- */

struct pki_revoked; /* a set of serials */
int pki_revoke(const char *dir, const char *serial, struct vdi_error *err);
/* Every certificate that name has; *ret_n (may be NULL) says how many. */
int pki_revoke_node(const char *dir, const char *name, unsigned *ret_n, struct vdi_error *err);
int pki_revoked_load(const char *dir, struct pki_revoked **ret, struct vdi_error *err);
bool pki_revoked_has(const struct pki_revoked *revoked, const char *serial);
void pki_revoked_free(struct pki_revoked *revoked);

/* ---- pki_token.c: "vdi-enroll-1.<name>.<secret>.<SHA-256 of the CA>" ---- */

#define PKI_TOKEN_LEN 192 /* the longest text, and the NUL */

struct pki_token {
    char name[PKI_NAME_MAX + 1];
    char secret[33]; /* 128 bits in hex */
    char ca_fingerprint[PKI_FINGERPRINT_LEN];
};

/* The text is the only copy of the secret: the directory keeps its hash. */
int pki_token_new(const char *dir, const char *name, int64_t ttl_sec, int64_t now_sec,
                  char ret[PKI_TOKEN_LEN], struct vdi_error *err);
int pki_token_parse(const char *text, struct pki_token *ret, struct vdi_error *err);
/* Takes the token out of the directory, durably, and gives the name it is for. -EKEYREJECTED:
 * no such token, used, over, of another CA; which of them is not told. */
int pki_token_redeem(const char *dir, const char *text, int64_t now_sec,
                     char ret_name[PKI_NAME_MAX + 1], struct vdi_error *err);

#endif
