/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spice_tls.c - certificates of QEMU's SPICE servers.
 *
 * The key that a request was made for waits under another name until its certificate
 * is there: an enrolment that fails leaves what was. The names are QEMU's own
 * (x509-dir of -spice). The node's key for the link is not among them: QEMU runs guests.
 */
#include "vdid/spice_tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/file.h"
#include "wire/pki.h"

#define CA "ca-cert.pem"
#define CERT "server-cert.pem"
#define KEY "server-key.pem"
#define KEY_NEW "server-key.new"
#define WARN_DAYS 30

DEFINE_FREEP(X509, X509_free)

static char *path_in(const char *dir, const char *name)
{
    return str_printf("%s/%s", dir, name);
}

static int no_memory(struct vdi_error *err)
{
    return error_set(err, ENOMEM, "", "out of memory");
}

static int read_cert(const char *dir, const char *name, X509 **ret, struct vdi_error *err)
{
    _cleanup_(freep) char *path = path_in(dir, name);
    int r = path ? pki_read_cert(path, ret, err) : no_memory(err);

    if (r < 0)
        error_hint(err, NULL, "vdid --enroll makes it, or put your site's there; see vdid(8)");
    return r;
}

/* ---- what there is ---- */

/* "CN=gpu01", or "O=Example,CN=gpu01.example.org": as the certificate has it, in its order. */
static char *name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned long flags =
        (XN_FLAG_SEP_COMMA_PLUS | ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_ESC_2253);
    char *text, *copy = NULL;
    long len;

    if (bio && X509_NAME_print_ex(bio, name, 0, flags) > 0) {
        len = BIO_get_mem_data(bio, &text);
        copy = len > 0 ? strndup(text, (size_t)len) : NULL;
    }
    BIO_free_all(bio);
    return copy;
}

static int check_time(X509 *cert, const char *dir, struct vdi_error *err)
{
    struct pki_cert_info info;
    int r = pki_cert_info(cert, &info);
    int64_t left = r == 0 ? pki_days_left(&info, time_now_usec() / USEC_PER_SEC) : 0;

    if (r < 0)
        return error_set(err, -r, "spice_tls_dir", "%s/" CERT " names no host", dir);
    if (left < 0) {
        error_set(err, EKEYEXPIRED, "spice_tls_dir", "%s/" CERT " has expired", dir);
        error_hint(err, NULL, "make a new one: vdictl node enroll, vdid --enroll");
        return -EKEYEXPIRED;
    }
    if (left < WARN_DAYS)
        log_warning("%s/" CERT " expires in %d days; vdid --enroll makes a new one", dir,
                    (int)left);
    return 0;
}

int spice_tls_load(const char *dir, struct spice_trust *ret, struct vdi_error *err)
{
    _cleanup_(X509_freep) X509 *ca = NULL, *cert = NULL;
    struct spice_trust trust;
    int r = read_cert(dir, CA, &ca, err);

    if (r == 0)
        r = read_cert(dir, CERT, &cert, err);
    if (r == 0)
        r = check_time(cert, dir, err);
    if (r == 0 && X509_check_issued(ca, cert) != X509_V_OK)
        r = error_set(err, EKEYREJECTED, "spice_tls_dir", "%s/" CERT " is not of " CA, dir);
    if (r < 0)
        return r;
    trust = (struct spice_trust){.ca = pki_cert_to_pem(ca),
                                 .subject = name_text(X509_get_subject_name(cert))};
    if (!trust.ca || !trust.subject) {
        spice_trust_done(&trust);
        return no_memory(err);
    }
    *ret = trust;
    return 0;
}

void spice_trust_done(struct spice_trust *trust)
{
    free(trust->ca);
    free(trust->subject);
    *trust = (struct spice_trust){0};
}

/* ---- enrolment ---- */

/* Ours were signed by pki.c's CA. */
static int check_ours(const char *dir, struct vdi_error *err)
{
    _cleanup_(freep) char *path = path_in(dir, CERT), *issuer = NULL;
    _cleanup_(X509_freep) X509 *cert = NULL;

    if (!path || access(path, F_OK) < 0)
        return path ? 0 : no_memory(err);
    if (pki_read_cert(path, &cert, err) == 0)
        issuer = name_text(X509_get_issuer_name(cert));
    if (issuer && str_starts_with(issuer, "CN=OSVDI CA "))
        return 0;
    error_set(err, EEXIST, "spice_tls_dir", "%s is not of this cluster, and stays", path);
    error_hint(err, NULL, "move it away if vdid is to make its own");
    return -EEXIST;
}

int spice_tls_request(const char *dir, const char *node, char **ret_csr, struct vdi_error *err)
{
    _cleanup_(freep) char *key = path_in(dir, KEY_NEW);
    int r = check_ours(dir, err);

    if (r < 0)
        return r;
    if (mkdir(dir, 0750) < 0 && errno != EEXIST)
        return error_set(err, errno, "spice_tls_dir", "%s cannot be made: %s", dir,
                         strerror(errno));
    if (!key)
        return no_memory(err);
    unlink(key);
    return pki_make_csr(key, node, ret_csr, err);
}

/* QEMU reads the key as its own user: the directory's group is that user's. */
static int place_key(const char *dir, const char *key_new, const char *key)
{
    struct stat st;

    if (stat(dir, &st) < 0 || chown(key_new, (uid_t)-1, st.st_gid) < 0 ||
        chmod(key_new, 0640) < 0 || rename(key_new, key) < 0)
        return -errno;
    return 0;
}

static int write_public(const char *path, const char *text)
{
    int r = file_replace(path, text, strlen(text));

    return r == 0 && chmod(path, 0644) < 0 ? -errno : r;
}

int spice_tls_install(const char *dir, const char *cert, const char *ca, struct vdi_error *err)
{
    _cleanup_(freep) char *ca_path = path_in(dir, CA), *cert_path = path_in(dir, CERT),
                          *key_path = path_in(dir, KEY), *key_new = path_in(dir, KEY_NEW);
    int r;

    if (!ca_path || !cert_path || !key_path || !key_new)
        return no_memory(err);
    r = write_public(ca_path, ca);
    if (r == 0)
        r = place_key(dir, key_new, key_path);
    if (r == 0)
        r = write_public(cert_path, cert);
    if (r < 0)
        error_set(err, r, "spice_tls_dir", "%s cannot be written: %s", dir, strerror(-r));
    return r;
}
