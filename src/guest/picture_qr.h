/* SPDX-License-Identifier: Apache-2.0 */
/* picture_qr.h - a text as the black and white squares of a QR code. */
#ifndef GUEST_PICTURE_QR_H
#define GUEST_PICTURE_QR_H

#include "guest/picture_canvas.h"

#define QR_TEXT_MAX 160 /* bytes: squares stay large enough for a camera */

/* Draws it black, as large as whole pixels allow, into the middle of `r`, which is white and
 * gives the quiet zone of four squares. -EINVAL: the text is too long, or does not fit. */
int qr_draw(struct canvas *c, struct rect r, const char *text);

#endif
