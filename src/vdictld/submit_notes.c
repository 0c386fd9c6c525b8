/* SPDX-License-Identifier: Apache-2.0 */
/* submit_notes.c - what a submitter should know and did not ask: what can't be, what is kept. */
#include <stdio.h>

#include "base/str.h"
#include "vdictld/disks.h"
#include "vdictld/submit.h"

static void note(struct buf *out, bool *io_first, const char *text)
{
    buf_puts(out, *io_first ? ",\"notes\":[" : ",");
    *io_first = false;
    json_write_string(out, text);
}

static void note_save(const struct config_template *t, const struct job_spec *spec, struct buf *out,
                      bool *io_first)
{
    char text[256];

    if (config_template_can_save(t) || !str_equal(t->at_limit, "save"))
        return;
    snprintf(text, sizeof(text),
             "the mounts of template '%s' (%s) forbid saving: %s can't be suspended, and is "
             "not saved at its time limit",
             t->name, config_template_unsaved_for(t),
             spec->kind == JOB_BATCH ? "the job" : "the desktop");
    note(out, io_first, text);
}

/* A seat of a class is left alone unless its template has a word for it. */
static void note_idle(const struct config_template *t, const struct job_spec *spec, struct buf *out,
                      bool *io_first)
{
    char text[256];

    if (!t->idle_sec || spec->kind != JOB_INTERACTIVE || (*spec->reservation && !t->idle_in_class))
        return;
    snprintf(text, sizeof(text),
             "a desktop of template '%s' that nobody has touched for %lld minutes is %s", t->name,
             (long long)(t->idle_sec + 59) / 60,
             str_equal(t->idle_action, "save") && config_template_can_save(t)
                 ? "saved; vdictl resume brings it back"
                 : "ended");
    note(out, io_first, text);
}

/* sbatch would run it on the first alone. */
static void note_nodes(const struct job_spec *spec, struct buf *out, bool *io_first)
{
    char text[160];

    if (job_spec_nodes(spec) == 1)
        return;
    snprintf(text, sizeof(text),
             "the script runs on each of the %u nodes, and VDI_NODEID says on which: 0 to %u",
             spec->nodes, spec->nodes - 1);
    note(out, io_first, text);
}

static void note_disks(struct core *core, const struct config_template *t,
                       const struct job_spec *spec, struct buf *out, bool *io_first)
{
    for (size_t i = 0; i < t->n_disks; i++) {
        struct buf text = BUF_INIT(0);

        disks_write_fate(core, &t->disks[i], spec, &text);
        note(out, io_first, text.data ? text.data : "");
        buf_done(&text);
    }
}

void submit_write_notes(struct core *core, const struct job_spec *spec, bool is_test,
                        struct buf *out)
{
    const struct config_template *t = config_template(core->config, spec->template_name);
    bool first = true;

    if (!t || !out->len || out->data[out->len - 1] != '}')
        return;
    out->data[--out->len] = '\0';
    note_nodes(spec, out, &first);
    note_save(t, spec, out, &first);
    note_idle(t, spec, out, &first);
    note_disks(core, t, spec, out, &first);
    if (is_test && *spec->dependency)
        note(out, &first, "that is an estimate for when its dependency is met");
    buf_puts(out, first ? "}" : "]}");
}
