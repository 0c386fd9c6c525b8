/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_calendar.c - classes of any bytes: STARTS, DURATION, ZONE, REPEAT, exceptions, a line each.
 * What is taken gives its first occurrence, in order and apart, and each is found by its name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "codec/calendar.h"

#define LINES_MAX 16
#define ASKED_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct calendar *c)
{
    _cleanup_(freep) struct calendar_occurrence *list = NULL;
    struct calendar_occurrence found;
    struct vdi_error err;
    size_t n = 0;
    int64_t year_usec = INT64_C(366) * 86400 * USEC_PER_SEC;

    /* One that is asked about as a whole has to have something. */
    if (calendar_occurrences(c, 0, INT64_MAX, ASKED_MAX, &list, &n, &err) == 0 && n == 0)
        abort();
    free(TAKE_PTR(list));
    if (calendar_occurrences(c, INT64_C(56) * year_usec, INT64_C(57) * year_usec,
                             CALENDAR_OCCURRENCES_MAX, &list, &n, &err) < 0)
        return;
    for (size_t i = 0; i < n && i < ASKED_MAX; i++) {
        if (i > 0 && list[i].from_usec < list[i - 1].to_usec)
            abort();
        if (calendar_find(c, list[i].name, &found, &err) < 0 ||
            found.from_usec != list[i].from_usec)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(freep) char *text = malloc(size + 1);
    _cleanup_(calendar_freep) struct calendar *c = NULL;
    const char *lines[LINES_MAX];
    struct vdi_error err;
    char *rest = text;
    size_t n = 0;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    while (n < LINES_MAX && (lines[n] = strsep(&rest, "\n")))
        n++;
    if (n < 4)
        return 0;

    struct calendar_text t = {lines[0], lines[1], lines[2], lines[3], lines + 4, n - 4};

    if (calendar_new(&t, &c, &err) == 0)
        check(c);
    return 0;
}
