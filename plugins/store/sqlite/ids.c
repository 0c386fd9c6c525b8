/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ids.c - the file of what must outlive the database.
 *
 * Three sectors, so that a torn write spoils one of them at most: two slots written
 * by turns ("VDI-IDS1", counter, id_reserve, epoch, crc), and the mark ("VDI-ACK1",
 * seq, crc). Numbers are little endian.
 */
#include "plugins/store/sqlite/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define SECTOR 512
#define FILE_SIZE (3 * SECTOR)
#define MARK_AT (2 * SECTOR)

static void seal(unsigned char *p, const char *magic, const uint64_t *values, size_t n)
{
    memcpy(p, magic, 8);
    for (size_t i = 0; i < n; i++)
        store_put64(p + 8 + 8 * i, values[i]);
    store_put32(p + 8 + 8 * n, store_crc(0, p, 8 + 8 * n));
}

static bool unseal(const unsigned char *p, const char *magic, uint64_t *ret, size_t n)
{
    if (memcmp(p, magic, 8) != 0 || store_get32(p + 8 + 8 * n) != store_crc(0, p, 8 + 8 * n))
        return false;
    for (size_t i = 0; i < n; i++)
        ret[i] = store_get64(p + 8 + 8 * i);
    return true;
}

static int pwrite_all(int fd, const void *data, size_t len, off_t at)
{
    ssize_t n = pwrite(fd, data, len, at);

    if (n < 0)
        return store_errno();
    return (size_t)n == len ? 0 : -ENOSPC;
}

int ids_open(struct ids *ids, int dirfd, const char *name)
{
    unsigned char data[FILE_SIZE] = {0};
    uint64_t v[3];
    bool found = false;
    _cleanup_(store_closep) int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    *ids = (struct ids){.fd = -1};
    if (fd < 0)
        return store_errno();
    if (pread(fd, data, sizeof(data), 0) < 0)
        return store_errno();
    for (int i = 0; i < 2; i++) {
        if (!unseal(data + i * SECTOR, "VDI-IDS1", v, 3))
            continue;
        ids->counter = v[0] > ids->counter ? v[0] : ids->counter;
        ids->id_reserve = v[1] > ids->id_reserve ? v[1] : ids->id_reserve;
        ids->epoch = v[2] > ids->epoch ? v[2] : ids->epoch;
        found = true;
    }
    if (unseal(data + MARK_AT, "VDI-ACK1", v, 1))
        ids->acked = v[0];
    if (!found)
        return -EBADMSG;
    ids->fd = fd;
    fd = -1;
    return 0;
}

int ids_create(struct ids *ids, int dirfd, const char *name)
{
    unsigned char data[FILE_SIZE] = {0};
    uint64_t v[] = {ids->counter, ids->id_reserve, ids->epoch};
    char tmp[NAME_MAX + 1];

    snprintf(tmp, sizeof(tmp), "%s.tmp", name);
    seal(data, "VDI-IDS1", v, 3);
    seal(data + SECTOR, "VDI-IDS1", v, 3);
    seal(data + MARK_AT, "VDI-ACK1", &ids->acked, 1);
    _cleanup_(store_closep) int fd =
        openat(dirfd, tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return store_errno();
    int r = pwrite_all(fd, data, sizeof(data), 0);
    if (r < 0)
        return r;
    if (fsync(fd) < 0 || renameat(dirfd, tmp, dirfd, name) < 0 || fsync(dirfd) < 0)
        return store_errno();
    ids_close(ids);
    ids->fd = fd;
    fd = -1;
    return 0;
}

int ids_raise(struct ids *ids, uint64_t id_reserve, uint64_t epoch)
{
    unsigned char slot[36];

    if (id_reserve <= ids->id_reserve && epoch <= ids->epoch)
        return 0;
    uint64_t v[] = {ids->counter + 1, id_reserve > ids->id_reserve ? id_reserve : ids->id_reserve,
                    epoch > ids->epoch ? epoch : ids->epoch};
    seal(slot, "VDI-IDS1", v, 3);
    int r = pwrite_all(ids->fd, slot, sizeof(slot), (off_t)(v[0] & 1) * SECTOR);
    if (r < 0)
        return r;
    if (fdatasync(ids->fd) < 0)
        return store_errno();
    ids->counter = v[0];
    ids->id_reserve = v[1];
    ids->epoch = v[2];
    return 0;
}

void ids_acked(struct ids *ids, uint64_t seq)
{
    unsigned char mark[20];

    ids->acked = seq;
    seal(mark, "VDI-ACK1", &seq, 1);
    /* A mark that is not written tells less; it never tells wrong. */
    if (pwrite_all(ids->fd, mark, sizeof(mark), MARK_AT) < 0)
        ids->acked = 0;
}

void ids_close(struct ids *ids)
{
    if (ids->fd >= 0)
        close(ids->fd);
    ids->fd = -1;
}
