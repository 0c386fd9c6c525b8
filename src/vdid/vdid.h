/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdid.h - the instances of this node: orders in, answers and events out.
 *
 * Orders are idempotent by (instance, generation): a start of what exists and a
 * stop of what does not succeed; an older generation or epoch is -ESTALE. Nothing
 * here ends with the process: what runs is found again by records and libvirt.
 */
#ifndef VDID_VDID_H
#define VDID_VDID_H

#include "loop/loop.h"
#include "vdid/accel.h"
#include "vdid/cache.h"
#include "vdid/record.h"

struct vdid;

struct vdid_config {       /* strings are copied */
    const char *uri;       /* of libvirt: "qemu:///system" */
    const char *state_dir; /* records, overlays, saved memory; private to vdid and QEMU */
    const char *image_dir;
    const char *run_dir;       /* where libvirt keeps QEMU's pid files: /run/libvirt/qemu */
    const char *prefix;        /* of names of domains: "vdi" */
    const char *emulator;      /* "": libvirt's own */
    const char *bridge;        /* "": guests have no network */
    const char *spice_address; /* "127.0.0.1" */
    bool spice_tls;            /* of new instances; by libvirt's qemu.conf */
    const char *node;          /* this node's name, for guests; "": they are not told */
    const char *writer;    /* program vdi-writer; "": the one beside this program, or installed */
    const char *share;     /* program vdi-share; the same */
    const char *ccache;    /* program vdi-ccache; the same */
    const char *virtiofsd; /* ""; one of the usual places */
    /* Published images; without a controller none are fetched. */
    const char *image_cache; /* "": STATE_DIR/image-cache */
    const char *controller, *cluster, *ca_file, *cert_file, *key_file;
    const char *disk_dir, *disk_shared_dir;   /* "": STATE_DIR/disks; "": none */
    uint64_t disk_max_gib;                    /* of all volumes of disk_dir; 0: no limit */
    const char *fetcher;                      /* program vdi-fetch; "": as writer */
    uint64_t image_cache_mib, image_rate_mib; /* 0: no limit */
    uint16_t port_min, port_max;
    enum accel_mode accel;
    uint32_t tcg_cache_mib; /* 0: QEMU's own */
    int64_t boot_timeout_sec;
    int64_t keep_gone_sec;    /* how long an instance that ended is remembered */
    uint32_t output_max_mib;  /* of a stream of a script; the rest is left out */
    uint32_t output_keep_mib; /* of all that is spooled: what ended first goes first */
    int64_t output_keep_sec;  /* how long the output of what ended is kept */
};

enum vdid_verb {
    VDID_START,
    VDID_STOP,       /* grace_sec > 0: the guest is asked first */
    VDID_POLL,       /* a site report */
    VDID_PAUSE,      /* memory stays */
    VDID_SAVE,       /* memory goes to a file */
    VDID_RESUME,     /* from either */
    VDID_REBOOT,     /* as by the reset button */
    VDID_TICKET,     /* the SPICE password, until expire_sec */
    VDID_SCREENSHOT, /* {"path":...} */
    VDID_LOG,        /* {"stages","failed_stage","reason","console","screenshot"}: vdi/plugin.h */
    VDID_SIGNAL,     /* to the script's process group */
    VDID_MESSAGE,    /* to the user */
    VDID_BIND,       /* a seat that is ready to its job and owner: vdi/plugin.h */
    VDID_OUTPUT,     /* {"from","size","data","truncated","ended"}: vdi/plugin.h */
    VDID_N_VERBS
};
extern const char *const vdid_verb_names[]; /* NULL-terminated */

struct vdid_order {
    uint32_t verb; /* enum vdid_verb */
    struct vdi_instance_id id;
    uint64_t epoch;
    struct record_wish wish; /* start; bind: job and owner */
    uint32_t grace_sec;      /* stop */
    char password[64];       /* ticket; never logged, never kept */
    int64_t expire_sec;      /* ticket: Unix time */
    char *details;   /* start, bind: JSON of run_wish.h; "" or NULL: nothing is run. Borrowed */
    char *text;      /* message: at most 4096 bytes. Borrowed */
    uint32_t signal; /* 1 to 64 */
    uint32_t stream, max; /* output: RUNNER_OUT or RUNNER_ERR; bytes */
    uint64_t from;        /* output: offset of the first byte */
};

/* From {"verb":"start","instance":5,"generation":1,"epoch":3,...}; to be freed with
 * vdid_order_done(). */
int vdid_order_decode(const char *json, size_t len, struct vdid_order *ret, struct vdi_error *err);
void vdid_order_done(struct vdid_order *order);

/* Called once per order, on the loop, perhaps before vdid_order() returns; json may be NULL. Gives
 * no order itself: what it was called from still looks at the instance. So do events' handlers. */
typedef void (*vdid_fn)(void *arg, int result, const char *json, const struct vdi_error *err);

struct vdid_handler {
    /* what: "ready", "exited", "saved", "gone", "input" (json: a site report); "stage"
     * ({"stage":...,"usec":...}); "problem" ({"problem":...}: it goes on all the same);
     * "io_error" ({}: the guest stands still, a disk of the node is full or broken). */
    void (*instance)(void *arg, struct vdi_instance_id id, const char *what, const char *json);
    /* A domain of ours without a record. It is left alone. */
    void (*orphan)(void *arg, struct vdi_instance_id id);
    /* In service or not, with the reason. */
    void (*service)(void *arg, bool in_service, const char *why);
    /* [may be NULL] Versions of images, or volumes, came or went, or are on their way. */
    void (*images)(void *arg);
};

/* Reads all records; blocks for that. NULL with err filled. */
struct vdid *vdid_new(struct loop *loop, const struct vdid_config *config,
                      const struct vdid_handler *handler, void *arg, struct vdi_error *err);
/* Ends no instance. Orders under way are answered with -ECANCELED. Takes NULL. */
void vdid_free(struct vdid *v);
void vdid_order(struct vdid *v, const struct vdid_order *order, vdid_fn fn, void *arg);
/* A version of an image is wanted here: before the start that names it, or to be there in time.
 * 0: it is there; 1: it is being fetched; negative errno with err. */
int vdid_want(struct vdid *v, const struct cache_wish *wish, bool for_start, struct vdi_error *err);
/* Those of the cache; the caller frees *ret. */
size_t vdid_images(struct vdid *v, struct inventory_image **ret);
/* Removes the volume of a disk that no instance has; succeeds when there is none. */
void vdid_discard(struct vdid *v, uint64_t epoch, const char *volume, uint32_t where, vdid_fn fn,
                  void *arg);
/* Volumes of disks, as they were lately; the caller frees *ret. */
size_t vdid_volumes(const struct vdid *v, struct inventory_volume **ret);
/* SPICE's port of an instance, and whether it speaks TLS; 0: none. */
uint32_t vdid_port(const struct vdid *v, struct vdi_instance_id id, bool *ret_has_tls);
/* Every instance: [{"instance":5,"generation":1,"state":...,"port":...,"report":{...}},...]. */
void vdid_write_all(const struct vdid *v, struct buf *out);

#endif
