/* SPDX-License-Identifier: Apache-2.0 */
/* picture_qr.c - libqrencode's squares on a canvas. */
#include "guest/picture_qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#define QUIET 4 /* squares around it; ISO/IEC 18004 */
#define BLACK 0xff000000

int qr_draw(struct canvas *c, struct rect r, const char *text)
{
    int side = r.width < r.height ? r.width : r.height, square, x, y;
    size_t len = strlen(text);
    QRcode *code;

    if (len == 0 || len > QR_TEXT_MAX)
        return -EINVAL;
    code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    if (!code)
        return -ENOMEM;
    square = side / (code->width + 2 * QUIET);
    x = r.x + (r.width - square * code->width) / 2;
    y = r.y + (r.height - square * code->width) / 2;
    for (int i = 0; i < code->width * code->width; i++)
        if (code->data[i] & 1)
            canvas_fill(c,
                        (struct rect){x + i % code->width * square, y + i / code->width * square,
                                      square, square},
                        BLACK);
    QRcode_free(code);
    return square > 0 ? 0 : -EINVAL;
}
