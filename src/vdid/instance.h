/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.h - between the files of vdid: the node, and one instance on it.
 *
 * An instance takes one step at a time (`busy`); what a step finds or an order
 * wants is written into the record's state, and instance_act() takes the next step
 * from there. The same function therefore goes on after a crash of vdid.
 */
#ifndef VDID_INSTANCE_H
#define VDID_INSTANCE_H

#include <limits.h>

#include "base/hash.h"
#include "base/list.h"
#include "vdid/cache.h"
#include "vdid/child.h"
#include "vdid/console.h"
#include "vdid/domain_spec.h"
#include "vdid/image.h"
#include "vdid/ports.h"
#include "vdid/run_wish.h"
#include "vdid/runner.h"
#include "vdid/vdid.h"
#include "vdid/virt.h"
#include "vdid/volume.h"
#include "vdid/writer.h"

#define INSTANCE_PATH_MAX (PATH_MAX / 2)

struct vdid {
    struct loop *loop;
    struct vdid_config config;
    char *strings[16]; /* the config's, owned */
    struct vdid_handler handler;
    void *arg;
    struct virt *virt;
    struct workers *disk;  /* one thread: files are written in the order asked for */
    struct cache *cache;   /* published images */
    struct workers *spool; /* what scripts wrote, pictures: nothing here waits for an image */
    struct ports *ports;
    struct hash *instances; /* by id; one generation of each */
    struct accel *proof;
    struct source *tick;
    int64_t collected_usec; /* when the spool was last looked through */
    int64_t listed_usec;    /* when a list was last asked for */
    uint64_t clock;         /* counts changes of instances, to date a list */
    uint64_t list_clock;
    bool list_pending, list_again;
    bool in_service, proven;
    bool is_freed;
    char why[320]; /* not in service: the reason */
    uint64_t epoch;
    struct inventory_volume *volumes; /* disks.c: as they were when somebody looked */
    size_t n_volumes;
    bool is_listing, volumes_again;
};

struct waiter {
    struct list link;
    enum vdid_verb verb;
    uint64_t heard; /* answered when the guest runner has heard this number; 0: by its verb */
    vdid_fn fn;
    void *arg;
};

/* An order that came while a step was under way. */
struct parked {
    struct list link;
    struct vdid_order order; /* its details are its own */
    vdid_fn fn;
    void *arg;
};

struct instance {
    struct vdid *vdid;
    struct record rec;
    uint64_t stamp; /* of vdid->clock */
    bool busy;
    bool stop; /* wanted, once the step under way is done */
    bool failed_start;
    struct vdi_error why; /* failed_start: for the answer */
    bool is_dirty;        /* the record has changed; to be written when nothing is under way */
    unsigned asked;       /* STOP: what the guest was asked for, enum of stop.c */
    int64_t asked_usec;   /* STOP: when the next thing is asked for (monotonic) */
    bool is_running;      /* libvirt or a pidfd says so */
    bool is_dead;         /* QEMU's pidfd says so */
    bool untold;          /* GONE or SAVED on disk, and nobody has heard of it */
    bool is_found_text, has_byte, is_pinging;
    bool is_blank;    /* BOOT: the last picture showed nothing */
    bool has_picture; /* BOOT: it was not */
    int64_t picture_usec;
    /* run.c */
    struct run_wish *run;      /* NULL: nothing is run, and no runner is asked */
    bool has_run_file;         /* run.json is there, or on its way */
    bool is_heard;             /* the guest runner is ready */
    int64_t guest_kernel_usec; /* when it began, by the guest's clock */
    struct runner *runner;     /* while the domain may exist */
    bool is_closing;           /* STOP: QEMU is gone, its last words are being written down */
    bool is_closed;
    bool has_exit; /* told as soon as -o and -e files are complete, or took too long */
    struct writing_out {
        struct writer *writer;
        bool is_over;       /* complete */
        int64_t again_usec; /* it failed: not before then (monotonic) */
    } files[RUNNER_N_STREAMS];
    struct source *patience; /* with the files */
    /* tickets.c */
    bool has_ticket; /* PREPARE: its owner has one */
    struct ccache_read *ticket_read;
    struct source *ticket_timer;
    char ticket_why[160]; /* the last that its user was told */
    unsigned port_tries;
    struct share *shares[RUN_SHARES_MAX]; /* shares.c; NULL: none, or it has not been asked for */
    uint32_t n_shared;                    /* PREPARE, BIND: so many serve */
    uint32_t n_disks;                     /* PREPARE, BIND: so many are there */
    uint32_t qemu_uid, qemu_gid;
    /* bind.c */
    uint32_t n_plugged_disks, n_plugged_shares; /* BIND: so many are in the domain */
    bool is_plugged;                            /* BIND: all of them */
    bool is_plug_lost;                          /* BIND: the last one may be in all the same */
    bool has_begun;                             /* its session or script, or there is none */
    struct source *bind_timer;
    struct source *share_timer;
    char share_why[160];
    struct image *image; /* while PREPARE */
    bool is_fetching;    /* PREPARE: its version is on its way */
    struct child *child;
    struct source *process; /* QEMU's pidfd */
    struct source *timer;   /* boot timeout, grace, patience with libvirt's word */
    struct source *look;    /* while BOOT: console and agent */
    int64_t ping_usec;
    struct console console;
    struct list waiters, parked;
    unsigned n_parked;
};

/* ---- instance.c: steps ---- */
struct instance *instance_new(struct vdid *v, const struct record *rec);
void instance_free(struct instance *in); /* answers waiters with -ECANCELED */
/* The next step. Nothing while one is under way, or libvirt is needed and away. */
void instance_act(struct instance *in);
/* Writes the record, then acts. */
void instance_set(struct instance *in, enum record_state state);
void instance_set_quietly(struct instance *in, enum record_state state); /* record in memory only */
void instance_keep(struct instance *in); /* writes the record, now or when nothing is under way */
/* What does not end it; told, and kept in its log. */
void instance_problem(struct instance *in, const char *why);
/* Ends by failure: reason, answer to who waits for a start, end of the domain, removal. */
void instance_fail(struct instance *in, const struct vdi_error *err);
void instance_end(struct instance *in, bool failed, const char *reason);
/* By order; the guest is asked first, and has until then (wall clock). */
void instance_end_by(struct instance *in, int64_t until_usec, const char *reason);
void instance_answer(struct instance *in, unsigned verbs, int result, const struct vdi_error *err);
int instance_wait(struct instance *in, enum vdid_verb verb, vdid_fn fn, void *arg);
/* For words to the guest: until it has heard the number `seq` (> 0), or its runner is dropped. */
int instance_wait_heard(struct instance *in, enum vdid_verb verb, uint64_t seq, vdid_fn fn,
                        void *arg);
void instance_answer_heard(struct instance *in, uint64_t seq);
int instance_park(struct instance *in, const struct vdid_order *order, vdid_fn fn, void *arg);
void instance_emit(struct instance *in, const char *what);
void instance_emit_stage(struct instance *in, const char *stage);
void instance_emit_problem(struct instance *in);
void instance_path(const struct instance *in, const char *file, char *ret);
const char *instance_domain(const struct instance *in, char *ret);
/* Its SPICE server; borrows from the instance. */
struct domain_graphics instance_graphics(const struct instance *in);
/* Runs work(in) on the disk's thread, then done(in, dropped). */
bool instance_post(struct instance *in, void (*work)(void *arg),
                   void (*done)(void *arg, bool dropped), void *arg);

/* ---- stop.c ---- */
void instance_stop(struct instance *in);

/* ---- run.c ---- */
/* The host's half of the guest runner; nothing if it is there, or is not wanted. */
void instance_run_open(struct instance *in);
/* The guest is reset or saved: what it said of itself no longer holds. */
void instance_run_drop(struct instance *in);
/* QEMU is gone. True: its last words are not yet on disk; instance_act() comes when they are. */
bool instance_run_is_closing(struct instance *in);
/* After a crash: how the script ended may be on disk already, and not in the record. */
void instance_run_recall(struct instance *in);
/* As runner_idle_sec(), of a desktop that is READY, or being bound. */
int64_t instance_idle_sec(const struct instance *in);
void instance_run_done(struct instance *in); /* frees what run.c has */
/* STATE_DIR/spool/ID.GENERATION/FILE; ret has PATH_MAX bytes. */
void spool_path(const struct vdid *v, struct vdi_instance_id id, const char *file, char *ret);

/* ---- show.c ---- */
/* Both read files on a worker, and answer once. */
void vdid_show_output(struct vdid *v, const struct instance *in, const struct vdid_order *o,
                      vdid_fn fn, void *arg);
void vdid_show_log(const struct instance *in, vdid_fn fn, void *arg);

/* ---- spool.c ---- */
/* Now and then: output that was kept long enough goes, and the oldest of what is too much. */
void vdid_collect(struct vdid *v);

/* ---- prepare.c ---- */
void instance_prepare(struct instance *in); /* busy until CREATE, or failed */
/* The version it waits for is here, or will not come. */
void instance_fetched(struct instance *in, int result, const struct vdi_error *err);
/* Who waits for its start hears that it takes longer: the boot has not begun. */
void instance_tell_fetching(struct instance *in);
void instance_create(struct instance *in);
void instance_clean(struct instance *in); /* files of a running instance go; then GONE */

/* ---- orders.c ---- */
/* What o's details ask for, with what the node adds. */
int vdid_read_run(const struct vdid *v, const struct vdid_order *o, const char *nonce,
                  struct run_wish **ret, struct vdi_error *err);
void instance_take_run(struct instance *in, struct run_wish *run);

/* ---- bind.c ---- */
void vdid_bind(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg);
void instance_bind(struct instance *in); /* the next step in BIND */
void instance_plug(struct instance *in); /* a disk was made, a share serves */
void instance_bind_done(struct instance *in);

/* ---- disks.c ---- */
struct volume_config vdid_volume_config(const struct vdid *v);
/* 0, or -EBUSY with err: another instance of the node has one of them. */
int vdid_disks_check(const struct vdid *v, uint64_t id, const struct run_wish *run,
                     struct vdi_error *err);
void instance_disks(struct instance *in); /* busy until instance_share(), or failed */
/* Where it is; ret has PATH_MAX bytes. */
void instance_disk_path(const struct instance *in, uint32_t i, char *ret);
/* The guest's user hears what is kept, and how long. */
void instance_disks_tell(struct instance *in);
/* Looks what there is, beside everything else. */
void vdid_volumes_changed(struct vdid *v);

/* ---- tickets.c ---- */
/* PREPARE: true if it is looked for; then instance_act() comes when it is there, or it failed. */
bool instance_ticket_missing(struct instance *in);
void instance_ticket_open(struct instance *in); /* with a runner: it gets it, now and renewed */
void instance_ticket_close(struct instance *in);

/* ---- shares.c ---- */
void instance_share(struct instance *in);  /* starts the servers; busy until: */
void instance_shared(struct instance *in); /* prepare.c: goes on */
void instance_shares_watch(struct instance *in);
void instance_share_socket(const struct instance *in, uint32_t i, char *ret);
/* From number `from` on: their servers end; on the disk's thread. Forgotten first, if it runs. */
void instance_shares_end(const struct instance *in, uint32_t from);
void instance_shares_forget(struct instance *in, uint32_t from);
void instance_shares_done(struct instance *in);

/* ---- save.c ---- */
/* 0, or -ENOSPC with err: its memory would not fit on the disk. */
int instance_save_check(const struct instance *in, struct vdi_error *err);
void instance_save(struct instance *in);
void instance_restore(struct instance *in);
/* Whether the file says it is whole: QEMU ended while we were away. */
bool instance_is_saved(const struct instance *in);
void instance_finish_save(struct instance *in);

/* ---- watch.c ---- */
void instance_watch(struct instance *in); /* QEMU's process; while BOOT, console and agent */
void instance_unwatch(struct instance *in);
void instance_event(struct instance *in, enum virt_event event);

/* ---- registry ---- */
/* Of one that is GONE and not busy: its directory goes, and so does it. */
void vdid_forget(struct instance *in);
void vdid_set_epoch(struct vdid *v, uint64_t epoch);
void vdid_recheck(struct vdid *v); /* asks libvirt what runs, and holds the records to it */

#endif
