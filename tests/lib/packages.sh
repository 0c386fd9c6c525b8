# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# packages.sh - reads packages.list and installs what is missing (Debian and its kin).
#
# Source it with top_srcdir set. Nothing is started by an installation: no service, and no
# PostgreSQL cluster. What this needs in /etc for that is taken away again afterwards.

: "${top_srcdir:?the folder of packages.list}"

# packages GROUP...: the names in these groups, one a line.
packages() {
    local group
    for group in "$@"; do
        awk -v group="$group" '$1 == group { print $2; n++ } END { exit !n }' \
            "$top_srcdir/packages.list" || {
            echo "packages.list: no package in group '$group'" >&2
            return 1
        }
    done
}

# packages_missing GROUP...: those of them that are not installed.
packages_missing() {
    local names name there
    names=$(packages "$@") || return 1
    # shellcheck disable=SC2086 # one word a package
    there=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null)
    for name in $names; do
        grep -qx "installed $name" <<<"$there" || echo "$name"
    done
}

# packages_install GROUP...: nothing to do when all is there; root or sudo otherwise.
packages_install() {
    local missing
    missing=$(packages_missing "$@") || return 1
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || {
        echo "These packages are missing, and there is no apt-get to install them:" >&2
        echo "$missing" | tr '\n' ' ' >&2
        echo >&2
        return 1
    }
    echo "Installing: $(echo "$missing" | tr '\n' ' ')"
    # shellcheck disable=SC2086 # one word a package
    if [ "$(id -u)" -eq 0 ]; then
        bash -c "$(declare -f packages_apt); packages_apt \"\$@\"" packages $missing </dev/null
    elif command -v sudo >/dev/null; then
        sudo bash -c "$(declare -f packages_apt); packages_apt \"\$@\"" packages $missing
    else
        echo "Neither root nor sudo. As root: apt-get install $(echo "$missing" | tr '\n' ' ')" >&2
        return 1
    fi
}

# Runs as root, in a shell of its own: apt-get with everything kept from starting.
packages_apt() {
    local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/osvdi.conf
    local made="" apt f
    export DEBIAN_FRONTEND=noninteractive
    apt="apt-get -q -y -o DPkg::Lock::Timeout=600"
    trap 'for f in $made; do rm -f "$f"; done' EXIT
    trap 'exit 1' HUP INT TERM
    if [ ! -e "$policy" ]; then
        made="$policy"
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || exit 1
    fi
    if [ ! -e "$cluster" ]; then
        made="$made $cluster"
        mkdir -p "${cluster%/*}" && echo "create_main_cluster = false" >"$cluster" || exit 1
    fi
    # The lists may be absent (a bare image) or too old to fetch from.
    if compgen -G "/var/lib/apt/lists/*Packages*" >/dev/null &&
        $apt install --no-install-recommends "$@" >/dev/null 2>&1; then
        exit 0
    fi
    $apt update >/dev/null || exit 1
    $apt install --no-install-recommends "$@" >/dev/null || exit 1
    exit 0
}
