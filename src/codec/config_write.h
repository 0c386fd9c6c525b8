/* SPDX-License-Identifier: Apache-2.0 */
/* config_write.h - objects as blocks of vdi.conf that read back as the same objects. */
#ifndef CODEC_CONFIG_WRITE_H
#define CODEC_CONFIG_WRITE_H

#include "base/buf.h"
#include "model/class.h"

/*
 * Skipped dates are among its exceptions, moved ones are `moved`. What has no effect (a change of
 * a date that the rule does not have) is a comment inside the block; where the class is from
 * (uid, calendar), the caller's to say. Negative with err, and nothing is written: vdi.conf can't
 * say what err->field is.
 */
int config_write_class(const struct class *class, struct buf *out, struct vdi_error *err);
/* "2026-11-24 2026-11-25T14:15 5400s", one of `moved`. */
void config_write_moved(const struct class_spec *spec, const struct class_override *o,
                        struct buf *out);
/* "# TEXT": one line, whatever is in it. */
void config_write_comment(const char *text, struct buf *out);

#endif
