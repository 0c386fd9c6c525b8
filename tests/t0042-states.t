#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# doc/states.md is what the tables of src/model say today.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:=.}/tests/lib/tap.sh"

made=$("${top_builddir:=.}/tests/print_states")
ok $? "the tables are printed"
kept=$(cat "$top_srcdir/doc/states.md")
[ "$made" = "$kept" ]
ok $? "doc/states.md is up to date" || {
    diag "write it anew with: tests/print_states >doc/states.md"
    diag "$(diff <(echo "$kept") <(echo "$made"))"
}
# Each word of the tables is on the page: a printer that skips rows would agree with itself.
for word in PENDING:CONFIGURING:alloc CONFIGURING:RUNNING:start COMPLETING:PENDING:requeue \
    READY:BOUND:bind STOPPING:GONE:gone \
    FREE:LEASED:lease LEASED:FREE:release DELETING:GONE:gone; do
    IFS=: read -r from to event <<<"$word"
    grep -q "^    $from --> $to: \(.*, \)*$event\(,\|\$\)" "$top_srcdir/doc/states.md"
    ok $? "$event leads from $from to $to"
done

done_testing
