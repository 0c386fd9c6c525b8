/* SPDX-License-Identifier: Apache-2.0 */
/* site_report.c - what a site says of an instance: where it stands, output, log. */
#include "codec/site_report.h"

#include <string.h>
#define REPORT(m) offsetof(struct site_report, m), sizeof(((struct site_report *)0)->m)

static const char *const states[] = {"none", "building", "ready", "saved", "gone", NULL};

static const struct field report_fields[] = {
    {"state", FIELD_ENUM, REPORT(state), FIELD_SUBMIT, 0, 0, states, "state"},
    {"exited", FIELD_BOOL, REPORT(exited), FIELD_SUBMIT, 0, 0, NULL, "the script ended"},
    {"exit_code", FIELD_I32, REPORT(exit_code), FIELD_SUBMIT, 0, 255, NULL, "its status"},
    {"exit_signal", FIELD_I32, REPORT(exit_signal), FIELD_SUBMIT, 0, 64, NULL, "its signal"},
    {"failed", FIELD_BOOL, REPORT(failed), FIELD_SUBMIT, 0, 0, NULL, "not by its own will"},
    {"reason", FIELD_FIXED, REPORT(reason), FIELD_SUBMIT, 0, 0, NULL, "why"},
    {.type = FIELD_END},
};

int site_report_decode(const char *json, struct site_report *ret, struct vdi_error *err)
{
    struct site_report report = {0};
    int r = fields_read(report_fields, &report, json, strlen(json), FIELD_SUBMIT, NULL, err);

    if (r >= 0)
        *ret = report;
    return r;
}
