/* SPDX-License-Identifier: Apache-2.0 */
/* notice.c - what is told about a job, to whom asked for it; pure like job.c. */
#include "model/notice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

const char *const notice_type_names[] = {
    "BEGIN",         "END",           "FAIL",          "REQUEUE",     "TIME_LIMIT",
    "TIME_LIMIT_90", "TIME_LIMIT_80", "TIME_LIMIT_50", "SAVED_STATE", NULL,
};

static const char *const events[NOTICE_N_EVENTS] = {"owe", "send", "drop"};

#define BIT(type) (1u << (type))
#define ASKABLE BIT(NOTICE_SAVED) /* those below it */
#define ARRAY_TASKS "ARRAY_TASKS"
#define ALL (BIT(NOTICE_BEGIN) | BIT(NOTICE_END) | BIT(NOTICE_FAIL) | BIT(NOTICE_REQUEUE))

/* sbatch(1) has them; here there is nothing that they could tell of. */
static const struct {
    const char *word, *why;
} refused[] = {
    {"INVALID_DEPEND", "END tells of the job when --kill-on-invalid-dep ends it"},
    {"STAGE_OUT", "there are no burst buffers"},
};

const char *notice_event_name(enum notice_event_type type)
{
    return (unsigned)type < NOTICE_N_EVENTS ? events[type] : "none";
}

int notice_event_from(const char *name)
{
    for (int i = 0; i < NOTICE_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

struct notice *notice_ref(struct notice *notice)
{
    notice->refs++;
    return notice;
}

void notice_unref(struct notice *notice)
{
    if (notice && !--notice->refs)
        free(notice);
}

int notice_apply(const struct notice *old, const char *key, const struct notice_event *event,
                 struct notice **ret, struct vdi_error *err)
{
    struct notice *notice;

    if (!old != (event->type == NOTICE_EVENT_OWE))
        return error_set(err, old ? EEXIST : ENOENT, "notice", "notice '%s' %s", key,
                         old ? "exists" : "does not exist");
    if (old && !(old->owed & event->ways))
        return error_set(err, EPROTO, "notice", "notice '%s' is not owed that way", key);
    notice = calloc(1, sizeof(*notice));
    if (!notice)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *notice = *old;
    notice->refs = 1;
    str_copy(notice->key, sizeof(notice->key), key);
    if (event->type == NOTICE_EVENT_OWE) {
        notice->facts = event->facts;
        notice->owed = event->ways;
        notice->owed_usec = event->time_usec;
    } else {
        notice->owed &= ~event->ways;
        notice->given_up |= event->type == NOTICE_EVENT_DROP;
        notice->done_usec = event->time_usec;
    }
    *ret = notice;
    return 0;
}

/* ---- types ---- */

static int refuse_type(const char *word, size_t len, struct vdi_error *err)
{
    for (size_t i = 0; i < ELEMENTS(refused); i++) {
        if (strlen(refused[i].word) != len || strncasecmp(word, refused[i].word, len) != 0)
            continue;
        error_set(err, EINVAL, "mail_type", "%s is never told: %s", refused[i].word,
                  refused[i].why);
        error_hint(err, NULL, "leave it out");
        return -EINVAL;
    }
    error_set(err, EINVAL, "mail_type", "there is no type '%.*s'", (int)(len < 40 ? len : 40),
              word);
    error_hint(err, NULL,
               "BEGIN, END, FAIL, REQUEUE, TIME_LIMIT, TIME_LIMIT_90, TIME_LIMIT_80, "
               "TIME_LIMIT_50, ALL or NONE; with --array also ARRAY_TASKS");
    return -EINVAL;
}

static bool is_word(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(word, name, len) == 0;
}

int notice_types_parse(const char *text, uint32_t *ret, struct vdi_error *err)
{
    uint32_t types = 0;

    while (*text) {
        size_t len = strcspn(text, ",");
        uint32_t found = 0;

        for (int i = 0; BIT(i) < ASKABLE; i++)
            if (is_word(text, len, notice_type_names[i]))
                found = BIT(i);
        if (is_word(text, len, "ALL"))
            found = ALL;
        if (is_word(text, len, ARRAY_TASKS))
            found = NOTICE_ARRAY_TASKS;
        if (is_word(text, len, "NONE"))
            types = 0;
        else if (!found)
            return refuse_type(text, len, err);
        types |= found;
        text += len + (text[len] == ',');
    }
    *ret = types;
    return 0;
}

void notice_types_write(uint32_t types, char ret[NOTICE_TYPES_TEXT_MAX])
{
    size_t at = 0;

    ret[0] = '\0';
    for (int i = 0; BIT(i) < ASKABLE; i++)
        if (types & BIT(i))
            at += (size_t)snprintf(ret + at, NOTICE_TYPES_TEXT_MAX - at, "%s%s", at ? "," : "",
                                   notice_type_names[i]);
    if (types & NOTICE_ARRAY_TASKS)
        snprintf(ret + at, NOTICE_TYPES_TEXT_MAX - at, "%s" ARRAY_TASKS, at ? "," : "");
}

/* One notice of an end: that it failed says more. */
static int of_end(uint32_t types, enum job_state state)
{
    bool failed = state != JOB_COMPLETED && state != JOB_CANCELLED && state != JOB_PREEMPTED;

    if (failed && (types & BIT(NOTICE_FAIL)))
        return NOTICE_FAIL;
    return types & BIT(NOTICE_END) ? NOTICE_END : -1;
}

static int of_percent(uint32_t percent)
{
    return percent == 90   ? NOTICE_TIME_LIMIT_90
           : percent == 80 ? NOTICE_TIME_LIMIT_80
           : percent == 50 ? NOTICE_TIME_LIMIT_50
                           : -1;
}

/* It runs into its limit: it is ended, or saved. */
static bool at_limit(const struct job *old, const struct job *now, const struct job_event *event)
{
    if (event->type == JOB_EVENT_SUSPEND)
        return !job_left_usec(now);
    return event->type == JOB_EVENT_FINISH && event->final == JOB_TIMEOUT && !event->idle && old &&
           old->state == JOB_RUNNING;
}

int notice_of(uint32_t types, const struct job *old, const struct job *now,
              const struct job_event *event)
{
    int type = -1;

    if (!types)
        return -1;
    if (event->type == JOB_EVENT_NOTICE)
        return NOTICE_SAVED;
    if (event->type == JOB_EVENT_END)
        return of_end(types, now->state);
    if (event->type == JOB_EVENT_START)
        type = NOTICE_BEGIN;
    else if (event->type == JOB_EVENT_REQUEUE)
        type = NOTICE_REQUEUE;
    else if (event->type == JOB_EVENT_NOTE)
        type = of_percent(event->percent);
    else if (at_limit(old, now, event))
        type = NOTICE_TIME_LIMIT;
    return type >= 0 && (types & BIT(type)) ? type : -1;
}

uint32_t notice_percent(const struct job *job, int64_t now_usec, int64_t *ret_usec)
{
    static const uint32_t percents[] = {50, 80, 90};
    int64_t end = job_limit_usec(job);
    uint32_t types = 0, found = 0;

    if (!end || !*job->spec->mail_type ||
        notice_types_parse(job->spec->mail_type, &types, NULL) < 0)
        return 0;
    for (size_t i = 0; i < ELEMENTS(percents); i++) {
        int64_t at = end - job->spec->time_limit_sec * 10000 * (100 - (int64_t)percents[i]);

        if (job->limit_told >= percents[i] || !(types & BIT(of_percent(percents[i]))) ||
            (found && at > now_usec))
            continue;
        found = percents[i];
        *ret_usec = at;
    }
    return found;
}

/* ---- addresses ---- */

static bool is_part(const char *s, size_t len, size_t max, const char *marks)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    if (!len || len > max || s[0] == '.' || s[0] == '-' || s[len - 1] == '.' || s[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!memchr(letters, s[i], sizeof(letters) - 1) && !strchr(marks, s[i]))
            return false;
        if (i && s[i] == '.' && s[i - 1] == '.')
            return false;
    }
    return true;
}

bool notice_is_address(const char *text)
{
    const char *at = strchr(text, '@');
    size_t local = at ? (size_t)(at - text) : strlen(text);

    if (strlen(text) > NOTICE_ADDRESS_MAX || !is_part(text, local, 64, "._+-"))
        return false;
    return !at || is_part(at + 1, strlen(at + 1), 253, ".-");
}
