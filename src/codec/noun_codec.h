/* SPDX-License-Identifier: Apache-2.0 */
/* noun_codec.h - all nouns but jobs in JSON: documents, events, snapshots. */
#ifndef CODEC_NOUN_CODEC_H
#define CODEC_NOUN_CODEC_H

#include "codec/field.h"
#include "model/class.h"
#include "model/disk.h"
#include "model/image.h"
#include "model/instance.h"
#include "model/node.h"
#include "model/notice.h"
#include "model/occurrence.h"
#include "model/token.h"

#define INSTANCE_EVENT_VERSION 1
#define NODE_EVENT_VERSION 1
#define TOKEN_EVENT_VERSION 1
#define IMAGE_EVENT_VERSION 1
#define DISK_EVENT_VERSION 1
#define NOTICE_EVENT_VERSION 1
#define CLASS_EVENT_VERSION 1
#define OCCURRENCE_EVENT_VERSION 1

extern const struct field instance_fields[], instance_event_fields[];
extern const struct field node_fields[], node_event_fields[];
extern const struct field token_fields[], token_event_fields[];
extern const struct field image_fields[], image_event_fields[];
extern const struct field disk_fields[], disk_event_fields[];
extern const struct field notice_fields[], notice_event_fields[];
extern const struct field class_fields[], class_event_fields[];
extern const struct field reservation_fields[]; /* of a struct class that has nodes */
extern const struct field occurrence_fields[], occurrence_event_fields[];

void instance_event_encode(const struct instance_event *event, struct buf *out);
int instance_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                          size_t len, struct instance_event *ret, struct vdi_error *err);
void instance_snapshot_encode(const struct instance *instance, struct buf *out);
int instance_snapshot_decode(uint64_t id, uint32_t version, const char *json, size_t len,
                             struct instance **ret, struct vdi_error *err);

void node_event_encode(const struct node_event *event, struct buf *out);
int node_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                      size_t len, struct node_event *ret, struct vdi_error *err);
void node_snapshot_encode(const struct node *node, struct buf *out);
int node_snapshot_decode(const char *name, uint32_t version, const char *json, size_t len,
                         struct node **ret, struct vdi_error *err);

void image_event_encode(const struct image_event *event, struct buf *out);
int image_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                       size_t len, struct image_event *ret, struct vdi_error *err);
void image_snapshot_encode(const struct image *image, struct buf *out);
int image_snapshot_decode(const char *key, uint32_t version, const char *json, size_t len,
                          struct image **ret, struct vdi_error *err);

void disk_event_encode(const struct disk_event *event, struct buf *out);
int disk_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                      size_t len, struct disk_event *ret, struct vdi_error *err);
void disk_snapshot_encode(const struct disk *disk, struct buf *out);
int disk_snapshot_decode(uint64_t id, uint32_t version, const char *json, size_t len,
                         struct disk **ret, struct vdi_error *err);

void notice_event_encode(const struct notice_event *event, struct buf *out);
int notice_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                        size_t len, struct notice_event *ret, struct vdi_error *err);
void notice_snapshot_encode(const struct notice *notice, struct buf *out);
int notice_snapshot_decode(const char *key, uint32_t version, const char *json, size_t len,
                           struct notice **ret, struct vdi_error *err);

void class_event_encode(const struct class_event *event, struct buf *out);
int class_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                       size_t len, struct class_event *ret, struct vdi_error *err);
void class_snapshot_encode(const struct class *class, struct buf *out);
int class_snapshot_decode(uint64_t id, uint32_t version, const char *json, size_t len,
                          struct class **ret, struct vdi_error *err);

void occurrence_event_encode(const struct occurrence_event *event, struct buf *out);
int occurrence_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                            size_t len, struct occurrence_event *ret, struct vdi_error *err);
void occurrence_snapshot_encode(const struct occurrence *occurrence, struct buf *out);
int occurrence_snapshot_decode(const char *key, uint32_t version, const char *json, size_t len,
                               struct occurrence **ret, struct vdi_error *err);

void token_event_encode(const struct token_event *event, struct buf *out);
int token_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                       size_t len, struct token_event *ret, struct vdi_error *err);
void token_snapshot_encode(const struct token *token, struct buf *out);
int token_snapshot_decode(const char *id, uint32_t version, const char *json, size_t len,
                          struct token **ret, struct vdi_error *err);

#endif
