/* SPDX-License-Identifier: Apache-2.0 */
/* test_format.c - -o and -O: letters, widths, truncation, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/job_columns.h"
#include "codec/document.h"

static const char job_text[] =
    "{\"id\":17,\"name\":\"tr\xc3\xa4in\",\"owner\":\"unix:alice\",\"uid\":1000,"
    "\"partition\":\"batch\",\"state\":\"RUNNING\",\"node\":\"gpu01\",\"cpus\":4,"
    "\"memory_mib\":16384,\"gpus\":1,\"profile\":\"a40-4q\",\"time_limit_sec\":5400,"
    "\"start_time\":\"2026-10-13T10:00:00Z\",\"comment\":\"a\\nb\\u001b[2J\",\"priority\":42}";
#define NOW_USEC (INT64_C(1791885600) * 1000000 + INT64_C(65) * 1000000) /* start + 65 s */

static char *row_of(const char *format, const char *json, bool named, bool noconvert)
{
    struct format f;
    struct vdi_error err = {.code = 0};
    struct document *document;
    struct buf out = BUF_INIT(0);
    struct format_context context = {.now_usec = NOW_USEC, .noconvert = noconvert};
    int r = named ? format_parse_names(format, job_columns, &f, &err)
                  : format_parse(format, job_columns, &f, &err);
    if (r < 0)
        fail_msg("%s: %s", format, err.detail);
    assert_int_equal(document_parse(json, strlen(json), &document, &err), 0);
    format_row(&f, document_root(document), &context, &out);
    document_free(document);
    return buf_take(&out, NULL);
}

static void expect(const char *format, const char *row)
{
    char *got = row_of(format, job_text, false, false);
    assert_string_equal(got, row);
    free(got);
}

static void widths_are_those_of_squeue(void **state)
{
    expect("%i", "17\n");
    expect("%.5i|", "   17|\n");
    expect("%5i|", "17   |\n");
    expect("%.3P|%3P|", "bat|bat|\n");
    expect("%i %%", "17 %\n");
    expect("no column", "no column\n");
    expect("", "\n");
    expect("%.7j|", "  tr\xc3\xa4in|\n");
    expect("%3j|", "tr\xc3\xa4|\n"); /* a character is never cut in two */
}

static void letters_are_those_of_squeue(void **state)
{
    expect("%u %t %T %C %Q", "alice R RUNNING 4 42\n");
    expect("%M %l %L", "1:05 1:30:00 1:28:55\n");
    expect("%m %R %D", "16G gpu01 1\n");
    expect("%b", "gres/gpu:a40-4q:1\n");
    expect("%S %e", "2026-10-13T10:00:00 2026-10-13T11:30:00\n");
    expect("%a;%v;%K;%E", "(null);(null);N/A;(null)\n");
    char *raw = row_of("%m", job_text, false, true);
    assert_string_equal(raw, "16384M\n");
    free(raw);
}

/* What a portal sends: every letter, one separator. */
static void every_letter_of_squeue_is_there(void **state)
{
    for (const char *p = "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"; *p; p++)
        if (!column_find(job_columns, *p))
            fail_msg("%%%c is missing", *p);
    for (const struct column *c = job_columns; c->name; c++)
        for (const struct column *d = c + 1; d->name; d++) {
            assert_false(c->letter && c->letter == d->letter);
            assert_string_not_equal(c->name, d->name);
        }
    free(row_of("%all", job_text, false, false));
}

static void pending_jobs_show_their_blocker(void **state)
{
    static const char json[] = "{\"id\":1,\"state\":\"PENDING\",\"node\":\"\",\"reason\":\"\","
                               "\"blocker\":\"Resources\","
                               "\"estimated_start_time\":\"2026-10-13T12:00:00Z\"}";
    char *row = row_of("%R %S %M", json, false, false);
    assert_string_equal(row, "(Resources) 2026-10-13T12:00:00 0:00\n");
    free(row);
    row = row_of("%R %S", "{\"state\":\"PENDING\"}", false, false);
    assert_string_equal(row, "(None) N/A\n");
    free(row);
}

static void no_cell_steers_the_terminal(void **state)
{
    expect("%k", "a?b?[2J\n");
    char *row = row_of("%j", "{\"name\":\"x\\u009b31m\"}", false, false);
    assert_string_equal(row, "x?31m\n");
    free(row);
}

static void named_columns_have_width_and_suffix(void **state)
{
    char *row = row_of("JobID:|,UserName:.8,partition:3", job_text, true, false);
    assert_string_equal(row, "17|   alicebat\n");
    free(row);
    row = row_of("State", job_text, true, false);
    assert_string_equal(row, "RUNNING             \n");
    free(row);
}

static void wrong_formats_are_refused(void **state)
{
    static const char *const bad[] = {
        "%", "%5", "%.", "%n%!", "%1025i", "%99999999999999999999i", "%\xc3\xa4", "%s%1$n%\x01"};
    char longer[FORMAT_TEXT_MAX + 3];
    struct format f;
    struct vdi_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (format_parse(bad[i], job_columns, &f, &err) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
    assert_int_equal(format_parse_names("NoSuch", job_columns, &f, &err), -EINVAL);
    assert_int_equal(format_parse_names("", job_columns, &f, &err), -EINVAL);
    assert_int_equal(format_parse_names("JobID:9999", job_columns, &f, &err), -EINVAL);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(format_parse(longer, job_columns, &f, &err), -EINVAL);
    for (size_t i = 0; i < FORMAT_TEXT_MAX; i++)
        longer[i] = "%i"[i % 2];
    longer[FORMAT_TEXT_MAX] = '\0';
    assert_int_equal(format_parse(longer, job_columns, &f, &err), -EINVAL);
}

static void only_what_is_printed_is_asked_for(void **state)
{
    struct format f;
    struct vdi_error err;
    struct buf out = BUF_INIT(0);
    assert_int_equal(format_parse("%i %t %T %u", job_columns, &f, &err), 0);
    format_fields(&f, "id", &out);
    assert_string_equal(out.data, "id,array_id,array_task,state,owner");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_those_of_squeue),
        cmocka_unit_test(letters_are_those_of_squeue),
        cmocka_unit_test(every_letter_of_squeue_is_there),
        cmocka_unit_test(pending_jobs_show_their_blocker),
        cmocka_unit_test(no_cell_steers_the_terminal),
        cmocka_unit_test(named_columns_have_width_and_suffix),
        cmocka_unit_test(wrong_formats_are_refused),
        cmocka_unit_test(only_what_is_printed_is_asked_for),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
