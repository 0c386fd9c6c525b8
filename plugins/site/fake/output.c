/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - what a fake script writes, and the log of a fake boot.
 *
 * No shell runs: each line `echo TEXT` of the script is a line of output, with $NAME
 * filled in from the job's environment, and one that ends in >&2 is a line of the errors.
 * All of it is made at the start; how much of it is there follows from the clock.
 */
#include "plugins/site/fake/fake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILLER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"

struct text {
    char *data;
    size_t len, size;
    bool failed;
};

static void add(struct text *t, const char *data, size_t len)
{
    if (!t->failed && t->len + len >= t->size) {
        size_t size = 2 * (t->len + len) + 64;
        char *more = realloc(t->data, size);

        t->failed = !more;
        t->data = more ? more : t->data;
        t->size = more ? size : t->size;
    }
    if (t->failed)
        return;
    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

/* ---- the script's lines ---- */

/* NAME's value in "env" ("NAME=value") or in the submitter's environment; "": none. */
static const char *variable(json_t *spec, const char *name, size_t len)
{
    json_t *env = json_object_get(spec, "env"), *item;
    json_t *theirs = json_object_get(json_object_get(spec, "payload"), "environment");
    const char *value;
    char key[128];
    size_t i;

    json_array_foreach(env, i, item)
    {
        const char *pair = json_string_value(item);

        if (pair && !strncmp(pair, name, len) && pair[len] == '=')
            return pair + len + 1;
    }
    snprintf(key, sizeof(key), "%.*s", (int)len, name);
    value = json_string_value(json_object_get(theirs, key));
    return value ? value : "";
}

/* A '$' in the text: $NAME or ${NAME}; returns how much of it that was. */
static size_t add_variable(struct text *t, json_t *spec, const char *p, const char *end)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    bool braces = p + 1 < end && p[1] == '{';
    const char *name = p + 1 + braces, *value;
    size_t len = 0;

    while (name + len < end && strchr(letters, name[len]))
        len++;
    if (!len || (braces && (name + len == end || name[len] != '}'))) {
        add(t, p, 1);
        return 1;
    }
    value = variable(spec, name, len);
    add(t, value, strlen(value));
    return 1 + len + (braces ? 2 : 0);
}

/* The words of one echo, without a pair of quotes around them. */
static void add_echo(struct text *t, json_t *spec, const char *p, const char *end)
{
    bool plain = false;

    if (end - p >= 2 && (*p == '"' || *p == '\'') && end[-1] == *p) {
        plain = *p == '\'';
        p++;
        end--;
    }
    while (p < end) {
        if (*p == '$' && !plain) {
            p += add_variable(t, spec, p, end);
        } else {
            add(t, p, 1);
            p++;
        }
    }
    add(t, "\n", 1);
}

static const char *trimmed(const char *begin, const char *end)
{
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return end;
}

static void add_line(struct text *out, struct text *err, json_t *spec, const char *p,
                     const char *end)
{
    bool to_err;

    p += strspn(p, " \t");
    if (end - p < 4 || strncmp(p, "echo", 4) != 0 || (p[4] != ' ' && p + 4 != end))
        return;
    p += 4;
    p += p < end && *p == ' ';
    end = trimmed(p, end);
    to_err = end - p >= 3 && !strncmp(end - 3, ">&2", 3);
    if (to_err)
        end = trimmed(p, end - 3);
    add_echo(to_err ? err : out, spec, p, end);
}

int fake_output_make(json_t *spec, const char *script, struct fake_script *ret)
{
    struct text out = {0}, err = {0};

    for (const char *p = script; *p;) {
        size_t n = strcspn(p, "\n");

        add_line(&out, &err, spec, p, p + n);
        p += n + (p[n] == '\n');
    }
    for (int64_t left = ret->bytes; left > 0; left -= (int64_t)sizeof(FILLER) - 1)
        add(&out, FILLER, left < (int64_t)sizeof(FILLER) - 1 ? (size_t)left : sizeof(FILLER) - 1);
    if (out.failed || err.failed) {
        free(out.data);
        free(err.data);
        return -ENOMEM;
    }
    ret->out = out.data;
    ret->err = err.data;
    return 0;
}

void fake_output_free(struct fake_script *script)
{
    free(script->out);
    free(script->err);
    script->out = script->err = NULL;
}

/* ---- how much of it is there ---- */

static size_t visible(const struct fake_instance *in, const char *text)
{
    int64_t now = in->site->api->now_usec(in->site->host);
    int64_t begin = in->bound_usec > in->ready_usec ? in->bound_usec : in->ready_usec;
    size_t len = strlen(text), at = 0;

    if (in->stopped)
        return len; /* cut when it was stopped */
    if (in->end_usec && now > in->end_usec)
        now = in->end_usec;
    if (in->script.noboot || now < begin)
        return 0;
    if (!in->script.every_usec)
        return len;
    for (int64_t lines = (now - begin) / in->script.every_usec + 1; lines > 0; lines--) {
        at += strcspn(text + at, "\n");
        at += text[at] == '\n';
    }
    return at;
}

void fake_output_cut(struct fake_instance *in)
{
    if (in->script.out)
        in->script.out[visible(in, in->script.out)] = '\0';
    if (in->script.err)
        in->script.err[visible(in, in->script.err)] = '\0';
}

/* ---- answers ---- */

static char *base64(const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((len + 2) / 3 * 4 + 1), *p = text;

    for (size_t i = 0; text && i < len; i += 3) {
        uint32_t left = (uint32_t)(len - i), v = (uint32_t)(uint8_t)data[i] << 16;

        if (left > 1)
            v |= (uint32_t)(uint8_t)data[i + 1] << 8;
        if (left > 2)
            v |= (uint8_t)data[i + 2];
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *p++ = left > 2 ? digits[v & 63] : '=';
    }
    if (text)
        *p = '\0';
    return text;
}

static int answer_piece(struct fake *site, const char *text, size_t size, uint64_t from,
                        uint32_t max, bool ended, struct vdi_op *op)
{
    size_t begin = from < size ? (size_t)from : size;
    size_t len = size - begin < max ? size - begin : max;
    char *data = base64(text + begin, len);
    json_t *answer;
    char *json;

    if (!data)
        return -ENOMEM;
    answer = json_pack("{s:I, s:I, s:s, s:b, s:b}", "from", (json_int_t)begin, "size",
                       (json_int_t)size, "data", data, "truncated", 0, "ended", (int)ended);
    json = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    free(data);
    if (!json)
        return -ENOMEM;
    site->api->complete(op, 0, json, NULL);
    free(json);
    return 0;
}

int fake_output(void *arg, struct vdi_instance_id id, const char *node, const char *stream,
                uint64_t from, uint32_t max, struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = fake_find(site, id.id);
    bool is_err = !strcmp(stream, "err");
    char *kept = NULL;
    const char *text;
    struct vdi_error err;
    int r;

    if (in && in->id.generation == id.generation) {
        enum fake_state state = fake_state_now(in);

        text = is_err ? in->script.err : in->script.out;
        text = text ? text : "";
        return answer_piece(site, text, visible(in, text), from, max,
                            in->stopped || state == FAKE_EXITED || state == FAKE_GONE, op);
    }
    kept = fake_keep_read_output(site, id, is_err ? "err" : "out");
    if (!kept && !fake_keep_has_output(site, id)) {
        fake_error(&err, -ENOENT, "instance", "instance %" PRIu64 ".%" PRIu32 " is not known",
                   id.id, id.generation);
        return fake_refuse(site, op, &err);
    }
    r = answer_piece(site, kept ? kept : "", kept ? strlen(kept) : 0, from, max, true, op);
    free(kept);
    return r;
}

/* A grey square, the smallest picture there is. */
#define PICTURE "P6 2 2 255\n~~~~~~~~~~~~"

int fake_log(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = fake_find(site, id.id);
    struct vdi_error err;
    char *picture, json[640], ready[64] = "";

    if (!in || in->id.generation != id.generation) {
        fake_error(&err, -ENOENT, "instance", "instance %" PRIu64 ".%" PRIu32 " is not known",
                   id.id, id.generation);
        return fake_refuse(site, op, &err);
    }
    picture = base64(PICTURE, sizeof(PICTURE) - 1);
    if (!picture)
        return -ENOMEM;
    if (!in->script.noboot && site->api->now_usec(site->host) >= in->ready_usec)
        snprintf(ready, sizeof(ready), ",{\"name\":\"ready\",\"usec\":%" PRId64 "}",
                 site->boot_usec);
    snprintf(json, sizeof(json),
             "{\"stages\":[{\"name\":\"begin\",\"usec\":0}%s],\"failed_stage\":\"%s\","
             "\"reason\":\"%s\",\"console\":\"fake console of instance %" PRIu64 ".%" PRIu32
             "\\n\",\"screenshot\":\"%s\"}",
             ready, in->script.noboot ? "boot" : "",
             in->script.noboot ? "it was told not to boot" : "", id.id, id.generation, picture);
    free(picture);
    site->api->complete(op, 0, json, NULL);
    return 0;
}
