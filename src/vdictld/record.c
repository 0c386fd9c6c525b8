/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - CRC-32C over every member of a record; strings with their NUL. */
#include "vdictld/record.h"

#include <string.h>

#include "base/crc32c.h"

static uint32_t crc_string(uint32_t crc, const char *s)
{
    return crc32c(crc, s ? s : "", s ? strlen(s) + 1 : 1);
}

static uint32_t crc_number(uint32_t crc, uint64_t n)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(n >> (8 * i)); /* the same on every machine */
    return crc32c(crc, bytes, sizeof(bytes));
}

static uint32_t record_crc(const struct vdi_store_record *r)
{
    uint32_t crc = crc_number(0, r->seq);

    crc = crc_number(crc, (uint64_t)r->time_usec);
    crc = crc_number(crc, r->version);
    crc = crc_string(crc, r->noun);
    crc = crc_string(crc, r->key);
    crc = crc_string(crc, r->type);
    return crc32c(crc, r->body, r->body_len);
}

static uint32_t object_crc(const struct vdi_store_object *o)
{
    uint32_t crc = crc_number(0, o->seq);

    crc = crc_number(crc, (uint64_t)o->begin_usec);
    crc = crc_number(crc, (uint64_t)o->end_usec);
    crc = crc_number(crc, o->version);
    crc = crc_string(crc, o->noun);
    crc = crc_string(crc, o->key);
    crc = crc_string(crc, o->owner);
    crc = crc_string(crc, o->state);
    return crc32c(crc, o->body, o->body_len);
}

void record_seal(struct vdi_store_record *record)
{
    record->crc = record_crc(record);
}

bool record_is_good(const struct vdi_store_record *record)
{
    return record->crc == record_crc(record);
}

void object_seal(struct vdi_store_object *object)
{
    object->crc = object_crc(object);
}

bool object_is_good(const struct vdi_store_object *object)
{
    return object->crc == object_crc(object);
}
