/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - one line that says how far something is, on a terminal alone. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/ids.h"
#include "codec/document.h"

bool progress_is_wanted(void)
{
    return isatty(STDERR_FILENO);
}

void progress_show(struct progress *progress, const char *text)
{
    bool in_place = !progress->lines;
    if ((in_place && !progress_is_wanted()) || str_equal(progress->last, text))
        return;
    str_copy(progress->last, sizeof(progress->last), text);
    fprintf(stderr, in_place ? "\r\033[K%s" : "%s\n", progress->last);
    fflush(stderr);
    progress->shown = in_place;
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
    progress->last[0] = '\0';
}

/* Today's times without the date. */
static void short_time(int64_t usec, int64_t now_usec, char *ret, size_t size)
{
    time_t t = (time_t)(usec / USEC_PER_SEC), now = (time_t)(now_usec / USEC_PER_SEC);
    struct tm at, today;
    localtime_r(&t, &at);
    localtime_r(&now, &today);
    bool same_day = at.tm_yday == today.tm_yday && at.tm_year == today.tm_year;
    strftime(ret, size, same_day ? "%H:%M" : "%Y-%m-%d %H:%M", &at);
}

void progress_of_job(const struct value *job, int64_t now_usec, char *ret, unsigned size)
{
    const char *state = value_get_string(job, "state", "UNKNOWN");
    const char *node = value_node_list(job);
    char *end = ret + size;
    char id[ID_TEXT];
    ret += snprintf(ret, size, "job %s: %.16s", id_text(id_of(job), id), state);
    if (!str_equal(state, "PENDING")) {
        if (*node)
            snprintf(ret, (size_t)(end - ret), " on %.63s", node);
        return;
    }
    char text[64];
    int64_t start_usec, place = value_get_int(job, "place", 0);
    const char *start = value_get_string(job, "estimated_start_time", "");
    if (place)
        ret += snprintf(ret, (size_t)(end - ret), ", place %" PRId64, place);
    if (*start && time_from_rfc3339(start, &start_usec) >= 0) {
        short_time(start_usec, now_usec, text, sizeof(text));
        ret += snprintf(ret, (size_t)(end - ret), ", starts about %s", text);
    }
    const char *blocker = value_get_string(job, "blocker", "");
    if (*blocker)
        snprintf(ret, (size_t)(end - ret), " (%.60s)", blocker);
}
