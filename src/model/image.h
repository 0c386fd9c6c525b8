/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - one version of an image: what was published under a name. Immutable like struct job.
 *
 * Versions are told apart by the digest of their manifest. The current one of a name is the
 * published one that was selected last; a publication selects.
 */
#ifndef MODEL_IMAGE_H
#define MODEL_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

#define IMAGE_VERSION_NAME_MAX 64                           /* bytes of a name */
#define IMAGE_REF_MAX (IMAGE_VERSION_NAME_MAX + 8 + 64 + 1) /* "NAME@sha256:HEX" and the NUL */
#define IMAGE_DIGEST_WORD "@sha256:"
#define IMAGE_TEXT_MAX 8192 /* bytes of a manifest that is published */

enum image_event_type {
    IMAGE_EVENT_PUBLISH, /* also of one that was retired */
    IMAGE_EVENT_SELECT,  /* is the current one from now on */
    IMAGE_EVENT_RETIRE,  /* given to no new instance */
    IMAGE_N_EVENTS
};

enum image_state { IMAGE_PUBLISHED, IMAGE_RETIRED };
extern const char *const image_state_names[]; /* NULL-terminated */

struct image {
    unsigned refs;
    uint64_t seq;
    char key[IMAGE_REF_MAX]; /* "NAME@HEX" */
    char name[IMAGE_VERSION_NAME_MAX + 1];
    char sha256[65];  /* of the manifest */
    uint32_t state;   /* enum image_state */
    uint32_t version; /* counts up within the name */
    uint64_t bytes;   /* of its files */
    uint64_t virtual_bytes, min_disk_gib;
    char firmware[16];
    char source[1024]; /* where the disk is, if not in the store: https URL, or path of nodes */
    char publisher[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char reason[128]; /* what the publisher says about it */
    char manifest[IMAGE_TEXT_MAX];
    int64_t publish_usec, select_usec, retire_usec;
};

struct image_event {
    enum image_event_type type;
    int64_t time_usec;
    uint32_t version;
    uint64_t bytes, virtual_bytes, min_disk_gib;
    char firmware[16];
    char source[1024];
    char reason[128];
    char manifest[IMAGE_TEXT_MAX];
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
};

const char *image_event_name(enum image_event_type type);
int image_event_from(const char *name); /* -1: unknown */
struct image *image_ref(struct image *image);
void image_unref(struct image *image);
int image_apply(const struct image *old, const char *key, const struct image_event *event,
                struct image **ret, struct vdi_error *err);

/*
 * "NAME", "NAME@sha256:HEX" or "NAME@HEX". ret_name has IMAGE_VERSION_NAME_MAX + 1 bytes,
 * ret_digest 65: the digest of the second form, else "". False: it is none of these.
 */
bool image_ref_parse(const char *ref, char *ret_name, char *ret_digest);
/* Whether it is 64 hex digits in lower case. */
bool image_is_digest(const char *hex);

#endif
