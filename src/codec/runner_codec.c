/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_codec.c - what vdid and the guest runner say to each other (port org.osvdi.job.0).
 *
 * One row of types[] is a message: who may say it, its plain members (a table of fields) and
 * its other ones (owner, env, data). A message of the table has exactly these members.
 */
#include "codec/runner_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/runner_raw.h"
#include "model/mount.h"

#define TEXT_MAX 4096
#define PATH_BYTES_MAX 4096
#define ENV_BYTES_MAX 65536 /* of one variable of ours */
#define ARGS_MAX 4096
#define ENVIRONMENT_MAX 4096

const char *const runner_type_names[] = {
    "greet", "hello", "welcome", "ready",  "part", "run", "signal", "message", "shutdown", "time",
    "ping",  "pong",  "stage",   "output", "exit", "ack", "refuse", "input",   "ticket",   NULL};
const char *const runner_mount_names[] = {"virtiofs", "disk", "nfs-krb5", "smb", NULL};
const char *const runner_stream_names[] = {"out", "err", NULL};

#define AT(T, m) offsetof(struct T, m), sizeof(((struct T *)0)->m)
#define MSG(m) AT(runner_message, m)
#define MUST (FIELD_SUBMIT | FIELD_REQUIRED)
#define U64(name, m)                                                                               \
    {                                                                                              \
        name, FIELD_U64, MSG(m), MUST, 0, INT64_MAX, NULL, ""                                      \
    }
#define U32(name, m, min, max)                                                                     \
    {                                                                                              \
        name, FIELD_U32, MSG(m), MUST, min, max, NULL, ""                                          \
    }
#define FIXED(name, m)                                                                             \
    {                                                                                              \
        name, FIELD_FIXED, MSG(m), MUST, 0, 0, NULL, ""                                            \
    }
#define BOOL(name, m)                                                                              \
    {                                                                                              \
        name, FIELD_BOOL, MSG(m), MUST, 0, 0, NULL, ""                                             \
    }
#define USEC(name, m)                                                                              \
    {                                                                                              \
        name, FIELD_I64, MSG(m), MUST, 0, INT64_MAX, NULL, ""                                      \
    }
#define END                                                                                        \
    {                                                                                              \
        .type = FIELD_END                                                                          \
    }

static const struct field greet_fields[] = {END};
static const struct field hello_fields[] = {
    U32("protocol_min", protocol_min, 1, UINT32_MAX),
    U32("protocol_max", protocol_max, 1, UINT32_MAX),
    U64("session", session),
    FIXED("os", os),
    FIXED("version", version),
    FIXED("boot_id", boot_id),
    FIXED("sender", sender),
    U64("first", first),
    END,
};
static const struct field welcome_fields[] = {
    U32("protocol", protocol, 1, UINT32_MAX),
    U64("session", session),
    FIXED("sender", sender),
    U64("first", first),
    U64("job", id.job),
    U64("instance", id.instance),
    U32("generation", id.generation, 0, UINT32_MAX),
    FIXED("nonce", id.nonce),
    U64("out", offsets[RUNNER_OUT]),
    U64("err", offsets[RUNNER_ERR]),
    END,
};
static const struct field ready_fields[] = {BOOL("started", started), END};
static const struct field part_fields[] = {
    U64("offset", offset),
    {"total", FIELD_U64, MSG(total), MUST, 1, RUNNER_PAYLOAD_MAX, NULL, ""},
    END,
};
static const struct field run_fields[] = {
    {"total", FIELD_U64, MSG(total), MUST, 1, RUNNER_PAYLOAD_MAX, NULL, ""},
    {"work_dir", FIELD_STRING, MSG(work_dir), MUST, 0, PATH_BYTES_MAX, NULL, ""},
    BOOL("merge", merge),
    END,
};
static const struct field signal_fields[] = {U64("seq", seq), U32("signal", signal, 1, 64), END};
static const struct field text_fields[] = {
    U64("seq", seq),
    {"text", FIELD_TEXT, MSG(text), MUST, 0, TEXT_MAX, NULL, ""},
    END,
};
static const struct field seq_fields[] = {U64("seq", seq), END};
static const struct field time_fields[] = {USEC("usec", usec), END};
static const struct field stage_fields[] = {
    U64("seq", seq), FIXED("name", name), USEC("usec", usec), FIXED("detail", detail), END,
};
static const struct field output_fields[] = {
    {"stream", FIELD_ENUM, MSG(stream), MUST, 0, 0, runner_stream_names, ""},
    U64("offset", offset),
    END,
};
static const struct field exit_message_fields[] = {
    U64("seq", seq),
    BOOL("started", started),
    {"code", FIELD_I32, MSG(exit_code), MUST, 0, 255, NULL, ""},
    {"signal", FIELD_I32, MSG(exit_signal), MUST, 0, 64, NULL, ""},
    U64("out", offsets[RUNNER_OUT]),
    U64("err", offsets[RUNNER_ERR]),
    FIXED("detail", detail),
    END,
};
static const struct field ack_fields[] = {
    U64("seq", seq),
    U64("out", offsets[RUNNER_OUT]),
    U64("err", offsets[RUNNER_ERR]),
    END,
};

static const struct field refuse_fields[] = {FIXED("detail", detail), END};
static const struct field input_fields[] = {U32("idle_sec", idle_sec, 0, RUNNER_INPUT_SEC_MAX),
                                            END};
static const struct field ticket_fields[] = {END};

#define OWNER(m) AT(runner_owner, m)
static const struct field owner_fields[] = {
    {"name", FIELD_FIXED, OWNER(name), MUST, 0, 0, NULL, ""},
    {"uid", FIELD_U32, OWNER(uid), MUST, 0, UINT32_MAX - 1, NULL, ""},
    {"gid", FIELD_U32, OWNER(gid), MUST, 0, UINT32_MAX - 1, NULL, ""},
    {"home", FIELD_FIXED, OWNER(home), MUST, 0, 0, NULL, ""},
    END,
};
static const struct field group_fields[] = {
    {"name", FIELD_FIXED, AT(runner_group, name), MUST, 0, 0, NULL, ""},
    {"gid", FIELD_U32, AT(runner_group, gid), MUST, 0, UINT32_MAX - 1, NULL, ""},
    END,
};

#define MOUNT(m) AT(runner_mount, m)
static const struct field mount_fields[] = {
    {"tag", FIELD_FIXED, MOUNT(tag), MUST, 0, 0, NULL, ""},
    {"target", FIELD_FIXED, MOUNT(target), MUST, 0, 0, NULL, ""},
    {"type", FIELD_ENUM, MOUNT(type), MUST, 0, 0, runner_mount_names, ""},
    {"read_only", FIELD_BOOL, MOUNT(read_only), MUST, 0, 0, NULL, ""},
    /* Left out where there is no file server: an older guest knows no such member. */
    {"source", FIELD_FIXED, MOUNT(source), FIELD_SUBMIT | FIELD_SKIP_EMPTY, 0, 0, NULL, ""},
    {"security", FIELD_ENUM, MOUNT(security), FIELD_SUBMIT | FIELD_SKIP_EMPTY, 0, 0,
     mount_security_names, ""},
    END,
};

bool runner_mount_has_ticket(const struct runner_mount *m)
{
    return m->type == RUNNER_NFS_KRB5 || m->type == RUNNER_SMB;
}

enum { BY_HOST = 1 << RUNNER_HOST, BY_GUEST = 1 << RUNNER_GUEST };
enum { HAS_OWNER = 1, HAS_ENV = 2, HAS_DATA = 4, MAY_MOUNT = 8 };

static const struct type {
    unsigned by, has;
    const struct field *fields;
} types[RUNNER_N_TYPES] = {
    [RUNNER_GREET] = {BY_HOST, 0, greet_fields},
    [RUNNER_HELLO] = {BY_GUEST, 0, hello_fields},
    [RUNNER_WELCOME] = {BY_HOST, HAS_OWNER | HAS_ENV | MAY_MOUNT, welcome_fields},
    [RUNNER_READY] = {BY_GUEST, 0, ready_fields},
    [RUNNER_PART] = {BY_HOST, HAS_DATA, part_fields},
    [RUNNER_RUN] = {BY_HOST, 0, run_fields},
    [RUNNER_SIGNAL] = {BY_HOST, 0, signal_fields},
    [RUNNER_MESSAGE] = {BY_HOST, 0, text_fields},
    [RUNNER_SHUTDOWN] = {BY_HOST, 0, seq_fields},
    [RUNNER_TIME] = {BY_HOST, 0, time_fields},
    [RUNNER_PING] = {BY_HOST, 0, seq_fields},
    [RUNNER_PONG] = {BY_GUEST, 0, seq_fields},
    [RUNNER_STAGE] = {BY_GUEST, 0, stage_fields},
    [RUNNER_OUTPUT] = {BY_GUEST, HAS_DATA, output_fields},
    [RUNNER_EXIT] = {BY_GUEST, 0, exit_message_fields},
    [RUNNER_ACK] = {BY_HOST | BY_GUEST, 0, ack_fields},
    [RUNNER_REFUSE] = {BY_GUEST, 0, refuse_fields},
    [RUNNER_INPUT] = {BY_GUEST, 0, input_fields},
    [RUNNER_TICKET] = {BY_HOST, HAS_DATA, ticket_fields},
};

void strings_free(char **strings)
{
    for (char **s = strings; s && *s; s++)
        free(*s);
    free(strings);
}

void runner_message_done(struct runner_message *m)
{
    strings_free(m->env);
    if (m->type == RUNNER_TICKET && m->data)
        explicit_bzero(m->data, m->data_len);
    free(m->data);
    free(m->work_dir);
    free(m->text);
    m->env = NULL;
    m->data = NULL;
    m->data_len = 0;
    m->work_dir = m->text = NULL;
}

/* ---- writing ---- */

static void write_env(char *const *env, struct buf *out)
{
    buf_puts(out, ",\"env\":{");
    for (char *const *e = env; e && *e; e++) {
        char name[128];
        size_t len = strcspn(*e, "=");
        snprintf(name, sizeof(name), "%.*s", (int)len, *e);
        if (e != env)
            buf_putc(out, ',');
        json_write_string(out, name);
        buf_putc(out, ':');
        json_write_string(out, *e + len + ((*e)[len] == '='));
    }
    buf_putc(out, '}');
}

static void write_owner(const struct runner_owner *owner, struct buf *out)
{
    bool first = true;

    buf_puts(out, ",\"owner\":{");
    fields_write(owner_fields, owner, FIELD_SUBMIT, out, &first);
    buf_puts(out, ",\"groups\":[");
    for (uint32_t i = 0; i < owner->n_groups; i++) {
        first = true;
        buf_puts(out, i ? ",{" : "{");
        fields_write(group_fields, &owner->groups[i], FIELD_SUBMIT, out, &first);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

/* Left out when there is none: who speaks an older protocol knows no such member. */
static void write_mounts(const struct runner_message *m, struct buf *out)
{
    if (!m->n_mounts)
        return;
    buf_puts(out, ",\"mounts\":[");
    for (uint32_t i = 0; i < m->n_mounts; i++) {
        bool first = true;
        buf_puts(out, i ? ",{" : "{");
        fields_write(mount_fields, &m->mounts[i], FIELD_SUBMIT, out, &first);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

/* String members may be NULL in a message to be sent; the tables know no such thing. */
static void write_fields(const struct runner_message *m, struct buf *out)
{
    static char empty[] = "";
    bool first = false;
    struct runner_message copy;

    if ((m->type != RUNNER_RUN || m->work_dir) && (m->type != RUNNER_MESSAGE || m->text)) {
        fields_write(types[m->type].fields, m, FIELD_SUBMIT, out, &first);
        return;
    }
    copy = *m;
    copy.work_dir = m->work_dir ? m->work_dir : empty;
    copy.text = m->text ? m->text : empty;
    fields_write(types[m->type].fields, &copy, FIELD_SUBMIT, out, &first);
}

int runner_encode(const struct runner_message *m, struct buf *out)
{
    const struct type *type = &types[m->type];
    size_t start;

    if (runner_frame_begin(out, &start) < 0) {
        out->failed = false;
        return -ENOMEM;
    }
    buf_printf(out, "{\"type\":\"%s\"", runner_type_names[m->type]);
    write_fields(m, out);
    if (type->has & HAS_OWNER)
        write_owner(&m->owner, out);
    if (type->has & HAS_ENV)
        write_env(m->env, out);
    if (type->has & MAY_MOUNT)
        write_mounts(m, out);
    if (type->has & HAS_DATA && !m->is_raw) {
        buf_puts(out, ",\"data\":\"");
        base64_write(m->data, m->data_len, out);
        buf_putc(out, '"');
    }
    buf_putc(out, '}');
    if (type->has & HAS_DATA && m->is_raw) {
        buf_putc(out, '\0');
        runner_raw_write(m->data, m->data_len, out);
    }
    return runner_frame_end(out, start);
}

/* ---- reading ---- */

static int missing(const char *name, struct vdi_error *err)
{
    return error_set(err, EINVAL, name, "'%s' is missing or not of its kind", name);
}

/* Out of the object, so that what is left there is in the table of fields. */
static json_t *take(json_t *object, const char *name)
{
    json_t *value = json_incref(json_object_get(object, name));

    json_object_del(object, name);
    return value;
}

static int too_many(const char *name, size_t n, size_t max, struct vdi_error *err)
{
    char limit[32];

    error_set(err, E2BIG, name, "'%s' has %zu members", name, n);
    snprintf(limit, sizeof(limit), "%zu members", max);
    error_hint(err, limit, NULL);
    return -E2BIG;
}

static int read_groups(const json_t *list, struct runner_owner *owner, struct vdi_error *err)
{
    if (!json_is_array(list))
        return missing("groups", err);
    if (json_array_size(list) > RUNNER_GROUPS_MAX)
        return too_many("groups", json_array_size(list), RUNNER_GROUPS_MAX, err);
    owner->n_groups = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < owner->n_groups; i++) {
        json_t *item = json_array_get(list, i);
        int r = json_is_object(item) ? fields_read_value(group_fields, &owner->groups[i], item,
                                                         FIELD_SUBMIT, NULL, err)
                                     : missing("groups", err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_owner(json_t *object, struct runner_owner *owner, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *value = take(object, "owner");
    _cleanup_(json_decrefp) json_t *groups = NULL;
    int r;

    if (!json_is_object(value))
        return missing("owner", err);
    groups = take(value, "groups");
    r = fields_read_value(owner_fields, owner, value, FIELD_SUBMIT, NULL, err);
    return r < 0 ? r : read_groups(groups, owner, err);
}

/* Of a file server it has a source, which becomes a word for mount(8)'s helpers. */
static int check_mount(const struct runner_mount *m, struct vdi_error *err)
{
    if (!runner_mount_has_ticket(m))
        return *m->source ? error_set(err, EINVAL, "mounts", "'%s' has a source", m->target) : 0;
    return mount_source_check_type(m->source, runner_mount_names[m->type], err);
}

static int read_mounts(json_t *object, struct runner_message *m, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *list = take(object, "mounts");

    if (!list)
        return 0;
    if (!json_is_array(list))
        return missing("mounts", err);
    if (json_array_size(list) > RUNNER_MOUNTS_MAX)
        return too_many("mounts", json_array_size(list), RUNNER_MOUNTS_MAX, err);
    m->n_mounts = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < m->n_mounts; i++) {
        json_t *item = json_array_get(list, i);
        int r = json_is_object(item)
                    ? fields_read_value(mount_fields, &m->mounts[i], item, FIELD_SUBMIT, NULL, err)
                    : missing("mounts", err);
        if (r == 0)
            r = check_mount(&m->mounts[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_variable_name(const char *name)
{
    static const char digits[] = "0123456789";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return *name && !strchr(digits, *name) && !name[strspn(name, all)];
}

/* An object of strings as "NAME=value". */
static int read_variables(const json_t *value, const char *field, size_t max, size_t max_bytes,
                          char ***ret, struct vdi_error *err)
{
    json_t *object = (json_t *)value, *item;
    size_t n = 0;
    const char *name;
    char **list;

    if (!json_is_object(object))
        return missing(field, err);
    if (json_object_size(object) > max)
        return too_many(field, json_object_size(object), max, err);
    list = calloc(json_object_size(object) + 1, sizeof(*list));
    if (!list)
        return error_set(err, ENOMEM, field, "out of memory");
    *ret = list; /* the caller's from here on */
    json_object_foreach(object, name, item)
    {
        if (!is_variable_name(name) || !json_is_string(item) ||
            json_string_length(item) > max_bytes)
            return error_set(err, EINVAL, field, "'%.40s' in '%s' is no variable", name, field);
        list[n] = str_printf("%s=%s", name, json_string_value(item));
        if (!list[n++])
            return error_set(err, ENOMEM, field, "out of memory");
    }
    return 0;
}

static int read_env(json_t *object, struct runner_message *m, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *value = take(object, "env");

    return read_variables(value, "env", RUNNER_ENV_MAX, ENV_BYTES_MAX, &m->env, err);
}

static int read_data(json_t *object, struct runner_message *m, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *value = take(object, "data");
    size_t len = json_string_length(value);

    if (!json_is_string(value))
        return missing("data", err);
    if (len > BASE64_LEN(RUNNER_DATA_MAX))
        return error_set(err, EMSGSIZE, "data", "'data' has %zu bytes of base64", len);
    m->data = malloc(len / 4 * 3 + 1);
    if (!m->data)
        return error_set(err, ENOMEM, "data", "out of memory");
    if (base64_read(json_string_value(value), len, m->data, &m->data_len) < 0 ||
        m->data_len > RUNNER_DATA_MAX)
        return error_set(err, EINVAL, "data", "'data' is not base64 of at most %u bytes",
                         RUNNER_DATA_MAX);
    return 0;
}

static int read_raw(const char *text, size_t len, struct runner_message *m, struct vdi_error *err)
{
    int64_t n = len <= 2 * RUNNER_DATA_MAX ? 0 : -EMSGSIZE;

    if (n == 0 && !(m->data = malloc(len + 1)))
        return error_set(err, ENOMEM, "data", "out of memory");
    if (n == 0)
        n = runner_raw_read(text, len, m->data);
    if (n < 0 || n > RUNNER_DATA_MAX)
        return error_set(err, EINVAL, "data", "what follows is not data of at most %u bytes",
                         RUNNER_DATA_MAX);
    m->data_len = (size_t)n;
    m->is_raw = true;
    return 0;
}

static int read_type(enum runner_side from, json_t *object, uint32_t *ret, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *value = take(object, "type");
    const char *name = json_string_value(value);

    for (uint32_t i = 0; name && i < RUNNER_N_TYPES; i++) {
        if (strcmp(name, runner_type_names[i]) != 0)
            continue;
        if (!(types[i].by & 1u << from))
            break;
        *ret = i;
        return 0;
    }
    return error_set(err, EPROTO, "type", "'%.40s' is nothing that side may say",
                     name ? name : "(no type)");
}

/* An offset and its bytes must not run over the end of numbers. */
static int check_span(const struct runner_message *m, struct vdi_error *err)
{
    uint64_t end = m->offset + m->data_len;

    if (m->type == RUNNER_PART && end > m->total)
        return error_set(err, ERANGE, "offset", "the part ends behind the payload's end");
    if (m->type == RUNNER_OUTPUT && end > INT64_MAX)
        return error_set(err, ERANGE, "offset", "no stream is so long");
    return 0;
}

/* `raw`: what stands behind the JSON, or NULL. */
static int read_message(enum runner_side from, json_t *object, const char *raw, size_t raw_len,
                        struct runner_message *m, struct vdi_error *err)
{
    int r = read_type(from, object, &m->type, err);
    const struct type *type = &types[m->type];

    if (r >= 0 && type->has & HAS_OWNER)
        r = read_owner(object, &m->owner, err);
    if (r >= 0 && type->has & HAS_ENV)
        r = read_env(object, m, err);
    if (r >= 0 && type->has & MAY_MOUNT)
        r = read_mounts(object, m, err);
    if (r >= 0 && raw && m->type != RUNNER_OUTPUT)
        return error_set(err, EPROTO, "data", "bytes behind a message that has none");
    if (r >= 0 && type->has & HAS_DATA)
        r = raw ? read_raw(raw, raw_len, m, err) : read_data(object, m, err);
    if (r >= 0)
        r = fields_read_value(type->fields, m, object, FIELD_SUBMIT, NULL, err);
    return r < 0 ? r : check_span(m, err);
}

int runner_decode(enum runner_side from, const char *json, size_t len, struct runner_message *ret,
                  struct vdi_error *err)
{
    const char *end = len ? memchr(json, '\0', len) : NULL, *raw = end ? end + 1 : NULL;
    size_t json_len = end ? (size_t)(end - json) : len;
    json_t *object = fields_parse_object(json, json_len, err);
    int r;

    *ret = RUNNER_MESSAGE_INIT(0);
    if (!object)
        return -EINVAL;
    r = read_message(from, object, raw, raw ? len - json_len - 1 : 0, ret, err);
    json_decref(object);
    if (r < 0) {
        runner_message_done(ret);
        *ret = RUNNER_MESSAGE_INIT(0);
    }
    return r;
}

/* ---- the payload ---- */

static int read_args(const json_t *list, char ***ret, struct vdi_error *err)
{
    size_t n = json_array_size(list);
    char **args;

    if (list && !json_is_array(list))
        return missing("args", err);
    if (n > ARGS_MAX)
        return too_many("args", n, ARGS_MAX, err);
    args = calloc(n + 1, sizeof(*args));
    if (!args)
        return error_set(err, ENOMEM, "args", "out of memory");
    *ret = args; /* the caller's from here on */
    for (size_t i = 0; i < n; i++) {
        const char *arg = json_string_value(json_array_get(list, i));
        if (!arg)
            return missing("args", err);
        args[i] = strdup(arg);
        if (!args[i])
            return error_set(err, ENOMEM, "args", "out of memory");
    }
    return 0;
}

static int read_payload(json_t *object, struct runner_payload *p, struct vdi_error *err)
{
    static const char *const names[] = {"script", "args", "environment"};
    const json_t *environment = json_object_get(object, "environment");
    const char *script = json_string_value(json_object_get(object, "script"));
    size_t n = 0;
    int r;

    for (size_t i = 0; i < ELEMENTS(names); i++)
        n += json_object_get(object, names[i]) != NULL;
    if (n != json_object_size(object))
        return error_set(err, EINVAL, "payload", "the payload has a member that is not known");
    if (json_object_get(object, "script") && (!script || strncmp(script, "#!", 2) != 0))
        return error_set(err, EINVAL, "script", "the script does not begin with #!");
    p->script = script ? strdup(script) : NULL;
    if (script && !p->script)
        return error_set(err, ENOMEM, "script", "out of memory");
    r = read_args(json_object_get(object, "args"), &p->args, err);
    if (r >= 0 && environment)
        r = read_variables(environment, "environment", ENVIRONMENT_MAX, RUNNER_PAYLOAD_MAX,
                           &p->environment, err);
    return r;
}

int runner_payload_decode(const char *json, size_t len, struct runner_payload *ret,
                          struct vdi_error *err)
{
    struct runner_payload p = {0};
    json_t *object = fields_parse_object(json, len, err);
    int r;

    if (!object)
        return -EINVAL;
    r = read_payload(object, &p, err);
    json_decref(object);
    if (r < 0)
        runner_payload_done(&p);
    else
        *ret = p;
    return r;
}

void runner_payload_done(struct runner_payload *p)
{
    free(p->script);
    strings_free(p->args);
    strings_free(p->environment);
    *p = (struct runner_payload){0};
}

/* ---- what is kept on disk ---- */

#define EXIT(m) AT(runner_exit, m)
static const struct field exit_fields[] = {
    {"job", FIELD_U64, EXIT(id.job), MUST, 0, INT64_MAX, NULL, ""},
    {"instance", FIELD_U64, EXIT(id.instance), MUST, 0, INT64_MAX, NULL, ""},
    {"generation", FIELD_U32, EXIT(id.generation), MUST, 0, UINT32_MAX, NULL, ""},
    {"nonce", FIELD_FIXED, EXIT(id.nonce), MUST, 0, 0, NULL, ""},
    {"started", FIELD_BOOL, EXIT(started), MUST, 0, 0, NULL, ""},
    {"code", FIELD_I32, EXIT(code), MUST, 0, 255, NULL, ""},
    {"signal", FIELD_I32, EXIT(signal), MUST, 0, 64, NULL, ""},
    {"out", FIELD_U64, EXIT(offsets[RUNNER_OUT]), MUST, 0, INT64_MAX, NULL, ""},
    {"err", FIELD_U64, EXIT(offsets[RUNNER_ERR]), MUST, 0, INT64_MAX, NULL, ""},
    {"detail", FIELD_FIXED, EXIT(detail), MUST, 0, 0, NULL, ""},
    END,
};

#define STARTED(m) AT(runner_started, m)
static const struct field started_fields[] = {
    {"job", FIELD_U64, STARTED(id.job), MUST, 0, INT64_MAX, NULL, ""},
    {"instance", FIELD_U64, STARTED(id.instance), MUST, 0, INT64_MAX, NULL, ""},
    {"generation", FIELD_U32, STARTED(id.generation), MUST, 0, UINT32_MAX, NULL, ""},
    {"nonce", FIELD_FIXED, STARTED(id.nonce), MUST, 0, 0, NULL, ""},
    {"boot_id", FIELD_FIXED, STARTED(boot_id), MUST, 0, 0, NULL, ""},
    {"session", FIELD_BOOL, STARTED(is_session), FIELD_SUBMIT | FIELD_SKIP_EMPTY, 0, 0, NULL, ""},
    {"ended", FIELD_BOOL, STARTED(ended), MUST, 0, 0, NULL, ""},
    {"pid", FIELD_I32, STARTED(pid), MUST, 0, INT32_MAX, NULL, ""},
    {"start_ticks", FIELD_U64, STARTED(start_ticks), MUST, 0, INT64_MAX, NULL, ""},
    END,
};

static void write_object(const struct field *fields, const void *base, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(fields, base, FIELD_SUBMIT, out, &first);
    buf_putc(out, '}');
}

void runner_exit_write(const struct runner_exit *e, struct buf *out)
{
    write_object(exit_fields, e, out);
}

int runner_exit_read(const char *json, size_t len, struct runner_exit *ret, struct vdi_error *err)
{
    *ret = (struct runner_exit){0};
    return fields_read(exit_fields, ret, json, len, FIELD_SUBMIT, NULL, err);
}

void runner_started_write(const struct runner_started *s, struct buf *out)
{
    write_object(started_fields, s, out);
}

int runner_started_read(const char *json, size_t len, struct runner_started *ret,
                        struct vdi_error *err)
{
    *ret = (struct runner_started){0};
    return fields_read(started_fields, ret, json, len, FIELD_SUBMIT, NULL, err);
}

bool runner_id_equal(const struct runner_id *a, const struct runner_id *b)
{
    return a->job == b->job && a->instance == b->instance && a->generation == b->generation &&
           str_equal(a->nonce, b->nonce);
}
