/* SPDX-License-Identifier: Apache-2.0 */
/* image_report.c - findings about an image, a line each, with what to do about it. */
#include "cli/image.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

/* A name from a file must not steer the terminal. */
static void say(const char *word, const char *text)
{
    printf("  %-9s", word);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        putchar(*p < 32 || *p == 127 ? ' ' : *p);
    putchar('\n');
}

void report_ok(struct report *r, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say("ok", text);
}

void report_note(struct report *r, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say("note", text);
}

void report_problem(struct report *r, const struct vdi_error *err)
{
    struct vdi_error plain = *err;
    char text[1024];

    plain.field[0] = '\0'; /* the sentence names what it is about */
    r->n_problems++;
    say("problem", error_text(&plain, text, sizeof(text)));
}
