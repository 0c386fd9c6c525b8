#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# t0600-cli-man.t - what a command takes, what --help says, what bash completes and
# what the man page tells are the same.
: "${top_srcdir:=.}" "${top_builddir:=.}"
commands="vdisubmit vdiqueue vdicancel vdiinfo vdictl vdiconnect vdiacct vdi-image"
VDI_URL=unix:/nonexistent/vdictld.sock
export VDI_URL
n=0

ok() { # STATUS TEXT
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

same() { # TEXT A B
    if [ -n "$2" ] && [ "$2" = "$3" ]; then
        ok 0 "$1"
    else
        ok 1 "$1"
        printf '# one:   %s\n# other: %s\n' "$(echo $2)" "$(echo $3)"
    fi
}

for c in $commands; do
    page=$top_srcdir/doc/man/$c.1
    help=$("$top_builddir/$c" --help)
    shown=$(echo "$help" | sed -n 's/^  \(-., \|    \)--\([A-Za-z0-9-]*\).*/\2/p' | sort)
    refused=$(echo "$help" | sed -n '/^Refused by name/,/^$/s/^ //p' | tr -s ' ' '\n' |
        sed -n 's/^--//p' | sort)

    in_page=$(sed -n '/^\.Sh OPTIONS/,/^\.Ss\|^\.Sh [^O]/s/^\.It .*Fl Fl \([A-Za-z0-9-]*\).*/\1/p' \
        "$page" | sort)
    same "$c: --help and the man page list the same options" "$shown" "$in_page"
    in_page=$(sed -n '/^\.Ss Options that are refused/,/^\.Sh/s/^\.It Fl Fl \([A-Za-z0-9-]*\).*/\1/p' \
        "$page" | sort)
    [ -z "$refused$in_page" ] ||
        same "$c: --help and the man page refuse the same options" "$refused" "$in_page"

    bad=
    for o in $refused; do
        said=$("$top_builddir/$c" "--$o=x" 2>&1 </dev/null)
        [ $? -eq 2 ] || bad="$bad $o"
        case $said in *"takes no value"*) said=$("$top_builddir/$c" "--$o" 2>&1 </dev/null) ;; esac
        case $said in *"--$o"*"is not supported"*"; "*) ;; *) bad="$bad $o" ;; esac
    done
    [ -z "$bad" ] || echo "# not refused by name with a remedy:$bad"
    [ -z "$bad" ]
    ok $? "$c: every refused option is refused by name, with what to use instead"

    completion=$("$top_builddir/$c" --print-completion)
    echo "$completion" | bash -n
    ok $? "$c: the completion is a bash program"
    words=$(echo "$completion" | sed -n "/-\*)/,/;;/s/.*-W '\(.*\)' .*/\1/p" | tr -s ' ' '\n' |
        sed -n 's/^--\([A-Za-z0-9-]*\)=\{0,1\}$/\1/p' | sort)
    same "$c: bash completes the options of --help" "$words" "$shown"

    missing=
    for s in NAME SYNOPSIS DESCRIPTION OPTIONS ENVIRONMENT "EXIT STATUS" EXAMPLES "SEE ALSO"; do
        grep -qx "\.Sh $s" "$page" || missing="$missing $s"
    done
    for code in 0 1 2 3 4 5; do
        sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EX/p' "$page" | grep -qx "\.It $code" ||
            missing="$missing $code"
    done
    [ -z "$missing" ] || echo "# missing:$missing"
    [ -z "$missing" ]
    ok $? "$c: the man page has every section and exit code"

    if command -v mandoc >/dev/null; then
        said=$(mandoc -T lint -W warning "$page" 2>&1)
        [ -z "$said" ] || echo "# $said"
        [ -z "$said" ]
        ok $? "$c: mandoc has nothing to say"
    else
        n=$((n + 1))
        echo "ok $n - $c: mandoc # SKIP mandoc is not installed"
    fi
done

# Columns: the man page's are those that are taken (5: only the controller is missing).
for c in vdiqueue vdiinfo; do
    bad=
    letters=$(sed -n '/^\.Sh COLUMNS/,/^\.Sh ENV/s/^\.It \\&%\(.\) .*/\1/p' "$top_srcdir/doc/man/$c.1")
    for l in $letters; do
        "$top_builddir/$c" -o "%$l" >/dev/null 2>&1
        [ $? -eq 5 ] || bad="$bad %$l"
    done
    names=$(sed -n '/^\.Sh COLUMNS/,/^\.Sh ENV/s/^\.It \(\\&%. \)\{0,1\}\([a-z_-]*\)$/\2/p' \
        "$top_srcdir/doc/man/$c.1")
    for l in $names; do
        "$top_builddir/$c" -O "$l" >/dev/null 2>&1
        [ $? -eq 5 ] || bad="$bad $l"
    done
    [ -z "$bad" ] || echo "# not taken:$bad"
    [ -n "$letters" ] && [ -n "$names" ] && [ -z "$bad" ]
    ok $? "$c: every column of the man page is taken"
    bad=
    for l in a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q \
        R S T U V W X Y Z; do
        "$top_builddir/$c" -o "%$l" >/dev/null 2>&1
        [ $? -eq 2 ] && continue
        case " $(echo $letters) " in *" $l "*) ;; *) bad="$bad %$l" ;; esac
    done
    [ -z "$bad" ] || echo "# not in the man page:$bad"
    [ -z "$bad" ]
    ok $? "$c: every column that is taken is in the man page"
done

echo "1..$n"
