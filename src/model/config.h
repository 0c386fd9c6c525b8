/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - vdi.conf as the daemons use it: plain structs, filled by codec/config.c.
 *
 * Everything is owned by struct config; a reconfigure makes a new one. Arrays
 * are in the order of the file. Strings are never NULL.
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/plugin.h>

#include "model/gpu.h"
#include "model/licence.h"

struct config_place { /* where an object was written, for messages */
    char *file;
    int line;
};

struct config_names { /* a list of words */
    char **names;
    size_t n;
};

struct config_plugin { /* site "libvirt" { key = value ... }, auth "munge" { ... } */
    char *name;
    struct vdi_setting_value *settings;
    size_t n_settings;
    struct config_place place;
};

struct config_node { /* one per name: hostlists are spread out */
    char *name;
    uint32_t cpus;
    uint32_t memory_mib;
    uint32_t disk_gib;
    uint32_t encode_mpix;
    char *encoder;  /* hardware, software */
    char *features; /* comma separated */
    uint32_t gpus;
    char *gpu_type;
    char *gpu_law;
    struct config_names gpu_profiles;
    uint32_t gpu_framebuffer_mib; /* 0: as the largest profile */
    uint32_t gpu_capacity;        /* shared: instances at once; slices: their number */
    const struct gpu_kind *kind;  /* one of config.kinds; NULL: no GPU */
    struct config_place place;
};

struct config_profile { /* what a share of a GPU is, beyond what its name says */
    char *name;
    uint32_t framebuffer_mib; /* 0: as the name says */
    uint32_t instances;       /* on one GPU; 0: as many as the framebuffer holds */
    uint32_t slices;
    struct config_names placements; /* numbers of slices at which it may begin */
    char *max_resolution;           /* "": any */
    bool display;
    struct config_place place;
};

/* How much of what may be there at once; 0: any number. */
struct config_limit_set {
    uint32_t running;   /* jobs that hold a node, or are saved */
    uint32_t submitted; /* those, and the pending ones */
    uint32_t gpus;      /* of running jobs */
    uint32_t desktops;  /* running interactive jobs */
    uint32_t licences;  /* of a licence block: of jobs that hold a node, or are saved */
    /* used, decayed, and what running jobs may still use */
    uint32_t gpu_minutes;
};
struct config_limits {
    struct config_limit_set all, user; /* of all jobs together; of each owner's */
    uint32_t job_gpu_minutes;          /* of one job: GPUs times its time limit; 0: any number */
    bool deny; /* what could not run even alone, or a desktop too many, is refused at submit */
};

struct config_partition {
    char *name;
    struct config_names nodes; /* spread out; sorted by strcmp */
    bool is_default;
    bool up;              /* false: submit is accepted, nothing starts */
    int64_t max_time_sec; /* 0: unlimited */
    int64_t default_time_sec;
    int32_t priority_tier;
    uint32_t priority_job_factor; /* for priority plugins */
    char *batch_template;         /* "": batch jobs must name one */
    struct config_names groups;   /* empty: everyone */
    struct config_limits limits;
    struct config_place place;
};

struct config_qos {
    char *name;
    int32_t priority;
    uint32_t saved_max_mib; /* both 0: as the file's */
    int64_t saved_keep_sec;
    struct config_names preempts;      /* QOS whose jobs make room for its own */
    struct config_names preempt_modes; /* how, the first that helps: save, requeue, cancel */
    int64_t grace_sec;                 /* that those are given */
    int64_t preempt_exempt_sec;        /* its own jobs are left alone for so long */
    struct config_names groups;
    struct config_limits limits;
    struct config_place place;
};

struct config_account { /* with none configured, any name is one */
    char *name;
    struct config_names groups, users; /* both empty: everyone */
    char *parent;                      /* for fair share alone; "": none */
    uint32_t shares;                   /* among those of its parent */
    struct config_limits limits;
    struct config_place place;
};

#define CONFIG_LIMITS_MAX 12 /* each may hold for a job */
struct config_limit {        /* limits of people */
    char *name;
    struct config_names groups, users; /* both empty: everyone */
    struct config_limits limits;
    struct config_place place;
};

struct config_licence { /* model/licence.h */
    char *name;
    struct config_limits limits; /* all.licences: so many there are */
    struct config_place place;
};

struct config_mount { /* model/mount.h */
    char *name;
    char *source, *target; /* with %u, %U, %g, %G */
    char *type, *mode;
    char *security, *ticket; /* of a file server; "": config_mount_security(), ..._ticket() */
    struct config_place place;
};

struct config_disk { /* model/disk.h */
    char *name;
    uint32_t size_gib;
    char *persistence, *where; /* words of disk_persistence_names, disk_where_names */
    char *target;              /* with %u, %U, %g, %G */
    struct config_place place;
};

struct config_template {
    char *name;
    char *image;
    uint32_t vcpus;
    uint32_t memory_mib;
    uint32_t gpus;
    struct config_names profiles;
    char *resolution, *keyboard, *timezone;
    char *os, *firmware, *at_limit, *login;
    bool tpm;
    int64_t boot_timeout_sec;
    int64_t idle_sec,
        idle_warn_sec; /* nobody has touched a desktop of it for so long; 0: no policy */
    char *idle_action;
    bool idle_in_class;
    struct config_names groups;      /* who may use it; empty: everyone */
    struct config_names licences;    /* that what runs in it uses: model/licence.h */
    struct config_names mount_names; /* of mounts of the file */
    struct config_mount *mounts;     /* its own, and copies of those */
    size_t n_mounts;
    struct config_disk *disks;
    size_t n_disks;
    struct config_place place;
};

struct config_class { /* model/class.h; with nodes it is a reservation */
    char *name;
    char *template_name;
    uint32_t seats;
    struct config_names groups, users; /* members */
    char *roster;                      /* file with more of them; "": none */
    char *partition, *qos, *account;
    char *starts, *zone, *repeat;
    struct config_names except, moved; /* config_class_moved() reads one of these */
    struct config_names nodes, flags;
    int64_t duration_sec, lead_sec, grace_sec, no_show_sec, cleaning_sec;
    struct config_place place;
};

struct config_role {
    char *name;
    struct config_names groups;
    struct config_names users;
    struct config_names may; /* names of requests, or "operator", "admin" */
    /* What classes its members may book by it; empty and 0: any */
    struct config_names templates;
    uint32_t max_seats, max_hours_week;
    int64_t horizon_sec;
    struct config_place place;
};

struct config {
    char *cluster;
    char *store; /* "sqlite:/var/lib/vdi/vdi.db" */
    /* "unix:/run/vdi/vdictld.sock", "https:0.0.0.0:6820", "http:127.0.0.1:..." */
    struct config_names listen;
    char *node_listen; /* "0.0.0.0:6819"; "" none */
    char *tls_cert, *tls_key;
    char *pki_dir;
    char *image_store, *image_listen; /* "" none */
    uint32_t image_rate_mib;          /* of all that goes out, a second; 0: any */
    char *plugin_dir;
    char *log_level;
    struct config_plugin site;
    struct config_plugin priority; /* no name: fifo */
    struct config_plugin *auth;
    size_t n_auth;
    struct config_node *nodes;
    size_t n_nodes;
    const struct config_node **nodes_by_name; /* made by config_index() */
    struct config_profile *profiles;
    size_t n_profiles;
    struct gpu_kind *kinds; /* made by config_gpu_kinds(): each is different */
    size_t n_kinds;
    struct config_partition *partitions;
    size_t n_partitions;
    struct config_qos *qos;
    size_t n_qos;
    struct config_account *accounts;
    size_t n_accounts;
    struct config_limit *limits;
    size_t n_limits;
    struct config_licence *licences;
    size_t n_licences;
    struct config_template *templates;
    size_t n_templates;
    struct config_mount *mounts; /* for templates to name */
    size_t n_mounts;
    struct config_role *roles;
    size_t n_roles;
    struct config_class *classes;
    size_t n_classes;

    /* limits, each with its default in codec/config.c */
    uint32_t max_jobs;      /* live jobs in all */
    uint32_t max_jobs_user; /* pending and running, one principal */
    uint32_t max_body_kib;
    uint32_t max_script_kib;
    uint32_t max_connections;
    uint32_t max_connections_client; /* one address; unix sockets count as one uid */
    uint32_t idle_timeout_sec;
    uint32_t requests_per_sec; /* one principal */
    uint32_t requests_burst;
    int64_t keep_done_sec;
    int64_t keep_events_sec;
    int64_t node_down_after_sec;
    int64_t node_fail_after_sec;
    int64_t boot_timeout_sec;
    int64_t kill_wait_sec;
    uint32_t max_array_size; /* one more than the largest index; 0: no arrays */
    uint32_t max_requeue;
    uint32_t encode_per_cpu;        /* megapixels of video that a processor encodes each second */
    uint32_t saved_max_mib;         /* memory of saved jobs, one principal; 0: no limit */
    int64_t saved_keep_sec;         /* 0: for ever */
    uint32_t disks_max;             /* of one principal; 0: no limit */
    uint32_t disk_space_max_gib;    /* of all of them; 0: no limit */
    char *mail_program, *mail_from; /* "": no mail */
    char *mail_domain;              /* of owners' own addresses; "": local users */
    struct config_names mail_to;    /* "own", "any", "@DOMAIN" */
    char *webhook, *webhook_secret_file;
    bool visible_all; /* jobs of others are listed (names of others: no details) */
    char *digest;     /* SHA-256 of the file as read */
};

void config_free(struct config *config); /* takes NULL */
/* To be called once all nodes are there; config_node() knows none before. -ENOMEM. */
int config_index(struct config *config);
/* What an object of an array holds, while one is being made; not the struct itself. */
void config_plugin_done(struct config_plugin *p);
void config_node_done(struct config_node *n);
void config_partition_done(struct config_partition *p);
void config_profile_done(struct config_profile *p);
void config_qos_done(struct config_qos *q);
void config_account_done(struct config_account *a);
void config_limit_done(struct config_limit *l);
void config_licence_done(struct config_licence *l);
void config_mount_done(struct config_mount *m);
void config_disk_done(struct config_disk *d);
void config_template_done(struct config_template *t);
void config_role_done(struct config_role *r);
void config_class_done(struct config_class *c);
const struct config_partition *config_partition(const struct config *c, const char *name);
const struct config_partition *config_default_partition(const struct config *c);
const struct config_template *config_template(const struct config *c, const char *name);
const struct config_profile *config_profile(const struct config *c, const char *name);
const struct config_mount *config_mount(const struct config *c, const char *name);
const char *config_mount_security(const struct config_mount *m);
const char *config_mount_ticket(const struct config_mount *m);
/* The type of a mount that forbids saving the guest; NULL: none does. */
const char *config_template_unsaved_for(const struct config_template *t);
/* Guest memory can go to a file and come back: no mount forbids it. */
bool config_template_can_save(const struct config_template *t);
/* Megapixels of video that a desktop of it makes each second, of its resolution, at most. */
#define CONFIG_FRAMES_PER_SEC 30
uint32_t config_template_encode(const struct config_template *t);
/* Its processors encode, and are charged for it: so many megapixels a second are one of them. */
#define CONFIG_ENCODE_PER_CPU 200
bool config_node_is_software(const struct config_node *n);
/* Its licences, and those of `with`: licences_merge(). */
int config_template_licences(const struct config_template *t, const char *with,
                             char ret[LICENCES_TEXT], struct vdi_error *err);
const struct config_qos *config_qos(const struct config *c, const char *name);
const struct config_account *config_account(const struct config *c, const char *name);
const struct config_limit *config_limit(const struct config *c, const char *name);
const struct config_licence *config_licence(const struct config *c, const char *name);
const struct config_node *config_node(const struct config *c, const char *name);
bool config_names_has(const struct config_names *names, const char *name);

#endif
