/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki_key.c - keys, requests and certificates, as files and as text.
 *
 * Keys are EC P-256 in PKCS #8 without a passphrase (nothing may ever ask on a terminal).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/pki_internal.h"

int pki_crypto_error(struct vdi_error *err, const char *what)
{
    char text[200] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return error_set(err, EIO, "pki", "OpenSSL cannot %s: %s.", what, text);
}

char *pki_bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    return len < 0 ? NULL : strndup(data, (size_t)len);
}

EVP_PKEY *pki_key_generate(void)
{
    return EVP_EC_gen("P-256");
}

bool pki_key_is_p256(EVP_PKEY *key)
{
    char group[32];
    size_t len;
    return key && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
           str_equal(group, "prime256v1");
}

static int no_passphrase(char *buf, int size, int for_writing, void *arg)
{
    return -1;
}

char *pki_key_to_pem(EVP_PKEY *key)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return NULL;
    return pki_bio_text(bio);
}

EVP_PKEY *pki_key_from_pem(const char *pem, size_t len)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, len > INT_MAX ? 0 : (int)len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    ERR_clear_error();
    return key;
}

static void forget(char *pem)
{
    if (pem)
        OPENSSL_cleanse(pem, strlen(pem));
    free(pem);
}

int pki_make_key(const char *path, EVP_PKEY **ret, struct vdi_error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = pki_key_generate();
    char *pem = key ? pki_key_to_pem(key) : NULL;
    if (!pem)
        return pki_crypto_error(err, "make a key");
    int r = pki_file_create(AT_FDCWD, path, pem, strlen(pem), err);
    forget(pem);
    if (r == 0)
        *ret = TAKE_PTR(key);
    return r;
}

int pki_read_key(const char *path, EVP_PKEY **ret, struct vdi_error *err)
{
    struct buf pem;
    int r = pki_file_read(AT_FDCWD, path, PKI_PEM_MAX, true, &pem, err);
    if (r == -ENOENT)
        return error_set(err, ENOENT, path, "There is no key %s.", path);
    if (r < 0)
        return r;
    EVP_PKEY *key = pki_key_from_pem(pem.data, pem.len);
    if (pem.data)
        OPENSSL_cleanse(pem.data, pem.len);
    buf_done(&pem);
    if (!key) {
        error_set(err, EINVAL, path, "%s holds no private key.", path);
        error_hint(err, NULL, "Keys are PEM files without a passphrase.");
        return -EINVAL;
    }
    *ret = key;
    return 0;
}

static X509_REQ *make_request(EVP_PKEY *key, const char *name)
{
    _cleanup_(X509_REQ_freep) X509_REQ *request = X509_REQ_new();
    if (!request || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0) != 1 ||
        X509_REQ_set_pubkey(request, key) != 1 || X509_REQ_sign(request, key, EVP_sha256()) <= 0)
        return NULL;
    return TAKE_PTR(request);
}

int pki_make_csr(const char *key_path, const char *name, char **ret_pem, struct vdi_error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    if (!str_is_name(name, PKI_NAME_MAX))
        return error_set(err, EINVAL, "name", "\"%.80s\" is not a node's name.", name);
    int r = access(key_path, F_OK) == 0 ? pki_read_key(key_path, &key, err)
                                        : pki_make_key(key_path, &key, err);
    if (r < 0)
        return r;
    _cleanup_(X509_REQ_freep) X509_REQ *request = make_request(key, name);
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    if (!request || !bio || PEM_write_bio_X509_REQ(bio, request) != 1)
        return pki_crypto_error(err, "make a certificate request");
    *ret_pem = pki_bio_text(bio);
    return *ret_pem ? 0 : -ENOMEM;
}

X509 *pki_cert_from_pem(const char *pem)
{
    size_t len = strlen(pem);
    if (len > PKI_PEM_MAX)
        return NULL;
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, (int)len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    ERR_clear_error();
    return cert;
}

char *pki_cert_to_pem(X509 *cert)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, cert) != 1)
        return NULL;
    return pki_bio_text(bio);
}

int pki_read_cert(const char *path, X509 **ret, struct vdi_error *err)
{
    struct buf pem;
    int r = pki_file_read(AT_FDCWD, path, PKI_PEM_MAX, false, &pem, err);
    if (r == -ENOENT)
        return error_set(err, ENOENT, path, "There is no certificate %s.", path);
    if (r < 0)
        return r;
    X509 *cert = pem.data ? pki_cert_from_pem(pem.data) : NULL;
    buf_done(&pem);
    if (!cert)
        return error_set(err, EINVAL, path, "%s holds no certificate.", path);
    *ret = cert;
    return 0;
}

/* ---- what a certificate says ---- */

void pki_fingerprint(const X509 *cert, unsigned char ret[32])
{
    unsigned len = 0;
    if (X509_digest(cert, EVP_sha256(), ret, &len) != 1 || len != 32)
        memset(ret, 0, 32); /* the fingerprint of nothing */
}

static int read_serial(const X509 *cert, char ret[PKI_SERIAL_LEN])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    int len = ASN1_STRING_length(serial);
    if (len < 1 || len > (PKI_SERIAL_LEN - 1) / 2 || ASN1_STRING_type(serial) != V_ASN1_INTEGER)
        return -EINVAL;
    str_to_hex(ASN1_STRING_get0_data(serial), (size_t)len, ret);
    return 0;
}

static int64_t read_time(const ASN1_TIME *time)
{
    struct tm tm;
    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* The one CN, without a NUL inside. */
static int read_name(const X509 *cert, char *ret, size_t size)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return -EINVAL;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    const char *text = (const char *)ASN1_STRING_get0_data(s);
    size_t len = (size_t)ASN1_STRING_length(s);
    if (len == 0 || len >= size || !str_is_text(text, len, false))
        return -EINVAL;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return 0;
}

int pki_cert_info(const X509 *cert, struct pki_cert_info *ret)
{
    struct pki_cert_info info = {0};
    unsigned char digest[32];
    X509 *c = (X509 *)cert; /* OpenSSL caches extensions in it */
    int r = read_name(cert, info.name, sizeof(info.name));
    if (r == 0)
        r = read_serial(cert, info.serial);
    if (r < 0)
        return r;
    pki_fingerprint(cert, digest);
    str_to_hex(digest, sizeof(digest), info.fingerprint);
    info.not_before_sec = read_time(X509_get0_notBefore(cert));
    info.not_after_sec = read_time(X509_get0_notAfter(cert));
    uint32_t usage = X509_get_extended_key_usage(c);
    bool is_said = usage != UINT32_MAX;
    info.is_client = is_said && (usage & XKU_SSL_CLIENT);
    info.is_server = is_said && (usage & XKU_SSL_SERVER);
    info.is_ca = X509_check_ca(c) == 1;
    *ret = info;
    return 0;
}

int64_t pki_days_left(const struct pki_cert_info *info, int64_t now_sec)
{
    int64_t left = info->not_after_sec - now_sec;
    return left >= 0 ? left / 86400 : -((-left + 86399) / 86400);
}
