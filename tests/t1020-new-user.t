#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# t1020-new-user.t - what somebody new does first: the examples of the man pages, the completion
# of bash, a desktop that has to be waited for, and the sentences they get when it goes wrong.
: "${top_srcdir:?set by make check}" "${top_builddir:?set by make check}"
. "$top_srcdir/tests/lib/vdi.sh"

need mandoc
test_under_vdi 2 \
    'node "gpu[03-04]" { cpus = 8  memory = "64G"  gpu "A40" { count = 1  law = whole } }' \
    'partition "batch" { nodes = "gpu[03-04]" }' \
    'template "paraview" { image = "none"  vcpus = 1  memory = "1G" }' \
    'template "cad" { image = "none"  vcpus = 1  memory = "1G" }'
cd "$VDI_DIR" || bail "no scratch directory"
export HOME=$VDI_DIR TZ=Europe/Berlin
commands="vdisubmit vdiqueue vdicancel vdiinfo vdictl"

# ---- the examples ----

printf '%s\n' '#!/bin/sh' '#VDI --gpus=1 --mem=16G --time=8h' 'exec true' >train.sh
for script in evaluate run gather; do
    printf '%s\n' '#!/bin/sh' 'exec true' >$script.sh
done
# Jobs 17 and 20-25 are there; another runs.
for _ in $(seq 25); do vdisubmit --quiet --hold --time 1h --desktop desk; done
running=$(vdisubmit --parsable --time 1h --wrap true)
vdi_wait_for "a job that runs" sh -c "vdiqueue -h -o %t -j $running | grep -q R"
desktop=$(vdisubmit --parsable --time 1h --desktop desk)
vdi_wait_for "a desktop that runs" sh -c "vdiqueue -h -o %t -j $desktop | grep -q R"
# A class whose seats can be taken.
vdictl class create open-lab --template cad --seats 2 --users "$(id -un)" --duration 1h \
    --starts "$(date -d '+3 seconds' +%Y-%m-%dT%H:%M:%S)" >/dev/null
vdi_wait_for "its seats" sh -c 'vdiinfo --classes | grep -q 2/2'
# A calendar, at night: its seats are beside those of the other examples.
printf '%s\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:x BEGIN:VEVENT UID:cad@campus SUMMARY:CAD \
    "DTSTART;TZID=Europe/Berlin:$(date -d '+8 days' +%Y%m%dT030000)" DURATION:PT90M \
    END:VEVENT END:VCALENDAR >term.ics
# The examples' timetable begins on 2026-10-13: so many days later it is next week.
later=$((($(date +%s) - $(date -d 2026-10-13 +%s)) / 86400 + 7))
# What waits for the end of a job is given one: the jobs of this site do not end.
end_of_wait() { vdi_wait_for "job $1" sh -c "vdiqueue -h -o %t -n $1 | grep -q R" && vdicancel -n "$1"; }

# examples_of PAGE: what stands behind "$ " in EXAMPLES, as it is rendered.
examples_of() {
    mandoc -Tascii -Owidth=300 "$top_srcdir/doc/man/$1.1" | sed 's/.\x08//g' |
        sed -n '/^EXAMPLES/,/^SEE ALSO/s/^ *\$ //p'
}

for command in vdisubmit vdiqueue vdiinfo vdictl vdicancel; do
    n=0
    while IFS= read -r line; do
        n=$((n + 1))
        want=0
        case $line in
        *--follow*) continue ;;                       # lasts until job 17 ends
        'export VDI_URL='*) continue ;;               # the network
        *--wait*)
            line=${line/--wrap/-J waited --wrap}
            end_of_wait waited >/dev/null &
            ;;
        *--test-only*) want=6 ;;                      # there are no four GPUs here
        *--screenshot* | *" message "* | *" suspend "* | *"l resume "*) # what runs has these
            line=${line/ 17/ $desktop}
            [[ $line == *" resume "* ]] ||
                vdi_wait_for "a desktop that runs" sh -c "vdiqueue -h -o %t -j $desktop | grep -q R"
            ;;
        *--dependency*) # a job that is there
            line=${line/4711/$running}
            line=${line/\$id/$running}
            ;;
        *--reservation*) line=${line/cad1-lab/open-lab} ;;
        *" class "*)
            line=${line/--seats 30/--seats 2} # there is no room for more here
            for day in 2026-10-13 2026-11-17 2026-11-24 2026-11-25 2026-12-22 2027-01-06; do
                line=${line//$day/$(date -d "$day +$later days" +%Y-%m-%d)}
            done
            ;;
        *--signal*) line="${line% *} $running" ;;     # one that runs
        esac
        line=${line//\/etc\/vdi.conf/$VDI_DIR/vdi.conf}
        exits "$want" "$command: ${line//$VDI_DIR/DIR}" bash -c "$line"
    done < <(examples_of "$command")
    [ "$n" -ge 3 ]
    ok $? "$command: its man page has examples ($n)"
done

# ---- completion ----

# complete_of COMMAND WORD...: what bash offers at the end of the line.
complete_of() {
    bash --norc -c '. "$0" || exit 1
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        compopt() { :; }
        "_$1" 2>&1
        printf "%s\n" "${COMPREPLY[@]}"' \
        "$top_builddir/etc/bash-completion/$1" "$@"
}

for command in $commands vdiconnect; do
    out=$(bash --norc -c '. "$0" && complete -p "$1"' \
        "$top_builddir/etc/bash-completion/$command" "$command" 2>&1)
    like "$out" "-F _$command $command\$" "$command: bash loads its completion"
    like "$(complete_of "$command" --he)" '^--help$' "$command: bash completes --he"
done
is "$(complete_of vdisubmit --desk)" --desktop= "a long option that takes a value ends in ="
is "$(complete_of vdiqueue --states = R)" RUNNING "the words of --states are completed"
is "$(complete_of vdiqueue --states =)" "$(complete_of vdiqueue --states = '')" "... from the first letter on"
like "$(complete_of vdictl re)" '^release$' "verbs are completed"

# ---- a desktop ----

vdicancel --me >/dev/null 2>&1
vdi_wait_for "an empty queue" sh -c '! vdiqueue -h | grep -q .'
exits 3 "no desktop" vdiconnect --json
like "$err" 'vdisubmit --desktop' "... says how to get one"
job=$(vdisubmit --parsable --hold --desktop paraview --time 1h)
exits 6 "a job that is held is not there yet" vdiconnect --no-wait --json
like "$err" "job $job: PENDING" "... says which, and what it is"
vdiconnect --progress --json >connected 2>said &
waiting=$!
vdi_wait_for "progress" grep -q PENDING said
vdictl release "$job"
wait "$waiting"
is $? 1 "it waits until the job runs; this site has no desktops"
like "$(cat said)" '^vdiconnect: the site of this cluster has nothing' "... and that is said"
exits 1 "a batch job has no desktop" vdiconnect --json "$(vdisubmit --parsable --wrap true)"
exits 3 "no such job" vdiconnect --json 999999

# ---- what is read aloud ----

exits 0 "show job" vdictl show job "$job"
like "$out" "^submit_time: $(date +%Y-)[0-9T:-]*\$" "times are local times"
exits 0 "show job --log" vdictl show job "$job" --log
unlike "$out" '^[0-9T:.-]+Z' "... in the log, too"
exits 0 "--test-only" vdisubmit --test-only --wrap true
unlike "$out" 'Z( |$)' "... and when it would start"
exits 0 "nouns may be plural" vdictl show nodes
exits 2 "a verb without a noun" vdictl show
like "$err" 'job, node' "... is told the nouns"
exits 3 "a file that is not there" vdictl check /nonexistent
is "$(printf '%s%s' "$out" "$err" | grep -c nonexistent)" 1 "... is said once"
for line in 'vdictl show job 999' 'vdicancel 999' 'vdisubmit --desktop nosuch' \
    'vdisubmit --desktop desk --qos nosuch' 'vdisubmit --desktop desk --time 99999h' \
    'vdictl drain nosuch --reason x' "vdictl hold 999" 'env VDI_URL=foo:bar vdiqueue' \
    'env VDI_URL=unix:/nonexistent vdiqueue' 'env VDI_URL=http://example.org vdiqueue'; do
    # shellcheck disable=SC2086
    said=$($line 2>&1 </dev/null)
    like "$said" '^vdi[a-z]+: [^:]' "$line: one sentence"
    unlike "$said" '^vdi[a-z]+: [a-z_]+: |; [A-Z][a-z]|_sec. is [0-9]+ *\(|\.$' "... that can be read aloud"
done
exits 0 "the long list" vdiinfo -l
is "$(awk '{ match($0, /[^ ]+$/); print RSTART }' <<<"$out" | sort -u | wc -l)" 1 \
    "... has its last column in line"

if command -v script >/dev/null; then
    said=$(script -qec 'vdiqueue -u nosuch; vdicancel --me; vdiqueue --me -t PD' /dev/null </dev/null)
    like "$said" 'no such jobs' "on a terminal an empty list is said to be empty"
else
    skip 1 "script(1) is not installed" "on a terminal an empty list is said to be empty"
fi
exits 0 "not on a terminal" vdiqueue -u nosuch
is "$err" "" "... a script gets the header alone"

done_testing
