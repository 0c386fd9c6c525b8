#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vdi-plugin(3) has a paragraph for every member of every struct in plugin.h, and for no other.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:=.}/tests/lib/tap.sh"

page=$top_srcdir/doc/man/vdi-plugin.3
header=$top_srcdir/include/vdi/plugin.h

# "STRUCT MEMBER" lines. Comments go first; members end with ';', a function's name is in (*name).
members() {
    sed -e ':a;s,/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/,,g;/\/\*/{N;ba}' "$header" | awk '
        /^struct [a-z_]+ \{/ { name = $2; text = ""; next }
        /^\};/ { name = "" }
        name {
            text = text " " $0
            if (text !~ /;/) next
            if (match(text, /\(\*[a-z_]+\)/))
                print name, substr(text, RSTART + 2, RLENGTH - 3)
            else {
                sub(/;.*/, "", text)
                n = split(text, names, ",")
                for (i = 1; i <= n; i++) {
                    sub(/\[.*/, "", names[i])
                    match(names[i], /[a-z_0-9]+ *$/)
                    m = substr(names[i], RSTART)
                    sub(/ /, "", m)
                    print name, m
                }
            }
            text = ""
        }'
}

# The part of the page whose heading names the struct.
part() {
    awk -v name="struct $1" '/^\.S[sh] / { on = index($0 " ", name " ") } on' "$page"
}

list=$(members)
n=$(wc -l <<<"$list")
[ "$n" -ge 90 ]
ok $? "plugin.h has $n members"
for struct in $(cut -d' ' -f1 <<<"$list" | sort -u); do
    text=$(part "$struct" | tr ' ' '\n')
    missing=
    for member in $(awk -v s="$struct" '$1 == s { print $2 }' <<<"$list"); do
        grep -qx -- "$member" <<<"$text" || missing+=" $member"
    done
    is "$missing" "" "struct $struct is explained member by member"
done

explained=$(sed -n '/^\.Sh STRUCTURES/,/^\.Sh EXAMPLES/s/^\.It Va //p' "$page" | tr -d ',' | tr -s ' ' '\n')
known=$(cut -d' ' -f2 <<<"$list" | sort -u)
is "$(sort -u <<<"$explained" | comm -23 - <(echo "$known"))" "" "nothing is explained that is not there"

required=$(grep -c '/\* \[required\]' "$header")
is "$(grep -c '^Required\.' "$page")" "$required" "$required members are required, in both"
is "$(grep -o 'REQUIRED([A-Z]*, ' "$top_srcdir/src/host/host.c" | grep -vc 'KIND')" \
    $((required - 1)) "and the host checks them: all but the noun of a query"

done_testing
