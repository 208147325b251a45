#!/bin/sh
# Installs what lies beside this script, or removes it again.
#
#   ./install.sh               into ~/.local, or /usr/local with OPENGENI_SYSTEM=1
#   ./install.sh --uninstall   the service and the programs; connections stay, --purge removes them
#
# OPENGENI_PREFIX             another place (OPENGENI_INSTALL_DIR: the same, by its bin directory)
# OPENGENI_ENROLL_TOKEN       connect with this token (read from the environment, never an argument)
# OPENGENI_WORKSPACE_ID       connect by a code that somebody confirms
# OPENGENI_NO_SERVICE=1       do not start the service
# OPENGENI_ALLOW_DOWNGRADE=1  also over a newer version
#
# Each version has a directory of its own in PREFIX/lib/opengeni-agent, with a link "current" to the
# one that counts; PREFIX/bin and PREFIX/share lead through it. So all changes in one step, and what
# runs goes on with what it was started from.
#
# Exit status: 0 done, 1 failed, 2 wrong usage, 7 not for this machine.
set -eu

fail() {
    echo "install.sh: $2" >&2
    exit "$1"
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ -n "${OPENGENI_PREFIX:-}" ]; then
    prefix=$OPENGENI_PREFIX
elif [ -n "${OPENGENI_INSTALL_DIR:-}" ]; then
    case $OPENGENI_INSTALL_DIR in
    */bin) prefix=${OPENGENI_INSTALL_DIR%/bin} ;;
    *) fail 2 "OPENGENI_INSTALL_DIR has to end in /bin" ;;
    esac
elif [ "${OPENGENI_SYSTEM:-0}" = 1 ]; then
    prefix=/usr/local
else
    prefix=${HOME:?is not set}/.local
fi
case $prefix in
/*) ;;
*) fail 2 "the place has to be an absolute path" ;;
esac
root=$prefix/lib/opengeni-agent
list=$root/links
agent=$prefix/bin/opengeni-agent

version_of() { # PROGRAM
    "$1" --version 2>/dev/null | sed -n '1s/^opengeni-agent //p'
}

# What a version brings, as paths below PREFIX.
files_of() { # DIRECTORY
    (cd "$1" && find bin share -type f 2>/dev/null | LC_ALL=C sort)
}

# A link in one step, whatever has been there.
put_link() { # TARGET LINK
    rm -f -- "$2.new"
    ln -s -- "$1" "$2.new"
    mv -Tf -- "$2.new" "$2"
}

remove_link() { # PATH BELOW PREFIX; only what leads into our own directory
    case $1 in
    */../* | ../* | /*) fail 1 "$list is damaged; nothing more is removed" ;;
    esac
    case $(readlink -- "$prefix/$1") in
    *lib/opengeni-agent/current/*) rm -f -- "$prefix/$1" ;;
    esac
}

install_version() { # NAME OF ITS DIRECTORY
    mkdir -p -- "$root"
    rm -rf -- "$root/.install"
    cp -R -- "$here/files" "$root/.install"
    chmod -R u=rwX,go=rX -- "$root/.install"
    rm -rf -- "${root:?}/$1"
    mv -T -- "$root/.install" "$root/$1"
    if [ -L "$root/current" ]; then
        put_link "$(readlink -- "$root/current")" "$root/previous"
    fi
    put_link "$1" "$root/current"
    files_of "$root/$1" | while IFS= read -r file; do
        mkdir -p -- "$prefix/$(dirname -- "$file")"
        up=$(printf '%s\n' "$file" | sed 's|[^/]*$||; s|[^/]*/|../|g')
        put_link "${up}lib/opengeni-agent/current/$file" "$prefix/$file"
    done
    # Links of the version before that have nowhere to lead any more.
    if [ -f "$list" ]; then
        while IFS= read -r file; do
            [ -e "$prefix/$file" ] || remove_link "$file"
        done <"$list"
    fi
    files_of "$root/$1" >"$list.new"
    mv -f -- "$list.new" "$list"
    # Versions that nothing leads to.
    previous=$(readlink -- "$root/previous" || true)
    for dir in "$root"/[0-9]*; do
        case ${dir##*/} in
        "$1" | "$previous") ;;
        *) rm -rf -- "$dir" ;;
        esac
    done
    rm -f -- "$root"/trial-*
}

remove_files() {
    [ -d "$root" ] || return 0
    if [ -f "$list" ]; then
        while IFS= read -r file; do
            remove_link "$file"
        done <"$list"
    fi
    rm -rf -- "$root"/[0-9]* "$root"/.update-* "$root/.install"
    rm -f -- "$list" "$root/current" "$root/previous" "$root"/trial-*
    rmdir -- "$root" 2>/dev/null || true
}

purge() {
    config=${OPENGENI_CONFIG_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/opengeni/agent}
    [ -d "$config" ] || return 0
    # The known names alone, whatever the variable points to.
    for name in credentials.json machine-identity.ed25519 machine-identity.host agent.lock agent.ini \
        completed-update.json status.json update.lock paused virtual-desktop.auth; do
        rm -f -- "$config/$name"
    done
    if [ -d "$config/connections" ] && [ ! -L "$config/connections" ]; then
        find "$config/connections" -maxdepth 1 -type f \( -name '*.json' -o -name '.*.tmp' \) -exec rm -f -- {} +
        rmdir -- "$config/connections" 2>/dev/null || true
    fi
    for name in spool browserd interaction-runtime; do
        if [ -d "$config/$name" ] && [ ! -L "$config/$name" ]; then
            rm -rf -- "${config:?}/$name"
        fi
    done
    rmdir -- "$config" 2>/dev/null || true
    echo "Removed the connections. The machine stays listed at its workspaces until it is removed there."
}

install_all() {
    [ "$(uname -s)" = Linux ] || fail 7 "this is for Linux"
    version=$(version_of "$here/files/bin/opengeni-agent")
    [ -n "$version" ] ||
        fail 7 "these programs do not run here: another architecture, or libraries are missing"
    there=$(version_of "$agent" || true)
    start=start
    if [ -n "$there" ] && [ "$there" != "$version" ] && [ "${OPENGENI_ALLOW_DOWNGRADE:-0}" != 1 ] &&
        [ "$(printf '%s\n%s\n' "$version" "$there" | sort -V | tail -n 1)" = "$there" ]; then
        echo "Version $there is installed, and newer than $version: it stays."
    else
        name=$version
        if [ "$(readlink -- "$root/current" 2>/dev/null || true)" = "$name" ]; then
            name=$version.again # the one that is current must not go away for a moment
        fi
        [ -z "$there" ] || cmp -s -- "$here/files/bin/opengeni-agentd" "$root/current/bin/opengeni-agentd" ||
            start="start --restart"
        install_version "$name"
        echo "Installed opengeni-agent $version into $prefix."
    fi
    case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) echo "Note: $prefix/bin is not in your PATH." ;;
    esac
    if [ -n "${OPENGENI_ENROLL_TOKEN:-}" ]; then
        "$agent" connect --non-interactive
    elif [ -n "${OPENGENI_WORKSPACE_ID:-}" ]; then
        "$agent" connect
    else
        echo "Next: opengeni-agent connect"
    fi
    unset OPENGENI_ENROLL_TOKEN
    if [ "${OPENGENI_NO_SERVICE:-0}" != 1 ]; then
        # shellcheck disable=SC2086 # two words
        "$agent" $start || echo "The service could not be started; 'opengeni-agent run' works without it."
    fi
}

case ${1:-} in
'') install_all ;;
--uninstall | --purge)
    if [ -x "$agent" ]; then
        # Nothing is to be left that starts a program which has gone.
        "$agent" service uninstall || fail 1 "the service stays, so nothing was removed"
    fi
    remove_files
    echo "Removed opengeni-agent from $prefix."
    [ "$1" = --purge ] && purge
    exit 0
    ;;
*) fail 2 "what is '$1'? ./install.sh installs, --uninstall removes, --purge also forgets connections" ;;
esac
