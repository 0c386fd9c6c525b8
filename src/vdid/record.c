/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - records of instances as JSON, and what the controller is told from them. */
#include "vdid/record.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "vdid/domain_spec.h"

const char *const record_state_names[] = {"prepare", "create", "boot",    "ready", "bind", "paused",
                                          "save",    "saved",  "restore", "stop",  "gone", NULL};

#define R(m) offsetof(struct record, m), sizeof(((struct record *)0)->m)
#define ASKED (FIELD_SUBMIT | FIELD_KEEP) /* in the order as well */

const struct field record_fields[] = {
    {"id", FIELD_U64, R(id), FIELD_KEEP, 1, INT64_MAX, NULL, "instance"},
    {"generation", FIELD_U32, R(generation), FIELD_KEEP, 0, UINT32_MAX, NULL, "generation"},
    {"epoch", FIELD_U64, R(epoch), FIELD_KEEP, 0, INT64_MAX, NULL, "of who ordered it"},
    {"state", FIELD_ENUM, R(state), FIELD_KEEP, 0, 0, record_state_names, "state"},
    {"job", FIELD_U64, R(wish.job), ASKED, 0, INT64_MAX, NULL, "the job it is for"},
    {"owner", FIELD_FIXED, R(wish.owner), ASKED, 0, 0, NULL, "realm:name"},
    {"template", FIELD_FIXED, R(wish.template_name), ASKED, 0, 0, NULL, "its template"},
    {"image", FIELD_FIXED, R(wish.image), ASKED, 0, 0, NULL, "NAME or NAME@SHA256"},
    {"vcpus", FIELD_U32, R(wish.vcpus), ASKED, 1, DOMAIN_VCPUS_MAX, NULL, "processors"},
    {"memory_mib", FIELD_U32, R(wish.memory_mib), ASKED, 16, DOMAIN_MEMORY_MAX_MIB, NULL, "memory"},
    {"os", FIELD_ENUM, R(wish.os), ASKED, 0, 0, domain_os_names, "operating system"},
    {"firmware", FIELD_ENUM, R(wish.firmware), ASKED, 0, 0, domain_firmware_names, "firmware"},
    {"tpm", FIELD_BOOL, R(wish.tpm), ASKED, 0, 0, NULL, "with a TPM 2.0"},
    {"keyboard", FIELD_FIXED, R(wish.keyboard), ASKED, 0, 0, NULL, "layout"},
    {"timezone", FIELD_FIXED, R(wish.timezone), ASKED, 0, 0, NULL, "of Windows's clock"},
    {"resolution", FIELD_FIXED, R(wish.resolution), ASKED, 0, 0, NULL, "WIDTHxHEIGHT"},
    {"boot_timeout_sec", FIELD_I64, R(wish.boot_timeout_sec), ASKED, 0, 86400, NULL, "to be ready"},
    {"uuid", FIELD_FIXED, R(uuid), FIELD_KEEP, 0, 0, NULL, "of the domain"},
    {"image_sha256", FIELD_FIXED, R(image_sha256), FIELD_KEEP, 0, 0, NULL, "of its image"},
    {"ready_text", FIELD_FIXED, R(ready_text), FIELD_KEEP, 0, 0, NULL, "on the console"},
    {"by_runner", FIELD_BOOL, R(by_runner), FIELD_KEEP, 0, 0, NULL, "its runner makes it ready"},
    {"nonce", FIELD_FIXED, R(nonce), FIELD_KEEP, 0, 0, NULL, "of what runs in it"},
    {"interactive", FIELD_BOOL, R(is_interactive), FIELD_KEEP, 0, 0, NULL, "somebody looks at it"},
    {"seat", FIELD_BOOL, R(is_seat), FIELD_KEEP, 0, 0, NULL, "started without a job"},
    {"seat_mounts", FIELD_U32, R(seat_mounts), FIELD_KEEP, 0, UINT32_MAX, NULL, "places"},
    {"seat_disks", FIELD_U32, R(seat_disks), FIELD_KEEP, 0, UINT32_MAX, NULL, "places"},
    {"output_max_mib", FIELD_U32, R(output_max_mib), FIELD_KEEP, 0, UINT32_MAX, NULL, "spooled"},
    {"port", FIELD_U32, R(port), FIELD_KEEP, 0, 65535, NULL, "of SPICE"},
    {"has_tls", FIELD_BOOL, R(has_tls), FIELD_KEEP, 0, 0, NULL, "the port speaks TLS"},
    {"pid", FIELD_U32, R(pid), FIELD_KEEP, 0, INT32_MAX, NULL, "of QEMU"},
    {"boots", FIELD_U32, R(boots), FIELD_KEEP, 0, UINT32_MAX, NULL, "times it was ready"},
    {"save_sha256", FIELD_FIXED, R(save_sha256), FIELD_KEEP, 0, 0, NULL, "of its memory's file"},
    {"was_created", FIELD_BOOL, R(was_created), FIELD_KEEP, 0, 0, NULL, "a domain may exist"},
    {"failed", FIELD_BOOL, R(failed), FIELD_KEEP, 0, 0, NULL, "ended by no will of its guest"},
    {"reason", FIELD_FIXED, R(reason), FIELD_KEEP, 0, 0, NULL, "why it ended"},
    {"exited", FIELD_BOOL, R(exited), FIELD_KEEP, 0, 0, NULL, "script or session ended"},
    {"exit_code", FIELD_I32, R(exit_code), FIELD_KEEP, 0, 255, NULL, "with this status"},
    {"exit_signal", FIELD_I32, R(exit_signal), FIELD_KEEP, 0, 64, NULL, "by this signal"},
    {"problem", FIELD_FIXED, R(problem), FIELD_KEEP, 0, 0, NULL, "that did not end it"},
    {"grace_usec", FIELD_I64, R(grace_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "patience in STOP"},
    {"order_usec", FIELD_I64, R(order_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "ordered"},
    {"fetch_usec", FIELD_I64, R(fetch_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "image wanted"},
    {"image_usec", FIELD_I64, R(image_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "image checked"},
    {"overlay_usec", FIELD_I64, R(overlay_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "overlay made"},
    {"create_usec", FIELD_I64, R(create_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "QEMU runs"},
    {"first_usec", FIELD_I64, R(first_usec), FIELD_KEEP, 0, INT64_MAX, NULL,
     "first byte on the console"},
    {"kernel_usec", FIELD_I64, R(kernel_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "guest's kernel"},
    {"runner_usec", FIELD_I64, R(runner_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "guest runner"},
    {"account_usec", FIELD_I64, R(account_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "owner's account"},
    {"picture_usec", FIELD_I64, R(picture_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "not blank"},
    {"script_usec", FIELD_I64, R(script_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "script or session"},
    {"bind_usec", FIELD_I64, R(bind_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "to be bound"},
    {"devices_usec", FIELD_I64, R(devices_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "plugged in"},
    {"bound_usec", FIELD_I64, R(bound_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "its owner's"},
    {"problem_usec", FIELD_I64, R(problem_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "the problem"},
    {"exit_usec", FIELD_I64, R(exit_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "its end"},
    {"ready_usec", FIELD_I64, R(ready_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "ready"},
    {"gone_usec", FIELD_I64, R(gone_usec), FIELD_KEEP, 0, INT64_MAX, NULL, "ended"},
    {.type = FIELD_END},
};

static const struct {
    const char *name;
    size_t offset;
    const char *guest; /* what the guest runner calls it */
} stages[] = {
    {"fetch", offsetof(struct record, fetch_usec), NULL},
    {"image", offsetof(struct record, image_usec), NULL},
    {"overlay", offsetof(struct record, overlay_usec), NULL},
    {"create", offsetof(struct record, create_usec), NULL},
    {"first_byte", offsetof(struct record, first_usec), NULL},
    {"kernel", offsetof(struct record, kernel_usec), "kernel"},
    {"runner", offsetof(struct record, runner_usec), "runner"},
    {"account", offsetof(struct record, account_usec), "ready"},
    {"picture", offsetof(struct record, picture_usec), NULL},
    {"ready", offsetof(struct record, ready_usec), NULL},
    {"bind", offsetof(struct record, bind_usec), NULL},
    {"devices", offsetof(struct record, devices_usec), NULL},
    {"script", offsetof(struct record, script_usec), "script"},
    {"session", offsetof(struct record, script_usec), "session"},
    {"bound", offsetof(struct record, bound_usec), NULL},
    {"problem", offsetof(struct record, problem_usec), NULL},
    {"exit", offsetof(struct record, exit_usec), NULL},
    {"gone", offsetof(struct record, gone_usec), NULL},
};

/* One member is two stages: a job has a script or a session. */
static int64_t stage_usec(const struct record *r, size_t i)
{
    int64_t usec;

    if (str_equal(stages[i].name, r->is_interactive ? "script" : "session"))
        return 0;
    memcpy(&usec, (const char *)r + stages[i].offset, sizeof(usec));
    return usec;
}

/* Index of the next stage in time behind (usec, last); false: there is none. */
static bool next_stage(const struct record *r, int64_t usec, size_t last, size_t *ret)
{
    int64_t best = INT64_MAX;

    for (size_t i = 0; i < ELEMENTS(stages); i++) {
        int64_t at = stage_usec(r, i);
        if (!at || at < usec || (at == usec && last != SIZE_MAX && i <= last) || at >= best)
            continue;
        best = at;
        *ret = i;
    }
    return best != INT64_MAX;
}

void record_write_stages(const struct record *r, struct buf *out)
{
    int64_t usec = 0;

    buf_putc(out, '[');
    for (size_t i = SIZE_MAX, first = 1; next_stage(r, usec, i, &i); first = 0) {
        usec = stage_usec(r, i);
        buf_printf(out, "%s{\"name\":\"%s\",\"usec\":%" PRId64, first ? "" : ",", stages[i].name,
                   usec - r->order_usec);
        if (str_equal(stages[i].name, "problem")) {
            buf_puts(out, ",\"detail\":");
            json_write_string(out, r->problem);
        }
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

const char *record_stage(const struct record *r)
{
    const char *name = "order";
    int64_t usec = 0;

    for (size_t i = SIZE_MAX; next_stage(r, usec, i, &i);) {
        usec = stage_usec(r, i);
        if (!str_equal(stages[i].name, "gone") && !str_equal(stages[i].name, "problem"))
            name = stages[i].name;
    }
    return name;
}

const char *record_take_stage(struct record *r, const char *name, int64_t usec)
{
    for (size_t i = 0; i < ELEMENTS(stages); i++) {
        char *at = (char *)r + stages[i].offset;
        int64_t before;

        if (!stages[i].guest || !str_equal(stages[i].guest, name))
            continue;
        memcpy(&before, at, sizeof(before));
        if (!before)
            memcpy(at, &usec, sizeof(usec));
        return stages[i].name;
    }
    return NULL;
}

void record_write(const struct record *r, struct buf *out)
{
    bool first = false;

    /* Fields that are 0 are left out; this one always says which format it is. */
    buf_puts(out, "{\"version\":1");
    fields_write(record_fields, r, FIELD_KEEP, out, &first);
    buf_puts(out, "}\n");
}

int record_read(const char *json, size_t len, struct record *ret, struct vdi_error *err)
{
    struct record r = {0};
    int n = fields_read(record_fields, &r, json, len, FIELD_KEEP, NULL, err);

    if (n < 0)
        return n;
    if (!r.id || strlen(r.uuid) != 36)
        return error_set(err, EBADMSG, "record", "a record without id or UUID");
    *ret = r;
    return 0;
}

void record_write_report(const struct record *r, int64_t idle_sec, struct buf *out)
{
    static const char *const told[] = {
        [RECORD_PREPARE] = "building", [RECORD_CREATE] = "building", [RECORD_BOOT] = "building",
        [RECORD_READY] = "ready",      [RECORD_BIND] = "ready",      [RECORD_PAUSED] = "saved",
        [RECORD_SAVE] = "ready",       [RECORD_SAVED] = "saved",     [RECORD_RESTORE] = "saved",
        [RECORD_STOP] = "gone",        [RECORD_GONE] = "gone",
    };

    buf_printf(out, "{\"state\":\"%s\",", told[r->state]);
    if (r->exited)
        buf_printf(out, "\"exited\":true,\"exit_code\":%d,\"exit_signal\":%d,", r->exit_code,
                   r->exit_signal);
    if (idle_sec >= 0)
        buf_printf(out, "\"idle_sec\":%" PRId64 ",", idle_sec);
    buf_printf(out, "\"failed\":%s,\"reason\":", r->failed ? "true" : "false");
    json_write_string(out, r->reason);
    buf_puts(out, r->state == RECORD_GONE ? ",\"ended\":true}" : "}");
}
