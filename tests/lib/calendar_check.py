#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""calendar_check.py DRIVER zones|NUMBER-OF-RULES [ZONE-FILES] - our calendar against python-dateutil and zoneinfo.

Days and times come from dateutil's rrule, whose wall times are those of the rule alone: it leaves a
time that a day does not have as it is. zoneinfo makes UTC of each, with fold=0: of a time that is
there twice the first, and in a gap the offset before it (PEP 495). That is what RFC 5545, 3.3.5
wants of both. As in RFC 5545, 3.8.5.3, what falls on the same instant is one occurrence.

With a directory of other zone files, the answers from those have to be the same.
Prints what was compared as one line of JSON; the first differences go to stderr.
"""
import datetime
import functools
import json
import os
import random
import subprocess
import sys
import zoneinfo

from dateutil.rrule import rrulestr

FIRST, LAST = 2026, 2035  # ten years
LAST_RULE = 2030  # of random rules
UTC = datetime.timezone.utc
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
EPOCH = datetime.datetime(1970, 1, 1)


def seconds(wall):
    return int((wall - EPOCH).total_seconds())


def zone_names():
    names = zoneinfo.available_timezones() - {"localtime"}
    return sorted(n for n in names if not n.startswith(("posix/", "right/")))


def zone_file(name):
    for directory in zoneinfo.TZPATH:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            with open(path, "rb") as f:
                return f.read()
    return name.encode()


@functools.cache
def edges(zone):
    """(weekday, time of day) of wall times at and in the gaps and repetitions of ten years."""
    def offset(t):
        return int(datetime.datetime.fromtimestamp(t, zone).utcoffset().total_seconds())
    found = set()
    t = seconds(datetime.datetime(FIRST, 1, 1))
    end = seconds(datetime.datetime(LAST + 1, 1, 1))
    before = offset(t)
    while t < end:
        after = offset(t + 86400)
        if before != after:
            low, high = t, t + 86400
            while high - low > 1:
                middle = (low + high) // 2
                if offset(middle) == before:
                    low = middle
                else:
                    high = middle
            first, last = sorted((high + before, high + offset(high)))
            for wall in (first, (first + last) // 120 * 60, last):
                at = EPOCH + datetime.timedelta(seconds=wall)
                found.add((at.weekday(), at.hour * 60 + at.minute))
        before = after
        t += 86400
    return found


class Walls:
    """dateutil's wall times of a rule: the same for all zones."""

    def __init__(self):
        self.kept = {}

    def get(self, rule, start, end):
        key = rule, start
        if key not in self.kept:
            self.kept[key] = list(rrulestr(rule, dtstart=start).between(start, end, inc=True))
        return self.kept[key]


def zone_cases(walls):
    same = {}  # many names are one zone: what is wanted of it is computed once
    for name in zone_names():
        zone = same.setdefault(zone_file(name), zoneinfo.ZoneInfo(name))
        for weekday, minute in sorted(edges(zone) | {(6, 150), (1, 615)}):
            day = DAYS[weekday]
            for rule in ("FREQ=WEEKLY", f"FREQ=MONTHLY;BYDAY=-1{day}", f"FREQ=MONTHLY;BYDAY=1{day}",
                         f"FREQ=MONTHLY;BYDAY=2{day}", "FREQ=MONTHLY"):
                start = datetime.datetime(FIRST, 1, 1, minute // 60, minute % 60)
                start += datetime.timedelta(days=(weekday - start.weekday()) % 7)
                if "BYDAY" in rule:
                    start = rrulestr(rule, dtstart=start)[0]
                yield name, zone, start, rule, walls.get(rule, start, datetime.datetime(LAST, 12, 31))


def random_rule(r):
    """A rule with any of the parts that go together."""
    freq = r.choice(["DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY", "YEARLY"])
    parts = [f"FREQ={freq}"]

    def some(part, values, chance, n=3):
        if r.random() < chance:
            parts.append(f"{part}={','.join(str(v) for v in r.sample(values, r.randint(1, n)))}")
            return True
        return False
    some("INTERVAL", range(1, 8), 0.4, 1)
    some("WKST", ["MO", "SU"], 0.3, 1)
    alone = freq == "YEARLY" and some("BYYEARDAY", [1, 60, 100, 200, 365, 366, -1, -366], 0.15)
    weeks = freq == "YEARLY" and not alone and some("BYWEEKNO", [2, 10, 27, 42, 51], 0.15)
    if not alone and not weeks:
        some("BYMONTH", range(1, 13), 0.3)
        if freq in ("MONTHLY", "YEARLY"):
            some("BYMONTHDAY", [1, 2, 13, 15, 28, 29, 30, 31, -1, -2, -31], 0.3)
    numbers = freq in ("MONTHLY", "YEARLY") and not weeks and "BYMONTHDAY" not in parts[-1]
    if not alone:
        some("BYDAY", [r.choice(["", "1", "2", "-1", "5"] if numbers else [""]) + d for d in DAYS],
             1 if weeks else 0.5)
    if freq in ("MONTHLY", "YEARLY") and not weeks and "BY" in parts[-1] and \
            not any(p.startswith("BYMONTHDAY") and "-" in p for p in parts) and r.random() < 0.3:
        some("BYSETPOS", [1, 2, -1], 1)
    elif some("BYHOUR", range(24), 0.2, 2):
        some("BYMINUTE", [0, 15, 30, 45], 0.5, 1)
    return ";".join(parts)


def random_end(r, first):
    if r.random() < 0.25:
        return f";COUNT={r.randint(1, 60)}"
    if r.random() < 0.3 and first.year < LAST_RULE:
        return f";UNTIL={r.randint(first.year + 1, LAST_RULE)}{r.randint(1, 12):02}15T{r.randint(0, 23):02}3000Z"
    return ""


def rule_cases(n):
    r = random.Random(7)
    names = zone_names()
    while n > 0:
        rule = random_rule(r)
        name = r.choice(names)
        zone = zoneinfo.ZoneInfo(name)
        any_day = datetime.datetime(FIRST, r.randint(1, 12), r.randint(1, 28), r.randint(0, 23),
                                    r.choice([0, 10, 15, 30]), tzinfo=zone)
        until = datetime.datetime(LAST_RULE, 12, 31, tzinfo=zone)
        # With an end, or it would look for a day that never comes until the year 9999.
        first = next(iter(rrulestr(rule, dtstart=any_day).replace(until=until)), None)
        if first is None:
            continue
        rule += random_end(r, first)
        # UNTIL is UTC: dateutil compares it with instants when the start has a zone.
        walls = [w.replace(tzinfo=None)
                 for w in rrulestr(rule, dtstart=first).between(first, until, inc=True)]
        n -= 1
        yield name, zone, first.replace(tzinfo=None), rule, walls


def ask(driver, lines, **environment):
    return subprocess.run([driver], input=lines, capture_output=True, text=True, check=True,
                          env=os.environ | environment).stdout.splitlines()


def main():
    driver, what, *others = sys.argv[1:]
    cases = list(zone_cases(Walls()) if what == "zones" else rule_cases(int(what)))
    end = datetime.datetime(LAST if what == "zones" else LAST_RULE, 12, 31)
    # Both end at their own end of that day.
    last = seconds(end) - 86400
    asked = "".join(f"{name}\t{start.isoformat()}\t1m\t{rule}\t0\t{last + 4 * 86400}\n"
                    for name, _, start, rule, _ in cases)
    told = ask(driver, asked)
    different = compared = refused = 0
    for directory in others:
        again = ask(driver, asked, TZDIR=directory)
        different += sum(a != b for a, b in zip(told, again, strict=True))
    known = {}
    for (name, zone, start, rule, walls), line in zip(cases, told, strict=True):
        key = zone, start, rule
        if key not in known:
            known[key] = sorted({int(w.replace(tzinfo=zone).timestamp()) for w in walls})
        wanted = known[key]
        if line.startswith("!"):
            refused += 1
            print(f"{name} {start} {rule}: {line}", file=sys.stderr)
            continue
        wanted = [t for t in wanted if t < last]
        got = [int(t) for t in line.split() if int(t) < last]
        compared += len(wanted)
        if got != wanted:
            wrong = sorted(set(got) ^ set(wanted)) or [0]
            different += len(wrong)
            if different < 20 * len(wrong):
                print(f"{name} {start} {rule}: {len(got)} and {len(wanted)}; first "
                      f"{datetime.datetime.fromtimestamp(wrong[0], zone)}", file=sys.stderr)
    print(json.dumps({"zones": len({c[0] for c in cases}), "rules": len(cases),
                      "occurrences": compared, "different": different, "refused": refused}))


if __name__ == "__main__":
    sys.exit(main())
