/* SPDX-License-Identifier: Apache-2.0 */
/* run_wish.c - what the guest of an instance is to run: read within limits, and written again. */
#include "vdid/run_wish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/document.h"
#include "codec/field.h"
#include "model/mount.h"

#define PATH_BYTES_MAX 1024 /* as a job's fields */
#define ID_MAX (INT64_C(0xffffffff) - 1)

void run_wish_free(struct run_wish *w)
{
    if (!w)
        return;
    strings_free(w->env);
    free(w->payload);
    free(w->work_dir);
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        free(w->files[i]);
    free(w);
}

static int no_memory(struct vdi_error *err)
{
    return error_set(err, ENOMEM, "node", "the node is out of memory");
}

/* ---- owner ---- */

static int take_id(const struct value *of, const char *name, uint32_t *ret, struct vdi_error *err)
{
    int64_t id = value_get_int(of, name, -1);

    if (id < 0 || id > ID_MAX)
        return error_set(err, EINVAL, name, "the owner's %s is missing or out of range", name);
    *ret = (uint32_t)id;
    return 0;
}

static int take_name(const struct value *of, const char *name, char *ret, size_t size,
                     struct vdi_error *err)
{
    if (!str_copy(ret, size, value_get_string(of, name, "")) || !*ret)
        return error_set(err, EINVAL, name, "the owner's %s is missing or too long", name);
    return 0;
}

static int take_groups(const struct value *list, struct run_wish *w, struct vdi_error *err)
{
    struct runner_owner *o = &w->owner;
    int r = 0;

    for (size_t i = 0; r == 0 && i < value_count(list); i++) {
        struct runner_group *g = &o->groups[o->n_groups];

        if (o->n_groups == RUNNER_GROUPS_MAX) {
            w->groups_left_out = (uint32_t)(value_count(list) - i);
            break;
        }
        r = take_name(value_item(list, i), "name", g->name, sizeof(g->name), err);
        if (r == 0)
            r = take_id(value_item(list, i), "gid", &g->gid, err);
        o->n_groups += r == 0;
    }
    return r;
}

static int take_owner(const struct value *owner, struct run_wish *w, struct vdi_error *err)
{
    struct runner_owner *o = &w->owner;
    int r;

    if (value_is_null(owner))
        return 0;
    r = take_name(owner, "name", o->name, sizeof(o->name), err);
    if (r == 0)
        r = take_name(owner, "home", o->home, sizeof(o->home), err);
    if (r == 0)
        r = take_id(owner, "uid", &o->uid, err);
    if (r == 0)
        r = take_id(owner, "gid", &o->gid, err);
    if (r == 0 && (o->home[0] != '/' || strpbrk(o->home, ":\n")))
        return error_set(err, EINVAL, "home", "'%.80s' is no home directory", o->home);
    return r < 0 ? r : take_groups(value_get(owner, "groups"), w, err);
}

/* ---- mounts ---- */

/* Paths without "..": whose they are is said by who opens them. */
static int take_share_path(const struct value *of, const char *name, char *ret, size_t size,
                           struct vdi_error *err)
{
    int r = take_name(of, name, ret, size, err);
    size_t len = strlen(ret);

    if (r == 0 && (ret[0] != '/' || !str_is_text(ret, len, false) || strstr(ret, "/../") ||
                   (len >= 3 && str_equal(ret + len - 3, "/.."))))
        return error_set(err, EINVAL, name, "'%.80s' is no path of a mount", ret);
    return r;
}

static int take_share(const struct value *of, struct run_share *s, struct vdi_error *err)
{
    const char *type = value_get_string(of, "type", ""), *mode = value_get_string(of, "mode", "");
    int r = take_name(of, "name", s->name, sizeof(s->name), err);

    if (r == 0)
        r = take_share_path(of, "source", s->source, sizeof(s->source), err);
    if (r == 0)
        r = take_share_path(of, "target", s->target, sizeof(s->target), err);
    if (r < 0)
        return r;
    s->read_only = str_equal(mode, "ro");
    if (!str_equal(type, "virtiofs") || (!s->read_only && !str_equal(mode, "rw")))
        return error_set(err, EINVAL, "mounts", "mount '%s' is %.20s, %.20s: this node has none",
                         s->name, type, mode);
    return 0;
}

static int take_word(const struct value *of, const char *name, const char *const *names,
                     const char *what, uint32_t *ret, struct vdi_error *err)
{
    const char *word = value_get_string(of, name, "");

    for (uint32_t i = 0; names[i]; i++)
        if (str_equal(names[i], word)) {
            *ret = i;
            return 0;
        }
    return error_set(err, EINVAL, name, "'%.20s' is no %s of a %s that this node knows", word, name,
                     what);
}

static int take_remote(const struct value *of, struct run_wish *w, struct vdi_error *err)
{
    struct run_remote *m = &w->remotes[w->n_remotes];
    const char *type = value_get_string(of, "type", "");
    char ticket[sizeof(w->ticket)];
    uint32_t mode = 0;
    int r = take_name(of, "name", m->name, sizeof(m->name), err);

    m->type = str_equal(type, mount_type_names[MOUNT_SMB]) ? RUNNER_SMB : RUNNER_NFS_KRB5;
    if (r == 0)
        r = take_name(of, "source", m->source, sizeof(m->source), err);
    if (r == 0)
        r = mount_source_check_type(m->source, type, err);
    if (r == 0)
        r = take_share_path(of, "target", m->target, sizeof(m->target), err);
    if (r == 0)
        r = take_word(of, "mode", (const char *const[]){"rw", "ro", NULL}, "mount", &mode, err);
    if (r == 0)
        r = take_word(of, "security", mount_security_names, "mount", &m->security, err);
    if (r == 0)
        r = take_share_path(of, "ticket", ticket, sizeof(ticket), err);
    if (r < 0)
        return r;
    if (w->n_remotes && !str_equal(ticket, w->ticket))
        return error_set(err, EINVAL, "ticket", "the owner has two tickets: '%.80s' and '%.80s'",
                         w->ticket, ticket);
    str_copy(w->ticket, sizeof(w->ticket), ticket);
    m->read_only = mode == 1;
    return 0;
}

static int take_mounts(const struct value *list, struct run_wish *w, struct vdi_error *err)
{
    int r = 0;

    if (value_count(list) > RUN_SHARES_MAX)
        return error_set(err, E2BIG, "mounts", "there are %zu mounts", value_count(list));
    if (value_count(list) && !*w->owner.name)
        return error_set(err, EINVAL, "owner",
                         "mounts are served as their owner, and there is none");
    for (size_t i = 0; r == 0 && i < value_count(list); i++) {
        const struct value *of = value_item(list, i);
        bool is_remote = mount_type_has_ticket(value_get_string(of, "type", ""));

        r = is_remote ? take_remote(of, w, err) : take_share(of, &w->shares[w->n_shares], err);
        w->n_remotes += r == 0 && is_remote;
        w->n_shares += r == 0 && !is_remote;
    }
    return r;
}

/* ---- disks ---- */

static int take_disk(const struct value *of, struct run_disk *d, struct vdi_error *err)
{
    int64_t size = value_get_int(of, "size_gib", 0);
    uint64_t id;
    int r = take_name(of, "name", d->name, sizeof(d->name), err);

    if (r == 0)
        r = take_share_path(of, "target", d->target, sizeof(d->target), err);
    if (r == 0)
        r = take_word(of, "where", disk_where_names, "disk", &d->where, err);
    if (r == 0)
        r = take_word(of, "persistence", disk_persistence_names, "disk", &d->persistence, err);
    if (r < 0)
        return r;
    if (!str_copy(d->volume, sizeof(d->volume), value_get_string(of, "volume", "")) ||
        !disk_volume_parse(d->volume, &id))
        return error_set(err, EINVAL, "volume", "disk '%s' names no volume", d->name);
    if (size < 1 || size > 1 << 20)
        return error_set(err, EINVAL, "size_gib", "disk '%s' is out of range", d->name);
    d->size_gib = (uint32_t)size;
    d->is_new = value_get_bool(of, "new", false);
    return 0;
}

static int take_disks(const struct value *list, struct run_wish *w, struct vdi_error *err)
{
    int r = 0;

    if (value_count(list) > DISKS_MAX)
        return error_set(err, E2BIG, "disks", "there are %zu disks", value_count(list));
    if (value_count(list) && !*w->owner.name)
        return error_set(err, EINVAL, "owner", "a disk is its owner's, and there is none");
    for (size_t i = 0; r == 0 && i < value_count(list); i++) {
        r = take_disk(value_item(list, i), &w->disks[i], err);
        w->n_disks += r == 0;
    }
    return r;
}

/* ---- environment ---- */

static size_t name_len(const char *variable)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t len = strspn(variable, allowed);

    return variable[len] == '=' && str_starts_with(variable, "VDI_") ? len : 0;
}

static int take_env(const struct value *list, struct run_wish *w, struct vdi_error *err)
{
    size_t bytes = 0;

    if (value_count(list) > RUNNER_ENV_MAX)
        return error_set(err, E2BIG, "env", "there are %zu variables", value_count(list));
    for (size_t i = 0; i < value_count(list); i++) {
        const char *variable = value_string(value_item(list, i), "");

        bytes += strlen(variable);
        if (!name_len(variable) || bytes > RUN_WISH_ENV_BYTES)
            return error_set(err, EINVAL, "env", "'%.40s' is no variable of ours, or too long",
                             variable);
        w->env[i] = strdup(variable);
        if (!w->env[i])
            return no_memory(err);
    }
    return 0;
}

int run_wish_set(struct run_wish *w, const char *name, const char *value)
{
    size_t n = 0, len = strlen(name);

    for (; w->env[n]; n++)
        if (!strncmp(w->env[n], name, len) && w->env[n][len] == '=')
            return 0;
    if (n == RUNNER_ENV_MAX)
        return 0;
    w->env[n] = str_printf("%s=%s", name, value);
    return w->env[n] ? 0 : -ENOMEM;
}

/* ---- what is run ---- */

/* With an owner and no script it is the image's session; a batch job has none. */
static int take_payload(const struct value *payload, struct run_wish *w, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(RUN_WISH_BYTES_MAX);
    struct runner_payload parsed = {0};
    int r;

    if (value_is_null(payload))
        buf_puts(&text, "{}");
    else
        value_write(payload, 0, &text);
    if (text.failed)
        return error_set(err, E2BIG, "payload", "script, arguments and environment are too long");
    r = runner_payload_decode(text.data, text.len, &parsed, err);
    w->is_session = r == 0 && !parsed.script;
    runner_payload_done(&parsed);
    if (r < 0)
        return r;
    if (!w->is_session && !*w->owner.name) {
        error_set(err, EINVAL, "owner", "the job's owner has no uid: a script can't be run");
        error_hint(err, NULL, "submit as a user that the controller's host knows");
        return -EINVAL;
    }
    if (!*w->owner.name || (w->is_session && (!w->is_interactive || w->is_prompt)))
        return 0;
    w->payload = buf_take(&text, NULL);
    return w->payload ? 0 : no_memory(err);
}

/* "/dev/null": kept in the spool, and nowhere else. */
static int take_path(const struct value *job, const char *name, char **ret, struct vdi_error *err)
{
    const char *path = value_get_string(job, name, "");

    if (strlen(path) > PATH_BYTES_MAX || !str_is_text(path, strlen(path), false))
        return error_set(err, EINVAL, name, "'%s' is no path, or too long", name);
    *ret = strdup(str_equal(path, "/dev/null") ? "" : path);
    return *ret ? 0 : no_memory(err);
}

static int take_job(const struct value *job, struct run_wish *w, struct vdi_error *err)
{
    const char *error = value_get_string(job, "error", "");
    const char *mode = value_get_string(job, "open_mode", "");
    int r = take_path(job, "work_dir", &w->work_dir, err);

    if (r == 0)
        r = take_path(job, "output", &w->files[RUNNER_OUT], err);
    if (r == 0)
        r = take_path(job, "error", &w->files[RUNNER_ERR], err);
    if (r < 0)
        return r;
    if (*mode && !str_equal(mode, "append") && !str_equal(mode, "truncate"))
        return error_set(err, EINVAL, "open_mode", "'%.20s' is not append or truncate", mode);
    w->truncate = str_equal(mode, "truncate");
    w->is_interactive = str_equal(value_get_string(job, "kind", ""), "interactive");
    w->merge = !*error || str_equal(error, value_get_string(job, "output", ""));
    if (w->merge)
        w->files[RUNNER_ERR][0] = '\0';
    return 0;
}

static int take_places(const struct value *seat, struct run_wish *w, struct vdi_error *err)
{
    int64_t mounts = value_get_int(seat, "mounts", 0), disks = value_get_int(seat, "disks", 0);

    if (value_is_null(seat))
        return 0;
    if (mounts < 0 || mounts > RUN_SHARES_MAX || disks < 0 || disks > DISKS_MAX)
        return error_set(err, E2BIG, "seat", "a seat has places for %d mounts and %d disks at most",
                         RUN_SHARES_MAX, DISKS_MAX);
    w->is_seat = true;
    w->is_interactive = !value_get_bool(seat, "batch", false);
    w->seat_mounts = (uint32_t)mounts;
    w->seat_disks = (uint32_t)disks;
    return 0;
}

/* A seat has no job, and nothing of a job. */
static int check_seat(const struct value *root, struct vdi_error *err)
{
    static const char *const members[] = {"job", "owner", "mounts", "disks", "payload"};

    for (size_t i = 0; i < ELEMENTS(members); i++)
        if (!value_is_null(value_get(root, members[i])))
            return error_set(err, EINVAL, members[i], "a seat has no '%s' before it is bound",
                             members[i]);
    return 0;
}

static int read_all(const struct value *root, struct run_wish *w, struct vdi_error *err)
{
    int r;

    w->env = calloc(RUNNER_ENV_MAX + 1, sizeof(*w->env));
    if (!w->env)
        return no_memory(err);
    w->is_prompt = str_equal(value_get_string(root, "template.login", ""), "prompt");
    r = take_job(value_get(root, "job"), w, err);
    if (r == 0)
        r = take_places(value_get(root, "seat"), w, err);
    if (r == 0 && w->is_seat)
        r = check_seat(root, err);
    if (r == 0)
        r = take_owner(value_get(root, "owner"), w, err);
    if (r == 0)
        r = take_env(value_get(root, "env"), w, err);
    if (r == 0)
        r = take_mounts(value_get(root, "mounts"), w, err);
    if (r == 0)
        r = take_disks(value_get(root, "disks"), w, err);
    return r < 0 ? r : take_payload(value_get(root, "payload"), w, err);
}

int run_wish_read(const char *json, size_t len, struct run_wish **ret, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    struct run_wish *w;
    int r;

    if (len > RUN_WISH_BYTES_MAX)
        return error_set(err, E2BIG, "details", "what is to be run is described by %zu bytes", len);
    r = document_parse(json, len, &doc, err);
    if (r < 0)
        return r;
    w = calloc(1, sizeof(*w));
    r = w ? read_all(document_root(doc), w, err) : no_memory(err);
    if (r < 0)
        run_wish_free(w);
    else
        *ret = w;
    return r;
}

/* ---- writing ---- */

static void member(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

static void write_owner(const struct runner_owner *o, struct buf *out)
{
    buf_printf(out, ",\"owner\":{\"uid\":%u,\"gid\":%u", o->uid, o->gid);
    member(out, "name", o->name);
    member(out, "home", o->home);
    buf_puts(out, ",\"groups\":[");
    for (uint32_t i = 0; i < o->n_groups; i++) {
        buf_printf(out, "%s{\"gid\":%u", i ? "," : "", o->groups[i].gid);
        member(out, "name", o->groups[i].name);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

static void write_share(const struct run_share *s, struct buf *out)
{
    buf_printf(out, "{\"type\":\"virtiofs\",\"mode\":\"%s\"", s->read_only ? "ro" : "rw");
    member(out, "name", s->name);
    member(out, "source", s->source);
    member(out, "target", s->target);
    buf_putc(out, '}');
}

static void write_remote(const struct run_remote *m, const char *ticket, struct buf *out)
{
    buf_printf(out, "{\"type\":\"%s\",\"mode\":\"%s\",\"security\":\"%s\"",
               runner_mount_names[m->type], m->read_only ? "ro" : "rw",
               mount_security_names[m->security]);
    member(out, "name", m->name);
    member(out, "source", m->source);
    member(out, "target", m->target);
    member(out, "ticket", ticket);
    buf_putc(out, '}');
}

static void write_mounts(const struct run_wish *w, struct buf *out)
{
    buf_puts(out, ",\"mounts\":[");
    for (uint32_t i = 0; i < w->n_shares + w->n_remotes; i++) {
        if (i)
            buf_putc(out, ',');
        if (i < w->n_shares)
            write_share(&w->shares[i], out);
        else
            write_remote(&w->remotes[i - w->n_shares], w->ticket, out);
    }
    buf_putc(out, ']');
}

static void write_disks(const struct run_wish *w, struct buf *out)
{
    buf_puts(out, ",\"disks\":[");
    for (uint32_t i = 0; i < w->n_disks; i++) {
        const struct run_disk *d = &w->disks[i];

        buf_printf(out, "%s{\"size_gib\":%u,\"new\":%s", i ? "," : "", d->size_gib,
                   d->is_new ? "true" : "false");
        member(out, "name", d->name);
        member(out, "volume", d->volume);
        member(out, "target", d->target);
        member(out, "where", disk_where_names[d->where]);
        member(out, "persistence", disk_persistence_names[d->persistence]);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void write_job(const struct run_wish *w, struct buf *out)
{
    buf_printf(out, ",\"job\":{\"kind\":\"%s\"", w->is_interactive ? "interactive" : "batch");
    member(out, "work_dir", w->work_dir);
    member(out, "output", w->files[RUNNER_OUT]);
    /* The other stream's spool depends on it, whether it has a file or not. */
    member(out, "error",
           w->merge                ? ""
           : *w->files[RUNNER_ERR] ? w->files[RUNNER_ERR]
                                   : "/dev/null");
    member(out, "open_mode", w->truncate ? "truncate" : "append");
    buf_putc(out, '}');
}

static void write_env(const struct run_wish *w, struct buf *out)
{
    buf_puts(out, ",\"env\":[");
    for (char **e = w->env; *e; e++) {
        if (e != w->env)
            buf_putc(out, ',');
        json_write_string(out, *e);
    }
    buf_putc(out, ']');
}

void run_wish_write(const struct run_wish *w, struct buf *out)
{
    buf_printf(out, "{\"template\":{\"login\":\"%s\"}", w->is_prompt ? "prompt" : "auto");
    if (w->is_seat)
        buf_printf(out, ",\"seat\":{\"mounts\":%u,\"disks\":%u%s}", w->seat_mounts, w->seat_disks,
                   w->is_interactive ? "" : ",\"batch\":true");
    else
        write_job(w, out);
    write_env(w, out);
    if (*w->owner.name)
        write_owner(&w->owner, out);
    if (w->n_shares + w->n_remotes)
        write_mounts(w, out);
    if (w->n_disks)
        write_disks(w, out);
    if (w->payload) {
        buf_puts(out, ",\"payload\":");
        buf_puts(out, w->payload);
    }
    buf_puts(out, "}\n");
}
