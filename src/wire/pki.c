/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki.c - the authority: makes the CA and the controller's certificate, signs nodes' requests.
 *
 * Every certificate is written down in `issued` before it is handed out, so that it can be
 * revoked by name. Extensions come from here alone (RFC 5280, 4.2), never from a request.
 */
#include "wire/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "wire/pki_internal.h"

/* A certificate is good a little before it was made: clocks differ (RFC 5280, 4.1.2.5). */
#define BACKDATE_SEC 300
#define CONTROLLER_PREFIX "vdictld."

struct extension {
    int nid;
    const char *value;
};

struct draft {
    const char *name;
    EVP_PKEY *subject_key;
    X509 *issuer; /* NULL: itself */
    EVP_PKEY *issuer_key;
    int64_t now_sec;
    unsigned days;
    const struct extension *extensions; /* ends with nid 0 */
};

static int set_serial(X509 *cert)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return 0;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always of the same length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    int ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return ok;
}

static int set_time(ASN1_TIME *time, int64_t sec)
{
    return ASN1_TIME_set(time, (time_t)sec) != NULL;
}

static int add_extensions(X509 *cert, const struct draft *d)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, d->issuer ? d->issuer : cert, cert, NULL, NULL, 0);
    for (const struct extension *e = d->extensions; e->nid; e++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, e->nid, e->value);
        int ok = extension && X509_add_ext(cert, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!ok)
            return 0;
    }
    return 1;
}

static X509 *sign_draft(const struct draft *d)
{
    _cleanup_(X509_freep) X509 *cert = X509_new();
    if (!cert)
        return NULL;
    X509_NAME *subject = X509_get_subject_name(cert);
    int64_t end_sec = d->now_sec + (int64_t)d->days * 86400;
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
        !set_time(X509_getm_notBefore(cert), d->now_sec - BACKDATE_SEC) ||
        !set_time(X509_getm_notAfter(cert), end_sec) ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)d->name, -1,
                                   -1, 0) != 1 ||
        X509_set_issuer_name(cert, d->issuer ? X509_get_subject_name(d->issuer) : subject) != 1 ||
        X509_set_pubkey(cert, d->subject_key) != 1 || !add_extensions(cert, d) ||
        X509_sign(cert, d->issuer_key, EVP_sha256()) <= 0)
        return NULL;
    return TAKE_PTR(cert);
}

static X509 *make_ca(EVP_PKEY *key, const char *cluster, int64_t now_sec)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
        {0},
    };
    char name[64];
    snprintf(name, sizeof(name), "OSVDI CA %s", cluster);
    return sign_draft(&(struct draft){.name = name,
                                      .subject_key = key,
                                      .issuer_key = key,
                                      .now_sec = now_sec,
                                      .days = PKI_CA_DAYS,
                                      .extensions = extensions});
}

static X509 *make_leaf(const struct draft *base, const char *usage, const char *alt_name)
{
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, usage},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
        {alt_name ? NID_subject_alt_name : 0, alt_name},
        {0},
    };
    struct draft d = *base;
    d.extensions = extensions;
    return sign_draft(&d);
}

const char *pki_controller_name(const char *cluster, char *buf, size_t size)
{
    snprintf(buf, size, CONTROLLER_PREFIX "%s", cluster);
    return buf;
}

/* ---- the directory ---- */

struct authority {
    int dir_fd;
    EVP_PKEY *key;
    X509 *cert;
};

static void authority_done(struct authority *a)
{
    closep(&a->dir_fd);
    EVP_PKEY_free(a->key);
    X509_free(a->cert);
}

static int read_pem(int dir_fd, const char *name, struct buf *ret, struct vdi_error *err)
{
    int r = pki_file_read(dir_fd, name, PKI_PEM_MAX, true, ret, err);
    if (r == -ENOENT) {
        error_set(err, ENOENT, name, "There is no %s.", name);
        error_hint(err, NULL, "Make the CA with: vdictl pki init");
    }
    return r;
}

static int authority_open(struct authority *a, const char *dir, struct vdi_error *err)
{
    struct buf pem;
    int r = pki_dir_open(dir, &a->dir_fd, err);
    if (r == 0)
        r = read_pem(a->dir_fd, "ca.crt", &pem, err);
    if (r < 0)
        return r;
    a->cert = pem.data ? pki_cert_from_pem(pem.data) : NULL;
    buf_done(&pem);
    r = read_pem(a->dir_fd, "ca.key", &pem, err);
    if (r < 0)
        return r;
    a->key = pem.data ? pki_key_from_pem(pem.data, pem.len) : NULL;
    if (pem.data)
        OPENSSL_cleanse(pem.data, pem.len);
    buf_done(&pem);
    if (!a->cert || !a->key || X509_check_private_key(a->cert, a->key) != 1) {
        ERR_clear_error();
        return error_set(err, EINVAL, dir, "ca.key and ca.crt in %s are not a pair.", dir);
    }
    return 0;
}

static int write_down(const struct authority *a, X509 *cert, struct vdi_error *err)
{
    struct pki_cert_info info;
    char line[320], end[40];
    int r = pki_cert_info(cert, &info);
    if (r < 0)
        return error_set(err, r, "pki", "The certificate made cannot be read.");
    snprintf(line, sizeof(line), "%s %s %s\n", info.serial, info.name,
             time_to_rfc3339(info.not_after_sec * USEC_PER_SEC, end));
    return pki_file_append(a->dir_fd, "issued", line, err);
}

static int save_key(int dir_fd, const char *name, EVP_PKEY *key, bool replace,
                    struct vdi_error *err)
{
    char *pem = pki_key_to_pem(key);
    if (!pem)
        return pki_crypto_error(err, "write a key");
    int r = replace ? pki_file_replace(dir_fd, name, pem, strlen(pem), err)
                    : pki_file_create(dir_fd, name, pem, strlen(pem), err);
    OPENSSL_cleanse(pem, strlen(pem));
    free(pem);
    return r;
}

static int save_cert(int dir_fd, const char *name, X509 *cert, bool replace, struct vdi_error *err)
{
    _cleanup_(freep) char *pem = pki_cert_to_pem(cert);
    if (!pem)
        return pki_crypto_error(err, "write a certificate");
    return replace ? pki_file_replace(dir_fd, name, pem, strlen(pem), err)
                   : pki_file_create(dir_fd, name, pem, strlen(pem), err);
}

static int make_server(const struct authority *a, const char *cluster, int64_t now_sec,
                       bool replace, struct vdi_error *err)
{
    char name[64], alt_name[80];
    pki_controller_name(cluster, name, sizeof(name));
    snprintf(alt_name, sizeof(alt_name), "DNS:%s", name);
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = pki_key_generate();
    struct draft draft = {.name = name,
                          .subject_key = key,
                          .issuer = a->cert,
                          .issuer_key = a->key,
                          .now_sec = now_sec,
                          .days = PKI_SERVER_DAYS};
    _cleanup_(X509_freep) X509 *cert = key ? make_leaf(&draft, "serverAuth", alt_name) : NULL;
    if (!cert)
        return pki_crypto_error(err, "make the controller's certificate");
    int r = write_down(a, cert, err);
    if (r == 0)
        r = save_key(a->dir_fd, "server.key", key, replace, err);
    if (r == 0)
        r = save_cert(a->dir_fd, "server.crt", cert, replace, err);
    return r;
}

static int check_cluster(const char *cluster, struct vdi_error *err)
{
    if (str_is_name(cluster, PKI_CLUSTER_MAX) && !strchr(cluster, '_'))
        return 0;
    error_set(err, EINVAL, "cluster", "\"%.80s\" cannot be the name in a certificate.", cluster);
    error_hint(err, "40 characters", "Use letters, digits, '.' and '-'.");
    return -EINVAL;
}

/* ca.key first: two that start at once cannot both go on. */
static int fill_directory(struct authority *a, const char *cluster, int64_t now_sec,
                          struct vdi_error *err)
{
    a->key = pki_key_generate();
    a->cert = a->key ? make_ca(a->key, cluster, now_sec) : NULL;
    if (!a->cert)
        return pki_crypto_error(err, "make the CA");
    int r = save_key(a->dir_fd, "ca.key", a->key, false, err);
    if (r < 0)
        return r;
    r = save_cert(a->dir_fd, "ca.crt", a->cert, false, err);
    if (r == 0)
        r = make_server(a, cluster, now_sec, false, err);
    if (r == 0)
        return 0;
    static const char *const made[] = {"server.crt", "server.key", "issued", "ca.crt", "ca.key"};
    for (size_t i = 0; i < ELEMENTS(made); i++)
        unlinkat(a->dir_fd, made[i], 0);
    return r;
}

int pki_init(const char *dir, const char *cluster, int64_t now_sec, struct vdi_error *err)
{
    static const char *const names[] = {"ca.key", "ca.crt", "server.key", "server.crt", "issued"};
    _cleanup_(authority_done) struct authority a = {.dir_fd = -1};
    int r = check_cluster(cluster, err);
    if (r == 0)
        r = pki_dir_make(dir, &a.dir_fd, err);
    for (size_t i = 0; r == 0 && i < ELEMENTS(names); i++) {
        if (faccessat(a.dir_fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        r = error_set(err, EEXIST, dir, "There is a %s in %s already.", names[i], dir);
        error_hint(err, NULL, "Nothing is overwritten: move it away first if it is to go.");
    }
    return r < 0 ? r : fill_directory(&a, cluster, now_sec, err);
}

int pki_renew_server(const char *dir, const char *cluster, int64_t now_sec, struct vdi_error *err)
{
    _cleanup_(authority_done) struct authority a = {.dir_fd = -1};
    int r = check_cluster(cluster, err);
    if (r == 0)
        r = authority_open(&a, dir, err);
    return r < 0 ? r : make_server(&a, cluster, now_sec, true, err);
}

/* ---- nodes ---- */

static int request_name(X509_REQ *request, char *ret, size_t size)
{
    const X509_NAME *subject = X509_REQ_get_subject_name(request);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return -EINVAL;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    size_t len = (size_t)ASN1_STRING_length(s);
    if (len >= size || memchr(ASN1_STRING_get0_data(s), '\0', len))
        return -EINVAL;
    memcpy(ret, ASN1_STRING_get0_data(s), len);
    ret[len] = '\0';
    return 0;
}

static int read_request(const char *csr_pem, const char *name, X509_REQ **ret,
                        struct vdi_error *err)
{
    char asked[PKI_NAME_MAX + 1];
    size_t len = strlen(csr_pem);
    if (len > PKI_PEM_MAX)
        return error_set(err, E2BIG, "csr", "The certificate request has %zu bytes.", len);
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(csr_pem, (int)len);
    _cleanup_(X509_REQ_freep) X509_REQ *request =
        bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    bool is_signed = pki_key_is_p256(key) && X509_REQ_verify(request, key) == 1;
    ERR_clear_error();
    if (!is_signed)
        return error_set(err, EINVAL, "csr", "This is no certificate request of a P-256 key.");
    if (request_name(request, asked, sizeof(asked)) < 0 || !str_equal(asked, name))
        return error_set(err, EINVAL, "csr", "The request is not for node \"%s\".", name);
    *ret = TAKE_PTR(request);
    return 0;
}

static int issue(const char *dir, const char *name, const char *csr_pem, const char *usage,
                 unsigned days, int64_t now_sec, char **ret_pem, struct vdi_error *err)
{
    _cleanup_(authority_done) struct authority a = {.dir_fd = -1};
    _cleanup_(X509_REQ_freep) X509_REQ *request = NULL;
    if (!str_is_name(name, PKI_NAME_MAX))
        return error_set(err, EINVAL, "name", "\"%.80s\" is not a node's name.", name);
    if (days < 1 || days > PKI_DAYS_MAX)
        return error_set(err, ERANGE, "days", "%u days are not between 1 and 3650.", days);
    int r = read_request(csr_pem, name, &request, err);
    if (r == 0)
        r = authority_open(&a, dir, err);
    if (r < 0)
        return r;
    struct draft draft = {.name = name,
                          .subject_key = X509_REQ_get0_pubkey(request),
                          .issuer = a.cert,
                          .issuer_key = a.key,
                          .now_sec = now_sec,
                          .days = days};
    _cleanup_(X509_freep) X509 *cert = make_leaf(&draft, usage, NULL);
    _cleanup_(freep) char *pem = cert ? pki_cert_to_pem(cert) : NULL;
    if (!pem)
        return pki_crypto_error(err, "sign the node's certificate");
    r = write_down(&a, cert, err);
    if (r == 0)
        *ret_pem = TAKE_PTR(pem);
    return r;
}

int pki_issue_node(const char *dir, const char *name, const char *csr_pem, unsigned days,
                   int64_t now_sec, char **ret_pem, struct vdi_error *err)
{
    return issue(dir, name, csr_pem, "clientAuth", days, now_sec, ret_pem, err);
}

int pki_issue_spice(const char *dir, const char *name, const char *csr_pem, unsigned days,
                    int64_t now_sec, char **ret_pem, struct vdi_error *err)
{
    /* Nodes know the controller by such a name and serverAuth. */
    if (str_starts_with(name, CONTROLLER_PREFIX))
        return error_set(err, EINVAL, "name", "\"%.80s\" is a name of controllers.", name);
    return issue(dir, name, csr_pem, "serverAuth", days, now_sec, ret_pem, err);
}
