/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spice_tls.h - the directory of QEMU's SPICE certificates.
 *
 * ca-cert.pem, server-cert.pem and server-key.pem are in it.
 * libvirt's qemu.conf leads QEMU to it (spice_tls_x509_cert_dir); vdid fills it at enrolment and
 * tells clients whom to trust. What a site put there of its own is used and not replaced.
 */
#ifndef VDID_SPICE_TLS_H
#define VDID_SPICE_TLS_H

#include <vdi/types.h>

/* Whom a client has to trust. */
struct spice_trust {
    char *ca;      /* PEM */
    char *subject; /* of the server's certificate, as virt-viewer's host-subject */
};

/* What is there now. -ENOENT, -EKEYEXPIRED, ...: nothing that a client could trust. */
int spice_tls_load(const char *dir, struct spice_trust *ret, struct vdi_error *err);
void spice_trust_done(struct spice_trust *trust);

/* A new key and a request for it; -EEXIST: there are certificates of another authority. */
int spice_tls_request(const char *dir, const char *node, char **ret_csr, struct vdi_error *err);
/* The answer: key and certificates take their places. The key is readable for the group of dir. */
int spice_tls_install(const char *dir, const char *cert, const char *ca, struct vdi_error *err);

#endif
