/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presence.c - how long ago somebody touched the guest's keyboard, mouse or the like.
 *
 * While somebody is there the devices are only looked at now and then: a mouse has a thousand
 * events a second, and none of them matters. Once it is quiet they are watched, so that the first
 * touch is known at once. What was read is forgotten before anything else is done.
 */
#include "guest/presence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#define DEVICES_MAX 64
#define LOOKS 6       /* in the time after which it is quiet */
#define READS_MAX 256 /* of a device, in a look: more of it is there in the next one */

struct device {
    struct presence *presence;
    char name[16]; /* "": none */
    int fd;
    struct source *source; /* while it is quiet */
};

struct presence {
    struct loop *loop;
    char dir[PATH_MAX / 4];
    int64_t quiet_usec;
    void (*changed)(void *arg);
    void *arg;
    struct device devices[DEVICES_MAX];
    unsigned n_devices;
    bool is_quiet, had_devices;
    int64_t touched_usec; /* monotonic */
    struct source *tick;
    int notify_fd; /* tells of new devices at once; -1 */
    bool is_notified;
    struct source *notify;
};

/* ---- devices ---- */

static void device_close(struct device *d)
{
    source_free(d->source);
    closep(&d->fd);
    d->source = NULL;
    d->fd = -1;
    d->name[0] = '\0';
    d->presence->n_devices--;
}

static bool has_bit(const unsigned char *bits, unsigned bit)
{
    return bits[bit / 8] >> bit % 8 & 1;
}

/* A keyboard, mouse, tablet or touch screen; not a power button or a loudspeaker. What can't be
 * asked is no event device, but stands for one. */
static bool is_for_hands(int fd)
{
    unsigned char kinds[EV_MAX / 8 + 1] = {0}, keys[KEY_MAX / 8 + 1] = {0};

    if (ioctl(fd, EVIOCGBIT(0, sizeof(kinds)), kinds) < 0)
        return true;
    if (has_bit(kinds, EV_REL) || has_bit(kinds, EV_ABS))
        return true;
    return has_bit(kinds, EV_KEY) && ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
           (has_bit(keys, KEY_SPACE) || has_bit(keys, BTN_LEFT) || has_bit(keys, BTN_TOUCH));
}

static int open_device(const struct presence *p, const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) &&
        is_for_hands(fd))
        return fd;
    closep(&fd);
    return -1;
}

/* True: somebody has touched it. */
static bool device_drain(struct device *d)
{
    char what[24 * 16]; /* whole events, for no read takes less */
    bool any = false;

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read(d->fd, what, sizeof(what));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) { /* it was taken away */
            device_close(d);
            break;
        }
        any = true;
    }
    explicit_bzero(what, sizeof(what));
    return any;
}

static bool drain_all(struct presence *p)
{
    bool any = false;

    for (unsigned i = 0; i < DEVICES_MAX; i++)
        if (*p->devices[i].name)
            any |= device_drain(&p->devices[i]);
    return any;
}

static void look(struct presence *p);

static void on_touch(void *arg, int fd, unsigned events)
{
    look(((struct device *)arg)->presence);
}

static void watch(struct presence *p, struct device *d, bool is_quiet)
{
    if (!is_quiet) {
        source_free(d->source);
        d->source = NULL;
    } else if (!d->source) { /* without memory it is looked at by the tick */
        d->source = loop_fd(p->loop, d->fd, LOOP_READ, on_touch, d);
    }
}

static void take_device(struct presence *p, const char *name)
{
    struct device *place = NULL;

    for (unsigned i = DEVICES_MAX; i-- > 0;) {
        if (str_equal(p->devices[i].name, name))
            return;
        if (!*p->devices[i].name)
            place = &p->devices[i];
    }
    int fd = place ? open_device(p, name) : -1;
    if (fd < 0)
        return;
    place->fd = fd;
    str_copy(place->name, sizeof(place->name), name);
    p->n_devices++;
    watch(p, place, p->is_quiet);
    log_debug("input device %s", name);
}

/* Those that are new. */
static void find(struct presence *p)
{
    DIR *dir = opendir(p->dir);
    const struct dirent *entry;

    if (!p->is_notified && p->notify_fd >= 0)
        p->is_notified = inotify_add_watch(p->notify_fd, p->dir, IN_CREATE | IN_ATTRIB) >= 0;
    while (dir && (entry = readdir(dir)))
        if (str_starts_with(entry->d_name, "event") &&
            strlen(entry->d_name) < sizeof(p->devices[0].name))
            take_device(p, entry->d_name);
    if (dir)
        closedir(dir);
}

/* ---- what is told ---- */

static void look(struct presence *p)
{
    int64_t now = loop_monotonic_usec(p->loop);
    bool has_devices, was_quiet = p->is_quiet;

    if (drain_all(p) || !p->had_devices)
        p->touched_usec = now; /* nobody knows what was before the first device */
    has_devices = p->n_devices > 0;
    p->is_quiet = has_devices && now - p->touched_usec >= p->quiet_usec;
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        if (*p->devices[i].name)
            watch(p, &p->devices[i], p->is_quiet);
    bool is_news = p->is_quiet || was_quiet || has_devices != p->had_devices;
    p->had_devices = has_devices;
    source_rearm(p->tick, p->is_quiet ? p->quiet_usec : p->quiet_usec / LOOKS);
    if (is_news)
        p->changed(p->arg);
}

static void on_tick(void *arg)
{
    struct presence *p = arg;

    find(p);
    look(p);
}

static void on_notify(void *arg, int fd, unsigned events)
{
    struct presence *p = arg;
    char news[4096];

    while (read(fd, news, sizeof(news)) > 0)
        ;
    find(p);
    if (!p->had_devices)
        look(p);
}

int64_t presence_idle_sec(const struct presence *p)
{
    if (!p->had_devices)
        return -1;
    return p->is_quiet ? (loop_monotonic_usec(p->loop) - p->touched_usec) / USEC_PER_SEC : 0;
}

/* ---- life ---- */

struct presence *presence_new(struct loop *loop, const char *dir, int64_t quiet_usec,
                              void (*changed)(void *arg), void *arg)
{
    struct presence *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->loop = loop;
    p->quiet_usec = quiet_usec;
    p->changed = changed;
    p->arg = arg;
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        p->devices[i] = (struct device){.presence = p, .fd = -1};
    p->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (p->notify_fd >= 0)
        p->notify = loop_fd(loop, p->notify_fd, LOOP_READ, on_notify, p);
    p->tick = loop_timer(loop, 0, on_tick, p);
    if (p->tick && str_copy(p->dir, sizeof(p->dir), dir))
        return p;
    errno = p->tick ? ENAMETOOLONG : ENOMEM;
    presence_free(p);
    return NULL;
}

void presence_free(struct presence *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        if (*p->devices[i].name)
            device_close(&p->devices[i]);
    source_free(p->notify);
    closep(&p->notify_fd);
    source_free(p->tick);
    free(p);
}
