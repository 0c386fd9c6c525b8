/* SPDX-License-Identifier: Apache-2.0 */
/* test_limit.c - warnings, signal and end of a job's time, on a clock that the test moves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "vdictld/life.h"
#include "vdictld/limit.h"
#include "vdictld/site.h"

#define START (INT64_C(1000000) * USEC_PER_SEC)

/* What limit.c did, each with the time: "841 message ..." */
static struct world {
    struct core core;
    struct job job;
    struct instance instance;
    struct limit *limit;
    char did[16][80];
    size_t n;
    char noted[16][96];
    size_t n_noted;
    bool stop_at_signal;
    bool undelivered;
    enum life_limit fate;
} w;

static void note(const char *what)
{
    assert_true(w.n < ELEMENTS(w.did));
    snprintf(w.did[w.n++], sizeof(w.did[0]), "%lld %s",
             (long long)((loop_now_usec(w.core.loop) - START) / USEC_PER_SEC), what);
}

/* The parts of the controller that limit.c speaks to. */
const struct job *core_job(struct core *core, uint64_t id)
{
    return id == w.job.id ? &w.job : NULL;
}

const struct job *core_job_staged(struct core *core, uint64_t id)
{
    return core_job(core, id);
}

const struct instance *core_instance(struct core *core, uint64_t id)
{
    return id == w.instance.id ? &w.instance : NULL;
}

void life_at_limit(struct core *core, uint64_t job)
{
    note(job == 4 ? "end" : "wrong end");
    loop_stop(core->loop);
}

enum life_limit life_limit_of(struct core *core, const struct job *job)
{
    return w.fate;
}

void life_note(struct core *core, uint64_t job, const char *by, const char *text)
{
    assert_int_equal(job, 4);
    assert_string_equal(by, CORE_SELF);
    assert_true(w.n_noted < ELEMENTS(w.noted));
    snprintf(w.noted[w.n_noted++], sizeof(w.noted[0]), "%lld %s",
             (long long)((loop_now_usec(w.core.loop) - START) / USEC_PER_SEC), text);
}

void life_percent(struct core *core, uint64_t job, uint32_t percent)
{
    char what[32];

    assert_int_equal(job, 4);
    w.job.limit_told = percent;
    snprintf(what, sizeof(what), "%u %%", percent);
    note(what);
}

static void answer(site_done_fn done, void *arg)
{
    struct vdi_error err = {.detail = "node n1 is silent"};

    done(arg, w.undelivered ? -ENOTCONN : 0, NULL, &err);
}

void site_message(struct site *site, const struct instance *in, const char *text, site_done_fn done,
                  void *arg)
{
    note(text);
    answer(done, arg);
}

int life_signal_all(struct core *core, const struct job *job, int signo, site_done_fn done,
                    void *arg)
{
    char text[24];

    snprintf(text, sizeof(text), "signal %d", signo);
    note(text);
    answer(done, arg);
    if (w.stop_at_signal)
        loop_stop(w.core.loop);
    return 0;
}

static void begin(int64_t limit_sec)
{
    memset(&w, 0, sizeof(w));
    w.core.loop = loop_new_virtual(START);
    w.fate = LIFE_LIMIT_SHUTDOWN;
    w.instance.id = 9;
    w.job = (struct job){.refs = 1,
                         .id = 4,
                         .spec = job_spec_new(),
                         .state = JOB_RUNNING,
                         .instance = 9,
                         .start_usec = START};
    w.job.spec->time_limit_sec = limit_sec;
    w.limit = limit_new(&w.core, 4);
}

static void finish(void)
{
    limit_free(w.limit);
    loop_free(w.core.loop);
    job_spec_unref(w.job.spec);
}

static void run(void)
{
    limit_set(w.limit, &w.job);
    loop_run(w.core.loop);
}

static void assert_did(size_t n, const char *const *want)
{
    for (size_t i = 0; i < n && i < w.n; i++)
        assert_string_equal(w.did[i], want[i]);
    assert_int_equal(w.n, n);
}

#define WARN(n, s) "This session ends in " n " minute" s ". Save your work."

static void warned_and_ended(void **state)
{
    static const char *const want[] = {
        "2700 " WARN("15", "s"),
        "3300 " WARN("5", "s"),
        "3540 " WARN("1", ""),
        "3600 end",
    };

    begin(3600);
    run();
    assert_did(ELEMENTS(want), want);
    finish();
}

static void who_is_saved_is_told_so(void **state)
{
    static const char *const want[] = {
        "40 This session is saved as it is in 1 minute. Resume it later.", "100 end"};

    begin(100);
    w.fate = LIFE_LIMIT_SAVE;
    run();
    assert_did(ELEMENTS(want), want);
    finish();
}

static void a_short_one_is_warned_of_what_lies_ahead(void **state)
{
    static const char *const want[] = {"30 signal 10", "90 " WARN("1", ""), "150 end"};

    begin(150);
    w.job.spec->signal = 10;
    w.job.spec->signal_sec = 120;
    run();
    assert_did(ELEMENTS(want), want);
    finish();
}

static void assert_noted(size_t n, const char *const *want)
{
    for (size_t i = 0; i < n && i < w.n_noted; i++)
        assert_string_equal(w.noted[i], want[i]);
    assert_int_equal(w.n_noted, n);
}

/* The log has each stage at its second, and that its message went nowhere. */
static void stages_are_written_down(void **state)
{
    static const char *const want[] = {"30 signal 10 before the limit",
                                       "90 the warning '1 minute left'"};
    static const char *const lost[] = {
        "40 the warning '1 minute left'",
        "40 the warning '1 minute left' was not delivered: node n1 is silent",
    };

    begin(150);
    w.job.spec->signal = 10;
    w.job.spec->signal_sec = 120;
    run();
    assert_noted(ELEMENTS(want), want);
    finish();
    begin(100);
    w.undelivered = true;
    run();
    assert_noted(ELEMENTS(lost), lost);
    finish();
}

static struct source *hook;

static void extend(void *arg)
{
    w.job.spec->time_limit_sec += 600;
    limit_set(w.limit, &w.job);
}

static void an_extension_warns_anew(void **state)
{
    static const char *const want[] = {
        "300 " WARN("5", "s"), "540 " WARN("1", ""), "900 " WARN("5", "s"),
        "1140 " WARN("1", ""), "1200 end",
    };

    begin(600);
    hook = loop_timer(w.core.loop, 550 * USEC_PER_SEC, extend, NULL);
    run();
    assert_did(ELEMENTS(want), want);
    source_free(hook);
    finish();
}

static void suspend_now(void *arg)
{
    w.job.state = JOB_SUSPENDED;
    limit_set(w.limit, &w.job);
}

static void resume_now(void *arg)
{
    w.job.state = JOB_RUNNING;
    w.job.suspended_total_usec = 1000 * USEC_PER_SEC;
    limit_set(w.limit, &w.job);
}

static void a_suspension_does_not_count(void **state)
{
    static const char *const want[] = {"1040 " WARN("1", ""), "1100 end"};
    struct source *resumed;

    begin(100);
    hook = loop_timer(w.core.loop, 10 * USEC_PER_SEC, suspend_now, NULL);
    resumed = loop_timer(w.core.loop, 1010 * USEC_PER_SEC, resume_now, NULL);
    run();
    assert_did(ELEMENTS(want), want);
    source_free(hook);
    source_free(resumed);
    finish();
}

/* What is said late is said with the time that is left; what lies behind at a restart, not. */
static void a_restart_repeats_nothing(void **state)
{
    static const char *const want[] = {"0 end"};
    static const char *const one[] = {"10 " WARN("1", ""), "70 end"};

    begin(100);
    w.job.start_usec = START - 3600 * USEC_PER_SEC; /* ran out while nobody looked */
    run();
    assert_did(ELEMENTS(want), want);
    finish();
    begin(1000);
    w.job.start_usec = START - 930 * USEC_PER_SEC;
    run();
    assert_did(ELEMENTS(one), one);
    finish();
}

/*
 * The loop was held up, or the machine slept, across a stage: a batch script that asked
 * for a signal before its end must get it all the same. On the real clock: a virtual one
 * is never late.
 */
static void hold_up(void *arg)
{
    usleep(1200000);
}

static void a_stage_met_late_is_not_left_out(void **state)
{
    int64_t now;

    begin(100);
    loop_free(w.core.loop);
    w.core.loop = loop_new();
    limit_free(w.limit);
    w.limit = limit_new(&w.core, 4);
    now = loop_now_usec(w.core.loop);
    w.stop_at_signal = true;
    w.job.spec->signal = 12;
    w.job.spec->signal_sec = 50;
    w.job.start_usec = now - 50 * USEC_PER_SEC + 200 * USEC_PER_MSEC; /* due in 200 ms */
    hook = loop_timer(w.core.loop, 0, hold_up, NULL);
    run();
    assert_int_equal(w.n, 1);
    assert_non_null(strstr(w.did[0], "signal 12"));
    source_free(hook);
    finish();
}

static void shares_of_it_are_told(void **state)
{
    static const char *const want[] = {"50 50 %", "90 90 %", "100 end"};
    /* Of those that lie behind at a restart, the highest that was not told. */
    static const char *const late[] = {"0 80 %", "10 90 %", "20 end"};

    begin(100);
    assert_int_equal(job_spec_set(&w.job.spec->mail_type, "TIME_LIMIT_90,TIME_LIMIT_50"), 0);
    w.fate = LIFE_LIMIT_SAVE;
    run();
    assert_string_equal(w.did[0],
                        "40 This session is saved as it is in 1 minute. Resume it later.");
    memmove(w.did[0], w.did[1], sizeof(w.did) - sizeof(w.did[0]));
    w.n--;
    assert_did(ELEMENTS(want), want);
    finish();
    begin(100);
    w.job.start_usec = START - 80 * USEC_PER_SEC;
    assert_int_equal(
        job_spec_set(&w.job.spec->mail_type, "TIME_LIMIT_90,TIME_LIMIT_80,TIME_LIMIT_50"), 0);
    run();
    assert_did(ELEMENTS(late), late);
    finish();
}

static void without_a_limit_nothing_happens(void **state)
{
    begin(0);
    limit_set(w.limit, &w.job);
    assert_true(loop_run_once(w.core.loop, true) < 0);
    assert_int_equal(w.n, 0);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warned_and_ended),
        cmocka_unit_test(who_is_saved_is_told_so),
        cmocka_unit_test(a_short_one_is_warned_of_what_lies_ahead),
        cmocka_unit_test(stages_are_written_down),
        cmocka_unit_test(an_extension_warns_anew),
        cmocka_unit_test(a_suspension_does_not_count),
        cmocka_unit_test(a_restart_repeats_nothing),
        cmocka_unit_test(a_stage_met_late_is_not_left_out),
        cmocka_unit_test(shares_of_it_are_told),
        cmocka_unit_test(without_a_limit_nothing_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
