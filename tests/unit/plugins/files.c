/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - scratch directories of store tests. */
#include "tests/unit/plugins/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"

static char scratch[64];
static pid_t owner;

__attribute__((noreturn)) static void fail(const char *what)
{
    perror(what);
    abort();
}

static void scratch_remove(void)
{
    char command[128];

    if (getpid() != owner)
        return;
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
    if (system(command) != 0)
        fprintf(stderr, "# %s could not be removed\n", scratch);
}

const char *scratch_dir(void)
{
    if (scratch[0])
        return scratch;
    snprintf(scratch, sizeof(scratch), "%s/vdi-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(scratch))
        fail(scratch);
    owner = getpid();
    atexit(scratch_remove);
    return scratch;
}

static void each(const char *dir, void (*fn)(const char *dir, const char *name, void *arg),
                 void *arg)
{
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort);

    if (n < 0)
        fail(dir);
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i]->d_name, ".") != 0 && strcmp(list[i]->d_name, "..") != 0)
            fn(dir, list[i]->d_name, arg);
        free(list[i]);
    }
    free(list);
}

static void one_unlink(const char *dir, const char *name, void *arg)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (unlink(path) < 0)
        fail(path);
}

void dir_empty(const char *dir)
{
    if (mkdir(dir, 0700) == 0)
        return;
    each(dir, one_unlink, NULL);
}

unsigned char *file_read(const char *path, size_t *ret_len)
{
    off_t size = file_size(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *data = malloc((size_t)size + 1);

    if (size < 0 || fd < 0 || !data || read(fd, data, (size_t)size) != size)
        fail(path);
    close(fd);
    *ret_len = (size_t)size;
    return data;
}

void file_write(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        fail(path);
    close(fd);
}

static void one_copy(const char *dir, const char *name, void *arg)
{
    char from[4096], to[4096];
    size_t len;

    snprintf(from, sizeof(from), "%s/%s", dir, name);
    snprintf(to, sizeof(to), "%s/%s", (const char *)arg, name);
    unsigned char *data = file_read(from, &len);
    file_write(to, data, len);
    free(data);
}

void dir_copy(const char *from, const char *to)
{
    dir_empty(to);
    each(from, one_copy, (void *)to);
}

struct print {
    uint32_t crc;
    const char *but;
};

static void one_print(const char *dir, const char *name, void *arg)
{
    struct print *p = arg;
    char path[4096];
    size_t len;

    if (p->but && strstr(name, p->but))
        return;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unsigned char *data = file_read(path, &len);
    p->crc = crc32c(crc32c(p->crc, name, strlen(name) + 1), data, len);
    free(data);
}

uint32_t dir_fingerprint(const char *dir, const char *but)
{
    struct print p = {.but = but};

    each(dir, one_print, &p);
    return p.crc;
}

struct count {
    const char *part;
    size_t n;
};

static void one_count(const char *dir, const char *name, void *arg)
{
    struct count *c = arg;

    c->n += strstr(name, c->part) != NULL;
}

size_t dir_count(const char *dir, const char *part)
{
    struct count c = {part, 0};

    each(dir, one_count, &c);
    return c.n;
}

off_t file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? -1 : st.st_size;
}

void file_flip(const char *path, off_t at, int bit)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        fail(path);
    byte = (unsigned char)(byte ^ 1u << bit);
    if (pwrite(fd, &byte, 1, at) != 1)
        fail(path);
    close(fd);
}
