#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Power cuts under the embedded store lose nothing that was acknowledged; and a disk
# that forgets to sync does lose, so the check can see a loss.
: "${top_builddir:=.}"
power="$top_builddir/bench/power --plugins $top_builddir/plugins.d"

echo 1..2
last=$($power --cuts 40 --seed 7 | tail -n 1)
status=$?
case $last in
"cuts=40 acked="[1-9]*" lost=0") echo "ok 1 - 40 power cuts: $last" ;;
*) echo "not ok 1 - 40 power cuts: $last ($status)" ;;
esac
last=$($power --cuts 20 --seed 7 --no-fsync | tail -n 1)
case $last in
"cuts=20 acked="*" lost="[1-9]*) echo "ok 2 - without fsync it loses: $last" ;;
*) echo "not ok 2 - without fsync it must lose: $last" ;;
esac
