/* SPDX-License-Identifier: Apache-2.0 */
/* image.c - versions of images and what each event makes of them; pure like job.c. */
#include "model/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const events[IMAGE_N_EVENTS] = {"publish", "select", "retire"};
const char *const image_state_names[] = {"published", "retired", NULL};

const char *image_event_name(enum image_event_type type)
{
    return (unsigned)type < IMAGE_N_EVENTS ? events[type] : "none";
}

int image_event_from(const char *name)
{
    for (int i = 0; i < IMAGE_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

struct image *image_ref(struct image *image)
{
    image->refs++;
    return image;
}

void image_unref(struct image *image)
{
    if (image && !--image->refs)
        free(image);
}

bool image_is_digest(const char *hex)
{
    return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

bool image_ref_parse(const char *ref, char *ret_name, char *ret_digest)
{
    const char *at = strchr(ref, '@');
    size_t n = at ? (size_t)(at - ref) : strlen(ref);

    ret_digest[0] = '\0';
    if (n > IMAGE_VERSION_NAME_MAX)
        return false;
    memcpy(ret_name, ref, n);
    ret_name[n] = '\0';
    if (!str_is_name(ret_name, IMAGE_VERSION_NAME_MAX))
        return false;
    if (!at)
        return true;
    if (!str_starts_with(at, IMAGE_DIGEST_WORD))
        return image_is_digest(at + 1);
    if (!image_is_digest(at + sizeof(IMAGE_DIGEST_WORD) - 1))
        return false;
    memcpy(ret_digest, at + sizeof(IMAGE_DIGEST_WORD) - 1, 65);
    return true;
}

static int check_change(const struct image *old, const char *key, const struct image_event *event,
                        struct vdi_error *err)
{
    if (event->type == IMAGE_EVENT_PUBLISH)
        return 0;
    if (!old)
        return error_set(err, ENOENT, "name", "there is no image %s", key);
    if (old->state == IMAGE_RETIRED) {
        error_set(err, EPROTO, "state", "version %u of image '%s' is retired", old->version,
                  old->name);
        error_hint(err, NULL, "publish it again");
        return -EPROTO;
    }
    return 0;
}

/* What a version is never changes: only the first publication says it. */
static void apply_publish(struct image *image, bool is_new, const struct image_event *event)
{
    image->state = IMAGE_PUBLISHED;
    image->publish_usec = image->select_usec = event->time_usec;
    image->retire_usec = 0;
    str_copy(image->source, sizeof(image->source), event->source);
    str_copy(image->publisher, sizeof(image->publisher), event->by);
    str_copy(image->reason, sizeof(image->reason), event->reason);
    if (!is_new)
        return;
    image->version = event->version;
    image->bytes = event->bytes;
    image->virtual_bytes = event->virtual_bytes;
    image->min_disk_gib = event->min_disk_gib;
    str_copy(image->firmware, sizeof(image->firmware), event->firmware);
    str_copy(image->manifest, sizeof(image->manifest), event->manifest);
}

int image_apply(const struct image *old, const char *key, const struct image_event *event,
                struct image **ret, struct vdi_error *err)
{
    int r = check_change(old, key, event, err);
    const char *at = strchr(key, '@');
    struct image *image;

    if (r < 0)
        return r;
    if (!at || (size_t)(at - key) > IMAGE_VERSION_NAME_MAX)
        return error_set(err, EINVAL, "name", "'%.80s' names no version of an image", key);
    image = calloc(1, sizeof(*image));
    if (!image)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *image = *old;
    image->refs = 1;
    str_copy(image->key, sizeof(image->key), key);
    memcpy(image->name, key, (size_t)(at - key));
    image->name[at - key] = '\0';
    str_copy(image->sha256, sizeof(image->sha256), at + 1);
    if (event->type == IMAGE_EVENT_PUBLISH) {
        apply_publish(image, !old, event);
    } else if (event->type == IMAGE_EVENT_SELECT) {
        image->select_usec = event->time_usec;
    } else {
        image->state = IMAGE_RETIRED;
        image->retire_usec = event->time_usec;
    }
    *ret = image;
    return 0;
}
