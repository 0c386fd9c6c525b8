/* SPDX-License-Identifier: Apache-2.0 */
/* site_report.c - what a site says of an instance: where it stands, output, log. */
#include "codec/site_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/base64.h"
#include "codec/document.h"
#define REPORT(m) offsetof(struct site_report, m), sizeof(((struct site_report *)0)->m)

static const char *const states[] = {"none", "building", "ready", "saved", "gone", NULL};

static const struct field report_fields[] = {
    {"state", FIELD_ENUM, REPORT(state), FIELD_SUBMIT, 0, 0, states, "state"},
    {"exited", FIELD_BOOL, REPORT(exited), FIELD_SUBMIT, 0, 0, NULL, "the script ended"},
    {"exit_code", FIELD_I32, REPORT(exit_code), FIELD_SUBMIT, 0, 255, NULL, "its status"},
    {"exit_signal", FIELD_I32, REPORT(exit_signal), FIELD_SUBMIT, 0, 64, NULL, "its signal"},
    {"ended", FIELD_BOOL, REPORT(ended), FIELD_SUBMIT, 0, 0, NULL, "nothing of it runs"},
    {"failed", FIELD_BOOL, REPORT(failed), FIELD_SUBMIT, 0, 0, NULL, "not by its own will"},
    {"reason", FIELD_FIXED, REPORT(reason), FIELD_SUBMIT, 0, 0, NULL, "why"},
    {"idle_sec", FIELD_I64, REPORT(idle_sec), FIELD_SUBMIT, 0, INT32_MAX, NULL, "nobody there"},
    {.type = FIELD_END},
};

int site_report_decode(const char *json, struct site_report *ret, struct vdi_error *err)
{
    struct site_report report = {.idle_sec = -1};
    int r = fields_read(report_fields, &report, json, strlen(json), FIELD_SUBMIT, NULL, err);

    if (r >= 0)
        *ret = report;
    return r;
}

/* Of a piece everything but its data is small. */
#define PIECE_EXTRA_MAX 4096

int site_piece_decode(const char *json, size_t max, struct site_piece *ret, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    size_t len = strlen(json), room = BASE64_LEN(max);
    struct site_piece piece = {0};
    const struct value *root;
    const char *data;
    int64_t from, size;

    if (len > room + PIECE_EXTRA_MAX || document_parse(json, len, &document, NULL) < 0)
        return error_set(err, EBADMSG, "", "the site's answer is no piece of output");
    root = document_root(document);
    data = value_get_string(root, "data", NULL);
    from = value_get_int(root, "from", -1);
    size = value_get_int(root, "size", -1);
    if (!data || from < 0 || size < 0 || strlen(data) > room)
        return error_set(err, EBADMSG, "", "the site's answer is no piece of output");
    piece.from = (uint64_t)from;
    piece.size = (uint64_t)size;
    piece.truncated = value_get_bool(root, "truncated", false);
    piece.ended = value_get_bool(root, "ended", false);
    piece.data = malloc(strlen(data) / 4 * 3 + 1);
    if (!piece.data)
        return error_set(err, ENOMEM, "", "out of memory");
    if (base64_read(data, strlen(data), piece.data, &piece.len) < 0) {
        free(piece.data);
        return error_set(err, EBADMSG, "", "the site's answer is no piece of output");
    }
    *ret = piece;
    return 0;
}

void site_piece_done(struct site_piece *piece)
{
    free(piece->data);
    piece->data = NULL;
}
