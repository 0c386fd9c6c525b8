/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_table.c - every key of vdi.conf: type, range, default, meaning.
 *
 * What the design names but has no effect yet is a row too (CONFIG_LATER): it is
 * refused by name, so that nothing which is written is silently without effect.
 */
#include "codec/config_key.h"

#include "model/array.h"
#include "model/class.h"
#include "model/disk.h"
#include "model/licence.h"
#include "model/mount.h"
#include "model/node.h"

#define NAME_BYTES 63 /* fits the name members of jobs, nodes and instances */
#define YEAR INT64_C(31536000)

#define LATER(n)                                                                                   \
    {                                                                                              \
        .name = n, .type = CONFIG_LATER                                                            \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const os_choices[] = {"linux", "windows", NULL};
static const char *const encoder_choices[] = {"hardware", "software", NULL};
static const char *const firmwares[] = {"bios", "uefi", "uefi-secure", NULL};
static const char *const logins[] = {"auto", "prompt", NULL};
static const char *const mount_modes[] = {"rw", "ro", NULL};
static const char *const at_limits[] = {"save", "shutdown", "kill", NULL};

#define ROW(s, key, t, member, lo, hi, def, text)                                                  \
    .name = key, .type = t, .offset = offsetof(struct s, member), .min = lo, .max = hi,            \
    .initial = def, .help = text

const struct config_key config_keys[] = {
    {ROW(config, "cluster", CONFIG_NAME, cluster, 1, NAME_BYTES, "vdi",
         "name of the cluster; credentials are bound to it")},
    {ROW(config, "store", CONFIG_TEXT, store, 1, 1023, "sqlite:/var/lib/vdi/vdi.db",
         "where events are kept: a store plugin and what it opens"),
     .check = config_form_store, .flags = CONFIG_RESTART},
    {ROW(config, "listen", CONFIG_LIST, listen, 1, 255, "unix:/run/vdi/vdictld.sock",
         "where the REST API is served: unix:PATH, https:ADDRESS:PORT, http:LOOPBACK:PORT"),
     .check = config_form_listen, .flags = CONFIG_RESTART},
    {ROW(config, "node_listen", CONFIG_TEXT, node_listen, 0, 255, "",
         "ADDRESS:PORT where nodes connect; empty for none"),
     .check = config_form_node_listen, .flags = CONFIG_RESTART},
    {ROW(config, "tls_cert", CONFIG_PATH, tls_cert, 0, 4095, "",
         "certificate chain of the https listeners, PEM")},
    {ROW(config, "tls_key", CONFIG_PATH, tls_key, 0, 4095, "",
         "private key of the https listeners, PEM")},
    {ROW(config, "pki_dir", CONFIG_PATH, pki_dir, 0, 4095, "/var/lib/vdi/pki",
         "directory of the authority that signs node certificates")},
    {ROW(config, "image_store", CONFIG_PATH, image_store, 1, 4095, "/var/lib/vdi/image-store",
         "directory of published images"),
     .flags = CONFIG_RESTART},
    {ROW(config, "image_listen", CONFIG_TEXT, image_listen, 0, 255, "",
         "ADDRESS:PORT where nodes fetch images; empty for none"),
     .check = config_form_node_listen, .flags = CONFIG_RESTART},
    {ROW(config, "image_rate", CONFIG_MIB, image_rate_mib, 0, 1 << 20, "0",
         "images go out at so much a second in all; 0 for no limit")},
    {ROW(config, "plugin_dir", CONFIG_PATH, plugin_dir, 0, 4095, VDI_PLUGINDIR,
         "directory of the plugins")},
    {ROW(config, "log_level", CONFIG_CHOICE, log_level, 0, 0, "info",
         "least severe line that is logged"),
     .choices = log_levels},
    {ROW(config, "max_jobs", CONFIG_U32, max_jobs, 1, 10000000, "200000", "live jobs in all")},
    {ROW(config, "max_jobs_user", CONFIG_U32, max_jobs_user, 1, 10000000, "20000",
         "pending and running jobs of one principal")},
    {ROW(config, "max_array_size", CONFIG_U32, max_array_size, 0, ARRAY_SIZE_MAX, "1001",
         "indexes of an array's tasks are below it; 0 for no arrays")},
    {ROW(config, "max_body_kib", CONFIG_U32, max_body_kib, 16, 65536, "2048",
         "body of a request, in KiB")},
    {ROW(config, "max_script_kib", CONFIG_U32, max_script_kib, 1, 896, "512",
         "batch script, in KiB; at most half of max_body_kib")},
    {ROW(config, "max_connections", CONFIG_U32, max_connections, 8, 100000, "4096",
         "open connections in all")},
    {ROW(config, "max_connections_client", CONFIG_U32, max_connections_client, 1, 100000, "256",
         "open connections of one address, or of one user on a unix socket")},
    {ROW(config, "idle_timeout", CONFIG_DURATION32, idle_timeout_sec, 1, 3600, "60s",
         "a connection is closed after so long without a request")},
    {ROW(config, "requests_per_sec", CONFIG_U32, requests_per_sec, 1, 1000000, "500",
         "requests of one principal, per second")},
    {ROW(config, "requests_burst", CONFIG_U32, requests_burst, 1, 1000000, "2000",
         "requests of one principal that may come at once")},
    {ROW(config, "keep_done", CONFIG_DURATION, keep_done_sec, 0, YEAR, "1h",
         "ended jobs stay in memory for so long; the store keeps them")},
    {ROW(config, "keep_events", CONFIG_DURATION, keep_events_sec, 3600, 100 * YEAR, "30d",
         "events older than the snapshots stay in the store for so long")},
    {ROW(config, "node_down_after", CONFIG_DURATION, node_down_after_sec, 2, 3600, "15s",
         "a silent node is DOWN after so long; its jobs stay")},
    {ROW(config, "node_fail_after", CONFIG_DURATION, node_fail_after_sec, 10, 30 * 86400, "5m",
         "the jobs of a silent node fail after so long; more than node_down_after")},
    {ROW(config, "boot_timeout", CONFIG_DURATION, boot_timeout_sec, 5, 86400, "5m",
         "a guest that is not ready after so long has failed to boot")},
    {ROW(config, "kill_wait", CONFIG_DURATION, kill_wait_sec, 0, 3600, "30s",
         "time between asking a guest to end and ending it")},
    {ROW(config, "max_requeue", CONFIG_U32, max_requeue, 0, 1000, "5",
         "a job that was requeued so often is held")},
    {ROW(config, "encode_per_cpu", CONFIG_U32, encode_per_cpu, 10, 100000, "200",
         "megapixels of video that one processor of a node with a software encoder encodes each "
         "second"),
     .flags = CONFIG_RESTART},
    {ROW(config, "saved_max", CONFIG_MIB, saved_max_mib, 0, 1 << 30, "0",
         "memory of the suspended jobs of one principal; 0 for no limit")},
    {ROW(config, "saved_keep", CONFIG_DURATION, saved_keep_sec, 0, YEAR, "7d",
         "a suspended job that nobody resumes ends after so long; 0 for never")},
    {ROW(config, "disks_max", CONFIG_U32, disks_max, 0, 1000000, "0",
         "disks of one principal; 0 for no limit")},
    {ROW(config, "disk_space_max", CONFIG_GIB, disk_space_max_gib, 0, 1 << 30, "0",
         "size of all disks of one principal; 0 for no limit")},
    {ROW(config, "mail_program", CONFIG_PATH, mail_program, 0, 4095, "",
         "program with sendmail's interface that mails notices of jobs; empty for no mail")},
    {ROW(config, "mail_from", CONFIG_TEXT, mail_from, 0, 254, "",
         "sender of those mails; needed with mail_program"),
     .check = config_form_mail_from},
    {ROW(config, "mail_domain", CONFIG_TEXT, mail_domain, 0, 253, "",
         "an owner's own address is NAME@ this; empty for the local user NAME"),
     .check = config_form_mail_domain},
    {ROW(config, "mail_to", CONFIG_LIST, mail_to, 1, 254, "own",
         "whom --mail-user may name: own, @DOMAIN, any"),
     .check = config_form_mail_to},
    {ROW(config, "webhook", CONFIG_TEXT, webhook, 0, 1023, "",
         "https URL that gets notices of jobs, too; empty for none"),
     .check = config_form_webhook},
    {ROW(config, "webhook_secret_file", CONFIG_PATH, webhook_secret_file, 0, 4095, "",
         "file with the key that signs them, 16 bytes or more, mode 0600; needed with webhook")},
    {ROW(config, "visible_all", CONFIG_BOOL, visible_all, 0, 0, "no",
         "jobs of others are listed, without details")},
    END,
};

const struct config_key config_node_keys[] = {
    {ROW(config_node, "cpus", CONFIG_U32, cpus, 1, 65536, NULL, "processors for instances"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_node, "memory", CONFIG_MIB, memory_mib, 64, 1 << 30, NULL, "memory for instances"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_node, "disk", CONFIG_GIB, disk_gib, 0, 1 << 30, "0",
         "disk space for instances; 0 does not count it")},
    {ROW(config_node, "encode", CONFIG_U32, encode_mpix, 0, 1 << 24, "0",
         "megapixels of video that it can encode each second; 0 does not count them")},
    {ROW(config_node, "encoder", CONFIG_CHOICE, encoder, 0, 0, "hardware",
         "what encodes the video of its desktops; software is charged as processors"),
     .choices = encoder_choices},
    {ROW(config_node, "features", CONFIG_JOINED, features, 0, NODE_FEATURES_MAX - 1, "",
         "words that a job can ask for")},
    END,
};

const struct config_key config_gpu_keys[] = {
    {ROW(config_node, "count", CONFIG_U32, gpus, 1, 64, "1", "devices of this type in the node")},
    {ROW(config_node, "law", CONFIG_CHOICE, gpu_law, 0, 0, "whole",
         "which profiles may live on one device together"),
     .choices = gpu_law_names},
    {ROW(config_node, "profiles", CONFIG_LIST, gpu_profiles, 0, NAME_BYTES, "",
         "profiles that the device offers; empty for any, as the whole device")},
    {ROW(config_node, "framebuffer", CONFIG_MIB, gpu_framebuffer_mib, 0, 1 << 30, "0",
         "memory of one device; 0 for that of the largest profile")},
    {ROW(config_node, "capacity", CONFIG_U32, gpu_capacity, 0, 65536, "0",
         "law shared: instances at once; law slices: slices of the card")},
    END,
};

const struct config_key config_profile_keys[] = {
    {ROW(config_profile, "framebuffer", CONFIG_MIB, framebuffer_mib, 0, 1 << 30, "0",
         "memory of one instance; 0 for what the name says (nvidia-a40-4q, 1g.10gb)")},
    {ROW(config_profile, "instances", CONFIG_U32, instances, 0, 65536, "0",
         "at most so many on one GPU; 0 for as many as its framebuffer holds")},
    {ROW(config_profile, "slices", CONFIG_U32, slices, 0, GPU_SLOTS_MAX, "0",
         "law slices: slices that it takes")},
    {ROW(config_profile, "placements", CONFIG_LIST, placements, 0, 2, "",
         "law slices: numbers of the slices at which it may begin, from 0")},
    {ROW(config_profile, "max_resolution", CONFIG_TEXT, max_resolution, 0, 15, "",
         "largest display, as in 7680x4320; empty for any"),
     .check = config_form_resolution},
    {ROW(config_profile, "display", CONFIG_BOOL, display, 0, 0, "yes",
         "no: it has no picture, and no desktop gets it")},
    LATER("heads"),
    LATER("encoder"),
    END,
};

/* Of qos, partition, account and limit alike. */
#define MANY 10000000
#define LIMIT(s, key, member, text)                                                                \
    {                                                                                              \
        ROW(s, key, CONFIG_U32, limits.member, 0, MANY, "0", text)                                 \
    }
#define MINUTES(s, key, member, text)                                                              \
    {                                                                                              \
        ROW(s, key, CONFIG_U32, limits.member, 0, UINT32_MAX, "0", text)                           \
    }
#define LIMITS(s)                                                                                  \
    LIMIT(s, "max_running", all.running, "its jobs that run at once; 0 for any number"),           \
        LIMIT(s, "max_submitted", all.submitted, "its jobs that are pending or run"),              \
        LIMIT(s, "max_gpus", all.gpus, "GPUs of its running jobs, on all of their nodes"),         \
        LIMIT(s, "max_desktops", all.desktops, "its desktops that run at once"),                   \
        MINUTES(s, "max_gpu_minutes", all.gpu_minutes,                                             \
                "GPU minutes used, less what decayed, and what its jobs may still use"),           \
        LIMIT(s, "max_running_user", user.running, "the same for each owner"),                     \
        LIMIT(s, "max_submitted_user", user.submitted, "the same for each owner"),                 \
        LIMIT(s, "max_gpus_user", user.gpus, "the same for each owner"),                           \
        LIMIT(s, "max_desktops_user", user.desktops, "the same for each owner"),                   \
        MINUTES(s, "max_gpu_minutes_user", user.gpu_minutes, "the same for each owner"),           \
        MINUTES(s, "max_gpu_minutes_job", job_gpu_minutes, "GPUs times time limit of one job"),    \
    {                                                                                              \
        ROW(s, "deny_on_limit", CONFIG_BOOL, limits.deny, 0, 0, "no",                              \
            "yes: what its limits would not let run even alone, and a desktop too many, is "       \
            "refused at submit")                                                                   \
    }

const struct config_key config_account_keys[] = {
    {ROW(config_account, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "who may charge it; with users empty, too, everyone")},
    {ROW(config_account, "users", CONFIG_LIST, users, 0, NAME_BYTES + 33, "",
         "who may charge it: NAME, or REALM:NAME")},
    {ROW(config_account, "parent", CONFIG_NAME, parent, 0, NAME_BYTES, "",
         "account that it has its share of; limits are each account's own")},
    {ROW(config_account, "shares", CONFIG_U32, shares, 1, 1000000, "1",
         "its part of its parent's fair share, against the other accounts there and 1 for each "
         "user")},
    LIMITS(config_account),
    END,
};

const struct config_key config_limit_keys[] = {
    {ROW(config_limit, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "whom it holds for; with users empty, too, everyone")},
    {ROW(config_limit, "users", CONFIG_LIST, users, 0, NAME_BYTES + 33, "",
         "whom it holds for: NAME, or REALM:NAME")},
    LIMITS(config_limit),
    END,
};

const struct config_key config_licence_keys[] = {
    {ROW(config_licence, "count", CONFIG_U32, limits.all.licences, 1, LICENCE_MOST, NULL,
         "so many there are: for jobs that hold a node or are saved, and for seats of classes"),
     .flags = CONFIG_REQUIRED},
    END,
};

const struct config_key config_partition_keys[] = {
    {ROW(config_partition, "nodes", CONFIG_HOSTS, nodes, 1, 0, NULL, "hostlist of its nodes"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_partition, "default", CONFIG_BOOL, is_default, 0, 0, "no",
         "taken by jobs that name none")},
    {ROW(config_partition, "up", CONFIG_BOOL, up, 0, 0, "yes",
         "no: jobs are accepted, none starts")},
    {ROW(config_partition, "max_time", CONFIG_DURATION, max_time_sec, 0, YEAR, "0",
         "longest time limit of a job; 0 for none")},
    {ROW(config_partition, "default_time", CONFIG_DURATION, default_time_sec, 0, YEAR, "0",
         "time limit of a job that names none; 0 takes max_time")},
    {ROW(config_partition, "priority_tier", CONFIG_I32, priority_tier, 0, 65535, "1",
         "jobs of a higher tier come first")},
    {ROW(config_partition, "priority_job_factor", CONFIG_U32, priority_job_factor, 0, 65533, "1",
         "what priority \"multifactor\" weighs by weight_partition; the highest is 1.0")},
    {ROW(config_partition, "batch_template", CONFIG_NAME, batch_template, 0, NAME_BYTES, "",
         "template of batch jobs that name none")},
    LIMITS(config_partition),
    {ROW(config_partition, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "who may use it; empty for everyone")},
    END,
};

const struct config_key config_qos_keys[] = {
    {ROW(config_qos, "priority", CONFIG_I32, priority, 0, 1000000000, "0",
         "added to the priority of its jobs")},
    {ROW(config_qos, "saved_max", CONFIG_MIB, saved_max_mib, 0, 1 << 30, "0",
         "as the file's saved_max, which is taken for 0")},
    {ROW(config_qos, "saved_keep", CONFIG_DURATION, saved_keep_sec, 0, YEAR, "0",
         "as the file's saved_keep, which is taken for 0")},
    LIMITS(config_qos),
    {ROW(config_qos, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "who may use it; empty for everyone")},
    {ROW(config_qos, "preempts", CONFIG_LIST, preempts, 0, NAME_BYTES, "",
         "QOS whose jobs make room for its own: for the windows of its classes")},
    {ROW(config_qos, "preempt_modes", CONFIG_LIST, preempt_modes, 0, NAME_BYTES, "requeue",
         "how they do, the first that frees GPUs: save, requeue, cancel")},
    {ROW(config_qos, "grace", CONFIG_DURATION, grace_sec, 0, 86400, "0",
         "how long before their place is needed they are told, beside what saving takes")},
    {ROW(config_qos, "preempt_exempt_time", CONFIG_DURATION, preempt_exempt_sec, 0, YEAR, "1m",
         "its own jobs are not asked to go before they have run so long")},
    END,
};

const struct config_key config_template_keys[] = {
    {ROW(config_template, "image", CONFIG_TEXT, image, 1, 255, NULL,
         "image that the guest boots: NAME or NAME@SHA256"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_template, "vcpus", CONFIG_U32, vcpus, 1, 1024, "2", "processors of the guest")},
    {ROW(config_template, "memory", CONFIG_MIB, memory_mib, 16, 1 << 30, "4G",
         "memory of the guest")},
    {ROW(config_template, "gpus", CONFIG_U32, gpus, 0, 64, "0",
         "GPUs or shares of one; at least 1 when profile is given")},
    {ROW(config_template, "profile", CONFIG_LIST, profiles, 0, NAME_BYTES, "",
         "GPU profiles that will do, best first")},
    {ROW(config_template, "resolution", CONFIG_TEXT, resolution, 1, 15, "1920x1080",
         "size of the display when nobody asked for another"),
     .check = config_form_resolution},
    {ROW(config_template, "keyboard", CONFIG_NAME, keyboard, 1, 31, "us", "keyboard layout")},
    {ROW(config_template, "timezone", CONFIG_TEXT, timezone, 1, NAME_BYTES, "UTC",
         "time zone of the guest, as in tzdata"),
     .check = config_form_zone},
    {ROW(config_template, "os", CONFIG_CHOICE, os, 0, 0, "linux", "kind of guest"),
     .choices = os_choices},
    {ROW(config_template, "firmware", CONFIG_CHOICE, firmware, 0, 0, "bios",
         "firmware of the guest"),
     .choices = firmwares},
    {ROW(config_template, "at_limit", CONFIG_CHOICE, at_limit, 0, 0, "save",
         "what happens to an interactive job at its time limit; a batch job is ended"),
     .choices = at_limits},
    {ROW(config_template, "idle", CONFIG_DURATION, idle_sec, 0, YEAR, "0",
         "what idle_action says happens to a desktop that nobody has touched for so long; 0: "
         "nothing does")},
    {ROW(config_template, "idle_warn", CONFIG_DURATION, idle_warn_sec, 0, 86400, "5m",
         "so long before its user is told; shorter than idle")},
    {ROW(config_template, "idle_action", CONFIG_CHOICE, idle_action, 0, 0, "save",
         "what happens to it, as at_limit"),
     .choices = at_limits},
    {ROW(config_template, "idle_in_class", CONFIG_BOOL, idle_in_class, 0, 0, "no",
         "yes: to seats of classes, too")},
    {ROW(config_template, "tpm", CONFIG_BOOL, tpm, 0, 0, "no",
         "the guest gets an emulated TPM 2.0")},
    {ROW(config_template, "boot_timeout", CONFIG_DURATION, boot_timeout_sec, 0, 86400, "0",
         "as the file's boot_timeout, which is taken for 0")},
    {ROW(config_template, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "who may use it; empty for everyone")},
    {ROW(config_template, "login", CONFIG_CHOICE, login, 0, 0, "auto",
         "auto: a desktop's session is opened for its user; prompt: the guest asks who it is"),
     .choices = logins},
    {ROW(
        config_template, "licence", CONFIG_LIST, licences, 1, NAME_BYTES + 7, "",
        "licences that what runs in it uses: titles of licence blocks, as in {matlab, \"ansys:2\"}")},
    {ROW(config_template, "mounts", CONFIG_LIST, mount_names, 0, NAME_BYTES, "",
         "directories that the guest gets: titles of mount blocks of the file")},
    LATER("displays"),
    LATER("network"),
    LATER("clipboard"),
    LATER("files"),
    LATER("usb"),
    LATER("site"),
    LATER("hours"),
    END,
};

const struct config_key config_role_keys[] = {
    {ROW(config_role, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "", "groups that have it")},
    {ROW(config_role, "users", CONFIG_LIST, users, 0, NAME_BYTES + 33, "",
         "principals that have it: NAME, or REALM:NAME")},
    {ROW(config_role, "may", CONFIG_LIST, may, 1, NAME_BYTES, NULL,
         "names of requests, operator or admin"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_role, "templates", CONFIG_LIST, templates, 0, NAME_BYTES, "",
         "templates of which its members may book classes; empty for any")},
    {ROW(config_role, "max_seats", CONFIG_U32, max_seats, 0, CLASS_SEATS_MAX, "0",
         "seats of one class; 0 for no limit")},
    {ROW(config_role, "max_hours_week", CONFIG_U32, max_hours_week, 0, 168, "0",
         "hours in a week of all classes of one member; 0 for no limit")},
    {ROW(config_role, "horizon", CONFIG_DURATION, horizon_sec, 0, 10 * YEAR, "0",
         "no class begins later than so far ahead; 0 for no limit")},
    END,
};

/* Of a struct config_class. */
const struct config_key config_reservation_keys[] = {
    {ROW(config_class, "nodes", CONFIG_HOSTS, nodes, 1, 0, NULL,
         "nodes that are kept free, as in gpu[01-04]"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "groups whose jobs may run there")},
    {ROW(config_class, "users", CONFIG_LIST, users, 0, NAME_BYTES + 33, "",
         "principals whose jobs may: NAME, or REALM:NAME")},
    {ROW(
        config_class, "flags", CONFIG_LIST, flags, 1, 15, "",
        "maint: for nobody's jobs; magnetic: its members' jobs run there unasked; ignore_jobs: jobs "
        "that run there are left")},
    {ROW(config_class, "starts", CONFIG_TEXT, starts, 1, CLASS_TIME_MAX - 1, NULL,
         "when it is for the first time, as in 2026-10-13T10:15"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "duration", CONFIG_DURATION, duration_sec, 60, 7 * 86400, NULL,
         "how long it takes"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "zone", CONFIG_TEXT, zone, 1, NAME_BYTES, "UTC",
         "time zone of starts and of the rule, as in tzdata"),
     .check = config_form_zone},
    {ROW(config_class, "repeat", CONFIG_TEXT, repeat, 0, 255, "",
         "rule of RFC 5545, as in FREQ=WEEKLY; empty for once")},
    {ROW(config_class, "except", CONFIG_LIST, except, 1, 47, "",
         "dates without it, as in 2026-12-24 or 2026-12-22/2027-01-06")},
    {ROW(config_class, "moved", CONFIG_LIST, moved, 1, 79, "",
         "dates at another time, as in \"2026-11-24 2026-11-25T14:15 2h\""),
     .check = config_form_moved},
    END,
};

const struct config_key config_class_keys[] = {
    {ROW(config_class, "template", CONFIG_NAME, template_name, 1, NAME_BYTES, NULL,
         "what a seat is"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "seats", CONFIG_U32, seats, 1, CLASS_SEATS_MAX, NULL, "how many"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "groups", CONFIG_LIST, groups, 0, NAME_BYTES, "",
         "groups whose members take part")},
    {ROW(config_class, "users", CONFIG_LIST, users, 0, NAME_BYTES + 33, "",
         "principals who take part: NAME, or REALM:NAME")},
    {ROW(config_class, "roster", CONFIG_PATH, roster, 0, CLASS_ROSTER_MAX - 1, "",
         "file with the names of more of them, one a line")},
    {ROW(config_class, "qos", CONFIG_NAME, qos, 0, NAME_BYTES, "",
         "quality of service of its jobs")},
    {ROW(config_class, "partition", CONFIG_NAME, partition, 0, NAME_BYTES, "",
         "where its seats are; empty for the default one")},
    {ROW(config_class, "account", CONFIG_NAME, account, 0, NAME_BYTES, "",
         "what its seats are charged to, taken or not")},
    {ROW(config_class, "starts", CONFIG_TEXT, starts, 1, CLASS_TIME_MAX - 1, NULL,
         "when it is for the first time, as in 2026-10-13T10:15"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "duration", CONFIG_DURATION, duration_sec, 60, 7 * 86400, NULL,
         "how long it takes"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_class, "zone", CONFIG_TEXT, zone, 1, NAME_BYTES, "UTC",
         "time zone of starts and of the rule, as in tzdata"),
     .check = config_form_zone},
    {ROW(config_class, "repeat", CONFIG_TEXT, repeat, 0, 255, "",
         "rule of RFC 5545, as in FREQ=WEEKLY;UNTIL=20270212T225959Z; empty for once")},
    {ROW(config_class, "except", CONFIG_LIST, except, 1, 47, "",
         "dates without it, as in 2026-12-24 or 2026-12-22/2027-01-06")},
    {ROW(config_class, "moved", CONFIG_LIST, moved, 1, 79, "",
         "dates at another time: DATE, when it begins then, and how long it takes if not as always"),
     .check = config_form_moved},
    {ROW(config_class, "lead", CONFIG_DURATION, lead_sec, 0, 86400, "5m",
         "its seats are started at least so long before")},
    {ROW(config_class, "grace", CONFIG_DURATION, grace_sec, 0, 86400, "0",
         "and may be used for so long after")},
    {ROW(config_class, "no_show", CONFIG_DURATION, no_show_sec, 0, 86400, "0",
         "a seat that nobody took is given back so long after its begin; 0 for never")},
    {ROW(config_class, "cleaning", CONFIG_DURATION, cleaning_sec, 0, 86400, "0",
         "another class has the place of its seats so long after it at the earliest")},
    END,
};

const struct config_key config_mount_keys[] = {
    {ROW(config_mount, "source", CONFIG_TEXT, source, 1, MOUNT_PATH_MAX - 1, NULL,
         "directory on the node, or of a file server (SERVER:/PATH, //SERVER/SHARE); %u, %U, %g, %G "
         "are the owner's name, uid, group, gid"),
     .check = mount_source_check, .flags = CONFIG_REQUIRED},
    {ROW(config_mount, "target", CONFIG_TEXT, target, 1, MOUNT_PATH_MAX - 1, NULL,
         "where it is in the guest; with the same words"),
     .check = mount_path_check, .flags = CONFIG_REQUIRED},
    {ROW(config_mount, "type", CONFIG_CHOICE, type, 0, 0, "virtiofs", "how the guest gets it"),
     .choices = mount_type_names},
    {ROW(config_mount, "mode", CONFIG_CHOICE, mode, 0, 0, "rw", "ro: the guest can't write"),
     .choices = mount_modes},
    {ROW(config_mount, "security", CONFIG_TEXT, security, 0, 5, "",
         "of a file server: krb5, krb5i (signed) or krb5p (encrypted, and the default)"),
     .check = mount_security_check},
    {ROW(config_mount, "ticket", CONFIG_TEXT, ticket, 0, MOUNT_PATH_MAX - 1, "",
         "of a file server: where nodes have the owner's Kerberos ticket (/tmp/krb5cc_%U)"),
     .check = mount_ticket_check},
    END,
};

const struct config_key config_disk_keys[] = {
    {ROW(config_disk, "size", CONFIG_GIB, size_gib, 1, 1 << 20, NULL, "what may be written to it"),
     .flags = CONFIG_REQUIRED},
    {ROW(config_disk, "persistence", CONFIG_CHOICE, persistence, 0, 0, "discard",
         "until when it is kept: the instance's end, the job's end, or its owner's word"),
     .choices = disk_persistence_names},
    {ROW(config_disk, "where", CONFIG_CHOICE, where, 0, 0, "node",
         "a file of one node, or of a directory that all nodes see"),
     .choices = disk_where_names},
    {ROW(config_disk, "target", CONFIG_TEXT, target, 1, MOUNT_PATH_MAX - 1, NULL,
         "where it is in the guest; with the same words as a mount's"),
     .check = mount_path_check, .flags = CONFIG_REQUIRED},
    END,
};

static const struct config_key no_keys[] = {END};

static const struct config_block node_blocks[] = {
    {"gpu", 0, config_gpu_keys, NULL, "the GPUs of a node; the title is their type"},
    END,
};

static const struct config_block template_blocks[] = {
    {"mount", 0, config_mount_keys, NULL, "a directory of the node for this template's guests"},
    {"disk", 0, config_disk_keys, NULL,
     "a disk that this template's guests get besides their image"},
    END,
};

const struct config_block config_blocks[] = {
    {"site", CONFIG_BLOCK_FREE, no_keys, NULL, "the site plugin and its settings; one block"},
    {"auth", CONFIG_BLOCK_FREE, no_keys, NULL, "an auth plugin and its settings"},
    {"priority", CONFIG_BLOCK_FREE, no_keys, NULL,
     "the priority plugin and its settings; without one it is \"fifo\""},
    {"node", 0, config_node_keys, node_blocks, "compute hosts; the title is a hostlist"},
    {"profile", 0, config_profile_keys, NULL, "a share of a GPU, beyond what its name says"},
    {"partition", 0, config_partition_keys, NULL, "nodes that jobs choose together"},
    {"qos", 0, config_qos_keys, NULL, "a quality of service"},
    {"account", 0, config_account_keys, NULL, "who pays; with none any name is an account"},
    {"limit", 0, config_limit_keys, NULL, "what some people may have at once"},
    {"licence", 0, config_licence_keys, NULL, "so many jobs at once may use a program"},
    {"template", 0, config_template_keys, template_blocks, "what a user chooses to start"},
    {"mount", 0, config_mount_keys, NULL, "a directory of the node, for templates to name"},
    {"role", 0, config_role_keys, NULL, "what some people may do"},
    {"class", 0, config_class_keys, NULL, "seats of a template for members, at given times"},
    {"reservation", 0, config_reservation_keys, NULL, "nodes kept free at given times"},
    END,
};
