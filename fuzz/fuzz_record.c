/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record.c - what stores read back: rows of a snapshot, keys, and events in any order.
 *
 * Bytes that are taken for a row must make the same bytes again. Of events that come in any
 * order, none may be given to the host that is not due, and every one that is missing between
 * those it took, or is damaged, must have been told.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "plugins/store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void try_row(const uint8_t *data, size_t size)
{
    struct vdi_store_object row, again;
    struct store_buf b = {0};

    if (store_row_unpack(data, size, &row) < 0)
        return;
    must(strlen(row.noun) <= STORE_LABEL_MAX && row.body[row.body_len] == '\0');
    /* Labels end at their first NUL, so only a row without one inside is the same again. */
    must(store_row_pack(&b, &row) == 0 && b.len <= size);
    if (b.len == size)
        must(memcmp(b.data, data, size) == 0);
    must(store_row_unpack(b.data, b.len, &again) == 0);
    must(again.seq == row.seq && again.body_len == row.body_len && !strcmp(again.key, row.key));
    store_buf_done(&b);
}

static void try_key(const uint8_t *data, size_t size)
{
    char key[32], text[32];
    size_t n = size < sizeof(key) - 1 ? size : sizeof(key) - 1;

    memcpy(key, data, n);
    key[n] = '\0';
    int64_t number = store_key_number(key);
    snprintf(text, sizeof(text), "%lld", (long long)number);
    must(number == -1 || (number >= 0 && !strcmp(text, key)));
}

struct host {
    uint64_t last;  /* taken */
    bool told[256]; /* of these something was said */
    bool taken[256];
    unsigned n_damage;
};

/* An odd version is a row that the host finds damaged. */
static int take(void *arg, const struct vdi_store_record *r)
{
    struct host *h = arg;

    must(r->seq > h->last);
    if (r->version & 1)
        return -EBADMSG;
    h->last = r->seq;
    must(r->seq >= 256 || !h->taken[r->seq]);
    if (r->seq < 256)
        h->taken[r->seq] = true;
    return 0;
}

static void damaged(void *arg, const struct vdi_store_damage *told)
{
    struct host *h = arg;

    h->n_damage++;
    must(told->place && told->reason && told->first_seq <= told->last_seq);
    for (uint64_t i = told->first_seq; i <= told->last_seq && i < 256; i++)
        h->told[i] = true;
}

/* Two bytes an event: its seq, and what is odd about it. */
static void try_sequence(const uint8_t *data, size_t size)
{
    struct host h = {0};
    struct vdi_store_loader loader = {.arg = &h, .record = take, .damage = damaged};
    struct store_sequence q = {.loader = &loader, .next = 1};

    for (size_t i = 0; i + 1 < size; i += 2) {
        struct vdi_store_record r = {.seq = data[i], .version = data[i + 1], .crc = data[i + 1]};
        bool due = r.seq >= q.next;
        int got = store_sequence_feed(&q, &r);

        must(got == 0 || got == 1);
        must(got == 1 || (due && store_sequence_accepted(&q, r.seq, r.crc)));
    }
    store_sequence_end(&q, 255);
    must(q.next == 256);
    for (unsigned i = 1; i < 256; i++)
        must(h.taken[i] || h.told[i]);
    must(q.damaged == (h.n_damage > 0));
    store_sequence_done(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_row(data, size);
    try_key(data, size);
    try_sequence(data, size);
    return 0;
}
