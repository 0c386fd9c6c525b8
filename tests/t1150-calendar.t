#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t1150-calendar.t - when classes take place: every time zone over ten years of weekly and monthly
# rules at both edges of summer time, and rules of all parts, against python-dateutil.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$top_srcdir/tests/lib/tap.sh"
need python3
need jq
python3 -c 'import dateutil' 2>/dev/null || skip_all "python3-dateutil is not installed"
[ -f /usr/share/zoneinfo/tzdata.zi ] || skip_all "tzdata is not installed"
export PATH=$PATH:/usr/sbin
need zic

W=$(mktemp -d) || bail "no temporary directory"
trap 'rm -rf "$W"' EXIT
compare() { # NAME ARGS...: zones, rules and occurrences there have to be, and the file they go to
    python3 "$top_srcdir/tests/lib/calendar_check.py" "$top_builddir/tests/calendar_drive" \
        "${@:2}" >"$W/$1" 2>"$W/$1.err"
    diag "$(cat "$W/$1")"
    [ ! -s "$W/$1.err" ] || diag "$(head -n 20 "$W/$1.err")"
}
of() { jq ".$2" "$W/$1"; }

# Debian's files list the changes until 2037; those that other systems have leave them to the rule.
exits 0 "zone files without listed years are made" \
    zic -b slim -d "$W/slim" /usr/share/zoneinfo/tzdata.zi
compare zones zones "$W/slim"
is "$(of zones different)" 0 "every zone, ten years: no occurrence is another than dateutil's"
is "$(of zones refused)" 0 "... and none of these rules is refused"
is "$(jq '.zones > 400 and .occurrences > 1000000' "$W/zones")" true "... of more than a million"
compare rules 400
is "$(of rules different)" 0 "rules of all parts: no occurrence is another than dateutil's"
is "$(of rules refused)" 0 "... and none of these rules is refused"
is "$(jq '.rules == 400 and .occurrences > 20000' "$W/rules")" true "... of 400 rules"

done_testing
