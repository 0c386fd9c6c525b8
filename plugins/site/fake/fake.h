/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h - between the files of site/fake alone: an instance that is not there.
 *
 * What an instance does is decided when it is started (struct fake_script), and
 * where it stands follows from the clock alone (fake_state_now): nothing has to be
 * written down when it becomes ready or ends, and a restart finds it as it is.
 */
#ifndef SITE_FAKE_H
#define SITE_FAKE_H

#include <jansson.h>
#include <search.h>
#include <stdint.h>
#include <sys/queue.h>

#include <vdi/plugin.h>

#define FAKE_TIME_MAX_MS INT64_C(31622400000) /* a year */
#define FAKE_BYTES_MAX INT64_C(16777216)
#define USEC_PER_MSEC INT64_C(1000)

/* How an instance goes on once it is ready, and how it ends. */
struct fake_script {
    bool ends; /* by itself, after_usec after it became ready */
    int64_t after_usec;
    int64_t term_usec; /* so long it takes to end after SIGTERM */
    bool noboot;       /* never becomes ready */
    bool crash;        /* ends by no will of its guest */
    int exit_code;
    int exit_signal;
    int64_t every_usec; /* so long between two lines of output; 0: all at once */
    int64_t bytes;      /* filler after the lines */
    char *out, *err;    /* all it will write; NULL: nothing. The instance's */
};

struct fake_spec {
    uint64_t job;
    bool is_seat; /* there is no job */
    bool batch;
    struct fake_script script;
};

struct fake_instance {
    struct fake *site;
    struct vdi_instance_id id;
    uint64_t epoch;
    char node[64];
    uint64_t job; /* of a seat: 0 until it is bound */
    bool is_seat; /* it was started without a job */
    bool batch;
    struct fake_script script;
    int64_t ready_usec; /* when it is ready (due, or was) */
    int64_t bound_usec; /* of a seat: when its job's script begins, at the end of the bind; or 0 */
    int64_t end_usec;   /* when it ends by itself; 0: never */
    bool saved;
    int64_t left_usec; /* while saved: what was left until the end */
    bool stopped;      /* forgotten but for its generation */
    bool journaled;    /* its start is in the journal */
    bool told_ready;
    bool told_idle; /* and since when: */
    int64_t told_touched_usec;
    struct vdi_watch *timer;
};

/* EXITED: the script has ended, and the instance waits for its stop. */
enum fake_state { FAKE_BUILDING, FAKE_READY, FAKE_EXITED, FAKE_SAVED, FAKE_GONE };

struct fake_wait;

struct fake {
    struct vdi_host *host;
    const struct vdi_host_api *api;
    int64_t boot_usec, bind_usec, run_usec;
    int64_t fail_start, fail_bind; /* percent */
    int64_t slow_every;            /* starts; 0: none is slow */
    uint64_t n_begun;              /* starts, where that matters */
    int64_t saves;                 /* so many can be saved at once; 0: any number */
    int64_t resumes, resumed;      /* so many can be resumed in all, and were; 0: any number */
    char *state_dir;               /* NULL: memory only */
    int dir_fd;                    /* of state_dir; -1 */
    char *input_dir;               /* NULL: nobody knows who touches what */
    int input_fd;                  /* of input_dir; -1 */
    struct vdi_watch *input_timer;
    uint64_t epoch;               /* the newest that ordered anything */
    void *instances;              /* tsearch(3) by id */
    LIST_HEAD(, fake_wait) waits; /* orders to bind that are not answered yet */
    uint64_t n_live, n_started;
};

/* clock.c - instances and their clocks. */
/* errno negative; field is the setting or member, the sentence is printf's. */
int fake_error(struct vdi_error *err, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
struct fake_instance *fake_find(struct fake *site, uint64_t id);
/* Finds or makes (stopped, generation 0); NULL: no memory. */
struct fake_instance *fake_get(struct fake *site, uint64_t id);
enum fake_state fake_state_now(const struct fake_instance *in);
/* The document of a poll and of an event, in buf. */
const char *fake_report(const struct fake_instance *in, enum fake_state state, char *buf,
                        size_t size);
/* Sets the timer to the next thing that will happen. */
void fake_arm(struct fake_instance *in);
void fake_disarm(struct fake_instance *in);
int fake_answer(struct fake *site, struct vdi_op *op);
int fake_refuse(struct fake *site, struct vdi_op *op, const struct vdi_error *err);
/* Is it one of so many in a hundred? The same ones whenever the same jobs are run. */
bool fake_fails(uint64_t id, int64_t percent);

/* bind.c */
int fake_bind(void *arg, struct vdi_instance_id id, const char *node, const char *bind_json,
              struct vdi_op *op);
void fake_bind_done(struct fake *site);

/* order.c - the ops of an instance that was started. */
/* The instance that is meant, and is ready; or NULL: then the op is completed. */
struct fake_instance *fake_meant_ready(struct fake *site, struct vdi_instance_id id,
                                       struct vdi_op *op);
int fake_poll(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op);
int fake_suspend(void *arg, struct vdi_instance_id id, const char *node, const char *mode,
                 struct vdi_op *op);
int fake_resume(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op);
int fake_reboot(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op);
int fake_signal(void *arg, struct vdi_instance_id id, const char *node, int signo,
                struct vdi_op *op);
int fake_message(void *arg, struct vdi_instance_id id, const char *node, const char *text,
                 struct vdi_op *op);
int fake_capacity(void *arg, struct vdi_op *op);

/* spec.c - what the instance will do, out of its specification. -EINVAL with err. */
int fake_spec_read(const char *spec_json, int64_t run_usec, struct fake_spec *ret,
                   struct vdi_error *err);

/* output.c - what the script writes. */
/* Fills out and err from the script. -ENOMEM. */
int fake_output_make(json_t *spec, const char *script, struct fake_script *ret);
void fake_output_free(struct fake_script *script);
/* The instance is being stopped: what it has not written yet it never will. */
void fake_output_cut(struct fake_instance *in);
int fake_output(void *arg, struct vdi_instance_id id, const char *node, const char *stream,
                uint64_t from, uint32_t max, struct vdi_op *op);
int fake_log(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op);

/* input.c - who touches it. */
int fake_input_open(struct fake *site, struct vdi_error *err);
void fake_input_close(struct fake *site);
/* -1: it is not known. */
int64_t fake_idle_sec(const struct fake_instance *in);

/* keep.c - instances in state_dir; each function does nothing without one. */
int fake_keep_open(struct fake *site, struct vdi_error *err);
int fake_keep_write(struct fake_instance *in);
int fake_keep_epoch(struct fake *site);
/* One line in the journal; `what` is "start" or "stop". */
int fake_keep_journal(const struct fake_instance *in, const char *what);
void fake_keep_remove(const struct fake_instance *in);
/* Both streams, if anything is in them; they stay when the instance goes. */
int fake_keep_write_output(const struct fake_instance *in);
/* One of them, or NULL. Caller frees. */
char *fake_keep_read_output(const struct fake *site, struct vdi_instance_id id, const char *stream);
bool fake_keep_has_output(const struct fake *site, struct vdi_instance_id id);

#endif
