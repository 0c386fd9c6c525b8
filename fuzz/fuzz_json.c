/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_json.c - every decoder of JSON: the first byte says which. What was taken is
 * written and read again; if that fails or says something else, it is a crash: a record
 * that cannot be read is a lost job.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/job_codec.h"
#include "codec/noun_codec.h"
#include "codec/request_input.h"
#include "codec/site_report.h"
#include "model/job_file.h"

#define SCRIPT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void check_error(int r, const struct vdi_error *err)
{
    must(r >= 0 || (err->code == -r && err->detail[0]));
}

/* The same text again, out of what was read from it. */
static void check_event(const char *type, const struct job_event *event)
{
    struct buf once = BUF_INIT(0), twice = BUF_INIT(0);
    struct job_event back = {0};

    job_event_encode(event, &once);
    must(job_event_decode(type, 1, JOB_EVENT_VERSION, once.data, once.len, &back, NULL) >= 0);
    job_event_encode(&back, &twice);
    must(!strcmp(once.data, twice.data));
    job_event_done(&back);
    buf_done(&once);
    buf_done(&twice);
}

static void fuzz_submit(const char *json, size_t len)
{
    struct job_event event = {.type = JOB_EVENT_SUBMIT};
    struct vdi_error err = {0};
    bool hold;
    int r = job_submit_decode(json, len, SCRIPT_MAX, &event.spec, &event.payload, &hold, &err);
    char *script;

    check_error(r, &err);
    if (r < 0)
        return;
    must(event.spec->script_bytes <= SCRIPT_MAX && !*event.spec->owner);
    check_event("submit", &event);
    if (event.payload) {
        script = job_payload_script(event.payload);
        must((script ? strlen(script) : 0) == event.spec->script_bytes);
        free(script);
    }
    job_event_done(&event);
}

static void fuzz_update(const char *json, size_t len)
{
    struct job_spec *old = job_spec_new();
    struct job_event event = {.type = JOB_EVENT_UPDATE};
    struct vdi_error err = {0};
    int r;

    job_spec_set(&old->name, "before");
    job_spec_set(&old->comment, "before");
    r = job_update_decode(old, json, len, FIELD_UPDATE | FIELD_ADMIN, &event.spec, &err);
    check_error(r, &err);
    must(!strcmp(old->name, "before") && !strcmp(old->comment, "before") && old->refs == 1);
    if (r >= 0) {
        check_event("update", &event);
        job_event_done(&event);
    }
    job_spec_unref(old);
}

static void fuzz_event(const char *json, size_t len)
{
    struct job_event event = {0};
    struct vdi_error err = {0};
    int r = job_event_decode("submit", 1, JOB_EVENT_VERSION, json, len, &event, &err);

    check_error(r, &err);
    if (r >= 0) {
        check_event("submit", &event);
        job_event_done(&event);
    }
}

static void fuzz_snapshot(const char *json, size_t len)
{
    struct buf once = BUF_INIT(0), twice = BUF_INIT(0), shown = BUF_INIT(0);
    struct job *job = NULL, *back = NULL;
    struct vdi_error err = {0};
    int r = job_snapshot_decode(7, JOB_EVENT_VERSION, json, len, &job, &err);

    check_error(r, &err);
    if (r < 0)
        return;
    job_snapshot_encode(job, &once);
    must(job_snapshot_decode(7, JOB_EVENT_VERSION, once.data, once.len, &back, NULL) >= 0);
    job_snapshot_encode(back, &twice);
    must(!strcmp(once.data, twice.data));
    job_write(job, NULL, &shown);
    job_unref(job);
    job_unref(back);
    buf_done(&once);
    buf_done(&twice);
    buf_done(&shown);
}

static void fuzz_nouns(const char *json, size_t len)
{
    struct instance_event instance_event;
    struct node_event node_event;
    struct token_event token_event;
    struct instance *instance = NULL;
    struct node *node = NULL;
    struct token *token = NULL;
    struct buf out = BUF_INIT(0);

    if (instance_event_decode("request", 1, 1, json, len, &instance_event, NULL) >= 0)
        instance_event_encode(&instance_event, &out);
    if (node_event_decode("define", 1, 1, json, len, &node_event, NULL) >= 0)
        node_event_encode(&node_event, &out);
    if (token_event_decode("issue", 1, 1, json, len, &token_event, NULL) >= 0)
        token_event_encode(&token_event, &out);
    buf_clear(&out);
    if (instance_snapshot_decode(1, 1, json, len, &instance, NULL) >= 0)
        instance_snapshot_encode(instance, &out);
    instance_unref(instance);
    buf_clear(&out);
    if (node_snapshot_decode("n", 1, json, len, &node, NULL) >= 0) {
        node_snapshot_encode(node, &out);
        node_unref(node);
        must(node_snapshot_decode("n", 1, out.data, out.len, &node, NULL) >= 0);
    }
    node_unref(node);
    if (token_snapshot_decode("t", 1, json, len, &token, NULL) >= 0)
        token_unref(token);
    buf_done(&out);
}

static void fuzz_inputs(const char *json, size_t len)
{
    struct request_extend extend = {0};
    struct request_node node = {0};
    struct request_token token = {0};
    struct request_reconfigure reconfigure = {0};
    struct request_message message = {0};
    struct site_report report = {0};
    struct vdi_error err = {0};
    char *text = strndup(json, len);

    if (fields_read(request_message_fields, &message, json, len, FIELD_SUBMIT, NULL, &err) >= 0)
        must(memchr(message.text, 0, sizeof(message.text)));
    if (fields_read(request_extend_fields, &extend, json, len, FIELD_SUBMIT, NULL, &err) >= 0)
        must(extend.seconds > 0);
    if (fields_read(request_node_fields, &node, json, len, FIELD_SUBMIT, NULL, &err) >= 0)
        must(node.state <= NODE_ASK_DOWN && memchr(node.reason, 0, sizeof(node.reason)));
    if (fields_read(request_token_fields, &token, json, len, FIELD_SUBMIT, NULL, &err) >= 0)
        must(token.lifetime_sec >= 0 && token.lifetime_sec <= 3600);
    fields_read(request_reconfigure_fields, &reconfigure, json, len, FIELD_SUBMIT, NULL, &err);
    if (site_report_decode(text, &report, &err) >= 0)
        must(report.state <= SITE_STATE_GONE && report.exit_signal >= 0);
    free(text);
}

/* What a site says of output, and the names of files that a user gives. */
static void fuzz_site(const char *json, size_t len)
{
    struct job_spec spec = {.owner = (char *)"unix:ada", .name = (char *)"a/b"};
    struct job job = {.id = 1, .spec = &spec, .node = "n1", .node_list = ""};
    char *text = strndup(json, len);
    struct site_piece piece;
    struct vdi_error err = {0};
    struct buf name = BUF_INIT(1 << 16);

    if (site_piece_decode(text, 64, &piece, &err) >= 0) {
        must(piece.len <= 66);
        site_piece_done(&piece);
    }
    spec.work_dir = text;
    if (job_file_check("output", text, true, &err) >= 0)
        job_file_name(&job, len & 1, text, &name);
    buf_done(&name);
    free(text);
}

static void fuzz_columns(const char *list, size_t len)
{
    struct job job = {.refs = 1, .id = 1, .state = JOB_PENDING, .spec = job_spec_new()};
    char *text = strndup(list, len);
    struct job_columns columns;
    struct buf out = BUF_INIT(0);

    if (job_columns_parse(text, &columns, NULL) >= 0)
        job_write(&job, &columns, &out);
    buf_done(&out);
    free(text);
    job_spec_unref(job.spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(const char *, size_t) = {
        fuzz_submit, fuzz_update, fuzz_event,   fuzz_snapshot,
        fuzz_nouns,  fuzz_inputs, fuzz_columns, fuzz_site,
    };

    if (size)
        decoders[(unsigned)(data[0] - '0') % (sizeof(decoders) / sizeof(decoders[0]))](
            (const char *)data + 1, size - 1);
    return 0;
}
