/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar_drive.c - asks src/codec/calendar.c for tests/lib/calendar_check.py.
 *
 * A line of stdin is ZONE STARTS DURATION REPEAT FROM TO EXCEPT..., with tabs between; FROM and TO
 * are UTC seconds. Its answer is a line: the UTC seconds at which occurrences begin, or "!" and
 * why not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "codec/calendar.h"

#define COLUMNS_MAX 32

static int answer(const struct calendar_text *text, int64_t from_sec, int64_t to_sec,
                  struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *c = NULL;
    _cleanup_(freep) struct calendar_occurrence *list = NULL;
    size_t n;
    int r = calendar_new(text, &c, err);

    if (r == 0)
        r = calendar_occurrences(c, from_sec * USEC_PER_SEC, to_sec * USEC_PER_SEC,
                                 CALENDAR_OCCURRENCES_MAX, &list, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        printf("%s%lld", i ? " " : "", (long long)(list[i].from_usec / USEC_PER_SEC));
    return r;
}

int main(void)
{
    _cleanup_(freep) char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        const char *columns[COLUMNS_MAX];
        char *rest = line, why[640];
        struct vdi_error err;
        size_t n = 0;

        line[strcspn(line, "\n")] = '\0';
        while (n < COLUMNS_MAX && (columns[n] = strsep(&rest, "\t")))
            n++;
        if (n < 6)
            return 2;

        struct calendar_text text = {columns[1], columns[2],  columns[0],
                                     columns[3], columns + 6, n - 6};

        if (answer(&text, strtoll(columns[4], NULL, 10), strtoll(columns[5], NULL, 10), &err) < 0)
            printf("! %s", error_text(&err, why, sizeof(why)));
        printf("\n");
    }
    return 0;
}
