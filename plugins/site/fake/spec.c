/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec.c - what a fake instance will do: the second line of its script, or run_ms.
 *
 * A line "#FAKE word..." is understood whole or the start is refused: a test
 * with a slip of the pen must not pass.
 */
#include "plugins/site/fake/fake.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 200

static bool read_number(const char *text, int64_t max, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");

    if (!digits || digits > 18 || text[digits])
        return false;
    *ret = strtoll(text, NULL, 10);
    return *ret <= max;
}

static bool read_word(const char *word, struct fake_script *script)
{
    int64_t n;

    if (!strncmp(word, "exit=", 5) && read_number(word + 5, 255, &n))
        script->exit_code = (int)n;
    else if (!strncmp(word, "signal=", 7) && read_number(word + 7, 64, &n) && n > 0)
        script->exit_signal = (int)n;
    else if (!strncmp(word, "after_ms=", 9) && read_number(word + 9, FAKE_TIME_MAX_MS, &n))
        script->after_usec = n * USEC_PER_MSEC;
    else if (!strncmp(word, "term_ms=", 8) && read_number(word + 8, FAKE_TIME_MAX_MS, &n))
        script->term_usec = n * USEC_PER_MSEC;
    else if (!strncmp(word, "every_ms=", 9) && read_number(word + 9, FAKE_TIME_MAX_MS, &n))
        script->every_usec = n * USEC_PER_MSEC;
    else if (!strncmp(word, "bytes=", 6) && read_number(word + 6, FAKE_BYTES_MAX, &n))
        script->bytes = n;
    else if (!strcmp(word, "runs"))
        script->ends = false;
    else if (!strcmp(word, "crash"))
        script->crash = true;
    else if (!strcmp(word, "noboot"))
        script->noboot = true;
    else
        return false;
    return true;
}

/* "on=N": what is behind it is of the Nth node of a job on several. */
static int read_line(const char *words, size_t len, int64_t node_id, struct fake_script *ret,
                     struct vdi_error *err)
{
    struct fake_script script = {.ends = true}, others = script;
    char line[LINE_MAX_BYTES], *rest;
    int64_t on = node_id;

    if (len >= sizeof(line))
        return fake_error(err, -EINVAL, "script", "its #FAKE line is longer than %d bytes",
                          LINE_MAX_BYTES);
    memcpy(line, words, len);
    line[len] = '\0';
    for (char *word = strtok_r(line, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest))
        if ((strncmp(word, "on=", 3) != 0 || !read_number(word + 3, INT32_MAX, &on)) &&
            !read_word(word, on == node_id ? &script : &others))
            return fake_error(err, -EINVAL, "script",
                              "its #FAKE line has '%.40s': it takes exit=0..255, signal=1..64, "
                              "after_ms=N, term_ms=N, every_ms=N, bytes=N, runs, crash, noboot and "
                              "on=N",
                              word);
    *ret = script;
    return 0;
}

/* The second line, behind "#FAKE"; NULL: there is none. */
static const char *fake_line(const char *script, size_t *ret_len)
{
    static const char mark[] = "#FAKE";
    const char *line = strchr(script, '\n');

    if (!line || strncmp(++line, mark, sizeof(mark) - 1) != 0)
        return NULL;
    line += sizeof(mark) - 1;
    *ret_len = strcspn(line, "\n");
    return line;
}

/* VDI_NODEID of its environment; 0: there is none. */
static int64_t node_id_of(json_t *spec)
{
    static const char name[] = "VDI_NODEID=";
    const json_t *variable;
    int64_t id = 0;
    size_t i;

    json_array_foreach(json_object_get(spec, "env"), i, variable)
    {
        const char *text = json_string_value(variable);

        if (text && !strncmp(text, name, sizeof(name) - 1))
            read_number(text + sizeof(name) - 1, INT32_MAX, &id);
    }
    return id;
}

int fake_spec_read(const char *spec_json, int64_t run_usec, struct fake_spec *ret,
                   struct vdi_error *err)
{
    json_t *spec = json_loads(spec_json ? spec_json : "", JSON_REJECT_DUPLICATES, NULL), *job;
    const char *kind, *script, *line;
    size_t len;
    int r = 0;

    if (!json_is_object(spec)) {
        json_decref(spec);
        return fake_error(err, -EINVAL, "spec", "the specification is not a JSON object");
    }
    job = json_object_get(spec, "job");
    kind = json_string_value(json_object_get(job, "kind"));
    script = json_string_value(json_object_get(json_object_get(spec, "payload"), "script"));
    *ret = (struct fake_spec){
        .job = (uint64_t)json_integer_value(json_object_get(job, "id")),
        .is_seat = !job,
        .batch = kind && !strcmp(kind, "batch"),
        .script.after_usec = run_usec,
    };
    ret->script.ends = ret->batch && run_usec;
    line = script ? fake_line(script, &len) : NULL;
    if (line)
        r = read_line(line, len, node_id_of(spec), &ret->script, err);
    if (r >= 0 && script && fake_output_make(spec, script, &ret->script) < 0)
        r = fake_error(err, -ENOMEM, "", "out of memory");
    json_decref(spec);
    return r;
}
