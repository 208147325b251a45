#!/bin/sh
# Installs what lies beside this script, or removes it again.
#
#   ./install.sh               into ~/.local, or /usr/local with OPENGENI_SYSTEM=1
#   ./install.sh --uninstall   the service and the programs; connections stay, --purge removes them
#
# OPENGENI_PREFIX             another place
# OPENGENI_ENROLL_TOKEN       connect with this token (read from the environment, never an argument)
# OPENGENI_WORKSPACE_ID       connect by a code that somebody confirms
# OPENGENI_NO_SERVICE=1       do not start the service
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
elif [ "${OPENGENI_SYSTEM:-0}" = 1 ]; then
    prefix=/usr/local
else
    prefix=${HOME:?is not set}/.local
fi
case $prefix in
/*) ;;
*) fail 2 "OPENGENI_PREFIX has to be an absolute path" ;;
esac
list=$prefix/share/opengeni-agent/installed-files
agent=$prefix/bin/opengeni-agent

# Removes what the last installation wrote down, and nothing else.
remove_files() {
    [ -f "$list" ] || return 0
    while IFS= read -r file; do
        case $file in
        */../* | ../* | /*) fail 1 "$list is damaged; nothing more is removed" ;;
        esac
        rm -f -- "$prefix/$file"
    done <"$list"
    rm -f -- "$list"
    rmdir -- "$prefix/share/opengeni-agent" 2>/dev/null || true
}

install_files() {
    (cd "$here/files" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) | while IFS= read -r file; do
        mkdir -p -- "$prefix/$(dirname -- "$file")"
        # A new file under another name, then one step: a running program keeps the old one.
        cp -p -- "$here/files/$file" "$prefix/$file.new"
        mv -f -- "$prefix/$file.new" "$prefix/$file"
    done
    mkdir -p -- "$prefix/share/opengeni-agent"
    (cd "$here/files" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) >"$list.new"
    mv -f -- "$list.new" "$list"
}

purge() {
    config=${OPENGENI_CONFIG_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/opengeni/agent}
    [ -d "$config" ] || return 0
    # The known names alone, whatever the variable points to.
    for name in credentials.json machine-identity.ed25519 machine-identity.host agent.lock agent.ini \
        completed-update.json status.json update.lock virtual-desktop.auth; do
        rm -f -- "$config/$name"
    done
    if [ -d "$config/connections" ] && [ ! -L "$config/connections" ]; then
        find "$config/connections" -maxdepth 1 -type f \( -name '*.json' -o -name '.*.tmp' \) -exec rm -f -- {} +
        rmdir -- "$config/connections" 2>/dev/null || true
    fi
    if [ -d "$config/spool" ] && [ ! -L "$config/spool" ]; then
        rm -rf -- "$config/spool"
    fi
    rmdir -- "$config" 2>/dev/null || true
    echo "Removed the connections. The machine stays listed at its workspaces until it is removed there."
}

case ${1:-} in
'')
    [ "$(uname -s)" = Linux ] || fail 7 "this is for Linux"
    "$here/files/bin/opengeni-agent" --version >/dev/null 2>&1 ||
        fail 7 "these programs do not run here: another architecture, or libraries are missing"
    remove_files
    install_files
    echo "Installed $("$agent" --version) into $prefix."
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
        "$agent" start || echo "The service could not be started; 'opengeni-agent run' works without it."
    fi
    ;;
--uninstall | --purge)
    if [ -x "$agent" ]; then
        "$agent" service uninstall || true
    fi
    remove_files
    echo "Removed opengeni-agent from $prefix."
    [ "$1" = --purge ] && purge
    exit 0
    ;;
*) fail 2 "what is '$1'? ./install.sh installs, --uninstall removes, --purge also forgets connections" ;;
esac
