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
#include "vdid/child.h"
#include "vdid/console.h"
#include "vdid/domain_spec.h"
#include "vdid/image.h"
#include "vdid/ports.h"
#include "vdid/vdid.h"
#include "vdid/virt.h"

#define INSTANCE_PATH_MAX (PATH_MAX / 2)

struct vdid {
    struct loop *loop;
    struct vdid_config config;
    char *strings[8]; /* the config's, owned */
    struct vdid_handler handler;
    void *arg;
    struct virt *virt;
    struct workers *disk; /* one thread: files are written in the order asked for */
    struct ports *ports;
    struct hash *instances; /* by id; one generation of each */
    struct accel *proof;
    struct source *tick;
    int64_t listed_usec; /* when a list was last asked for */
    uint64_t clock;      /* counts changes of instances, to date a list */
    uint64_t list_clock;
    bool list_pending, list_again;
    bool in_service, proven;
    bool is_freed;
    char why[320]; /* not in service: the reason */
    uint64_t epoch;
};

struct waiter {
    struct list link;
    enum vdid_verb verb;
    vdid_fn fn;
    void *arg;
};

/* An order that came while a step was under way. */
struct parked {
    struct list link;
    struct vdid_order order;
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
    int64_t grace_usec;   /* STOP: when patience with the guest ends (monotonic); 0: none left */
    bool was_asked;       /* STOP: the guest was asked to shut down */
    bool is_running;      /* libvirt or a pidfd says so */
    bool is_dead;         /* QEMU's pidfd says so */
    bool untold;          /* GONE or SAVED on disk, and nobody has heard of it */
    bool is_found_text, has_byte, is_pinging;
    unsigned port_tries;
    struct image *image; /* while PREPARE */
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
/* Ends by failure: reason, answer to who waits for a start, end of the domain, removal. */
void instance_fail(struct instance *in, const struct vdi_error *err);
void instance_end(struct instance *in, bool failed, const char *reason);
void instance_answer(struct instance *in, unsigned verbs, int result, const struct vdi_error *err);
int instance_wait(struct instance *in, enum vdid_verb verb, vdid_fn fn, void *arg);
int instance_park(struct instance *in, const struct vdid_order *order, vdid_fn fn, void *arg);
void instance_emit(struct instance *in, const char *what);
void instance_emit_stage(struct instance *in, const char *stage);
void instance_path(const struct instance *in, const char *file, char *ret);
const char *instance_domain(const struct instance *in, char *ret);
/* Its SPICE server; borrows from the instance. */
struct domain_graphics instance_graphics(const struct instance *in);
/* Runs work(in) on the disk's thread, then done(in, dropped). */
bool instance_post(struct instance *in, void (*work)(void *arg),
                   void (*done)(void *arg, bool dropped), void *arg);

/* ---- prepare.c ---- */
void instance_prepare(struct instance *in); /* busy until CREATE, or failed */
void instance_create(struct instance *in);
void instance_clean(struct instance *in); /* files of a running instance go; then GONE */

/* ---- save.c ---- */
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
