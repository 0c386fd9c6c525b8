/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - checksums, rows as bytes and the checks both stores make. */
#include "plugins/store/record.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

/* Table k is what a byte does to the sum when k bytes follow it: eight bytes at a step. */
static uint32_t crc_table[8][256];

static void crc_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
        crc_table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t i = 0; i < 256; i++)
            crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xff];
}

uint32_t store_crc(uint32_t crc, const void *data, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const unsigned char *p = data;

    pthread_once(&once, crc_make);
    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t lo = store_get32(p) ^ crc, hi = store_get32(p + 4);
        crc = crc_table[7][lo & 0xff] ^ crc_table[6][lo >> 8 & 0xff] ^
              crc_table[5][lo >> 16 & 0xff] ^ crc_table[4][lo >> 24] ^ crc_table[3][hi & 0xff] ^
              crc_table[2][hi >> 8 & 0xff] ^ crc_table[1][hi >> 16 & 0xff] ^ crc_table[0][hi >> 24];
    }
    for (; len > 0; p++, len--)
        crc = crc_table[0][(crc ^ *p) & 0xff] ^ (crc >> 8);
    return ~crc;
}

void store_put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

void store_put64(unsigned char *p, uint64_t v)
{
    store_put32(p, (uint32_t)v);
    store_put32(p + 4, (uint32_t)(v >> 32));
}

uint32_t store_get32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t store_get64(const unsigned char *p)
{
    return store_get32(p) | (uint64_t)store_get32(p + 4) << 32;
}

int64_t store_key_number(const char *key)
{
    int64_t n = 0;
    size_t i = 0;

    for (; key[i] >= '0' && key[i] <= '9' && i < 18; i++)
        n = n * 10 + (key[i] - '0');
    if (i == 0 || key[i] || (key[0] == '0' && i > 1))
        return -1;
    return n;
}

int store_errno(void)
{
    return errno == EDQUOT || errno == EFBIG ? -ENOSPC : -errno;
}

int store_buf_room(struct store_buf *b, size_t len)
{
    if (len <= b->size)
        return 0;
    size_t size = b->size ? b->size : 4096;
    while (size < len)
        size *= 2;
    unsigned char *p = realloc(b->data, size);
    if (!p)
        return -ENOMEM;
    b->data = p;
    b->size = size;
    return 0;
}

void store_buf_done(struct store_buf *b)
{
    free(b->data);
    *b = (struct store_buf){0};
}

#define ROW_FIXED 52u

int store_row_pack(struct store_buf *b, const struct vdi_store_object *row)
{
    const char *label[4] = {row->noun, row->key, row->owner, row->state};
    size_t len[4], at = ROW_FIXED;

    for (int i = 0; i < 4; i++) {
        len[i] = strlen(label[i]);
        if (len[i] > STORE_LABEL_MAX)
            return -EINVAL;
        at += len[i] + 1;
    }
    if (row->body_len > STORE_BODY_MAX)
        return -EINVAL;
    if (store_buf_room(b, at + row->body_len + 1) < 0)
        return -ENOMEM;
    store_put64(b->data, row->seq);
    store_put64(b->data + 8, (uint64_t)row->begin_usec);
    store_put64(b->data + 16, (uint64_t)row->end_usec);
    store_put32(b->data + 24, row->version);
    store_put32(b->data + 28, row->crc);
    store_put32(b->data + 32, (uint32_t)row->body_len);
    at = ROW_FIXED;
    for (int i = 0; i < 4; i++) {
        store_put32(b->data + 36 + 4 * i, (uint32_t)len[i]);
        memcpy(b->data + at, label[i], len[i] + 1);
        at += len[i] + 1;
    }
    if (row->body_len)
        memcpy(b->data + at, row->body, row->body_len);
    b->data[at + row->body_len] = '\0';
    b->len = at + row->body_len + 1;
    return 0;
}

int store_row_unpack(const unsigned char *data, size_t len, struct vdi_store_object *ret)
{
    const char *label[4];
    size_t at = ROW_FIXED;

    if (len < ROW_FIXED)
        return -EBADMSG;
    for (int i = 0; i < 4; i++) {
        size_t n = store_get32(data + 36 + 4 * i);
        if (n > STORE_LABEL_MAX || n >= len - at || data[at + n] != '\0')
            return -EBADMSG;
        label[i] = (const char *)data + at;
        at += n + 1;
    }
    size_t body_len = store_get32(data + 32);
    if (len - at != body_len + 1 || data[len - 1] != '\0')
        return -EBADMSG;
    *ret = (struct vdi_store_object){
        .seq = store_get64(data),
        .begin_usec = (int64_t)store_get64(data + 8),
        .end_usec = (int64_t)store_get64(data + 16),
        .version = store_get32(data + 24),
        .crc = store_get32(data + 28),
        .noun = label[0],
        .key = label[1],
        .owner = label[2],
        .state = label[3],
        .body = (const char *)data + at,
        .body_len = body_len,
    };
    return 0;
}

int store_fail(struct vdi_error *err, int code, const char *field, const char *format, ...)
{
    if (err) {
        va_list ap;
        *err = (struct vdi_error){.code = code < 0 ? -code : code};
        snprintf(err->field, sizeof(err->field), "%s", field);
        va_start(ap, format);
        vsnprintf(err->detail, sizeof(err->detail), format, ap);
        va_end(ap);
    }
    return code < 0 ? code : -code;
}

void store_hint(struct vdi_error *err, const char *limit, const char *remedy)
{
    if (err && limit)
        snprintf(err->limit, sizeof(err->limit), "%s", limit);
    if (err && remedy)
        snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
}

static bool label_ok(const char *s)
{
    return s && strlen(s) <= STORE_LABEL_MAX;
}

static int object_check(const struct vdi_store_object *o, struct vdi_error *err)
{
    if (!label_ok(o->noun) || !label_ok(o->key) || !label_ok(o->owner) || !label_ok(o->state) ||
        o->body_len > STORE_BODY_MAX || o->seq > INT64_MAX)
        return store_fail(err, EINVAL, "archive", "An object of event %llu is over a limit.",
                          (unsigned long long)o->seq);
    return 0;
}

int store_batch_check(const struct vdi_store_batch *batch, uint64_t last_seq, struct vdi_error *err)
{
    if (batch->n_records > STORE_BATCH_MAX || batch->n_archive > STORE_BATCH_MAX)
        return store_fail(err, EINVAL, "batch", "A batch of %zu events and %zu objects is too big.",
                          batch->n_records, batch->n_archive);
    if (batch->id_reserve > INT64_MAX)
        return store_fail(err, EINVAL, "id_reserve", "The id reserve is out of range.");
    for (size_t i = 0; i < batch->n_records; i++) {
        const struct vdi_store_record *r = &batch->records[i];
        if (r->seq != last_seq + 1 + i || r->seq > INT64_MAX)
            return store_fail(err, EINVAL, "seq", "Event %llu does not follow event %llu.",
                              (unsigned long long)r->seq, (unsigned long long)(last_seq + i));
        if (!label_ok(r->noun) || !label_ok(r->key) || !label_ok(r->type) ||
            r->body_len > STORE_BODY_MAX)
            return store_fail(err, EINVAL, "event", "Event %llu is over a limit.",
                              (unsigned long long)r->seq);
    }
    for (size_t i = 0; i < batch->n_archive; i++) {
        int r = object_check(&batch->archive[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int store_query_check(const struct vdi_store_query *q, bool archive, struct vdi_error *err)
{
    size_t n = 0;

    if (!q->noun)
        return store_fail(err, EINVAL, "noun", "A query needs a noun.");
    if (q->limit < 1 || q->limit > STORE_QUERY_MAX) {
        store_fail(err, EINVAL, "limit", "A query for %u rows is refused.", q->limit);
        store_hint(err, "1 to 10000 rows", "Ask for fewer and go on from the last one.");
        return -EINVAL;
    }
    for (; q->states && q->states[n]; n++)
        if (n >= STORE_STATES_MAX)
            return store_fail(err, EINVAL, "states", "A query names at most %u states.",
                              STORE_STATES_MAX);
    if (!archive && (q->owner || n))
        return store_fail(err, EINVAL, q->owner ? "owner" : "states",
                          "Events are found by noun, key, seq and time only.");
    if (!archive && q->by_end)
        return store_fail(err, EINVAL, "by_end", "Events have no end to be sorted by.");
    if (q->after_seq > INT64_MAX)
        return store_fail(err, EINVAL, "after_seq", "The cursor is out of range.");
    return 0;
}

int store_too_new(struct vdi_error *err, uint32_t has, uint32_t knows, const char *release)
{
    char remedy[100];

    store_fail(err, EPROTO, "store",
               "The store has schema %u, this release knows schemas up to %u; it needs osvdi %s or "
               "later. Nothing was changed.",
               has, knows, release);
    snprintf(remedy, sizeof(remedy), "Install osvdi %.40s or later.", release);
    store_hint(err, NULL, remedy);
    return -EPROTO;
}

int store_stale(struct vdi_error *err, uint64_t mine, uint64_t current)
{
    return store_fail(err, ESTALE, "epoch", "Epoch %llu does not lead: the lease has epoch %llu.",
                      (unsigned long long)mine, (unsigned long long)current);
}

static void __attribute__((format(printf, 3, 0)))
damage(const struct vdi_store_loader *loader, struct vdi_store_damage told, const char *format,
       va_list ap)
{
    char place[256];

    vsnprintf(place, sizeof(place), format, ap);
    told.place = place;
    if (loader->damage)
        loader->damage(loader->arg, &told);
}

void store_damage(const struct vdi_store_loader *loader, const char *reason, const char *format,
                  ...)
{
    va_list ap;

    va_start(ap, format);
    damage(loader, (struct vdi_store_damage){.reason = reason}, format, ap);
    va_end(ap);
}

void store_damage_events(const struct vdi_store_loader *loader, uint64_t first, uint64_t last,
                         const char *reason, const char *format, ...)
{
    struct vdi_store_damage told = {.reason = reason, .first_seq = first, .last_seq = last};
    va_list ap;

    va_start(ap, format);
    damage(loader, told, format, ap);
    va_end(ap);
}

/* Room for one more element of a growing array. */
static void *one_more(void *array, size_t n, size_t *size, size_t element)
{
    if (n < *size)
        return array;
    size_t more = *size ? 2 * *size : 16;
    void *p = realloc(array, more * element);
    if (p)
        *size = more;
    return p;
}

static int sequence_reject(struct store_sequence *q, const struct vdi_store_record *r)
{
    void *p = one_more(q->rejected, q->n_rejected, &q->rejected_size, sizeof(*q->rejected));

    if (!p)
        return -ENOMEM;
    q->rejected = p;
    q->rejected[q->n_rejected++] = (struct store_reject){.seq = r->seq, .crc = r->crc};
    q->damaged = true;
    return 1;
}

static int sequence_accept(struct store_sequence *q, uint64_t seq)
{
    if (q->n_runs && q->runs[q->n_runs - 1].last + 1 == seq) {
        q->runs[q->n_runs - 1].last = seq;
        return 0;
    }
    void *p = one_more(q->runs, q->n_runs, &q->runs_size, sizeof(*q->runs));
    if (!p)
        return -ENOMEM;
    q->runs = p;
    q->runs[q->n_runs++] = (struct store_run){seq, seq};
    return 0;
}

int store_sequence_feed(struct store_sequence *q, const struct vdi_store_record *record)
{
    unsigned long long due = q->next, seq = record->seq;
    char reason[64];

    if (record->seq != q->next) {
        /* Told before the row, so that the host knows what it goes on after. */
        snprintf(reason, sizeof(reason), "the log goes on with event %llu", seq);
        /* One that goes back is no gap, but its seq may be what is damaged. */
        store_damage_events(q->loader, due, seq > due ? seq - 1 : due, reason, "after event %llu",
                            due - 1);
        q->damaged = true;
    }
    if (record->seq < q->next)
        return 1;
    int r = q->loader->record(q->loader->arg, record);
    if (r == -EBADMSG) {
        store_damage_events(q->loader, seq, seq, "checksum differs", "event %llu", seq);
        /* Its seq may be what is damaged: believed only where it is the one due. */
        if (record->seq == q->next)
            q->gap_end = q->next++;
        return sequence_reject(q, record);
    }
    if (r < 0)
        return r;
    if (record->seq > q->next)
        q->gap_end = record->seq - 1;
    q->next = record->seq + 1;
    return sequence_accept(q, record->seq);
}

void store_sequence_end(struct store_sequence *q, uint64_t last)
{
    if (last < q->next)
        return;
    if (last == q->next)
        store_damage_events(q->loader, last, last, "is missing", "event %llu",
                            (unsigned long long)last);
    else
        store_damage_events(q->loader, q->next, last, "are missing", "events %llu to %llu",
                            (unsigned long long)q->next, (unsigned long long)last);
    q->damaged = true;
    q->gap_end = last;
    q->next = last + 1;
}

bool store_sequence_accepted(const struct store_sequence *q, uint64_t seq, uint32_t crc)
{
    bool good = false;

    for (size_t i = 0; i < q->n_runs && !good; i++)
        good = seq >= q->runs[i].first && seq <= q->runs[i].last;
    for (size_t i = 0; i < q->n_rejected && good; i++)
        good = q->rejected[i].seq != seq || q->rejected[i].crc != crc;
    return good;
}

void store_sequence_done(struct store_sequence *q)
{
    free(q->rejected);
    free(q->runs);
    q->rejected = NULL;
    q->runs = NULL;
}
