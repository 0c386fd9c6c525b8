/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdi/plugin.h - the plugin ABI: one ops struct per plugin kind.
 *
 * A plugin is a shared object that exports one symbol, `vdi_plugin`, of type
 * `const struct vdi_plugin`. The host copies min(its size, the plugin's size)
 * of the ops, so members are only ever added at the end; a member that the
 * plugin does not have reads as NULL. Members marked [required] are checked
 * when the plugin is loaded. Every member says when it is called, in which
 * process and thread, who owns what, and whether it may block.
 *
 * All functions return 0 or a negative errno, and fill `err` on failure.
 */
#ifndef VDI_PLUGIN_H
#define VDI_PLUGIN_H

#include <stdbool.h>

#include <vdi/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDI_PLUGIN_ABI 1

enum vdi_plugin_kind {
    VDI_PLUGIN_STORE = 1,
    VDI_PLUGIN_SITE,
    VDI_PLUGIN_AUTH,
    VDI_PLUGIN_GPU,
    VDI_PLUGIN_PRIORITY,
    VDI_PLUGIN_SESSION,
    VDI_PLUGIN_CAPTURE,
    VDI_PLUGIN_ENCODE,
};

/* A configuration key that the plugin takes in its block of vdi.conf. */
enum vdi_setting_type { VDI_SETTING_STRING = 1, VDI_SETTING_INT, VDI_SETTING_BOOL };

struct vdi_setting {
    const char *name;
    enum vdi_setting_type type;
    const char *initial; /* default, as written in the file; NULL: none */
    const char *help;    /* one line */
};

struct vdi_setting_value {
    const char *name;
    const char *value;
};

struct vdi_plugin {
    uint32_t abi;                       /* VDI_PLUGIN_ABI */
    uint32_t kind;                      /* enum vdi_plugin_kind */
    const char *name;                   /* "sqlite"; must equal the file's name */
    const char *title;                  /* one line for people */
    const struct vdi_setting *settings; /* ends with a NULL name; may be NULL */
    const void *ops;                    /* struct vdi_<kind>_ops */
    uint32_t ops_size;                  /* sizeof(*ops) as the plugin was compiled */
};

enum vdi_log_level { VDI_LOG_ERROR = 3, VDI_LOG_WARNING = 4, VDI_LOG_INFO = 6, VDI_LOG_DEBUG = 7 };

/*
 * What the host gives a plugin; stores and auth plugins get `log` alone (the other members and
 * `host` are NULL). Everything but `log` and `complete` is for the loop thread only. An
 * operation that was handed `struct vdi_op *` must be completed exactly once, from any thread,
 * also after its cancellation.
 */
struct vdi_host;
struct vdi_op;
struct vdi_watch;

struct vdi_host_api {
    uint32_t size;
    void (*log)(struct vdi_host *host, enum vdi_log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
    /* Calls `fn` on the loop when fd is readable (1), writable (2) or both (3).
     * The watch belongs to the plugin; the fd stays the plugin's too. */
    struct vdi_watch *(*add_fd)(struct vdi_host *host, int fd, unsigned events,
                                void (*fn)(void *arg, int fd, unsigned events), void *arg);
    /* Calls `fn` once on the loop after delay_usec. Freed by unwatch() only. */
    struct vdi_watch *(*timer)(struct vdi_host *host, int64_t delay_usec, void (*fn)(void *arg),
                               void *arg);
    void (*unwatch)(struct vdi_host *host, struct vdi_watch *watch);
    /* Runs `work` on a worker thread, then `done` on the loop. */
    int (*worker)(struct vdi_host *host, void (*work)(void *arg), void (*done)(void *arg),
                  void *arg);
    /* Sends an order about an instance to its node; the node's answer completes `op`. verb:
     * "start", "stop", "poll", "suspend", "resume", "reboot", "signal", "bind", "message",
     * "connection". body_json is an object. -ENOTCONN: the node is not connected. */
    int (*node_send)(struct vdi_host *host, const char *node, const char *verb,
                     struct vdi_instance_id id, const char *body_json, struct vdi_op *op);
    /* Ends an operation: result 0 or negative errno; json (may be NULL) is copied. */
    void (*complete)(struct vdi_op *op, int result, const char *json, const struct vdi_error *err);
    /* Tells of something nobody asked for. `what`: "ready", "exited" (its script ended; the
     * instance waits for its stop), "gone", "input" (nobody touches it any more, somebody does
     * again, or it is not known any more). json: as of a poll. Telling it again is no harm. */
    void (*instance_event)(struct vdi_host *host, struct vdi_instance_id id, const char *what,
                           const char *json);
    int64_t (*now_usec)(struct vdi_host *host);
};

/* ---- store ------------------------------------------------------------- */

/*
 * One event, as it is kept. `crc` is CRC-32C over all the rest (the host
 * computes and checks it: a store only carries it). seq counts up by one.
 */
struct vdi_store_record {
    uint64_t seq;
    int64_t time_usec;
    const char *noun; /* "job" */
    const char *key;  /* "4711" */
    const char *type; /* "submit" */
    uint32_t version; /* of the body's format */
    uint32_t crc;
    const char *body; /* JSON */
    size_t body_len;
};

/* The state of one object: a row of a snapshot, or of the archive of ended ones. */
struct vdi_store_object {
    uint64_t seq; /* the last event in it */
    const char *noun;
    const char *key;
    const char *owner;  /* principal, "" if none */
    const char *state;  /* "COMPLETED" */
    int64_t begin_usec; /* submit time */
    int64_t end_usec;   /* 0: not ended */
    uint32_t version;
    uint32_t crc;
    const char *body;
    size_t body_len;
};

struct vdi_store_batch {
    uint64_t epoch; /* must be the lease's; older ones are refused with -ESTALE */
    const struct vdi_store_record *records;
    size_t n_records;
    const struct vdi_store_object *archive; /* inserted or replaced by (noun, key) */
    size_t n_archive;
    uint64_t id_reserve; /* ids below this may have been given out; never goes down */
};

/* What a load met. Damage is told once per place, in order. */
struct vdi_store_damage {
    const char *place;  /* "event 4711", "page 12 of vdi.db" */
    const char *reason; /* "checksum differs" */
    /* Events that can't be read here, both included; 0: it is not about events. */
    uint64_t first_seq, last_seq;
};

struct vdi_store_loader {
    void *arg;
    /* Rows of the newest good snapshot first, then every later event by seq. Return
     * negative to stop. -EBADMSG says: this record is damaged, go on to the next. */
    int (*object)(void *arg, const struct vdi_store_object *object);
    int (*record)(void *arg, const struct vdi_store_record *record);
    void (*damage)(void *arg, const struct vdi_store_damage *damage);
};

struct vdi_store_summary {
    uint64_t snapshot_seq; /* 0: none */
    uint64_t last_seq;     /* highest seq ever seen, readable or not */
    uint64_t id_reserve;
    bool damaged;
    /* Events may be missing: not all of the log behind the snapshot used could be read. */
    bool lost;
};

struct vdi_store_query {
    const char *noun;           /* [required] */
    const char *key;            /* NULL: all */
    const char *owner;          /* NULL: all */
    const char *const *states;  /* NULL-terminated list, NULL: all */
    int64_t from_usec, to_usec; /* objects that overlap [from, to); 0: open */
    uint64_t after_seq;         /* events: only later ones; cursor */
    const char *after_key;      /* archive: rows after this one; cursor, NULL: from the start */
    uint32_t limit;             /* rows at most, 1..10000 */
    /* archive: by end, the oldest first, those without an end left out; the cursor is then
     * (after_usec, after_key). NULL as after_key: after_usec does not count. */
    bool by_end;
    int64_t after_usec;
    int64_t ended_by_usec; /* by_end: ended at this time or before; 0: open */
};

/*
 * All store ops run on worker threads of vdictld and may block. snapshot_write
 * may run at the same time as append, lease and the queries (never two
 * snapshots); all others run never two at a time. `dsn` is what follows
 * "sqlite:" or "pgsql:" in `store =`.
 */
struct vdi_store_ops {
    /* [required] Opens or creates. A store of a newer schema: -EPROTO, untouched,
     * err names the release needed. `ret` is owned by the caller until close. */
    int (*open)(void **ret, struct vdi_host *host, const struct vdi_host_api *api, const char *dsn,
                struct vdi_error *err);
    /* [required] Brings the schema to `version` (0: newest), up or down. */
    int (*schema)(void *store, uint32_t version, struct vdi_error *err);
    /* [required] Takes or renews leadership for ttl_usec. A new leader gets a higher
     * epoch. -EBUSY while another holder's lease runs; err says whose and how long. */
    int (*lease)(void *store, const char *holder, int64_t now_usec, int64_t ttl_usec,
                 uint64_t *ret_epoch, struct vdi_error *err);
    /* [required] Reads everything once, at start. */
    int (*load)(void *store, const struct vdi_store_loader *loader,
                struct vdi_store_summary *ret_summary, struct vdi_error *err);
    /* [required] All of the batch durable (one fdatasync), or none of it. -ENOSPC,
     * -EROFS, -EIO: nothing of it is kept, the next append may succeed. */
    int (*append)(void *store, const struct vdi_store_batch *batch, struct vdi_error *err);
    /* [required] Writes a snapshot that stands for all events up to seq. `next` returns 1
     * and a row, 0 at the end; it is called on this thread. The former snapshot stays
     * usable until this one is durable. */
    int (*snapshot_write)(void *store, uint64_t epoch, uint64_t seq,
                          int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg,
                          struct vdi_error *err);
    /* [required] Deletes events before seq that are older than before_usec. Never one
     * that the older of the two kept snapshots needs. */
    int (*trim)(void *store, uint64_t epoch, uint64_t seq, int64_t before_usec,
                struct vdi_error *err);
    /* [required] Events of an object, oldest first. */
    int (*query_events)(void *store, const struct vdi_store_query *query,
                        int (*row)(void *arg, const struct vdi_store_record *record), void *arg,
                        struct vdi_error *err);
    /* [required] Archived objects, newest key first (keys of jobs are compared as numbers),
     * or by their end. A query by end, of one owner or of all, must cost what it finds: an
     * index, not a walk through the archive. */
    int (*query_archive)(void *store, const struct vdi_store_query *query,
                         int (*row)(void *arg, const struct vdi_store_object *object), void *arg,
                         struct vdi_error *err);
    /* [required] Takes NULL. */
    void (*close)(void *store);
    /* For a restore: the next lease that is taken gets an epoch above this one. Durable. */
    int (*epoch_raise)(void *store, uint64_t epoch, struct vdi_error *err);
};

/* ---- auth -------------------------------------------------------------- */

/* What a credential is bound to; the plugin must refuse one bound to anything else. */
struct vdi_auth_request {
    const char *cluster;
    const char *method;
    const char *path;                 /* with the query string, as sent */
    const unsigned char *body_sha256; /* 32 bytes */
    const char *credential;           /* what follows the scheme word; NUL-terminated */
    int64_t now_usec;
};

/* Verification runs on a worker thread and may block up to deadline_usec. */
struct vdi_auth_ops {
    /* [required] The word in `Authorization:`, "Munge" or "Bearer". */
    const char *scheme;
    /* [required] Once, on the loop, at start and at reconfigure. */
    int (*init)(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                const struct vdi_setting_value *settings, size_t n_settings, struct vdi_error *err);
    /* [required] On a worker. Fills principal (groups are the host's work, and in realm
     * "unix" the name of uid if it is left "": never ask NSS here) or returns
     * -EACCES (bad), -EKEYEXPIRED, -EKEYREJECTED (replayed), -EAGAIN (service away).
     * `ret_id` (128 bytes) gets the credential's id if it can be revoked, else "". */
    int (*verify)(void *auth, const struct vdi_auth_request *request, int64_t deadline_usec,
                  struct vdi_principal *ret_principal, char *ret_id, struct vdi_error *err);
    /* Client side, in the commands; may block. Writes "Scheme credential". */
    int (*sign)(void *auth, const struct vdi_auth_request *request, char *ret, size_t ret_size,
                struct vdi_error *err);
    void (*done)(void *auth);
    /* On the loop, does not block. Makes a credential for principal (scope included) that
     * verify() takes for `cluster` from issue_usec until expire_usec, both whole seconds;
     * `jti` (1..47 printable bytes) comes back as verify's ret_id. Writes what follows the
     * scheme word; -ENOBUFS: ret_size is too small (4096 is enough). */
    int (*issue)(void *auth, const struct vdi_principal *principal, const char *cluster,
                 const char *jti, int64_t issue_usec, int64_t expire_usec, char *ret,
                 size_t ret_size, struct vdi_error *err);
};

/* ---- site -------------------------------------------------------------- */

/* What a site starts. All strings are checked against the template, never user text. */
struct vdi_instance_spec {
    struct vdi_instance_id id;
    uint64_t epoch;
    uint64_t job; /* 0: none */
    const char *node;
    const char *owner;
    const char *template_name;
    const char *image; /* name@sha256 or name */
    uint32_t vcpus;
    uint32_t memory_mib;
    uint32_t gpus;
    const char *gpu_profile; /* "" if none */
    const char *spec_json;   /* the whole template and the job's wishes, for what is not above */
};

/*
 * Runs in vdictld, on the loop: no op may block. Each op is completed exactly
 * once through `op`; its deadline passes with -ETIMEDOUT by the host itself
 * and a late completion is then ignored.
 */
struct vdi_site_ops {
    int (*init)(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                const struct vdi_setting_value *settings, size_t n_settings,
                struct vdi_error *err); /* [required] */
    /* [required] With job 0, and no "job" in spec_json, it is a seat: it gets ready without an
     * owner, and waits for its bind. */
    int (*start)(void *site, const struct vdi_instance_spec *spec, struct vdi_op *op);
    int (*stop)(void *site, struct vdi_instance_id id, const char *node, uint32_t grace_sec,
                struct vdi_op *op); /* [required]; of one that is not there: success */
    int (*poll)(void *site, struct vdi_instance_id id, const char *node,
                struct vdi_op *op); /* [required] json {"state":...}; -ENOENT if not there. Of a
                                     * desktop that is ready and where it is known "idle_sec": so
                                     * long nobody has touched keyboard or mouse; 0: somebody is
                                     * there */
    /* Gives a seat that is ready to its owner: account, mounts, disks, and the session or script;
     * completed when that runs. bind_json has "job" with its "id", "owner", "mounts", "disks",
     * "env" and "payload", as spec_json of a start that has a job. Again for the same job: success,
     * or what is under way is waited for; so it is sent again after -ENOTCONN, -EBUSY, -ETIMEDOUT.
     * -EEXIST: it is another job's, or was started with one; -EAGAIN: it is not ready; -ENOENT: it
     * is not there. After any other failure its guest may hold something of the owner: the
     * instance is stopped, and never bound again. */
    int (*bind)(void *site, struct vdi_instance_id id, const char *node, const char *bind_json,
                struct vdi_op *op);
    int (*suspend)(void *site, struct vdi_instance_id id, const char *node, const char *mode,
                   struct vdi_op *op);
    int (*resume)(void *site, struct vdi_instance_id id, const char *node, struct vdi_op *op);
    int (*reboot)(void *site, struct vdi_instance_id id, const char *node, struct vdi_op *op);
    int (*connection)(void *site, struct vdi_instance_id id, const char *node,
                      const char *request_json, struct vdi_op *op);
    int (*signal)(void *site, struct vdi_instance_id id, const char *node, int signo,
                  struct vdi_op *op);
    int (*message)(void *site, struct vdi_instance_id id, const char *node, const char *text,
                   struct vdi_op *op);
    int (*hold)(void *site, const char *window_json, struct vdi_op *op);
    int (*release)(void *site, const char *window_json, struct vdi_op *op);
    int (*capacity)(void *site, struct vdi_op *op);
    /* Completes every op it still holds, or never speaks of them again. */
    void (*done)(void *site);
    uint32_t flags; /* VDI_SITE_* */
    /* A piece of what the script wrote, also after its end. `stream` is "out" or "err", `max`
     * (1 to VDI_OUTPUT_MAX) bounds the bytes. json {"from":N,"size":N,"data":BASE64,
     * "truncated":bool,"ended":bool}: `size` is all that is kept now, `ended` says that no more
     * will come. -ENOENT: nothing is known (any more). */
    int (*output)(void *site, struct vdi_instance_id id, const char *node, const char *stream,
                  uint64_t from, uint32_t max, struct vdi_op *op);
    /* json {"stages":[{"name":...,"usec":N},...],"failed_stage":...,"reason":...,
     * "console":TEXT,"screenshot":BASE64 of a PNG or PPM}; usec since the start was ordered. */
    int (*log)(void *site, struct vdi_instance_id id, const char *node, struct vdi_op *op);
};

#define VDI_OUTPUT_MAX (256u << 10)

/* The site's nodes have no vdid: those in vdi.conf are up as soon as the controller is. */
#define VDI_SITE_NODES_ALWAYS_UP 1u

/* ---- priority ----------------------------------------------------------- */

/*
 * What is known of a job that waits. All jobs are measured at the same time, that of the last
 * round: none gains by being looked at later.
 */
struct vdi_priority_facts {
    int64_t age_usec;     /* since its submit or its begin time, whichever is later */
    double share;         /* of the cluster that is due to its account and owner, 0 to 1 */
    double usage;         /* of all that was used lately, theirs: Slurm's effective usage, 0 to 1 */
    uint32_t nodes, cpus; /* that it asks for, on all of its nodes together */
    uint32_t cluster_nodes, cluster_cpus;            /* of vdi.conf; never 0 */
    uint32_t partition_factor, partition_factor_max; /* of its partition; the highest of any */
    int32_t qos_priority, qos_priority_max;          /* of its QOS; the highest of any */
    int32_t nice;
    int32_t given; /* in its record, by submit or update: the priority of its QOS, less nice */
};

/* One summand, for people: product is what it adds. */
struct vdi_priority_row {
    const char *name; /* the plugin's, for ever */
    double factor, weight, product;
};

#define VDI_PRIORITY_ROWS_MAX 8
struct vdi_priority {
    int32_t sum;
    uint32_t n_rows;
    struct vdi_priority_row rows[VDI_PRIORITY_ROWS_MAX];
};

/* What the host is to do for the plugin. */
struct vdi_priority_wants {
    int64_t period_usec;    /* all are ranked anew so often; 0: only when a job changes */
    int64_t half_life_usec; /* of what was used; 0: `share` and `usage` stay 0 */
    double charge_cpu, charge_gpu, charge_memory_gib; /* what a second of one of them counts */
};

/* Runs in vdictld, on the loop, for 100,000 jobs a round: pure, no op blocks or does I/O. */
struct vdi_priority_ops {
    /* [required] At start, and for each new vdi.conf, also one that is only tried: then there
     * are two for a while. wants is zeroed. */
    int (*init)(void **ret, const struct vdi_setting_value *settings, size_t n_settings,
                struct vdi_priority_wants *wants, struct vdi_error *err);
    /* [required] Higher comes first. ret is zeroed. */
    void (*rank)(const void *priority, const struct vdi_priority_facts *facts,
                 struct vdi_priority *ret);
    void (*done)(void *priority);
};

extern const struct vdi_plugin vdi_plugin;

#ifdef __cplusplus
}
#endif
#endif
