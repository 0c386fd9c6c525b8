/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - scratch directories of store tests: copies of a store's files, and damage to them. */
#ifndef TESTS_STORE_FILES_H
#define TESTS_STORE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One directory a test program, in memory where the machine has such a place; removed at exit. */
const char *scratch_dir(void);
void dir_empty(const char *dir); /* makes it, or removes all its files */
void dir_copy(const char *from, const char *to);
uint32_t dir_fingerprint(const char *dir, const char *but); /* of all names and bytes */
size_t dir_count(const char *dir, const char *part);        /* files whose name has part in it */
unsigned char *file_read(const char *path, size_t *ret_len);
void file_write(const char *path, const void *data, size_t len);
off_t file_size(const char *path); /* -1: there is none */
void file_flip(const char *path, off_t at, int bit);

#endif
