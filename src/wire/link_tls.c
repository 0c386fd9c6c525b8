/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_tls.c - who is believed: TLS contexts of the node link.
 *
 * TLS 1.2 at least, 1.3 by choice; forward secrecy and AEAD only; no tickets, no sessions and
 * no renegotiation, so that every connection is verified anew. A certificate counts for what
 * it says itself: one without an extended key usage is good for nothing here.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/link_internal.h"
#include "wire/pki.h"

#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
#define CERTS_MAX_BYTES 8192

DEFINE_FREEP(struct link_tls, link_tls_free)
DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(X509, X509_free)

void link_tls_free(struct link_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    pki_revoked_free(tls->revoked);
    free(tls);
}

void link_tls_set_revoked(struct link_tls *tls, struct pki_revoked *revoked)
{
    pki_revoked_free(tls->revoked);
    tls->revoked = revoked;
}

static int setup_failed(struct vdi_error *err, const char *what)
{
    char text[160];
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    ERR_clear_error();
    return error_set(err, EIO, "tls", "TLS cannot be set up: %s: %s.", what, text);
}

static int tls_new(bool is_server, struct link_tls **ret, struct vdi_error *err)
{
    _cleanup_(link_tls_freep) struct link_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->is_server = is_server;
    tls->ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (!tls->ctx || SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(tls->ctx, CIPHERS_1_2) != 1 ||
        SSL_CTX_set1_groups_list(tls->ctx, "X25519:P-256") != 1)
        return setup_failed(err, "versions and ciphers");
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                      SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(tls->ctx, 0);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    /* Idle links hold no buffers; a frame is read with one recv(). */
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(tls->ctx, 1);
    SSL_CTX_set_max_cert_list(tls->ctx, CERTS_MAX_BYTES);
    SSL_CTX_set_app_data(tls->ctx, tls);
    SSL_CTX_set_verify_depth(tls->ctx, 0); /* the CA signs leaves and nothing else */
    *ret = TAKE_PTR(tls);
    return 0;
}

static int use_own(struct link_tls *tls, const struct link_tls_config *config,
                   struct vdi_error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(X509_freep) X509 *cert = NULL;
    int r = pki_read_key(config->key_file, &key, err);
    if (r == 0)
        r = pki_read_cert(config->cert_file, &cert, err);
    if (r < 0)
        return r;
    /* Looked at before anything is replaced: a reload that fails leaves the old pair. */
    if (X509_check_private_key(cert, key) != 1 || SSL_CTX_use_certificate(tls->ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey(tls->ctx, key) != 1) {
        ERR_clear_error();
        return error_set(err, EINVAL, config->key_file, "%s is not the key of %s.",
                         config->key_file, config->cert_file);
    }
    return 0;
}

int link_tls_reload(struct link_tls *tls, const struct link_tls_config *config,
                    struct vdi_error *err)
{
    return use_own(tls, config, err);
}

static int trust_ca(struct link_tls *tls, const struct link_tls_config *config,
                    struct vdi_error *err)
{
    _cleanup_(X509_freep) X509 *ca = NULL;
    int r = pki_read_cert(config->ca_file, &ca, err);
    if (r < 0)
        return r;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(tls->ctx), ca) != 1)
        return setup_failed(err, "the CA");
    if (!tls->is_server)
        return 0;
    /* A node that enrolls knows the CA by its fingerprint alone: the server shows it. */
    if (SSL_CTX_add1_chain_cert(tls->ctx, ca) != 1 || SSL_CTX_add_client_CA(tls->ctx, ca) != 1)
        return setup_failed(err, "the CA");
    return 0;
}

/* So that the node hears the reason in TLS's own words. */
static int verify_node(int ok, X509_STORE_CTX *ctx)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct link_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct pki_cert_info info;
    if (!ok || !tls->revoked || X509_STORE_CTX_get_error_depth(ctx) != 0)
        return ok;
    if (pki_cert_info(X509_STORE_CTX_get_current_cert(ctx), &info) < 0 ||
        !pki_revoked_has(tls->revoked, info.serial))
        return ok; /* what else may be wrong is found by link_tls_peer() */
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REVOKED);
    return 0;
}

void link_tls_ask(struct link_tls *tls, bool is_must)
{
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER | (is_must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       verify_node);
}

int link_tls_new_server(const struct link_tls_config *config, struct pki_revoked *revoked,
                        struct link_tls **ret, struct vdi_error *err)
{
    _cleanup_(link_tls_freep) struct link_tls *tls = NULL;
    int r = tls_new(true, &tls, err);
    if (r == 0)
        r = use_own(tls, config, err);
    if (r == 0)
        r = trust_ca(tls, config, err);
    if (r < 0) {
        pki_revoked_free(revoked);
        return r;
    }
    tls->revoked = revoked;
    *ret = TAKE_PTR(tls);
    return 0;
}

int link_tls_new_client(const struct link_tls_config *config, struct link_tls **ret,
                        struct vdi_error *err)
{
    _cleanup_(link_tls_freep) struct link_tls *tls = NULL;
    if (str_is_empty(config->peer_name))
        return error_set(err, EINVAL, "peer_name", "The controller's name is not given.");
    int r = tls_new(false, &tls, err);
    if (r == 0)
        r = use_own(tls, config, err);
    if (r == 0)
        r = trust_ca(tls, config, err);
    if (r < 0)
        return r;
    if (!str_copy(tls->peer_name, sizeof(tls->peer_name), config->peer_name))
        return error_set(err, EINVAL, "peer_name", "The controller's name is too long.");
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    *ret = TAKE_PTR(tls);
    return 0;
}

/* ---- enroll: of what the server sends, only the pinned CA is an anchor ---- */

static int verify_pinned(X509_STORE_CTX *ctx, void *arg)
{
    const struct link_tls *tls = arg;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
    STACK_OF(X509) *anchors = sk_X509_new_null();
    for (int i = 0; anchors && i < sk_X509_num(sent); i++) {
        unsigned char digest[32];
        pki_fingerprint(sk_X509_value(sent, i), digest);
        if (memcmp(digest, tls->pin, sizeof(digest)) == 0)
            sk_X509_push(anchors, sk_X509_value(sent, i));
    }
    X509_STORE_CTX_set0_trusted_stack(ctx, anchors);
    int ok = anchors ? X509_verify_cert(ctx) : 0;
    X509_STORE_CTX_set0_trusted_stack(ctx, NULL);
    sk_X509_free(anchors);
    return ok > 0;
}

static int parse_pin(const char *hex, unsigned char ret[32])
{
    char again[65];
    if (strlen(hex) != 64)
        return -EINVAL;
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(hex + i * 2, "%2x", &byte) != 1)
            return -EINVAL;
        ret[i] = (unsigned char)byte;
    }
    str_to_hex(ret, 32, again);
    return str_equal(hex, again) ? 0 : -EINVAL;
}

int link_tls_new_enroll(const char *ca_fingerprint, struct link_tls **ret, struct vdi_error *err)
{
    _cleanup_(link_tls_freep) struct link_tls *tls = NULL;
    int r = tls_new(false, &tls, err);
    if (r < 0)
        return r;
    if (parse_pin(ca_fingerprint, tls->pin) < 0)
        return error_set(err, EINVAL, "fingerprint", "This is no SHA-256 fingerprint.");
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls->ctx, verify_pinned, tls);
    *ret = TAKE_PTR(tls);
    return 0;
}

/* ---- one session ---- */

SSL *link_tls_session(struct link_tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->ctx);
    BIO *bio = ssl ? link_bio_new(fd) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    if (tls->is_server) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (tls->peer_name[0] && SSL_set1_host(ssl, tls->peer_name) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

static const char *object(const struct link_tls *tls, const struct pki_cert_info *info)
{
    int64_t now_sec = time(NULL);
    if (tls->is_server ? !info->is_client : !info->is_server)
        return tls->is_server ? "its certificate is not one of a node"
                              : "its certificate is not one of a controller";
    if (tls->is_server && !str_is_name(info->name, LINK_NODE_MAX - 1))
        return "the name in its certificate is no node name";
    if (now_sec > info->not_after_sec)
        return "its certificate has expired";
    if (pki_revoked_has(tls->revoked, info->serial))
        return "its certificate is revoked";
    return NULL;
}

const char *link_tls_objection(const struct link_tls *tls, SSL *ssl)
{
    struct pki_cert_info info;
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (!cert)
        return NULL;
    if (pki_cert_info(cert, &info) < 0)
        return "its certificate has no proper name";
    return object(tls, &info);
}

int link_tls_peer(const struct link_tls *tls, SSL *ssl, char *ret, size_t size)
{
    struct pki_cert_info info;
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (!cert)
        return 0;
    if (SSL_get_verify_result(ssl) != X509_V_OK || pki_cert_info(cert, &info) < 0 ||
        object(tls, &info))
        return -EKEYREJECTED;
    str_copy(ret, size, info.name);
    return 1;
}

const char *link_tls_error(SSL *ssl, int saved_errno, char *buf, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        snprintf(buf, size, "the certificate is not accepted: %s",
                 X509_verify_cert_error_string(verified));
    else if (code)
        snprintf(buf, size, "TLS: %s", ERR_reason_error_string(code));
    else if (saved_errno)
        snprintf(buf, size, "%s", strerror(saved_errno));
    else
        snprintf(buf, size, "the other side closed it");
    ERR_clear_error();
    return buf;
}
