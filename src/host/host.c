/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - finds, checks and loads plugins.
 *
 * Whatever is read from a plugin is read in the probe's child first: a symbol that
 * is not what it claims to be crashes there, and the daemon goes on.
 */
#include "host/host_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "host/probe.h"

struct host_plugin {
    void *handle;
    const struct vdi_plugin *info;
};

static const char *const kind_names[] = {
    [VDI_PLUGIN_STORE] = "store",       [VDI_PLUGIN_SITE] = "site",
    [VDI_PLUGIN_AUTH] = "auth",         [VDI_PLUGIN_GPU] = "gpu",
    [VDI_PLUGIN_PRIORITY] = "priority", [VDI_PLUGIN_SESSION] = "session",
    [VDI_PLUGIN_CAPTURE] = "capture",   [VDI_PLUGIN_ENCODE] = "encode",
};

/* Members that an ops struct must have; a kind whose ops are all optional has no row. */
struct required {
    enum vdi_plugin_kind kind;
    uint32_t offset;
    const char *member;
};

#define REQUIRED(KIND, kind, m)                                                                    \
    {                                                                                              \
        VDI_PLUGIN_##KIND, offsetof(struct vdi_##kind##_ops, m), #m                                \
    }

static const struct required required[] = {
    REQUIRED(STORE, store, open),
    REQUIRED(STORE, store, schema),
    REQUIRED(STORE, store, lease),
    REQUIRED(STORE, store, load),
    REQUIRED(STORE, store, append),
    REQUIRED(STORE, store, snapshot_write),
    REQUIRED(STORE, store, trim),
    REQUIRED(STORE, store, query_events),
    REQUIRED(STORE, store, query_archive),
    REQUIRED(STORE, store, close),
    REQUIRED(AUTH, auth, scheme),
    REQUIRED(AUTH, auth, init),
    REQUIRED(AUTH, auth, verify),
    REQUIRED(SITE, site, init),
    REQUIRED(SITE, site, start),
    REQUIRED(SITE, site, stop),
    REQUIRED(SITE, site, poll),
    REQUIRED(PRIORITY, priority, init),
    REQUIRED(PRIORITY, priority, rank),
};

const char *host_kind_name(enum vdi_plugin_kind kind)
{
    return (size_t)kind < ELEMENTS(kind_names) && kind_names[kind] ? kind_names[kind] : "unknown";
}

/* ---- the file ----------------------------------------------------------- */

static int check_owner(const char *path, const struct stat *st, struct vdi_error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        error_set(err, EPERM, "plugin", "%.200s belongs to user %u", path, (unsigned)st->st_uid);
        error_hint(err, NULL, "give it to root, or to the user that this runs as");
        return -EPERM;
    }
    if (st->st_mode & (S_IWGRP | S_IWOTH)) {
        error_set(err, EPERM, "plugin", "%.200s can be written by others (mode %04o)", path,
                  (unsigned)st->st_mode & 07777);
        error_hint(err, NULL, "chmod go-w");
        return -EPERM;
    }
    return 0;
}

static int refuse_stat(const char *path, int code, struct vdi_error *err)
{
    error_set(err, code, "plugin",
              code == ENOENT ? "there is no %.200s" : "%.200s can't be looked at", path);
    error_hint(err, NULL,
               code == ENOENT ? "install the plugin, or correct its name or plugin_dir"
                              : strerror(code));
    return -code;
}

static int check_dir(const char *path, struct vdi_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return refuse_stat(path, errno, err);
    return check_owner(path, &st, err);
}

/* Where a link leads is checked like the place where it lies. */
static int check_file(const char *path, struct vdi_error *err)
{
    struct stat st;
    _cleanup_(freep) char *real = realpath(path, NULL);
    if (!real || stat(real, &st) < 0)
        return refuse_stat(path, errno, err);
    if (!S_ISREG(st.st_mode)) {
        error_set(err, ENOEXEC, "plugin", "%.200s is not a regular file", path);
        error_hint(err, NULL, "reinstall the plugin");
        return -ENOEXEC;
    }
    int r = check_owner(real, &st, err);
    if (r < 0)
        return r;
    *strrchr(real, '/') = '\0';
    return check_dir(*real ? real : "/", err);
}

/* ---- what is in it ------------------------------------------------------- */

struct subject {
    const char *path;
    enum vdi_plugin_kind kind;
    const char *name;
    void *handle;
    const struct vdi_plugin *info;
};

static int check_abi(const struct subject *s, struct vdi_error *err)
{
    const struct vdi_plugin *p = s->info;
    if (p->abi != VDI_PLUGIN_ABI) {
        error_set(err, EPROTO, "plugin",
                  "%.200s is built for plugin ABI %u, and this host has ABI %d", s->path, p->abi,
                  VDI_PLUGIN_ABI);
        error_hint(err, NULL, "install the plugin's build for this release");
        return -EPROTO;
    }
    if (p->kind != s->kind) {
        error_set(err, EPROTO, "plugin", "%.200s is a plugin of kind %s and not %s", s->path,
                  host_kind_name(p->kind), host_kind_name(s->kind));
        error_hint(err, NULL, "move it to the directory of its kind");
        return -EPROTO;
    }
    if (!str_equal(p->name, s->name)) {
        error_set(err, EPROTO, "plugin", "%.200s calls itself \"%.64s\"", s->path,
                  p->name ? p->name : "");
        error_hint(err, NULL, "name the file as the plugin");
        return -EPROTO;
    }
    return 0;
}

/* A member beyond the plugin's own size was not there when it was compiled: it reads as NULL. */
static int check_required(const struct subject *s, struct vdi_error *err)
{
    if (!s->info->ops) {
        error_set(err, EINVAL, "plugin", "%.200s has no ops", s->path);
        error_hint(err, NULL, "tell those who made it; see vdi-plugin(3)");
        return -EINVAL;
    }
    for (size_t i = 0; i < ELEMENTS(required); i++) {
        const struct required *r = &required[i];
        const void *value = NULL;
        if (r->kind != s->kind)
            continue;
        if (r->offset + sizeof(value) <= s->info->ops_size)
            memcpy(&value, (const char *)s->info->ops + r->offset, sizeof(value));
        if (!value) {
            error_set(err, EINVAL, "plugin", "%.180s has no member %s, which %s plugins must have",
                      s->path, r->member, host_kind_name(s->kind));
            error_hint(err, NULL, "tell those who made it; see vdi-plugin(3)");
            return -EINVAL;
        }
    }
    return 0;
}

static int check_settings(const struct subject *s, struct vdi_error *err)
{
    for (const struct vdi_setting *t = s->info->settings; t && t->name; t++) {
        bool ok = str_is_name(t->name, 63) && t->help && t->type >= VDI_SETTING_STRING &&
                  t->type <= VDI_SETTING_BOOL;
        if (!ok || (t->initial && host_setting_check(t, t->initial, NULL) < 0)) {
            error_set(err, EINVAL, "plugin", "%.180s declares the setting \"%.64s\" wrongly",
                      s->path, t->name);
            error_hint(err, NULL, "tell those who made it; see vdi-plugin(3)");
            return -EINVAL;
        }
    }
    return 0;
}

static int open_plugin(void *arg, struct vdi_error *err)
{
    struct subject *s = arg;
    s->handle = dlopen(s->path, RTLD_NOW | RTLD_LOCAL);
    if (!s->handle) {
        error_set(err, ENOEXEC, "plugin", "%.160s can't be loaded: %.140s", s->path, dlerror());
        error_hint(err, NULL, "reinstall the plugin and the libraries that it needs");
        return -ENOEXEC;
    }
    s->info = dlsym(s->handle, "vdi_plugin");
    if (!s->info) {
        error_set(err, ENOEXEC, "plugin", "%.200s is a library without the symbol vdi_plugin",
                  s->path);
        error_hint(err, NULL, "install a plugin there; see vdi-plugin(3)");
        return -ENOEXEC;
    }
    int r = check_abi(s, err);
    if (r == 0)
        r = check_required(s, err);
    return r < 0 ? r : check_settings(s, err);
}

static int check_place(const char *dir, const char *kind_dir, const char *path,
                       struct vdi_error *err)
{
    int r = check_dir(dir, err);
    if (r == 0)
        r = check_dir(kind_dir, err);
    return r < 0 ? r : check_file(path, err);
}

/* The plugin's file, if its name and where it lies are good. */
static int find(const char *dir, enum vdi_plugin_kind kind, const char *name, char **ret,
                struct vdi_error *err)
{
    if (!str_is_name(name, 63)) {
        error_set(err, EINVAL, "plugin", "\"%.64s\" is not the name of a plugin", name);
        error_hint(err, "63 bytes", "use letters, digits, '.', '_' and '-'");
        return -EINVAL;
    }
    _cleanup_(freep) char *kind_dir = str_printf("%s/%s", dir, host_kind_name(kind));
    _cleanup_(freep) char *path = str_printf("%s/%s/%s.so", dir, host_kind_name(kind), name);
    if (!kind_dir || !path)
        return error_set(err, ENOMEM, "plugin", "no memory to load %.64s", name);
    int r = check_place(dir, kind_dir, path, err);
    if (r == 0)
        *ret = TAKE_PTR(path);
    return r;
}

int host_plugin_try_within(const char *dir, enum vdi_plugin_kind kind, const char *name,
                           int64_t deadline_usec, struct vdi_error *err)
{
    _cleanup_(freep) char *path = NULL;
    int r = find(dir, kind, name, &path, err);
    struct subject s = {.path = path, .kind = kind, .name = name};

    return r < 0 ? r : probe_run(path, deadline_usec, open_plugin, &s, err);
}

int host_plugin_try(const char *dir, enum vdi_plugin_kind kind, const char *name,
                    struct vdi_error *err)
{
    return host_plugin_try_within(dir, kind, name, HOST_PROBE_SEC * USEC_PER_SEC, err);
}

int host_plugin_load(const char *dir, enum vdi_plugin_kind kind, const char *name, void *ops,
                     size_t ops_size, struct host_plugin **ret, struct vdi_error *err)
{
    _cleanup_(freep) char *path = NULL;
    int r = find(dir, kind, name, &path, err);
    if (r < 0)
        return r;
    _cleanup_(freep) struct host_plugin *p = calloc(1, sizeof(*p));
    if (!p)
        return error_set(err, ENOMEM, "plugin", "no memory to load %.64s", name);
    struct subject s = {.path = path, .kind = kind, .name = name};
    r = open_plugin(&s, err);
    if (r < 0) {
        if (s.handle)
            dlclose(s.handle);
        return r;
    }
    memset(ops, 0, ops_size);
    memcpy(ops, s.info->ops, s.info->ops_size < ops_size ? s.info->ops_size : ops_size);
    p->handle = s.handle;
    p->info = s.info;
    *ret = TAKE_PTR(p);
    return 0;
}

const struct vdi_plugin *host_plugin_info(const struct host_plugin *p)
{
    return p->info;
}

void host_plugin_unload(struct host_plugin *p)
{
    if (!p)
        return;
    dlclose(p->handle);
    free(p);
}
