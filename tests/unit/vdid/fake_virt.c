/* SPDX-License-Identifier: Apache-2.0 */
/* fake_virt.c - stands in for src/vdid/virt.c; every answer comes from the loop, later. */
#include "fake_virt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"

struct fake_libvirtd fake;
struct virt *fake_virt;

struct answer {
    struct list link;
    virt_fn fn;
    void *arg;
    int result;
    bool is_list;
};

struct virt {
    struct virt_handler handler;
    void *arg;
    struct source *soon;
    struct list answers;
    bool is_up;
};

bool fake_has(const char *name)
{
    for (int i = 0; i < FAKE_DOMAINS_MAX; i++)
        if (!strcmp(fake.domains[i], name))
            return true;
    return false;
}

void fake_add(const char *name)
{
    for (int i = 0; i < FAKE_DOMAINS_MAX; i++)
        if (!fake.domains[i][0]) {
            snprintf(fake.domains[i], sizeof(fake.domains[i]), "%s", name);
            return;
        }
    abort();
}

void fake_remove(const char *name)
{
    for (int i = 0; i < FAKE_DOMAINS_MAX; i++)
        if (!strcmp(fake.domains[i], name))
            fake.domains[i][0] = '\0';
}

void fake_event(struct virt *v, const char *name, enum virt_event event)
{
    v->handler.event(v->arg, name, event);
}

static void give(struct virt *v, struct answer *a)
{
    struct virt_domain domains[FAKE_DOMAINS_MAX];
    struct virt_result res = {
        .domains = domains, .n_disks = fake.n_disks, .n_shares = fake.n_shares};
    struct vdi_error err = {0};

    for (int i = 0; a->is_list && i < FAKE_DOMAINS_MAX; i++)
        if (fake.domains[i][0]) {
            struct virt_domain *d = &domains[res.n_domains++];

            *d = (struct virt_domain){.is_active = true};
            snprintf(d->name, sizeof(d->name), "%s", fake.domains[i]);
        }
    if (a->result < 0)
        error_set(&err, a->result, "libvirt", "the fake says no");
    a->fn(a->arg, a->result, &res, &err);
    free(a);
}

static void on_soon(void *arg)
{
    struct virt *v = arg;

    if (!v->is_up) {
        v->is_up = true;
        v->handler.up(v->arg);
    }
    while (!list_is_empty(&v->answers)) {
        struct answer *a = list_entry(v->answers.next, struct answer, link);

        list_remove(&a->link);
        give(v, a);
    }
}

struct virt *virt_new(struct loop *loop, const char *uri, const struct virt_handler *handler,
                      void *arg, struct vdi_error *err)
{
    struct virt *v = calloc(1, sizeof(*v));

    v->handler = *handler;
    v->arg = arg;
    list_init(&v->answers);
    v->soon = loop_wakeup(loop, on_soon, v);
    source_trigger(v->soon);
    fake_virt = v;
    return v;
}

void virt_free(struct virt *v)
{
    if (!v)
        return;
    list_for_each_safe (it, &v->answers) {
        list_remove(it);
        list_entry(it, struct answer, link)->result = -ECANCELED;
        give(v, list_entry(it, struct answer, link));
    }
    source_free(v->soon);
    free(v);
}

bool virt_is_up(const struct virt *v)
{
    return v->is_up;
}

static int later(struct virt *v, int result, bool is_list, virt_fn fn, void *arg)
{
    struct answer *a = calloc(1, sizeof(*a));

    *a = (struct answer){.fn = fn, .arg = arg, .result = result, .is_list = is_list};
    list_append(&v->answers, &a->link);
    source_trigger(v->soon);
    return 0;
}

int virt_list(struct virt *v, virt_fn fn, void *arg)
{
    return later(v, 0, true, fn, arg);
}

int virt_create(struct virt *v, const char *name, const char *xml, virt_fn fn, void *arg)
{
    int r = fake.create_result;

    fake.n_create++;
    fake.create_result = 0;
    if ((r == 0 || fake.create_anyway) && !fake_has(name))
        fake_add(name);
    return later(v, r, false, fn, arg);
}

int virt_destroy(struct virt *v, const char *name, virt_fn fn, void *arg)
{
    fake.n_destroy++;
    fake_remove(name);
    return later(v, 0, false, fn, arg);
}

int virt_save(struct virt *v, const char *name, const char *path, virt_fn fn, void *arg)
{
    FILE *f = fopen(path, "w");
    int r = fake.save_result;

    fake.n_save++;
    fake.save_result = 0;
    fputs(r < 0 ? "LibvirtQemudPart" : "LibvirtQemudSave and more", f);
    fclose(f);
    if (r == 0)
        fake_remove(name);
    return later(v, r, false, fn, arg);
}

int virt_restore(struct virt *v, const char *name, const char *path, virt_fn fn, void *arg)
{
    fake.n_restore++;
    fake_add(name);
    return later(v, 0, false, fn, arg);
}

int virt_ids(struct virt *v, virt_fn fn, void *arg)
{
    return later(v, 0, false, fn, arg);
}

int virt_attach(struct virt *v, const char *name, const char *device_xml, virt_fn fn, void *arg)
{
    int r = fake_has(name) ? fake.attach_result : -ENOENT;

    fake.n_attach++;
    fake.attach_result = 0;
    snprintf(fake.plugged, sizeof(fake.plugged), "%s", device_xml);
    if (r == 0 || fake.attach_anyway) {
        fake.n_disks += strstr(device_xml, "<disk") != NULL;
        fake.n_shares += strstr(device_xml, "<filesystem") != NULL;
    }
    return later(v, r, false, fn, arg);
}

int virt_plugged(struct virt *v, const char *name, virt_fn fn, void *arg)
{
    return later(v, fake_has(name) ? 0 : -ENOENT, false, fn, arg);
}

int virt_ping(struct virt *v, const char *name, virt_fn fn, void *arg)
{
    return later(v, -ETIMEDOUT, false, fn, arg);
}

int virt_screenshot(struct virt *v, const char *name, const char *path, virt_fn fn, void *arg)
{
    FILE *f = fopen(path, "w");

    fake.n_screenshots++;
    fputs(fake.is_blank ? "P6\n2 1\n255\nabcabc" : "P6\n2 1\n255\nabcdef", f);
    fclose(f);
    return later(v, 0, false, fn, arg);
}

#define SUCCEED(verb)                                                                              \
    int virt_##verb(struct virt *v, const char *name, virt_fn fn, void *arg)                       \
    {                                                                                              \
        return later(v, 0, false, fn, arg);                                                        \
    }
#define SUCCEED_WITH(verb)                                                                         \
    int virt_##verb(struct virt *v, const char *name, const char *text, virt_fn fn, void *arg)     \
    {                                                                                              \
        return later(v, 0, false, fn, arg);                                                        \
    }

SUCCEED(shutdown)
SUCCEED(reset)
SUCCEED(pause)
SUCCEED(resume)
SUCCEED_WITH(update)
