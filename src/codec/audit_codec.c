/* SPDX-License-Identifier: Apache-2.0 */
/* audit_codec.c - one table for the record as it is kept, shown and read back. */
#include "codec/audit_codec.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/kept.h"

#define AUE(m) offsetof(struct audit_event, m), sizeof(((struct audit_event *)0)->m)
#define SHOWN (FIELD_SHOW | FIELD_KEEP)
#define U32 0, UINT32_MAX, NULL
#define U64 0, INT64_MAX, NULL
#define NONE 0, 0, NULL

const struct field audit_event_fields[] = {
    {"number", FIELD_U64, AUE(number), SHOWN, U64, "place in the trail: 1, 2, 3, ..."},
    {"time", FIELD_TIME, AUE(time_usec), SHOWN, NONE, "when"},
    {"request", FIELD_FIXED, AUE(request), SHOWN, NONE, "request"},
    {"by", FIELD_FIXED, AUE(by), SHOWN, NONE, "who; empty: nobody known"},
    {"address", FIELD_FIXED, AUE(address), SHOWN, NONE, "from where"},
    {"target", FIELD_FIXED, AUE(target), SHOWN, NONE, "on what"},
    {"status", FIELD_U32, AUE(status), SHOWN, U32, "HTTP status answered"},
    {"count", FIELD_U32, AUE(count), SHOWN, U32, "so many alike"},
    {"detail", FIELD_FIXED, AUE(detail), SHOWN, NONE, "what was asked for or said"},
    {"prev", FIELD_FIXED, AUE(prev), SHOWN, NONE, "hash of the record before"},
    {"hash", FIELD_FIXED, AUE(hash), SHOWN, NONE, "SHA-256 over all of the above"},
    {.type = FIELD_END},
};

void audit_event_encode(const struct audit_event *event, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(audit_event_fields, event, FIELD_KEEP, out, &first);
    buf_putc(out, '}');
}

int audit_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                       size_t len, struct audit_event *ret, struct vdi_error *err)
{
    struct audit_event event = {.time_usec = time_usec};
    struct kept_object object = {.fields = audit_event_fields, .base = &event};
    int r;

    if (version > AUDIT_EVENT_VERSION)
        return error_set(err, EPROTO, "type", "audit event '%s' version %u is not known", type,
                         version);
    r = kept_read(&object, 1, json, len, err);
    if (r >= 0)
        *ret = event;
    return r;
}

void audit_snapshot_encode(const struct audit *audit, struct buf *out)
{
    audit_event_encode(&audit->last, out);
}

int audit_snapshot_decode(const char *key, uint32_t version, const char *json, size_t len,
                          struct audit **ret, struct vdi_error *err)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    int r;

    if (!audit)
        return error_set(err, ENOMEM, "", "out of memory");
    audit->refs = 1;
    r = audit_event_decode(key, 0, version, json, len, &audit->last, err);
    if (r < 0)
        audit_unref(audit);
    else
        *ret = audit;
    return r;
}

void audit_event_read(const struct value *item, struct audit_event *ret)
{
    int64_t usec = 0;

    *ret = (struct audit_event){0};
    for (const struct field *f = audit_event_fields; f->type != FIELD_END; f++) {
        char *at = (char *)ret + f->offset;
        int64_t n = value_get_int(item, f->name, 0);

        if (f->type == FIELD_FIXED)
            str_copy(at, f->size, value_get_string(item, f->name, ""));
        else if (f->type == FIELD_U64)
            *(uint64_t *)(void *)at = (uint64_t)n;
        else if (f->type == FIELD_U32)
            *(uint32_t *)(void *)at = (uint32_t)n;
    }
    if (time_from_rfc3339(value_get_string(item, "time", ""), &usec) >= 0)
        ret->time_usec = usec;
}

/* ---- the hash ---- */

static void put_text(EVP_MD_CTX *md, const char *text)
{
    char head[24];
    int n = snprintf(head, sizeof(head), "%zu:", strlen(text));

    EVP_DigestUpdate(md, head, (size_t)n);
    EVP_DigestUpdate(md, text, strlen(text));
    EVP_DigestUpdate(md, ",", 1);
}

static void put_number(EVP_MD_CTX *md, int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    put_text(md, text);
}

void audit_hash(const struct audit_event *e, char *ret)
{
    unsigned char digest[32] = {0};
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1) {
        put_number(md, (int64_t)e->number);
        put_text(md, e->prev);
        put_number(md, e->time_usec);
        put_text(md, e->request);
        put_text(md, e->by);
        put_text(md, e->address);
        put_text(md, e->target);
        put_number(md, e->status);
        put_number(md, e->count);
        put_text(md, e->detail);
        EVP_DigestFinal_ex(md, digest, NULL);
    }
    EVP_MD_CTX_free(md);
    str_to_hex(digest, sizeof(digest), ret);
}

static void clean(char *s)
{
    size_t left = strlen(s);

    while (left) {
        uint32_t code;
        unsigned n = str_utf8(s, left, &code);

        if (!n || code < 32 || (code >= 127 && code < 160)) {
            *s = '?';
            n = 1; /* the rest of a sequence is none by itself */
        }
        s += n;
        left -= n;
    }
}

void audit_clean(struct audit_event *event)
{
    clean(event->request);
    clean(event->by);
    clean(event->address);
    clean(event->target);
    clean(event->detail);
}
