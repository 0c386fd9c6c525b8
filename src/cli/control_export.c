/* SPDX-License-Identifier: Apache-2.0 */
/* control_export.c - vdictl class export: classes as an iCalendar file that imports back. */
#include "cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/class_event.h"
#include "cli/class_list.h"
#include "cli/private_file.h"

struct export
{
    struct ics ics; /* the calendar */
    enum exit_code code;
};

/* One that cannot be written is told, and the others are. */
static int put_class(void *arg, const struct value *document, struct vdi_error *err)
{
    _cleanup_(freep) struct class *class = calloc(1, sizeof(*class));
    struct export *x = arg;
    struct ics raw = {0}, one = {0};
    struct ics_class *classes = realloc(x->ics.classes, (x->ics.n + 1) * sizeof(*x->ics.classes));
    int r = class && classes ? 0 : error_set(err, ENOMEM, "", "out of memory");

    if (classes)
        x->ics.classes = classes;
    if (r < 0)
        return r;
    r = class_from_document(document, class, err);
    if (r == 0)
        r = class_to_event(class, &raw, err);
    if (r == 0)
        r = class_event_normalize(&raw.classes[0], &one, err);
    if (r == 0) {
        classes[x->ics.n++] = one.classes[0];
        one.n = 0; /* it is the calendar's now */
    } else {
        fprintf(stderr, CONTROL_NAME ": class '%s' is not exported\n", class->spec.name);
        x->code = client_fail(CONTROL_NAME, r, err);
    }
    ics_done(&raw);
    ics_done(&one);
    return 0;
}

static int put_named(struct control *c, const char *name, struct export *x, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    int r;

    control_class_path(&target, "/v1/classes", name, NULL);
    r = client_get(c->client, target.data, &document, err);
    return r < 0 ? r : put_class(x, document_root(document), err);
}

int control_class_export(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    struct export x = {.code = EXIT_OK};
    int r = 0;

    for (int k = 0; r == 0 && k < c->n_words; k++)
        r = put_named(c, c->words[k], &x, err);
    if (r == 0 && c->n_words == 0)
        r = class_list(c->client, "/v1/classes", "classes", put_class, &x, err);
    if (r == 0)
        r = ics_write(&x.ics, time_now_usec(), &text, err);
    if (r == 0 && text.len > ICS_BYTES_MAX)
        fprintf(stderr,
                CONTROL_NAME ": over 1 MiB: more than an import takes; name some classes\n");
    if (r == 0 && c->options.output)
        r = private_file_write(c->options.output, true, &text, err);
    else if (r == 0 && fwrite(text.data, 1, text.len, stdout) != text.len)
        r = error_set(err, EIO, "", "stdout can't be written");
    ics_done(&x.ics);
    return r < 0 ? r : (int)x.code;
}
