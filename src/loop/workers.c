/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workers.c - a pool of threads behind one bounded queue.
 *
 * An item is in exactly one place: waiting, running, finished, or with its
 * `done` called. Finished items go back to the loop in the order in which
 * they finished; one wakeup serves all that finished meanwhile.
 */
#include "loop/loop.h"

#include "base/list.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* `done` callbacks run for so long before the loop looks at its fds again. */
#define DONE_BUDGET_USEC (5 * USEC_PER_MSEC)

struct item {
    struct list link;
    void (*work)(void *arg);
    void (*done)(void *arg, bool dropped);
    void *arg;
};

struct workers {
    struct loop *loop;
    struct source *wakeup;
    pthread_mutex_t lock; /* over all up to abandoned */
    pthread_cond_t posted, ended;
    struct list waiting, finished;
    unsigned n_waiting, n_alive;
    bool stopping;
    bool abandoned; /* the loop is gone: whoever comes back from work just ends */
    unsigned queue_max, n_threads;
    bool in_done;  /* a `done` is being called by on_finished() */
    bool is_freed; /* ... and has called workers_free() */
    char name[16]; /* pthread_setname_np(3)'s limit */
    pthread_t threads[];
};

static struct item *take_first(struct list *l)
{
    if (list_is_empty(l))
        return NULL;
    struct item *item = list_entry(l->next, struct item, link);
    list_remove(&item->link);
    return item;
}

static void memory_free(struct workers *w)
{
    pthread_cond_destroy(&w->posted);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* Under the lock, which it lets go of. Of an abandoned pool the last to leave frees it. */
static void leave(struct workers *w)
{
    bool is_last = --w->n_alive == 0 && w->abandoned;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
    if (is_last)
        memory_free(w);
}

static void *worker_main(void *arg)
{
    struct workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->stopping && list_is_empty(&w->waiting))
            pthread_cond_wait(&w->posted, &w->lock);
        if (w->stopping)
            break;
        struct item *item = take_first(&w->waiting);
        w->n_waiting--;
        pthread_mutex_unlock(&w->lock);
        item->work(item->arg);
        pthread_mutex_lock(&w->lock);
        if (w->abandoned) {
            free(item);
            break;
        }
        list_append(&w->finished, &item->link);
        source_trigger(w->wakeup);
    }
    leave(w);
    return NULL;
}

static void finish(struct workers *w, struct item *item, bool dropped)
{
    loop_busy(w->loop, -1);
    if (item->done)
        item->done(item->arg, dropped);
    free(item);
}

static struct item *take_finished(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    struct item *item = take_first(&w->finished);
    pthread_mutex_unlock(&w->lock);
    return item;
}

/* No thread adds to them any more. */
static void finish_all(struct workers *w)
{
    struct item *item;
    while ((item = take_first(&w->finished)))
        finish(w, item, false);
    while ((item = take_first(&w->waiting)))
        finish(w, item, true);
}

/* After the threads have ended: no `done` is left uncalled. */
static void workers_release(struct workers *w)
{
    finish_all(w);
    source_free(w->wakeup);
    memory_free(w);
}

static void on_finished(void *arg)
{
    struct workers *w = arg;
    int64_t begin = time_monotonic_usec();
    struct item *item;
    w->in_done = true;
    while ((item = take_finished(w))) {
        finish(w, item, false);
        if (time_monotonic_usec() - begin > DONE_BUDGET_USEC) {
            source_trigger(w->wakeup);
            break;
        }
    }
    w->in_done = false;
    if (w->is_freed)
        workers_release(w);
}

/* Signals are the loop's: no worker takes one. */
static int start_threads(struct workers *w, unsigned n_threads)
{
    sigset_t all, before;
    int r = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (w->n_threads < n_threads && r == 0) {
        r = pthread_create(&w->threads[w->n_threads], NULL, worker_main, w);
        if (r == 0)
            pthread_setname_np(w->threads[w->n_threads++], w->name);
    }
    pthread_mutex_lock(&w->lock);
    w->n_alive += w->n_threads;
    pthread_mutex_unlock(&w->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

/* Waited for by the monotonic clock, so that nobody who sets the other one matters. */
static void ended_init(pthread_cond_t *ended)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(ended, &attr);
    pthread_condattr_destroy(&attr);
}

struct workers *workers_new(struct loop *loop, const char *name, unsigned n_threads,
                            unsigned queue_max)
{
    struct workers *w = calloc(1, sizeof(*w) + n_threads * sizeof(pthread_t));
    if (!w)
        return NULL;
    w->loop = loop;
    w->queue_max = queue_max;
    str_copy(w->name, sizeof(w->name), name);
    list_init(&w->waiting);
    list_init(&w->finished);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->posted, NULL);
    ended_init(&w->ended);
    w->wakeup = loop_wakeup(loop, on_finished, w);
    int r = w->wakeup ? start_threads(w, n_threads) : -errno;
    if (r < 0) {
        workers_free(w);
        errno = -r;
        return NULL;
    }
    return w;
}

static void stop(struct workers *w)
{
    w->is_freed = true;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->posted);
    pthread_mutex_unlock(&w->lock);
}

void workers_free(struct workers *w)
{
    if (!w || w->is_freed)
        return;
    stop(w);
    for (unsigned i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    if (!w->in_done)
        workers_release(w);
}

/* Returns how many threads did not end in time; those are on their own from now on. */
static unsigned wait_for_ends(struct workers *w, int64_t wait_usec)
{
    int64_t until = time_monotonic_usec() + wait_usec;
    struct timespec at = {until / USEC_PER_SEC, until % USEC_PER_SEC * 1000};
    pthread_mutex_lock(&w->lock);
    while (w->n_alive && pthread_cond_timedwait(&w->ended, &w->lock, &at) == 0)
        ;
    unsigned n = w->n_alive;
    w->abandoned = n > 0;
    w->n_alive += w->abandoned; /* us */
    pthread_mutex_unlock(&w->lock);
    return n;
}

unsigned workers_abandon(struct workers *w, int64_t wait_usec)
{
    if (!w || w->is_freed)
        return 0;
    stop(w);
    unsigned n = wait_for_ends(w, wait_usec);
    for (unsigned i = 0; i < w->n_threads; i++)
        (void)(n ? pthread_detach(w->threads[i]) : pthread_join(w->threads[i], NULL));
    if (!n) {
        workers_release(w);
        return 0;
    }
    finish_all(w);
    source_free(w->wakeup);
    pthread_mutex_lock(&w->lock);
    leave(w);
    return n;
}

int workers_post(struct workers *w, void (*work)(void *arg), void (*done)(void *arg, bool dropped),
                 void *arg)
{
    if (w->is_freed)
        return -ESHUTDOWN;
    struct item *item = malloc(sizeof(*item));
    if (!item)
        return -ENOMEM;
    *item = (struct item){.work = work, .done = done, .arg = arg};
    pthread_mutex_lock(&w->lock);
    bool full = w->n_waiting >= w->queue_max;
    if (!full) {
        list_append(&w->waiting, &item->link);
        w->n_waiting++;
        pthread_cond_signal(&w->posted);
    }
    pthread_mutex_unlock(&w->lock);
    if (full) {
        free(item);
        return -EBUSY;
    }
    loop_busy(w->loop, 1);
    return 0;
}

unsigned workers_queued(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    unsigned n = w->n_waiting;
    pthread_mutex_unlock(&w->lock);
    return n;
}
