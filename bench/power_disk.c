/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power_disk.c - the model of a disk that loses its power.
 *
 * A file's synced bytes are kept. Each later write is cut into sectors, and each of
 * them reaches the disk or not; how likely is drawn once per cut, from "none" over
 * "some" to "all". Names since the last sync of the directory are kept as a prefix (as
 * a journal does) or each for itself (as the rules allow).
 */
#include "bench/power_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/power_record.h"

#define SECTOR 512
#define NAMES 64

struct file {
    unsigned char *data;
    size_t len, size;
};

struct name {
    char name[64];
    int file;
};

struct disk {
    struct file *files;
    struct name names[NAMES];
    uint32_t keep; /* of 100 unsynced sectors */
    uint64_t *seed;
};

uint32_t power_draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

__attribute__((noreturn)) static void die(const char *what)
{
    perror(what);
    abort();
}

static void resize(struct file *f, size_t len)
{
    if (len > f->size) {
        f->size = len < 8192 ? 8192 : 2 * len;
        f->data = realloc(f->data, f->size);
        if (!f->data)
            die("memory");
    }
    if (len > f->len)
        memset(f->data + f->len, 0, len - f->len);
    f->len = len;
}

static void put(struct file *f, const unsigned char *data, uint64_t at, uint64_t len)
{
    if (at + len > f->len)
        resize(f, at + len);
    memcpy(f->data + at, data, len);
}

static bool kept(struct disk *d)
{
    return power_draw(d->seed, 100) < d->keep;
}

static void apply_torn(struct disk *d, const struct power_op *op)
{
    struct file *f = &d->files[op->file];

    if (op->kind == POWER_TRUNCATE) {
        if (kept(d))
            resize(f, op->offset);
        return;
    }
    for (uint64_t at = 0; at < op->len;) {
        uint64_t n = SECTOR - (op->offset + at) % SECTOR;
        if (n > op->len - at)
            n = op->len - at;
        if (kept(d))
            put(f, op->data + at, op->offset + at, n);
        at += n;
    }
}

static void apply_whole(struct disk *d, const struct power_op *op)
{
    if (op->kind == POWER_TRUNCATE)
        resize(&d->files[op->file], op->offset);
    else
        put(&d->files[op->file], op->data, op->offset, op->len);
}

static void set_name(struct disk *d, const char *name, int file)
{
    int free_slot = -1;

    for (int i = 0; i < NAMES; i++) {
        if (d->names[i].file && strcmp(d->names[i].name, name) == 0) {
            d->names[i].file = file;
            return;
        }
        if (!d->names[i].file)
            free_slot = i;
    }
    if (!file)
        return;
    if (free_slot < 0)
        die("names");
    snprintf(d->names[free_slot].name, sizeof(d->names[0].name), "%s", name);
    d->names[free_slot].file = file;
}

static void apply_name(struct disk *d, const struct power_op *op)
{
    set_name(d, op->name, op->kind == POWER_LINK ? op->file : 0);
    if (op->kind == POWER_RENAME)
        set_name(d, op->name2, op->file);
}

/* Up to which call each file (and, at 0, the directory) is synced. */
static size_t *synced_until(size_t n_ops, bool no_sync)
{
    size_t *until = calloc((size_t)power_n_files + 1, sizeof(*until));

    if (!until)
        die("memory");
    for (size_t i = 0; i < n_ops && !no_sync; i++) {
        if (power_ops[i].kind == POWER_SYNC)
            until[power_ops[i].file] = i;
        else if (power_ops[i].kind == POWER_SYNC_DIR)
            until[0] = i;
    }
    return until;
}

static void replay(struct disk *d, size_t n_ops, bool no_sync)
{
    size_t *until = synced_until(n_ops, no_sync);
    bool prefix = power_draw(d->seed, 2), gone = false;

    for (size_t i = 0; i < n_ops; i++) {
        const struct power_op *op = &power_ops[i];
        switch (op->kind) {
        case POWER_WRITE:
        case POWER_TRUNCATE:
            if (i < until[op->file])
                apply_whole(d, op);
            else
                apply_torn(d, op);
            break;
        case POWER_LINK:
        case POWER_RENAME:
        case POWER_UNLINK:
            if (i >= until[0] && !kept(d))
                gone = true;
            else if (i < until[0] || !(prefix && gone))
                apply_name(d, op);
            break;
        default:
            break;
        }
    }
    free(until);
}

static void empty(const char *dir)
{
    char path[PATH_MAX];
    struct dirent *e;
    DIR *list = opendir(dir);

    while (list && (e = readdir(list))) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) < 0)
            die(path);
    }
    if (!list || closedir(list) < 0)
        die(dir);
}

static void write_files(const struct disk *d, const char *dir)
{
    char path[PATH_MAX];

    for (int i = 0; i < NAMES; i++) {
        if (!d->names[i].file)
            continue;
        const struct file *f = &d->files[d->names[i].file];
        snprintf(path, sizeof(path), "%s/%s", dir, d->names[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, f->data, f->len) != (ssize_t)f->len)
            die(path);
        close(fd);
    }
}

void power_disk_write(const char *dir, size_t n_ops, bool no_sync, uint64_t *seed)
{
    static const uint32_t keep[] = {0, 0, 10, 50, 90, 100};
    struct disk d = {.seed = seed};

    d.keep = keep[power_draw(seed, sizeof(keep) / sizeof(keep[0]))];
    d.files = calloc((size_t)power_n_files + 1, sizeof(*d.files));
    if (!d.files)
        die("memory");
    replay(&d, n_ops, no_sync);
    empty(dir);
    write_files(&d, dir);
    for (int i = 0; i <= power_n_files; i++)
        free(d.files[i].data);
    free(d.files);
}
