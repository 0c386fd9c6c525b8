/* SPDX-License-Identifier: Apache-2.0 */
/* inventory.c - a node's inventory in JSON. */
#include "codec/inventory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "codec/json.h"
#include "model/disk.h"

#define INV(m) offsetof(struct inventory, m), sizeof(((struct inventory *)0)->m)
#define ID(m) offsetof(struct vdi_instance_id, m), sizeof(((struct vdi_instance_id *)0)->m)

static const struct field fields[] = {
    {"cpus", FIELD_U32, INV(cpus), FIELD_SUBMIT, 0, 1 << 20, NULL, "CPUs of the host"},
    {"memory_mib", FIELD_U32, INV(memory_mib), FIELD_SUBMIT, 0, INT32_MAX, NULL, "its memory"},
    {"disk_gib", FIELD_U32, INV(disk_gib), FIELD_SUBMIT, 0, INT32_MAX, NULL, "free for instances"},
    {"version", FIELD_FIXED, INV(version), FIELD_SUBMIT, 0, 0, NULL, "of vdid"},
    {"out_of_service", FIELD_FIXED, INV(out_of_service), FIELD_SUBMIT, 0, 0, NULL, "why"},
    {.type = FIELD_END},
};

#define IMAGE(m) offsetof(struct inventory_image, m), sizeof(((struct inventory_image *)0)->m)

const char *const inventory_image_states[] = {"cached", "fetching", "failed", NULL};

static const struct field image_rows[] = {
    {"sha256", FIELD_FIXED, IMAGE(sha256), FIELD_SUBMIT | FIELD_REQUIRED, 0, 0, NULL, "version"},
    {"state", FIELD_ENUM, IMAGE(state), FIELD_SUBMIT, 0, 0, inventory_image_states, "how far"},
    {"bytes", FIELD_U64, IMAGE(bytes), FIELD_SUBMIT, 0, INT64_MAX, NULL, "of its files"},
    {"done_bytes", FIELD_U64, IMAGE(done_bytes), FIELD_SUBMIT, 0, INT64_MAX, NULL, "here"},
    {"reason", FIELD_FIXED, IMAGE(reason), FIELD_SUBMIT | FIELD_SKIP_EMPTY, 0, 0, NULL, "why not"},
    {.type = FIELD_END},
};

#define VOLUME(m) offsetof(struct inventory_volume, m), sizeof(((struct inventory_volume *)0)->m)

static const struct field volume_rows[] = {
    {"volume", FIELD_FIXED, VOLUME(volume), FIELD_SUBMIT | FIELD_REQUIRED, 0, 0, NULL, "its name"},
    {"where", FIELD_ENUM, VOLUME(where), FIELD_SUBMIT, 0, 0, disk_where_names, "whose directory"},
    {"size_bytes", FIELD_U64, VOLUME(size_bytes), FIELD_SUBMIT, 0, INT64_MAX, NULL, "at most"},
    {"bytes", FIELD_U64, VOLUME(bytes), FIELD_SUBMIT, 0, INT64_MAX, NULL, "now"},
    {.type = FIELD_END},
};

static const struct field id_fields[] = {
    {"id", FIELD_U64, ID(id), FIELD_SUBMIT | FIELD_REQUIRED, 1, INT64_MAX, NULL, "instance"},
    {"generation", FIELD_U32, ID(generation), FIELD_SUBMIT | FIELD_REQUIRED, 1, INT32_MAX, NULL,
     "generation"},
    {.type = FIELD_END},
};

void inventory_encode(const struct inventory *inventory, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(fields, inventory, FIELD_SUBMIT, out, &first);
    buf_puts(out, ",\"instances\":[");
    for (size_t i = 0; i < inventory->n; i++) {
        first = true;
        buf_puts(out, i ? ",{" : "{");
        fields_write(id_fields, &inventory->instances[i].id, FIELD_SUBMIT, out, &first);
        buf_printf(out, ",\"report\":%s}", inventory->instances[i].report);
    }
    buf_puts(out, "],\"images\":[");
    for (size_t i = 0; i < inventory->n_images; i++) {
        first = true;
        buf_puts(out, i ? ",{" : "{");
        fields_write(image_rows, &inventory->images[i], FIELD_SUBMIT, out, &first);
        buf_putc(out, '}');
    }
    buf_puts(out, "],\"volumes\":[");
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        first = true;
        buf_puts(out, i ? ",{" : "{");
        fields_write(volume_rows, &inventory->volumes[i], FIELD_SUBMIT, out, &first);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

static int decode_images(json_t *list, struct inventory *inv, struct vdi_error *err)
{
    json_t *item;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > INVENTORY_IMAGES_MAX)
        return error_set(err, EINVAL, "images", "'images' must be a list of at most %d",
                         INVENTORY_IMAGES_MAX);
    inv->images = calloc(json_array_size(list) + 1, sizeof(*inv->images));
    if (!inv->images)
        return error_set(err, ENOMEM, "", "out of memory");
    json_array_foreach(list, i, item)
    {
        int r = fields_read_value(image_rows, &inv->images[i], item, FIELD_SUBMIT, NULL, err);

        if (r < 0)
            return r;
        inv->n_images++;
    }
    return 0;
}

static int decode_volumes(json_t *list, struct inventory *inv, struct vdi_error *err)
{
    json_t *item;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > INVENTORY_VOLUMES_MAX)
        return error_set(err, EINVAL, "volumes", "'volumes' must be a list of at most %d",
                         INVENTORY_VOLUMES_MAX);
    inv->volumes = calloc(json_array_size(list) + 1, sizeof(*inv->volumes));
    if (!inv->volumes)
        return error_set(err, ENOMEM, "", "out of memory");
    json_array_foreach(list, i, item)
    {
        int r = fields_read_value(volume_rows, &inv->volumes[i], item, FIELD_SUBMIT, NULL, err);

        if (r < 0)
            return r;
        inv->n_volumes++;
    }
    return 0;
}

static int decode_instance(json_t *item, struct inventory_instance *ret, struct vdi_error *err)
{
    json_t *report = json_object_get(item, "report");
    int r;

    if (!json_is_object(item) || !json_is_object(report))
        return error_set(err, EINVAL, "instances", "an instance must be an object with a report");
    ret->report = json_dumps(report, JSON_COMPACT);
    if (!ret->report)
        return error_set(err, ENOMEM, "", "out of memory");
    json_object_del(item, "report");
    r = fields_read_value(id_fields, &ret->id, item, FIELD_SUBMIT, NULL, err);
    return r;
}

static int decode_instances(json_t *list, struct inventory *inv, struct vdi_error *err)
{
    json_t *item;
    size_t i;

    if (!json_is_array(list))
        return error_set(err, EINVAL, "instances", "'instances' must be a list");
    if (json_array_size(list) > INVENTORY_MAX)
        return error_set(err, E2BIG, "instances", "%zu instances are too many",
                         json_array_size(list));
    inv->instances = calloc(json_array_size(list) + 1, sizeof(*inv->instances));
    if (!inv->instances)
        return error_set(err, ENOMEM, "", "out of memory");
    json_array_foreach(list, i, item)
    {
        int r = decode_instance(item, &inv->instances[i], err);

        inv->n++;
        if (r < 0)
            return r;
    }
    return 0;
}

int inventory_decode(const char *json, struct inventory *ret, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *object = fields_parse_object(json, strlen(json), err);
    _cleanup_(json_decrefp) json_t *list = NULL;
    _cleanup_(json_decrefp) json_t *images = NULL;
    _cleanup_(json_decrefp) json_t *volumes = NULL;
    struct inventory inv = {0};
    int r;

    if (!object)
        return -EINVAL;
    list = json_incref(json_object_get(object, "instances"));
    json_object_del(object, "instances");
    images = json_incref(json_object_get(object, "images"));
    json_object_del(object, "images");
    volumes = json_incref(json_object_get(object, "volumes"));
    json_object_del(object, "volumes");
    r = fields_read_value(fields, &inv, object, FIELD_SUBMIT, NULL, err);
    if (r >= 0)
        r = decode_instances(list, &inv, err);
    if (r >= 0)
        r = decode_images(images, &inv, err);
    if (r >= 0)
        r = decode_volumes(volumes, &inv, err);
    if (r < 0)
        inventory_done(&inv);
    else
        *ret = inv;
    return r;
}

void inventory_done(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->n; i++)
        free(inventory->instances[i].report);
    free(inventory->instances);
    free(inventory->images);
    free(inventory->volumes);
    inventory->volumes = NULL;
    inventory->n_volumes = 0;
    inventory->images = NULL;
    inventory->n_images = 0;
    inventory->instances = NULL;
    inventory->n = 0;
}
