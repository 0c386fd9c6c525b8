/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c - frames of a backup file, written and read; a file is hostile until its sum fits. */
#include "codec/backup.h"

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/document.h"
#include "codec/field.h"

#define MAGIC "OSVDI-BACKUP "
#define HEAD_MAX 4096
#define FRAME_HEAD 5u
#define ROW_FIXED 28u
#define END_LEN 48u

struct backup_sum {
    EVP_MD_CTX *md;
};

struct backup_sum *backup_sum_new(void)
{
    struct backup_sum *sum = calloc(1, sizeof(*sum));

    if (!sum)
        return NULL;
    sum->md = EVP_MD_CTX_new();
    if (!sum->md || EVP_DigestInit_ex(sum->md, EVP_sha256(), NULL) != 1) {
        backup_sum_free(sum);
        return NULL;
    }
    return sum;
}

void backup_sum_free(struct backup_sum *sum)
{
    if (sum)
        EVP_MD_CTX_free(sum->md);
    free(sum);
}

void backup_sum_add(struct backup_sum *sum, const void *data, size_t len)
{
    EVP_DigestUpdate(sum->md, data, len);
}

/* ---- writing ---- */

static void put(unsigned char *p, uint64_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)(n >> (8 * i));
}

static uint64_t get(const unsigned char *p, size_t bytes)
{
    uint64_t n = 0;

    for (size_t i = bytes; i-- > 0;)
        n = n << 8 | p[i];
    return n;
}

static void put_frame_head(struct buf *out, enum backup_kind kind, size_t len)
{
    unsigned char head[FRAME_HEAD] = {(unsigned char)kind};

    put(head + 1, len, 4);
    buf_append(out, head, sizeof(head));
}

void backup_write_head(const struct backup_head *head, struct buf *out)
{
    char when[40];

    buf_printf(out, MAGIC "%d\n{\"osvdi\":", BACKUP_FORMAT);
    json_write_string(out, head->version);
    buf_puts(out, ",\"cluster\":");
    json_write_string(out, head->cluster);
    buf_printf(out,
               ",\"time\":\"%s\",\"seq\":%" PRIu64 ",\"epoch\":%" PRIu64 ",\"id_reserve\":%" PRIu64
               "}\n",
               time_to_rfc3339(head->time_usec, when), head->seq, head->epoch, head->id_reserve);
}

int backup_write_row(enum backup_kind kind, const struct vdi_store_object *row, struct buf *out)
{
    const char *labels[] = {row->noun, row->key, row->owner, row->state};
    unsigned char fixed[ROW_FIXED];
    size_t len = ROW_FIXED;

    for (size_t i = 0; i < 4; i++)
        len += strlen(labels[i]) + 1;
    if (len - ROW_FIXED > BACKUP_ROW_LABELS_MAX || row->body_len > BACKUP_FRAME_MAX - len)
        return -EFBIG;
    put_frame_head(out, kind, len + row->body_len);
    put(fixed, row->seq, 8);
    put(fixed + 8, (uint64_t)row->begin_usec, 8);
    put(fixed + 16, (uint64_t)row->end_usec, 8);
    put(fixed + 24, row->version, 4);
    buf_append(out, fixed, sizeof(fixed));
    for (size_t i = 0; i < 4; i++)
        buf_append(out, labels[i], strlen(labels[i]) + 1);
    buf_append(out, row->body, row->body_len);
    return out->failed ? -ENOMEM : 0;
}

void backup_write_end(struct backup_sum *sum, uint64_t n_objects, uint64_t n_archive,
                      struct buf *out)
{
    unsigned char end[END_LEN];

    put(end, n_objects, 8);
    put(end + 8, n_archive, 8);
    EVP_DigestFinal_ex(sum->md, end + 16, NULL);
    put_frame_head(out, BACKUP_END, sizeof(end));
    buf_append(out, end, sizeof(end));
}

/* ---- reading ---- */

struct backup_file {
    FILE *f;
    char path[256];
    struct backup_head head;
    off_t first; /* row */
    uint64_t n_objects, n_archive;
    unsigned char *data; /* the frame that was read last, and a NUL */
    size_t size;
};

static int damaged(const struct backup_file *file, struct vdi_error *err, const char *what)
{
    error_set(err, EBADMSG, "", "%.100s: %s, at byte %lld", file->path, what,
              (long long)ftello(file->f));
    error_hint(err, NULL, "take another backup; nothing was changed");
    return -EBADMSG;
}

void backup_close(struct backup_file *file)
{
    if (!file)
        return;
    if (file->f)
        fclose(file->f);
    free(file->data);
    free(file);
}

static int read_format(struct backup_file *file, char *line, struct vdi_error *err)
{
    uint64_t format;

    if (!fgets(line, HEAD_MAX, file->f) || !str_starts_with(line, MAGIC))
        return damaged(file, err, "this is no backup of OSVDI");
    line[strcspn(line, "\n")] = '\0';
    if (str_to_u64(line + strlen(MAGIC), 1, 1000000, &format) < 0)
        return damaged(file, err, "the format has no number");
    if (!fgets(line, HEAD_MAX, file->f))
        return damaged(file, err, "the head is missing");
    return (int)format;
}

static int read_head(struct backup_file *file, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    char line[HEAD_MAX], remedy[96];
    const struct value *root;
    int format = read_format(file, line, err);

    if (format < 0)
        return format;
    if (document_parse(line, strlen(line), &document, NULL) < 0)
        return damaged(file, err, "the head can't be read");
    root = document_root(document);
    str_copy(file->head.version, sizeof(file->head.version),
             value_get_string(root, "osvdi", "(unknown)"));
    if (format > BACKUP_FORMAT) {
        error_set(err, EPROTO, "", "%.100s: format %d, this release knows formats up to %d",
                  file->path, format, BACKUP_FORMAT);
        snprintf(remedy, sizeof(remedy), "install osvdi %s or later; nothing was changed",
                 file->head.version);
        error_hint(err, NULL, remedy);
        return -EPROTO;
    }
    str_copy(file->head.cluster, sizeof(file->head.cluster), value_get_string(root, "cluster", ""));
    time_from_rfc3339(value_get_string(root, "time", ""), &file->head.time_usec);
    file->head.seq = (uint64_t)value_get_int(root, "seq", 0);
    file->head.epoch = (uint64_t)value_get_int(root, "epoch", 0);
    file->head.id_reserve = (uint64_t)value_get_int(root, "id_reserve", 0);
    file->first = ftello(file->f);
    if (file->head.seq > INT64_MAX || file->head.epoch > INT64_MAX / 2 ||
        file->head.id_reserve > INT64_MAX / 2)
        return damaged(file, err, "the head's numbers are out of range");
    return 0;
}

/* The next frame into file->data: its kind. */
static int read_frame(struct backup_file *file, size_t *ret_len, struct vdi_error *err)
{
    unsigned char head[FRAME_HEAD];
    size_t len;

    if (fread(head, 1, sizeof(head), file->f) != sizeof(head))
        return damaged(file, err, "it is cut short");
    len = get(head + 1, 4);
    if (len > BACKUP_FRAME_MAX)
        return damaged(file, err, "a row is too long");
    if (head[0] != BACKUP_OBJECT && head[0] != BACKUP_ARCHIVE && head[0] != BACKUP_END)
        return damaged(file, err, "there is no such row");
    if (len + 1 > file->size) {
        unsigned char *data = realloc(file->data, len + 1);

        if (!data)
            return error_set(err, ENOMEM, "", "out of memory");
        file->data = data;
        file->size = len + 1;
    }
    if (fread(file->data, 1, len, file->f) != len)
        return damaged(file, err, "it is cut short");
    file->data[len] = '\0';
    *ret_len = len;
    return head[0];
}

static bool read_row(const unsigned char *data, size_t len, struct vdi_store_object *ret)
{
    const char *labels[4];
    size_t at = ROW_FIXED;

    if (len < ROW_FIXED + 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        const unsigned char *end = at < len ? memchr(data + at, '\0', len - at) : NULL;

        if (!end)
            return false;
        labels[i] = (const char *)data + at;
        at = (size_t)(end - data) + 1;
    }
    *ret = (struct vdi_store_object){
        .seq = get(data, 8),
        .begin_usec = (int64_t)get(data + 8, 8),
        .end_usec = (int64_t)get(data + 16, 8),
        .version = (uint32_t)get(data + 24, 4),
        .noun = labels[0],
        .key = labels[1],
        .owner = labels[2],
        .state = labels[3],
        .body = (const char *)data + at,
        .body_len = len - at,
    };
    return at - ROW_FIXED <= BACKUP_ROW_LABELS_MAX;
}

static int check_end(struct backup_file *file, size_t len, struct backup_sum *sum,
                     struct vdi_error *err)
{
    unsigned char digest[32];

    if (len != END_LEN || fgetc(file->f) != EOF)
        return damaged(file, err, "it does not end where it says");
    EVP_DigestFinal_ex(sum->md, digest, NULL);
    if (memcmp(digest, file->data + 16, sizeof(digest)) != 0)
        return damaged(file, err, "its SHA-256 differs");
    if (get(file->data, 8) != file->n_objects || get(file->data + 8, 8) != file->n_archive)
        return damaged(file, err, "it does not have all of its rows");
    return 0;
}

/* The sum of the two lines before the rows: read anew, as they stand. */
static int sum_head(struct backup_file *file, struct backup_sum *sum, struct vdi_error *err)
{
    char bytes[2 * HEAD_MAX];
    size_t n = (size_t)file->first;

    if (file->first <= 0 || n > sizeof(bytes) || fseeko(file->f, 0, SEEK_SET) < 0 ||
        fread(bytes, 1, n, file->f) != n)
        return damaged(file, err, "it can't be read");
    backup_sum_add(sum, bytes, n);
    return 0;
}

static int check_all(struct backup_file *file, struct backup_sum *sum, struct vdi_error *err)
{
    int kind = 0, r = sum_head(file, sum, err);

    while (r >= 0 && kind != BACKUP_END) {
        struct vdi_store_object row;
        unsigned char head[FRAME_HEAD];
        size_t len = 0;

        kind = r = read_frame(file, &len, err);
        if (kind < 0)
            break;
        if (kind == BACKUP_END)
            return check_end(file, len, sum, err);
        head[0] = (unsigned char)kind;
        put(head + 1, len, 4);
        backup_sum_add(sum, head, sizeof(head));
        backup_sum_add(sum, file->data, len);
        if (!read_row(file->data, len, &row))
            r = damaged(file, err, "a row can't be read");
        else if (kind == BACKUP_OBJECT)
            file->n_objects++;
        else
            file->n_archive++;
    }
    return r;
}

int backup_open(const char *path, struct backup_file **ret, struct vdi_error *err)
{
    _cleanup_(backup_closep) struct backup_file *file = calloc(1, sizeof(*file));
    struct backup_sum *sum = backup_sum_new();
    struct stat st;
    int r = file && sum ? 0 : error_set(err, ENOMEM, "", "out of memory");

    if (r == 0) {
        str_copy(file->path, sizeof(file->path), path);
        file->f = fopen(path, "re");
        if (!file->f || fstat(fileno(file->f), &st) < 0)
            r = error_set(err, errno, "", "%.200s: %s", path, strerror(errno));
        else if (!S_ISREG(st.st_mode))
            r = error_set(err, EINVAL, "", "%.200s is no plain file", path);
    }
    if (r == 0)
        r = read_head(file, err);
    if (r == 0)
        r = check_all(file, sum, err);
    backup_sum_free(sum);
    if (r < 0)
        return r;
    *ret = file;
    file = NULL;
    return backup_rewind(*ret);
}

const struct backup_head *backup_head(const struct backup_file *file)
{
    return &file->head;
}

uint64_t backup_count(const struct backup_file *file, enum backup_kind kind)
{
    return kind == BACKUP_OBJECT ? file->n_objects : file->n_archive;
}

int backup_rewind(struct backup_file *file)
{
    return fseeko(file->f, file->first, SEEK_SET) < 0 ? -errno : 0;
}

int backup_next(struct backup_file *file, enum backup_kind *ret_kind,
                struct vdi_store_object *ret_row, struct vdi_error *err)
{
    size_t len;
    int kind = read_frame(file, &len, err);

    if (kind < 0 || kind == BACKUP_END)
        return kind < 0 ? kind : 0;
    if (!read_row(file->data, len, ret_row))
        return damaged(file, err, "it was changed while it was read");
    *ret_kind = (enum backup_kind)kind;
    return 1;
}
