/* SPDX-License-Identifier: Apache-2.0 */
/* test_ics.c - iCalendar files as common programs write them, what is refused, and the way back */
#include <codec/ics.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/time.h"

#define EVENT(lines)                                                                               \
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\n" lines                \
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
#define WHEN "DTSTART;TZID=Europe/Berlin:20261013T101500\r\nDURATION:PT90M\r\n"

/* Everything that a file says, a line each. */
static void describe(const struct ics *ics, struct buf *out)
{
    for (size_t i = 0; i < ics->n; i++) {
        const struct ics_class *c = &ics->classes[i];

        buf_printf(out, "%s '%s' %s %s %s '%s'", c->uid, c->summary, c->starts, c->duration,
                   c->zone, c->repeat);
        for (size_t k = 0; k < c->except.n; k++)
            buf_printf(out, " -%s", c->except.items[k]);
        for (size_t k = 0; k < c->n_moved; k++)
            buf_printf(out, " %s>%s+%s", c->moved[k].from, c->moved[k].starts,
                       c->moved[k].duration);
        if (c->seats)
            buf_printf(out, " %u %s %s %s %s %s %s %s %s %s", c->seats, c->template, c->qos,
                       c->account, c->name, c->partition, c->lead, c->grace, c->no_show,
                       c->cleaning);
        for (size_t k = 0; k < c->groups.n; k++)
            buf_printf(out, " @%s", c->groups.items[k]);
        for (size_t k = 0; k < c->users.n; k++)
            buf_printf(out, " ~%s", c->users.items[k]);
        buf_putc(out, '\n');
    }
}

static struct ics read_text(const char *text)
{
    struct ics ics = {0};
    struct vdi_error err = {0};
    char why[640];

    if (ics_read(text, strlen(text), &ics, &err) != 0)
        fail_msg("%s", error_text(&err, why, sizeof(why)));
    return ics;
}

/* The file says so, and says it again when it was written and read. */
static void says(const char *text, const char *wanted)
{
    struct buf first = BUF_INIT(0), file = BUF_INIT(0), second = BUF_INIT(0);
    struct ics ics = read_text(text), again;
    struct vdi_error err = {0};
    char why[640];

    describe(&ics, &first);
    assert_string_equal(first.data, wanted);
    if (ics_write(&ics, INT64_C(1790000000) * USEC_PER_SEC, &file, &err) != 0)
        fail_msg("%s", error_text(&err, why, sizeof(why)));
    again = read_text(file.data);
    describe(&again, &second);
    assert_string_equal(second.data, wanted);
    ics_done(&ics);
    ics_done(&again);
    buf_done(&first);
    buf_done(&file);
    buf_done(&second);
}

static void refused(const char *text, const char *wanted)
{
    struct ics ics = {0};
    struct vdi_error err = {0};
    char why[640];

    if (ics_read(text, strlen(text), &ics, &err) == 0)
        fail_msg("taken: %s", text);
    assert_string_equal(error_text(&err, why, sizeof(why)), wanted);
    assert_null(ics.classes);
}

/* Windows' zone name with a VTIMEZONE, a mark of UTF-8, all day reminders of VALARM. */
static void outlook(void **state)
{
    says("\xef\xbb\xbf"
         "BEGIN:VCALENDAR\r\nPRODID:-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN\r\n"
         "VERSION:2.0\r\nMETHOD:PUBLISH\r\nX-MS-OLK-FORCEINSPECTOROPEN:TRUE\r\n"
         "BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\n"
         "DTSTART:16011028T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n"
         "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n"
         "DTSTART:16010325T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n"
         "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
         "BEGIN:VEVENT\r\nCLASS:PUBLIC\r\nCREATED:20260901T081200Z\r\n"
         "DTEND;TZID=\"W. Europe Standard Time\":20261013T114500\r\n"
         "DTSTAMP:20260901T081200Z\r\n"
         "DTSTART;TZID=\"W. Europe Standard Time\":20261013T101500\r\n"
         "EXDATE;TZID=\"W. Europe Standard Time\":20261222T101500,20261229T101500\r\n"
         "RRULE:FREQ=WEEKLY;UNTIL=20270209T091500Z;BYDAY=TU\r\n"
         "SUMMARY;LANGUAGE=de:CAD\\, \xc3\x9c"
         "bung\r\nTRANSP:OPAQUE\r\n"
         "UID:040000008200E00074C5B7101A82E00800000000\r\n"
         "X-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\nX-VDI-TEMPLATE:cad\r\nX-VDI-SEATS:30\r\n"
         "X-VDI-GROUPS:cad1, staff \r\nX-VDI-QOS:teaching\r\nX-VDI-ACCOUNT:mech\r\n"
         "X-VDI-NAME:cad1-lab\r\nX-VDI-PARTITION:lab\r\nX-VDI-LEAD:10m\r\nX-VDI-GRACE:0m\r\n"
         "X-VDI-NO-SHOW:20\r\nX-VDI-CLEANING:30s\r\n"
         "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nACTION:DISPLAY\r\nDESCRIPTION:Reminder\r\n"
         "END:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
         "040000008200E00074C5B7101A82E00800000000 'CAD, \xc3\x9c"
         "bung' 2026-10-13T10:15 90m "
         "Europe/Berlin 'FREQ=WEEKLY;UNTIL=20270209T091500Z;BYDAY=TU' -2026-12-22T10:15 "
         "-2026-12-29T10:15 30 cad teaching mech cad1-lab lab 10m 0m 20 30s @cad1 @staff\n");
}

/* An occurrence that was moved, before the event that it is of; one that was cancelled; and lines
 * that are folded. */
static void google(void **state)
{
    says("BEGIN:VCALENDAR\r\nPRODID:-//Google Inc//Google Calendar 70.9054//EN\r\nVERSION:2.0\r\n"
         "CALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\nX-WR-CALNAME:CAD\r\n"
         "X-WR-TIMEZONE:Europe/Berlin\r\n"
         "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nX-LIC-LOCATION:Europe/Berlin\r\n"
         "BEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\n"
         "DTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n"
         "END:VTIMEZONE\r\n"
         "BEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20261021T140000\r\n"
         "DTEND;TZID=Europe/Berlin:20261021T160000\r\nDTSTAMP:20260901T081200Z\r\n"
         "UID:4q@google.com\r\nRECURRENCE-ID;TZID=Europe/Berlin:20261020T101500\r\n"
         "SUMMARY:CAD\r\nEND:VEVENT\r\n"
         "BEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20261013T101500\r\n"
         "DTEND;TZID=Europe/Berlin:20261013T114500\r\n"
         "RRULE:FREQ=WEEKLY;UNTIL=20270209T225959Z;BYDAY=TU\r\n"
         "EXDATE;TZID=Europe/Berlin:20261222T101500\r\nDTSTAMP:20260901T081200Z\r\n"
         "UID:4q@google.com\r\nSTATUS:CONFIRMED\r\nSUMMARY:CA\r\n D\r\nEND:VEVENT\r\n"
         "BEGIN:VEVENT\r\nDTSTART:20261027T091500Z\r\nDTEND:20261027T104500Z\r\n"
         "RECURRENCE-ID:20261027T091500Z\r\nUID:4q@google.com\r\nSTATUS:CANCELLED\r\n"
         "END:VEVENT\r\n"
         "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261225\r\n"
         "UID:gone\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
         "4q@google.com 'CAD' 2026-10-13T10:15 90m Europe/Berlin "
         "'FREQ=WEEKLY;UNTIL=20270209T225959Z;BYDAY=TU' -2026-10-27T10:15 -2026-12-22T10:15 "
         "2026-10-20T10:15>2026-10-21T14:00+120m\n");
}

/* Every lesson by itself, in UTC; the calendar says where. */
static void untis(void **state)
{
    says("BEGIN:VCALENDAR\nPRODID:-//Untis GmbH//WebUntis//DE\nVERSION:2.0\n"
         "X-WR-TIMEZONE:Europe/Berlin\n"
         "BEGIN:VEVENT\nUID:l1\nDTSTART:20261023T060000Z\nDTEND:20261023T074500Z\n"
         "SUMMARY:INF 10a\nLOCATION:R101\nEND:VEVENT\n"
         "BEGIN:VEVENT\nUID:l2\nDTSTART:20261030T070000Z\nDTEND:20261030T084530Z\n"
         "SUMMARY:INF 10a\nEND:VEVENT\nEND:VCALENDAR\n",
         "l1 'INF 10a' 2026-10-23T08:00 105m Europe/Berlin ''\n"
         "l2 'INF 10a' 2026-10-30T08:00 6330s Europe/Berlin ''\n");
}

static void zones(void **state)
{
    static const char end[] = "DURATION:PT1H\r\n";
    static const struct {
        const char *tzid, *name;
    } rows[] = {
        {"/freeassociation.sourceforge.net/America/Argentina/Salta", "America/Argentina/Salta"},
        {"/freeassociation.sourceforge.net/Tzfile/Europe/Vienna", "Europe/Vienna"},
        {"/citadel.org/20210210_1/Asia/Tokyo", "Asia/Tokyo"},
        {"Eastern Standard Time", "America/New_York"},
        {"Etc/UTC", "Etc/UTC"}};
    char text[1024], wanted[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), EVENT("DTSTART;TZID=%s:20261013T101500\r\n%s"), rows[i].tzid,
                 end);
        snprintf(wanted, sizeof(wanted), "a '' 2026-10-13T10:15 60m %s ''\n", rows[i].name);
        says(text, wanted);
    }
    says("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Ours\r\n"
         "X-LIC-LOCATION:Europe/Paris\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
         "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
         "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Ours:20261013T101500\r\nDURATION:PT1H\r\n"
         "END:VEVENT\r\nEND:VCALENDAR\r\n",
         "a '' 2026-10-13T10:15 60m Europe/Paris ''\n");
    says(EVENT("DTSTART:20261013T101500Z\r\nDURATION:P1DT1H\r\nRRULE:FREQ=WEEKLY\r\n"),
         "a '' 2026-10-13T10:15 1500m UTC 'FREQ=WEEKLY'\n");
    refused(EVENT("DTSTART;TZID=Amsterdam, Berlin:20261013T101500\r\nDURATION:PT1H\r\n"),
            "DTSTART: event 'a': there is no time zone 'Amsterdam, Berlin'; "
            "write the name of one as the IANA has it: Europe/Berlin");
    refused(EVENT("DTSTART:20261013T101500\r\nDURATION:PT1H\r\n"),
            "DTSTART: event 'a': DTSTART has no time zone; "
            "add TZID=Europe/Berlin, or X-WR-TIMEZONE to the calendar");
}

static void refused_events(void **state)
{
    refused(EVENT("DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261225\r\n"),
            "DTSTART: event 'a': it takes all day, and a class has a time; "
            "give it a time, or take it out of the file");
    refused(EVENT("DTSTART;TZID=Europe/Berlin:20261013T101500\r\n"),
            "DTEND: event 'a': it has no end; add DTEND or DURATION");
    refused(EVENT("DTSTART;TZID=Europe/Berlin:20261013T101500\r\n"
                  "DTEND;TZID=Europe/Berlin:20261013T101500\r\n"),
            "DTEND: event 'a': it cannot be that long (limit: more than nothing, 7 days at most); "
            "write another");
    /* libical takes out a line that it cannot read. Without its rule this would be one day. */
    refused(EVENT(WHEN "RRULE:FREQ=WEEKLY;UNTIL=christmas\r\n"),
            "event 'a': Can't parse as RECUR value in RRULE property. Removing entire property: "
            "FREQ=WEEKLY\\;UNTIL=christmas; mend that line");
    says(EVENT(WHEN "GEO:here\r\n"), "a '' 2026-10-13T10:15 90m Europe/Berlin ''\n");
    refused(EVENT(WHEN "RRULE:FREQ=WEEKLY\r\nRRULE:FREQ=DAILY\r\n"),
            "RRULE: event 'a': it has RRULE twice; leave one");
    refused(EVENT(WHEN "RDATE;TZID=Europe/Berlin:20261014T101500\r\n"),
            "RDATE: event 'a': RDATE is not supported; make more events of it");
    refused(EVENT(WHEN "RECURRENCE-ID;TZID=Europe/Berlin:20261013T101500\r\n"),
            "RECURRENCE-ID: event 'a': no event with a rule has this UID; "
            "add the event with its RRULE, or take it out");
    refused(EVENT(WHEN "X-VDI-SEATS:many\r\n"),
            "X-VDI-SEATS: event 'a': 'many' is none; write a number from 1 to 65536");
    refused(
        EVENT(WHEN "X-VDI-SEAT:3\r\n"),
        "event 'a': there is no X-VDI-SEAT; leave it out, or write X-VDI-NAME, -TEMPLATE, -SEATS, "
        "-GROUPS, -USERS, -PARTITION, -QOS, -ACCOUNT, -LEAD, -GRACE, -NO-SHOW or -CLEANING");
    refused("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\n" WHEN,
            "the file ends in the middle of something; export it again: there is no END for every "
            "BEGIN");
    refused(EVENT(WHEN "X-VDI-LEAD:soon\r\n"),
            "X-VDI-LEAD: event 'a': 'soon' is no length of time; write minutes, 90m or 2h");
    refused(EVENT(WHEN "X-VDI-GROUPS:a,,b\r\n"),
            "X-VDI-GROUPS: event 'a': '' is no name; write names with commas between");
    refused(EVENT(WHEN "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:a\r\n" WHEN),
            "UID: event 'a': two events have this UID; give each its own");
    refused("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" WHEN "END:VEVENT\r\nEND:VCALENDAR\r\n",
            "UID: event '': it has no UID, or none that will do; "
            "give every event a UID, of 1024 bytes at most");
    refused("BEGIN:VTODO\r\nUID:a\r\nEND:VTODO\r\n",
            "the file is not one VCALENDAR; export it again as iCalendar (.ics)");
    refused("BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n", "line 3 ends what did not begin");
    refused("\x80", "the file is no text in UTF-8");
    refused("", "the file is no text in UTF-8");
}

static void limits(void **state)
{
    struct buf text = BUF_INIT(0);
    struct ics ics = {0};
    struct vdi_error err = {0};

    buf_puts(&text, "BEGIN:VCALENDAR\n");
    for (unsigned i = 0; i < ICS_COMPONENTS_MAX; i++)
        buf_puts(&text, "BEGIN:VTODO\nEND:VTODO\n");
    assert_int_equal(ics_read(text.data, text.len, &ics, &err), -E2BIG);
    assert_string_equal(err.limit, "10000");
    buf_clear(&text);
    for (unsigned i = 0; i <= ICS_DEPTH_MAX; i++)
        buf_puts(&text, "BEGIN:VEVENT\n");
    assert_int_equal(ics_read(text.data, text.len, &ics, &err), -E2BIG);
    assert_string_equal(err.limit, "8");
    buf_clear(&text);
    for (unsigned i = 0; i <= ICS_LINES_MAX; i++)
        buf_puts(&text, "A:\n");
    assert_int_equal(ics_read(text.data, text.len, &ics, &err), -E2BIG);
    assert_string_equal(err.limit, "65536");
    while (text.len <= ICS_BYTES_MAX)
        buf_puts(&text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(ics_read(text.data, text.len, &ics, &err), -E2BIG);
    assert_string_equal(err.limit, "1 MiB");
    buf_done(&text);
}

/* What we say ourselves comes out as any calendar understands it. */
static void written(void **state)
{
    static char *except[] = {(char *)"2026-10-20", (char *)"2026-10-22/2026-10-26"};
    struct ics_class class = {
        .uid = (char *)"cad@campus",
        .summary = (char *)"",
        .starts = "2026-10-19T10:15",
        .duration = "90m",
        .zone = "Europe/Berlin",
        .repeat = (char *)"weekday",
        .except = {except, 2},
        .template = (char *)"cad",
        .qos = (char *)"",
        .account = (char *)"",
        .seats = 3,
    };
    struct ics ics = {&class, 1}, again;
    struct buf file = BUF_INIT(0), text = BUF_INIT(0);
    struct vdi_error err = {0};

    assert_int_equal(ics_write(&ics, 0, &file, &err), 0);
    assert_non_null(strstr(file.data, "\r\nDTSTART;TZID=Europe/Berlin:20261019T101500\r\n"));
    assert_non_null(strstr(file.data, "\r\nTZID:Europe/Berlin\r\n"));
    assert_non_null(strstr(file.data, "BEGIN:STANDARD\r\nDTSTART:20261025T030000\r\n"
                                      "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n"));
    assert_non_null(strstr(file.data, "BEGIN:DAYLIGHT\r\nDTSTART:20270328T020000\r\n"
                                      "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n"));
    again = read_text(file.data);
    describe(&again, &text);
    assert_string_equal(text.data,
                        "cad@campus '' 2026-10-19T10:15 90m Europe/Berlin "
                        "'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR' -2026-10-20T10:15 -2026-10-22T10:15 "
                        "-2026-10-23T10:15 -2026-10-26T10:15 3 cad        \n");
    ics_done(&again);
    /* An end in local time is written in UTC. */
    class.repeat = (char *)"FREQ=WEEKLY;UNTIL=20261109";
    class.except.n = 0;
    buf_clear(&file);
    assert_int_equal(ics_write(&ics, 0, &file, &err), 0);
    assert_non_null(strstr(file.data, "\r\nRRULE:FREQ=WEEKLY;UNTIL=20261109T225959Z\r\n"));
    class.repeat = (char *)"FREQ=HOURLY";
    assert_int_equal(ics_write(&ics, 0, &file, &err), -EINVAL);
    assert_string_equal(err.field, "repeat");
    buf_done(&file);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(outlook),        cmocka_unit_test(google),
                                       cmocka_unit_test(untis),          cmocka_unit_test(zones),
                                       cmocka_unit_test(refused_events), cmocka_unit_test(limits),
                                       cmocka_unit_test(written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
