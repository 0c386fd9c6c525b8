/* SPDX-License-Identifier: Apache-2.0 */
/* pki_internal.h - between the files of the CA: its directory. */
#ifndef WIRE_PKI_INTERNAL_H
#define WIRE_PKI_INTERNAL_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "wire/pki.h"

DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(X509, X509_free)
DEFINE_FREEP(X509_REQ, X509_REQ_free)
DEFINE_FREEP(BIO, BIO_free_all)

/* ---- pki_file.c ---- */

/* The directory, locked until the fd is closed. Refused if others may look into it. */
int pki_dir_open(const char *dir, int *ret_fd, struct vdi_error *err);
int pki_dir_make(const char *dir, int *ret_fd, struct vdi_error *err);
/* A new file of mode 0600 with this content, synced. -EEXIST. */
int pki_file_create(int dir_fd, const char *name, const void *data, size_t len,
                    struct vdi_error *err);
/* The same in place of what is there: at no time is there a half one. */
int pki_file_replace(int dir_fd, const char *name, const void *data, size_t len,
                     struct vdi_error *err);
int pki_file_append(int dir_fd, const char *name, const char *line, struct vdi_error *err);
/* private: refused when others may read it. Absent: -ENOENT without a word in err. */
int pki_file_read(int dir_fd, const char *path, size_t max, bool is_private, struct buf *ret,
                  struct vdi_error *err);

/* ---- pki_key.c ---- */

int pki_crypto_error(struct vdi_error *err, const char *what);
EVP_PKEY *pki_key_generate(void);
char *pki_key_to_pem(EVP_PKEY *key);
EVP_PKEY *pki_key_from_pem(const char *pem, size_t len);
char *pki_bio_text(BIO *bio); /* a copy of a memory BIO's content */
bool pki_key_is_p256(EVP_PKEY *key);

#endif
