/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.c - who touches a fake desktop: input_dir.
 *
 * The file DIR/INSTANCE was last changed when somebody last touched that instance; without it
 * nobody knows. The host is told when that begins, ends, or is another time.
 */
#include "plugins/site/fake/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_USEC (100 * USEC_PER_MSEC)
#define USEC_PER_SEC INT64_C(1000000)

/* 0: not known. */
static int64_t touched_usec(const struct fake_instance *in)
{
    char name[24];
    struct stat st;

    snprintf(name, sizeof(name), "%" PRIu64, in->id.id);
    if (in->site->input_fd < 0 || fstatat(in->site->input_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return st.st_mtim.tv_sec * USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
}

int64_t fake_idle_sec(const struct fake_instance *in)
{
    int64_t touched = touched_usec(in), now = in->site->api->now_usec(in->site->host);

    if (!touched)
        return -1;
    return now > touched ? (now - touched) / USEC_PER_SEC : 0;
}

/* What the host was not told yet; one at a time, for it may start and stop others meanwhile. */
static void find_news(const void *node, VISIT visit, void *closure)
{
    struct fake_instance *in = *(struct fake_instance *const *)node, **found = closure;
    int64_t touched, idle_sec;
    bool is_idle;

    if ((visit != postorder && visit != leaf) || *found || in->stopped ||
        fake_state_now(in) != FAKE_READY)
        return;
    touched = touched_usec(in);
    idle_sec = fake_idle_sec(in);
    is_idle = idle_sec > 0;
    if (is_idle == in->told_idle && touched == in->told_touched_usec)
        return;
    in->told_idle = is_idle;
    in->told_touched_usec = touched;
    *found = in;
}

static void look(void *arg)
{
    struct fake *site = arg;
    struct fake_instance *in;
    char json[160];

    site->api->unwatch(site->host, site->input_timer);
    site->input_timer = NULL;
    do {
        in = NULL;
        twalk_r(site->instances, find_news, &in);
        if (in)
            site->api->instance_event(site->host, in->id, "input",
                                      fake_report(in, FAKE_READY, json, sizeof(json)));
    } while (in);
    site->input_timer = site->api->timer(site->host, LOOK_USEC, look, site);
}

int fake_input_open(struct fake *site, struct vdi_error *err)
{
    if (!site->input_dir)
        return 0;
    site->input_fd = open(site->input_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (site->input_fd < 0)
        return fake_error(err, -errno, "input_dir", "'%.120s' cannot be used: %s", site->input_dir,
                          strerror(errno));
    site->input_timer = site->api->timer(site->host, LOOK_USEC, look, site);
    return site->input_timer ? 0 : -ENOMEM;
}

void fake_input_close(struct fake *site)
{
    if (site->input_timer)
        site->api->unwatch(site->host, site->input_timer);
    if (site->input_fd >= 0)
        close(site->input_fd);
}
