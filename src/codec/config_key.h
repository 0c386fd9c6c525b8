/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_key.h - the one table of what may be written in vdi.conf.
 *
 * Reading, defaults, ranges, the printed reference, the diff of a reconfigure and
 * the check of vdi.conf(5) all come from these rows. A new key is one row, one
 * member of struct config, one paragraph of the man page. Inside codec/ only.
 */
#ifndef CODEC_CONFIG_KEY_H
#define CODEC_CONFIG_KEY_H

#include "base/buf.h"
#include "model/config.h"

enum config_key_type {
    CONFIG_TEXT,     /* char *: printable, at most `max` bytes */
    CONFIG_NAME,     /* char *: str_is_name, at most `max` bytes; "" allowed if it is the default */
    CONFIG_PATH,     /* char *: absolute; "" allowed if it is the default */
    CONFIG_CHOICE,   /* char *: one of choices */
    CONFIG_U32,      /* uint32_t in [min, max] */
    CONFIG_I32,      /* int32_t in [min, max] */
    CONFIG_BOOL,     /* bool */
    CONFIG_DURATION, /* int64_t seconds in [min, max] */
    CONFIG_DURATION32, /* the same in a uint32_t */
    CONFIG_MIB,        /* uint32_t MiB in [min, max], from "512G" */
    CONFIG_GIB,        /* uint32_t GiB in [min, max], from "2T" */
    CONFIG_LIST,       /* struct config_names: texts of at most `max` bytes */
    CONFIG_JOINED,     /* char *: names joined by commas, at most `max` bytes in all */
    CONFIG_HOSTS,      /* struct config_names: a hostlist, spread out and sorted */
    CONFIG_LATER,      /* known to the design, refused by name until it has an effect */
};

enum config_key_flags {
    CONFIG_REQUIRED = 1 << 0, /* must be written; it has no default */
    CONFIG_RESTART = 1 << 1,  /* a change takes effect at a restart only */
};

struct config_key {
    const char *name; /* NULL ends a table */
    enum config_key_type type;
    uint16_t offset;
    uint16_t flags;
    int64_t min, max;
    const char *initial; /* the default, as written in the file; NULL with REQUIRED, LATER */
    const char *const *choices;
    /* A check of the form of one value beyond its type; may be NULL. */
    int (*check)(const char *value, struct vdi_error *err);
    const char *help;
};

enum config_block_flags {
    CONFIG_BLOCK_FREE = 1 << 0, /* keys are a plugin's own: name = one value */
};

struct config_block {
    const char *name; /* NULL ends a table; all blocks have a title */
    uint32_t flags;
    const struct config_key *keys;
    const struct config_block *blocks; /* inside this one; may be NULL */
    const char *help;
};

extern const struct config_key config_keys[];     /* of the file itself: struct config */
extern const struct config_block config_blocks[]; /* site auth node partition qos ... */
extern const struct config_key config_node_keys[];
extern const struct config_key config_gpu_keys[]; /* struct config_node, too */
extern const struct config_key config_profile_keys[];
extern const struct config_key config_partition_keys[];
extern const struct config_key config_qos_keys[];
extern const struct config_key config_account_keys[];
extern const struct config_key config_limit_keys[];
extern const struct config_key config_licence_keys[];
extern const struct config_key config_template_keys[];
extern const struct config_key config_mount_keys[];
extern const struct config_key config_disk_keys[];
extern const struct config_key config_role_keys[];
extern const struct config_key config_class_keys[], config_reservation_keys[];

/* Takes values as written into the member; what was there is freed. -EINVAL, -ERANGE, -ENOMEM. */
int config_key_set(const struct config_key *key, void *base, const char *const *values, size_t n,
                   struct vdi_error *err);
/* Sets every member of the table to its default; required ones to "" or 0. */
int config_keys_default(const struct config_key *keys, void *base);
/* The member's value as people read it; lists with commas. */
void config_key_print(const struct config_key *key, const void *base, struct buf *out);

/* Forms of single values (config_form.c). */
int config_form_store(const char *value, struct vdi_error *err);
int config_form_listen(const char *value, struct vdi_error *err);
int config_form_node_listen(const char *value, struct vdi_error *err);
int config_form_resolution(const char *value, struct vdi_error *err);
int config_form_zone(const char *value, struct vdi_error *err);
int config_form_mail_from(const char *value, struct vdi_error *err);
int config_form_mail_domain(const char *value, struct vdi_error *err);
int config_form_mail_to(const char *value, struct vdi_error *err);
int config_form_moved(const char *value, struct vdi_error *err); /* config_class.c */
int config_form_webhook(const char *value, struct vdi_error *err);

#endif
