/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - the event loop: fd, timer, signal, child, worker, idle; on libevent.
 *
 * One loop per thread. All callbacks run on the loop's thread, and every source
 * belongs to who made it (source_free takes NULL and may be called inside the
 * source's own callback). A loop may run on a virtual clock (tests, simulation):
 * time then jumps to the next timer when nothing else is ready and no worker
 * is at work; libevent's own timeouts (wire/) stay in real time.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct loop;
struct source;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void);
struct loop *loop_new_virtual(int64_t start_usec);
/* Sources that are still there are cut off; they must be freed all the same. */
void loop_free(struct loop *loop);
int loop_run(struct loop *loop); /* until loop_stop */
/* One round. -EDEADLK: on a virtual clock, and nothing is left that could ever happen. */
int loop_run_once(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
struct event_base *loop_base(struct loop *loop); /* for wire/ only */

int64_t loop_now_usec(struct loop *loop); /* wall clock (or the virtual one) */
int64_t loop_monotonic_usec(struct loop *loop);
/* Longest time between two looks at the poll set since the last call; for figure P2. */
int64_t loop_longest_stall_usec(struct loop *loop, bool reset);
/* First thing in a callback that libevent itself calls (wire/): a stall is counted from
 * here, and the virtual clock sees that something was ready. */
void loop_mark(struct loop *loop);
/* Work that will come back to the loop began (+1) or ended (-1): the virtual clock waits for it. */
void loop_busy(struct loop *loop, int change);

/* Makers return NULL with errno set. */
struct source *loop_fd(struct loop *loop, int fd, unsigned events,
                       void (*fn)(void *arg, int fd, unsigned events), void *arg);
/* One shot; source_rearm() sets it again. A negative delay makes it unarmed. */
struct source *loop_timer(struct loop *loop, int64_t delay_usec, void (*fn)(void *arg), void *arg);
struct source *loop_signal(struct loop *loop, int signo, void (*fn)(void *arg, int signo),
                           void *arg);
/* Reaps pid by pidfd; status as waitpid(2) gives it, -1 for a process that is not our child
 * and has ended. One shot. Frees nothing. */
struct source *loop_child(struct loop *loop, pid_t pid,
                          void (*fn)(void *arg, pid_t pid, int status), void *arg);
/* `fn` soon, from any thread; the source may be triggered again and again (coalesced). */
struct source *loop_wakeup(struct loop *loop, void (*fn)(void *arg), void *arg);
void source_trigger(struct source *s);
void source_rearm(struct source *s, int64_t delay_usec);
void source_free(struct source *s);

/*
 * Worker pool: blocking work off the loop, results back on it. With n_threads
 * = 1 the work is done strictly in the order posted. queue_max bounds what waits.
 */
struct workers;
struct workers *workers_new(struct loop *loop, const char *name, unsigned n_threads,
                            unsigned queue_max);
/* Before the loop is. Waits for running work; work not begun is dropped after `done` was
 * called with dropped=true. */
void workers_free(struct workers *w);
/*
 * The same for work that may hang: waits for no longer than wait_usec. What runs even then
 * keeps its thread and its arg until it comes back, and its `done` is never called. Returns
 * how many those are. Not from inside a `done`.
 */
unsigned workers_abandon(struct workers *w, int64_t wait_usec);
/* On the loop's thread. -EBUSY: queue full. -ESHUTDOWN: from a `done` inside workers_free. */
int workers_post(struct workers *w, void (*work)(void *arg), void (*done)(void *arg, bool dropped),
                 void *arg);
unsigned workers_queued(struct workers *w);

#endif
