/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - the event loop: libevent for fds and signals, our own heap for timers.
 *
 * Timers are ours because libevent's cannot run on a virtual clock. One
 * timerfd stands for all of them; on a virtual clock there is none. A source
 * that is freed in its own callback is unhooked at once and its memory
 * released when the callback has returned.
 */
#include "loop/loop.h"

#include "base/cleanup.h"
#include "base/list.h"
#include "base/time.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

/* Due timers are called for so long before fds are looked at again. */
#define TIMERS_BUDGET_USEC (5 * USEC_PER_MSEC)
#define NOT_ARMED SIZE_MAX

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD, SOURCE_WAKEUP };

struct source {
    struct list link;  /* loop->sources */
    struct loop *loop; /* NULL: the loop is gone */
    enum source_kind kind;
    bool in_callback, is_freed;
    void *arg;
    union {
        void (*fd)(void *arg, int fd, unsigned events);
        void (*plain)(void *arg); /* timer, wakeup */
        void (*signal)(void *arg, int signo);
        void (*child)(void *arg, pid_t pid, int status);
    } fn;
    struct event *event; /* all but timers */
    int own_fd;          /* child: pidfd; wakeup: eventfd; else -1 */
    pid_t pid;
    atomic_bool is_triggered; /* wakeup */
    int64_t deadline_usec;    /* timer, on loop_monotonic_usec() */
    uint64_t order;           /* timer: among equal deadlines, the earlier armed goes first */
    size_t heap_pos;
};

struct loop {
    struct event_base *base;
    struct list sources;
    struct source **heap; /* heap[0] is the next timer */
    size_t n_heap, heap_size;
    size_t n_timers; /* armed or not; the heap has room for all of them */
    uint64_t order;
    bool is_virtual, is_stopped;
    int64_t virtual_usec;
    int busy;
    int timer_fd;
    struct event *timer_event;
    int64_t timer_fd_usec; /* what timer_fd is set to; 0: nothing */
    int64_t mark_usec;     /* when this round's callbacks began; 0: not yet */
    int64_t longest_stall_usec;
};

/* ---- clocks ---- */

int64_t loop_now_usec(struct loop *loop)
{
    return loop->is_virtual ? loop->virtual_usec : time_now_usec();
}

int64_t loop_monotonic_usec(struct loop *loop)
{
    return loop->is_virtual ? loop->virtual_usec : time_monotonic_usec();
}

int64_t loop_longest_stall_usec(struct loop *loop, bool reset)
{
    int64_t usec = loop->longest_stall_usec;
    if (reset)
        loop->longest_stall_usec = 0;
    return usec;
}

void loop_mark(struct loop *loop)
{
    if (loop->mark_usec == 0)
        loop->mark_usec = time_monotonic_usec();
}

void loop_busy(struct loop *loop, int change)
{
    loop->busy += change;
}

/* ---- the heap of armed timers ---- */

static bool is_earlier(const struct source *a, const struct source *b)
{
    if (a->deadline_usec != b->deadline_usec)
        return a->deadline_usec < b->deadline_usec;
    return a->order < b->order;
}

static void heap_set(struct loop *loop, size_t pos, struct source *s)
{
    loop->heap[pos] = s;
    s->heap_pos = pos;
}

static void heap_up(struct loop *loop, size_t pos, struct source *s)
{
    for (; pos > 0 && is_earlier(s, loop->heap[(pos - 1) / 2]); pos = (pos - 1) / 2)
        heap_set(loop, pos, loop->heap[(pos - 1) / 2]);
    heap_set(loop, pos, s);
}

static void heap_down(struct loop *loop, size_t pos, struct source *s)
{
    for (size_t child; (child = pos * 2 + 1) < loop->n_heap; pos = child) {
        if (child + 1 < loop->n_heap && is_earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!is_earlier(loop->heap[child], s))
            break;
        heap_set(loop, pos, loop->heap[child]);
    }
    heap_set(loop, pos, s);
}

static void heap_remove(struct loop *loop, struct source *s)
{
    size_t pos = s->heap_pos;
    if (pos == NOT_ARMED)
        return;
    s->heap_pos = NOT_ARMED;
    struct source *last = loop->heap[--loop->n_heap];
    if (last == s)
        return;
    if (pos > 0 && is_earlier(last, loop->heap[(pos - 1) / 2]))
        heap_up(loop, pos, last);
    else
        heap_down(loop, pos, last);
}

/* Room for one more timer, so that arming cannot fail. */
static int heap_grow(struct loop *loop)
{
    if (loop->n_timers < loop->heap_size)
        return 0;
    size_t size = loop->heap_size ? loop->heap_size * 2 : 64;
    struct source **heap = realloc(loop->heap, size * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    loop->heap = heap;
    loop->heap_size = size;
    return 0;
}

/* ---- sources ---- */

static void source_release(struct source *s)
{
    if (s->event)
        event_free(s->event);
    closep(&s->own_fd);
    free(s);
}

/* Every callback runs between these two. */
static void callback_begin(struct source *s)
{
    loop_mark(s->loop);
    s->in_callback = true;
}

static void callback_end(struct source *s)
{
    s->in_callback = false;
    if (s->is_freed)
        source_release(s);
}

static struct source *source_new(struct loop *loop, enum source_kind kind, void *arg)
{
    struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->loop = loop;
    s->kind = kind;
    s->arg = arg;
    s->own_fd = -1;
    s->heap_pos = NOT_ARMED;
    list_append(&loop->sources, &s->link);
    return s;
}

/* Takes s; frees it if the event cannot be had. */
static struct source *source_hook(struct source *s, int fd, short what, event_callback_fn fn)
{
    s->event = event_new(s->loop->base, fd, what, fn, s);
    if (s->event && event_add(s->event, NULL) == 0)
        return s;
    int saved_errno = errno ? errno : ENOMEM;
    source_free(s);
    errno = saved_errno;
    return NULL;
}

/* No callback of s from here on. */
static void source_unhook(struct source *s)
{
    list_remove(&s->link);
    if (s->event)
        event_del(s->event);
    if (s->loop && s->kind == SOURCE_TIMER) {
        heap_remove(s->loop, s);
        s->loop->n_timers--;
    }
}

void source_free(struct source *s)
{
    if (!s || s->is_freed)
        return;
    source_unhook(s);
    if (s->in_callback)
        s->is_freed = true;
    else
        source_release(s);
}

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
    struct source *s = arg;
    callback_begin(s);
    s->fn.fd(s->arg, fd, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
    callback_end(s);
}

struct source *loop_fd(struct loop *loop, int fd, unsigned events,
                       void (*fn)(void *arg, int fd, unsigned events), void *arg)
{
    struct source *s = source_new(loop, SOURCE_FD, arg);
    if (!s)
        return NULL;
    s->fn.fd = fn;
    short what = (short)((events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0));
    return source_hook(s, fd, EV_PERSIST | what, on_fd);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct source *s = arg;
    callback_begin(s);
    s->fn.signal(s->arg, signo);
    callback_end(s);
}

struct source *loop_signal(struct loop *loop, int signo, void (*fn)(void *arg, int signo),
                           void *arg)
{
    struct source *s = source_new(loop, SOURCE_SIGNAL, arg);
    if (!s)
        return NULL;
    s->fn.signal = fn;
    return source_hook(s, signo, EV_SIGNAL | EV_PERSIST, on_signal);
}

static void on_child(evutil_socket_t pidfd, short what, void *arg)
{
    struct source *s = arg;
    siginfo_t info = {0};
    int status = -1;
    int r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    if (r == 0 && info.si_pid == 0)
        return;
    if (r == 0 && info.si_code == CLD_EXITED)
        status = W_EXITCODE(info.si_status, 0);
    else if (r == 0)
        status = info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
    event_del(s->event);
    callback_begin(s);
    s->fn.child(s->arg, s->pid, status);
    callback_end(s);
}

struct source *loop_child(struct loop *loop, pid_t pid,
                          void (*fn)(void *arg, pid_t pid, int status), void *arg)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return NULL;
    struct source *s = source_new(loop, SOURCE_CHILD, arg);
    if (!s) {
        close(fd);
        return NULL;
    }
    s->fn.child = fn;
    s->pid = pid;
    s->own_fd = fd;
    return source_hook(s, fd, EV_READ | EV_PERSIST, on_child);
}

static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
    struct source *s = arg;
    eventfd_t n;
    /* In this order a trigger is either seen by fn or writes to the eventfd again. */
    eventfd_read(fd, &n);
    atomic_store(&s->is_triggered, false);
    callback_begin(s);
    s->fn.plain(s->arg);
    callback_end(s);
}

struct source *loop_wakeup(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return NULL;
    struct source *s = source_new(loop, SOURCE_WAKEUP, arg);
    if (!s) {
        close(fd);
        return NULL;
    }
    s->fn.plain = fn;
    s->own_fd = fd;
    return source_hook(s, fd, EV_READ | EV_PERSIST, on_wakeup);
}

void source_trigger(struct source *s)
{
    /* The write cannot fail: the flag keeps the counter at 0 or 1. */
    if (!atomic_exchange(&s->is_triggered, true))
        (void)eventfd_write(s->own_fd, 1);
}

struct source *loop_timer(struct loop *loop, int64_t delay_usec, void (*fn)(void *arg), void *arg)
{
    if (heap_grow(loop) < 0)
        return NULL;
    struct source *s = source_new(loop, SOURCE_TIMER, arg);
    if (!s)
        return NULL;
    s->fn.plain = fn;
    loop->n_timers++;
    source_rearm(s, delay_usec);
    return s;
}

void source_rearm(struct source *s, int64_t delay_usec)
{
    struct loop *loop = s->loop;
    if (!loop || s->is_freed || s->kind != SOURCE_TIMER)
        return;
    heap_remove(loop, s);
    if (delay_usec < 0)
        return;
    if (__builtin_add_overflow(loop_monotonic_usec(loop), delay_usec, &s->deadline_usec))
        s->deadline_usec = INT64_MAX;
    s->order = loop->order++;
    heap_up(loop, loop->n_heap++, s);
}

/* ---- rounds ---- */

/* Calls what is due. A timer that is armed meanwhile waits for the next round. */
static void fire_timers(struct loop *loop)
{
    if (loop->n_heap == 0)
        return;
    int64_t now = loop_monotonic_usec(loop);
    uint64_t order = loop->order;
    while (loop->n_heap > 0) {
        struct source *s = loop->heap[0];
        if (s->deadline_usec > now || s->order >= order)
            return;
        heap_remove(loop, s);
        callback_begin(s);
        s->fn.plain(s->arg);
        callback_end(s);
        if (!loop->is_virtual && time_monotonic_usec() - now > TIMERS_BUDGET_USEC)
            return;
    }
}

static void on_timer_fd(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t n;
    ssize_t r = read(fd, &n, sizeof(n));
    (void)r; /* what is due is seen from the heap */
    loop->timer_fd_usec = 0;
}

/* The timerfd must ring for the next timer, and may ring earlier for one that is gone. */
static void set_timer_fd(struct loop *loop)
{
    if (loop->n_heap == 0)
        return;
    int64_t usec = loop->heap[0]->deadline_usec;
    if (usec < 1)
        usec = 1;
    if (loop->timer_fd_usec != 0 && loop->timer_fd_usec <= usec)
        return;
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(usec / USEC_PER_SEC),
                                           .tv_nsec = usec % USEC_PER_SEC * 1000}};
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        loop->timer_fd_usec = usec;
}

/* The round's callbacks are over. */
static void measure_stall(struct loop *loop)
{
    if (loop->mark_usec == 0)
        return;
    int64_t stall = time_monotonic_usec() - loop->mark_usec;
    if (stall > loop->longest_stall_usec)
        loop->longest_stall_usec = stall;
    loop->mark_usec = 0;
}

static int poll_events(struct loop *loop, bool wait)
{
    int r = event_base_loop(loop->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
    if (r < 0)
        return -EIO;
    return r == 1 && wait ? -EDEADLK : 0;
}

static int virtual_round(struct loop *loop, bool wait)
{
    int r = poll_events(loop, false);
    if (r < 0)
        return r;
    fire_timers(loop);
    bool was_ready = loop->mark_usec != 0;
    if (was_ready || loop->is_stopped || !wait)
        return 0;
    if (loop->n_heap == 0 || loop->busy > 0)
        return poll_events(loop, true);
    if (loop->heap[0]->deadline_usec > loop->virtual_usec)
        loop->virtual_usec = loop->heap[0]->deadline_usec;
    fire_timers(loop);
    return 0;
}

int loop_run_once(struct loop *loop, bool wait)
{
    int r;
    if (loop->is_virtual)
        r = virtual_round(loop, wait);
    else {
        set_timer_fd(loop);
        r = poll_events(loop, wait);
        fire_timers(loop);
    }
    measure_stall(loop);
    return r;
}

int loop_run(struct loop *loop)
{
    int r = 0;
    while (!loop->is_stopped && r == 0)
        r = loop_run_once(loop, true);
    loop->is_stopped = false;
    return r;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

/* ---- making and freeing ---- */

static struct loop *loop_alloc(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return NULL;
    list_init(&loop->sources);
    loop->timer_fd = -1;
    loop->base = event_base_new();
    if (!loop->base) {
        loop_free(loop);
        errno = ENOMEM;
        return NULL;
    }
    return loop;
}

static int add_timer_fd(struct loop *loop)
{
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer_fd < 0)
        return -errno;
    loop->timer_event =
        event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST, on_timer_fd, loop);
    if (!loop->timer_event || event_add(loop->timer_event, NULL) < 0)
        return -ENOMEM;
    return 0;
}

struct loop *loop_new(void)
{
    struct loop *loop = loop_alloc();
    if (!loop)
        return NULL;
    int r = add_timer_fd(loop);
    if (r < 0) {
        loop_free(loop);
        errno = -r;
        return NULL;
    }
    return loop;
}

struct loop *loop_new_virtual(int64_t start_usec)
{
    struct loop *loop = loop_alloc();
    if (!loop)
        return NULL;
    loop->is_virtual = true;
    loop->virtual_usec = start_usec;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    list_for_each_safe (it, &loop->sources) {
        struct source *s = list_entry(it, struct source, link);
        source_unhook(s);
        if (s->event)
            event_free(s->event);
        s->event = NULL;
        s->loop = NULL;
    }
    if (loop->timer_event)
        event_free(loop->timer_event);
    if (loop->base)
        event_base_free(loop->base);
    closep(&loop->timer_fd);
    free(loop->heap);
    free(loop);
}
